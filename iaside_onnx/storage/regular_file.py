"""Only regular files are read: opening a pipe waits for ever, and some devices never end."""

from __future__ import annotations

import os
import stat
from itertools import islice
from pathlib import Path

from ..checks import likeliest
from ..errors import IasideError

_MOST_NAMES = 1000  # of a folder, that are compared with a name that is not in it
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def why(error: BaseException) -> str:
    """An error of the system or of the HDF5 library in a few words."""
    known = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else None
    return (known or " ".join(str(error).split())[:200]).lower()


def irregular(path: Path) -> str | None:
    """What a path is, that is there and neither a file nor a folder, and what to do; else None.

    Links are followed.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):  # whoever opens it says what is wrong
        return None
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        return None
    return f"is {_KINDS.get(kind, 'no regular file')}; give a file"


def nearby(path: Path) -> str:
    """Of a path that does not exist: the question whether one with a like name was meant."""
    try:
        names = sorted(each.name for each in islice(path.parent.iterdir(), _MOST_NAMES))
    except (OSError, ValueError):
        return ""
    near = likeliest(path.name, names, whole=True)
    return f"; did you mean {path.with_name(near[0])}?" if near else ""


def check_regular(path: Path, error: type[IasideError], name: str | None = None) -> None:
    """Refuse with an `error`, before it is opened, what is neither file nor folder.

    `name` is what the message calls it, if not by its path.
    """
    if (what := irregular(path)) is not None:
        raise error(f"{name or path}: {what}")


def read_bounded(path: Path, most: int, error: type[IasideError]) -> bytes:
    """Content of a small file, of at most `most` bytes, which are counted as they are read.

    A larger or irregular file is an `error`, one that cannot be read an OSError.
    """
    check_regular(path, error)
    with path.open("rb") as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        size = max(path.stat().st_size, len(content))
        raise error(f"{path}: {size:,} bytes, the most are {most:,}")
    return content


def real_path(path: Path) -> Path:
    """The path without links; of links in a loop as far as they lead, where pathlib would fail."""
    return Path(os.path.realpath(path))
