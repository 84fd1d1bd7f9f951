"""How strong each corruption is at each severity, for images of any size.

The constants were published for two sizes: those of ImageNet-C for 224 pixels and those of
CIFAR-10-C for 32 (Hendrycks & Dietterich, ICLR 2019; the scripts that made both sets are in
github.com/hendrycks/robustness). The elastic transform at 224 pixels is that of
github.com/bethgelab/imagecorruptions, which leaves out the random affine map: with it severity 2
moves pixels ten times as far as severity 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import UsageError

SEVERITIES = (1, 2, 3, 4, 5)
SMALL, LARGE = 32, 224


@dataclass(frozen=True)
class _Constants:
    """Names of a corruption's parameters, their values at both sizes, and which are integers."""

    names: tuple[str, ...]
    small: tuple[tuple[float, ...], ...]
    large: tuple[tuple[float, ...], ...]
    whole: tuple[str, ...] = ()


def _one(name: str, small: tuple[float, ...], large: tuple[float, ...]) -> _Constants:
    return _Constants((name,), tuple((a,) for a in small), tuple((a,) for a in large))


_TABLE: dict[str, _Constants] = {
    "gaussian_noise": _one("sigma", (0.04, 0.06, 0.08, 0.09, 0.10), (0.08, 0.12, 0.18, 0.26, 0.38)),
    "shot_noise": _one("photons", (500, 250, 100, 75, 50), (60, 25, 12, 5, 3)),
    "impulse_noise": _one("share", (0.01, 0.02, 0.03, 0.05, 0.07), (0.03, 0.06, 0.09, 0.17, 0.27)),
    "speckle_noise": _one("sigma", (0.06, 0.1, 0.12, 0.16, 0.2), (0.15, 0.2, 0.35, 0.45, 0.6)),
    "defocus_blur": _Constants(
        ("radius", "soften"),
        ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
        ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
    ),
    "glass_blur": _Constants(
        ("sigma", "reach", "rounds"),
        ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
        ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        whole=("reach", "rounds"),
    ),
    "motion_blur": _Constants(
        ("radius", "sigma"),
        ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
        ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        whole=("radius",),
    ),
    # Published as numpy.arange(1, stop, step); these are the lengths that those really have.
    "zoom_blur": _Constants(
        ("layers", "step"),
        ((7, 0.01), (12, 0.01), (16, 0.01), (21, 0.01), (26, 0.01)),
        ((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03)),
        whole=("layers",),
    ),
    "gaussian_blur": _one("sigma", (0.4, 0.6, 0.7, 0.8, 1), (1, 2, 3, 4, 6)),
    "snow": _Constants(
        ("mean", "spread", "zoom", "threshold", "radius", "sigma", "keep"),
        (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
        (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        whole=("radius",),
    ),
    # The grain is the scale at which the published scripts paste their photographs of frost.
    "frost": _Constants(
        ("keep", "cover", "grain"),
        ((1, 0.2, 0.2), (1, 0.3, 0.2), (0.9, 0.4, 0.2), (0.85, 0.4, 0.2), (0.75, 0.45, 0.2)),
        ((1, 0.4, 1), (0.8, 0.6, 1), (0.7, 0.7, 1), (0.65, 0.7, 1), (0.6, 0.75, 1)),
    ),
    "fog": _Constants(
        ("strength", "decay"),
        ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
        ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
    ),
    "brightness": _one("shift", (0.05, 0.1, 0.15, 0.2, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5)),
    "spatter": _Constants(
        ("mean", "spread", "sigma", "threshold", "strength", "mud"),
        (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
        (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        whole=("mud",),
    ),
    "contrast": _one("factor", (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05)),
    # At 32 pixels published as shares of the side; at 224 as 0.005 of the side times 12.5 to 30.
    "elastic_transform": _Constants(
        ("stretch", "sigma", "affine"),
        ((0, 0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        ((14, 2.24, 0), (18.2, 2.24, 0), (23.8, 2.24, 0), (28, 2.24, 0), (33.6, 2.24, 0)),
    ),
    "pixelate": _one("factor", (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25)),
    "jpeg_compression": _Constants(
        ("quality",),
        ((80,), (65,), (58,), (50,), (40,)),
        ((25,), (18,), (15,), (10,), (7,)),
        whole=("quality",),
    ),
    "saturate": _Constants(
        ("factor", "shift"),
        ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
        ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
    ),
}


def parameters(corruption: str, severity: int, height: int, width: int) -> dict[str, float]:
    """Parameters of a corruption for an image of `height` x `width` pixels.

    With s the shorter side, t = log(s / 32) / log(224 / 32) cut to [0, 1]: the published values
    of 32 pixels at t = 0 and those of 224 at t = 1, outside the nearest, and in between the
    geometric mean ``small**(1 - t) * large**t`` where both are positive, else the weighted mean
    ``(1 - t) * small + t * large``. Counts are rounded.

    Raises
    ------
    UsageError
        A corruption or a severity that does not exist.
    """
    if corruption not in _TABLE:
        raise UsageError(f"unknown corruption '{corruption}': choose one of {', '.join(_TABLE)}")
    if severity not in SEVERITIES:
        raise UsageError(f"severity {severity}: choose one of 1 to {len(SEVERITIES)}")
    constants = _TABLE[corruption]
    side = min(max(min(height, width), SMALL), LARGE)
    part = math.log(side / SMALL) / math.log(LARGE / SMALL)
    found: dict[str, float] = {}
    pairs = zip(constants.small[severity - 1], constants.large[severity - 1], strict=True)
    for name, (small, large) in zip(constants.names, pairs, strict=True):
        if small > 0 and large > 0 and 0 < part < 1:
            value = small ** (1 - part) * large**part
        else:
            value = (1 - part) * small + part * large
        found[name] = round(value) if name in constants.whole else value
    return found
