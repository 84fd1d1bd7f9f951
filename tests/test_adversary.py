"""The small version of tools/adversary."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from .conftest import ROOT


@pytest.mark.skipif(os.name != "posix", reason="signals and streams of POSIX")
def test_nothing_is_lost_and_no_failure_is_more_than_a_line():
    command = [sys.executable, str(ROOT / "tools" / "adversary"), "--small"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" in done.stdout or "system calls" in done.stdout
    for kind in ("kills", "swaps", "options", "streams", "places"):
        assert f"\n{kind}" in done.stdout
