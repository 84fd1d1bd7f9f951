"""Operations on image planes that several corruptions share.

Planes are float32, C x H x W (or H x W where said so), and never changed in place.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Planes = NDArray[np.float32]


def clipped(planes: Planes) -> Planes:
    """Planes cut to [0, 1], in place: for results that nobody else holds."""
    return np.clip(planes, 0.0, 1.0, out=planes)


def gaussian_blur_planes(planes: Planes, sigma: float, truncate: float = 4.0) -> Planes:
    """Gaussian blur over the last two axes, the edge pixels going on beyond the edge.

    Products with two sparse matrices, which run in one thread and come out the same everywhere.
    """
    reach = int(truncate * sigma + 0.5)
    if reach == 0:
        return planes
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps /= taps.sum()
    # The axis to be smoothed comes first, so that whole lines are added up.
    lines = np.moveaxis(planes, -2, 0)
    lines = np.moveaxis(_smoothed(lines, taps), -1, 0)
    return np.ascontiguousarray(np.moveaxis(_smoothed(lines, taps), (0, 1), (-1, -2)))


def _smoothed(lines: Planes, taps: NDArray[np.float64]) -> Planes:
    """The first axis convolved with `taps`."""
    size, count = len(lines), len(taps)
    source = np.clip(np.arange(size)[:, None] + np.arange(count) - count // 2, 0, size - 1)
    ends = np.arange(0, size * count + 1, count)
    weights = np.tile(taps.astype(np.float32), size)
    matrix = scipy.sparse.csr_array((weights, source.ravel(), ends), shape=(size, size))
    flat = np.ascontiguousarray(lines).reshape(size, -1)
    return np.asarray(matrix @ flat).reshape(lines.shape)


def motion_blur_planes(planes: Planes, radius: int, sigma: float, angle: float) -> Planes:
    """Blur along one side of a line: half a Gaussian of `radius` pixels in direction `angle`.

    The angle is in degrees, and 0 along a row. Taps fall on whole pixels, as in ImageMagick's
    motion blur; beyond the edge the edge pixels go on.
    """
    steps = np.arange(2 * radius + 1)
    taps = np.exp(-0.5 * (steps / sigma) ** 2)
    taps /= taps.sum()
    turn = np.deg2rad(angle)
    down = np.ceil(steps * np.sin(turn) - 0.5).astype(int)
    right = np.ceil(steps * np.cos(turn) - 0.5).astype(int)
    top, left = -min(0, down.min()), -min(0, right.min())
    sides = ((0, 0),) * (planes.ndim - 2)
    padded = np.pad(
        planes, (*sides, (top, max(0, down.max())), (left, max(0, right.max()))), "edge"
    )
    height, width = planes.shape[-2:]
    total = np.zeros_like(planes)
    share = np.empty_like(planes)
    for tap, y, x in zip(taps.astype(np.float32), top + down, left + right, strict=True):
        np.multiply(padded[..., y : y + height, x : x + width], tap, out=share)
        total += share
    return total


def zoomed(planes: Planes, factor: float) -> Planes:
    """The middle of the planes, enlarged by `factor` >= 1 to their own size, bilinearly."""
    for axis in (-2, -1):
        planes = _zoomed_axis(planes, factor, axis)
    return planes


def _zoomed_axis(planes: Planes, factor: float, axis: int) -> Planes:
    size = planes.shape[axis]
    kept = int(np.ceil(size / factor))
    enlarged = round(kept * factor)
    # The first and the last pixel of what is kept become those of the enlarged image.
    at = np.arange(size) + (enlarged - size) // 2
    places = np.minimum(at * (kept - 1) / max(enlarged - 1, 1), kept - 1)
    low = np.minimum(places.astype(int), max(kept - 2, 0))
    part = (places - low).astype(np.float32)
    low += (size - kept) // 2
    first = planes.take(low, axis)
    if kept == 1:
        return np.asarray(first)
    second = planes.take(low + 1, axis)
    second -= first
    second *= part[:, None] if axis == -2 else part
    second += first
    return np.asarray(second)


def sampled(planes: Planes, rows: NDArray[np.float32], columns: NDArray[np.float32]) -> Planes:
    """Planes at fractional places within the image, shape (H, W), bilinearly."""
    height, width = planes.shape[-2:]
    top = np.minimum(rows.astype(np.int32), max(height - 2, 0))
    left = np.minimum(columns.astype(np.int32), max(width - 2, 0))
    down, right = rows - top, columns - left
    corner = top * width + left
    flat = planes.reshape(len(planes), -1)
    below, beside = width if height > 1 else 0, int(width > 1)

    def line(start: NDArray[np.int32]) -> Planes:
        near, far = flat.take(start, 1), flat.take(start + beside, 1)
        far -= near
        far *= right
        far += near
        return np.asarray(far)

    upper, lower = line(corner), line(corner + below)
    lower -= upper
    lower *= down
    lower += upper
    return lower


def neighbours(plane: Planes, mode: str = "reflect") -> list[list[Planes]]:
    """The 3 x 3 shifted views of an H x W plane; ``[row][column]``, the plane itself at [1][1]."""
    height, width = plane.shape
    if min(height, width) == 1:
        mode = "edge"  # one line has nothing to reflect
    padded = np.pad(plane, 1, mode)  # type: ignore[call-overload]
    return [[padded[y : y + height, x : x + width] for x in range(3)] for y in range(3)]
