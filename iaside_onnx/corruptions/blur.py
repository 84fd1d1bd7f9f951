"""Blur: defocus, glass, motion, zoom and gaussian."""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .planes import Planes, clipped, gaussian_blur_planes, motion_blur_planes, zoomed
from .severity import corruption

# Taps of the kernel that softens the disk's edge, by whether the disk is large.
_SOFT_REACH = {False: 1, True: 2}
_LARGE_DISK = 8


@corruption("blur", small=(0.4, 0.6, 0.7, 0.8, 1), large=(1, 2, 3, 4, 6))
def gaussian_blur(planes: Planes, *, sigma: float) -> Planes:
    """Gaussian blur of `sigma` pixels."""
    return clipped(gaussian_blur_planes(planes, sigma).copy())


@corruption(
    "blur",
    small=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    large=((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
)
def defocus_blur(planes: Planes, *, radius: float, soften: float) -> Planes:
    """Convolution with a disk whose edge is softened by a Gaussian of `soften` pixels.

    The image is mirrored at its outermost pixels.
    """
    kernel = _disk(radius, soften)
    reach = len(kernel) // 2
    height, width = planes.shape[1:]
    # A line of one pixel has nothing to mirror.
    padded = np.pad(planes, ((0, 0), (reach, reach), (0, 0)), "reflect" if height > 1 else "edge")
    padded = np.pad(padded, ((0, 0), (0, 0), (reach, reach)), "reflect" if width > 1 else "edge")
    shape = [scipy.fft.next_fast_len(size, real=True) for size in padded.shape[1:]]
    spectrum = scipy.fft.rfft2(padded, shape)
    spectrum *= scipy.fft.rfft2(kernel, shape)
    blurred = scipy.fft.irfft2(spectrum, shape, overwrite_x=True)
    last = 2 * reach
    return clipped(np.ascontiguousarray(blurred[:, last : last + height, last : last + width]))


def _disk(radius: float, soften: float) -> NDArray[np.float32]:
    """A disk that sums to 1, shape (odd, odd)."""
    large = radius > _LARGE_DISK
    # The published kernel ends where the grid does, so a large disk loses its soft rim there.
    half = int(np.ceil(radius)) if large else _LARGE_DISK
    line = np.arange(-half, half + 1)
    inside = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float64)
    inside /= inside.sum()
    reach = _SOFT_REACH[large]
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / soften) ** 2)
    taps /= taps.sum()
    padded = np.pad(inside, reach, "reflect")
    size = len(inside)
    lines = sum(tap * padded[k : k + size] for k, tap in enumerate(taps))
    soft = sum(tap * lines[:, k : k + size] for k, tap in enumerate(taps))
    # Only as much of the grid as is not empty.
    used = int(np.abs(line[soft[half] > 1e-9]).max())
    middle = slice(half - used, half + used + 1)
    return np.asarray(soft[middle, middle], np.float32)


@corruption(
    "blur",
    small=((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    large=((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
)
def motion_blur(planes: Planes, rng: np.random.Generator, *, radius: int, sigma: float) -> Planes:
    """Motion blur in a direction within 45 degrees of the rows."""
    return clipped(motion_blur_planes(planes, radius, sigma, rng.uniform(-45.0, 45.0)))


# Published as numpy.arange(1, stop, step); these are the lengths that those really have.
@corruption(
    "blur",
    small=((7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)),
    large=((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)),
)
def zoom_blur(planes: Planes, *, layers: int, step: float) -> Planes:
    """Mean of the image and of `layers` enlargements by 1, 1 + step, 1 + 2 step, ..."""
    total = 2.0 * planes
    # Rounded as numpy.arange rounds: whether a layer has one pixel more may depend on it.
    gap = (1.0 + step) - 1.0
    for layer in range(1, layers):
        total += zoomed(planes, 1.0 + layer * gap)
    total /= np.float32(layers + 1)
    return clipped(total)


@corruption(
    "blur",
    small=((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    large=((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
)
def glass_blur(
    planes: Planes, rng: np.random.Generator, *, sigma: float, reach: int, rounds: int
) -> Planes:
    """Blur, take each pixel from a random place nearby, blur again."""
    height, width = planes.shape[1:]
    source = np.arange(height * width)
    for _ in range(rounds):
        source = source[_displaced(height, width, reach, rng)]
    blurred = gaussian_blur_planes(planes, sigma).reshape(len(planes), -1)
    mixed = blurred.take(source, 1).reshape(planes.shape)
    return clipped(gaussian_blur_planes(mixed, sigma).copy())


def _displaced(height: int, width: int, reach: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Where each pixel comes from after one round, as flat indices.

    The published loop goes from the last pixel to the first and is meant to swap each with one up
    to `reach` away; on colour pictures its assignment of views copies instead. So a pixel gets
    what its neighbour holds by then: a neighbour visited before hands on what it got itself. The
    chains that this makes are followed for all pixels at once, in steps that double.
    """
    source = np.arange(height * width)
    grid = source.reshape(height, width)
    # Slices as the published ranges have them: down to `reach` + 1, from the size less `reach`.
    visited = grid[reach + 1 : height - reach + 1, reach + 1 : width - reach + 1]
    if not visited.size:
        return source
    move = rng.integers(-reach, reach, (2, *visited.shape))
    source[visited] = visited + move[0] * width + move[1]
    changed = np.zeros(height * width, np.bool_)
    changed[visited] = True
    here = np.arange(height * width)
    follows = np.where((source > here) & changed[source], source, here)
    while True:
        further = follows[follows]
        if np.array_equal(further, follows):
            return np.asarray(source[follows])
        follows = further
