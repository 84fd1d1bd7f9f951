"""Fourier heat maps: the basis, a model that reads one wave, the command, files from strangers."""

from __future__ import annotations

import dataclasses
import json

import h5py
import numpy as np
import pytest
from scipy.stats import spearmanr

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.fourier_basis import FrequencyGrid, basis_vectors, default_strength
from iaside_onnx.storage.seal import seal

from . import graphs
from .conftest import ROOT, named, write_npz

SIZES = [(8, 8), (9, 7), (6, 11), (1, 5)]


@pytest.mark.parametrize("size", SIZES)
def test_vectors_are_real_of_norm_1_and_each_of_one_conjugate_pair(size):
    grid = FrequencyGrid(*size)
    vectors = basis_vectors(*size, grid.vectors)
    assert vectors.dtype == np.float32
    spectrum = np.abs(np.fft.fft2(vectors)) > 1e-4
    np.testing.assert_array_equal(spectrum.sum(axis=(1, 2)), grid.weights)
    row, column = grid.vectors.T
    each = np.arange(len(vectors))
    for sign in (1, -1):
        assert spectrum[each, sign * row % size[0], sign * column % size[1]].all()
    # Every coefficient belongs to one vector, and the vectors are orthonormal.
    assert np.all(spectrum.sum(axis=0) == 1)
    flat = vectors.reshape(len(vectors), -1).astype(float)
    np.testing.assert_allclose(flat @ flat.T, np.eye(len(flat)), atol=1e-6)


def test_dc_and_nyquist_are_vectors_of_one_coefficient():
    grid = FrequencyGrid(8, 6)
    alone = {tuple(vector) for vector in grid.vectors[grid.weights == 1].tolist()}
    assert alone == {(0, 0), (0, -3), (-4, 0), (-4, -3)}
    dc, board = basis_vectors(8, 6, np.array([[0, 0], [4, 3]]))
    np.testing.assert_allclose(dc, 1 / np.sqrt(48), rtol=1e-6)
    np.testing.assert_allclose(board[0, :2] * np.sqrt(48), [1, -1], rtol=1e-6)
    with pytest.raises(UsageError, match="grid=4: give 'full' or an odd number"):
        FrequencyGrid(8, 8, 4)
    with pytest.raises(UsageError, match="use at most 7, or 'full'"):
        FrequencyGrid(8, 6, 9)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_the_default_grid_has_the_middle_of_every_band_and_is_half_measured(norm):
    grid = FrequencyGrid(32, 64, 17)
    assert grid.rows.tolist() == [-15, -13, -11, -9, -7, -5, -3, -1, 0, 1, 3, 5, 7, 9, 11, 13, 15]
    assert grid.columns[-2:].tolist() == [26, 30]
    assert grid.place.shape == (17, 17)
    assert len(grid.vectors) == (17 * 17 + 1) // 2
    np.testing.assert_array_equal(grid.place, grid.place[::-1, ::-1])
    assert set(grid.bands(8, norm)) == set(range(8))
    # A line of frequencies along x lies in the bands of its radius.
    along = dict(zip(map(tuple, grid.vectors.tolist()), grid.bands(8, "linf"), strict=True))
    assert [along[0, column] for column in (0, 2, 6, 10, 30)] == [0, 0, 1, 2, 7]


@pytest.mark.parametrize("size", [(28, 28), (27, 28), (64, 64), (15, 6), (1, 4)])
def test_every_grid_that_can_be_asked_for_can_be_read_again(size):
    for lines in [None, *range(3, 2 * (min(size) // 2) + 2, 2)]:
        grid = FrequencyGrid(*size, lines)
        shape = 2, len(grid.vectors)
        report = ia.HeatmapReport(
            wrong=np.zeros(shape, bool), change=np.zeros(shape, np.float32),
            settings={
                "size": list(size), "grid": lines, "strength": 1.0, "clip": False, "seed": 0,
                "bands": 2, "norm": "linf", "separate_dc": False, "confidence": 0.95,
            },
            labels=np.zeros(2, int), predicted=np.zeros(2, int), image_ids=["a", "b"],
            model={}, data={}, run={}, created="", provider="cpu", iaside_version="0",
        )  # fmt: skip
        report.check()
        assert grid.least_vectors <= len(grid.vectors) <= 2 * grid.least_vectors


def test_the_default_strength_is_the_papers_at_its_sizes():
    assert default_strength(32, 32) == 4
    assert default_strength(224, 224) == 15.7
    assert default_strength(16, 16) == 2
    assert 4 / 32 > default_strength(64, 64) / 64 > 15.7 / 224


def grey(path, count=24, size=16):
    """Uniform images of different levels: the same image twice would get the same signs."""
    levels = np.arange(count, dtype=np.uint8)[:, None, None, None] + 116
    return write_npz(path, np.tile(levels, (1, size, size, 3)), np.ones(count, int))


def test_a_model_that_reads_one_wave_lights_up_there_alone(tmp_path):
    # p(class 0) = exp(-1 + 3 a^2), a the amplitude of cos at 3 cycles, averaged over channels.
    model = graphs.energies(tmp_path / "m.onnx", 16, [3], [3.0])
    report = ia.measure_heatmap(model, grey(tmp_path / "g.npz"), strength=8.0, grid="full", bands=4)
    assert report.accuracy == 1
    lit = np.zeros((17, 17), bool)
    lit[report.grid.rows == 0] = np.abs(report.grid.columns) == 3
    assert lit.sum() == 2
    assert report.error_map[~lit].max() == 0
    assert report.mpe_map[~lit].max() < 1e-5
    np.testing.assert_array_equal(report.mpe_map, report.mpe_map[::-1, ::-1])
    # U's cosine has amplitude 1/16; signs of three channels agree in a quarter of all draws.
    place = report.grid.place[lit][0]
    alike, mixed = (2 * (np.exp(-1 + 3 * a**2) - np.exp(-1)) for a in (8 / 16, 8 / 48))
    agree = report.wrong[:, place]
    assert 0 < agree.mean() < 0.6
    np.testing.assert_allclose(report.change[:, place], np.where(agree, alike, mixed), atol=1e-4)
    # The wave lies in band floor(4 * 6/16) = 1, one pair of the 48 coefficients with it.
    damage = report.band_damage
    assert damage.coefficients.sum() == 16 * 16
    share = 2 / damage.coefficients[1]
    np.testing.assert_allclose(damage.error.value, [0, share * agree.mean(), 0, 0], atol=1e-12)
    assert damage.mpe.low[1] < damage.mpe.value[1] < damage.mpe.high[1]


@pytest.fixture
def small(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return (
        graphs.small_network(tmp_path / "net.onnx"),
        write_npz(tmp_path / "noise.npz", images, np.arange(6) % 4),
    )


def test_nothing_hangs_on_batch_grid_or_other_images(small):
    whole = ia.measure_heatmap(*small, grid="full", bands=4, batch=7)
    for batch in (1, 1000, None):
        other = ia.measure_heatmap(*small, grid="full", bands=4, batch=batch)
        np.testing.assert_allclose(other.change, whole.change, atol=1e-5)
        np.testing.assert_array_equal(other.wrong, whole.wrong)
    coarse = ia.measure_heatmap(*small, grid=5, bands=2, samples=4)
    vectors = whole.grid.vectors.tolist()
    columns = [vectors.index(vector) for vector in coarse.grid.vectors.tolist()]
    rows = [whole.image_ids.index(name) for name in coarse.image_ids]
    np.testing.assert_allclose(coarse.change, whole.change[np.ix_(rows, columns)], atol=1e-5)
    seeded = ia.measure_heatmap(*small, grid=5, bands=2, seed=1)
    assert sorted(seeded.image_ids) == sorted(whole.image_ids)
    assert not np.allclose(seeded.mpe, whole.mpe[columns], atol=1e-5)
    cut = ia.measure_heatmap(*small, grid=5, bands=2, samples=4, clip=True)
    assert np.abs(cut.change - coarse.change).max() > 0.001


def test_a_grid_whose_ends_are_one_frequency_is_written_and_read(small, tmp_path):
    found = ia.measure_heatmap(*small, tmp_path / "m.h5", grid=15, bands=2, samples=2)
    assert found.grid.rows[-1] == 8  # of 16 pixels: -8 is the same wave
    assert ia.load(tmp_path / "m.h5").frequencies.tolist() == found.frequencies.tolist()


def test_an_interrupted_run_goes_on_to_the_same_numbers(small, tmp_path):
    done = []

    def stop_midway(passes):
        done.append(passes)
        if sum(done) > 60:
            raise KeyboardInterrupt

    options = {"bands": 2, "batch": 8}
    undisturbed = ia.measure_heatmap(*small, tmp_path / "a.h5", **options)
    target = tmp_path / "b.h5"
    with pytest.raises(KeyboardInterrupt):
        ia.measure_heatmap(*small, target, listener=ia.Listener(advance=stop_midway), **options)
    assert not target.exists()
    with pytest.raises(ia.IasideError, match=r"was made with strength 2\.0, not 3\.0"):
        ia.measure_heatmap(*small, target, resume=True, strength=3.0, **options)
    resumed = ia.measure_heatmap(*small, target, resume=True, **options)
    assert resumed.run["resumed_after"] > 0
    np.testing.assert_array_equal(resumed.change, undisturbed.change)
    np.testing.assert_array_equal(resumed.wrong, undisturbed.wrong)
    notes = []
    again = ia.measure_heatmap(
        *small, target, resume=True, confidence=0.5, listener=ia.Listener(note=notes.append),
        **options,
    )  # fmt: skip
    assert "complete already" in notes[-1]
    assert again.settings["confidence"] == 0.5
    np.testing.assert_array_equal(ia.load_heatmap(target).change, undisturbed.change)


def test_other_bands_need_no_model_and_empty_ones_are_said(small):
    report = ia.measure_heatmap(*small, grid=3, bands=1)
    seen = report.view(bands=4, norm="l2")
    assert seen.band_damage.coefficients.tolist() == [1, 4, 4, 0]
    assert np.isnan(seen.band_damage.mpe.value[3])
    assert seen.summary()["band_mpe"]["value"][3] is None
    assert report.view(bands=4, separate_dc=True).band_names == ["DC", "0", "1", "2", "3"]
    for values in (seen.band_damage.mpe, report.band_damage.mpe):
        known = np.isfinite(values.value)
        assert np.all(values.low[known] <= values.value[known])
    with pytest.raises(UsageError, match="too many"):
        report.view(bands=30)


def test_the_command_writes_what_show_and_plot_read(iaside, tmp_path):
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    target, analysis, picture = (tmp_path / name for name in ("map.h5", "plain.h5", "map.png"))
    common = ["--samples", 3, "--bands", 3, "--provider", "cpu"]
    enough = [*common, "--samples", 24, "--quiet"]
    assert iaside("analyze", model, images, "-o", analysis, *enough).exit_code == 0
    result = iaside(
        "heatmap", model, images, "-o", target, *common, "--analysis", analysis, "--plot", picture
    )
    assert result.exit_code == 0, result.stderr
    assert "cost: 3 images x (25 Fourier basis vectors" in result.stderr
    assert "= 78 forward passes" in result.stderr
    assert result.stderr.index("cost:") < result.stderr.index("clean accuracy")
    assert "Spearman's correlation over" in result.stdout
    assert picture.stat().st_size > 10_000
    shown = json.loads(iaside("show", target, "--json").stdout)
    assert np.shape(shown["error"]) == np.shape(shown["mpe"]) == (7, 7)
    assert shown["rows"] == shown["columns"]
    again = iaside(
        "heatmap", model, images, "-o", target, *common, "--resume", "--json",
        "--analysis", analysis,
    )  # fmt: skip
    found = json.loads(again.stdout)
    assert found["band_mpe"] == shown["band_mpe"]
    assert found["analysis"]["spearman"]["mpe"] is None  # three bands rank nothing
    both = tmp_path / "both.svg"
    assert iaside("plot", target, analysis, "-o", both).exit_code == 0
    assert both.stat().st_size > 10_000
    other = tmp_path / "robust.h5"
    found = ia.load(analysis)
    dataclasses.replace(found, model={**found.model, "sha256": "0" * 64}).save(other)
    result = iaside("plot", target, other, "-o", tmp_path / "x.png")
    assert "none of the files of iaside heatmap" in result.stderr
    result = iaside("heatmap", model, images, "-o", tmp_path / "y.h5", "--analysis", other)
    assert "which is another model" in result.stderr
    assert iaside("show", target, "--value", "prob").exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grid", 4], "--grid 4: give 'full' or an odd number"),
        (["--grid", 99], "--grid 99 is too fine for images of 64 x 64 pixels: use at most 65"),
        (["--grid", "half"], "neither 'full' nor a number"),
        (["--strength", 0], "--strength 0.0: give auto or a positive number"),
        (["--strength", "nan"], "'nan' is neither 'auto' nor a number"),
        (["--bands", 99], "--bands 99 is too many"),
        (["--bands", 0], "--bands 0: at least one"),
        (["--norm", "l3"], "--norm l3: did you mean l2 or l1?"),
        (["--confidence", 1], "--confidence 1.0: must lie between 0 and 1"),
        (["--batch", 0], "--batch 0: give auto"),
        (["--plot", "map.txt"], "map.txt: a picture's name ends in .png"),
        (["--analysis", "nothing.h5"], "nothing.h5: no such report file"),
    ],
)
def test_wrong_options_are_one_line(iaside, tmp_path, options, message):
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    common = ["-o", tmp_path / "map.h5", "--samples", 2, "--provider", "cpu", "--quiet"]
    result = iaside("heatmap", model, images, *common, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def written(small, tmp_path):
    target = tmp_path / "good.h5"
    ia.measure_heatmap(*small, target, bands=2)
    return target


def swap(name, make):
    def change(file):
        values = make(file[name][:])
        del file[name]
        file[name] = values

    return change


def setting(key, value):
    def change(held):
        found = json.loads(held.tobytes())
        found["settings"][key] = value
        return np.frombuffer(json.dumps(found).encode(), np.uint8)

    return swap("header", change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("change", lambda held: held + 3), "lies outside [0, 2]"),
        (swap("change", lambda held: held * np.nan), "not finite"),
        (swap("change", lambda held: held[:, 1:]), "do not match"),
        (swap("wrong", lambda held: held + 2), "something else than 0 and 1"),
        (swap("labels", lambda held: held[1:]), "do not match"),
        (swap("frequencies", lambda held: held[::-1]), "not those of its grid"),
        (setting("size", [4000, 4000]), "not those of its grid"),
        (setting("size", [1 << 20, 16]), "no usable 'size'"),
        (setting("grid", None), "not those of its grid"),
        (setting("grid", 4), "damaged"),
        (setting("bands", 500), "damaged"),
        (setting("norm", "l3"), "no usable 'norm'"),
        (setting("strength", "much"), "no usable 'strength'"),
        (lambda file: file.attrs.modify("format_version", 5), "so update iaside"),
    ],
    ids=named,
)
def test_files_from_strangers_are_refused_in_one_line(written, change, message):
    with h5py.File(written, "r+") as file:
        change(file)
    with pytest.raises(ia.IasideError, match="its checksum differs"):
        ia.load_heatmap(written)
    seal(written)
    with pytest.raises(ia.IasideError) as caught:
        ia.load_heatmap(written)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_on_photographs_a_cifar_network_fears_all_waves_but_the_slowest(real):
    report = ia.measure_heatmap(
        real / "cifar10" / "resnet20.onnx",
        real / "cifar10" / "test-1000.npz",
        samples=24,
        grid=7,
        bands=3,
        provider="cpu",
    )
    damage = report.band_damage
    assert report.accuracy > 0.6
    assert damage.mpe.value.min() > 0.3
    slowest = report.mpe_map[3, 3]  # DC: a change of colour
    assert slowest < 0.6 * report.mpe_map.max()
    assert report.error_map[3, 3] < report.error_map.mean()


def test_the_rank_correlation_is_that_of_at_least_five_bands(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(24) % 4)
    model = graphs.small_network(tmp_path / "m.onnx")
    analysis = ia.analyze(model, data, bands=5)
    few = ia.measure_heatmap(model, data, bands=5, grid=5).rank_correlation(analysis)
    assert few == {"error": None, "mpe": None}
    map_ = ia.measure_heatmap(model, data, bands=5, grid=13)
    damage = map_.seen_as(analysis).band_damage
    assert damage.coefficients.all()
    wanted = spearmanr(analysis.sid, damage.mpe.value).statistic
    assert map_.rank_correlation(analysis)["mpe"] == pytest.approx(wanted)


def test_bands_that_the_grid_misses_are_said_with_a_grid_that_has_them(iaside, tmp_path):
    model = graphs.small_network(tmp_path / "m.onnx", size=64)
    data = write_npz(tmp_path / "d.npz", np.zeros((3, 64, 64, 3), np.uint8), np.arange(3) % 2)
    asked = ("heatmap", model, data, "-o", tmp_path / "h.h5", "--overwrite", "--bands", 6)
    octave = (*asked, "--spacing", "octave")
    said = iaside(*octave)
    assert "13 x 13 waves has none in band 1, which will have no number; --grid 17" in said.stderr
    counts = ia.load(tmp_path / "h.h5").band_damage.coefficients
    assert np.flatnonzero(counts == 0).tolist() == [1]
    vectors = said.stderr.partition("with ")[2].split()[0]
    finer = iaside(*octave, "--grid", 17)
    found = ia.load(tmp_path / "h.h5")
    assert "waves has none" not in finer.stderr
    assert found.band_damage.coefficients.all()
    assert len(found.grid.vectors) == int(vectors)
    coarser = FrequencyGrid(64, 64, 15).bands(6, "l2", edges=found.settings["edges"])
    assert 1 not in coarser
    assert "waves has none" not in iaside(*asked).stderr
