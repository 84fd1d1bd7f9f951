"""Parquet files in the image layout of Hugging Face datasets, read row by row.

Needs pyarrow (the extra ``parquet``). The label column is read once for the index; pictures are
decoded page by page from their row group, so memory follows the pages, not the file.
"""

from __future__ import annotations

import json
import threading
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, PictureError
from ..spelling import option
from .array_labels import LONGEST_NAME, Held, numbered
from .arrays import MAX_IMAGES
from .label_sets import set_key, sets_in_archive
from .masks import MaskPictures
from .pictures import MAX_BYTES, ImageSource, check_bytes

_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMNS = ("label",)
_MASK_COLUMNS = ("mask", "masks", "label", "annotation", "segmentation")
_NEEDED = {
    "class": "integers or text",
    "sets": "a list of integers or of text, or text with ';' between labels",
    "image": "binary, or a struct with binary 'bytes'",
}
# Types as Arrow writes them.
_BINARY = ("binary", "large_binary")
_TEXT = ("string", "large_string")
_INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
_LABEL_ROWS = 1 << 16
_BUFFER = 1 << 20
# Pictures that are kept, in the order of asking: every pass over a usual sample but the first.
_KEPT_BYTES = 1 << 26
_MAX_RATIO = 100


@dataclass
class ParquetPictures(ImageSource):
    """Pictures in a binary column; ids are ``file.parquet/row``.

    Attributes
    ----------
    files : list of Path
    column : str
    groups : list of (int, int)
        Number of the file and of the row group in it, for each row group.
    starts : array of int
        Index of the first row of each row group.
    """

    files: list[Path]
    column: str
    groups: list[tuple[int, int]]
    starts: array[int]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _kept: dict[int, bytes] = field(default_factory=dict, repr=False)
    _room: int = _KEPT_BYTES
    _reading: tuple[int, int, Iterator[Any]] = (-1, 0, iter(()))

    def where(self, index: int) -> str:
        """The file's path and the row."""
        file = self.files[self.groups[bisect_right(self.starts, index) - 1][0]]
        return f"{file}: row {int(self.ids[index].rpartition('/')[2])}"

    def content(self, index: int) -> bytes:
        """The cell's bytes."""
        with self._lock:
            encoded = self._kept.get(index)
            if encoded is None:
                encoded = self._read(index)
                if len(encoded) <= self._room:
                    self._kept[index] = encoded
                    self._room -= len(encoded)
        return encoded

    def _read(self, index: int) -> bytes:
        """A cell of its row group, going on from the last one where that lies before it."""
        group = bisect_right(self.starts, index) - 1
        reading, following, cells = self._reading
        if reading != group or index < following:
            following, cells = self.starts[group], self._cells(*self.groups[group])
        try:
            cell = next(islice(cells, index - following, None))
        except StopIteration:
            raise DataError(f"{self.where(index)}: is missing; the file is damaged") from None
        self._reading = (group, index + 1, cells)
        if cell is None:
            raise PictureError(
                self.where(index),
                f"column '{self.column}' has no bytes there, and a path in their place is not "
                "followed; write the set with the pictures embedded",
            )
        check_bytes(cell.size, self.where(index))
        return bytes(cell.to_pybytes())

    def _cells(self, file: int, group: int) -> Iterator[Any]:
        """Buffers of a row group's pictures in order, None where there are no bytes."""
        with _opened(self.files[file]) as table:
            nested = table.schema_arrow.field(self.column).type.num_fields > 0
            # Only bytes: paths in the cells are a stranger's, and of no use here.
            names = [f"{self.column}.bytes" if nested else self.column]
            for batch in table.iter_batches(
                batch_size=1, row_groups=[group], columns=names, use_threads=False
            ):
                cell = batch.column(0)[0]
                if nested and cell.is_valid:
                    cell = cell["bytes"]
                yield cell.as_buffer() if cell.is_valid else None


def parquet_pictures(
    files: list[Path],
    image_column: str | None = None,
    label_column: str | None = None,
    *,
    held: Held = "class",
) -> ParquetPictures:
    """Index files by their footers and label columns.

    Parameters
    ----------
    image_column : str, optional
        Binary, or a struct with ``bytes``; None: the one of ``image`` and ``img`` that is there.
    label_column : str, optional
        Integers, or names of classes as text; None: ``label``. What integers are called is taken
        from the Hugging Face metadata. A set of labels is a list of these; masks are pictures.

    Raises
    ------
    DataError
        pyarrow missing, damaged files, columns that are missing, of other types or doubtful.
    """
    ids: list[str] = []
    labels: list[NDArray[np.int64]] = []
    groups: list[tuple[int, int]] = []
    starts = array("q")
    texts: dict[str, int] = {}
    cells: list[Any] = []
    layout: tuple[Any, ...] = ()
    unused = None
    for number, path in enumerate(files):
        with _opened(path) as table:
            schema = table.schema_arrow
            image = _column(path, schema, image_column, _IMAGE_COLUMNS, "image", "image")
            label, words, names = "", False, None
            if held != "none":
                label = _label_column(path, schema, label_column, held)
                words = held == "class" and _is_text(schema.field(label).type)
                names = None if held == "masks" else _class_names(schema, label)
            elif beside := [name for name in schema.names if name in (label_column, "label")]:
                unused = f"labels '{beside[0]}' beside the pictures of {files[0]} are not used"
            if number and layout != (image, label, names, words):
                raise DataError(f"{path}: its columns or class names differ from {files[0].name}")
            layout = image, label, names, words
            image_column, label_column = image, label or label_column
            parts = [table.metadata.row_group(part) for part in range(table.num_row_groups)]
            rows = [part.num_rows for part in parts]
            if min(rows, default=0) < 0 or len(ids) + sum(rows) > MAX_IMAGES:
                raise DataError(f"{path}: declares more than the {MAX_IMAGES:,} rows allowed")
            for column in (image,) if held == "none" else (image, label):
                _check_sizes(path, parts, column)
            plain = np.zeros(sum(rows), np.int64)
            labels.append(_labels(path, table, label, texts) if held == "class" else plain)
            more = _cells(path, table, label) if held == "sets" else labels[-1]
            cells += more if held == "sets" else ()
            if len(more) != sum(rows):
                raise DataError(f"{path}: declares {sum(rows):,} rows but has {len(more):,} labels")
        for part, count in enumerate(rows):
            if count:
                groups.append((number, part))
                starts.append(len(ids) + sum(rows[:part]))
        ids += [f"{path.name}/{row:08d}" for row in range(sum(rows))]
    if not ids:
        raise DataError(f"{files[0]}: holds no rows")
    numbers = np.concatenate(labels)
    pictures = ParquetPictures(ids, numbers, names, files, image, groups, starts, unused=unused)
    if held in ("masks", "sets"):
        _hold(pictures, label, cells)
    if texts:
        own_numbers, written = numbered(list(texts))
        pictures.labels = own_numbers[numbers]
        if written is not None:
            pictures.class_names, pictures.naming = written, "words"
    return pictures


def _hold(pictures: ParquetPictures, column: str, cells: list[Any] | None) -> None:
    """Give pictures their sets of labels, or the masks of a column where there are no cells."""
    ids, files = pictures.ids, pictures.files
    if not cells:
        masks = replace(pictures, column=column, _lock=threading.Lock(), _kept={})
        pictures.truths = MaskPictures(files[0], masks, {name: at for at, name in enumerate(ids)})
        return
    names, pictures.class_names = pictures.class_names, None
    pictures.truths = sets_in_archive(files[0], dict(zip(ids, cells, strict=True)), names)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            f"{path}: Parquet needs pyarrow: pip install 'iaside-onnx[parquet]'"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(
            path, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
        ) as table:
            yield table
    except DataError:
        raise
    except Exception as error:  # Arrow's errors, and Python's for names and types
        reason = " ".join(str(error).replace(str(path), path.name).split())[:200]
        raise DataError(f"{path}: cannot be read as Parquet ({reason})") from error


def _is_image(kind: Any) -> bool:
    if not str(kind).startswith("struct<"):
        return str(kind) in _BINARY
    inside = [kind.field(number) for number in range(kind.num_fields)]
    return [str(part.type) in _BINARY for part in inside if part.name == "bytes"] == [True]


def _is_text(kind: Any) -> bool:
    return str(kind) in _TEXT


def _is_label(kind: Any) -> bool:
    return str(kind) in _INTEGERS or _is_text(kind)


def _is_set(kind: Any) -> bool:
    listed = str(kind).startswith(("list<", "large_list<", "fixed_size_list<"))
    return _is_label(kind.value_type if listed else kind)


_FITS: dict[str, Callable[[Any], bool]] = {"image": _is_image, "class": _is_label, "sets": _is_set}


def _label_column(path: Path, schema: Any, asked: str | None, held: Held) -> str:
    """Name of the column of what the pictures are compared with."""
    usual = {"class": _LABEL_COLUMNS, "masks": _MASK_COLUMNS}.get(held)
    usual = usual or tuple(set_key(schema.names)) or ("labels",)
    return _column(path, schema, asked, usual, "label", "image" if held == "masks" else held)


def _column(
    path: Path, schema: Any, asked: str | None, usual: tuple[str, ...], role: str, fits: str
) -> str:
    """Name of the column for a role: as asked, else the usual one, if it is clear."""
    present = [name for name in schema.names if name == asked or (not asked and name in usual)]
    if len(present) != 1:
        columns = ", ".join(f"'{name}'" for name in schema.names[:12])
        what = f"one column '{asked or ' or '.join(usual)}'"
        raise DataError(
            f"{path}: has not exactly {what} but {columns}; name the right one with "
            f"{option(f'{role}_column')}"
        )
    name: str = present[0]
    kind = schema.field(name).type
    if not _FITS[fits](kind):
        needed = _NEEDED[fits]
        raise DataError(
            f"{path}: column '{name}' is {str(kind)[:80]}; {needed} needed: name another with "
            f"{option(f'{role}_column')}"
        )
    return name


def _check_sizes(path: Path, groups: list[Any], column: str) -> None:
    """Refuse pictures that unpack to many times their size: true ones are compressed already."""
    for group in groups:
        for number in range(group.num_columns):
            chunk = group.column(number)
            size = chunk.total_uncompressed_size
            if not f"{chunk.path_in_schema}.".startswith(f"{column}.") or size <= MAX_BYTES:
                continue
            if size > _MAX_RATIO * chunk.total_compressed_size:
                raise DataError(
                    f"{path}: column '{column}' unpacks to {size:,} bytes from "
                    f"{chunk.total_compressed_size:,}; these are no pictures"
                )


def _labels(path: Path, table: Any, column: str, texts: dict[str, int]) -> NDArray[np.int64]:
    """Labels of a file; text counts by its place in `texts`, which grows by what is new."""
    parts = [np.empty(0, np.int64)]
    words = _is_text(table.schema_arrow.field(column).type)
    for batch in table.iter_batches(batch_size=_LABEL_ROWS, columns=[column], use_threads=False):
        values = batch.column(0)
        if values.null_count:
            raise DataError(f"{path}: column '{column}' has rows without a label")
        if not words:
            parts.append(values.to_numpy(zero_copy_only=False).astype(np.int64))
            continue
        cells = [text.strip() for text in values.to_pylist()]
        if any(not 0 < len(text) <= LONGEST_NAME for text in cells):
            raise DataError(f"{path}: column '{column}' has labels that are no class names")
        parts.append(np.array([texts.setdefault(text, len(texts)) for text in cells], np.int64))
    return np.concatenate(parts)


def _cells(path: Path, table: Any, column: str) -> list[Any]:
    """What the rows of a file have as their labels: lists, or single ones."""
    cells: list[Any] = []
    for batch in table.iter_batches(batch_size=_LABEL_ROWS, columns=[column], use_threads=False):
        values = batch.column(0)
        if values.null_count:
            raise DataError(
                f"{path}: column '{column}' has rows without a list; an image without labels has "
                "an empty one"
            )
        cells += values.to_pylist()
    return cells


def _class_names(schema: Any, label: str) -> list[str] | None:
    """Names of a ClassLabel column, from the metadata that the datasets library writes."""
    try:
        text = (schema.metadata or {}).get(b"huggingface", b"null")
        feature = json.loads(text)["info"]["features"][label]
        # Of a list: {"feature": {...}, "_type": "Sequence"}, or [{...}].
        feature = feature[0] if isinstance(feature, list) else feature.get("feature", feature)
        names = feature["names"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return [name[:LONGEST_NAME].encode(errors="replace").decode() for name in names] or None
