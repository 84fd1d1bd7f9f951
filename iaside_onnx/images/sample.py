"""Labelled images from every kind of source, and the seeded sample drawn from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..digest import data_digest
from ..errors import DataError, PictureError, UsageError
from ..listener import Listener
from .arrays import hdf5_images, npz_images
from .fingerprints import Fingerprints
from .folders import PhotoFiles, class_folders, labelled_files
from .parquet import parquet_pictures
from .pictures import ImageSource, relative_name
from .pictures import Picture as Picture
from .shards import in_folder, named_by
from .webdataset import tar_pictures

_EXIF_ORIENTATION = 0x0112
# The compressed ones are refused with what to do.
_TAR = {".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst"}


def open_images(
    path: Path,
    labels: Path | None = None,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
) -> ImageSource:
    """Open a folder, an array file, tar shards or Parquet files as labelled images.

    Parameters
    ----------
    path : Path
        A folder with one sub-folder per class (sorted names are classes 0, 1, ...), any folder
        together with `labels`, an ``.npz`` or ``.h5`` with ``images`` and ``labels``; a ``.tar``
        in WebDataset form or a ``.parquet`` in that of Hugging Face datasets, a folder of either,
        or a pattern of their names, such as ``val-{000..049}.tar`` or ``test-*.parquet``.
    labels : Path, optional
        A CSV file with the columns ``file`` (relative to `path`) and ``label`` (an integer).
    image_column, label_column : str, optional
        Columns of Parquet files where the usual ones are missing or doubtful.

    Raises
    ------
    DataError
        Nothing there, no images, unreadable labels, or an ambiguous array.
    UsageError
        Column names for something else than Parquet.
    """
    source: PhotoFiles | None = None
    files = [path]
    if path.is_dir():
        source = class_folders(path) if labels is None else labelled_files(path, labels)
        files = in_folder(path) if source is None else []
        if source is None and not files:
            raise _no_pictures(path)
    elif not path.exists():
        named = named_by(path)
        if named is None:
            raise DataError(f"{path}: no such file or folder")
        files = named
    elif not path.is_file():
        raise DataError(f"{path}: is neither a file nor a folder")
    if labels is not None and source is None:
        raise DataError(f"--labels goes with a folder; {path} brings its own labels")
    odd = next((file.name for file in files if relative_name(file.name) is None), None)
    if odd is not None:
        raise DataError(f"{path.parent}: the file name {odd!r} is not UTF-8; rename the file")
    kinds = {file.suffix.lower() for file in files}
    if kinds == {".parquet"}:
        return parquet_pictures(files, image_column, label_column)
    if image_column or label_column:
        raise UsageError("--image-column and --label-column go with Parquet files")
    if source is not None:
        return source
    if kinds <= _TAR:
        return tar_pictures(files)
    if len(files) == 1 and kinds == {".npz"}:
        return npz_images(path)
    if len(files) == 1 and kinds <= {".h5", ".hdf5"}:
        return hdf5_images(path)
    raise DataError(
        f"{path}: images are read from a folder, or from .npz, .h5, .tar or .parquet files"
    )


def _no_pictures(root: Path) -> DataError:
    table = next(iter(sorted(root.glob("*.csv"))), None)
    hint = f"--labels {table}" if table else "--labels FILE.csv (columns file,label)"
    return DataError(
        f"{root}: no pictures in class sub-folders, and no .tar or .parquet shards; make one "
        f"sub-folder per class or give {hint}"
    )


@dataclass(frozen=True)
class Reading:
    """Where images lie and how they are read: the arguments of `open_images`."""

    images: Path
    labels: Path | None = None
    image_column: str | None = None
    label_column: str | None = None

    def open(self) -> ImageSource:
        """Open them; see `open_images`."""
        return open_images(
            self.images,
            self.labels,
            image_column=self.image_column,
            label_column=self.label_column,
        )


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
    _seen: Fingerprints = field(default_factory=Fingerprints, repr=False)

    def __post_init__(self) -> None:
        self.ids = [self.source.ids[index] for index in self.chosen]
        self.labels = self.source.labels[self.chosen]
        self.class_names = self.source.class_names

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, positions: NDArray[np.intp]) -> Sample:
        """The sample of the images at some positions."""
        return Sample(self.source, self.chosen[positions], self._seen)

    def expect(self, contents: NDArray[np.uint8], pixels: list[bytes]) -> None:
        """Hold what is read against digests from elsewhere: see `Fingerprints.expect`."""
        self._seen.expect(self.chosen, contents, pixels)

    def picture(self, position: int) -> Picture:
        """Image at a position of the sample, decoded.

        Raises
        ------
        ChangedError
            It is not the one that was read there before.
        """
        index, name = int(self.chosen[position]), self.ids[position]
        content = self.source.content(index)
        self._seen.read(index, content, name)
        picture = self.source.decoded(index, content)
        self._seen.decoded(index, picture, name)
        return picture

    def pixel_digest(self, position: int) -> bytes:
        """SHA-256 of the decoded pixels, which name an image where something is drawn for it."""
        index = int(self.chosen[position])
        if self._seen.pixels(index) is None:
            self.picture(position)
        found = self._seen.pixels(index)
        assert found is not None
        return found

    @property
    def image_digests(self) -> NDArray[np.uint8]:
        """SHA-256 of each image's content, shape (K, 32), as it was when it was first read."""
        made = [
            self._seen.content(index) or self._seen.read(index, self.source.content(index), name)
            for index, name in zip(self.chosen.tolist(), self.ids, strict=True)
        ]
        return np.frombuffer(b"".join(made), np.uint8).reshape(len(made), -1)

    def digest(self) -> str:
        """SHA-256 over ids, labels and contents, in order."""
        return data_digest(self.ids, self.labels, self.image_digests)


def draw_sample(source: ImageSource, size: int, seed: int) -> Sample:
    """Draw a stratified, seeded sample, kept in the order of the source.

    Classes keep their shares of the whole (largest remainders, ties by the seed), so the
    sample's mean estimates the whole set's.

    Parameters
    ----------
    size : int
        Images wanted; 0, or more than there are, takes all.
    """
    if size < 0:
        raise DataError(f"--samples {size}: give 0 for all images or a positive number")
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


def leave_out_bad(sample: Sample, tell: Listener) -> tuple[Sample, list[dict[str, str]]]:
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
    if len(skipped) > len(good):
        first = skipped[0]
        raise DataError(
            f"{len(skipped)} of {len(sample)} pictures cannot be read, too many to leave out with "
            f"--skip-bad; the first is {first['id']} ({first['reason']})"
        )
    if not skipped:
        return sample, []
    kept = sample.part(np.array(good, np.intp))
    lost = len(np.unique(sample.labels)) - len(np.unique(kept.labels))
    tell.warning(
        f"{len(skipped)} of {len(sample)} pictures cannot be read and are left out, the first is "
        f"{skipped[0]['id']} ({skipped[0]['reason']})"
        + (f"; {lost} class(es) lost all of theirs" if lost else "")
    )
    return kept, skipped


def picture_oddities(picture: Picture) -> tuple[int, int]:
    """Whether a picture carries an EXIF rotation, and whether it has 16 bits or more a channel."""
    if not isinstance(picture, Image.Image):
        return 0, 0
    try:
        rotated = picture.getexif().get(_EXIF_ORIENTATION, 1) != 1
    except Exception:  # metadata in disorder turn no picture
        rotated = False
    return int(rotated), int(picture.mode.startswith("I"))
