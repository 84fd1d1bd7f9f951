"""Whether a library can be loaded at all: one that is damaged would end the process that loads it.

The loader maps a library into memory and believes what stands there, so that a file which ends too
early, or holds something else, is met by the system with a signal and not by an error.
"""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidOption

# Loads a library, and ends well unless that ends the process; leaves no image of its memory behind.
_TRIAL = """
import ctypes, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
try:
    ctypes.CDLL(sys.argv[1])
except OSError:
    pass
"""
_SECONDS = 300  # libraries of a GPU are large
_LARGEST = (1 << 63) - 1  # place in a file
_LEAST_COMMAND = 8  # bytes of a Mach-O command
_LOADED = 1  # kind of an ELF segment that is mapped
_SEGMENTS = {0x1: "<16sIIII", 0x19: "<16sQQQQ"}  # Mach-O's commands that map: of 32 and 64 bits


def check_library(name: str, library: Path) -> None:
    """Refuse a file that is missing, is cut off, or ends the process that loads it.

    What is no library at all is left to the loader, which says so.

    Parameters
    ----------
    name : str
        The option that names it.

    Raises
    ------
    InvalidOption
    """
    if not library.is_file():
        raise InvalidOption(name, library, "no such file")
    try:
        state = library.stat()
        why = _fault(str(library.resolve()), state.st_size, state.st_mtime_ns)
    except OSError as error:
        raise InvalidOption(name, library, f"cannot be read: {error.strerror}") from error
    if why:
        raise InvalidOption(name, library, why)


@cache
def _fault(path: str, size: int, _changed: int) -> str:
    """Why a library must not be loaded; empty: nothing is known against it."""
    with Path(path).open("rb") as file:
        try:
            end = max(_ends(file), default=0)
        except struct.error:
            return f"cut off: its {size} bytes end within its header; copy it again"
    if end > size:
        return (
            f"cut off: its header promises at least {end} bytes, and here are {size}; copy it again"
        )
    if not sys.executable:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - this Python itself
            [sys.executable, "-IS", "-c", _TRIAL, path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"loading it does not end within {_SECONDS} s: it is damaged; copy it again"
    if done.returncode == 0:
        return ""
    return f"loading it ends the process ({_ending(done.returncode)}): it is damaged; copy it again"


def _ending(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"exit code {code}"


def _ends(file: BinaryIO) -> Iterator[int]:
    """Where the parts of a library end that its header names; nothing of other files."""
    head = file.read(16)
    if head.startswith(b"\x7fELF"):
        yield from _elf_ends(
            file, wide=head[4:5] == b"\x02", order=">" if head[5:6] == b"\x02" else "<"
        )
    elif head.startswith(b"MZ"):
        yield from _pe_ends(file)
    elif head.startswith(b"\xca\xfe\xba\xbe"):
        (count,) = _read(file, 4, ">I")
        for each in range(count):
            _, _, start, size, _ = _read(file, 8 + 20 * each, ">5I")
            yield start + size
    elif head.startswith((b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe")):
        yield from _mach_ends(file, 32 if head.startswith(b"\xcf") else 28)


def _elf_ends(file: BinaryIO, *, wide: bool, order: str) -> Iterator[int]:
    words = _read(file, 16, f"{order}HHI{'QQQ' if wide else 'III'}IHHHHH")
    segments, sections, (each, count), (width, entries) = (
        words[4],
        words[5],
        words[8:10],
        words[10:12],
    )
    yield segments + each * count
    yield sections + width * entries
    for number in range(count):
        place = segments + each * number
        if wide:
            kind, _, start, _, _, size = _read(file, place, f"{order}IIQQQQ")
        else:
            kind, start, _, _, size = _read(file, place, f"{order}5I")
        if kind == _LOADED:
            yield start + size


def _pe_ends(file: BinaryIO) -> Iterator[int]:
    (start,) = _read(file, 0x3C, "<I")
    _, sections, _, _, _, optional = _read(file, start + 4, "<HHIIIH")
    for number in range(sections):
        size, place = _read(file, start + 24 + optional + 40 * number + 16, "<II")
        yield size + place


def _mach_ends(file: BinaryIO, header: int) -> Iterator[int]:
    count, size = _read(file, 16, "<II")
    yield header + size
    place = header
    for _ in range(count):
        kind, length = _read(file, place, "<II")
        if kind in _SEGMENTS:
            *_, start, held = _read(file, place + 8, _SEGMENTS[kind])
            yield start + held
        if length < _LEAST_COMMAND:
            raise struct.error("a command without an end")
        place += length


def _read(file: BinaryIO, place: int, form: str) -> tuple[Any, ...]:
    """Numbers at a place of a file; `struct.error` where it ends before."""
    if place > _LARGEST:
        raise struct.error("beyond any file")
    file.seek(place)
    return struct.unpack(form, file.read(struct.calcsize(form)))
