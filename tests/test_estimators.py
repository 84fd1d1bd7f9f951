"""Estimators that draw coalitions: unbiased, efficient, the same however they run."""

from __future__ import annotations

import itertools
import json
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.images.sample import seeded_order
from iaside_onnx.mathematics.coalitions import (
    are_drawn,
    draw_coalitions,
    drawn_count,
    members,
    pair_chances,
)
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.shapley import shapley_values, shapley_weights
from iaside_onnx.measure.stopping import FIRST_LOOK, Limits, looks, play_rounds
from iaside_onnx.page.repeat import repetition

from . import graphs
from .conftest import ROOT, write_npz
from .pages import Markup

sys.path.insert(0, str(ROOT / "tools" / "studies"))


def games(images, players, seed=0):
    """Games with additive, pairwise and wild parts, different for every image."""
    rng = np.random.default_rng(seed)
    present = members(np.arange(1 << players, dtype=np.uint64), players)
    main = rng.normal(1.0, 1.0, (images, players)) @ present.T
    wild = rng.standard_normal((images, 1 << players))
    return np.tanh(main / 2) + main / 3 + 0.3 * wild


def drawn(estimator, images, players, seed, passes=None):
    count = drawn_count(estimator, players, passes)
    return np.stack(
        [draw_coalitions(estimator, players, count, seed, f"{n}.png") for n in range(images)]
    )


def test_weights_are_those_of_the_exact_values():
    for players in (1, 2, 5, 8):
        values = np.eye(1 << players)
        np.testing.assert_allclose(shapley_weights(players), shapley_values(values), atol=1e-15)


def test_the_mean_over_all_orders_is_the_shapley_value():
    players, table = 4, games(3, 4)
    found = []
    for order in itertools.permutations(range(players)):
        chains = [np.cumsum([1 << p for p in way])[:-1] for way in (order, order[::-1])]
        row = np.concatenate([[0], *chains, [15]]).astype(np.uint64)
        rows = np.tile(row, (3, 1))
        assert are_drawn("permutation", players, rows)
        found.append(image_values("permutation", table[:, row.astype(int)], rows, players))
    np.testing.assert_allclose(np.mean(found, axis=0), shapley_values(table), atol=1e-12)


def test_the_mean_over_all_pairs_is_the_shapley_value():
    """The draws of one image are enumerated; the others, which the model learns from, stay."""
    players, images = 4, 6
    table, rows = games(images, players), drawn("regression", images, players, 0)
    chances, everyone = pair_chances(players), (1 << players) - 1
    total = np.zeros(players)
    for pairs in itertools.product(range(1, 1 << (players - 1)), repeat=2):
        rows[2] = [0, *(s for pair in pairs for s in (pair, everyone - pair)), everyone]
        values = np.take_along_axis(table, rows.astype(int), axis=1)
        weight = np.prod(chances[list(pairs)])
        total += weight * image_values("regression", values, rows, players)[2]
    assert chances[0] == 0
    assert chances.sum() == pytest.approx(1)
    np.testing.assert_allclose(total, shapley_values(table[2]), atol=1e-10)


@pytest.mark.parametrize("estimator", ["permutation", "regression"])
def test_each_image_shares_out_its_own_gain(estimator):
    table, rows = games(40, 6), drawn(estimator, 40, 6, 3)
    assert are_drawn(estimator, 6, rows)
    psi = image_values(estimator, np.take_along_axis(table, rows.astype(int), axis=1), rows, 6)
    np.testing.assert_allclose(psi.sum(axis=1), table[:, -1] - table[:, 0], atol=1e-9)


@pytest.mark.parametrize("estimator", ["permutation", "regression"])
def test_the_mean_is_right_within_its_error_and_its_error_is_right(estimator):
    table = games(60, 6)
    exact = shapley_values(table)
    means, spreads = [], []
    for seed in range(60):
        rows = drawn(estimator, 60, 6, seed)
        psi = image_values(estimator, np.take_along_axis(table, rows.astype(int), axis=1), rows, 6)
        means.append((psi - exact).mean(axis=0))
        spreads.append((psi - exact).var(axis=0) / 60)
    off = np.array(means)
    assert (np.abs(off.mean(axis=0)) < 4 * off.std(axis=0) / np.sqrt(60)).all()
    # The spread between images tells the error of the mean.
    assert off.var(axis=0).mean() == pytest.approx(np.mean(spreads), rel=0.25)


def test_an_additive_game_of_64_players_is_solved_exactly():
    worth = np.random.default_rng(0).normal(size=64)
    rows = drawn("permutation", 3, 64, 0)
    values = members(rows, 64) @ worth
    psi = image_values("permutation", values, rows, 64)
    np.testing.assert_allclose(psi, np.tile(worth, (3, 1)), atol=1e-9)
    worth = worth[:12]
    rows = drawn("regression", 9, 12, 0)
    psi = image_values("regression", members(rows, 12) @ worth, rows, 12)
    assert np.abs(psi - worth).max() < 0.05 * np.abs(worth).max()


def test_draws_belong_to_the_image_alone():
    assert np.array_equal(drawn("permutation", 5, 8, 1)[3], drawn("permutation", 9, 8, 1)[3])
    assert not np.array_equal(drawn("regression", 2, 8, 1)[0], drawn("regression", 2, 8, 2)[0])
    assert drawn_count("permutation", 8) == 16
    assert drawn_count("regression", 8) == 8


def test_rounds_keep_the_shares_of_the_classes():
    labels = np.repeat([0, 1, 2], [60, 30, 10])
    order = seeded_order(labels, 5)
    assert sorted(order) == list(range(100))
    assert np.abs(np.bincount(labels[order[:50]]) - [30, 15, 5]).max() <= 1
    assert list(looks(30)) == [30]
    assert list(looks(200)) == [FIRST_LOOK, 150, 200]


def test_rounds_spend_time_on_what_is_not_finished_and_look_where_they_would():
    order, finished, asked = np.random.default_rng(0).permutation(400), np.zeros(400, bool), []
    finished[order[[3, 120, 390]]] = True
    told = {}
    for name, before in (("whole", np.zeros(400, bool)), ("resumed", finished)):
        told[name] = looked = []
        used, reason = play_rounds(
            Limits(target_stderr=0.5), order, before, asked.append,
            lambda chosen, looked=looked: looked.append(chosen.tolist()) or 2 - len(looked),
        )  # fmt: skip
        assert (reason, used.tolist()) == ("target", sorted(order[:150]))
    assert told["whole"] == told["resumed"]
    assert [len(chosen) for chosen in asked] == [0, 100, 50, 3, 99, 49]
    # Time that is over before the first image takes nothing away, and at least two are reported.
    over = Limits(time_budget=1e-9)
    used, reason = play_rounds(over, order, finished, asked.append, None)
    assert (reason, used.tolist()) == ("time", sorted(order[[3, 120, 390]]))
    finished[order[[3, 390]]] = False
    used, _ = play_rounds(over, order, finished, asked.append, None)
    assert used.tolist() == sorted(order[[0, 120]])


@pytest.mark.parametrize(
    ("estimator", "images", "target"),
    [("exact", 80, None), ("permutation", 80, None), ("permutation", 400, 0.012),
     ("regression", 80, None)],
)  # fmt: skip
def test_intervals_hold_the_truth(estimator, images, target):
    """At reduced size: `python tools/studies/check_coverage.py` says more."""
    from check_coverage import coverage

    found = coverage(estimator, 40, images, target, resamples=200)
    assert found.joint >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 40)
    assert found.images < 400


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.random((110, 16, 16, 3)).astype(np.float32)
    return write_npz(tmp_path / "images.npz", images, np.arange(110) % 2)


@pytest.fixture
def model(tmp_path):
    return graphs.reads(tmp_path / "m.onnx", 16, [1, 3, 5], strength=4.0)


@pytest.mark.parametrize("estimator", ["permutation", "regression"])
def test_reports_do_not_depend_on_how_they_were_made(tmp_path, model, pictures, estimator):
    asked = {"samples": 20, "bands": 5, "estimator": estimator}
    exact = ia.analyze(model, pictures, samples=20, bands=5)
    one = ia.analyze(model, pictures, tmp_path / "a.h5", batch=1, **asked)
    two = ia.analyze(model, pictures, batch=64, threads=1, **asked)
    again = ia.load(tmp_path / "a.h5")
    np.testing.assert_array_equal(one.coalitions, two.coalitions)
    np.testing.assert_allclose(one.log_prob, two.log_prob, atol=1e-5)
    np.testing.assert_array_equal(again.log_prob, one.log_prob)
    # What was evaluated is what the exact audit evaluated there.
    looked_up = np.take_along_axis(exact.log_prob, one.coalitions.astype(int), axis=1)
    np.testing.assert_allclose(one.log_prob, looked_up, atol=1e-5)
    assert again.efficiency_residual < 1e-9
    assert again.settings["passes"] == one.log_prob.shape[1] - 1
    assert again.run["forward_passes"] == 20 * again.settings["passes"]
    with h5py.File(tmp_path / "a.h5") as file:
        assert file.attrs["format_version"] == 2
        assert file["game/coalitions"].dtype == np.uint64
        assert "interactions" not in file["shapley"]


def test_a_target_stops_early_and_resuming_ends_the_same(tmp_path, model, pictures, iaside):
    target = tmp_path / "t.h5"
    first = ["analyze", model, pictures, "-o", target, "--bands", 4, "--samples", 0, "--quiet"]
    limit = ["--estimator", "permutation", "--target-stderr", 0.5]
    assert iaside(*first, *limit).exit_code == 0
    whole = ia.load(target)
    assert whole.data["samples"] == FIRST_LOOK
    assert whole.run["stopped_by"] == "target"
    assert whole.intervals.srs_signed_stderr <= 0.5
    # An interrupted audit of the same sample, some images of which are done.
    from iaside_onnx.measure.run import Partial

    stop = Partial.store
    seen = []

    def dies(self, position, values, part):
        if len(seen) == 20:
            raise RuntimeError
        seen.append(position)
        stop(self, position, values, part)

    target.unlink()
    Partial.store = dies
    try:
        assert iaside(*first, *limit).exit_code == 3
    finally:
        Partial.store = stop
    assert iaside(*first, *limit, "--resume").exit_code == 0
    resumed = ia.load(target)
    assert resumed.image_ids == whole.image_ids
    np.testing.assert_allclose(resumed.log_prob, whole.log_prob, atol=1e-6)
    assert iaside(*first, *limit, "--resume").exit_code == 0


def test_who_gives_a_target_hears_of_the_quicker_estimator(model, pictures):
    for options, hears in (
        ({"bands": 6}, True),  # 64 passes beside 11
        ({"bands": 5}, False),
        ({"bands": 6, "estimator": "exact"}, False),
        ({"bands": 6, "target_stderr": None}, False),
    ):
        heard = []
        asked = {"samples": 3, "target_stderr": 9.0, "batch": 16, **options}
        ia.analyze(model, pictures, listener=ia.Listener(note=heard.append), **asked)
        told = [text for text in heard if text.startswith("estimator: exact, 64 passes an image")]
        assert len(told) == hears
        assert all("estimator='permutation' takes 11" in text for text in told)


def test_a_target_is_refused_where_its_intervals_are_too_narrow(tmp_path, model, pictures, iaside):
    report = tmp_path / "r.h5"
    asked = ["analyze", model, pictures, "-o", report, "--estimator", "regression"]
    refused = iaside(*asked, "--target-stderr", 0.1)
    assert refused.exit_code == 2
    assert "use --estimator permutation" in refused.output.replace("\n", " ")
    assert not report.exists()
    budget = iaside(*asked, "--bands", 4, "--samples", 8, "--time-budget", 60, "--quiet")
    assert budget.exit_code == 0


def test_simulated_draws_are_such_as_audits_make():
    from check_coverage import random_coalitions

    rng = np.random.default_rng(0)
    for estimator in ("permutation", "regression"):
        rows = random_coalitions(estimator, 6, 2000, rng)
        made = np.stack(
            [draw_coalitions(estimator, 6, rows.shape[1], 0, str(n)) for n in range(2000)]
        )
        assert are_drawn(estimator, 6, rows)
        shares = [np.bincount(found.ravel().astype(int), minlength=64) for found in (rows, made)]
        expected = np.mean(shares, axis=0)
        # Chi-square of two samples; complements come together, which doubles its mean of 61.
        kept = expected > 0
        off = ((shares[0] - shares[1])[kept] ** 2 / (2 * expected[kept])).sum()
        assert off < 150


def test_a_time_budget_ends_with_what_there_is(model, pictures):
    report = ia.analyze(model, pictures, bands=4, time_budget=1e-6)
    assert report.run["stopped_by"] == "time"
    assert 2 <= len(report.labels) < 110


def test_commands_on_drawn_reports(tmp_path, model, pictures, iaside):
    report = tmp_path / "d.h5"
    made = iaside("analyze", model, pictures, "-o", report, "--norm", "linf", "--bands", 16,
                  "--samples", 8, "--estimator", "permutation", "--passes", 60)  # fmt: skip
    assert made.exit_code == 2  # 16 pixels have no 16 bands
    made = iaside("analyze", model, pictures, "-o", report, "--bands", 8, "--samples", 8,
                  "--estimator", "regression", "--passes", 9, "--json")  # fmt: skip
    found = json.loads(made.stdout)
    assert found["format_version"] == 2
    assert found["interactions"] is None
    assert found["forward_passes"] == 8 * 9
    assert found["srs_signed_stderr"] > 0
    assert iaside("show", report, "--per-class").exit_code == 0
    assert iaside("compare", report, report).exit_code == 0
    assert iaside("gate", report, "--min-accuracy", 0).exit_code == 0
    for name in ("d.png", "d.html"):
        command = "plot" if name.endswith("png") else "html"
        assert iaside(command, report, "-o", tmp_path / name).exit_code == 0
    assert "--estimator exact" in Markup((tmp_path / "d.html").read_text()).text
    words = repetition(ia.load(report)).words
    assert words[words.index("--passes") + 1] == "9"
    with pytest.raises(ia.IasideError, match="estimator='exact'"):
        _ = ia.load(report).coalition_values


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--estimator", "exact", "--bands", 17], "1 to 16"),
        (["--estimator", "regression", "--bands", 17], "4 to 16"),
        (["--bands", 65], "2 to 64"),
        (["--passes", 20], "exact needs all"),
        (["--estimator", "permutation", "--passes", 9], "takes 15 to"),
        (["--estimator", "guess"], "choose one of"),
        (["--target-stderr", 0], "positive"),
        (["--time-budget", -1], "positive"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(tmp_path, model, pictures, iaside, options, said):
    result = iaside("analyze", model, pictures, "-o", tmp_path / "r.h5", *options)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r.h5").exists()


def test_forged_coalitions_are_refused(model, pictures):
    report = ia.analyze(model, pictures, bands=5, samples=8, estimator="permutation")
    report.check()
    for at, value in ((0, 1), (3, 31), (4, 0), (-1, 30)):
        forged = report.coalitions.copy()
        forged[2, at] = value
        with pytest.raises(ValueError, match="not such as the permutation estimator draws"):
            replace(report, coalitions=forged).check()
    with pytest.raises(ValueError, match="permutation has a table without coalitions"):
        replace(report, coalitions=None).check()
