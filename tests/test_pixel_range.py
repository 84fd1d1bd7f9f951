"""Which pixels a graph seems made for, and what happens where a recipe gives it others."""

from __future__ import annotations

import json

import numpy as np
import pytest
from onnx import helper

from iaside_onnx.onnx_file.artifact import load_graph
from iaside_onnx.onnx_file.pixel_range import pixel_range

from . import graphs
from .conftest import write_npz

MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1)
ONE, ZERO = np.ones(3, np.float32), np.zeros(3, np.float32)


def graph(path, steps, size=8, classes=4):
    """A small network behind some steps, each (operator, constants...); "x" is what comes in."""
    nodes, constants, last = [], {}, "image"
    for number, (operator, *values) in enumerate(steps):
        names = []
        for place, value in enumerate(values or ["x"]):
            if isinstance(value, str):
                names.append(last)
            else:
                names.append(f"c{number}_{place}")
                constants[names[-1]] = np.asarray(value, np.float32)
        options = {"Cast": {"to": 1}, "Transpose": {"perm": [0, 1, 2, 3]}}.get(operator, {})
        nodes.append(helper.make_node(operator, names, [f"t{number}"], **options))
        last = f"t{number}"
    rng = np.random.default_rng(0)
    constants["kernel"] = rng.normal(0, 1, (classes, 3, 3, 3)).astype(np.float32)
    nodes += [
        helper.make_node("Conv", [last, "kernel"], ["conv"]),
        helper.make_node("GlobalAveragePool", ["conv"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["scores"]),
    ]
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, size, size], output_shape=["n", classes]
    )


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ([("Mul", "x", 1 / 255)], "0..255"),
        ([("Div", "x", 255)], "0..255"),
        ([("Div", "x", 256)], "0..255"),
        ([("Cast",), ("Transpose",), ("Mul", 1 / 255, "x")], "0..255"),
        ([("Mul", "x", 1 / 127.5), ("Sub", "x", 1)], "0..255"),
        ([("Div", "x", 255), ("Sub", "x", MEAN), ("Div", "x", STD)], "0..255"),
        ([("Sub", "x", 255 * MEAN), ("Mul", "x", 1 / (255 * STD))], "0..255"),
        ([("Sub", "x", 255 * MEAN)], "0..255"),
        ([("BatchNormalization", "x", ONE, ZERO, 255 * MEAN.ravel(), (255 * STD.ravel()) ** 2)],
         "0..255"),
        ([("BatchNormalization", "x", ONE, ZERO, MEAN.ravel(), STD.ravel() ** 2)], "0..1"),
        ([("Sub", "x", MEAN), ("Div", "x", STD)], "0..1"),
        ([("Mul", "x", 2), ("Sub", "x", 1)], "0..1"),
        ([("Sub", 1, "x")], "0..1"),
        ([("Mul", "x", 255)], "0..1"),
        ([("Mul", "x", 0.5), ("Add", "x", 0.5)], "-1..1"),
        ([], None),
        ([("Relu",)], None),
        ([("Mul", "x", 3.7)], None),
        ([("Add", "x", 1e-6)], None),
        ([("Mul", "x", 0)], None),
        ([("Mul", "x", "x")], None),
    ],
)  # fmt: skip
def test_first_steps_tell_the_range(tmp_path, steps, wanted):
    path = graph(tmp_path / "m.onnx", steps)
    found = pixel_range(load_graph(path).graph, "image", 1)
    assert (found and found.words) == wanted
    if found:
        assert "probably" in found.text
        assert all(step[0] in found.text for step in steps if step[0] not in ("Cast", "Transpose"))


@pytest.fixture
def divides(tmp_path):
    """A model that divides by 255 first; images of its colours; and the same without that."""
    colours = np.array([[0.9, 0.2, 0.1], [0.2, 0.6, 0.3], [0.5, 0.5, 0.9]])
    for name, factor in (("bytes", 255.0), ("lies", 1.0)):
        path = graphs.prototypes(tmp_path / f"{name}.onnx", colours, strength=20 * factor)
        model = load_graph(path)
        for node in model.graph.node:
            node.input[:] = ["unit" if key == "image" else key for key in node.input]
        steps = [("image", "unit", 1 / 255)]
        # "lies" multiplies again, behind a step that hides it: the graph only seems to want bytes.
        if name == "lies":
            steps = [("image", "small", 1 / 255), ("hidden", "unit", 255.0)]
            model.graph.node.insert(0, helper.make_node("Relu", ["small"], ["hidden"]))
        for number, (source, target, by) in enumerate(reversed(steps)):
            constant = helper.make_tensor(f"by{number}", 1, [], [by])
            model.graph.initializer.append(constant)
            place = 1 if source == "hidden" else 0
            node = helper.make_node("Mul", [source, f"by{number}"], [target])
            model.graph.node.insert(place, node)
        path.write_bytes(model.SerializeToString())
    images = np.repeat((255 * colours).astype(np.uint8), 5, axis=0)[:, None, None]
    images = images + np.zeros((1, 16, 16, 1), np.uint8)
    write_npz(tmp_path / "d.npz", images, np.arange(15) // 5)
    return tmp_path


@pytest.mark.parametrize("command", ["analyze", "robustness", "heatmap"])
def test_a_disagreement_stops_every_measurement_unless_asked_for(iaside, divides, command):
    words = [command, divides / "bytes.onnx", divides / "d.npz", "-o", divides / "r.h5"]
    extra = {"analyze": ["--bands", 1], "robustness": ["--attack", "none", "--corruption", "fog",
             "--severity", 1], "heatmap": ["--bands", 1]}[command]  # fmt: skip
    refused = iaside(*words, *extra)
    assert (refused.exit_code, refused.stdout) == (2, "")
    line = refused.stderr.splitlines()[-1]
    assert line.startswith("Error:")
    assert "divides its input by 255" in line
    assert "right on 5 of 15 images, with 0..255 on 15" in line
    assert "--preprocess raw" in line
    if command == "analyze":
        asked = iaside(*words, *extra, "--preprocess", "unit", "--json")
        assert asked.exit_code == 0
        assert "divides its input by 255" in asked.stderr
        good = iaside(*words, *extra, "--preprocess", "raw", "--overwrite", "--json")
        assert json.loads(good.stdout)["accuracy"] == 1.0
        assert "divides" not in good.stderr


def test_images_outweigh_what_the_graph_seems_to_say(iaside, divides):
    words = ["analyze", divides / "lies.onnx", divides / "d.npz", "-o", divides / "r.h5"]
    result = iaside(*words, "--bands", 1, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["accuracy"] == 1.0
    assert "does better, so it is kept" in result.stderr


def test_inspect_says_the_range_and_how_it_is_known(iaside, divides):
    found = json.loads(iaside("inspect", divides / "bytes.onnx", "--json").stdout)
    wanted = {"low": 0.0, "high": 255.0, "known": "graph", "text": found["range_hint"]}
    assert found["pixel_range"] == wanted
    assert found["range_hint"].endswith("it probably wants 0..255")
