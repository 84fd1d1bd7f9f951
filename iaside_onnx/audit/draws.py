"""The coalitions that an audit evaluates: all of them, or some drawn for each image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..listener import Listener
from ..mathematics.coalitions import draw_coalitions
from ..settings import Settings


def draw_for_sample(wanted: Settings, ids: list[str], tell: Listener) -> NDArray[np.uint64] | None:
    """The coalitions of each image, shape (n, C), or None where all are; says what they cost."""
    estimator, players, count = wanted.chosen_estimator, wanted.players, wanted.coalitions
    if wanted.estimator is None and estimator != "exact":
        tell.note(
            f"estimator: {estimator}, since {players} players have {1 << players:,} coalitions; "
            "--estimator settles it"
        )
    known = estimator != "exact" and wanted.output_map == "real"
    cost = len(ids) * (count - known)
    tell.note(f"cost: {len(ids)} images x {count - known} coalitions = {cost:,} forward passes")
    if estimator == "exact":
        return None
    return np.stack([draw_coalitions(estimator, players, count, wanted.seed, name) for name in ids])
