"""Edges of bands that are not of equal width: octaves, equal energy, and given ones."""

from __future__ import annotations

import itertools
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iaside_onnx import band_images, band_index
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.bands import NORMS, check_bands
from iaside_onnx.mathematics.spacing import (
    SPACINGS,
    check_spacing,
    equal_energy_edges,
    octave_edges,
)

from . import graphs

sizes = st.integers(7, 40)


def edges_of(spacing, power, width, bands, norm):
    if spacing == "octave":
        return octave_edges(bands)
    return equal_energy_edges(power, width, bands, norm)


def falling(height, width, seed=0):
    """A power spectrum as photographs have it, with noise on it."""
    radius = graphs.radius(height, width, "l2")[:, : width // 2 + 1]
    power = np.random.default_rng(seed).exponential(size=radius.shape) / (0.02 + radius) ** 2
    return power[None]


@given(
    height=sizes, width=sizes, bands=st.integers(1, 3), norm=st.sampled_from(NORMS),
    spacing=st.sampled_from(["octave", "equal-energy"]),
)  # fmt: skip
def test_bands_of_any_spacing_are_a_symmetric_partition(height, width, bands, norm, spacing):
    edges = edges_of(spacing, falling(height, width), width, bands, norm)
    index = band_index(height, width, bands, norm, edges=edges)
    assert np.array_equal(index, index[-np.arange(height)][:, -np.arange(width)])
    assert set(np.unique(index)) == set(range(bands))
    assert index[0, 0] == 0
    radius = graphs.radius(height, width, norm)
    ends = [0.0, *edges, 2.0]
    for band in range(bands):
        inside = radius[index == band]
        assert ends[band] - 1e-9 <= inside.min()
        assert inside.max() < ends[band + 1]
    image = np.random.default_rng(height).random((2, height, width))
    parts = band_images(image, bands, norm, edges=edges)
    np.testing.assert_allclose(parts.sum(axis=0), image, atol=1e-12)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("shape", [(32, 32), (33, 20), (224, 224)])
def test_linear_is_one_spacing_of_many(shape, norm):
    for bands in (1, 5, 8):
        same = band_index(*shape, bands, norm, edges=[k / bands for k in range(1, bands)])
        assert np.array_equal(same, band_index(*shape, bands, norm))


def test_octaves_double():
    assert octave_edges(4) == (0.125, 0.25, 0.5)
    assert octave_edges(1) == ()
    index = band_index(32, 32, 5, edges=octave_edges(5))
    assert index[0, :17].tolist() == [0, 1, *[2] * 2, *[3] * 4, *[4] * 9]


def runs(values, bands):
    """Sums of every way to cut values into runs."""
    for cuts in itertools.combinations(range(1, len(values)), bands - 1):
        yield np.array([part.sum() for part in np.split(values, cuts)])


def energies(power, width, norm):
    """Radii of a grid, and the power of each without DC: slowly, over the whole plane."""
    height = power.shape[-2]
    radius = graphs.radius(height, width, norm).round(9)
    mirrored = np.zeros(radius.shape)
    for row, column in np.ndindex(radius.shape):
        here = (row, column) if column <= width // 2 else (-row % height, -column % width)
        mirrored[row, column] = power.sum(axis=0)[here]
    found = np.unique(radius)
    return found[1:], np.array([mirrored[radius == each].sum() for each in found[1:]])


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("bands", [1, 2, 4])
@pytest.mark.parametrize("shape", [(9, 9), (12, 7)])
def test_equal_energy_is_as_equal_as_whole_radii_allow(shape, bands, norm):
    power = falling(*shape, seed=bands)
    power[:, 0, 0] = 1e6  # DC counts nowhere
    edges = equal_energy_edges(power, shape[1], bands, norm)
    radius, energy = energies(power, shape[1], norm)
    radius, energy = radius[:14], energy[:14]  # every way to cut them
    if len(radius) < 14:
        best = min(np.square(sums).sum() for sums in runs(energy, bands))
        held = np.split(energy, np.searchsorted(radius, np.array(edges) - 1e-6))
        assert np.isclose(sum(part.sum() ** 2 for part in held), best)
    assert np.isin(np.round(edges, 9), energies(power, shape[1], norm)[0]).all()


@pytest.mark.parametrize("norm", NORMS)
def test_neighbouring_shares_differ_by_no_more_than_a_radius_holds(norm):
    height, width, bands = 48, 36, 8
    power = falling(height, width)
    edges = equal_energy_edges(power, width, bands, norm)
    radius, energy = energies(power, width, norm)
    parts = np.split(energy / energy.sum(), np.searchsorted(radius, np.array(edges) - 1e-6))
    assert len(parts) == bands
    for lower, upper in itertools.pairwise(parts):
        if len(lower) > 1:
            assert lower.sum() - upper.sum() <= lower[-1] + 1e-12
        if len(upper) > 1:
            assert upper.sum() - lower.sum() <= upper[0] + 1e-12


def test_edges_of_power_that_is_nowhere_or_flat():
    assert equal_energy_edges(np.zeros((1, 8, 5)), 8, 4) == (0.5, 0.75, 1.0)
    with pytest.raises(UsageError, match="use at most 4"):
        equal_energy_edges(np.ones((1, 8, 5)), 8, 5)
    with pytest.raises(UsageError, match="none of images of width 8"):
        equal_energy_edges(np.ones((1, 8, 4)), 8, 2)


@pytest.mark.parametrize("spacing", SPACINGS[:3])
@pytest.mark.parametrize("separate_dc", [False, True])
def test_the_largest_number_named_is_had_and_one_more_is_not(spacing, separate_dc):
    for (height, width), norm in itertools.product([(32, 32), (16, 9), (5, 64)], NORMS):
        with pytest.raises(UsageError, match="use at most") as refused:
            check_spacing(height, width, 500, norm, spacing, separate_dc=separate_dc)
        most = int(str(refused.value).rpartition(" ")[2])

        def made(bands, shape=(height, width), norm=norm):
            edges = None
            if spacing != "linear":
                edges = edges_of(spacing, falling(*shape), shape[1], bands, norm)
            return band_index(*shape, bands, norm, separate_dc=separate_dc, edges=edges)

        assert made(most).max() == most - 1 + separate_dc
        with pytest.raises(UsageError):
            made(most + 1)


@pytest.mark.parametrize("norm", NORMS)
def test_an_empty_band_is_found_at_little_cost(norm):
    radius = {
        shape: graphs.radius(*shape, norm).ravel()[1:] for shape in [(7, 12), (16, 16), (3, 40)]
    }
    rng = np.random.default_rng(1)
    for shape, _ in itertools.product(radius, range(60)):
        edges = sorted(rng.random(rng.integers(1, 6)))
        held = np.searchsorted(edges, radius[shape] + 1e-9, side="right")
        fits = set(held) == set(range(len(edges) + 1))
        refused = nullcontext() if fits else pytest.raises(UsageError, match="hold no frequency")
        with refused:
            check_bands(*shape, len(edges) + 1, norm, separate_dc=True, edges=edges)
    check_bands(1 << 24, 1 << 24, 8, norm, edges=octave_edges(8), separate_dc=True)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([0.5, 0.2], "ascending"), ([0.0, 0.5], "ascending"), ([0.5, 1.5], "up to 1"),
        ([0.5], "make bands=2"), ("0.1", "give radii"), ([0.1, "x"], "give radii"),
        ([0.1, float("nan")], "ascending"),
    ],
)  # fmt: skip
def test_what_are_no_edges_is_refused(edges, words):
    with pytest.raises(UsageError, match=words):
        band_index(32, 32, 3, edges=edges)
