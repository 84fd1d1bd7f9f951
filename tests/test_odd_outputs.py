"""Outputs of every kind: they mean the same, or the reason for refusing them is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, DataError
from iaside_onnx.inference.inspection import inspect

from . import graphs
from .conftest import write_npz
from .small_audits import audit, same, six_images


@pytest.fixture
def data(tmp_path):
    return six_images(tmp_path)


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
    with pytest.raises(ArtifactError, match="output_kind='probabilities' or 'logits'"):
        audit(model, data)
    found = audit(model, data, output_kind="probabilities").log_prob
    reference = audit(binary(tmp_path, "sigmoid"), data).log_prob
    np.testing.assert_allclose(np.exp(found), np.exp(reference), atol=1e-6)


def test_several_sigmoids_take_no_one_class_an_image(tmp_path, data):
    model = onnx.load(graphs.small_network(tmp_path / "m.onnx"))
    model.graph.node[-1].output[0] = "logits"
    model.graph.node.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="the model gives several labels an image"):
        audit(tmp_path / "m.onnx", data)


def test_quantised_probabilities_are_floored_at_half_a_step(tmp_path, data):
    """p is a multiple of 1/256: what it rounds to 0 is somewhere below 1/512.

    The logits before the Softmax are not rounded, so they are read where the graph shows them.
    """
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
    read = audit(tmp_path / "q.onnx", data)
    assert (read.settings["output"], read.run["read_before"]) == ("logits", "Softmax")
    np.testing.assert_allclose(np.exp(read.log_prob), exact, atol=1e-6)
    hide_head(tmp_path / "q.onnx", "exact")
    found = np.exp(audit(tmp_path / "q.onnx", data, output_kind="probabilities").log_prob)
    np.testing.assert_allclose(found, exact, atol=1 / 512 + 1e-6)
    assert found.min() >= 1 / 512 - 1e-6


def hide_head(path, name):
    """Put an Abs before the tensor of probabilities, so that the graph's tail tells nothing."""
    model = onnx.load(path)
    place, node = next((k, n) for k, n in enumerate(model.graph.node) if name in n.output)
    node.output[0] = "hidden"
    model.graph.node.insert(place + 1, helper.make_node("Abs", ["hidden"], [name]))
    path.write_bytes(model.SerializeToString())
    return path


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


def sigmoid_head(path, scale, *, dress="logit", dtype=np.float32):
    """One logit an image, the mean of its pixels from -1 to 1 times `scale`, in some dress."""
    held = {"axes": np.array([1, 2, 3]), "half": np.array(0.5), "scale": np.array(2.0 * scale)}
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    nodes = [
        helper.make_node("Cast", ["image"], ["typed"], to=kind),
        helper.make_node("Sub", ["typed", "half"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "axes"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "rows"], ["z"]),
    ]
    last = "z"
    if dress != "logit":
        nodes.append(helper.make_node("Sigmoid", ["z"], ["p"]))
        last = "p"
    if dress == "hidden":
        nodes.append(helper.make_node("Abs", ["p"], ["same"]))
        last = "same"
    columns = 1
    if dress in ("pair", "hidden pair"):
        if dress == "hidden pair":
            nodes.append(helper.make_node("Abs", ["p"], ["same"]))
            last = "same"
        nodes.append(helper.make_node("Sub", ["one", last], ["q"]))
        nodes.append(helper.make_node("Concat", ["q", last], ["both"], axis=1))
        last, columns = "both", 2
    nodes[-1].output[0] = "scores"
    held |= {"one": np.array(1.0)}
    constants = {
        name: value.astype(np.int64 if name == "axes" else dtype) for name, value in held.items()
    } | {"rows": np.array([-1, 1])}
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, 16, 16], output_shape=["n", columns],
        output_type=kind, opset=18,
    )  # fmt: skip


@pytest.fixture
def shades(tmp_path):
    """Grey images from black to white, of class 0 and 1 in turn."""
    shade = np.linspace(0, 255, 12).astype(np.uint8)[:, None, None, None]
    images = np.broadcast_to(shade, (12, 16, 16, 3))
    return write_npz(tmp_path / "shades.npz", np.ascontiguousarray(images), np.arange(12) % 2)


@pytest.mark.parametrize("scale", [10, 30, 80])
@pytest.mark.parametrize("dress", ["sigmoid", "pair"])
def test_a_saturated_sigmoid_gives_the_table_of_its_logit(tmp_path, shades, scale, dress):
    reference = audit(sigmoid_head(tmp_path / "z.onnx", scale), shades, output_kind="logits")
    for dtype, atol in ((np.float32, 1e-4), (np.float16, 0.2)):
        model = sigmoid_head(tmp_path / "p.onnx", scale, dress=dress, dtype=dtype)
        found = audit(model, shades)
        np.testing.assert_allclose(found.log_prob, reference.log_prob, atol=atol)
        assert found.run["read_before"] == "Sigmoid"
        assert found.floor_share is None
    inner = sigmoid_head(tmp_path / "inner.onnx", scale, dress=dress)
    same(audit(inner, shades, output=found.settings["output"], output_kind="logits"), reference)
    assert inspect(inner)["read_before"]["operator"] == "Sigmoid"


@pytest.mark.parametrize("dress", ["hidden", "hidden pair"])
def test_a_sigmoid_without_its_logit_has_one_floor_for_both_classes(tmp_path, shades, dress):
    for dtype, floor in ((np.float32, 2.0**-25), (np.float16, 2.0**-12)):
        model = sigmoid_head(tmp_path / "p.onnx", 30, dress=dress, dtype=dtype)
        report = audit(model, shades, output_kind="probabilities")
        assert report.settings["floor"] == floor
        assert report.log_prob.min() == pytest.approx(np.log(floor), rel=1e-5)
        at_floor = report.log_prob <= np.log(floor) * (1 - 1e-5)
        assert report.floor_share == pytest.approx(at_floor.mean())
        assert report.summary()["floor_share"] == report.floor_share
        assert any(f"{report.floor_share:.1%} of the values" in w for w in report.run["warnings"])
    # With the two classes exchanged in model and labels it is the same game.
    with np.load(shades) as held:
        other = write_npz(shades.with_name("other.npz"), held["images"], 1 - held["labels"])
    turned = sigmoid_head(tmp_path / "turned.onnx", -30, dress=dress, dtype=dtype)
    found = audit(turned, other, output_kind="probabilities")
    np.testing.assert_allclose(found.log_prob, report.log_prob, atol=1e-2)


def with_tail(source, target, nodes, outputs, held=None, opsets=()):
    """The small network with other nodes behind its logits, which are called `logits`."""
    model = onnx.load(source)
    graph = model.graph
    graph.node[-1].output[0] = "logits"
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in (held or {}).items())
    del graph.output[:]
    graph.output.extend(outputs)
    model.opset_import.extend(opsets)
    target.write_bytes(model.SerializeToString())
    return target


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def test_decisions_are_refused_and_the_tensor_that_holds_the_scores_is_named(tmp_path, data):
    """A rank is no class, and neither is the number of one: `output` names what was decided on."""
    plain = graphs.small_network(tmp_path / "m.onnx")
    reference = audit(plain, data)
    softmax = helper.make_node("Softmax", ["logits"], ["p"], axis=1)
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(7, number))
    labels = {"classlabels_int64s": [0, 1, 2, 3]}
    ml = [helper.make_opsetid("ai.onnx.ml", 3)]
    floats, ints = TensorProto.FLOAT, TensorProto.INT64
    cases = {
        "TopK": (
            [softmax, helper.make_node("TopK", ["p", "k"], ["best", "which"])],
            [value("best", floats, ["n", 4]), value("which", ints, ["n", 4])],
        ),
        "ArgMax": (
            [softmax, helper.make_node("ArgMax", ["p"], ["which"], axis=1, keepdims=0)],
            [value("which", ints, ["n"])],
        ),
        "ReduceMax": (
            [softmax, helper.make_node("ReduceMax", ["p"], ["best"], axes=[1], keepdims=0)],
            [value("best", floats, ["n"])],
        ),
        "Hardmax": (
            [softmax, helper.make_node("Hardmax", ["p"], ["best"], axis=1)],
            [value("best", floats, ["n", 4])],
        ),
        "ZipMap": (
            [
                softmax,
                helper.make_node("ArgMax", ["p"], ["which"], axis=1),
                helper.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", **labels),
            ],
            [value("which", ints, ["n", 1]), helper.make_value_info("maps", maps)],
        ),
    }
    for operator, (nodes, outputs) in cases.items():
        opsets = ml if operator == "ZipMap" else []
        target = tmp_path / f"{operator}.onnx"
        model = with_tail(plain, target, nodes, outputs, {"k": np.array([4])}, opsets)
        with pytest.raises(ArtifactError, match=f"{operator}.*output='p'"):
            audit(model, data)
        report = audit(model, data, output="p")
        same(report, reference)
        assert report.settings["output"] == "logits"
        same(audit(model, data, output="logits"), reference)
        described = inspect(model, output="p")
        assert (described["classes"], described["batch"]) == (4, "dynamic")
    with pytest.raises(ArtifactError, match="no output or other tensor named 'nothing'"):
        audit(plain, data, output="nothing")
    with pytest.raises(ArtifactError, match="no output or other tensor named 'weight'"):
        audit(plain, data, output="weight")


def test_probabilities_that_rounding_puts_below_0(tmp_path, data):
    """1 minus the sum of the others is -1.2e-7 now and then, in random forests for one."""
    nodes = [
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node("Sub", ["p", "little"], ["below"]),
        helper.make_node("Max", ["below", "least"], ["scores"]),
    ]
    held = {"little": np.float32([0, 0, 0, 2]), "least": np.float32([-1e-7])}
    held = {name: np.asarray(array) for name, array in held.items()}
    network = graphs.small_network(tmp_path / "m.onnx")
    outputs = [value("scores", TensorProto.FLOAT, ["n", 4])]
    model = with_tail(network, tmp_path / "b.onnx", nodes, outputs, held)
    with pytest.raises(ArtifactError, match="rows sum to"):
        audit(model, data, output_kind="probabilities")
    held["little"] = np.float32([1e-7] * 4)
    model = with_tail(network, tmp_path / "c.onnx", nodes, outputs, held)
    report = audit(model, data)
    assert report.settings["output_kind"] == "probabilities"


def test_names_that_a_zipmap_gives_the_columns(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    for labels, kind, names in (
        ({"classlabels_strings": ["ant", "bee", "cat", "dog"]}, 8, ["ant", "bee", "cat", "dog"]),
        ({"classlabels_int64s": [3, 5, 7, 9]}, 7, ["3", "5", "7", "9"]),
        ({"classlabels_int64s": [0, 1, 2, 3]}, 7, None),
    ):
        maps = helper.make_sequence_type_proto(helper.make_map_type_proto(kind, number))
        zipped = helper.make_node("ZipMap", ["logits"], ["maps"], domain="ai.onnx.ml", **labels)
        opsets = [helper.make_opsetid("ai.onnx.ml", 3)]
        outputs = [helper.make_value_info("maps", maps)]
        model = with_tail(plain, tmp_path / "z.onnx", [zipped], outputs, None, opsets)
        report = audit(model, data, output="logits")
        assert report.class_names == names
        told = any("labels must count them from 0" in text for text in report.run["warnings"])
        assert told == (names == ["3", "5", "7", "9"])


def test_any_tensor_of_a_batch_that_is_fixed(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    fixed = graphs.small_network(tmp_path / "one.onnx", batch=1)
    nodes = [helper.make_node("ArgMax", ["logits"], ["which"], axis=1)]
    outputs = [value("which", TensorProto.INT64, [1, 1])]
    report = audit(with_tail(fixed, tmp_path / "cut.onnx", nodes, outputs), data, output="logits")
    assert report.run["batch_mode"] == "freed"
    same(report, audit(plain, data))


@pytest.mark.parametrize("batch", [1, "n"])
def test_scores_of_one_image_without_an_axis_of_the_batch(tmp_path, data, batch):
    reference = audit(graphs.small_network(tmp_path / "plain.onnx"), data)
    network = graphs.small_network(tmp_path / "m.onnx", batch=batch)
    every = helper.make_node("Squeeze", ["logits"], ["scores"])
    model = with_tail(
        network, tmp_path / "c.onnx", [every], [value("scores", TensorProto.FLOAT, None)]
    )
    for size in (None, 1, 4):
        same(audit(model, data, batch=size), reference)
    assert inspect(model)["classes"] == 4


def test_scores_with_the_classes_first(tmp_path, data):
    reference = audit(graphs.small_network(tmp_path / "plain.onnx"), data)
    network = graphs.small_network(tmp_path / "m.onnx")
    turn = helper.make_node("Transpose", ["logits"], ["scores"], perm=[1, 0])
    outputs = [value("scores", TensorProto.FLOAT, [4, "n"])]
    same(audit(with_tail(network, tmp_path / "t.onnx", [turn], outputs), data), reference)
    fixed = graphs.small_network(tmp_path / "one.onnx", batch=1)
    model = with_tail(fixed, tmp_path / "u.onnx", [turn], outputs)
    report = audit(model, data)
    same(report, reference)
    assert any("taken for its 4 class scores" in warning for warning in report.run["warnings"])
    (stays,) = (each for each in report.run["warnings"] if "could not be made free" in each)
    assert "of the copy is 1 x 24 numbers for 6 images" in stays
    assert "detector" not in stays


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("flat", [False, True])
def test_an_input_of_one_image_without_a_batch_axis(tmp_path, data, layout, flat):
    reference = audit(graphs.small_network(tmp_path / "plain.onnx"), data)
    path = graphs.small_network(tmp_path / "m.onnx", batch=1, layout=layout)
    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["block" if name == "image" else name for name in node.input]
    sides = list(graph.input[0].type.tensor_type.shape.dim)[1:]
    shape = [side.dim_value for side in sides]
    graph.initializer.append(numpy_helper.from_array(np.array([0]), "front"))
    graph.node.insert(0, helper.make_node("Unsqueeze", ["image", "front"], ["block"]))
    if flat:
        graph.node[-1].output[0] = "row"
        graph.node.append(helper.make_node("Squeeze", ["row", "front"], ["scores"]))
        graph.output[0].CopyFrom(value("scores", TensorProto.FLOAT, [4]))
    graph.input[0].CopyFrom(value("image", TensorProto.FLOAT, shape))
    path.write_bytes(model.SerializeToString())
    report = audit(path, data)
    same(report, reference)
    assert report.settings["input"] == "image"
    assert inspect(path)["inputs"][0]["shape"] == shape


def test_inputs_of_encoded_files_are_refused_with_the_cut_to_make(tmp_path, data):
    plain = graphs.small_network(tmp_path / "m.onnx")
    for kind, name in ((TensorProto.UINT8, "ImageDecoder"), (TensorProto.STRING, "DecodeImage")):
        model = onnx.load(plain)
        model.graph.node[0].input[0] = "pixels"
        decoder = helper.make_node(name, ["image"], ["pixels"], "", None, "own")
        model.graph.node.insert(0, decoder)
        model.graph.input[0].CopyFrom(value("image", kind, ["length"]))
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(ArtifactError, match=r"encoded files.*extract_model.*\['pixels'\]"):
            audit(path, data)


def test_heads_that_are_spelt_out(tmp_path, shades):
    """exp(log-softmax), exp(z) / sum(exp(z)) and 1 / (1 + exp(-z)) are heads like their names."""
    reference = audit(sigmoid_head(tmp_path / "z.onnx", 60), shades, output_kind="logits")

    def node(operator, inputs, output, **attributes):
        return helper.make_node(operator, inputs.split(), [output], **attributes)

    forms = {
        "exp": [node("LogSoftmax", "two", "log", axis=1), node("Exp", "log", "scores")],
        "softmax": [
            node("ReduceMax", "two across", "most"),
            node("Sub", "two most", "below"),
            node("Exp", "below", "power"),
            node("ReduceSum", "power across", "sum"),
            node("Div", "power sum", "scores"),
        ],
        "sigmoid": [
            node("Neg", "z", "minus"),
            node("Exp", "minus", "power"),
            node("Add", "power one", "below"),
            node("Reciprocal", "below", "scores"),
        ],
    }
    for name, nodes in forms.items():
        model = onnx.load(tmp_path / "z.onnx")
        model.graph.node[-1].output[0] = "z"
        columns = 1 if name == "sigmoid" else 2
        if columns == 2:
            model.graph.node.append(node("Concat", "nothing z", "two", axis=1))
            model.graph.node.insert(-1, node("Sub", "z z", "nothing"))
        model.graph.node.extend(nodes)
        held = numpy_helper.from_array(np.array([1]), "across")
        model.graph.initializer.append(held)
        model.graph.output[0].CopyFrom(value("scores", TensorProto.FLOAT, ["n", columns]))
        path = tmp_path / f"{name}.onnx"
        path.write_bytes(model.SerializeToString())
        report = audit(path, shades, output_kind="probabilities")
        np.testing.assert_allclose(report.log_prob, reference.log_prob, atol=1e-4)
        assert "read_before" in report.run


def test_an_exponential_that_is_no_probability_is_left_as_it_is(tmp_path, data):
    network = graphs.small_network(tmp_path / "m.onnx")
    power = helper.make_node("Exp", ["logits"], ["scores"])
    outputs = [value("scores", TensorProto.FLOAT, ["n", 4])]
    report = audit(with_tail(network, tmp_path / "e.onnx", [power], outputs), data)
    assert report.settings["output"] == "scores"


def robustness(model, data, **options):
    result = ia.measure_robustness(
        model, data, corruption=["fog"], severity=[1, 3], queries=20, attack_samples=0, **options
    )
    return result, np.column_stack([result.change.reshape(6, -1), result.attack_change])


def heatmap(model, data, **options):
    result = ia.measure_heatmap(model, data, grid=3, **options)
    return result, result.change


def table(model, data, **options):
    result = audit(model, data, **{"batch": None, **options})
    return result, result.log_prob


def attacked(model, data, **options):
    result = ia.measure_snr(
        data, attack="square-linf", model=model, epsilon=0.1, queries=20, bands=2, severity=[3],
        corruption=["fog"], **options,
    )  # fmt: skip
    return result, result.noise


# Each gives its result and numbers that would show another batch.
MEASURES = {"analyze": table, "robustness": robustness, "heatmap": heatmap, "snr": attacked}


def tailed(tmp_path, nodes, held=None):
    """The small network behind nodes whose last one makes `scores`."""
    network = graphs.small_network(tmp_path / "network.onnx")
    made = [helper.make_node(op, i.split(), out.split(), **more) for op, i, out, more in nodes]
    outputs = [value("scores", TensorProto.FLOAT, ["n", 4])]
    return with_tail(network, tmp_path / "m.onnx", made, outputs, held)


SOFTMAX = ("Softmax", "logits", "p", {"axis": 1})


@pytest.mark.parametrize(
    ("nodes", "held"),
    [
        ([SOFTMAX, ("Add", "p c", "scores", {})], {"c": np.float32([0])}),
        ([SOFTMAX, ("MatMul", "p c", "scores", {})], {"c": np.eye(4, dtype=np.float32)}),
        (
            [SOFTMAX, ("Mul", "p c", "half", {}), ("Add", "half half", "scores", {})],
            {"c": np.float32([0.5])},
        ),
        (
            [
                SOFTMAX,
                ("Unsqueeze", "p c", "u", {}),
                ("Concat", "u u", "both", {"axis": 2}),
                ("ReduceMean", "both", "scores", {"axes": [2], "keepdims": 0}),
            ],
            {"c": np.array([2])},
        ),
    ],
)
def test_probabilities_that_end_in_a_sum_are_no_logits(tmp_path, data, nodes, held):
    model = tailed(tmp_path, nodes, held)
    report = audit(model, data)
    reference = audit(graphs.small_network(tmp_path / "plain.onnx"), data)
    assert report.settings["output_kind"] == "probabilities"
    np.testing.assert_allclose(report.log_prob, reference.log_prob, atol=1e-4)
    assert inspect(model)["outputs"][0]["kind"] == "probabilities"
    assert audit(model, data, output_kind="logits").settings["output_kind"] == "logits"


@pytest.mark.parametrize("scale", [1, 400])
def test_a_sigmoid_written_as_a_tanh_is_asked_about(tmp_path, shades, scale):
    model = onnx.load(sigmoid_head(tmp_path / "z.onnx", scale))
    model.graph.node[-1].output[0] = "z"
    for op, inputs, out in (
        ("Mul", "z half", "a"),
        ("Tanh", "a", "b"),
        ("Mul", "b half", "c"),
        ("Add", "c half", "scores"),
    ):
        model.graph.node.append(helper.make_node(op, inputs.split(), [out]))
    (tmp_path / "t.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="output_kind='probabilities' or 'logits'"):
        audit(tmp_path / "t.onnx", shades)
    audit(tmp_path / "t.onnx", shades, output_kind="probabilities")


ONE = {"c": np.float32([1])}


@pytest.mark.parametrize(
    ("nodes", "held", "words"),
    [
        ([SOFTMAX, ("Mul", "p c", "scores", {})], {"c": np.float32([100])}, "in percent"),
        (
            [("Hardmax", "logits", "h", {"axis": 1}), ("Mul", "h c", "scores", {})],
            ONE,
            "made by Hardmax",
        ),
        (
            [
                ("ArgMax", "logits", "a", {"axis": 1, "keepdims": 0}),
                ("OneHot", "a depth values", "scores", {"axis": 1}),
            ],
            {"depth": np.array([4]), "values": np.float32([0, 1])},
            "1 for one class and 0 for all others: a decision",
        ),
        (
            [
                ("ReduceMax", "logits", "most", {"axes": [1]}),
                ("Equal", "logits most", "e", {}),
                ("Cast", "e", "scores", {"to": 1}),
            ],
            None,
            "a decision",
        ),
        (
            [("TopK", "logits k", "v i", {}), ("Cast", "i", "scores", {"to": 1})],
            {"k": np.array([4])},
            "(ranks|rank)",
        ),
    ],
)
def test_percent_decisions_and_ranks_are_refused(tmp_path, data, nodes, held, words):
    model = tailed(tmp_path, nodes, held)
    with pytest.raises(ArtifactError, match=words):
        audit(model, data)


def test_a_softmax_over_one_class_always_answers_1(tmp_path, shades):
    model = onnx.load(sigmoid_head(tmp_path / "z.onnx", 1))
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Softmax", ["z"], ["scores"], axis=1))
    (tmp_path / "s.onnx").write_bytes(model.SerializeToString())
    for asked in (None, "probabilities"):
        with pytest.raises(ArtifactError, match="always answers 1"):
            audit(tmp_path / "s.onnx", shades, output_kind=asked)


def test_the_best_scores_are_a_decision_whatever_constant_they_are_multiplied_by(tmp_path, data):
    best = [("TopK", "logits k", "v i", {}), ("Mul", "v c", "scores", {})]
    with pytest.raises(ArtifactError, match="TopK"):
        audit(tailed(tmp_path, best, {"k": np.array([4]), **ONE}), data)


def test_a_head_that_only_the_later_images_show_to_be_another_is_not_read_before(tmp_path, shades):
    """1 / (1.5 + exp(-z)) is a sigmoid as long as z is small, as for the dark images first."""
    model = onnx.load(sigmoid_head(tmp_path / "z.onnx", 30))
    model.graph.node[-1].output[0] = "z"
    for op, inputs, out in (
        ("Neg", "z", "minus"),
        ("Exp", "minus", "power"),
        ("Add", "power more", "below"),
        ("Reciprocal", "below", "scores"),
    ):
        model.graph.node.append(helper.make_node(op, inputs.split(), [out]))
    for more, read in ((1.0, True), (1.5, False)):
        held = onnx.ModelProto()
        held.CopyFrom(model)
        held.graph.initializer.append(numpy_helper.from_array(np.float32(more), "more"))
        (tmp_path / "m.onnx").write_bytes(held.SerializeToString())
        report = audit(tmp_path / "m.onnx", shades, output_kind="probabilities")
        assert (report.run.get("read_before") == "Sigmoid") == read


@pytest.mark.parametrize("share", [0.0, 1e-2])
@pytest.mark.parametrize("measure", MEASURES)
def test_images_that_change_each_other_a_little_run_one_by_one(tmp_path, data, share, measure):
    mix = [
        ("ReduceMean", "logits", "mean", {"axes": [0], "keepdims": 1}),
        ("Mul", "mean c", "part", {}),
        ("Add", "logits part", "high", {}),
        ("Add", "high offset", "scores", {}),
    ]
    held = {"c": np.float32([[share, -share, share, 0]]), "offset": np.float32([20])}
    model = tailed(tmp_path, mix, held)
    result, values = MEASURES[measure](model, data)
    told = any("depend on the others in its batch" in text for text in result.run["warnings"])
    assert told == (result.run["batch"] == 1) == bool(share)
    alone = MEASURES[measure](model, data, batch=1)[1]
    np.testing.assert_allclose(values, alone, rtol=0, atol=0 if share else 1e-4)
