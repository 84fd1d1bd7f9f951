"""The damage game: its mathematics from facts, and what its report says."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from itertools import combinations, permutations

import h5py
import numpy as np
import pytest
from matplotlib.text import Text

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.band_sums import RunSums, largest_run, mean_ends, most_of_run
from iaside_onnx.mathematics.coalitions import drawn_count
from iaside_onnx.mathematics.damage import (
    are_split,
    draw_split,
    owen_values,
    split_coalitions,
    whole_bands,
)
from iaside_onnx.mathematics.shapley import pair_interactions, shapley_values
from iaside_onnx.page.page import page
from iaside_onnx.results.damage_pairs import pairs_told
from iaside_onnx.results.damage_words import pairs_of_bands, split_sentence
from iaside_onnx.views.damage_rows import in_order, model_names
from iaside_onnx.views.registry import draw

from .damage_reports import CORRUPTION, made_damage
from .made_reports import made, profiles
from .pages import BREAKOUT, SCRIPT, Markup, made_report


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
    report, drawn = made_damage(), {"estimator": "permutation"}
    for wrong in (
        replace(report, settings={**report.settings, "split": True}),
        replace(report, settings={**report.settings, "value": "same-answer"}),
        replace(report, settings={**report.settings, "perturbation": {"kind": "corruption"}}),
        replace(report, right=None),
        replace(made_damage(split=True), coalitions=None),
        # Settings and answers that contradict the table.
        *(
            replace(each, settings={**each.settings, **changed})
            for each in (report, made_damage(split=True), made_damage(split=True, **drawn))
            for changed in (
                {"estimator": "x"},
                {"estimator": "permutation" if each.exact else "exact"},
                {"players": 9},
                {"passes": -3},
                {"passes": 8},
                {"labels": 9},
                {"perturbation": {**CORRUPTION, "severity": 999}},
            )
        ),
        replace(report, right=~report.right),
        replace(report, right=report.right ^ (np.arange(16) == 15)),
        replace(made(profiles(30)), settings={**made(profiles(30)).settings, "estimator": "x"}),
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


NOISY = (0.0, 0.02, 0.02, 0.04, 0.2, 0.3, 0.3, 0.2)
FOGGY = (0.5, 0.3, 0.1, 0.01, 0.0, 0.0, 0.0, 0.0)


def test_an_additive_game_gives_each_band_its_own_share_and_no_interactions():
    report = made_damage(NOISY, 200).view(value="log-prob")
    spoils = report.log_prob[:, -1:] - report.log_prob[:, [255 ^ 1 << band for band in range(8)]]
    assert np.allclose(report.bands.value, spoils.mean(axis=0), atol=1e-6)
    assert np.allclose(report.only, report.bands.value, atol=1e-6)
    assert np.allclose(report.alone, report.bands.value, atol=1e-6)
    assert np.allclose(report.interactions, 0, atol=1e-6)
    assert abs(report.damage.value - report.bands.value.sum()) < 1e-9
    assert report.bands.value[0] == 0  # which perturbs nothing
    points = report.view(value="right")
    # Either of two bands that spoil the same image does the damage alone.
    assert points.interactions.max() < 1e-9
    assert points.interactions.min() < -1
    assert (points.only >= points.alone).all()


def test_clean_and_perturbed_swapped_turn_the_signs():
    report = made_damage(NOISY, 60)
    swapped = replace(
        report,
        log_prob=report.log_prob[:, ::-1],
        right=report.right[:, ::-1],
        predicted=np.where(report.right[:, 0], report.labels, (report.labels + 1) % 4),
    )
    for value in ("right", "log-prob"):
        one, other = (each.view(value=value) for each in (report, swapped))
        assert np.allclose(one.bands.value, -other.bands.value, atol=1e-9)
        assert np.allclose(one.interactions, other.interactions, atol=1e-9)
    assert "gained" in swapped.sentence()


def test_gain_and_residual_sum_to_the_band_and_tell_which_does_the_damage():
    report = made_damage(FOGGY[:4], 100, split=True, residual=[0, 1, 0.5, 0])
    gain, residual = report.parts.value[:, :-1]
    assert np.allclose(gain + residual, report.bands.value, atol=1e-9)
    assert np.allclose(report.parts.value[:, -1].sum(), report.damage.value, atol=1e-9)
    assert (gain[1], residual[0]) == (0, 0)
    assert gain[0] > 0 < residual[1]
    whole = made_damage(FOGGY[:4], 100)
    assert np.allclose(report.bands.value, whole.bands.value, atol=1e-9)
    drawn = made_damage(
        FOGGY[:4], 100, split=True, residual=[0, 1, 0.5, 0], estimator="permutation"
    )
    assert drawn.damage.value == report.damage.value
    assert np.allclose(drawn.parts.value, report.parts.value, atol=4)
    assert drawn.only is drawn.alone is drawn.interactions is None
    assert "takes away of the bands" in str(split_sentence(report))


@pytest.mark.parametrize(
    ("chance", "images", "said"),
    [
        (NOISY, 200, r"^Of \d+ points of accuracy lost, \d+ \[\d+, \d+\] come .* bands 4 to 7\.$"),
        (FOGGY, 200, r"through bands 0 and 1\.$"),
        ((0.1,) * 8, 200, r"spread over the bands: no 4 neighbouring bands hold 75 % of it\.$"),
        (NOISY, 12, r"on 12 images: with fewer than 20 no band is named\.$"),
        ((0.005,) * 4, 100, r"on 100 images this cannot be told apart from no damage"),
        ((0.5,), 50, r"there is only one band\.$"),
    ],
)  # fmt: skip
def test_the_sentence_names_bands_only_where_the_data_allow_it(chance, images, said):
    report = made_damage(chance, images)
    assert re.search(said, report.sentence())
    named = report.summary()["named"]
    assert (named is not None) == ("come in through" in report.sentence())
    if named:
        bands = slice(named["first"], named["last"] + 1)
        assert named["points"] == pytest.approx(report.bands.value[bands].sum())
        rows = report.per_image[:, bands].sum(axis=1, keepdims=True)
        low, high = mean_ends(rows, 0.95, 0)
        # Wider than that of bands that had been named before.
        assert named["high"] - named["low"] > high[0] - low[0]


def test_intervals_of_bands_chosen_on_the_data_cover_as_often_as_they_say():
    # Four bands alike: naming the two that look largest would take their luck for theirs.
    rng, held, named = np.random.default_rng(3), 0, 0
    for _ in range(80):
        rows = 100.0 * (rng.random((40, 4)) < 0.3)
        run = largest_run(np.column_stack([rows[:, :2] * 3, rows[:, 2:] / 2]), 0.95, 0)
        if run is not None:
            named += 1
            true = [90.0, 90.0, 15.0, 15.0]
            held += run.low <= sum(true[run.first : run.last + 1]) <= run.high
    assert named > 50
    assert held >= 0.93 * named


def test_what_images_did_not_show_keeps_a_width():
    # All of 25 lose all through one band: what a seventh of others lose, nobody has seen.
    rows = np.zeros((25, 8))
    rows[:, 0] = 100
    low, high = mean_ends(rows, 0.95, 0, 100)
    share = 100 * (1 - 0.025 ** (1 / 25))
    assert low == pytest.approx([100 - 2 * share] + [-share] * 7)
    assert high == pytest.approx([100] + [share] * 7)
    run = largest_run(rows, 0.95, 0, 100)
    assert 0 < run.low < low[0]
    assert run.high == 100
    report = made_damage((0.0, 1.0), 25, wrong=0.0)
    assert report.bands.low[0] < 0 < report.bands.high[0]
    assert report.named.low < report.named.value == report.named.high == 100


def test_runs_cover_together_bands_that_few_images_lose():
    rng, held = np.random.default_rng(0), 0
    chance = np.array([0.02, 0.02, 0.02, 0.1, 0.2])
    for _ in range(80):
        through = rng.choice(6, 40, p=[*chance, 1 - chance.sum()])
        sums = RunSums(100.0 * (through[:, None] == np.arange(5)), 0.95, 0, attainable=100)
        runs = [(sums.run(*span), 100 * chance[span[0] : span[1] + 1].sum()) for span in sums.spans]
        held += all(run.low <= true <= run.high for run, true in runs)
    assert held >= 0.93 * 80  # without what was not seen, one in six


def test_rounding_is_no_spread():
    rng = np.random.default_rng(0)
    rows = rng.normal(10, 20, (25, 8))
    rows[:, 3] = 12.5
    noisy = rows.copy()
    noisy[:, 3] += rng.choice([-1, 0, 1], 25) * 1.8e-15
    one, other = (RunSums(each, 0.95, 0).run(0, 0) for each in (rows, noisy))
    assert (one.low, one.high) == pytest.approx((other.low, other.high))


def test_the_most_that_a_run_can_sum_to():
    # Of all games of values 0 and 1 of three players.
    games = np.array([[code >> mask & 1 for mask in range(8)] for code in range(256)], float)
    shares = shapley_values(games)
    for members in (1, 2, 3):
        assert most_of_run(members, 3) == pytest.approx(shares[:, :members].sum(axis=1).max())


def test_pictures_that_suffer_most_and_classes_of_few_images():
    report = made_damage(NOISY, 100)
    worst = report.worst(5)
    lost = [(entry["points"], entry["log_prob"]) for entry in worst]
    assert lost == sorted(lost, reverse=True)
    first = report.image_ids.index(worst[0]["image"])
    assert worst[0]["bands"] == pytest.approx(report.per_image[first])
    assert worst[0]["band"] in {"4", "5", "6", "7", "3", "2", "1"}
    rows = report.per_class()
    assert [row["n"] for row in rows] == [25] * 4
    assert np.mean([row["bands"] for row in rows], axis=0) == pytest.approx(report.bands.value)
    few = made_damage(NOISY, 40).per_class()
    assert all(row["few"] and row["bands"] is None for row in few)


def test_a_report_is_told_only_in_what_it_holds():
    report = made_damage()
    with pytest.raises(UsageError, match="holds no such values"):
        report.view(value="same-answer")
    own = replace(report, settings={**report.settings, "labels": "model", "value": "same-answer"})
    assert own.summary()["unit"] == "points of the same answer"
    assert own.summary()["accuracy"] is None
    assert np.array_equal(own.bands.value, report.bands.value)
    answers = np.where(report.right, report.labels[:, None], 7).astype("i4")
    answered = replace(report, answers=answers, predicted=answers[:, -1]).view(value="same-answer")
    assert answered.clean.value == 100
    bare = replace(report, right=None, settings={**report.settings, "value": "log-prob"})
    assert bare.summary()["unit"] == "nats of log-probability"


def test_one_image_says_nothing_of_others():
    report = made_damage(NOISY, 1)
    bands = report.summary()["bands"]
    assert {(band["low"], band["high"]) for band in bands} == {(-100, 100)}
    logs = report.view(value="log-prob").summary()["bands"]
    assert {(band["low"], band["high"]) for band in logs} == {(None, None)}


def half_as_much(images=200, **changed):
    """The same images and model, but for bands 4 to 7, which let in half as often."""
    chance = [share / 2 if band > 3 else share for band, share in enumerate(NOISY)]
    return made_damage(chance, images, model="n", **changed)


def test_two_models_on_the_same_pairs_are_compared_band_by_band(tmp_path, iaside):
    plain, trained = made_damage(NOISY, 600), half_as_much(600)
    found = ia.compare(plain, trained)
    (pair,) = found.pairs
    assert pair.damage.difference == pytest.approx(trained.damage.value - plain.damage.value)
    shares = [band.difference for band in pair.bands]
    assert sum(shares) == pytest.approx(pair.damage.difference, abs=1e-9)
    assert shares == pytest.approx(trained.bands.value - plain.bands.value)
    assert re.search(r"^gaussian noise 3 costs n \d.* less than m ", pair.verdict["damage"])
    assert "Through bands 4 to 7 come" in pair.verdict["bands"]
    assert re.search(r"Bands? 0.*: as before, to within", pair.verdict["bands"])
    paths = [tmp_path / "plain.h5", tmp_path / "trained.h5"]
    for path, report in zip(paths, (plain, trained), strict=True):
        report.save(path)
    told = iaside("compare", *paths, "-o", tmp_path / "c.png")
    assert told.exit_code == 0, told.stderr
    assert "Through bands 4 to 7 come" in told.stdout
    assert (tmp_path / "c.png").exists()
    made_damage((0.9, 0.0), 12).save(tmp_path / "few.h5")
    made_damage((0.0, 0.0), 12).save(tmp_path / "none.h5")
    few = iaside("compare", tmp_path / "few.h5", tmp_path / "none.h5").stdout
    assert "no band is judged" in few
    assert re.search(r"perturbed [^\n]*\*", few)
    assert not re.search(r"(lost|band \d) [^\n]*\*", few)  # nor is one marked
    ia_report().save(tmp_path / "a.h5")
    other = iaside("compare", paths[0], tmp_path / "a.h5")
    assert "a file of iaside analyze, and one of iaside explain is needed" in other.stderr
    refused = iaside("compare", *paths, "--beta", "0.5")
    assert refused.exit_code == 2
    assert refused.stderr == "Error: --beta does not apply to damage reports\n"
    same = ia.compare(plain, plain).pairs[0]
    assert "suffer alike on every image" in same.verdict["bands"]


def test_no_difference_is_made_of_chance_and_other_pairs_are_refused():
    plain = made_damage(NOISY, 100)
    again = ia.compare(plain, made_damage(NOISY, 100, seed=5, model="n")).pairs[0]
    assert "No difference of the damage seen" in again.verdict["damage"]
    assert "No band is seen to differ" in again.verdict["bands"]
    few = ia.compare(made_damage(NOISY, 12), made_damage(NOISY, 12, seed=5)).pairs[0]
    assert few.verdict["bands"] == "With fewer than 20 images no band is judged."
    assert few.verdict["damage"].startswith("With fewer than 20 images no difference of the damage")
    two = ia.compare(made_damage((1.0,), 2, wrong=0.0), made_damage((0.0,), 2, wrong=0.0)).pairs[0]
    assert two.damage.difference == -100
    assert two.damage.p > 0.05
    assert two.damage.low < 0 < two.damage.high
    folder = {"kind": "folder", "name": "a", "digest": "0" * 64}
    moved, others = {**folder, "name": "b"}, {**folder, "digest": "1" * 64}
    assert ia.compare(*(made_damage(NOISY, 40, perturbation=each) for each in (folder, moved)))
    for other, words in (
        (made_damage(NOISY, 100, perturbation={**CORRUPTION, "severity": 4}), "noise 4 against"),
        (made_damage(NOISY, 100, norm="l2"), "norm l2 against linf"),
        (made_damage(FOGGY[:4], 100), "bands 4 against 8"),
        (replace(plain, image_ids=[f"x{n}" for n in range(100)]), "share 0 image"),
        (ia_report(), "is no file of iaside explain"),
    ):
        with pytest.raises(ReportError, match=words):
            ia.compare(plain, other)
    with pytest.raises(ReportError, match="other pixels or constants"):
        ia.compare(
            *(
                made_damage(NOISY, 40, perturbation=each)
                for each in (folder, {**others, "name": "a"})
            )
        )


def test_the_sentence_names_the_very_bands_that_the_table_marks():
    # The interval for all runs of bands may reach 0 where Holm's p-value of a band is small.
    sized = 0
    for images, seed in ((40, 11), (60, 22), (100, 16)):
        plain = made_damage((0.1, 0.3, 0.0, 0.2), images)
        other = made_damage((0.3, 0.3, 0.0, 0.2), images, seed=seed, model="n")
        pair = ia.compare(plain, other).pairs[0]
        said = pair.verdict["bands"]
        marked = [band.p_holm < 0.05 for band in pair.bands]
        assert bool(re.search(r"band 0 come \d\S+ \[.*more than with m ", said)) == marked[0]
        assert ("No band is seen to differ" in said) == (not any(marked))
        assert not (marked[0] and re.search("Bands? 0", said))
        sized += "is seen (Holm over 4 bands), its size is open." in said
    assert sized > 0


def test_the_same_answers_at_both_ends_make_no_effect_of_0_detectable():
    plain = made_damage((0.4, 0.0), 60)
    other = replace(  # the two bands swapped
        plain,
        **{name: getattr(plain, name)[:, [0, 2, 1, 3]] for name in ("log_prob", "right")},
        model={"path": "n.onnx", "sha256": "0" * 64},
    )
    verdict = ia.compare(plain, other).pairs[0].verdict
    assert "No difference of the damage seen" in verdict["damage"]
    assert "one of 0.0" not in verdict["damage"]
    assert "Through band 0 come" in verdict["bands"]
    # Every image alike loses elsewhere: nothing varies over images, and yet they do not agree.
    right = np.tile([False, True, False, True], (60, 1))
    sure = replace(plain, right=right, predicted=plain.labels)
    swapped = replace(sure, right=right[:, [0, 2, 1, 3]])
    assert "suffer alike" not in ia.compare(sure, swapped).pairs[0].verdict["bands"]


def ia_report():
    return made(profiles(30))


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Files of two perturbations, one of which is split, and of another model."""
    folder = tmp_path_factory.mktemp("damage")
    fog = {**CORRUPTION, "name": "fog"}
    reports = [
        made_damage(NOISY, 60),
        made_damage(FOGGY, 60, perturbation=fog, split=True, residual=[0.5] * 8),
        half_as_much(60),
    ]
    paths = [folder / f"{number}.h5" for number in range(3)]
    for path, report in zip(paths, reports, strict=True):
        report.save(path)
    return reports, paths


def test_the_bars_of_a_picture_sum_to_the_damage(several):
    reports, _ = several
    drawn = ia.plot(*reports)
    axes = drawn.axes[0]
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["fog 3, m", "gaussian noise 3, m", "gaussian noise 3, n"]
    widths = np.array([bar.get_width() for bar in axes.patches]).reshape(8, 3)
    wanted = [float(reports[at].damage.value) for at in (1, 0, 2)]
    assert widths.sum(axis=0) == pytest.approx(wanted)


@pytest.mark.parametrize("picture", ["bands", "map", "together", "example"])
def test_every_picture_is_written(several, picture, tmp_path, iaside):
    _, paths = several
    for number, path in enumerate(paths[:2]):
        target = tmp_path / f"{number}.png"
        done = iaside("plot", path, "--picture", picture, "-o", target)
        assert done.exit_code == 0, done.stderr
        assert target.stat().st_size > 10_000
    both = iaside("plot", *paths, "--picture", picture, "-o", tmp_path / "both.svg")
    assert both.exit_code == (0 if picture in ("bands", "map") else 2)


def test_pictures_that_cannot_be_are_refused_in_a_line(several):
    reports, _ = several
    with pytest.raises(UsageError, match="not on one picture: b and a: bands 4 against 8"):
        draw([reports[0], made_damage(FOGGY[:4], 60)], ["a", "b"])
    drawn = made_damage(estimator="permutation")
    for picture, words in (("together", "drawn ones"), ("example", "holds an example")):
        with pytest.raises(UsageError, match=words):
            draw([drawn], picture=picture)
    gone = reports[0].rows(range(1, 60))  # without the image of the example
    with pytest.raises(UsageError, match="holds an example"):
        draw([gone], picture="example")


def test_the_page_has_the_numbers_of_the_reports(several, tmp_path, iaside):
    reports, paths = several
    text = page([], damages=reports)
    seen = Markup(text)
    rows = seen.table("Damage by perturbation and band")
    assert rows[0][-8:] == list("01234567")
    assert [row[0] for row in rows[1:]] == [
        "fog 3, m",
        "gaussian noise 3, m",
        "gaussian noise 3, n",
    ]
    for row, report in zip(rows[1:], (reports[1], reports[0], reports[2]), strict=True):
        assert float(row[1].split()[0]) == pytest.approx(report.clean.value, abs=0.05)
        assert float(row[3].split()[0]) == pytest.approx(report.damage.value, abs=0.05)
        assert [float(cell) for cell in row[4:]] == pytest.approx(report.bands.value, abs=0.51)
        assert report.sentence() in seen.text
    assert "style" not in {key for _, held in seen.elements for key in held}
    done = iaside("html", *paths, "-o", tmp_path / "p.html")
    assert done.exit_code == 0, done.stderr
    beside = page([made_report(bands=8)], damages=reports)
    assert Markup(beside).all("section", id="damage")
    hostile = {"kind": "folder", "name": BREAKOUT, "digest": "0" * 64}
    broken = made_damage(NOISY, 30, perturbation=hostile, model=SCRIPT)
    seen = Markup(page([], damages=[broken, reports[0]]))
    assert len(seen.all("script")) == 1
    assert all(image["src"].startswith("data:image/png;base64,") for image in seen.all("img"))
    with pytest.raises(UsageError, match="not on one page"):
        page([], damages=[reports[0], made_damage(FOGGY[:4], 60)])


def test_the_page_colours_only_what_can_be_told_and_gives_every_interval(several):
    reports, _ = several
    seen = Markup(page([], damages=reports))
    cells = [held for tag, held in seen.elements if tag == "td" and "title" in held]
    ordered = reports[1], reports[0], reports[2]
    bands = [report.bands[band] for report in ordered for band in range(8)]
    told = [not each.low <= 0 <= each.high for each in bands]
    assert [re.search(r" [np]\d", cell["class"]) is not None for cell in cells] == told
    assert ["untold" in cell["class"] for cell in cells] == [not each for each in told]
    assert {True, False} == set(told)
    for cell, each in zip(cells, bands, strict=True):
        low, high = map(float, cell["title"].split(" to "))
        assert (low, high) == pytest.approx((float(each.low), float(each.high)), abs=0.051)
    rows = seen.table("Bands of fog 3, m")
    assert rows[0][-4:] == ["taken away", "interval", "added", "interval"]
    assert [float(row[5]) for row in rows[1:]] == pytest.approx(
        reports[1].parts.value[0, :-1], abs=0.051
    )
    worst = seen.table("Images that gaussian noise 3, m harms most")
    assert [row[0] for row in worst[1:]] == [each["image"] for each in reports[0].worst(5)]
    pictures = [image["alt"] for image in seen.all("img")]
    assert pictures == ["clean", "all perturbed", *(f"band {n}" for n in range(8))] * 3
    assert "not of the same images" not in seen.text
    other = replace(reports[0], image_ids=[f"x{n}" for n in range(60)])
    assert "not of the same images" in Markup(page([], damages=[other, reports[1]])).text


def test_rows_of_the_chart_are_told_apart_by_perturbation_and_model(several):
    blur = {**CORRUPTION, "name": "gaussian_blur"}
    models = "resnet-of-fifty-layers-trained-plain", "resnet-of-fifty-layers-trained-noisy"
    pairs = [(each, model) for each in (CORRUPTION, blur) for model in models]
    reports = [made_damage(NOISY, 30, perturbation=each, model=model) for each, model in pairs]
    text = page([], damages=reports)
    labels = re.findall(r'<text class="end( label)?" x="178"[^>]*>([^<]*)<', text)
    rows = [(labels[at][1], labels[at + 1][1]) for at in range(0, len(labels), 2)]
    assert len(set(rows)) == 4
    assert {row[0] for row in rows} == {"gaussian noise 3", "gaussian blur 3"}
    assert all(len(line) <= 24 for row in rows for line in row)
    apart = [
        replace(report, model={**report.model, "path": f"{folder}/m.onnx"})
        for folder, report in zip("ab", several[0][::2], strict=True)
    ]
    names = [text.get_text() for text in ia.plot(*apart).axes[0].get_yticklabels()]
    assert names == ["gaussian noise 3, a/m.onnx", "gaussian noise 3, b/m.onnx"]


@pytest.mark.parametrize("picture", ["bands", "map", "together", "example"])
def test_no_text_lies_outside_a_picture(several, picture):
    reports, _ = several
    shown = [reports[:1], reports[1:2], *([reports] if picture in ("bands", "map") else [])]
    for given in shown:
        drawn = draw(given, picture=picture)
        renderer = drawn.canvas.get_renderer()
        drawn.draw(renderer)
        within = drawn.bbox.padded(1)
        texts = [each for each in drawn.findobj(Text) if each.get_text() and each.get_visible()]
        assert len(texts) > 5
        for each in texts:
            box = each.get_window_extent(renderer)
            assert within.contains(box.x0, box.y0), each.get_text()
            assert within.contains(box.x1, box.y1), each.get_text()
    if picture == "bands":
        said = " ".join(text.get_text() for text in draw(reports[1:2]).texts)
        assert str(split_sentence(reports[1])) in said


def test_the_map_greys_the_sum_that_cannot_be_told_from_none():
    reports = [made_damage(NOISY, 60), made_damage((0.005,) * 8, 60, model="n")]
    assert [report.damage.low > 0 for report in reports] == [True, False]
    (cells,) = draw(reports, picture="map").axes
    sums = [text for text in cells.texts if text.get_fontweight() == "bold"]
    assert [text.get_color() for text in sums] == ["#222222", "#8a8a8a"]
    shown = np.asarray(cells.images[0].get_array())
    bands = np.stack([report.bands.value for report in reports])
    held = np.stack([(each.bands.low <= 0) & (each.bands.high >= 0) for each in reports])
    assert np.array_equal(shown, np.where(held, 0, bands))


def test_of_pairs_of_bands_only_what_can_be_told_is_said():
    points = made_damage(NOISY, 200)
    games = points.bands_game
    each = pair_interactions(games)
    assert each.mean(axis=0) == pytest.approx(
        [-points.interactions[pair] for pair in combinations(range(8), 2)], abs=1e-9
    )
    assert pairs_of_bands(points) == []  # told, and small beside the damage
    (said,) = pairs_of_bands(made_damage((0.0, 0.5, 0.6, 0.0), 100))
    assert re.search(r"overlap most.*\(interaction -\d+\.\d \[-\d+\.\d, -\d+\.\d\]\)", said)
    told = {(pair.first, pair.second): pair for pair in pairs_told(points)}
    assert all(pair.high < 0 for pair in told.values())
    assert not any(0 in pair for pair in told)  # band 0 perturbs nothing
    assert pairs_told(points.view(value="log-prob")) == []  # which adds up, but for rounding
    assert pairs_of_bands(made_damage(NOISY, 12)) == []
    few = made_damage(NOISY, 30)
    assert np.abs(few.interactions).max() > 0.05 * few.damage.value
    assert pairs_of_bands(few) == []


def test_frames_hold_bands_and_images(several):
    pytest.importorskip("pandas", reason="pandas is not installed")
    report = several[0][0]
    bands, images = report.to_pandas(), report.to_pandas("images")
    assert bands.damage.tolist() == report.bands.value.tolist()
    assert bands.band.tolist() == report.band_names
    sums = images.groupby("image", sort=False).damage.sum()
    assert sums.to_numpy() == pytest.approx(report.lost)


def test_show_tells_all_at_80_columns(several, iaside):
    reports, paths = several
    told = iaside("show", paths[1], "--per-class")
    assert told.exit_code == 0, told.stderr
    assert reports[1].sentence() in told.stdout
    for word in ("taken away", "added", "suffers most", "through band", "* fewer than 20 images"):
        assert word in told.stdout
    asked = iaside("show", paths[0], "--json", "--value", "log-prob")
    summary = json.loads(asked.stdout)
    assert summary["unit"] == "nats of log-probability"
    keys = {"perturbation", "clean", "perturbed", "damage", "bands", "interactions", "unit"}
    assert keys | {"efficiency_residual"} <= summary.keys()
    assert {"points", "low", "high", "log_prob", "only", "alone"} <= summary["bands"][0].keys()
    refused = iaside("show", paths[0], "--value", "prob")
    assert refused.exit_code == 2
    assert refused.stderr == "Error: --value prob: choose one of right, log-prob\n"


def test_folders_of_damage_are_compared_file_by_file_in_one_line(iaside, tmp_path):
    for folder in ("one", "an other"):
        (tmp_path / folder).mkdir()
        made_damage(NOISY, 40).save(tmp_path / folder / "fog-5.h5")
        bands = len(NOISY) - (folder == "one")
        made_damage(NOISY[:bands], 40).save(tmp_path / folder / "all.h5")  # cannot be compared
    refused = iaside("compare", tmp_path / "one", tmp_path / "an other")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "are folders of results, not of audits; compare file by file" in refused.stderr
    words = shlex.split(refused.stderr.partition("such as iaside ")[2])
    assert iaside(*words).exit_code == 0
    empty = iaside("rank", tmp_path / "one")
    assert "nothing to rank: none of these files" in empty.stderr


def test_one_model_with_two_preprocessings_is_told_apart_in_every_row():
    one = made_damage()
    recipes = [{"name": name, "mean": [at]} for at, name in enumerate(("unit", "imagenet"))]
    both = [replace(one, settings={**one.settings, "preprocess": recipe}) for recipe in recipes]
    name = model_names([one])[0]
    assert model_names([one, one]) == [name, name]
    assert model_names([*both, both[0]]) == [
        f"{name} ({said})" for said in ("unit", "imagenet", "unit")
    ]
    _, rows, _ = in_order(both)
    assert len(set(rows)) == 2
    alike = [replace(each, settings={**each.settings}) for each in both]
    alike[1].settings["preprocess"] = {**recipes[1], "name": "unit"}
    assert model_names(alike) == [f"{name} (unit, 1)", f"{name} (unit, 2)"]
