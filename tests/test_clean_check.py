"""The grand coalition is the clean image: an engine that finds another value is refused."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference import choosing, providers
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.model import OutOfMemoryError, run_error
from iaside_onnx.inference.providers import Provider
from iaside_onnx.inference.session import run_options
from iaside_onnx.measure import clean_check
from iaside_onnx.measure.clean_check import CleanCheck
from iaside_onnx.onnx_file.graph import coarsest_numbers

from . import graphs
from .conftest import write_npz


@pytest.fixture
def case(tmp_path):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (6, 8, 8, 3), np.uint8)
    model = graphs.small_network(tmp_path / "net.onnx", size=8)
    return model, write_npz(tmp_path / "images.npz", images, np.arange(6) % 3)


MEASUREMENTS = {
    "exact": lambda *case: ia.analyze(*case, bands=3, preprocess="unit"),
    "permutation": lambda *case: ia.analyze(
        *case, bands=3, preprocess="unit", estimator="permutation", passes=8
    ),
    "damage": lambda *case: ia.explain(*case, corruption="fog", bands=3, preprocess="unit"),
    "split": lambda *case: ia.explain(
        *case, corruption="fog", bands=3, preprocess="unit", split=True
    ),
}


@pytest.mark.parametrize("kind", MEASUREMENTS)
def test_a_run_that_reads_another_image_is_refused(kind, case, monkeypatch):
    MEASUREMENTS[kind](*case)
    place, first = Engine.place, []

    def stale(self, rows):
        """Memory that is never written again."""
        first.append(np.zeros_like(rows) if not first else first[0])
        return place(self, first[0][: len(rows)])

    monkeypatch.setattr(Engine, "place", stale)
    with pytest.raises(ArtifactError, match=r"by itself and .* as the sum of its bands"):
        MEASUREMENTS[kind](*case)


def _bound_once(self, wiring):
    """The model's input as it lay there at the first run of a wiring."""
    held = wiring.__dict__.setdefault("held", {})
    for number, (piece, images) in enumerate(wiring.models):
        if number not in held:
            held[number] = ort.OrtValue.ortvalue_from_numpy(images.numpy().copy())
        piece.bind_ortvalue_input(self.model.form.name, held[number])
        self.model.session.run_with_iobinding(piece, run_options())


@pytest.mark.parametrize("batch", [None, 3, 8, 16])
@pytest.mark.parametrize("estimator", ["exact", "permutation", "regression"])
def test_input_that_stays_as_it_was_is_refused(estimator, batch, case, monkeypatch):
    """In the runs that make the table, whichever coalitions are played."""
    monkeypatch.setattr(Engine, "_run_models", _bound_once)
    size = {"batch": batch} if batch else {}
    with pytest.raises(ArtifactError, match="run wrongly here"):
        ia.analyze(*case, bands=4, preprocess="unit", estimator=estimator, **size)


@pytest.mark.parametrize("estimator", ["exact", "permutation"])
@pytest.mark.parametrize(("value", "says"), [(np.inf, "infinite"), (-6.5e36, "is no value")])
def test_what_is_no_value_is_refused(estimator, value, says, case, monkeypatch):
    plain = Engine.values

    def values(self, *arguments):
        found = plain(self, *arguments)
        found[:, 0] = value
        return found

    monkeypatch.setattr(Engine, "values", values)
    with pytest.raises(ArtifactError, match=says):
        ia.analyze(*case, bands=3, preprocess="unit", estimator=estimator)


@pytest.mark.parametrize(
    ("numbers", "coarse", "refused", "passed"),
    [
        ("float32", False, 0.05, 0.005),
        ("float32", True, 0.2, 0.04),
        ("float16", True, 0.3, 0.09),
        ("coarse", True, 1.0, 0.4),
        ("coarse", False, 1.0, 0.4),
    ],
)
def test_how_near_it_must_be_follows_from_the_numbers_of_the_file(
    numbers, coarse, refused, passed, case, monkeypatch
):
    row = Provider("processor", "CPUExecutionProvider", fallbacks=(), coarse=coarse)
    monkeypatch.setitem(providers.PROVIDERS, row.name, row)
    monkeypatch.setattr(clean_check, "coarsest_numbers", lambda _: numbers)
    plain, off = Engine.values, 0.0
    monkeypatch.setattr(Engine, "values", lambda *every: plain(*every) + np.float32(off))
    asked = {"bands": 2, "preprocess": "unit", "provider": row.name}
    off = passed
    ia.analyze(*case, **asked)
    off = refused
    with pytest.raises(ArtifactError, match=r"provider='cpu' or batch=1$"):
        ia.analyze(*case, **asked)
    with pytest.raises(ArtifactError, match=r"run wrongly here; try provider='cpu'$"):
        ia.analyze(*case, **asked, batch=1)
    if not coarse:
        with pytest.raises(ArtifactError, match=r"run wrongly here$"):
            ia.analyze(*case, **{**asked, "provider": "cpu", "batch": 1})


def test_one_value_for_all_coalitions_is_the_image_s():
    """Where steps are wide, an input that stays what it was comes near."""
    check = CleanCheck(np.array([-0.326], np.float32), (0.5, 0.05))
    check(0, np.full(8, -0.326, np.float32), 7, str)
    check(0, np.linspace(-1, -0.4, 8, dtype=np.float32), 7, str)
    with pytest.raises(ArtifactError, match="run wrongly here"):
        check(0, np.full(8, -0.363, np.float32), 7, str)


@pytest.mark.parametrize(
    ("operator", "kind", "numbers"),
    [
        ("Cast", TensorProto.FLOAT, "float32"),
        ("Cast", TensorProto.FLOAT16, "float16"),
        ("Cast", TensorProto.BFLOAT16, "coarse"),
        ("DynamicQuantizeLinear", None, "coarse"),
    ],
)
def test_the_coarsest_numbers_of_a_graph_are_found(operator, kind, numbers):
    named = {} if kind is None else {"to": kind}
    node = helper.make_node(operator, ["x"], ["y"], **named)
    assert coarsest_numbers(helper.make_model(helper.make_graph([node], "g", [], []))) == numbers


def test_inputs_are_bound_anew_for_every_run(case, monkeypatch):
    """Where a binding is a copy, what was bound once would be read as it was then."""
    bound = []

    class Binding:
        def __init__(self, binding):
            self._binding = binding

        def __getattr__(self, name):
            return getattr(self._binding, name)

        def bind_ortvalue_input(self, name, value):
            bound.append(name)
            self._binding.bind_ortvalue_input(name, value)

    plain = choosing.ort.InferenceSession

    class Session(plain):
        def io_binding(self):
            return Binding(super().io_binding())

        def run_with_iobinding(self, binding, options=None):
            bound.append("run")
            super().run_with_iobinding(binding._binding, options)

    monkeypatch.setattr(choosing.ort, "InferenceSession", Session)
    ia.analyze(*case, bands=3, preprocess="unit", batch=8)
    runs = " ".join(bound).split("run")[:-1]
    assert len(runs) == 18
    assert all(names.strip() for names in runs)


@pytest.mark.parametrize(
    ("text", "memory"),
    [
        ("bfc_arena.cc: Failed to allocate memory for requested buffer of size 822083584", True),
        ("Available memory of 116916224 is smaller than requested bytes of 822083584", True),
        ("CUDA failure 2: out of memory ; GPU=0", True),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", True),
        ("CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED", True),
        ("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", True),
        ("CUDA failure 700: an illegal memory access was encountered", False),
        ("CUDA failure 209: no kernel image is available for execution on the device", False),
    ],
)
def test_lack_of_memory_is_known_by_its_words(text, memory):
    assert isinstance(run_error(RuntimeError(text), None), OutOfMemoryError) is memory


def test_a_full_device_is_one_line_where_images_are_placed(case, monkeypatch):
    def full(*_):
        raise RuntimeError("CUDA failure 2: out of memory ; GPU=0")

    monkeypatch.setattr(Engine, "_put", full)
    with pytest.raises(ArtifactError, match="memory"):
        ia.analyze(*case, bands=3, preprocess="unit")


@pytest.mark.parametrize("fault", ["wrong", "fails", "sound"])
def test_a_provider_is_active_if_it_runs_a_network_rightly(fault, monkeypatch):
    plain = choosing.ort.InferenceSession

    class Session(plain):
        def run(self, *arguments):
            if fault == "fails":
                raise RuntimeError("cuDNN is not available")
            (found,) = super().run(*arguments)
            return [found if fault == "sound" else found[:, ::-1]]

    monkeypatch.setattr(choosing.ort, "InferenceSession", Session)
    choosing._fault.cache_clear()
    try:
        assert choosing.is_active("cpu") is (fault == "sound")
    finally:
        choosing._fault.cache_clear()
