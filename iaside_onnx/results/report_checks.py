"""What every finished report says, checked value by value: reports come from strangers.

Additions that this version does not know are let through; see docs/format.md.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from ..mathematics.coalitions import MOST_COALITIONS, PLAYERS, are_drawn
from ..mathematics.shapley import VALUES
from ..storage.value_rules import (
    MOST_COUNT,
    OF_CLASSES,
    OF_DATA,
    OF_MODEL,
    OF_PASSES,
    OF_RUN,
    Rule,
    is_name,
    is_positive,
    is_seed,
    is_share,
    is_size,
    is_time,
    is_truth,
    whole,
)
from .part import part_of
from .report import Report

# Attributes that hold JSON objects.
JSON_TEXTS = ("settings", "model", "data", "run")
# Rounding of probabilities lets their logarithm exceed 0 by no more than this.
_ABOVE_ZERO = 0.1
_MOST_PIXELS = 1 << 24
_DEEPEST = 16


class WrongContentError(ValueError):
    """A report's content contradicts the format; the message says what, without the file."""


def parse(name: str, text: str) -> dict[str, Any]:
    """A JSON object of the header: finite numbers and reasonable depth.

    Raises
    ------
    WrongContentError
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        found = _plain(json.loads(text, parse_constant=refuse), _DEEPEST)
    except (ValueError, RecursionError) as error:
        raise WrongContentError(f"attribute {name} is no JSON of finite values") from error
    if not isinstance(found, dict):
        raise WrongContentError(f"attribute {name} is no JSON object")
    return found


def _plain(value: Any, depth: int) -> Any:
    """The value, with half characters, which cannot be written anywhere, replaced.

    Raises
    ------
    ValueError
        Too deep, or a number that is not finite (such as 1e999) or beyond what 64 bits hold as one.
    """
    if isinstance(value, dict | list) and not depth:
        raise ValueError("too deep")
    if isinstance(value, dict):
        return {_plain(key, 0): _plain(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, depth - 1) for item in value]
    # Whole numbers may be longer than any other can be.
    if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
        raise ValueError("not finite")
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


_COUNT = whole(0, MOST_COUNT)
# What views and comparisons rely on.
_RULES: dict[str, dict[str, Rule]] = {
    "settings": {
        "bands": whole(1, 64),
        "separate_dc": is_truth,
        "norm": is_name,
        "absence": is_name,
        "estimator": is_name,
        "output_map": is_name,
        "seed": is_seed,
        "temperature": is_positive,
        "value": lambda value: value in VALUES,
        "beta": is_share,
        "confidence": is_share,
    },
    "model": OF_MODEL,
    "data": {**OF_DATA, **OF_CLASSES},
    "run": {**OF_RUN, **OF_PASSES},
}


def check(report: Report) -> None:
    """Refuse a report that no audit can have written.

    Raises
    ------
    WrongContentError
    """
    for name, rules in _RULES.items():
        held = getattr(report, name)
        for key, rule in rules.items():
            _need(key in held and rule(held[key]), f"attribute {name} holds no usable '{key}'")
    _need(is_name(report.provider), "the provider is no name")
    _need(is_name(report.iaside_version), "the version of iaside is no version")
    _need(is_time(report.created), "the time of creation is no time with a zone")
    floor = report.settings.get("floor")
    _need(floor is None or is_share(floor), "attribute settings holds no usable 'floor'")
    draws = report.settings.get("draws", "name")  # that is how the first reports drew
    _need(is_name(draws), "attribute settings holds no usable 'draws'")
    size = report.settings.get("size")
    _need(size is None or is_size(size), "attribute settings holds no usable 'size'")
    _check_arrays(report)
    part_of(report)


def _check_arrays(report: Report) -> None:
    rows, columns = report.log_prob.shape
    players = int(report.settings["bands"]) + int(report.settings["separate_dc"])
    estimator, coalitions = str(report.settings["estimator"]), report.coalitions
    drawn = coalitions is not None
    _need(not drawn or (estimator in PLAYERS and estimator != "exact"), f"no estimator {estimator}")
    low, high = PLAYERS[estimator if drawn else "exact"]
    _need(low <= players <= high, f"the {estimator} estimator does not take {players} players")
    passes = report.settings.get("passes")
    _need(not drawn or _COUNT(passes), "attribute settings holds no usable 'passes'")
    if coalitions is None:
        fits = columns == 1 << players
        _need(fits, f"a value table of {columns} columns is no game of {players}")
    else:
        fits = coalitions.shape == (rows, columns) and columns <= MOST_COALITIONS
        _need(
            fits and are_drawn(estimator, players, coalitions),
            f"its coalitions are not such as the {estimator} estimator draws",
        )
    counts = (len(report.labels), len(report.predicted), len(report.image_ids))
    _need(
        set(counts) == {rows} and report.data["samples"] == rows,
        "labels, predictions, ids and number of samples do not match the value table",
    )
    _need(not np.isnan(report.log_prob).any(), "marked complete, but holds values not evaluated")
    largest = float(report.log_prob.max())
    _need(largest <= _ABOVE_ZERO, f"a log-probability of {largest:g} is above 0")
    classes = report.data["classes"]
    offset = report.settings.get("label_offset", 0)
    _need(type(offset) is int, "attribute settings holds no usable 'label_offset'")
    for name, numbers in (("label", report.labels), ("predicted class", report.predicted)):
        low, high = int(numbers.min()) + offset, int(numbers.max()) + offset
        _need(low >= 0 and high < classes, f"a {name} lies outside the {classes} classes")
    names = report.class_names
    _need(
        names is None or len(names) + offset <= classes, "there are more class names than classes"
    )
    digests = report.image_digests
    _need(digests is None or digests.shape == (rows, 32), "digests do not match the value table")
    example = report.example
    if example is not None:
        height, width, channels = example.shape
        _need(
            channels in (1, 3) and height * width <= _MOST_PIXELS,
            f"an example image of shape {example.shape} is none",
        )


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise WrongContentError(otherwise)
