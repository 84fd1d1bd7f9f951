"""Options, streams, places and files that no sensible person would give."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from scene import Cases, Scene

_BIG = "1" + "0" * 30
_VALUES = (
    _BIG,
    f"-{_BIG}",
    "nan",
    "inf",
    "1e400",
    "-1",
    "0",
    "",
    "x",
    "1e-320",
    "²",
    "/",
    "9" * 99,
)
_OPTIONS = {
    "analyze": ("--bands", "--samples", "--seed", "--batch", "--threads", "--label-offset",
                "--temperature", "--beta", "--confidence", "--passes", "--target-stderr",
                "--time-budget", "--shard", "--size", "--estimator", "--norm", "--absence",
                "--preprocess", "--layout", "--provider", "--labels", "--ort-extension", "--dask"),
    "robustness": ("--queries", "--attack-samples", "--epsilon", "--severity", "--attack",
                   "--baseline"),
    "heatmap": ("--grid", "--strength", "--analysis"),
    "snr": ("--rings", "--size", "--batch", "--epsilon"),
    "gate": ("--min-score", "--min-accuracy", "--max-drop", "--baseline", "--confidence"),
    "show": ("--beta", "--confidence", "--value"),
    "compare": ("--margin", "--beta"),
    "verify": ("--redo", "--model", "--images", "--allowed-signers"),
}  # fmt: skip
_STREAMS = ("", ">/dev/full", ">&-", "2>/dev/full", "2>&-", "| true; exit ${PIPESTATUS[0]}")
_ENCODINGS = ("ascii", "latin-1")
_FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
_INPUT = 2


def options(scene: Scene, rng: np.random.Generator, count: int) -> Cases:
    """An option with a value that it was not made for; mostly refused, never more than a line."""
    pairs = [(name, option) for name, names in _OPTIONS.items() for option in names]
    for number in range(count):
        name, option = pairs[(number * 7 + int(rng.integers(len(pairs)))) % len(pairs)]
        value = _VALUES[int(rng.integers(len(_VALUES)))]
        done = scene.run(*scene.commands[name], option, value)
        yield done.word, done.problem()


def streams(scene: Scene, _: np.random.Generator, count: int) -> Cases:
    """Every command with streams that are full, closed, left, or know few characters."""
    tried = [(name, stream, "utf-8") for stream in _STREAMS for name in scene.commands]
    tried += [(name, "", encoding) for encoding in _ENCODINGS for name in scene.commands]
    step = max(1, len(tried) // count)
    plain: dict[str, int] = {}
    for name, stream, encoding in tried[::step]:
        done = scene.run(*scene.commands[name], streams=stream, PYTHONIOENCODING=encoding)
        if name not in plain:
            plain[name] = scene.run(*scene.commands[name]).code
        refused = stream in (">/dev/full", ">&-")
        yield done.word, done.problem(_INPUT if refused else plain[name])


def places(scene: Scene, _: np.random.Generator, count: int) -> Cases:
    """Every command with files that cannot be read, and places that cannot be written to."""
    long, folder = "n" * 300, scene.root / "folder"
    folder.mkdir(exist_ok=True)
    locked = scene.root / "locked.h5"
    locked.write_bytes(b"x")
    locked.chmod(0)
    unread = [scene.root / "none", long, folder, "/proc/self/mem", locked, "/dev/null", ""]
    unwritten = [folder, scene.root / "none" / "f.h5", "/proc/f.h5", "/dev/full", long + ".h5"]
    tried: list[tuple[str, list[object]]] = []
    for name, words in scene.commands.items():
        tried += [(name, [words[0], place, *words[2:]]) for place in unread]
        if "-o" in words:
            tried += [(name, [*words[:-1], place]) for place in unwritten]
    step = max(1, len(tried) // count)
    before = Path("/dev/full").stat().st_mode
    for _name, words in tried[::step]:
        done = scene.run(*words)
        yield done.word, done.problem(_INPUT)
    if Path("/dev/full").stat().st_mode != before:
        yield "replaced", "/dev/full was replaced by a file"


def fuzzed(_: Scene, rng: np.random.Generator, count: int) -> Cases:
    """Reports, measurements, ONNX files and image arrays altered and sealed again: tools/fuzz."""
    seed = str(int(rng.integers(1 << 30)))
    for kind in ("reports", "measurements", "onnx", "arrays"):
        many = max(2, count // 4)
        command = [sys.executable, str(_FUZZ), f"--{kind}", str(many), "--seed", seed]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=_FUZZ.parent.parent
        )
        for number in range(many):
            last = number == many - 1 and done.returncode
            yield kind, (done.stdout[-600:] + done.stderr[-300:]) if last else None
