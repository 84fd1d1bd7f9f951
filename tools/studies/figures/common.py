"""What the figures share: what is asked for, and how a picture and its numbers are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.mathematics.paired_score import ScoreDifference
from tools.studies.csv_files import write
from tools.studies.zoo_reports import ZOO, Shelf

DPI = 110
# As many colours as leave a picture so many bytes.
_COLOURS, _SMALL = (160, 96, 64, 48, 32), 60_000


@dataclass(frozen=True)
class Asked:
    """Where reports are and where pictures go; own files in place of the zoo's, if any."""

    out: Path
    shelf: Shelf
    reports: Sequence[Path] = ()
    images: Path | None = None
    size: int | None = None

    def analyses(self, names: Sequence[str], reading: str = "l2") -> dict[str, ia.Report]:
        """Own reports by file, or those of networks of the zoo."""
        if self.reports:
            return {path.stem: ia.load(path) for path in self.reports}
        return {name: self.shelf.analysis(ZOO / f"{name}.onnx", reading) for name in names}


def panels(
    columns: int, rows: int, width: float, height: float, *, settled: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of panels, sizes in inches; `settled` ones stay where their maker puts them."""
    plt.rcParams["font.size"] = 9
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, height),
        dpi=DPI if settled else None,
        layout=None if settled else "constrained",
        squeeze=False,
    )
    return figure, list(axes.flat)


def importance(asked: Asked, name: str, reports: dict[str, ia.Report], height: float) -> None:
    """SID and signed score side by side, and both as numbers."""
    figure, (left, right) = panels(2, 1, 9.0, height)
    one_kind = all(one.startswith("resnet-") for one in reports)
    called = [one.removeprefix("resnet-") if one_kind else one for one in reports]
    ia.panels.sid(*reports.values(), ax=left, names=called)
    ia.panels.score(*reports.values(), ax=right, names=called)
    first = next(iter(reports.values()))
    save(asked, name, figure, [row_of(one, report, first) for one, report in reports.items()])


def row_of(name: str, report: ia.Report, first: ia.Report) -> dict[str, Any]:
    """A network's score and shares with intervals, as numbers.

    Its score less that of the first network has a paired interval where the pictures are the same.
    """
    ends = report.intervals
    low, high = ends.srs_signed
    numbers: dict[str, float] = {
        "signed": report.srs_signed,
        "low": low,
        "high": high,
        "published": report.srs,
    }
    if report is not first and report.image_ids == first.image_ids:
        paired = ScoreDifference(first.shapley_per_image, report.shapley_per_image).interval()
        numbers |= {
            "more": report.srs_signed - first.srs_signed,
            "more_low": paired[0],
            "more_high": paired[1],
        }
    numbers |= {f"sid{band}": share for band, share in enumerate(report.sid)}
    head = {"network": name, "images": len(report.image_ids)}
    nothing = dict.fromkeys(
        ("signed", "low", "high", "published", "more", "more_low", "more_high"), ""
    )
    return head | nothing | {key: f"{float(value):.4f}" for key, value in numbers.items()}


def save(asked: Asked, name: str, figure: Figure, rows: list[dict[str, Any]]) -> None:
    """Write NAME.png, small enough for a page, and NAME.csv."""
    asked.out.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    with Image.open(drawn) as picture:
        for colours in _COLOURS:
            few = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
            few.save(asked.out / f"{name}.png", optimize=True)
            if (asked.out / f"{name}.png").stat().st_size < _SMALL:
                break
    write(rows, asked.out / f"{name}.csv")


Draw = Callable[[Asked], None]
