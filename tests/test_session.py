"""Providers: what is asked of onnxruntime, and what counts as active. The GPU is a stand-in."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ProviderError
from iaside_onnx.inference import session
from iaside_onnx.inference.session import Runtime, choose_runtime

from . import graphs
from .conftest import ROOT

CPU, CUDA, TENSORRT = (
    f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt")
)  # fmt: skip


@pytest.fixture
def asked(monkeypatch):
    """What sessions were asked for; `asked.active` are the providers that a session then has."""
    seen = SimpleNamespace(providers=[], active=[CPU])

    def make(*_, providers, **__):
        seen.providers.append(providers)
        return SimpleNamespace(get_providers=lambda: seen.active)

    monkeypatch.setattr(session.ort, "InferenceSession", make)
    return seen


def test_tensorrt_leaves_to_cuda_what_it_does_not_know_and_all_helper_graphs(asked):
    asked.active = [TENSORRT, CUDA, CPU]
    runtime = Runtime("tensorrt")
    runtime.open(b"")
    runtime.open(b"", helper_graph=True)
    assert [[name for name, _ in each] for each in asked.providers] == [
        [TENSORRT, CUDA, CPU],
        [CUDA, CPU],
    ]
    assert runtime.device == "cuda"


@pytest.mark.parametrize("tf32", [True, False])
def test_cuda_is_told_whether_products_may_be_rounded(asked, tf32):
    asked.active = [CUDA, CPU]
    Runtime("cuda", tf32=tf32).open(b"")
    assert asked.providers == [[(CUDA, {"use_tf32": str(int(tf32))}), (CPU, {})]]


@pytest.mark.parametrize("active", [[CPU], [CUDA, CPU]])
def test_another_provider_than_the_one_asked_for_is_an_error(asked, active):
    asked.active = active
    with pytest.raises(ProviderError, match="tensorrt was asked for but is not active"):
        Runtime("tensorrt").open(b"")


def test_auto_never_chooses_tensorrt(monkeypatch):
    monkeypatch.setattr(session, "is_active", lambda _: True)
    assert choose_runtime("auto").provider == "cuda"
    assert choose_runtime("tensorrt").provider == "tensorrt"
    monkeypatch.setattr(session, "is_active", lambda name: name == "cpu")
    assert choose_runtime("auto").provider == "cpu"


def test_the_processor_knows_no_tf32_and_its_reports_do_not_speak_of_it(tmp_path):
    data = tmp_path / "d.npz"
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    np.savez(data, images=images, labels=np.arange(4))
    model = graphs.small_network(tmp_path / "m.onnx")
    report = ia.analyze(model, data, bands=2, provider="cpu", tf32=False)
    assert "tf32" not in json.dumps(report.settings)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_real_gpu_gives_the_answer_of_the_processor(provider, tmp_path):
    if not session.is_active(provider):
        pytest.skip(f"{provider} does not become active on this machine")
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    expected = ia.analyze(model, images, bands=4, samples=20, provider="cpu")
    exact = {"tf32": False} if provider == "cuda" else {}
    found = ia.analyze(
        model, images, tmp_path / "r.h5", bands=4, samples=20, provider=provider, **exact
    )
    assert found.provider == provider
    assert found.settings["tf32"] is (provider != "cuda")
    tolerance = 1e-4 if exact else 2e-2
    np.testing.assert_allclose(found.sid, expected.sid, atol=tolerance)
