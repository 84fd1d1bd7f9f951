"""Masks: pictures whose pixels are numbers of classes, one beside each photograph."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, PictureError
from ..storage.regular_file import read_bounded
from .class_names import shown
from .pictures import MAX_BYTES, ImageSource, decode
from .tree import look_below

# Formats that keep numbers as they are, by suffix and as pillow names them.
_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif")
_FORMATS = ("PNG", "BMP", "TIFF", "GIF")
_MODES = {
    "RGB": "is a picture in colour", "RGBA": "is a picture in colour", "LA": "has transparency",
    "PA": "has transparency", "F": "holds fractions", "CMYK": "is a picture in colour",
}  # fmt: skip


class Masks(ABC):
    """The mask of each picture of a source, by the picture's id."""

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder or file that holds them."""

    @abstractmethod
    def where(self, name: str) -> str:
        """How errors name a mask."""

    @abstractmethod
    def digest(self, name: str) -> bytes:
        """SHA-256 of a mask as it is stored."""

    @abstractmethod
    def mask(self, name: str) -> NDArray[np.int32]:
        """Numbers of the classes as a mask holds them, shape (height, width)."""


@dataclass(frozen=True)
class MaskArray(Masks):
    """Masks in an array, shape (n, height, width), in the order of the images.

    Attributes
    ----------
    path : Path
    masks : array
        Anything that gives one by its place, such as an open HDF5 dataset.
    rows : dict
        Place of the mask of each picture, by the picture's id.
    """

    path: Path
    masks: Any
    rows: dict[str, int]

    @property
    def place(self) -> Path:
        """The file."""
        return self.path

    def where(self, name: str) -> str:
        """The file's path and the row."""
        return f"{self.path}: mask {name}"

    def digest(self, name: str) -> bytes:
        """SHA-256 of its size and numbers, of whatever type these are."""
        mask = self.mask(name)
        return hashlib.sha256(str(mask.shape).encode() + mask.astype("<i4").tobytes()).digest()

    def mask(self, name: str) -> NDArray[np.int32]:
        """A row, without axes of length one."""
        try:
            row = np.asarray(self.masks[self.rows[name]])
        except (OSError, RuntimeError, ValueError) as error:  # a damaged chunk, a file cut off
            raise DataError(f"{self.where(name)}: its data are damaged") from error
        return row.reshape([side for side in row.shape if side != 1] or [1, 1]).astype(np.int32)


class EncodedMasks(Masks):
    """Masks that are pictures in a file format."""

    @abstractmethod
    def content(self, name: str) -> bytes:
        """Bytes of the mask of a picture."""

    def digest(self, name: str) -> bytes:
        """SHA-256 of the bytes of a picture's mask."""
        return hashlib.sha256(self.content(name)).digest()

    def mask(self, name: str) -> NDArray[np.int32]:
        """Numbers of the classes as a picture's mask holds them, shape (height, width).

        Of a picture with a palette its places in the palette, of a grey one its levels, of one bit
        0 and 1.

        Raises
        ------
        DataError
            No picture, or one whose pixels are no numbers of classes.
        """
        path = self.where(name)
        try:
            picture = decode(self.content(name), path)
        except PictureError as error:
            raise DataError(f"{path}: cannot be read as a mask ({error.reason})") from error
        if picture.mode in _MODES:
            raise DataError(
                f"{path}: {_MODES[picture.mode]} ({picture.mode}); a mask holds numbers of "
                "classes: a PNG with a palette, or a grey one"
            )
        if picture.format not in _FORMATS:
            raise DataError(
                f"{path}: is {picture.format}, a format that changes numbers; save masks as PNG"
            )
        return np.asarray(picture).astype(np.int32)


@dataclass(frozen=True)
class MaskPictures(EncodedMasks):
    """The masks of an archive, read as its photographs are.

    Attributes
    ----------
    path : Path
        The first file.
    pictures : ImageSource
        The masks.
    rows : dict
        Place of the mask of each picture among them, by the picture's id.
    """

    path: Path
    pictures: ImageSource
    rows: dict[str, int]

    @property
    def place(self) -> Path:
        """The first file."""
        return self.path

    def where(self, name: str) -> str:
        """As errors name what lies in the archive."""
        return f"{self.pictures.where(self.rows[name])}, a mask"

    def content(self, name: str) -> bytes:
        """Bytes of the mask of a picture."""
        try:
            return self.pictures.content(self.rows[name])
        except PictureError as error:
            raise DataError(f"{self.where(name)}: cannot be read ({error.reason})") from error


@dataclass(frozen=True)
class MaskFolder(EncodedMasks):
    """The masks of a folder of pictures: one of the same name, but for its suffix.

    Attributes
    ----------
    folder : Path
    files : dict
        Path of the mask of each picture below the folder, by the picture's id.
    """

    folder: Path
    files: dict[str, str]

    @classmethod
    def of(cls, folder: Path, ids: Sequence[str]) -> MaskFolder:
        """The masks of some pictures.

        Raises
        ------
        DataError
            Pictures without a mask, or with several.
        """
        by_stem: dict[str, list[str]] = {}
        for name in look_below(folder).pictures:
            by_stem.setdefault(_stem(name), []).append(name)
        files: dict[str, str] = {}
        missing = []
        for name in ids:
            alike = by_stem.get(_stem(name), [])
            exact = [each for each in alike if each.lower().endswith(_SUFFIXES)]
            if len(exact) > 1:
                raise DataError(
                    f"{folder}: the mask of {name} may be {shown(exact, 3)}; leave one of them"
                )
            if alike and not exact:
                raise DataError(
                    f"{folder / alike[0]}: is of a format that changes numbers; save masks as PNG"
                )
            if exact:
                files[name] = exact[0]
            else:
                missing.append(name)
        if missing:
            stem = f"{_stem(missing[0])}.png"
            more = f" ({len(missing)} of {len(ids)} pictures have none)" if len(missing) > 1 else ""
            raise DataError(
                f"{folder}: has no mask for {missing[0]}: {stem} is needed{more}; names of masks "
                "are those of the pictures, below their folder, but for the suffix"
            )
        return cls(folder, files)

    @property
    def place(self) -> Path:
        """The folder."""
        return self.folder

    def where(self, name: str) -> str:
        """The path of the mask of a picture, by its id."""
        return str(self.folder / self.files[name])

    def content(self, name: str) -> bytes:
        """Bytes of the mask of a picture."""
        path = Path(self.where(name))
        try:
            return read_bounded(path, MAX_BYTES, DataError)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def _stem(name: str) -> str:
    """A name without its suffix."""
    return name[: len(name) - len(Path(name).suffix)]
