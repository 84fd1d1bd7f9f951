"""Throughput of an audit against that of the bare model, side by side in one run.

    python tools/bench --data ../shared/data            # ResNet-20 and SqueezeNet
    python tools/bench --model models/demo-plain.onnx --images demo/test --samples 60

(a) is the bare model through onnxruntime at its best batch size, on random input already in
memory; (b) is the audit as `iaside analyze` runs it, over the whole job after the sample is loaded,
from the first to the last forward pass, with preparation of images, search for a batch size and
storing included. Machines are noisy, so the two take turns of a fraction of a second in one
process: after each slice of the audit, the bare model runs for as long.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

import iaside_onnx as ia
from iaside_onnx.inference.session import choose_runtime, claim_process
from iaside_onnx.listener import Listener
from iaside_onnx.onnx_file.artifact import INPUT_TYPES, load_graph, read_artifact
from iaside_onnx.onnx_file.free_batch import free_batch

ROOT = Path(__file__).resolve().parents[2]
SLICE = 0.4  # seconds
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass
class Case:
    """One network on one set of images."""

    name: str
    model: Path
    images: Path
    samples: int
    bands: int = 8
    labels: Path | None = None
    preprocess: str | None = None
    provider: str = "cpu"
    batch: int | None = None


@dataclass
class Figures:
    """Result of one case; rates in forward passes per second."""

    name: str
    bare: float
    bare_batch: int
    audit: float
    audit_batch: int
    ratio: float
    ratios: list[float]
    passes: int


def bare_session(case: Case) -> tuple[ort.InferenceSession, Any]:
    """The model alone, its batch made free where it is fixed; and its image input."""
    artifact = read_artifact(case.model)
    tensor = artifact.image_input()
    source: Path | bytes = case.model
    if tensor.shape is not None and tensor.shape[0] is not None:
        graph = free_batch(load_graph(case.model), tensor.name, tensor.shape[0])
        source = graph.SerializeToString()
    return choose_runtime(case.provider).open(source), tensor


def bare_rate(session: ort.InferenceSession, feed: dict[str, Any], seconds: float) -> float:
    """Passes per second of repeated runs over at least `seconds`."""
    batch = len(next(iter(feed.values())))
    session.run(None, feed)
    began, runs = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        session.run(None, feed)
        runs += 1
    return batch * runs / (time.perf_counter() - began)


def feed_of(tensor: Any, batch: int, size: list[int]) -> dict[str, Any]:
    """Random input of one batch, in memory."""
    shape = [
        batch,
        *(side or default for side, default in zip(tensor.shape[1:], size, strict=True)),
    ]
    rng = np.random.default_rng(0)
    return {tensor.name: rng.random(shape, np.float32).astype(INPUT_TYPES[tensor.elem_type])}


def best_batch(session: ort.InferenceSession, tensor: Any, size: list[int]) -> int:
    """Batch size with the highest bare rate."""
    rates = {b: bare_rate(session, feed_of(tensor, b, size), 0.7) for b in BATCHES}
    return max(rates, key=lambda batch: rates[batch])


class Turns(Listener):
    """Listener of an audit that gives the bare model a slice after each slice of the audit."""

    def __init__(self, session: ort.InferenceSession, feed: dict[str, Any]) -> None:
        super().__init__(start=self.begin, advance=self.take_turn)
        self.session, self.feed = session, feed
        self.batch = len(next(iter(feed.values())))
        self.bare_seconds = 0.0
        self.bare_passes = 0
        self.turn_began = 0.0

    def begin(self, *_: object) -> None:
        """The long part begins."""
        self.turn_began = time.perf_counter()

    def take_turn(self, *_: object) -> None:
        """A run of the audit has ended."""
        if time.perf_counter() - self.turn_began < SLICE:
            return
        began = time.perf_counter()
        while time.perf_counter() - began < SLICE:
            self.session.run(None, self.feed)
            self.bare_passes += self.batch
        self.turn_began = time.perf_counter()
        self.bare_seconds += self.turn_began - began


def measure(case: Case, repeats: int) -> Figures:
    """Bare model and audit in turns."""
    settings: dict[str, Any] = {
        "bands": case.bands,
        "labels": case.labels,
        "preprocess": case.preprocess,
        "provider": case.provider,
        "batch": case.batch,
    }
    warm = ia.analyze(case.model, case.images, samples=2, **{**settings, "bands": 2})
    side = warm.settings["size"]
    size = [3, *side] if warm.settings["layout"] == "nchw" else [*side, 3]
    session, tensor = bare_session(case)
    batch = best_batch(session, tensor, size)
    feed = feed_of(tensor, batch, size)
    run: dict[str, Any] = {}
    bare, rates, ratios = [], [], []
    for _ in range(repeats):
        turns = Turns(session, feed)
        run = ia.analyze(
            case.model, case.images, samples=case.samples, listener=turns, **settings
        ).run
        bare.append(turns.bare_passes / turns.bare_seconds)
        rates.append(run["forward_passes"] / (run["seconds"] - turns.bare_seconds))
        ratios.append(bare[-1] / rates[-1])
    return Figures(
        case.name,
        statistics.median(bare),
        batch,
        statistics.median(rates),
        run["batch"],
        statistics.median(ratios),
        ratios,
        run["forward_passes"],
    )


# Linux alone counts the peak of a process from its own start.
PEAK = """
import sys, iaside_onnx as ia
ia.analyze(sys.argv[1], sys.argv[2], sys.argv[3], samples=int(sys.argv[4]), bands=6)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def peak_memory(case: Case, samples: int) -> int:
    """Peak resident memory in MiB of an audit in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "r.h5")
        arguments = [str(case.model), str(case.images), target, str(samples)]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *arguments], capture_output=True, text=True, check=True
        )
    return int(done.stdout) // 1024


def known_cases(data: Path) -> list[Case]:
    """ResNet-20 at 32 pixels and SqueezeNet at 224, as the targets name them."""
    photographs = data / "imagenet-100"
    cifar = data / "cifar10"
    return [
        Case("CIFAR ResNet-20, K = 200", cifar / "resnet20.onnx", cifar / "test-1000.npz", 200),
        Case(
            "SqueezeNet 1.1, K = 16",
            data / "squeezenet1.1-fp16.onnx",
            photographs,
            16,
            labels=photographs / "labels.csv",
            preprocess="caffe",
        ),
    ]


def main() -> None:
    """Run the benchmark and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with the real artifacts")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "demo-plain.onnx")
    parser.add_argument("--images", type=Path, default=ROOT / "demo" / "test")
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--provider", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, help="of the audit; found by its search if not given")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="peak memory at three sample sizes")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    claim_process()
    own = Case(options.model.stem, options.model, options.images, options.samples)
    cases = known_cases(options.data) if options.data else [own]
    cases = [case for case in cases if options.only.lower() in case.name.lower()]
    results = []
    print(f"{platform.processor() or platform.machine()}, onnxruntime {ort.__version__}")
    print(f"{'case':28} {'bare/s':>9} {'batch':>6} {'audit/s':>9} {'batch':>6} {'bare/audit':>11}")
    for case in cases:
        case.provider, case.batch = options.provider, options.batch
        found = measure(case, options.repeats)
        results.append(found)
        print(
            f"{found.name:28} {found.bare:9.1f} {found.bare_batch:6} {found.audit:9.1f} "
            f"{found.audit_batch:6} {found.ratio:11.3f}   "
            f"({', '.join(f'{ratio:.3f}' for ratio in found.ratios)})",
            flush=True,
        )
    memory = {}
    if options.memory:
        for samples in (20, 200, 1000):
            memory[samples] = peak_memory(cases[0], samples)
            print(f"peak memory, K = {samples:4}: {memory[samples]} MiB", flush=True)
    if options.json:
        content = {"results": [asdict(found) for found in results], "peak_memory_mib": memory}
        options.json.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
