"""What the page says of one damage report beyond the table of all: bands, images, and a strip."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..results.damage import DamageReport
from ..results.damage_words import pairs_of_bands
from ..views.damage_rows import digits_of, ends, signed
from ..views.damage_strip import has_strip, tiles
from ..views.text import UNDEFINED, percent, with_ends
from .example_pictures import data_uri, fitted
from .shading import matrix

_WORST = 5
_MOST_CLASSES = 10
_AS_DAMAGE = str.maketrans("pn", "np")


def details(report: DamageReport, *, with_strip: bool) -> dict[str, Any]:
    """Headings and rows of the bands, the images that suffer most, pairs of bands, and a strip.

    The strip is None without `with_strip`, or where the report holds no pictures.
    """
    digits, parts = digits_of(report), report.parts
    columns: list[tuple[str, list[str]]] = [
        (report.unit, [signed(value, digits) for value in report.bands.value]),
        ("interval", _ends(report, report.bands)),
    ]
    for name, values in (("only", report.only), ("alone", report.alone)):
        if values is not None:
            columns.append((name, [signed(value, digits) for value in values]))
    if parts is not None:
        for row, name in enumerate(("taken away", "added")):
            part = parts[row, :-1]
            columns.append((name, [signed(value, digits) for value in part.value]))
            columns.append(("interval", _ends(report, part)))
    return {
        "level": percent(report.confidence),
        "headings": [name for name, _ in columns],
        "bands": list(zip(with_ends(report.band_names), *(c for _, c in columns), strict=True)),
        "one_and_all": report.only is not None,
        "split": parts is not None,
        "pairs": pairs_of_bands(report),
        "band_names": report.band_names,
        "interactions": _interactions(report, digits),
        "classes": _classes(report, digits),
        "worst": [
            (
                entry["image"],
                entry["name"],
                entry["band"],
                signed(entry["points"], digits),
                "" if digits == 3 else signed(entry["log_prob"], 2),
            )
            for entry in report.worst(_WORST)
        ],
        "log_prob": digits != 3,
        "of_classes": report.of_classes,
        "strip": _strip(report) if with_strip and has_strip(report) else None,
    }


def _interactions(report: DamageReport, digits: int) -> list[list[tuple[str, str]]]:
    """Cells of the interactions; none where coalitions were drawn, or of one band."""
    values = report.interactions
    if values is None or len(values) < 2:
        return []
    # Where damage needs both, the cell has the colour of damage.
    return [
        [(text, look.translate(_AS_DAMAGE)) for text, look in row] for row in matrix(values, digits)
    ]


def _classes(report: DamageReport, digits: int) -> list[list[str]]:
    """Name, images, damage and its interval of the classes that suffer most, the worst first."""

    def told(value: float | None) -> str:
        return UNDEFINED if value is None else signed(value, digits)

    def lost(row: dict[str, Any]) -> float:
        value = row["damage"]["points"]
        return math.inf if value is None else float(value)

    rows = sorted(report.per_class(), key=lambda row: (-lost(row), row["class"]))
    cells = []
    for row in rows[:_MOST_CLASSES]:
        value, low, high = (told(row["damage"][key]) for key in ("points", "low", "high"))
        cells.append([row["name"], f"{row['n']}{'*' * row['few']}", value, f"{low} to {high}"])
    return cells


def _ends(report: DamageReport, spread: Any) -> list[str]:
    return [ends(report, spread[band]) for band in range(report.players)]


def _strip(report: DamageReport) -> dict[str, Any]:
    row, shown = tiles(report)
    return {
        "image": report.image_ids[row],
        "true_class": report.class_name(int(report.labels[row])) if report.of_classes else None,
        "quantity": report.task.quantity,
        "tiles": [
            {
                "name": tile.name,
                "picture": data_uri(
                    fitted(np.rint(np.moveaxis(tile.pixels, 0, -1) * 255).astype(np.uint8))
                ),
                "answer": tile.answer,
                "right": tile.right,
                "chance": tile.chance,
            }
            for tile in shown
        ],
    }
