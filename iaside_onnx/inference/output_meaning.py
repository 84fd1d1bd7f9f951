"""What a model's output is, in words, judged by what it returns for a few images.

`iaside inspect` and every job that opens a model ask here, so that they say the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OpenError, UsageError
from ..settings import Settings
from ..spelling import option
from ..tasks import CLASSES, DETECTOR, TASKS, TaskKind
from .class_scores import ScoreForm, look_like_probabilities
from .grids import grid_counts
from .input_form import InputForm
from .map_form import MapForm, channels_of
from .map_meaning import ClassEvidence

# Two numbers of unit length may be scores; float16 keeps lengths to a part in 1000.
_LEAST_EMBEDDING = 3
_UNIT_LENGTH = 2e-3
# Rows in percent sum to 100 within what float16 keeps of them.
_PERCENT_TOLERANCE = 1.0
# Numbers of a box: candidates of a detector have a confidence beside.
_A_BOX = 4
# Share of a model's probability that classes at zero may come to.
_MOST_AT_ZERO = 0.05
_NO_EVIDENCE = ClassEvidence()
# In the name of an output: of an embedding, and of scores.
_EMBEDDING = re.compile(r"embed|feature|pooler|descriptor", re.IGNORECASE)
_SCORES = re.compile(r"logit|score|prob|class|label", re.IGNORECASE)
# Whole words of a name that someone gave an output, not of a layer's path: no layer of a classifier
# is called so by chance.
_GIVEN_NAME = re.compile(r"\w+(-\w+)*")
_CALLED_EMBEDDING = re.compile(
    r"(^|[_-])(embeds?|embeddings?|features|pooler_output|descriptors?)([_-]?\d+)?$", re.IGNORECASE
)


@dataclass(frozen=True)
class OutputMeaning:
    """What one output holds.

    Attributes
    ----------
    task : str
        "classes", "several-labels", "embedding", "dense" or "other".
    words : str
        The same for people, such as "a map of 1 x 224 x 224 numbers an image: segmentation".
    settled : bool
        The task may be taken without being asked for.
    by_image : bool
        Each image has numbers of its own, and as many as any other.
    asks : bool
        What the scores are is asked about when they are read, so that no task is told before.
    """

    task: str
    words: str
    settled: bool = True
    by_image: bool = True
    asks: bool = False


class NoClassScoresError(OpenError):
    """An output that holds something else than one row of class scores an image."""

    def __init__(self, output: str, meaning: OutputMeaning) -> None:
        another = f"{option('output', like='NAME')} reads another tensor of the graph"
        answers: list[dict[str, str]] = []
        if not meaning.by_image:
            way = (
                "that is taken only where it is a detector's whose form is known "
                f"({option('head')}): each image needs numbers of its own"
            )
        elif meaning.task == "dense":
            answers = [{"task": "dense"}, {"task": "other"}]
            way = (
                f"that settles no task: give {option('task', 'dense')} if these are scores of "
                f"classes, or {option('task', 'other')} for how far they move"
            )
        else:
            answers = [{"task": "other"}]
            way = f"that settles no task: {option('task', 'other')} measures how far it moves"
        super().__init__(f"output '{output}' is {meaning.words}; {way} ({another})", answers)
        self.output, self.meaning = output, meaning


def task_of(output: str, meaning: OutputMeaning, shape: tuple[int, ...], asked: str | None) -> str:
    """The task that a model is audited for: the one asked for, else what its output means.

    This is the one place that decides. `shape` is that of the output for several images.

    Raises
    ------
    UsageError
        The output does not fit the task asked for.
    NoClassScoresError
        No task is asked for, and the output settles none.
    """
    if asked is None:
        if not (meaning.settled and meaning.by_image):
            raise NoClassScoresError(output, meaning)
        return meaning.task
    row = math.prod(shape[1:]) == max(shape[1:], default=1)
    fits = {CLASSES: meaning.task in (CLASSES, "embedding"), "embedding": row and len(shape) > 1,
            "several-labels": row, "dense": len(shape) == 4}.get(asked, True)  # fmt: skip
    if not fits:
        raise UsageError(
            f"{option('task', asked)}: output '{output}' is {meaning.words}, not "
            f"{TASKS[asked].what}; {option('output', like='NAME')} reads another tensor of the "
            "graph"
        )
    return asked


def check_options(settings: Settings, kind: TaskKind) -> None:
    """Refuse what goes with other kinds of models."""
    if kind.name == CLASSES:
        without: dict[str, tuple[Any, ...]] = {}
    elif kind.counted:
        without = {"temperature": (1.0,)}
    else:
        without = {"label_offset": (None, 0), "output_kind": (None,), "temperature": (1.0,)}
    for name, usual in without.items():
        if (value := getattr(settings, name)) not in usual:
            raise UsageError(
                f"{option(name, value)} goes with classes, and the model is audited as "
                f"{kind.what}; leave it out, or give {option('task', CLASSES)}"
            )
    owners = {"threshold": "several-labels", "ignore": "dense"}
    if kind is DETECTOR:
        del owners["threshold"]
    for name, owner in owners.items():
        if (value := getattr(settings, name)) is not None and kind.name != owner:
            more = f" and with {DETECTOR.what} of a known form" if name == "threshold" else ""
            other = f", or {option('head')}" if more and kind is TASKS["other"] else ""
            raise UsageError(
                f"{option(name, value)} goes with {TASKS[owner].what}{more}, and the model is "
                f"audited as {kind.what}; leave it out, or give {option('task', owner)}{other}"
            )


def check_temperature(settings: Settings, scores: ScoreForm, classes: int) -> None:
    """Refuse a temperature where classes at zero of probabilities in steps get most of the mass.

    softmax(log p / T) gives each of them that of half a step, to the power of 1 / T.

    Raises
    ------
    UsageError
    """
    mass = classes * scores.floor
    if scores.step and settings.temperature != 1.0 and mass > _MOST_AT_ZERO:
        raise UsageError(
            f"{option('temperature', settings.temperature)}: the probabilities come in steps of "
            f"{scores.step:.2g}, so {classes} classes that stand at zero may count as {mass:.2g} "
            f"together, beside 1 for all; leave it out, or read the logits before the softmax "
            f"({option('output', like='NAME')})"
        )


def output_meaning(
    scores: NDArray[Any],
    fed: int,
    tail: str = "unknown",
    asked: str | None = None,
    name: str = "",
    *,
    classes_named: bool = False,
    form: InputForm | None = None,
    evidence: ClassEvidence = _NO_EVIDENCE,
) -> OutputMeaning:
    """Judge an output by what it is for `fed` different images.

    Parameters
    ----------
    scores : ndarray
        As the model returns them.
    fed : int
        Images that went in.
    tail : str
        "logits", "probabilities", "sigmoid" or "unknown", as the graph's last nodes say.
    asked : str or None
        The kind that the user or the file declares. It settles all that values leave open.
    name : str
        Of the output, which says of rows that may be either whether they are an embedding.
    classes_named : bool
        The file names classes, so that rows are scores whatever the output is called.
    form : InputForm, optional
        The input, whose proportions maps have.
    evidence : ClassEvidence
        What speaks for classes at the places of a map.

    Returns
    -------
    OutputMeaning
    """
    shape = scores.shape
    if not shape or shape[0] != fed:
        return OutputMeaning("other", _not_by_image(shape, fed), by_image=False)
    if 0 in shape:
        empty = f"empty (shape {list(shape)}): a model without classes"
        return OutputMeaning("other", empty, by_image=False)
    long = [size for size in shape[1:] if size > 1]
    if len(long) <= 1:
        return _vector(np.asarray(scores).reshape(fed, -1), tail, asked, name, classes_named)
    if len(shape) == 3:
        return OutputMeaning("other", _table(scores, form))
    if len(shape) == 4:
        return _map(scores, tail, asked, form, evidence)
    return OutputMeaning("other", f"a block of {_text(shape[1:])} numbers an image")


def _map(
    scores: NDArray[Any],
    tail: str,
    asked: str | None,
    form: InputForm | None,
    evidence: ClassEvidence,
) -> OutputMeaning:
    """Numbers for each place of an image."""
    _, *shape = scores.shape
    first, second, third = shape
    lies = MapForm((first, second, third), first > third)
    if form is not None:
        lies = MapForm.of((first, second, third), form)
    words = f"a map of {_text(shape)} numbers an image"
    if tail == "sigmoid" and lies.channels > 1 and asked is None:
        may_be = "a picture, or classes that do not exclude each other at a place"
        return OutputMeaning("dense", f"{words} after a Sigmoid: {may_be}", asks=True)
    if why := evidence.why_classes(scores, lies, tail, asked):
        many = "a score" if lies.channels == 1 else f"scores of {lies.channels} classes"
        return OutputMeaning("dense", f"{words}, {many} at each place ({why}): segmentation")
    may_be = "depth and the like" if lies.channels == 1 else "a picture, features and the like"
    open_words = f"{words}: segmentation, or {may_be}, and nothing says which"
    return OutputMeaning("dense", open_words, settled=False)


def _vector(
    rows: NDArray[Any], tail: str, asked: str | None, name: str, classes_named: bool
) -> OutputMeaning:
    """A row of numbers an image."""
    count, values = rows.shape[1], rows.astype(np.float64)
    if count <= 1:
        if tail == "probabilities" and len(values) > 1 and np.all(values == 1):
            one = "1 for every image: a Softmax over one class always answers 1"
            return OutputMeaning("other", one, settled=False)
        return OutputMeaning("classes", "one score an image, of class 1 against class 0")
    classes = OutputMeaning("classes", f"{count} scores an image, one a class")
    if asked is not None:
        return classes
    if tail == "sigmoid":
        return OutputMeaning(
            "several-labels", f"{count} scores after a sigmoid: several labels an image"
        )
    lengths = np.sqrt((values**2).sum(axis=1))
    unit = bool(np.all(np.abs(lengths - 1) < _UNIT_LENGTH)) and bool(np.any(values < 0))
    if unit and count >= _LEAST_EMBEDDING and tail == "unknown":
        return OutputMeaning(
            "embedding", f"rows of {count} numbers of unit length: an embedding, not class scores"
        )
    if not classes_named and _is_called_embedding(name, tail, values):
        return OutputMeaning(
            "embedding", f"{count} numbers an image that the file calls '{name}': an embedding"
        )
    answer = _answer(values) if np.isfinite(values).all() else ""
    return OutputMeaning("other", answer, settled=False) if answer else classes


def _is_called_embedding(name: str, tail: str, values: NDArray[np.float64]) -> bool:
    """Whether the file calls rows an embedding that may be one.

    Behind a last layer that embeddings and class scores share, such as MatMul, only a plain name
    settles it, and no rows that a softmax made.
    """
    if _SCORES.search(name) or not _EMBEDDING.search(name):
        return False
    if tail == "unknown":
        return True
    if tail != "logits" or not (_GIVEN_NAME.fullmatch(name) and _CALLED_EMBEDDING.search(name)):
        return False
    with np.errstate(over="ignore"):
        behind_softmax = any(map(look_like_probabilities, (values, np.exp(values))))
    return not behind_softmax


def _answer(values: NDArray[np.float64]) -> str:
    """What rows are, in words, that are made of scores but none; empty where they may be scores."""
    if values.min() >= 0 and np.abs(values.sum(axis=1) - 100).max() <= _PERCENT_TOLERANCE:
        return "in percent (no row has a negative number, and each sums to 100)"
    different = bool(np.any(values != values[0]))
    levels = np.unique(values)
    one_hot = len(levels) == 2 and bool(np.all((values == levels[1]).sum(axis=1) == 1))
    if one_hot and (different or levels.tolist() == [0, 1]):
        return (
            f"{levels[1]:g} for one class and {levels[0]:g} for all others: a decision (if these "
            f"are probabilities that saturate, say {option('output_kind', 'probabilities')})"
        )
    signs = len(levels) == 2 or bool(np.isin(levels, (-1, 0, 1)).all())
    many = bool(((values == levels[-1]).sum(axis=1) > 1).any())
    if signs and many and values.shape[1] > 2 and different:
        return (
            f"only {', '.join(f'{level:g}' for level in levels)}, and several of the largest for "
            "an image: signs of a code, or decisions"
        )
    if np.array_equal(
        np.sort(values, axis=1), np.tile(np.arange(values.shape[1]), (len(values), 1))
    ):
        return f"the numbers 0 to {values.shape[1] - 1} in some order: ranks of the classes"
    return ""


def _table(scores: NDArray[Any], form: InputForm | None) -> str:
    """Three axes: a map without channels, steps of a sequence, candidates of a detector, tokens."""
    _, first, second = scores.shape
    rows = np.asarray(scores, dtype=np.float32).reshape(-1, second)
    if look_like_probabilities(rows):
        return f"a sequence of {first} steps with {second} scores each: a text recogniser"
    few, many = sorted((first, second))
    if form is not None and many in grid_counts((form.height, form.width)) and _A_BOX < few < many:
        return (
            f"{many} candidates of {few} numbers each, as many as a detector's grids have places, "
            "in no known form"
        )
    if form is not None and channels_of((first, second), form).axis is None:
        return f"a map of {first} x {second} numbers an image, one a place: depth and the like"
    return f"a table of {first} x {second} numbers an image"


def _not_by_image(shape: Sequence[int], fed: int) -> str:
    """The first axis is not that of the images."""
    images = "one image" if fed == 1 else f"{fed} images"
    got = f"{_text(shape)} numbers for {images}" if shape else f"one number for {images}"
    if fed in shape[1:]:
        axis = list(shape).index(fed, 1)
        return f"{got}: the images stand on axis {axis}, as in a sequence whose first axis is time"
    if shape and shape[0] and shape[0] % fed == 0:
        return f"{got}: {shape[0] // fed} rows an image, as for boxes or parts of a picture"
    if not shape or shape[0] == 1:
        return f"{got}: one result for all images of a run"
    return f"{got}: rows whose number depends on what the images show, as after a detector"


def _text(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)
