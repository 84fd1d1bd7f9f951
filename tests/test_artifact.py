"""What is read off an ONNX file, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference.ends import image_input, score_output, settled_layout
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.onnx_file.artifact import read_artifact

from . import graphs


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(
    ("tail", "kind"),
    [
        ("logits", "logits"),
        ("probabilities", "probabilities"),
        ("log-probabilities", "logits"),
        ("spatial", "logits"),
    ],
)
def test_layout_and_kind(tmp_path, layout, tail, kind):
    path = graphs.small_network(tmp_path / "m.onnx", layout=layout, tail=tail)
    found = inspect(path)
    assert found["inputs"][0]["layout"] == layout
    assert found["outputs"][0]["kind"] == kind
    assert found["classes"] == 4
    assert found["size"] == [16, 16]
    assert found["batch"] == "dynamic"
    assert found["opset"] == 17
    assert found["ir_version"] == 8
    assert found["producer"] == "tests"
    assert found["providers"][-1] == "CPUExecutionProvider"
    assert len(found["sha256"]) == 64


def test_old_files_list_weights_as_inputs(tmp_path):
    path = graphs.small_network(tmp_path / "m.onnx", ir=3, opset=7, batch=1, weights_as_inputs=True)
    artifact = read_artifact(path)
    assert [tensor.name for tensor in artifact.inputs] == ["image"]
    found = inspect(path)
    assert found["batch"] == 1
    assert any("fixed at 1" in warning for warning in found["warnings"])


def test_kind_is_confirmed_on_data_where_the_tail_does_not_tell(tmp_path):
    path = graphs.energies(tmp_path / "m.onnx", 16, [1, 3], [0.5, 0.5])
    found = inspect(path)
    assert found["outputs"][0]["kind"] == "probabilities"
    assert any("tail" in warning for warning in found["warnings"])


def test_declared_metadata_and_range_hint(tmp_path):
    path = graphs.small_network(
        tmp_path / "m.onnx", dtype=np.uint8, metadata={"iaside.classes": '["a","b","c","d"]'}
    )
    found = inspect(path)
    assert found["class_names"] == ["a", "b", "c", "d"]
    assert found["declared"] == {"iaside.classes": '["a","b","c","d"]'}
    assert "Mul" in found["range_hint"]
    assert found["inputs"][0]["dtype"] == "uint8"


def test_ambiguous_layout_names_the_option(tmp_path):
    path = graphs.save(
        tmp_path / "m.onnx",
        [helper.make_node("Flatten", ["image"], ["scores"])],
        {},
        input_shape=["n", 3, 8, 3],
        output_shape=["n", 72],
    )
    artifact = read_artifact(path)
    with pytest.raises(ArtifactError, match="layout='nchw' or 'nhwc'"):
        settled_layout(artifact, artifact.inputs[0])
    assert settled_layout(artifact, artifact.inputs[0], "nhwc") == "nhwc"
    assert any("--layout" in warning for warning in inspect(path)["warnings"])


def test_of_two_inputs_one_takes_images_and_two_score_outputs_are_refused(tmp_path):
    second = helper.make_tensor_value_info("other", TensorProto.FLOAT, [1])
    nodes = [
        helper.make_node("Flatten", ["image"], ["scores"]),
        helper.make_node("Identity", ["other"], ["more"]),
    ]
    outputs = [helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, {}, input_shape=["n", 3, 8, 8], output_shape=["n", 192],
        extra_inputs=[second], extra_outputs=outputs,
    )  # fmt: skip
    artifact = read_artifact(path)
    assert image_input(artifact).name == "image"  # the other one asks for --set
    assert artifact.unread == frozenset()
    with pytest.raises(ArtifactError, match=r"with output, or take them all"):
        score_output(artifact)
    assert score_output(artifact, "scores").name == "scores"
    with pytest.raises(ArtifactError, match="'nothing'"):
        score_output(artifact, "nothing")


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "missing.bin", ""])
def test_external_data_outside_the_folder_or_missing_is_refused(tmp_path, location):
    (tmp_path / "weights.bin").write_bytes(bytes(4000))
    folder = tmp_path / "model"
    folder.mkdir()
    path = graphs.small_network(folder / "m.onnx")
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, location or "x")
    if not location:
        del tensor.external_data[:]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match=r"outside|beside"):
        read_artifact(path)


def test_external_data_beside_the_file_is_hashed_with_it(tmp_path):
    path = graphs.small_network(tmp_path / "m.onnx")
    model = onnx.load(path)
    onnx.save_model(
        model, path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    before = read_artifact(path)
    assert [file.name for file in before.external] == ["weights.bin"]
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert read_artifact(path).sha256 != before.sha256


def test_sub_graphs_are_searched_for_external_data(tmp_path):
    inner = helper.make_tensor("t", TensorProto.FLOAT, [1], [0.0])
    inner.ClearField("float_data")
    inner.data_location = TensorProto.EXTERNAL
    inner.external_data.add(key="location", value="../../secret")
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["c"], value=inner)],
        "branch",
        [],
        [helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])],
    )
    nodes = [
        helper.make_node("If", ["yes"], ["x"], then_branch=branch, else_branch=branch),
        helper.make_node("Flatten", ["image"], ["scores"]),
    ]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, {"yes": np.array(True)}, input_shape=["n", 3, 8, 8],
        output_shape=["n", 192],
    )  # fmt: skip
    with pytest.raises(ArtifactError, match="outside"):
        read_artifact(path)


def test_a_free_size_is_said_and_named_where_accuracy_is_at_chance(photographs, tmp_path, iaside):
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "blind"], ["scores"]),
    ]
    shape = {"input_shape": ["n", 3, "h", "w"], "output_shape": ["n", 4]}
    blind = {"blind": np.zeros((3, 4), np.float32)}
    path = graphs.save(tmp_path / "m.onnx", nodes, blind, **shape)
    options = [
        "-o",
        tmp_path / "r.h5",
        "--bands",
        2,
        "--preprocess",
        "imagenet",
        "--absence",
        "zero",
    ]
    result = iaside("analyze", path, photographs, *options)
    assert "left free by the file, so 224 x 224 is taken" in result.stderr
    assert "(224 x 224 was taken: --size HxW)" in result.stderr
    sized = graphs.save(tmp_path / "s.onnx", nodes, blind, **shape, metadata={"imgsz": "[48, 32]"})
    report = ia.analyze(sized, photographs, bands=2, preprocess="inception", absence="zero")
    assert report.settings["size"] == [48, 32]
    told = json.loads(iaside("inspect", sized, "--json").stdout)
    assert told["declared"] == {"imgsz": "[48, 32]"}
    assert (told["size"], told["size_tried"], told["size_from"]) == (
        [None, None],
        [48, 32],
        "imgsz",
    )
    assert "48 x 32 was tried, as imgsz" in iaside("inspect", sized).stdout
    assert "40 x 24 was tried, as --size" in iaside("inspect", path, "--size", "40x24").stdout
    assert "224 x 224 was tried; an audit" in iaside("inspect", path).stdout
    options[1], options[5] = tmp_path / "s.h5", "inception"
    assert "48 x 32, as imgsz in" in iaside("analyze", sized, photographs, *options).stderr


def test_a_model_that_fails_at_a_free_size_is_said_to_want_one(photographs, tmp_path, iaside):
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    weights = {"w": np.ones((3 * 8 * 8, 4), np.float32)}
    shape = {"input_shape": ["n", 3, "h", "w"], "output_shape": ["n", 4]}
    path = graphs.save(tmp_path / "m.onnx", nodes, weights, **shape)
    for command in ("analyze", "robustness", "heatmap"):
        done = iaside(command, path, photographs, "-o", tmp_path / "r.h5", "--quiet")
        assert done.exit_code == 2
        assert "its input size is free, and 16 x 16 was taken: give --size HxW" in done.stderr
    done = iaside("analyze", path, photographs, "-o", tmp_path / "r.h5", "--size", "9x9")
    assert done.exit_code == 2
    assert "--size" not in done.stderr


def test_weights_in_constant_nodes_are_counted(tmp_path):
    value = numpy_helper.from_array(np.ones((192, 4), np.float32), "v")
    nodes = [
        helper.make_node("Constant", [], ["w"], value=value),
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, {}, input_shape=["n", 3, 8, 8], output_shape=["n", 4]
    )
    assert read_artifact(path).parameters == 192 * 4
