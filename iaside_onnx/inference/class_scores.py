"""What a classifier's raw scores mean: logits or probabilities, one column a class or binary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

if TYPE_CHECKING:
    from .class_head import ClassHead

# Rows of probabilities in float16 sum to 1 within a few thousandths.
_SUM_TOLERANCE = 1e-2
# 1 minus a sum of probabilities may fall below 0 by rounding.
_BELOW_ZERO = 1e-3
# Below these a probability cannot be told from zero, nor 1 - p, which is half of the distance from
# 1 to its lower neighbour: of float16, and of all other types, which are read as float32.
_LEAST_OF_16_BITS = 2.0**-24, 2.0**-12
_LEAST = float(np.finfo(np.float32).tiny), 2.0**-25


@dataclass(frozen=True)
class ScoreForm:
    """How raw scores of a model become log-probabilities.

    Attributes
    ----------
    kind : str
        "logits" (log-probabilities too) or "probabilities".
    elem_type : int
        ONNX element type of the model's output.
    binary : bool
        One score an image: of class 1 against class 0, a logit or a probability.
    step : float
        Distance between neighbouring scores where the output was quantised, else 0.
    head : ClassHead or None
        What makes logits of classes of an embedding, which the scores are then.
    pair : bool
        Of two columns one may have been computed as 1 minus the other.
    """

    kind: str
    elem_type: int
    binary: bool = False
    step: float = 0.0
    pair: bool = False
    head: ClassHead | None = None

    @property
    def floor(self) -> float:
        """Least probability that is told apart from zero, for every class alike.

        Where one probability is 1 minus the other, that is the precision near 1: a floor under
        one class that is lower than that of the other would turn Shapley values round.
        """
        if self.step:
            return self.step / 2
        alone, complement = _LEAST_OF_16_BITS if self.elem_type == TensorProto.FLOAT16 else _LEAST
        return complement if self.binary or self.pair else alone

    def logits(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores, shape (n, columns), as logits of shape (n, classes)."""
        if self.head is not None:
            return self.head.logits(scores)
        if self.kind == "logits":
            return np.pad(scores, ((0, 0), (1, 0))) if self.binary else scores
        both = np.hstack([1 - scores, scores]) if self.binary else scores
        return np.log(np.maximum(both, np.float32(self.floor)))

    def plausible(self, scores: NDArray[np.float32]) -> bool:
        """False for "probabilities" that are none."""
        if self.kind == "logits":
            return True
        if self.binary:
            low, high = -_BELOW_ZERO, 1 + _BELOW_ZERO
            return bool(np.isfinite(scores).all() and scores.min() >= low and scores.max() <= high)
        return look_like_probabilities(scores, self.step)


def look_like_probabilities(scores: NDArray[np.float32], step: float = 0.0) -> bool:
    """True when every row is non-negative and sums to 1, up to rounding to steps."""
    if scores.size == 0 or scores.shape[1] < 2 or not np.isfinite(scores).all():
        return False
    sums = scores.sum(axis=1, dtype=np.float64)
    rounding = step / 2 * scores.shape[1]
    return bool(
        scores.min() >= -_BELOW_ZERO and np.abs(sums - 1).max() <= _SUM_TOLERANCE + rounding
    )


def plain_kind(tail: str, columns: int | None) -> str:
    """What a graph's last nodes say of so many columns: a Sigmoid of one makes a probability.

    Parameters
    ----------
    tail : str
        As `onnx_file.graph.output_kind` says it.
    columns : int or None
        None: not known.

    Returns
    -------
    str
        "logits", "probabilities" or "unknown".
    """
    if tail == "sigmoid":
        return "probabilities" if columns == 1 else "unknown"
    return tail


def settled_kind(scores: NDArray[np.float32], tail: str) -> str:
    """What scores are by the graph's last nodes, compared with their values on a few images.

    A sum, a mean or a product ends networks of logits, and ensembles of probabilities as well.
    Rows of logits that are never negative and all sum to 1 do not happen.

    Parameters
    ----------
    tail : str
        As for `plain_kind`.

    Returns
    -------
    str
        "unknown" where it is for the user to say.
    """
    tail = plain_kind(tail, scores.shape[1])
    if tail == "probabilities" or look_like_probabilities(scores):
        return "probabilities"
    # Values in [0, 1] that do not sum to 1 may come from a sigmoid.
    doubtful = tail == "unknown" or (scores.size > 0 and scores.shape[1] == 1)
    return "unknown" if doubtful and scores.min() >= 0 and scores.max() <= 1 else "logits"
