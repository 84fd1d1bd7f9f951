"""What is done for devices with a memory of their own, tried without one; runs on one are real."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, UsageError
from iaside_onnx.inference import choosing, cuda_diagnosis, engine_cache, model, providers
from iaside_onnx.inference.choosing import choose_runtime, runtime_details
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.fixed_inputs import FixedInputs
from iaside_onnx.inference.model import Model, OutOfMemoryError, RunError
from iaside_onnx.inference.providers import Provider
from iaside_onnx.inference.session import Runtime, reason
from iaside_onnx.measure import analysis, batch_size, clean_pass, game, workers
from iaside_onnx.measure.batch_size import BatchSize

from . import graphs
from .conftest import write_npz

PLACE = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:146 "
CALL = "std::conditional_t<THRW, void, Status> onnxruntime::CudaCall(ERRTYPE, const char*, int) "


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(7) % 4)
    return graphs.small_network(tmp_path / "m.onnx"), data


@pytest.fixture
def row(monkeypatch):
    """The processor as a provider that wants one shape."""
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), one_shape=True)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    return row


def classifier(row, *, side=224, fixed=None):
    runtime = SimpleNamespace(execution=row, device_id=0)
    form = SimpleNamespace(fixed_batch=fixed, features=3 * side * side)
    return SimpleNamespace(form=form, model=SimpleNamespace(runtime=runtime, output_numbers=9))


@pytest.mark.parametrize(
    ("memory", "side", "work", "first"),
    [
        (143 << 30, 224, 10**6, 512),
        (143 << 30, 32, 10**6, 1024),
        (143 << 30, 224, 100, 100),  # runs are filled up: all the work is the most
        (8 << 30, 224, 10**6, 128),
        (0, 224, 10**6, 16),
    ],
)
def test_the_first_runs_fill_a_card_of_this_memory(monkeypatch, memory, side, work, first):
    monkeypatch.setattr(batch_size, "cuda_memory", lambda _: memory)
    cuda = providers.PROVIDERS["cuda"]
    assert batch_size.batch_size(classifier(cuda, side=side), None, work).size == first


def test_a_batch_beyond_all_the_work_is_not_filled_up(row):
    size = batch_size.batch_size
    assert size(classifier(row), 10**6, 16).size == 16
    assert size(classifier(row, fixed=3), 10**6, 16).size == 3
    assert size(classifier(replace(row, one_shape=False)), 10**6, 16).size == 10**6


@pytest.mark.parametrize("error", [RunError, OutOfMemoryError])
def test_a_size_that_no_run_had_before_is_halved_whatever_fails(case, error, monkeypatch):
    expected = ia.analyze(*case, bands=4)

    class Small(Engine):
        def values(self, bands, start, stop, references, batch=None, *rest):
            if batch > 6:
                raise error("CUDNN failure 3000: CUDNN_STATUS_NOT_SUPPORTED")
            return super().values(bands, start, stop, references, batch, *rest)

    monkeypatch.setattr(analysis, "Engine", Small)
    found = ia.analyze(*case, bands=4, batch=100)
    assert found.run["batch"] <= 6
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)


def test_a_size_that_has_run_is_not_what_fails(case, monkeypatch):
    sizes = []

    class Broken(Engine):
        def values(self, bands, start, stop, references, batch=None, *rest):
            sizes.append(batch)
            if len(sizes) > 2:
                raise RunError("the card has fallen off the bus")
            return super().values(bands, start, stop, references, batch, *rest)

    monkeypatch.setattr(analysis, "Engine", Broken)
    with pytest.raises(ArtifactError, match="the card has fallen off the bus"):
        ia.analyze(*case, bands=4, batch=16)
    assert sizes == [16] * 3


@pytest.mark.parametrize("estimator", ["exact", "permutation", "regression"])
def test_runs_of_one_shape_are_halved_whatever_is_played(case, row, estimator, monkeypatch):
    asked = {"bands": 4, "estimator": estimator, "provider": row.name, "samples": 3}
    expected, wire, notes = ia.analyze(*case, **asked), Engine._wire, []

    def small(self, count, rows, batch):
        if min(batch, count * rows) > 3:
            raise OutOfMemoryError("m: not enough memory: pretended")
        return wire(self, count, rows, batch)

    monkeypatch.setattr(Engine, "_wire", small)
    found = ia.analyze(*case, **asked, batch=64, listener=ia.Listener(note=notes.append))
    assert found.run["batch"] <= 3
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)
    said = [note for note in notes if note.startswith("batch:")]
    assert len(said) == 1
    assert re.fullmatch(r"batch: \d+ passes in a run fail \(.*pretended\), so [123]", said[0])


@pytest.mark.parametrize("most", [5, 3])
def test_a_full_device_halves_the_clean_pass(case, most, monkeypatch):
    expected, plain = ia.analyze(*case, bands=2), model.run

    def run(session, outputs, inputs, path=None):
        if len(next(iter(inputs.values()))) > most:
            raise OutOfMemoryError("m: not enough memory: pretended")
        return plain(session, outputs, inputs, path)

    monkeypatch.setattr(model, "run", run)
    found = ia.analyze(*case, bands=2, batch=1)
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)
    asked = {"corruption": ["fog"], "severity": [1], "attack": []}
    assert ia.measure_robustness(*case, **asked).run["batch"] <= most


def test_a_size_has_run_when_a_run_was_so_large():
    size = BatchSize(64)
    size.record(5, 1.0)
    assert size.fails(64, RunError("untried"))
    size = BatchSize(64)
    size.record(5, 1.0, 64)  # filled up
    assert not size.fails(64, RunError("it ran before"))


@pytest.mark.parametrize("batch", [5, 16, 48])
@pytest.mark.parametrize("error", [RunError, OutOfMemoryError])
def test_rows_are_placed_while_the_model_works_on_the_ones_before(case, batch, error, monkeypatch):
    """A full device in the thread is met again, and dealt with, where the rows are needed."""
    expected = ia.analyze(*case, bands=4)
    threads, plain = [], Engine.place

    @contextmanager
    def beside(_):
        with ThreadPoolExecutor(1, thread_name_prefix="placing") as pool:
            yield pool

    def place(self, rows):
        threads.append(threading.current_thread().name.partition("_")[0])
        if threads.count("placing") == 2 and threads[-1] == "placing":
            raise error("pretended")
        return plain(self, rows)

    monkeypatch.setattr(game, "_beside", beside)
    monkeypatch.setattr(Engine, "place", place)
    found = ia.analyze(*case, bands=4, batch=batch)
    groups = -(-7 // max(1, batch // 16))
    assert threads.count("placing") == groups - 1
    assert found.run["batch"] == batch
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)


def test_the_clean_pass_has_one_shape(case, row, monkeypatch):
    expected, sizes, plain = ia.analyze(*case, bands=2), [], Model.scores

    def scores(self, pixels):
        sizes.append(len(pixels))
        return plain(self, pixels)

    monkeypatch.setattr(clean_pass, "_PIXELS", 3 * 3 * 16 * 16)
    monkeypatch.setattr(Model, "scores", scores)
    found = ia.analyze(*case, bands=2, provider=row.name)
    assert sizes[-3:] == [3, 3, 3]  # of 7 images
    np.testing.assert_allclose(found.log_prob, expected.log_prob, atol=1e-5)
    np.testing.assert_array_equal(found.predicted, expected.predicted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"[ONNXRuntimeError] : 1 : FAIL : {PLACE}{CALL}[with ERRTYPE = cudaError; bool THRW = "
            f"true] {PLACE}{CALL}CUDA failure 2: out of memory ; GPU=0 ; hostname=vm ; file={PLACE}"
            "; line=270 ; expr=cudaStreamCreateWithFlags(&stream, 1);",
            "CUDA failure 2: out of memory",
        ),
        ('provider_options_utils.h:182 Parse Unknown provider option: "a".',
         'Unknown provider option: "a".'),
    ],
)  # fmt: skip
def test_an_error_of_a_device_is_said_without_its_place(text, said):
    assert reason(RuntimeError(text)) == said


class Driver:
    """A driver of two cards."""

    def cuInit(self, _):  # noqa: N802
        return 0

    def cuDriverGetVersion(self, version):  # noqa: N802
        version._obj.value = 13000
        return 0

    def cuDeviceGetCount(self, count):  # noqa: N802
        count._obj.value = 2
        return 0

    def cuDeviceGet(self, device, number):  # noqa: N802
        device._obj.value = number
        return int(number > 1)

    def cuDeviceGetName(self, name, _, device):  # noqa: N802
        name.value = f"Card {device.value}".encode()

    def cuDeviceGetAttribute(self, value, attribute, _):  # noqa: N802
        value._obj.value = {75: 9, 76: 0}[attribute]

    def cuDeviceTotalMem_v2(self, size, device):  # noqa: N802
        size._obj.value = (device.value + 1) << 33
        return 0


@pytest.fixture
def cards(monkeypatch):
    def cudnn():
        return 91400

    def runtime(told):
        told._obj.value = 13000
        return 0

    libraries = {
        "cudart": SimpleNamespace(cudaRuntimeGetVersion=runtime),
        "cudnn": SimpleNamespace(cudnnGetVersion=cudnn),
    }
    monkeypatch.setattr(cuda_diagnosis, "_driver", Driver)
    monkeypatch.setattr(cuda_diagnosis, "_driver_release", lambda: "580.95.05")
    monkeypatch.setattr(cuda_diagnosis, "_loaded", lambda name, _: libraries[name])
    monkeypatch.setattr(cuda_diagnosis, "_built_for", lambda: "13.0")


@pytest.mark.usefixtures("cards")
def test_a_report_names_the_card_the_driver_and_the_libraries():
    found = runtime_details(Runtime("cuda", options=(("device_id", "1"),)))
    assert found["gpu"] == {
        "name": "Card 1",
        "compute_capability": "9.0",
        "driver": "580.95.05",
        "cuda_runtime": "13.0",
        "cudnn": "9.14.0",
    }
    assert cuda_diagnosis.cuda_memory(1) == 2 << 33
    assert (cuda_diagnosis.cuda_memory(2), cuda_diagnosis.cuda_facts(2)) == (0, {})


@pytest.mark.usefixtures("cards")
def test_a_card_that_is_not_there_is_counted():
    cuda = providers.PROVIDERS["cuda"]
    assert "device_id is 7, and the NVIDIA driver finds 2" in choosing.cuda_fault(cuda, "", 7)


@pytest.mark.usefixtures("cards")
@pytest.mark.parametrize(
    ("missing", "said", "package"),
    [
        ("", "TensorRT was not found", "tensorrt-cu13<11"),
        ("the library libnvinfer.so.10 is missing", "libnvinfer.so.10", "tensorrt-cu13<11"),
        ("the library libcublas.so.13 is missing", "libcublas.so.13", "iaside-onnx[cuda]"),
    ],
)
def test_what_tensorrt_lacks_is_named_with_what_to_install(missing, said, package, monkeypatch):
    monkeypatch.setattr(cuda_diagnosis, "_missing_library", lambda _: missing)
    text = "Please install TensorRT libraries as mentioned in the GPU requirements page"
    found = choosing.cuda_fault(providers.PROVIDERS["tensorrt"], text)
    assert said in found
    assert package in found


@pytest.fixture
def asked(monkeypatch):
    """Options that sessions were asked for, by the provider."""
    seen = []

    def make(*_, providers, **__):
        seen.append(dict(providers))
        return SimpleNamespace(get_providers=lambda: [name for name, _ in providers])

    monkeypatch.setattr("onnxruntime.InferenceSession", make)
    return seen


def test_all_sessions_of_a_measurement_are_on_the_card_that_was_asked_for(asked):
    options = (("device_id", "1"), ("prefer_nhwc", "1"))
    runtime = Runtime("cuda", options=options)
    runtime.open(b"")
    runtime.open(b"", helper_graph=True)
    for seen in asked:
        assert seen["CUDAExecutionProvider"]["device_id"] == "1"
        assert seen["CPUExecutionProvider"] == {}
    assert [each["CUDAExecutionProvider"].get("prefer_nhwc") for each in asked] == ["1", None]
    # Which card it was says nothing of the arithmetic; workers have to know it.
    assert runtime.settings["execution"] == "cuda:prefer_nhwc=1"
    assert runtime.asked == "cuda:device_id=1,prefer_nhwc=1"


def test_workers_are_dealt_no_cards_where_one_was_asked_for(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert workers.cards_for("tensorrt") == ("2", "3")
    assert workers.cards_for("cuda:device_id=1") == ()


def test_tensorrt_needs_the_batch_and_is_told_the_shapes(case, asked, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(choosing, "inactive", lambda *_: None)
    with pytest.raises(UsageError, match="batch='auto': tensorrt builds its engine for one number"):
        ia.analyze(*case, bands=2, provider="tensorrt")
    runtime = replace(choose_runtime("tensorrt"), batch=200)
    form = SimpleNamespace(name="image", shape=(3, 16, 16), fixed_batch=None)
    own = engine_cache.engine_options(
        form, FixedInputs(each={"mask": np.ones(5)}, whole={"scale": np.ones(2)}), 200, "a"
    )
    runtime.open(b"", further=own)
    seen = asked[-1]["TensorrtExecutionProvider"]
    assert [seen[f"trt_profile_{name}_shapes"] for name in ("min", "opt", "max")] == [
        "image:1x3x16x16,mask:1x5",
        "image:200x3x16x16,mask:200x5",
        "image:200x3x16x16,mask:200x5",
    ]
    # Engines are kept under the names of graphs: other weights must not find them.
    other = engine_cache.engine_options(form, FixedInputs(), None, "b")
    assert "trt_profile_min_shapes" not in other
    assert other["trt_engine_cache_path"] != own["trt_engine_cache_path"]
    assert Path(own["trt_engine_cache_path"]).is_relative_to(tmp_path / "cache")
