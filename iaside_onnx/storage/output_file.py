"""A file that appears under its name only when it is whole, and has one writer at a time.

Beside the file to be written lie, while that lasts, a lock and a scratch file, whose names start
with ``.iaside-`` and the digest of its name, so that they are known for ours whatever they lie
beside, and fit wherever the name itself fits. A scratch file left by a process that was killed is
removed by whoever writes the same file next.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ReportError
from ..spelling import option

try:
    import fcntl
except ImportError:  # Windows knows no such locks; runs are not told apart there
    fcntl = None  # type: ignore[assignment]

# What a lock file of ours holds; any other file is left alone.
_MARK = b"iaside lock\n"
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if os.name == "posix" else 0
# Targets that this process holds: nobody else can be writing their scratch files.
_held: set[Path] = set()


def check_free(target: Path, *, overwrite: bool) -> None:
    """Refuse a name that is taken, before any work is done.

    Raises
    ------
    ReportError
        The file exists and `overwrite` is not set, or it is no regular file, which is never
        replaced.
    """
    if not os.path.lexists(target):
        return
    _check_regular(target)
    if not overwrite:
        leave = option("overwrite", True)
        raise ReportError(f"{target}: exists already; use {leave} to replace it")


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
    return target.with_name(f".iaside-{name}.{ending}")


@contextmanager
def whole_file(target: Path, room: int = 0) -> Iterator[Path]:
    """A scratch name beside `target` that takes its place when all went well, else vanishes.

    Parameters
    ----------
    room : int
        Bytes that are claimed on the disk before anything is written: the HDF5 library does not
        survive a disk that fills up while it writes.

    Raises
    ------
    ReportError
        It cannot be written.
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
        raise ReportError(f"{target}: cannot be written: {_why(error)}") from error
    finally:
        if scratch is not None:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


def _claim(scratch: Path, room: int) -> None:
    """Make a file of `room` bytes."""
    with scratch.open("xb") as made:
        if not room:
            return
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(made.fileno(), 0, room)
        elif shutil.disk_usage(scratch.parent).free < room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _clean(target: Path) -> None:
    """Remove scratch files that killed processes left; none of a living one can be there."""
    if target.resolve() not in _held:  # on a file system without locks
        return
    pattern = _beside(target, "*.tmp")
    for left in pattern.parent.glob(pattern.name):
        with suppress(OSError):
            if stat.S_ISREG(left.lstat().st_mode):
                left.unlink()


def clear_leftovers(target: Path) -> None:
    """Remove what a killed process left beside a file, where nobody is writing that file now."""
    if not os.path.lexists(_beside(target, "lock")):
        return
    with suppress(ReportError), sole_writer(target):
        _clean(target)


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return " ".join(str(error).split())[:200].lower()


@contextmanager
def sole_writer(target: Path) -> Iterator[None]:
    """Hold `target` against other processes that would write it, through a lock beside it.

    The system gives a lock up when its process ends, however it ends, so a lock file left behind
    holds nobody back. On file systems without locks nothing is checked. A process that holds a
    target already goes on.

    Raises
    ------
    ReportError
        Another run holds it, or no file can be made there.
    """
    key = target.resolve()
    if fcntl is None or key in _held:
        yield
        return
    path = _beside(target, "lock")
    held, locked = _locked(target, path)
    if locked:
        _held.add(key)
    try:
        yield
    finally:
        _held.discard(key)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(held)


def _locked(target: Path, path: Path) -> tuple[int, bool]:
    """The lock file, open, and whether it could be locked.

    Raises
    ------
    ReportError
    """
    while True:
        try:
            held = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        except OSError as error:
            raise ReportError(f"{target}: cannot be written: {_why(error)}") from error
        try:
            found = os.fstat(held)
            if not stat.S_ISREG(found.st_mode) or os.read(held, len(_MARK)) not in (b"", _MARK):
                raise ReportError(
                    f"{target}: cannot be written, because {path.name} beside it, which would be "
                    "its lock, is something else; move that away"
                )
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before may have removed the file between its opening and its locking here.
            if os.path.samestat(os.fstat(held), path.stat(follow_symlinks=False)):
                os.pwrite(held, _MARK, 0)
                return held, True
        except BlockingIOError as error:
            os.close(held)
            raise ReportError(
                f"{target}: another run is writing it; wait for it, or give another name"
            ) from error
        except FileNotFoundError:
            pass
        except OSError:
            return held, False
        except ReportError:
            os.close(held)
            raise
        os.close(held)
