"""Coefficients of the study: the score under every setting against what was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlation_matrix
from iaside_onnx.mathematics.score import signed_score
from tools.studies.rank_intervals import Interval, all_correlations, with_ends

from .gather import Measured
from .grid import BETAS, VALUES, Game, games

BETA = 0.75
PUBLISHED = Game("gaussian", "linf", 8)
DEFAULT = Game("gaussian", "l2", 8)
# What hurts the high bands, and what turns the low ones down.
_HIGH = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "glass_blur",
    "motion_blur", "zoom_blur", "gaussian_blur", "pixelate", "jpeg_compression",
)  # fmt: skip
_LOW = ("brightness", "contrast", "fog", "saturate")


@dataclass(frozen=True)
class Setting:
    """A value table, and how its score is read."""

    game: Game
    value: str = "log-prob"
    beta: float = BETA


def halves(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Networks that choose, and networks that confirm: every second one by file name."""
    return np.arange(0, count, 2), np.arange(1, count, 2)


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Rank correlation of two rows."""
    return float(correlation_matrix(np.stack([first, second]))[0, 1])


class Study:
    """What was measured of the networks, as `gather` puts it together."""

    def __init__(self, measured: Measured) -> None:
        self.names: list[str] = measured["network"].tolist()
        self.perturbations: list[str] = measured["perturbation"].tolist()
        clean, mpe = measured["clean"], measured["mpe"].T
        added = measured["errors"].T - clean
        self.accuracy, self.mpe, self.added = 1 - clean, mpe, added
        high = [self.perturbations.index(name) for name in _HIGH]
        low = [self.perturbations.index(name) for name in _LOW]
        self.outcomes = {
            "mPE": mpe.mean(axis=0),
            "mPE, noise to JPEG": mpe[high].mean(axis=0),
            "mPE, brightness to saturate": mpe[low].mean(axis=0),
            "added error": added.mean(axis=0),
            "added error, noise to JPEG": added[high].mean(axis=0),
            "added error, brightness to saturate": added[low].mean(axis=0),
            "mean error": added.mean(axis=0) + clean,
        }
        for name, errors in zip(measured["attack"], measured["attacked"].T, strict=True):
            self.outcomes[f"error under {name}"] = errors
        self.halves = halves(len(self.names))
        self._measured = measured

    def settings(self, betas: Iterable[float] = (BETA,)) -> list[Setting]:
        """Those of which every network was analysed, in the order of the grid."""
        betas = tuple(betas)
        return [
            Setting(game, value, beta)
            for game in games()
            if f"sid/{game.name}" in self._measured
            for value in VALUES
            for beta in betas
        ]

    def score(self, setting: Setting) -> NDArray[np.float64]:
        """The signed score of every network."""
        value = self._measured["value"].tolist().index(setting.value)
        return signed_score(self._measured[f"sid/{setting.game.name}"][:, value], setting.beta)

    @cached_property
    def shown(self) -> dict[Setting, NDArray[np.float64]]:
        """Of each setting of the large table the coefficients with all outcomes.

        Shape (1 + resamples, outcomes): of the networks, and of these resampled.
        """
        rows = [
            row
            for row in self.settings(BETAS)
            if row.beta == BETA or row.game in (PUBLISHED, DEFAULT)
        ]
        found = all_correlations([self.score(row) for row in rows], list(self.outcomes.values()))
        return dict(zip(rows, found.swapaxes(0, 1), strict=True))

    def coefficient(self, setting: Setting, outcome: str) -> Interval:
        """The score's correlation with an outcome, networks resampled."""
        return with_ends(self.shown[setting][:, self._column(outcome)])

    def difference(self, first: Setting, second: Setting, outcome: str) -> Interval:
        """One setting's correlation less another's, over the same resampled networks."""
        column = self._column(outcome)
        return with_ends(self.shown[first][:, column] - self.shown[second][:, column])

    def _column(self, outcome: str) -> int:
        return list(self.outcomes).index(outcome)
