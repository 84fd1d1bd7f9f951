"""What a model and a folder of images want: the preprocessing, and where the labels are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, UsageError, said
from ..images.folders import all_pictures, class_folders, fault_of_labels
from ..images.sample import OWN_ANSWERS, Reading
from ..listener import Listener
from ..measure.request import ModelOptions
from ..measure.truths import without_truths
from ..recipe_search.search import given_recipes, search_recipes
from ..spelling import option
from ..tasks import CLASSES, DETECTOR, TaskKind, kind_of
from .stages import INPUT, Stages, photos

# In a folder of pictures: taken for its labels.
LABELS = "labels.csv"
# Images on which preprocessing is tried.
_TRIED = 50
_READING = ("columns", "image_column", "label_column", "label_order")
_SOURCES = {"declared": "declared in the file", "beside": "in a file beside the model"}
_NAMING = {"folders": "class folders", "list": "names in the file", "words": "the file of labels"}


@dataclass(frozen=True)
class FoundInput:
    """How images go into a model, and which classes they are of.

    Attributes
    ----------
    words : str
        What was found, in a line.
    options : dict
        What a measurement has to be given: parameters of `analyze`, JSON values.
    recipe : str or None
        TOML text of a preprocessing that is no preset.
    available : int
        Images that there are.
    """

    words: str
    available: int
    options: dict[str, Any] = field(default_factory=dict)
    recipe: str | None = None


def find_labels(
    images: Path, asked: Mapping[str, Any], kind: TaskKind, listener: Listener
) -> str | None:
    """The file of labels: as asked for, else the one in the folder of images that is called so.

    Of a kind of model that has no labels, the model's own answers.
    """
    if not kind.labelled:
        return OWN_ANSWERS
    if asked.get("labels") is not None:
        given = asked["labels"]
        # As text, a path of that name would be the word.
        return f"./{given}" if isinstance(given, Path) and str(given) == OWN_ANSWERS else str(given)
    path = images / LABELS
    if not images.is_dir() or not path.is_file():
        return None
    # Beside class folders it may be a table of something else.
    sets = Reading(images, path).of_task(kind.name).sets
    fault = fault_of_labels(images, path, sets=sets)
    if fault is None or class_folders(images, Listener()) is None:
        return str(path)
    listener.note(f"{said(fault)}; it is not used, the class folders are the classes")
    return None


def find_input(
    model: Path,
    images: Path,
    classes: int | None,
    asked: Mapping[str, Any],
    stages: Stages,
    task: str | None = None,
    head: str | None = None,
    seconds: float = math.inf,
    hint: str | None = None,
) -> FoundInput:
    """Find the preprocessing and the labels, or refuse.

    Parameters
    ----------
    asked : mapping
        Options of `analyze` that were given.
    task : str, optional
        What the model is, as its output says.
    head : str, optional
        The form of a detector's outputs.
    seconds : float
        That trying preprocessings may take.
    hint : str, optional
        What is known of the pixels that the graph wants.

    Raises
    ------
    UsageError
        Which preprocessing the model wants cannot be found out.
    IasideError
        Images or labels that cannot be read, as for `analyze`.
    """
    kind = kind_of(CLASSES if task is None else task, head)
    labels = find_labels(images, asked, kind, stages.listener)
    reading = {name: asked.get(name) for name in _READING}
    given = Reading.asked(images, labels, asked.get("class_names"), **reading)
    stated = None
    if asked.get("preprocess") is None:
        extensions = tuple(map(Path, asked.get("ort_extension", ())))
        stated = next(iter(given_recipes(model, extensions, stages.of(INPUT)).items()), None)
    unsaid = ""
    if kind.name != CLASSES and asked.get("preprocess") is None and stated is None:
        unsaid = _unsaid(kind, hint)
    if kind.labelled and kind.name != CLASSES and (why := without_truths(kind, given)):
        both = f"; and {unsaid}" if unsaid else ""
        raise DataError(f"{images}: {why}{both}")
    source = given.of_task(kind.name).open(Listener())
    options = {} if labels is None else {"labels": labels}
    if kind.name != CLASSES:
        options = {**(options if kind.labelled else {}), "task": kind.name}
    if labels not in (None, OWN_ANSWERS) and images.is_dir():
        _say_left_out(images, labels, len(source.ids), stages)
    present, naming = len(np.unique(source.labels)), _NAMING[source.naming]
    if labels is not None or source.class_names is None:
        naming = "number" if labels is None else labels
    told = "labels: the model's own answers"
    if kind.name != CLASSES:
        told = f"task: {kind.what}"
        if labels == OWN_ANSWERS:
            told += ", compared with the model's own answers to clean images"
    elif labels != OWN_ANSWERS:
        told = f"labels: {present} {f'of {classes} ' if classes else ''}classes, by {naming}"
    if source.unused:
        told += f"; {source.unused}"
    if asked.get("preprocess") is not None:
        name = Path(str(asked["preprocess"])).name
        return FoundInput(f"{name} (as given); {told}", len(source.ids), options)
    if stated is not None:
        where, recipe = stated
        words = f"{recipe.name or recipe.channels.upper()} ({_SOURCES[where]}); {told}"
        return FoundInput(words, len(source.ids), options)
    if unsaid:
        raise UsageError(f"{model}: {unsaid}")
    return _tried(
        model, images, {**asked, **options}, options, told, len(source.ids), stages, seconds
    )


def _unsaid(kind: TaskKind, hint: str | None) -> str:
    """That the preprocessing has to be given, and what it may be."""
    usual = f"{option('preprocess', 'unit')} (pixels from 0 to 1"
    usual += ", as YOLO has them)" if kind is DETECTOR else ")"
    known = "" if hint is None else f" ({hint})"
    return (
        "neither the file nor one beside it says which preprocessing it wants, and that is not "
        f"found out for {kind.what}{known}: give what the model was trained with, such as {usual} "
        f"or {option('preprocess', 'imagenet')} (ImageNet's mean and deviation taken off)"
    )


def _say_left_out(images: Path, labels: Any, listed: int, stages: Stages) -> None:
    """Warn where a table of labels does not list all pictures of a folder."""
    there = all_pictures(images, Listener())
    left = 0 if there is None else len(there.ids) - listed
    if left > 0:
        others = "the other is" if left == 1 else f"the {left} others are"
        stages.warn(f"{labels} lists {photos(listed)} of {images}; {others} left out")


def _tried(
    model: Path,
    images: Path,
    asked: Mapping[str, Any],
    options: dict[str, Any],
    told: str,
    available: int,
    stages: Stages,
    seconds: float,
) -> FoundInput:
    """The preprocessing that does best on some of the images."""
    known = ModelOptions.__optional_keys__
    tried: Any = {name: value for name, value in asked.items() if name in known}
    tried |= {"samples": _TRIED, "sampling": "nested"}
    listener = stages.of(INPUT, "trying which preprocessing the model wants")
    found = search_recipes(model, images, **{**tried, "listener": listener, "seconds": seconds})
    search, rows = found["search"], found["candidates"]
    best, count = rows[0], search["images"]
    if not search["above_chance"] or search["class_order"] is not None:
        raise UsageError(
            f"{model}: which preprocessing it wants is not clear from {count} of these images; "
            f"give it with {option('preprocess')}: " + " ".join(search["findings"][:1])
        )
    alike = [row for row in rows if not row["told_apart"]]
    values = list(dict.fromkeys(row["values"] for row in alike))
    doubt = ""
    if len(values) > 1:
        doubt = f", which cannot be told apart from {' | '.join(values[1:4])}"
        stages.warn(
            f"on {count} images {len(values)} preprocessings cannot be told apart "
            f"({' | '.join(values[:4])}{' | ...' if len(values) > 4 else ''}); "
            f"{best['values']} is taken, {option('preprocess')} settles it"
        )
    preset = search["preset"]
    name, *order = best["values"].split(", ")
    right = ", ".join([*order, f"{best['accuracy']:.2f} right on {photos(count)}"])
    needed = {
        name: value
        for name, value in search["options"].items()
        if value not in (None, []) and name not in asked
    }
    if preset is not None:
        needed["preprocess"] = preset
    return FoundInput(
        f"{name} ({right}{doubt}); {told}",
        available,
        {**options, **needed},
        search["toml"] if preset is None else None,
    )
