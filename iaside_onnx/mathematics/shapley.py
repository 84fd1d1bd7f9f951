"""Exact Shapley values of a table of coalition values (method, section 4).

A coalition is an integer; bit i set means that player i is present. Tables hold the value of
coalition S at index S of their last axis, so a game of M players has a last axis of 2**M.
"""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice
from ..errors import UsageError
from .numbers import real_numbers

Value = Literal["log-prob", "log-prob-clipped", "prob"]
VALUES: tuple[str, ...] = get_args(Value)
MAX_PLAYERS = 16
LOG_PROB_FLOOR = float(np.log(0.01))
# The logarithm of the least probability of a model is known to float32.
_FLOOR_ROUNDING = 1e-5


def player_count(table: NDArray[Any]) -> int:
    """Number of players M of a table whose last axis has length 2**M; `UsageError` for others."""
    size = table.shape[-1] if table.ndim else 0
    players = size.bit_length() - 1
    if players < 1 or size != 1 << players:
        raise UsageError(f"a table of coalition values needs 2**M columns, not {size}")
    if players > MAX_PLAYERS:
        raise UsageError(f"exact Shapley values take at most {MAX_PLAYERS} players, not {players}")
    return players


def coalition_masks(players: int) -> NDArray[np.bool_]:
    """Membership of every coalition, shape (2**players, players); row S is coalition S."""
    coalitions = np.arange(1 << players)[:, None]
    return np.asarray((coalitions >> np.arange(players)) & 1, dtype=np.bool_)


def game_values(log_prob: NDArray[Any], value: str = "log-prob") -> NDArray[np.float64]:
    """What the game is played in: a function of the stored table (method, section 4).

    Parameters
    ----------
    log_prob : array
        Log-probabilities of the true class, at most 0.
    value : {"log-prob", "log-prob-clipped", "prob"}
        The table itself; floored at log 0.01; or as probabilities in [0, 1].
    """
    check_choice("value", value, VALUES)
    table = np.asarray(log_prob, dtype=np.float64)
    if value == "prob":
        return np.exp(table)
    return table if value == "log-prob" else np.maximum(table, LOG_PROB_FLOOR)


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
    return float(np.mean(log_prob <= highest + _FLOOR_ROUNDING * abs(highest)))


def shapley_values(table: NDArray[Any]) -> NDArray[np.float64]:
    """Exact Shapley values, for one game or for many at once.

    ``psi_i = sum over S without i of |S|! (M - |S| - 1)! / M! * (v(S + i) - v(S))`` in
    float64 (method, section 4). Differences are taken before they are weighted, so a player
    that changes no coalition gets exactly 0.

    Parameters
    ----------
    table : array, shape (2**M,) or (n, 2**M)
        Coalition values, M at most 16.

    Returns
    -------
    ndarray of float64, shape (M,) or (n, M)
        They sum to ``v(all) - v(none)``.

    Raises
    ------
    UsageError
        The last axis is no power of two, or means more than 16 players; or values that are no
        finite numbers.

    Examples
    --------
    >>> import numpy as np
    >>> shapley_values(np.array([0.0, 1.0, 2.0, 3.0]))
    array([1., 2.])
    """
    values = real_numbers("coalition values", table)
    players = player_count(values)
    rows = values.reshape(-1, 1 << players)
    weights = coalition_weights(players - 1, players)
    psi = np.empty((rows.shape[0], players))
    # A few rows at a time keep the float64 work space near 32 MB at any number of players.
    step = max(1, (1 << 22) >> players)
    for start in range(0, rows.shape[0], step):
        block = rows[start : start + step].astype(np.float64)
        for player in range(players):
            split = block.reshape(len(block), -1, 2, 1 << player)
            gain = (split[:, :, 1] - split[:, :, 0]).reshape(len(block), -1)
            psi[start : start + step, player] = gain @ weights
    return psi.reshape(*values.shape[:-1], players)


def shapley_weights(players: int) -> NDArray[np.float64]:
    """What each coalition weighs in each Shapley value: ``psi = v @ weights``, shape (2**M, M).

    A coalition and its complement weigh the same with opposite signs.
    """
    masks = coalition_masks(players)
    others = coalition_weights(players, 1)
    sizes = masks.sum(axis=1)
    # 1 / (M C(M - 1, s - 1)) for a member of a coalition of size s, else -1 / (M C(M - 1, s)).
    inside = others / np.maximum(sizes, 1)
    outside = others / np.maximum(players - sizes, 1)
    return np.asarray(np.where(masks, inside[:, None], -outside[:, None]))


def shapley_interactions(values: NDArray[Any]) -> NDArray[np.float64]:
    """Pairwise Shapley interaction indices of one game (method, section 4).

    ``I_ij = sum over S without i, j of |S|! (M - |S| - 2)! / (M - 1)! *
    (v(S + i + j) - v(S + i) - v(S + j) + v(S))``: positive where two bands are worth more
    together than apart (Grabisch and Roubens, 1999).

    Parameters
    ----------
    values : array, shape (2**M,)

    Returns
    -------
    ndarray of float64, shape (M, M)
        Symmetric, zero on the diagonal.

    Raises
    ------
    UsageError
        As for `shapley_values`, or more than one game.
    """
    game = real_numbers("coalition values", values).astype(np.float64, copy=False)
    if game.ndim != 1:
        raise UsageError(f"interactions are those of one game, not of a table {game.shape}")
    players = player_count(game)
    result = np.zeros((players, players))
    for (low, high), of_pair in zip(
        combinations(range(players), 2), pair_interactions(game[None]).T, strict=True
    ):
        result[low, high] = result[high, low] = of_pair[0]
    return result


def pair_interactions(values: NDArray[Any]) -> NDArray[np.float64]:
    """`shapley_interactions` of several games, a column a pair of bands: shape (K, M (M - 1) / 2).

    Pairs are in the order of ``itertools.combinations``.

    Parameters
    ----------
    values : array, shape (K, 2**M)
    """
    games = real_numbers("coalition values", values, 2).astype(np.float64, copy=False)
    players = player_count(games[0])
    pairs = list(combinations(range(players), 2))
    result = np.zeros((len(games), len(pairs)))
    if not pairs:
        return result
    weights = coalition_weights(players - 2, players - 1)
    for column, (low, high) in enumerate(pairs):
        cube = games.reshape(len(games), -1, 2, 1 << (high - low - 1), 2, 1 << low)
        one, other = cube[:, :, 1], cube[:, :, 0]
        both = one[:, :, :, 1] - one[:, :, :, 0] - other[:, :, :, 1] + other[:, :, :, 0]
        result[:, column] = both.reshape(len(games), -1) @ weights
    return result


def coalition_weights(others: int, denominator: int) -> NDArray[np.float64]:
    """Shapley weight of every coalition of `others` players: 1 / (denominator * C(others, s))."""
    sizes = np.bitwise_count(np.arange(1 << others))
    by_size = np.array([1.0 / (denominator * comb(others, s)) for s in range(others + 1)])
    return by_size[sizes]


def coalition_curves(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Value of the k lowest, and of the k highest bands together, for k from 0 to M.

    The shapes are (2**M,) of `values` and (M + 1,) of both curves.
    """
    game = np.asarray(values, dtype=np.float64)
    players = player_count(game)
    low = np.array([(1 << k) - 1 for k in range(players + 1)])
    return game[low], game[low[-1] ^ low[::-1]]
