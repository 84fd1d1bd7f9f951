"""One network of the set from its name: trained, written, measured, described."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from . import training
from .cards import write_card
from .crops import ImageSet, load_demo, load_folder
from .members import ARCHITECTURES, MEMBERS, RECIPES
from .onnx_files import export, measure

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Path(__file__).with_name("card-template.txt")
DECLARED = {"iaside.preprocess": "unit", "iaside.layout": "nchw", "iaside.output_kind": "logits"}


def load_images(folder: Path | None) -> ImageSet:
    """The bundled photographs, or a folder's."""
    return load_folder(folder) if folder else load_demo(ROOT / "demo")


def make_one(name: str, args: argparse.Namespace, folder: Path) -> bool:
    """Train, write and measure one network; with `--check`, say whether the file is the same."""
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    images = load_images(args.images)
    start = time.process_time()
    model = training.train(MEMBERS[name], images, args.steps, args.seed)
    seconds = time.process_time() - start
    path = folder / f"{name}.onnx"
    export(model, path, images.classes, graph="zoo", declared=DECLARED)
    scores = measure(path, images.test, images.labels)
    shown = "; ".join(f"{kind}: {value:.3f}" for kind, value in scores.items())
    print(f"{name}: {shown} ({seconds:.0f} s of processor time)", flush=True)
    if args.check:
        there = args.out / path.name
        equal: bool = there.is_file() and path.read_bytes() == there.read_bytes()
        print(f"{path.name}: {'identical' if equal else 'DIFFERENT'}", flush=True)
        return equal
    describe(path, model, scores, images, seconds, args)
    return True


def describe(
    path: Path,
    model: torch.nn.Module,
    scores: dict[str, float],
    images: ImageSet,
    seconds: float,
    args: argparse.Namespace,
) -> None:
    """Write the card of a trained network."""
    member = MEMBERS[path.stem]
    architecture, recipe = ARCHITECTURES[member.architecture], RECIPES[member.recipe]
    steps, stop = training.steps_of(member, args.steps)
    write_card(
        path,
        TEMPLATE,
        model,
        scores,
        len(images.labels),
        name=member.name,
        architecture=architecture.words,
        recipe=recipe.words,
        contrast=recipe.contrast,
        brightness=recipe.brightness,
        steps=steps,
        stop=stop,
        asked=args.steps,
        batch=training.BATCH,
        smoothing=training.SMOOTHING,
        peak=architecture.peak,
        decay=training.WEIGHT_DECAY,
        data="a folder of photographs" if args.images else "`demo/`",
        pictures=sum(map(len, images.pictures)),
        classes=", ".join(images.classes),
        class_count=len(images.classes),
        seed=args.seed,
        threads=args.threads,
        seconds=seconds,
    )
