"""Tables of studies as CSV files: those that lie beside this file, and how any is written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
Cells = Sequence[Sequence[object]]


def text_of(cells: Iterable[Sequence[object]]) -> str:
    """A table as the text of a CSV file; its first row names the columns."""
    held = io.StringIO(newline="")
    csv.writer(held, lineterminator="\n").writerows(cells)
    return held.getvalue()


def cells_of(rows: Sequence[dict[str, Any]]) -> Cells:
    """Rows that all have the same columns, under a row that names these."""
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def write(rows: Sequence[dict[str, Any]], target: Path) -> None:
    """Rows as a CSV file."""
    target.write_text(text_of(cells_of(rows)), encoding="utf-8", newline="")


def read(name: str, folder: Path = HERE) -> list[dict[str, str]]:
    """The rows of one of the tables beside this file, or of one in another folder."""
    path = folder / name
    if not path.is_file():
        raise SystemExit(
            f"Error: {path}: no such file; `python -m tools.studies` names the command that makes "
            "it, and a clone has what was published"
        )
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
