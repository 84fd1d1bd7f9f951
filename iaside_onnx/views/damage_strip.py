"""One image with each of its bands perturbed alone, and what the model then says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ..errors import UsageError
from ..mathematics.bands import band_images
from ..results.banded import partition_of
from ..results.damage import DamageReport
from ..results.damage_words import perturbation_name
from .figure import GREY, NOTE, RED, SMALL, WIDTH, Header, Picture
from .text import both_ends, model_name, one_line, shortened

# Inches.
_TILE, _GAP, _LABEL, _EDGE, _BELOW = 0.62, 0.05, 0.36, 0.105, 0.04
_ROW = 5
_GREEN = "#00674A"
_LETTERS = 13


@dataclass(frozen=True)
class Tile:
    """The example with some bands perturbed, values 0 to 1, shape (C, H, W), and the answer to it.

    `chance` is the probability of the true class, or the value where there are no classes.
    """

    name: str
    pixels: NDArray[np.float64]
    answer: str
    right: bool
    chance: float


def tiles(report: DamageReport) -> tuple[int, list[Tile]]:
    """The row of the example, and it clean, perturbed, and with each band perturbed alone.

    Raises
    ------
    UsageError
        As for `damage_strip`.
    """
    row = _row_of_example(report)
    clean, perturbed = (
        np.moveaxis(np.asarray(each, np.float64) / 255.0, -1, 0)
        for each in (report.example, report.example_perturbed)
        if each is not None
    )
    change = band_images(perturbed - clean, **partition_of(report.settings))
    named = [("clean", clean), ("all perturbed", perturbed)]
    named += [
        (f"band {name}" if name != "DC" else name, clean + change[band])
        for band, name in enumerate(report.band_names)
    ]
    return row, [
        Tile(
            name,
            np.clip(pixels, 0, 1),
            *_answer(report, row, column),
            _chance(report, float(report.table[row, column])),
        )
        for (name, pixels), column in zip(named, _columns(report), strict=True)
    ]


def damage_strip(report: DamageReport) -> Picture:
    """The example clean, perturbed, and with each band perturbed alone, each with its answer.

    Raises
    ------
    UsageError
        The report holds no example, or its coalitions were drawn.
    """
    row, shown = tiles(report)
    settings = report.settings
    label = int(report.labels[row])
    about = (
        f", {report.class_words} {shortened(report.class_name(label), 24)}; below each: the "
        f"answer, and the probability of the {report.class_words}"
    )
    if not report.of_classes:
        about = f"; below each: the {report.task.quantity}"
    header = Header(
        "Each band perturbed alone",
        f"{both_ends(model_name(report), 30)}, "
        f"{one_line(perturbation_name(settings['perturbation']))}; "
        f"{both_ends(report.image_ids[row], 40)}{about}",
    )
    lines = -(-len(shown) // _ROW)
    top = header.height - 0.02
    drawn = Picture(WIDTH, top + lines * (_TILE + _GAP + _LABEL) + _BELOW)
    header.draw(drawn)
    for number, tile in enumerate(shown):
        down, across = divmod(number, _ROW)
        place = _EDGE + across * (_TILE + _GAP), top + down * (_TILE + _GAP + _LABEL)
        axes = drawn.panel(*place, _TILE, _TILE)
        _show(axes, tile.pixels)
        drawn.put(place[0], place[1] - 0.03, tile.name, SMALL)
        below = place[1] + _TILE + 0.1
        drawn.put(
            place[0], below, f"{'' if tile.right else '≠ '}{shortened(tile.answer, _LETTERS)}",
            NOTE, color=_GREEN if tile.right else RED,
        )  # fmt: skip
        drawn.put(place[0], below + 0.1, f"{tile.chance:.2f}", NOTE, color=GREY)
    return drawn


def has_strip(report: DamageReport) -> bool:
    """Whether a report holds what the picture needs."""
    if report.bands_game is None or report.example is None or report.example_perturbed is None:
        return False
    if report.example.shape != report.example_perturbed.shape:
        return False
    return report.data.get("example") in report.image_ids


def _row_of_example(report: DamageReport) -> int:
    if not has_strip(report):
        raise UsageError(
            "this picture takes a report of all coalitions that holds an example of its images"
        )
    return report.image_ids.index(str(report.data["example"]))


def _columns(report: DamageReport) -> list[int]:
    """Columns of the table for the clean, the perturbed image, and for each band alone."""
    codes = range(1 << report.players)
    columns = report.band_columns
    grand = codes[-1]
    return [int(columns[code]) for code in (grand, 0, *(grand ^ bit for bit in report.bits))]


def _chance(report: DamageReport, value: float) -> float:
    return float(np.exp(min(0.0, value))) if report.of_classes else value


def _answer(report: DamageReport, row: int, column: int) -> tuple[str, bool]:
    """What the model says, and whether that is the true class; nothing where there are none."""
    if not report.of_classes:
        return "", True
    label = int(report.labels[row])
    if report.answers is not None:
        answer = int(report.answers[row, column])
        return one_line(report.class_name(answer)), answer == label
    right = report.right is not None and bool(report.right[row, column])
    return one_line(report.class_name(label)) if right else "another class", right


def _show(axes: Axes, pixels: NDArray[np.float64]) -> None:
    shown = np.moveaxis(pixels, 0, -1)
    if shown.shape[-1] == 1:
        axes.imshow(shown[..., 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    else:
        axes.imshow(shown, interpolation="nearest")
    axes.set_axis_off()
