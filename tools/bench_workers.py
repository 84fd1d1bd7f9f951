"""Throughput of one worker and of several, one thread each: shards as processes, and Dask.

    python tools/bench_workers.py
    python tools/bench_workers.py --model net.onnx --images val/ --preprocess imagenet --samples 24

A repetition runs every arrangement once, in turn, so that all meet the same machine; the table
holds medians. "passes/s" counts the long part alone, as a user sees its progress, from the first to
the last forward pass of the slowest worker; Dask's holds the opening of the model on each worker.
"CPU ms" is processor time a pass, without that of start-up and survey (those of a run with one band
are taken off), which other work on the machine moves less: where it stays the same, N free cores
give N times the speed. "command" is the whole command, in seconds. Speed-ups are those of passes/s
within a repetition. Every table is compared with the first.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import iaside_onnx as ia

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Run:
    """One arrangement, once."""

    arrangement: str
    workers: int
    passes: int
    seconds: float
    processor: float
    command: float


@dataclass
class Row:
    """Medians of one arrangement, and its speed-up over one worker of its kind."""

    arrangement: str
    workers: int
    passes_per_second: float
    speed_up: float
    speed_ups: list[float]
    processor_ms: float
    command_seconds: float


def main() -> None:
    """Measure, print a table, write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "demo-plain.onnx")
    parser.add_argument("--images", type=Path, default=ROOT / "demo" / "test")
    parser.add_argument("--labels", type=Path, help="as for iaside analyze")
    parser.add_argument("--preprocess", help="as for iaside analyze")
    parser.add_argument("--samples", type=int, default=240)
    parser.add_argument("--bands", type=int, default=8)
    parser.add_argument("--batch", type=int, default=32, help="the same for all, so tables are too")
    parser.add_argument("--workers", type=int, default=2)
    there = ["shards", "dask"] if find_spec("distributed") else ["shards"]
    parser.add_argument("--kinds", nargs="+", choices=there, default=there)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    options = parser.parse_args()
    plan = [(kind, count) for kind in options.kinds for count in (1, options.workers)]
    runs: list[list[Run]] = []
    with tempfile.TemporaryDirectory() as folder:
        reference = None
        little = [measure(kind, count, 1, options, Path(folder))[1] for kind, count in plan]
        for repeat in range(options.repeats):
            runs.append([])
            for kind, count in plan:
                report, run = measure(kind, count, options.bands, options, Path(folder))
                reference = report.table if reference is None else reference
                if not np.array_equal(report.table, reference):
                    sys.exit(f"{kind} with --workers {count} made another table")
                runs[-1].append(run)
                print(
                    f"  {repeat + 1}: {kind} {count}: {run.passes / run.seconds:.0f}/s", flush=True
                )
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    print(f"{options.model.stem}: {platform.machine()}, {cores} cores, load {load:.1f}")
    headings = ("workers", "passes/s", "speed-up", "CPU ms", "command")
    print(f"{'arrangement':14} " + " ".join(f"{heading:>9}" for heading in headings))
    rows = [summary(runs, little, place) for place in range(len(plan))]
    for row in rows:
        print(
            f"{row.arrangement:14} {row.workers:9} {row.passes_per_second:9.1f} "
            f"{row.speed_up:9.3f} {row.processor_ms:9.3f} {row.command_seconds:9.1f}   "
            f"({', '.join(f'{each:.2f}' for each in row.speed_ups)})"
        )
    if options.json:
        content = {
            "rows": [asdict(row) for row in rows],
            "runs": [[asdict(run) for run in each] for each in runs],
        }
        options.json.write_text(json.dumps(content, indent=2) + "\n")


def measure(
    kind: str, count: int, bands: int, options: argparse.Namespace, folder: Path
) -> tuple[ia.Report, Run]:
    """Run one arrangement; its report and what it took."""
    began, processor = time.perf_counter(), used()
    if kind == "dask":
        targets = [folder / "dask.h5"]
        finish([start(options, bands, targets[0], "--dask", f"local:{count}")])
    else:
        targets = [folder / f"part{number}.h5" for number in range(1, count + 1)]
        shards = [("--shard", f"{number}/{count}") for number in range(1, count + 1)]
        finish(
            [start(options, bands, path, *own) for path, own in zip(targets, shards, strict=True)]
        )
    command, processor = time.perf_counter() - began, used() - processor
    parts = [ia.load(path) for path in targets]
    report = parts[0] if kind == "dask" else ia.merge(parts)
    passes = int(report.run["forward_passes"])
    seconds = max(float(part.run["seconds"]) for part in parts)
    return report, Run(kind, count, passes, seconds, processor, command)


def start(
    options: argparse.Namespace, bands: int, target: Path, *more: str
) -> subprocess.Popen[bytes]:
    """One ``iaside analyze``."""
    words = [options.model, options.images, "-o", target, "--overwrite", "--quiet"]
    words += ["--samples", options.samples, "--bands", bands, "--batch", options.batch]
    words += ["--preprocess", options.preprocess] if options.preprocess else []
    words += ["--labels", options.labels] if options.labels else []
    command = [sys.executable, "-m", "iaside_onnx", "analyze", *words, "--threads", 1, *more]
    return subprocess.Popen(
        [str(word) for word in command], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def finish(processes: list[subprocess.Popen[bytes]]) -> None:
    """Wait for all."""
    codes = [process.wait() for process in processes]
    if any(codes):
        sys.exit("a run failed")


def used() -> float:
    """Processor seconds of all processes that ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def summary(runs: list[list[Run]], little: list[Run], place: int) -> Row:
    """What the repetitions of one arrangement come to."""
    mine = [each[place] for each in runs]
    kind = mine[0].arrangement
    alone = [next(run for run in each if run.arrangement == kind) for each in runs]
    ups = [one.seconds / run.seconds for one, run in zip(alone, mine, strict=True)]
    return Row(
        kind,
        mine[0].workers,
        statistics.median(run.passes / run.seconds for run in mine),
        statistics.median(ups),
        ups,
        1000
        * statistics.median(
            (run.processor - little[place].processor) / (run.passes - little[place].passes)
            for run in mine
        ),
        statistics.median(run.command for run in mine),
    )


if __name__ == "__main__":
    main()
