"""Snow, frost, fog, brightness and spatter."""

from __future__ import annotations

import numpy as np

from .planes import Planes, clipped, gaussian_blur_planes, motion_blur_planes, zoomed
from .severity import corruption
from .textures import drops, frost_picture, plasma, splashes

# Weights of red, green and blue in a grey value (ITU-R BT.601).
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_WATER, _MUD = (175, 238, 238), (63, 42, 20)


def _coloured(levels: tuple[int, int, int], channels: int) -> Planes:
    """A colour in levels of 0..255 for planes of 3 channels or 1, shape (channels, 1, 1)."""
    colour = np.array(levels, np.float32) / np.float32(255)
    values = colour if channels == 3 else np.array([colour @ _LUMA], np.float32)
    return values[:, None, None]


@corruption(
    "weather",
    small=(
        (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
        (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
        (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
        (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
        (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
    ),
    large=(
        (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
        (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
        (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
        (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
        (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
    ),
)
def snow(
    planes: Planes,
    rng: np.random.Generator,
    *,
    mean: float,
    spread: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    keep: float,
) -> Planes:
    """Flakes falling in streaks over an image that turns paler."""
    flakes = rng.standard_normal(planes.shape[1:], np.float32)
    flakes *= np.float32(spread)
    flakes += np.float32(mean)
    if zoom > 1:
        flakes = zoomed(flakes, zoom)
    flakes = np.where(flakes < threshold, np.float32(0), np.clip(flakes, 0.0, 1.0))
    flakes = motion_blur_planes(flakes, radius, sigma, rng.uniform(-135.0, -45.0))
    grey = np.tensordot(_LUMA, planes, 1)[None] if len(planes) == 3 else planes
    snowy = np.maximum(planes, grey * 1.5 + np.float32(0.5))
    snowy *= np.float32(1.0 - keep)
    snowy += np.float32(keep) * planes
    snowy += flakes + flakes[::-1, ::-1]
    return clipped(snowy)


# The grain is the scale at which the published scripts paste their photographs of frost.
@corruption(
    "weather",
    small=((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
    large=((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
)
def frost(
    planes: Planes, rng: np.random.Generator, *, keep: float, cover: float, grain: float
) -> Planes:
    """`keep` times the image plus `cover` times a picture of ice."""
    ice = frost_picture(planes.shape[1], planes.shape[2], grain, rng)
    if len(planes) == 1:
        ice = np.tensordot(_LUMA, ice, 1)[None]
    ice *= np.float32(cover)
    ice += np.float32(keep) * planes
    return clipped(ice)


@corruption(
    "weather",
    small=((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    large=((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
)
def fog(planes: Planes, rng: np.random.Generator, *, strength: float, decay: float) -> Planes:
    """`strength` times clouds on top of the image, scaled back to the image's own maximum."""
    most = float(planes.max())
    foggy = planes + np.float32(strength) * plasma(planes.shape[1], planes.shape[2], decay, rng)
    foggy *= np.float32(most / (most + strength))
    return clipped(foggy)


@corruption("weather", small=(0.05, 0.1, 0.15, 0.2, 0.3), large=(0.1, 0.2, 0.3, 0.4, 0.5))
def brightness(planes: Planes, *, shift: float) -> Planes:
    """HSV value plus `shift`, at fixed hue and saturation: all channels times new / old value."""
    if len(planes) == 1:
        return clipped(planes + np.float32(shift))
    value = planes.max(axis=0)
    raised = np.clip(value + np.float32(shift), 0.0, 1.0)
    black = value == 0
    value[black] = 1.0
    brighter = planes * (raised / value)
    if black.any():
        brighter[:, black] = raised[black]
    return clipped(brighter)


@corruption(
    "weather",
    small=(
        (0.62, 0.1, 0.7, 0.7, 0.5, 0),
        (0.65, 0.1, 0.8, 0.7, 0.5, 0),
        (0.65, 0.3, 1, 0.69, 0.5, 0),
        (0.65, 0.1, 0.7, 0.69, 0.6, 1),
        (0.65, 0.1, 0.5, 0.68, 0.6, 1),
    ),
    large=(
        (0.65, 0.3, 4, 0.69, 0.6, 0),
        (0.65, 0.3, 3, 0.68, 0.6, 0),
        (0.65, 0.3, 2, 0.68, 0.5, 0),
        (0.65, 0.3, 1, 0.65, 1.5, 1),
        (0.67, 0.4, 1, 0.65, 1.5, 1),
    ),
)
def spatter(
    planes: Planes,
    rng: np.random.Generator,
    *,
    mean: float,
    spread: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: int,
) -> Planes:
    """Drops of water, or splashes of mud, on the lens."""
    liquid = rng.standard_normal(planes.shape[1:], np.float32)
    liquid *= np.float32(spread)
    liquid += np.float32(mean)
    liquid = gaussian_blur_planes(liquid, sigma)
    if mud:
        dirt = splashes(liquid, threshold, strength)
        return clipped(planes * (1.0 - dirt) + dirt * _coloured(_MUD, len(planes)))
    liquid = np.where(liquid < threshold, np.float32(0), liquid)
    light = drops(liquid) * np.float32(strength)
    return clipped(planes + light * _coloured(_WATER, len(planes)))
