"""The command that makes a report again, from what the report holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..preprocessing.preprocess import PRESETS, preprocess_from
from ..preprocessing.recipe_keys import RECIPE_KEYS
from ..results.part import part_of
from ..results.report import Report

_RECIPE_FILE = "recipe.toml"
# Settings and their options; what is None was not settled by the audit.
_OPTIONS = (
    ("bands", "--bands"),
    ("norm", "--norm"),
    ("absence", "--absence"),
    ("samples", "--samples"),
    ("seed", "--seed"),
    ("input", "--input"),
    ("output", "--output"),
    ("layout", "--layout"),
    ("label_offset", "--label-offset"),
    ("temperature", "--temperature"),
    ("output_map", "--output-map"),
    ("estimator", "--estimator"),
    ("passes", "--passes"),
    ("value", "--value"),
    ("beta", "--beta"),
    ("confidence", "--confidence"),
)
_DATA_OPTIONS = (
    ("labels", "--labels"),
    ("columns", "--columns"),
    ("class_names", "--class-names"),
    ("label_order", "--label-order"),
    ("image_column", "--image-column"),
    ("label_column", "--label-column"),
)


@dataclass(frozen=True)
class Repetition:
    """How to make a report again.

    Attributes
    ----------
    words : list of str
        ``iaside``, ``analyze``, ..., each quoted for a POSIX shell.
    recipe : list of str
        Lines of ``recipe.toml``, where the preprocessing is no preset.
    """

    words: list[str]
    recipe: list[str]


def repetition(report: Report, target: str = "report.h5") -> Repetition:
    """The ``iaside analyze`` command that writes the same value table.

    Every setting is named, so that defaults of another version do not matter.
    """
    settings, data = report.settings, report.data
    choice, recipe = _preprocess(settings.get("preprocess"), settings.get("size"))
    words = ["iaside", "analyze", _operand(report.model["path"]), _operand(data["source"])]
    words += ["-o", target]
    words += _named(data, _DATA_OPTIONS)
    words += ["--skip-bad"] if data.get("skip_bad") else []
    words += _named(settings, _OPTIONS)
    words += _named(report.run, (("target_stderr", "--target-stderr"),))
    words += ["--separate-dc"] if settings.get("separate_dc") else []
    words += ["--preprocess", choice] if choice else []
    size = settings.get("size")
    if isinstance(size, list) and len(size) == 2:
        words += ["--size", f"{size[0]}x{size[1]}"]
    if settings.get("output_kind") in ("logits", "probabilities"):
        words.append(f"--{settings['output_kind']}")
    for name, value in _mapping(settings.get("set")).items():
        file = str(value).startswith("sha256:")
        words += ["--set", f"{name}={'FILE.npy' if file else value}"]
    words += ["--allow-random"] if settings.get("allow_random") else []
    words += ["--provider", str(report.provider)]
    words += ["--no-tf32"] if settings.get("tf32") is False else []
    whole = part_of(report)
    words += ["--shard", whole.part.option] if whole and len(whole.part.numbers) == 1 else []
    for library in _mapping(report.run.get("ort_extensions")):
        words += ["--ort-extension", _operand(library)]
    return Repetition([shlex.quote(word) for word in words], recipe)


def _mapping(value: Any) -> Mapping[str, Any]:
    """What a report holds where names and values belong; a stranger's may hold anything."""
    return value if isinstance(value, Mapping) else {}


def _named(values: Mapping[str, Any], options: tuple[tuple[str, str], ...]) -> list[str]:
    words = []
    for key, option in options:
        if values.get(key) is not None:
            words += [option, str(values[key])]
    return words


def _operand(path: Any) -> str:
    """A file name that no shell command takes for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def _preprocess(held: Any, size: Any) -> tuple[str | None, list[str]]:
    """Value of ``--preprocess``, and the recipe's lines where it is no preset."""
    if not isinstance(held, Mapping):
        return None, []
    kept = {key: held[key] for key in RECIPE_KEYS if held.get(key) is not None}
    try:
        recipe = preprocess_from(kept, "report")
        preset = PRESETS.get(str(held.get("name")))
        if preset is not None and preset.for_size(*size).recipe() == recipe.recipe():
            return preset.name, []
        return _RECIPE_FILE, recipe.toml().splitlines()
    except (UsageError, TypeError, ValueError):
        return None, []  # a report from elsewhere
