"""Values of options as they are written: plain numbers, names that are not empty, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def plain(text: str, kind: type[int] | type[float]) -> Any:
    """A number in ASCII digits with a sign, a point or an exponent; nothing else that Python reads.

    Raises
    ------
    ValueError
        It is none.

    Examples
    --------
    >>> plain("-1e-3", float)
    -0.001
    >>> plain("1_0", int)
    Traceback (most recent call last):
    ValueError: '1_0' is no plain number
    """
    if not (_INTEGER if kind is int else _NUMBER).fullmatch(text):
        raise ValueError(f"{text!r} is no plain number")
    return kind(text)


class _Number(click.types.FloatParamType):
    def __init__(self, kind: type[int] | type[float], name: str) -> None:
        self.kind, self.name = kind, name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """The number that a text stands for."""
        try:
            return self.kind(plain(value, self.kind) if isinstance(value, str) else value)
        except ValueError:
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)


class _Text(click.types.StringParamType):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text, if there is any."""
        text = super().convert(value, param, ctx)
        if not text:
            self.fail("is empty; give a value, or leave the option out", param, ctx)
        return text


class _Bound(click.ParamType):  # type: ignore[type-arg]
    name = "bound"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """A name and the number behind its last ``=``."""
        if isinstance(value, tuple):
            return value
        name, _, number = str(value).rpartition("=")
        try:
            if not name.strip():
                raise ValueError
            return name.strip(), plain(number.strip(), float)
        except ValueError:
            self.fail(f"{value!r} is no bound; write it as noise=0.5", param, ctx)


INTEGER = _Number(int, "integer")
NUMBER = _Number(float, "float")
BOUND = _Bound()
TEXT = _Text()
FILE = click.Path(path_type=Path)
# Of labels: a word among them is none, which a path would not show ("./model").
TABLE = click.Path(path_type=str)
# What a command writes; all other files are what it reads.
NEW_FILE = click.Path(path_type=Path, allow_dash=True)
