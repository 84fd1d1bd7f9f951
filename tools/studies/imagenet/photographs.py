"""The photographs in two halves: one that variants are built on, one that is reported."""

from __future__ import annotations

import csv
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image

BUILDING, REPORTING = "building", "reporting"
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def half_of(content: bytes) -> str:
    """The half that decoded pixels belong to: fixed by them, whatever the file is called."""
    return BUILDING if sha256(content).digest()[0] % 2 == 0 else REPORTING


def labelled(folder: Path) -> list[tuple[str, str]]:
    """Files and labels: of ``labels.csv`` in the folder, or the names of its class folders."""
    table = folder / "labels.csv"
    if table.exists():
        with table.open(newline="") as file:
            return [(row["file"], row["label"]) for row in csv.DictReader(file)]
    paths = sorted(path for path in folder.glob("*/*") if path.suffix.lower() in _ENDINGS)
    return [(path.relative_to(folder).as_posix(), path.parent.name) for path in paths]


def write_halves(folder: Path, out: Path) -> dict[str, Path]:
    """Write one label table for each half; returns their paths."""
    rows: dict[str, list[tuple[str, str]]] = {BUILDING: [], REPORTING: []}
    for file, label in labelled(folder):
        with Image.open(folder / file) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        rows[half_of(pixels.tobytes())].append((file, label))
    tables = {half: out / f"{half}.csv" for half in rows}
    for half, table in tables.items():
        with table.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("file", "label"), *rows[half]])
    return tables
