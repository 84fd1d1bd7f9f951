# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "scikit-image==0.26.0", "torch==2.13.0", "onnx", "onnxscript", "onnxruntime", "pillow", "numpy",
# ]
# ///
"""Make what `iaside demo` runs on: colour photograph crops and two small networks.

The photographs are those in colour of the scikit-image wheel whose licence is free. A vertical
line splits each one: networks are trained on random crops of the left part, and the crops that
the wheel carries come from the right part, with a gap between the two.

Written under the output folder (default ``iaside_onnx/bundled/``): ``photos/<class>/<nnn>.png``,
``model.onnx`` (plain training), ``model-v2.onnx`` (with noise and blur) and ``README.md`` from
``tools/bundled-card.txt``, with origin, licences and what was measured.

Run with::

    pip install scikit-image==0.26.0 torch==2.13.0 onnx onnxscript onnxruntime pillow numpy
    python tools/make_bundled.py

It takes some minutes on one core and downloads nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from make_demo_images import PHOTOS, Photo, skimage_data_dir
from train_demo_models import MAX_BLUR, MAX_NOISE, PEAK_LR, augment
from zoo.cards import PACKAGES, version
from zoo.crops import CROP, ImageSet, sample
from zoo.networks import ResNet
from zoo.onnx_files import export, measure
from zoo.training import BATCH, SMOOTHING, WEIGHT_DECAY, fit

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = (16, 32, 64)
SCIKIT_IMAGE = "0.26.0"
TRAIN_SHARE = 0.55  # of the width
GAP = 8  # pixels between the part for training and the part for testing
GRID = 6  # test crops along each side of a part
KEPT = (0, 2, 5)  # those of them, along each side, that the wheel carries
DECLARED = {"iaside.preprocess": "unit"}
_NAMES = {"cat": "cat", "coffee": "coffee", "hubble": "galaxies", "retina": "retina"}
_NAMES |= {"rocket": "rocket", "tissue": "tissue"}
_ASTRONAUT = Photo(
    "astronaut",
    "astronaut.png",
    "the astronaut Eileen Collins",
    "NASA Great Images database",
    "No known copyright restrictions, released into the public domain",
)
COLOUR = {"astronaut": _ASTRONAUT} | {
    _NAMES[photo.name]: photo for photo in PHOTOS if photo.name in _NAMES
}


class Parts(NamedTuple):
    """The two parts of a photograph, uint8 [height, width, 3]."""

    train: np.ndarray
    test: np.ndarray


def split(photo: Photo, data: Path) -> Parts:
    """Load a photograph in colour, scale it and split it."""
    with Image.open(data / photo.file) as opened:
        picture = opened.convert("RGB")
    if photo.box is not None:
        picture = picture.crop(photo.box)
    if photo.factor != 1.0:
        sides = (round(picture.width * photo.factor), round(picture.height * photo.factor))
        picture = picture.resize(sides, Image.Resampling.LANCZOS)
    pixels = np.asarray(picture)
    line = round(pixels.shape[1] * TRAIN_SHARE)
    return Parts(pixels[:, : line - GAP // 2], pixels[:, line + GAP // 2 :])


def grid(part: np.ndarray) -> list[list[np.ndarray]]:
    """Test crops of a part: rows of evenly spaced crops [CROP, CROP, 3]."""
    tops, lefts = (np.linspace(0, side - CROP, GRID).round().astype(int) for side in part.shape[:2])
    return [[part[top : top + CROP, left : left + CROP] for left in lefts] for top in tops]


def tensor(pixels: np.ndarray) -> Tensor:
    """Pixels as float32 [3, height, width] in [0, 1]."""
    return torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32) / 255)


def image_set(parts: dict[str, Parts]) -> ImageSet:
    """What the networks are trained and measured on."""
    tests = [[tensor(crop) for row in grid(each.test) for crop in row] for each in parts.values()]
    labels = [label for label, kept in enumerate(tests) for _ in kept]
    return ImageSet(
        list(parts),
        [[tensor(each.train)] for each in parts.values()],
        torch.stack([crop for kept in tests for crop in kept]),
        torch.tensor(labels),
    )


def train(name: str, images: ImageSet, steps: int, seed: int, *, corrupt: bool) -> nn.Module:
    """Train one network; with `corrupt` on noise and blur too."""
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = ResNet(len(images.classes), *images.pixel_statistics(), widths=WIDTHS, first=1)

    def draw(_: nn.Module) -> tuple[Tensor, Tensor]:
        crops, labels, _cells = sample(images, BATCH, rng)
        return augment(crops, corrupt, rng), labels

    return fit(name, model, draw, steps, PEAK_LR, steps)


def write_photos(out: Path, parts: dict[str, Parts]) -> int:
    """Write the crops that the wheel carries; how many a class."""
    shutil.rmtree(out / "photos", ignore_errors=True)
    for name, each in parts.items():
        folder = out / "photos" / name
        folder.mkdir(parents=True)
        rows = grid(each.test)
        for number, (row, column) in enumerate((r, c) for r in KEPT for c in KEPT):
            crop = Image.fromarray(rows[row][column])
            crop.save(folder / f"{number:03d}.png", optimize=True)
    return len(KEPT) ** 2


def main() -> None:
    """Parse the command line; write crops, networks and their card."""
    parser = argparse.ArgumentParser(description="Make what iaside demo runs on.")
    parser.add_argument("--out", type=Path, default=ROOT / "iaside_onnx" / "bundled")
    parser.add_argument("--photos", type=Path, help="folder skimage/data (the installed one)")
    parser.add_argument("--steps", type=int, default=600, help="batches a network (600)")
    parser.add_argument("--seed", type=int, default=1, help="seed (1)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = args.photos or skimage_data_dir()
    parts = {name: split(photo, data) for name, photo in COLOUR.items()}
    per_class = write_photos(args.out, parts)
    images = image_set(parts)
    scores, files, parameters = [], [], 0
    for name, corrupt in (("model", False), ("model-v2", True)):
        model = train(name, images, args.steps, args.seed, corrupt=corrupt)
        path = args.out / f"{name}.onnx"
        export(model, path, images.classes, graph=name, declared=DECLARED)
        scores.append(measure(path, images.test, images.labels))
        blob = path.read_bytes()
        files.append(f"| `{path.name}` | {len(blob)} | `{hashlib.sha256(blob).hexdigest()}` |")
        parameters = sum(weights.numel() for weights in model.parameters())
        print(name, scores[-1], flush=True)
    origins = (
        (name, f"`{each.file}`", each.what, each.origin, each.licence, f"{each.factor:g}")
        for name, each in COLOUR.items()
    )
    text = (ROOT / "tools" / "bundled-card.txt").read_text(encoding="utf-8")
    card = text.format(
        shown=per_class * len(parts),
        per_class=per_class,
        gap=GAP,
        max_blur=MAX_BLUR,
        max_noise=MAX_NOISE,
        class_count=len(parts),
        widths=", ".join(map(str, WIDTHS)),
        parameters=parameters,
        steps=args.steps,
        batch=BATCH,
        smoothing=SMOOTHING,
        lr=PEAK_LR,
        decay=WEIGHT_DECAY,
        seed=args.seed,
        threads=1,
        versions=", ".join(f"{package} {version(package)}" for package in PACKAGES),
        pip=" ".join(f"{package}=={version(package)}" for package in PACKAGES),
        files="\n".join(files),
        test_count=len(images.labels),
        grid=GRID,
        table="\n".join(
            f"| {kind} | {plain:.3f} | {other:.3f} |"
            for (kind, plain), other in zip(scores[0].items(), scores[1].values(), strict=True)
        ),
        skimage=SCIKIT_IMAGE,
        origins="\n".join("| " + " | ".join(row) + " |" for row in origins),
    )
    (args.out / "README.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
