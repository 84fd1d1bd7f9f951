"""Files that say which picture is of which class, in the layouts that people have."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..spelling import option
from .class_names import folded, shown
from .imagenet import ids_beside, wordnet_id
from .pictures import is_picture, relative_name
from .text_files import filled_rows, read_text
from .tree import look_below

_COLUMNS = option("columns", like="FILE,LABEL")
_MOST_BYTES = 1 << 28
# Column names, folded, the usual first.
FILE_COLUMNS = (
    "file", "filename", "image", "imageid", "imagename", "imagepath", "imagefile", "filepath",
    "path", "img", "imgname", "imgpath", "fname", "picture", "photo", "relpath", "id",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "classname", "classid", "classlabel", "target", "category",
    "categoryid", "labelid", "labelname", "predictionstring", "groundtruth", "gt", "y", "wnid",
    "synset", "species", "breed", "diagnosis",
)  # fmt: skip
_WORKBOOKS = (".xlsx", ".xls", ".ods")
_OTHER_KINDS = {
    **dict.fromkeys(_WORKBOOKS, "a workbook; save it as CSV with the columns file,label"),
    ".npy": "an array, which goes with one .npy of images; for a folder give columns file,label",
    ".xml": "XML; give columns file,label",
}
_SPLIT_MARKS = "\t;,|"


@dataclass(frozen=True)
class Entry:
    """One picture as a file of labels has it: name, label as text, line, and a second label."""

    file: str
    label: str
    line: int
    second: str = ""


def read_labels(table: Path, root: Path, columns: tuple[str, str] | None = None) -> list[Entry]:
    """Names of pictures and their labels as text, in the order of the file.

    Parameters
    ----------
    table : Path
        CSV with commas, semicolons, tabs or bars, with or without a header; lines of a name and a
        label; JSON lines, or JSON; in UTF-8 or UTF-16.
    root : Path
        The folder that holds the pictures.
    columns : (str, str), optional
        Names, or numbers from 1, of the columns that hold files and labels.

    Raises
    ------
    DataError
        It cannot be read, or which column is which is open.
    """
    text = table_text(table)
    if holds_objects(table, text):
        return _from_objects(table, objects_of(table, text), columns)
    lines = lines_of(text)
    filled = [line for line in lines if line.strip()]
    if columns is None and all(_is_count(line.strip()) for line in filled):
        return _numbers_by_line(table, root, [int(line) for line in filled])
    return _from_table(table, lines, root, columns)


def table_text(table: Path) -> str:
    """Text of a file of labels.

    Raises
    ------
    DataError
        It cannot be read, is empty, or of another kind.
    """
    kind = _OTHER_KINDS.get(table.suffix.lower())
    if kind is not None:
        raise DataError(f"{table}: is {kind}")
    text = read_text(table, _MOST_BYTES)
    if not text.strip():
        raise DataError(f"{table}: is empty; columns file,label are needed")
    return text


def holds_objects(table: Path, text: str) -> bool:
    """Whether a text is JSON, or lines of it."""
    return text.lstrip()[0] in "[{" and table.suffix.lower() not in (".csv", ".tsv")


def lines_of(text: str) -> list[str]:
    """Lines of a table, with an empty one for what Excel says of its mark."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        lines = ["", *lines[1:]]
    return lines


def first_line(lines: list[str]) -> str:
    """The first line that is not empty; empty if there is none."""
    return next((line for line in lines if line.strip()), "")


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def _from_table(
    table: Path, lines: list[str], root: Path, columns: tuple[str, str] | None
) -> list[Entry]:
    known = [folded(name) for name in columns] if columns else (*FILE_COLUMNS, *LABEL_COLUMNS)
    rows = rows_of(table, lines, mark_of(first_line(lines), known))
    header = rows[0][1]
    headed = not is_listed(root, header)
    if columns is not None:
        file, label = _named(table, header, columns, headed)
    elif headed:
        file, label = _by_header(table, header)
    else:
        file, label = _without_header(table, [row for _, row in rows])
    second = _second(header, label) if headed and columns is None else None
    listed = []
    for number, row in rows[int(headed) :]:
        where = f"{table}, line {number}"
        if len(row) <= max(file, label):
            raise DataError(
                f"{where}: has {len(row)} columns where the first line has {len(header)}"
            )
        text = row[label]
        if headed and folded(header[label]) == "predictionstring":
            text = _one_class(text, where)
        also = row[second] if second is not None and second < len(row) else ""
        listed.append(Entry(row[file], text, number, also))
    if not listed:
        raise DataError(f"{table}: lists no images")
    return listed


def rows_of(table: Path, lines: list[str], mark: str) -> list[tuple[int, list[str]]]:
    """Cells of the lines that are not empty, with their numbers; `mark` stands between cells.

    Raises
    ------
    DataError
        It is no table, or empty.
    """
    rows = _rows(table, lines, mark)
    if not rows:
        raise DataError(f"{table}: lists no images")
    return rows


def _rows(table: Path, lines: list[str], mark: str) -> list[tuple[int, list[str]]]:
    if mark == " ":
        return [(at, _words(line)) for at, line in enumerate(lines, start=1) if line.strip()]
    return filled_rows(table, lines, mark)


def mark_of(line: str, known: Collection[str]) -> str:
    """What stands between columns: what splits a line into known names, else a usual mark."""
    for mark in _SPLIT_MARKS:
        cells = {folded(cell.strip(" \"'")) for cell in line.split(mark)}
        if mark in line and len(cells & set(known)) > 1:
            return mark
    return next((mark for mark in _SPLIT_MARKS if mark in line), " ")


def _words(line: str) -> list[str]:
    """Name and label of a line without marks: the name may hold spaces where its suffix ends it."""
    words = line.split()
    ends = (count for count in range(1, len(words)) if is_picture(words[count - 1]))
    end = next(ends, 1)
    return [" ".join(words[:end]), " ".join(words[end:])] if len(words) > 1 else words


def is_listed(root: Path, row: list[str]) -> bool:
    """Whether a first line is one of a picture already, rather than of column names."""
    for cell in row:
        name = cell.replace("\\", "/")
        if is_picture(name):
            return True
        if (
            not name
            or folded(name) in (*FILE_COLUMNS, *LABEL_COLUMNS)
            or len(name) > 255
            or "\0" in name
        ):
            continue
        if relative_name(name) is not None and any(root.glob(f"{escape(name)}.*")):
            return True
    return False


def _named(
    table: Path, header: list[str], columns: tuple[str, str], headed: bool
) -> tuple[int, int]:
    """Places of the columns that were asked for."""
    places = []
    for name in columns:
        exact = [place for place, cell in enumerate(header) if cell == name]
        alike = [place for place, cell in enumerate(header) if folded(cell) == folded(name)]
        meant = (exact or alike) if headed else []
        if not meant and _is_count(name) and 1 <= int(name) <= len(header):
            meant = [int(name) - 1]
        if len(meant) != 1:
            there = f"columns {shown(header, 12)}" if headed else f"{len(header)} unnamed columns"
            raise DataError(
                f"{table}: has {'more than one' if meant else 'no'} column '{name}' but {there}; "
                f"give {_COLUMNS} with their names, or their numbers from 1"
            )
        places += meant
    return places[0], places[1]


def _by_header(table: Path, header: Sequence[str]) -> tuple[int, int]:
    """Places of the columns by their usual names, where one of each may be meant."""
    known = [folded(cell) for cell in header]
    files = [place for place, cell in enumerate(known) if cell in FILE_COLUMNS]
    labels = [place for place, cell in enumerate(known) if cell in LABEL_COLUMNS]
    if len(files) > 1:
        best = min(files, key=lambda place: FILE_COLUMNS.index(known[place]))
        files = [best] if FILE_COLUMNS.index(known[best]) < 2 else files
        if len(files) > 1 and known.count("id") == 1:
            files.remove(known.index("id"))
    if len(labels) > 1 and known.count("label") == 1:
        labels = [known.index("label")]
    if len(files) == 1 and not labels and len(header) == 2:
        labels = [1 - files[0]]
    if len(files) == 1 and len(labels) == 1 and files != labels:
        return files[0], labels[0]
    what = "files" if len(files) != 1 else "labels"
    several = files if what == "files" else labels
    which = f" ({shown(header[place] for place in several)} may be it)" if several else ""
    raise DataError(
        f"{table}: which column holds the {what} is open{which}; its columns are "
        f"{shown(header, 12)}: give {_COLUMNS}, or a file with the columns file,label"
    )


def _second(header: Sequence[str], label: int) -> int | None:
    """Place of one more column of labels, such as the names beside the numbers."""
    known = [folded(cell) for cell in header]
    others = [c for c, cell in enumerate(known) if c != label and cell in (*LABEL_COLUMNS, "name")]
    return others[0] if len(others) == 1 else None


def _without_header(table: Path, rows: list[list[str]]) -> tuple[int, int]:
    """Places of file and label where the lines have no header: name, label; or name, id, more."""
    width = len(rows[0])
    if width == 1:
        raise DataError(f"{table}: lists files but no labels; columns file,label are needed")
    cells = list(zip(*(row for row in rows[:50] if len(row) == width), strict=True))
    files = [
        place
        for place, column in enumerate(cells)
        if all(is_picture(cell.replace("\\", "/")) for cell in column)
    ]
    file = files[0] if len(files) == 1 else 0
    if width == 2:
        return file, 1 - file
    ids = [place for place, column in enumerate(cells) if all(map(wordnet_id, column))]
    ids = [place for place in ids if place != file]
    if len(ids) == 1:
        return file, ids[0]
    raise DataError(
        f"{table}: has {width} columns without names; give {_COLUMNS} with their numbers from 1, "
        f"such as {option('columns', '1,2')}"
    )


def _one_class(text: str, where: str) -> str:
    """The class of a Kaggle prediction string: id and box, again and again."""
    words = text.split()
    names = {word for word in words if wordnet_id(word)} or set(words[:1])
    if len(names) > 1:
        raise DataError(f"{where}: names several classes ({shown(sorted(names))}); one is needed")
    return next(iter(names), "")


def objects_of(table: Path, text: str) -> list[tuple[int, Any]]:
    """Objects of JSON lines, or of one JSON value, with the lines that they stand in."""
    where = f"{table}"
    try:
        if table.suffix.lower() != ".json":
            objects = []
            for number, line in enumerate(text.splitlines(), start=1):
                where = f"{table}, line {number}"
                if line.strip():
                    objects.append((number, json.loads(line)))
            return objects
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: is not valid JSON") from error
    if isinstance(value, dict) and not any(isinstance(x, dict | list) for x in value.values()):
        value = [{"file": name, "label": label} for name, label in value.items()]
    if not isinstance(value, list):
        raise DataError(
            f"{table}: must be JSON lines or a list of objects with file and label, or a "
            "dictionary of files and labels"
        )
    return list(enumerate(value, start=1))


def _from_objects(
    table: Path, objects: list[tuple[int, Any]], columns: tuple[str, str] | None
) -> list[Entry]:
    listed = []
    keys: tuple[str, str] | None = None
    second: str | None = None
    for number, value in objects:
        where = f"{table}, line {number}"
        if not isinstance(value, dict):
            raise DataError(f"{where}: must be an object with file_name and label")
        if keys is None:
            header = [str(key) for key in value]
            if columns is not None:
                places = _named(table, header, columns, headed=True)
            else:
                places = _by_header(table, header)
                other = _second(header, places[1])
                second = None if other is None else header[other]
            keys = header[places[0]], header[places[1]]
        file, label = (value.get(key) for key in keys)
        if isinstance(label, list) and len(label) == 1:
            label = label[0]
        if not isinstance(file, str) or type(label) not in (str, int, float):
            raise DataError(f"{where}: '{keys[0]}' must be a name and '{keys[1]}' a label")
        also = None if second is None else value.get(second)
        also = str(also).strip() if isinstance(also, str | int) else ""
        listed.append(Entry(file.strip(), str(label).strip(), number, also))
    if not listed:
        raise DataError(f"{table}: lists no images")
    return listed


def _numbers_by_line(table: Path, root: Path, numbers: list[int]) -> list[Entry]:
    """Pictures in order of name with one number a line, where a map from the numbers is there."""
    synset_of = ids_beside(table)
    if synset_of is None:
        raise DataError(
            f"{table}: holds one number a line and no files. If it is the ground truth of ILSVRC "
            "2012, its ids are not the model's order: put the meta.mat of its development kit "
            "beside it, or give LOC_val_solution.csv, or columns file,label"
        )
    pictures = look_below(root).pictures
    if len(pictures) != len(numbers):
        raise DataError(
            f"{table}: has {len(numbers):,} lines, but {root} holds {len(pictures):,} pictures; "
            "each line is for the picture at its place in order of name"
        )
    unknown = next((number for number in numbers if number not in synset_of), None)
    if unknown is not None:
        raise DataError(f"{table}: holds the id {unknown}, which the map beside it does not know")
    return [
        Entry(name, synset_of[number], line)
        for line, (name, number) in enumerate(zip(pictures, numbers, strict=True), start=1)
    ]
