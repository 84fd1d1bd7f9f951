"""Profiles of classes: facts of the estimates, coverage by simulation, table, JSON and map."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.profiles import (
    class_profiles,
    credibility,
    principal_axes,
    sid_covariance,
)
from iaside_onnx.mathematics.proportion import wilson
from iaside_onnx.mathematics.score import signed_score, spectral_importance
from iaside_onnx.page.page import page
from iaside_onnx.results.class_rows import by_score, class_notes
from iaside_onnx.views.class_bands import class_figure
from iaside_onnx.views.class_map import class_map

from .made_reports import made
from .pages import Markup

BANDS = 8
MEAN = np.array([1.5, 1.1, 0.5, 0.3, 0.15, 0.1, 0.05, 0.05])


def sample(classes, images, apart, seed):
    """True class profiles, and images that scatter around them, skewed as log-probabilities are."""
    rng = np.random.default_rng(seed)
    size = np.broadcast_to(images, classes)
    truth = MEAN * (1 + apart * rng.standard_normal((classes, 1)))
    truth += apart / 2 * rng.standard_normal((classes, BANDS))
    labels = np.repeat(np.arange(classes), size)
    skewed = rng.lognormal(0, 0.7, (len(labels), 1))
    skewed = (skewed - np.exp(0.245)) / np.sqrt((np.exp(0.49) - 1) * np.exp(0.49))
    noise = 0.6 * skewed * MEAN + 0.4 * rng.standard_normal((len(labels), BANDS))
    return truth, truth[labels] + 0.8 * noise, labels


def simulate(classes, images, apart, repetitions):
    """Coverage of the score by own and shrunk intervals, and mean square errors."""
    covered = {"own": [], "shrunk": []}
    errors = {"own": [], "shrunk": [], "pooled": []}
    for seed in range(repetitions):
        truth, psi, labels = sample(classes, images, apart, seed)
        score = signed_score(spectral_importance(truth))
        found = class_profiles(psi, labels)
        for name, rows in (("own", ~found.few), ("shrunk", np.full(classes, True))):
            estimate = getattr(found, name)
            inside = (estimate.signed_low <= score) & (score <= estimate.signed_high)
            covered[name] += inside[rows].tolist()
            errors[name].append(np.sum((estimate.shapley - truth) ** 2))
        errors["pooled"].append(np.sum((psi.mean(axis=0) - truth) ** 2))
    return (
        {name: np.mean(hits) for name, hits in covered.items() if hits},
        {name: np.mean(values) for name, values in errors.items()},
    )


@pytest.mark.parametrize("apart", [0.1, 0.3, 1.0])
def test_shrinkage_beats_both_the_own_mean_and_the_common_one(apart):
    covered, errors = simulate(40, 5, apart, repetitions=25)
    assert errors["shrunk"] < min(errors["own"], errors["pooled"])
    assert 0.91 < covered["shrunk"] < 0.98


def test_own_intervals_of_enough_images_hold():
    covered, errors = simulate(10, 60, 0.3, repetitions=20)
    assert 0.90 < covered["own"] < 0.98
    assert errors["shrunk"] < errors["own"]


def test_the_estimate_is_a_weighted_mean_with_the_published_weight():
    _, psi, labels = sample(30, np.arange(30) % 7 + 1, 0.3, seed=1)
    found = class_profiles(psi, labels)
    # With weights n / (n + k), every class lies on the line from its own mean to one centre.
    own, shrunk, weight = found.own.shapley, found.shrunk.shapley, found.weight[:, None]
    centres = (shrunk - weight * own) / (1 - weight)
    np.testing.assert_allclose(centres, np.broadcast_to(centres[0], centres.shape), rtol=1e-9)
    np.testing.assert_allclose(centres[0], (weight * own).sum(axis=0) / weight.sum(), rtol=1e-9)
    half = found.images * (1 - found.weight) / found.weight
    np.testing.assert_allclose(half, half[0])
    np.testing.assert_allclose(found.weight, credibility(found.images, half[0]))
    assert (np.diff(found.weight[np.argsort(found.images)]) >= 0).all()


def test_classes_far_apart_keep_their_means_and_equal_ones_share_theirs():
    _, apart, labels = sample(30, 5, 5.0, seed=2)
    assert class_profiles(apart, labels).weight.min() > 0.98
    _, equal, labels = sample(30, 5, 0.0, seed=2)
    assert class_profiles(equal, labels).weight.max() < 0.3


@pytest.mark.parametrize("images", [1, [2, 2, 2, 2, 2]])
def test_too_few_images_to_tell_give_no_estimate(images):
    classes = 40 if images == 1 else 5
    _, psi, labels = sample(classes, images, 0.3, seed=3)
    found = class_profiles(psi, labels)
    assert (found.weight, found.shrunk) == (None, None)
    assert np.isnan(found.best.signed_low).all()
    assert np.isfinite(found.best.signed).all()


def test_values_that_are_all_equal_are_no_trouble():
    found = class_profiles(np.ones((200, 4)), np.arange(200) % 8)
    assert found.shrunk is None
    np.testing.assert_allclose(found.own.sid, 0.25)
    np.testing.assert_allclose((found.own.signed_low, found.own.signed_high), 0, atol=1e-12)
    np.testing.assert_allclose(sid_covariance(found.own), 0)


def test_own_estimates_are_of_own_images_and_views_have_one_estimate_for_all():
    _, psi, labels = sample(8, [30, 30, 30, 30, 30, 30, 30, 5], 0.3, seed=4)
    found = class_profiles(psi, labels)
    assert found.few.tolist() == [False] * 7 + [True]
    changed = psi.copy()
    changed[labels != 2] += 1
    again = class_profiles(changed, labels)
    for part in ("shapley", "sid_low", "signed_low", "signed_high"):
        np.testing.assert_array_equal(getattr(found.own, part)[2], getattr(again.own, part)[2])
    assert found.best is found.shrunk
    none = class_profiles(psi[labels < 3], labels[labels < 3])
    assert none.best is none.own


def test_no_interval_leaves_out_its_own_estimate():
    # Bands that contend for the least value: draws lie to one side of the estimate.
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(10), 4)
    psi = 0.4 * rng.normal(size=(10, BANDS))[labels] + rng.normal(size=(40, BANDS))
    shown = class_profiles(psi, labels).best
    assert (shown.signed_low <= shown.signed).all()
    assert (shown.signed <= shown.signed_high).all()
    assert (shown.sid_low <= shown.sid).all()
    assert (shown.sid <= shown.sid_high).all()


def test_first_order_covariance_of_the_distribution_against_draws():
    _, psi, labels = sample(8, 400, 0.3, seed=5)
    own = class_profiles(psi, labels).own
    rng = np.random.default_rng(0)
    drawn = rng.multivariate_normal(own.shapley[0], own.covariance[0] / 100, 20_000)
    expected = np.cov(spectral_importance(drawn).T) * 100
    np.testing.assert_allclose(sid_covariance(own)[0], expected, atol=0.05 * expected.max())


def test_wilson_against_scipy():
    from scipy.stats import binomtest

    for right, images in ((0, 7), (3, 7), (7, 7), (150, 200)):
        expected = binomtest(right, images).proportion_ci(0.9, method="wilson")
        np.testing.assert_allclose(wilson(right, images, 0.9), (expected.low, expected.high))


def test_axes_find_a_planted_direction_and_point_to_low_frequencies():
    rng = np.random.default_rng(6)
    steps = rng.normal(0, 0.05, 30)
    sid = np.full((30, 4), 0.25) + steps[:, None] * [-1, 0, 0, 1]
    sid += rng.normal(0, 0.001, sid.shape)
    found = principal_axes(sid)
    np.testing.assert_allclose(found.loadings[0], np.array([1, 0, 0, -1]) / np.sqrt(2), atol=0.02)
    assert found.share[0] > 0.95
    np.testing.assert_allclose(found.loadings @ found.loadings.T, np.eye(2), atol=1e-12)
    again = principal_axes(sid[::-1])
    np.testing.assert_allclose(again.points[::-1], found.points, atol=1e-12)


def report_of(classes, images, name="m", **more):
    _, psi, labels = sample(classes, images, 0.5, seed=7)
    # The same for every band leaves shares and scores as they are, and gives each class a gain.
    report = made(psi + 2, labels=labels, bands=BANDS, players=BANDS, name=name)
    names = more.pop("class_names", [f"class {label}" for label in range(classes)])
    return replace(report, class_names=names)


def test_rows_keep_their_keys_and_gain_intervals():
    report = report_of(7, [30, 30, 30, 30, 30, 30, 4])
    rows = report.per_class()
    assert [row["few"] for row in rows] == [False] * 6 + [True]
    for row in rows:
        own = report.shapley_per_image[report.labels == row["class"]].mean(axis=0)
        np.testing.assert_allclose(row["sid"], spectral_importance(own))
        assert row["srs"] == abs(row["srs_signed"])
        assert row["accuracy_low"] < row["accuracy"] <= row["accuracy_high"]
        shrunk = row["shrunk"]
        assert shrunk["srs_signed_low"] <= shrunk["srs_signed"] <= shrunk["srs_signed_high"]
        assert (row["sid_low"] is None) == (row["srs_signed_high"] is None) == row["few"]
    assert json.loads(json.dumps(rows)) == rows


def test_the_table_marks_few_images(iaside, tmp_path):
    report_of(7, [30, 30, 30, 30, 30, 30, 4]).save(tmp_path / "some.h5")
    shown = iaside("show", tmp_path / "some.h5", "--per-class").stdout
    (marked,) = [line for line in shown.splitlines() if line.lstrip().startswith("class 6")]
    (plain,) = [line for line in shown.splitlines() if line.lstrip().startswith("class 5")]
    assert "*" in marked
    assert " to " in marked
    assert "*" not in plain
    assert "1 of 7 classes have fewer than 20 images" in shown
    report_of(30, 1).save(tmp_path / "one.h5")
    shown = iaside("show", tmp_path / "one.h5", "--per-class").stdout
    assert "mostly noise" in " ".join(shown.split())
    assert shown.count("!") == 31


def test_every_view_shows_one_number_of_a_class_in_the_same_words(iaside, tmp_path):
    report = report_of(8, [5, 5, 5, 5, 5, 30, 30, 30])
    report.save(tmp_path / "r.h5")
    rows = json.loads(iaside("show", tmp_path / "r.h5", "--per-class", "--json").stdout)[
        "per_class"
    ]
    shown = iaside("show", tmp_path / "r.h5", "--per-class").stdout
    html = page([report])
    values = class_map(report).axes[0].collections[0].get_array()
    for place, row in enumerate(rows):
        assert row["sid"] == pytest.approx(report.per_class()[place]["sid"])
        assert row["sid_shrunk"] == row["shrunk"]["sid"] != row["sid"]
        assert row["srs_shrunk"] == abs(row["srs_signed_shrunk"])
        one, own = (f"{row[key]:+.3f}" for key in ("srs_signed_shrunk", "srs_signed"))
        (line,) = [text for text in shown.splitlines() if row["name"] in text]
        cells = line.replace("*", " ").split()
        assert (cells[4], cells[8]) == (one, own)
        (line,) = [text for text in html.splitlines() if f'<th scope="row">{row["name"]}<' in text]
        numbers = re.findall(r">([-+]\d\.\d{3})<", line.replace("</tr>", "<"))
        assert numbers == [one, own]
        assert values[place] == row["srs_signed_shrunk"]
    for note in class_notes(report.class_profiles, 20):
        words = note[1:]  # the page begins it with a capital letter
        assert words in " ".join(shown.split())
        assert words in html.replace("&#39;", "'")
    assert "mostly noise" not in shown + html


def test_the_map_draws_every_class_and_names_without_overlap():
    drawn = class_map(report_of(40, 25, class_names=["$\\frac{", "x" * 300] * 20))
    panel = drawn.axes[0]
    assert len(panel.collections[0].get_offsets()) == 40
    boxes = [text.get_window_extent() for text in panel.texts]
    assert 5 <= len(boxes) <= 14
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        assert drawn.bbox.x0 <= box.x0 < box.x1 <= drawn.bbox.x1
    assert drawn.get_size_inches()[0] == pytest.approx(3.5)
    assert "axis 1" in panel.get_xlabel()
    assert "band" in panel.get_xlabel()


def test_the_map_on_the_command_line(iaside, tmp_path):
    report_of(30, 1).save(tmp_path / "one.h5")
    result = iaside("plot", tmp_path / "one.h5", "--classes", "-o", tmp_path / "map.png")
    assert result.exit_code == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert "Warning: 30 of 30 classes have fewer than 20 images" in result.stderr
    both = iaside(
        "plot", tmp_path / "one.h5", tmp_path / "one.h5", "--classes", "-o", tmp_path / "b.png"
    )
    assert both.exit_code == 2
    assert "one report" in both.stderr
    with pytest.raises(UsageError, match="no map"):
        class_map(report_of(2, 30))


def planted(images=9):
    """Eight classes of one profile: of class 2 all bands harm a little, of class 5 few images."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.arange(8), images)
    psi = np.array([6, 3, 0.5, 0.2]) + rng.normal(0, 0.3, (len(labels), 4))
    psi[labels == 2] = np.array([-1.0, 0.1, 0.1, 0.2]) + rng.normal(0, 0.05, (images, 4))
    return replace(
        made(psi, labels=labels), class_names=["none here" if c == 2 else f"c{c}" for c in range(8)]
    )


def test_a_class_with_nothing_to_share_out_is_no_finding_in_any_view(iaside, tmp_path):
    """Its raw shares lie on the bands of least effect, which would make it lean high the most."""
    report = planted()
    rows = report.per_class()
    assert min(rows, key=lambda row: row["srs_signed"])["class"] == 2
    assert [row["class"] for row in rows if row["no_finding"]] == [2]
    assert rows[2]["gain"] == pytest.approx(-0.6, abs=0.1)
    assert "nothing to share out" in rows[2]["no_finding"]
    assert by_score(report)[-1] == 2
    report.save(tmp_path / "r.h5")
    shown = iaside("show", tmp_path / "r.h5", "--per-class").stdout
    lines = [line.split() for line in shown.splitlines()]
    places = [n for n, line in enumerate(lines) if line[:1] == ["c7"] or line[:1] == ["none"]]
    assert lines[places[1]][4:] == ["-*", "not", "a", "finding", *["-"] * 5]
    assert "for 1 of 8 classes: none here (v(none)" in " ".join(shown.split())
    html = Markup(page([report]))
    last = html.table("by class")[-1]
    assert (last[0], last[3:]) == ("none here", ["-"] * 6)
    assert "for 1 of 8 classes: none here" in html.text
    drawn = class_figure(report)
    assert [text.get_text() for text in drawn.axes[0].get_yticklabels()][-1] == "none here (9)"
    assert "no finding: nothing to share out" in [text.get_text() for text in drawn.axes[0].texts]
    assert len(class_map(report).axes[0].collections[0].get_offsets()) == 7
    frame = report.to_pandas("classes")
    assert set(frame[frame["no_finding"].notna()]["class"]) == {2}


def test_of_few_images_it_may_be_open_whether_a_class_has_anything_to_share_out():
    rng = np.random.default_rng(6)
    labels = np.repeat(np.arange(8), 5)
    psi = np.array([6, 3, 0.5, 0.2]) + rng.normal(0, 0.3, (40, 4))
    psi[labels == 3, 0] = [
        -9,
        7,
        -8,
        4,
        -6.5,
    ]  # the mean gain is clear of the bound, its end is not
    gains = made(psi, labels=labels).class_gains
    assert gains.order.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert "cannot be decided from 5 images" in gains.reason(3)
    # One image a class gives no interval: what it shows by itself decides.
    one = made(psi[::5], labels=labels[::5]).class_gains
    assert np.isnan(one.low).all()
    assert one.order.tolist() == [0, 0, 0, 2, 0, 0, 0, 0]


def test_the_value_of_the_view_and_its_confidence_do_not_change_which_classes_have_a_finding():
    report = planted()
    for view in ({"value": "prob"}, {"value": "log-prob-clipped"}, {"confidence": 0.5}):
        seen = report.view(**view)
        assert seen.class_gains.nothing.tolist() == report.class_gains.nothing.tolist()


def test_comparing_classes_leaves_out_the_score_of_one_without_a_finding():
    report = planted(25)
    other = replace(report, log_prob=report.log_prob * np.float32(1.01), model={
        "path": "n.onnx", "sha256": "1" * 64})  # fmt: skip
    rows = ia.compare(report, other, per_class=True).pairs[0].per_class
    assert [row.label for row in rows if row.srs_signed is None] == [2]
    assert "nothing to share out" in rows[2].no_finding
    assert rows[2].accuracy is not None


def test_identical_classes_make_a_map_all_the_same():
    psi = np.tile([1.0, 0.5, 0.2, 0.1], (60, 1))
    drawn = class_map(made(psi, labels=np.arange(60) % 4))
    np.testing.assert_allclose(drawn.axes[0].collections[0].get_offsets(), 0, atol=1e-9)
    drawn.canvas.draw()


def test_the_bundled_demo():
    """Real photographs: profiles differ between classes far more than chance explains."""
    from .conftest import ROOT

    report = ia.analyze(
        str(ROOT / "models" / "demo-robust.onnx"), str(ROOT / "demo" / "test"), samples=60, bands=4
    )
    found = report.class_profiles
    assert (found.few.all(), len(found.labels)) == (True, 12)
    assert found.weight.min() > 0.5
    assert np.ptp(found.best.signed) > 0.1
