"""The audit as the published script does it, written as the plain loop that it is.

Coalitions outside, data inside: for every coalition and batch an FFT, its zero frequency moved to
the middle, the coalition's mask laid out in the spectrum's own shape and type, two products and a
sum, the way back, the magnitude, min-max scaling over the batch, one call of the session (method,
section 8). What is absent comes from a permutation of the batch, drawn anew each time. The loop is
in single precision as the script is, and calls the same session as everybody. How images come is
the caller's choice: read for every coalition anew, as a loop over a data set does, or kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.inference.classifier import Classifier
from iaside_onnx.mathematics.shapley import coalition_masks

PUBLISHED_BATCH = 10


def published_bands(height: int, width: int, bands: int) -> NDArray[np.int64]:
    """Band of each frequency where bands are squares around the middle of the shifted spectrum.

    With an even size a square reaches one frequency further to the negative side (method, section
    8). Frequencies beyond the largest square count as of the highest band.
    """
    side = min(height, width)
    index = np.full((height, width), bands - 1)
    for band in reversed(range(bands)):
        square = int(side * (band + 1) * (1 / bands))
        start = (side - square) // 2
        index[start : start + square, start : start + square] = band
    return np.fft.ifftshift(index)


class PlainLoop:
    """The loop as something that can be run a step at a time.

    Parameters
    ----------
    pixels : callable
        Position in the sample to its image in pixel space, shape (C, H, W).
    targets : ndarray of int64, shape (K,)
        Class index of each image in the model's output.
    absence : {"random", "zero"}
        Another image of the batch stands for what is absent, or nothing.
    index : ndarray of int, shape (H, W), optional
        Band of each frequency; by default the published squares.

    Attributes
    ----------
    table : ndarray of float32, shape (K, 2**M)
        Log-probabilities found so far, as a report holds them.
    """

    def __init__(
        self,
        classifier: Classifier,
        pixels: Callable[[int], NDArray[np.float32]],
        targets: NDArray[np.int64],
        bands: int = 8,
        batch: int = PUBLISHED_BATCH,
        absence: str = "random",
        index: NDArray[Any] | None = None,
    ) -> None:
        if index is None:
            index = published_bands(classifier.form.height, classifier.form.width, bands)
        self._masks = np.fft.fftshift(coalition_masks(bands)[:, index], axes=(-2, -1))
        self._classifier, self._pixels, self._targets = classifier, pixels, targets
        self._batch, self._absence = batch, absence
        self.table = np.full((len(targets), len(self._masks)), np.nan, np.float32)
        self._steps = self._play()

    def step(self) -> int:
        """One batch under one coalition; the number of forward passes. Begins anew at the end."""
        passes = next(self._steps, None)
        if passes is None:
            self._steps = self._play()
            return self.step()
        return passes

    def run(self) -> NDArray[np.float32]:
        """The whole loop once; the table."""
        for _ in self._play():
            pass
        return self.table

    def _play(self) -> Iterator[int]:
        rng = np.random.default_rng(0)
        for coalition, mask in enumerate(self._masks):
            for start in range(0, len(self._targets), self._batch):
                stop = min(start + self._batch, len(self._targets))
                images = np.stack([self._pixels(position) for position in range(start, stop)])
                shown = self._seen(images, mask, rng)
                scores = self._classifier.model.scores(shown)
                rows = self._log_prob(scores)
                targets = self._targets[start:stop]
                self.table[start:stop, coalition] = rows[np.arange(len(rows)), targets]
                yield len(images)

    def _seen(
        self, images: NDArray[np.float32], present: NDArray[np.bool_], rng: np.random.Generator
    ) -> NDArray[np.float32]:
        """A batch as the model is shown it; `present` is the mask of one coalition."""
        plane = (-2, -1)
        spectrum = np.fft.fftshift(np.fft.fft2(images), axes=plane)
        mask = np.zeros_like(spectrum)
        mask[...] = present
        absent = np.zeros_like(spectrum)
        if self._absence == "random":
            absent = spectrum[rng.permutation(len(images))]
        masked = spectrum * mask + absent * (1 - mask)
        shown = np.abs(np.fft.ifft2(np.fft.ifftshift(masked, axes=plane))).astype(np.float32)
        shown -= shown.min()
        return np.asarray(np.clip(shown / max(shown.max(), np.float32(1e-12)), 0, 1))

    def _log_prob(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        if self._classifier.scores.kind == "probabilities":
            return np.log(np.maximum(scores, self._classifier.scores.floor))
        above = scores - scores.max(axis=1, keepdims=True)
        return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))
