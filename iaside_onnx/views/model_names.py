"""What results are called side by side: each by its model, those of one model by what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..mathematics.spacing import LINEAR
from ..plurals import counted
from ..results.fed import fed_apart
from .text import model_name, one_line

# What tells results of one model apart, the most telling first.
_SETTINGS: dict[str, Callable[[Any], str]] = {
    "perturbation": lambda value: str(value.get("name", "") if isinstance(value, dict) else value),
    "bands": lambda value: f"{value} bands",
    "norm": lambda value: f"norm {value}",
    "spacing": lambda value: f"{value or LINEAR} bands",
    "separate_dc": lambda value: "DC apart" if value else "DC in band 0",
    "absence": lambda value: f"absence {value}",
    "value": lambda value: f"value {value}",
    "estimator": lambda value: str(value),
    "preprocess": lambda value: str(value.get("name", "") if isinstance(value, dict) else value),
    "size": lambda value: " x ".join(map(str, value)),
    "temperature": lambda value: f"temperature {value:g}",
    "labels": lambda value: "own answers" if value else "true labels",
    "output_map": lambda value: f"output map {value}",
    "seed": lambda value: f"seed {value}",
}
# A report without these has the usual choice, which has its words too.
_SAID_WHERE_LEFT_OUT = ("spacing", "labels")


def model_names(results: Sequence[Any], files: Sequence[Path | None] | None = None) -> list[str]:
    """A name for each result: that of its model's file, without its ending.

    Where several are of one name, what sets them apart follows in brackets: settings, number and
    source of images, the file of the report or of the model, else their place among the results.
    No two names are the same.
    """
    places = list(files or [None] * len(results))
    names = [
        one_line(model_name(result) or (place.stem if place else type(result).__name__))
        for result, place in zip(results, places, strict=True)
    ]
    called = list(names)
    for name in dict.fromkeys(names):
        alike = [number for number, other in enumerate(names) if other == name]
        if len(alike) > 1:
            apart = _apart([results[at] for at in alike], [places[at] for at in alike])
            for at, words in zip(alike, apart, strict=True):
                called[at] = f"{name} ({words})"
    if len(set(called)) < len(called):  # a model may be called as another with its brackets
        called = [f"{name} #{number}" for number, name in enumerate(called, 1)]
    return called


def names_by_files(results: Sequence[Any], files: Sequence[Path]) -> list[str]:
    """A name for each result on a page: of models of one name the files tell them apart."""
    names = list(map(model_name, results))
    return [
        f"{name} ({file.name if file.is_dir() else file.stem})" if names.count(name) > 1 else name
        for name, file in zip(names, files, strict=True)
    ]


def ways_told(results: Sequence[Any]) -> list[str]:
    """What tells results of one file apart that are fed in several ways, as short as can be."""
    settings = [result.settings for result in results]
    keys = dict.fromkeys(
        each.setting for other in settings[1:] for each in fed_apart(settings[0], other)
    )
    words: list[list[str]] = [[] for _ in results]
    for key in keys:
        usual = f"{key.replace('_', ' ')} {{}}".format
        said = [_said(key, _SETTINGS.get(key, usual), each.get(key)) for each in settings]
        for own, text in zip(words, said, strict=True):
            own.append(one_line(text or f"no {key.replace('_', ' ')}"))
    told = [", ".join(each) for each in words]
    return (
        told
        if len(set(told)) == len(told)
        else [f"{text}, {at}" for at, text in enumerate(told, 1)]
    )


def _apart(results: Sequence[Any], files: Sequence[Path | None]) -> list[str]:
    """What tells results of one name apart, in as few words as do."""
    words: list[list[str]] = [[] for _ in results]
    for column in _differing(results, files):
        tried = [[*each, text] for each, text in zip(words, column, strict=True)]
        if _told(tried) > _told(words):
            words = tried
        if _told(words) == (len(words), len(words)):
            return [", ".join(filter(None, each)) for each in words]
    return [", ".join([*filter(None, each), str(at)]) for at, each in enumerate(words, 1)]


def _told(words: Sequence[Sequence[str]]) -> tuple[int, int]:
    """How many results words tell apart, and how many of them have any."""
    return len({tuple(each) for each in words}), sum(any(each) for each in words)


def _differing(results: Sequence[Any], files: Sequence[Path | None]) -> list[list[str]]:
    """Facts in words that differ among results, a text for each; the most telling first."""
    settings = [getattr(result, "settings", None) or {} for result in results]
    facts: list[list[str]] = []
    for key, said in _SETTINGS.items():
        values = [each.get(key) for each in settings]
        if len({json.dumps(value, sort_keys=True, default=str) for value in values}) > 1:
            facts.append([_said(key, said, value) for value in values])
    data = [getattr(result, "data", None) or {} for result in results]
    facts.append([counted(int(each.get("samples", 0)), "image", "images") for each in data])
    facts.append([str(each.get("source", "")) for each in data])
    facts.append([path.stem if path else "" for path in files])
    facts.append([str(getattr(result, "provider", "")) for result in results])
    models = [getattr(result, "model", None) or {} for result in results]
    facts.append([str(each.get("sha256", ""))[:8] for each in models])
    facts.append([str(path) if path else "" for path in files])
    facts.append([str(getattr(result, "created", "")) for result in results])
    return [[one_line(text) for text in column] for column in facts if len(set(column)) > 1]


def _said(key: str, said: Callable[[Any], str], value: Any) -> str:
    try:
        return "" if value is None and key not in _SAID_WHERE_LEFT_OUT else said(value)
    except (TypeError, ValueError):  # of another version
        return str(value)
