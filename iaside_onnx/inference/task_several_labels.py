"""Several labels an image: each class is a question of its own, after a sigmoid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from ..mathematics.label_sets import decided, log_likelihood, log_sigmoid, margins
from .class_scores import ScoreForm
from .small_graph import Ends, SmallGraph
from .task import Reference, Settled

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class SeveralLabels(Settled):
    """Classes that do not exclude each other: the value is the log-likelihood of a set of labels.

    It is the sum over classes of log p where an image has the label, and of log(1 - p) where it has
    not. References are sets, True where the label is given; readings are log-odds of all classes.

    Attributes
    ----------
    scores : ScoreForm
        Logits, or probabilities, of each class alone.
    thresholds : ndarray of float64, shape (classes,)
        Probabilities above which a label is given.
    """

    scores: ScoreForm
    thresholds: NDArray[np.float64]
    bounds = (-np.inf, 0.0)
    columns = 1

    @property
    def classes(self) -> int:
        """Number of labels that there are."""
        return len(self.thresholds)

    @property
    def reference(self) -> Reference:
        """A set of labels."""
        return Reference(np.bool_, (self.classes,))

    @property
    def _floor(self) -> np.float32:
        """Least probability; what is left of one to 1 is read as well, so one floor for both."""
        return np.float32(replace(self.scores, pair=True).floor)

    @property
    def _least(self) -> NDArray[np.float64]:
        """Thresholds as readings have them: log-odds."""
        return np.asarray(np.log(self.thresholds) - np.log1p(-self.thresholds))

    def tail(self) -> bytes:
        """Scores and a set in, the log-likelihood of the set out.

        Probabilities are floored at what their type cannot tell from zero before the logarithm, and
        so is what is left of them to 1.
        """
        scores, float32 = self.scores, TensorProto.FLOAT
        ends: Ends = {
            "scores": (scores.elem_type, None),
            "reference": (TensorProto.BOOL, ["batch", self.classes]),
        }
        graph = SmallGraph("tail", ends)
        last = graph.add("Reshape", "scores", np.array([0, -1], np.int64))
        if scores.elem_type != float32:
            last = graph.add("Cast", last, to=float32)
        axis = np.array([1], np.int64)
        if scores.kind == "probabilities":
            rest = graph.add("Max", graph.add("Sub", np.float32(1), last), self._floor)
            last = graph.add("Max", last, self._floor)
            likely = graph.add("Log", graph.add("Where", "reference", last, rest))
            graph.add("ReduceSum", likely, axis)
            return graph.serialised("value", float32, ["batch", 1])
        # log sigmoid(z) is -softplus(-z).
        against = graph.add("Where", "reference", graph.add("Neg", last), last)
        graph.add("Neg", graph.add("ReduceSum", graph.add("Softplus", against), axis))
        return graph.serialised("value", float32, ["batch", 1])

    def values(
        self, scores: NDArray[np.float32], references: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Log-likelihood of each image's set."""
        if self.scores.kind == "probabilities":
            rows = scores.reshape(len(scores), -1)
            likely = np.where(references, rows, np.float32(1) - rows)
            found = np.log(np.maximum(likely, self._floor)).sum(axis=1, dtype=np.float64)
            return np.asarray(found, np.float32)
        return log_likelihood(self.readings(scores), references).astype(np.float32)

    def readings(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds of all classes, shape (n, classes)."""
        rows = scores.reshape(len(scores), -1)
        if self.scores.kind == "probabilities":
            both = (np.maximum(part, self._floor).astype(np.float64) for part in (rows, 1 - rows))
            yes, no = map(np.log, both)
            return np.asarray(yes - no)
        return rows.astype(np.float64)

    def worth(
        self, readings: NDArray[np.float64], references: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Value of each image from readings, shape (n,)."""
        return log_likelihood(readings, references)

    def answers(self, readings: NDArray[Any]) -> NDArray[np.bool_]:
        """The labels that the model gives: those above the thresholds of their classes."""
        return decided(readings, self._least)

    def right(
        self, readings: NDArray[np.float64], references: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Where every label is decided right."""
        return np.asarray((self.answers(readings) == references).all(axis=-1))

    def share(
        self, readings: NDArray[np.float64], references: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Share of the labels that are decided right, shape (n,)."""
        return np.asarray((self.answers(readings) == references).mean(axis=-1))

    def margins(
        self, readings: NDArray[np.float64], references: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Least signed distance to the thresholds over classes, and where a label is wrong."""
        return margins(readings, references, self._least)

    def change(
        self, readings: NDArray[np.float64], clean: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How far the probabilities of label and no label moved, mean over classes, in [0, 2]."""
        moved = np.exp(log_sigmoid(readings)) - np.exp(log_sigmoid(clean))
        return np.asarray(2 * np.abs(moved).mean(axis=-1))

    def tally(
        self, readings: NDArray[np.float64], references: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """What precision over a set of images is found from, shape (n, 2, classes).

        Log-odds of every class, then 1 where the image has its label.
        """
        return np.stack([readings, references], axis=1).astype(np.float32)
