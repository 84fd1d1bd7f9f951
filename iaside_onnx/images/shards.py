"""Which files make a set that is split into shards: a file, a folder, or a pattern of names."""

from __future__ import annotations

import re
from itertools import product
from math import prod
from pathlib import Path

from ..errors import DataError
from ..spelling import option
from ..storage.regular_file import check_regular
from .pictures import SUFFIXES

SHARD_SUFFIXES = (".tar", ".parquet")
_MOST = 100_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
# The Hugging Face form: split, number, count.
_NUMBERED = re.compile(r"(.+)-(\d{5})-of-(\d{5})")


def named_by(pattern: Path) -> list[Path] | None:
    """Files that a pattern names: ``val-{000..049}.tar``, ``{a,b}.tar``, ``test-*.parquet``.

    Returns
    -------
    list of Path, or None
        In the pattern's order, ``*`` and ``?`` sorted; None for a plain name.

    Raises
    ------
    DataError
        A file is missing, nothing fits, or there is no end to the names.
    """
    name = pattern.name
    if not any(mark in name for mark in "{*?"):
        return None
    texts = _BRACES.split(name)
    choices = [
        _choices(pattern, text) if number % 2 else [text] for number, text in enumerate(texts)
    ]
    count = prod(map(len, choices))
    if count > _MOST:
        raise DataError(f"{pattern}: stands for {count:,} files, the most are {_MOST:,}")
    files: list[Path] = []
    for name in map("".join, product(*choices)):
        if "*" in name or "?" in name:
            fitting = sorted(pattern.parent.glob(name.replace("[", "[[]")))
        else:
            fitting = [pattern.parent / name]
        for file in fitting:
            check_regular(file, DataError)
        if not fitting or not fitting[0].is_file():
            raise DataError(f"{pattern}: stands for {name}, but there is no such file")
        files += fitting
    if len(set(files)) != len(files):
        raise DataError(f"{pattern}: names a file more than once")
    return files


def _choices(pattern: Path, text: str) -> list[str]:
    limits = _RANGE.fullmatch(text)
    if limits is None:
        return text.split(",")
    first, last = (int(limit) for limit in limits.groups())
    if last < first or last - first >= _MOST:
        raise DataError(f"{pattern}: {{{text}}} must count upwards, by less than {_MOST:,}")
    return [f"{number:0{len(limits[1])}d}" for number in range(first, last + 1)]


def in_folder(folder: Path) -> list[Path]:
    """Shards directly in a folder, sorted; empty where there are none.

    Raises
    ------
    DataError
        They are of several sets (train and val), or one of a numbered set is missing.
    """
    files = sorted(
        file for file in folder.iterdir() if file.suffix in SHARD_SUFFIXES and file.is_file()
    )
    sets: dict[str, list[Path]] = {}
    for file in files:
        sets.setdefault(_set_of(file), []).append(file)
    if len(sets) > 1:
        names = ", ".join(sorted(sets)[:4]) + (", ..." if len(sets) > 4 else "")
        raise DataError(
            f"{folder}: holds shards of {len(sets)} sets ({names}); name one, such as "
            f"'{folder / min(sets)}'"
        )
    matches = [match for file in files if (match := _NUMBERED.match(file.stem))]
    if files and len(matches) == len(files):
        counted = {match.group(2, 3) for match in matches}
        totals = {total for _, total in counted}
        count = max(map(int, totals))
        if len(totals) > 1 or len(counted) != count:
            raise DataError(
                f"{folder}: holds {len(counted)} of the {count} shards that their names count; "
                f"fetch the rest, or name these as '{folder / min(sets)}'"
            )
    return files


def _set_of(file: Path) -> str:
    """The pattern that a shard shares with the others of its set."""
    numbered = _NUMBERED.match(file.stem)
    stem = numbered[1] + "-*" if numbered else re.sub(r"\d+(?=\D*$)", "*", file.stem)
    return stem + file.suffix


def other_file(kinds: set[str]) -> str:
    """What a file is that is not read, and what to do."""
    if kinds == {".mat"}:
        return (
            "a MATLAB file, which is not read; save its arrays with numpy.savez as images "
            "(n x H x W x C) and labels (scipy.io.loadmat reads version 5, h5py version 7.3)"
        )
    if kinds & SUFFIXES:
        return (
            f"is one picture; give the folder of class folders, or {option('labels')} with a folder"
        )
    if kinds & {".csv", ".tsv", ".jsonl"}:
        return f"is a table; give the folder with the pictures, and this with {option('labels')}"
    if kinds & {".onnx", ".ort"}:
        return "is a model, not images; the model is named first, then the images"
    return "images are read from a folder, or from .npz, .npy, .h5, .tar or .parquet files"
