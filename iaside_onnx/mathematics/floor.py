"""Values that stand at a floor, because a probability was too small for its type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The logarithm of a floor is known to float32.
_ROUNDING = 1e-5


def share_at_floor(
    log_prob: NDArray[np.float32], floor: float, temperature: float, classes: int
) -> float:
    """Share of log-probabilities that stand at a floor under the probabilities they come from.

    At temperature 1 it is exact. At others softmax(log p / T) moves the floor with the other
    classes' probabilities, within bounds; the share is then the most that it can be.

    Examples
    --------
    >>> share_at_floor(np.log(np.float32([0.5, 1e-3, 1e-3, 0.9])), 1e-3, 1.0, 2)
    0.5
    """
    highest = np.log(floor) / temperature + max(0.0, 1 / temperature - 1) * np.log(classes)
    return float(np.mean(log_prob <= highest + _ROUNDING * abs(highest)))


def share_at_least_value(
    log_prob: NDArray[np.float32], empty: NDArray[np.float32], labels: NDArray[np.int64]
) -> float:
    """Share of a table that stands at its own least value; 0 where that seems no floor.

    A model that clips its probabilities has such a floor, which nothing else tells of. What an
    image has without any band is the same for all images of its label, floor or not; it counts
    where two labels share it. No floor lies near the probability that all classes share.

    Parameters
    ----------
    log_prob : ndarray, shape (images, coalitions)
    empty : ndarray, shape (images,)
        The value of the empty coalition, not-a-number where it is not in the table.
    labels : ndarray of int, shape (images,)

    Examples
    --------
    >>> table = np.log(np.float32([[0.2, 0.01, 0.01, 0.9], [0.3, 0.01, 0.5, 0.9]]))
    >>> share_at_least_value(table, table[:, 0], np.array([0, 1]))
    0.375
    """
    ends = [(row.min(), row.max()) for row in log_prob]  # a table may be large: row by row
    least, most = float(min(low for low, _ in ends)), float(max(high for _, high in ends))
    if not np.isfinite(least) or least == most:
        return 0.0
    near = _ROUNDING * abs(least)
    common = len(np.unique(labels[empty <= least + near])) >= 2
    counts = []
    for row, alone in zip(log_prob, empty, strict=True):
        at = row <= least + near
        counts.append(int((at if common else at & ~(np.abs(row - alone) <= near)).sum()))
    return sum(counts) / log_prob.size if np.count_nonzero(counts) >= 2 else 0.0
