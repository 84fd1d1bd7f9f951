"""Which arrays of a file are the images and their labels, and labels as arrays hold them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..listener import Listener
from ..spelling import option
from .label_sets import LabelSets
from .masks import MaskArray

# Usual names, in the order of trying; "test" stands before what holds it beside "train".
_PAIRS = (
    ("images", "labels"),
    ("x_test", "y_test"),
    ("test_images", "test_labels"),
    ("test_x", "test_y"),
    ("test_data", "test_labels"),
    ("image", "label"),
    ("x", "y"),
    ("data", "labels"),
    ("data", "label"),
    ("data", "target"),
    ("images", "targets"),
    ("x_val", "y_val"),
    ("val_images", "val_labels"),
    ("x_train", "y_train"),
    ("train_images", "train_labels"),
)
_MOST_BYTES = 1 << 30
LONGEST_NAME = 1000


# What images are compared with: a class, a set of labels, a mask, or nothing that is read.
Held = Literal["class", "sets", "masks", "none"]
_MASKS = (("images", "masks"), ("image", "mask"), ("x", "masks"), ("data", "masks"))
# Of the images and of the labels, as options name them; None: the usual one.
ArrayNames = tuple[str | None, str | None]


def choose_arrays(
    path: Path,
    stored: Sequence[str],
    asked: ArrayNames,
    shapes: Callable[[], dict[str, tuple[int, ...]]],
    listener: Listener,
    held: Held = "class",
) -> tuple[str, str | None]:
    """Names of the arrays of images and of labels; None where there are no labels, nor needed.

    Parameters
    ----------
    stored : sequence of str
        Names of all arrays in the file.
    asked : (str or None, str or None)
        As given by options.
    shapes : callable
        Reads the shapes, for messages.

    Raises
    ------
    DataError
        One that was asked for is missing, or none has a usual name; lists what is there.
    """
    spelled = {name.lower(): name for name in reversed(stored)}
    usual_pairs = (*_MASKS, *_PAIRS) if held in ("masks", "none") else _PAIRS
    for pair in usual_pairs:
        images, labels = (
            spelled.get(usual) if given is None else given
            for given, usual in zip(asked, pair, strict=True)
        )
        if images in stored and labels in stored and images != labels:
            assert images is not None
            assert labels is not None
            others = [name for name in stored if name not in (images, labels)]
            if (images, labels) != _PAIRS[0] and None in asked:
                beside = f" (beside {', '.join(others[:6])})" if others else ""
                listener.note(f"arrays: images '{images}', labels '{labels}'{beside}")
            return images, labels
    if held == "none" and asked[1] is None:
        for usual, _ in _PAIRS:
            alone = spelled.get(usual) if asked[0] is None else asked[0]
            if alone in stored:
                return str(alone), None
    missing = [f"'{name}'" for name in asked if name is not None and name not in stored][:1]
    missing = missing or [
        f"'{usual}'"
        for usual, given in zip(_PAIRS[0], asked, strict=True)
        if given is None and usual not in spelled
    ]
    listed = ", ".join(
        f"'{name[:60]}' {' x '.join(map(str, shape or ())) or 'single'}"
        for name, shape in islice(shapes().items(), 12)
    )
    names = " and none named ".join(missing) or "'labels'"
    raise DataError(
        f"{path}: holds no array named {names}, but {listed or 'nothing'}; name them with "
        f"{option('image_column')} and {option('label_column')}"
    )


def held_against(
    path: Path, name: str, labels: Any, ids: list[str], held: Held
) -> LabelSets | MaskArray | None:
    """Sets of labels, or masks, as an array holds them; None where it holds classes.

    Sets are rows of 0 and 1, a column for each of the model's classes; masks whole numbers in
    shape (n, height, width).

    Raises
    ------
    DataError
    """
    if held not in ("sets", "masks"):
        return None
    shape, kind = tuple(labels.shape), labels.dtype.kind
    where = f"{path}: '{name}' is {labels.dtype} {shape}"
    if held == "masks":
        sides = [side for side in shape[1:] if side != 1]
        if shape[:1] != (len(ids),) or len(sides) != 2 or kind not in "iub":
            raise DataError(
                f"{where}; a mask of whole numbers for each of {len(ids)} images is needed, shape "
                "(n, height, width)"
            )
        return MaskArray(path, labels, {each: row for row, each in enumerate(ids)})
    if len(shape) != 2 or shape[0] != len(ids) or kind not in "iubf":
        raise DataError(
            f"{where}, and the model gives several labels an image: rows of 0 and 1 are needed, "
            f"one for each of {len(ids)} images, with a column for each class of the model"
        )
    rows = np.asarray(labels)
    if not ((rows == 0) | (rows == 1)).all():
        raise DataError(f"{where}; a class has 0 or 1, and here are other numbers")
    words = tuple(map(str, range(shape[1])))
    sets = {
        each: tuple(words[place] for place in np.flatnonzero(row))
        for each, row in zip(ids, rows, strict=True)
    }
    return LabelSets(path, sets, {}, words, whole=True)


def label_name(images: str, stored: Sequence[str]) -> str | None:
    """Which array of a file holds the labels of one with images, by the usual names; or None."""
    usual = [labels for name, labels in _PAIRS if name == images.lower()]
    spelled = {name.lower(): name for name in reversed(stored)}
    return next((spelled[name] for name in usual if name in spelled), None)


def images_last(images: tuple[int, ...], labels: tuple[int, ...]) -> bool:
    """Whether images lie along the last axis, H x W x C x N, going by the labels' number."""
    count = max(labels, default=0)
    return (
        len(images) == 4
        and images[2] in (1, 3, 4)
        and images[3] == count
        and (images[0] != count or images[1] not in (1, 3))
        and images[3] not in (1, 3)
    )


def label_numbers(
    path: Path, labels: Any, images: int
) -> tuple[NDArray[np.int64], list[str] | None]:
    """Labels as numbers, with the names that they stand for where they are text.

    One integer an image, in shape (n,), (n, 1) or (1, n); floats that are whole numbers; rows of
    zeros with a single one; or text.

    Raises
    ------
    DataError
    """
    shape, kind = tuple(labels.shape), labels.dtype.kind
    needed = f"{path}: labels are {labels.dtype} {shape}; one integer per image is needed"
    size = math.prod(shape)
    if not shape or size * labels.dtype.itemsize > _MOST_BYTES or kind not in "iubfUSO":
        raise DataError(needed)
    if shape[0] != images and size != images:
        raise DataError(f"{needed}, for {images} images")
    if kind in "USO":
        if size != images or (kind == "O" and not hasattr(labels, "asstr")):
            raise DataError(needed)
        return _text_labels(labels, needed)
    values = np.asarray(labels)
    if values.size == images:
        values = values.reshape(-1)
    if values.ndim == 2 and values.dtype.kind in "iubf":
        return _hot(values, needed), None
    whole = values.dtype.kind in "iub" or bool(
        values.ndim == 1
        and np.isfinite(values).all()
        and (values == np.rint(values)).all()
        and (np.abs(values) < 2**31).all()
    )
    if values.ndim != 1 or not whole:
        raise DataError(needed)
    return values.astype(np.int64), None


def _text_labels(labels: Any, needed: str) -> tuple[NDArray[np.int64], list[str] | None]:
    stored = labels.asstr(errors="replace")[...] if labels.dtype.kind == "O" else np.asarray(labels)
    texts = [
        name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        for name in stored.reshape(-1)
    ]
    if any(len(text) > LONGEST_NAME for text in texts):
        raise DataError(f"{needed}: a name is longer than {LONGEST_NAME} characters")
    return numbered(texts)


def numbered(texts: Sequence[str]) -> tuple[NDArray[np.int64], list[str] | None]:
    """Labels that are text: the numbers that they write; or places in the sorted list of names."""
    names = sorted(set(texts))
    if all(name.isascii() and name.isdecimal() and len(name) < 10 for name in names):
        return np.array([int(text) for text in texts], np.int64), None
    place = {name: number for number, name in enumerate(names)}
    return np.array([place[text] for text in texts], np.int64), names


def _hot(rows: NDArray[Any], needed: str) -> NDArray[np.int64]:
    """Classes of rows that are zero but for a single one."""
    if rows.shape[1] < 2 or not ((rows == 0) | (rows == 1)).all():
        raise DataError(needed)
    if (rows.sum(axis=1) != 1).any():
        raise DataError(f"{needed}: here rows have no class, or several")
    return np.asarray(rows.argmax(axis=1), np.int64)
