"""What the export commands share: options, declared facts, test images, repairs."""

from __future__ import annotations

import ast
import json
import math
import re
import shlex
import sys
import tomllib
import zipfile

import h5py
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from iaside_onnx.preprocessing import preprocess

from . import exporters
from .conftest import ROOT
from .exporters import TOOLS, admit, replace_constant, static_batch

exporting, declared, probe_images = map(exporters.tool, ("exporting", "declared", "probe_images"))
gate_graph, tensorflow_repairs = map(exporters.tool, ("gate_graph", "tensorflow_repairs"))
ExportError = exporters.tool("refusal").ExportError


@pytest.fixture
def good(tmp_path):
    return exporters.sound_export(tmp_path)


def export(good, monkeypatch, *options):
    words = ["from_x.py", "source", "-o", str(good.target), *options]
    monkeypatch.setattr(sys, "argv", words)
    args = exporting.parse(exporting.parser("Export.", "anything", "  from_x.py source"))
    return exporting.finish(args, exporting.Export(good.model, good.reference, "Tests 1"))


def test_known_facts_are_written_and_iaside_runs_the_file(
    good, monkeypatch, capsys, iaside, photographs, tmp_path
):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("scale = 2\nmean = [0.1, 0.2, 0.3]\n")
    export(
        good, monkeypatch, "--classes", "class0,class1,class2,class3", "--preprocess", str(recipe)
    )
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "4 logits" in said
    assert f"iaside analyze {shlex.quote(str(good.target))} IMAGES" in said
    metadata = {entry.key: entry.value for entry in onnx.load(good.target).metadata_props}
    assert json.loads(metadata.pop("iaside.preprocess")) == {"scale": 2, "mean": [0.1, 0.2, 0.3]}
    assert metadata == {
        "iaside.layout": "nchw",
        "iaside.output_kind": "logits",
        "iaside.output": "scores",
        "iaside.classes": '["class0", "class1", "class2", "class3"]',
    }
    report = tmp_path / "r.h5"
    done = iaside("analyze", good.target, photographs, "-o", report, "--bands", 2)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "a,b"], "2 class names do not fit 4 outputs"),
        (["--classes", "nothing.txt"], "no such file"),
        (["--preprocess", "imagenette"], "give one of unit, raw"),
        (["--output-kind", "probabilities"], "rows sum to"),
        (["--image", "3x8x8"], "does not fit"),
        (["--tolerance", "2"], "between 0 and 1"),
        (["--images", "nowhere"], "0 photographs"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_errors_of_users_are_one_line_with_exit_code_2(good, monkeypatch, capsys, options, message):
    with pytest.raises(SystemExit) as stop:
        exporting.run(lambda: export(good, monkeypatch, *options))
    said = capsys.readouterr()
    assert stop.value.code == 2
    assert said.out == ""
    assert re.fullmatch(rf"Error: .*{re.escape(message)}.*\n", said.err)
    assert not good.target.exists()


def test_the_kind_of_output_is_never_guessed():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 3))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert declared.kind_of(logits, None) == "logits"
    assert declared.kind_of(probabilities, None) == "probabilities"
    with pytest.raises(ExportError, match="sigmoid"):
        declared.kind_of(1 / (1 + np.exp(-logits)), None)
    with pytest.raises(ExportError, match="sum to 1"):
        declared.kind_of(probabilities, "logits")


def test_a_softmax_rounded_to_8_bits_is_known_by_its_operator():
    classes = 1001
    logits = np.random.default_rng(0).normal(size=(5, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    rounded = np.round(256 * probabilities) / 256
    assert np.abs(rounded.sum(axis=1) - 1).max() > 0.1

    def graph(*operators):
        """A chain of operators, each of which reads what the last one made."""
        names = ["x", *map(str, range(len(operators)))]
        nodes = [
            helper.make_node(operator, [names[at]], [names[at + 1]])
            for at, operator in enumerate(operators)
        ]
        first, last = (helper.make_tensor_value_info(names[at], 1, None) for at in (0, -1))
        return helper.make_model(helper.make_graph(nodes, "g", [first], [last]))

    whole = graph("Softmax", "QuantizeLinear", "DequantizeLinear", "Reshape")
    assert declared.ends_in_softmax(whole)
    assert not declared.ends_in_softmax(graph("Softmax", "Relu"))
    assert not declared.ends_in_softmax(graph("Sigmoid", "QuantizeLinear"))
    assert declared.kind_of(rounded, None, softmax=True) == "probabilities"
    with pytest.raises(ExportError, match="sigmoid"):
        declared.kind_of(rounded, None)
    with pytest.raises(ExportError, match="Softmax"):
        declared.kind_of(rounded, "logits", softmax=True)


def test_presets_hand_the_test_images_over_as_iaside_does():
    assert declared.PRESETS.keys() == preprocess.PRESETS.keys()
    pixels = np.random.default_rng(0).random((1, 3, 4, 5))
    for name, recipe in declared.PRESETS.items():
        order, gain, shift = preprocess.PRESETS[name].affine(3)
        wanted = pixels[:, order] * gain[:, None, None] + shift[:, None, None]
        for layout, moved in (("nchw", wanted), ("nhwc", np.moveaxis(wanted, 1, -1))):
            image = gate_graph.Image("image", np.float32, (), layout)
            found = probe_images._as_input(pixels, image, (), recipe)
            np.testing.assert_allclose(found, moved, rtol=1e-5, atol=1e-5)


def test_real_images_are_photographs_in_the_graphs_own_form():
    image = gate_graph.Image("image", np.uint8, (None, None, 3), "nhwc")
    images = probe_images.test_images(ROOT / "demo" / "test", image, (24, 32, 3), {"scale": 255})
    assert {rows.shape for rows in images.values()} == {(5, 24, 32, 3)}
    assert images["real"].dtype == np.uint8
    assert len(np.unique(images["real"].reshape(5, -1), axis=0)) == 5
    flat = gate_graph.Image("rows", np.float32, (50,), "flat")
    rows = probe_images.test_images(ROOT / "demo" / "test", flat, (50,), {})["real"]
    assert rows.shape == (5, 50)
    assert rows.std() > 0.05


COMMANDS = sorted(path.name for path in TOOLS.glob("from_*.py"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_names_its_packages_for_uv_and_for_pip(name):
    text = (TOOLS / name).read_text()
    block = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", text, re.MULTILINE)[1]
    wanted = tomllib.loads(re.sub(r"^# ?", "", block, flags=re.MULTILINE))["dependencies"]
    pip = re.search(r"pip install (.*)", ast.get_docstring(ast.parse(text)))[1].split()
    assert sorted(wanted) == sorted(pip)
    assert text.count("\n") <= 420
    assert name in (ROOT / "docs" / "exporting.md").read_text()


# Repairs of tf2onnx's graphs.


def one_node(op, **attributes):
    node = helper.make_node(op, ["x"], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(name, 1, ["n"]) for name in "xy"]
    graph = helper.make_graph([node], "test", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("op", "attributes", "formula"),
    [
        ("Erfc", {}, math.erfc),
        ("TFL_GELU", {"approximate": 0}, lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2),
        (
            "TFL_GELU",
            {"approximate": 1},
            lambda x: x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2,
        ),
    ],
)
def test_operators_left_by_tf2onnx_get_their_definition(op, attributes, formula):
    model = one_node(op, **attributes)
    assert tensorflow_repairs.repair(model) == []
    onnx.checker.check_model(model, full_check=True)
    assert not model.functions
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.linspace(-4, 4, 81, dtype=np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], [*map(formula, x)], atol=1e-6)


def test_operators_that_nobody_defines_are_named():
    assert tensorflow_repairs.repair(one_node("StatefulPartitionedCall")) == [
        "StatefulPartitionedCall"
    ]


@pytest.mark.parametrize("shape", [[1, 8], [1, -1]])
def test_a_batch_fixed_at_1_is_made_free(good, shape):
    static_batch(good.model)
    replace_constant(good.model, "shape", np.array(shape, np.int64))
    assert tensorflow_repairs.free_batch(good.model)
    assert admit(good).relative < 1e-6
    assert not tensorflow_repairs.free_batch(good.model)


def test_quantised_ends_become_the_floats_they_stand_for():
    model = one_node("Identity")
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.UINT8
    entry = {"quantization": (0.5, 10), "dtype": np.uint8}
    result = {"quantization": (0.25, 4), "dtype": np.uint8}
    tensorflow_repairs.float_ends(model, entry, result)
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": np.array([-9, 0, 1.1, 3, 999], np.float32)})[0]
    np.testing.assert_array_equal(found, (np.array([0, 10, 12, 16, 255]) - 4) * 0.25)


def test_a_foreign_error_is_told_with_its_cause():
    def fails():
        try:
            raise KeyError("aten::frobnicate has no translation")
        except KeyError as error:
            raise RuntimeError("the conversion failed") from error

    with pytest.raises(ExportError) as told, exporters.tool("refusal").step("PyTorch cannot"):
        fails()
    assert str(told.value) == (
        "PyTorch cannot: RuntimeError: the conversion failed "
        "(cause: KeyError: 'aten::frobnicate has no translation')"
    )


def test_the_version_of_keras_that_saved_a_file_is_named(tmp_path):
    saved_by = exporters.tool("from_keras").saved_by
    with zipfile.ZipFile(tmp_path / "new.keras", "w") as archive:
        archive.writestr("metadata.json", '{"keras_version": "3.4.1"}')
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["keras_version"] = b"2.11.0"
    (tmp_path / "other.h5").write_bytes(b"nothing")
    names = ("new.keras", "old.h5", "other.h5", "none.h5")
    said = [saved_by(tmp_path / name) for name in names]
    assert said == ["Keras 3.4.1", "Keras 2.11.0", None, None]


def test_what_commands_share_names_no_option_of_one_of_them():
    tree = ast.parse((ROOT / "iaside_onnx" / "exporting" / "from_pytorch.py").read_text())
    shared = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    texts = [
        node.value for node in ast.walk(shared["export_module"]) if isinstance(node, ast.Constant)
    ]
    assert not [text for text in texts if isinstance(text, str) and "--" in text]
