# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "iaside-onnx", "opencv-python-headless", "scikit-image", "numba", "setuptools<81",
#   "imagecorruptions @ git+https://github.com/bethgelab/imagecorruptions",
# ]
# [tool.uv.sources]
# iaside-onnx = { path = "../.." }
# ///
"""Hold this project's corruptions against the published implementations.

At 224 pixels against imagecorruptions, at 32 against the script that made CIFAR-10-C, if a clone of
its repository is given. Deterministic corruptions are compared image by image; random ones by the
mean of the image, the size of the change, and its spectrum in 8 bands. Speed is the ratio of the
times of imagecorruptions and of this project on the same images, taken in turns.

Run with::

    pip install . opencv-python-headless scikit-image numba 'setuptools<81'
    pip install --no-deps git+https://github.com/bethgelab/imagecorruptions
    git clone https://github.com/hendrycks/robustness
    python tools/studies/compare_corruptions.py demo/train --cifar-script \
        robustness/ImageNet-C/create_c/make_cifar_c.py

or ``uv run --script tools/studies/compare_corruptions.py demo/train``. The script's functions are
run, so only give one that you trust.
"""

from __future__ import annotations

import argparse
import ast
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage as sk
from PIL import Image
from scipy.ndimage import map_coordinates
from scipy.ndimage import zoom as scizoom
from skimage.filters import gaussian

from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.corruptions.severity import CATALOGUE, IMAGENET_C, SEVERITIES
from iaside_onnx.images.pictures import SUFFIXES
from iaside_onnx.mathematics.bands import band_index

warnings.simplefilter("ignore")
import imagecorruptions  # noqa: E402

BANDS = 8
Array = np.ndarray[Any, Any]
# (picture in 0..255, corruption, severity) to the corrupted picture in 0..255.
Reference = Callable[[Array, str, int], Array]
# They call ImageMagick.
NOT_IN_SCRIPT = {"motion_blur", "snow"}
# Its photographs lie outside the script.
NOT_WITHOUT_FILES = {"frost"}


def pictures(folder: Path, size: int, most: int) -> list[tuple[str, Array]]:
    """Centre crops of the photographs of a folder, shape (size, size, 3), uint8."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)[:most]:
        image = Image.open(path).convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        crop = image.crop((left, top, left + side, top + side))
        found.append((path.name, np.asarray(crop.resize((size, size), Image.Resampling.BOX))))
    return found


def ours(picture: Array, name: str, corruption: str, severity: int) -> Array:
    """Ours on a picture, in levels of 0..255 without rounding."""
    rng = generator(0, name, corruption, severity)
    unit = picture.astype(np.float32) / 255
    return corrupt(unit, corruption, severity, rng, channels_last=True).astype(np.float64) * 255


def imagenet_reference(picture: Array, corruption: str, severity: int) -> Array:
    """The package as people call it."""
    return imagecorruptions.corrupt(picture, corruption_name=corruption, severity=severity)


def cifar_reference(script: Path) -> Reference:
    """The functions of the script that made CIFAR-10-C, with two names of old libraries mended."""
    text = script.read_text().replace("np.float_", "np.float64")
    text = text.replace("multichannel=True", "channel_axis=-1")
    functions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    names: dict[str, Any] = {
        "np": np, "sk": sk, "cv2": cv2, "gaussian": gaussian, "scizoom": scizoom,
        "map_coordinates": map_coordinates, "BytesIO": BytesIO, "PILImage": Image,
    }  # fmt: skip
    exec(compile(ast.Module(functions, []), str(script), "exec"), names)

    def run(picture: Array, corruption: str, severity: int) -> Array:
        return np.asarray(names[corruption](Image.fromarray(picture), severity))

    return run


def compare(
    corruption: str, images: list[tuple[str, Array]], reference: Reference, index: Array
) -> dict[str, Any]:
    """How far ours and the reference are apart, worst severity or range over the severities."""
    apart, means, sizes, spectra = [], [], [], []
    for severity in SEVERITIES:
        pairs = [
            (picture.astype(np.float64), ours(picture, name, corruption, severity),
             np.asarray(reference(picture, corruption, severity), np.float64))
            for name, picture in images
        ]  # fmt: skip
        apart.append([np.abs(a - b).mean() for _, a, b in pairs])
        means.append(np.mean([a.mean() - b.mean() for _, a, b in pairs]))
        changes = [[made - clean for clean, made, _ in pairs], [b - clean for clean, _, b in pairs]]
        rms = [np.sqrt(np.mean(np.square(change))) for change in changes]
        sizes.append(rms[0] / max(rms[1], 1e-9))
        rings = [np.mean([_rings(one, index) for one in change], axis=0) for change in changes]
        spectra.append(rings[0] / np.maximum(rings[1], 1e-9))
    return {
        "apart": max(np.mean(a) for a in apart),
        "most": max(max(a) for a in apart),
        "mean": max(means, key=abs),
        "size": (min(sizes), max(sizes)),
        "spectrum": (np.min(spectra), np.max(spectra)),
    }


def _rings(change: Array, index: Array) -> Array:
    amplitude = np.abs(np.fft.fft2(change, axes=(0, 1))).sum(axis=2)
    return np.bincount(index.ravel(), amplitude.ravel())


def speed(corruption: str, images: list[tuple[str, Array]], repeats: int) -> tuple[float, float]:
    """Times of imagecorruptions and of ours, taken in turns, in milliseconds an image.

    Each takes and gives what it is made for: bytes H x W x C, or float32 C x H x W. Of the repeats
    of one image and severity the fastest counts.
    """
    theirs, own = 0.0, 0.0
    unit = [np.ascontiguousarray(np.moveaxis(p, -1, 0), np.float32) / 255 for _, p in images]
    rng = np.random.default_rng(0)
    for severity in SEVERITIES:
        for (_, picture), planes in zip(images, unit, strict=True):
            times: list[list[float]] = [[], []]
            for _ in range(repeats):
                start = time.perf_counter()
                imagenet_reference(picture, corruption, severity)
                between = time.perf_counter()
                corrupt(planes, corruption, severity, rng)
                times[0].append(between - start)
                times[1].append(time.perf_counter() - between)
            theirs += min(times[0])
            own += min(times[1])
    count = len(images) * len(SEVERITIES) / 1000
    return theirs / count, own / count


def row(corruption: str, found: dict[str, Any] | None) -> str:
    """Cells of one comparison."""
    if found is None:
        return "not run | - | - | -"
    if not CATALOGUE[corruption].random:
        return f"{found['apart']:.2f} (most {found['most']:.2f}) | - | - | -"
    low, high = found["size"]
    least, most = found["spectrum"]
    return f"- | {found['mean']:+.1f} | {low:.2f} to {high:.2f} | {least:.2f} to {most:.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="photographs")
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5, help="of each timing")
    parser.add_argument("--cifar-script", type=Path, help="make_cifar_c.py; its code is run")
    parser.add_argument("--only", nargs="*", default=list(IMAGENET_C))
    options = parser.parse_args()
    references: list[tuple[int, str, Reference]] = [(224, "imagecorruptions", imagenet_reference)]
    if options.cifar_script:
        references.append((32, "make_cifar_c.py", cifar_reference(options.cifar_script)))
    np.random.seed(0)  # noqa: NPY002 - the references draw from the global generator
    head = "same image, levels | mean, levels | size of the change | its spectrum"
    for size, name, reference in references:
        images = pictures(options.folder, size, options.images)
        index = band_index(size, size, BANDS)
        print(f"\n{size} pixels, {name}, {len(images)} images:\n")
        print(
            f"| corruption | {head} |" + (" ms, theirs | ms, ours | ratio |" if size == 224 else "")
        )
        print("| --- | --- | --- | --- | --- |" + (" --- | --- | --- |" if size == 224 else ""))
        for corruption in options.only:
            absent = size == 32 and corruption in NOT_IN_SCRIPT | NOT_WITHOUT_FILES
            found = None if absent else compare(corruption, images, reference, index)
            line = f"| {corruption} | {row(corruption, found)} |"
            if size == 224:
                theirs, own = speed(corruption, images[:6], options.repeats)
                line += f" {theirs:.2f} | {own:.2f} | {theirs / own:.1f} |"
            print(line, flush=True)


if __name__ == "__main__":
    main()
