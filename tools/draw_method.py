"""Draws docs/how-it-works.png: a photograph, its bands, their coalitions, Shapley values, score.

Beside it stands how-it-works-dark.png, which the site shows on its dark ground.

Run from the root of a clone: ``python tools/draw_method.py``. Every number in the picture is one of
a report of the plain demo model on the demo's test images with four bands.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from numpy.typing import NDArray
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.images.fingerprints import pixel_digest
from iaside_onnx.mathematics.absence import Baselines, SampleStatistics
from iaside_onnx.mathematics.bands import band_index

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "demo" / "test"
EXAMPLE = "coins/002.png"
BANDS, NORM = 4, "l2"
DOCS = ROOT / "docs"
# The ground, lines and text, what is faint, and the two colours.
LOOKS = {
    "how-it-works.png": ("white", "black", "lightgrey", "#0072B2", "#D55E00"),
    "how-it-works-dark.png": ("#1E2129", "#D5D7DE", "#4A4D57", "#56B4E9", "#E69F00"),
}


def main() -> None:
    """Measure, draw and write."""
    report = ia.analyze(
        ROOT / "models" / "demo-plain.onnx", IMAGES, samples=0, bands=BANDS, norm=NORM
    )
    row = report.image_ids.index(EXAMPLE)
    values = report.log_prob[row].astype(float)
    image, absent = _bands_of(report.image_ids, row)

    for name, look in LOOKS.items():
        with plt.rc_context(_style(*look)):
            figure = plt.figure(figsize=(8.4, 8.2), layout="constrained")
            first, second, third = figure.subfigures(3, 1, height_ratios=(1.3, 1.95, 1.45))
            _splitting(first, image)
            _coalitions(second, image, absent, values)
            _sharing(third, report, ia.shapley_values(values))
            drawn = io.BytesIO()
            figure.savefig(drawn, format="png", dpi=100)
        with Image.open(drawn) as picture:
            few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
            few.save(DOCS / name, optimize=True)
        print(f"docs/{name}: {(DOCS / name).stat().st_size:,} bytes")


def _style(ground: str, ink: str, faint: str, *colours: str) -> dict[str, Any]:
    inked = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    return {
        "font.size": 9,
        "figure.facecolor": ground,
        "axes.facecolor": ground,
        "grid.color": faint,
        "axes.prop_cycle": cycler(color=colours),
        **dict.fromkeys(inked, ink),
    }


def _bands_of(names: list[str], row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bands of the example and of what stands in for them; they sum to it."""
    statistics, keys = SampleStatistics(), []
    for name in names:
        with Image.open(IMAGES / name) as picture:
            statistics.add(_pixels(picture))
            keys.append(pixel_digest(picture).hex())
            if name == EXAMPLE:
                example = _pixels(picture)
    stand_in = Baselines("gaussian", 0, keys, statistics, lambda _: example).image(row)
    index = band_index(*example.shape[1:], BANDS, NORM)
    return tuple(  # type: ignore[return-value]
        np.stack([np.fft.ifft2(np.fft.fft2(each) * (index == band)).real for band in range(BANDS)])
        for each in (example, stand_in)
    )


def _pixels(picture: Image.Image) -> NDArray[np.float32]:
    return np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1) / 255


def _show(axes: Axes, image: NDArray[np.float64], title: str, below: str = "") -> None:
    axes.imshow(np.clip(image, 0, 1).transpose(1, 2, 0), interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_xlabel(below, fontsize=9)
    axes.set(xticks=[], yticks=[])


def _splitting(figure: plt.Figure, bands: NDArray[np.float64]) -> None:
    figure.suptitle("1. The bands of an image sum to it", x=0.01, ha="left", weight="bold")
    axes = figure.subplots(1, BANDS + 1)
    _show(axes[0], bands.sum(0), "image of coins")
    titles = ("band 0 (lowest)", "band 1", "band 2", "band 3 (highest)")
    for band, (place, title) in enumerate(zip(axes[1:], titles, strict=True)):
        grey = 0.0 if band == 0 else 0.5
        stretch = 1.0 if band == 0 else 0.35 / np.abs(bands[band]).max()
        _show(place, grey + stretch * bands[band], f"{'=' if band == 0 else '+'}  {title}")
    figure.supxlabel("Bands 1 to 3 are stretched, and drawn around grey.", fontsize=8)


def _coalitions(
    figure: plt.Figure,
    bands: NDArray[np.float64],
    absent: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    figure.suptitle(
        "2. The model sees every coalition; its value is the log-probability of 'coins'",
        x=0.01, ha="left", weight="bold",
    )  # fmt: skip
    places = figure.subplots(2, 2**BANDS // 2).flat
    order = sorted(range(2**BANDS), key=lambda each: (each.bit_count(), each))
    for place, coalition in zip(places, order, strict=True):
        here = [band for band in range(BANDS) if coalition >> band & 1]
        mixed = sum(bands[b] if b in here else absent[b] for b in range(BANDS))
        title = {0: "none", 2**BANDS - 1: "all"}.get(coalition, " ".join(map(str, here)))
        _show(place, mixed, title, f"{values[coalition]:.2f}")
    figure.supxlabel(
        "Above each: the bands that are there. "
        "In the place of the others is noise with the spectrum of all images.",
        fontsize=8,
    )


def _sharing(figure: plt.Figure, report: ia.Report, shapley: NDArray[np.float64]) -> None:
    figure.suptitle(
        "3. Shapley values share the gain; "
        f"their mean over {len(report.image_ids)} images gives the score",
        x=0.01,
        ha="left",
        weight="bold",
    )
    own, mean, score = figure.subplots(1, 3)
    names = [str(band) for band in range(BANDS)]
    for axes, heights, title, form in (
        (own, shapley, "this image: Shapley values", "{:+.2f}"),
        (mean, report.sid, "all images: shares (SID)", "{:.2f}"),
    ):
        axes.bar_label(axes.bar(names, heights, color="C0"), fmt=form, fontsize=8)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("band")
        axes.margins(y=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    own.axhline(0, color=plt.rcParams["axes.edgecolor"], lw=0.8)
    low, high = report.srs_range
    interval = report.intervals.srs_signed
    score.plot([low, high], [0, 0], color=plt.rcParams["grid.color"], lw=6, solid_capstyle="butt")
    score.plot(interval, [0, 0], color="C1", lw=6, solid_capstyle="butt")
    score.plot(report.srs_signed, 0, "o", color="C0")
    score.annotate(f"{report.srs_signed:+.2f}", (report.srs_signed, 0.25), ha="center")
    for end, text in ((low, "highest\nband alone"), (0.0, "even"), (high, "lowest\nband alone")):
        score.annotate(
            f"{end:+.2f}\n{text}" if end else f"0\n{text}",
            (end, -0.25),
            va="top",
            ha="center",
            fontsize=8,
        )
    score.set_title("signed score, on its range", fontsize=9)
    score.set(ylim=(-1.6, 1), xlim=(low - 0.15, high + 0.15))
    score.set_axis_off()


if __name__ == "__main__":
    main()
