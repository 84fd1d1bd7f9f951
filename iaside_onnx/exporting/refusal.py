"""How an export is refused: one line that says what was wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ExportError(Exception):
    """An export that must not be used, or cannot be made; the message is one line."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Turn whatever a framework raises into one line that says what failed."""
    try:
        yield
    except ExportError:
        raise
    except Exception as error:  # code of frameworks and of the user's own modules
        raise ExportError(f"{what}: {with_cause(error)}") from error


def with_cause(error: BaseException) -> str:
    """An error and, where frameworks wrapped another one in it, what that first one said."""
    said = f"{type(error).__name__}: {one_line(error)}"
    first = error
    while (inner := first.__cause__ or first.__context__) is not None and inner is not error:
        first = inner
    cause = f"{type(first).__name__}: {one_line(first, 200)}"
    return said if first is error or one_line(first, 60) in said else f"{said} (cause: {cause})"


def one_line(error: object, length: int = 300) -> str:
    """An error as one line of printable text, at most `length` long."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= length else text[: length - 3] + "..."
