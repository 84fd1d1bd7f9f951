"""Masks at the size of the model's input: where the picture goes, its mask goes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .geometry import place
from .preprocess import Preprocess
from .recipe_keys import LETTERBOX


def fitted_mask(recipe: Preprocess, mask: NDArray[Any], nothing: int) -> NDArray[np.int32]:
    """Numbers of classes, resized and cropped as the picture that they lie above.

    Each pixel takes the number of the nearest one; what lies outside the picture is `nothing`.

    Parameters
    ----------
    recipe : Preprocess
        Settled for the input's size.
    mask : ndarray of int, shape (h, w)
        Of the picture's own size.

    Returns
    -------
    ndarray of int32, shape (height, width)
    """
    assert recipe.crop is not None
    # Pillow fills what lies outside with 0.
    image = Image.fromarray((mask - nothing).astype(np.int32))
    fitted = np.asarray(recipe.fitted(image, Image.Resampling.NEAREST))
    if recipe.resize == LETTERBOX:
        planes = fitted[None].astype(np.float32)
        fitted = place(planes, *recipe.crop, np.zeros(1, np.float32), recipe.pad_position)[0]
    return fitted.astype(np.int32) + np.int32(nothing)
