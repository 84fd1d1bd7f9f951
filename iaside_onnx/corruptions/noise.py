"""Noise: gaussian, shot, impulse and speckle."""

from __future__ import annotations

import numpy as np

from .planes import Planes, clipped


def gaussian_noise(planes: Planes, rng: np.random.Generator, *, sigma: float) -> Planes:
    """Independent normal noise of standard deviation `sigma` on every value."""
    noise = rng.standard_normal(planes.shape, np.float32)
    noise *= np.float32(sigma)
    noise += planes
    return clipped(noise)


def shot_noise(planes: Planes, rng: np.random.Generator, *, photons: float) -> Planes:
    """Poisson counts where a value of 1 stands for `photons` photons."""
    counts = rng.poisson(planes * photons).astype(np.float32)
    counts /= np.float32(photons)
    return clipped(counts)


def impulse_noise(planes: Planes, rng: np.random.Generator, *, share: float) -> Planes:
    """Salt and pepper: a `share` of all values becomes 0 or 1, evenly."""
    draw = rng.random(planes.shape, np.float32)
    made = planes.copy()
    made[draw < 0.5 * share] = 0.0
    made[draw >= 1.0 - 0.5 * share] = 1.0
    return made


def speckle_noise(planes: Planes, rng: np.random.Generator, *, sigma: float) -> Planes:
    """Normal noise of standard deviation `sigma` times the value."""
    noise = rng.standard_normal(planes.shape, np.float32)
    noise *= np.float32(sigma)
    noise += 1.0
    noise *= planes
    return clipped(noise)
