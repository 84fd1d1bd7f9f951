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
    table = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert "skipped:" in table["system-calls"] or table["system-calls"][0] == "1"
    # A blow that always comes too late tells nothing.
    for kind in ("kills", "swaps"):
        cases, struck, failed = table[kind][:3]
        assert (struck, failed) == (cases, "0"), done.stdout
    for kind in ("reports", "models", "images", "options", "streams", "places"):
        assert int(table[kind][0]) > 0
