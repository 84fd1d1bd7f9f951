"""What callers give as numbers: arrays of real, finite ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UsageError


def real_numbers(what: str, given: ArrayLike, axes: int = 1) -> NDArray[Any]:
    """An array of finite real numbers, of its own type, whose last axes hold something.

    Parameters
    ----------
    what : str
        Names it in the error.
    given : array
    axes : int
        How many axes it has at least; these must not be empty.

    Raises
    ------
    UsageError
        Anything else.
    """
    try:
        numbers = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what} must be an array of numbers, with rows of one length") from error
    if numbers.dtype.kind not in "biuf":
        raise UsageError(f"{what} must be real numbers, not of the type {numbers.dtype}")
    if numbers.ndim < axes or 0 in numbers.shape[-axes:]:
        raise UsageError(
            f"{what} must have at least {axes} axes, the last {axes} not empty; the shape is "
            f"{numbers.shape}"
        )
    if numbers.size and not (np.isfinite(numbers.min()) and np.isfinite(numbers.max())):
        raise UsageError(f"{what} must be finite numbers")
    return numbers
