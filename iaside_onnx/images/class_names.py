"""Names of classes: files that list them, and finding names of one side among another's."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from .imagenet import CLASSES, synsets, wordnet_id
from .text_files import read_text

_MOST_BYTES = 1 << 22
_NAME_COLUMNS = {"name", "class", "classname", "label", "labelname", "category", "displayname"}
_INDEX_COLUMNS = {"index", "idx", "id", "number", "classid", "classindex", "labelid", "target"}
_NUMBERED = re.compile(r"\s*(\d{1,7})\s*[\s:,;.=-]\s*(\S.*)")
_NUMBER_LAST = re.compile(r"\s*(\S.*?)\s*[\s:,;=]\s*(\d{1,7})\s*")
_ENUMERATED = re.compile(r"(\d{1,7})[\s._:-]+(?=\S)")
# An entry of a dictionary as Python writes it, and what follows.
_ENTRY = re.compile(
    r"""\s*(\d{1,7})\s*:\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*(?:,\s*)?(\})?""",
    re.DOTALL,
)
_HOLDERS = (
    "id2label", "label2id", "class_to_idx", "names", "class_names", "label_names", "classes",
)  # fmt: skip
# Of ImageNet's names that a list must bear for it to be ImageNet's.
_ENOUGH = 0.9


def folded(name: str) -> str:
    """A name without what writers of it differ in: case, spaces, underscores, hyphens.

    Examples
    --------
    >>> folded("German_short-haired pointer")
    'germanshorthairedpointer'
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(mark for mark in text if unicodedata.category(mark)[0] in "LNM") or text.strip()


def python_dict(text: str) -> dict[int, str] | None:
    """A dictionary of numbers to names as Python prints it, such as ``{0: 'cat', 1: 'dog'}``."""
    text = text.strip()
    if not text.startswith("{"):
        return None
    found: dict[int, str] = {}
    place = 1
    while match := _ENTRY.match(text, place):
        name = match[2] if match[2] is not None else match[3]
        found[int(match[1])] = re.sub(r"\\(.)", r"\1", name)
        place = match.end()
        if match[4]:
            return found if place == len(text) else None
    return None


def in_order(numbered: dict[int, str]) -> list[str] | None:
    """Names by their numbers, where these are 0, 1, ... or 1, 2, ...; else None."""
    first = min(numbered, default=-1)
    if first not in (0, 1) or sorted(numbered) != list(range(first, first + len(numbered))):
        return None
    return [numbered[number] for number in sorted(numbered)]


def names_in(value: Any) -> list[str] | None:
    """Class names in a JSON value, in the order of the classes; None where it holds none.

    A list of names or of objects with a name; a dictionary from numbers to names or back; one of
    either under ``id2label``, ``names``, ``classes`` and the like.
    """
    if isinstance(value, list):
        made = [_one_name(item) for item in value]
        return [name for name in made if name is not None] if None not in made and made else None
    if not isinstance(value, dict) or not value:
        return None
    for key in _HOLDERS:
        if isinstance(value.get(key), dict | list):
            return names_in(value[key])
    if all(str(key).isdecimal() and len(str(key)) < 8 for key in value):
        numbered = {int(key): _one_name(item) for key, item in value.items()}
    elif all(isinstance(item, int) for item in value.values()):
        numbered = {item: str(key) for key, item in value.items()}
        if len(numbered) < len(value):
            return None
    else:
        return None
    whole = {number: name for number, name in numbered.items() if name is not None}
    return in_order(whole) if len(whole) == len(numbered) else None


def _one_name(item: Any) -> str | None:
    if isinstance(item, str):
        return item
    if isinstance(item, bool):
        return None
    if isinstance(item, int):
        return str(item)
    if isinstance(item, list) and item and all(isinstance(part, str) for part in item):
        return " ".join(item)  # as in Keras: ["n01440764", "tench"]
    if isinstance(item, dict):
        return next(
            (item[key] for key in ("name", "label") if isinstance(item.get(key), str)), None
        )
    return None


def read_class_names(path: Path) -> list[str]:
    """Class names of a file, in the order of the model's classes.

    Parameters
    ----------
    path : Path
        One name a line, plain or numbered; JSON (a list, or a dictionary as Keras, PyTorch and
        Hugging Face write them); or CSV, with a column of numbers or in the order of the rows.

    Raises
    ------
    DataError
        It cannot be read, holds none, or leaves their order open.
    """
    text = read_text(path, _MOST_BYTES).strip()
    if not text:
        raise DataError(f"{path}: holds no class names")
    names = _parsed(path, text)
    if names is None:
        raise DataError(
            f"{path}: is not a list of class names: one a line in the model's order, a JSON list "
            "or a dictionary of numbers and names, or a CSV file with a column of names"
        )
    if not all(name.strip() for name in names):
        raise DataError(
            f"{path}: class {[bool(name.strip()) for name in names].index(False)} has no name"
        )
    return [name.strip() for name in names]


def _parsed(path: Path, text: str) -> list[str] | None:
    if text[0] in "[{":
        try:
            return names_in(json.loads(text))
        except (ValueError, RecursionError):
            numbered = python_dict(text)
            return None if numbered is None else in_order(numbered)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if path.suffix.lower() in (".csv", ".tsv"):
        return _from_rows(path, lines)
    return _numbered(lines) or lines


def _numbered(lines: list[str]) -> list[str] | None:
    """Names of lines such as ``0: cat`` or ``cat 0`` in the order of the numbers; else None."""
    for pattern, number, name in ((_NUMBERED, 1, 2), (_NUMBER_LAST, 2, 1)):
        matches = [pattern.fullmatch(line) for line in lines]
        numbered = {int(match[number]): match[name].strip() for match in matches if match}
        # Where names would become the same, the numbers are parts of them.
        if len(numbered) == len(lines) == len(set(numbered.values())):
            names = in_order(numbered)
            if names is not None and (number == 1 or 0 in numbered):
                return names
    return None


def _from_rows(path: Path, lines: list[str]) -> list[str] | None:
    delimiter = max("\t;,", key=lines[0].count)
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as CSV ({error})") from error
    header = [folded(cell) for cell in rows[0]]
    named = [column for column, cell in enumerate(header) if cell in _NAME_COLUMNS]
    counted = [column for column, cell in enumerate(header) if cell in _INDEX_COLUMNS]
    if named or counted:
        rows = rows[1:]
    width = len(rows[0]) if rows else 0
    if not rows or any(len(row) != width for row in rows):
        return None
    if width == 1:
        return [row[0] for row in rows]
    numbers = [
        column
        for column in range(width)
        if all(row[column].isdecimal() and len(row[column]) < 8 for row in rows)
        and in_order({int(row[column]): "" for row in rows}) is not None
        and len({row[column] for row in rows}) == len(rows)
    ]
    texts = [column for column in range(width) if column not in numbers]
    name = next((column for column in named if column in texts), None)
    if name is None and len(texts) == 1:
        name = texts[0]
    if name is None or len(numbers) > 1:
        return None
    if not numbers:
        return [row[name] for row in rows]
    return in_order({int(row[numbers[0]]): row[name] for row in rows})


class ClassIndex:
    """Finds names among a model's class names.

    Parameters
    ----------
    names : list of str
        In order of labels. A name may be several, separated by commas, and may begin with a
        WordNet id.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._levels: tuple[dict[str, set[int]], ...] = ({}, {}, {})
        synset_of = _imagenet_order(self.names)
        for number, written in enumerate(_without_numbers(self.names)):
            forms = _forms(written)
            if synset_of:
                forms = (forms[0], {*forms[1], synset_of[number]}, forms[2])
            for level, aliases in zip(self._levels, forms, strict=True):
                for alias in aliases:
                    level.setdefault(alias, set()).add(number)

    def find(self, wanted: Sequence[str]) -> list[set[int]]:
        """Classes that each of some names may mean: none, one, or several of them.

        Spelling as it stands goes before ids, and these before single synonyms.
        """
        return [self._classes(name) for name in _without_numbers(wanted)]

    def _classes(self, name: str) -> set[int]:
        forms = _forms(name)
        asked: set[str] = set()
        for level, aliases in enumerate(forms):
            asked |= aliases
            for known in self._levels[: level + 1]:
                found = set().union(*(known.get(alias, set()) for alias in asked))
                if found:
                    return found
        return set()


def _forms(name: str) -> tuple[set[str], set[str], set[str]]:
    """A name as it is; its WordNet id, or what follows this; its synonyms one by one."""
    whole = {folded(name)} - {""}
    synset = wordnet_id(name)
    rest = name.strip()[9:] if synset else name
    exact = {synset or "", folded(rest)} - {""}
    synonyms = rest.split(",") if "," in rest else []
    if synset:
        synonyms += synsets().get(synset, "").split(",")
    return whole, exact, {folded(word) for word in synonyms} - {""}


def _without_numbers(names: Sequence[str]) -> list[str]:
    """Names without the numbers that count them (``001.Laysan_Albatross``), if all have one."""
    matches = [_ENUMERATED.match(name) for name in names]
    numbers = {match[1] for match in matches if match}
    if len(names) < 2 or len(numbers) < len(names):
        return list(names)
    return [name[match.end() :] for name, match in zip(names, matches, strict=True) if match]


def _imagenet_order(names: list[str]) -> list[str]:
    """WordNet ids of the names, where these are ImageNet's in its order; else none.

    A class of background may stand before them.
    """
    background = names[: len(names) - CLASSES]
    if len(background) > 1 or len(names) < CLASSES:
        return []
    names = names[len(background) :]
    known = [{folded(word) for word in lemmas.split(",")} for lemmas in synsets().values()]
    agree = sum(
        bool(lemmas & set().union(*_forms(name))) for name, lemmas in zip(names, known, strict=True)
    )
    return [*background, *synsets()] if agree >= _ENOUGH * CLASSES else []


def shown(names: Iterable[str], most: int = 5) -> str:
    """The first of some names, for a message."""
    kept = [name if len(name) <= 60 else name[:57] + "..." for name in names]
    return ", ".join(kept[:most]) + (", ..." if len(kept) > most else "")
