"""What lies between a model's output and the game: the one number that an image is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..mathematics.one_label import answers, margins
from ..mathematics.temperature import log_softmax
from .class_scores import ScoreForm
from .small_graph import SmallGraph


class Reference(NamedTuple):
    """What an image is compared with: type and shape of one image's, as the tail takes it.

    The tail takes a row for every pass; where it is `an_image`, one for every image, whose passes
    follow each other: references may be large.
    """

    dtype: type[np.generic]
    shape: tuple[int, ...]
    an_image: bool = False


class Task(Protocol):
    """What a model's scores mean, and what is asked of them.

    Raw scores become *readings* of an image, which all comparisons are made of. References are
    what images are compared with, one row each: what is known of them, or the model's own answers.

    Attributes
    ----------
    bounds : tuple of float
        Least and largest value of an image.
    learns : bool
        What an answer is compared with follows from the clean images of the whole sample, which
        `seen` is given then.
    columns : int
        Numbers that the tail gives an image: its value, and what else is asked of it.
    """

    bounds: tuple[float, float]
    learns: ClassVar[bool]

    @property
    def columns(self) -> int:
        """Numbers that the tail gives an image."""

    @property
    def reference(self) -> Reference:
        """What an image is compared with."""

    def seen(self, scores: NDArray[np.float32]) -> Self:
        """The task that has seen the raw scores of further clean images of the sample too.

        The value of an image compared with its own clean answer must not depend on it.
        """

    def learned(self) -> Self:
        """The task that has seen the whole sample, and keeps no more of it than it needs.

        Raises
        ------
        ArtifactError
            The clean images tell nothing.
        """

    def said(self, references: Callable[[], NDArray[Any]]) -> str:
        """What is known of the clean images, for people; empty where that is nothing to speak of.

        `references` gives those of the images that are measured.
        """

    def tail(self) -> bytes | None:
        """The graph after the model, a session of its own; None: values are made on the host.

        Inputs are ``scores``, as the model gives them (of further outputs ``scores_1``, ...), and
        ``reference`` (batch, ...); the output is ``value`` (batch, columns), float32, whose first
        column is what an image is worth.
        """

    def values(self, scores: NDArray[np.float32], references: NDArray[Any]) -> NDArray[np.float32]:
        """Value of each image, shape (n,), from raw scores: what the tail finds, on the host."""

    def readings(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        """Raw scores as what is compared below, shape (n, ...)."""

    def worth(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """Value of each image, shape (n,), from readings."""

    def answers(self, readings: NDArray[Any]) -> NDArray[Any]:
        """What the model itself answers: references, shape (n, ...)."""

    def right(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.bool_]:
        """Where the model's answer is the reference, shape (n,)."""

    def share(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float64]:
        """How much of the answer is right, in [0, 1], shape (n,): of a single one all or none."""

    def margins(
        self, readings: NDArray[np.float64], references: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """What an attack lowers, and where the answer is wrong, shapes (n,)."""

    def change(
        self, readings: NDArray[np.float64], clean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How far readings lie from those of the clean image, shape (n,); 0 if they are it."""


@runtime_checkable
class Tallying(Protocol):
    """A task whose answers are also judged over a set of images, not image by image alone."""

    def tally(self, readings: NDArray[Any], references: NDArray[Any]) -> NDArray[np.float32]:
        """What a set of images is judged by, shape (n, numbers, classes)."""


class Settled:
    """A task of which everything is known before any clean image is seen."""

    learns: ClassVar[bool] = False

    def seen(self, scores: NDArray[np.float32]) -> Self:  # noqa: ARG002
        """The same."""
        return self

    def learned(self) -> Self:
        """The same."""
        return self

    def said(self, references: Callable[[], NDArray[Any]]) -> str:  # noqa: ARG002
        """Nothing."""
        return ""


@dataclass(frozen=True)
class OneLabel(Settled):
    """Classes that exclude each other: the value is the log-probability of an image's class.

    References are indices in the model's output; readings are log-probabilities of all classes.

    Attributes
    ----------
    scores : ScoreForm
    temperature : float
        T of softmax(z / T).
    answered : bool
        The tail gives the index of the most probable class too, in a second column.
    """

    scores: ScoreForm
    temperature: float = 1.0
    answered: bool = False
    bounds = (-np.inf, 0.0)
    reference = Reference(np.int64, (1,))

    @property
    def columns(self) -> int:
        """The log-probability, and the answer where it is asked for."""
        return 1 + self.answered

    @property
    def _normalised(self) -> bool:
        """False where the model's own probabilities stand for themselves."""
        return self.scores.kind == "logits" or self.temperature != 1.0

    @property
    def _in_steps(self) -> bool:
        """The model's own probabilities were quantised: many classes may stand at zero."""
        return bool(self.scores.step) and not self._normalised

    def tail(self) -> bytes:
        """Scores and the index of a class in, log-probability of the class out, or answer too.

        Probabilities are floored at what their type cannot tell from zero before the logarithm; a
        binary score becomes two columns.
        """
        scores, float32 = self.scores, TensorProto.FLOAT
        graph = SmallGraph(
            "tail",
            {"scores": (scores.elem_type, None), "reference": (TensorProto.INT64, ["batch", 1])},
        )
        last = graph.add("Reshape", "scores", np.array([0, -1], np.int64))
        if scores.elem_type != float32:
            last = graph.add("Cast", last, to=float32)
        if scores.head is not None:
            last = scores.head.added(graph, last)
        if scores.kind == "probabilities":
            if scores.binary:
                complement = graph.add("Sub", np.float32(1), last)
                last = graph.add("Concat", complement, last, axis=1)
            last = graph.add("Log", graph.add("Max", last, np.float32(scores.floor)))
        elif scores.binary:
            last = graph.add("Pad", last, np.array([0, 1, 0, 0], np.int64))
        logits = last
        if self.temperature != 1.0:
            last = graph.add("Div", last, np.float32(self.temperature))
        if self._normalised:
            last = graph.add("LogSoftmax", last, axis=-1)
        value = graph.add("GatherElements", last, "reference", axis=1)
        if self.answered:
            first = graph.add("ArgMax", logits, axis=1, keepdims=1)
            graph.add("Concat", value, graph.add("Cast", first, to=float32), axis=1)
        return graph.serialised("value", float32, ["batch", self.columns])

    def values(
        self, scores: NDArray[np.float32], references: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Log-probability of each image's class."""
        cooled: NDArray[Any] = self.scores.logits(scores) / np.float32(self.temperature)
        if self._normalised:
            cooled = log_softmax(cooled)
        return cooled[np.arange(len(cooled)), references].astype(np.float32)

    def readings(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-probabilities of all classes, shape (n, classes).

        Probabilities in steps are not divided by their sum: the floors of many classes that stand
        at zero would add up to a mass that no class has.
        """
        logits = self.scores.logits(scores)
        if self._in_steps:
            return np.minimum(logits.astype(np.float64), 0.0)
        return log_softmax(logits / self.temperature)

    def worth(self, readings: NDArray[Any], references: NDArray[np.int64]) -> NDArray[np.float64]:
        """Log-probability of each image's class."""
        return np.asarray(readings[np.arange(len(readings)), references], np.float64)

    def answers(self, readings: NDArray[Any]) -> NDArray[np.int64]:
        """The most probable class; of logits as well."""
        return answers(readings)

    def right(self, readings: NDArray[Any], references: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where the most probable class is the image's; of logits as well."""
        return np.asarray(answers(readings) == references)

    def share(self, readings: NDArray[Any], references: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 where the answer is right, else 0."""
        return self.right(readings, references).astype(np.float64)

    def margins(
        self, readings: NDArray[np.float64], references: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Log-probability of the class less the highest other one, and where another one wins."""
        return margins(readings, references)

    def change(
        self, readings: NDArray[np.float64], clean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Sum over classes of how far their probabilities moved, in [0, 2].

        Of probabilities in steps a class at zero has none. What all classes at zero have together
        is known by what the others leave of 1, and moves as one class.
        """
        now, before = self._masses(readings), self._masses(clean)
        moved = np.abs(now - before).sum(axis=-1)
        if self._in_steps:
            moved += np.abs(now.sum(axis=-1) - before.sum(axis=-1))
        return np.asarray(np.minimum(moved, 2.0))

    def _masses(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of all classes; one step is the least that is not zero."""
        held = np.exp(readings)
        return np.where(held < 0.75 * self.scores.step, 0.0, held) if self._in_steps else held
