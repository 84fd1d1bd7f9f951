"""What a GPU audit costs beside the bare model, in one run of less than ten minutes.

    python tools/bench/gpu.py -o gpu/                            # on a machine with a GPU
    python tools/bench/gpu.py -o try/ --provider cpu --quick     # does the script itself work?

Networks of the sizes of ResNet-50 and ViT-S with random weights, in float32, TF32 and float16; with
--data (the folder with the real artifacts) also a CIFAR ResNet-20, whose numbers mean something.
Everything goes into the folder as it is found: `gpu.md` (tables), `gpu.json`, the reports of the
whole audits, and what nvidia-smi saw meanwhile.

Bare: onnxruntime with input and output bound on the device, at its best batch. It and the audit
take turns (`speed.py`), over as many images as the whole audit has: a device plans each shape of
batch anew, which an audit of a few images would be all about. Transfers are counted, not timed:
bytes that the engine puts on the device, and values that come back.
"""

from __future__ import annotations

import argparse
import csv
import gc
import importlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx
from made_networks import resnet50, vit_small
from processes import ROOT
from speed import Case, measure, spread

import iaside_onnx as ia
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.providers import PROVIDERS, asked
from iaside_onnx.inference.session import claim_process

_BATCHES = (64, 128, 256, 512)
_SEEN = ("utilization.gpu", "utilization.memory", "memory.used", "power.draw", "clocks.sm")
_EVERY = 200  # milliseconds
_SAID = ("name", "driver", "cuda_runtime", "cudnn", "onnxruntime")
_PRECISIONS = ("float32", "tf32", "float16")


class Watch:
    """What nvidia-smi says while something runs, kept in a file; nothing where it is missing."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Watch:
        program = shutil.which("nvidia-smi")
        if program is not None:
            query = f"--query-gpu={','.join(_SEEN)}"
            command = [program, query, "--format=csv,noheader,nounits", "-lms", str(_EVERY)]
            with self.target.open("wb") as output:
                self._process = subprocess.Popen(command, stdout=output)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def medians(self) -> dict[str, float]:
        """Median of each figure; empty where nothing was seen."""
        if not self.target.is_file():
            return {}
        found: dict[str, list[float]] = {name: [] for name in _SEEN}
        for row in csv.reader(self.target.read_text().splitlines()):
            for name, text in zip(_SEEN, row, strict=False):
                with suppress(ValueError):  # a figure that this device does not tell
                    found[name].append(float(text))
        return {name: statistics.median(each) for name, each in found.items() if each}


@contextmanager
def counted_transfers() -> Iterator[dict[str, int]]:
    """Bytes that engines put on their device (at most), and values that they bring back."""
    count = {"to_device": 0, "from_device": 0}
    put, ask = Engine._put, Engine.values

    def counting_put(engine: Engine, array: Any) -> Any:
        count["to_device"] += array.nbytes
        return put(engine, array)

    def counting_ask(
        engine: Engine, bands: Any, start: int, stop: int, labels: Any, *rest: Any
    ) -> Any:
        values = ask(engine, bands, start, stop, labels, *rest)
        count["to_device"] += 8 * values.size  # labels, if they change every time
        count["from_device"] += values.nbytes
        return values

    with mock.patch.object(Engine, "_put", counting_put), mock.patch.object(
        Engine, "values", counting_ask
    ):  # fmt: skip
        yield count


def half(source: Path, target: Path) -> Path:
    """A copy of a model in float16, input and output included."""
    tools = importlib.import_module("onnxruntime.transformers.float16")
    onnx.save(tools.convert_float_to_float16(onnx.load(source)), target)
    return target


def cases(data: Path | None, precision: str, folder: Path) -> Iterator[Case]:
    """The networks in one precision; files are written as they are wanted."""
    dtype = "float16" if precision == "float16" else "float32"
    demo = ROOT / "demo" / "test"
    for name, make in (("ResNet-50-sized", resnet50), ("ViT-S-sized", vit_small)):
        path = folder / f"{make.__name__}-{dtype}.onnx"
        if not path.exists():
            make(path, dtype)
        yield Case(name, path, demo, {"preprocess": "imagenet"})
    if data is not None:
        cifar = data / "cifar10"
        model = cifar / "resnet20.onnx"
        if dtype == "float16":
            model = half(model, folder / "resnet20-float16.onnx")
        yield Case("CIFAR ResNet-20", model, cifar / "test-1000.npz")


def audit(case: Case, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """One network in one precision: the ratio in turns, then a whole audit by itself."""
    running: dict[str, Any] = {"provider": options.provider}
    running["tf32"] = precision != "float32"
    runtime = choose_runtime(options.provider, tf32=running["tf32"])
    settings = {**case.settings, "bands": options.bands, "norm": "linf"}
    small = Case(case.name, case.model, case.images, {**settings, "samples": options.turns})
    figures, _ = measure(small, runtime, options.repeats, options.batches, loop="none", **running)
    gc.collect()  # sessions of listeners that hold themselves would keep the device's memory
    stem = f"{case.model.stem.partition('-')[0]}-{precision}"
    target = options.output / f"{stem}.h5"
    watch = Watch(options.output / f"{stem}-nvidia-smi.csv")
    began = time.perf_counter()
    with watch, counted_transfers() as moved:
        report = ia.analyze(
            case.model, case.images, target, samples=options.samples, overwrite=True,
            **settings, **running,
        )  # fmt: skip
    whole = time.perf_counter() - began
    images = len(report.labels)
    middle, low, high = spread(figures.ratios("bare", "audit"))
    return {
        "network": case.name,
        "precision": precision,
        "parameters": figures.parameters,
        "bare": statistics.median(figures.rates["bare"]),
        "audit": statistics.median(figures.rates["audit"]),
        "batches": figures.batches,
        "rates": figures.rates,
        "ratio": middle,
        "ratio_quartiles": [low, high],
        "images": images,
        "forward_passes": report.run["forward_passes"],
        "seconds": report.run["seconds"],
        "whole_seconds": whole,
        "kib_to_device_per_image": moved["to_device"] / images / 1024,
        "kib_from_device_per_image": moved["from_device"] / images / 1024,
        "device": watch.medians(),
        "sid": report.sid.tolist(),
        "srs": report.srs,
        "srs_signed": report.srs_signed,
        "srs_signed_interval": list(report.intervals.srs_signed),
        "tf32": report.settings.get("tf32"),
        "run": {name: report.run.get(name) for name in ("onnxruntime", "gpu", "placement")},
        "warnings": report.run["warnings"],
    }


def tables(found: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of Markdown: speed, then what precision changes."""
    run = found[0]["run"]
    gpu = run["gpu"] or {}
    lines = [
        ", ".join(f"{key} {value}" for key, value in {**gpu, **run}.items() if key in _SAID),
        "",
        "| network | precision | bare model, passes/s (batch) | `analyze` (batch) | "
        "bare / `analyze` | GPU busy | KiB to / from the device, an image | whole audit |",
        "| --- " * 8 + "|",
    ]
    for row in found:
        low, high = row["ratio_quartiles"]
        busy = row["device"].get("utilization.gpu")
        batches = row["batches"]
        cells = [
            row["network"], row["precision"], f"{row['bare']:.0f} ({batches['bare']})",
            f"{row['audit']:.0f} ({batches['audit']})",
            f"{row['ratio']:.3f} ({low:.3f} to {high:.3f})",
            "not seen" if busy is None else f"{busy:.0f} %",
            f"{row['kib_to_device_per_image']:.0f} / {row['kib_from_device_per_image']:.2f}",
            f"{row['whole_seconds']:.1f} s for {row['forward_passes']:,} passes",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "| network | precision | largest change of SID | change of the signed score | "
        "half its interval |",
        "| --- " * 5 + "|",
    ]
    exact = {row["network"]: row for row in found if row["precision"] == "float32"}
    for row in found:
        base = exact.get(row["network"])
        if base is None or base is row:
            continue
        change = np.abs(np.subtract(row["sid"], base["sid"])).max()
        low, high = base["srs_signed_interval"]
        lines.append(
            f"| {row['network']} | {row['precision']} | {change:.1e} | "
            f"{row['srs_signed'] - base['srs_signed']:+.1e} | {(high - low) / 2:.1e} |"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure everything; the folder holds what was found up to any moment."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--data", type=Path, help="folder with the real artifacts")
    parser.add_argument("--provider", default="cuda", help="with options: cuda:prefer_nhwc=1")
    parser.add_argument(
        "--precision", nargs="+", choices=_PRECISIONS,
        help="default: all that the provider has (TensorRT rounds float32 to TF32)",
    )  # fmt: skip
    parser.add_argument("--only", default="", help="only networks whose name contains this")
    parser.add_argument("--samples", type=int, default=200, help="images of the whole audit")
    parser.add_argument("--turns", type=int, default=200, help="images of an audit in turns")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--bands", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="2 images, 3 bands, batches up to 2")
    options = parser.parse_args(arguments)
    options.batches = _BATCHES
    name, _ = asked(options.provider)
    # float32 comes first: what the others change is told against it.
    options.precision = options.precision or (
        _PRECISIONS[1:] if PROVIDERS[name].rounding == "always" else _PRECISIONS
    )
    claim_process()
    if options.quick:
        options.samples, options.turns, options.repeats, options.bands = 2, 2, 1, 3
        options.batches = (1, 2)
    options.output.mkdir(parents=True, exist_ok=True)
    began, found = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for precision in options.precision:
            for case in cases(options.data, precision, Path(folder)):
                if options.only.lower() not in case.name.lower():
                    continue
                found.append(audit(case, precision, options))
                spent = time.perf_counter() - began
                content = {"command": sys.argv, "seconds": spent, "results": found}
                (options.output / "gpu.json").write_text(json.dumps(content, indent=2) + "\n")
                (options.output / "gpu.md").write_text("\n".join(tables(found)) + "\n")
                print(f"{case.name}, {precision}: done after {spent:.0f} s", flush=True)
    print("\n".join(tables(found)))


if __name__ == "__main__":
    main()
