"""Exact Shapley values: the axioms, the definition by orders, interactions on known games."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iaside_onnx import shapley_interactions, shapley_values
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.shapley import coalition_curves, coalition_masks, game_values

values = st.floats(-100, 100, allow_nan=False, width=64)


def tables(players, rows=3):
    return arrays(np.float64, (rows, 1 << players), elements=values)


games = st.integers(1, 7).flatmap(tables)


def by_orders(table):
    """The definition: mean marginal contribution over all orders of the players."""
    players = table.shape[-1].bit_length() - 1
    psi = np.zeros((*table.shape[:-1], players))
    orders = list(permutations(range(players)))
    for order in orders:
        seen = 0
        for player in order:
            psi[..., player] += table[..., seen | 1 << player] - table[..., seen]
            seen |= 1 << player
    return psi / len(orders)


@given(st.integers(1, 5).flatmap(tables))
def test_equal_to_the_mean_over_all_orders(table):
    np.testing.assert_allclose(shapley_values(table), by_orders(table), atol=1e-9)


@given(games)
def test_efficiency(table):
    total = table[:, -1] - table[:, 0]
    np.testing.assert_allclose(shapley_values(table).sum(axis=1), total, atol=1e-9)


@given(games, st.floats(-3, 3))
def test_additivity_and_averaging(table, factor):
    other = table[::-1]
    np.testing.assert_allclose(
        shapley_values(table + factor * other),
        shapley_values(table) + factor * shapley_values(other),
        atol=1e-9,
    )
    np.testing.assert_allclose(
        shapley_values(table.mean(axis=0)), shapley_values(table).mean(axis=0), atol=1e-9
    )


@given(games, st.data())
def test_null_player_gets_exactly_zero(table, data):
    players = table.shape[1].bit_length() - 1
    player = data.draw(st.integers(0, players - 1))
    coalitions = np.arange(table.shape[1])
    without = table[:, coalitions & ~(1 << player)]
    assert (shapley_values(without)[:, player] == 0).all()


@given(st.integers(2, 7).flatmap(tables), st.data())
def test_symmetry(table, data):
    players = table.shape[1].bit_length() - 1
    first, second = data.draw(st.permutations(range(players)))[:2]
    coalitions = np.arange(table.shape[1])
    one, two = coalitions >> first & 1, coalitions >> second & 1
    swapped = coalitions & ~(1 << first | 1 << second) | one << second | two << first
    same = (table + table[:, swapped]) / 2
    psi = shapley_values(same)
    np.testing.assert_allclose(psi[:, first], psi[:, second], atol=1e-9)


def test_sixteen_players_at_once():
    weights = np.arange(16.0)
    table = coalition_masks(16) @ weights
    np.testing.assert_allclose(shapley_values(table.astype(np.float32)), weights, atol=1e-5)


def test_interactions_of_an_additive_game_vanish_and_of_a_pair_are_one():
    masks = coalition_masks(5).astype(float)
    np.testing.assert_allclose(shapley_interactions(masks @ np.arange(5.0)), 0, atol=1e-12)
    pair = shapley_interactions(masks[:, 1] * masks[:, 3])
    expected = np.zeros((5, 5))
    expected[1, 3] = expected[3, 1] = 1
    np.testing.assert_allclose(pair, expected, atol=1e-12)
    # A unanimity game of three: each pair gets 1 / 2 (Grabisch and Roubens, 1999).
    three = shapley_interactions(masks[:, 0] * masks[:, 2] * masks[:, 4])
    assert three[0, 2] == pytest.approx(0.5)
    assert three[0, 1] == pytest.approx(0)


def test_curves_add_bands_from_either_end():
    table = coalition_masks(3) @ np.array([1.0, 10.0, 100.0])
    low, high = coalition_curves(table)
    assert low.tolist() == [0, 1, 11, 111]
    assert high.tolist() == [0, 100, 110, 111]


def test_values_of_the_game():
    table = np.log([[0.5, 1e-6]]).astype(np.float32)
    np.testing.assert_allclose(game_values(table, "prob"), [[0.5, 1e-6]], rtol=1e-5)
    np.testing.assert_allclose(np.exp(game_values(table, "log-prob-clipped")), [[0.5, 0.01]])
    assert game_values(table).dtype == np.float64


@pytest.mark.parametrize("size", [0, 1, 3, 12, 1 << 17])
def test_tables_that_are_no_game_are_refused(size):
    with pytest.raises(UsageError):
        shapley_values(np.zeros(size))
