"""The command that makes a report again, from what the report holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from ..defaults import BETA
from ..errors import UsageError
from ..mathematics.coalitions import default_estimator
from ..mathematics.spacing import GIVEN
from ..preprocessing.preprocess import PRESETS, preprocess_from
from ..preprocessing.recipe_keys import RECIPE_KEYS
from ..results import places
from ..results.banded import spacing_of
from ..results.part import part_of
from ..results.report import Report
from ..settings import Settings
from ..spelling import path_word
from ..spelling import words as option_words

_RECIPE_FILE = "recipe.toml"
# Options of how model and images are read, and of the game with its view.
_READ = ("input", "layout", "label_offset", "task", "logit_scale", "ignore")
# Those of them that say how the model is called; what may be wrong is tried.
_LOOKED_AT = (
    "input", "layout", "task", "output", "head", "size", "set", "class_embeddings", "fit_classes",
    "logit_scale", "allow_random", "ort_extension", "ep_library",
)  # fmt: skip
_GAME = (
    "bands", "norm", "spacing", "absence", "samples", "sampling", "seed", "output_map", "passes",
    "value", "beta", "confidence",
)  # fmt: skip
_DEFAULTS = {
    **{each.name: each.default for each in fields(Settings)},
    "beta": BETA,
    "confidence": 0.95,
}


@dataclass(frozen=True)
class Repetition:
    """How to make a report again.

    `words` are those of the command, which a shell needs quoted; `recipe` the lines of
    ``recipe.toml``, where the preprocessing is no preset.
    """

    words: list[str]
    recipe: list[str]


def repetition(report: Report, target: str = "report.h5") -> Repetition:
    """The ``iaside analyze`` command that writes the same value table.

    Defaults are left out; what was found from the file or the images is named, since the report
    does not say which of it was asked for.
    """
    settings, whole = report.settings, part_of(report)
    read, recipe = _reading(report)
    estimator = settings.get("estimator")
    usual = {**_DEFAULTS, "value": report.task.value}
    asked = {
        "target": target,
        **read,
        **{
            name: value
            for name, value in _settled(
                {**settings, "spacing": spacing_of(settings)}, _GAME
            ).items()
            if value != str(usual[name])
        },
        "estimator": None if estimator == default_estimator(report.players) else estimator,
        **_settled(report.run, ["target_stderr"]),
        "separate_dc": bool(settings.get("separate_dc")) or None,
        "edges": settings["edges"] if settings.get("spacing") == GIVEN else None,
        "shard": whole.part.option if whole and len(whole.part.numbers) == 1 else None,
    }
    return Repetition(_command("analyze", report, asked), recipe)


def measuring(report: Report, target: str = "robustness.h5") -> Repetition:
    """The ``iaside robustness`` command that measures the model of a report on the same images."""
    settings = report.settings
    read, recipe = _reading(report)
    drawn = {
        name: value
        for name, value in _settled(settings, ("samples", "sampling", "seed")).items()
        if value != str(_DEFAULTS[name])
    }
    return Repetition(_command("robustness", report, {"target": target, **read, **drawn}), recipe)


def looking(report: Report) -> list[str]:
    """The ``iaside inspect`` command that tries how model and images of a report go together."""
    model, images = model_and_images(report)
    read, _ = _reading(report)
    given = [word for option in _LOOKED_AT for word in option_words(option, read[option])]
    known = not report.of_own_answers  # recipes are compared by true labels
    tried = places.looking(images, places.reading(report.data, report.run)) if known else []
    return ["iaside", "inspect", path_word(model), *tried, *given]


def _command(name: str, report: Report, asked: Mapping[str, Any]) -> list[str]:
    """The words of a command of the model and the images of a report."""
    typed = ["iaside", name, *map(path_word, model_and_images(report))]
    return typed + [word for option, value in asked.items() for word in option_words(option, value)]


def model_and_images(report: Report) -> tuple[str, str]:
    """Where they lay, from the folder of the run."""
    found = places.found(
        {"model": report.model["path"], "images": report.data["source"]}, report.run
    )
    return str(found["model"]), str(found["images"])


def _reading(report: Report) -> tuple[dict[str, Any], list[str]]:
    """Options with which model and images were read; the lines of a recipe that is no preset."""
    settings, data = report.settings, report.data
    choice, recipe = _preprocess(settings.get("preprocess"), settings.get("size"))
    size, kind = settings.get("size"), settings.get("output_kind")
    # Classes that are given for embeddings are logits, whatever the model gives.
    classed = bool({"class_embeddings", "fit_classes"} & settings.keys())
    temperature, threshold = settings.get("temperature"), settings.get("threshold")
    files = {
        name: "FILE.npy" if str(value).startswith("sha256:") else value
        for name, value in _mapping(settings.get("set")).items()
    }
    found = {
        **places.reading(data, report.run),
        "skip_bad": bool(data.get("skip_bad")) or None,
        **_settled(settings, _READ),
        "output": settings.get("output"),
        "head": settings.get("head"),
        "threshold": None if isinstance(threshold, list) else threshold,
        "class_embeddings": "FILE.npy" if "class_embeddings" in settings else None,
        "fit_classes": "IMAGES" if "fit_classes" in settings else None,
        "temperature": None if temperature == _DEFAULTS["temperature"] else temperature,
        "preprocess": choice,
        "size": size if isinstance(size, list) and len(size) == 2 else None,
        "output_kind": kind if kind in ("logits", "probabilities") and not classed else None,
        "set": [f"{name}={value}" for name, value in files.items()],
        "allow_random": bool(settings.get("allow_random")) or None,
        "provider": str(settings.get("execution") or report.provider),
        "tf32": False if settings.get("tf32") is False else None,
        "ort_extension": [path_word(name) for name in _mapping(report.run.get("ort_extensions"))],
        "ep_library": [path_word(name) for name in _mapping(report.run.get("ep_libraries"))],
    }
    return found, recipe


def _mapping(value: Any) -> Mapping[str, Any]:
    """What a report holds where names and values belong; a stranger's may hold anything."""
    return value if isinstance(value, Mapping) else {}


def _settled(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, str | None]:
    """As text; what is None the audit did not settle."""
    return {key: None if values.get(key) is None else str(values[key]) for key in keys}


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
