"""Kinds of models that are audited: what each is called, what it is valued in, and its words.

What they compute is in the `Task` of each, in `inference`; this is what settings, files and views
say, which know no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CLASSES = "classes"


@dataclass(frozen=True)
class TaskKind:
    """What is said of one kind of model.

    Attributes
    ----------
    name : str
        As ``settings["task"]`` and ``inspect --json`` have it.
    what : str
        The kind of model, for people.
    value : str
        As ``settings["value"]`` has it; of classes one of several.
    quantity : str
        The value in words, of which ``mean`` is said.
    evidence : str
        What low or high frequencies carry more of.
    right : str
        When an answer counts as right.
    low, high : float or None
        Least and largest value; None: unbounded.
    labelled : bool
        Images may have labels. Without, what an image is held against is always the model's own
        answer to the untouched image.
    counted : bool
        The model has a number of classes.
    tallied : bool
        Answers are also judged over all images together: by precision, or by overlap.
    least_gain : float or None
        What the value must at least gain from no band to all, for shares of it to be read; None:
        by the number of classes.
    """

    name: str
    what: str
    value: str
    quantity: str
    evidence: str
    right: str
    low: float | None = None
    high: float | None = None
    labelled: bool = False
    counted: bool = False
    tallied: bool = False
    least_gain: float | None = None


TASKS: dict[str, TaskKind] = {
    each.name: each
    for each in (
        TaskKind(
            CLASSES, "one class an image", "log-prob", "log-probability", "evidence",
            "the most probable class is the image's",
            high=0.0, labelled=True, counted=True,
        ),
        TaskKind(
            "several-labels", "several labels an image", "log-likelihood", "log-likelihood",
            "evidence for the labels", "every label is decided right",
            high=0.0, labelled=True, counted=True, tallied=True, least_gain=0.1,
        ),
        TaskKind(
            "embedding", "an embedding", "cosine", "cosine", "what makes the embedding",
            "of all clean images of the sample its own is the nearest",
            low=-1.0, high=1.0, least_gain=0.01,
        ),
        TaskKind(
            "dense", "a map of classes", "mean-log-prob", "log-probability of a pixel",
            "evidence for the map", "more than half of the pixels are right",
            high=0.0, labelled=True, counted=True, tallied=True, least_gain=0.1,
        ),
        TaskKind(
            "other", "any other output", "agreement", "agreement", "what makes the output",
            "the output agrees by more than a half with the clean one",
            high=1.0, least_gain=0.01,
        ),
    )
}  # fmt: skip


def kind_of_settings(settings: Mapping[str, Any]) -> TaskKind:
    """The kind of model that settings of a result are of; classes where they do not say."""
    return TASKS[str(settings.get("task", CLASSES))]
