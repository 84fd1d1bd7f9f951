"""Shapley values of images from few random pairs of complements: a regression, made unbiased.

An image's game is close to one where every player adds a fixed amount, and how those amounts differ
between images is learnt from the sample: a random-effects model ``V[n, S] = g(S) + z_S . b_n +
noise`` with ``z_S = (1, +1 for members, -1 for others)`` and ``b_n`` of covariance G. It predicts
an image's game from the empty and the grand coalition and all drawn pairs but one; the pair left
out then says how wrong that is. Its error, weighted by the inverse of the chance of drawing it,
makes the estimate unbiased for every image whatever the model is worth, since that pair was drawn
independently of all that the prediction rests on; the mean over the pairs left out is taken. g, G
and the noise come from the other images (five folds), which keeps that so. The better the model,
the less the estimate varies.

The ingredients are known: pairs of complements and a regression (Lundberg and Lee, NeurIPS 2017;
Covert and Lee, AISTATS 2021), sampling by weight (Horvitz and Thompson, Journal of the American
Statistical Association 47, 1952), a model that assists without being trusted (Särndal, Swensson
and Wretman, "Model Assisted Survey Sampling", 1992) and cross-fitting (Chernozhukov et al., The
Econometrics Journal 21, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .coalitions import members, pair_chances
from .shapley import coalition_masks, shapley_values, shapley_weights

Array = NDArray[np.float64]

FOLDS = 5
# What holds down the terms of the mean game that are not additive, in observations.
_RIDGE = 10.0
# Images that a model is learnt from at most; more change nothing that counts.
_MOST_IMAGES = 4000
_LEAST = 1e-9
# Numbers in the largest array of a block of images.
_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class _Model:
    """Mean game as coefficients of `_features`, covariance of random effects, noise."""

    mean: Array
    effects: Array
    noise: float


def regression_values(values: Array, coalitions: NDArray[np.uint64], players: int) -> Array:
    """Shapley values of each image from drawn pairs of complements, shape (K, M).

    `values` is the game at `coalitions`, both of shape (K, C), from `coalitions.draw_coalitions`.
    Each row is unbiased for its image's exact Shapley values, over the draws of the pairs, and sums
    to ``v(all) - v(none)``.
    """
    game = np.asarray(values, dtype=np.float64)
    of_features = shapley_values(_features(coalition_masks(players)).T).T
    psi = np.empty((len(game), players))
    rows = np.arange(len(game))
    step = max(1, _AT_ONCE // (game.shape[1] * (game.shape[1] + players)))
    for fold in range(min(FOLDS, len(game))):
        others = rows[rows % FOLDS != fold] if len(game) >= FOLDS else rows[rows != fold]
        model = _fitted(game[others], coalitions[others], players)
        mean = of_features @ model.mean
        own = rows[rows % FOLDS == fold]
        for start in range(0, len(own), step):
            block = own[start : start + step]
            psi[block] = mean + _deviations(game[block], coalitions[block], players, model)
    return psi


def _features(present: NDArray[np.bool_]) -> Array:
    """Terms of the mean game, shape (..., 3 + 2 M): 1, players, players by size, and both ends.

    The terms by size let what a player adds depend on how many others there are.
    """
    players = present.shape[-1]
    signs = np.where(present, 1.0, -1.0)
    rest = signs.sum(axis=-1, keepdims=True) - signs
    scale = max(1.0, np.sqrt((players - 1) * (players - 2) / 2))
    by_size = signs * (rest**2 - (players - 1)) / (2 * scale)
    size = present.sum(axis=-1)
    ends = np.stack([size == 0, size == players], axis=-1).astype(np.float64)
    return np.concatenate([np.ones((*signs.shape[:-1], 1)), signs, by_size, ends], axis=-1)


def _fitted(game: Array, coalitions: NDArray[np.uint64], players: int) -> _Model:
    """The model as some images have it: least squares for the mean, moments for the rest."""
    terms, effects = 3 + 2 * players, 1 + players
    if not len(game):
        return _Model(np.zeros(terms), np.eye(effects), 1.0)
    chosen = np.linspace(0, len(game) - 1, min(len(game), _MOST_IMAGES)).astype(np.intp)
    game, coalitions = game[chosen], coalitions[chosen]
    features = _features(members(coalitions, players))
    ridge = np.zeros(terms)
    ridge[effects:] = _RIDGE
    covariance, noise = np.eye(effects), 1.0
    flat = features.reshape(-1, terms)
    mean = _solved(flat.T @ flat, ridge, flat.T @ game.ravel())
    signs = features[..., :effects]
    for _ in range(2):
        rest = game - features @ mean
        covariance, noise = _moments(rest, signs)
        precision = np.linalg.inv(
            signs @ covariance @ signs.transpose(0, 2, 1) + noise * np.eye(game.shape[1])
        )
        weighted = precision @ features
        information = np.tensordot(features, weighted, ([0, 1], [0, 1]))
        right = np.tensordot(weighted, game, ([0, 1], [0, 1]))
        mean = _solved(noise * information, ridge, noise * right)
    return _Model(mean, covariance, noise)


def _solved(information: Array, ridge: Array, right: Array) -> Array:
    least = _LEAST * max(1.0, float(np.diag(information).max()))
    return np.asarray(np.linalg.solve(information + np.diag(ridge + least), right))


def _moments(rest: Array, signs: Array) -> tuple[Array, float]:
    """Covariance of the random effects, and the noise, that explain products of residuals."""
    effects = signs.shape[-1]
    low, high = np.triu_indices(effects)
    once = np.where(low == high, 0.5, 1.0)
    # Sums over pairs of different observations: those over all pairs without those with themselves.
    crossed, right = np.zeros((effects**2, effects**2)), np.zeros((effects, effects))
    step = max(1, _AT_ONCE // (rest.shape[1] * effects**2))
    for start in range(0, len(rest), step):
        part = signs[start : start + step]
        residuals = part * rest[start : start + step, :, None]
        sums, each = residuals.sum(axis=1), residuals.reshape(-1, effects)
        right += sums.T @ sums - each.T @ each
        grams = (part.transpose(0, 2, 1) @ part).reshape(len(part), -1)
        own = (part[..., None] * part[..., None, :]).reshape(-1, effects**2)
        crossed += grams.T @ grams - own.T @ own
    products = crossed.reshape((effects,) * 4)
    one, two = (low[:, None], high[:, None]), (low, high)
    normal = products[one[0], two[0], one[1], two[1]] + products[one[0], two[1], one[1], two[0]]
    normal *= once * once[:, None]
    right = right[low, high] * once
    spread = float((rest**2).mean()) + np.finfo(float).tiny
    covariance = np.zeros((effects, effects))
    covariance[low, high] = _solved(normal, np.full(len(low), _RIDGE), right)
    covariance = covariance + covariance.T - np.diag(np.diag(covariance))
    sizes, directions = np.linalg.eigh(covariance)
    covariance = (directions * np.maximum(sizes, _LEAST * spread)) @ directions.T
    explained = float(((signs @ covariance) * signs).sum(axis=-1).mean())
    return covariance, max(spread - explained, 0.02 * spread)


def _deviations(game: Array, coalitions: NDArray[np.uint64], players: int, model: _Model) -> Array:
    """What is to be added to the Shapley values of the mean game, shape (images, M)."""
    features = _features(members(coalitions, players))
    signs = features[..., : 1 + players]
    rest = game - features @ model.mean
    reach = signs @ model.effects
    precision = np.linalg.inv(
        reach @ signs.transpose(0, 2, 1) + model.noise * np.eye(game.shape[1])
    )
    alone = (precision @ rest[..., None])[..., 0]
    weights, chances = shapley_weights(players), pair_chances(players)
    ends = weights[[0, -1]]
    pairs = range(1, game.shape[1] - 1, 2)
    total = np.zeros((len(game), players))
    for at in pairs:
        left_out = slice(at, at + 2)
        # The error of predicting a part of a vector from the other parts (leave-one-out identity).
        error = np.linalg.solve(precision[:, left_out, left_out], alone[:, left_out, None])
        others = alone - (precision[:, :, left_out] @ error)[..., 0]
        others[:, left_out] = 0.0
        effects = (others[:, None] @ reach)[:, 0]
        at_ends = rest[:, [0, -1]] - (signs[:, [0, -1]] @ effects[..., None])[..., 0]
        lower = coalitions[:, at].astype(np.intp)
        gap = (error[:, 0, 0] - error[:, 1, 0]) / chances[lower]
        total += 2 * effects[:, 1:] + at_ends @ ends + gap[:, None] * weights[lower]
    return total / len(pairs)
