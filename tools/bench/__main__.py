"""The benchmark of this project; every figure is a median of repeats measured in turns.

    python tools/bench speed --data DATA --json speed.json
    python tools/bench speed --data DATA --against speed.json
    python tools/bench answer --data DATA --script iaside.py --model lite0.onnx
    python tools/bench memory --data DATA
    python tools/bench startup
    python tools/bench published iaside.py --data DATA

`speed` compares `analyze` with the bare model and with a plain loop, `published` with the authors'
own script (a file that you bring; `--agreement` compares what the two find); `--against` holds
either against an earlier run. `answer` takes the seconds until the score is there, `memory` the
peak memory of audits with that of the bare session, `startup` what commands need. Without DATA, the
folder with the real artifacts (CONTRIBUTING.md), `speed` runs the demo model and the networks with
random weights on the demo's photographs. `gpu.py` beside this file is for machines with a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from answer import answer_table, measure_answers
from made_networks import resnet50, vit_small
from plain_loop import PUBLISHED_BATCH
from processes import ROOT, memory_table, peaks, start_up_table, start_ups
from published import agreement, measure_published
from speed import Case, against_table, measure, speed_table

import iaside_onnx as ia
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.session import claim_process

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
# Networks with random weights, written where they are measured.
_MADE = {"ResNet-50-sized": resnet50, "ViT-S-sized": vit_small}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": cores,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "onnxruntime": ort.__version__,
        "iaside": ia.__version__,
        "command": ["python", "tools/bench", *sys.argv[1:]],
    }


def _processor() -> str:
    """The processor's name where the system tells it."""
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def known_cases(data: Path | None, folder: Path) -> list[Case]:
    """The networks that the targets name, on photographs."""
    demo = ROOT / "demo" / "test"
    if data is None:
        photographs, labels = demo, None
        cases = [Case("demo", ROOT / "models" / "demo-plain.onnx", demo, {"samples": 60})]
    else:
        photographs, labels = data / "imagenet-100", data / "imagenet-100" / "labels.csv"
        cifar = data / "cifar10"
        net, images = cifar / "resnet20.onnx", cifar / "test-1000.npz"
        squeeze = {"samples": 16, "preprocess": "caffe"}
        cases = [
            Case("CIFAR ResNet-20, 32 px", net, images, {"samples": 100}),
            Case("SqueezeNet 1.1, 224 px", data / "squeezenet1.1-fp16.onnx", photographs, squeeze,
                 labels),
        ]  # fmt: skip
    made = {"samples": 4, "preprocess": "imagenet"}
    for name, make in _MADE.items():
        path = folder / f"{make.__name__}.onnx"
        cases.append(Case(f"{name}, 224 px", path, photographs, made, labels))
    return cases


def chosen_cases(cases: Sequence[Case], options: argparse.Namespace) -> Iterator[Case]:
    """Those that `--only` names, with the bands and images that were asked for."""
    # The plain loop has square bands.
    changed: dict[str, Any] = {"bands": options.bands, "norm": "linf"}
    if options.samples:
        changed["samples"] = options.samples
    for case in cases:
        if options.only.lower() in case.name.lower():
            yield replace(case, settings={**case.settings, **changed})


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Run the networks one after the other and print the table."""
    claim_process()
    runtime = choose_runtime("cpu", options.threads)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for case in chosen_cases(known_cases(options.data, Path(folder)), options):
            for make in _MADE.values():
                if case.model.stem == make.__name__:
                    make(case.model)
            figures, _ = measure(
                case, runtime, options.repeats, BATCHES, loop=options.loop,
                loop_batch=options.loop_batch,
                provider="cpu", threads=options.threads, batch=options.batch,
            )  # fmt: skip
            found.append(figures)
            lines = speed_table(found)
            print("\n".join(lines if len(found) == 1 else lines[-1:]), flush=True)
    return {"speed": [asdict(each) for each in found]}


def published(options: argparse.Namespace) -> dict[str, Any]:
    """The authors' script in front of the same session, or held against the report."""
    missing = [name for name in ("torch", "tqdm") if find_spec(name) is None]
    if not options.script.is_file():
        sys.exit(f"{options.script}: no such file; bring the authors' iaside.py")
    if missing:
        sys.exit(f"the authors' script needs {' and '.join(missing)}: pip install them here")
    claim_process()
    found: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        real = known_cases(options.data, Path(folder))[: -len(_MADE)]
        for case in chosen_cases(real, options):
            if options.agreement:
                made = agreement(case, options.script)
                found.append(
                    {"name": case.name, **{key: sid.tolist() for key, sid in made.items()}}
                )
                for name in ("plain loop", "report"):
                    apart = np.abs(made[name] - made["script"])
                    print(
                        f"{case.name}, {len(apart)} images: {name} and script differ in shares "
                        f"of single images by {np.median(apart):.5f} (median), {apart.max():.5f} "
                        "(most)"
                    )
            else:
                figures = measure_published(case, options.script, options.repeats, BATCHES)
                found.append(asdict(figures))
                lines = speed_table([figures], "authors' script")
                print("\n".join(lines if len(found) == 1 else lines[-1:]), flush=True)
    return {"published": found}


def answer(options: argparse.Namespace) -> dict[str, Any]:
    """Seconds until the score is there; of the made network the seconds alone mean something."""
    claim_process()
    photographs = options.data / "imagenet-100"
    labels = photographs / "labels.csv"
    settings = {"bands": options.bands, "norm": "linf"}
    squeeze, models = options.data / "squeezenet1.1-fp16.onnx", list(options.model)
    cases = [
        (
            Case(
                "SqueezeNet 1.1", squeeze, photographs, {**settings, "preprocess": "caffe"}, labels
            ),
            options.images,
            True,
        )
    ]
    cases += [
        (Case(model.stem, model, photographs, settings, labels), options.images, True)
        for model in models
    ]
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        made = Case(
            "ResNet-50-sized",
            Path(folder) / "resnet50.onnx",
            photographs,
            {**settings, "preprocess": "imagenet"},
            labels,
        )
        cases.append((made, max(2, options.images // 10), False))
        for case, images, told in cases:
            if options.only.lower() not in case.name.lower():
                continue
            if case is made:
                resnet50(case.model)
            ways = measure_answers(case, images, options.repeats, options.script, told=told)
            lines = answer_table(case.name, ways)
            print("\n".join(lines[2:] if found else lines), flush=True)
            found.append({"name": case.name, "ways": [asdict(way) for way in ways]})
    return {"answer": found}


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of ResNet-20 at several numbers of images."""
    cifar = options.data / "cifar10"
    found = peaks(cifar / "resnet20.onnx", cifar / "test-1000.npz", options.counts, options.bands)
    print("\n".join(memory_table(found)), flush=True)
    return {"memory_mib": found}


def startup(options: argparse.Namespace) -> dict[str, Any]:
    """Start-up of the commands."""
    found = start_ups(options.report, options.repeats)
    print("\n".join(start_up_table(found)), flush=True)
    return {"startup_seconds": found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one part of the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parts = parser.add_subparsers(required=True, metavar="speed|published|answer|memory|startup")
    part = parts.add_parser("speed", help="analyze against the bare model and a plain loop")
    part.add_argument("--data", type=Path, help="folder with the real artifacts")
    part.add_argument("--only", default="", help="only networks whose name contains this")
    part.add_argument("--samples", type=int, help="images of every network")
    part.add_argument("--bands", type=int, default=8)
    part.add_argument("--repeats", type=int, default=5)
    part.add_argument("--threads", type=int, default=0)
    part.add_argument("--batch", type=int, help="of the audit; found by its search if not given")
    part.add_argument(
        "--loop", default="read", choices=("read", "kept", "none"),
        help="the plain loop reads the images for every coalition, keeps them, or is left out",
    )  # fmt: skip
    part.add_argument("--loop-batch", type=int, default=PUBLISHED_BATCH, help="of the plain loop")
    part.set_defaults(run=speed)
    part = parts.add_parser("published", help="analyze against the authors' own script")
    part.add_argument("script", type=Path, help="their iaside.py; needs torch and tqdm")
    part.add_argument("--data", type=Path, required=True, help="folder with the real artifacts")
    part.add_argument("--agreement", action="store_true", help="compare what the two find")
    part.add_argument("--only", default="", help="only networks whose name contains this")
    part.add_argument("--samples", type=int, help="images of every network")
    part.add_argument("--bands", type=int, default=8)
    part.add_argument("--repeats", type=int, default=3)
    part.set_defaults(run=published)
    part = parts.add_parser("answer", help="seconds from a cold start until the score is there")
    part.add_argument("--data", type=Path, required=True, help="folder with the real artifacts")
    part.add_argument("--script", type=Path, help="the authors' iaside.py; without it a plain loop")
    part.add_argument(
        "--model", type=Path, action="append", default=[],
        help="a further ImageNet classifier, with its recipe beside it; may be repeated",
    )  # fmt: skip
    part.add_argument("--only", default="", help="only networks whose name contains this")
    part.add_argument("--images", type=int, default=70, help="that permutation gets")
    part.add_argument("--bands", type=int, default=8)
    part.add_argument("--repeats", type=int, default=3)
    part.set_defaults(run=answer)
    part = parts.add_parser("memory", help="peak memory of audits and of the bare session")
    part.add_argument("--data", type=Path, required=True, help="folder with the real artifacts")
    part.add_argument("--counts", type=int, nargs="+", default=[20, 200, 1000], metavar="K")
    part.add_argument("--bands", type=int, default=8)
    part.set_defaults(run=memory)
    part = parts.add_parser("startup", help="time that commands need")
    part.add_argument("--report", type=Path, help="what iaside show shows")
    part.add_argument("--repeats", type=int, default=15)
    part.set_defaults(run=startup)
    for name in ("speed", "published"):
        parts.choices[name].add_argument(
            "--against", type=Path, metavar="JSON", help="of an earlier run: which ratios fell?"
        )
    for part in parts.choices.values():
        part.add_argument("--json", type=Path, help="write everything measured there as well")
    options = parser.parse_args(arguments)
    content = {"machine": machine()}
    print(", ".join(f"{key} {value}" for key, value in content["machine"].items()), flush=True)
    content.update(options.run(options))
    if options.json:
        options.json.write_text(json.dumps(content, indent=2) + "\n")
    if getattr(options, "against", None):
        lines, fell = against_table(json.loads(options.against.read_text()), content)
        print("\n".join(lines))
        sys.exit(1 if fell else 0)


if __name__ == "__main__":
    main()
