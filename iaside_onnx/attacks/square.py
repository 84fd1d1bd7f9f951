"""Square Attack (Andriushchenko, Croce, Flammarion, Hein: ECCV 2020): random search by squares.

Each step changes one square of the image and stays where that lowers the margin (their section 3,
algorithm 1). The squares shrink with the queries spent; l-inf keeps every value at the edge of the
ball, l2 moves mass of the change from one window to another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from .ball import TINY, Ball, Search, length, signs

# Share of the pixels in the first squares: for few queries and robust models a large one is best
# (AutoAttack, Croce and Hein, ICML 2020, takes this one too). It is halved after these steps,
# counted in ten-thousandths of all queries (their published code, which halves at 500 as well).
_FIRST_SHARE = 0.8
_HALVED_AFTER = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
_TILES = 5  # along the shorter side, at the start of l2
_LEAST_WINDOW = 3  # of l2
_TRIES = 20  # at another sign

Window = tuple[slice, slice, slice]


def square_linf(ball: Ball, queries: int, rng: np.random.Generator) -> Search:
    """Section 3, algorithm 2: squares of one sign a channel; starts from vertical stripes."""
    channels, height, width = ball.image.shape
    best = np.where(signs(rng, channels, 1, width) > 0, ball.high, ball.low)
    least = yield best
    for share in _shares(queries):
        side = min(max(round(math.sqrt(share * height * width)), 1), height, width)
        window = _window(rng, side, height, width)
        # The same image again would tell nothing. Where no sign changes anything there is no room.
        there = best[window]
        for _ in range(_TRIES):
            changed = np.where(signs(rng, channels, 1, 1) > 0, ball.high[window], ball.low[window])
            if np.any(changed != there):
                break
        candidate = best.copy()
        candidate[window] = changed
        margin = yield candidate
        if margin < least:
            best, least = candidate, margin


def square_l2(ball: Ball, queries: int, rng: np.random.Generator) -> Search:
    """Section 3, algorithm 3: mass moves from one window into a peak and a pit in another.

    Starts from a grid of such peaks and pits, five by five.
    """
    channels, height, width = ball.image.shape
    best = _at_the_edge(ball, _grid(rng, channels, height, width))
    least = yield best
    for share in _shares(queries):
        side = max(round(math.sqrt(share * height * width)), _LEAST_WINDOW)
        side = min(side + 1 - side % 2, height, width)
        change = best - ball.image
        filled = _window(rng, side, height, width)
        emptied = _window(rng, side, height, width)
        unused = max(float(ball.epsilon**2 - np.sum(change**2)), 0.0) / channels
        old = change[filled].copy()
        both = _power(old)
        change[filled] = 0
        both += _power(change[emptied])
        change[emptied] = 0
        new = signs(rng, channels, 1, 1) * _peak_and_pit(rng, side)
        new += old / np.maximum(np.sqrt(_power(old)), TINY)
        new /= np.maximum(np.sqrt(_power(new)), TINY)
        change[filled] = new * np.sqrt(both + np.float32(unused))
        candidate = _at_the_edge(ball, change)
        margin = yield candidate
        if margin < least:
            best, least = candidate, margin


def _shares(queries: int) -> Iterator[float]:
    """Share of the pixels changed at each step after the start, endlessly."""
    step = 0
    while True:
        spent = int(step / queries * 10_000)
        yield _FIRST_SHARE / 2 ** sum(spent > limit for limit in _HALVED_AFTER)
        step += 1


def _window(rng: np.random.Generator, side: int, height: int, width: int) -> Window:
    """A square anywhere in the image, over all channels."""
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    return slice(None), slice(top, top + side), slice(left, left + side)


def _power(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of squares of each channel, shape (C, 1, 1)."""
    return np.asarray(np.sum(change**2, axis=(1, 2), keepdims=True))


def _at_the_edge(ball: Ball, change: NDArray[np.float32]) -> NDArray[np.float32]:
    """The change stretched to the ball's radius, then clipped to the box."""
    return ball.inside(change * (ball.epsilon / np.maximum(length(change), TINY)))


def _grid(rng: np.random.Generator, channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Peaks and pits side by side, centred, each with its sign in every channel."""
    side = max(min(height, width) // _TILES, 1)
    change = np.zeros((channels, height, width), np.float32)
    for top in range(height % side // 2, height - side + 1, side):
        for left in range(width % side // 2, width - side + 1, side):
            tile = signs(rng, channels, 1, 1) * _peak_and_pit(rng, side)
            change[:, top : top + side, left : left + side] = tile
    return change


def _peak_and_pit(rng: np.random.Generator, side: int) -> NDArray[np.float32]:
    """Two bumps of opposite sign, one above the other or side by side, of norm 1 together."""
    half = side // 2
    both = np.concatenate([_bump(half, side), -_bump(side - half, side)])
    both /= length(both)
    return both.T if rng.random() > 0.5 else both


def _bump(height: int, width: int) -> NDArray[np.float32]:
    """At Chebyshev distance d of the middle the sum of 1 / m^2 over m > d; of norm 1."""
    rows = np.abs(np.arange(height) - height // 2)[:, None]
    columns = np.abs(np.arange(width) - width // 2)[None, :]
    last = max(height, width) // 2 + 1
    sums = np.cumsum(1 / np.arange(last, 0, -1.0) ** 2)[::-1]
    bump = sums[np.maximum(rows, columns)].astype(np.float32)
    return np.asarray(bump / np.maximum(length(bump), TINY))
