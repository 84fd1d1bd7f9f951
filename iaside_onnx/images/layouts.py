"""Sets of perturbed pictures as they are published: which perturbations and severities they hold.

ImageNet-C lies in folders, ``gaussian_noise/3/n01440764/x.JPEG``, its archives one level deeper
(``noise/gaussian_noise/3/...``); CIFAR-10-C in arrays, ``gaussian_noise.npy`` with five severities
one after the other beside ``labels.npy``. Any other folder or file holds one perturbation.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..storage.regular_file import check_regular, why
from .arrays import ArrayImages, array_shapes, check_same_labels, stored_array
from .pairs import Pairs, holds_pairs, matched, photo_files, rows_beside
from .sample import Sample
from .tree import entries, is_litter

SEVERITIES = ("1", "2", "3", "4", "5")
_LABELS = "labels.npy"
_LONGEST_NAME = 64


@dataclass(frozen=True)
class Place:
    """Where the pictures of one perturbation lie.

    Attributes
    ----------
    name : str
        As a result has it: letters, digits and harmless signs.
    path : Path
        A folder, or an array file.
    severities : tuple of int
        Those that are there; empty for a perturbation that has none.
    """

    name: str
    path: Path
    severities: tuple[int, ...] = ()

    def pairs(self, sample: Sample, clean: Path, severity: int | None = None) -> Pairs:
        """Its pictures of a sample, at one of its severities if it has any."""
        if severity is None:
            return Pairs.of(sample, self.path, clean)
        if self.path.is_dir():
            folder = self.path / str(severity)
            names = matched(sample, folder, clean)
            return Pairs(sample, photo_files(folder, names), np.arange(len(names)), self.name)
        source, array = rows_beside(sample, self.path, clean, len(self.severities))
        rows = sample.chosen + len(sample.source.ids) * self.severities.index(severity)
        return Pairs(sample, source, rows, self.name, (self.path, array))


def places(sample: Sample, path: Path, clean: Path) -> list[Place]:
    """Perturbations that a folder or file holds of a sample, in the order of their names.

    Parameters
    ----------
    clean : Path
        Where the sample comes from, for messages.

    Raises
    ------
    DataError
        It cannot be read, or its labels are not those of the sample.
    """
    check_regular(path, DataError)
    try:
        if not path.is_dir():
            return [_array(sample, path)]
        if not holds_pairs(sample, path):
            found = list(_arrays(sample, path, clean)) or list(_folders(path))
            if found:
                return sorted(found, key=lambda place: place.name)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({why(error)})") from error
    return [Place(place_name(path), path)]


def place_name(path: Path) -> str:
    """What results call the pictures at a place, where no other has that name."""
    whole = path.absolute()
    return _name(whole.name if path.is_dir() else whole.stem)


def names_apart(paths: Sequence[Path]) -> list[str]:
    """What results call the pictures at several places; see `named_apart`."""
    return [each.name for each in named_apart([Place(place_name(path), path) for path in paths])]


def _name(text: str) -> str:
    """The name of a folder or file as results take it."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "_", text).lstrip("_.+-")[:_LONGEST_NAME]
    return plain or "perturbed"


def named_apart(found: list[Place]) -> list[Place]:
    """Places of one name with those of the folders that they lie in before it."""
    counts = Counter(each.name for each in found)
    return [
        replace(each, name=_name(f"{each.path.absolute().parent.name}-{each.name}"))
        if counts[each.name] > 1
        else each
        for each in found
    ]


def _array(sample: Sample, path: Path) -> Place:
    """An array file: of one perturbation, or of one at several severities."""
    images = len(sample.source.ids)
    several: tuple[int, ...] = ()
    if isinstance(sample.source, ArrayImages) and path.suffix.lower() == ".npy" and path.is_file():
        (shape,) = array_shapes(path).values()
        if shape[:1] == (len(SEVERITIES) * images,):
            several = tuple(map(int, SEVERITIES))
    return Place(place_name(path), path, several)


def _arrays(sample: Sample, folder: Path, clean: Path) -> Iterator[Place]:
    """A folder of arrays as CIFAR-10-C has it."""
    files = [name for name in entries(folder)[1] if name.endswith(".npy") and not is_litter(name)]
    names = [name for name in files if name != _LABELS]
    if names and isinstance(sample.source, ArrayImages) and _LABELS in files:
        labels, images = folder / _LABELS, len(sample.source.ids)
        (shape,) = array_shapes(labels).values()
        count = math.prod(shape[:1])
        if count not in (images, images * len(SEVERITIES)):
            raise DataError(
                f"{labels}: has {count:,} labels, and {clean} {images:,} images; give all the "
                "clean images that the set was made of, in its order"
            )
        wanted = np.tile(sample.source.labels, count // images)
        stored = stored_array(labels, "", in_place=False)
        check_same_labels(labels, stored, wanted, sample.source.class_names, str(clean))
    elif names and not isinstance(sample.source, ArrayImages):
        raise DataError(
            f"{folder}: holds arrays ({names[0]}, ...), which go with clean images in an array; "
            f"those of {clean} are pictures with names"
        )
    for name in names:
        yield _array(sample, folder / name)


def _folders(folder: Path) -> Iterator[Place]:
    """Folders that hold nothing but folders of severities: this one, or those below it."""
    if severities := _severities(folder):
        yield Place(place_name(folder), folder, severities)
        return
    for name in _visible(folder):
        if severities := _severities(folder / name):
            yield Place(_name(name), folder / name, severities)
            continue
        for inner in _visible(folder / name):
            if severities := _severities(folder / name / inner):
                yield Place(_name(inner), folder / name / inner, severities)


def _visible(folder: Path) -> list[str]:
    return [name for name in entries(folder)[0] if not is_litter(name)]


def _severities(folder: Path) -> tuple[int, ...]:
    """Severities that a folder is divided into; none where it is not."""
    names = _visible(folder)
    return tuple(map(int, names)) if set(names) <= set(SEVERITIES) else ()
