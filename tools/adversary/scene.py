"""What the cases act on: a small model, images, a file of each kind; and how commands are run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

# Of a case: what it is counted as, and what is wrong with it, if anything.
Case = tuple[str, str | None]
Cases = Iterator[Case]
ALLOWED = {"gate": (0, 1, 2, 3), "verify": (0, 1, 2, 3)}
_USUAL = (0, 2, 3)
_SECONDS = 120
_SIZE, _CLASSES = 16, 4


class Skip(Exception):  # noqa: N818 (as pytest names it)
    """A kind of case cannot be had here; the message says why."""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    words: list[str]
    code: int
    out: str
    err: str

    @property
    def word(self) -> str:
        """What it is counted as."""
        return f"exit {self.code}"

    def problem(self, *codes: int) -> str | None:
        """What is wrong with it, where it is not one of these codes (or those of its command)."""
        allowed = codes or ALLOWED.get(self.words[0], _USUAL)
        errors = [line for line in self.err.splitlines() if line.startswith("Error:")]
        if "Traceback" in self.err + self.out:
            what = "a traceback"
        elif self.code not in allowed:
            what = f"exit code {self.code}"
        elif self.code == 3:
            what = "a failure that is nobody's input"
        elif len(errors) > 1 or (self.code == 2 and not errors and self.err):
            what = f"{len(errors)} error lines"
        else:
            return None
        return f"{what}: iaside {' '.join(map(str, self.words))[:300]}: {self.err[-300:]!r}"


class Scene:
    """A folder with everything that the commands need."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.model, self.images = root / "m.onnx", root / "images"
        _network(self.model, np.random.default_rng(0))
        for number in range(16):
            folder = self.images / f"class{number % _CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            picture(number).save(folder / f"{number}.png")
        self.out = root / "out"
        self.out.mkdir()
        self.files = {name: root / f"{name}.h5" for name in self.jobs}
        for name, words in self.jobs.items():
            done = self.run(*words, "-o", self.files[name], "--quiet")
            assert done.code == 0, done.err

    @property
    def jobs(self) -> dict[str, list[Any]]:
        """Commands that make files, small."""
        on = ["--threads", "1", "--samples", "12"]
        small = ["--corruption", "fog", "--severity", "1"]
        return {
            "analyze": ["analyze", self.model, self.images, "--bands", "6", *on],
            "robustness": ["robustness", self.model, self.images, *small, "--corruption", "snow",
                           "--attack-samples", "6", "--queries", "60", *on],
            "heatmap": ["heatmap", self.model, self.images, "--grid", "9", "--bands", "2", *on],
            "snr": ["snr", self.images, *small, "--samples", "4", "--bands", "2"],
        }  # fmt: skip

    @property
    def commands(self) -> dict[str, list[Any]]:
        """Every command at work, small; those that write take -o NAME at their end."""
        report, out = self.files["analyze"], self.out
        return {
            **{name: [*words, "--overwrite", "-o", out / f"{name}.h5"]
               for name, words in self.jobs.items()},
            "inspect": ["inspect", self.model],
            "show": ["show", report],
            "gate": ["gate", report, "--min-score", "-0.3", "--point"],
            "compare": ["compare", report, report],
            "verify": ["verify", report],
            "plot": ["plot", report, "--overwrite", "-o", out / "p.png"],
            "html": ["html", report, "--overwrite", "-o", out / "p.html"],
        }  # fmt: skip

    def run(self, *words: Any, streams: str = "", **environment: str) -> Done:
        """Run a command; `streams` is what a shell does with its streams."""
        command = [sys.executable, "-m", "iaside_onnx", *map(str, words)]
        shell = ["bash", "-c", f'"$@" {streams}', "bash", *command]
        done = subprocess.run(
            shell if streams else command,
            cwd=self.out,
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
        texts = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return Done([str(word) for word in words], done.returncode, *texts)

    def begin(self, *words: Any, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start a command and leave it alone."""
        command = [*before, sys.executable, "-m", "iaside_onnx", *map(str, words)]
        return subprocess.Popen(
            command, cwd=self.out, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def clear(self) -> list[str]:
        """Empty the folder for what is written; names of what was hidden there."""
        hidden = [path.name for path in self.out.iterdir() if path.name.startswith(".")]
        for path in self.out.iterdir():
            path.unlink()
        return hidden


def picture(number: int) -> Image.Image:
    """A picture of its own."""
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (_SIZE, _SIZE, 3), dtype=np.uint8))


def tables(path: Path) -> dict[str, np.ndarray]:
    """The numbers of a file that must not depend on what happened to the run that made it."""
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, what: names.append(name) if hasattr(what, "shape") else None)
        return {name: file[name][()] for name in names if name != "header"}


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same numbers."""
    first, second = tables(one), tables(other)
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def _network(path: Path, rng: np.random.Generator) -> None:
    weights = {
        "kernel": rng.normal(0, 0.5, (8, 3, 3, 3)).astype(np.float32),
        "weight": rng.normal(0, 2, (8, _CLASSES)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "kernel"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", ["n", 3, _SIZE, _SIZE]), ("scores", ["n", _CLASSES]))
    ]
    held = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], held)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
