"""Which class scores speak for, and by how much: every image has one label."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, UsageError


def answers(scores: NDArray[Any]) -> NDArray[np.int64]:
    """The class with the highest score, the first one of several; over the last axis."""
    return np.asarray(scores.argmax(axis=-1), np.int64)


def margins(
    log_prob: NDArray[np.float64], targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Log-probability of the target less the highest other one, and where another class wins.

    Shapes are (n, classes) of `log_prob` and (n,) of all else.

    Raises `ArtifactError` where there is nothing to choose between, `UsageError` for targets that
    are no classes.
    """
    if log_prob.ndim != 2 or log_prob.shape[1] < 2:
        raise ArtifactError(
            f"scores of shape {list(log_prob.shape)}: a row of two or more log-probabilities for "
            "each image is needed"
        )
    if targets.shape != log_prob.shape[:1] or targets.dtype.kind not in "iu":
        raise UsageError(f"targets are {len(log_prob)} integers, one for each image")
    if targets.size and targets.min() < 0:
        raise UsageError("targets must not be negative")
    if targets.size and targets.max() >= log_prob.shape[1]:
        raise UsageError(
            f"target {targets.max()}: the classifier has {log_prob.shape[1]} classes, from 0"
        )
    rows, others = np.arange(len(log_prob)), log_prob.copy()
    others[rows, targets] = -np.inf
    return log_prob[rows, targets] - others.max(axis=1), answers(log_prob) != targets
