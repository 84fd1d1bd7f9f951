"""Options, streams and places that no sensible person would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scene import Case, Scene

_BIG = "1" + "0" * 30
_VALUES = (_BIG, f"-{_BIG}", "nan", "inf", "1e400", "-1", "0", "", "x", "1e-320", "²", "/",
           "9" * 99, "\x1b[2J", "1/0", "é" * 300)  # fmt: skip
_VIEW = ("--value", "--beta", "--confidence")
_OPTIONS = {
    "analyze": ("--bands", "--samples", "--seed", "--batch", "--threads", "--label-offset",
                "--temperature", "--beta", "--confidence", "--passes", "--target-stderr",
                "--time-budget", "--shard", "--size", "--estimator", "--norm", "--absence",
                "--preprocess", "--layout", "--provider", "--labels", "--ort-extension", "--dask",
                "--columns", "--class-names", "--label-order", "--set", "--input", "--output",
                "--output-map", "--robustness"),
    "robustness": ("--queries", "--attack-samples", "--epsilon", "--severity", "--attack",
                   "--baseline", "--corruption"),
    "heatmap": ("--grid", "--strength", "--analysis", "--plot", "--bands"),
    "snr": ("--rings", "--size", "--batch", "--epsilon", "--norm"),
    "snr attack": ("--epsilon", "--queries", "--model"),
    "inspect data": ("--samples", "--seed", "--size", "--write-recipe", "--write-labels"),
    "gate": ("--min-score", "--min-accuracy", "--max-drop", "--max-accuracy-drop", "--baseline",
             "--junit", "--markdown", "--identity", "--signature", *_VIEW),
    "show": (*_VIEW, "--robustness"),
    "compare": ("--margin", "--replicate", *_VIEW),
    "merge": _VIEW,
    "predict": ("--confidence", "--measured"),
    "plot": (*_VIEW, "--robustness"),
    "html": (*_VIEW, "--baseline"),
    "verify": ("--redo", "--model", "--images", "--allowed-signers", "--seed", "--threads"),
}  # fmt: skip
_STREAMS = (">/dev/full", ">&-", "2>/dev/full", "2>&-", "<&-", ">&- 2>&-",
            "| true; exit ${PIPESTATUS[0]}")  # fmt: skip
_ENCODINGS = ("ascii", "latin-1")
_INPUT = 2
# Options that name a file to read, by command.
_READ = {
    "analyze": ("--labels", "--preprocess", "--class-names", "--robustness", "--ort-extension"),
    "robustness": ("--baseline",),
    "heatmap": ("--analysis",),
    "gate": ("--baseline", "--allowed-signers"),
    "show": ("--robustness",),
    "verify": ("--model", "--images", "--allowed-signers"),
}
# Options that name a file to write.
_WRITE = {
    "gate": ("--junit", "--markdown"),
    "heatmap": ("--plot",),
    "inspect data": ("--write-recipe", "--write-labels"),
}
# Where a number of operands is read, all of them are places.
_OPERANDS = {"analyze": 2, "robustness": 2, "heatmap": 2, "compare": 2, "merge": 2, "correlate": 2}


def options(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """An option with a value that it was not made for; mostly refused, never more than a line."""
    pairs = [(name, option) for name, names in _OPTIONS.items() for option in names]
    name, option = pairs[(number * 7 + int(rng.integers(len(pairs)))) % len(pairs)]
    value = _VALUES[int(rng.integers(len(_VALUES)))]
    done = scene.run(*scene.commands[name](), option, value)
    return Case(done.word, done.problem())


def all_streams(scene: Scene) -> int:
    """Every command with every stream and encoding."""
    return len(_streams(scene))


def streams(scene: Scene, _: np.random.Generator, number: int) -> Case:
    """A command with a stream that is full, closed, left, or knows few characters."""
    name, stream, encoding = _nth(_streams(scene), number)
    words = scene.commands[name]()
    if name not in scene.memory:
        scene.memory[name] = scene.run(*words).code
    done = scene.run(*words, streams=stream, PYTHONIOENCODING=encoding)
    refused = stream.startswith((">/dev/full", ">&-"))
    return Case(done.word, done.problem(*((_INPUT,) if refused else (scene.memory[name],))))


def _streams(scene: Scene) -> list[tuple[str, str, str]]:
    tried = [(stream, "utf-8") for stream in _STREAMS] + [("", each) for each in _ENCODINGS]
    return [(name, *how) for how in tried for name in scene.commands]


def all_places(scene: Scene) -> int:
    """Every command with every place."""
    return len(_places(scene))


def places(scene: Scene, _: np.random.Generator, number: int) -> Case:
    """A command with a file that cannot be read, or a place that cannot be written to."""
    name, at, place, option = _nth(_places(scene), number)
    words = scene.commands[name]()
    words = [*words, option, place] if option else [*words[:at], place, *words[at + 1 :]]
    before = [(Path(each).stat().st_mode, Path(each).stat().st_rdev) for each in _DEVICES]
    done = scene.run(*words)
    # A file without a signature is not signed by whatever key.
    problem = done.problem(_INPUT, *([1] if option == "--allowed-signers" else []))
    if before != [(Path(each).stat().st_mode, Path(each).stat().st_rdev) for each in _DEVICES]:
        problem = f"a device was replaced by a file: {words}"
    return Case(done.word, problem)


_DEVICES = ("/dev/full", "/dev/null")


def _places(scene: Scene) -> list[tuple[str, int, Any, str]]:
    """Command, which of its words is replaced, by what; or the option that is added."""
    long, folder, root = "n" * 300, scene.root / "folder", scene.root
    folder.mkdir(exist_ok=True)
    locked, loop = root / "locked.h5", root / "loop.h5"
    if not loop.is_symlink():
        loop.symlink_to(loop)
        locked.write_bytes(b"x")
        locked.chmod(0)
    unread = [root / "none", long, folder, "/proc/self/mem", locked, "/dev/null", "", loop]
    unwritten = [folder, root / "none" / "f.h5", "/proc/f.h5", "/dev/full", f"{long}.h5", loop]
    tried: list[tuple[str, int, Any, str]] = []
    for name in scene.commands:
        operands = range(1, 1 + _OPERANDS.get(name, 1))
        tried += [(name, at, place, "") for at in operands for place in unread]
        tried += [(name, 0, place, option) for option in _READ.get(name, ()) for place in unread]
        tried += [(name, 0, p, option) for option in _WRITE.get(name, ()) for p in unwritten]
        if name in _WRITING:
            tried += [(name, 0, place, "-o") for place in unwritten]
    return tried


_WRITING = ("analyze", "robustness", "heatmap", "snr", "snr attack", "merge", "plot", "html")


def _nth(tried: list[Any], number: int) -> Any:
    """The cases in an order that mixes commands and places, so that few of them are of many."""
    order = np.random.default_rng(len(tried)).permutation(len(tried))
    return tried[int(order[number % len(tried)])]
