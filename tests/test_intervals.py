"""Intervals of SID and score: seeded, honest where bands tie, percentiles where they do not."""

import numpy as np
import pytest
from scipy.special import ndtr, stdtrit

from iaside_onnx import signed_score, spectral_importance
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.intervals import (
    bootstrap_intervals,
    contact_set,
    expanded_tail,
    importance_ends,
    score_ends,
    score_stderr,
)
from iaside_onnx.mathematics.score import resampled_means, score_range

EVEN = np.full(8, 1 / 8)


def normal_means(truth, images, resamples, seed):
    """Shapley values of images that spread normally, and the same resamples for every seed."""
    psi = truth + np.random.default_rng(seed).normal(0, 1, (images, len(truth)))
    return psi, normal_means.shares[images, resamples] @ psi


normal_means.shares = {
    (60, 600): resampled_means(np.eye(60), 0, 600),
    (150, 600): resampled_means(np.eye(150), 0, 600),
}


def held(truth, images, audits, method="intersection"):
    """Share of intervals that hold the true score."""
    target = float(signed_score(spectral_importance(truth)))
    tail = expanded_tail(images, 0.95)
    hits = 0
    for seed in range(audits):
        psi, means = normal_means(truth, images, 600, seed)
        if method == "percentile":
            low, high = np.percentile(signed_score(spectral_importance(means)), [2.5, 97.5])
        else:
            low, high = score_ends(means, contact_set(psi), 0.75, tail)
        hits += low <= target <= high
    return hits / audits


def test_intervals_are_seeded_and_shrink_with_the_sample():
    rng = np.random.default_rng(0)
    psi = np.array([2.0, 1.0, 0.5, 0.0]) + rng.normal(0, 0.5, (400, 4))
    one, two = bootstrap_intervals(psi, seed=3), bootstrap_intervals(psi, seed=3)
    assert one.srs == two.srs
    assert np.array_equal(one.sid_low, two.sid_low)
    few = bootstrap_intervals(psi[:40], seed=3)
    assert np.ptp(few.srs) > 2 * np.ptp(one.srs)
    wide = bootstrap_intervals(psi, confidence=0.99, seed=3)
    assert wide.srs[0] < one.srs[0] < one.srs[1] < wide.srs[1]
    assert score_stderr(psi, seed=3) == one.srs_signed_stderr


def test_a_clear_weakest_band_leaves_the_expanded_percentile_interval():
    rng = np.random.default_rng(1)
    psi = np.array([3.0, 2.0, 1.5, 1.0, 0.0]) + rng.normal(0, 0.7, (80, 5))
    means = resampled_means(psi, 0)
    sid = spectral_importance(means)
    tail = expanded_tail(80, 0.95)
    found = bootstrap_intervals(psi)
    assert contact_set(psi).tolist() == [4]
    np.testing.assert_allclose(
        found.srs_signed, np.quantile(signed_score(sid), [tail, 1 - tail]), atol=1e-3
    )
    ends = np.quantile(sid, [tail, 1 - tail], axis=0)
    np.testing.assert_allclose([found.sid_low, found.sid_high], ends, atol=1e-3)
    plain = bootstrap_intervals(psi, method="percentile")
    assert np.ptp(plain.srs_signed) == pytest.approx(np.ptp(found.srs_signed), rel=0.05)
    assert plain.srs_signed_stderr == found.srs_signed_stderr


@pytest.mark.parametrize(
    ("truth", "images"),
    [
        ([3.0, 2.5, 2.0, 1.0, 0.5, 0.5, 0.5, 0.5], 150),  # four tie
        ([0.5, 0.5, 0.5, 0.5, 1.0, 2.0, 2.5, 3.0], 150),  # the same of a negative score
        ([3.0, 2.5, 2.0, 1.0, 0.8, 0.65, 0.5, 0.4], 60),  # several contend
        ([3.0, 2.5, 2.0, 1.5, 1.5, 1.5, 1.5, 0.2], 60),  # no kink
    ],
)
def test_the_score_is_held_whatever_ties(truth, images):
    assert held(np.array(truth), images, 400) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


def test_percentiles_miss_where_bands_tie():
    """What the intersection is for; should this fail, it is not needed any more."""
    assert held(np.array([3.0, 2.5, 2.0, 1.0, 0.5, 0.5, 0.5, 0.5]), 150, 200, "percentile") < 0.7


def test_shares_are_held_where_bands_tie():
    truth = np.array([2.0, 1.0, 0.3, 0.3, 0.3])
    target, tail = spectral_importance(truth), expanded_tail(60, 0.95)
    hits = np.zeros(5)
    for seed in range(120):
        psi, means = normal_means(truth, 60, 600, seed)
        ends = [importance_ends(means, contact_set(psi), row, tail) for row in np.eye(5)]
        hits += [
            low - 1e-9 <= share <= high for (low, high), share in zip(ends, target, strict=True)
        ]
    assert (hits / 120 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 120)).all()


def test_equal_values_have_no_width():
    for psi in (np.ones((5, 8)), np.repeat(np.arange(5.0), 8).reshape(5, 8) + 0.1):
        found = bootstrap_intervals(psi)
        assert found.srs_signed == found.srs == (0.0, 0.0)
        np.testing.assert_allclose([found.sid_low, found.sid_high], [EVEN, EVEN])
    alone = bootstrap_intervals(np.random.default_rng(0).normal(size=(9, 1)))
    assert (alone.srs_signed, alone.sid_low, alone.sid_high) == ((0.0, 0.0), [1.0], [1.0])


def test_bands_that_do_not_vary_are_their_own_intervals():
    psi = np.array([3.0, 1.0, 0.0, 0.0]) * np.random.default_rng(0).uniform(0.5, 1.5, (30, 1))
    found = bootstrap_intervals(psi)
    np.testing.assert_allclose([found.sid_low, found.sid_high], [[0.75, 0.25, 0, 0]] * 2)
    assert np.ptp(found.srs_signed) == pytest.approx(0)


def test_one_image_says_nothing_about_others():
    found = bootstrap_intervals(np.array([[3.0, 2.0, 1.0]]))
    assert found.srs_signed == score_range(3)
    assert found.srs == (0.0, max(map(abs, score_range(3))))
    assert (found.sid_low, found.sid_high) == (pytest.approx([0] * 3), pytest.approx([1] * 3))


@pytest.mark.parametrize("images", [2, 3, 7])
def test_a_few_images_give_ends_on_the_range_around_the_estimate(images):
    rng = np.random.default_rng(images)
    for scale in (0.0, 0.1, 3.0):
        psi = np.linspace(1, 0, 6) + scale * rng.normal(size=(images, 6))
        found, sid = bootstrap_intervals(psi), spectral_importance(psi.mean(axis=0))
        assert score_range(6)[0] <= found.srs_signed[0] <= signed_score(sid) + 1e-9
        assert signed_score(sid) - 1e-9 <= found.srs_signed[1] <= score_range(6)[1]
        assert (found.sid_low <= sid + 1e-9).all()
        assert (found.sid_high >= sid - 1e-9).all()


def test_noise_alone_leaves_everything_open():
    psi = np.random.default_rng(3).normal(size=(50, 8))
    low, high = bootstrap_intervals(psi).srs_signed
    assert low < 0 < high
    assert high - low > 0.5 * np.ptp(score_range(8))


def test_the_tail_is_that_of_student():
    for images in (2, 3, 4, 5, 6, 20, 101, 1000):
        for confidence in (0.5, 0.95, 0.99):
            freedom = images - 1
            far = stdtrit(freedom, 0.5 - confidence / 2) * np.sqrt(images / freedom)
            assert expanded_tail(images, confidence) == pytest.approx(ndtr(far), abs=1e-12)


def test_wrong_requests_are_refused():
    psi = np.ones((5, 3))
    with pytest.raises(UsageError, match="confidence="):
        bootstrap_intervals(psi, confidence=1.0)
    with pytest.raises(UsageError, match="method='normal': choose one of"):
        bootstrap_intervals(psi, method="normal")
