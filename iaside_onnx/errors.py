"""The errors a user can cause; each message says what was wrong, where, and what to do.

A library does not know how its caller spells a parameter: ``bands=99`` in Python is ``--bands 99``
on the command line. So a text names parameters by `option` alone. What that returns holds both
spellings between marks that are new in each process, so that no text of a file passes for one;
`in_python` and `on_command_line` take one of them. An error is told in Python's words by ``str``;
a text that goes into another one keeps both, by `said`.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath
from typing import Any

_LONGEST = 1000
# Of no use to a file that would forge one: another process has others.
_SECRET = secrets.token_hex(8)
_OPEN, _BETWEEN, _CLOSE = (f"\x02{_SECRET}{mark}\x03" for mark in "([)")
_NAMED = re.compile(
    "".join((re.escape(_OPEN), "(.*?)", re.escape(_BETWEEN), "(.*?)", re.escape(_CLOSE))), re.DOTALL
)

# Parameters that the command line calls otherwise than by their names.
_FLAGS = {
    "target": "-o",
    "labels_file": "--write-labels",
    "replicates": "--replicate",
}
# Values that are options of their own there.
_VALUE_FLAGS = {
    ("output_kind", "logits"): "--logits",
    ("output_kind", "probabilities"): "--probabilities",
}
# Parameters that take several values, and placeholders that Python writes otherwise.
_SEVERAL = ("set", "ort_extension")
_PLACEHOLDERS = {"HxW": "(H, W)"}


def option(parameter: str, *values: Any, like: str | None = None) -> str:
    """A parameter, with values if any, for a text that people read in Python or in a terminal.

    Parameters
    ----------
    parameter : str
        Its name in Python, such as "label_offset".
    values
        What it is given, or should be; several are told as alternatives. True and False are those
        of a switch.
    like : str, optional
        In place of values: what stands for one, such as "FILE.csv".

    Returns
    -------
    str
        For `in_python` and `on_command_line`, which errors and listeners apply.

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


def said(error: BaseException) -> str:
    """The message of an error, to stand in another text of the library."""
    return _joined(error.parts) if isinstance(error, IasideError) else str(error)


def again(kind: type[IasideError], attributes: dict[str, Any]) -> IasideError:
    """An error that another process raised, from its class and attributes, `parts` at least."""
    error = kind.__new__(kind)
    IasideError.__init__(error, _joined(attributes["parts"]))
    vars(error).update({**attributes, "parts": error.parts})
    return error


def _marked(python: str, typed: str) -> str:
    return f"{_OPEN}{python}{_BETWEEN}{typed}{_CLOSE}"


def _joined(parts: Iterable[Sequence[str]]) -> str:
    """A text with marks from parts, each in Python's words and in those of the command line."""
    return "".join(ours if ours == typed else _marked(ours, typed) for ours, typed in parts)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The parts of a text with marks, of bounded length."""
    plain, *named = _NAMED.split(text)
    room = _LONGEST
    for piece in ((plain, plain), *_pieces(named)):
        if room > 0:
            yield piece[0][:room], piece[1][:room]
        room -= max(map(len, piece))
    if room < 0:
        yield "...", "..."


def _pieces(named: Sequence[str]) -> Iterator[tuple[str, str]]:
    for python, typed, plain in zip(*[iter(named)] * 3, strict=True):
        yield python, typed
        yield plain, plain


def _flag(parameter: str) -> str:
    return _FLAGS.get(parameter, f"--{parameter.replace('_', '-')}")


def _typed(parameter: str, values: Sequence[Any]) -> str:
    """A parameter and its values as they are typed."""
    flag = _flag(parameter)
    if not values:
        return flag
    if all(isinstance(value, bool) for value in values):
        return " or ".join(flag if value else f"--no-{flag.strip('-')}" for value in values)
    flags = [_VALUE_FLAGS.get((parameter, str(value))) for value in values]
    known = [name for name in flags if name is not None]
    return " or ".join(known) if known else f"{flag} {' or '.join(map(_word, values))}"


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _literal(value: Any) -> str:
    """A value as Python writes it."""
    if isinstance(value, PathLike):
        value = fspath(value)
    if hasattr(value, "item"):
        value = value.item()  # a number of numpy's
    return repr(value)


class IasideError(Exception):
    """Base of every error that is the input's or the usage's fault (exit code 2).

    Its message is one line of bounded length, whatever a file put into it. As ``str`` it names
    parameters as Python does; `on_command_line` tells it otherwise.

    Attributes
    ----------
    parts : tuple of (str, str)
        The message piece by piece, in Python's words and in those of the command line.
    """

    def __init__(self, message: str) -> None:
        self.parts = tuple(_parts(" ".join(message.splitlines())))
        super().__init__(_shortened(in_python(_joined(self.parts))))

    def __reduce__(self) -> tuple[Any, ...]:
        return again, (type(self), vars(self))


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


class UsageError(IasideError):
    """An option or argument has a value that cannot be used."""


class InvalidOption(UsageError):  # noqa: N818 (what is invalid is an option)
    """A parameter has a value that it cannot take.

    Parameters
    ----------
    parameter : str
        Its name in Python.
    value
        What it was given.
    reason : str
        Why that cannot be, and what to give instead; options in it as `option` names them.

    Attributes
    ----------
    parameter, value, reason
    """

    def __init__(self, parameter: str, value: Any, reason: str) -> None:
        super().__init__(f"{option(parameter, value)}: {reason}")
        self.parameter, self.value, self.reason = parameter, value, in_python(reason)


class ArtifactError(IasideError):
    """The ONNX file cannot be read, understood or run."""


class ChangedModelError(ArtifactError):
    """The ONNX file is not what it was when it was read first."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"{path}: the model was changed while it was worked on; leave it alone, and start again"
        )


class ProviderError(IasideError):
    """The execution provider that was asked for did not become active."""


class DataError(IasideError):
    """The images or labels cannot be used."""


class PictureError(DataError):
    """One picture cannot be used, though the set that holds it can.

    Attributes
    ----------
    reason : str
        Why, without any path.
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where}: cannot be read as a picture ({reason}): replace it, or leave it out with "
            f"{option('skip_bad', True)}"
        )
        self.reason = reason


class ChangedError(DataError):
    """A picture is not what it was when it was read first.

    Attributes
    ----------
    name : str
        Of the picture.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"image {name}: is not the picture that was read before; leave the images alone while "
            "they are worked on, and start again"
        )
        self.name = name


class ReportError(IasideError):
    """A report file cannot be read, written or continued."""


class UnreadableError(ReportError):
    """A file that may be whole, but is not one that this version reads: unfinished, or newer."""
