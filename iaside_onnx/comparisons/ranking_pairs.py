"""Which models of a ranking can be told apart, among all pairs of its table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.jackknife import paired_p, pseudo_values
from ..mathematics.kept import LEAST_IMAGES, kept
from ..mathematics.paired import (
    Difference,
    PairedBootstrap,
    holm,
    mean_differences,
    right_answers,
)
from ..mathematics.score import signed_score, spectral_importance
from ..results.group_verdict import guessing
from ..results.robustness import RobustnessReport
from .comparison import paired_signed_scores
from .gated import wrong_under

Array = NDArray[np.float64]
Judged = tuple[Difference, bool]
# Of these, parts of images are so skewed that their p-value alone is too small; that at which the
# interval of the pair reaches 0 then counts where it is larger.
_SKEWED = ("score", "kept")


def corrupted_right(report: RobustnessReport) -> Array:
    """Right answers to the corrupted versions of each image, shape (n, 1)."""
    images = len(report.labels)
    return np.asarray(1.0 - report.lost_shares.reshape(images, -1).mean(axis=1))[:, None]


class Judge:
    """Whether two models can be told apart in one measure, among all pairs of a table."""

    def __init__(self, results: Sequence[Any], by: str, confidence: float) -> None:
        self.results, self.by, self.confidence = results, by, confidence
        self.guess = guessing(results[0]) if by == "kept" else 0.0
        self.pairs = list(combinations(range(len(results)), 2))
        adjusted = holm(np.array(list(self._singly())))
        self.adjusted = dict(zip(self.pairs, adjusted.tolist(), strict=True))

    def _singly(self) -> Iterator[float]:
        """The p-value of each pair alone."""
        if self.by == "accuracy":
            right = [~each.clean_wrong for each in self.results]
            for first, other in self.pairs:
                yield right_answers(right[first], right[other], self.confidence).p
            return
        parts = np.stack([self._parts(each) for each in self.results])
        one = {"mpe": 2.0, "kept": 0.0, "score": 0.0}.get(self.by, 1.0)
        for first, other in self.pairs:
            p = float(paired_p(parts[first], parts[other], one))
            if self.by in _SKEWED and p < 1.0 - self.confidence:
                own = self._difference(self.results[first], self.results[other]).p
                p = max(p, 1.0 if np.isnan(own) else own)
            yield p

    def _parts(self, result: Any) -> Array:
        """Each image's part in the measure of a model."""
        if self.by == "kept":
            return pseudo_values(self._table(result), self._kept)
        if self.by == "score":
            return pseudo_values(result.shapley_per_image, _score(result.beta))
        return self._table(result)[:, 0]

    def _table(self, result: Any) -> Array:
        """What the measure is made of, a row an image."""
        if self.by == "kept":
            return np.column_stack([corrupted_right(result), result.right_shares[0]])
        if self.by == "mpe":
            return np.asarray(
                result.change.reshape(len(result.labels), -1).mean(axis=1, dtype=np.float64)
            )[:, None]
        if self.by == "corrupted":
            return corrupted_right(result)
        return 1.0 - wrong_under(result, self.by)

    def _kept(self, means: Array) -> Array:
        return kept(means[..., 0], means[..., 1], self.guess)

    def __call__(self, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Judged]:
        """Of pairs, reference first: the other less the reference, and whether it is told apart."""
        judged = {}
        for pair, found in zip(pairs, self._differences(pairs), strict=True):
            adjusted = self.adjusted[min(pair), max(pair)]
            seen = adjusted < 1.0 - self.confidence and (found.low > 0.0 or found.high < 0.0)
            seen = seen and len(self.results[0].image_ids) >= LEAST_IMAGES
            judged[pair] = replace(found, p_holm=adjusted), bool(seen)
        return judged

    def _differences(self, pairs: Sequence[tuple[int, int]]) -> list[Difference]:
        if self.by in ("accuracy", "score", "kept", "mpe"):
            results = self.results
            return [self._difference(results[first], results[other]) for first, other in pairs]
        # Means of right answers, each pair a column of one table.
        tables = [self._table(each) for each in self.results]
        before, after = (
            np.concatenate([tables[pair[side]] for pair in pairs], axis=1) for side in (0, 1)
        )
        seed = int(self.results[0].settings["seed"])
        return mean_differences(before, after, self.confidence, seed)

    def _difference(self, reference: Any, other: Any) -> Difference:
        level = self.confidence
        if self.by == "accuracy":
            return right_answers(~reference.clean_wrong, ~other.clean_wrong, level)
        if self.by == "score":
            before, after = reference.shapley_per_image, other.shapley_per_image
            return paired_signed_scores(before, after, reference.beta, level)
        before, after = self._table(reference), self._table(other)
        if self.by == "kept":
            paired = PairedBootstrap(before, after, level)
            return paired.differences(lambda means: self._kept(means)[..., None])[0]
        return PairedBootstrap(before, after, level).differences(lambda means: means)[0]


def _score(beta: float) -> Callable[[Array], Array]:
    return lambda means: signed_score(spectral_importance(means), beta)
