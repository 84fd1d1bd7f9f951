"""Labelled images from every kind of source, and the seeded sample drawn from them."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice
from ..digest import data_digest
from ..errors import DataError, InvalidOption, PictureError, UsageError
from ..listener import Listener
from ..plurals import counted
from ..spelling import option
from ..storage.regular_file import check_regular, nearby
from .array_labels import Held
from .arrays import hdf5_images, npy_images, npz_images
from .fingerprints import Fingerprints
from .folders import (
    all_pictures,
    class_folders,
    labelled_files,
    labelled_sets,
    masked_pictures,
    no_pictures,
)
from .parquet import parquet_pictures
from .pictures import ODDITIES as ODDITIES
from .pictures import ImageSource, relative_name
from .pictures import Picture as Picture
from .pictures import picture_oddities as picture_oddities
from .shards import in_folder, named_by, other_file
from .webdataset import tar_pictures

LABEL_ORDERS = ("text", "number")
# What `labels` takes for: the model's own answers to the clean images.
OWN_ANSWERS = "model"
# The compressed ones are refused with what to do.
_TAR = {".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst"}


@dataclass(frozen=True)
class Reading:
    """Where images lie and how they are read.

    Attributes
    ----------
    images : Path
        A folder with one sub-folder per class (sorted names are classes 0, 1, ...), any folder
        together with `labels`, an ``.npz`` or ``.h5`` with ``images`` and ``labels``; a ``.npy``
        beside ``labels.npy``; a ``.tar`` in WebDataset form or a ``.parquet`` in that of Hugging
        Face datasets, a folder of either, or a pattern of their names, such as
        ``val-{000..049}.tar`` or ``test-*.parquet``.
    labels : Path or None
        Says which file is of which class: see `label_files.read_labels`. Names of files are
        relative to `images`.
    columns : str or None
        "FILE,LABEL": its columns, where they have no usual names.
    image_column, label_column : str or None
        Columns of Parquet files, or arrays, where the usual ones are missing or doubtful.
    class_names : str or None
        File of the model's class names in its order; "none": do not compare names with the folders.
    label_order : {"text", "number"} or None
        How folders named by numbers count.
    own_answers : bool
        Images have no labels: the model's own answers to them are taken. Any folder of pictures
        will do, however they lie in it.
    sets : bool
        Images have several labels each, or none: `labels` is a table of sets.
    masks : bool
        What the files of images bring for labels are masks.
    """

    images: Path
    labels: Path | None = None
    columns: str | None = None
    image_column: str | None = None
    label_column: str | None = None
    class_names: str | None = None
    label_order: str | None = None
    own_answers: bool = False
    sets: bool = False
    masks: bool = False

    @classmethod
    def asked(
        cls,
        images: str | Path,
        labels: str | Path | None = None,
        class_names: str | Path | None = None,
        **options: Any,
    ) -> Reading:
        """As a caller gives it.

        Raises
        ------
        UsageError
        """
        own = isinstance(labels, str) and labels == OWN_ANSWERS
        table = None if labels is None or own else Path(labels)
        names = None if class_names is None else str(class_names)
        reading = cls(Path(images), table, class_names=names, own_answers=own, **options)
        check_choice("label_order", reading.label_order, (None, *LABEL_ORDERS))
        return reading

    def of_task(self, task: str) -> Reading:
        """The same, with labels read as the sets or masks that the model needs."""
        table = self.labels is not None and not self.labels.is_dir()
        if task == "several-labels" and (table or self.brings_labels):
            return replace(self, sets=True)
        return replace(self, masks=True) if task == "dense" and self.brings_labels else self

    @property
    def brings_labels(self) -> bool:
        """Whether labels come from the files of the images, which are no pictures in a folder."""
        archives = not self.images.is_dir() or bool(in_folder(self.images))
        return archives and not self.own_answers

    @property
    def held(self) -> Held:
        """What images are compared with."""
        if self.own_answers:
            return "none"
        return "masks" if self.masks else "sets" if self.sets else "class"

    def open(self, listener: Listener | None = None) -> ImageSource:
        """Open a folder, an array file, tar shards or Parquet files as labelled images.

        Parameters
        ----------
        listener : Listener, optional
            Gets what was passed over.

        Raises
        ------
        DataError
            Nothing there, no images, unreadable labels, or an ambiguous array.
        UsageError
            Options that do not go with what is there.
        """
        columns = _column_pair(self.columns)
        if self.labels is None and columns is not None:
            like = option("labels", like="FILE")
            raise UsageError(f"{option('columns')} goes with {like}")
        if self.own_answers and self.label_order is not None:
            raise UsageError(
                f"{option('label_order')} does not go with {option('labels', OWN_ANSWERS)}, which "
                "takes no labels from folders"
            )
        try:
            source = self._opened(columns, listener or Listener())
            if source.unused and listener is not None:
                listener.note(source.unused)
            return without_labels(source) if self.own_answers else source
        except OSError as error:
            where = error.filename or self.images
            raise DataError(f"{where}: cannot be read ({error.strerror or error})") from error

    def _opened(self, columns: tuple[str, str] | None, listener: Listener) -> ImageSource:
        path, labels = self.images, self.labels
        source: ImageSource | None = None
        if path.is_dir():
            source = self._in_folder(columns, listener)
            if source is not None:
                self._refuse_array_names()
                return source
            files = in_folder(path)
            if not files:
                raise no_pictures(path)
        else:
            files = _named_files(path)
        odd = next((file.name for file in files if relative_name(file.name) is None), None)
        if odd is not None:
            raise DataError(f"{path.parent}: the file name {odd!r} is not UTF-8; rename the file")
        kinds = {file.suffix.lower() for file in files}
        if kinds == {".npy"} and len(files) == 1 and columns is None:
            self._refuse_array_names()
            return npy_images(path, labels, listener, self.held)
        if labels is not None:
            raise DataError(f"{option('labels')} goes with a folder; {path} brings its own labels")
        names = self.image_column, self.label_column
        if kinds == {".parquet"}:
            return parquet_pictures(files, *names, held=self.held)
        if len(files) == 1 and kinds == {".npz"}:
            return npz_images(path, names, listener, self.held)
        if len(files) == 1 and kinds <= {".h5", ".hdf5"}:
            return hdf5_images(path, names, listener, self.held)
        self._refuse_array_names()
        if kinds <= _TAR:
            return tar_pictures(files, self.held)
        raise DataError(f"{path}: {other_file(kinds)}")

    def _in_folder(self, columns: tuple[str, str] | None, listener: Listener) -> ImageSource | None:
        """Picture files of a folder; None where it holds none."""
        path, labels = self.images, self.labels
        if self.own_answers:
            return all_pictures(path, listener)
        if labels is None:
            return class_folders(path, listener)
        if labels.is_dir():
            return masked_pictures(path, labels, listener)
        read = labelled_sets if self.sets else labelled_files
        return read(path, labels, columns)

    def _refuse_array_names(self) -> None:
        if self.image_column or self.label_column:
            raise UsageError(
                f"{option('image_column')} and {option('label_column')} go with Parquet files and "
                "arrays (.npz, .h5)"
            )


def open_images(
    images: Path, labels: str | Path | None = None, listener: Listener | None = None, **columns: str
) -> ImageSource:
    """The images of a `Reading`, which has the other arguments."""
    return Reading.asked(images, labels, **columns).open(listener)


def without_labels(source: ImageSource) -> ImageSource:
    """The same images with one and the same label, and no names of classes."""
    bare = copy(source)
    bare.labels, bare.class_names = np.zeros(len(source.ids), np.int64), None
    return bare


def _named_files(path: Path) -> list[Path]:
    """A file, or those that a pattern stands for."""
    if path.is_file():
        return [path]
    check_regular(path, DataError)
    files = named_by(path)
    if files is None:
        raise DataError(f"{path}: no such file or folder{nearby(path)}")
    return files


def _column_pair(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        example = option("columns", "id,breed")
        raise InvalidOption("columns", text, f"give two names or numbers, such as {example}")
    return names[0], names[1]


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
    _digests: Fingerprints = field(default_factory=Fingerprints, repr=False)

    def __post_init__(self) -> None:
        self.ids = [self.source.ids[index] for index in self.chosen]
        self.labels = self.source.labels[self.chosen]
        self.class_names = self.source.class_names

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, positions: NDArray[np.intp]) -> Sample:
        """The sample of the images at some positions."""
        return Sample(self.source, self.chosen[positions], self._digests)

    def beginning(self, size: int, seed: int) -> Sample:
        """The images of the source that all nested samples begin with, in the order of the draw."""
        order = seeded_order(self.source.labels, seed)
        return Sample(self.source, order[:size], self._digests)

    def expect(self, contents: NDArray[np.uint8], pixels: list[bytes]) -> None:
        """Require digests from elsewhere of what is read: see `Fingerprints.expect`."""
        self._digests.expect(self.chosen, contents, pixels)

    def with_labels(self, labels: NDArray[np.int64], names: list[str] | None) -> Sample:
        """The same images, with other labels for those of the whole source."""
        source = copy(self.source)
        source.labels, source.class_names = labels, names
        return Sample(source, self.chosen, self._digests)

    def picture(self, position: int) -> Picture:
        """Image at a position of the sample, decoded.

        Raises
        ------
        ChangedError
            It is not the one that was read there before.
        """
        index, name = int(self.chosen[position]), self.ids[position]
        content = self.source.content(index)
        self._digests.read(index, content, name)
        picture = self.source.decoded(index, content)
        self._digests.decoded(index, picture, name)
        return picture

    def size(self, position: int) -> tuple[int, int]:
        """Height and width of the picture at a position."""
        index = int(self.chosen[position])
        if index not in self._digests.sizes:
            self.picture(position)
        return self._digests.sizes[index]

    def pixel_digest(self, position: int) -> bytes:
        """SHA-256 of the decoded pixels, which name an image where something is drawn for it."""
        index = int(self.chosen[position])
        if index not in self._digests.pixels:
            self.picture(position)
        return self._digests.pixels[index]

    @property
    def image_digests(self) -> NDArray[np.uint8]:
        """SHA-256 of each image's content, and of its labels or mask where these are no class.

        Shape (K, 32), as it was when it was first read.
        """
        contents = self.content_digests
        truths = self.source.truths
        if truths is None:
            return contents
        rows = zip(self.ids, contents, strict=True)
        both = [sha256(row.tobytes() + truths.digest(name)).digest() for name, row in rows]
        return np.frombuffer(b"".join(both), np.uint8).reshape(len(both), -1)

    @property
    def content_digests(self) -> NDArray[np.uint8]:
        """SHA-256 of each image's content alone, shape (K, 32)."""
        known = self._digests
        digests = [
            known.contents.get(index) or known.read(index, self.source.content(index), name)
            for index, name in zip(self.chosen.tolist(), self.ids, strict=True)
        ]
        return np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)

    def digest(self) -> str:
        """SHA-256 over ids, labels and contents, in order."""
        return data_digest(self.ids, self.labels, self.image_digests)


def draw_sample(
    source: ImageSource, size: int, seed: int, *, sampling: str = "stratified"
) -> Sample:
    """Draw a stratified, seeded sample, kept in the order of the source.

    Classes keep their shares of the whole, so the sample's mean estimates the whole set's.

    Parameters
    ----------
    size : int
        Images wanted; 0, or more than there are, takes all.
    sampling : {"stratified", "nested"}
        By largest remainders, ties by the seed; or so that every smaller sample is a part of it.
    """
    if size < 0:
        raise InvalidOption("samples", size, "give 0 for all images or a positive number")
    if sampling == "nested":
        order = seeded_order(source.labels, seed)
        return Sample(source, np.sort(order[: size or len(order)]))
    return Sample(source, stratified(source.labels, size, seed))


def stratified(labels: NDArray[np.int64], size: int, seed: int) -> NDArray[np.intp]:
    """Positions of a stratified, seeded draw, ascending; all for 0 or more than there are."""
    total = len(labels)
    if size == 0 or size >= total:
        return np.arange(total)
    rng = np.random.default_rng(seed)
    classes, members = np.unique(labels, return_inverse=True)
    shares = np.bincount(members) * size / total
    counts = np.floor(shares).astype(int)
    order = np.lexsort((rng.random(len(classes)), counts - shares))
    counts[order[: size - counts.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(members == position), count, replace=False)
        for position, count in enumerate(counts)
    ]
    return np.sort(np.concatenate(chosen))


def seeded_order(labels: NDArray[np.int64], seed: int) -> NDArray[np.intp]:
    """Positions in a random order whose every beginning holds the classes in their shares."""
    rng = np.random.default_rng([seed, len(labels)])
    shuffled = rng.permutation(len(labels))
    _, inverse, counts = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(inverse, kind="stable")
    rank = np.empty(len(labels))
    rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    due = (rank + rng.random(len(counts))[inverse]) / counts[inverse]
    return np.asarray(shuffled[np.argsort(due, kind="stable")])


def leave_out_bad(sample: Sample, listener: Listener) -> tuple[Sample, list[dict[str, str]]]:
    """A sample without the pictures that cannot be decoded, and a list of those.

    The sample was drawn before anybody looked at a picture, and nothing is drawn in place of what
    is left out: the images used depend on the data and the seed alone.

    Returns
    -------
    sample : Sample
    skipped : list of dict
        ``id`` and ``reason`` of each picture left out, in order.

    Raises
    ------
    DataError
        More than half of the pictures are bad: that is not a matter of a few damaged files.
    """
    good: list[int] = []
    skipped: list[dict[str, str]] = []
    for position, name in enumerate(sample.ids):
        try:
            sample.picture(position)
            good.append(position)
        except PictureError as error:
            skipped.append({"id": name, "reason": error.reason})
    if not skipped:
        return sample, []
    count = f"{len(skipped)} of {len(sample)} pictures cannot be read"
    first = f"the first is {skipped[0]['id']} ({skipped[0]['reason']})"
    if len(skipped) > len(good):
        raise DataError(f"{count}, too many to leave out with {option('skip_bad', True)}; {first}")
    kept = sample.part(np.array(good, np.intp))
    lost = len(np.unique(sample.labels)) - len(np.unique(kept.labels))
    classes = f"; {counted(lost, 'class', 'classes')} lost all of theirs" if lost else ""
    listener.warning(f"{count} and are left out, {first}{classes}")
    return kept, skipped
