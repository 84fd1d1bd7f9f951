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
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy, pad, relu

ROOT = Path(__file__).resolve().parent.parent
CROP = 64
WIDTHS = (24, 48, 96)
BATCH = 64
PEAK_LR = 0.004
WEIGHT_DECAY = 0.01
SMOOTHING = 0.05
MAX_NOISE = 0.15
MAX_BLUR = 2.0
EVAL_NOISE = 0.1
EVAL_BLUR = 1.5
CONSTANTS = {"batch": BATCH, "smoothing": SMOOTHING, "lr": PEAK_LR, "decay": WEIGHT_DECAY}
PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "pillow", "numpy")


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


def version(package: str) -> str:
    """Return the installed version of a package without a build tag such as +cpu."""
    return metadata.version(package).split("+")[0]


class Block(nn.Module):
    """Residual block of two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for features [batch, inputs, height, width]."""
        y = relu(self.norm1(self.conv1(x)))
        return relu(self.norm2(self.conv2(y)) + self.skip(x))


class DemoNet(nn.Module):
    """Small residual network; normalises its input by `mean` and `std` of training pixels."""

    def __init__(self, classes: int, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), mean))
        self.register_buffer("std", torch.full((1, 3, 1, 1), std))
        first, second, third = WIDTHS
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU()
        )
        self.body = nn.Sequential(
            Block(first, first, 1), Block(first, second, 2), Block(second, third, 2)
        )
        self.head = nn.Linear(third, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [batch, classes] for images [batch, 3, 64, 64] in [0, 1]."""
        x = (image - self.mean) / self.std
        return self.head(self.body(self.stem(x)).mean(dim=(2, 3)))


def gaussian_blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each image with its own gaussian, edges reflected.

    Parameters
    ----------
    images : torch.Tensor
        Images [batch, channels, height, width].
    sigmas : torch.Tensor
        Standard deviation in pixels for each image [batch], above 0.

    Returns
    -------
    torch.Tensor
        Blurred images of the same shape.
    """
    batch, channels, height, width = images.shape
    radius = int(torch.ceil(3 * sigmas.max()))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets[None] / sigmas[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None, None]
    x = images.reshape(1, batch * channels, height, width)
    groups = batch * channels
    x = conv2d(pad(x, (radius, radius, 0, 0), "reflect"), kernels, groups=groups)
    kernels = kernels.transpose(2, 3)
    x = conv2d(pad(x, (0, 0, radius, radius), "reflect"), kernels, groups=groups)
    return x.reshape(batch, channels, height, width)


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
    wide = draws[:, :, None, None, None]
    images = torch.where(wide[0] < 0.5, images.flip(3), images)
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - centre) * (0.7 + 0.6 * wide[1]) + centre + 0.3 * wide[2] - 0.15
    images = images.clamp(0, 1)
    if corrupt:
        blurred = gaussian_blur(images, 0.3 + (MAX_BLUR - 0.3) * draws[3])
        images = torch.where(wide[4] < 0.5, blurred, images)
        noise = torch.randn(images.shape, generator=rng) * MAX_NOISE * wide[5]
        images = torch.where(wide[6] < 0.5, images + noise, images).clamp(0, 1)
    return images


def load_rgb(path: Path) -> Tensor:
    """Load a picture as float32 [3, height, width] in [0, 1]."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy())


def load_test(demo: Path, classes: list[str]) -> tuple[Tensor, Tensor]:
    """Load all test crops and their labels, in order of class and file name."""
    images, labels = [], []
    for label, name in enumerate(classes):
        for path in sorted((demo / "test" / name).glob("*.png")):
            images.append(load_rgb(path))
            labels.append(label)
    return torch.stack(images), torch.tensor(labels)


def sample_batch(regions: list[Tensor], rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Take ``BATCH`` random crops from random training regions."""
    labels = torch.randint(len(regions), (BATCH,), generator=rng)
    places = torch.rand(BATCH, 2, generator=rng).tolist()
    crops = []
    for label, (down, right) in zip(labels.tolist(), places, strict=True):
        region = regions[label]
        top = int(down * (region.shape[1] - CROP + 1))
        left = int(right * (region.shape[2] - CROP + 1))
        crops.append(region[:, top : top + CROP, left : left + CROP])
    return torch.stack(crops), labels


def train(recipe: Recipe, regions: list[Tensor], steps: int, seed: int) -> DemoNet:
    """Train one model.

    Parameters
    ----------
    recipe : Recipe
        Which model.
    regions : list of torch.Tensor
        Training region of each class.
    steps : int
        Number of batches.
    seed : int
        Seed of weights and of all random draws.

    Returns
    -------
    DemoNet
        The trained model in evaluation mode.
    """
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    pixels = torch.cat([region[0].flatten() for region in regions])
    model = DemoNet(len(regions), round(pixels.mean().item(), 4), round(pixels.std().item(), 4))
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, total_steps=steps)
    model.train()
    for step in range(steps):
        images, labels = sample_batch(regions, rng)
        logits = model(augment(images, recipe.corrupt, rng))
        loss = cross_entropy(logits, labels, label_smoothing=SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"{recipe.name}: step {step + 1}/{steps}, loss {loss.item():.3f}", flush=True)
    return model.eval()


def export(model: DemoNet, path: Path, classes: list[str]) -> None:
    """Write a model as ONNX, class names in its metadata; compare its outputs with PyTorch."""
    torch.onnx.export(
        model,
        (torch.zeros(2, 3, CROP, CROP),),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    proto = onnx.load(path)
    strip(proto)
    proto.graph.name = "demo"
    meta = {"iaside.classes": json.dumps(classes), "iaside.preprocess": "unit"}
    onnx.helper.set_model_props(proto, meta)
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    for batch in (1, 2, 5):
        images = torch.rand(batch, 3, CROP, CROP, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = model(images).numpy()
        worst = float(np.abs(run_onnx(path, images) - expected).max())
        if worst > 1e-4:
            raise SystemExit(f"{path.name}: ONNX and PyTorch differ by {worst} at batch {batch}")


def strip(proto: onnx.ModelProto) -> None:
    """Remove doc strings and exporter metadata, which carry source paths."""
    graph = proto.graph
    parts = [proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
    parts += [*graph.initializer, *proto.functions]
    parts += [node for function in proto.functions for node in function.node]
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def run_onnx(path: Path, images: Tensor) -> np.ndarray:
    """Return the logits of an ONNX file for images, computed with ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": images.numpy()})[0]


def measure(path: Path, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the accuracy of an ONNX file on clean, noisy and blurred test crops, by kind."""
    noise = np.random.default_rng(0).normal(0, EVAL_NOISE, images.shape).astype(np.float32)
    sigmas = torch.full((len(images),), EVAL_BLUR)
    kinds = {
        "clean": images,
        f"gaussian noise, sigma {EVAL_NOISE}": (images + torch.from_numpy(noise)).clamp(0, 1),
        f"gaussian blur, sigma {EVAL_BLUR}": gaussian_blur(images, sigmas),
    }
    return {
        kind: float((run_onnx(path, kept).argmax(1) == labels.numpy()).mean())
        for kind, kept in kinds.items()
    }


def write_card(
    path: Path, recipe: Recipe, model: DemoNet, scores: dict[str, float], args: argparse.Namespace
) -> None:
    """Write the card of an ONNX file next to it; `args` is the command line of this run."""
    blob = path.read_bytes()
    figures = {
        "name": recipe.name,
        "classes": ", ".join(args.classes),
        "class_count": len(args.classes),
        "widths": ", ".join(map(str, WIDTHS)),
        "parameters": sum(p.numel() for p in model.parameters()),
        "augmentation": recipe.augmentation,
        "versions": ", ".join(f"{package} {version(package)}" for package in PACKAGES),
        "pip": " ".join(f"{package}=={version(package)}" for package in PACKAGES),
        "opset": next(o.version for o in onnx.load(path).opset_import if not o.domain),
        "size": len(blob),
        "sha256": hashlib.sha256(blob).hexdigest(),
        "table": "\n".join(
            f"| {kind} | {value:.3f} | {round(value * args.test_count)} |"
            for kind, value in scores.items()
        ),
    }
    text = args.template.read_text(encoding="utf-8").format(
        **{**vars(args), **CONSTANTS, **figures}
    )
    path.with_suffix(".md").write_text(text, encoding="utf-8")


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
    regions_at = sorted((args.demo / "train").glob("*.png"))
    args.classes = [path.stem for path in regions_at]
    regions = [load_rgb(path) for path in regions_at]
    images, labels = load_test(args.demo, args.classes)
    args.test_count = len(labels)
    same = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if args.check else args.out
        folder.mkdir(parents=True, exist_ok=True)
        for recipe in RECIPES:
            start = time.perf_counter()
            model = train(recipe, regions, args.steps, args.seed)
            seconds = time.perf_counter() - start
            path = folder / f"{recipe.name}.onnx"
            export(model, path, args.classes)
            scores = measure(path, images, labels)
            shown = "; ".join(f"{kind}: {value:.3f}" for kind, value in scores.items())
            print(f"{recipe.name}: {shown} ({seconds:.0f} s)", flush=True)
            if args.check:
                there = args.out / path.name
                equal = there.is_file() and path.read_bytes() == there.read_bytes()
                print(f"{path.name}: {'identical' if equal else 'DIFFERENT'}")
                same = same and equal
            else:
                write_card(path, recipe, model, scores, args)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
