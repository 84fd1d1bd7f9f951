"""Inputs beside the images: the table is that of the graph in which they are constants."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx.measure.robustness import measure_robustness

from . import graphs
from .conftest import write_npz

SIZE = 12
TEXTS = np.random.default_rng(3).normal(size=(4, SIZE)).astype(np.float32)
FIXED = {"texts": TEXTS, "scale": np.float32(2), "sizes": np.array([[1, 3]], np.float32)}


def two_towers(path, *, given):
    """Scores of images against rows of `texts`, scaled, plus a term of the image's `sizes`.

    `given`: the other inputs are constants of the graph.
    """
    value = helper.make_tensor_value_info
    extra = [
        value("texts", TensorProto.FLOAT, ["classes", SIZE]),
        value("scale", TensorProto.FLOAT, []),
        value("sizes", TensorProto.FLOAT, ["n", 2]),
        value("unused", TensorProto.INT64, ["n"]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Transpose", ["texts"], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["mean", "columns"], ["product"]),
        helper.make_node("Mul", ["product", "scale"], ["scaled"]),
        helper.make_node("ReduceMax", ["sizes"], ["total"], axes=[1], keepdims=1),
        helper.make_node("Add", ["scaled", "total"], ["scores"]),
    ]
    return graphs.save(
        path, nodes, FIXED if given else {},
        input_shape=["n", 3, SIZE, SIZE], output_shape=["n", 4],
        extra_inputs=[] if given else extra,
    )  # fmt: skip


@pytest.fixture
def towers(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (8, SIZE, SIZE, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(8) % 4)
    np.save(tmp_path / "texts.npy", TEXTS)
    free = two_towers(tmp_path / "free.onnx", given=False)
    return free, two_towers(tmp_path / "given.onnx", given=True), data


def test_the_table_is_that_of_the_graph_with_constants(towers, tmp_path):
    free, given, data = towers
    values = (f"texts={tmp_path / 'texts.npy'}", "scale=2", "sizes=[1, 3]")
    settings = {"bands": 3, "samples": 0}
    report = ia.analyze(free, data, set=values, **settings)
    expected = ia.analyze(given, data, **settings)
    np.testing.assert_array_equal(report.log_prob, expected.log_prob)
    said = report.settings["set"]
    assert said["scale"] == "2.0"
    assert said["sizes"] == "[1.0, 3.0]"
    assert said["texts"].startswith("sha256:")
    assert "set" not in expected.settings
    other = ia.analyze(free, data, set=(*values[:1], "scale=4", values[2]), **settings)
    assert not np.allclose(other.log_prob, report.log_prob)
    few = {"corruption": ["fog"], "severity": [1], "attack": (), "samples": 0}
    measured = measure_robustness(free, data, set=values, **few)
    np.testing.assert_array_equal(measured.wrong, measure_robustness(given, data, **few).wrong)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "--set texts=FILE.npy"),
        (["texts=TEXTS", "scale=2"], "--set sizes=FILE.npy"),
        (["texts=TEXTS", "scale=two", "sizes=1"], "give a number"),
        (["texts=TEXTS", "scale=[1, 2]", "sizes=1"], "the input is []"),
        (["texts=TEXTS", "scale=1", "sizes=[1, 2, 3]"], "the first axis is that of the images"),
        (["texts=none.npy"], "cannot be read"),
        (["text=1"], "no such input"),
        (["scale"], "NAME=VALUE"),
        (["scale=1", "scale=2"], "given twice"),
        (["texts=TEXTS", "scale=1e999", "sizes=1"], "does not fit"),
        (["texts=TEXTS", "scale=1", "sizes=1", "unused=0.5"], "does not fit into int64"),
    ],
)
def test_values_that_do_not_fit_are_one_line(towers, tmp_path, iaside, values, words):
    free, _, data = towers
    options = [
        part
        for value in values
        for part in ("--set", value.replace("TEXTS", str(tmp_path / "texts.npy")))
    ]
    result = iaside("analyze", free, data, "-o", tmp_path / "r.h5", "--bands", 2, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert [line for line in result.stderr.splitlines() if line.startswith("Error")] == (
        result.stderr.splitlines()[-1:]
    )


def test_inspect_says_what_to_set_and_takes_it(towers, tmp_path, iaside):
    free, _, _ = towers
    asked = json.loads(iaside("inspect", free, "--json").stdout)
    assert any("--set texts=FILE.npy" in warning for warning in asked["warnings"])
    options = ["--set", f"texts={tmp_path / 'texts.npy'}", "--set", "scale=2", "--set", "sizes=1"]
    told = json.loads(iaside("inspect", free, "--json", *options).stdout)
    assert told["classes"] == 4
    assert not any("--set" in warning for warning in told["warnings"])
