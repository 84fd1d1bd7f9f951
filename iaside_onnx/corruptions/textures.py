"""Textures that the weather lays over an image: fog, frost and drops."""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from .planes import Planes, clipped, gaussian_blur_planes, neighbours

# Of the needles of frost: how many directions, and length and thickness in pixels at 224.
_DIRECTIONS = 4
_NEEDLE_LENGTH, _NEEDLE_WIDTH = 14.0, 1.0
# Edges of drops: thresholds of Canny's method on levels of 0..255, and how far drops bulge.
_WEAK, _STRONG = 50, 150
_FARTHEST = 20


def plasma(height: int, width: int, decay: float, rng: np.random.Generator) -> Planes:
    """Clouds by the diamond-square algorithm on a torus, in [0, 1], shape (H, W).

    Each halving of the grid divides the random part by ``decay**2`` and quarters sums of four
    neighbours; the side is the next power of two.
    """
    side = 1 << (max(height, width) - 1).bit_length()
    clouds = np.zeros((side, side), np.float32)
    step, wobble = side, 1.0
    while step >= 2:
        half = step // 2
        corners = clouds[::step, ::step]
        grown = corners + np.roll(corners, -1, 0)
        grown += np.roll(grown, -1, 1)
        centres = clouds[half::step, half::step]
        centres[...] = grown * np.float32(0.25) + _wobble(grown.shape, wobble, rng)
        above = centres + np.roll(centres, 1, 0) + corners + np.roll(corners, -1, 1)
        clouds[::step, half::step] = above * np.float32(0.25) + _wobble(above.shape, wobble, rng)
        beside = centres + np.roll(centres, 1, 1) + corners + np.roll(corners, -1, 0)
        clouds[half::step, ::step] = beside * np.float32(0.25) + _wobble(beside.shape, wobble, rng)
        step = half
        wobble /= decay**2
    clouds -= clouds.min()
    clouds /= max(float(clouds.max()), 1e-12)
    return clouds[:height, :width]


def _wobble(shape: tuple[int, ...], most: float, rng: np.random.Generator) -> Planes:
    noise = rng.random(shape, np.float32)
    noise *= np.float32(2 * most)
    noise -= np.float32(most)
    return noise


def frost_picture(height: int, width: int, grain: float, rng: np.random.Generator) -> Planes:
    """A picture of ice needles in patches of directions, shape (3, H, W), in [0, 1].

    The published scripts paste crops of five photographs; this stands for them. Its brightness,
    its contrast, its tint from white to blue and the fall of its spectrum vary from draw to draw
    around what was measured on those photographs. A `grain` of 1 is the size of their needles.
    """
    shape = [scipy.fft.next_fast_len(size, real=True) for size in (height, width)]
    spectrum = scipy.fft.rfft2(rng.standard_normal(shape, np.float32))
    down = scipy.fft.fftfreq(shape[0])[:, None].astype(np.float32)
    right = scipy.fft.rfftfreq(shape[1])[None].astype(np.float32)
    radius = np.hypot(down, right)
    # Patches of one direction are as wide as needles are long.
    length, thick = _NEEDLE_LENGTH * grain, _NEEDLE_WIDTH * grain
    patches = np.exp(-((2.0 * length * radius) ** 2))
    first = math.pi * rng.random()
    ice = None
    for number in range(_DIRECTIONS):
        turn = first + math.pi * number / _DIRECTIONS
        along = down * math.sin(turn) + right * math.cos(turn)
        across = down * math.cos(turn) - right * math.sin(turn)
        needles = np.exp(-((length * along) ** 2) - (thick * across) ** 2)
        needles /= (np.abs(across) + np.float32(0.02)) ** 0.35
        turned = spectrum * np.exp(2j * np.pi * rng.random()).astype(np.complex64)
        # Shifting the spectrum makes patches that have nothing to do with the needles.
        both = _even(turned * needles) + _even(np.roll(turned, number + 1, 0) * patches)
        layer = scipy.fft.irfft2(both, shape)
        ice = layer if ice is None else np.maximum(ice, layer)
    assert ice is not None
    ice = ice[:height, :width]
    ice -= ice.mean()
    bright, strength = rng.uniform(0.4, 0.9), rng.uniform(0.05, 0.12)
    tint = rng.uniform(0.02, 0.25)
    ice *= np.float32(strength)
    ice += np.float32(bright)
    colour = np.array([1.0 - tint, 1.0 - 0.3 * tint, 1.0], np.float32)
    return clipped(ice * colour[:, None, None])


def _even(spectrum: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """A half spectrum scaled so that its field's standard deviation is about 1."""
    spectrum[0, 0] = 0.0
    power = float(np.vdot(spectrum, spectrum).real)
    # Half of the frequencies stand for all; an inverse transform divides by their number.
    pixels = 2 * (spectrum.shape[1] - 1) * spectrum.shape[0]
    return spectrum * np.float32(pixels / max(np.sqrt(2.0 * power), 1e-12))


def drops(liquid: Planes) -> Planes:
    """How much light drops of a liquid of this thickness throw, at most 1, shape (H, W).

    The published steps: levels of 0..255; the distance to the edges of drops by Canny's method,
    at most 20; mean of 3 x 3; histogram equalised; an emboss filter; mean of 3 x 3; times the
    liquid; over its maximum.
    """
    levels = np.clip(np.floor(liquid * 255), 0, 255)
    edges = _canny(levels)
    grid = neighbours(_equalised(np.floor(_mean3(_distance(edges)))))
    relief = grid[0][0] * -2 - grid[0][1] - grid[1][0] + grid[1][1] + grid[1][2] + grid[2][1]
    relief += 2 * grid[2][2]
    shine = levels * np.rint(_mean3(np.clip(relief, 0, 255)))
    return np.asarray(shine / max(float(shine.max()), 1e-12), np.float32)


def _distance(edges: NDArray[np.bool_]) -> Planes:
    """Euclidean distance to the nearest edge, at most `_FARTHEST`."""
    height, width = edges.shape
    here = np.arange(width)
    last = np.maximum.accumulate(np.where(edges, here, -width), axis=1)
    following = np.where(edges, here, 2 * width)[:, ::-1]
    following = np.minimum.accumulate(following, axis=1)[:, ::-1]
    beside = np.minimum(here - last, following - here).clip(max=_FARTHEST).astype(np.float32)
    squares = np.square(beside)
    padded = np.pad(squares, ((_FARTHEST, _FARTHEST), (0, 0)), constant_values=_FARTHEST**2)
    for down in range(1, _FARTHEST):
        for start in (_FARTHEST - down, _FARTHEST + down):
            np.minimum(squares, padded[start : start + height] + np.float32(down**2), out=squares)
    return np.sqrt(squares)


def _mean3(plane: Planes) -> Planes:
    rows = neighbours(plane)
    lines = rows[0][1] + rows[1][1] + rows[2][1]
    columns = neighbours(lines)[1]
    return np.asarray((columns[0] + columns[1] + columns[2]) / np.float32(9))


def _equalised(levels: Planes) -> Planes:
    """Histogram equalisation of whole levels 0..255; the lowest level becomes 0."""
    counts = np.bincount(levels.astype(np.intp).ravel(), minlength=256)
    lowest = int(np.flatnonzero(counts)[0])
    rest = levels.size - counts[lowest]
    if not rest:
        return levels
    below = np.cumsum(counts) - counts[lowest]
    table = np.rint(np.clip(below, 0, None) * (255.0 / rest)).astype(np.float32)
    return np.asarray(table[levels.astype(np.intp)])


def _canny(levels: Planes) -> NDArray[np.bool_]:
    """Edges by Canny's method: Sobel, sum of absolute slopes, thinning, two thresholds."""
    grid = neighbours(levels, "edge")
    across = grid[0][2] + 2 * grid[1][2] + grid[2][2] - grid[0][0] - 2 * grid[1][0] - grid[2][0]
    down = grid[2][0] + 2 * grid[2][1] + grid[2][2] - grid[0][0] - 2 * grid[0][1] - grid[0][2]
    wide, high = np.abs(across), np.abs(down)
    slope = wide + high
    around = neighbours(slope, "constant")
    level, steep = np.tan(np.pi / 8), np.tan(3 * np.pi / 8)
    horizontal, vertical = high < level * wide, high > steep * wide
    same = (across >= 0) == (down >= 0)
    before = np.where(same, around[0][0], around[0][2])
    after = np.where(same, around[2][2], around[2][0])
    thin = (slope > before) & (slope > after)
    thin = np.where(horizontal, (slope > around[1][0]) & (slope >= around[1][2]), thin)
    thin = np.where(vertical, (slope > around[0][1]) & (slope >= around[2][1]), thin)
    weak = thin & (slope > _WEAK)
    strong = weak & (slope > _STRONG)
    if weak.sum() == strong.sum():
        return np.asarray(strong)
    parts, count = scipy.ndimage.label(weak, np.ones((3, 3)))
    kept = np.zeros(count + 1, np.bool_)
    kept[parts[strong]] = True
    return np.asarray(kept[parts])


def splashes(liquid: Planes, threshold: float, sigma: float) -> Planes:
    """How opaque mud is, in [0, 1], shape (H, W): dense where most of the surroundings are wet."""
    cover = gaussian_blur_planes((liquid > threshold).astype(np.float32), sigma)
    return np.where(cover < 0.8, np.float32(0), cover)
