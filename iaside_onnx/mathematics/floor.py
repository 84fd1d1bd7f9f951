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
