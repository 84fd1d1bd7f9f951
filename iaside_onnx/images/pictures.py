"""One encoded picture: bytes of a known format in, pixels out, with bounds on what is decoded."""

from __future__ import annotations

import io
import threading
import warnings
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from ..errors import DataError, PictureError, one_line
from ..file_kinds import HEAD_BYTES, kind_of_file

# Only these are tried, whatever the name: pillow also knows formats that start other programs.
_KNOWN = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"),
    "PNG": (".png", ".apng"),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "GIF": (".gif",),
}
# What these need may be missing in pillow, or is the extra `heic`.
_OPTIONAL = {
    "JPEG2000": (".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c"),
    "AVIF": (".avif", ".avifs"),
    "HEIF": (".heic", ".heif", ".hif"),
}
# Larger than the sensors of medium-format cameras; decoded that is about 0.5 GB.
MAX_PIXELS = 120_000_000
# Of one picture, encoded or as an array.
MAX_BYTES = 4 * MAX_PIXELS
_MAX_NAME = 1024
_EXIF_ORIENTATION = 0x0112
# What a picture may carry, in the order of `picture_oddities`, and what becomes of it.
ODDITIES = (
    "carry an EXIF orientation; it is not applied, as in torchvision's loader",
    "have 16 bits or more a channel; values above 255 are clipped, as in torchvision's loader: "
    "convert them to 8 bits first",
    "hold fractions; they are cut to whole numbers from 0 to 255, as in torchvision's loader: "
    "convert them to 8 bits first",
    "have transparent pixels; the colours stored under them are used, as in torchvision's loader: "
    "put them on a background first",
    "hold several frames; the first is used, as in torchvision's loader",
)
# Filters of warnings belong to the whole process.
_quiet = threading.Lock()


def _readable() -> dict[str, tuple[str, ...]]:
    """Formats that are read here, and the suffixes of their files."""
    present: dict[str, Any] = {
        "JPEG2000": features.check("jpg_2000"),
        "AVIF": "avif" in features.modules and features.check("avif"),
    }
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener(thumbnails=False)
        present["HEIF"] = True
    return _KNOWN | {name: suffixes for name, suffixes in _OPTIONAL.items() if present.get(name)}


_FORMATS = tuple(_readable())
SUFFIXES = frozenset(suffix for suffixes in _readable().values() for suffix in suffixes)

# Photographs come as pillow images; arrays as H x W x C, uint8 or float in [0, 1].
Picture = Image.Image | NDArray[Any]
Naming = Literal["folders", "list", "words"]


class Truths(Protocol):
    """What images are compared with where that is no class, by their ids."""

    def digest(self, name: str) -> bytes:
        """SHA-256 of what is known of an image."""


@dataclass
class ImageSource(ABC):
    """Labelled images in a fixed order, read and decoded one at a time.

    Attributes
    ----------
    ids : list of str
        Unique relative names.
    labels : ndarray of int64, shape (n,)
        Places in `class_names` where there are names, else class numbers as written.
    class_names : list of str or None
    naming : {"folders", "list", "words"}
        What the names are: folders, whose sorted order may count the classes; a column's own list,
        which counts them; or words beside files, which have no order.
    truths : Truths or None
        What is known of each picture beside one class.
    unused : str or None
        Which labels are there and were not read, as nothing is compared with them.
    """

    ids: list[str]
    labels: NDArray[np.int64]
    class_names: list[str] | None
    naming: Naming = field(default="list", kw_only=True)
    truths: Truths | None = field(default=None, kw_only=True)
    unused: str | None = field(default=None, kw_only=True)

    @abstractmethod
    def content(self, index: int) -> bytes:
        """The bytes that make image number `index`; PictureError when it alone is at fault."""

    @abstractmethod
    def where(self, index: int) -> str:
        """How errors name an image."""

    def decoded(self, index: int, content: bytes) -> Picture:
        """Image number `index` from its bytes; PictureError names one that cannot be decoded."""
        return decode(content, self.where(index))

    def picture(self, index: int) -> Picture:
        """Image number `index`, read and decoded."""
        return self.decoded(index, self.content(index))


def decode(content: bytes, where: str) -> Image.Image:
    """Decode a picture, after its size has been read from its header and found bearable.

    Raises
    ------
    PictureError
        Not a picture of a known format, damaged, or of more than `MAX_PIXELS`.
    """
    try:
        with _quiet, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pillow's own bound, odd metadata
            picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        check_pixels(picture.height, picture.width, where)
        picture.load()
        if picture.mode == "LAB":  # the one mode that pillow cannot turn into grey
            return picture.convert("RGB")
    except DataError:
        raise
    except UnidentifiedImageError as error:
        kind = kind_of_file(content[:HEAD_BYTES], where)
        raise PictureError(where, kind or "not a picture of a known format") from error
    except Image.DecompressionBombError as error:
        reason = f"more than {MAX_PIXELS // 10**6} megapixels; shrink it"
        raise PictureError(where, reason) from error
    except Exception as error:  # decoders raise nearly everything on damaged files
        raise PictureError(where, one_line(error)) from error
    return picture


def size_of(picture: Picture) -> tuple[int, int]:
    """Height and width."""
    if isinstance(picture, Image.Image):
        return picture.height, picture.width
    return int(picture.shape[0]), int(picture.shape[1])


def picture_oddities(picture: Picture) -> tuple[int, ...]:
    """Whether a picture has each of what `ODDITIES` names."""
    if not isinstance(picture, Image.Image):
        return (0,) * len(ODDITIES)
    rotated = transparent = several = False
    with suppress(Exception):  # metadata in disorder turn no picture
        rotated = picture.getexif().get(_EXIF_ORIENTATION, 1) != 1
    if picture.has_transparency_data:
        with suppress(Exception):  # a palette in disorder
            lowest, _ = picture.convert("RGBA").getchannel("A").getextrema()
            transparent = isinstance(lowest, int) and lowest < 255
    if picture.format != "MPO":  # of a camera: further frames are views of the same
        with suppress(Exception):  # a damaged further one
            several = bool(getattr(picture, "is_animated", False))
    deep, fractions = picture.mode.startswith("I"), picture.mode == "F"
    return tuple(map(int, (rotated, deep, fractions, transparent, several)))


def is_picture(name: str) -> bool:
    """Whether a file is a picture that can be read, by its suffix."""
    return Path(name).suffix.lower() in SUFFIXES


def check_pixels(height: int, width: int, where: str) -> None:
    """Refuse a picture of more than `MAX_PIXELS` before it takes memory."""
    if height * width > MAX_PIXELS:
        raise PictureError(
            where,
            f"{width} x {height} is {height * width / 1e6:,.0f} megapixels, the most are "
            f"{MAX_PIXELS // 10**6}; shrink it",
        )


def check_bytes(count: int, where: str) -> None:
    """Refuse a picture of more than `MAX_BYTES` before it is read."""
    if count > MAX_BYTES:
        raise PictureError(
            where, f"{count / 1e6:,.0f} MB for one picture, the most are {MAX_BYTES // 10**6}"
        )


def relative_name(name: str) -> str | None:
    """A name as an image's id, or None: absolute, climbing out, not UTF-8, or endless."""
    parts = name.replace("\\", "/").split("/")
    if (name and not parts[0]) or ".." in parts or "\0" in name:
        return None
    try:
        long = len(name.encode()) > _MAX_NAME
    except UnicodeEncodeError:
        return None
    return None if long else "/".join(part for part in parts if part not in ("", "."))


def class_number(text: str, where: str) -> int:
    """A label written as text; DataError where it is no class number."""
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise DataError(f"{where}: label '{text.strip()[:40]}' is not a class number")
    return int(text)
