"""Contrast, elastic transform, pixelation, JPEG and saturation."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .planes import Planes, clipped, gaussian_blur_planes, sampled
from .severity import corruption


@corruption("digital", small=(0.75, 0.5, 0.4, 0.3, 0.15), large=(0.4, 0.3, 0.2, 0.1, 0.05))
def contrast(planes: Planes, *, factor: float) -> Planes:
    """Distances from each channel's mean times `factor`."""
    means = planes.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    flat = planes * np.float32(factor)
    flat += (means * (1.0 - factor)).astype(np.float32)
    return clipped(flat)


@corruption(
    "digital",
    small=((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    large=((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
)
def saturate(planes: Planes, *, factor: float, shift: float) -> Planes:
    """HSV saturation times `factor` plus `shift`; grey images stay as they are.

    At fixed hue and value, a channel's distance from the largest one is proportional to the
    saturation. Grey pixels have hue 0: with a shift they turn red, as in the published scripts.
    """
    if len(planes) == 1:
        return planes.copy()
    value = planes.max(axis=0)
    depth = value - planes
    spread = depth.max(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        old = spread / value
        new = np.clip(old * np.float32(factor) + np.float32(shift), 0.0, 1.0)
        depth *= new / old
    grey = spread == 0
    depth[0, grey] = 0.0
    depth[1:, grey] = value[grey] * np.float32(min(max(shift, 0.0), 1.0))
    return clipped(np.subtract(value, depth, out=depth))


@corruption("digital", small=(0.95, 0.9, 0.85, 0.75, 0.65), large=(0.6, 0.5, 0.4, 0.3, 0.25))
def pixelate(planes: Planes, *, factor: float) -> Planes:
    """Shrunk to `factor` of the size by pillow's box filter, enlarged by nearest neighbours."""
    height, width = planes.shape[1:]
    small = max(1, int(width * factor)), max(1, int(height * factor))
    pixelated = np.empty_like(planes)
    for plane, into in zip(planes, pixelated, strict=True):
        blocks = Image.fromarray(plane).resize(small, Image.Resampling.BOX)
        into[...] = blocks.resize((width, height), Image.Resampling.NEAREST)
    return pixelated


@corruption("digital", small=(80, 65, 58, 50, 40), large=(25, 18, 15, 10, 7))
def jpeg_compression(planes: Planes, *, quality: int) -> Planes:
    """Once through a JPEG of `quality`, 4:2:0, in 8 bits."""
    levels = (planes * np.float32(255) + np.float32(0.5)).astype(np.uint8)
    bands = [Image.fromarray(plane) for plane in levels]
    image = Image.merge("RGB", bands) if len(bands) == 3 else bands[0]
    stream = BytesIO()
    image.save(stream, "JPEG", quality=quality)
    decoded = np.atleast_3d(np.asarray(Image.open(stream, formats=("JPEG",))))
    return np.moveaxis(decoded, -1, 0).astype(np.float32) * np.float32(1 / 255)


# At 32 pixels published as shares of the side; at 224 as 0.005 of the side times 12.5 to 30.
@corruption(
    "digital",
    small=((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
    large=((14, 2.24, 0), (18.2, 2.24, 0), (23.8, 2.24, 0), (28, 2.24, 0), (33.6, 2.24, 0)),
)
def elastic_transform(
    planes: Planes, rng: np.random.Generator, *, stretch: float, sigma: float, affine: float
) -> Planes:
    """A random affine map, then a smooth random displacement, both in pixels.

    The map moves three points around the centre by at most `affine` on each axis; the displacement
    is `stretch` times uniform noise in [-1, 1] that a Gaussian of `sigma` has smoothed.
    """
    height, width = planes.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    if affine > 0:
        matrix = _affine(height, width, affine, rng)
        places = matrix[:, :2] @ np.stack([columns.ravel(), rows.ravel()]) + matrix[:, 2:]
        moved = places.astype(np.float32).reshape(2, height, width)

        planes = sampled(planes, _mirrored(moved[1], height), _mirrored(moved[0], width))
    if stretch > 0:
        noise = rng.random((2, height, width), np.float32)
        noise *= 2.0
        noise -= 1.0
        shifts = gaussian_blur_planes(noise, sigma, truncate=3.0) * np.float32(stretch)
        planes = sampled(
            planes, _reflected(rows + shifts[0], height), _reflected(columns + shifts[1], width)
        )
    return clipped(planes.copy())


def _affine(height: int, width: int, most: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """From places (x, y, 1) of the result to places (x, y) of the source, shape (2, 3)."""
    x, y = width // 2, height // 2
    side = min(height, width) // 3
    points = np.array([[x + side, y + side], [x + side, y - side], [x - side, y - side]], float)
    moved = points + rng.uniform(-most, most, points.shape)
    # Three points of an image of a few pixels may fall on one line.
    whole = np.column_stack([moved, np.ones(3)])
    return np.asarray((np.linalg.pinv(whole) @ points).T)


def _mirrored(places: Planes, size: int) -> Planes:
    """Places on an axis that is mirrored at its outermost pixels."""
    period = max(2 * (size - 1), 1)
    folded = np.mod(places, period)
    return np.asarray(np.clip(np.minimum(folded, period - folded), 0, size - 1))


def _reflected(places: Planes, size: int) -> Planes:
    """Places on an axis that is mirrored beyond the edges of its outermost pixels."""
    folded = np.mod(places + 0.5, 2 * size)
    return np.asarray(np.clip(np.minimum(folded, 2 * size - folded) - 0.5, 0, size - 1))
