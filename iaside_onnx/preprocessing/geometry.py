"""Sizes and places of pictures that are resized, cropped and padded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def covering(picture: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Least (width, height) of a picture's shape that covers a box.

    One side is the box's, the other is cut down to whole pixels, as torchvision's resize does.
    """
    wide, high = picture
    if wide * height <= high * width:
        return width, max(height, int(width * high / wide))
    return max(width, int(height * wide / high)), height


def inscribed(picture: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """Largest (width, height) of a picture's shape that fits into a box.

    One side is the box's, the other is rounded to whole pixels, as letterboxes are made.
    """
    wide, high = picture
    if wide * height <= high * width:
        return max(1, round(height * wide / high)), height
    return width, max(1, round(width * high / wide))


def corner(length: int, crop: int) -> int:
    """Where a centre crop begins: torchvision rounds half to even, and pads more at the end."""
    return round((length - crop) / 2.0) if length >= crop else -((crop - length) // 2)


def place(
    planes: NDArray[np.float32],
    height: int,
    width: int,
    padding: NDArray[np.float32],
    position: str,
) -> NDArray[np.float32]:
    """Planes of shape (C, h, w) in a box of `height` x `width` that is filled with `padding`.

    In the centre, where an odd pixel is left over, the wider margin is below and to the right.
    """
    _, high, wide = planes.shape
    top, left = (0, 0) if position == "top-left" else ((height - high) // 2, (width - wide) // 2)
    box = np.empty((len(planes), height, width), np.float32)
    box[:] = padding[:, None, None]
    box[:, top : top + high, left : left + wide] = planes
    return box
