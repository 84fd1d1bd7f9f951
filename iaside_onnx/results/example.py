"""Which image of a sample pictures show: one that the model gets right, and is sure of.

The choice is the largest of one number an image, so that of parts of a sample it is one of theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Decimals within which images are alike: less than what other kernels or batches may change.
_ALIKE = 2


def row_to_show(result: Any) -> int:
    """The row of the image for pictures, among those answered right, or among all where none is.

    Of an analysis it is the image whose bands do most for its answer: the probability of the true
    class (of other tasks the value) with every band, less that with none. An image that needs no
    band, because the model says its class of anything, would show nothing. Of a damage report it is
    the image that is most certain when clean, so that it is not chosen for its damage. Of equals it
    is the one with the least digest, so that the choice does not depend on the order of the images.

    Parameters
    ----------
    result : Report or DamageReport
        With digests of its images.
    """
    right = ~result.clean_wrong
    candidates = np.flatnonzero(right if right.any() else ~right)
    telling = np.round(_telling(result)[candidates], _ALIKE)
    best = candidates[telling == telling.max()].tolist()
    return int(min(best, key=lambda row: result.image_digests[row].tobytes()))


def _telling(result: Any) -> NDArray[np.float64]:
    """What an image is chosen by; in either game the last column is the whole image."""
    ends = result.table[:, [0, -1]].astype(np.float64)
    if _is_damaged(result):
        return np.asarray(ends[:, 1])
    worth = np.exp(ends) if result.of_classes else ends
    return np.asarray(worth[:, 1] - worth[:, 0])


def _is_damaged(result: Any) -> bool:
    return any(field.name == "example_perturbed" for field in result.SCHEMA.fields)


def row_of_example(result: Any) -> int | None:
    """The row of the image in a result's pictures; None where it has been left out since.

    Early files do not name it: there it is the first.
    """
    name = result.data.get("example")
    if name is None:
        return 0
    return list(result.image_ids).index(name) if name in result.image_ids else None
