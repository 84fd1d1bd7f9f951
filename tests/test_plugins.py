"""Providers from libraries that the user names."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnxruntime as ort
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.inference import choosing, plugins
from iaside_onnx.inference.library_file import check_library
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
    """A library that brings the provider of the processor itself: nothing is loaded."""
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
        ("none.so", "brought", "no such file"),
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


DAMAGES = {
    "cut within its header": (lambda content: content[:40], "end within its header"),
    "cut in the middle": (lambda content: content[: len(content) // 2], "cut off: its header"),
    "zeros from the middle on": (
        lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
        "loading it ends the process",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("option", ["--ep-library", "--ort-extension"])
def test_a_damaged_library_is_one_line_and_not_the_end_of_the_process(
    case, tmp_path, iaside, option, damage
):
    changed, says = DAMAGES[damage]
    content = Path(np.linalg._umath_linalg.__file__).read_bytes()
    whole, damaged = tmp_path / "whole.so", tmp_path / "damaged.so"
    whole.write_bytes(content)
    damaged.write_bytes(changed(content))
    provider = "brought" if option == "--ep-library" else "cpu"
    asked = ["-o", tmp_path / "r.h5", "--preprocess", "unit", "--provider", provider, option]
    result = iaside("analyze", *case, *asked, damaged)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"Error: {option} ")
    assert says in result.stderr
    assert result.stderr.count("\n") == 1
    result = iaside("analyze", *case, *asked, whole)
    assert "not a library of" in result.stderr


HEADERS = {
    "fat Mach-O": struct.pack(">7I", 0xCAFEBABE, 1, 0, 0, 4096, 100, 0),
    "Mach-O": struct.pack("<8I", 0xFEEDFACF, 0, 0, 6, 1, 72, 0, 0)
    + struct.pack("<2I16s4Q", 0x19, 72, b"__TEXT", 0, 0, 4096, 100),
    "PE": struct.pack("<2s58xI", b"MZ", 64)
    + struct.pack("<4s2H3I2H8s4I", b"PE", 0, 1, 0, 0, 0, 0, 0, b".text", 0, 0, 100, 4096),
    "32 bits": struct.pack("<16s2H5I6H", b"\x7fELF\1\1", 3, 3, 1, 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    + struct.pack("<8I", 1, 4096, 0, 0, 100, 100, 0, 0),
}


@pytest.mark.parametrize("kind", HEADERS)
def test_libraries_of_every_system_are_held_against_their_headers(tmp_path, kind):
    file = tmp_path / "library"
    file.write_bytes(HEADERS[kind].ljust(4195, b"\0"))
    with pytest.raises(UsageError, match="at least 4196 bytes, and here are 4195"):
        check_library("ep_library", file)
    file.write_bytes(HEADERS[kind].ljust(4196, b"\0"))
    check_library("ep_library", file)
    file.write_bytes(HEADERS[kind][:-1])
    with pytest.raises(UsageError, match="cut off"):
        check_library("ep_library", file)


@pytest.mark.parametrize("content", [
    # A segment table beyond any place in a file, and commands without an end.
    struct.pack("<16s2HI3QI6H", b"\x7fELF\2\1", 3, 3, 1, 0, 2**63 + 5, 0, 0, 64, 56, 1, 0, 0, 0),
    struct.pack("<8I", 0xFEEDFACF, 0, 0, 6, 2**32 - 1, 72, 0, 0),
])  # fmt: skip
def test_a_header_that_leads_nowhere_is_one_line(tmp_path, content):
    file = tmp_path / "library"
    file.write_bytes(content.ljust(4096, b"\0"))
    with pytest.raises(UsageError, match="cut off: its 4096 bytes end within its header"):
        check_library("ep_library", file)


def test_a_provider_is_looked_for_among_what_the_library_brings(case, library, monkeypatch):
    brought = SimpleNamespace(ep_name="BroughtExecutionProvider")
    monkeypatch.setattr(ort, "get_ep_devices", lambda: [brought] if library[1] else [])
    with pytest.raises(UsageError, match=r"not supported; choose one of auto, cpu, .*, brought;"):
        ia.analyze(*case, bands=2, provider="new", ep_library=[library[0]])


def test_a_library_that_finds_no_device_is_an_error(case, library, monkeypatch, iaside):
    file, names = library
    gone = []
    monkeypatch.setattr(ort, "get_ep_devices", list)
    monkeypatch.setattr(ort, "unregister_execution_provider_library", gone.append)
    with pytest.raises(UsageError, match="finds no device here"):
        load_plugins([Path(file)])
    assert gone == ["new"] == [name for name, _ in names]
    asked = ["-o", file.parent / "r.h5", "--provider", "new", "--ep-library", file]
    assert "finds no device here" in iaside("analyze", *case, *asked).stderr
    assert plugins.available() == ort.get_available_providers()
