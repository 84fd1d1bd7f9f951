"""Tables that say which labels a picture has, none, one or several, in the layouts people have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..spelling import option
from .class_names import folded, shown
from .label_files import (
    FILE_COLUMNS,
    LABEL_COLUMNS,
    first_line,
    holds_objects,
    is_listed,
    lines_of,
    mark_of,
    objects_of,
    rows_of,
    table_text,
)
from .pictures import is_picture

# Further names of a column that holds all labels of a picture.
_SET_COLUMNS = (
    *LABEL_COLUMNS, "tags", "tag", "classes", "categories", "attributes", "findings",
    "findinglabels", "targets", "concepts",
)  # fmt: skip
# Between the labels of one cell.
_MARKS = (";", "|", ",")
_YES, _NO = {"1", "1.0", "true"}, {"0", "0.0", "false"}
_MINUS = {"-1", "-1.0"}
_LAYOUTS = (
    "columns file,labels with the labels separated by ';' or '|', file,label,label,..., or one "
    "column a class with 0 and 1"
)


class SetRow(NamedTuple):
    """The labels of one picture as a table has them: its name, labels as text, and the line."""

    file: str
    labels: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class LabelSets:
    """Labels of pictures, as text.

    Attributes
    ----------
    table : Path
        Where they stand.
    sets : dict
        Labels of each picture, by its id.
    lines : dict
        The line in which a label stands first; 0 where there are no lines.
    classes : tuple of str or None
        Names of all classes in order, where the table has a column for each.
    whole : bool
        The columns have no names: they are all the model's classes, in its order.
    """

    table: Path
    sets: dict[str, tuple[str, ...]]
    lines: dict[str, int]
    classes: tuple[str, ...] | None = None
    whole: bool = False

    def digest(self, name: str) -> bytes:
        """SHA-256 of the labels of a picture, whatever their order."""
        return hashlib.sha256("\n".join(sorted(self.sets[name])).encode(errors="replace")).digest()


def read_label_sets(
    table: Path, root: Path, columns: tuple[str, str] | None = None
) -> tuple[list[SetRow], tuple[str, ...] | None]:
    """Pictures and their labels as text, in the order of the file, and a table's own classes.

    Parameters
    ----------
    table : Path
        CSV with commas, semicolons, tabs or bars: the column ``labels`` with labels separated by
        ``;`` or ``|``, columns ``file,label,label,...``, or one column a class with 0 and 1; JSON
        or JSON lines of objects with a list of labels; in UTF-8 or UTF-16.
    root : Path
        The folder that holds the pictures.
    columns : (str, str), optional
        Names of the columns that hold files and labels.

    Raises
    ------
    DataError
        It cannot be read, or its layout is open.
    """
    text = table_text(table)
    if holds_objects(table, text):
        return _from_objects(table, objects_of(table, text), columns), None
    lines = lines_of(text)
    rows = rows_of(table, lines, _mark(first_line(lines)))
    header = rows[0][1]
    headed = not is_listed(root, header)
    if headed and len(rows) == 1:
        raise DataError(f"{table}: lists no images")
    if not headed:
        return _without_header(table, rows, columns), None
    known = [folded(cell) for cell in header]
    file = _file_column(table, header, known, columns)
    for number, row in rows[1:]:
        if len(row) <= file or not row[file]:
            raise DataError(f"{table}, line {number}: names no file in column '{header[file]}'")
    others = [place for place in range(len(header)) if place != file]
    if columns is not None:
        labels = [_place(table, header, columns[1])]
    else:
        labels = [place for place in others if known[place].rstrip("0123456789") in _SET_COLUMNS]
        labels = labels or (others if len(others) == 1 and not _binary(rows, others[0]) else [])
    if not labels:
        return _by_columns(table, rows, file, others)
    if len(labels) > 1 and labels != others:
        raise DataError(
            f"{table}: which column holds the labels is open ({shown(header[p] for p in labels)} "
            f"may be it): give {option('columns', like='FILE,LABEL')}, or {_LAYOUTS}"
        )
    # Rows may be longer than their header: file,label and then as many labels as there are.
    last = labels[-1] == len(header) - 1
    result = []
    for number, row in rows[1:]:
        cells = [row[place] for place in labels if place < len(row)]
        cells += row[len(header) :] if last else []
        result.append(SetRow(row[file], _split(cells), number))
    return result, None


def _mark(line: str) -> str:
    """What stands between cells: what parts a name of a picture off, or known names of columns."""
    for mark in ("\t", ",", ";", "|"):
        if mark in line and is_picture(line.split(mark)[0].strip(" \"'")):
            return mark
    return mark_of(line, (*FILE_COLUMNS, *_SET_COLUMNS))


def _place(table: Path, header: Sequence[str], name: str) -> int:
    """The column of a name, or of a number from 1."""
    alike = [place for place, cell in enumerate(header) if folded(cell) == folded(name)]
    if not alike and name.isdecimal() and 1 <= int(name) <= len(header):
        alike = [int(name) - 1]
    if len(alike) != 1:
        raise DataError(
            f"{table}: has {'more than one' if alike else 'no'} column '{name}' but columns "
            f"{shown(header, 12)}; give {option('columns', like='FILE,LABEL')} with their names"
        )
    return alike[0]


def _file_column(
    table: Path, header: Sequence[str], known: Sequence[str], columns: tuple[str, str] | None
) -> int:
    if columns is not None:
        return _place(table, header, columns[0])
    files = [place for place, cell in enumerate(known) if cell in FILE_COLUMNS]
    best = [place for place in files if known[place] in FILE_COLUMNS[:2]]
    if len(files) > 1 and len(best) == 1:
        files = best
    if len(files) != 1:
        several = f" ({shown(header[place] for place in files)} may be it)" if files else ""
        raise DataError(
            f"{table}: which column holds the files is open{several}; its columns are "
            f"{shown(header, 12)}: give {option('columns', like='FILE,LABEL')}, or {_LAYOUTS}"
        )
    return files[0]


def _binary(rows: Sequence[tuple[int, list[str]]], place: int) -> bool:
    """Whether a column holds yes and no alone, under a name that says no more."""
    cells = {row[place].casefold() for _, row in rows[1:] if place < len(row)}
    return cells <= _YES | _NO | _MINUS


def _by_columns(
    table: Path, rows: Sequence[tuple[int, list[str]]], file: int, others: list[int]
) -> tuple[list[SetRow], tuple[str, ...]]:
    """One column a class: 0 and 1, or -1 and 1 in a table without any 0."""
    header = rows[0][1]
    if not others:
        raise DataError(f"{table}: lists files but no labels; {_LAYOUTS} are needed")
    used = {row[p].casefold() for _, row in rows[1:] for p in others if p < len(row)}
    no = _MINUS if used & _MINUS and not used & _NO else _NO
    names = [header[place] for place in others]
    again = next((name for name in names if names.count(name) > 1), None)
    if again:
        raise DataError(
            f"{table}: has {names.count(again)} columns '{again}'; a class has one column, under a "
            "name of its own"
        )
    empty = next((place for place in others if not header[place]), None)
    if empty is not None:
        raise DataError(f"{table}: column {empty + 1} has no name; the name of a class is needed")
    result = []
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise DataError(
                f"{table}, line {number}: has {len(row)} columns where the first line has "
                f"{len(header)}"
            )
        cells = [row[place].casefold() for place in others]
        odd = next((at for at, cell in enumerate(cells) if cell not in _YES | no), None)
        if odd is not None:
            unknown = " (-1 for what is not known, it seems: leave such pictures out)"
            raise DataError(
                f"{table}, line {number}: column '{names[odd]}' holds '{cells[odd][:40]}', where a "
                f"class has 0 or 1{unknown if cells[odd] in _MINUS else ''}; {_LAYOUTS} are needed"
            )
        labels = tuple(name for name, cell in zip(names, cells, strict=True) if cell in _YES)
        result.append(SetRow(row[file], labels, number))
    return result, tuple(names)


def _without_header(
    table: Path, rows: Sequence[tuple[int, list[str]]], columns: tuple[str, str] | None
) -> list[SetRow]:
    """Lines of a name and labels."""
    if columns is not None:
        raise DataError(
            f"{table}: has no line with names of columns, so {option('columns', ','.join(columns))}"
            " names none"
        )
    cells = [cell for _, row in rows for cell in row[1:]]
    if any(len(row) > 2 for _, row in rows) and set(cells) <= {"0", "1"}:
        raise DataError(
            f"{table}: holds 0 and 1 alone, and whether these are classes or say yes and no is "
            "open: begin it with a line that names the columns, file and the classes"
        )
    for number, row in rows:
        if not is_picture(row[0].replace("\\", "/")) and not row[0]:
            raise DataError(f"{table}, line {number}: names no file")
    # Words of a line without marks.
    split = [[*row[1:]] if len(row) > 2 else _spaced(row[1:]) for _, row in rows]
    return [
        SetRow(row[0], _split(labels), number)
        for (number, row), labels in zip(rows, split, strict=True)
    ]


def _spaced(cells: list[str]) -> list[str]:
    """Class numbers that spaces separate, one by one; other cells as they are."""
    numbers = [word for cell in cells for word in cell.split()]
    return numbers if all(word.isdecimal() for word in numbers) else cells


def _split(cells: Sequence[str]) -> tuple[str, ...]:
    """Labels of some cells, each of which may hold several; each once."""
    labels = []
    for cell in _spaced(list(cells)):
        mark = next((mark for mark in _MARKS if mark in cell), None)
        labels += [cell] if mark is None else cell.split(mark)
    return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))


def _from_objects(
    table: Path, objects: list[tuple[int, Any]], columns: tuple[str, str] | None
) -> list[SetRow]:
    result, given = [], []
    keys: tuple[str, str] | None = None
    for number, value in objects:
        where = f"{table}, line {number}"
        if not isinstance(value, dict):
            raise DataError(f"{where}: must be an object with file_name and labels")
        if keys is None:
            header = [str(key) for key in value]
            known = [folded(key) for key in header]
            file = _file_column(table, header, known, columns)
            if columns is not None:
                place = _place(table, header, columns[1])
            else:
                labels = [at for at, key in enumerate(known) if key in _SET_COLUMNS and at != file]
                others = [at for at in range(len(header)) if at != file]
                labels = labels or (others if len(others) == 1 else [])
                if len(labels) != 1:
                    raise DataError(
                        f"{table}: which key holds the labels is open; its keys are "
                        f"{shown(header, 12)}: give {option('columns', like='FILE,LABEL')}"
                    )
                place = labels[0]
            keys = header[file], header[place]
        name, listed = (value.get(key) for key in keys)
        labels_of = _listed(listed)
        if not isinstance(name, str) or not name or labels_of is None:
            raise DataError(f"{where}: '{keys[0]}' must be a name and '{keys[1]}' a list of labels")
        result.append(SetRow(name.strip(), labels_of, number))
        given.append(listed)
    if not result:
        raise DataError(f"{table}: lists no images")
    _check_open(table, given)
    return result


def _listed(value: Any) -> tuple[str, ...] | None:
    """Labels of a list, or of a single word or number; None where it is neither."""
    listed = value if isinstance(value, list) else [value]
    if not all(type(each) in (str, int) for each in listed):
        return None
    words = [str(each).strip() for each in listed]
    return _split(words) if len(words) == 1 else tuple(dict.fromkeys(words))


def _check_open(place: Path, given: Sequence[Any]) -> None:
    """Refuse lists of 0 and 1 of one length: a column a class, or the classes 0 and 1."""
    lengths = {len(each) if isinstance(each, list) else 1 for each in given}
    if len(lengths) == 1 and max(lengths) > 1 and all(cell in (0, 1) for e in given for cell in e):
        raise DataError(
            f"{place}: its lists hold 0 and 1 alone, {max(lengths)} each, and whether these are "
            "classes or say yes and no is open; write the numbers or names of the classes that "
            "are there"
        )


def sets_in_archive(
    place: Path, cells: dict[str, Any], classes: Sequence[str] | None = None
) -> LabelSets:
    """Labels that lie beside pictures in an archive.

    Parameters
    ----------
    place : Path
        The first file.
    cells : dict
        A list of labels, or a single one or text with ``;`` between them, by the picture's id.
    classes : sequence of str, optional
        All classes in their order, which whole numbers in the lists count.

    Raises
    ------
    DataError
        Something else, or no picture has a label.
    """
    _check_open(place, list(cells.values()))
    sets: dict[str, tuple[str, ...]] = {}
    for name, cell in cells.items():
        words = _listed(cell)
        if words is None:
            raise DataError(f"{place}: the labels of {name} are no list of words or class numbers")
        if classes is not None:
            wrong = [word for word in words if not word.isdecimal() or int(word) >= len(classes)]
            if wrong:
                raise DataError(
                    f"{place}: label {wrong[0][:40]} of {name} is beyond the {len(classes)} names "
                    "of its own list"
                )
            words = tuple(classes[int(word)] for word in words)
        sets[name] = words
    known = {word: 0 for words in sets.values() for word in words}
    if not known:
        raise DataError(f"{place}: gives no picture a label")
    return LabelSets(place, sets, known, None if classes is None else tuple(classes))


def set_key(keys: Sequence[str]) -> list[str]:
    """Which of some names of columns or keys may hold all labels of a picture."""
    return [key for key in keys if folded(key) in _SET_COLUMNS]
