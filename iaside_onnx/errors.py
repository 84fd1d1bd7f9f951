"""The errors a user can cause; each message says what was wrong, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .spelling import in_python, joined, option, parts

_LONGEST = 1000


def of_bounded_length(line: str) -> str:
    """A line, cut off where it is too long to be read."""
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def said(error: BaseException) -> str:
    """The message of an error in both spellings, to stand in another text of the library."""
    return joined(error.parts) if isinstance(error, IasideError) else str(error)


def one_line(error: BaseException) -> str:
    """What an error of another library says, for a message; its class where it says nothing."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def again(kind: type[IasideError], attributes: dict[str, Any]) -> IasideError:
    """An error that another process raised, from its class and attributes, `parts` at least."""
    error = kind.__new__(kind)
    IasideError.__init__(error, joined(attributes["parts"]))
    vars(error).update({**attributes, "parts": error.parts})
    return error


class IasideError(Exception):
    """Base of every error that is the input's or the usage's fault (exit code 2).

    Its message is one line of bounded length, whatever a file put into it. As ``str`` it names
    parameters as Python does; `said` gives it for `on_command_line` too.

    Attributes
    ----------
    parts : tuple of (str, str)
        The message piece by piece, as Python and as the command line spells it.
    """

    def __init__(self, message: str) -> None:
        self.parts = tuple(_bounded(parts(" ".join(message.splitlines()))))
        super().__init__(of_bounded_length(in_python(joined(self.parts))))

    def __reduce__(self) -> tuple[Any, ...]:
        return again, (type(self), vars(self))


def _bounded(pieces: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    room = _LONGEST
    for python, typed in pieces:
        if room > 0:
            yield python[:room], typed[:room]
        room -= max(len(python), len(typed))
    if room < 0:
        yield "...", "..."


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


class OpenError(ArtifactError):
    """The ONNX file does not say what it is, and it is for the user to say.

    Attributes
    ----------
    answers : tuple of dict
        Parameters by name: each of them settles it.
    """

    def __init__(self, message: str, answers: Sequence[dict[str, Any]]) -> None:
        super().__init__(message)
        self.answers = tuple(answers)


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


class OtherRowsError(ReportError):
    """Rows that are to be taken over are of something else.

    Attributes
    ----------
    apart : str
        In what they differ, before against now.
    """

    def __init__(self, what: str, apart: str) -> None:
        super().__init__(f"{what}: is of something else: {apart}")
        self.apart = apart


class UnreadableError(ReportError):
    """A file that may be whole, but is not one that this version reads: unfinished, or newer."""
