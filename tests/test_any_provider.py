"""Any provider that the installed onnxruntime has: names, options, what a report says of it."""

from __future__ import annotations

import json
import re

import numpy as np
import onnx
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ProviderError, UsageError
from iaside_onnx.inference import choosing, cuda_diagnosis, providers
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.model import Model
from iaside_onnx.inference.providers import Provider, asked, row_of
from iaside_onnx.inference.session import Runtime
from iaside_onnx.measure import analysis, game
from iaside_onnx.measure.batch_size import BatchSize
from iaside_onnx.onnx_file.graph import quantises_on_the_fly
from iaside_onnx.spelling import in_python

from . import graphs
from .conftest import write_npz


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 8, 8, 3), np.uint8)
    model = graphs.small_network(tmp_path / "m.onnx", size=8)
    return model, write_npz(tmp_path / "d.npz", images, np.arange(4) % 3)


@pytest.fixture
def processor(monkeypatch):
    """The CPU's provider under a second name."""
    row = Provider("processor", "CPUExecutionProvider", fallbacks=())
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("CPU", "cpu", {}),
        ("OpenVINOExecutionProvider", "openvino", {}),
        ("TensorRT", "tensorrt", {}),
        ("WebGPU:a=1", "webgpu", {"a": "1"}),
        ("openvino:device_type=HETERO:GPU,CPU,precision=FP32", "openvino",
         {"device_type": "HETERO:GPU,CPU", "precision": "FP32"}),
        ("VitisAIExecutionProvider", "vitisai", {}),
    ],
)  # fmt: skip
def test_a_provider_is_a_name_in_any_case_and_options(text, name, options):
    assert asked(text) == (name, tuple(sorted(options.items())))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("openvino:", "NAME:key=value"),
        ("openvino:FP32", "NAME:key=value"),
        ("openvino:a=1,a=2", "NAME:key=value"),
        ("auto:a=1", "provider's name"),
        ("cpu:a=1", "takes no options"),
        ("cuda:use_tf32=0", "tf32=False"),
        ("cuda:device_id=one", "CUDA_VISIBLE_DEVICES"),
        ("openvino:a=\n", "NAME:key=value"),
        ("openvino:a=\x1b[31m", "plain characters"),
        ("openvno", r"did you mean openvino\? .* this machine has cpu"),
    ],
)
def test_what_is_no_provider_is_one_line(text, says):
    with pytest.raises(UsageError, match=says):
        choose_runtime(text)


def test_a_provider_without_a_row_gets_the_plainest(monkeypatch):
    names = ["NewExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: names)
    row = row_of("new")
    assert (row.runtime_name, row.device, row.helper, row.one_shape) == (
        names[0],
        "cpu",
        "cpu",
        True,
    )
    assert row_of("other") is None


def test_options_and_threads_reach_the_model_and_no_helper_graph(monkeypatch):
    seen = []

    class Session:
        def __init__(self, *_, providers, **__):
            seen.append(providers)

        def get_providers(self):
            return [name for name, _ in seen[-1]]

    monkeypatch.setattr("onnxruntime.InferenceSession", Session)
    runtime = Runtime("openvino", threads=2, options=(("precision", "FP32"),))
    runtime.open(b"")
    runtime.open(b"", helper_graph=True)
    cpu = ("CPUExecutionProvider", {})
    told = {"num_of_threads": "2", "precision": "FP32"}
    assert seen == [[("OpenVINOExecutionProvider", told), cpu], [cpu]]


@pytest.mark.usefixtures("processor")
def test_a_provider_that_leaves_the_probe_to_others_is_not_active(monkeypatch):
    monkeypatch.setattr(choosing, "assigned", lambda _: {"foo": {"Conv": 1, "MatMul": 1}})
    session = choosing.ort.InferenceSession
    monkeypatch.setattr(session, "get_providers", lambda _: ["CPUExecutionProvider", "Foo"])
    choosing._fault.cache_clear()
    with pytest.raises(ProviderError, match="leaves a small network to others"):
        choose_runtime("processor")
    choosing._fault.cache_clear()


@pytest.mark.usefixtures("processor")
def test_a_report_says_what_ran_it_and_going_on_asks_for_the_same(case, tmp_path):
    kept = {"bands": 2, "provider": "processor:a=1"}
    first = ia.analyze(*case, tmp_path / "r.h5", **kept)
    assert (first.provider, first.settings["execution"]) == ("processor", "processor:a=1")
    assert first.run["onnxruntime_builds"]
    assert ia.load(tmp_path / "r.h5").settings["execution"] == "processor:a=1"
    again = ia.analyze(*case, tmp_path / "r.h5", resume=True, **kept)
    np.testing.assert_array_equal(again.log_prob, first.log_prob)
    with pytest.raises(ia.IasideError, match="execution"):
        ia.analyze(*case, tmp_path / "r.h5", resume=True, bands=2, provider="processor")
    plain = ia.analyze(*case, bands=2, provider="cpu")
    assert "execution" not in plain.settings


@pytest.mark.usefixtures("processor")
def test_compare_names_other_arithmetic(case, tmp_path, iaside):
    ia.analyze(*case, tmp_path / "a.h5", bands=2, provider="cpu")
    ia.analyze(*case, tmp_path / "b.h5", bands=2, provider="processor:a=1")
    done = iaside("compare", tmp_path / "a.h5", tmp_path / "b.h5")
    assert "execution processor:a=1 against cpu" in " ".join((done.stdout + done.stderr).split())


def test_inspect_lists_what_this_machine_has(case, iaside):
    shown = iaside("inspect", "--providers").stdout
    assert "what auto takes" in shown
    assert "onnxruntime-openvino has it" in " ".join(shown.split())
    held = json.loads(iaside("inspect", "--providers", case[0], "--json").stdout)
    active = {each["name"]: each["active"] for each in held["providers"]}
    assert active["cpu"]
    assert set(active) >= set(providers.PROVIDERS)
    assert iaside("inspect").exit_code == 2
    assert iaside("inspect", "--providers", "--data", case[1]).exit_code == 2


@pytest.mark.parametrize(
    ("driver", "devices", "text", "library", "says"),
    [
        (None, 0, "", "", "no NVIDIA driver"),
        (12080, 1, "", "", r"CUDA 12\.8.* for CUDA 13; update .* 580 .*onnx\[cuda12\]"),
        (13000, 0, "", "", "finds no GPU"),
        (13000, 1, "CUDA failure 209: no kernel image is available", "", "no kernels for this GPU"),
        (13000, 1, "", "libcublasLt.so.13 is missing", r"libcublasLt.*iaside-onnx\[cuda"),
        (13000, 1, "something else", "", "^$"),
    ],
)  # fmt: skip
def test_each_cause_has_its_own_words(driver, devices, text, library, says, monkeypatch):
    monkeypatch.setattr(cuda_diagnosis.ort, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(cuda_diagnosis, "_driver_version", lambda: driver)
    monkeypatch.setattr(cuda_diagnosis, "_devices", lambda: devices)
    monkeypatch.setattr(cuda_diagnosis, "_missing_library", lambda _: library)
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(cuda_diagnosis.cuda_fault(providers.PROVIDERS["cuda"], text))


NODE = "Non-zero status code returned while running Conv node. Name:'conv_0' Status Message: "
FULL = "^the GPU's memory is full"
FAILS = "^cuDNN was found, and failed on this GPU"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("CUDA failure 2: out of memory ; GPU=0", FULL),
        ("Failed to allocate memory for requested buffer of size 4096", FULL),
        ("Available memory of 0 is smaller than requested bytes of 256", FULL),
        (f"{NODE}CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0", FULL),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", FULL),
        ("std::bad_alloc", "^$"),
        ("CUDA failure 209: no kernel image is available for execution", "no kernels for this GPU"),
        (f"{NODE}CUDNN failure 6: CUDNN_STATUS_ARCH_MISMATCH", "^cuDNN has no kernels for"),
        ("CUDNN failure 3007: CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH", "^cuDNN has no kernels"),
        (f"{NODE}cuDNN is not available. Install cuDNN", r"^cuDNN was not found; .*\[cuda\]"),
        ("Conv requires cuDNN, but cuDNN was not found at runtime", "^cuDNN was not found; pip"),
        ("CUDNN failure 1002: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH", "^parts of cuDNN are"),
        (f"{NODE}CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED ; GPU=0",
         rf"{FAILS} \(CUDNN_STATUS_EXECUTION_FAILED\)$"),
        ("CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; expr=cudnnCreate(&cudnn_handle_);",
         rf"{FAILS} \(CUDNN_STATUS_NOT_INITIALIZED\)$"),
        (f"{NODE}CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; GPU=0",
         rf"{FAILS} \(CUDNN_BACKEND_API_FAILED\)$"),
        (f"{NODE}Failed to initialize CUDNN Frontend", f"{FAILS}$"),
        ("CUDA failure 46: all CUDA-capable devices are busy or unavailable", "^$"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_an_error_of_the_libraries_is_given_its_own_cause(text, says, provider, monkeypatch):
    monkeypatch.setattr(cuda_diagnosis.ort, "cuda_version", "13.0", raising=False)
    monkeypatch.setattr(cuda_diagnosis, "_driver_version", lambda: 13000)
    monkeypatch.setattr(cuda_diagnosis, "_devices", lambda: 1)
    monkeypatch.setattr(cuda_diagnosis, "_missing_library", lambda _: "")
    found = cuda_diagnosis.cuda_fault(providers.PROVIDERS[provider], text)
    assert re.search(says, found), found


@pytest.mark.parametrize(
    ("code", "words", "says"),
    [
        (2, b"out of memory", "the GPU's memory is full"),
        (100, b"no CUDA-capable device is detected", "finds no GPU"),
        (802, b"system not yet initialized", "driver does not start: system not yet initialized"),
        (9999, None, "driver does not start: error 9999"),
    ],
)
def test_a_driver_that_does_not_start_says_why(code, words, says, monkeypatch):
    class Driver:
        def cuInit(self, _):  # noqa: N802
            return code

        def cuGetErrorString(self, _, text):  # noqa: N802
            text._obj.value = words

    monkeypatch.setattr(cuda_diagnosis, "_driver", Driver)
    monkeypatch.setattr(cuda_diagnosis, "_driver_version", lambda: 13000)
    assert says in cuda_diagnosis.cuda_fault(providers.PROVIDERS["cuda"], "")


def test_a_card_that_was_full_is_tried_again(monkeypatch):
    def full(*_, **__):
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0")

    choosing._fault.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(choosing.ort, "InferenceSession", full)
        assert "out of memory" in choosing.inactive(providers.PROVIDERS["cpu"])
    assert choosing.is_active("cpu")


def test_several_builds_of_onnxruntime_are_a_clash(monkeypatch):
    builds = {"onnxruntime": "1", "onnxruntime-openvino": "2"}
    monkeypatch.setattr(choosing, "runtime_builds", lambda: builds)
    assert "onnxruntime and onnxruntime-openvino are both installed" in choosing.runtime_clash()
    monkeypatch.setattr(choosing, "runtime_builds", lambda: {"onnxruntime": "1"})
    assert choosing.runtime_clash() is None


@pytest.mark.parametrize(
    ("asked", "batch"),
    [({"bands": 3}, 3), ({"bands": 3}, 20), ({"bands": 3, "estimator": "permutation"}, 5)],
)
def test_no_shape_is_new_where_each_is_planned_anew(case, asked, batch, monkeypatch):
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), one_shape=True)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    wire, shapes = Engine._wire, set()

    def wired(self, images, rows, size):
        wiring = wire(self, images, rows, size)
        shapes.update(tuple(each.shape()) for _, each in wiring.models)
        return wiring

    monkeypatch.setattr(Engine, "_wire", wired)
    same = {**asked, "samples": 4, "batch": batch}
    found = ia.analyze(*case, provider="processor", **same)
    assert len(shapes) == 1
    expected = ia.analyze(*case, provider="cpu", **same)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)


def test_parts_with_fewer_passes_than_the_batch_share_a_shape_of_their_own(case, monkeypatch):
    # As workers get them: some images each, the last ones fewer.
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), one_shape=True)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    play, run_models, ran = analysis.play, Engine._run_models, []

    def in_parts(engine, prepare, coalitions, labels, positions, *arguments, **keywords):
        for part in (positions[:2], positions[2:3], positions[3:]):
            play(engine, prepare, coalitions, labels, part, *arguments, **keywords)

    def counted(self, wiring):
        ran.extend(images.shape()[0] for _, images in wiring.models)
        return run_models(self, wiring)

    asked = {"bands": 3, "samples": 4, "estimator": "permutation", "passes": 7}
    expected = ia.analyze(*case, provider="cpu", **asked)
    monkeypatch.setattr(analysis, "play", in_parts)
    monkeypatch.setattr(Engine, "_run_models", counted)
    found = ia.analyze(*case, provider="processor", batch=16, **asked)
    # With the grand coalition eight passes an image, of two images first.
    assert ran == [16, 16, 16]
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)
    ran.clear()
    ia.analyze(*case, provider="processor", batch=256, **asked)
    assert ran == [16, 16, 16]


def test_an_attack_on_such_a_provider_sees_powers_of_two(case, monkeypatch):
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), one_shape=True)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    raw, sizes = Model.raw, set()
    monkeypatch.setattr(Model, "raw", lambda self, x: (sizes.add(len(x)), raw(self, x))[1])
    same = {"corruption": [], "attack": ["square-linf"], "queries": 20, "batch": 4}
    found = ia.measure_robustness(*case, provider="processor", **same)
    assert sizes <= {1, 2, 3, 4, 8}
    expected = ia.measure_robustness(*case, provider="cpu", **same)
    np.testing.assert_array_equal(found.attack_wrong, expected.attack_wrong)


@pytest.mark.parametrize("kind", ["DynamicQuantizeLinear", "Relu"])
def test_a_graph_that_quantises_on_the_fly_mixes_images_however_little_they_differ(kind):
    node = onnx.helper.make_node(kind, ["x"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    assert quantises_on_the_fly(model) is (kind != "Relu")


@pytest.mark.parametrize(("own_cores", "threads"), [(True, range(2)), (False, range(1, 5))])
def test_a_device_is_fed_by_several_threads(own_cores, threads, monkeypatch, case):
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), own_cores=own_cores)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    assert game.preparing_threads(Runtime("processor")) in threads
    monkeypatch.setattr(game, "available_cores", lambda: 16)
    assert game.preparing_threads(Runtime("processor")) == (1 if own_cores else 4)
    found = ia.analyze(*case, bands=2, provider="processor")
    np.testing.assert_allclose(found.log_prob, ia.analyze(*case, bands=2).log_prob, atol=1e-5)


def test_the_search_for_a_batch_ends_where_warming_up_takes_long():
    size = BatchSize(None, 4, 1024, work=100_000)
    seen = []
    while size.searching:
        seen.append(size.size)
        # A plan for each shape takes as long as 9000 passes.
        first = seen.count(size.size) == 1
        size.record(64, 9.0 if first else 0.064)
    assert len(set(seen)) <= 3


def test_what_another_provider_cannot_compile_may_run_on_the_processor():
    said = (
        "[ONNXRuntimeError] : 1 : FAIL : Exception during initialization: [OpenVINO-EP] Exception "
        "while Loading Network: Exception from src/inference/src/cpp/core.cpp:114:\nException from "
        "src/inference/src/dev/plugin.cpp:53:\nCheck 'merge' failed at src/core/inference.hpp:26:\n"
        "Argument shapes are inconsistent."
    )
    own = (
        "Exception during initialization: [OpenVINO-EP] Exception while Loading Network: "
        "Check 'merge': Argument shapes are inconsistent."
    )
    found = in_python(Runtime("openvino")._explained(RuntimeError(said)))
    assert found == f"{own} (provider='cpu' may run it)"
    assert Runtime("cpu")._explained(RuntimeError(said)) == own
