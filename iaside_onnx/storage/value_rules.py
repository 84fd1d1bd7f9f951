"""What single values of a file may be: one set of rules for reports and for measurements.

Files come from strangers; what a header says is used once the rule for its key let it through.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import sys
from collections.abc import Callable
from typing import Any

from ..mathematics.bands import MOST_BANDS, NORMS
from ..mathematics.coalitions import SEEDS
from ..tasks import TASKS

Rule = Callable[[Any], bool]
MOST_COUNT = (1 << 62) - 1
MOST_CLASSES = 1 << 31
MOST_SIDE = 1 << 24
_MOST_AXES = 64
_LONGEST_PLACE = 4096
# Levels of JSON.
_DEEPEST = 16


class WrongContentError(ValueError):
    """What a file holds contradicts its format; the message says what, without the file."""


def need(condition: bool, otherwise: str) -> None:
    """Refuse content where a condition does not hold, as a WrongContentError."""
    if not condition:
        raise WrongContentError(otherwise)


def parse(name: str, text: str) -> dict[str, Any]:
    """A JSON object of a file: finite numbers and reasonable depth, or a WrongContentError."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no number")

    try:
        value = _plain(json.loads(text, parse_constant=refuse), _DEEPEST)
    except (ValueError, RecursionError) as error:
        raise WrongContentError(f"attribute {name} is no JSON of finite values") from error
    if not isinstance(value, dict):
        raise WrongContentError(f"attribute {name} is no JSON object")
    return value


def _plain(value: Any, depth: int) -> Any:
    """The value, with half characters, which cannot be written anywhere, replaced.

    Too deep values, and numbers that are not finite as 64 bits hold them (1e999), are ValueErrors.
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


def whole(low: int, high: int) -> Rule:
    """A whole number between two bounds, both included."""
    return lambda value: type(value) is int and low <= value <= high


def between(low: float, high: float) -> Rule:
    """A number strictly between two bounds."""
    return lambda value: type(value) in (int, float) and low < value < high


def is_duration(value: Any) -> bool:
    """Seconds."""
    return type(value) in (int, float) and 0 <= value < math.inf


def instance(kind: type) -> Rule:
    """A value of this type."""
    return lambda value: isinstance(value, kind)


def matching(pattern: str) -> Rule:
    """Text that matches as a whole; letters and digits are those of ASCII."""
    return lambda value: isinstance(value, str) and bool(re.fullmatch(pattern, value, re.ASCII))


def is_place(value: Any) -> bool:
    """Text as long as the name of a file or folder may be."""
    return isinstance(value, str) and len(value) <= _LONGEST_PLACE


def is_time(value: Any) -> bool:
    """A time in ISO 8601 with its zone."""
    try:
        return datetime.datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


is_truth, is_text, is_object = map(instance, (bool, str, dict))
# A short word of letters, digits and signs that are harmless anywhere.
is_name = matching(r"[A-Za-z0-9][\w.+-]{0,63}")
# A provider, and its options after a colon.
is_execution = matching(r"[A-Za-z0-9][\w.+-]{0,63}(:[ -~]{1,1000})?")
is_digest = matching(r"[0-9a-f]{64}")  # SHA-256


def are_texts(value: Any) -> bool:
    """A list of text."""
    return isinstance(value, list) and all(map(is_text, value))


def are_axes(value: Any) -> bool:
    """The axis of channels of each output of a model; None for one without."""
    return isinstance(value, list) and all(map(or_none(whole(1, _MOST_AXES)), value))


def is_norm(value: Any) -> bool:
    """A norm of frequencies."""
    return isinstance(value, str) and value in NORMS


def are_radii(value: Any) -> bool:
    """Radii at which bands begin; whether they fit the bands is for these to tell."""
    return isinstance(value, list) and len(value) < MOST_BANDS and all(map(between(0, 2), value))


def sides(most: int) -> Rule:
    """Height and width, of at most so many pixels each."""
    side = whole(1, most)
    return lambda value: isinstance(value, list) and len(value) == 2 and all(map(side, value))


def or_none(rule: Rule) -> Rule:
    """None, or what passes."""
    return lambda value: value is None or rule(value)


def are_kinds(value: Any) -> bool:
    """An object of names to names, as perturbations have kinds."""
    return isinstance(value, dict) and all(is_name(k) and is_name(v) for k, v in value.items())


def are_pairs(value: Any) -> bool:
    """An object of names to digests of pictures, and whether these are of several severities."""
    return isinstance(value, dict) and all(
        is_name(name)
        and isinstance(pairs, dict)
        and is_digest(pairs.get("digest"))
        and is_truth(pairs.get("severities"))
        for name, pairs in value.items()
    )


def each(rule: Rule, most: int) -> Rule:
    """A list of one to `most` entries, without repetition, every one of which passes."""
    return lambda value: (
        isinstance(value, list)
        and 0 < len(value) <= most
        and all(map(rule, value))
        and len(value) == len(set(value))
    )


is_seed = whole(0, SEEDS - 1)
is_share = between(0, 1)
is_positive = between(0, math.inf)
# Of one measurement: bounds of what resampling and pictures have to hold.
MOST_PERTURBATIONS, MOST_SEVERITIES = 64, 20
PERTURBED: dict[str, Rule] = {
    "perturbations": each(is_name, MOST_PERTURBATIONS),
    "severities": each(whole(1, 1000), MOST_SEVERITIES),
}
# What every file says of the images and of how it came about.
OF_DATA: dict[str, Rule] = {
    "source": is_place,
    "digest": is_digest,
    "samples": whole(1, MOST_COUNT),
}
OF_RUN: dict[str, Rule] = {"seconds": is_duration, "warnings": are_texts}
# And every measurement of a model.
OF_ALL: dict[str, Rule] = {
    "settings": is_object,
    "model": is_object,
    "data": is_object,
    "run": is_object,
    "provider": is_name,
    "created": is_time,
    "iaside_version": is_name,
}
INSIDE: dict[str, dict[str, Rule]] = {
    "model": {"path": is_place, "sha256": is_digest},
    "data": OF_DATA,
    "run": {**OF_RUN, "forward_passes": whole(0, MOST_COUNT)},
}
# What a file need not say, wherever it does.
WHERE_GIVEN: dict[str, dict[str, Rule]] = {
    "settings": {
        "draws": is_name,
        "floor": or_none(is_share),
        "size": or_none(sides(MOST_SIDE)),
        "label_offset": whole(-MOST_CLASSES, MOST_CLASSES),
        "temperature": is_positive,
        "norm": is_norm,
        "spacing": is_name,
        "edges": are_radii,
        "tf32": is_truth,
        "execution": is_execution,
        "pairs": are_pairs,
        "labels": lambda value: value == "model",
        "task": lambda value: isinstance(value, str) and value in TASKS,
        "threshold": lambda value: all(
            map(is_share, value if isinstance(value, list) else [value])
        ),
        "ignore": whole(-MOST_CLASSES, MOST_CLASSES),
        "head": is_name,
        "channel_axes": are_axes,
        "class_embeddings": is_digest,
        "fit_classes": is_digest,
        "logit_scale": is_positive,
    },
    "run": {"forward_passes": whole(0, MOST_COUNT)},
    "data": {"classes": whole(1, MOST_CLASSES)},
}


def check_rules(values: dict[str, Any], rules: dict[str, Rule], where: str) -> None:
    """Refuse an object that lacks a key or holds a value that its rule does not let through."""
    for key, rule in rules.items():
        need(key in values and rule(values[key]), f"{where} holds no usable '{key}'")
