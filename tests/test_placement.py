"""Which nodes a provider leaves to others: said, recorded, and refused where they are the work."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ProviderError
from iaside_onnx.inference import placement, providers
from iaside_onnx.inference.placement import Placement
from iaside_onnx.inference.providers import Provider

from . import graphs
from .conftest import write_npz

CUDA = providers.PROVIDERS["cuda"]
FIVE = ["Sub", "Conv", "Relu", "Conv", "Gemm"]


def graph(*kinds):
    nodes = [onnx.helper.make_node(kind, ["x"], ["y"]) for kind in ("Constant", *kinds)]
    return onnx.helper.make_model(onnx.helper.make_graph(nodes, "g", [], []))


def told(**parts):
    """A session that lists nodes of each provider."""
    listed = [
        SimpleNamespace(
            ep_name=f"{name}ExecutionProvider",
            get_nodes=lambda kinds=kinds: [SimpleNamespace(op_type=kind) for kind in kinds],
        )
        for name, kinds in parts.items()
    ]
    return SimpleNamespace(get_provider_graph_assignment_info=lambda: listed)


def test_nodes_left_to_others_are_counted_by_kind():
    found = Placement.of(told(CUDA=FIVE[1:], CPU=["Sub"]), CUDA, graph(*FIVE))
    assert found.record == {"nodes": 5, "left": {"cpu": {"Sub": 1}}}
    assert found.words == "cuda: of 5 nodes 1 run on cpu (Sub)"
    found.check("m.onnx")
    many = Placement.of(told(CPU=["Shape", "Sub", "Shape"], Foo=["Relu"]), CUDA, graph(*FIVE))
    assert many.words == "cuda: of 5 nodes 3 run on cpu (Shape x2, Sub), 1 run on foo (Relu)"
    assert Placement.of(told(CUDA=FIVE), CUDA, graph(*FIVE)).words == ""


@pytest.mark.parametrize(
    ("left", "says"),
    [
        (["Conv"], None),
        (["Conv", "Gemm"], "cuda runs only 1 of its 3 convolutions and products"),
        (["Conv", "Conv", "Gemm"], "cuda runs none of its convolutions and products"),
        (["Sub", "Relu"], None),
    ],
)
# A provider that compiles may list none of its own nodes.
@pytest.mark.parametrize("listed", [True, False])
def test_most_of_the_work_left_to_others_is_an_error(left, says, listed):
    own = {"CUDA": [kind for kind in FIVE if kind not in left]} if listed else {}
    found = Placement.of(told(**own, CPU=left), CUDA, graph(*FIVE))
    if says is None:
        found.check("m.onnx")
        return
    with pytest.raises(ProviderError, match=says):
        found.check("m.onnx")


def test_a_graph_without_products_is_judged_by_all_its_nodes():
    found = Placement.of(told(CPU=["Relu", "Sub"]), CUDA, graph("Relu", "Sub", "Sub"))
    with pytest.raises(ProviderError, match="only 1 of its 3 nodes"):
        found.check("m.onnx")


def test_an_older_onnxruntime_is_said_to_tell_nothing():
    found = Placement.of(SimpleNamespace(), CUDA, graph(*FIVE))
    found.check("m.onnx")
    assert found.record == {"nodes": 5, "left": None}
    assert "does not tell which nodes it runs" in found.words


@pytest.fixture
def stranger(monkeypatch):
    """The CPU's provider under a second name, and what it is told to leave to the real one."""
    row = Provider("cuda", "CPUExecutionProvider", fallbacks=("cpu",), helper="cpu", automatic=True)
    monkeypatch.setitem(providers.PROVIDERS, "cuda", row)
    left = {}
    monkeypatch.setattr(placement, "assigned", lambda _: {"cpu": placement.Counter(left)})
    return left


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 8, 8, 3), np.uint8)
    model = graphs.small_network(tmp_path / "m.onnx", size=8)
    return model, write_npz(tmp_path / "d.npz", images, np.arange(4) % 3)


def test_a_report_holds_what_was_left(stranger, case):
    stranger.update(GlobalAveragePool=1)
    found = ia.analyze(*case, bands=2, provider="cuda")
    assert found.run["placement"]["left"] == {"cpu": {"GlobalAveragePool": 1}}
    assert "placement" not in ia.analyze(*case, bands=2, provider="cpu").run


@pytest.mark.card
def test_auto_takes_the_processor_where_the_work_would_be_left(stranger, case):
    model = onnx.load(case[0])
    stranger |= dict.fromkeys([node.op_type for node in model.graph.node], 1)
    with pytest.raises(ProviderError, match="runs none"):
        ia.analyze(*case, bands=2, provider="cuda")
    found = ia.analyze(*case, bands=2)
    assert found.provider == "cpu"
    assert "so it runs on cpu" in " ".join(found.run["warnings"])


def test_the_sessions_of_this_onnxruntime_tell(case):
    options = ort.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = ort.InferenceSession(case[0], options, providers=["CPUExecutionProvider"])
    if not hasattr(session, "get_provider_graph_assignment_info"):
        pytest.skip("onnxruntime before 1.24")
    assert placement.assigned(session)["cpu"].total() > 0
