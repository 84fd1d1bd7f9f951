"""The spectral robustness score of each network against what perturbations cost it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import iaside_onnx as ia
from tools.studies.zoo_reports import BASELINE, ZOO, networks

from .common import Asked, panels, save

# What is drawn across, and what upwards.
_PANELS = (
    ("by_score", "mpe"),
    ("by_accuracy", "mpe"),
    ("by_score", "relative_mce"),
    ("by_score", "mce"),
)


# Of the names under the panels, and inches that they take.
_COLUMNS, _BELOW = 5, 1.5
_HIGH = 9.2


def draw(asked: Asked) -> None:
    """Signed score and clean accuracy against mPE, and the score against mCE, all networks.

    Dots bear numbers, which the names below explain: so many names would cross.
    """
    measured = [asked.shelf.robustness(network) for network in networks()]
    base = asked.shelf.robustness(ZOO / f"{BASELINE}.onnx")
    analyses = [asked.shelf.analysis(network) for network in networks()]
    found = ia.correlate(*analyses, *measured, baseline=base)
    # Numbers are placed by where the dots are, which no layout may move later.
    figure, axes = panels(2, 2, 9.0, _HIGH, settled=True)
    figure.subplots_adjust(0.06, _BELOW / _HIGH + 0.06, 0.985, 0.96, wspace=0.16, hspace=0.28)
    order = np.argsort(-found.predictors["srs_signed"], kind="stable").tolist()
    numbers = {row: str(place) for place, row in enumerate(order, 1)}
    numbered = replace(found, names=[numbers[row] for row in range(found.models)])
    for ax, (panel, outcome) in zip(axes, _PANELS, strict=True):
        alone = replace(numbered, outcomes={outcome: found.outcomes[outcome]})
        getattr(ia.panels, panel)(alone, ax=ax)
    figure.text(
        0.06, (_BELOW - 0.1) / _HIGH, "Networks by signed score, the highest first",
        size=9, weight="bold",
    )  # fmt: skip
    lines = -(-found.models // _COLUMNS)
    for place, row in enumerate(order):
        column, line = divmod(place, lines)
        figure.text(
            0.06 + 0.19 * column, (_BELOW - 0.35 - 0.2 * line) / _HIGH,
            f"{numbers[row]}  {found.names[row]}", size=8.5,
        )  # fmt: skip
    ranks = found.associations["spearman"]
    rows = []
    for (row, column), value in np.ndenumerate(ranks.value):
        ends = {"low": ranks.low[row, column], "high": ranks.high[row, column]}
        figures = {"spearman": value, **ends}
        rows.append(
            {
                "predictor": list(found.predictors)[row],
                "outcome": list(found.outcomes)[column],
                "networks": found.models,
            }
            | {key: f"{float(number):.4f}" for key, number in figures.items()}
        )
    save(asked, "score", figure, rows)
