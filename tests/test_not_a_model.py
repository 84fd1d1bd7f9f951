"""Files that are no model, or none that can run: named for what they are, with the remedy."""

from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iaside_onnx.errors import ArtifactError
from iaside_onnx.file_kinds import kind_of_file
from iaside_onnx.inference.session import Runtime
from iaside_onnx.onnx_file.artifact import read_artifact

from . import graphs

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1093898\n"


def small():
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 8, 8]) for name in "xy"]
    nodes = [helper.make_node("Add", ["x", "w"], ["y"])]
    weights = [numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "w")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def zipped(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return stream.getvalue()


def tarred():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.onnx"))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.onnx", LFS, "git lfs pull"),
        ("m.onnx", b"\n<!DOCTYPE html><html>404</html>", "web page"),
        ("m.onnx.gz", gzip.compress(b"x" * 100, mtime=0), "gzip: unpack it"),
        ("m.zip", zipped("export/model.onnx", "labels.txt"), "holds export/model.onnx"),
        ("m.tar", tarred(), "tar archive"),
        ("m.pt", zipped("archive/data.pkl", "archive/version"), "factory --weights FILE"),
        ("m.keras", zipped("config.json", "model.weights.h5"), "iaside export keras"),
        ("m.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "iaside export keras"),
        ("m.tflite", b"\x1c\0\0\0TFL3" + b"\0" * 20, "TensorFlow Lite"),
        ("m.pb", b"\x0a\x90\x01\x0a\x05input", "tf2onnx"),
        ("model.json", b'{"format": "layers-model", "modelTopology": {}}', "TensorFlow.js"),
        ("m.joblib", pickle.dumps({"a": 1}), "pickle"),
        ("m.onnx", b"", "empty"),
        ("m.onnx", b"\0" * 64, "zeros"),
    ],
)  # fmt: skip
def test_other_files_are_named_for_what_they_are(tmp_path, iaside, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    result = iaside("inspect", path)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_saved_model_and_a_folder_with_a_model_are_named(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"such as net\.onnx"):
        read_artifact(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="SavedModel"):
        read_artifact(tmp_path)


def test_nothing_is_said_of_bytes_that_may_be_a_model():
    assert kind_of_file(small().SerializeToString()[:1024], "m.onnx") is None


def test_weights_cut_short_and_pointers_in_their_place_are_named(tmp_path):
    path, weights = tmp_path / "m.onnx", tmp_path / "w.bin"
    model = small()
    onnx.save(model, path, save_as_external_data=True, location=weights.name, size_threshold=0)
    whole = weights.read_bytes()
    read_artifact(path)
    weights.write_bytes(whole[:-1])
    with pytest.raises(ArtifactError, match=r"cut short .*copy w\.bin again"):
        read_artifact(path)
    weights.write_bytes(LFS)
    with pytest.raises(ArtifactError, match="git lfs pull"):
        read_artifact(path)


def bfloat16_inside():
    nodes = [
        helper.make_node("Cast", ["x"], ["b"], to=TensorProto.BFLOAT16),
        helper.make_node("Relu", ["b"], ["r"]),
        helper.make_node("Cast", ["r"], ["y"], to=TensorProto.FLOAT),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def newer(**numbers):
    model = small()
    model.ir_version = numbers.get("ir", model.ir_version)
    model.opset_import[0].version = numbers.get("opset", model.opset_import[0].version)
    return model


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (newer(ir=99), "IR version 99 .*pip install -U"),
        (newer(opset=99), "opset 99 of .*or export it with opset"),
        (bfloat16_inside(), "Relu.*float32 or float16"),
    ],
    ids=["ir", "opset", "bfloat16"],
)
def test_files_that_the_runtime_cannot_load_come_with_a_remedy(model, words):
    with pytest.raises(ArtifactError, match=words):
        Runtime().open(model.SerializeToString())


def test_a_pointer_in_place_of_a_picture_is_named(tmp_path, iaside):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "0.png").write_bytes(LFS)
    graphs.small_network(tmp_path / "m.onnx")
    result = iaside("analyze", tmp_path / "m.onnx", tmp_path / "photos", "-o", tmp_path / "r.h5")
    assert result.exit_code == 2
    assert "git lfs pull" in result.stderr
