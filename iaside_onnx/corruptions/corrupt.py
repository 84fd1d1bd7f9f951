"""One image, one corruption, one severity: the way in."""

from __future__ import annotations

import hashlib
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_truth
from ..errors import UsageError
from .severity import CATALOGUE, parameters

F = TypeVar("F", bound=np.floating[Any])


def corrupt(
    image: NDArray[F],
    corruption: str,
    severity: int,
    rng: np.random.Generator,
    *,
    channels_last: bool = False,
) -> NDArray[F]:
    """A corrupted copy of an image.

    Parameters
    ----------
    image : ndarray of float, shape (C, H, W), or (H, W, C) with `channels_last`
        Values in [0, 1]; three channels (RGB) or one (grey). Any size; computed in float32.
    corruption : str
        One of `severity.known`.
    severity : int
        1 to 5; what it means depends on the size, see `severity.parameters`.
    rng : numpy.random.Generator
        The source of everything random; not all corruptions are.
    channels_last : bool
        Which axis holds the channels.

    Returns
    -------
    ndarray
        Of the image's shape and type, in [0, 1].

    Raises
    ------
    UsageError
        An unknown corruption or severity, or an image of another shape, type or range.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.full((3, 32, 32), 0.5, np.float32)
    >>> corrupt(image, "fog", 3, np.random.default_rng(0)).shape
    (3, 32, 32)
    """
    check_kind("image", image, np.ndarray, "an array")
    check_kind("rng", rng, np.random.Generator, "a numpy.random.Generator")
    check_truth("channels_last", channels_last)
    axis = -1 if channels_last else 0
    if image.ndim != 3 or image.shape[axis] not in (1, 3) or not image.size:
        order = "H x W x C" if channels_last else "C x H x W"
        raise UsageError(f"an image to corrupt is {order} with 1 or 3 channels, not {image.shape}")
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):
        raise UsageError("an image to corrupt holds floating-point values in [0, 1]")
    planes = np.ascontiguousarray(np.moveaxis(image, axis, 0), np.float32)
    strength = parameters(corruption, severity, *planes.shape[1:])
    entry = CATALOGUE[corruption]
    corrupted = entry.function(planes, *[rng] * entry.random, **strength)
    return np.ascontiguousarray(np.moveaxis(corrupted, 0, axis), image.dtype)


def generator(seed: int, key: str, corruption: str, severity: int) -> np.random.Generator:
    """The generator of one image's corruption: the same whatever else is corrupted, and when.

    `key` names the image: the commands take the digest of its decoded pixels.
    """
    name = hashlib.sha256(f"{corruption}\0{severity}\0{key}".encode(errors="replace"))
    words = np.frombuffer(name.digest(), np.uint32).tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))
