"""Absence schemes: what stands in the place of a band that a coalition lacks (method, section 2).

Every baseline image is fixed by the seed, the image's key and the sample: the same for every
coalition and for every model. A key stands for the image's pixels, so neither the names of files
nor their order change a baseline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ..checks import check_choice
from ..errors import DataError


@dataclass(frozen=True)
class Scheme:
    """One way to fill the place of an absent band, and what follows for results made with it.

    Attributes
    ----------
    name, words : str
        What it is called, and what an absent band holds.
    make : callable
        `Baselines` and a position to the baseline image, shape (C, H, W), float32.
    needs_statistics : bool
        It follows statistics of the whole sample: results of other samples differ a little.
    seeded : bool
        It is drawn, so that the seed is part of the game.
    per_sample : bool
        It takes other images of the sample: results of other samples play another game.
    """

    name: str
    words: str
    make: Callable[[Baselines, int], NDArray[np.float32]]
    needs_statistics: bool = False
    seeded: bool = False
    per_sample: bool = False

    @property
    def of_sample(self) -> bool:
        """Baselines of a part of a sample follow from all of it."""
        return self.needs_statistics or self.per_sample


class SampleStatistics:
    """Mean image and mean power spectrum of a sample, the same in whatever order its images come.

    `count` is the number of images taken in.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum, self._power = _Total(), _Total()

    def add(self, pixels: NDArray[np.float32]) -> None:
        """Take in one image, shape (C, H, W), in [0, 1]."""
        image = pixels.astype(np.float64)
        self._sum.add(image)
        self._power.add(np.abs(scipy.fft.rfft2(image)) ** 2)
        self.count += 1

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean image, shape (C, H, W)."""
        return self._sum.rounded / self.count

    @property
    def power(self) -> NDArray[np.float64]:
        """Mean of |rfft2|**2 over images, shape (C, H, W // 2 + 1)."""
        return self._power.rounded / self.count


class _Total:
    """A sum in twice the digits of float64, so that rounding hides the order of the addends.

    The error of each addition is found exactly (Knuth's two-sum) and summed beside the total.
    """

    def __init__(self) -> None:
        self._high: NDArray[np.float64] = np.zeros(())
        self._low: NDArray[np.float64] = np.zeros(())

    def add(self, more: NDArray[np.float64]) -> None:
        total = self._high + more
        taken = total - self._high
        self._low = self._low + ((self._high - (total - taken)) + (more - taken))
        self._high = total

    @property
    def rounded(self) -> NDArray[np.float64]:
        return self._high + self._low


@dataclass(frozen=True)
class Baselines:
    """Baseline image of each position of a sample.

    Attributes
    ----------
    scheme : str
        One of `ABSENCES`.
    seed : int
    keys : list of str
        What names each image of the sample, in order; equal for equal pixels. Only schemes that
        draw look at them.
    statistics : SampleStatistics
        Of the same sample.
    pixels : callable
        Position in the sample to its image in pixel space.
    """

    scheme: str
    seed: int
    keys: list[str]
    statistics: SampleStatistics
    pixels: Callable[[int], NDArray[np.float32]]

    def __post_init__(self) -> None:
        check_choice("absence", self.scheme, ABSENCES)
        if ABSENCES[self.scheme].per_sample and len(self._different) < 2:
            raise DataError(
                f"absence '{self.scheme}' needs at least two different images in the sample"
            )

    def image(self, position: int) -> NDArray[np.float32]:
        """Baseline of one image, shape (C, H, W), float32."""
        return ABSENCES[self.scheme].make(self, position)

    @cached_property
    def mean(self) -> NDArray[np.float32]:
        """Mean image of the sample."""
        return self.statistics.mean.astype(np.float32)

    @cached_property
    def noise(self) -> ColouredNoise:
        """Noise that has the mean spectrum and colour of the sample."""
        mean = self.statistics.mean
        return ColouredNoise(self.statistics.power, mean.mean(axis=(-2, -1)), mean.shape)

    def generator(self, position: int) -> np.random.Generator:
        """The source of everything random about one image: seed and pixels decide alone."""
        digest = hashlib.sha256(self.keys[position].encode()).digest()
        return np.random.default_rng([self.seed, int.from_bytes(digest[:16], "big")])

    def partner(self, position: int) -> int:
        """Another image with other pixels: the keys decide, not the order of the sample."""
        positions = list(self._different.values())
        step = 1 + int(self.generator(position).integers(len(positions) - 1))
        return positions[(self._rank[self.keys[position]] + step) % len(positions)]

    @cached_property
    def _different(self) -> dict[str, int]:
        """A position of each key, keys in their order."""
        positions = dict(zip(reversed(self.keys), reversed(range(len(self.keys))), strict=True))
        return dict(sorted(positions.items()))

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {key: rank for rank, key in enumerate(self._different)}


class ColouredNoise:
    """Real gaussian noise of a shape (C, H, W) with a given mean power spectrum and mean colour.

    Parameters
    ----------
    power : array, shape (C, H, W // 2 + 1)
        Expected |rfft2|**2 of the result, but for DC.
    colour : array, shape (C,)
        Mean pixel of each channel of the result, exactly.
    """

    def __init__(
        self, power: NDArray[np.float64], colour: NDArray[np.float64], shape: tuple[int, ...]
    ) -> None:
        pixels = shape[-2] * shape[-1]
        self._shape = shape
        self._amplitude = np.sqrt(power / pixels).astype(np.float32)
        self._dc = (colour * pixels).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One image of noise, shape (C, H, W)."""
        white: NDArray[Any] = scipy.fft.rfft2(rng.standard_normal(self._shape, dtype=np.float32))
        white *= self._amplitude
        white[..., 0, 0] = self._dc
        noise = scipy.fft.irfft2(white, s=self._shape[-2:], overwrite_x=True)
        return np.asarray(noise, dtype=np.float32)


ABSENCES = {
    scheme.name: scheme
    for scheme in (
        Scheme(
            "gaussian",
            "noise that has the spectrum of the sample",
            lambda baselines, at: baselines.noise.draw(baselines.generator(at)),
            needs_statistics=True,
            seeded=True,
        ),
        Scheme(
            "replace",
            "the same bands of another image of the sample",
            lambda baselines, at: baselines.pixels(baselines.partner(at)),
            seeded=True,
            per_sample=True,
        ),
        Scheme(
            "mean",
            "the bands of the sample's mean image",
            lambda baselines, _: baselines.mean,
            needs_statistics=True,
        ),
        Scheme("zero", "nothing", lambda baselines, _: np.zeros_like(baselines.mean)),
    )
}


def scheme_of(name: str) -> Scheme:
    """The scheme of that name; of one that is not known here, the strictest reading."""
    return ABSENCES.get(name) or replace(ABSENCES["replace"], name=name, words=name)
