"""Bands are a partition of the frequencies: complete, disjoint, conjugate-symmetric, real."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iaside_onnx import band_images, band_index
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.bands import MOST_BANDS, NORMS, check_bands

from . import graphs

sizes = st.integers(5, 40)


@given(height=sizes, width=sizes, bands=st.integers(1, 3), norm=st.sampled_from(NORMS))
def test_bands_are_symmetric_and_complete(height, width, bands, norm):
    index = band_index(height, width, bands, norm)
    negated = index[-np.arange(height)][:, -np.arange(width)]
    assert np.array_equal(index, negated)
    assert set(np.unique(index)) == set(range(bands))
    assert index[0, 0] == 0


@given(height=sizes, width=sizes, bands=st.integers(1, 3), norm=st.sampled_from(NORMS))
def test_band_images_are_real_sum_to_the_image_and_do_not_overlap(height, width, bands, norm):
    image = np.random.default_rng(height * 41 + width).random((2, height, width))
    parts = band_images(image, bands, norm)
    assert parts.shape == (bands, 2, height, width)
    np.testing.assert_allclose(parts.sum(axis=0), image, atol=1e-12)
    # Each band image is the inverse transform of its part of the spectrum, and that is real.
    index = band_index(height, width, bands, norm)
    for band, part in enumerate(parts):
        whole = np.fft.ifft2(np.where(index == band, np.fft.fft2(image), 0))
        np.testing.assert_allclose(whole.imag, 0, atol=1e-12)
        np.testing.assert_allclose(part, whole.real, atol=1e-12)
    # Disjoint spectra are orthogonal images.
    gram = np.einsum("ichw,jchw->ij", parts, parts)
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-9)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 32), (48, 30), (224, 224)])
def test_band_edges_follow_the_formula(height, width, norm):
    expected = np.minimum(np.floor(graphs.radius(height, width, norm) * 8 + 1e-9), 7)
    assert np.array_equal(band_index(height, width, 8, norm), expected)


def test_exact_edges_where_floating_point_would_miss_one():
    # 2 * 7 / 24 * 12 is exactly 7, but rounds to 6.999... in floating point.
    assert band_index(24, 24, 12)[0, 7] == 7


def test_separate_dc_is_the_mean_colour_alone():
    image = np.random.default_rng(0).random((3, 16, 16))
    parts = band_images(image, 4, separate_dc=True)
    assert len(parts) == 5
    np.testing.assert_allclose(parts[0], image.mean(axis=(1, 2), keepdims=True) + 0 * image)
    np.testing.assert_allclose(parts[1:].mean(axis=(2, 3)), 0, atol=1e-12)


def test_single_precision_stays_single():
    assert band_images(np.zeros((8, 8), np.float32), 2).dtype == np.float32


@pytest.mark.parametrize("bands", [0, 20, 10**6])
def test_impossible_numbers_of_bands_are_refused(bands):
    with pytest.raises(UsageError, match="bands="):
        band_index(16, 16, bands)


def test_the_largest_number_named_in_the_error_works():
    with pytest.raises(UsageError, match="use at most 9"):
        band_index(16, 16, 12)
    assert band_index(16, 16, 9).max() == 8


@pytest.mark.parametrize("norm", NORMS)
def test_a_claimed_size_is_judged_as_its_grid_would_be_and_at_little_cost(norm):
    def fits(size, count, apart):
        try:
            check_bands(*size, count, norm, separate_dc=apart)
        except UsageError:
            return False
        return True

    def radii(size):
        rows, columns = (np.abs(np.fft.fftfreq(side)) * 2 for side in size)
        grid = {
            "linf": np.maximum.outer(rows, columns),
            "l1": np.add.outer(rows, columns) / 2,
            "l2": np.hypot.outer(rows, columns) / np.sqrt(2),
        }
        return grid[norm].ravel()[1:]

    sides, counts = (1, 2, 3, 4, 5, 8, 13, 33, 64), (1, 2, 3, 4, 5, 7, 8, 12, 16, 31)
    for size, count in itertools.product(itertools.product(sides, sides), counts):
        held = set(np.minimum(np.floor(radii(size) * count + 1e-9), count - 1).astype(int))
        assert fits(size, count, True) == (held == set(range(count))), (size, count)
        assert fits(size, count, False) == (held | {0} == set(range(count))), (size, count)
    tracemalloc.start()
    assert fits((1 << 24, 1 << 24), MOST_BANDS, True)
    assert fits((1 << 24, 3), MOST_BANDS, True) == (norm == "linf")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 20
    with pytest.raises(UsageError, match=r"hold no frequency$"):
        check_bands(1, 1, 1, norm, separate_dc=True)
