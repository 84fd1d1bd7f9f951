"""A file that appears under its name only when it is whole, and has one writer at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import ReportError

try:
    import fcntl
except ImportError:  # Windows knows no such locks; runs are not told apart there
    fcntl = None  # type: ignore[assignment]


def check_free(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that is taken, before any work is done.

    Raises
    ------
    ReportError
        The file exists and `overwrite` is not set.
    """
    if target.exists() and not overwrite:
        raise ReportError(f"{target}: exists already; use --overwrite to replace it")


def check_folder(target: Path) -> None:
    """Refuse a place where no report can be written, before any work is done.

    Raises
    ------
    ReportError
        A folder, or a name in a folder that does not exist.
    """
    if target.is_dir():
        raise ReportError(f"{target}: is a folder; give a file name for the report")
    if not target.parent.is_dir():
        raise ReportError(f"{target}: the folder {target.parent} does not exist; create it first")


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A scratch name beside `target` that takes its place when all went well, else vanishes.

    Raises
    ------
    ReportError
        It cannot be written.
    """
    scratch = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        scratch.replace(target)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ReportError(f"{target}: cannot be written: {why}") from error
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Hold `target` against other runs that would write it, through ``TARGET.lock`` beside it.

    The system gives a lock up when its process ends, however it ends, so a lock file left behind
    holds nobody back. On file systems without locks nothing is checked.

    Raises
    ------
    ReportError
        Another run holds it, or no file can be made there.
    """
    if fcntl is None:
        yield
        return
    path = target.with_name(target.name + ".lock")
    while True:
        try:
            held = path.open("w")
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ReportError(f"{target}: cannot be written: {why}") from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            held.close()
            raise ReportError(
                f"{target}: another run is writing it; wait for it, or give another name"
            ) from error
        except OSError:
            break
        # The holder before may have removed the file between its opening and its locking here.
        with suppress(OSError):
            if os.path.samestat(os.fstat(held.fileno()), path.stat()):
                break
        held.close()
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        held.close()
