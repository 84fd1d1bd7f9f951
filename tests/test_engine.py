"""Planted models with answers known on paper, and an independent slow path."""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import iaside_onnx as ia
from iaside_onnx.errors import DataError
from iaside_onnx.mathematics.absence import ABSENCES, Baselines, SampleStatistics

from . import graphs
from .conftest import write_npz

SIZE = 16
# One wave per band: cycles 1, 3, 5, 7 lie in bands 0 to 3 of 4 at 16 pixels.
CYCLES = [1, 3, 5, 7]


@pytest.fixture
def waves(tmp_path):
    """Images that hold every wave, of different strengths, around mid-grey."""
    images = [
        0.5 + strength * sum(graphs.wave(SIZE, cycles) for cycles in CYCLES)
        for strength in (0.11, 0.115, 0.12)
    ]
    images = np.moveaxis(np.stack(images), 1, -1).astype(np.float32)
    return write_npz(tmp_path / "waves.npz", images, [0, 0, 0])


def audit(model, data, **settings):
    return ia.analyze(model, data, **{"bands": 4, "norm": "linf", "absence": "zero", **settings})


def test_a_model_that_reads_one_band_only(tmp_path, waves):
    report = audit(graphs.reads(tmp_path / "m.onnx", SIZE, [CYCLES[2]], strength=4.0), waves)
    gain = np.log(1 / (1 + np.exp(-4.0))) - np.log(0.5)
    np.testing.assert_allclose(report.shapley, [0, 0, gain, 0], atol=1e-6)
    assert (report.shapley[[0, 1, 3]] == 0).all()
    assert report.sid.tolist() == [0, 0, 1, 0]
    assert report.efficiency_residual < 1e-9


def test_a_model_linear_in_the_band_energies(tmp_path, waves):
    weights = [-1.0, 2.0, 5.0, -3.0]
    report = audit(graphs.energies(tmp_path / "m.onnx", SIZE, CYCLES, weights), waves)
    squares = np.array([0.11, 0.115, 0.12]) ** 2
    np.testing.assert_allclose(report.shapley_per_image, np.outer(squares, weights), atol=1e-5)
    np.testing.assert_allclose(report.interactions, 0, atol=1e-5)
    assert report.settings["output_kind"] == "probabilities"


def test_a_constant_model_gives_zero_and_says_uniform(tmp_path, waves):
    report = audit(graphs.constant(tmp_path / "m.onnx", SIZE), waves)
    assert (report.shapley == 0).all()
    np.testing.assert_array_equal(report.sid, 0.25)
    assert report.uniform
    assert report.srs == pytest.approx(0, abs=1e-12)
    assert report.uniform
    assert "nothing to share out between the bands" in report.interpretation()


def test_two_bands_that_only_count_together(tmp_path, waves):
    report = audit(graphs.reads(tmp_path / "m.onnx", SIZE, [CYCLES[1], CYCLES[3]]), waves)
    gain = np.log(1 / (1 + np.exp(-4.0))) - np.log(0.5)
    np.testing.assert_allclose(report.shapley, [0, gain / 2, 0, gain / 2], atol=1e-6)
    expected = np.zeros((4, 4))
    expected[1, 3] = expected[3, 1] = gain
    np.testing.assert_allclose(report.interactions, expected, atol=1e-6)


def test_a_duplicate_player_has_an_equal_value(tmp_path, waves):
    weights = [0.0, 4.0, 4.0, 1.0]
    report = audit(graphs.energies(tmp_path / "m.onnx", SIZE, CYCLES, weights), waves)
    assert report.shapley[1] == pytest.approx(report.shapley[2], abs=1e-6)


def slow_table(path, images, labels, statistics, settings, order, gain, shift, layout, kind):
    """One FFT per image and coalition, one plain session call per coalition."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    count, _, height, width = images.shape
    baselines = Baselines(
        settings["absence"], settings["seed"], keys_of(images), statistics, lambda k: images[k]
    )
    bands = settings["bands"]
    index = np.minimum(
        np.floor(graphs.radius(height, width, settings["norm"]) * bands + 1e-9), bands - 1
    )
    table = np.empty((count, 1 << bands))
    for coalition in range(1 << bands):
        mask = np.isin(index, [band for band in range(bands) if coalition >> band & 1])
        for number, image in enumerate(images):
            base = baselines.image(number).astype(np.float64)
            mixed = np.where(mask, np.fft.fft2(image), np.fft.fft2(base))
            pixels = np.fft.ifft2(mixed).real
            if settings.get("output_map") == "magnitude":
                pixels = np.abs(pixels)
                span = np.ptp(pixels) or 1.0
                pixels = (pixels - pixels.min()) / span
            ready = pixels[order] * gain + shift
            ready = np.moveaxis(ready, 0, -1) if layout == "nhwc" else ready
            meta = session.get_inputs()[0]
            dtype = {"tensor(float)": np.float32, "tensor(float16)": np.float16}.get(
                meta.type, np.float64
            )
            scores = session.run(None, {meta.name: ready[None].astype(dtype)})[0]
            scores = scores.reshape(-1).astype(np.float64)
            if kind == "logits":
                scores = scores - np.log(np.exp(scores - scores.max()).sum()) - scores.max()
            else:
                scores = np.log(scores)
            table[number, coalition] = scores[labels[number]]
    return table


def keys_of(images):
    """What float images are called where something is drawn for them, written out once more."""
    rows = [np.moveaxis(image, 0, -1).astype("<f4") for image in images]
    return [
        hashlib.sha256(f"<f4 {row.shape}\0".encode() + row.tobytes()).hexdigest() for row in rows
    ]


@pytest.mark.parametrize("absence", ABSENCES)
@pytest.mark.parametrize(
    ("layout", "tail", "norm", "size"),
    [
        ("nchw", "logits", "linf", 16),
        ("nhwc", "probabilities", "l2", 15),
        ("nchw", "logits", "l1", 17),
    ],
)
def test_agrees_with_an_independent_slow_path(tmp_path, absence, layout, tail, norm, size):
    rng = np.random.default_rng(3)
    images = rng.random((5, 3, size, size)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 1])
    model = graphs.small_network(tmp_path / "m.onnx", size=size, layout=layout, tail=tail)
    recipe = tmp_path / "p.toml"
    recipe.write_text(
        'channels = "bgr"\nscale = 2.0\nmean = [0.1, 0.2, 0.3]\nstd = [0.5, 1.0, 2.0]\n'
    )
    data = write_npz(tmp_path / "d.npz", np.moveaxis(images, 1, -1), labels)
    report = ia.analyze(
        model,
        data,
        bands=4,
        absence=absence,
        norm=norm,
        preprocess=str(recipe),
        seed=7,
        layout=layout,
    )
    statistics = SampleStatistics()
    for image in images:
        statistics.add(image)
    std = np.array([0.5, 1.0, 2.0])[:, None, None]
    settings = {
        "absence": absence, "seed": 7, "norm": norm, "bands": 4
    }  # fmt: skip
    slow = slow_table(
        model, images, labels, statistics, settings, [2, 1, 0], 2.0 / std,
        -np.array([0.1, 0.2, 0.3])[:, None, None] / std, layout, tail,
    )  # fmt: skip
    np.testing.assert_allclose(report.log_prob, slow, atol=1e-4)


def test_magnitude_reading_agrees_with_the_slow_path(tmp_path):
    images = np.random.default_rng(3).random((3, 3, 16, 16)).astype(np.float32)
    labels = np.array([0, 1, 2])
    model = graphs.small_network(tmp_path / "m.onnx")
    data = write_npz(tmp_path / "d.npz", np.moveaxis(images, 1, -1), labels)
    report = ia.analyze(model, data, bands=3, norm="linf", absence="zero", output_map="magnitude")
    statistics = SampleStatistics()
    for image in images:
        statistics.add(image)
    settings = {
        "absence": "zero", "seed": 0, "norm": "linf", "bands": 3,
        "output_map": "magnitude",
    }  # fmt: skip
    slow = slow_table(
        model, images, labels, statistics, settings, [0, 1, 2], 1, 0, "nchw", "logits"
    )
    np.testing.assert_allclose(report.log_prob, slow, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.uint8])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_other_input_types_agree_with_single_precision(tmp_path, dtype, layout):
    images = np.random.default_rng(5).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, [0, 1, 2, 3, 0, 1])
    settings = {"bands": 3, "absence": "mean", "layout": layout}
    exact = ia.analyze(graphs.small_network(tmp_path / "a.onnx", layout=layout), data, **settings)
    other = ia.analyze(
        graphs.small_network(tmp_path / "b.onnx", layout=layout, dtype=dtype),
        data,
        preprocess="raw" if dtype is np.uint8 else "unit",
        **settings,
    )
    # float16 has three digits; uint8 rounds and clips every coalition image.
    tolerance = {np.float16: 2e-2, np.float64: 1e-4, np.uint8: 0.3}[dtype]
    np.testing.assert_allclose(other.log_prob, exact.log_prob, atol=tolerance)
    full = 1e-2 if dtype is np.uint8 else tolerance
    np.testing.assert_allclose(other.log_prob[:, -1], exact.log_prob[:, -1], atol=full)


@pytest.mark.parametrize("tail", ["probabilities", "log-probabilities", "spatial"])
def test_every_kind_of_output_gives_the_same_table(tmp_path, tail):
    images = np.random.default_rng(5).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, [0, 1, 2, 3])
    plain = ia.analyze(graphs.small_network(tmp_path / "a.onnx"), data, bands=3)
    other = ia.analyze(graphs.small_network(tmp_path / "b.onnx", tail=tail), data, bands=3)
    np.testing.assert_allclose(other.log_prob, plain.log_prob, atol=1e-4)


def test_temperature_divides_logits_and_auto_lowers_the_loss(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(30) % 4
    data = write_npz(tmp_path / "d.npz", images, labels)
    model = graphs.small_network(tmp_path / "a.onnx")
    softmax = graphs.small_network(tmp_path / "b.onnx", tail="probabilities")
    plain = ia.analyze(model, data, bands=2)
    hot = ia.analyze(model, data, bands=2, temperature=5.0)
    same = ia.analyze(softmax, data, bands=2, temperature=5.0)
    np.testing.assert_allclose(same.log_prob, hot.log_prob, atol=1e-4)
    assert np.ptp(hot.log_prob) < np.ptp(plain.log_prob)
    fitted = ia.analyze(model, data, bands=2, temperature="auto")
    assert fitted.settings["temperature"] > 1
    assert fitted.mean_log_prob > max(plain.mean_log_prob, hot.mean_log_prob - 1e-6)


def test_probabilities_of_zero_stay_finite(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, [0, 1, 2, 3])
    model = graphs.small_network(
        tmp_path / "m.onnx", tail="probabilities", dtype=np.float16, seed=1
    )
    recipe = tmp_path / "p.toml"
    recipe.write_text("scale = 255\n")  # drives the softmax into saturation
    graph = onnx.load(model)
    graph.graph.node[-1].output[0] = "hidden"  # else the logits before it are read
    graph.graph.node.append(helper.make_node("Abs", ["hidden"], ["scores"]))
    model.write_bytes(graph.SerializeToString())
    report = ia.analyze(model, data, bands=2, preprocess=str(recipe))
    assert np.isfinite(report.log_prob).all()
    assert report.log_prob.min() == pytest.approx(-24 * np.log(2), abs=1e-3)


def test_sigmoid_scores_are_several_labels_and_no_classes_by_guess(tmp_path, waves):
    nodes, constants = graphs.amplitudes(SIZE, CYCLES)
    nodes.append(helper.make_node("Sigmoid", ["amplitude"], ["scores"]))
    model = graphs.save(
        tmp_path / "m.onnx", nodes, constants, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", 4],
    )  # fmt: skip
    with pytest.raises(DataError, match="several labels an image"):
        audit(model, waves)
    assert audit(model, waves, output_kind="logits").settings["output_kind"] == "logits"
