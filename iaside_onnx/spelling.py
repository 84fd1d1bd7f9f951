"""How texts of the library name parameters: as Python or as the command line spells them.

The library does not know who reads: ``bands=99`` in Python is ``--bands 99`` on the command line.
So a text names parameters by `option` alone, which puts both spellings between marks that are new
in each process, so that no text of a file passes for one. `in_python` and `on_command_line` take
one of them: the first for errors and notes in Python, the second on the command line and in all
that is kept, such as the warnings of a report.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

# Of no use to a file that would forge one: another process has others.
_SECRET = os.urandom(8).hex()
_OPEN, _BETWEEN, _CLOSE = (f"\x02{_SECRET}{mark}\x03" for mark in "([)")
_NAMED = re.compile(
    "".join((re.escape(_OPEN), "(.*?)", re.escape(_BETWEEN), "(.*?)", re.escape(_CLOSE))), re.DOTALL
)

# Parameters whose options have other names.
_FLAGS = {
    "target": "-o",
    "labels_file": "--write-labels",
    "replicates": "--replicate",
}
# Of what is no text: what is longer tells no reader which value it was.
_LONGEST = 100
# Values that are options of their own there.
_VALUE_FLAGS = {
    ("output_kind", "logits"): "--logits",
    ("output_kind", "probabilities"): "--probabilities",
}
# Parameters that take several values, and placeholders that Python writes otherwise.
_SEVERAL = ("set", "ort_extension", "ep_library")
# Of these one value is written without brackets.
_REPEATED = (*_SEVERAL, "output")
_PLACEHOLDERS = {"HxW": "(H, W)"}


def option(parameter: str, *values: Any, like: str | None = None) -> str:
    """A parameter, with values if any, for a text that people read in Python or in a terminal.

    Parameters
    ----------
    parameter : str
        Its name in Python, such as "label_offset".
    values
        What it is given, or should be; several are alternatives. True and False are those
        of a switch.
    like : str, optional
        In place of values: what stands for one, such as "FILE.csv".

    Returns
    -------
    str
        Both spellings, for `in_python` and `on_command_line`; errors and listeners apply them.

    Examples
    --------
    >>> text = f"give {option('label_offset', -1)}, see {option('labels', like='FILE.csv')}"
    >>> in_python(text)
    'give label_offset=-1, see labels=FILE.csv'
    >>> on_command_line(text)
    'give --label-offset -1, see --labels FILE.csv'
    >>> on_command_line(option("tf32", False)), in_python(option("layout", "nchw", "nhwc"))
    ('--no-tf32', "layout='nchw' or 'nhwc'")
    """
    if like is not None:
        python, typed = [_PLACEHOLDERS.get(like, like)], f"{_flag(parameter)} {like}"
    else:
        python, typed = [_literal(value) for value in values], _typed(parameter, values)
    if parameter in _SEVERAL:
        python = [f"[{text}]" if like is None else f"['{text}']" for text in python]
    shown = f"{parameter}={' or '.join(python)}" if python else parameter
    return _marked(shown, typed)


def in_python(text: str) -> str:
    """A text of the library as Python spells its parameters."""
    # Two options side by side are words of one command, but arguments of one call.
    apart = text.replace(f"{_CLOSE} {_OPEN}", f"{_CLOSE}, {_OPEN}")
    return _NAMED.sub(lambda named: named[1], apart)


def on_command_line(text: str) -> str:
    """A text of the library as the command line spells its options."""
    return _NAMED.sub(lambda named: named[2], text)


def joined(pieces: Iterable[Sequence[str]]) -> str:
    """The text that `parts` took apart."""
    return "".join(
        python if python == typed else _marked(python, typed) for python, typed in pieces
    )


def parts(text: str) -> Iterator[tuple[str, str]]:
    """A text piece by piece, each as Python and as the command line spells it."""
    plain, *named = _NAMED.split(text)
    yield plain, plain
    for python, typed, plain in zip(*[iter(named)] * 3, strict=True):
        yield python, typed
        yield plain, plain


def _marked(python: str, typed: str) -> str:
    return f"{_OPEN}{python}{_BETWEEN}{typed}{_CLOSE}"


def _flag(parameter: str) -> str:
    return _FLAGS.get(parameter, f"--{parameter.replace('_', '-')}")


def words(parameter: str, value: Any) -> list[str]:
    """A parameter and its value as the words of a command; none for None.

    Examples
    --------
    >>> words("size", (240, 320)), words("output_kind", "logits"), words("tf32", False)
    (['--size', '240x320'], ['--logits'], ['--no-tf32'])
    """
    flag = _flag(parameter)
    if value is None:
        return []
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag.removeprefix('--')}"]
    if parameter in _REPEATED and isinstance(value, tuple | list):
        return [word for each in value for word in (flag, str(each))]
    if isinstance(value, tuple | list):
        return [flag, ("," if parameter == "edges" else "x").join(map(str, value))]
    own = _VALUE_FLAGS.get((parameter, str(value)))
    return [flag, str(value)] if own is None else [own]


def path_word(path: str | PathLike[str]) -> str:
    """A path as a word of a command, which passes for no option.

    Examples
    --------
    >>> path_word("-m.onnx"), path_word("m.onnx")
    ('./-m.onnx', 'm.onnx')
    """
    text = fspath(path)
    return f"./{text}" if text.startswith("-") else text


def recorded_path(path: Path) -> str:
    """A path as a result carries it: as given, or from the working folder, else the name alone."""
    if not path.is_absolute():
        return path.as_posix()
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except (OSError, ValueError):  # no such folder any more, or elsewhere
        return path.name


def folder_word(path: str | PathLike[str]) -> str:
    """A folder as a word of a command, with the slash that says what it is."""
    return f"{path_word(path)}/".replace("//", "/")


def command_text(typed: Iterable[str]) -> str:
    """The words of a command as a shell reads them, whatever bytes are in them.

    Examples
    --------
    >>> command_text(["show", "a b.h5", os.fsdecode(b"caf\\xe9's.h5")])
    "show 'a b.h5' $'caf\\\\351\\\\047s.h5'"
    """
    return " ".join(map(_shell_word, typed))


def _shell_word(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    plain = (chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\{byte:03o}"
             for byte in os.fsencode(word))  # fmt: skip
    return f"$'{''.join(plain)}'"


def _typed(parameter: str, values: Sequence[Any]) -> str:
    """A parameter and its alternative values as they are typed."""
    flag = _flag(parameter)
    if not values:
        return flag
    short = [value if len(str(value)) <= _LONGEST else _literal(value) for value in values]
    typed = [words(parameter, value) or [flag, str(value)] for value in short]
    if all(len(each) == 1 for each in typed):
        return " or ".join(each[0] for each in typed)
    return f"{flag} {' or '.join(each[-1] for each in typed)}"


def _literal(value: Any) -> str:
    """A value as Python writes it."""
    if isinstance(value, PathLike):
        value = fspath(value)
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        value = value.item()  # a number of numpy's
    shown = repr(value)
    if isinstance(value, str) or len(shown) <= _LONGEST:
        return shown
    return " ".join(shown.split())[:_LONGEST] + "..."
