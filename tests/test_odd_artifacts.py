"""One network in every dress: the table is the same, or the reason for refusing it is said."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from iaside_onnx.errors import ArtifactError, DataError, IasideError
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.listener import Listener

from . import graphs
from .conftest import write_npz
from .small_audits import CLASSES, audit, same, six_images


class Heard(Listener):
    """Keeps the notes."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def data(tmp_path):
    return six_images(tmp_path)


@pytest.fixture
def grey(tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (6, 16, 16), dtype=np.uint8)
    return write_npz(tmp_path / "grey.npz", images, np.arange(6) % CLASSES)


def reshaped(source: Path, target: Path, shape, block, perm=None) -> Path:
    """The same network behind an input of another shape (None: of unknown rank)."""
    model = onnx.load(source)
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["block" if name == "image" else name for name in node.input]
    last = "block" if perm is None else "turned"
    graph.initializer.append(numpy_helper.from_array(np.array(block, np.int64), "block_shape"))
    graph.node.insert(0, helper.make_node("Reshape", ["image", "block_shape"], [last]))
    if perm is not None:
        graph.node.insert(1, helper.make_node("Transpose", [last], ["block"], perm=perm))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
    target.write_bytes(model.SerializeToString())
    return target


def test_flat_inputs_in_either_order_equal_the_block(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    planes = reshaped(plain, tmp_path / "planes.onnx", ["n", 768], [-1, 3, 16, 16])
    pixels = reshaped(plain, tmp_path / "px.onnx", [None, 768], [-1, 16, 16, 3], [0, 3, 1, 2])
    reference = audit(plain, data)
    same(audit(planes, data, layout="nchw"), reference)
    same(audit(pixels, data, layout="nhwc"), reference)
    same(
        audit(planes, data, layout="nchw", output_map="magnitude", preprocess="imagenet"),
        audit(plain, data, output_map="magnitude", preprocess="imagenet"),
    )
    with pytest.raises(ArtifactError, match=r"3 channels of 16 x 16.*layout"):
        audit(planes, data)
    with pytest.raises(DataError, match=r"size=\(H, W\).*16 x 16 pixels of 3"):
        audit(planes, data, size=(8, 8), layout="nchw")
    assert inspect(planes)["inputs"][0]["layout"] == "flat"


def test_grey_inputs_without_an_axis_of_channels(tmp_path, grey):
    plain = graphs.small_network(tmp_path / "m.onnx", channels=1)
    plane = reshaped(plain, tmp_path / "plane.onnx", ["n", 16, 16], [-1, 1, 16, 16])
    free = reshaped(plain, tmp_path / "free.onnx", ["n", "h", "w"], [-1, 1, 16, 16])
    flat = reshaped(plain, tmp_path / "flat.onnx", ["n", 256], [-1, 1, 16, 16])
    reference = audit(plain, grey)
    for model in (plane, free, flat):
        same(audit(model, grey), reference)
    assert inspect(plane)["size"] == [16, 16]
    fixed = reshaped(plain, tmp_path / "fixed.onnx", [1, 16, 16], [-1, 1, 16, 16])
    same(audit(fixed, grey), reference)


def test_an_input_without_a_shape_needs_layout_and_size(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    model = reshaped(plain, tmp_path / "any.onnx", None, [-1, 3, 16, 16])
    with pytest.raises(ArtifactError, match="layout='nchw' or 'nhwc', and size"):
        audit(model, data)
    same(audit(model, data, layout="nchw", size=(16, 16)), audit(plain, data))


@pytest.mark.parametrize("shape", [[None, 3, None, 16], ["", 3, 16, ""], ["unk__30", 3, -1, -1]])
def test_any_name_of_the_batch_and_partly_fixed_sizes(tmp_path, data, shape):
    model = onnx.load(graphs.small_network(tmp_path / "m.onnx"))
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("image", TensorProto.FLOAT, shape))
    path = tmp_path / "free.onnx"
    path.write_bytes(model.SerializeToString())
    same(audit(path, data), audit(tmp_path / "m.onnx", data))


def test_what_the_file_declares_is_the_default_and_options_override_it(tmp_path, data):
    recipe = {"scale": 255, "channels": "bgr", "mean": [104, 117, 123]}
    declared = {
        "iaside.preprocess": json.dumps(recipe),
        "iaside.label_offset": "1",
        "iaside.output_kind": "logits",
        "iaside.output": "scores",
        "iaside.layout": "nchw",
        "iaside.classes": json.dumps(["background", "a", "b", "c", "d"]),
    }
    plain = graphs.small_network(tmp_path / "plain.onnx", classes=5)
    path = graphs.small_network(tmp_path / "m.onnx", classes=5, metadata=declared)
    toml = tmp_path / "r.toml"
    toml.write_text('scale = 255\nchannels = "bgr"\nmean = [104, 117, 123]\n')
    reference = audit(plain, data, preprocess=str(toml), label_offset=1)
    report = audit(path, data)
    same(report, reference)
    assert report.class_name(0) == "a"
    declared["iaside.classes"] = json.dumps(["a", "b", "c", "d"])  # in order of labels
    short = graphs.small_network(tmp_path / "s.onnx", classes=5, metadata=declared)
    assert audit(short, data).class_names == report.class_names
    declared["iaside.classes"] = json.dumps(["background", "a", "b", "c", "d"])
    assert report.settings["label_offset"] == 1
    same(audit(path, data, preprocess="unit", label_offset=0), audit(plain, data))
    assert inspect(path)["declared"] == declared


@pytest.mark.parametrize(
    ("key", "value", "override"),
    [
        ("preprocess", "no such preset", {"preprocess": "unit"}),
        ("preprocess", '{"scale": 1e999}', {"preprocess": "unit"}),
        ("preprocess", "[" * 100_000, {"preprocess": "unit"}),
        ("label_offset", "one", {"label_offset": 0}),
        ("output_kind", "scores", {"output_kind": "logits"}),
        ("output", "nothing", {"output": "scores"}),
    ],
)
def test_a_broken_declaration_names_the_option_that_overrides_it(
    tmp_path, data, key, value, override
):
    path = graphs.small_network(tmp_path / "m.onnx", metadata={f"iaside.{key}": value})
    with pytest.raises(IasideError, match=key) as error:
        audit(path, data)
    assert len(str(error.value)) < 600
    same(audit(path, data, **override), audit(graphs.small_network(tmp_path / "p.onnx"), data))
    assert inspect(path)["warnings"] or key == "output_kind"


def test_a_model_with_a_background_class_asks_for_the_offset(tmp_path, data):
    heard = Heard()
    audit(graphs.small_network(tmp_path / "m.onnx", classes=1001), data, listener=heard)
    assert any("--label-offset 1" in warning for warning in heard.warnings)


@pytest.mark.parametrize("opset", [7, 9, 11, *range(13, 27)])
def test_opsets_from_7_to_the_newest(tmp_path, data, opset):
    ir = 3 if opset < 9 else 8
    path = graphs.small_network(
        tmp_path / "m.onnx", opset=opset, ir=ir, weights_as_inputs=ir == 3, batch=1
    )
    same(audit(path, data), audit(graphs.small_network(tmp_path / "plain.onnx"), data))


def test_an_opset_that_the_runtime_does_not_know_is_refused_in_one_line(tmp_path, data, iaside):
    path = graphs.small_network(tmp_path / "m.onnx", opset=999)
    result = iaside("analyze", path, data, "-o", tmp_path / "r.h5")
    assert result.exit_code == 2
    assert "opset 999" in result.stderr.splitlines()[-1].lower()


def external(source: Path, folder: Path) -> Path:
    folder.mkdir()
    onnx.save_model(
        onnx.load(source), folder / "m.onnx", save_as_external_data=True, location="m.data",
        size_threshold=0, convert_attribute=True,
    )  # fmt: skip
    return folder / "m.onnx"


def test_external_data_runs_freed_from_another_folder(tmp_path, data, monkeypatch):
    plain = graphs.small_network(tmp_path / "m.onnx", batch=1, reshape=False)
    model = external(plain, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    report = audit(model.relative_to(tmp_path), data)
    assert report.run["batch_mode"] == "freed"
    same(report, audit(plain, data))


@pytest.mark.skipif(
    "IASIDE_TEST_LARGE" not in os.environ, reason="takes 5 GB of memory: set IASIDE_TEST_LARGE"
)
def test_weights_beyond_2_gigabytes(tmp_path, data):
    """The large matrix lies in a file of 2.2 GB that is a hole: it costs no room on the disk."""
    rows = 8_600_000
    plain = graphs.small_network(tmp_path / "m.onnx", batch=1)
    model = onnx.load(plain)
    weight = TensorProto(name="table", data_type=TensorProto.FLOAT, dims=[rows, 64])
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "big.data", "offset": "0", "length": str(rows * 256)}.items():
        weight.external_data.add(key=key, value=value)
    more = {"number": np.array([rows - 1], np.int64), "columns": np.array([[0, CLASSES]], np.int64)}
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in more.items())
    model.graph.initializer.append(weight)
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.extend(
        [
            helper.make_node("Gather", ["table", "number"], ["row"]),
            helper.make_node("ReduceSum", ["row"], ["nothing"]),
            helper.make_node("Add", ["logits", "nothing"], ["scores"]),
        ]
    )
    with (tmp_path / "big.data").open("wb") as stream:
        stream.truncate(rows * 256)
    path = tmp_path / "big.onnx"
    path.write_bytes(model.SerializeToString())
    report = audit(path, data)
    assert report.model["parameters"] > 2**29
    same(report, audit(plain, data))


def test_the_runtimes_own_format(tmp_path, data, iaside):
    free = graphs.small_network(tmp_path / "m.onnx", metadata={"iaside.preprocess": "raw"})
    fixed = graphs.small_network(tmp_path / "one.onnx", batch=1)
    reference = audit(free, data)
    for source in (free, fixed):
        options = ort.SessionOptions()
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.optimized_model_filepath = str(source.with_suffix(".ort"))
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    same(audit(free.with_suffix(".ort"), data), reference)
    found = inspect(free.with_suffix(".ort"))
    assert "hides the graph" in iaside("inspect", free.with_suffix(".ort")).stdout
    assert found["inputs"][0]["shape"] == ["n", 3, 16, 16]
    assert found["classes"] == CLASSES
    heard = Heard()
    report = audit(fixed.with_suffix(".ort"), data, listener=heard, preprocess="raw")
    assert report.run["batch_mode"] == "fixed"
    assert any("cannot be edited" in warning for warning in heard.warnings)
    same(report, reference)
    (tmp_path / "bad.ort").write_bytes(free.with_suffix(".ort").read_bytes()[:999])
    with pytest.raises(ArtifactError, match="cannot load"):
        audit(tmp_path / "bad.ort", data)


def test_custom_operators_only_with_the_library_that_was_named(tmp_path, data, iaside):
    library = pytest.importorskip(
        "onnxruntime_extensions", reason="needs the package onnxruntime-extensions"
    ).get_library_path()
    model = onnx.load(graphs.small_network(tmp_path / "m.onnx"))
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.extend(
        [
            helper.make_node("NegPos", ["logits"], ["low", "high"], domain="ai.onnx.contrib"),
            helper.make_node("Add", ["low", "high"], ["scores"]),
        ]
    )
    model.opset_import.append(helper.make_opsetid("ai.onnx.contrib", 1))
    path = tmp_path / "custom.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="ort_extension"):
        audit(path, data)
    report = audit(path, data, ort_extension=[library])
    same(report, audit(tmp_path / "m.onnx", data))
    assert len(next(iter(report.run["ort_extensions"].values()))) == 64
    assert iaside("inspect", path, "--ort-extension", library).exit_code == 0
    (tmp_path / "fake.so").write_bytes(b"not a library")
    for name in ("fake.so", "none.so"):
        result = iaside(
            "analyze", path, data, "-o", tmp_path / "r.h5", "--ort-extension", tmp_path / name
        )
        assert result.exit_code == 2
        assert "--ort-extension" in result.stderr
        assert result.stderr.count("\n") <= 2
    assert not (tmp_path / "r.h5").exists()


LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
HEAVY = ("light_vgg19", "light_zfnet512")


@pytest.mark.parametrize("path", sorted(LIGHT.glob("light_*.onnx")), ids=lambda path: path.stem)
def test_the_light_architectures_run_freed(tmp_path, path):
    if path.stem in HEAVY and "IASIDE_TEST_LARGE" not in os.environ:
        pytest.skip("made of what AlexNet is made of, and slow: set IASIDE_TEST_LARGE")
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    report = audit(path, write_npz(tmp_path / "d.npz", images, [5]), bands=1)
    assert report.run["batch_mode"] == "freed"
    assert report.data["classes"] == 1000
    assert np.isfinite(report.log_prob).all()


def test_a_light_architecture_is_described():
    found = inspect(LIGHT / "light_squeezenet.onnx")
    assert (found["classes"], found["batch"]) == (1000, 1)


def test_all_nine_light_architectures_are_there():
    assert len(list(LIGHT.glob("light_*.onnx"))) == 9


def test_damaged_files_are_described_or_refused(tmp_path):
    """Whatever bytes change, the answer is a description or one line."""
    rng = np.random.default_rng(5)
    metadata = {"iaside.preprocess": '{"scale": 255}', "iaside.classes": '["a", "b", "c", "d"]'}
    whole = graphs.small_network(tmp_path / "m.onnx", metadata=metadata).read_bytes()
    outcomes = set()
    for _ in range(120):
        content = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            # Weights fill the file's beginning; names, shapes and metadata stand at its end.
            place = int(rng.integers(len(whole) - 1200, len(whole)))
            content[place] = int(rng.integers(256))
        path = tmp_path / "damaged.onnx"
        path.write_bytes(content)
        try:
            outcomes.add(type(inspect(path)))
        except IasideError as error:
            outcomes.add("one line" if "\n" not in str(error) else str(error))
    assert outcomes == {dict, "one line"}
