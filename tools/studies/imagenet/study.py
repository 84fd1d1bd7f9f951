"""What was measured, and what follows from it for each network, with resamples of images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.paired_score import ScoreDifference
from iaside_onnx.mathematics.score import signed_score, spectral_importance

from .gather import Measured
from .jobs import ABSENT, LINEAR, QUANTISED, SPACED, Game
from .make import ORIGINAL
from .statistics import Array, apart, ends, means
from .words import Spread

BASELINE = "squeezenet"
BETA = 0.75
SHOWN = ("gaussian-l2-linear", "gaussian-linf-linear")


class Study:
    """What was measured, and what follows from it for each network."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self.names = [str(name) for name in measured["network"]]
        self.families = [str(name) for name in measured["family"]]
        self.variants = [str(name) for name in measured["variant"]]
        self.perturbations = [str(name) for name in measured["perturbation"]]
        self.images = measured["clean"].shape[1]
        self.clean = [means(row) for row in measured["clean"]]
        self._means: dict[tuple[str, int], Array] = {}

    @cached_property
    def errors(self) -> list[Array]:
        """Of each network the error under each corruption, mean over severities: (1 + R, P)."""
        return [means(row.mean(axis=2)) for row in self.measured["wrong"]]

    @cached_property
    def error(self) -> list[Array]:
        """Of each network the error over all corruptions: (1 + R, 1)."""
        return [each.mean(axis=1, keepdims=True) for each in self.errors]

    @cached_property
    def mpe(self) -> list[Array]:
        """Of each network the mean prediction error over all corruptions: (1 + R, 1)."""
        return [means(row.mean(axis=(1, 2))) for row in self.measured["change"]]

    def places(self, key: str) -> list[int]:
        """Rows of the networks that have an array."""
        table = self.measured.get(key)
        if table is None:
            return []
        return [at for at in range(len(self.names)) if np.isfinite(table[at]).any()]

    def originals(self) -> list[int]:
        """Rows of the networks that are nobody's variant."""
        return [at for at, variant in enumerate(self.variants) if variant in ORIGINAL]

    def by_family(self, places: Iterable[int]) -> list[int]:
        """Rows in the order of their families, in which these are resampled."""
        return sorted(places, key=lambda at: self.families[at])

    def games(self, of: Sequence[Game]) -> list[str]:
        """Names of those of some games that were played."""
        return [game.name for game in of if f"psi/{game.name}" in self.measured]

    def shared(self) -> list[int]:
        """Rows of the networks that every norm and spacing was played with, without twins."""
        held = [set(self.places(f"psi/{game.name}")) for game in (*LINEAR, *SPACED)]
        rows = set.intersection(*[each for each in held if each])
        return sorted(at for at in rows if self.variants[at] not in QUANTISED)

    def in_every_absence(self) -> list[int]:
        """Rows of the networks that are nobody's variant and were played with every absence."""
        held = [set(self.places(f"psi/{game.name}")) for game in (*LINEAR[:2], *ABSENT)]
        return sorted(set(self.originals()).intersection(*[each for each in held if each]))

    def psi(self, game: str, place: int, value: str = "psi") -> NDArray[np.float64]:
        """Shapley values, shape (images, bands)."""
        return np.asarray(self.measured[f"{value}/{game}"][place], np.float64)

    def parent(self, place: int) -> int | None:
        """Row of the network that a variant was made of; None: it is one itself."""
        if self.variants[place] in ORIGINAL:
            return None
        for at, family in enumerate(self.families):
            if family == self.families[place] and self.variants[at] in ORIGINAL:
                return at
        return None

    def resampled(self, game: str, place: int) -> Array:
        """Mean Shapley values and resamples of them, shape (1 + R, M)."""
        key = game, place
        if key not in self._means:
            self._means[key] = means(self.psi(game, place))
        return self._means[key]

    def score(self, game: str, place: int, value: str = "psi") -> float:
        """Signed score."""
        mean = self.psi(game, place, value).mean(axis=0)
        return float(signed_score(spectral_importance(mean), BETA))

    def score_difference(self, game: str, one: int, two: int) -> Spread | None:
        """Signed score of the second less that of the first; its interval as `compare` has it."""
        tables = [self.psi(game, at) for at in (one, two)]
        if not all(np.isfinite(table).all() for table in tables):
            return None
        drawn = [self.resampled(game, at)[1:] for at in (one, two)]
        difference = self.score(game, two) - self.score(game, one)
        return difference, *ScoreDifference(*tables, BETA, means=drawn).interval()

    def added(self, place: int) -> Array:
        """What each corruption adds to the clean error, shape (1 + R, P)."""
        return self.errors[place] - self.clean[place]

    def mce(self, place: int) -> Array | None:
        """Mean over corruptions of the error as a share of the baseline's: (1 + R, 1).

        None without the baseline.
        """
        if BASELINE not in self.names:
            return None
        base = self.errors[self.names.index(BASELINE)]
        return (self.errors[place] / base).mean(axis=1, keepdims=True)

    def relative_mce(self, place: int) -> Array | None:
        """The same of what corruptions add to the clean error.

        Over the corruptions that are seen to add something to the baseline's (`seen`): by what is
        next to nothing one cannot divide.
        """
        if BASELINE not in self.names:
            return None
        base = self.added(self.names.index(BASELINE))
        seen = self.seen()
        return (self.added(place)[:, seen] / base[:, seen]).mean(axis=1, keepdims=True)

    def seen(self) -> list[int]:
        """Corruptions whose addition to the baseline's error is told apart from 0."""
        base = self.added(self.names.index(BASELINE))
        return [at for at in range(base.shape[1]) if apart(ends(base[:, at])) > 0]


def order(score: Spread, mpe: Spread) -> str:
    """Whether the higher score goes with less change, where both differences are told apart."""
    if not apart(score) or not apart(mpe):
        return "undecided"
    return "agrees" if apart(score) == -apart(mpe) else "opposes"
