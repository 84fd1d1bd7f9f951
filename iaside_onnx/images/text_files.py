"""Small text files that people make: UTF-8 with or without a mark, or UTF-16."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable
from pathlib import Path

from ..errors import DataError
from ..storage.regular_file import read_bounded

_MOST_FIELD = 1 << 17


def read_text(path: Path, most: int) -> str:
    """Text of a file, without a byte-order mark and with plain line ends.

    Parameters
    ----------
    most : int
        Bytes that it may have.

    Raises
    ------
    DataError
        It cannot be read, is too large, or is no text.
    """
    try:
        if path.is_dir():
            raise DataError(f"{path}: is a folder, a file is needed")
        content = read_bounded(path, most, DataError)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    try:
        text = content.decode(_encoding(content))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: cannot be read as text (byte {error.start} is not {error.encoding}); save it "
            "as UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(f"{path}: cannot be read as text (it holds zero bytes); save it as UTF-8")
    return text.removeprefix("\ufeff")


def csv_rows(path: Path, lines: Iterable[str], mark: str = ",") -> list[tuple[int, list[str]]]:
    """Cells of the lines that are not blank, with their numbers; `mark` stands between cells.

    A row of empty cells is a row: where rows go by their order, it holds a place.

    Raises
    ------
    DataError
        It is no CSV.
    """
    limit = csv.field_size_limit(_MOST_FIELD)
    filled = (line if line.strip() or mark in line else "" for line in lines)
    try:
        reader = csv.reader((line + "\n" for line in filled), delimiter=mark)
        return [(reader.line_num, [cell.strip() for cell in row]) for row in reader if row]
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from error
    finally:
        csv.field_size_limit(limit)


def filled_rows(path: Path, lines: Iterable[str], mark: str = ",") -> list[tuple[int, list[str]]]:
    """Rows of `csv_rows` with something in them, for tables that go by a key and not by order.

    Raises
    ------
    DataError
        It is no CSV.
    """
    return [(number, row) for number, row in csv_rows(path, lines, mark) if any(row)]


def _encoding(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = content[:64]
    if len(start) >= 4 and len(content) % 2 == 0 and b"\0" in start:  # UTF-16 without its mark
        low, high = start[1::2].count(0), start[::2].count(0)
        if max(low, high) > len(start) // 4:
            return "utf-16-le" if low > high else "utf-16-be"
    return "utf-8-sig"
