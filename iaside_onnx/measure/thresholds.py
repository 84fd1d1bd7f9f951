"""Thresholds of several labels: one for all classes, or one a class from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, InvalidOption
from ..images.class_index import ClassIndex
from ..images.class_names import folded, shown
from ..images.text_files import csv_rows, read_text

USUAL = 0.5
_MOST_BYTES = 1 << 24
_HEADERS = {"threshold", "thresholds", "value"}


def thresholds(
    asked: float | str | None, classes: int, names: Sequence[str] | None
) -> NDArray[np.float64]:
    """Probabilities above which a label is given, one a class.

    Parameters
    ----------
    asked : float, str or None
        A number for all classes, or the path of a file: a number a line in the model's order, lines
        ``name,threshold``, or JSON, a list or a dictionary of names.
    names : list of str or None
        Of the model's classes, as they are found in a file.

    Raises
    ------
    DataError
        A file that has not one number for each class.
    InvalidOption
        A number that is no probability.
    """
    if asked is None:
        return np.full(classes, USUAL)
    number = as_number(asked)
    if number is not None:
        if not 0 < number < 1:
            raise InvalidOption("threshold", asked, "give a probability between 0 and 1, or a file")
        return np.full(classes, number)
    path = Path(str(asked))
    values = _read(path)
    if isinstance(values, Mapping):
        values = _by_name(path, values, classes, names)
    if len(values) != classes:
        raise DataError(
            f"{path}: has {len(values):,} thresholds, but the model has {classes:,} classes; one "
            "for each is needed, in the model's order, or lines name,threshold"
        )
    numbers = [as_number(value) for value in values]
    odd = next((at for at, each in enumerate(numbers) if each is None or not 0 < each < 1), None)
    if odd is not None:
        raise DataError(
            f"{path}: the threshold of class {odd} is '{str(values[odd])[:40]}'; a probability "
            "between 0 and 1 is needed"
        )
    return np.array(numbers, np.float64)


def as_number(value: Any) -> float | None:
    """A number, or a text that is one; None for anything else, such as a path."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _read(path: Path) -> Sequence[Any] | Mapping[str, Any]:
    """What a file holds: values in order, or by name."""
    text = read_text(path, _MOST_BYTES).strip()
    if text[:1] in ("[", "{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: is not valid JSON") from error
        if isinstance(value, list | dict):
            return value
    rows = [row for _, row in csv_rows(path, text.splitlines())]
    if rows and folded(rows[0][-1]) in _HEADERS:
        rows = rows[1:]
    filled = [row for row in rows if any(row)]
    if filled and len(filled[0]) == 2:  # they go by name, not by the places of rows
        rows = filled
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) > 2:
        raise DataError(
            f"{path}: is no list of thresholds: a number a line in the model's order, or lines "
            "name,threshold"
        )
    if len(rows[0]) == 1:
        return [row[0] for row in rows]
    again = next((row[0] for at, row in enumerate(rows) if row[0] in dict(rows[:at])), None)
    if again is not None:
        raise DataError(f"{path}: has two thresholds of '{again}'")
    return dict(rows)


def _by_name(
    path: Path, values: Mapping[str, Any], classes: int, names: Sequence[str] | None
) -> list[Any]:
    """Values in the model's order: by the names of its classes, or by their numbers."""
    places: dict[int, Any] = {}
    keys = list(values)
    if all(key.isdecimal() for key in keys):
        found = [{int(key)} if int(key) < classes else set[int]() for key in keys]
    elif names is None:
        raise DataError(
            f"{path}: names classes ({shown(keys)}), and those of the model are not known; give "
            "one threshold a line in the model's order"
        )
    else:
        found = ClassIndex(names).find(keys)
    for key, meant in zip(keys, found, strict=True):
        if len(meant) != 1:
            raise DataError(f"{path}: '{key}' is {'no' if not meant else 'more than one'} class")
        places[next(iter(meant))] = values[key]
    return [places[place] for place in sorted(places)] if len(places) == classes else keys
