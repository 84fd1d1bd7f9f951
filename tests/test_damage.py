"""The damage game: its mathematics from facts, and what its report says."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.coalitions import drawn_count
from iaside_onnx.mathematics.damage import (
    are_split,
    draw_split,
    owen_values,
    split_coalitions,
    whole_bands,
)
from iaside_onnx.mathematics.shapley import shapley_values

from .damage_reports import made_damage


def orders_of_unions(players):
    """Every order of the split game's players that keeps the two of each band together."""
    for bands in permutations(range(players)):
        for first in range(1 << players):
            order = []
            for band in bands:
                pair = [band, players + band]
                order += pair[::-1] if first >> band & 1 else pair
            yield order


def by_orders(game, players):
    """Owen values as their definition has them: what each player adds, over all orders."""
    shares, orders = np.zeros(2 * players), 0
    for order in orders_of_unions(players):
        orders, code = orders + 1, 0
        for player in order:
            shares[player] += game[code | 1 << player] - game[code]
            code |= 1 << player
    return shares / orders


@pytest.mark.parametrize("players", [1, 2, 3])
def test_owen_values_are_the_mean_over_all_orders_that_keep_bands_together(players):
    game = np.random.default_rng(players).normal(size=1 << 2 * players)
    codes = split_coalitions(players)
    assert len(codes) == len(set(codes.tolist())) == (players + 1) << players
    table = game[codes][None]
    shares = owen_values("exact", table, codes[None], players)[0]
    assert np.allclose(shares, by_orders(game, players), atol=1e-12)
    plain = shapley_values(table[:, whole_bands(players)])[0]
    assert np.allclose(shares[:players] + shares[players:], plain, atol=1e-12)


def test_eight_bands_take_2304_coalitions_and_a_null_player_gets_exactly_nothing():
    codes = split_coalitions(8)
    assert len(codes) == 2304
    assert codes[0] == 0
    assert codes[-1] == (1 << 16) - 1
    deaf = codes & ~np.uint64(1 << 3 | 1 << 12)  # the gain of band 3, the residual of band 4
    game = np.random.default_rng(0).normal(size=1 << 16)[deaf][None]
    shares = owen_values("exact", game, codes[None], 8)[0]
    assert shares[3] == shares[8 + 4] == 0
    assert (shares != 0).sum() == 14


def test_drawn_orders_of_the_split_game_are_unbiased_and_sum_to_the_damage():
    players, images = 3, 400
    game = np.random.default_rng(1).normal(size=1 << 2 * players)
    count = drawn_count("permutation", 2 * players, 60)
    codes = np.stack([draw_split(players, count, 5, f"image {n}") for n in range(images)])
    assert are_split("permutation", players, codes)
    assert np.array_equal(codes[7], draw_split(players, count, 5, "image 7"))
    shares = owen_values("permutation", game[codes], codes, players)
    assert np.allclose(shares.sum(axis=1), game[-1] - game[0], atol=1e-12)
    error = shares.std(axis=0) / np.sqrt(images)
    assert (abs(shares.mean(axis=0) - by_orders(game, players)) < 4 * error + 1e-12).all()


def test_coalitions_of_another_game_are_none_of_a_split_one():
    exact = np.stack([split_coalitions(3)] * 2)
    assert are_split("exact", 3, exact)
    assert not are_split("exact", 3, exact[:, ::-1])
    assert not are_split("exact", 4, exact)
    drawn = np.stack([draw_split(3, drawn_count("permutation", 6, 30), 0, "a")] * 2)
    assert not are_split("permutation", 6, drawn)
    swapped = drawn.copy()
    swapped[:, [1, 2]] = swapped[:, [2, 1]]
    assert not are_split("permutation", 3, swapped)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("estimator", ["exact", "permutation"])
def test_shares_sum_to_the_damage_and_files_come_back(split, estimator, tmp_path):
    report = made_damage(split=split, estimator=estimator)
    assert report.efficiency_residual < 1e-9
    report.save(tmp_path / "d.h5")
    with h5py.File(tmp_path / "d.h5") as file:  # as anyone reads it
        assert file["game/right"].dtype == bool
        assert np.array_equal(file["game/right"], report.right)
    again = ia.load(tmp_path / "d.h5")
    assert isinstance(again, ia.DamageReport)
    assert np.array_equal(again.log_prob, report.log_prob)
    assert again.right.dtype == bool
    assert np.array_equal(again.right, report.right)
    assert again.summary() == report.summary()
    some = report.rows([3, 1])
    assert np.allclose(some.per_image, report.per_image[[3, 1]], atol=1e-9)


def test_a_report_whose_table_is_of_another_game_is_refused(tmp_path):
    report = made_damage()
    for wrong in (
        replace(report, settings={**report.settings, "split": True}),
        replace(report, settings={**report.settings, "value": "same-answer"}),
        replace(report, settings={**report.settings, "perturbation": {"kind": "corruption"}}),
        replace(report, right=None),
        replace(made_damage(split=True), coalitions=None),
    ):
        with pytest.raises(UsageError, match="nothing could read it again"):
            wrong.save(tmp_path / "x.h5")
    with pytest.raises(ReportError):
        ia.Report.load(_saved(report, tmp_path / "d.h5"))


def test_a_truth_that_is_none_is_refused(tmp_path):
    path = _saved(made_damage(), tmp_path / "d.h5")
    with h5py.File(path, "r+") as file:
        truths = file["game/right"]
        raw = np.full(truths.shape, 7, np.int8)
        truths.id.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, truths.id.get_type())
    unsealed = tmp_path / "u.h5"
    unsealed.write_bytes(path.read_bytes()[512:])
    with pytest.raises(ReportError, match="something else than 0 and 1"):
        ia.load(unsealed)


def _saved(report, path):
    report.save(path)
    return path
