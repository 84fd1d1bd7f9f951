"""The command that makes a report again, from what the report holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..preprocessing.preprocess import PRESETS, preprocess_from
from ..preprocessing.recipe_keys import RECIPE_KEYS
from ..results.part import part_of
from ..results.report import Report
from ..spelling import words as option_words

_RECIPE_FILE = "recipe.toml"
_SETTINGS = (
    "bands", "norm", "absence", "samples", "sampling", "seed", "input", "layout",
    "label_offset", "temperature", "output_map", "estimator", "passes", "value", "beta",
    "confidence",
)  # fmt: skip
_DATA = ("labels", "columns", "class_names", "label_order", "image_column", "label_column")


@dataclass(frozen=True)
class Repetition:
    """How to make a report again.

    `words` are those of the command, each quoted for a POSIX shell; `recipe` the lines of
    ``recipe.toml``, where the preprocessing is no preset.
    """

    words: list[str]
    recipe: list[str]


def repetition(report: Report, target: str = "report.h5") -> Repetition:
    """The ``iaside analyze`` command that writes the same value table.

    Every setting is named, so that defaults of another version do not matter.
    """
    settings, data = report.settings, report.data
    choice, recipe = _preprocess(settings.get("preprocess"), settings.get("size"))
    size, kind, whole = settings.get("size"), settings.get("output_kind"), part_of(report)
    files = {
        name: "FILE.npy" if str(value).startswith("sha256:") else value
        for name, value in _mapping(settings.get("set")).items()
    }
    asked: dict[str, Any] = {
        "target": target,
        **_settled(data, _DATA),
        "skip_bad": bool(data.get("skip_bad")) or None,
        **_settled(settings, _SETTINGS),
        **_settled(report.run, ["target_stderr"]),
        "separate_dc": bool(settings.get("separate_dc")) or None,
        "output": settings.get("output"),
        "head": settings.get("head"),
        "preprocess": choice,
        "size": size if isinstance(size, list) and len(size) == 2 else None,
        "output_kind": kind if kind in ("logits", "probabilities") else None,
        "set": [f"{name}={value}" for name, value in files.items()],
        "allow_random": bool(settings.get("allow_random")) or None,
        "provider": str(settings.get("execution") or report.provider),
        "tf32": False if settings.get("tf32") is False else None,
        "shard": whole.part.option if whole and len(whole.part.numbers) == 1 else None,
        "ort_extension": [_operand(name) for name in _mapping(report.run.get("ort_extensions"))],
    }
    words = ["iaside", "analyze", _operand(report.model["path"]), _operand(data["source"])]
    words += [word for name, value in asked.items() for word in option_words(name, value)]
    return Repetition([shlex.quote(word) for word in words], recipe)


def _mapping(value: Any) -> Mapping[str, Any]:
    """What a report holds where names and values belong; a stranger's may hold anything."""
    return value if isinstance(value, Mapping) else {}


def _settled(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str | None]:
    """As text; what is None the audit did not settle."""
    return {key: None if values.get(key) is None else str(values[key]) for key in keys}


def _operand(path: Any) -> str:
    """A file name that no shell command takes for an option."""
    text = str(path)
    return f"./{text}" if text.startswith("-") else text


def _preprocess(recorded: Any, size: Any) -> tuple[str | None, list[str]]:
    """Value of ``--preprocess``, and the recipe's lines where it is no preset."""
    if not isinstance(recorded, Mapping):
        return None, []
    kept = {key: recorded[key] for key in RECIPE_KEYS if recorded.get(key) is not None}
    try:
        recipe = preprocess_from(kept, "report")
        preset = PRESETS.get(str(recorded.get("name")))
        if preset is not None and preset.for_size(*size).recipe() == recipe.recipe():
            return preset.name, []
        return _RECIPE_FILE, recipe.toml().splitlines()
    except (UsageError, TypeError, ValueError):
        return None, []  # a report from elsewhere
