"""A file that appears under its name only when it is whole, and has one writer at a time.

Beside the file to be written lie, while that lasts, a lock and a scratch file, whose names start
with ``.iaside-`` and the digest of its name, so that they are told from other files whatever
they lie beside, and fit wherever the name itself fits. A scratch file left by a process that was
killed is removed by whoever writes the same file next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ReportError, UsageError
from ..spelling import option
from .regular_file import real_path, why
from .seal import BEGINNINGS, SEAL_BYTES

try:
    import fcntl
except ImportError:  # Windows knows no such locks; runs are not told apart there
    fcntl = None  # type: ignore[assignment]

PICTURES = (".png", ".svg", ".pdf")
PAGES = (".html", ".htm")
# How names of other files than results end.
_OF_OTHERS = (*PICTURES, ".jpg", ".jpeg", *PAGES, ".onnx", ".ort", ".csv", ".json")
# How the names of locks and scratch files begin.
SCRATCH = ".iaside-"
# What a lock file of iaside holds; any other file is left alone.
_MARK = b"iaside lock\n"
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if os.name == "posix" else 0
# Targets that this process has locked: no other can be writing their scratch files.
_locked_here: set[Path] = set()


def check_free(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that is taken, before any work is done; no irregular file is ever replaced."""
    if not os.path.lexists(target):
        return
    _check_regular(target)
    if not overwrite:
        given = option("overwrite", True)
        raise ReportError(f"{target}: exists already; use {given} to replace it")


def check_picture_ending(target: Path) -> None:
    """Refuse a name that no picture can be written under."""
    if target.suffix.lower() not in PICTURES:
        raise UsageError(f"{target}: a picture's name ends in {', '.join(PICTURES)}")


def check_page_ending(target: Path) -> None:
    """Refuse a name that no page can be written under."""
    if target.suffix.lower() not in PAGES:
        raise UsageError(f"{target}: a page's name ends in {PAGES[0]}")


def check_result_ending(target: Path) -> None:
    """Refuse a name that makes programs and people take a result for another kind of file."""
    if target.suffix.lower() in _OF_OTHERS:
        raise UsageError(
            f"{target}: is the name of another kind of file; the name of a result ends in .h5"
        )


def check_free_for_result(target: Path, *, overwrite: bool) -> None:
    """Refuse as `check_free` does, and what is no file of iaside even to be replaced."""
    check_result_ending(target)
    check_free(target, overwrite=overwrite)
    check_is_ours(
        target,
        f"is no file of iaside, so {option('overwrite')} does not replace it; remove it, or give "
        "the report another name",
    )


def check_is_ours(path: Path, words: str) -> None:
    """Refuse with `words` a file that iaside did not write, as its first bytes show; empty pass."""
    try:
        with path.open("rb") as file:
            first = file.read(SEAL_BYTES)
    except FileNotFoundError:  # nothing, or a link to nothing
        return
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {why(error)}") from error
    if first and not first.startswith(BEGINNINGS):
        raise ReportError(f"{path}: {words}")


def check_no_input(
    target: Path, inputs: Iterable[str | Path | None], *, use: str = "read", within: bool = False
) -> None:
    """Refuse to write over an input, by whatever name or link, even to replace it.

    `use` says what the input is there for; `within` holds for files in folders among the inputs
    too.
    """
    for each in [Path(each) for each in inputs if each is not None]:
        same = False
        with suppress(OSError, ValueError):  # what is not there is no input that could be lost
            same = target.samefile(each)
            if within and each.is_dir():
                same = real_path(target).is_relative_to(real_path(each))
        if same:
            what = "the report" if use == "measured" else "what is written"
            raise ReportError(f"{target}: is what would be {use}; give {what} another name")


def check_folder(target: Path) -> None:
    """Refuse a folder, or a name in a folder that does not exist, before any work is done."""
    if target.is_dir():
        raise ReportError(f"{target}: is a folder; give a file name for the report")
    if not target.parent.is_dir():
        raise ReportError(f"{target}: the folder {target.parent} does not exist; create it first")


def make_folder(target: Path) -> None:
    """Make a folder for several files; one that is there already serves.

    Raises
    ------
    ReportError
        Something else has the name, or the folder cannot be made.
    """
    if target.is_dir():
        return
    if target.exists() or target.is_symlink():
        raise ReportError(f"{target}: is no folder, and several files need one; give its name")
    if not target.parent.is_dir():
        raise ReportError(f"{target}: the folder {target.parent} does not exist; create it first")
    try:
        target.mkdir(exist_ok=True)
    except OSError as error:
        raise ReportError(f"{target}: cannot be made: {why(error)}") from error


def _check_regular(target: Path) -> None:
    """Refuse to put a file in the place of a device, a FIFO, a socket or a folder."""
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:  # nothing, or a link to nothing
        return
    if not stat.S_ISREG(mode):
        raise ReportError(
            f"{target}: is no regular file (but a folder, a device, a FIFO or a socket), and is "
            "not replaced; give a file name"
        )


def _beside(target: Path, ending: str) -> Path:
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    return target.with_name(f"{SCRATCH}{name}.{ending}")


@contextmanager
def whole_file(target: Path, room: int = 0) -> Iterator[Path]:
    """A scratch name beside `target` that takes its place when all went well, else vanishes.

    `room` is in bytes, claimed on the disk before anything is written: the HDF5 library does not
    survive a disk that fills up while it writes. What cannot be written is a ReportError.
    """
    scratch: Path | None = None
    try:
        with sole_writer(target):
            _clean(target)
            scratch = _beside(target, f"{secrets.token_hex(8)}.tmp")
            _claim(scratch, room)
            yield scratch
            with scratch.open("rb+") as written:
                os.fsync(written.fileno())
            _check_regular(target)
            scratch.replace(target)
    except (OSError, RuntimeError, ValueError) as error:  # h5py raises all three
        if not isinstance(error, OSError) and not room:
            raise
        raise ReportError(f"{target}: cannot be written: {why(error)}") from error
    finally:
        if scratch is not None:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def _claim(scratch: Path, room: int) -> None:
    """Make a file of `room` bytes."""
    with scratch.open("xb") as file:
        if not room:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, room)
        elif shutil.disk_usage(scratch.parent).free < room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _clean(target: Path) -> None:
    """Remove scratch files that killed processes left; none of a living one can be there."""
    if real_path(target) not in _locked_here:  # on a file system without locks
        return
    pattern = _beside(target, "*.tmp")
    for scratch in pattern.parent.glob(pattern.name):
        with suppress(OSError):
            if stat.S_ISREG(scratch.lstat().st_mode):
                scratch.unlink()


def clear_leftovers(target: Path) -> None:
    """Remove what a killed process left beside a file, where none is writing that file now."""
    if not os.path.lexists(_beside(target, "lock")):
        return
    with suppress(ReportError), sole_writer(target):
        _clean(target)


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Hold `target` against other processes that would write it, through a lock beside it.

    The system gives a lock up when its process ends, however it ends, so a lock file left behind
    does not matter. On file systems without locks nothing is checked. A process that holds a
    target already goes on; where another run holds it, that is a ReportError.
    """
    key = real_path(target)
    if fcntl is None or key in _locked_here:
        yield
        return
    path = _beside(target, "lock")
    lock, locked = _locked(target, path)
    if locked:
        _locked_here.add(key)
    try:
        yield
    finally:
        _locked_here.discard(key)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(lock)


def _locked(target: Path, path: Path) -> tuple[int, bool]:
    """The lock file, open, and whether it could be locked."""
    while True:
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        except OSError as error:
            raise ReportError(f"{target}: cannot be written: {why(error)}") from error
        try:
            mode = os.fstat(lock).st_mode
            if not stat.S_ISREG(mode) or os.read(lock, len(_MARK)) not in (b"", _MARK):
                raise ReportError(
                    f"{target}: cannot be written, because {path.name} beside it, which would be "
                    "its lock, is something else; move that away"
                )
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before may have removed the file between its opening and its locking here.
            if os.path.samestat(os.fstat(lock), path.stat(follow_symlinks=False)):
                os.pwrite(lock, _MARK, 0)
                return lock, True
        except BlockingIOError as error:
            os.close(lock)
            raise ReportError(
                f"{target}: another run is writing it; wait for it, or give another name"
            ) from error
        except FileNotFoundError:
            pass
        except OSError:
            return lock, False
        except ReportError:
            os.close(lock)
            raise
        os.close(lock)
