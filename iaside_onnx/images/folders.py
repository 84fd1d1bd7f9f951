"""Picture files in folders: one sub-folder per class, or any folder with a label file."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import DataError, PictureError
from ..listener import Listener
from ..plurals import counted, plural
from ..spelling import option
from ..storage.regular_file import real_path
from .array_labels import numbered
from .class_names import shown
from .label_files import Entry, read_labels
from .label_sets import LabelSets, read_label_sets
from .masks import MaskFolder
from .pictures import ImageSource, check_bytes, class_number, is_picture, relative_name
from .tree import advice, entries, is_litter, left_over, look_below, nesting, passed_over

_LABEL_SUFFIXES = {".csv", ".tsv", ".jsonl", ".json", ".txt"}
# Bytes of the name of a file or folder, on usual file systems.
_LONGEST_PART = 255
# Beginnings of the names of files that usually hold labels.
_LABEL_FILES = ("metadata", "label", "annotation", "val", "test", "ground", "loc_", "classes")


@dataclass
class PhotoFiles(ImageSource):
    """Picture files below one folder; ids are relative POSIX paths.

    Attributes
    ----------
    doubt : str or None
        Why the folders are no classes, unless a model's classes bear their names.
    skipped : tuple of str
        Folders beside the classes that are passed over for their names.
    pairs : dict
        Where a file of labels has both a number and a name: each pair of these, and where it
        stands first.
    """

    root: Path
    doubt: str | None = None
    skipped: tuple[str, ...] = ()
    pairs: dict[tuple[int, str], str] = field(default_factory=dict)

    def where(self, index: int) -> str:
        """The file's path."""
        return str(self.root / self.ids[index])

    def content(self, index: int) -> bytes:
        """The file's bytes."""
        path = self.root / self.ids[index]
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # reading a FIFO would wait for ever
                raise PictureError(str(path), "no regular file")
            check_bytes(status.st_size, str(path))
            return path.read_bytes()
        except OSError as error:
            raise PictureError(str(path), error.strerror or type(error).__name__) from error


def class_folders(root: Path, listener: Listener) -> PhotoFiles | None:
    """Sorted sub-folders as classes 0, 1, ...; None where they hold no pictures.

    Raises
    ------
    DataError
        A folder cannot be read, or a name cannot be an id.
    """
    folders, files = entries(root)
    skipped = tuple(name for name in folders if left_over(root, name))
    below = {name: look_below(root / name) for name in folders if name not in skipped}
    classes = list(below)
    ids = [f"{name}/{path}" for name, content in below.items() for path in content.pictures]
    if not ids:
        return None
    check_names(root, [*classes, *ids])
    labels = np.repeat(np.arange(len(below)), [len(each.pictures) for each in below.values()])
    litter = list(skipped)
    litter += [f"{name}/{part}" for name, content in below.items() for part in content.litter]
    if litter:
        listener.note(f"skipped as hidden or left over: {shown(f'{name}/' for name in litter)}")
    other = sum((content.other for content in below.values()), Counter[str]())
    if other:
        listener.warning(
            f"{counted(sum(other.values()), 'file')} in the class folders not read: "
            f"{passed_over(other)}{advice(other)}"
        )
    empty = [f"{name}/" for name, content in below.items() if not content.pictures]
    if empty:
        listener.warning(
            f"{plural(len(empty), 'class folder')} without pictures that are read: {shown(empty)}; "
            f"{plural(len(empty), 'it keeps its', 'they keep their')} place among the classes"
        )
    beside = [name for name in files if is_picture(name) and not is_litter(name)]
    if beside:
        listener.warning(
            f"{counted(len(beside), 'picture')} beside the class folders, in none, not read: "
            f"{shown(beside, 3)}"
        )
    doubt = nesting(root, below)
    return PhotoFiles(ids, labels, classes, root, doubt, skipped, naming="folders")


def all_pictures(root: Path, listener: Listener) -> PhotoFiles | None:
    """All pictures of a folder and of those below it, without labels; None where there are none.

    Raises
    ------
    DataError
        A folder cannot be read, or a name cannot be an id.
    """
    below = look_below(root)
    if not below.pictures:
        return None
    check_names(root, below.pictures)
    if below.litter:
        litter = shown(f"{name}/" for name in below.litter)
        listener.note(f"skipped as hidden or left over: {litter}")
    if below.other:
        listener.warning(
            f"{counted(sum(below.other.values()), 'file')} in the folder not read: "
            f"{passed_over(below.other)}{advice(below.other)}"
        )
    return PhotoFiles(below.pictures, np.zeros(len(below.pictures), np.int64), None, root)


def masked_pictures(root: Path, folder: Path, listener: Listener) -> PhotoFiles | None:
    """All pictures of a folder, each with its mask in another folder; None where there are none.

    Raises
    ------
    DataError
        Pictures without a mask, or a folder inside the other.
    """
    ours, masks = real_path(root), real_path(folder)
    if ours == masks or ours in masks.parents or masks in ours.parents:
        raise DataError(
            f"{folder}: the masks lie in the folder of the pictures, or these in theirs; put them "
            "into folders beside each other"
        )
    source = all_pictures(root, listener)
    if source is not None:
        source.truths = MaskFolder.of(folder, source.ids)
    return source


def check_names(root: Path, ids: Sequence[str]) -> None:
    """Refuse names that cannot be ids."""
    odd = next((name for name in ids if relative_name(name) is None), None)
    if odd is not None:
        raise DataError(
            f"{root}: the name {odd!r} is not UTF-8 or longer than 1024 bytes; rename the file"
        )


def labelled_files(root: Path, table: Path, columns: tuple[str, str] | None = None) -> PhotoFiles:
    """The files that a file of labels lists, in its order; arguments as of `read_labels`.

    Raises
    ------
    DataError
    """
    rows = read_labels(table, root, columns)
    ids, labels = _as_listed(root, table, rows)
    check_names(root, ids)
    names = None
    if all(_is_number(label) for label in labels):
        numbers = np.array(
            [
                class_number(_integral(label), f"{table}, line {row.line}")
                for label, row in zip(labels, rows, strict=False)
            ],
            np.int64,
        )
    else:
        numbers, names = numbered(labels)
    files = PhotoFiles(ids, numbers, names, root, naming="words")
    for row in rows:
        number, name = row.label, row.second
        if _is_number(name):
            number, name = name, number
        if name and _is_number(number) and not _is_number(name) and len(number) < 10:
            files.pairs.setdefault((int(_integral(number)), name), f"{table}, line {row.line}")
    return files


def labelled_sets(root: Path, table: Path, columns: tuple[str, str] | None = None) -> PhotoFiles:
    """The files that a table lists, in its order, with the labels of each: see `read_label_sets`.

    A picture in several lines has the labels of all of them, unless the table has a column for each
    class.

    Raises
    ------
    DataError
    """
    rows, classes = read_label_sets(table, root, columns)
    names = present_files(root, table, [(row.file, row.line) for row in rows])
    sets: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    listed: dict[str, int] = {}
    for name, row in zip(names, rows, strict=True):
        before = sets.get(name)
        if classes is not None and before not in (None, row.labels):
            raise DataError(
                f"{table}: lists {name} more than once, in line {listed[name]} and {row.line}, "
                "with other labels"
            )
        sets[name] = tuple(dict.fromkeys([*(before or ()), *row.labels]))
        listed.setdefault(name, row.line)
        for label in row.labels:
            lines.setdefault(label, row.line)
    if classes is None and not lines:
        raise DataError(f"{table}: gives no picture a label")
    check_names(root, list(sets))
    none = np.zeros(len(sets), np.int64)
    truths = LabelSets(table, sets, lines, classes)
    return PhotoFiles(list(sets), none, None, root, naming="words", truths=truths)


def _is_number(text: str) -> bool:
    digits = _integral(text).removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _integral(text: str) -> str:
    """A number without the fraction .0, which tables with gaps give to whole numbers."""
    whole, point, rest = text.partition(".")
    return whole if point and rest and not rest.strip("0") else text


def _as_listed(root: Path, table: Path, rows: list[Entry]) -> tuple[list[str], list[str]]:
    """Ids and labels as written, of files that are there, each once."""
    labels: dict[str, tuple[str, int]] = {}
    names = present_files(root, table, [(row.file, row.line) for row in rows])
    for name, row in zip(names, rows, strict=True):
        if not row.label:
            raise DataError(f"{table}, line {row.line}: {name} has no label")
        label, line = labels.setdefault(name, (row.label, row.line))
        if label != row.label:
            raise DataError(
                f"{table}: lists {name} more than once, with label {label} in line {line} and "
                f"{row.label} in line {row.line}"
            )
    return list(labels), [label for label, _ in labels.values()]


def present_files(root: Path, table: Path, listed: Sequence[tuple[str, int]]) -> list[str]:
    """Ids of the files that a table lists below a folder, one for each name and its line.

    Raises
    ------
    DataError
        A name that leads elsewhere, or to no file, or to several.
    """
    base = _base(root, table, [name for name, _ in listed])
    stems: dict[str, list[str]] | None = None
    present: list[str] = []
    missing: list[str] = []
    for written, line in listed:
        where = f"{table}, line {line}"
        name = _inside(root, written)
        if not written or name is None:
            raise DataError(f"{where}: file '{written[:200]}' must be a path inside {root}")
        if (longest := _longest_part(name)) > _LONGEST_PART:
            raise DataError(
                f"{where}: file '{written[:60]}...' has a name of {longest:,} bytes; file systems "
                f"take {_LONGEST_PART}, so no file is called that"
            )
        name = base + name
        if not (root / name).is_file():
            stems = pictures_by_stem(root) if stems is None else stems
            candidates = stems.get(name, [])
            if len(candidates) > 1:
                raise DataError(
                    f"{where}: '{name}' may be {' or '.join(candidates[:3])}; name the files with "
                    "their suffixes"
                )
            if not candidates:
                missing.append(name)
                continue
            name = candidates[0]
        present.append(name)
    if missing:
        raise DataError(_missing_files(root, table, missing, len(listed)))
    if not present:
        raise DataError(f"{table}: lists no images")
    return present


def _base(root: Path, table: Path, listed: list[str]) -> str:
    """The folder that names are relative to, below the root: that of the table, if not the root."""
    folder = table.parent.absolute()
    above = root.absolute()
    if folder == above or not folder.is_relative_to(above):
        return ""
    inside = [name for each in listed[:20] if (name := _inside(root, each)) is not None]
    names = [name for name in inside if _longest_part(name) <= _LONGEST_PART]
    if any((root / name).exists() for name in names):
        return ""
    if any((folder / name).exists() for name in names):
        return folder.relative_to(above).as_posix() + "/"
    return ""


def _inside(root: Path, name: str) -> str | None:
    """A listed name relative to the root; None for one outside it, or none at all."""
    if name.startswith("/"):
        try:
            name = Path(name).relative_to(root.absolute()).as_posix()
        except ValueError:
            return None
    if ":" in name[:3]:  # a drive, or a place elsewhere
        return None
    return relative_name(name) or None


def _longest_part(name: str) -> int:
    """Bytes of the longest name of a file or folder in a path."""
    return max(len(part.encode()) for part in name.split("/"))


def pictures_by_stem(root: Path) -> dict[str, list[str]]:
    """Pictures below the root by their names without a suffix."""
    stems: dict[str, list[str]] = {}
    for name in look_below(root).pictures:
        stems.setdefault(name[: -len(Path(name).suffix)], []).append(name)
    return stems


def _missing_files(root: Path, table: Path, missing: list[str], rows: int) -> str:
    first, meant = missing[0], None
    if len(missing) == rows:
        tail = Path(first).name
        below = next((path for path in look_below(root).pictures if Path(path).name == tail), None)
        if (root.parent / first).is_file():
            meant = root.parent
        elif below and below.endswith("/" + first):
            meant = root / below.removesuffix("/" + first)
    if meant is not None:
        return (
            f"{table}: names {first}, which is not in {root} but in {meant}: give that folder as "
            "IMAGES"
        )
    more = f", and {len(missing) - 1} more files that are not" if len(missing) > 1 else ""
    return (
        f"{table}: names {first}, which is not in {root}{more}; names are relative to that folder"
    )


def no_pictures(root: Path) -> DataError:
    """Why a folder holds no labelled images, and what to do."""
    content = look_below(root)
    files = [name for name in entries(root)[1] if not is_litter(name)]
    if arrays := [name for name in files if name.endswith(".npy")]:
        return DataError(f"{root}: {_array_folder(root, arrays)}")
    tables = [name for name in files if Path(name).suffix.lower() in _LABEL_SUFFIXES]
    # Those first whose names say so.
    tables.sort(key=lambda name: not name.lower().startswith(_LABEL_FILES))
    table = next((name for name in tables if fault_of_labels(root, root / name) is None), None)
    if table is None:
        hint = f"{option('labels', like='FILE.csv')} (columns file,label)"
        if content.pictures:
            hint += f"; without labels, {option('labels', 'model')} takes the model's own answers"
            hint += f" ({option('preprocess', like='NAME')} then has to be known)"
    else:
        hint = option("labels", root / table)
    if content.direct:
        siblings = [name for name in entries(root.parent)[0] if not is_litter(name)]
        named = root.parent != Path()  # the working folder is no likely one of classes
        if (
            table is None
            and named
            and len(siblings) > 1
            and _holds_pictures(root.parent, siblings, root)
        ):
            return DataError(
                f"{root}: its {content.direct} pictures lie directly in it, so they have no class; "
                f"did you mean {root.parent}, whose folders would be the classes? Else give {hint}"
            )
        return DataError(
            f"{root}: has {content.direct} pictures directly in it and none in class sub-folders; "
            f"make one sub-folder per class or give {hint}"
        )
    other = f" (it holds {passed_over(content.other)})" if content.other else ""
    return DataError(
        f"{root}: no pictures in class sub-folders, and no .tar or .parquet shards{other}; make "
        f"one sub-folder per class or give {hint}{advice(content.other)}"
    )


def _holds_pictures(parent: Path, names: list[str], but: Path) -> bool:
    """Whether another folder beside one holds pictures directly."""
    for folder in [parent / name for name in names if name != real_path(but).name][:20]:
        with suppress(DataError):
            if any(map(is_picture, entries(folder)[1])):
                return True
    return False


def fault_of_labels(root: Path, table: Path, *, sets: bool = False) -> DataError | None:
    """Why a file is not taken for `labels`, of one class an image or of sets; None where it is."""
    try:
        (labelled_sets if sets else labelled_files)(root, table)
    except DataError as error:
        return error
    return None


def _array_folder(root: Path, arrays: list[str]) -> str:
    if "labels.npy" not in arrays:
        return (
            f"holds arrays ({shown(arrays, 3)}) but no labels.npy; images are read from one .npy "
            "with labels.npy beside it, or from an .npz with images and labels"
        )
    images = [name for name in arrays if name != "labels.npy"]
    first = root / images[0] if images else root / "images.npy"
    return (
        f"holds {len(images)} arrays beside labels.npy, as CIFAR-10-C does; give one of them, such "
        f"as {first}, which is read with its labels (there, 10,000 rows a severity)"
    )
