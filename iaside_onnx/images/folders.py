"""Picture files in folders: one sub-folder per class, or any folder with a label file."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DataError, PictureError
from .pictures import SUFFIXES, EncodedImages, check_bytes, class_number, relative_name


@dataclass
class PhotoFiles(EncodedImages):
    """Picture files below one folder; ids are relative POSIX paths."""

    root: Path

    def where(self, index: int) -> str:
        """The file's path."""
        return str(self.root / self.ids[index])

    def content(self, index: int) -> bytes:
        """The file's bytes."""
        path = self.root / self.ids[index]
        try:
            found = path.stat()
            if not stat.S_ISREG(found.st_mode):  # reading a FIFO would wait for ever
                raise PictureError(str(path), "no regular file")
            check_bytes(found.st_size, str(path))
            return path.read_bytes()
        except OSError as error:
            raise PictureError(str(path), error.strerror or type(error).__name__) from error


def class_folders(root: Path) -> PhotoFiles | None:
    """Sorted sub-folders as classes 0, 1, ...; None where they hold no pictures."""
    classes = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    ids: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        files = sorted(
            file.relative_to(root).as_posix()
            for file in _below(root / name)
            if file.suffix.lower() in SUFFIXES and not file.is_dir()
        )
        ids += files
        labels += [label] * len(files)
    odd = next((name for name in ids if relative_name(name) is None), None)
    if odd is not None:
        raise DataError(
            f"{root}: the name {odd!r} is not UTF-8 or longer than 1024 bytes; rename the file"
        )
    return PhotoFiles(ids, np.array(labels, np.int64), classes, root) if ids else None


def _below(folder: Path) -> Iterator[Path]:
    """Everything below a folder; one that cannot be read is an error, not one without pictures."""

    def refuse(error: OSError) -> None:
        raise error

    for place, _, names in os.walk(folder, onerror=refuse):
        yield from (Path(place, name) for name in names)


def labelled_files(root: Path, table: Path) -> PhotoFiles:
    """The files that a CSV file lists, in its order.

    Parameters
    ----------
    table : Path
        Columns ``file`` (relative to `root`) and ``label`` (an integer).

    Raises
    ------
    DataError
    """
    ids: list[str] = []
    labels: list[int] = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "label"} <= set(rows.fieldnames or ()):
                raise DataError(f"{table}: the first line must name the columns file,label")
            for number, row in enumerate(rows, start=2):
                name, label = (row["file"] or "").strip(), (row["label"] or "").strip()
                inside = relative_name(name)
                if not name or inside is None or ":" in name:
                    raise DataError(
                        f"{table}, line {number}: file '{name}' must be a path inside {root}"
                    )
                ids.append(inside)
                labels.append(class_number(label, f"{table}, line {number}"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read as a CSV file ({error})") from error
    missing = next((name for name in ids if not (root / name).is_file()), None)
    if missing is not None:
        raise DataError(f"{table}: names {missing}, which is not in {root}")
    if not ids:
        raise DataError(f"{table}: lists no images")
    if len(set(ids)) != len(ids):
        raise DataError(f"{table}: lists an image more than once")
    return PhotoFiles(ids, np.array(labels, np.int64), None, root)
