"""What each picture was when it was first read.

Later readings are held against it, and the digest of its pixels stands for it wherever something is
drawn for it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ChangedError, DataError
from .pictures import Picture


def pixel_digest(picture: Picture) -> bytes:
    """SHA-256 of a decoded picture: shape, type and values, before any preprocessing.

    A photograph counts as its RGB bytes, and grey as three equal channels, so the same pixels have
    one digest in whatever file, format or array they lie.

    Examples
    --------
    >>> grey = np.zeros((4, 5, 1), np.uint8)
    >>> pixel_digest(grey) == pixel_digest(Image.new("RGB", (5, 4)))
    True
    """
    if isinstance(picture, Image.Image):
        pixels: NDArray[Any] = np.asarray(picture.convert("RGB"))
    else:
        pixels = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
        if pixels.dtype.kind == "f":
            pixels = pixels + pixels.dtype.type(0)  # one zero: -0.0 is the same pixel
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    total = hashlib.sha256(f"{pixels.dtype.str} {pixels.shape}\0".encode())
    total.update(pixels.data)
    return total.digest()


class Fingerprints:
    """Digests of the pictures of a source by their index: remembered at the first reading."""

    def __init__(self) -> None:
        self._contents: dict[int, bytes] = {}
        self._pixels: dict[int, bytes] = {}
        self._decoded: set[int] = set()

    def expect(
        self, indices: NDArray[np.intp], contents: NDArray[np.uint8], pixels: list[bytes]
    ) -> None:
        """Take digests from elsewhere, which what is read here has to have.

        Parameters
        ----------
        indices : ndarray of int, shape (K,)
        contents : ndarray of uint8, shape (K, 32)
        pixels : list of bytes
            Of the decoded pictures; empty where it is not known.
        """
        for index, content, decoded in zip(indices.tolist(), contents, pixels, strict=True):
            self._contents[index] = content.tobytes()
            if decoded:
                self._pixels[index] = decoded

    def content(self, index: int) -> bytes | None:
        """Digest of a picture's bytes; None before it was read."""
        return self._contents.get(index)

    def pixels(self, index: int) -> bytes | None:
        """Digest of a picture's pixels; None before it was decoded."""
        return self._pixels.get(index)

    def read(self, index: int, content: bytes, name: str) -> bytes:
        """Remember the bytes that were read, or hold them against those of the first reading.

        Raises
        ------
        ChangedError
            They are others.
        """
        found = hashlib.sha256(content).digest()
        if self._contents.setdefault(index, found) != found:
            raise ChangedError(name)
        return found

    def decoded(self, index: int, picture: Picture, name: str) -> None:
        """The same for pixels; equal bytes need only one look in a process.

        Raises
        ------
        DataError
            The bytes decode to other pixels here than where the digests come from.
        """
        if index in self._decoded:
            return
        found = pixel_digest(picture)
        if self._pixels.setdefault(index, found) != found:
            raise DataError(
                f"image {name}: decodes to other pixels here; use the same version of pillow"
            )
        self._decoded.add(index)
