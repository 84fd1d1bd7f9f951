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

import iaside_onnx as ia
from iaside_onnx.audit.inspection import inspect
from iaside_onnx.errors import ArtifactError, DataError, IasideError
from iaside_onnx.listener import Listener

from . import graphs
from .conftest import write_npz

CLASSES = 4


class Heard(Listener):
    """Keeps the notes."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def audit(model, data, **settings):
    return ia.analyze(model, data, **{"bands": 3, "absence": "zero", **settings})


def same(one, other, atol=1e-5):
    np.testing.assert_allclose(one.log_prob, other.log_prob, atol=atol)
    assert one.predicted.tolist() == other.predicted.tolist()


@pytest.fixture
def data(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return write_npz(tmp_path / "d.npz", images, np.arange(6) % CLASSES)


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
    with pytest.raises(ArtifactError, match=r"3 channels of 16 x 16.*--layout"):
        audit(planes, data)
    with pytest.raises(DataError, match=r"--size.*16 x 16 pixels of 3"):
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
    with pytest.raises(ArtifactError, match="no batch axis"):
        audit(fixed, grey)


def test_an_input_without_a_shape_needs_layout_and_size(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    model = reshaped(plain, tmp_path / "any.onnx", None, [-1, 3, 16, 16])
    with pytest.raises(ArtifactError, match="--layout"):
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


def binary(tmp_path, tail):
    """A two-class network whose scores are one number an image."""
    path = graphs.small_network(tmp_path / f"{tail}.onnx", classes=2)
    model = onnx.load(path)
    graph = model.graph
    graph.node[-1].output[0] = "two"
    extra = {"difference": np.array([[-1.0], [1.0]], np.float32), "axis": np.array([1], np.int64)}
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in extra.items())
    last, nodes = "one", [helper.make_node("MatMul", ["two", "difference"], ["one"])]
    if "sigmoid" in tail:
        nodes.append(helper.make_node("Sigmoid", [last], ["p"]))
        last = "p"
    if "scalar" in tail:
        nodes.append(helper.make_node("Squeeze", [last, "axis"], ["number"]))
    if "hidden" in tail:  # the tail does not tell what it is
        nodes.append(helper.make_node("Abs", [last], ["size"]))
    nodes[-1].output[0] = "scores"
    graph.node.extend(nodes)
    del graph.output[:]
    shape = ["n"] if "scalar" in tail else ["n", 1]
    graph.output.append(helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("tail", ["logit", "sigmoid", "scalar logit", "scalar sigmoid"])
def test_binary_outputs_equal_the_two_class_network(tmp_path, tail):
    images = np.random.default_rng(2).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "two.npz", images, [0, 1, 0, 1, 1, 0])
    plain = graphs.small_network(tmp_path / "m.onnx", classes=2)
    model = binary(tmp_path, tail)
    # In float32 1 - p knows p no better than to 6e-8, which a temperature would magnify.
    for temperature in (1.0,) if "sigmoid" in tail else (1.0, 3.0):
        reference = audit(plain, data, temperature=temperature)
        found = audit(model, data, temperature=temperature)
        assert found.predicted.tolist() == reference.predicted.tolist()
        size = 1e-6 if "sigmoid" in tail else 1e-9
        np.testing.assert_allclose(
            np.exp(found.log_prob), np.exp(reference.log_prob), rtol=1e-4, atol=size
        )
    found = inspect(model)
    assert found["classes"] == 2
    assert found["outputs"][0]["kind"] == ("probabilities" if "sigmoid" in tail else "logits")


def test_one_number_between_0_and_1_of_unknown_meaning_is_asked_about(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "two.npz", images, [0, 1, 0, 1, 1, 0])
    model = binary(tmp_path, "sigmoid hidden")
    with pytest.raises(ArtifactError, match="--probabilities or --logits"):
        audit(model, data)
    same(audit(model, data, output_kind="probabilities"), audit(binary(tmp_path, "sigmoid"), data))


def test_a_multi_label_sigmoid_is_refused(tmp_path, data):
    model = onnx.load(graphs.small_network(tmp_path / "m.onnx"))
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="sigmoid"):
        audit(tmp_path / "m.onnx", data)


def test_quantised_probabilities_are_floored_at_half_a_step(tmp_path, data):
    """p is a multiple of 1/256: what it rounds to 0 is somewhere below 1/512."""
    plain = graphs.small_network(tmp_path / "p.onnx", tail="probabilities")
    model = onnx.load(plain)
    model.graph.node[-1].output[0] = "exact"
    step = {"step": np.float32(1 / 256), "zero": np.uint8(0)}
    model.graph.initializer.extend(numpy_helper.from_array(np.array(v), k) for k, v in step.items())
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", ["exact", "step", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["scores"]),
        ]
    )
    (tmp_path / "q.onnx").write_bytes(model.SerializeToString())
    exact = np.exp(audit(plain, data).log_prob)
    found = np.exp(audit(tmp_path / "q.onnx", data).log_prob)
    np.testing.assert_allclose(found, exact, atol=1 / 512 + 1e-6)
    assert found.min() >= 1 / 512 - 1e-6
    assert inspect(tmp_path / "q.onnx")["outputs"][0]["kind"] == "probabilities"


def linear_classifier(path: Path, *, zipmap: bool) -> Path:
    """What skl2onnx makes of a logistic regression on 8 x 8 grey pixels."""
    weights = np.random.default_rng(0).normal(0, 1, (3, 64))
    node = helper.make_node(
        "LinearClassifier", ["input"], ["label", "scores"], domain="ai.onnx.ml",
        coefficients=weights.ravel().tolist(), intercepts=[0.1, 0.0, -0.1],
        classlabels_ints=[0, 1, 2], post_transform="SOFTMAX",
    )  # fmt: skip
    nodes, output = [node], helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])
    if zipmap:
        nodes.append(
            helper.make_node(
                "ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2]
            )
        )
        number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
        kind = helper.make_sequence_type_proto(helper.make_map_type_proto(7, number))
        output = helper.make_value_info("maps", kind)
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 64])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]), output],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )
    return path


def test_label_beside_scores_is_passed_over_and_zipmap_refused_with_the_remedy(tmp_path):
    digits = np.random.default_rng(3).integers(0, 17, (6, 8, 8)).astype(np.float32) / 16
    data = write_npz(tmp_path / "digits.npz", digits, np.arange(6) % 3)
    report = audit(linear_classifier(tmp_path / "m.onnx", zipmap=False), data)
    weights = np.random.default_rng(0).normal(0, 1, (3, 64))
    logits = digits.reshape(6, 64) @ weights.T + [0.1, 0.0, -0.1]
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    full = expected[np.arange(6), np.arange(6) % 3]
    np.testing.assert_allclose(report.log_prob[:, -1], full, atol=1e-5)
    with pytest.raises(ArtifactError, match=r"ZipMap.*zipmap.*False"):
        audit(linear_classifier(tmp_path / "z.onnx", zipmap=True), data)
    with pytest.raises(ArtifactError, match="int64"):
        audit(tmp_path / "m.onnx", data, output="label")


def test_sequence_outputs_are_refused(tmp_path, data):
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, None))
    model = onnx.load(graphs.small_network(tmp_path / "m.onnx"))
    model.graph.node.append(helper.make_node("SequenceConstruct", ["scores"], ["list"]))
    del model.graph.output[:]
    model.graph.output.append(helper.make_value_info("list", kind))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="sequence of tensors"):
        audit(tmp_path / "m.onnx", data)


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
    with pytest.raises(IasideError, match="output" if key == "output" else "--") as error:
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
    with pytest.raises(ArtifactError, match="--ort-extension"):
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
    found = inspect(path)
    assert found["classes"] == 1000
    assert found["batch"] == 1
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    report = audit(path, write_npz(tmp_path / "d.npz", images, [5]), bands=1)
    assert report.run["batch_mode"] == "freed"
    assert np.isfinite(report.log_prob).all()


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
