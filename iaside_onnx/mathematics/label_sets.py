"""Several labels an image: log-odds of classes compared with sets of labels (method, section 10).

Every class is a question of its own, answered yes or no. Shapes are (n, classes) of log-odds
log(p / (1 - p)) and of sets, which are True where an image has the label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Truths = NDArray[np.bool_]
Numbers = NDArray[np.float64]


def log_sigmoid(log_odds: Numbers) -> Numbers:
    """Logarithm of 1 / (1 + exp(-z))."""
    return np.asarray(-np.logaddexp(0.0, -log_odds))


def log_likelihood(log_odds: Numbers, sets: Truths) -> Numbers:
    """Sum over classes of the Bernoulli log-likelihood of each image's set, shape (n,)."""
    return np.asarray(log_sigmoid(np.where(sets, log_odds, -log_odds)).sum(axis=-1))


def decided(log_odds: Numbers, least: Numbers) -> Truths:
    """Which labels are given: those whose log-odds are above the threshold of their class.

    A score that stands at its threshold gives no label, as class 0 of two equal scores is the
    answer of a classifier.
    """
    return np.asarray(log_odds > least)


def margins(log_odds: Numbers, sets: Truths, least: Numbers) -> tuple[Numbers, Truths]:
    """Least signed distance to the thresholds over classes, and where a label is decided wrong.

    Parameters
    ----------
    least : ndarray, shape (classes,)
        Thresholds, as log-odds.

    Returns
    -------
    margin : ndarray, shape (n,)
        In log-odds; negative where some class stands on the wrong side.
    wrong : ndarray of bool, shape (n,)
    """
    distance = log_odds - least
    wrong = (decided(log_odds, least) != sets).any(axis=-1)
    return np.where(sets, distance, -distance).min(axis=-1), np.asarray(wrong)


def average_precision(scores: Numbers, positive: Truths) -> float:
    """Average precision of one class: sum over k of (R_k - R_{k-1}) P_k.

    k runs over the different scores from the highest down, and P_k and R_k are precision and recall
    of the images with at least that score. Images with equal scores come in together, so their
    order is no matter, and nothing is interpolated.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Any that rise with the probability.
    positive : ndarray of bool, shape (n,)

    Returns
    -------
    float
        In (0, 1]; NaN where no image is positive.

    Examples
    --------
    >>> round(average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, True])), 4)
    0.8333
    """
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of each group of equal scores
    hits, seen = hits[last], np.flatnonzero(last) + 1
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / seen).sum())


def class_precisions(scores: Numbers, sets: Truths) -> Numbers:
    """Average precision of each class, shape (classes,); NaN where no image has the label."""
    columns = zip(scores.T, sets.T, strict=True)
    return np.array([average_precision(column, has) for column, has in columns])


def mean_average_precision(scores: Numbers, sets: Truths) -> float:
    """Mean of the average precision of those classes that some image has; NaN if none has any."""
    known = class_precisions(scores, sets)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else float("nan")


def share_of_commonest(sets: Truths) -> float:
    """Share of labels that the best answer without looking gets right: the commoner one of each."""
    has = sets.mean(axis=0)
    return float(np.maximum(has, 1 - has).mean())
