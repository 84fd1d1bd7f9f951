"""What the cases act on: small models, images, a file of each kind; and how commands are run."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent.parent
ALLOWED = {"gate": (0, 1, 2, 3), "verify": (0, 1, 2, 3)}
_USUAL = (0, 2, 3)
_SECONDS, _PATIENCE = 120, 20
_MEMORY = 6 << 30
_SIZE, _CLASSES, _PICTURES, _MODELS = 16, 4, 16, 4
# How a process ends that had to be interrupted, and one that did not even heed that.
INTERRUPTED, HANGS = 130, -9


class Case(NamedTuple):
    """What came of a case.

    Attributes
    ----------
    word : str
        What it is counted as.
    problem : str or None
        What is wrong with it.
    struck : bool or None
        Whether the blow fell while there was something to hit; None where that has no meaning.
    """

    word: str
    problem: str | None = None
    struck: bool | None = None


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
    """A folder with everything that the commands need, made when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self.root, self.out = root.resolve(), root.resolve() / "out"
        # What commands read, apart from what they write.
        self.material = self.root / "material"
        self.model, self.images = self.material / "m.onnx", self.material / "images"
        self.out.mkdir()
        self.material.mkdir()
        # What cases remember of those before them, by kind.
        self.memory: dict[Any, Any] = {}
        network(self.model, 0)
        for number in range(_PICTURES):
            folder = self.images / f"class{number % _CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            picture(number).save(folder / f"{number}.png")

    @cached_property
    def files(self) -> Files:
        """A file of every job, left alone."""
        return Files(self)

    def jobs_of(self, model: Path, images: Path) -> dict[str, list[Any]]:
        """Commands that make files, small."""
        on = ["--threads", "1", "--samples", "12", "--batch", "32"]
        fog = ["--corruption", "fog", "--severity", "1"]
        small = ["--samples", "4", "--bands", "2"]
        attack = ["--attack", "square-linf", "--queries", "40", "--epsilon", "0.1"]
        return {
            "analyze": ["analyze", model, images, "--bands", "6", *on],
            "robustness": ["robustness", model, images, *fog, "--corruption", "snow",
                           "--attack-samples", "6", "--queries", "60", *on],
            "heatmap": ["heatmap", model, images, "--grid", "9", "--bands", "2", *on],
            "snr": ["snr", images, *fog, *small],
            "snr attack": ["snr", images, "--model", model, *attack, "--severity", "3",
                           "--threads", "1", *small],
        }  # fmt: skip

    @property
    def jobs(self) -> dict[str, list[Any]]:
        """The same for the usual model and images."""
        return self.jobs_of(self.model, self.images)

    @cached_property
    def models(self) -> list[Path]:
        """As many models as a correlation needs."""
        made = [self.material / f"m{number}.onnx" for number in range(_MODELS)]
        for number, path in enumerate(made):
            network(path, 10 + number)
        return made

    @property
    def commands(self) -> dict[str, Callable[[], list[Any]]]:
        """Every command at work, small; those that write take -o NAME at their end."""
        out, model, images, files = self.out, self.model, self.images, self.files

        def job(name: str) -> Callable[[], list[Any]]:
            return lambda: [*self.jobs[name], "--overwrite", "-o", out / f"{name[:3]}.h5"]

        def drawn(name: str, ending: str) -> Callable[[], list[Any]]:
            return lambda: [name, files["analyze"], "--overwrite", "-o", out / f"p.{ending}"]

        redo = ["--model", model, "--images", images, "--redo", "2", "--threads", "1"]
        return {
            **{name: job(name) for name in self.jobs},
            "inspect": lambda: ["inspect", model],
            "inspect data": lambda: ["inspect", model, "--data", images, "--samples", "8"],
            "show": lambda: ["show", files["analyze"]],
            "show robustness": lambda: ["show", files["robustness"]],
            "show heatmap": lambda: ["show", files["heatmap"]],
            "show snr": lambda: ["show", files["snr"]],
            "gate": lambda: ["gate", files["analyze"], "--min-score", "-0.3", "--point"],
            "compare": lambda: ["compare", files["analyze"], files["analyze 1"]],
            "merge": lambda: ["merge", files["part 1"], files["part 2"], "--overwrite",
                              "-o", out / "merged.h5"],
            "correlate": lambda: ["correlate", *(files[f"{job} {number}"]
                                                 for job in ("analyze", "robustness")
                                                 for number in range(_MODELS))],
            "predict": lambda: ["predict", files["bands"], "--snr", files["snr"]],
            "verify": lambda: ["verify", files["analyze"]],
            "verify redo": lambda: ["verify", files["analyze"], *redo],
            "plot": drawn("plot", "png"),
            "html": drawn("html", "html"),
        }  # fmt: skip

    def run(self, *words: Any, streams: str = "", **environment: str) -> Done:
        """Run a command; `streams` is what a shell does with its streams."""
        command = [sys.executable, "-m", "iaside_onnx", *map(str, words)]
        shell = ["bash", "-c", f'"$@" {streams}', "bash", *command]
        running = subprocess.Popen(
            shell if streams else command,
            cwd=self.out,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_bounded,
            start_new_session=True,
        )
        try:
            texts = running.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            # A model may loop for ever, but then an interrupt has to end it.
            os.killpg(running.pid, signal.SIGINT)
            try:
                texts = running.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                texts = running.communicate()
        out, err = (text.decode(errors="replace") for text in texts)
        return Done([str(word) for word in words], running.returncode, out, err)

    def clear(self) -> None:
        """Empty the folder for what is written."""
        shutil.rmtree(self.out)
        self.out.mkdir()

    def left(self, *expected: str) -> str | None:
        """What lies there beside what was asked for."""
        beside = sorted({path.name for path in self.out.iterdir()} - set(expected))
        return f"left behind: {beside}" if beside else None


class Files:
    """Files that the commands read, each made when it is first asked for."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._made: dict[str, Path] = {}

    def __getitem__(self, name: str) -> Path:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Path:
        """By the name of a job, that and the number of a model, "part I", or "bands"."""
        scene, path = self._scene, self._scene.root / f"{name.replace(' ', '-')}.h5"
        kind, _, number = name.partition(" ")
        if kind == "part":
            words = [*scene.jobs["analyze"], "--shard", f"{number}/2"]
        elif kind == "bands":  # those of the signal-to-noise ratios
            words = [*scene.jobs["analyze"], "--bands", "2"]
        elif number.isdigit():
            words = scene.jobs_of(scene.models[int(number)], scene.images)[kind]
        else:
            words = scene.jobs[name]
        done = scene.run(*words, "-o", path, "--quiet")
        assert done.code == 0, done.err
        return path


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def picture(number: int) -> Image.Image:
    """A picture of its own."""
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (_SIZE, _SIZE, 3), dtype=np.uint8))


def network(path: Path, seed: int, *, external: str | None = None) -> None:
    """A small network; `external` names the file beside it that holds the weights."""
    rng = np.random.default_rng(seed)
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
    shapes: dict[str, list[str | int | None]] = {
        "image": ["n", 3, _SIZE, _SIZE],
        "scores": ["n", _CLASSES],
    }
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], tensors)
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    if external is None:
        path.write_bytes(model.SerializeToString())
        return
    path.with_name(external).unlink(missing_ok=True)  # it would be added to
    onnx.save(model, path, save_as_external_data=True, location=external, size_threshold=100)
