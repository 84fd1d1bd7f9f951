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


def draw(asked: Asked) -> None:
    """Signed score and clean accuracy against mPE, and the score against mCE, all networks."""
    measured = [asked.shelf.robustness(network) for network in networks()]
    base = asked.shelf.robustness(ZOO / f"{BASELINE}.onnx")
    analyses = [asked.shelf.analysis(network) for network in networks()]
    found = ia.correlate(*analyses, *measured, baseline=base)
    figure, axes = panels(2, 2, 9.0, 7.6)
    for ax, (panel, outcome) in zip(axes, _PANELS, strict=True):
        alone = replace(found, outcomes={outcome: found.outcomes[outcome]})
        getattr(ia.panels, panel)(alone, ax=ax)
    ranks = found.associations["spearman"]
    rows = []
    for (row, column), value in np.ndenumerate(ranks.value):
        ends = {"low": ranks.low[row, column], "high": ranks.high[row, column]}
        numbers = {"spearman": value, **ends}
        rows.append(
            {
                "predictor": list(found.predictors)[row],
                "outcome": list(found.outcomes)[column],
                "networks": found.models,
            }
            | {key: f"{float(number):.4f}" for key, number in numbers.items()}
        )
    save(asked, "score", figure, rows)
