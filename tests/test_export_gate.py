"""The gate of the export tools, tried on files as broken exporters write them."""

from __future__ import annotations

import ast
import json
import math
import re
import sys
import tomllib
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from iaside_onnx import preprocess

from . import graphs
from .conftest import ROOT

TOOLS = ROOT / "tools" / "export"
sys.path.insert(0, str(TOOLS))

import exporting  # noqa: E402
import gate  # noqa: E402
import tensorflow_repairs  # noqa: E402

SIZE = 16


@pytest.fixture
def good(tmp_path):
    """A sound model [n, 3, 16, 16] -> [n, 4], what it answers, and images for it."""
    path = graphs.small_network(tmp_path / "sound.onnx", size=SIZE)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    images = {kind: rng.random((5, 3, SIZE, SIZE), dtype=np.float32) for kind in ("random", "real")}
    (tmp_path / "out").mkdir()
    return SimpleNamespace(
        model=onnx.load(path),
        reference=lambda rows: session.run(None, {"image": rows})[0],
        images=images,
        target=tmp_path / "out" / "model.onnx",
    )


def constant(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def replace_constant(model, name, values):
    constant(model, name).CopyFrom(numpy_helper.from_array(values, name))


def append(model, op, inputs, **attributes):
    """Put a node behind the scores."""
    for node in model.graph.node:
        node.output[:] = ["before" if name == "scores" else name for name in node.output]
    model.graph.node.append(helper.make_node(op, inputs, ["scores"], **attributes))


def phantom_input(model):
    append(model, "Add", ["before", "normalization/Sub/y:0"])
    model.graph.input.append(helper.make_tensor_value_info("normalization/Sub/y:0", 1, [1, 4]))


def static_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def traced_at_batch_1(model):
    replace_constant(model, "shape", np.array([1, 8], np.int64))


def traced_output(model):
    traced_at_batch_1(model)
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1


def batch_statistics(model):
    """Batch normalisation left in training mode, in short."""
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    position = list(model.graph.node).index(relu)
    model.graph.node.insert(
        position, helper.make_node("ReduceMean", ["conv"], ["mean"], axes=[0, 2, 3])
    )
    model.graph.node.insert(position + 1, helper.make_node("Sub", ["conv", "mean"], ["centred"]))
    relu.input[0] = "centred"


def unsupported(op):
    def change(model):
        append(model, op, ["before"])

    return change


def other_weights(model):
    kernel = numpy_helper.to_array(constant(model, "kernel"))
    replace_constant(model, "kernel", kernel * np.float32(1.01))


def other_padding(model):
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.attribute.append(helper.make_attribute("pads", [0, 0, 1, 1]))


def softmax_twice(model):
    append(model, "Softmax", ["before"])


def label_beside(model):
    model.graph.node.append(helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0))
    model.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]))


def zipmap(model):
    append(model, "ZipMap", ["before"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3])
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    scores = helper.make_map_type_proto(TensorProto.INT64, helper.make_tensor_type_proto(1, []))
    value = helper.make_value_info("scores", helper.make_sequence_type_proto(scores))
    model.graph.output[0].CopyFrom(value)


def external(model):
    tensor = constant(model, "weight")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="model.onnx.data")


def not_finite(model):
    append(model, "Div", ["before", "zero"])
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "zero"))


def quantised_scores(model):
    append(model, "Cast", ["before"], to=TensorProto.UINT8)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8


def named_after_source(model):
    model.graph.node[0].name = "/home/alice/nets/train.py:41"


BAD = {
    "a captured constant became an input": (phantom_input, "2 inputs"),
    "static batch": (static_batch, "batch is fixed at 1"),
    "traced for one image": (traced_at_batch_1, "at batch 2"),
    "declares what was traced": (traced_output, "declares a batch of 1|at batch"),
    "statistics of the batch": (batch_statistics, "outputs differ"),
    "exact GELU of tf2onnx": (unsupported("Erfc"), "checker refuses.*Erfc"),
    "grouped convolution of tf2onnx": (
        unsupported("StatefulPartitionedCall"),
        "checker refuses.*StatefulPartitionedCall",
    ),
    "other weights": (other_weights, "outputs differ"),
    "other padding": (other_padding, "outputs differ"),
    "softmax twice": (softmax_twice, "outputs differ"),
    "label beside the scores": (label_beside, "2 outputs"),
    "ZipMap": (zipmap, "no tensor"),
    "weights outside the file": (external, "outside the file"),
    "not finite": (not_finite, "not finite"),
    "quantised scores": (quantised_scores, "uint8"),
    "source line as a name": (named_after_source, r"alice/nets/train\.py"),
}


def admit(case, **options):
    return gate.admit(case.model, case.target, case.reference, case.images, **options)


def test_a_sound_export_passes_and_says_how_near_it_is(good):
    result = admit(good, metadata={"iaside.preprocess": "unit"})
    assert result.relative < 1e-6
    assert result.images == 10
    assert result.runtime == "onnxruntime"
    assert not result.weak
    written = onnx.load(good.target)
    assert {entry.key: entry.value for entry in written.metadata_props} == {
        "iaside.preprocess": "unit"
    }


@pytest.mark.parametrize("name", BAD)
def test_what_exporters_write_in_silence_is_refused_and_not_left_behind(good, name):
    change, message = BAD[name]
    change(good.model)
    with pytest.raises(gate.ExportError, match=message):
        admit(good)
    assert not list(good.target.parent.iterdir())


def test_a_file_that_was_there_survives_a_failed_export(good):
    good.target.write_bytes(b"mine")
    with pytest.raises(gate.ExportError, match="--overwrite"):
        admit(good)
    other_weights(good.model)
    with pytest.raises(gate.ExportError, match="outputs differ"):
        admit(good, overwrite=True)
    assert [path.read_bytes() for path in good.target.parent.iterdir()] == [b"mine"]


def test_what_tells_about_the_exporting_machine_is_stripped_everywhere(good, tmp_path):
    secret = "/home/alice/nets/train.py:41"
    inner = helper.make_graph(
        [helper.make_node("Identity", ["before"], ["chosen"], doc_string=secret)],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", 1, None)],
    )
    append(good.model, "If", ["yes"], then_branch=inner, else_branch=inner)
    good.model.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    good.model.doc_string = secret
    for part in (good.model, good.model.graph, good.model.graph.node[0], good.model.graph.input[0]):
        part.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=f'File "{secret}"')
    raw = tmp_path / "raw.onnx"
    onnx.save(good.model, raw)
    with pytest.raises(gate.ExportError, match=r"path|doc string"):
        gate.check_file(raw)
    admit(good)
    assert b"alice" not in good.target.read_bytes()


def test_metadata_must_not_hold_a_path(good):
    with pytest.raises(gate.ExportError, match=r"iaside\.classes.*path"):
        admit(good, metadata={"iaside.classes": json.dumps(["/home/alice/cats/", "dog"])})


def test_class_names_with_slashes_are_no_paths(good):
    names = ["/m/01g317", "screen, CRT screen", "and/or", "10/11 scale"]
    admit(good, metadata={"iaside.classes": json.dumps(names)})


def test_a_model_in_training_mode_is_told_from_a_bad_export(good):
    still = good.reference
    good.reference = lambda rows: still(rows) + np.float32(0.1 * len(rows))
    with pytest.raises(gate.ExportError, match="evaluation mode"):
        admit(good)


def test_agreement_on_a_constant_proves_nothing(good):
    replace_constant(good.model, "weight", np.zeros((8, 4), np.float32))
    good.reference = lambda rows: np.zeros((len(rows), 4), np.float32)
    with pytest.raises(gate.ExportError, match="weights loaded"):
        admit(good)


def test_outputs_that_hardly_vary_are_called_a_weak_test_and_still_compared(good):
    append(good.model, "Add", ["before", "offset"])
    offset = numpy_helper.from_array(np.float32(1000), "offset")
    good.model.graph.initializer.append(offset)
    still = good.reference
    good.reference = lambda rows: still(rows) + np.float32(1000)
    good.images = {kind: rows * np.float32(20) for kind, rows in good.images.items()}
    assert admit(good).weak
    replace_constant(good.model, "offset", np.float32(1001))
    with pytest.raises(gate.ExportError, match="outputs differ"):
        admit(good, overwrite=True)


def test_the_tolerance_is_what_it_says(good):
    spread = max(float(np.ptp(good.reference(rows), axis=0).max()) for rows in good.images.values())
    append(good.model, "Add", ["before", "offset"])
    offset = numpy_helper.from_array(np.float32(2e-3 * spread), "offset")
    good.model.graph.initializer.append(offset)
    with pytest.raises(gate.ExportError, match=r"limit: 0\.001"):
        admit(good)
    assert 1e-3 < admit(good, tolerance=5e-3).relative <= 2e-3


def test_size_limit(good, monkeypatch):
    monkeypatch.setattr(gate, "_LARGEST", 1000)
    with pytest.raises(gate.ExportError, match="2 GB"):
        admit(good)
    assert not list(good.target.parent.iterdir())


def test_without_a_runtime_the_reference_evaluator_stands_in(good, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert admit(good).runtime == "onnx.reference"
    traced_at_batch_1(good.model)
    with pytest.raises(gate.ExportError, match=r"onnx\.reference cannot run it at batch 2"):
        admit(good, overwrite=True)


# --- what the commands share ---------------------------------------------------------------


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
    export(good, monkeypatch, "--classes", "a,b,c,d", "--preprocess", str(recipe))
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "4 logits" in said
    assert f"iaside analyze {good.target} IMAGES" in said
    metadata = {entry.key: entry.value for entry in onnx.load(good.target).metadata_props}
    assert json.loads(metadata.pop("iaside.preprocess")) == {"scale": 2, "mean": [0.1, 0.2, 0.3]}
    assert metadata == {
        "iaside.layout": "nchw",
        "iaside.output_kind": "logits",
        "iaside.output": "scores",
        "iaside.classes": '["a", "b", "c", "d"]',
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
    assert exporting.kind_of(logits, None) == "logits"
    assert exporting.kind_of(probabilities, None) == "probabilities"
    with pytest.raises(gate.ExportError, match="sigmoid"):
        exporting.kind_of(1 / (1 + np.exp(-logits)), None)
    with pytest.raises(gate.ExportError, match="sum to 1"):
        exporting.kind_of(probabilities, "logits")


def test_presets_hand_the_test_images_over_as_iaside_does():
    assert exporting.PRESETS.keys() == preprocess.PRESETS.keys()
    pixels = np.random.default_rng(0).random((1, 3, 4, 5))
    for name, recipe in exporting.PRESETS.items():
        order, gain, shift = preprocess.PRESETS[name].affine(3)
        wanted = pixels[:, order] * gain[:, None, None] + shift[:, None, None]
        for layout, moved in (("nchw", wanted), ("nhwc", np.moveaxis(wanted, 1, -1))):
            image = gate.Image("image", np.float32, (), layout)
            found = exporting._as_input(pixels, image, (), recipe)
            np.testing.assert_allclose(found, moved, rtol=1e-5, atol=1e-5)


def test_real_images_are_photographs_in_the_graphs_own_form():
    image = gate.Image("image", np.uint8, (None, None, 3), "nhwc")
    images = exporting.test_images(ROOT / "demo" / "test", image, (24, 32, 3), {"scale": 255})
    assert {rows.shape for rows in images.values()} == {(5, 24, 32, 3)}
    assert images["real"].dtype == np.uint8
    assert len(np.unique(images["real"].reshape(5, -1), axis=0)) == 5
    flat = gate.Image("rows", np.float32, (50,), "flat")
    rows = exporting.test_images(ROOT / "demo" / "test", flat, (50,), {})["real"]
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


# --- repairs of tf2onnx's graphs -----------------------------------------------------------


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
