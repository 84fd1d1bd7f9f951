"""Labelled images: folders, label files and arrays, and the seeded sample drawn from them."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".gif"})
_EXIF_ORIENTATION = 0x0112
# Colour pictures come as pillow images; arrays as H x W x C, uint8 or float in [0, 1].
Picture = Image.Image | NDArray[Any]


class ImageSource(Protocol):
    """Labelled images in a fixed order."""

    ids: list[str]
    labels: NDArray[np.int64]
    class_names: list[str] | None

    def picture(self, index: int) -> Picture:
        """Image number `index`, decoded."""

    def content(self, index: int) -> bytes:
        """The bytes that make image number `index`, for the digest."""


@dataclass
class PhotoFiles:
    """Picture files below one folder; ids are relative POSIX paths."""

    root: Path
    ids: list[str]
    labels: NDArray[np.int64]
    class_names: list[str] | None = None

    def picture(self, index: int) -> Image.Image:
        """The file, decoded; DataError names one that cannot be."""
        path = self.root / self.ids[index]
        try:
            picture = Image.open(path)
            picture.load()
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = str(error).replace(str(self.root), "").strip() or type(error).__name__
            raise DataError(
                f"{path}: cannot be read as a picture ({reason}): replace it or leave it out"
            ) from error
        return picture

    def content(self, index: int) -> bytes:
        """The file's bytes."""
        try:
            return (self.root / self.ids[index]).read_bytes()
        except OSError as error:
            raise DataError(f"{self.root / self.ids[index]}: {error.strerror}") from error


@dataclass
class ArrayImages:
    """Images held in one array of n x H x W x C (a numpy array, or an open HDF5 dataset)."""

    ids: list[str]
    labels: NDArray[np.int64]
    images: Any
    channels_first: bool
    source: str
    class_names: list[str] | None = None

    def picture(self, index: int) -> NDArray[Any]:
        """Image as H x W x C, uint8 or float32; DataError for floats outside [0, 1]."""
        pixels = np.asarray(self.images[index])
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        elif self.channels_first:
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.dtype != np.uint8:
            pixels = pixels.astype(np.float32)
            # Not-a-number fails both comparisons and is refused with the rest.
            if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
                raise DataError(
                    f"{self.source}: image {self.ids[index]} has float values outside [0, 1]: "
                    "divide by 255 or store uint8"
                )
        return pixels

    def content(self, index: int) -> bytes:
        """The array's bytes."""
        return np.ascontiguousarray(self.images[index]).tobytes()


def open_images(path: Path, labels: Path | None = None) -> ImageSource:
    """Open a folder, an ``.npz`` or an ``.h5`` as labelled images.

    Parameters
    ----------
    path : Path
        A folder with one sub-folder per class (sorted names are classes 0, 1, ...), any folder
        together with `labels`, or an array file with ``images`` and ``labels``.
    labels : Path, optional
        A CSV file with the columns ``file`` (relative to `path`) and ``label`` (an integer).

    Raises
    ------
    DataError
        Nothing there, no images, unreadable labels, or an ambiguous array.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.is_dir():
        return _labelled_files(path, labels) if labels is not None else _class_folders(path)
    if labels is not None:
        raise DataError(f"--labels goes with a folder; {path} brings its own labels")
    if path.suffix.lower() == ".npz":
        return _npz_images(path)
    if path.suffix.lower() in {".h5", ".hdf5"}:
        return _hdf5_images(path)
    raise DataError(f"{path}: images are read from a folder, a .npz or a .h5 file")


def _class_folders(root: Path) -> PhotoFiles:
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    ids: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(
            file.relative_to(root).as_posix()
            for file in (root / name).rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file()
        )
        ids += files
        labels += [label] * len(files)
    if not ids:
        table = next(iter(sorted(root.glob("*.csv"))), None)
        hint = f"--labels {table}" if table else "--labels FILE.csv (columns file,label)"
        raise DataError(
            f"{root}: no pictures in class sub-folders; make one sub-folder per class or give "
            f"{hint}"
        )
    return PhotoFiles(root, ids, np.array(labels, np.int64), classes)


def _labelled_files(root: Path, table: Path) -> PhotoFiles:
    ids: list[str] = []
    labels: list[int] = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "label"} <= set(rows.fieldnames or ()):
                raise DataError(f"{table}: the first line must name the columns file,label")
            for number, row in enumerate(rows, start=2):
                name, label = (row["file"] or "").strip(), (row["label"] or "").strip()
                inside = PurePosixPath(name.replace("\\", "/"))
                if not name or inside.is_absolute() or ".." in inside.parts or ":" in name:
                    raise DataError(
                        f"{table}, line {number}: file '{name}' must be a path inside {root}"
                    )
                if not label.lstrip("-").isdigit():
                    raise DataError(
                        f"{table}, line {number}: label '{label}' is not a class number"
                    )
                ids.append(inside.as_posix())
                labels.append(int(label))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read as a CSV file ({error})") from error
    missing = next((name for name in ids if not (root / name).is_file()), None)
    if missing is not None:
        raise DataError(f"{table}: names {missing}, which is not in {root}")
    if not ids:
        raise DataError(f"{table}: lists no images")
    if len(set(ids)) != len(ids):
        raise DataError(f"{table}: lists an image more than once")
    return PhotoFiles(root, ids, np.array(labels, np.int64))


def _npz_images(path: Path) -> ArrayImages:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in ("images", "labels") if name in arrays}
    except Exception as error:  # zip, header and dtype errors have no common base
        raise DataError(f"{path}: cannot be read as .npz ({error})") from error
    return _array_images(path, held)


def _hdf5_images(path: Path) -> ArrayImages:
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: cannot be read as HDF5") from error
    held = {
        name: file[name]
        for name in ("images", "labels")
        if isinstance(file.get(name, getlink=True), h5py.HardLink)
        and isinstance(file[name], h5py.Dataset)
        and not file[name].external  # raw data in other files
        and not file[name].is_virtual
    }
    return _array_images(path, held)


def _array_images(path: Path, held: dict[str, Any]) -> ArrayImages:
    for name in ("images", "labels"):
        if name not in held:
            raise DataError(f"{path}: holds no array named '{name}'")
    images, labels = held["images"], np.asarray(held["labels"])
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise DataError(f"{path}: images have shape {images.shape}; n x H x W x C is needed")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{path}: images are {images.dtype}; uint8 or float in [0, 1] is needed")
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: labels are {labels.dtype} {labels.shape}; one integer per image is needed"
        )
    first = images.ndim == 4 and images.shape[1] in (1, 3)
    last = images.ndim == 4 and images.shape[3] in (1, 3)
    if images.ndim == 4 and first == last:
        raise DataError(
            f"{path}: images have shape {images.shape}; exactly one of the axes 1 and 3 must be "
            "1 or 3 channels long"
        )
    ids = [f"{index:08d}" for index in range(len(labels))]
    return ArrayImages(ids, labels.astype(np.int64), images, first, str(path))


@dataclass
class Sample:
    """The images of one audit: chosen from a source, in a fixed order.

    Attributes
    ----------
    ids : list of str
    labels : ndarray of int64, shape (K,)
        As the source gives them, before any label offset.
    class_names : list of str or None
    """

    source: ImageSource
    chosen: NDArray[np.intp]
    ids: list[str] = field(init=False)
    labels: NDArray[np.int64] = field(init=False)
    class_names: list[str] | None = field(init=False)

    def __post_init__(self) -> None:
        self.ids = [self.source.ids[index] for index in self.chosen]
        self.labels = self.source.labels[self.chosen]
        self.class_names = self.source.class_names

    def __len__(self) -> int:
        return len(self.ids)

    def picture(self, position: int) -> Picture:
        """Image at a position of the sample, decoded."""
        return self.source.picture(int(self.chosen[position]))

    @cached_property
    def image_digests(self) -> NDArray[np.uint8]:
        """SHA-256 of each image's content, shape (K, 32)."""
        made = [hashlib.sha256(self.source.content(int(index))).digest() for index in self.chosen]
        return np.frombuffer(b"".join(made), np.uint8).reshape(len(made), -1)

    def digest(self) -> str:
        """SHA-256 over ids, labels and contents, in order."""
        total = hashlib.sha256()
        for name, label, content in zip(self.ids, self.labels, self.image_digests, strict=True):
            total.update(f"{name}\0{int(label)}\0".encode() + content.tobytes())
        return total.hexdigest()


def draw_sample(source: ImageSource, size: int, seed: int) -> Sample:
    """Draw a stratified, seeded sample, kept in the order of the source.

    Classes keep their shares of the whole (largest remainders, ties by the seed), so the
    sample's mean estimates the whole set's.

    Parameters
    ----------
    size : int
        Images wanted; 0, or more than there are, takes all.
    """
    total = len(source.ids)
    if size < 0:
        raise DataError(f"--samples {size}: give 0 for all images or a positive number")
    if size == 0 or size >= total:
        return Sample(source, np.arange(total))
    rng = np.random.default_rng(seed)
    classes, members = np.unique(source.labels, return_inverse=True)
    shares = np.bincount(members) * size / total
    counts = np.floor(shares).astype(int)
    order = np.lexsort((rng.random(len(classes)), counts - shares))
    counts[order[: size - counts.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(members == position), count, replace=False)
        for position, count in enumerate(counts)
    ]
    return Sample(source, np.sort(np.concatenate(chosen)))


def picture_oddities(pictures: Iterable[Picture]) -> tuple[int, int]:
    """Count pictures that carry an EXIF rotation, and those of 16 bits or more a channel."""
    files = [picture for picture in pictures if isinstance(picture, Image.Image)]
    rotated = sum(picture.getexif().get(_EXIF_ORIENTATION, 1) != 1 for picture in files)
    deep = sum(picture.mode.startswith("I") for picture in files)
    return rotated, deep
