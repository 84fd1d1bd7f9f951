"""Providers: what is asked of onnxruntime, and what counts as active. The GPU is a stand-in."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ProviderError
from iaside_onnx.inference import choosing, providers, session
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.inference.providers import Provider
from iaside_onnx.inference.session import Runtime

from . import graphs
from .conftest import ROOT, write_npz

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
    assert runtime.execution.device == "cuda"


@pytest.mark.parametrize("tf32", [True, False])
def test_cuda_is_told_whether_products_may_be_rounded(asked, tf32):
    asked.active = [CUDA, CPU]
    plan = {"cudnn_conv_algo_search": "HEURISTIC"}
    Runtime("cuda", tf32=tf32).open(b"")
    assert asked.providers == [[(CUDA, {"use_tf32": str(int(tf32)), **plan}), (CPU, {})]]


@pytest.mark.parametrize("active", [[CPU], [CUDA, CPU]])
def test_another_provider_than_the_one_asked_for_is_an_error(asked, active):
    asked.active = active
    with pytest.raises(ProviderError, match="tensorrt was asked for but is not active"):
        Runtime("tensorrt").open(b"")


def test_tests_run_on_the_processor(monkeypatch):
    monkeypatch.setattr(choosing, "is_active", lambda _: True)
    monkeypatch.setattr(choosing, "inactive", lambda *_: None)
    assert choose_runtime("auto").provider == "cpu"


@pytest.mark.card
def test_auto_never_chooses_tensorrt(monkeypatch):
    monkeypatch.setattr(choosing, "is_active", lambda _: True)
    monkeypatch.setattr(choosing, "inactive", lambda *_: None)
    assert choose_runtime("auto").provider == "cuda"
    assert choose_runtime("tensorrt").provider == "tensorrt"
    monkeypatch.setattr(choosing, "is_active", lambda name: name == "cpu")
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
    if not choosing.is_active(provider):
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


ANOTHER = """
import sys
import iaside_onnx as ia
from iaside_onnx.inference import providers
from iaside_onnx.inference.session import claim_process

claim_process()
providers.PROVIDERS["processor"] = providers.Provider(
    "processor", "CPUExecutionProvider", fallbacks=()
)
for name in sys.argv[3:]:
    print(ia.analyze(*sys.argv[1:3], bands=2, absence="zero", provider=name).srs)
"""


@pytest.mark.parametrize("order", [["cpu", "processor"], ["processor", "cpu", "processor"]])
def test_a_process_of_ours_runs_one_provider_after_another(order, tmp_path):
    """As a worker does, whose clients ask for different ones: its pool of threads serves all."""
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(4))
    model = graphs.small_network(tmp_path / "m.onnx")
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER, model, data, *order],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert len(set(done.stdout.split())) == 1


def test_a_further_provider_is_one_row(monkeypatch, tmp_path, iaside):
    # The CPU's provider under a second name, said to be coarse and to take tf32.
    row = Provider(
        "processor", "CPUExecutionProvider", fallbacks=(), rounding="asked", first_batch=2,
        own_cores=True,
    )  # fmt: skip
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    settings = {"bands": 3, "samples": 4, "absence": "zero"}
    target = tmp_path / "r.h5"
    found = ia.analyze(model, images, target, provider="processor", **settings)
    expected = ia.analyze(model, images, provider="cpu", **settings)
    assert (found.provider, found.settings["tf32"]) == ("processor", True)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)
    measured = ia.measure_robustness(
        model, images, provider="processor", samples=4, corruption=["contrast"], severity=[3],
        attack=["square-linf"], queries=5,
    )  # fmt: skip
    assert (measured.provider, measured.settings["tf32"]) == ("processor", True)
    assert "or processor, or another" in providers.words()
    known = inspect(model)
    assert "processor" in known["provider_names"]
    done = iaside("verify", target, "--model", model, "--images", images, "--redo", "2")
    assert "2 of 4 rows done again with processor" in " ".join(done.stdout.split())
    done = iaside("analyze", model, images, "-o", tmp_path / "n.h5", "--provider", "tpu")
    assert (done.exit_code, "auto, cpu, cuda, tensorrt, " in done.stderr) == (2, True)
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_options_help_is_that_of_the_table(iaside):
    shown = " ".join(iaside("analyze", "--help-all").stdout.split())
    assert f"Where to run: {providers.words()}." in shown


def test_no_other_module_compares_the_names_of_providers():
    names = {*providers.PROVIDERS, *(row.runtime_name for row in providers.PROVIDERS.values())}
    for path in sorted((ROOT / "iaside_onnx").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            values = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
            named = {each.value for value in values for each in ast.walk(value)
                     if isinstance(each, ast.Constant) and isinstance(each.value, str)}  # fmt: skip
            assert path.name == "providers.py" or not named & names, (path, node.lineno)
