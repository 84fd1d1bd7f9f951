"""Tables as Markdown, as the guide quotes them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; every line of it stands in the guide as it is."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def signed(text: object, digits: int = 2) -> str:
    """A number with its sign; one that rounds to nothing has none."""
    shown = f"{float(str(text)):+.{digits}f}"
    return shown[1:] if not float(shown) else shown


def interval(
    value: object, low: object, high: object, digits: int = 2, *, sign: bool = True
) -> str:
    """A number with its interval."""
    numbers = (value, low, high)
    shown = [signed(n, digits) if sign else f"{float(str(n)):.{digits}f}" for n in numbers]
    return "{} [{}, {}]".format(*shown)
