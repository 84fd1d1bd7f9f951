"""The example image of a report and its bands, made so that they can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..mathematics.bands import band_index
from ..results.banded import edges_of
from ..results.report import Report

_MOST_PIXELS = 1 << 24
CROP = 64  # pixels of a side that a tile shows one by one


def has_pictures(report: Report) -> bool:
    """True where the report carries an example that its bands fit."""
    example = report.example
    if example is None or example.shape[2] not in (1, 3):
        return False
    if not 0 < example.size <= 3 * _MOST_PIXELS:
        return False
    try:
        band_index(*example.shape[:2], **partition(report))
    except UsageError:  # a norm of another version, or more bands than pixels
        return False
    return True


def partition(report: Report) -> dict[str, Any]:
    """The arguments of `band_images`; the table counts the players, whatever the settings say."""
    separate_dc = bool(report.settings.get("separate_dc"))
    return {
        "bands": report.players - separate_dc,
        "norm": str(report.settings.get("norm")),
        "separate_dc": separate_dc,
        "edges": edges_of(report.settings),
    }


def visible(pixels: NDArray[Any], *, has_lowest: bool) -> NDArray[Any]:
    """Pixels from 0 to 1. Without the lowest band there is no mean: on grey, contrast stretched."""
    if not has_lowest:
        size = float(np.percentile(np.abs(pixels), 99)) or 1.0
        pixels = 0.5 + 0.5 * pixels / size
    return np.asarray(np.clip(pixels, 0, 1))


def cropped(height: int, width: int) -> tuple[int, int, int] | None:
    """Top, left and side of the middle of an image that tiles show; None: they show it whole."""
    size = min(CROP, height, width)
    if max(height, width) <= CROP * 1.5:
        return None
    return (height - size) // 2, (width - size) // 2, size
