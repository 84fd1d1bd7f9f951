"""Foretold damage: facts of the multilinear extension, planted games, then the command."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.prediction import (
    DROWNED,
    MUFFLED,
    band_presence,
    coalition_chances,
    colour_presence,
    multilinear_extension,
)
from iaside_onnx.mathematics.shapley import coalition_masks, shapley_values

from .conftest import ROOT

PLAYERS = 5


@pytest.fixture
def game():
    return np.random.default_rng(0).standard_normal(1 << PLAYERS)


def test_at_the_corners_of_the_cube_it_is_the_game(game):
    corners = coalition_masks(PLAYERS).astype(float)
    np.testing.assert_allclose(multilinear_extension(game, corners), game, atol=1e-15)
    np.testing.assert_array_equal(coalition_chances(corners), np.eye(1 << PLAYERS))


def test_it_is_the_mean_over_independent_draws_and_linear_in_each_player(game):
    rng = np.random.default_rng(1)
    point = rng.random(PLAYERS)
    masks = coalition_masks(PLAYERS)
    by_hand = np.prod(np.where(masks, point, 1 - point), axis=1) @ game
    assert multilinear_extension(game, point) == pytest.approx(by_hand, abs=1e-14)
    for player in range(PLAYERS):
        line = np.repeat(point[None], 3, axis=0)
        line[:, player] = 0.0, 0.3, 1.0
        low, between, high = multilinear_extension(game, line)
        assert between == pytest.approx(0.7 * low + 0.3 * high, abs=1e-14)
    # Many games at many points are the same, one by one.
    games, points = rng.random((3, 1 << PLAYERS)), rng.random((2, 4, PLAYERS))
    together = multilinear_extension(games, points)
    assert together.shape == (3, 2, 4)
    assert together[2, 1, 3] == pytest.approx(float(multilinear_extension(games[2], points[1, 3])))


def test_shapley_values_are_the_integral_of_its_derivatives_along_the_diagonal(game):
    # A derivative is a polynomial of degree M - 1: Gauss and Legendre's rule is exact.
    nodes, weights = np.polynomial.legendre.leggauss(PLAYERS)
    diagonal = np.repeat(((nodes + 1) / 2)[:, None], PLAYERS, axis=1)
    found = []
    for player in range(PLAYERS):
        with_it, without = diagonal.copy(), diagonal.copy()
        with_it[:, player], without[:, player] = 1.0, 0.0
        slope = multilinear_extension(game, with_it) - multilinear_extension(game, without)
        found.append(weights @ slope / 2)
    np.testing.assert_allclose(found, shapley_values(game), atol=1e-13)


def test_a_table_that_is_no_game_is_refused():
    with pytest.raises(UsageError, match="2\\*\\*M columns"):
        multilinear_extension(np.zeros(6), np.zeros(3))


def test_presence_of_bands_on_paper():
    untouched, halved, drowned = band_presence(np.array([1.0, 0.5, 1.0]), np.array([0, 0, 3.0]))
    assert untouched == 1.0
    assert halved == pytest.approx(0.5**MUFFLED)
    assert drowned == pytest.approx(10 ** (-DROWNED / 2))
    # A band that another one of the same strength replaces is as strong as before.
    assert band_presence(0.6, 0.8) == pytest.approx(1.0)
    assert band_presence(0.0, 0.0) == 0.0
    assert band_presence(np.nan, np.nan) == 1.0  # nothing was there
    assert band_presence(np.array(0.5), np.array(0.0), muffled=2.0) == 0.25
    # A shift of the mean colour counts beside how far images differ in it.
    np.testing.assert_allclose(
        colour_presence(np.array([0.0, 3.0]), 1.0), [1.0, 10 ** (-DROWNED / 2)]
    )
    np.testing.assert_array_equal(colour_presence(np.array([0.0, 1.0]), 0.0), [1.0, 0.0])
