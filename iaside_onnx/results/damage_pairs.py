"""Which pairs of bands do damage together, where the images can tell."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..mathematics.band_sums import RunSums
from ..mathematics.shapley import pair_interactions
from ..storage.schema import ROUNDING
from .damage_numbers import FEW_IMAGES, DamageNumbers


@dataclass(frozen=True)
class BandPair:
    """Two bands with their interaction, as `DamageNumbers.interactions` has it, and its interval.

    The intervals of all pairs hold together, so that of one chosen for its size holds too.
    """

    first: int
    second: int
    value: float
    low: float
    high: float


def pairs_told(report: DamageNumbers) -> list[BandPair]:
    """The pairs whose interval leaves out 0, the largest interaction first.

    None where coalitions were drawn, where images are few, or where the damage cannot be told
    apart from none.
    """
    game, damage = report.bands_game, report.damage
    few = len(report.labels) < FEW_IMAGES or report.players < 2
    if game is None or few or damage.low <= 0 <= damage.high:
        return []
    rows = 0.0 - pair_interactions(game)
    # Four values of the game make the interaction of an image, two with either sign.
    most, seed = 2 * report.attainable, int(report.settings["seed"])
    sums = RunSums(rows, report.confidence, seed, longest=1, attainable=most)
    # Values are stored in single precision: what is less is rounding.
    least = ROUNDING * float(np.abs(game).max())
    found = []
    for column, (first, second) in enumerate(combinations(range(report.players), 2)):
        run = sums.run(column, column)
        if not run.low <= 0 <= run.high and abs(run.value) > least:
            found.append(BandPair(first, second, run.value, run.low, run.high))
    return sorted(found, key=lambda pair: -pair.value)
