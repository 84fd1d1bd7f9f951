"""What whole processes take: peak memory of an audit, and the time that commands need to start."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia

ROOT = Path(__file__).resolve().parents[2]
# Linux alone counts the peak of a process from its own start.
_PEAK = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
_AUDIT = (
    """
import sys, iaside_onnx as ia
from iaside_onnx.inference.session import claim_process
claim_process()
samples, bands = map(int, sys.argv[4:])
report = ia.analyze(
    *sys.argv[1:4], samples=samples, bands=bands, norm="linf", provider="cpu"
)
print(report.run["batch"])
"""
    + _PEAK
)
_BARE = (
    """
import sys, numpy as np, onnxruntime as ort
session = ort.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
tensor = session.get_inputs()[0]
shape = [int(sys.argv[2]), *map(int, sys.argv[3:])]
for _ in range(20):
    session.run(None, {tensor.name: np.zeros(shape, np.float32)})
"""
    + _PEAK
)


def child(code: str, *arguments: Any) -> list[int]:
    """Numbers that a child process prints, one a line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return [int(line) for line in done.stdout.split()]


def peaks(model: Path, images: Path, counts: list[int], bands: int) -> dict[str, Any]:
    """Peak resident memory in MiB of audits of several sizes, and of the bare session.

    The bare session runs at the largest batch that one of the audits settled on. The model takes
    float32 planes of the images' own size.
    """
    with np.load(images) as data:
        height, width, channels = data["images"].shape[1:]
    audits, batches = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            target = Path(folder) / f"{count}.h5"
            batch, peak = child(_AUDIT, model, images, target, count, bands)
            audits[count] = peak // 1024
            batches.append(batch)
    (bare,) = child(_BARE, model, max(batches), channels, height, width)
    return {"bare": bare // 1024, "batch": max(batches), "bands": bands, "audit": audits}


def memory_table(found: dict[str, Any]) -> list[str]:
    """Lines of a Markdown table."""
    lines = ["| process | peak resident memory | above the bare session |", "| --- | --- | --- |"]
    lines.append(f"| bare session, batch {found['batch']} | {found['bare']} MiB | |")
    for count, peak in found["audit"].items():
        passes = int(count) << found["bands"]
        lines.append(
            f"| `analyze`, {count} images, {passes:,} passes | {peak} MiB | "
            f"{peak - found['bare']} MiB |"
        )
    return lines


def start_ups(report: Path | None, repeats: int) -> dict[str, list[float]]:
    """Seconds that commands take in processes of their own, in turns with yardsticks.

    `report` is what `iaside show` shows; None makes one of 200 images and 8 bands.
    """
    iaside = [sys.executable, "-m", "iaside_onnx"]
    with tempfile.TemporaryDirectory() as folder:
        report = (report or _some_report(Path(folder))).resolve()
        commands = {
            "`python -c pass`": [sys.executable, "-c", "pass"],
            '`python -c "import numpy, h5py"`': [sys.executable, "-c", "import numpy, h5py"],
            "`iaside --help`": [*iaside, "--help"],
            "`iaside show REPORT`": [*iaside, "show", str(report)],
            "`iaside show REPORT --json`": [*iaside, "show", str(report), "--json"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for _ in range(repeats + 1):
            for name, command in commands.items():
                began = time.perf_counter()
                # In an empty folder: Python would take modules from where it stands.
                subprocess.run(
                    command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL
                )
                seconds[name].append(time.perf_counter() - began)
    return {name: each[1:] for name, each in seconds.items()}  # the first one filled the caches


def start_up_table(found: dict[str, list[float]]) -> list[str]:
    """Lines of a Markdown table."""
    yardstick = statistics.median(list(found.values())[1])
    lines = [
        "| command | median | quartiles | of the second line |",
        "| --- | --- | --- | --- |",
    ]
    for name, seconds in found.items():
        low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
        lines.append(
            f"| {name} | {middle:.3f} s | {low:.3f} to {high:.3f} s | {middle / yardstick:.2f} |"
        )
    return lines


def _some_report(folder: Path) -> Path:
    """A report of the default size, of a network that costs nothing."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((768, 10), np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 16, 16]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 10]),
    ]
    held = [numpy_helper.from_array(weight, "weight")]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], held)
    opset = [helper.make_opsetid("", 17)]
    model = folder / "linear.onnx"
    model.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    data = folder / "images.npz"
    images = rng.integers(0, 256, (200, 16, 16, 3), dtype=np.uint8)
    np.savez(data, images=images, labels=np.arange(200) % 10)
    ia.analyze(model, data, folder / "report.h5", norm="linf", provider="cpu")
    return folder / "report.h5"
