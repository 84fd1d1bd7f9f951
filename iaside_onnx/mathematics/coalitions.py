"""Which coalitions of an image are evaluated: all 2**M, or some drawn at random.

Drawn ones come from the seed and the image's id alone, so they are the same whatever batch,
workers or other images there are. A row of drawn coalitions begins with the empty coalition and
ends with the grand one, as the row of all coalitions does.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidOption
from .shapley import MAX_PLAYERS, shapley_weights

Estimator = Literal["exact", "permutation", "regression"]
ESTIMATORS: tuple[str, ...] = get_args(Estimator)
# Players that each estimator takes: a coalition is 64 bits; a table of weights has 2**M rows.
PLAYERS = {"exact": (1, MAX_PLAYERS), "permutation": (2, 64), "regression": (4, MAX_PLAYERS)}
# Players up to which all coalitions are affordable for every image.
AFFORDABLE = 10
# Most coalitions of one image, drawn ones included.
MOST_COALITIONS = 1 << MAX_PLAYERS
# Seeds are below this.
SEEDS = 1 << 256
# Pairs are drawn for the score too; its weights fall like this.
_BETA = 0.75


def default_estimator(players: int) -> str:
    """The estimator for a number of players where none was asked for."""
    return "exact" if players <= AFFORDABLE else "permutation"


def default_passes(estimator: str, players: int) -> int:
    """Forward passes an image: one order with its reverse, or about as many as players."""
    if estimator == "exact":
        return 1 << players
    return 2 * players - 1 if estimator == "permutation" else 2 * max(2, (players - 1) // 2) + 1


def drawn_count(estimator: str, players: int, passes: int | None = None) -> int:
    """Coalitions in a row: empty and grand one, and as many whole draws as the passes allow.

    The value of the grand coalition is known from the clean image, so it costs no pass. Raises
    `UsageError` where not even one draw fits, or more fit than a row may hold.
    """
    if estimator == "exact":
        return 1 << players
    passes = default_passes(estimator, players) if passes is None else passes
    draw = 2 * (players - 1) if estimator == "permutation" else 2
    least = draw + 1 if estimator == "permutation" else 2 * draw + 1
    if not least <= passes < MOST_COALITIONS:
        takes = f"takes {least} to {MOST_COALITIONS - 1} with {players} players"
        raise InvalidOption("passes", passes, f"the {estimator} estimator {takes}")
    return 2 + (passes - 1) // draw * draw


def draw_coalitions(
    estimator: str, players: int, count: int, seed: int, key: str
) -> NDArray[np.uint64]:
    """The coalitions of one image, shape (count,).

    Parameters
    ----------
    estimator : {"permutation", "regression"}
        ``permutation``: the coalitions that a random order of the players and its reverse pass
        through, then those of the next order. ``regression``: random coalitions, each followed by
        its complement, drawn independently with `pair_chances`.
    count : int
        From `drawn_count`.
    seed : int
        Not negative.
    key : str
        What names the image.
    """
    rng = drawing(estimator, seed, key)
    grand = np.uint64((1 << players) - 1)
    if estimator == "permutation":
        chosen = []
        for _ in range((count - 2) // (2 * (players - 1))):
            bits = np.uint64(1) << rng.permutation(players).astype(np.uint64)
            # What an order passes through as its players join, and its reverse.
            chosen += [np.cumsum(each, dtype=np.uint64)[:-1] for each in (bits, bits[::-1])]
    else:
        drawn = rng.choice(1 << (players - 1), (count - 2) // 2, p=pair_chances(players))
        halves = drawn.astype(np.uint64)
        chosen = [np.stack([halves, grand - halves], axis=1).ravel()]
    return np.concatenate([[np.uint64(0)], *chosen, [grand]])


def drawing(what: str, seed: int, key: str) -> np.random.Generator:
    """What draws for one image, which `key` names, whatever other images there are."""
    name = hashlib.sha256(f"{what}\0{key}".encode(errors="replace")).digest()
    return np.random.default_rng([seed, int.from_bytes(name[:16], "big")])


@lru_cache(maxsize=4)
def pair_chances(players: int) -> NDArray[np.float64]:
    """Chance of drawing each pair of complements, shape (2**(M - 1),); pair S holds S and its rest.

    Three quarters of it are proportional to the length of the pair's Shapley weights, which would
    be best for the sum of the variances of all Shapley values if all pairs varied alike; a quarter
    to what the pair weighs in the direction in which the score's weights fall.
    """
    weights = shapley_weights(players)[: 1 << (players - 1)]
    falling = _BETA ** np.arange(players)
    length = np.linalg.norm(weights, axis=1)
    slope = np.abs(weights @ (falling - falling.mean()))
    # The empty and the grand coalition are always evaluated.
    length[0] = slope[0] = 0.0
    chances: NDArray[np.float64] = 0.75 * length / length.sum() + 0.25 * slope / slope.sum()
    return np.asarray(chances / chances.sum())


def members(coalitions: NDArray[Any], players: int) -> NDArray[np.bool_]:
    """Who is in each coalition, shape (..., M)."""
    bits = np.arange(players, dtype=np.uint64)
    present = (coalitions.astype(np.uint64)[..., None] >> bits) & np.uint64(1)
    return np.asarray(present, dtype=np.bool_)


def are_drawn(estimator: str, players: int, coalitions: NDArray[np.uint64]) -> bool:
    """Whether rows of coalitions, shape (K, C), are such as `draw_coalitions` makes."""
    grand = np.uint64((1 << players) - 1)
    inner = coalitions[:, 1:-1]
    whole = (coalitions[:, 0] == 0).all() and (coalitions[:, -1] == grand).all()
    if not whole or not inner.size or (inner == 0).any() or (inner >= grand).any():
        return False
    if estimator == "regression":
        if inner.shape[1] % 2 or players > MAX_PLAYERS:
            return False
        lower, upper = inner[:, ::2], inner[:, 1::2]
        half = np.uint64(1 << (players - 1))
        return bool((lower ^ upper == grand).all() and (lower < half).all())
    if inner.shape[1] % (2 * (players - 1)):
        return False
    steps = np.bitwise_xor(*_chain_ends(coalitions, players))
    return bool((np.bitwise_count(steps) == 1).all() and (steps.sum(axis=-1) == grand).all())


def _chain_ends(rows: NDArray[Any], players: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """What a player finds and what it leaves as it joins, shape (K, orders, M) each."""
    chains = rows[:, 1:-1].reshape(len(rows), -1, players - 1)
    shape = (*chains.shape[:2], 1)
    first = np.broadcast_to(rows[:, :1, None], shape)
    last = np.broadcast_to(rows[:, -1:, None], shape)
    return np.concatenate([first, chains], axis=2), np.concatenate([chains, last], axis=2)


def permutation_values(
    values: NDArray[Any], coalitions: NDArray[np.uint64], players: int
) -> NDArray[np.float64]:
    """Shapley values of each image from random orders and their reverses, shape (K, M).

    The mean over orders of what a player adds when it joins; the mean over all orders is the
    Shapley value (Castro, Gomez and Tejada, Computers & Operations Research 36, 2009), and an
    order with its reverse varies less than two orders (Mitchell, Cooper, Frank and Holmes, Journal
    of Machine Learning Research 23, 2022). Each image's values sum to ``v(all) - v(none)``.

    `values` is the game at `coalitions`, both of shape (K, C), from `draw_coalitions`.
    """
    before, after = _chain_ends(np.asarray(values, np.float64), players)
    steps = np.bitwise_xor(*_chain_ends(coalitions, players))
    gains = after - before
    joined = np.log2(steps.astype(np.float64)).astype(np.intp)
    psi = np.zeros((len(gains), players))
    np.add.at(psi, (np.arange(len(gains))[:, None, None], joined), gains)
    return np.asarray(psi / gains.shape[1])
