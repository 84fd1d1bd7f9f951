"""The spectral robustness score of each network against what perturbations cost it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import iaside_onnx as ia
from tools.studies.zoo_reports import BASELINE, ZOO, networks

from .common import Asked, panels, save

# The reading of the score, what is drawn across, and what upwards.
_PANELS = (
    ("l2", "by_score", "mpe"),
    ("linf", "by_score", "mpe"),
    ("l2", "by_accuracy", "mpe"),
    ("l2", "by_score", "mce"),
)


def draw(asked: Asked) -> None:
    """Signed score and clean accuracy against mPE, and the score against mCE, all networks."""
    measured = [asked.shelf.robustness(network) for network in networks()]
    base = asked.shelf.robustness(ZOO / f"{BASELINE}.onnx")
    joined = {
        reading: ia.correlate(
            *(asked.shelf.analysis(network, reading) for network in networks()),
            *measured,
            baseline=base,
        )
        for reading in ("l2", "linf")
    }
    figure, axes = panels(2, 2, 9.0, 7.6)
    for ax, (reading, panel, outcome) in zip(axes, _PANELS, strict=True):
        found = joined[reading]
        alone = replace(found, outcomes={outcome: found.outcomes[outcome]})
        getattr(ia.panels, panel)(alone, ax=ax)
        if panel == "by_score":
            ax.set_xlabel(f"{ax.get_xlabel()}, {reading} bands")
    save(asked, "score", figure, _rows(joined))


def _rows(joined: dict[str, ia.Correlation]) -> list[dict[str, str]]:
    rows = []
    for reading, found in joined.items():
        ranks = found.associations["spearman"]
        for (row, column), value in np.ndenumerate(ranks.value):
            predictor = list(found.predictors)[row]
            if predictor != "accuracy" or reading == "l2":
                numbers = {
                    "spearman": value,
                    "low": ranks.low[row, column],
                    "high": ranks.high[row, column],
                }
                rows.append(
                    {
                        "bands": reading if predictor != "accuracy" else "",
                        "predictor": predictor,
                        "outcome": list(found.outcomes)[column],
                    }
                    | {key: f"{float(number):+.2f}" for key, number in numbers.items()}
                )
    return rows
