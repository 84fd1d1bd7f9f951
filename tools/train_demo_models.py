# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.13.0", "onnx", "onnxscript", "onnxruntime", "pillow", "numpy"]
# ///
"""Train the two demo models on the demo image set and write them as ONNX files.

Both models have one architecture and see the same number of random crops. ``demo-plain`` is
trained on crops, flips and mild brightness and contrast changes; ``demo-robust`` also sees
gaussian noise and gaussian blur of random strength. Everything needed is in ``demo/``.

Written under the output folder (default ``models/``): ``demo-plain.onnx``,
``demo-robust.onnx`` and a card (``.md``) for each, made from ``models/card-template.txt``. The
accuracies in the cards are measured on the written ONNX files with ONNX Runtime.

Run with::

    pip install torch==2.13.0 onnx onnxscript onnxruntime pillow numpy
    python tools/train_demo_models.py

or ``uv run tools/train_demo_models.py``. It takes a few minutes on two CPU cores. The same
seed, number of threads, package versions and machine give the same files; ``--check`` trains
again and compares with the files that are there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from zoo.cards import write_card
from zoo.crops import ImageSet, load_demo, sample
from zoo.images import flip, gaussian_blur, jitter
from zoo.networks import ResNet
from zoo.onnx_files import export, measure
from zoo.training import BATCH, SMOOTHING, WEIGHT_DECAY, fit

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = (24, 48, 96)
PEAK_LR = 0.004
MAX_NOISE = 0.15
MAX_BLUR = 2.0
DECLARED = {"iaside.preprocess": "unit"}


@dataclass(frozen=True)
class Recipe:
    """What distinguishes one demo model from the other."""

    name: str  # file stem
    corrupt: bool  # whether training images get gaussian noise and blur
    augmentation: str  # the same in words, for the card


_BASE = (
    "random 64x64 crops of the training regions, horizontal flips, contrast factor 0.7 to 1.3, "
    "brightness offset -0.15 to 0.15"
)
RECIPES = (
    Recipe("demo-plain", False, _BASE),
    Recipe(
        "demo-robust",
        True,
        f"{_BASE}; half of the images blurred (gaussian, sigma 0.3 to {MAX_BLUR}) and, drawn "
        f"independently, half with gaussian noise added (sigma 0 to {MAX_NOISE})",
    ),
)


def demo_net(classes: int, mean: float, std: float) -> ResNet:
    """The demo models' architecture, untrained."""
    return ResNet(classes, mean, std, widths=WIDTHS, first=1)


def augment(images: Tensor, corrupt: bool, rng: torch.Generator) -> Tensor:
    """Flip, jitter and, if asked, corrupt a batch of training images.

    Parameters
    ----------
    images : torch.Tensor
        Images [batch, 3, height, width] in [0, 1].
    corrupt : bool
        Whether to add blur and noise.
    rng : torch.Generator
        Source of randomness.

    Returns
    -------
    torch.Tensor
        Images of the same shape in [0, 1].
    """
    batch = images.shape[0]
    draws = torch.rand(7, batch, generator=rng)
    images = jitter(flip(images, draws[0]), draws[1:3], contrast=0.3, brightness=0.15)
    if corrupt:
        blurred = gaussian_blur(images, 0.3 + (MAX_BLUR - 0.3) * draws[3])
        wide = draws[:, :, None, None, None]
        images = torch.where(wide[4] < 0.5, blurred, images)
        noise = torch.randn(images.shape, generator=rng) * MAX_NOISE * wide[5]
        images = torch.where(wide[6] < 0.5, images + noise, images).clamp(0, 1)
    return images


def train(recipe: Recipe, images: ImageSet, steps: int, seed: int) -> nn.Module:
    """Train one model.

    Parameters
    ----------
    recipe : Recipe
        Which model.
    images : ImageSet
        Training region of each class.
    steps : int
        Number of batches.
    seed : int
        Seed of weights and of all random draws.

    Returns
    -------
    torch.nn.Module
        The trained model in evaluation mode.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = demo_net(len(images.classes), *images.pixel_statistics())

    def draw(_: nn.Module) -> tuple[Tensor, Tensor]:
        crops, labels, _cells = sample(images, BATCH, rng)
        return augment(crops, recipe.corrupt, rng), labels

    return fit(recipe.name, model, draw, steps, PEAK_LR, steps)


def main() -> int:
    """Parse the command line, train, export, measure; return the exit status."""
    parser = argparse.ArgumentParser(description="Train and export the two demo models.")
    parser.add_argument("--demo", type=Path, default=ROOT / "demo", help="image set (demo/)")
    parser.add_argument("--out", type=Path, default=ROOT / "models", help="output (models/)")
    parser.add_argument(
        "--template", type=Path, default=ROOT / "models" / "card-template.txt", help="card text"
    )
    parser.add_argument("--steps", type=int, default=1000, help="batches per model (1000)")
    parser.add_argument("--seed", type=int, default=1, help="seed (1)")
    parser.add_argument("--threads", type=int, default=2, help="PyTorch threads (2)")
    parser.add_argument(
        "--check", action="store_true", help="train again and only compare with --out"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    images = load_demo(args.demo)
    same = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if args.check else args.out
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in RECIPES:
            start = time.perf_counter()
            model = train(recipe, images, args.steps, args.seed)
            seconds = time.perf_counter() - start
            path = folder / f"{recipe.name}.onnx"
            export(model, path, images.classes, graph="demo", declared=DECLARED)
            scores = measure(path, images.test, images.labels)
            shown = "; ".join(f"{kind}: {value:.3f}" for kind, value in scores.items())
            print(f"{recipe.name}: {shown} ({seconds:.0f} s)", flush=True)
            if args.check:
                there = args.out / path.name
                equal = there.is_file() and path.read_bytes() == there.read_bytes()
                print(f"{path.name}: {'identical' if equal else 'DIFFERENT'}")
                same = same and equal
            else:
                write_card(
                    path,
                    args.template,
                    model,
                    scores,
                    len(images.labels),
                    name=recipe.name,
                    augmentation=recipe.augmentation,
                    widths=", ".join(map(str, WIDTHS)),
                    classes=", ".join(images.classes),
                    class_count=len(images.classes),
                    steps=args.steps,
                    seed=args.seed,
                    threads=args.threads,
                    batch=BATCH,
                    smoothing=SMOOTHING,
                    lr=PEAK_LR,
                    decay=WEIGHT_DECAY,
                )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
