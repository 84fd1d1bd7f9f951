"""The damage game: what stands for an absent band is the perturbed image's own (method, section 9).

Its Shapley values are those of any game. Where it is split, each band is a union of two players,
its gain (player i) and its residual (player M + i), whose shares are Owen values.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_whole
from ..errors import InvalidOption
from .coalitions import are_drawn, drawing, permutation_values
from .numbers import real_numbers
from .shapley import coalition_weights

# Bands whose split coalitions, (M + 1) 2^M, fit into a row.
MOST_SPLIT = 12
# Estimators of the split game: no regression is known to it.
SPLIT_ESTIMATORS = ("exact", "permutation")


@lru_cache(maxsize=8)
def split_coalitions(players: int) -> NDArray[np.uint64]:
    """All coalitions that exact Owen values need, shape ((M + 1) * 2**M,); not to be written to.

    Bit i is the gain of band i restored, bit M + i its residual removed. For each set of bands H,
    ascending: H with both players of each of its bands, then, for each band outside in turn, H with
    that band's gain, and H with its residual. The first is empty, the last the grand coalition.

    Parameters
    ----------
    players : int
        Bands M, 1 to `MOST_SPLIT`.

    Examples
    --------
    >>> [f"{code:02b}" for code in split_coalitions(1).tolist()]
    ['00', '01', '10', '11']
    """
    check_whole("bands", players)
    if not 1 <= players <= MOST_SPLIT:
        raise InvalidOption("bands", players, f"the exact split game takes 1 to {MOST_SPLIT} bands")
    codes: list[int] = []
    for bands in range(1 << players):
        both = bands | bands << players
        codes.append(both)
        for band in range(players):
            if not bands >> band & 1:
                codes += [both | 1 << band, both | 1 << (players + band)]
    result = np.array(codes, np.uint64)
    result.setflags(write=False)
    return result


def draw_split(players: int, count: int, seed: int, key: str) -> NDArray[np.uint64]:
    """Coalitions of one image that random orders of the split game pass through, shape (count,).

    An order takes the bands at random, and the two players of a band one after the other, either
    first with equal chance; its reverse follows. So a row is one of the permutation estimator with
    2 M players, whose orders keep each union together.

    Parameters
    ----------
    players : int
        Bands M, 1 to 32.
    count : int
        From ``coalitions.drawn_count("permutation", 2 * players, passes)``.
    seed, key
        As for `coalitions.draw_coalitions`.
    """
    rng = drawing("split", seed, key)
    chosen = []
    for _ in range((count - 2) // (2 * (2 * players - 1))):
        bands = rng.permutation(players)
        first = rng.integers(2, size=players)
        pairs = np.stack([bands + players * first, bands + players * (1 - first)], axis=1)
        bits = np.uint64(1) << pairs.ravel().astype(np.uint64)
        chosen += [np.cumsum(each, dtype=np.uint64)[:-1] for each in (bits, bits[::-1])]
    return np.concatenate([[np.uint64(0)], *chosen, [_grand(players)]])


def are_split(estimator: str, players: int, coalitions: NDArray[np.uint64]) -> bool:
    """Whether rows of coalitions, shape (K, C), are such as `split_coalitions` or `draw_split`."""
    if estimator == "exact":
        if players > MOST_SPLIT or coalitions.shape[1] != (players + 1) << players:
            return False
        return bool((coalitions == split_coalitions(players)).all())
    if not are_drawn(estimator, 2 * players, coalitions):
        return False
    # After every second step of an order both players of a band are in, or none.
    chains = coalitions[:, 1:-1].reshape(len(coalitions), -1, 2 * players - 1)[:, :, 1::2]
    gains = chains & np.uint64((1 << players) - 1)
    return bool((gains == chains >> np.uint64(players)).all())


def owen_values(
    estimator: str, game: NDArray[Any], coalitions: NDArray[np.uint64], players: int
) -> NDArray[np.float64]:
    """Shares of each band's gain, then of each one's residual, of each image, shape (K, 2 M).

    ``gain_i = sum over H without i of w(H) / 2 * [v(H + gain i) - v(H) + v(H + i) -
    v(H + residual i)]`` with the Shapley weights w of M players, and the residual likewise: Owen
    values with each band a union (Owen, "Values of games with a priori unions", in Mathematical
    Economics and Game Theory, 1977). The two sum to the Shapley value of the band. Drawn ones are
    means over orders, unbiased.

    Parameters
    ----------
    estimator : {"exact", "permutation"}
    game : array, shape (K, C)
        At `coalitions`, of the same shape, from `split_coalitions` or `draw_split`.
    players : int
        Bands M.
    """
    if estimator != "exact":
        return permutation_values(game, coalitions, 2 * players)
    values = np.asarray(real_numbers("coalition values", game, 2), np.float64)
    weights = coalition_weights(players - 1, players) / 2
    bands = np.arange(1 << players, dtype=np.uint64)
    shares = np.empty((len(values), 2 * players))
    for band in range(players):
        without = bands[bands >> np.uint64(band) & np.uint64(1) == 0]
        gain, residual = np.uint64(1 << band), np.uint64(1 << (players + band))
        both = without | without << np.uint64(players)
        none, one, two, all_in = (
            values[:, _columns(players, both | joined)]
            for joined in (np.uint64(0), gain, residual, gain | residual)
        )
        shares[:, band] = ((one - none) + (all_in - two)) @ weights
        shares[:, players + band] = ((two - none) + (all_in - one)) @ weights
    return shares


def whole_bands(players: int) -> NDArray[np.intp]:
    """Columns of `split_coalitions` where bands are whole, by their set: the game that is split."""
    bands = np.arange(1 << players, dtype=np.uint64)
    return _columns(players, bands | bands << np.uint64(players))


def _columns(players: int, codes: NDArray[np.uint64]) -> NDArray[np.intp]:
    order = _order(players)
    return np.asarray(order[np.searchsorted(split_coalitions(players), codes, sorter=order)])


@lru_cache(maxsize=8)
def _order(players: int) -> NDArray[np.intp]:
    return np.argsort(split_coalitions(players))


def _grand(players: int) -> np.uint64:
    return np.uint64((1 << 2 * players) - 1)
