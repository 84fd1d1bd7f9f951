"""SPSA (Uesato, O'Donoghue, van den Oord, Kohli: ICML 2018): descent along estimated gradients.

Differences of the margin between pairs of opposite random steps estimate its gradient (their
section 4); projected descent with momentum follows it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .ball import TINY, Ball, Search, length, signs

_PAIRS = 8  # of opposite steps, for one estimate
_REACH = 0.5  # of those steps, as a share of the radius
_STRIDE = 0.25  # of the first step down, as a share of the radius; it falls to 0 with the budget
_MEMORY = 0.9  # of past estimates


def spsa(ball: Ball, queries: int, rng: np.random.Generator) -> Search:
    """Descend the margin in either ball; the budget sets how the steps shrink (see `Search`)."""
    change = np.zeros_like(ball.image)
    slope = np.zeros_like(ball.image)
    reach = np.float32(_REACH * ball.epsilon)
    if ball.norm == "l2":
        reach /= np.float32(math.sqrt(change.size))
    spent = 0
    while True:
        slope *= np.float32(_MEMORY)
        for _ in range(_PAIRS):
            step = reach * signs(rng, *change.shape)
            ahead = yield ball.inside(change + step)
            behind = yield ball.inside(change - step)
            slope += np.float32(ahead - behind) * step
        way: NDArray[np.float32] = np.sign(slope)
        if ball.norm == "l2":
            way = slope / np.maximum(length(slope), TINY)
        stride = np.float32(_STRIDE * ball.epsilon * max(1 - spent / queries, 0))
        change = ball.inside(change - stride * way) - ball.image
        yield ball.inside(change)
        spent += 2 * _PAIRS + 1
