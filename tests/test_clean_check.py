"""The grand coalition is the untouched image: an engine that finds another value is refused."""

from __future__ import annotations

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference import choosing
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.model import OutOfMemoryError, run_error

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
