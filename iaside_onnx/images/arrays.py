"""Images in one array: ``.npz``, ``.npy`` and HDF5, read in place where the file allows it."""

from __future__ import annotations

import math
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import DataError, PictureError, one_line
from ..listener import Listener
from ..spelling import option
from ..storage.npy_file import read_header
from .array_labels import (
    ArrayNames,
    Held,
    choose_arrays,
    held_against,
    images_last,
    label_name,
    label_numbers,
)
from .pictures import MAX_BYTES, ImageSource, check_bytes, check_pixels

# The most that a compressed .npz may unpack to; it has to be held in memory.
MAX_UNPACKED = 4 << 30
MAX_IMAGES = 1 << 24
# No deflated stream unpacks to more than 1032 times its size (zlib technical notes).
_DEFLATE_RATIO = 1032
_BLOCK = 1 << 20
_MOST_NAMES = 1000
# Groups in groups that are looked into.
_DEEPEST = 2
_SEVERITY_ROWS = 10_000
ARRAY_SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
_LOCAL_HEADER = 30
# HDF5's own filters and LZF; any other is code that the library would load from a folder.
_FILTERS = {1, 2, 3, 4, 5, 6, 32000}


@dataclass
class ArrayImages(ImageSource):
    """Images held in one array of n x H x W x C (a numpy array, or an open HDF5 dataset)."""

    images: Any
    channels_first: bool
    source: str

    def content(self, index: int) -> bytes:
        """The array's bytes."""
        try:
            return np.ascontiguousarray(self.images[index]).tobytes()
        except (OSError, RuntimeError, ValueError) as error:  # a damaged chunk, a file cut off
            raise PictureError(self.where(index), "its data are damaged") from error

    def where(self, index: int) -> str:
        """The file's path and the row."""
        return f"{self.source}: image {self.ids[index]}"

    def decoded(self, index: int, content: bytes) -> NDArray[Any]:
        """Image as H x W x C, uint8 or float32; PictureError for floats outside [0, 1]."""
        pixels = np.frombuffer(content, self.images.dtype).reshape(self.images.shape[1:])
        if pixels.ndim == 2:
            pixels = pixels[:, :, None]
        elif self.channels_first:
            pixels = np.moveaxis(pixels, 0, -1)
        if pixels.dtype == np.uint8:
            return pixels
        pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise PictureError(self.where(index), "values that are not finite")
        if not (pixels.min() >= 0.0 and pixels.max() <= 1.0):
            reason = "float values outside [0, 1]: divide by 255 or store uint8"
            raise PictureError(self.where(index), reason)
        return pixels


def npz_images(
    path: Path, names: ArrayNames, listener: Listener, held: Held = "class"
) -> ArrayImages:
    """Images and labels of a ``.npz``; uncompressed images stay on disk.

    Parameters
    ----------
    names : (str or None, str or None)
        Names of the arrays of images and labels; None: the usual ones.
    held : str
        What images are compared with, which labels have to be.

    Raises
    ------
    DataError
        Not a ``.npz``, damaged, an array missing or unusable, or more than `MAX_UNPACKED`
        compressed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]

            def shapes() -> dict[str, tuple[int, ...]]:
                return {name: _shape(archive, name) for name in members[:_MOST_NAMES]}

            pair = choose_arrays(path, members, names, shapes, listener, held)
            images = _npz_array(path, archive, pair[0], in_place=True)
            labels = None
            if pair[1] is not None and held != "none":
                labels = _npz_array(path, archive, pair[1], in_place=held == "masks")
    except DataError:
        raise
    except Exception as error:  # zip, header and dtype errors have no common base
        raise DataError(f"{path}: cannot be read as .npz ({one_line(error)})") from error
    return _array_images(path, pair, images, labels, held)


def npy_images(
    path: Path, labels: Path | None, listener: Listener, held: Held = "class"
) -> ArrayImages:
    """Images of a ``.npy`` in place, with labels of another: ``labels.npy`` beside it.

    Raises
    ------
    DataError
    """
    beside = labels or path.parent / "labels.npy"
    if held == "none":
        there = beside.name if beside.is_file() and beside != path else None
        return _array_images(path, (path.name, there), _npy_array(path), None, held)
    if not beside.is_file() or beside == path:
        raise DataError(
            f"{path}: holds no labels; put labels.npy beside it, or give "
            f"{option('labels', like='FILE.npy')}"
        )
    images, numbers = _npy_array(path), _npy_array(beside)
    if labels is None:
        listener.note(f"labels: {beside.name} beside the images")
    if len(images.shape) == 4 and numbers.shape[:1] == images.shape[:1] == (5 * _SEVERITY_ROWS,):
        listener.warning(
            "50,000 rows as CIFAR-10-C has them, five severities of 10,000 each: all are taken "
            "together; save the rows of one severity to audit it alone"
        )
    stored = numbers if held == "masks" else numbers.whole()
    return _array_images(path, (path.name, beside.name), images, stored, held)


def _npy_array(path: Path) -> _InPlace:
    """The array of a ``.npy``, left in place."""
    try:
        with path.open("rb") as stream:
            shape, fortran, dtype = read_header(stream)
            start = stream.tell()
        count = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or fortran or min(shape, default=0) < 0:
            raise DataError(f"{path}: cannot be read: an array of numbers in C order is needed")
        if start + count != path.stat().st_size:
            raise DataError(f"{path}: declares {count:,} bytes of data and holds another number")
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as .npy ({one_line(error)})") from error
    return _InPlace(path, start, shape, dtype)


@dataclass(frozen=True)
class _InPlace:
    """An array that lies in a file as it is in memory, read image by image."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, index: int) -> NDArray[Any]:
        count = math.prod(self.shape[1:])
        start = self.offset + index * count * self.dtype.itemsize
        # Fewer values than asked for, of a file that has become shorter, do not fit the shape.
        return np.fromfile(self.path, self.dtype, count, offset=start).reshape(self.shape[1:])

    def whole(self) -> NDArray[Any]:
        """All of it, in memory."""
        return np.fromfile(self.path, self.dtype, offset=self.offset).reshape(self.shape)


def _shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    with archive.open(f"{name}.npy") as stream:
        return read_header(stream)[0]


def _npz_array(path: Path, archive: zipfile.ZipFile, name: str, *, in_place: bool) -> Any:
    """One member, left in place where it is stored as it is, else unpacked within bounds."""
    entry = archive.getinfo(f"{name}.npy")
    with archive.open(entry) as stream:
        shape, fortran, dtype = read_header(stream)
        header = stream.tell()
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or min(shape, default=0) < 0:
            raise DataError(f"{path}: cannot be read: '{name}' holds Python objects, not numbers")
        if header + size != entry.file_size:
            raise DataError(
                f"{path}: '{name}' declares {size:,} bytes but holds {entry.file_size - header:,}"
            )
        if entry.compress_type == zipfile.ZIP_STORED and in_place and not fortran:
            while stream.read(_BLOCK):  # to the end, where the checksum is compared
                pass
            return _InPlace(path, _data_offset(path, entry) + header, shape, dtype)
    if size > MAX_UNPACKED or entry.file_size > _DEFLATE_RATIO * entry.compress_size + _BLOCK:
        raise DataError(
            f"{path}: '{name}' unpacks to {size:,} bytes in memory, more than the "
            f"{MAX_UNPACKED:,} allowed; write it with numpy.savez (uncompressed, in C order), "
            "which is read in place"
        )
    with archive.open(entry) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _data_offset(path: Path, entry: zipfile.ZipInfo) -> int:
    """Where a member's data begin: behind its local header, name and extra field."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = struct.unpack("<26xHH", file.read(_LOCAL_HEADER))
    return int(entry.header_offset + _LOCAL_HEADER + name + extra)


def hdf5_images(
    path: Path, names: ArrayNames, listener: Listener, held: Held = "class"
) -> ArrayImages:
    """Images and labels of an HDF5 file; images stay on disk. Arguments as of `npz_images`."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        if "lock" in str(error).lower():
            raise DataError(
                f"{path}: is locked by another program that has it open for writing; close it "
                "there and try again"
            ) from error
        raise DataError(f"{path}: cannot be read as HDF5") from error
    try:
        arrays = dict(_datasets(file))

        def shapes() -> dict[str, tuple[int, ...]]:
            return {name: dataset.shape for name, dataset in arrays.items()}

        pair = choose_arrays(path, list(arrays), names, shapes, listener, held)
        images = arrays[pair[0]]
        labels = None if pair[1] is None or held == "none" else arrays[pair[1]]
        _check_count(path, images.shape)
        for name in (pair[0],) if labels is None else pair:
            _check_storage(path, str(name), arrays[str(name)])
        return _array_images(path, pair, images, labels, held)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{path}: cannot be read as HDF5: it is damaged") from error


def array_beside(path: Path, clean: ArrayImages, times: int = 1) -> tuple[ArrayImages, str]:
    """The images of an array file that are other forms of an array's own, in its order.

    Parameters
    ----------
    path : Path
        ``.npy``, ``.npz`` or ``.h5``; labels in it must be those of the clean images.
    times : int
        How often each image is there: all of them, and all of them again.

    Returns
    -------
    images : ArrayImages
    name : str
        Of the array in the file, for `stored_array`.

    Raises
    ------
    DataError
        No array of that shape and type, or several, or other labels.
    """
    wanted = (times * clean.images.shape[0], *clean.images.shape[1:])
    with _reading(path):
        shapes = array_shapes(path)
    names = [name for name, shape in shapes.items() if shape == wanted]
    if len(names) != 1:
        found = ", ".join(f"{name[:60]} {' x '.join(map(str, shape))}"
                          for name, shape in islice(shapes.items(), 12))  # fmt: skip
        which = "several arrays" if names else "no array"
        todo = "save the perturbed one alone" if names else "images must be the same, in one order"
        raise DataError(
            f"{path}: holds {which} of shape {' x '.join(map(str, wanted))}, as the images of "
            f"{clean.source} have, but {found or 'nothing'}; {todo}"
        )
    images = stored_array(path, names[0])
    if images.dtype != clean.images.dtype:
        raise DataError(
            f"{path}: images are {images.dtype}, those of {clean.source} are "
            f"{clean.images.dtype}; store both alike"
        )
    labels = np.tile(clean.labels, times)
    if (partner := label_name(names[0], list(shapes))) is not None:
        stored = stored_array(path, partner, in_place=False)
        check_same_labels(path, stored, labels, clean.class_names, clean.source)
    ids = [f"{index:08d}" for index in range(wanted[0])]
    return ArrayImages(ids, labels, None, images, clean.channels_first, str(path)), names[0]


def check_same_labels(
    path: Path, stored: Any, labels: NDArray[np.int64], names: list[str] | None, clean: str
) -> None:
    """Refuse labels in a file that are not those of the clean images.

    Where both are numbers, or both names, they are the same; numbers and names have to go together.
    `names` are those that the clean labels stand for, None where these are numbers.
    """
    with _reading(path):
        own, own_names = label_numbers(path, stored, len(labels))
    if names is None and own_names is None:
        same = np.array_equal(own, labels)
    elif names is not None and own_names is not None and set(own_names) <= set(names):
        places = np.array([names.index(name) for name in own_names], np.int64)
        same = np.array_equal(places[own], labels)
    else:
        together = set(zip(own.tolist(), labels.tolist(), strict=True))
        same = len(together) == len(set(own.tolist())) == len(set(labels.tolist()))
    if not same:
        raise DataError(
            f"{path}: its labels are not those of {clean}; the images must be the same ones in the "
            "same order"
        )


def stored_array(path: Path, name: str, *, in_place: bool = True) -> Any:
    """An array of a file, where it lies if the file allows it; that of an ``.npy`` has any name.

    Raises
    ------
    DataError
    """
    with _reading(path):
        if path.suffix.lower() == ".npy":
            array = _npy_array(path)
            return array if in_place else array.whole()
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                return _npz_array(path, archive, name, in_place=in_place)
        dataset = dict(_datasets(h5py.File(path, "r")))[name]
        _check_storage(path, name, dataset)
        return dataset


def array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of a file by name; an ``.npy`` holds one."""
    if path.suffix.lower() == ".npy":
        return {path.name: _npy_array(path).shape}
    if path.suffix.lower() == ".npz":
        with zipfile.ZipFile(path) as archive:
            names = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
            return {name: _shape(archive, name) for name in names[:_MOST_NAMES]}
    with h5py.File(path, "r") as file:
        return {name: each.shape or () for name, each in _datasets(file)}


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever readers of arrays raise into one line."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # zip, header, HDF5 and dtype errors have no common base
        raise DataError(f"{path}: cannot be read as an array ({one_line(error)})") from error


def _check_storage(path: Path, name: str, dataset: h5py.Dataset) -> None:
    """Refuse filters that are code from elsewhere, huge chunks, and data that are not there."""
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(number)[0] for number in range(plan.get_nfilters())}
    if filters - _FILTERS:
        raise DataError(
            f"{path}: '{name}' is compressed in a way that needs a plug-in (filters "
            f"{sorted(filters)}); store it with gzip or uncompressed"
        )
    chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
    if chunk > MAX_BYTES:
        raise DataError(
            f"{path}: '{name}' has chunks of {chunk:,} bytes, the most are {MAX_BYTES:,}; store it "
            "with smaller chunks"
        )
    if dataset.chunks is None:
        missing = dataset.id.get_storage_size() < dataset.size * dataset.dtype.itemsize
    else:
        sides = zip(dataset.shape, dataset.chunks, strict=True)
        missing = dataset.id.get_num_chunks() < math.prod(-(-side // step) for side, step in sides)
    if missing:  # HDF5 would read zeros
        raise DataError(
            f"{path}: '{name}' claims {dataset.size:,} values, and the file holds fewer: it was "
            "not written to the end, or made to look larger than it is"
        )


def _check_count(path: Path, shape: tuple[int, ...] | None) -> None:
    if shape and shape[0] > MAX_IMAGES:
        raise DataError(f"{path}: declares {shape[0]:,} images, the most are {MAX_IMAGES:,}")


def _datasets(group: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Datasets in a group and those below it that lie in the file itself, by their paths."""
    for name in list(group)[:_MOST_NAMES]:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Group) and depth < _DEEPEST:
            yield from _datasets(item, f"{prefix}{name}/", depth + 1)
        # Not where the raw data are in other files.
        elif isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
            yield prefix + name, item


def _array_images(
    path: Path, pair: tuple[str, str | None], images: Any, labels: Any, held: Held
) -> ArrayImages:
    """Images with their labels, which are None where nothing is compared with them."""
    shape = images.shape
    known = labels is None or labels.shape is not None
    if images.dtype is None or shape is None or not known:
        raise DataError(f"{path}: '{pair[0]}' or '{pair[1]}' holds nothing")
    text = f"{path}: images have shape {shape}"
    if len(shape) not in (3, 4) or 0 in shape:
        raise DataError(f"{text}; n x H x W x C is needed")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise DataError(f"{path}: images are {images.dtype}; uint8 or float in [0, 1] is needed")
    if images_last(shape, () if labels is None else labels.shape):
        raise DataError(
            f"{text}, which is H x W x C x N, as MATLAB and SVHN have it; n x H x W x C is needed: "
            "save images.transpose(3, 0, 1, 2)"
        )
    _check_count(path, shape)
    ids = [f"{index:08d}" for index in range(shape[0])]
    numbers: NDArray[np.int64] = np.zeros(len(ids), np.int64)
    names = truths = None
    if labels is not None:
        truths = held_against(path, str(pair[1]), labels, ids, held)
        if truths is None:
            numbers, names = label_numbers(path, labels, shape[0])
    first = len(shape) == 4 and shape[1] in (1, 3)
    last = len(shape) == 4 and shape[3] in (1, 3)
    if len(shape) == 4 and first == last:
        raise DataError(f"{text}; exactly one of the axes 1 and 3 must be 1 or 3 channels long")
    height, width = shape[2:] if first else shape[1:3]
    check_pixels(height, width, str(path))
    check_bytes(math.prod(shape[1:]) * images.dtype.itemsize, str(path))
    unused = None
    if held == "none" and pair[1] is not None:
        unused = f"labels '{pair[1]}' beside the images of {path} are not used"
    return ArrayImages(
        ids, numbers, names, images, first, str(path), naming="words", truths=truths, unused=unused
    )
