# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "iaside-onnx", "torch==2.13.0", "torchvision==0.28.0", "timm", "keras", "tensorflow-cpu",
#   "opencv-python-headless",
# ]
# [tool.uv.sources]
# iaside-onnx = { path = "../.." }
# ///
"""Compare this project's preprocessing with that of torchvision, timm, Keras and OpenCV.

Each of their pipelines is run beside the recipe that stands for it, on the same photographs and
for several input sizes. The table says how far pixels are apart before normalisation, in levels of
0..255, and how far the model's inputs are apart after it.

Run with::

    pip install . torch==2.13.0 torchvision==0.28.0 timm keras tensorflow-cpu opencv-python-headless
    python tools/studies/compare_preprocessing.py demo/train demo/test

or ``uv run --script tools/studies/compare_preprocessing.py demo/train demo/test``. Any folders of
photographs will do.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import keras
import numpy as np
from PIL import Image
from timm.data import create_transform
from torchvision import models
from torchvision import transforms as tv

from iaside_onnx.images.sample import SUFFIXES
from iaside_onnx.preprocessing.preprocess import PRESETS, Preprocess

SIZES = (160, 224, 299)
LIBRARIES = ("pillow", "torchvision", "timm", "keras", "tensorflow-cpu", "opencv-python-headless")
TV_FILTERS = {mode.value: mode for mode in tv.InterpolationMode}
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
Array = np.ndarray[Any, Any]
Step = Callable[[Image.Image], Any]


@dataclass
class Pair:
    """Their pipeline and our recipe for it, both settled for one input size.

    `levels` gives H x W x 3 in levels of 0..255; `ready` gives the model's input as H x W x 3.
    """

    theirs: str
    ours: str
    recipe: Preprocess
    levels: Step | None = None
    ready: Step | None = None


def last_axis(step: Step) -> Step:
    """A step that gives a torch tensor C x H x W, as an array with the channels last."""
    return lambda image: np.moveaxis(np.asarray(step(image)), 0, -1)


def toml(size: int, resize: Any, like: str = "imagenet", **changes: Any) -> Preprocess:
    """A recipe of one's own with the values of a preset."""
    return replace(
        PRESETS[like],
        resize=resize,
        resize_ratio=None,
        crop=(size, size),
        **{"interpolation": "bilinear", **changes},
    )


def torchvision_pairs(size: int) -> Iterator[Pair]:
    """Its transforms on pillow images, its weights' own transforms, and tensors."""

    def pair(text: str, ours: str, recipe: Preprocess, normalise: bool = True) -> Pair:
        resize = recipe.resize if isinstance(recipe.resize, int) else list(recipe.resize)
        steps = [tv.Resize(resize, TV_FILTERS[recipe.interpolation]), tv.CenterCrop(size)]
        last = [tv.ToTensor(), *([tv.Normalize(recipe.mean, recipe.std)] if normalise else [])]
        plain = tv.Compose([*steps, tv.PILToTensor()])
        whole = tv.Compose([*steps, *last])
        text = f"torchvision {text}, {recipe.interpolation}"
        return Pair(text, ours, recipe, last_axis(plain), last_axis(whole))

    for name in ("imagenet", "clip", "cifar10", "unit"):
        recipe = PRESETS[name].for_size(size, size)
        text = f"Resize({recipe.resize}), CenterCrop({size})".replace(str(size), "size")
        text = text if name == "clip" or recipe.resize == size else "Resize(size * 8/7), CenterCrop"
        yield pair(text.replace("CenterCrop(size)", "CenterCrop"), name, recipe, name != "unit")
    for interpolation in FILTERS:
        for text, resize in (
            ("Resize(size + 35), CenterCrop", size + 35),
            ("Resize(size - 21), CenterCrop (pads)", size - 21),
            ("Resize((size, size))", (size, size)),
        ):
            yield pair(text, "TOML", toml(size, resize, interpolation=interpolation))
    if size == 224:
        for weights, ours in (("V1", "imagenet"), ("V2", "TOML, resize = 232")):
            name = f"ResNet50_Weights.IMAGENET1K_{weights}"
            transforms = models.get_weight(name).transforms()
            recipe = toml(224, transforms.resize_size[0])
            yield Pair(
                f"torchvision {name}.transforms()", ours, recipe, None, last_axis(transforms)
            )
    tensors = tv.Compose([tv.PILToTensor(), tv.Resize(int(size * 8 / 7)), tv.CenterCrop(size)])
    recipe = PRESETS["imagenet"].for_size(size, size)
    yield Pair("torchvision on uint8 tensors, bilinear", "imagenet", recipe, last_axis(tensors))


def timm_pairs(size: int) -> Iterator[Pair]:
    """create_transform with the settings that the configurations of its models carry."""
    bicubic = {"interpolation": "bicubic"}
    for ours, recipe, share, mode in (
        ("imagenet", PRESETS["imagenet"], 0.875, "center"),
        ("inception", PRESETS["inception"], 0.875, "center"),
        ("clip", PRESETS["clip"], 1.0, "center"),
        ("TOML", toml(size, int(size / 0.95), **bicubic), 0.95, "center"),
        ("TOML", toml(size, int(size / 0.9), **bicubic), 0.9, "center"),
        ("TOML", toml(size, (size, size), **bicubic), 1.0, "squash"),
    ):
        settings = {
            "input_size": size,
            "interpolation": recipe.interpolation,
            "mean": [float(value) for value in np.broadcast_to(recipe.mean, 3)],
            "std": [float(value) for value in np.broadcast_to(recipe.std, 3)],
            "crop_pct": share,
            "crop_mode": mode,
        }
        plain, whole = (create_transform(**settings, normalize=normalize) for normalize in (0, 1))
        text = f"timm create_transform, crop_pct {share}, {mode}, {recipe.interpolation}"
        settled = recipe.for_size(size, size)
        yield Pair(text, ours, settled, last_axis(plain), last_axis(whole))


def load_img(image: Image.Image, size: int, interpolation: str, **options: Any) -> Array:
    """What keras.utils.load_img makes of a picture that is in memory."""
    file = BytesIO()
    image.save(file, "bmp")
    file.seek(0)
    return np.asarray(
        keras.utils.load_img(file, target_size=(size, size), interpolation=interpolation, **options)
    )


def keras_pairs(size: int) -> Iterator[Pair]:
    """load_img (pillow), preprocess_input, and layers, which resize as TensorFlow does."""
    for interpolation in FILTERS:
        yield Pair(
            f"Keras load_img(target_size), {interpolation}",
            "TOML",
            toml(size, (size, size), interpolation=interpolation),
            lambda image, name=interpolation: load_img(image, size, name),
        )
    for interpolation in ("bilinear", "bicubic"):
        yield Pair(
            f"Keras load_img(keep_aspect_ratio), {interpolation}",
            "TOML",
            toml(size, size, interpolation=interpolation),
            lambda image, name=interpolation: load_img(image, size, name, keep_aspect_ratio=True),
        )
    for like, module, mode in (
        ("caffe", keras.applications.vgg16, "caffe"),
        ("inception", keras.applications.mobilenet, "tf"),
        ("imagenet", keras.applications.densenet, "torch"),
    ):
        yield Pair(
            f"Keras preprocess_input, mode {mode}",
            f"TOML, values of {like}",
            toml(size, (size, size), like),
            ready=lambda image, module=module: module.preprocess_input(
                load_img(image, size, "bilinear").astype(np.float32)
            ),
        )
    yield Pair(
        "Keras image_dataset_from_directory",
        "TOML, antialias = false",
        toml(size, (size, size), antialias=False),
        lambda image: from_directory(image, size),
    )
    for text, chain, recipe in layer_chains(size):
        yield Pair(
            f"Keras {text}",
            "TOML" if recipe.antialias else "TOML, antialias = false",
            recipe,
            lambda image, chain=chain: applied(chain, image),
        )


def layer_chains(size: int) -> Iterator[tuple[str, list[Any], Preprocess]]:
    """Keras layers with the recipe that comes closest."""
    whole, resizing = (size, size), keras.layers.Resizing
    for interpolation in ("nearest", "bilinear", "bicubic"):
        layer = resizing(*whole, interpolation)
        recipe = toml(size, whole, interpolation=interpolation)
        yield f"Resizing, {interpolation}", [layer], recipe
        if interpolation == "bilinear":
            yield f"Resizing, {interpolation}", [layer], replace(recipe, antialias=False)
        if interpolation != "nearest":
            layer = resizing(*whole, interpolation, antialias=True)
            yield f"Resizing, {interpolation}, antialias", [layer], recipe
    layer = resizing(*whole, crop_to_aspect_ratio=True)
    yield "Resizing(crop_to_aspect_ratio)", [layer], toml(size, size, antialias=False)
    for margin in (32, 35):
        larger = (size + margin, size + margin)
        chain = [resizing(*larger), keras.layers.CenterCrop(*whole)]
        recipe = toml(size, larger, antialias=False)
        yield f"Resizing(size + {margin}), CenterCrop", chain, recipe


def applied(chain: list[Any], image: Image.Image) -> Array:
    """Layers one after another."""
    values = np.asarray(image, np.float32)[None]
    for layer in chain:
        values = layer(values)
    return np.asarray(values)[0]


def from_directory(image: Image.Image, size: int) -> Array:
    """What keras.utils.image_dataset_from_directory reads."""
    with TemporaryDirectory() as folder:
        image.save(Path(folder, "0.bmp"))
        images = keras.utils.image_dataset_from_directory(
            folder, labels=None, image_size=(size, size), batch_size=1, verbose=False
        )
        return np.asarray(next(iter(images)))[0]


def opencv_pairs(size: int) -> Iterator[Pair]:
    """cv2.resize, which has no antialias but INTER_AREA."""
    for text, flag, ours, changes in (
        ("INTER_LINEAR", cv2.INTER_LINEAR, "TOML, antialias = false", {"antialias": False}),
        ("INTER_LINEAR", cv2.INTER_LINEAR, "TOML", {}),
        ("INTER_CUBIC", cv2.INTER_CUBIC, "TOML, bicubic", {"interpolation": "bicubic"}),
        ("INTER_AREA", cv2.INTER_AREA, "TOML", {}),
    ):
        yield Pair(
            f"OpenCV resize, {text}",
            ours,
            toml(size, (size, size), **changes),
            lambda image, flag=flag: cv2.resize(
                np.asarray(image), (size, size), interpolation=flag
            ),
        )


def differences(pair: Pair, image: Image.Image) -> tuple[float, float, float]:
    """Largest and mean difference in levels, and largest of the model's input; NaN if not given."""
    pixels = pair.recipe.pixels(image, 3)
    largest = mean = ready = float("nan")
    if pair.levels is not None:
        theirs = pair.levels(image)
        ours = np.moveaxis(pixels.astype(np.float64), 0, -1) * 255
        if theirs.dtype == np.uint8 and pair.recipe.antialias:
            ours = np.rint(ours)  # they are bytes, divided by 255
        apart = np.abs(ours - theirs)
        largest, mean = float(apart.max()), float(apart.mean())
    if pair.ready is not None:
        order, gain, shift = pair.recipe.affine(3)
        ours = np.moveaxis(pixels[order] * gain[:, None, None] + shift[:, None, None], 0, -1)
        ready = float(np.abs(ours.astype(np.float64) - pair.ready(image)).max())
    return largest, mean, ready


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    arguments = parser.parse_args()
    paths = [
        path
        for folder in arguments.folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not paths:
        sys.exit("no photographs there")
    makers = (torchvision_pairs, timm_pairs, keras_pairs, opencv_pairs)
    pairs = [pair for size in arguments.sizes for make in makers for pair in make(size)]
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for number, path in enumerate(paths):
        image = Image.open(path).convert("RGB")
        for pair in pairs:
            found.setdefault((pair.theirs, pair.ours), []).append(differences(pair, image))
        print(f"\r{number + 1} of {len(paths)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    names = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    print(f"{len(paths)} photographs, sizes {', '.join(map(str, arguments.sizes))}; {names}\n")
    print("| their pipeline | our recipe | largest | mean | largest, model's input |")
    print("| --- | --- | --- | --- | --- |")
    for (theirs, ours), rows in found.items():
        table = np.array(rows)
        cells = (table[:, 0].max(), table[:, 1].mean(), table[:, 2].max())
        text = " | ".join("" if np.isnan(cell) else f"{cell:.3g}" for cell in cells)
        print(f"| {theirs} | {ours} | {text} |")


if __name__ == "__main__":
    main()
