"""Which image of a sample pictures show: one that the model gets right, and is sure of."""

from __future__ import annotations

from typing import Any

import numpy as np

# Decimals of the log-probability within which images are equally certain: less than what other
# kernels or batches may change.
_ALIKE = 2


def most_certain(result: Any, log_prob: Any) -> int:
    """The row whose untouched image has the highest log-probability among those answered right.

    Among all where none is; of equals the one with the least digest, so that the choice does not
    depend on the order of the images.

    Parameters
    ----------
    result : ModelResult
        With digests of its images.
    log_prob : array, shape (n,)
        Of the true classes of the untouched images.
    """
    right = ~result.clean_wrong
    candidates = np.flatnonzero(right if right.any() else ~right)
    certain = np.round(np.asarray(log_prob, np.float64)[candidates], _ALIKE)
    best = candidates[certain == certain.max()].tolist()
    return int(min(best, key=lambda row: result.image_digests[row].tobytes()))


def row_of_example(result: Any) -> int | None:
    """The row of the image in a result's pictures; None where it has been left out since.

    Early files do not name it: there it is the first.
    """
    name = result.data.get("example")
    if name is None:
        return 0
    return list(result.image_ids).index(name) if name in result.image_ids else None
