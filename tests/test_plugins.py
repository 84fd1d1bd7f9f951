"""Providers from libraries that the user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.inference import choosing, plugins
from iaside_onnx.inference.plugin_loading import load_plugins
from iaside_onnx.measure.verification import verify
from iaside_onnx.onnx_file.artifact import file_digest
from iaside_onnx.page.repeat import repetition

from . import graphs
from .conftest import write_npz


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 8, 8, 3), np.uint8)
    model = graphs.small_network(tmp_path / "m.onnx", size=8)
    return model, write_npz(tmp_path / "d.npz", images, np.arange(4) % 3)


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library that brings the processor's provider anew: nothing is loaded, all else is real."""
    file = tmp_path / "libonnxruntime_providers_new_plugin.so"
    file.write_bytes(b"code")
    names, every = [], ort.get_ep_devices()
    plugins.LOADED.clear()
    monkeypatch.setattr(
        ort, "register_execution_provider_library", lambda name, path: names.append((name, path))
    )
    monkeypatch.setattr(ort, "get_ep_devices", lambda: every if names else [])
    choosing._fault.cache_clear()
    yield file, names
    choosing._fault.cache_clear()
    plugins.LOADED.clear()


def test_a_provider_of_a_library_runs_on_its_device_and_is_recorded(case, library, monkeypatch):
    file, names = library
    expected = ia.analyze(*case, bands=2, provider="cpu")
    given, open_session = [], ort.InferenceSession

    def session(*arguments, **named):
        given.append(named)
        return open_session(*arguments, **named)

    monkeypatch.setattr(ort, "InferenceSession", session)
    choosing._fault.cache_clear()
    target = file.parent / "r.h5"
    report = ia.analyze(*case, target, bands=2, provider="cpu", ep_library=[file])
    assert names == [("new", str(file))]
    # No provider by name, but by its device; and no other one when that fails.
    assert given
    assert all(each == {"enable_fallback": 0} for each in given)
    np.testing.assert_array_equal(report.log_prob, expected.log_prob)
    assert report.run["ep_libraries"] == {file.name: file_digest(file)}
    assert "ep_libraries" not in expected.run
    assert f"--ep-library {file.name}" in " ".join(repetition(ia.load(target)).words)
    plugins.LOADED.clear()
    names.clear()
    again = verify(target, model=case[0], images=case[1], redo=2, ep_library=[file])
    assert again.holds
    assert len(names) == 1


@pytest.mark.parametrize(
    ("name", "provider", "says"),
    [
        ("none.so", "webgpu", "no such file"),
        ("text.so", "webgpu", "not a library of a provider for onnxruntime"),
        ("text.so", "auto", "say which with --provider NAME"),
    ],
)
def test_what_is_no_such_library_is_one_line(case, tmp_path, iaside, name, provider, says):
    (tmp_path / "text.so").write_bytes(b"no code")
    asked = ["--provider", provider, "--ep-library", tmp_path / name]
    result = iaside("analyze", *case, "-o", tmp_path / "r.h5", *asked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: --ep-library ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "r.h5").exists()
    if provider != "auto":
        result = iaside("inspect", "--providers", "--ep-library", tmp_path / name)
        assert result.exit_code == 2
        assert says in result.stderr


def test_a_library_that_finds_no_device_is_an_error(library, monkeypatch):
    file, names = library
    gone = []
    monkeypatch.setattr(ort, "get_ep_devices", list)
    monkeypatch.setattr(ort, "unregister_execution_provider_library", gone.append)
    with pytest.raises(UsageError, match="finds no device here"):
        load_plugins([Path(file)])
    assert gone == ["new"] == [name for name, _ in names]
    assert plugins.available() == ort.get_available_providers()
