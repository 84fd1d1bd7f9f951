"""The images on which a file and its framework must agree."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from .gate import BATCHES
from .gate_graph import Image, shape_text
from .refusal import ExportError, step


def full_shape(image: Image, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one image, free sizes filled in from --image.

    Raises
    ------
    ExportError
        A size is free and --image missing, or --image contradicts the graph.
    """
    shown = f"input '{image.name}' is {shape_text((None, *image.shape))}"
    if asked is None or image.layout == "flat":
        if None in image.shape:
            raise ExportError(f"{shown}; say the shape of one image with --image")
        return tuple(size for size in image.shape if size is not None)
    if any(size not in (None, side) for size, side in zip(image.shape, asked, strict=True)):
        raise ExportError(f"{shown}; --image {'x'.join(map(str, asked))} does not fit it")
    return asked


def test_images(
    folder: Path, image: Image, shape: tuple[int, ...], recipe: dict[str, Any]
) -> dict[str, NDArray[Any]]:
    """Random and real images, as the graph takes them.

    Parameters
    ----------
    folder : Path
        Photographs, in sub-folders or not.
    image : Image
        Its layout is "nchw", "nhwc" or "flat".
    shape : tuple of int
        Of one image, in the graph's order.
    recipe : dict
        Only channels, scale, mean and std matter here.
    """
    if image.layout == "flat":
        side = math.isqrt(shape[0] - 1) + 1
        planes: tuple[int, ...] = (1, side, side)
    else:
        planes = shape if image.layout == "nchw" else (shape[2], shape[0], shape[1])
    count = max(BATCHES)
    pixels = {
        "random": np.random.default_rng(0).random((count, *planes)),
        "real": np.stack([_photograph(path, planes) for path in _choose(folder, count)]),
    }
    return {kind: _as_input(values, image, shape, recipe) for kind, values in pixels.items()}


def _choose(folder: Path, count: int) -> list[Path]:
    suffixes = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm"}
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes)
    if len(found) < count:
        raise ExportError(f"--images {folder}: {len(found)} photographs; {count} are needed")
    return [found[position * len(found) // count] for position in range(count)]


def _photograph(path: Path, planes: tuple[int, ...]) -> NDArray[np.float64]:
    channels, height, width = planes
    with step(f"{path}: cannot be read"), Picture.open(path) as picture:
        grey_or_rgb = picture.convert("L" if channels == 1 else "RGB")
        resized = grey_or_rgb.resize((width, height), Picture.Resampling.BILINEAR)
        pixels = np.asarray(resized, np.float64).reshape(height, width, -1) / 255
    return np.moveaxis(pixels, -1, 0)


def _as_input(
    pixels: NDArray[np.float64], image: Image, shape: tuple[int, ...], recipe: dict[str, Any]
) -> NDArray[Any]:
    channels = pixels.shape[1]
    if recipe.get("channels") == "bgr" and channels == 3:
        pixels = pixels[:, ::-1]
    mean, std = (
        np.asarray(recipe.get(key, default), np.float64).reshape(-1, 1, 1)
        for key, default in (("mean", 0), ("std", 1))
    )
    if not {len(mean), len(std)} <= {1, channels}:
        raise ExportError(
            f"the preprocessing's mean or std does not fit the number of channels, {channels}"
        )
    values = (pixels * recipe.get("scale", 1) - mean) / std
    if image.layout == "nhwc":
        values = np.moveaxis(values, 1, -1)
    elif image.layout == "flat":
        values = values.reshape(len(values), -1)[:, : shape[0]]
    if image.dtype is np.uint8:
        values = np.clip(np.rint(values), 0, 255)
    return np.ascontiguousarray(values, dtype=image.dtype)
