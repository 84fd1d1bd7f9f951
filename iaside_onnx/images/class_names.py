"""Names of classes: files that list them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from .text_files import csv_rows, read_text

# What `class_names` takes for: folders by their places, whatever the file calls its classes.
NO_NAMES = "none"
_COUNTED = re.compile(r"(.*?)(\d{1,7})")
_MOST_BYTES = 1 << 22
_NAME_COLUMNS = {"name", "class", "classname", "label", "labelname", "category", "displayname"}
_INDEX_COLUMNS = {
    "index", "idx", "id", "number", "classid", "classindex", "labelid", "categoryid", "target",
}  # fmt: skip
# A number before a name or behind it; only with a mark between may the lines be in any order.
_NUMBERED = re.compile(r"\s*(\d{1,7})\s*([\s:,;.=-])\s*(\S.*)")
_NUMBER_LAST = re.compile(r"\s*(\S.*?)\s*([\s:,;=])\s*(\d{1,7})\s*")
_MARKS = set(":,;=")
# An entry of a dictionary as Python writes it, and what follows.
_PART = r"""(?:(\d{1,7})|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")"""
_ENTRY = re.compile(rf"\s*{_PART}\s*:\s*{_PART}\s*(?:,\s*)?(\}})?", re.DOTALL)
_BY_INDEX = ("id2label", "idx_to_class", "index_to_class")
_BY_NAME = ("label2id", "class_to_idx", "classes_to_idx", "class_to_index")
_LISTS = ("names", "class_names", "label_names", "classes", "categories")
_HOLDERS = (*_BY_INDEX, *_BY_NAME, *_LISTS)
_OPEN = (
    "numbers stand on both sides, so which are the names and which the places is open: write a "
    "JSON list of the names in the model's order, or the dictionary under the key class_to_idx "
    "(names to places) or id2label (places to names)"
)


class OpenOrderError(ValueError):
    """Class names whose order is open; the message says why and how to write them."""


def folded(name: str) -> str:
    """A name without what writers of it differ in: case, spaces, underscores, hyphens.

    Signs that tell names apart stay: those of ``C++``, ``A-``, ``-1``, ``1.5``, ``737-200``.

    Examples
    --------
    >>> folded("German_short-haired pointer")
    'germanshorthairedpointer'
    """
    text = unicodedata.normalize("NFKC", name).strip().casefold()
    kept = [
        "-" if mark in " _" and _between_digits(text, place) else mark
        for place, mark in enumerate(text)
        if unicodedata.category(mark)[0] in "LNM" or _distinguishes(text, place)
    ]
    return "".join(kept) or text


def _between_digits(text: str, place: int) -> bool:
    return text[place - 1 : place].isdecimal() and text[place + 1 : place + 2].isdecimal()


def _distinguishes(text: str, place: int) -> bool:
    """Whether a sign at a place tells a name from others."""
    mark, before, after = text[place], text[:place], text[place + 1 : place + 2]
    if mark in "#%" or unicodedata.category(mark) in ("Sm", "Sc", "So"):
        return True
    if mark in "-. _" and _between_digits(text, place):
        return True
    if mark in "-." and not before and after.isdecimal():
        return True
    return mark == "-" and bool(before) and not after


def python_dict(text: str) -> dict[str, str | int] | None:
    """A dictionary as Python prints it, such as ``{0: 'cat', 1: 'dog'}`` or ``{'cat': 0}``."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    entries: dict[str, str | int] = {}
    place = 1
    while match := _ENTRY.match(text, place):
        key, item = (_literal(*match.group(*groups)) for groups in ((1, 2, 3), (4, 5, 6)))
        if str(key) in entries:
            return None
        entries[str(key)] = item
        place = match.end()
        if match[7]:
            return entries if place == len(text) else None
    return None


def _literal(number: str | None, single: str | None, double: str | None) -> str | int:
    if number is not None:
        return int(number)
    return re.sub(r"\\(.)", r"\1", (single if single is not None else double) or "")


def _ordered(names: Sequence[str], places: Sequence[Any]) -> list[str] | None:
    """Names by their places, where these are 0, 1, ... or 1, 2, ..., each once; else None."""
    if not all(map(_is_place, places)):
        return None
    numbered = {int(place): name for place, name in zip(places, names, strict=True)}
    first = min(numbered, default=-1)
    if first not in (0, 1) or sorted(numbered) != list(range(first, first + len(names))):
        return None
    return [numbered[number] for number in sorted(numbered)]


def _is_place(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= 0
    return isinstance(value, str) and value.isdecimal() and len(value) < 8


def names_in(value: Any, key: str = "") -> list[str] | None:
    """Class names in a JSON value, in the order of the classes; None where it holds none.

    A list of names or of objects with a name; a dictionary from numbers to names or back; one of
    either under ``id2label``, ``names``, ``classes`` and the like.

    Parameters
    ----------
    value : object
        As JSON holds it.
    key : str
        What it stands under: ``class_to_idx`` and the like lead from names to places, ``id2label``
        and the like from places to names.

    Raises
    ------
    OpenOrderError
        Their order is open.
    """
    if not isinstance(value, dict | list) or not value:
        return None
    items = value if isinstance(value, list) else value.values()
    names = [name for item in items if (name := _one_name(item)) is not None]
    all_named = len(names) == len(value)
    if isinstance(value, list):
        return _by_ids(value, names) if all_named else None
    for holder in _HOLDERS:
        if isinstance(value.get(holder), dict | list):
            return names_in(value[holder], holder)
    by_index = _ordered(names, list(value)) if all_named else None
    by_name = _ordered(list(value), list(items))
    if by_index is None or by_name is None:
        return by_index or by_name
    if key in _BY_INDEX:
        return by_index
    if key in _BY_NAME:
        return by_name
    if not all(isinstance(item, int) for item in items):
        return by_index
    if [int(name) for name in by_index] == [int(name) for name in by_name]:
        return by_name
    raise OpenOrderError(_OPEN)


def _by_ids(items: list[Any], names: list[str]) -> list[str]:
    """Names of a list, by the numbers that its objects give themselves, if they do."""
    if not all(isinstance(item, dict) for item in items):
        return names
    known = _INDEX_COLUMNS | {"label"}
    keys = [
        key
        for key in items[0]
        if folded(str(key)) in known and all(_is_place(item.get(key)) for item in items)
    ]
    for key in keys:
        ordered = _ordered(names, [item[key] for item in items])
        if ordered is None:
            raise OpenOrderError(
                f"the numbers under '{key}' are not 0, 1, 2, ... or 1, 2, 3, ..., each once, so "
                "the order of the classes is open: write a JSON list of the names in the model's "
                "order"
            )
        if len(keys) == 1 or ordered == names:
            return ordered
    if keys:
        raise OpenOrderError(
            f"the numbers under {shown(keys)} may each be the order: write a JSON list of the "
            "names in the model's order"
        )
    return names


def _one_name(item: Any) -> str | None:
    if isinstance(item, dict):
        texts = (item.get(key) for key in ("name", "label"))
        item = next((text for text in texts if isinstance(text, str)), None)
    if isinstance(item, list) and item and all(isinstance(part, str) for part in item):
        item = " ".join(item)  # as in Keras: ["n01440764", "tench"]
    if type(item) is int:
        return str(item)
    return item if isinstance(item, str) else None


def read_class_names(path: Path) -> list[str]:
    """Class names of a file, in the order of the model's classes.

    Parameters
    ----------
    path : Path
        One name a line, plain or numbered; JSON (a list, or a dictionary as Keras, PyTorch and
        Hugging Face write them); or CSV, with a column of numbers or in the order of the rows.

    Raises
    ------
    DataError
        It cannot be read, holds none, or leaves their order open.
    """
    text = read_text(path, _MOST_BYTES)
    if not text.strip():
        raise DataError(f"{path}: holds no class names")
    try:
        names = _parsed(path, text)
    except OpenOrderError as error:
        raise DataError(f"{path}: {error}") from error
    if names is None:
        raise DataError(
            f"{path}: is not a list of class names: one a line in the model's order, a JSON list "
            "or a dictionary of numbers and names, or a CSV file with a column of names"
        )
    names = [" ".join(name.strip().splitlines()) for name in names]
    if "" in names:
        raise DataError(f"{path}: class {names.index('')} has no name")
    return names


def line_left_empty(path: Path) -> int | None:
    """Number of the first empty line between lines of class names; None without one."""
    lines = read_text(path, _MOST_BYTES).rstrip().splitlines()
    start = next((at for at, line in enumerate(lines) if line.strip()), 0)
    if not lines or lines[start].lstrip()[0] in "[{":
        return None
    return next((at + 1 for at, line in enumerate(lines) if at > start and not line.strip()), None)


def _parsed(path: Path, text: str) -> list[str] | None:
    if text.lstrip()[0] in "[{":
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = python_dict(text)
        return names_in(value)
    lines = text.splitlines()
    if path.suffix.lower() in (".csv", ".tsv"):
        return _from_rows(path, [line.strip(" ") for line in lines])
    return without_places([line.strip() for line in lines if line.strip()])


def without_places(lines: list[str]) -> list[str]:
    """Names of lines such as ``0: cat`` or ``cat 0`` without their places, else the lines.

    Numbers with no mark but a space or a point are places only where they count the lines: those
    of ``3 iron``, ``1 wood``, ``2 putter`` are parts of the names.

    Raises
    ------
    OpenOrderError
        Numbers stand on both sides.
    """
    readings: list[list[str]] = []
    for pattern, number, name in ((_NUMBERED, 1, 3), (_NUMBER_LAST, 3, 1)):
        matches = [match for line in lines if (match := pattern.fullmatch(line))]
        numbers = [int(match[number]) for match in matches]
        numbered = {int(match[number]): match[name].strip() for match in matches}
        # Where names would become the same, the numbers are parts of them.
        if not len(numbered) == len(lines) == len(set(numbered.values())):
            continue
        marked = all(match[2] in _MARKS for match in matches)
        names = _ordered(list(numbered.values()), numbers)
        if names is None or not (marked or numbers == sorted(numbers)):
            continue
        if number == 1 or 0 in numbered:
            readings.append(names)
    if any(names != readings[0] for names in readings):
        raise OpenOrderError(_OPEN)
    return readings[0] if readings else lines


def _from_rows(path: Path, lines: list[str]) -> list[str] | None:
    first = next(line for line in lines if line.strip())
    delimiter = max("\t;,", key=first.count)
    rows = _full_columns([row for _, row in csv_rows(path, lines, delimiter)])
    filled = [row for row in rows if any(row)]
    if not filled:
        return None
    names, numbered = _in_order(filled)
    if numbered or len(filled) == len(rows):
        return names
    headed = (_NAME_COLUMNS | _INDEX_COLUMNS) & {folded(cell) for cell in filled[0]}
    return _in_order(rows[rows.index(filled[0]) :] if headed else rows)[0]


def _full_columns(rows: list[list[str]]) -> list[list[str]]:
    """Without the columns at the end that no row has anything in."""
    wide = max((at for row in rows for at, cell in enumerate(row, 1) if cell), default=0)
    return [row[: max(wide, 1)] for row in rows]


def _in_order(rows: list[list[str]]) -> tuple[list[str] | None, bool]:
    """Names of a table, None if it is no list of them; and whether numbers in it order them."""
    header = [folded(cell) for cell in rows[0]]
    named = [c for c, cell in enumerate(header) if cell in _NAME_COLUMNS]
    counted = [c for c, cell in enumerate(header) if cell in _INDEX_COLUMNS]
    width = len(header)
    if named or counted:
        rows = rows[1:]
    if not rows or any(len(row) != width for row in rows):
        return None, False
    columns = list(zip(*rows, strict=True))
    if width == 1:
        return list(columns[0]), False
    if not (named or counted):  # numbers beside one column of names
        numbers = [c for c, cells in enumerate(columns) if _ordered(cells, cells) is not None]
        texts = [c for c in range(width) if c not in numbers]
        if len(numbers) > 1:
            raise OpenOrderError(_OPEN)
        found = _by_columns(columns, texts[0], numbers) if len(texts) == 1 else None
        return found, bool(numbers)
    digits = [c for c, cells in enumerate(columns) if all(map(_is_place, cells))]
    for c in counted:
        if c not in digits and any(map(_is_place, columns[c])):
            raise OpenOrderError(
                f"column {c + 1} has a number for some classes and none for others, so the order "
                "of the classes is open: fill it, or leave it out where the rows stand in the "
                "model's order"
            )
    indices = [c for c in counted if c in digits]
    texts = [c for c in named if c not in digits]
    if not indices and texts:  # a number that is called the label, beside its name
        indices = [c for c in named if c in digits and header[c] in ("label", "class")]
    others = [c for c in range(width) if c not in digits and c not in counted]
    candidates = [*texts, *(c for c in named if c not in indices)]
    candidates += others if len(others) == 1 else []
    found = _by_columns(columns, candidates[0], indices) if candidates else None
    return found, bool(indices)


def _by_columns(columns: list[tuple[str, ...]], name: int, indices: list[int]) -> list[str]:
    """Names of a column in the order of a column of numbers, or in that of the rows."""
    orders = []
    for column in indices:
        order = _ordered(columns[name], columns[column])
        if order is None:
            raise OpenOrderError(
                f"the numbers of column {column + 1} are not 0, 1, 2, ... or 1, 2, 3, ..., each "
                "once, so the order of the classes is open: leave the column out where the rows "
                "stand in the model's order"
            )
        orders.append(order)
    if any(order != orders[0] for order in orders):
        raise OpenOrderError("two columns of numbers give other orders; leave one out")
    return orders[0] if orders else list(columns[name])


def mere_numbers(names: list[str]) -> bool:
    """Whether names do no more than count, as LABEL_0, LABEL_1, ... that Hugging Face fills in."""
    matches = [_COUNTED.fullmatch(name) for name in names]
    counted = [(match[1], int(match[2])) for match in matches if match]
    if len(counted) < len(names) or len({prefix for prefix, _ in counted}) > 1:
        return False
    first = counted[0][1]
    return first in (0, 1) and [number for _, number in counted] == list(
        range(first, first + len(counted))
    )


def shown(names: Iterable[str], most: int = 5) -> str:
    """The first of some names, for a message."""
    kept = [name if len(name) <= 60 else name[:57] + "..." for name in names]
    return ", ".join(kept[:most]) + (", ..." if len(kept) > most else "")
