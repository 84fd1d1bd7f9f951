"""Comparison of trainings: coverage with planted variances, refusals, the command."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.replicates import TrainingBootstrap, _Parts

from .test_compare import made, profiles

IMAGES, SETS = 40, 700


def trained(psi, seed, by=0.0, **options):
    """A training: its seed moves all images alike, and each one a little."""
    rng = np.random.default_rng(seed)
    own = psi + rng.normal(0, 0.15, psi.shape[1]) + rng.normal(0, 0.2, psi.shape)
    own[:, 0] += by
    return named(made(own, name=f"seed{seed}", **options), str(seed % 10))


def named(report, digit):
    return replace(report, model={**report.model, "sha256": digit * 64})


def planted(rng, replicates, trainings, own, recipe):
    """Tables whose columns are independent sets; the variances are those of means of images."""

    def images(variance):
        return np.sqrt(variance * IMAGES) * rng.normal(size=(IMAGES, SETS))

    hardness = images(9.0)
    tables = [
        hardness + np.sqrt(trainings) * rng.normal(size=SETS) + images(own)
        for _ in range(replicates + 2)
    ]
    tables[-1] += images(recipe)
    return tables


@pytest.mark.parametrize("replicates", [1, 2, 3, 4])
def test_coverage_with_planted_variances(replicates):
    """700 sets give 0.95 a standard error of 0.008."""
    rng = np.random.default_rng(replicates)
    for trainings, own, recipe in ((1.0, 0.3, 0.0), (0.2, 1.0, 0.0), (1.0, 0.3, 0.5)):
        *reference, other = planted(rng, replicates, trainings, own, recipe)
        found = TrainingBootstrap(reference, other, resamples=200).differences(lambda m: m)
        covered = np.mean([d.low <= 0 <= d.high for d in found])
        alarms = np.mean([d.p < 0.05 for d in found])
        assert covered == pytest.approx(1 - alarms, abs=1e-9)
        # Exact for trainings of one recipe; never too rare where recipes differ by image.
        assert 0.925 < covered < (0.995 if recipe else 0.975)
        truth = (trainings + own) * (1 + 1 / (replicates + 1)) + recipe
        assert np.mean([d.stderr**2 for d in found]) == pytest.approx(truth, rel=0.25)


def test_images_alone_would_see_a_difference_that_is_none():
    *reference, other = planted(np.random.default_rng(0), 3, 1.0, 0.05, 0.0)
    found = TrainingBootstrap(reference, other, resamples=200).differences(lambda m: m)
    by_images = np.mean([abs(d.difference) > 2 * d.image_stderr for d in found])
    assert by_images > 0.5
    assert np.mean([d.p < 0.05 for d in found]) < 0.07


@pytest.mark.parametrize("replicates", [1, 4])
def test_the_detectable_effect_is_seen_four_times_in_five(replicates):
    between, images, sets = 1.0, 0.3, 20_000
    true = _Parts(np.array([between]), np.array([images]), replicates, 99)
    (effect,) = true.detectable(0.05)
    rng = np.random.default_rng(0)
    estimated = between * rng.chisquare(replicates, sets) / replicates
    half = _Parts(estimated, np.full(sets, images), replicates, 99).half(0.05)
    difference = effect + rng.normal(0, np.sqrt(between + images), sets)
    assert np.mean(np.abs(difference) > half) == pytest.approx(0.8, abs=0.01)


def test_a_difference_by_hand():
    # Trainings at 1, 2, 3 and another at 8; no image differs from another.
    tables = [np.full((10, 1), level) for level in (1.0, 2.0, 3.0, 8.0)]
    (found,) = TrainingBootstrap(tables[:-1], tables[-1]).differences(lambda means: means)
    assert (found.reference, found.other, found.difference) == pytest.approx((2, 8, 6))
    assert (found.spread, found.image_stderr) == pytest.approx((1, 0), abs=1e-7)
    assert found.trainings == pytest.approx([1, 2, 3])
    # t with 2 degrees of freedom: 6 / sqrt(4 / 3) = 5.196, p = 1 - t / sqrt(2 + t^2).
    assert found.p == pytest.approx(1 - 5.196152 / np.sqrt(2 + 27), rel=1e-5)
    assert found.low == pytest.approx(6 - 4.302653 * np.sqrt(4 / 3), rel=1e-5)


def test_trainings_of_equal_quantity_still_have_a_spread():
    def accuracy(right):
        return (np.arange(100) < right).astype(float)[:, None]

    drawn = TrainingBootstrap([accuracy(90), accuracy(90)], accuracy(93))
    (found,) = drawn.differences(lambda means: means, step=0.01)
    assert found.spread == 0
    assert found.p > 0.05
    # A share of 0 in all trainings borrows the spread of the share next in size.
    shares = [np.tile(row, (10, 1)) for row in ([0.0, 0.1, 2.0], [0.0, 0.2, 3.0], [0.3, 0.1, 2.0])]
    least, near, _ = TrainingBootstrap(shares[:-1], shares[-1]).differences(lambda means: means)
    assert least.stderr == pytest.approx(near.stderr)


def test_verdicts_about_trainings():
    psi = profiles(80)
    first, second, *further = (trained(psi, seed) for seed in (1, 3, 2, 4, 5))
    assert ia.compare(first, second).pairs[0].srs_signed.p < 0.05
    found = ia.compare(first, second, replicates=further, margin=0.01)
    pair = found.pairs[0]
    assert [entry["report"] for entry in found.replicates] == ["seed2", "seed4", "seed5"]
    assert "between the trainings of seed3 and seed1" in pair.verdict["score"]
    assert (
        f"a difference of {pair.srs_signed.mde:.3f} would have been seen" in pair.verdict["score"]
    )
    assert "(4 and 1, on 80 images)" in pair.verdict["accuracy"]
    assert pair.equivalent is False
    scores = [each.srs_signed for each in (first, *further)]
    assert pair.srs_signed.trainings == pytest.approx(scores)
    assert pair.srs_signed.reference == pytest.approx(np.mean(scores))
    assert pair.srs_signed.spread == pytest.approx(np.std(scores, ddof=1))
    assert min(d.p_holm for d in (*pair.sid, *pair.shapley)) > 0.05
    other = ia.compare(first, trained(psi, 6, by=2.0), replicates=further).pairs[0]
    assert "more on low frequencies than 4 trainings like seed1" in other.verdict["score"]
    assert other.shapley[0].p_holm < 0.05


def test_the_order_of_trainings_and_images_does_not_matter():
    psi = profiles(40)
    first, other, *further = (trained(psi, seed) for seed in (1, 2, 3, 4))
    turned = [
        replace(
            report,
            log_prob=report.log_prob[::-1],
            labels=report.labels[::-1],
            predicted=report.predicted[::-1],
            image_ids=report.image_ids[::-1],
            data={**report.data, "digest": "of another order"},
        )
        for report in further
    ]
    straight = ia.compare(first, other, replicates=further).pairs[0]
    for changed in (turned, further[::-1]):
        again = ia.compare(first, other, replicates=changed).pairs[0]
        for one, two in zip(straight.sid, again.sid, strict=True):
            assert (one.low, one.high, one.p) == pytest.approx((two.low, two.high, two.p))


def test_what_is_no_replicate_is_refused():
    psi = profiles(30)
    first, other, third = (trained(psi, seed) for seed in (1, 2, 3))
    ids = [f"x{number}" for number in range(30)]
    for replicates, message in (
        ([first], "same model file"),
        ([other], "same model file"),
        ([third, third], "same model file"),
        ([named(first, "9")], "hold the same values"),
        ([trained(psi, 4, norm="l1")], "different games: norm l1 against linf"),
        ([trained(psi, 4, ids=ids)], "share 0 image"),
        ([trained(psi[:20], 4, digest="a")], "shares 20 of its 20 images with the 30"),
        ([trained(psi, 4, digest="e")], "different images under the same ids"),
        ([trained(psi, 4, label_offset=1)], "seed alone: label_offset 1 against 0"),
    ):
        with pytest.raises(ReportError, match=message):
            ia.compare(first, other, replicates=replicates)
    fitted = trained(psi, 4, temperature=1.3)
    assert ia.compare(first, other, replicates=[fitted]).replicates
    with pytest.raises(UsageError, match="two trainings at least"):
        TrainingBootstrap([psi], psi)


def test_the_command(iaside, tmp_path):
    psi = profiles(50)
    paths = [tmp_path / f"seed{seed}.h5" for seed in (1, 2, 3, 4)]
    for seed, path in enumerate(paths, start=1):
        trained(psi, seed).save(path)
    picture = tmp_path / "trainings.png"
    further = ["--replicate", paths[2], "--replicate", paths[3]]
    table = iaside("compare", *paths[:2], *further, "--per-class", "-o", picture)
    assert table.exit_code == 0
    assert picture.stat().st_size > 10_000
    for words in ("replicates seed3, seed4", "mean of 3", "without its replicates", "(3 and 1, on"):
        assert words in table.stdout
    found = json.loads(iaside("compare", *paths[:2], *further, "--json").stdout)
    extended = found["pairs"][0]["srs_signed"]
    assert set(extended) >= {"low", "high", "p", "mde", "trainings", "spread", "image_stderr"}
    assert len(extended["trainings"]) == 3
    refused = iaside("compare", *paths[:2], "--replicate", paths[0])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
