"""The gate of the export tools, tried on files as broken exporters write them."""

from __future__ import annotations

import json
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from . import exporters
from .exporters import admit, append, constant, replace_constant, static_batch

gate = exporters.tool("gate")
declared = exporters.tool("declared")


@pytest.fixture
def good(tmp_path):
    return exporters.sound_export(tmp_path)


def phantom_input(model):
    append(model, "Add", ["before", "normalization/Sub/y:0"])
    model.graph.input.append(helper.make_tensor_value_info("normalization/Sub/y:0", 1, [1, 4]))


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
        exporters.tool("gate_graph").check_file(raw)
    admit(good)
    assert b"alice" not in good.target.read_bytes()


def test_metadata_must_not_hold_a_path(good):
    with pytest.raises(gate.ExportError, match=r"iaside\.classes.*path"):
        admit(good, metadata={"iaside.classes": json.dumps(["/home/alice/cats/", "dog"])})


def test_class_names_with_slashes_are_no_paths(good):
    names = ["/m/01g317", "screen, CRT screen", "and/or", "10/11 scale"]
    admit(good, metadata={"iaside.classes": json.dumps(names)})


@pytest.mark.parametrize("given", ['["cat", "", "dog"]', "cat\n\ndog\n", "cat,,dog"])
def test_a_class_without_a_name_is_refused_and_not_left_out(tmp_path, given):
    path = tmp_path / ("n.json" if given[0] == "[" else "n.txt")
    path.write_text(given)
    with pytest.raises(gate.ExportError, match="class 1 has no name"):
        declared.read_classes(given if "," in given and given[0] != "[" else str(path))


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
    monkeypatch.setattr(exporters.tool("gate_graph"), "_LARGEST", 1000)
    with pytest.raises(gate.ExportError, match="2 GB"):
        admit(good)
    assert not list(good.target.parent.iterdir())


def test_without_a_runtime_the_reference_evaluator_stands_in(good, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert admit(good).runtime == "onnx.reference"
    traced_at_batch_1(good.model)
    with pytest.raises(gate.ExportError, match=r"onnx\.reference cannot run it at batch 2"):
        admit(good, overwrite=True)
