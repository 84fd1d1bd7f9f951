"""Spectral profiles of classes: own estimates, and credibility estimates where images are few.

A class of few images says little by itself; what all classes have in common says more. The
credibility estimate of Bühlmann and Straub ("Glaubwürdigkeit für Schadensätze", Mitteilungen der
Vereinigung schweizerischer Versicherungsmathematiker 70, 1970), the linear empirical-Bayes
estimate, weighs the two and needs no normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincinv

from .intervals import contact_set, expanded_tail, profile_ends
from .score import signed_score, spectral_importance

RESAMPLES = 1000
# What a spread within and between classes is estimated from, at least.
LEAST_FREEDOM = 10
LEAST_CLASSES = 6
# Numbers that are drawn and ranked at once.
_AT_ONCE = 1 << 18

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """One estimate of the profile of every class; a row a class.

    Attributes
    ----------
    shapley : ndarray, shape (C, M)
    covariance : ndarray, shape (C, M, M)
        Of the errors of `shapley`; NaN where it cannot be estimated.
    sid, sid_low, sid_high : ndarray, shape (C, M)
    signed, signed_low, signed_high : ndarray, shape (C,)
        Signed score; ends are NaN where there is no interval.
    """

    shapley: Array
    covariance: Array
    sid: Array
    sid_low: Array
    sid_high: Array
    signed: Array
    signed_low: Array
    signed_high: Array

    def chosen(self, classes: NDArray[np.bool_]) -> Estimate:
        """The estimates of some of the classes."""
        return Estimate(*(getattr(self, each.name)[classes] for each in fields(self)))


@dataclass(frozen=True)
class ClassProfiles:
    """Profiles of all classes of a sample.

    Attributes
    ----------
    labels, images : ndarray of int64, shape (C,)
        Classes in ascending order, and how many images each has.
    few : ndarray of bool, shape (C,)
        Fewer images than an interval of their own needs.
    own : Estimate
        From each class's own images; no interval where `few`.
    weight : ndarray, shape (C,), or None
        Share of the own images in `shrunk`, 0 to 1.
    shrunk : Estimate or None
        Credibility estimates of all classes. None where the sample cannot tell the spread within
        classes from the spread between them.
    """

    labels: NDArray[np.int64]
    images: NDArray[np.int64]
    few: NDArray[np.bool_]
    own: Estimate
    weight: Array | None
    shrunk: Estimate | None

    @property
    def best(self) -> Estimate:
        """The one estimate that views show: `shrunk` where there is one, else `own`."""
        return self.own if self.shrunk is None else self.shrunk

    def chosen(self, classes: NDArray[np.bool_]) -> ClassProfiles:
        """The profiles of some of the classes, as all of them gave them."""
        return ClassProfiles(
            self.labels[classes],
            self.images[classes],
            self.few[classes],
            self.own.chosen(classes),
            None if self.weight is None else self.weight[classes],
            None if self.shrunk is None else self.shrunk.chosen(classes),
        )


@dataclass(frozen=True)
class ClassSpread:
    """How images spread around their class and classes around all of them.

    Attributes
    ----------
    centre : ndarray, shape (M,)
        Mean profile of the classes, each weighed by its credibility.
    centre_covariance : ndarray, shape (M, M)
        Of the error of `centre`.
    within, between : ndarray, shape (M, M)
        Covariances.
    images_for_half : float
        Images at which a class's own mean weighs one half: trace(within) / trace(between).
    plausible : ndarray, shape (RESAMPLES,)
        Values of `images_for_half` that the sample leaves possible, equally likely.
    """

    centre: Array
    centre_covariance: Array
    within: Array
    between: Array
    images_for_half: float
    plausible: Array


def class_profiles(
    psi: NDArray[Any],
    labels: NDArray[Any],
    beta: float = 0.75,
    confidence: float = 0.95,
    seed: int = 0,
    *,
    few: int = 20,
) -> ClassProfiles:
    """Profiles of classes with intervals: own ones, and credibility estimates.

    Classes of at least `few` images get intervals as a whole sample does (see `intervals`). The
    credibility estimate of a class of n images is ``z own + (1 - z) centre`` with ``z = n / (n +
    k)`` and k from `class_spread`. Its interval takes errors as normal, with covariance ``(1 - z)^2
    (between + Cov(centre)) + z^2 within / n``, and k from all its plausible values: it holds on
    average over classes, not for each one (empirical-Bayes coverage; Morris, "Parametric empirical
    Bayes inference: theory and applications", Journal of the American Statistical Association 78,
    1983).

    Parameters
    ----------
    psi : array, shape (K, M)
        Shapley values per image.
    labels : array of int, shape (K,)
    beta, confidence : float
        Of the score, and the coverage aimed at.
    few : int
        Images that an interval of their own needs.
    """
    values = np.asarray(psi, dtype=np.float64)
    classes, inverse, images = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    values, starts = values[order], np.concatenate([[0], np.cumsum(images)[:-1]])
    means = np.add.reduceat(values, starts, axis=0) / images[:, None]
    off = values - np.repeat(means, images, axis=0)
    scatter = _scatter(off, starts)
    aim, lacking = _Aim(beta, confidence, seed), images < few
    rows = np.split(values, starts[1:])
    own = _own(rows, means, scatter, lacking, aim)
    spread = class_spread(means, images, scatter.sum(axis=0), seed)
    weight = shrunk = None
    if spread is not None:
        weight = credibility(images, spread.images_for_half)
        shrunk = _shrunk(spread, means, images, aim)
    return ClassProfiles(classes.astype(np.int64), images, lacking, own, weight, shrunk)


def _scatter(off: Array, starts: NDArray[Any]) -> Array:
    """Sums of outer products of the rows of each class, shape (C, M, M)."""
    players = off.shape[1]
    scatter = np.empty((len(starts), players, players))
    for band in range(players):
        scatter[:, band] = np.add.reduceat(off * off[:, band, None], starts, axis=0)
    return scatter


def class_spread(
    means: Array, images: NDArray[Any], scatter: Array, seed: int = 0
) -> ClassSpread | None:
    """Spread within and between classes.

    None with fewer than 6 classes, with fewer than 10 images more than classes, or where the images
    of no class differ.

    With W = scatter / (K - C), S = sum_c n_c d_c d_c' / (C - 1), d_c = mean_c - mean of all
    images, and n0 = (K - sum_c n_c^2 / K) / (C - 1), the trace of S is on average that of
    ``W + n0 between`` (Bühlmann and Straub). Their ratio t = tr S / tr W follows about ``r
    chi2_f / f`` with ``r = 1 + n0 tr between / tr W`` and ``f = (C - 1) (tr S)^2 / tr S^2``
    (Satterthwaite). A flat prior on r >= 1 gives 1 / r the gamma distribution of shape f / 2 - 1
    and rate f t / 2, cut off at 1; its mean is the estimate (Morris 1983, who shows why it is
    better than the plain moment estimate, which is 0 for many samples of classes that differ).
    The shape of ``between`` is taken from S.

    Parameters
    ----------
    means : ndarray, shape (C, M)
        Mean Shapley values of each class.
    images : array of int, shape (C,)
    scatter : ndarray, shape (M, M)
        Sum of ``(x - mean_c)(x - mean_c)'`` over all images.
    seed : int
        For `ClassSpread.plausible`.
    """
    total, classes = int(images.sum()), len(images)
    if classes < LEAST_CLASSES or total - classes < LEAST_FREEDOM:
        return None
    within = scatter / (total - classes)
    off = means - images @ means / total
    observed = (images * off.T) @ off / (classes - 1)
    noise, size = float(np.trace(within)), float(np.trace(observed))
    if noise <= 0 or size <= 0:
        return None
    typical = (total - float(images @ images) / total) / (classes - 1)
    freedom = (classes - 1) * size**2 / float(np.sum(observed**2))
    shape, rate = freedom / 2 - 1, freedom * size / noise / 2
    below_one = gammainc(shape, rate)
    inverse = shape / rate * gammainc(shape + 1, rate) / below_one
    half = typical / (1 / inverse - 1)
    drawn = gammaincinv(shape, np.random.default_rng(seed).random(RESAMPLES) * below_one) / rate
    between = observed * noise / half / size
    share = 1 / (1 / half + 1 / images)
    share /= share.sum()
    error = float(share @ share) * between + float(share**2 @ (1 / images)) * within
    return ClassSpread(share @ means, error, within, between, half, typical / (1 / drawn - 1))


class _Aim(NamedTuple):
    """What intervals are made for, and the seed of their draws."""

    beta: float
    confidence: float
    seed: int


def _own(
    rows: list[Array], means: Array, scatter: Array, lacking: NDArray[np.bool_], aim: _Aim
) -> Estimate:
    """Own means with bootstrap intervals; classes of one size are resampled alike."""
    images = np.array([len(some) for some in rows])
    freedom = np.where(images > 1, images - 1, np.nan)
    ends = _no_intervals(*means.shape)
    for count in np.unique(images[~lacking]):
        chosen = np.flatnonzero(images == count)
        rng = np.random.default_rng([aim.seed, int(count)])
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
        tail = expanded_tail(int(count), aim.confidence)
        for one in chosen:
            contact = contact_set(rows[one])
            of_sid, of_score = profile_ends(drawn @ rows[one], contact, aim.beta, tail)
            ends[0][:, one], ends[1][:, one] = of_sid, of_score
    return _estimate(means, scatter / (images * freedom)[:, None, None], ends, aim.beta)


def _shrunk(spread: ClassSpread, means: Array, images: NDArray[Any], aim: _Aim) -> Estimate:
    weight = credibility(images, spread.images_for_half)[:, None, None]
    shrunk = weight[:, 0] * means + (1 - weight[:, 0]) * spread.centre
    errors = (1 - weight) ** 2 * (spread.between + spread.centre_covariance)
    errors = errors + weight**2 * spread.within / images[:, None, None]
    ends = _no_intervals(*means.shape)
    tails = [(1 - aim.confidence) / 2, 1 - (1 - aim.confidence) / 2]
    for count in np.unique(images):
        own, drawn = _errors(spread, int(count), aim.seed)
        alike = np.flatnonzero(images == count)
        blocks = -(-len(alike) * RESAMPLES * means.shape[1] // _AT_ONCE)
        for some in np.array_split(alike, blocks):
            sid = spectral_importance(own * means[some][:, None] + drawn)
            ends[0][:, some] = np.quantile(sid, tails, axis=1)
            ends[1][:, some] = np.quantile(signed_score(sid, aim.beta), tails, axis=1)
    return _estimate(shrunk, errors, ends, aim.beta)


def _errors(spread: ClassSpread, images: int, seed: int) -> tuple[Array, Array]:
    """Plausible weights of the own mean of n images, and what is added to the weighed mean."""
    rng = np.random.default_rng([seed, images, 1])
    own = credibility(images, spread.plausible)[:, None]
    scale = np.sqrt(spread.images_for_half / spread.plausible)[:, None]
    added = spread.centre + scale * _normal(rng, spread.between)
    added += _normal(rng, spread.centre_covariance)
    return own, (1 - own) * added + own * _normal(rng, spread.within / images)


def _normal(rng: np.random.Generator, covariance: Array) -> Array:
    sizes, axes = np.linalg.eigh(covariance)
    drawn = rng.standard_normal((RESAMPLES, len(sizes)))
    return np.asarray(drawn * np.sqrt(np.maximum(sizes, 0)) @ axes.T)


def credibility(images: NDArray[Any] | int, images_for_half: Array | float) -> Array:
    """Weight n / (n + k) of the mean of n images (Bühlmann and Straub 1970)."""
    return np.asarray(images / (images + np.asarray(images_for_half, dtype=np.float64)))


def _no_intervals(classes: int, players: int) -> tuple[Array, Array]:
    """Ends of the intervals of SID and signed score: shapes (2, C, M) and (2, C)."""
    return np.full((2, classes, players), np.nan), np.full((2, classes), np.nan)


def _estimate(
    shapley: Array, covariance: Array, ends: tuple[Array, Array], beta: float
) -> Estimate:
    sid = spectral_importance(shapley)
    signed = signed_score(sid, beta)
    # Where bands contend for the least value, draws lie to one side of the estimate: an interval
    # then reaches as far as the estimate, which it would leave out otherwise.
    (sid_low, sid_high), (low, high) = ends
    return Estimate(
        shapley,
        covariance,
        sid,
        np.minimum(sid_low, sid),
        np.maximum(sid_high, sid),
        signed,
        np.minimum(low, signed),
        np.maximum(high, signed),
    )


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal axes of profiles.

    Attributes
    ----------
    points : ndarray, shape (C, 2)
        Where each class lies.
    loadings : ndarray, shape (2, M)
        How much of each band makes an axis; of length 1, across each other.
    share : ndarray, shape (2,)
        Part of the squared distances between classes that lies along each axis.
    """

    points: Array
    loadings: Array
    share: Array


def principal_axes(sid: Array) -> PrincipalAxes:
    """The plane in which profiles lie furthest apart (principal components, centred).

    Importance distributions have the shape (C, M), C at least 3 and M at least 2. Each axis points
    to where the weight moves to lower frequencies, so that the same profiles give the same map.
    """
    off = sid - sid.mean(axis=0)
    _, lengths, axes = np.linalg.svd(off, full_matrices=False)
    loadings = axes[:2]
    low_to_high = np.arange(sid.shape[1]) - (sid.shape[1] - 1) / 2
    loadings = loadings * np.where(loadings @ low_to_high > 0, -1.0, 1.0)[:, None]
    total = float(np.sum(lengths**2))
    share = lengths[:2] ** 2 / total if total > 0 else np.zeros(2)
    return PrincipalAxes(off @ loadings.T, loadings, share)


def sid_covariance(estimate: Estimate) -> Array:
    """Covariance of the errors of `Estimate.sid`, shape (C, M, M), to first order.

    With ``T = sum(psi - min psi)`` and k the least band, ``d sid_i / d psi_j = (1[i = j] -
    1[j = k] - sid_i (1 - M 1[j = k])) / T``; 0 where all Shapley values are equal.
    """
    psi = estimate.shapley
    players = psi.shape[1]
    least = np.eye(players)[psi.argmin(axis=1)][:, None, :]
    total = (psi - psi.min(axis=1, keepdims=True)).sum(axis=1)[:, None, None]
    slope = np.eye(players) - least - estimate.sid[:, :, None] * (1 - players * least)
    slope = np.divide(slope, total, out=np.zeros_like(slope), where=total > 0)
    return np.asarray(slope @ estimate.covariance @ slope.transpose(0, 2, 1))
