"""The first steps of reading a report, which load nothing heavy.

The process that reads the file needs a third of a second to start and load its libraries. A
command that begins reading before it loads its own (`begin_reading`) need not wait for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ReportError
from .isolated import Arrays, Child, IsolationError, Job, isolated
from .regular_file import check_regular, nearby, why
from .seal import check_seal

# Formats, and the commands that write such files.
MADE_BY = {
    "iaside-report": "analyze",
    "iaside-robustness": "robustness",
    "iaside-heatmap": "heatmap",
    "iaside-snr": "snr",
    "iaside-damage": "explain",
    "iaside-stand-ins": "predict",
}
# By name, as what a file holds is known to results: the one place that storage knows of them.
_READER = f"{__package__.partition('.')[0]}.results.stored:read_stored"


def begin_reading(path: Path) -> Child:
    """Start the process that reads a finished file; `results.kinds.load` takes its result.

    No file, or one that is not as it was sealed, is a ReportError.
    """
    check_is_file(path)
    with report_errors(path):
        check_seal(path)
        return Child(_READER, path)


def stored_content(path: Path, reading: Child | None) -> tuple[dict[str, Any], Arrays]:
    """What the process that reads a finished file returns; it is begun here where it is not yet."""
    reading = reading or begin_reading(path)
    with report_errors(path):
        return reading.result()


def wrong_kind(path: Path | str, kind: str, *needed: str) -> ReportError:
    """What to say of a file of another format than those needed; none given: any that is known."""
    commands = [MADE_BY[each] for each in needed or MADE_BY]
    if kind not in MADE_BY:
        return ReportError(f"{path}: is not a file of iaside {', '.join(commands)}")
    other = f", and one of iaside {' or '.join(commands)} is needed here" if needed else ""
    return ReportError(
        f"{path}: is a file of iaside {MADE_BY[kind]}{other}; iaside show prints either"
    )


def read_isolated(path: Path, job: Job) -> tuple[dict[str, Any], Arrays]:
    """What `job` reads in a process with limits; every way to fail is a ReportError."""
    with report_errors(path):
        return isolated(job, path)


def check_is_file(path: Path) -> None:
    """Refuse a path that is no file."""
    check_regular(path, ReportError)
    if not path.is_file():
        if path.is_dir():
            raise ReportError(is_folder(path))
        raise ReportError(f"{path}: no such report file{nearby(path)}")


def is_folder(path: Path) -> str:
    """What to say where a folder was given for a report: it may hold one."""
    held = sorted(each.name for each in path.glob("*.h5"))
    hint = f"such as {path / held[0]}" if held else "there is none in it"
    hint += f", or several as {path / '*.h5'}" * (len(held) > 1)
    return f"{path}: is a folder; give a report, {hint}"


@contextmanager
def report_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong with the file or the process that reads it into a ReportError."""
    try:
        yield
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {why(error)}") from error
    except IsolationError as error:
        raise ReportError(
            f"{path}: is damaged, or made to do harm: {error}; get it again or audit once more"
        ) from error
