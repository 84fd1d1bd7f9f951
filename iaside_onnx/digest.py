"""The digest that names the images of an audit."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def data_digest(
    ids: Sequence[str], labels: NDArray[np.int64], image_digests: NDArray[np.uint8]
) -> str:
    """SHA-256 over ids, labels and contents, in order.

    Parameters
    ----------
    ids : sequence of str
    labels : ndarray of int64, shape (n,)
    image_digests : ndarray of uint8, shape (n, 32)
        SHA-256 of each image's content.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    total = hashlib.sha256()
    for name, label, content in zip(ids, labels, image_digests, strict=True):
        total.update(f"{name}\0{int(label)}\0".encode(errors="replace") + content.tobytes())
    return total.hexdigest()


def rows_digest(whole: str, positions: Sequence[int]) -> str:
    """SHA-256 that names some images of a sample whose contents are not known.

    Parameters
    ----------
    whole : str
        Digest of the sample.
    positions : sequence of int
        Of the images in it.
    """
    return hashlib.sha256(f"{whole} {' '.join(map(str, positions))}".encode()).hexdigest()
