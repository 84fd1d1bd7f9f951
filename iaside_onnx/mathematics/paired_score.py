"""The difference of two models' signed scores where bands contend for being the least.

Noise makes a score lean towards 0 where bands tie for the least Shapley value (see `intervals`). Of
two models that lean alike the difference does not; where one of them leans alone it does. With
bands l and j put in the place of the least of the other model and of the reference, the difference
is smooth; the difference of the scores is a minimum or maximum of these over l and over j, each
taken from the sign of its score. Its interval is made as that of one score is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .intervals import Array, UpperEnds, contact_set, expanded_tail, least_terms
from .score import resampled_means, score_range, score_weights, signed_score, spectral_importance

RESAMPLES = 2000
# Bands of one model that are put in the place of the least, at most.
MOST = 12
_HALVINGS = 20


class ScoreDifference:
    """Signed score of another model minus that of a reference, on the same images.

    Parameters
    ----------
    reference, other : array, shape (n, M)
        Shapley values per image: n at least 2, row i the same image in both.
    means : list of two arrays, shape (resamples, M), optional
        Resampled means of both tables where they are there already.
    """

    def __init__(
        self,
        reference: NDArray[Any],
        other: NDArray[Any],
        beta: float = 0.75,
        seed: int = 0,
        resamples: int = RESAMPLES,
        *,
        means: list[Array] | None = None,
    ) -> None:
        tables = [np.asarray(table, dtype=np.float64) for table in (reference, other)]
        self.images = len(tables[0])
        if means is None:
            both = resampled_means(np.concatenate(tables, axis=1), seed, resamples)
            means = np.split(both, 2, axis=1)
        terms, signs = [], []
        for table, resampled in zip(tables, means, strict=True):
            scores, sign = _terms(table, resampled, beta)
            terms.append(scores)
            signs.append(sign)
        # Shape (other's bands, reference's bands, resamples).
        differences = terms[1][:, None] - terms[0][None]
        # At the upper end the innermost of the other's terms is taken if its score is positive,
        # and of the reference's if its score is not; at the lower end it is the other way round.
        innermost = (signs[1], not signs[0])
        self._upper = [UpperEnds(some) for some in _sets(differences, *innermost)]
        opposite = (not innermost[0], not innermost[1])
        self._lower = [UpperEnds(some) for some in _sets(-differences, *opposite)]

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Ends of the interval that aims at such a coverage."""
        tail = expanded_tail(self.images, confidence)
        high = max(ends.innermost(tail) for ends in self._upper)
        low = -max(ends.innermost(tail) for ends in self._lower)
        return min(low, high), max(low, high)

    def p_value(self, confidence: float = 0.95) -> float:
        """Least error at which the interval leaves out 0: below 1 - confidence where it does."""

        def leaves_out(error: float) -> bool:
            low, high = self.interval(1.0 - error)
            return low > 0.0 or high < 0.0

        error = 1.0 - confidence
        low, high = (0.0, error) if leaves_out(error) else (error, 1.0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (low, middle) if leaves_out(middle) else (middle, high)
        return high


def _terms(table: Array, means: Array, beta: float) -> tuple[Array, bool]:
    """Scores with each band that may be the least in its place, and whether it is positive.

    Resamples whose score has the other sign are taken as they are.
    """
    bands = table.shape[1]
    if bands == 1:
        return np.zeros((1, len(means))), True
    weights, even = score_weights(bands, beta)
    contact = contact_set(table)
    near = table.mean(axis=0)[contact].argsort()[:MOST]
    above, terms = least_terms(means, contact[near], weights)
    plain = signed_score(spectral_importance(means), beta)
    positive = float(table.mean(axis=0) @ (weights - even)) >= 0.0
    terms = np.where((above >= 0.0) == positive, terms / (1.0 - even), plain)
    return np.clip(terms, *score_range(bands, beta)), positive


def _sets(differences: Array, others: bool, references: bool) -> Array:
    """Sets of terms of which the innermost is taken: of others, of references, of both, of none.

    Shape (sets, terms, resamples).
    """
    if others == references:
        shape = (1, -1) if others else (-1, 1)
        return differences.reshape(*shape, differences.shape[2])
    return differences.swapaxes(0, 1) if others else differences
