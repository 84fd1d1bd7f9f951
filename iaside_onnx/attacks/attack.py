"""Attacks on a classifier of which only log-probabilities are seen: the way in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_number, is_number
from ..errors import ArtifactError, InvalidOption, UsageError
from ..mathematics.one_label import margins as label_margins
from .ball import Ball, Search
from .spsa import spsa
from .square import square_l2, square_linf

Scores = Callable[[NDArray[np.float32]], NDArray[np.float64]]
Margins = Callable[
    [NDArray[np.float64], NDArray[Any]], tuple[NDArray[np.float64], NDArray[np.bool_]]
]

_SEARCHES: dict[str, tuple[str, Callable[[Ball, int, np.random.Generator], Search]]] = {
    "square-linf": ("linf", square_linf),
    "square-l2": ("l2", square_l2),
    "spsa-linf": ("linf", spsa),
    "spsa-l2": ("l2", spsa),
}
METHODS = tuple(_SEARCHES)
NORM_OF = {name: norm for name, (norm, _) in _SEARCHES.items()}
_LARGEST_RADIUS = 1_000_000
_MOST_QUERIES = (1 << 31) - 1  # counts are int32


class NoNumberError(ArtifactError):
    """The classifier gave scores that are not numbers for an attacked image.

    Attributes
    ----------
    row : int
        Of the image, among those that are attacked.
    """

    def __init__(self, row: int) -> None:
        super().__init__(
            f"the classifier gave scores that are not numbers for attacked image {row}"
        )
        self.row = row


@dataclass(frozen=True)
class AttackResult:
    """What an attack made of each image.

    Attributes
    ----------
    images : ndarray of float32, shape (n, C, H, W)
        The image found with the lowest margin, in [0, 1] and in the ball; the image itself where
        the classifier was wrong from the start or nothing lowered the margin.
    wrong : ndarray of bool, shape (n,)
        The classifier's first choice for that image is not the target.
    queries : ndarray of int32, shape (n,)
        Images scored until it was wrong, else the budget; 0 where it was wrong from the start.
        Scoring the clean image is not counted.
    margin : ndarray of float64, shape (n,)
        Log-probability of the target less the highest other one, for that image.
    """

    images: NDArray[np.float32]
    wrong: NDArray[np.bool_]
    queries: NDArray[np.int32]
    margin: NDArray[np.float64]


def attack(
    scores: Scores,
    images: NDArray[np.float32],
    targets: NDArray[Any],
    *,
    method: str,
    epsilon: float,
    queries: int,
    seeds: Sequence[int] | NDArray[np.integer[Any]],
    margins: Margins = label_margins,
) -> AttackResult:
    """Look for an image in the ball around each image that is classified wrongly.

    All images go forward together, one query each at a time, until they are wrong or the budget
    is spent. What becomes of an image depends on its seed alone, not on the others, as long as
    `scores` gives an image the same numbers in any company.

    Parameters
    ----------
    scores : callable
        From images of shape (m, C, H, W), float32 in [0, 1], to log-probabilities of shape
        (m, classes), float64; m is at most n.
    images : ndarray of float32, shape (n, C, H, W)
        In [0, 1].
    targets : ndarray, shape (n, ...)
        What `margins` compares images with: by default int64, the right classes as columns of
        the scores.
    method : str
        One of `METHODS`.
    epsilon : float
        Radius of the ball in pixel space (1 is from black to white), positive.
    queries : int
        Most images scored for one image, at least 1.
    seeds : sequence of int, shape (n,)
        Not negative.
    margins : callable
        From scores and targets to what is lowered, and where the answer is wrong.

    Returns
    -------
    AttackResult

    Raises
    ------
    UsageError
        An argument of the wrong shape, type or range.
    ArtifactError
        Scores of the wrong shape, or not numbers.
    """
    _check(images, method, epsilon, queries, seeds)
    norm, search = _SEARCHES[method]
    best = images.copy()
    margin, wrong = _judged(scores, margins, images, targets, np.arange(len(images)))
    spent = np.where(wrong, 0, queries).astype(np.int32)
    alive = np.flatnonzero(~wrong)
    searches = {
        image: search(
            Ball(images[image], epsilon, norm), queries, np.random.default_rng(int(seeds[image]))
        )
        for image in alive.tolist()
    }
    tried = np.stack([next(one) for one in searches.values()]) if searches else images[:0]
    for query in range(1, queries + 1):
        if not alive.size:
            break
        reached, beaten = _judged(scores, margins, tried, targets[alive], alive)
        better = beaten | (reached < margin[alive])
        best[alive[better]], margin[alive[better]] = tried[better], reached[better]
        wrong[alive[beaten]], spent[alive[beaten]] = True, query
        alive, reached = alive[~beaten], reached[~beaten]
        if query < queries and alive.size:
            pairs = zip(alive.tolist(), reached.tolist(), strict=True)
            tried = np.stack([searches[image].send(value) for image, value in pairs])
    return AttackResult(best, wrong, spent, margin)


def _judged(
    scores: Scores,
    margins: Margins,
    images: NDArray[np.float32],
    targets: NDArray[Any],
    numbers: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Margins of images with some numbers, and where they are classified wrongly."""
    if not len(images):
        return np.empty(0), np.empty(0, bool)
    table = np.asarray(scores(images), np.float64)
    if len(table) != len(images):
        raise ArtifactError(
            f"the classifier gave scores of shape {list(table.shape)} for {len(images)} attacked "
            "images; a row of two or more log-probabilities for each is needed"
        )
    unknown = np.isnan(table.reshape(len(table), -1)).any(axis=1)
    if unknown.any():
        raise NoNumberError(int(numbers[np.flatnonzero(unknown)[0]]))
    return margins(table, targets)


def _check(
    images: NDArray[np.float32],
    method: str,
    epsilon: float,
    queries: int,
    seeds: Sequence[int] | NDArray[np.integer[Any]],
) -> None:
    check_choice("attack", method, METHODS)
    check_radius(epsilon)
    check_queries(queries)
    if images.ndim != 4 or images.dtype != np.float32 or 0 in images.shape[1:]:
        raise UsageError(
            f"images to attack are float32 of shape (n, C, H, W), not {images.dtype} of shape "
            f"{images.shape}"
        )
    if images.size and not (images.min() >= 0 and images.max() <= 1):
        raise UsageError("images to attack hold values in [0, 1]")
    if len(seeds) != len(images):
        raise UsageError(f"{len(seeds)} seeds for {len(images)} images: give each image its own")
    if len(seeds) and min(int(seed) for seed in seeds) < 0:
        raise UsageError("seeds of an attack must not be negative")


def check_radius(epsilon: float) -> None:
    """Refuse a radius that is none, or larger than anything in images.

    Raises
    ------
    UsageError
    """
    if not is_number(epsilon) or not 0 < epsilon <= _LARGEST_RADIUS:
        advice = f"give a positive number, such as 4/255, of at most {_LARGEST_RADIUS:,}"
        raise InvalidOption("epsilon", epsilon, advice)


def check_queries(queries: int) -> None:
    """Refuse a budget of queries that is none, or that no report can hold.

    Raises
    ------
    UsageError
    """
    check_number("queries", queries, 1, _MOST_QUERIES, "a positive number")
