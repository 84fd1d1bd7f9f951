"""Reads files in this process, whose limits are those of the process that reads for users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

from iaside_onnx.results.kinds import load
from iaside_onnx.results.result import Result
from iaside_onnx.results.stored import read_stored
from iaside_onnx.storage import opening
from iaside_onnx.storage.isolated import Arrays


class _InThisProcess:
    """Stands in for the process that reads a file."""

    def __init__(self, _: str, path: Path) -> None:
        self._path = path

    def result(self) -> tuple[dict[str, Any], Arrays]:
        values, arrays = read_stored(self._path)
        return json.loads(json.dumps(values)), arrays


def read_here(path: Path) -> Result:
    """What `iaside_onnx.load` reads, here."""
    with mock.patch.object(opening, "Child", _InThisProcess):
        found: Result = load(path)
        return found
