"""A folder of results: a line for each file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import IasideError, ReportError, said
from ..plurals import counted
from ..results.audit import ROBUSTNESS
from ..results.kinds import load
from ..spelling import command_text, on_command_line, path_word
from ..storage.opening import MADE_BY, is_folder
from .registry import view
from .terminal import table, terminal
from .text import UNDEFINED, one_line


def folder_rows(folder: Path) -> list[dict[str, Any]]:
    """What each file and each audit in a folder is; of those that cannot be read, why.

    Raises
    ------
    ReportError
        There is none, or none that can be read.
    """
    audits = sorted(each for each in folder.iterdir() if (each / ROBUSTNESS).is_file())
    rows = [_row(path) for path in sorted(folder.glob("*.h5")) + audits]
    if all(row["command"] is None for row in rows):
        raise ReportError(is_folder(folder))
    return rows


def _row(path: Path) -> dict[str, Any]:
    try:
        result = load(path)
    except IasideError as error:
        fault = on_command_line(said(error)).removeprefix(f"{path}: ")
        return {"file": path.name, "command": None, "says": fault, "created": None}
    kind = getattr(result, "SCHEMA", None)
    line = view(result, "line")
    says = line.removeprefix(f"<{type(result).__name__} ").removesuffix(">")
    first = result if kind is not None else result.robustness
    command = "audit" if kind is None else MADE_BY[kind.format]
    return {"file": path.name, "command": command, "says": says, "created": first.created}


def _holds(folder: Path) -> bool:
    """Whether a folder holds results, other than those of an audit, which have a line."""
    return not (folder / ROBUSTNESS).is_file() and next(folder.glob("*.h5"), None) is not None


def print_folder(folder: Path, rows: list[dict[str, Any]]) -> None:
    """A table of the files, and what to do with them."""
    out = terminal()
    out.say(f"{one_line(str(folder))}: {counted(len(rows), 'result')}")
    cells = [
        [
            one_line(row["file"]),
            row["command"] or UNDEFINED,
            one_line(row["says"]),
            (row["created"] or UNDEFINED)[:10],
        ]
        for row in rows
    ]
    out.print(table(["file", "iaside", "says"], ["made"], cells, tight=True))
    within = sorted(each.name for each in folder.iterdir() if each.is_dir() and _holds(each))
    if within:
        out.say(f"Folders in it that hold more: {', '.join(map(one_line, within))}")
    names = {row["command"] for row in rows}
    out.say(f"Next: {command_text(['iaside', 'show', path_word(folder / rows[0]['file'])])}")
    if names & {"robustness", "analyze", "audit"} and len(rows) > 1:
        out.say(f"      {command_text(['iaside', 'rank', path_word(folder)])}")
