"""Error bars against forward passes, estimator by estimator, from reports of exact audits.

    python tools/studies/compare_estimators.py r20.h5 r32.h5 r44.h5 --picture docs/estimators.png

An exact report holds every coalition, so that any drawn ones can be looked up in it: images and
coalitions are drawn again and again, and what an estimator makes of them is compared with the exact
Shapley values of the same images. The variance of a mean over images is then that between images
plus that of the draws, and the gain is the forward passes that exact needs over those that the
estimator needs for the same variance.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.mathematics.coalitions import (
    ESTIMATORS,
    PLAYERS,
    draw_coalitions,
    drawn_count,
)
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.score import signed_score, spectral_importance
from iaside_onnx.mathematics.shapley import game_values

_COLOURS = {"exact": "#0072B2", "permutation": "#D55E00", "regression": "#009E73"}
_LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 3)), (0, (6, 1, 1, 1, 1, 1)), (0, (3, 4)))
_LINES += ((0, (8, 3)),)


@dataclass(frozen=True)
class Efficiency:
    """What one estimator makes of one report.

    Attributes
    ----------
    per_image_psi, per_image_score : float
        Standard error times the root of the number of images: of the Shapley values (root of the
        mean variance over bands), and of the signed score to first order.
    gain_psi, gain_score : float
        Variance of exact over this one's at equal forward passes.
    """

    report: str
    absence: str
    images: int
    estimator: str
    passes: int
    per_image_psi: float
    per_image_score: float
    gain_psi: float
    gain_score: float


def slope_of_score(psi: NDArray[np.float64], beta: float) -> NDArray[np.float64]:
    """Gradient of the signed score at a mean profile, by central differences."""
    step = 1e-5 * float(np.abs(psi).max())
    nudges = step * np.eye(len(psi))

    def score(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(signed_score(spectral_importance(values), beta))

    return (score(psi + nudges) - score(psi - nudges)) / (2 * step)


def efficiencies(path: Path, repeats: int, images: int | None = None) -> list[Efficiency]:
    """All estimators on one exact report."""
    report = ia.load(path)
    table = report.log_prob if images is None else report.log_prob[:images]
    game = game_values(table, report.settings["value"])
    rows, columns = game.shape
    players = report.players
    exact = image_values("exact", game, None, players)
    slope = slope_of_score(exact.mean(axis=0), report.beta)
    between = exact.var(axis=0, ddof=1).mean(), (exact @ slope).var(ddof=1)
    found = []
    for estimator in ESTIMATORS:
        within, passes = (0.0, 0.0), columns
        if estimator != "exact":
            if not PLAYERS[estimator][0] <= players:
                continue
            count = drawn_count(estimator, players)
            passes = count - 1  # everybody's value is the clean image's
            errors = []
            for seed in range(repeats):
                drawn = np.stack(
                    [draw_coalitions(estimator, players, count, seed, str(n)) for n in range(rows)]
                )
                values = np.take_along_axis(game, drawn.astype(np.intp), axis=1)
                errors.append(image_values(estimator, values, drawn, players) - exact)
            off = np.stack(errors)
            within = float((off**2).mean()), float(((off @ slope) ** 2).mean())
        both = between[0] + within[0], between[1] + within[1]
        found.append(
            Efficiency(
                path.stem,
                str(report.settings["absence"]),
                rows,
                estimator,
                passes,
                float(np.sqrt(both[0])),
                float(np.sqrt(both[1])),
                float(columns * between[0] / (passes * both[0])),
                float(columns * between[1] / (passes * both[1])),
            )
        )
    return found


def picture(found: list[Efficiency], target: Path) -> None:
    """Standard errors against forward passes, both on logarithmic axes."""
    figure = Figure(figsize=(8.6, 3.3), layout="constrained")
    FigureCanvasAgg(figure)
    names = list(dict.fromkeys(row.report for row in found))
    panels = figure.subplots(1, 2)
    for axes, key, title in zip(
        panels,
        ("per_image_psi", "per_image_score"),
        ("Shapley values (mean over bands)", "Signed score"),
        strict=True,
    ):
        for row in found:
            count = np.array([20, 2000])
            axes.loglog(
                count * row.passes,
                getattr(row, key) / np.sqrt(count),
                linestyle=_LINES[names.index(row.report) % len(_LINES)],
                color=_COLOURS[row.estimator],
                linewidth=1,
            )
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_xlabel("forward passes", fontsize=8)
        axes.set_ylabel("standard error", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3, linewidth=0.4)
    for estimator in dict.fromkeys(row.estimator for row in found):
        panels[0].plot([], [], color=_COLOURS[estimator], label=estimator)
    for number, name in enumerate(names[: len(_LINES)]):
        panels[0].plot([], [], linestyle=_LINES[number], color="#777777", lw=1, label=name)
    figure.legend(loc="outside right upper", fontsize=6.5, frameon=False)
    figure.savefig(target, dpi=160)


def main() -> None:
    """Print the table, and draw the picture where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=10, help="draws of all coalitions")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found = []
    heads = ("report", "absence", "images", "estimator", "passes", "gain psi", "gain SRS")
    line = "{:18} {:9} {:>6} {:12} {:>6} {:>9} {:>9}"
    print(line.format(*heads))
    for path in asked.reports:
        for row in efficiencies(path, asked.repeats):
            found.append(row)
            gains = f"{row.gain_psi:.2f}", f"{row.gain_score:.2f}"
            cells = (row.report, row.absence, row.images, row.estimator, row.passes, *gains)
            print(line.format(*cells), flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([asdict(row) for row in found], indent=2))
    if asked.picture:
        picture(found, asked.picture)


if __name__ == "__main__":
    main()
