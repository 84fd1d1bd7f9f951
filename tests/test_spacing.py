"""Edges of bands that are not of equal width: octaves, equal energy, and given ones."""

from __future__ import annotations

import inspect
import itertools
import json
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iaside_onnx as ia
from iaside_onnx import band_images, band_index
from iaside_onnx.cli import main
from iaside_onnx.defaults import PUBLISHED
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.bands import NORMS, check_bands
from iaside_onnx.mathematics.spacing import (
    SPACINGS,
    check_spacing,
    equal_energy_edges,
    octave_edges,
)

from . import graphs
from .conftest import write_npz

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


# From here on, measurements.


@pytest.fixture
def small(tmp_path):
    """A network and twelve images of 16 pixels, of two classes."""
    rng = np.random.default_rng(3)
    images = rng.integers(0, 256, (12, 16, 16, 3), np.uint8)
    images[::2, :, :8] //= 3
    model = graphs.small_network(tmp_path / "m.onnx", size=16)
    return model, write_npz(tmp_path / "d.npz", images, np.arange(12) % 2)


def edges_by_hand(data, bands, norm):
    """Of the mean spectrum of all images in [0, 1]."""
    with np.load(data) as held:
        pixels = np.moveaxis(held["images"], -1, 1) / 255.0
    power = (np.abs(np.fft.rfft2(pixels)) ** 2).mean(axis=0)
    return list(equal_energy_edges(power, pixels.shape[-1], bands, norm))


OPTIONS = ("--bands", 3, "--quiet")


def test_a_report_says_where_its_bands_lie_however_it_came_about(iaside, small, tmp_path):
    model, data = small
    whole, given, resumed = (tmp_path / f"{name}.h5" for name in ("whole", "given", "resumed"))
    spacing = ("--norm", "l2", "--spacing", "equal-energy", *OPTIONS)
    assert iaside("analyze", model, data, "-o", whole, *spacing).exit_code == 0
    report = ia.load(whole)
    edges = edges_by_hand(data, 3, "l2")
    assert report.settings["spacing"] == "equal-energy"
    assert report.settings["edges"] == edges
    assert report.format_version == 4
    # The absence that needs no statistics, and half of the images: the same edges.
    parts = []
    for shard in (1, 2):
        part = tmp_path / f"part{shard}.h5"
        parts.append(part)
        options = ("-o", part, *spacing, "--absence", "zero", "--shard", f"{shard}/2")
        assert iaside("analyze", model, data, *options).exit_code == 0
        assert ia.load(part).settings["edges"] == edges
    assert iaside("merge", *parts, "-o", resumed).exit_code == 0
    zero = ia.analyze(model, data, bands=3, norm="l2", spacing="equal-energy", absence="zero")
    assert np.array_equal(ia.load(resumed).log_prob, zero.log_prob)
    # Given edges play the same game, and may be compared with where they are from.
    typed = ",".join(map(repr, edges))
    options = ("--norm", "l2", "--spacing", "given", "--edges", typed, *OPTIONS)
    assert iaside("analyze", model, data, "-o", given, *options).exit_code == 0
    assert np.array_equal(ia.load(given).log_prob, report.log_prob)
    assert iaside("compare", whole, given).exit_code == 0
    checked = iaside("verify", whole, "--model", model, "--images", data, "--redo", 2)
    assert checked.exit_code == 0
    assert "the same bit for bit" in checked.stdout


def test_reports_of_other_spacings_are_not_compared(iaside, small, tmp_path):
    model, data = small
    files = []
    for name, more in {
        "linear": (), "octave": ("--spacing", "octave"),
        "near": ("--spacing", "given", "--edges", "0.25,0.6"),
    }.items():  # fmt: skip
        files.append(tmp_path / f"{name}.h5")
        options = ("--norm", "linf", *more, *OPTIONS)
        assert iaside("analyze", model, data, "-o", files[-1], *options).exit_code == 0
    for first, other in itertools.permutations(files, 2):
        refused = iaside("compare", first, other)
        assert refused.exit_code == 2
        assert f"spacing {ia.load(other).settings.get('spacing', 'linear')} against" in (
            refused.stderr
        )
    shown = iaside("show", files[1]).stdout
    assert "3 bands (linf, octave)" in shown
    assert "1 (8 to 4 px)" in shown
    assert "px" not in iaside("show", files[0]).stdout
    held = json.loads(iaside("show", files[1], "--json").stdout)["band_edges"]
    assert held == {
        "radius": [0.0, 0.25, 0.5, 1.0], "cycles_a_pixel": [0.0, 0.125, 0.25, 0.5],
    }  # fmt: skip
    page = tmp_path / "page.html"
    assert iaside("html", *files, "-o", page).exit_code == 0
    html = page.read_text(encoding="utf-8")
    assert "differ in spacing: given, linear, octave" in html


@pytest.mark.parametrize("spacing", ["octave", "equal-energy"])
def test_other_measurements_have_the_same_bands(iaside, small, tmp_path, spacing):
    model, data = small
    report = ia.analyze(model, data, bands=3, spacing=spacing, samples=0)
    edges = report.settings["edges"]
    damage = ia.explain(model, data, corruption="contrast", bands=3, spacing=spacing, samples=0)
    assert damage.settings["edges"] == edges
    assert damage.format_version == 3
    snr = ia.measure_snr(
        data, corruption="contrast", severity=3, bands=3, spacing=spacing, samples=0
    )
    assert snr.settings["edges"] == edges
    assert np.isin(edges, snr.ring_edges).all()
    # A contrast of 0.4 leaves 0.4 of every band but DC, wherever the edges are.
    np.testing.assert_allclose(snr.curves[0][0].gain.value[1:], 0.4, atol=1e-6)
    assert ia.predict_damage(report, snr).settings["edges"] == edges
    heat = ia.measure_heatmap(model, data, bands=3, spacing=spacing, samples=4)
    other = ia.analyze(model, data, bands=3, spacing=spacing, samples=4)
    assert heat.settings["edges"] == other.settings["edges"]
    assert heat.format_version == 4
    for result in (damage, snr, heat, report):
        path = tmp_path / f"{type(result).__name__}.h5"
        result.save(path)
        assert iaside("show", path).exit_code == 0
        assert iaside("plot", path, "-o", path.with_suffix(".png")).exit_code == 0
        of = () if result is snr else ("--model", model)
        checked = iaside("verify", path, *of, "--images", data, "--redo", 2)
        assert checked.exit_code == 0, checked.stdout


def test_a_heat_map_can_be_seen_in_other_bands(small):
    model, data = small
    heat = ia.measure_heatmap(model, data, bands=3, samples=3)
    octaves = heat.view(spacing="octave")
    assert octaves.settings["edges"] == [0.25, 0.5]
    assert octaves.view(bands=4).settings["edges"] == [0.125, 0.25, 0.5]
    assert octaves.view(spacing="linear").settings == heat.settings
    assert octaves.view(confidence=0.9).settings["edges"] == [0.25, 0.5]
    with pytest.raises(UsageError, match="needs edges"):
        heat.view(spacing="equal-energy")
    report = ia.analyze(model, data, bands=3, spacing="equal-energy", norm="l1")
    assert heat.seen_as(report).settings["edges"] == report.settings["edges"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--norm", "linf", "--spacing", "octave"), "use at most 4"),
        (("--norm", "linf", "--spacing", "equal-energy", "--bands", 9), "use at most 8"),
        (("--spacing", "octaves"), "did you mean octave"),
        (("--spacing", "given"), "go together"),
        (("--edges", "0.1,0.2"), "go together"),
        (("--spacing", "given", "--edges", "0.1;0.2"), "is no list of radii"),
        (("--spacing", "given", "--edges", "0.2,0.5"), "2 edges make --bands 3"),
        (("--bands", 3, "--spacing", "given", "--edges", "0.2,0.21"), "would hold no frequency"),
        (("--as-published", "--norm", "l2"), "--as-published means --norm linf"),
        (("--as-published", "--separate-dc"), "--as-published goes without --separate-dc"),
        (("--as-published", "--beta", "0.5"), "--as-published means --beta 0.75"),
        (("--as-published", "--passes", 50), "--as-published means --estimator exact; leave out"),
        (("--as-published", "--edges", "0.1,0.2"), "means --spacing linear; leave out --edges"),
        (
            ("--as-published", "--task", "other"),
            "--as-published means --value log-prob: any other output is valued in agreement; "
            "leave it out, and give --norm linf for the rest",
        ),
        (("--value", "log-prob", "--task", "other"), "Error: --value log-prob: any other output"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(iaside, small, tmp_path, options, words):
    refused = iaside("analyze", *small, "-o", tmp_path / "r.h5", *options)
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("Error: ")
    assert not (tmp_path / "r.h5").exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("edges", [(np.inf, np.inf), (-np.inf, -np.inf), (np.nan, 0.5), (0.1, 2.0)])
def test_radii_that_are_none_are_refused_without_a_warning(edges):
    with pytest.raises(UsageError, match="give ascending radii above 0"):
        check_spacing(16, 16, 3, "l2", "given", edges=edges)


def test_as_published_is_what_the_paper_has(small, tmp_path):
    model, data = small
    tiny = graphs.small_network(tmp_path / "tiny.onnx", size=8)
    with pytest.raises(UsageError, match="as_published=True means bands=8: it is too many"):
        ia.analyze(tiny, (np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 0, 1]), as_published=True)
    one = ia.analyze(model, data, as_published=True, samples=4)
    assert "spacing" not in one.settings  # as files of the first version have it
    assert {**PUBLISHED, **one.settings}.items() >= PUBLISHED.items()
    with pytest.raises(UsageError, match="as_published=True means spacing='linear'"):
        ia.explain(model, data, corruption="fog", spacing="octave", as_published=True)
    damage = ia.explain(model, data, corruption="fog", samples=4, as_published=True)
    assert damage.settings["norm"] == "linf"
    assert damage.value == "right"


def test_measurements_fit_each_other_by_default_and_plain_functions_are_as_published(small):
    model, data = small
    few = {"samples": 4, "bands": 3}
    analysis = ia.analyze(model, data, **few)
    snr = ia.measure_snr(data, **few, corruption="fog", severity=3)
    heatmap = ia.measure_heatmap(model, data, **few, grid=5)
    damage = ia.explain(model, data, corruption="fog", **few)
    stand_ins = ia.measure_stand_ins(model, data, corruption="fog", severity=3, samples=4)
    for each in (analysis, snr, heatmap, damage, stand_ins):
        assert each.settings["norm"] == "l2"
    assert ia.predict_damage(analysis, snr).perturbations == ["fog"]
    options = [each for made in main.commands.values() for each in made.params]
    assert {each.default for each in options if each.name == "norm"} == {"l2"}
    for function in (ia.band_images, band_index, equal_energy_edges):
        assert inspect.signature(function).parameters["norm"].default == "linf"
