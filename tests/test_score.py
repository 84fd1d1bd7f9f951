"""SID and SRS: figures known on paper, ranges, resamples that are paired."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iaside_onnx import signed_score, spectral_importance, spectral_robustness_score
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.score import (
    is_uniform,
    resampled_means,
    score_range,
)

psis = arrays(np.float64, st.integers(2, 12), elements=st.floats(-50, 50))


def test_published_figures_for_eight_bands():
    lowest, highest, even = np.eye(8)[0], np.eye(8)[7], np.full(8, 1 / 8)
    assert spectral_robustness_score(lowest) == pytest.approx(0.522, abs=5e-4)
    assert spectral_robustness_score(highest) == pytest.approx(0.300, abs=5e-4)
    assert spectral_robustness_score(even) == pytest.approx(0, abs=1e-12)
    assert signed_score(highest) == pytest.approx(-0.300, abs=5e-4)
    assert score_range(8) == pytest.approx((-0.300, 0.522), abs=5e-4)


@given(psis)
def test_distribution_sums_to_one_and_ignores_shift_and_scale(psi):
    sid = spectral_importance(psi)
    assert sid.min() >= 0
    assert sid.sum() == pytest.approx(1)
    if np.ptp(psi) > 1e-3:
        np.testing.assert_allclose(spectral_importance(3 * psi + 7), sid, atol=1e-6)
        assert sid[psi.argmax()] == sid.max()


@given(psis, st.floats(0.05, 0.95))
def test_score_stays_on_its_range(psi, beta):
    low, high = score_range(len(psi), beta)
    score = signed_score(spectral_importance(psi), beta)
    assert low - 1e-9 <= score <= high + 1e-9


def test_equal_values_give_the_uniform_distribution():
    psi = np.full(7, 0.1 + 0.2)
    psi[3] = 0.3  # equal up to rounding
    assert is_uniform(psi)
    np.testing.assert_allclose(spectral_importance(psi), 1 / 7)
    np.testing.assert_allclose(spectral_importance(np.zeros(4)), 1 / 4)


def test_resampling_has_the_right_spread_and_is_paired():
    psi = np.random.default_rng(1).normal(size=(200, 3))
    means = resampled_means(psi, seed=0, resamples=4000)
    np.testing.assert_allclose(means.std(axis=0), psi.std(axis=0) / np.sqrt(200), rtol=0.05)
    np.testing.assert_allclose(resampled_means(psi + 5.0, seed=0, resamples=4000) - 5.0, means)


@pytest.mark.parametrize("beta", [0, 1, -1, 2, float("nan")])
def test_beta_outside_its_range_is_refused(beta):
    with pytest.raises(UsageError, match="beta="):
        spectral_robustness_score(np.full(8, 1 / 8), beta)
