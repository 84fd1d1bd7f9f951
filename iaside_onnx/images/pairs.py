"""The user's own perturbed pictures of a sample: each image beside the one that is its clean form.

Another camera, a codec, a denoiser, a set that somebody published: whatever made them, they go the
way of the clean pictures, so they are decoded, bounded and held to their first reading alike.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import several
from ..errors import DataError, PictureError, UsageError
from ..spelling import option
from ..storage.regular_file import check_regular, why
from .arrays import ARRAY_SUFFIXES, ArrayImages, array_beside, stored_array
from .fingerprints import Fingerprints
from .folders import PhotoFiles
from .pictures import ImageSource, Picture, is_picture, size_of
from .sample import Sample
from .tree import advice, entries, is_litter

_MOST_TRIED = 100


class Pairs:
    """Perturbed pictures of a sample, one for each of its images.

    Small when pickled, so that workers elsewhere get it; they compare what they read with the
    digests in it.

    Attributes
    ----------
    name : str
        Of the folder or file.
    digest : str
        SHA-256 over the decoded pixels of each image and of its perturbed form. Neither names of
        files nor the order of the images, nor the format that they are stored in, change it.
    unchanged : int
        How many perturbed pictures have the very pixels of their clean form.
    """

    def __init__(
        self,
        sample: Sample,
        source: ImageSource,
        rows: NDArray[np.intp],
        name: str,
        place: tuple[Path, str] | None = None,
    ) -> None:
        """Read every picture once; `rows` are those of the source, in the order of the sample.

        `place` names the file and the array that an array source lies in.
        """
        self.name, self._place, self._rows = name, place, rows
        self._source: ImageSource = source
        self._known = Fingerprints()
        self._clean: list[bytes] = []
        for position in range(len(sample)):
            own, clean = size_of(self.picture(position)), sample.size(position)
            if own != clean:
                raise DataError(
                    f"{source.where(int(rows[position]))}: is {own[1]} x {own[0]} pixels, but its "
                    f"clean form, {sample.ids[position]}, {clean[1]} x {clean[0]}; bring both to "
                    "one size"
                )
            self._clean.append(sample.pixel_digest(position))
        own_digests = self._known.pixels
        self.unchanged = sum(own_digests[at] == clean for at, clean in enumerate(self._clean))
        self.digest = self.digest_of(range(len(sample)))

    @classmethod
    def of(cls, sample: Sample, folder: Path, clean: Path) -> Pairs:
        """Find the perturbed form of each image of a sample.

        Parameters
        ----------
        folder : Path
            A folder whose pictures have the paths of the sample's, suffixes aside, so that
            ``cat/1.png`` may be ``cat/1.jpg`` there; or, where the sample comes from an array, a
            ``.npy``, ``.npz`` or ``.h5`` of the same shape and type, in the same order. It may
            hold more than the sample.
        clean : Path
            Where the sample comes from, for messages.

        Raises
        ------
        DataError
            A picture is missing, there are two candidates, or sizes differ; with its name.
        """
        check_regular(folder, DataError)
        try:
            if folder.is_dir():
                names = matched(sample, folder, clean)
                rows = np.arange(len(names))
                return cls(sample, photo_files(folder, names), rows, folder.absolute().name)
            if not folder.exists():
                raise DataError(f"{folder}: no such file or folder")
        except OSError as error:
            raise DataError(f"{folder}: cannot be read ({why(error)})") from error
        source, name = rows_beside(sample, folder, clean)
        return cls(sample, source, sample.chosen, folder.stem, (folder, name))

    def digest_of(self, positions: Iterable[int]) -> str:
        """What `digest` would be of the images at some positions alone."""
        pairs = sorted((self._clean[each], self._known.pixels[each]) for each in positions)
        return hashlib.sha256(b"".join(map(b"".join, pairs))).hexdigest()

    def picture(self, position: int) -> Picture:
        """The perturbed form of the image at a position of the sample, decoded.

        Raises
        ------
        ChangedError
            It is not the one that was read there before.
        """
        source, row = self._opened(), int(self._rows[position])
        where = source.where(row)
        try:
            content = source.content(row)
            self._known.read(position, content, where)
            picture = source.decoded(row, content)
        except PictureError as error:
            raise DataError(
                f"{where}: cannot be read as a picture ({error.reason}); replace it, or take its "
                "clean form out of the images too"
            ) from error
        self._known.decoded(position, picture, where)
        return picture

    def _opened(self) -> ImageSource:
        """The pictures; arrays are opened again where a worker got this."""
        source = self._source
        if self._place is not None and isinstance(source, ArrayImages) and source.images is None:
            self._source = source = replace(source, images=stored_array(*self._place))
        return source

    def __getstate__(self) -> dict[str, Any]:
        """Paths that hold anywhere on the machine, and digests to compare what is read with."""
        source, place, known = self._source, self._place, Fingerprints()
        known.contents, known.pixels = dict(self._known.contents), dict(self._known.pixels)
        if isinstance(source, PhotoFiles):
            source = replace(source, root=source.root.absolute())
        elif isinstance(source, ArrayImages) and place is not None:
            source, place = replace(source, images=None), (place[0].absolute(), place[1])
        return {**vars(self), "_source": source, "_place": place, "_known": known}


def asked_places(perturbed: Any) -> tuple[Path, ...]:
    """Paths of perturbed pictures as a caller gives them, one or several.

    Raises
    ------
    UsageError
        Something else than paths, or one place twice.
    DataError
        A place where nothing is.
    """
    own = option("perturbed")
    given = (perturbed,) if hasattr(perturbed, "shape") else several("perturbed", perturbed)
    for each in given:
        if not isinstance(each, str | PathLike):
            raise UsageError(
                f"{own} takes paths of folders or array files, not {type(each).__name__}; save "
                "arrays to an .npy file first"
            )
    places = tuple(map(Path, given))
    for number, place in enumerate(places):
        check_regular(place, DataError)
        try:
            if not place.exists():
                raise DataError(f"{place}: no such file or folder")
            same = [other for other in places[:number] if other.samefile(place)]
        except OSError as error:
            raise DataError(f"{place}: cannot be read ({why(error)})") from error
        if same:
            too = "" if same[0] == place else f", as {same[0]} too"
            raise UsageError(f"{own}: {place} is given twice{too}; give it once")
    return places


def photo_files(folder: Path, names: list[str]) -> PhotoFiles:
    """Pictures below a folder, in this order."""
    return PhotoFiles(names, np.zeros(len(names), np.int64), None, folder)


def rows_beside(
    sample: Sample, path: Path, clean: Path, severities: int = 1
) -> tuple[ArrayImages, str]:
    """Images of an array file that are those of a sample's source, and the name of the array.

    With `severities` they are there as often, one after the other.
    """
    source = sample.source
    if path.suffix.lower() not in ARRAY_SUFFIXES:
        raise DataError(
            f"{path}: perturbed images are read from a folder of pictures, or from .npy, .npz or "
            ".h5 files"
        )
    if not isinstance(source, ArrayImages):
        raise DataError(
            f"{path}: is an array, which goes with clean images in an array; those of {clean} are "
            "pictures with names, so give a folder with pictures of the same names"
        )
    return array_beside(path, source, severities)


def matched(sample: Sample, folder: Path, clean: Path) -> list[str]:
    """Paths below a folder of the perturbed forms of a sample's images.

    Raises
    ------
    DataError
        The message names a picture that is missing, or the candidates.
    """
    twice = Counter(map(_stem, sample.source.ids))
    listed: dict[str, dict[str, list[str]]] = {}
    names, missing = [], []
    for name in sample.ids:
        stem = _stem(name)
        parent = stem.rpartition("/")[0]
        if parent not in listed:
            listed[parent] = _stems(folder, parent)
        candidates = listed[parent].get(stem, [])
        if twice[stem] > 1:  # only their suffixes tell such clean pictures apart
            candidates = [each for each in candidates if each == name]
        if len(candidates) > 1:
            raise DataError(
                f"{folder}: {name} may be {' or '.join(candidates[:3])} there; leave one of them"
            )
        if candidates:
            names += candidates
        else:
            missing.append(name)
    if missing:
        raise DataError(_missing(missing, len(sample), folder, clean, twice))
    return names


def holds_pairs(sample: Sample, folder: Path) -> bool:
    """Whether a folder holds the perturbed form of any of the first images of a sample."""
    stems = map(_stem, sample.ids[:_MOST_TRIED])
    return any(stem in _stems(folder, stem.rpartition("/")[0]) for stem in stems)


def _stem(name: str) -> str:
    """A path without the suffix of a picture."""
    return name[: -len(Path(name).suffix)] if is_picture(name) else name


def _stems(folder: Path, parent: str) -> dict[str, list[str]]:
    """Pictures of one folder below another by their paths without suffix."""
    stems: dict[str, list[str]] = {}
    place = folder / parent
    for name in entries(place)[1] if place.is_dir() else ():
        if is_picture(name) and not is_litter(name):
            path = f"{parent}/{name}" if parent else name
            stems.setdefault(_stem(path), []).append(path)
    return stems


def _missing(
    missing: list[str], images: int, folder: Path, clean: Path, twice: Counter[str]
) -> str:
    """Which pictures a folder lacks, and what to do."""
    first, stem = missing[0], _stem(missing[0])
    parent, _, last = stem.rpartition("/")
    text = f"{folder}: has no picture for {first} of {clean}"
    if len(missing) > 1:
        text += f", nor for {len(missing) - 1} more of the {images} images"
    if twice[stem] > 1:
        return f"{text}; {clean} has several of that name, so it needs the same suffix there"
    place = folder / parent
    files = entries(place)[1] if place.is_dir() else []
    others = [each for each in files if Path(each).stem == last]
    if others:
        found = Counter(Path(each).suffix.lower() for each in others)
        return f"{text}: {others[0]} is none that is read here{advice(found)}"
    if len(missing) < images:
        return f"{text}; add what is missing, or leave it out of the clean images too"
    for name in entries(folder)[0][:_MOST_TRIED]:
        if stem in _stems(folder / name, parent):
            return f"{text}; did you mean {folder / name}?"
    if parent and last in _stems(folder, ""):
        return (
            f"{text}: its pictures lie directly in it; put them into the folders that {clean} has "
            f"({parent}/, ...)"
        )
    return f"{text}; perturbed pictures need the paths of the clean ones, suffixes aside"
