"""Kinds of models that are audited: what each is called, what it is valued in, and its words.

What they compute is in the `Task` of each, in `inference`; this is what settings, files and views
say, which know no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    unit : str
        What a loss of it is counted in.
    evidence : str
        What low or high frequencies carry more of.
    right : str
        When an answer counts as right.
    lost : str
        What the share of an answer that is not right is called.
    kept : str
        What an audit counts the share of that is left under corruptions.
    same, changed : str or None
        The same as `kept`, and as `lost`, where the model's own answers to clean images stand
        for labels; None where nothing else can.
    right_above : float
        An answer is right where more than this share of it is.
    low, high : float or None
        Least and largest value; None: unbounded.
    labelled : bool
        Images may have labels. Without, what an image is compared with is always the model's own
        answer to the clean image.
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
    unit: str
    evidence: str
    right: str
    lost: str
    kept: str
    same: str | None = None
    changed: str | None = None
    right_above: float = 0.5
    low: float | None = None
    high: float | None = None
    labelled: bool = False
    counted: bool = False
    tallied: bool = False
    least_gain: float | None = None

    def wrong(self, share: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
        """Where too little of an answer is right, from its share, in a task without classes."""
        return ~(share > self.right_above)

    def counted_as(self, *, own: bool) -> str:
        """What shares of answers count, which may be compared with the model's `own`."""
        return self.same if own and self.same is not None else self.kept


TASKS: dict[str, TaskKind] = {
    each.name: each
    for each in (
        TaskKind(
            CLASSES,
            what="one class an image",
            value="log-prob",
            quantity="log-probability",
            unit="nats",
            evidence="evidence",
            right="the most probable class is the image's",
            lost="error",
            kept="right answers",
            same="same answers",
            changed="flip rate",
            high=0.0,
            labelled=True,
            counted=True,
        ),
        TaskKind(
            "several-labels",
            what="several labels an image",
            value="log-likelihood",
            quantity="log-likelihood",
            unit="nats",
            evidence="evidence for the labels",
            right="every label is decided right",
            lost="labels wrong",
            kept="labels decided right",
            same="labels decided as before",
            changed="labels changed",
            right_above=1 - 1e-6,
            high=0.0,
            labelled=True,
            counted=True,
            tallied=True,
            least_gain=0.1,
        ),
        TaskKind(
            "embedding",
            what="an embedding",
            value="cosine",
            quantity="cosine",
            unit="cosine",
            evidence="cosine with the clean embedding",
            right="of all clean images of the sample its own is the nearest",
            lost="not the nearest",
            kept="pictures found again",
            low=-1.0,
            high=1.0,
            least_gain=0.01,
        ),
        TaskKind(
            "dense",
            what="a map of classes",
            value="mean-log-prob",
            quantity="log-probability of a pixel",
            unit="nats a pixel",
            evidence="evidence for the map",
            right="more than half of the pixels are right",
            lost="pixels wrong",
            kept="pixels right",
            same="pixels that stay the same",
            changed="pixels changed",
            high=0.0,
            labelled=True,
            counted=True,
            tallied=True,
            least_gain=0.1,
        ),
        TaskKind(
            "other",
            what="any other output",
            value="agreement",
            quantity="agreement",
            unit="agreement",
            evidence="agreement with the clean output",
            right="the output agrees by more than a half with the clean one",
            lost="disagreement",
            kept="agreement",
            high=1.0,
            least_gain=0.01,
        ),
    )
}

# Of the task "other" where the head of a detector is known; its settings hold its form.
DETECTOR = TaskKind(
    "other",
    what="a detector",
    value="matched-boxes",
    quantity="match of the boxes",
    unit="match of the boxes",
    evidence="match of the boxes",
    right="the boxes match those of the clean image by more than a half",
    lost="boxes lost",
    kept="match of the boxes",
    low=0.0,
    high=1.0,
    least_gain=0.01,
)
# All kinds that have one value of their own.
VALUED = (*(each for each in TASKS.values() if each.name != CLASSES), DETECTOR)
VALUES = tuple(each.value for each in VALUED)


def kind_of_settings(settings: Mapping[str, Any]) -> TaskKind:
    """The kind of model that settings of a result are of; classes where they do not say."""
    return kind_of(str(settings.get("task", CLASSES)), settings.get("head"))


def kind_of(task: str, head: Any = None) -> TaskKind:
    """The kind of model of a task, whose outputs may be those of a detector of a known form."""
    return DETECTOR if task == DETECTOR.name and head is not None else TASKS[task]
