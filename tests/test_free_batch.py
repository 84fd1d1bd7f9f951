"""Batches that a file fixes, or runs at alone: freed where that can be, one by one where not."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.onnx_file.free_batch import free_batch

from . import graphs
from .small_audits import audit, same, six_images

# 4 x 4 pixels of 2 channels: 4 patches of 8 numbers.
SHAPE = (2, 4, 4)
TOKENS, WIDTH, HEADS = 4, 8, 2


def weights(*shape):
    return np.random.default_rng(sum(shape)).normal(0, 0.5, shape).astype(np.float32)


class Graph:
    """Nodes in a row, each made of the last tensor."""

    def __init__(self, batch):
        self.batch, self.nodes, self.held, self.last = batch, [], {}, "image"

    def hold(self, value):
        name = f"held_{len(self.held)}"
        self.held[name] = np.asarray(value)
        return name

    def add(self, operator, *others, first=None, **attributes):
        names = [self.hold(each) if not isinstance(each, str) else each for each in others]
        output = f"{operator}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, [first or self.last, *names], [output], **attributes)
        )
        self.last = output
        return output

    def reshape(self, *sizes, **attributes):
        return self.add("Reshape", np.array(sizes, np.int64), **attributes)

    def head(self):
        self.reshape(self.batch, -1, allowzero=1)
        self.add("MatMul", weights(self.held_width, 3))

    held_width = TOKENS * WIDTH


def tokens(g):
    """[batch, patches, numbers]."""
    g.reshape(g.batch, WIDTH, TOKENS, allowzero=1)
    g.add("Transpose", perm=[0, 2, 1])


def view(g):
    g.head()


def attention_with_the_sequence_first(g):
    n = g.batch
    tokens(g)
    g.add("Transpose", perm=[1, 0, 2])
    g.reshape(TOKENS * n, WIDTH)
    g.add("MatMul", weights(WIDTH, WIDTH))
    g.reshape(TOKENS, n * HEADS, WIDTH // HEADS)
    x = g.add("Transpose", perm=[1, 0, 2])
    keys = g.add("Transpose", perm=[0, 2, 1])
    g.add("MatMul", keys, first=x)
    g.add("Softmax", axis=-1)
    g.add("MatMul", x)
    g.add("Transpose", perm=[1, 0, 2])
    g.reshape(TOKENS, n, WIDTH)
    g.add("Transpose", perm=[1, 0, 2])
    g.head()


def windows_in_the_batch(g):
    n = g.batch
    tokens(g)
    g.reshape(n * 2, TOKENS // 2, WIDTH)
    g.add("Softmax", axis=1)
    g.reshape(n, TOKENS, WIDTH)
    g.head()


def class_token_and_its_place(g):
    n = g.batch
    tokens(g)
    token = g.hold(np.repeat(weights(1, 1, WIDTH), n, axis=0))
    before = g.last
    g.nodes.append(helper.make_node("Concat", [token, before], ["joined"], axis=1))
    g.last = "joined"
    g.add("Add", np.repeat(weights(1, TOKENS + 1, WIDTH), n, axis=0))
    g.add("Softmax", axis=1)
    g.held_width = (TOKENS + 1) * WIDTH
    g.head()


def expanded(g):
    tokens(g)
    g.add("ReduceMean", axes=[1], keepdims=1)
    g.add("Expand", np.array([g.batch, TOKENS, WIDTH], np.int64))
    g.head()


def initial_state(g):
    n = g.batch
    tokens(g)
    g.add("Transpose", perm=[1, 0, 2])
    held = [weights(1, 4 * 5, WIDTH), weights(1, 4 * 5, 5)]
    states = [np.zeros((1, n, 5), np.float32)] * 2
    names = [g.hold(each) for each in held]
    g.nodes.append(
        helper.make_node(
            "LSTM", [g.last, *names, "", "", *(g.hold(each) for each in states)], ["all"],
            hidden_size=5,
        )
    )  # fmt: skip
    g.last = "all"
    g.add("Transpose", perm=[2, 0, 1, 3])
    g.held_width = TOKENS * 5
    g.head()


def squeezed(g):
    g.head()
    g.add("Softmax", axis=1)
    g.add("Squeeze", np.array([0], np.int64))


def picked(g):
    g.head()
    g.add("Gather", np.array(0, np.int64), axis=0)


WAYS = [
    view,
    attention_with_the_sequence_first,
    windows_in_the_batch,
    class_token_and_its_place,
    expanded,
    initial_state,
    squeezed,
    picked,
]


def built(way, batch, declared=None):
    g = Graph(batch)
    way(g)
    g.nodes[-1].output[0] = "scores"
    tensors = [numpy_helper.from_array(value, name) for name, value in g.held.items()]
    rank = [3] if way in (squeezed, picked) else [batch, 3]
    graph = helper.make_graph(
        g.nodes, "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [declared or batch, *SHAPE])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, rank)], tensors,
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def run(model, images):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(["scores"], {"image": images})[0]


@pytest.mark.parametrize(
    ("way", "batch"),
    [(way, 1) for way in WAYS] + [(way, 2) for way in WAYS if way not in (squeezed, picked)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_freed_graph_gives_every_image_its_own_scores(way, batch):
    model = built(way, batch)
    images = np.random.default_rng(1).random((6, *SHAPE), dtype=np.float32)
    starts = range(0, 6, batch)
    own = [run(model, images[start : start + batch]).reshape(batch, 3) for start in starts]
    freed = free_batch(model, "image", batch)
    for size in (1, 2, 3, 6):
        found = np.concatenate([run(freed, images[k : k + size]) for k in range(0, 6, size)])
        np.testing.assert_allclose(found, np.concatenate(own), atol=1e-6)


@pytest.fixture
def data(tmp_path):
    return six_images(tmp_path)


def insisting(path, size, *, hidden=False):
    """The small network, declared free, that takes one batch alone."""
    graphs.small_network(path)
    model = onnx.load(path)
    graph = model.graph
    shape = next(tensor for tensor in graph.initializer if tensor.name == "shape")
    shape.CopyFrom(numpy_helper.from_array(np.array([size, 8], np.int64), "shape"))
    if hidden:  # picking by number cannot be freed
        graph.node[-1].output[0] = "all"
        graph.node.append(helper.make_node("Gather", ["all", "numbers"], ["scores"], axis=0))
        numbers = np.arange(size, dtype=np.int64)
        graph.initializer.append(numpy_helper.from_array(numbers, "numbers"))
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("size", [1, 4])
def test_a_batch_declared_free_that_is_not(tmp_path, data, size):
    reference = audit(graphs.small_network(tmp_path / "plain.onnx"), data)
    for hidden, mode in ((False, "freed"), (True, "fixed")):
        model = insisting(tmp_path / "m.onnx", size, hidden=hidden)
        for batch in (None, 1):
            report = audit(model, data, batch=batch)
            assert report.run["batch_mode"] == mode
            assert report.run["batch"] == (size if hidden else batch or report.run["batch"])
            assert f"runs only at {size}" in report.run["warnings"][0]
            same(report, reference)
        found = inspect(model)
        assert found["batch"] == size
        assert any(f"runs only at {size}" in warning for warning in found["warnings"])
    few = {"corruption": ["fog"], "severity": [1], "attack": []}
    ours = ia.measure_robustness(model, data, **few)
    theirs = ia.measure_robustness(tmp_path / "plain.onnx", data, **few)
    np.testing.assert_allclose(ours.change, theirs.change, atol=1e-5)


def test_inspect_promises_only_what_it_has_tried(tmp_path):
    found = inspect(graphs.small_network(tmp_path / "free.onnx", batch=1))
    assert any("works on random images" in warning for warning in found["warnings"])
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gather", ["flat", "both"], ["two"], axis=0),
        helper.make_node("MatMul", ["two", "weight"], ["scores"]),
    ]
    held = {"both": np.array([0, 1]), "weight": weights(768, 3)}
    sizes = {"input_shape": [2, 3, 16, 16], "output_shape": [2, 3]}
    found = inspect(graphs.save(tmp_path / "stuck.onnx", nodes, held, **sizes))
    assert any("could not be made free" in warning for warning in found["warnings"])
    nodes[1] = helper.make_node("Slice", ["flat", "start", "end"], ["two"])
    held |= {"start": np.array([0]), "end": np.array([2])}
    (warning,) = inspect(graphs.save(tmp_path / "cut.onnx", nodes, held, **sizes))["warnings"]
    assert "could not be made free (output 'scores' of the copy is 2 x 3 numbers for" in warning
    assert "--head" not in warning  # of no use there
