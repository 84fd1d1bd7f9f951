"""Standard output and standard error of the process, which may be anything.

A stream that cannot show a character shows a plain one instead; a reader that went away, or
standard error that takes nothing, changes nothing about the work; standard output that cannot be
written is an error like that of any other file.
"""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
import textwrap
from typing import Any, TextIO

# What stands for characters that we write ourselves; all others are written as their number.
_PLAIN = {
    **dict.fromkeys("█▉▊▋▌", "#"),
    **dict.fromkeys("▍▎▏", "-"),
    **dict.fromkeys("─━╸╺╴╶", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("–—‐‑−", "-"),  # noqa: RUF001
    **dict.fromkeys("‘’", "'"),  # noqa: RUF001
    **dict.fromkeys("“”„", '"'),
    "…": "...",
    "×": "x",  # noqa: RUF001
    "·": ".",
    "•": "*",
    "±": "+-",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "←": "<-",
    "■": "#",
    "✅": "+",
    "⚠": "!",
    "\N{VARIATION SELECTOR-16}": "",
    "❌": "x",
    "\N{NO-BREAK SPACE}": " ",
}


def broken(line: str, stream: TextIO) -> str:
    """A line of prose as a stream shows it best: on a terminal broken at words where that ends."""
    if not stream.isatty():
        return line
    room = shutil.get_terminal_size().columns
    return textwrap.fill(line, room, break_long_words=False, break_on_hyphens=False)


DEGRADE = "iaside-degrade"
# click takes a stream in plain ASCII for a mistake, and would write UTF-8 to it.
_ASCII = "iaside_ascii"
_STANDARD = (0, 1, 2)


def _degrade(error: UnicodeError) -> tuple[str, int]:
    """Error handler of codecs: a plain likeness of each character, else its number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    shown = (
        _PLAIN.get(each, each.encode("ascii", "backslashreplace").decode())
        for each in error.object[error.start : error.end]
    )
    return "".join(shown), error.end


def _find_ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    codec = codecs.lookup("ascii")
    steps = codec.incrementalencoder, codec.incrementaldecoder
    return codecs.CodecInfo(*codec, *steps, name=_ASCII)


class _Lasting(io.FileIO):
    """A descriptor whose reader may go away; with `anyhow`, one that may refuse all it is given."""

    def __init__(self, descriptor: int, *, anyhow: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._anyhow = anyhow

    def write(self, content: Any, /) -> Any:
        try:
            return super().write(content)
        except BrokenPipeError:
            return len(content)
        except OSError as error:
            if not self._anyhow:
                raise OSError(error.errno, error.strerror, "standard output") from error
            return len(content)


def make_lasting() -> None:
    """Replace the standard streams of this process by such as fail in no surprising way."""
    codecs.register_error(DEGRADE, _degrade)
    codecs.register(_find_ascii)
    for descriptor in _STANDARD:
        try:
            os.fstat(descriptor)
        except OSError:
            # Else the next file opened would get its number, and what is printed. Opened to read
            # only, so that writing fails as it would have.
            os.open(os.devnull, os.O_RDONLY)
    sys.stdout = _lasting(sys.stdout, 1)
    sys.stderr = _lasting(sys.stderr, 2)


def _lasting(stream: TextIO | None, descriptor: int) -> TextIO:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name == "ascii":
        encoding = _ASCII
    if os.name == "nt" and isinstance(stream, io.TextIOWrapper):  # consoles there are no files
        stream.reconfigure(errors=DEGRADE)
        return stream
    raw = _Lasting(descriptor, anyhow=descriptor == 2)
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered, encoding, DEGRADE, line_buffering=descriptor == 2 or raw.isatty()
    )


def give_up_output() -> None:
    """Drop what standard output did not take, so that the process can end without an echo of it."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
