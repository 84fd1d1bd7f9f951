"""Noise: gaussian, shot, impulse and speckle."""

from __future__ import annotations

import numpy as np

from .planes import Planes, clipped
from .severity import corruption


@corruption("noise", small=(0.04, 0.06, 0.08, 0.09, 0.1), large=(0.08, 0.12, 0.18, 0.26, 0.38))
def gaussian_noise(planes: Planes, rng: np.random.Generator, *, sigma: float) -> Planes:
    """Independent normal noise of standard deviation `sigma` on every value."""
    noise = rng.standard_normal(planes.shape, np.float32)
    noise *= np.float32(sigma)
    noise += planes
    return clipped(noise)


@corruption("noise", small=(500, 250, 100, 75, 50), large=(60, 25, 12, 5, 3))
def shot_noise(planes: Planes, rng: np.random.Generator, *, photons: float) -> Planes:
    """Poisson counts where a value of 1 stands for `photons` photons."""
    counts = rng.poisson(planes * photons).astype(np.float32)
    counts /= np.float32(photons)
    return clipped(counts)


@corruption("noise", small=(0.01, 0.02, 0.03, 0.05, 0.07), large=(0.03, 0.06, 0.09, 0.17, 0.27))
def impulse_noise(planes: Planes, rng: np.random.Generator, *, share: float) -> Planes:
    """Salt and pepper: a `share` of all values becomes 0 or 1, evenly."""
    draw = rng.random(planes.shape, np.float32)
    noisy = planes.copy()
    noisy[draw < 0.5 * share] = 0.0
    noisy[draw >= 1.0 - 0.5 * share] = 1.0
    return noisy


@corruption("noise", small=(0.06, 0.1, 0.12, 0.16, 0.2), large=(0.15, 0.2, 0.35, 0.45, 0.6))
def speckle_noise(planes: Planes, rng: np.random.Generator, *, sigma: float) -> Planes:
    """Normal noise of standard deviation `sigma` times the value."""
    noise = rng.standard_normal(planes.shape, np.float32)
    noise *= np.float32(sigma)
    noise += 1.0
    noise *= planes
    return clipped(noise)
