"""A head is known by what its number type can tell, whichever images it is tried on."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.images.sample import seeded_order
from iaside_onnx.inference import opened
from iaside_onnx.inference.head_rounding import rounding_of
from iaside_onnx.onnx_file.heads import Head

from . import graphs
from .conftest import write_npz

GREYS = 48


@pytest.fixture
def greys(tmp_path):
    """Grey images from black to white."""
    shade = np.linspace(0, 255, GREYS).astype(np.uint8)[:, None, None, None]
    images = np.broadcast_to(shade, (GREYS, 8, 8, 3))
    return write_npz(tmp_path / "greys.npz", np.ascontiguousarray(images), np.arange(GREYS) % 2)


def large_logits(path, *, wide=False):
    """Float16 logits of about 40 that cross, scaled by 1 and then through a Softmax.

    Where it is `wide`, inputs and outputs are float32, as exports with half the weights leave them.
    """
    nodes = [
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["one"]),
        helper.make_node("Gemm", ["one", "gains", "shift"], ["z"]),
        helper.make_node("Mul", ["z", "scale"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["p"], axis=1),
    ]
    if wide:
        nodes.insert(0, helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT16))
        nodes.append(helper.make_node("Cast", ["p"], ["scores"], to=TensorProto.FLOAT))
    else:
        nodes[0].input[0], nodes[-1].output[0] = "image", "scores"
    held = {"gains": [[3.3, -2.7, 30.0, -61.0]], "shift": [36.3, 39.2, 14.0, 33.0], "scale": 1.0}
    constants = {name: np.array(each, np.float16) for name, each in held.items()}
    constants["column"] = np.array([-1, 1], np.int64)
    kind = TensorProto.FLOAT if wide else TensorProto.FLOAT16
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, 8, 8], output_shape=["n", 4],
        input_type=kind, output_type=kind,
    )  # fmt: skip


def run(model, images, name):
    """A tensor of the model for images, and of a copy that hands out no other."""
    graph = onnx.load(model)
    if name not in {each.name for each in graph.graph.output}:
        graph.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT16, None))
    session = ort.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([name], {"image": images})[0].astype(np.float64)


@pytest.mark.parametrize("wide", [False, True])
def test_large_logits_in_float16_are_read_for_any_images(tmp_path, greys, wide):
    model = large_logits(tmp_path / "m.onnx", wide=wide)
    images = np.load(greys)["images"].transpose(0, 3, 1, 2) / 255
    images = images.astype(np.float32 if wide else np.float16)
    z, p = run(model, images, "scaled"), run(model, images, "scores")
    off = np.abs(Head("Softmax", "scaled").probabilities(z, 4) - p).max(axis=1)
    assert off.max() > 4e-3  # which a bound of three digits takes for another head
    assert np.median(off) < 2e-3
    worst = np.argsort(off)[-3:]
    for chosen in (worst, np.argsort(off)[:3]):
        data = np.load(greys)
        part = write_npz(tmp_path / "part.npz", data["images"][chosen], data["labels"][chosen])
        report = ia.analyze(model, part, bands=1, preprocess="unit", samples=0)
        assert report.settings["output"] == "scaled"
        assert report.run["read_before"] == "Softmax"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("largest", [5, 12, 40])
def test_another_temperature_is_told_from_rounding(dtype, largest):
    """As are other scales, other tensors, and a Softmax over other classes; rounding is not."""
    rng = np.random.default_rng(largest)
    exact = rng.uniform(-largest, largest, (8, 20))
    # As for real networks, some classes are near the highest.
    exact[:, :4] = exact.max(axis=1, keepdims=True) - [0.0, 0.3, 1.5, 3.0]
    kind, head = np.dtype(dtype), Head("Softmax", "z")
    logits = exact.astype(kind).astype(np.float32)
    expected = head.probabilities(logits, 20)
    bound = rounding_of(head, logits, expected, dtype, coarse=False)

    def told(made):
        given = head.probabilities(made, 20).astype(kind).astype(np.float64)
        return bool(np.any(np.abs(given - expected) > bound))

    assert not told(exact)  # not rounded before the Softmax
    below = (logits - logits.max(axis=1, keepdims=True)).astype(kind)
    assert not told(below)  # in the type itself
    for other in (exact / 1.05, exact * 1.05, exact[:, ::-1], np.roll(exact, 1, axis=1)):
        assert told(other)


def test_a_tensor_whose_softmax_the_output_is_not_is_left_alone(tmp_path, greys, monkeypatch):
    """The head is said to read a tensor that a temperature of 1.05 stands behind."""
    model = onnx.load(large_logits(tmp_path / "m.onnx"))
    for held in model.graph.initializer:
        if held.name == "scale":
            held.CopyFrom(onnx.numpy_helper.from_array(np.float16(1 / 1.05), "scale"))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    for logits, read in (("scaled", "scaled"), ("z", "scores")):
        monkeypatch.setattr(opened, "head_of", lambda *_, name=logits: Head("Softmax", name))
        report = ia.analyze(tmp_path / "m.onnx", greys, bands=1, preprocess="unit", samples=8)
        assert report.settings["output"] == read


def test_nested_samples_of_any_size_read_a_file_in_one_way(tmp_path):
    """1 / (1.5 + exp(-z)) is a sigmoid as long as z is small, as for all images but the sixth."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["one"]),
        helper.make_node("Gemm", ["one", "gain", "shift"], ["z"]),
        helper.make_node("Neg", ["z"], ["minus"]),
        helper.make_node("Exp", ["minus"], ["power"]),
        helper.make_node("Add", ["power", "more"], ["below"]),
        helper.make_node("Reciprocal", ["below"], ["scores"]),
    ]
    held = {"gain": [[60.0]], "shift": [-30.0], "more": 1.5}
    constants = {name: np.array(each, np.float32) for name, each in held.items()}
    constants["column"] = np.array([-1, 1], np.int64)
    model = graphs.save(
        tmp_path / "m.onnx", nodes, constants, input_shape=["n", 3, 8, 8], output_shape=["n", 1]
    )
    labels = np.arange(12) % 2
    images = np.full((12, 8, 8, 3), 10, np.uint8)
    images[seeded_order(labels, 0)[5]] = 250
    data = write_npz(tmp_path / "d.npz", images, labels)
    options = {"output_kind": "probabilities", "bands": 1, "preprocess": "unit"}
    for samples in (2, 4, 12):
        report = ia.analyze(model, data, samples=samples, sampling="nested", **options)
        assert "read_before" not in report.run


def test_pictures_that_are_not_in_the_sample_may_be_unreadable(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for number in range(6):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    model = graphs.small_network(tmp_path / "m.onnx", tail="probabilities")
    options = {"labels": "model", "bands": 1, "preprocess": "unit", "sampling": "nested"}
    few = ia.analyze(model, photos, samples=3, **options)
    for number in set(map(str, range(6))) - {name.split(".")[0] for name in few.image_ids}:
        (photos / f"{number}.png").write_bytes(b"no picture")
    again = ia.analyze(model, photos, samples=3, **options)
    np.testing.assert_array_equal(again.log_prob, few.log_prob)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_logits_of_any_size_have_a_bound_that_is_a_number(dtype):
    logits = np.array([[1e30, -1e30, 0.0]], np.float32)
    bound = rounding_of(Head("Softmax", "z"), logits, np.eye(3)[:1], dtype, coarse=False)
    assert np.isfinite(bound).all()
