"""Run the export commands in environments of their own, named by environment variables."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from .conftest import ROOT


def python_with(framework: str) -> str:
    """The Python that IASIDE_EXPORT_<FRAMEWORK> names, else skip."""
    variable = f"IASIDE_EXPORT_{framework.upper()}"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python with {framework} (see docs/exporting.md)")
    return python


class Exporter:
    """One command of tools/export, run by one Python in one folder."""

    def __init__(self, python: str, script: str, folder: Path) -> None:
        self.python, self.script, self.folder = python, script, folder
        self.environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def export(self, source: str, *options: object) -> Path:
        """Export `source`; the gate's own line must say that it passed."""
        target = self.folder / "model.onnx"
        script = ROOT / "tools" / "export" / self.script
        done = self.run(script, source, "-o", target, "--overwrite", *options)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"wrote .* of the outputs' spread on 10 images .*\n", done.stdout)
        assert str(self.folder).encode() not in target.read_bytes()
        return target

    def refuse(self, source: str, *options: object) -> str:
        """Try an export that must fail: one line, exit code 2, no file."""
        target = self.folder / "refused.onnx"
        script = ROOT / "tools" / "export" / self.script
        done = self.run(script, source, "-o", target, *options)
        assert done.returncode == 2, done.stdout
        assert not list(self.folder.glob("*refused*"))
        assert done.stdout == ""
        assert re.fullmatch(r"Error: .*\n", done.stderr), done.stderr
        return done.stderr
