"""One temperature per model: softmax(z / T) tames over-confidence (method, section 4)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.special import log_softmax as _log_softmax

_LARGEST = 100.0


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Stable log-softmax over the last axis, in float64."""
    return np.asarray(_log_softmax(np.asarray(logits, np.float64), axis=-1))


def fit_temperature(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Temperature in [0.01, 100] that minimises the mean negative log-likelihood.

    From logits or log-probabilities of clean images, shape (n, classes), and their labels. It
    is rounded to six significant digits, so that it is the same on every machine.
    """
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        cooled = log_softmax(logits / np.exp(log_temperature))
        # Summed exactly, so that the order of the images leaves no trace.
        return -math.fsum(cooled[rows, labels].tolist()) / len(rows)

    bound = float(np.log(_LARGEST))
    minimum = scipy.optimize.minimize_scalar(
        loss, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-8}
    )
    return float(f"{np.exp(minimum.x):.6g}")
