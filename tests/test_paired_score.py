"""The difference of two signed scores where bands tie for the weakest in one model alone."""

import numpy as np
import pytest

from iaside_onnx import signed_score, spectral_importance
from iaside_onnx.mathematics import paired_score
from iaside_onnx.mathematics.intervals import expanded_tail
from iaside_onnx.mathematics.paired_score import ScoreDifference
from iaside_onnx.mathematics.score import resampled_means

TIED = np.array([3.0, 2.5, 2.0, 1.0, 0.5, 0.5, 0.5])
CLEAR = TIED - np.eye(7)[6]


def tables(seed, first, second, images=80):
    """Shapley values of two models that are alike on each image, but for a little noise."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 1, (images, 7))
    return [truth + common + rng.normal(0, 0.3, (images, 7)) for truth in (first, second)]


def score(means):
    return signed_score(spectral_importance(means))


@pytest.mark.parametrize(("first", "second"), [(TIED, CLEAR), (CLEAR, TIED), (TIED, TIED)])
def test_the_difference_is_held_whichever_model_has_ties(monkeypatch, first, second):
    shares = resampled_means(np.eye(80), 0, 500)
    monkeypatch.setattr(paired_score, "resampled_means", lambda rows, *_: shares @ rows)
    truth = score(second) - score(first)
    tail = expanded_tail(80, 0.95)
    hits = np.zeros(2)
    for seed in range(120):
        pair = tables(seed, first, second)
        low, high = ScoreDifference(*pair).interval()
        reference, other = (score(shares @ table) for table in pair)
        plain = np.quantile(other - reference, [tail, 1 - tail])
        hits += [low <= truth <= high, plain[0] <= truth <= plain[1]]
    assert hits[0] / 120 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 120)
    if first is not second:
        assert hits[1] / 120 < 0.75  # what it is for


def test_exchanged_models_change_the_sign_alone():
    first, second = tables(0, TIED, CLEAR)
    one, two = ScoreDifference(first, second), ScoreDifference(second, first)
    assert one.interval() == pytest.approx([-end for end in two.interval()[::-1]])
    assert one.p_value() == pytest.approx(two.p_value())


def test_test_and_interval_agree():
    for seed in range(4):
        pair = ScoreDifference(*tables(seed, TIED, CLEAR + seed * np.eye(7)[0] / 2, images=25))
        for confidence in (0.5, 0.9, 0.95):
            low, high = pair.interval(confidence)
            seen = pair.p_value(confidence) <= 1 - confidence
            assert seen == (low > 0 or high < 0)
        assert pair.p_value(0.9) == pytest.approx(pair.p_value(0.95), abs=0.02)


def test_a_model_does_not_differ_from_itself():
    first, _ = tables(1, TIED, TIED)
    for rows in (first, np.ones((6, 4)), first[:, :1]):
        same = ScoreDifference(rows, rows)
        assert same.interval() == (0.0, 0.0)
        assert same.p_value() == 1.0


def test_without_ties_it_is_the_expanded_percentile_interval():
    first, second = tables(2, CLEAR + 3 * np.eye(7)[0], CLEAR)
    tail = expanded_tail(80, 0.95)
    reference, other = np.split(resampled_means(np.hstack([first, second]), 0), 2, axis=1)
    ends = np.quantile(score(other) - score(reference), [tail, 1 - tail])
    np.testing.assert_allclose(ScoreDifference(first, second).interval(), ends, atol=2e-3)
