"""Models whose scores are random, or depend on the batch: named, and refused unless asked for."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference.steadiness import check_steady
from iaside_onnx.onnx_file.artifact import read_artifact
from iaside_onnx.onnx_file.randomness import STEADY, randomness

from . import graphs
from .small_audits import audit, same, six_images


@pytest.fixture
def data(tmp_path):
    return six_images(tmp_path)


def disturbed(folder, how):
    """The small network with a node that disturbs its logits, or one that looks as if it did."""
    path = graphs.small_network(folder / f"{how}.onnx", classes=4)
    model = onnx.load(path)
    graph = model.graph
    graph.node[-1].output[0] = "logits"
    held = {
        "ratio": np.float32(0.3),
        "none": np.float32(0),
        "on": np.array(True),
        "ones": np.ones(4, np.float32),
        "zeros": np.zeros(4, np.float32),
    }
    graph.initializer.extend(numpy_helper.from_array(np.asarray(v), k) for k, v in held.items())
    noise = helper.make_node("RandomNormalLike", ["logits"], ["noise"], "the noise", scale=0.5)
    add = helper.make_node("Add", ["logits", "noise"], ["scores"])
    last = helper.make_node("Identity", ["logits"], ["scores"])
    drop = helper.make_node("Dropout", ["logits", "ratio", "on"], ["scores"])
    if how == "noise":
        nodes = [noise, add]
    elif how == "seeded":
        nodes = [helper.make_node("RandomNormalLike", ["logits"], ["noise"], seed=3.0), add]
    elif how == "unused":
        nodes = [noise, last]
    elif how == "branch":
        branches = []
        for inner in (noise, helper.make_node("Identity", ["zeros"], ["noise"])):
            value = helper.make_tensor_value_info("noise", TensorProto.FLOAT, None)
            branches.append(helper.make_graph([inner], "g", [], [value]))
        inside = {"then_branch": branches[0], "else_branch": branches[1]}
        nodes = [helper.make_node("If", ["on"], ["noise"], **inside), add]
    elif how == "dropout":
        nodes = [drop]
    elif how == "dropout of nothing":
        drop.input[1] = "none"
        nodes = [drop]
    else:
        names = ["logits", "ones", "zeros", "zeros", "ones"]
        nodes = [
            helper.make_node(
                "BatchNormalization", names, ["scores", "mean", "var"], training_mode=1
            )
        ]
    graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize(
    ("how", "named"),
    [
        ("noise", "RandomNormalLike 'the noise'"),
        ("seeded", "RandomNormalLike 'noise'"),
        ("branch", "RandomNormalLike 'the noise'"),
        ("dropout", "Dropout 'scores' in training mode"),
        ("batch statistics", "BatchNormalization 'scores' in training mode"),
    ],
)
def test_what_makes_scores_random_is_named_and_refused(tmp_path, data, iaside, how, named):
    model = disturbed(tmp_path, how)
    with pytest.raises(ArtifactError) as error:
        audit(model, data)
    for words in (named, "eval mode", "allow_random=True"):
        assert words in str(error.value)
    assert "quantised" not in str(error.value)
    described = iaside("inspect", model, "--json")
    assert any(named in warning for warning in json.loads(described.stdout)["warnings"])


@pytest.mark.parametrize("how", ["unused", "dropout of nothing"])
def test_random_nodes_that_change_nothing_are_let_through(tmp_path, data, how):
    plain = graphs.small_network(tmp_path / "plain.onnx", classes=4)
    report = audit(disturbed(tmp_path, how), data)
    same(report, audit(plain, data))
    assert "allow_random" not in report.settings


def test_every_job_refuses_and_takes_it_when_asked(tmp_path, data):
    model = disturbed(tmp_path, "noise")
    attack = {"attack": "square-linf", "model": model, "epsilon": 0.1, "severity": [3]}
    few = {"corruption": ["fog"], "severity": [1], "attack": []}
    jobs = [
        (lambda **more: audit(model, data, **more)),
        (lambda **more: ia.measure_robustness(model, data, **few, **more)),
        (lambda **more: ia.measure_heatmap(model, data, grid=3, **more)),
        (lambda **more: ia.measure_snr(data, bands=2, queries=20, **attack, **more)),
    ]
    for job in jobs:
        with pytest.raises(ArtifactError, match="its scores are random"):
            job()
        report = job(allow_random=True)
        settings = report.settings.get("attack", report.settings)
        assert settings["allow_random"] is True
        assert any("two runs need not be equal" in text for text in report.run["warnings"])
        assert not any("quantised" in text for text in report.run["warnings"])


def test_batch_statistics_run_one_by_one_when_asked(tmp_path, data):
    report = audit(disturbed(tmp_path, "batch statistics"), data, allow_random=True)
    assert report.run["batch"] == 1
    again = audit(disturbed(tmp_path, "batch statistics"), data, allow_random=True)
    same(report, again)


def test_scores_that_change_without_a_random_node_are_said_as_such(tmp_path, data):
    artifact = read_artifact(graphs.small_network(tmp_path / "m.onnx"))
    path = disturbed(tmp_path, "noise")
    options = ort.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(path.with_suffix(".ort"))
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    with pytest.raises(ArtifactError, match=r"differ by .* the file hides its graph"):
        audit(path.with_suffix(".ort"), data)

    class Moody:
        calls = 0

        def scores(self, _):
            self.calls += 1
            return np.full((2, 3), 1 + 1e-3 * self.calls, np.float32)

    with pytest.raises(ArtifactError, match=r"by 0.1% .*no node of its graph"):
        check_steady(artifact, STEADY, Moody(), None, None, coarse=False, allow=False)


def test_randomness_inside_functions_counts():
    draw = helper.make_node("Bernoulli", ["a"], ["b"])
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    function = helper.make_function("own", "Chance", ["a"], ["b"], [draw], opset[:1])
    graph = helper.make_graph(
        [helper.make_node("Chance", ["x"], ["y"], domain="own")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    model = helper.make_model(graph, opset_imports=opset, functions=[function])
    assert randomness(model, "y").drawing == ("Bernoulli 'b'",)


def small_drop(nodes, held=None, *, function=None, call=None, inputs=()):
    """A graph that ends in a Dropout, whose switch is made as told."""
    extra = [numpy_helper.from_array(np.asarray(v), k) for k, v in (held or {}).items()]
    number = TensorProto.FLOAT
    graph = helper.make_graph(
        [*nodes, call or helper.make_node("Dropout", ["x", "ratio", "on"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", number, [1]), *inputs],
        [helper.make_tensor_value_info("y", number, [1])],
        [numpy_helper.from_array(np.float32(0.005), "ratio"), *extra],
    )
    opset = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opset, functions=[function] if function else [])


def node(operator, inputs, output, **attributes):
    return helper.make_node(operator, inputs.split(), [output], **attributes)


def constant(kind, name):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(kind, "v"))


def own(inputs, *nodes):
    return helper.make_function(
        "own", "Drop", inputs, ["b"], list(nodes), [helper.make_opsetid("", 17)]
    )


@pytest.mark.parametrize("on", [True, False])
def test_a_dropout_is_named_wherever_its_switch_comes_from(on):
    yes, no = np.array(on), np.array(not on)
    share = helper.make_node("Constant", [], ["r"], value_float=0.005)
    inside = node("Dropout", "a r t", "b")
    call = node("Drop", "x", "y", domain="own")
    models = [
        small_drop([node("Not", "off", "on")], {"off": no}),
        small_drop([node("Identity", "set", "on")], {"set": yes}),
        small_drop([constant(yes, "on")]),
        small_drop([constant(np.array(int(on)), "n"), node("Cast", "n", "on", to=9)]),
        small_drop([], function=own(["a"], constant(yes, "t"), share, inside), call=call),
        small_drop(
            [],
            {"on": yes},
            function=own(["a", "t"], share, inside),
            call=node("Drop", "x on", "y", domain="own"),
        ),
    ]
    for place, model in enumerate(models):
        onnx.checker.check_model(model)
        assert bool(randomness(model, "y").drawing) == on, place


def test_a_switch_that_is_computed_counts_and_one_that_is_given_is_seen_by_running():
    computed = [node("Less", "x zero", "on")]
    assert randomness(small_drop(computed, {"zero": np.float32([0])}), "y").drawing
    given = helper.make_tensor_value_info("set", TensorProto.BOOL, [])
    for operator in ("Identity", "Not"):
        model = small_drop([node(operator, "set", "on")], inputs=[given])
        assert not randomness(model, "y").drawing


def test_rare_noise_is_seen_in_more_than_two_runs(tmp_path):
    artifact = read_artifact(graphs.small_network(tmp_path / "m.onnx"))

    class Rare:
        calls = 0

        def scores(self, _):
            self.calls += 1
            return np.full((2, 3), 1.1 if self.calls == 4 else 1, np.float32)

    with pytest.raises(ArtifactError, match="its scores are random"):
        check_steady(artifact, STEADY, Rare(), None, None, coarse=False, allow=False)
