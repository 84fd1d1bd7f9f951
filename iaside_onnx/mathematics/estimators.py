"""Shapley values of images from whatever coalitions were evaluated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .coalitions import permutation_values
from .regression import regression_values
from .shapley import shapley_values


def image_values(
    estimator: str,
    game: NDArray[np.float64],
    coalitions: NDArray[np.uint64] | None,
    players: int,
) -> NDArray[np.float64]:
    """Shapley values of each image, shape (K, M): exact, or unbiased over the drawn coalitions.

    Because the draws of different images have nothing to do with each other, the spread of the
    rows holds both sources of variance, images and coalitions: their mean, its standard error and
    its bootstrap are computed as for exact rows.

    The game has the shape (K, C), at all coalitions in order, where `coalitions` is None, or at
    those of the same shape from `coalitions.draw_coalitions`.
    """
    if coalitions is None:
        return shapley_values(game)
    solve = permutation_values if estimator == "permutation" else regression_values
    return solve(game, coalitions, players)
