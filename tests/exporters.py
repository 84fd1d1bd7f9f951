"""The export tools under test: their modules, a sound export, and runs in real frameworks."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper

from . import graphs
from .conftest import ROOT

TOOLS = ROOT / "tools" / "export"
SIZE = 16


def tool(name: str) -> ModuleType:
    """A module of the exports."""
    return importlib.import_module(f"iaside_onnx.exporting.{name}")


def options():
    """Options of all exports, which their own command lines hold."""
    rows = tool("command_line").FRAMEWORKS.values()
    return {name for row in rows for name in row.parser()._option_string_actions}


def sound_export(tmp_path):
    """A sound model [n, 3, 16, 16] -> [n, 4], what it answers, and images for it."""
    path = graphs.small_network(tmp_path / "sound.onnx", size=SIZE)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    images = {kind: rng.random((5, 3, SIZE, SIZE), dtype=np.float32) for kind in ("random", "real")}
    (tmp_path / "out").mkdir()
    return SimpleNamespace(
        model=onnx.load(path),
        reference=lambda rows: session.run(None, {"image": rows})[0],
        images=images,
        target=tmp_path / "out" / "model.onnx",
    )


def constant(model, name):
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def replace_constant(model, name, values):
    constant(model, name).CopyFrom(numpy_helper.from_array(values, name))


def append(model, op, inputs, **attributes):
    """Put a node behind the scores."""
    for node in model.graph.node:
        node.output[:] = ["before" if name == "scores" else name for name in node.output]
    model.graph.node.append(helper.make_node(op, inputs, ["scores"], **attributes))


def static_batch(model):
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def admit(case, **options):
    return tool("gate").admit(case.model, case.target, case.reference, case.images, **options)


def python_with(framework: str) -> str:
    """The Python that IASIDE_EXPORT_<FRAMEWORK> names, else skip."""
    variable = f"IASIDE_EXPORT_{framework.upper()}"
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python with {framework} (see docs/exporting.md)")
    return python


class Exporter:
    """One command of tools/export, run by one Python in one folder."""

    def __init__(self, python: str, script: str, folder: Path) -> None:
        self.python, self.script, self.folder = python, script, folder
        self.environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.python, *map(str, words)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def export(self, source: str, *options: object) -> Path:
        """Export `source`; the gate's own line must say that it passed."""
        target = self.folder / "model.onnx"
        script = TOOLS / self.script
        done = self.run(script, source, "-o", target, "--overwrite", *options)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch(r"wrote .* of the outputs' spread on 10 images .*\n", done.stdout)
        assert str(self.folder).encode() not in target.read_bytes()
        return target

    def refuse(self, source: str, *options: object) -> str:
        """Try an export that must fail: one line, exit code 2, no file."""
        target = self.folder / "refused.onnx"
        script = TOOLS / self.script
        done = self.run(script, source, "-o", target, *options)
        assert done.returncode == 2, done.stdout
        assert not list(self.folder.glob("*refused*"))
        assert done.stdout == ""
        assert re.fullmatch(r"Error: .*\n", done.stderr), done.stderr
        return done.stderr
