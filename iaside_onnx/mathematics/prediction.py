"""What a perturbation will cost, from the game and what it does to each band.

The multilinear extension of a game (Owen, "Multilinear extensions of games", Management Science
18, 1972; method, section 4) gives a value to bands that survive in part. A perturbation's gain and
residual per band (`mathematics.signal_noise`) say how far each band survives.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .shapley import player_count

# How fast a band's presence falls with the logarithm of its amplitude, where a perturbation leaves
# the band weaker (attenuated) and where it puts more in (masked). docs/prediction.md says on
# which networks these two numbers were chosen, and on which others they were tried.
ATTENUATED = 0.15
MASKED = 1.0


def coalition_chances(presence: NDArray[Any]) -> NDArray[np.float64]:
    """Chance of every coalition when each player is present by its own chance, independently.

    ``prod_{i in S} a_i prod_{i not in S} (1 - a_i)`` at index S, shape (..., 2**M), for chances a_i
    of shape (..., M); they sum to 1.
    """
    chances = np.asarray(presence, dtype=np.float64)
    result = np.ones((*chances.shape[:-1], 1))
    for player in range(chances.shape[-1]):
        present = chances[..., player, None]
        result = np.concatenate([result * (1.0 - present), result * present], axis=-1)
    return result


def multilinear_extension(table: NDArray[Any], presence: NDArray[Any]) -> NDArray[np.float64]:
    """``f(a) = sum_S prod_{i in S} a_i prod_{i not in S} (1 - a_i) v(S)`` (method, section 4).

    Exact, in O(2**M) for each game and each a. At the corners of the cube it is the game itself,
    it is linear in each a_i, and the integral of its partial derivatives along the diagonal
    from (0, ..., 0) to (1, ..., 1) gives the Shapley values.

    Parameters
    ----------
    table : array, shape (2**M,) or (n, 2**M)
        One game, or n.
    presence : array, shape (..., M)
        Points a, each entry in [0, 1].

    Returns
    -------
    ndarray of float64, shape (...) or (n, ...)

    Examples
    --------
    >>> float(multilinear_extension([0.0, 1.0, 2.0, 5.0], [0.5, 0.5]))
    2.0
    """
    values = np.asarray(table, dtype=np.float64)
    player_count(values)
    return np.asarray(np.tensordot(values, coalition_chances(presence), axes=(-1, -1)))


def band_presence(
    gain: NDArray[Any],
    residual: NDArray[Any],
    *,
    attenuated: float = ATTENUATED,
    masked: float = MASKED,
) -> NDArray[np.float64]:
    """How far bands are still there, from what a perturbation does to their amplitude.

    With the amplitude ``A = sqrt(gain^2 + residual^2)`` of the perturbed band over the natural
    one: ``A^attenuated`` where ``A < 1`` (blur, contrast), ``A^-masked`` where ``A > 1`` (noise),
    1 where the band is as strong as before or has no signal (gain is not a number).

    Parameters
    ----------
    gain, residual : array, shape (...)
        See `signal_noise.gain_and_residual`.
    attenuated, masked : float
        Not negative; the two free parameters.
    """
    amplitude = np.hypot(np.asarray(gain, np.float64), residual)
    amplitude = np.where(np.isnan(amplitude), 1.0, amplitude)
    return np.asarray(
        np.minimum(amplitude, 1.0) ** attenuated * np.maximum(amplitude, 1.0) ** -masked
    )


def colour_presence(
    shift: NDArray[Any], spread: float, *, masked: float = MASKED
) -> NDArray[np.float64]:
    """How far DC is still there when a perturbation shifts the mean of images.

    What DC says about an image is how far its mean lies from that of other images, so a shift is
    noise beside the spread of means: ``A = sqrt(1 + (shift / spread)^2)`` in `band_presence`.

    Parameters
    ----------
    shift : array, shape (...)
        Root mean square of the shift.
    spread : float
        Standard deviation of the means over images, in the same unit.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(np.asarray(shift) == 0, 0.0, np.divide(shift, spread))
    return band_presence(np.ones_like(ratio), ratio, masked=masked)
