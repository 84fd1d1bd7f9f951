"""Correlations compared with scipy, and against what can be worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.correlation import (
    METHODS,
    approximate_ends,
    correlation_matrix,
    correlations,
    partial_correlation,
)

SCIPY = {
    "spearman": scipy.stats.spearmanr,
    "kendall": scipy.stats.kendalltau,
    "pearson": scipy.stats.pearsonr,
}


@pytest.mark.parametrize("method", METHODS)
def test_each_coefficient_is_scipys_ties_included(method):
    rng = np.random.default_rng(1)
    values = np.round(rng.normal(size=(5, 3, 12)), 1)
    values[:, 1] = np.round(values[:, 0] * 2)
    found = correlation_matrix(values, method)
    for sample, matrix in zip(values, found, strict=True):
        for i in range(3):
            for j in range(3):
                assert matrix[i, j] == pytest.approx(SCIPY[method](sample[i], sample[j])[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_correlates_with_nothing(method):
    found = correlation_matrix([[0.1, 0.1, 0.1, 0.1], [1, 2, 3, 4]], method)
    assert np.isnan(found[0]).all()
    assert found[1, 1] == pytest.approx(1)


def test_partial_correlation_is_that_of_the_residuals():
    rng = np.random.default_rng(2)
    z = rng.normal(size=50)
    x, y = z + rng.normal(size=50), rng.normal(size=50) - z
    found = partial_correlation(correlation_matrix([x, y, z], "pearson"), 2)
    left = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    assert found[0, 1] == pytest.approx(np.corrcoef(left)[0, 1])
    assert np.isnan(found[2]).all()


def test_a_common_cause_leaves_no_partial_correlation():
    rng = np.random.default_rng(3)
    cause = rng.normal(size=400)
    x, y = (cause + rng.normal(size=400) for _ in range(2))
    found = correlations([x, cause], [y], fixed=1, method="pearson", resamples=300)
    assert found.value[0, 0] > 0.4
    assert found.low[0, 0] > 0
    assert found.partial_low[0, 0] < 0 < found.partial_high[0, 0]
    assert np.isnan(found.partial[1, 0])
    assert np.isnan(found.partial_low[1, 0])


def test_intervals_cover_the_true_correlation():
    rng = np.random.default_rng(4)
    truth, covered = 0.6, 0
    for seed in range(100):
        x = rng.normal(size=40)
        y = truth * x + np.sqrt(1 - truth**2) * rng.normal(size=40)
        found = correlations([x], [y], 0, "pearson", seed=seed, resamples=400)
        covered += bool(found.low[0, 0] <= truth <= found.high[0, 0])
    assert 88 <= covered <= 99


def test_the_approximate_interval_is_bonett_and_wrights():
    # By hand: arctanh 0.5 = 0.549306, error sqrt(1.125 / 22) = 0.226134, times 1.959964.
    assert approximate_ends(-0.5, 25) == pytest.approx((-0.758435, -0.105696), abs=2e-6)
    assert approximate_ends(0.5, 25, "pearson") == pytest.approx(
        np.tanh(0.549306 + 1.959964 / np.sqrt(22) * np.array([-1, 1])), abs=2e-6
    )
    # A perfect order of 4: arctanh 0.9 = 1.472219, error sqrt(1.405) = 1.185327.
    assert approximate_ends([1, -1], 4) == pytest.approx(
        np.array([[-0.691580, -1], [1, 0.691580]]), abs=2e-6
    )
    for method, least in (("spearman", 4), ("kendall", 5), ("pearson", 4)):
        assert np.isnan(approximate_ends(1, least - 1, method)).all()
        assert np.isnan(approximate_ends(1, least, method, held=1)).all()
        for count in range(least, 10):
            low, high = approximate_ends([1, 0.2, np.nan], count, method)
            assert low[0] < 0.98
            assert high[0] == 1
            assert low[1] < 0.2 < high[1]
            assert np.isnan([low[2], high[2]]).all()


@pytest.mark.parametrize(("models", "approximate"), [(9, True), (10, False)])
def test_resampling_begins_where_models_are_no_longer_few(models, approximate):
    order = np.arange(models)
    found = correlations([order, order % 4], [-order], 1)
    assert (found.high[0, 0] > -0.99) == approximate


def test_what_cannot_be_correlated():
    with pytest.raises(UsageError, match="at least 4"):
        correlations(np.zeros((1, 3)), np.zeros((1, 3)), 0)
    with pytest.raises(UsageError, match="finite"):
        correlations([[1, 2, 3, np.nan]], [[1, 2, 3, 4]], 0)
    with pytest.raises(UsageError, match="choose one of spearman"):
        correlation_matrix([[1, 2]], "distance")


@pytest.mark.parametrize("method", ["spearman", "kendall"])
def test_equal_numbers_tie_in_whatever_order_they_were_summed(method):
    sums = [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.5, 0.9]
    assert sums[0] != sums[1]
    found = correlation_matrix([sums, [1, 2, 3, 4]], method)
    np.testing.assert_allclose(found, correlation_matrix([[6, 6, 5, 9], [1, 2, 3, 4]], method))
