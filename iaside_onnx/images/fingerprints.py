"""What each picture was when it was first read.

Later readings are compared with it, and the digest of its pixels stands for it wherever something
is drawn for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import ChangedError, DataError
from .pictures import Picture, size_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STRIP_PIXELS = 1 << 16


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
        shape: tuple[int, ...] = (picture.height, picture.width, 3)
        kind, parts = "|u1", _rgb(picture)
    else:
        pixels = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
        if pixels.dtype.kind == "f":
            pixels = pixels + pixels.dtype.type(0)  # one zero: -0.0 is the same pixel
        pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
        shape, kind, parts = pixels.shape, pixels.dtype.str, iter([pixels.data])
    total = hashlib.sha256(f"{kind} {shape}\0".encode())
    for part in parts:
        total.update(part)
    return total.digest()


def _rgb(picture: Image.Image) -> Iterator[Buffer]:
    """RGB bytes in strips of some rows: of 12 megapixels at once they took three times as long."""
    width, height = picture.size
    rows = max(1, _STRIP_PIXELS // max(1, width))
    for top in range(0, height, rows):
        strip = picture.crop((0, top, width, min(height, top + rows)))
        yield (strip if strip.mode == "RGB" else strip.convert("RGB")).tobytes()


class Fingerprints:
    """Digests of the pictures of a source by their index: remembered at the first reading.

    Attributes
    ----------
    contents, pixels : dict
        SHA-256 of the bytes that were read, and of the pixels that were decoded.
    sizes : dict
        Height and width of those that were decoded.
    """

    def __init__(self) -> None:
        self.contents: dict[int, bytes] = {}
        self.pixels: dict[int, bytes] = {}
        self.sizes: dict[int, tuple[int, int]] = {}
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
            self.contents[index] = content.tobytes()
            if decoded:
                self.pixels[index] = decoded

    def read(self, index: int, content: bytes, name: str) -> bytes:
        """Digest of the bytes that were read; ChangedError where the first reading had others."""
        digest = hashlib.sha256(content).digest()
        if self.contents.setdefault(index, digest) != digest:
            raise ChangedError(name)
        return digest

    def decoded(self, index: int, picture: Picture, name: str) -> None:
        """The same for pixels, once in a process; DataError where the bytes decode to others."""
        if index in self._decoded:
            return
        digest = pixel_digest(picture)
        if self.pixels.setdefault(index, digest) != digest:
            raise DataError(
                f"image {name}: decodes to other pixels here; use the same version of pillow"
            )
        self.sizes[index] = size_of(picture)
        self._decoded.add(index)
