"""Other runtimes than the processor's, for real: the same tables, whatever the model's form.

``IASIDE_PROVIDER_OPENVINO``, ``IASIDE_PROVIDER_WEBGPU`` and ``IASIDE_PROVIDER_CUDA`` name Pythons
that hold these builds of onnxruntime, the last on a machine with a graphics card. WebGPU runs on
the software Vulkan that Debian's chromium brings: a device with memory of its own, without a
graphics card.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

import iaside_onnx as ia
from iaside_onnx.measure.quantized import quantize

from . import graphs
from .conftest import ROOT, write_npz

VULKAN = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
# Pieces are smaller than the batch, and a run is one of several.
RUN = {"bands": 3, "batch": 3, "threads": 1}
FORMS = {
    "float32": ({}, {}),
    "float16": ({"dtype": np.float16}, {}),
    "NHWC": ({"layout": "nhwc"}, {}),
    "fixed batch": ({"batch": 3}, {}),
    "own coalitions": ({}, {"estimator": "permutation", "passes": 8}),
    "magnitude": ({}, {"output_map": "magnitude"}),
}


def quantised_first(path):
    """A model whose first node no graphics card has, and whose work they all have."""
    model = onnx.load(graphs.small_network(path, size=8))
    model.graph.node[0].input[0] = "coarse"
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["image"], ["q", "step", "zero"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["coarse"]),
        *model.graph.node,
    ]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    return path


@pytest.fixture
def folder(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    write_npz(tmp_path / "d.npz", pixels, np.arange(3))
    return tmp_path


def answers(folder, provider, cases, stand_in=None):
    """What audits in the environment of a provider give, and those of the processor here."""
    python = os.environ.get(f"IASIDE_PROVIDER_{provider.upper()}")
    if not python:
        pytest.skip(f"IASIDE_PROVIDER_{provider.upper()} names no Python with onnxruntime for it")
    there = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(folder)}
    if provider == "webgpu":
        if not VULKAN.exists():
            pytest.skip("no software Vulkan: chromium is not installed")
        there |= {"VK_ICD_FILENAMES": str(VULKAN), "LD_LIBRARY_PATH": str(VULKAN.parent)}
    audits = {name: (str(model), str(folder / "d.npz"), {**RUN, **options})
              for name, (model, options) in cases.items()}  # fmt: skip
    asked = {"provider": provider, "audits": audits, "answer": str(folder / "answer.json"),
             "stand_in": stand_in}  # fmt: skip
    done = subprocess.run(
        [python, "-m", "tests.provider_audits", json.dumps(asked)],
        cwd=ROOT, env=there, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((folder / "answer.json").read_text())
    here = {name: ia.analyze(model, images, provider="cpu", **options)
            for name, (model, images, options) in audits.items()}  # fmt: skip
    return found, here


def same(found, expected, tolerance):
    table = np.array(found["log_prob"])
    assert np.ptp(expected.log_prob) > 20 * tolerance
    np.testing.assert_allclose(table, expected.log_prob, atol=tolerance)
    np.testing.assert_allclose(found["sid"], expected.sid, atol=tolerance)


@pytest.mark.parametrize("provider", ["openvino", "webgpu", "cuda"])
def test_another_runtime_gives_the_table_of_the_processor(folder, provider):
    cases = {
        name: (graphs.small_network(folder / f"{name}.onnx", size=8, **form), options)
        for name, (form, options) in FORMS.items()
    }
    found, here = answers(folder, provider, cases)
    for name, expected in here.items():
        if "no float16" in found[name].get("error", ""):
            assert name == "float16"
            continue
        assert "error" not in found[name], (name, found[name])
        assert found[name]["provider"] == found[name]["execution"] == provider
        assert found[name]["run"]["placement"]["left"] == {}
        same(found[name], expected, 5e-3 if name == "float16" else 1e-4)


@pytest.mark.parametrize("stand_in", [None, "webgpu"], ids=["host", "device"])
def test_a_first_node_that_the_device_lacks_is_read_anew_for_each_run(folder, stand_in):
    cases = {"quantised": (quantised_first(folder / "quantised.onnx"), {"batch": 1})}
    found, here = answers(folder, "webgpu", cases, stand_in)
    left = found["quantised"]["run"]["placement"]["left"]
    assert (list(left), left["cpu"]["DynamicQuantizeLinear"]) == (["cpu"], 1)
    assert any("in its batch" in warning for warning in found["quantised"]["run"]["warnings"])
    same(found["quantised"], here["quantised"], 0.05)


def test_the_memory_of_a_device_holds_what_the_processors_does(folder):
    names = ["float32", "own coalitions"]
    cases = {
        name: (graphs.small_network(folder / f"{name}.onnx", size=8, **FORMS[name][0]),
               FORMS[name][1])
        for name in names
    }  # fmt: skip
    found, here = answers(folder, "webgpu", cases, "webgpu")
    for name in names:
        assert found[name].get("provider") == "cuda", found[name]
        same(found[name], here[name], 1e-4)


@pytest.mark.parametrize("provider", ["openvino", "webgpu", "cuda"])
def test_a_quantised_file_gives_the_table_of_the_processor_or_one_line(folder, provider):
    images = np.random.default_rng(1).integers(0, 256, (24, 8, 8, 3), np.uint8)
    write_npz(folder / "calibration.npz", images, np.arange(24) % 3)
    model = graphs.small_network(folder / "m.onnx", size=8)
    kinds = ["qdq", "qoperator", "dynamic"]
    made = quantize(model, folder / "calibration.npz", folder / "made", kinds=kinds)
    cases = {kind: (path, {}) for kind, path in zip(kinds, made, strict=True)}
    found, here = answers(folder, provider, cases)
    assert found["qdq"]["provider"] == provider
    same(found["qdq"], here["qdq"], 0.05)
    # Whole numbers are left to the processor, or the file is not taken at all.
    for kind in ("qoperator", "dynamic"):
        assert "provider='cpu'" in found[kind]["error"]
        assert "\n" not in found[kind]["error"]
