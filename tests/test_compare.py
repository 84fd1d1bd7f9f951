"""Comparison: facts of the statistics, refusals, the command."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import multinomial

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.coalitions import draw_coalitions
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.paired import PairedBootstrap, holm, paired_score, right_answers
from iaside_onnx.mathematics.replicates import TrainingBootstrap
from iaside_onnx.mathematics.score import signed_score, spectral_importance
from iaside_onnx.mathematics.shapley import coalition_masks, shapley_values
from iaside_onnx.storage.seal import seal

from .conftest import ROOT
from .made_reports import made, profiles, shifted


def every_difference(pair):
    return [pair.srs_signed, pair.srs, pair.mean_log_prob, pair.accuracy, *pair.sid, *pair.shapley]


def test_holm_against_an_example_by_hand():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04, made monotone.
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1.0, 1.0])
    assert holm(np.array([])).size == 0


def test_mcnemar_and_its_interval_by_hand():
    reference = np.array([True] * 90 + [False] * 10)
    other = reference.copy()
    other[:1] = False
    other[90:96] = True
    found = right_answers(reference, other)
    # The score test without a correction: (6 - 1) / sqrt(6 + 1).
    assert found.p == pytest.approx(2 * (1 - ndtr(5 / np.sqrt(7))))
    assert found.difference == pytest.approx(0.05)
    for end in (found.low, found.high):
        assert abs(paired_score(6, 1, 100, end)) == pytest.approx(1.959964, abs=1e-6)
    # Tango's statistic from the likelihood: the share q of "the reference alone" under d = 0.1.
    q = max(np.linspace(0, 0.44, 44001)[1:], key=lambda q: 6 * np.log(q + 0.1) + np.log(q)
            + 93 * np.log(1 - 2 * q - 0.1))  # fmt: skip
    by_hand = (6 - 1 - 10) / np.sqrt(100 * (2 * q + 0.1 * 0.9))
    assert paired_score(6, 1, 100, 0.1) == pytest.approx(by_hand, rel=1e-4)
    agreed = right_answers(reference, reference)
    assert (agreed.p, agreed.difference) == (1.0, 0.0)
    assert agreed.low < -0.01 < 0.01 < agreed.high  # 100 images prove no exact equality


def test_identical_reports_differ_by_exactly_nothing():
    report = made(profiles(50))
    pair = ia.compare(report, report).pairs[0]
    assert pair.identical
    for found in every_difference(pair):
        assert (found.difference, found.low, found.high, found.p, found.mde) == (0, 0, 0, 1, 0)
    assert "same values on every image" in pair.verdict["score"]


def test_antisymmetry():
    psi = profiles(60)
    a, b = made(psi), made(shifted(psi, by=0.4), wrong=[1] * 5 + [0] * 55)
    ahead, back = (ia.compare(*order).pairs[0] for order in ((a, b), (b, a)))
    for one, other in zip(every_difference(ahead), every_difference(back), strict=True):
        assert one.difference == pytest.approx(-other.difference, abs=1e-12)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
        assert (one.p, one.mde) == pytest.approx((other.p, other.mde), rel=1e-6)


def test_a_planted_shift_is_found_in_its_band_with_its_sign():
    psi = profiles(150)
    less = made(shifted(psi, by=-0.3, band=0), wrong=[1] * 12 + [0] * 138, name="less")
    pair = ia.compare(made(psi, name="plain"), less).pairs[0]
    assert [found.p_holm < 0.05 for found in pair.shapley] == [True, False, False, False]
    assert pair.shapley[0].difference == pytest.approx(-0.3, abs=0.06)
    assert pair.srs_signed.high < 0
    assert "less leans less on low frequencies than plain" in pair.verdict["score"]
    assert "0 (-0." in pair.verdict["bands"]
    assert "less is less accurate" in pair.verdict["accuracy"]
    assert pair.right_alone == {"reference": 12, "other": 0}


@pytest.mark.parametrize("step", [1, -1])
def test_the_published_score_differs_as_the_signed_where_both_lie_on_one_side(step):
    rng = np.random.default_rng(1)
    hardness = rng.lognormal(0, 0.4, (60, 1))
    tied, clear = (
        hardness * np.array(means) + rng.normal(0, 0.4, (60, 4))
        for means in ([1.5, 0.5, 0.5, 0.5], [1.5, 0.8, 0.5, 0.1])
    )
    pair = ia.compare(made(tied[:, ::step]), made(clear[:, ::step])).pairs[0]
    signed, published = pair.srs_signed, pair.srs
    assert step * signed.reference > 0 < step * signed.other
    assert published.difference == pytest.approx(step * signed.difference)
    assert (published.low, published.high)[::step] == (step * signed.low, step * signed.high)
    assert (published.p, published.mde) == (signed.p, signed.mde)


def test_no_difference_is_said_with_what_would_have_been_seen():
    psi = profiles(200)
    pair = ia.compare(made(psi), made(shifted(psi)), margin=0.1).pairs[0]
    assert pair.srs_signed.low < 0 < pair.srs_signed.high
    assert "No difference" in pair.verdict["score"]
    assert "200 images" in pair.verdict["score"]
    assert f"{pair.srs_signed.mde:.4f}" in pair.verdict["score"]
    assert "No single band" in pair.verdict["bands"]
    assert pair.equivalent
    assert ia.compare(made(psi), made(shifted(psi)), margin=1e-4).pairs[0].equivalent is False


def test_the_detectable_effect_falls_with_the_root_of_the_images():
    psi = profiles(100)
    few, many = made(psi), made(np.tile(psi, (4, 1)))
    others = made(shifted(psi)), made(np.tile(shifted(psi), (4, 1)))
    small, large = (ia.compare(*pair).pairs[0] for pair in ((few, others[0]), (many, others[1])))
    for one, other in zip(
        [small.srs_signed, *small.shapley], [large.srs_signed, *large.shapley], strict=True
    ):
        assert one.mde / other.mde == pytest.approx(2, rel=0.06)
        assert one.mde == pytest.approx(one.stderr * 2.83, rel=0.01)


def test_a_true_difference_of_the_detectable_effect_is_seen_four_times_in_five():
    rng = np.random.default_rng(4)
    seen = []
    for seed in range(300):
        a = rng.normal(0, 1, (50, 1))
        noise = rng.normal(0, 1, (50, 1))
        # Standard error 1 / sqrt(50); 2.01 + 0.85 of them at 49 degrees of freedom.
        b = a + noise + 2.86 / np.sqrt(50)
        found = PairedBootstrap(a, b, seed=seed, resamples=500).differences(lambda means: means)
        seen.append(found[0].p < 0.05)
    assert np.mean(seen) == pytest.approx(0.8, abs=0.06)


def test_coverage_and_false_alarms_on_synthetic_populations():
    """250 samples of 60 images; the full simulation is described in docs/method-notes.md."""
    psi = profiles(4000, seed=1)
    pair = psi, 0.6 * shifted(psi, by=0.3, noise=0.5)

    def statistic(means):
        sid = spectral_importance(means)
        return np.concatenate([signed_score(sid)[..., None], sid], axis=-1)

    truth = statistic(pair[1].mean(axis=0)) - statistic(pair[0].mean(axis=0))
    rng = np.random.default_rng(9)
    covered, alarms = [], []
    for seed in range(250):
        rows = rng.integers(0, len(psi), 60)
        a, b = pair[0][rows], pair[1][rows]
        found = PairedBootstrap(a, b, seed=seed, resamples=300).differences(statistic)
        covered.append([d.low <= t <= d.high for d, t in zip(found, truth, strict=True)])
        # Swapping the models image by image makes "no difference" true.
        swap = rng.random((60, 1)) < 0.5
        null = PairedBootstrap(
            np.where(swap, b, a), np.where(swap, a, b), seed=seed, resamples=300
        ).differences(statistic)
        alarms.append([null[0].p < 0.05, bool((holm([d.p for d in null[1:]]) < 0.05).any())])
    coverage = np.mean(covered, axis=0)
    # 250 samples give 0.95 a standard error of 0.014.
    assert 0.91 <= coverage[:-1].min() <= coverage[:-1].max() <= 0.985
    assert coverage[-1] == 1.0  # the highest band is the least in both models: exactly 0
    assert np.mean(alarms, axis=0).max() <= 0.075


def test_intervals_count_the_error_of_drawn_coalitions():
    """Exact against permutation, of one model: 120 samples of 40 games, the truth being 0."""
    rng = np.random.default_rng(2)
    masks = coalition_masks(4).astype(float)
    pairs = masks[:, :, None] * masks[:, None, :]
    covered, alone = [], []
    for sample in range(120):
        table = (profiles(40, seed=sample) @ masks.T) + np.einsum(
            "nij,sij->ns", rng.normal(0.2, 0.6, (40, 4, 4)), pairs
        )
        exact = shapley_values(table)
        drawn = np.stack(
            [draw_coalitions("permutation", 4, 8, sample, str(image)) for image in range(40)]
        )
        values = np.take_along_axis(table, drawn.astype(int), 1)
        other = image_values("permutation", values, drawn, 4)
        found = PairedBootstrap(exact, other, seed=sample, resamples=300).differences(
            lambda m: np.concatenate([signed_score(spectral_importance(m))[..., None], m], -1)
        )
        covered.append([d.low <= 0 <= d.high for d in found])
        alone.append([d.stderr for d in found])
    coverage = np.mean(covered, axis=0)
    # One standard error is 0.02; without the error of drawing the intervals would be points.
    assert coverage.min() >= 0.89
    assert np.min(alone) > 0


def test_p_values_and_intervals_agree():
    rng = np.random.default_rng(3)
    seen = 0
    for seed in range(100):
        images, confidence = int(rng.integers(2, 40)), float(rng.choice([0.5, 0.9, 0.95, 0.999]))
        a = rng.normal(0, 1, (images, 4))
        b = a + rng.normal(0.4, 1, (images, 4))
        drawn = PairedBootstrap(a, b, confidence, seed=seed, resamples=199)
        found = drawn.differences(lambda m: np.concatenate([m, m.min(-1, keepdims=True)], -1))
        found += drawn.differences(spectral_importance)
        found += TrainingBootstrap([a, a[::-1]], b, confidence, seed, 199).differences(lambda m: m)
        for one, adjusted in zip(found, holm([each.p for each in found]), strict=True):
            excluded = not one.low <= 0 <= one.high
            assert (one.p < 1 - confidence) == excluded, (images, confidence, one)
            # Holm's p is the stricter, so what it sees the interval of the one leaves out.
            assert excluded or adjusted >= 1 - confidence
            seen += excluded
    assert 100 < seen < 1000


@given(
    images=st.integers(1, 400),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999]),
)
def test_accuracy_is_judged_by_one_test(images, shares, confidence):
    won = round(shares[0] * images)
    lost = round(shares[1] * (images - won))
    place = np.arange(images)
    other, reference = place < won, (won <= place) & (place < won + lost)
    found = right_answers(reference, other, confidence)
    assert (found.p < 1 - confidence) == (not found.low <= 0 <= found.high)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.low < found.high


def test_the_test_of_accuracy_keeps_its_level():
    """Exact, over all tables of 20 images: the images that one model alone gets right."""
    for alone in (0.05, 0.2, 0.4):
        wrong = covered = 0.0
        for won in range(21):
            for lost in range(21 - won):
                chance = multinomial.pmf([won, lost, 20 - won - lost], 20, [alone, alone,
                                         1 - 2 * alone])  # fmt: skip
                wrong += chance * (abs(paired_score(won, lost, 20, 0)) > 1.959964)
                # Another truth: twice as many for the other one.
                chance = multinomial.pmf([won, lost, 20 - won - lost], 20, [alone, alone / 2,
                                         1 - 1.5 * alone])  # fmt: skip
                covered += chance * (abs(paired_score(won, lost, 20, alone / 2)) <= 1.959964)
        assert wrong <= 0.055
        assert covered >= 0.94


def test_the_order_of_rows_does_not_matter():
    psi = profiles(40)
    a, b = made(psi), made(shifted(psi, by=0.2), wrong=[1] * 3 + [0] * 37)
    order = np.random.default_rng(0).permutation(40)
    mixed = replace(
        b,
        log_prob=b.log_prob[order],
        labels=b.labels[order],
        predicted=b.predicted[order],
        image_ids=[b.image_ids[place] for place in order],
        data={**b.data, "digest": "of another order"},
    )
    one, other = ia.compare(a, b).pairs[0], ia.compare(a, mixed).pairs[0]
    assert every_difference(one) == every_difference(other)
    assert (one.contents, other.contents) == ("equal", "not checked")


def test_only_shared_images_count():
    psi = profiles(60)
    other = shifted(psi, by=0.3)
    names = [f"{number:04d}" for number in range(60)]
    part = made(other[20:], ids=names[20:], digest="a")
    pair = ia.compare(made(psi), part).pairs[0]
    assert (pair.shared, pair.left_out) == (40, {"reference": 20, "other": 0})
    alone = ia.compare(made(psi[20:], ids=names[20:]), replace(part, data=made(psi).data))
    assert every_difference(pair) == every_difference(alone.pairs[0])
    assert len(pair.notes) == 2
    with pytest.raises(ReportError, match="share 1 image"):
        ia.compare(made(psi), made(psi[:3], ids=["0000", "x", "y"]))
    with pytest.raises(ReportError, match="stand-in"):
        ia.compare(
            made(psi, absence="replace"),
            made(other[20:], ids=names[20:], digest="a", absence="replace"),
        )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"norm": "l2"}, "norm l2 against linf"),
        ({"absence": "zero"}, "absence zero against gaussian"),
        ({"seed": 1}, "seed 1 against 0"),
        ({"output_map": "magnitude"}, "output_map magnitude against real"),
        ({"draws": "pixels"}, "draws pixels against name"),
        ({"separate_dc": True, "bands": 3}, "bands 3 against 4; separate_dc True against False"),
        ({"a_setting_to_come": 1}, "a_setting_to_come 1 against None"),
    ],
)
def test_other_games_are_refused_by_name(changed, message):
    psi = profiles(30)
    with pytest.raises(ReportError, match=message):
        ia.compare(made(psi), made(psi, **changed))


def test_other_images_or_labels_are_refused():
    psi = profiles(30)
    other = np.where(np.arange(30) == 7, 2, np.arange(30) % 2)
    with pytest.raises(ReportError, match="0007 has label 2 in b and 1 in a"):
        ia.compare(made(psi, name="a"), made(psi, name="b", labels=other))
    with pytest.raises(ReportError, match="different images under the same ids"):
        ia.compare(made(psi), made(psi, digest="b"))
    contents = np.random.default_rng(0).integers(0, 256, (30, 32), dtype=np.uint8)
    changed = contents.copy()
    changed[4, 3] ^= 1
    first = replace(made(psi), image_digests=contents)
    with pytest.raises(ReportError, match="1 of 30 shared, first 0004"):
        ia.compare(first, replace(made(psi), image_digests=changed))
    with pytest.raises(ReportError, match="twice"):
        ia.compare(first, made(psi, ids=["x"] * 30))


def test_what_belongs_to_the_model_may_differ_and_is_named():
    psi = profiles(30)
    other = made(
        shifted(psi), preprocess={"name": "raw", "scale": 255.0, "crop": [8, 8]}, temperature=2.0
    )
    pair = ia.compare(made(psi, absence="zero", seed=3), replace(
        other, settings={**other.settings, "absence": "zero"})).pairs[0]  # fmt: skip
    assert {"setting": "temperature", "reference": 1.0, "other": 2.0} in pair.settings
    assert {"setting": "preprocess.scale", "reference": 1.0, "other": 255.0} in pair.settings
    assert any("temperatures" in note for note in pair.notes)
    assert any("cut" in note for note in pair.notes)


def test_classes_are_judged_only_with_enough_images():
    psi = profiles(90)
    labels = np.repeat([0, 1, 2], [40, 40, 10])
    other = psi.copy()
    other[:40] = shifted(psi[:40], by=-0.5, band=0)
    other[40:] = shifted(psi[40:], noise=0.05)
    found = ia.compare(made(psi, labels=labels), made(other, labels=labels), per_class=True)
    first, second, third = found.pairs[0].per_class
    assert [row.images for row in (first, second, third)] == [40, 40, 10]
    assert first.srs_signed.p_holm < 0.05 < second.srs_signed.p_holm
    assert first.srs_signed.difference < 0
    assert first.srs_signed.p_holm >= first.srs_signed.p
    assert (third.srs_signed, third.accuracy) == (None, None)


def test_bad_use_is_refused():
    report = made(profiles(10))
    for arguments, options in (((report,), {}), ((report, report), {"margin": -1.0})):
        with pytest.raises(UsageError):
            ia.compare(*arguments, **options)
    with pytest.raises(UsageError):
        PairedBootstrap(np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises(UsageError):
        PairedBootstrap(np.zeros((3, 2)), np.full((3, 2), -np.inf))


PAIR_KEYS = {
    "report", "model", "shared", "left_out", "contents", "identical", "settings", "notes",
    "srs_signed", "srs", "accuracy", "right_alone", "mean_log_prob", "sid", "shapley",
    "per_class", "equivalent", "verdict", "no_finding",
}  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    psi = profiles(40)
    labels = np.arange(40) % 2
    paths = [tmp_path / f"{name}.h5" for name in ("float", "int8", "half")]
    for number, path in enumerate(paths):
        made(shifted(psi, seed=number, by=0.2 * number), labels=labels).save(path)
    return paths


def test_the_command(iaside, saved, tmp_path):
    picture = tmp_path / "difference.png"
    table = iaside("compare", *saved, "--per-class", "--margin", 0.05, "-o", picture)
    assert table.exit_code == 0
    assert picture.stat().st_size > 10_000
    for words in ("signed score", "int8", "half", "40 shared images", "±0.05", "Holm"):
        assert words in table.stdout
    found = json.loads(iaside("compare", *saved, "--json", "--confidence", 0.9).stdout)
    assert found["replicates"] == []
    assert set(found) == {
        "reference",
        "replicates",
        "view",
        "bands",
        "srs_range",
        "margin",
        "pairs",
    }
    assert [pair["report"] for pair in found["pairs"]] == ["int8", "half"]
    assert all(set(pair) == PAIR_KEYS for pair in found["pairs"])
    assert set(found["pairs"][0]["srs_signed"]) == {
        "reference", "other", "difference", "low", "high", "p", "stderr", "mde", "p_holm",
    }  # fmt: skip
    assert found["view"] == {"value": "log-prob", "beta": 0.75, "confidence": 0.9}
    # One pair's figures do not depend on what else is compared.
    alone = json.loads(iaside("compare", *saved[:2], "--json", "--confidence", 0.9).stdout)
    assert alone["pairs"][0] == found["pairs"][0]
    assert iaside("compare", *saved[:2], "-o", picture).exit_code == 2


def test_one_view_serves_all_reports(saved):
    first, other = (ia.load(path) for path in saved[:2])
    pair = ia.compare(first, other.view(value="prob")).pairs[0]
    assert any("made with value prob" in note for note in pair.notes)
    asked = ia.compare(first, other.view(value="prob"), value="prob")
    assert asked.pairs[0].notes == []
    assert asked.pairs[0].srs_signed.other == pytest.approx(other.view(value="prob").srs_signed)


def test_errors_are_one_line(iaside, saved, tmp_path):
    report = ia.load(saved[1])
    replace(report, settings={**report.settings, "norm": "l1"}).save(tmp_path / "l1.h5")
    for arguments in ([saved[0]], [saved[0], tmp_path / "l1.h5"], [saved[0], "none.h5"]):
        result = iaside("compare", *arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("Error: ")


def test_reports_carry_digests_of_their_images(tmp_path):
    target = tmp_path / "r.h5"
    report = ia.analyze(
        ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test", target, bands=1, samples=5
    )
    assert report.image_digests.shape == (5, 32)
    with h5py.File(target, "r+") as file:
        assert file["game/image_digests"].fletcher32
        del file["game/image_digests"]
    seal(target)
    old = ia.load(target)
    assert old.image_digests is None
    assert ia.compare(old, report).pairs[0].contents == "equal"  # by the digest of the sample


def test_a_signed_score_near_zero_is_noted():
    even = np.random.default_rng(0).normal(0.5, 0.5, (60, 4))
    notes = ia.compare(made(profiles(60)), made(even)).pairs[0].notes
    assert any("near 0" in note for note in notes)
    assert ia.compare(made(profiles(60)), made(shifted(profiles(60)))).pairs[0].notes == []
