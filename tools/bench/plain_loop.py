"""The audit as the published script does it, written as the plain loop that it is.

Coalitions outside, data inside: for every coalition and batch an FFT, the coalition's mask, an
inverse FFT, the magnitude, min-max scaling over the batch, one call of the session (method, section
8). What is absent comes from a permutation of the batch, drawn anew each time. Generous where the
script leaves a choice: single precision, the spectrum of the batch permuted instead of computed
twice, `onnxruntime` with the same session as everybody. How images come is the caller's choice:
read for every coalition anew, as a loop over a data set does, or kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.inference.classifier import Classifier
from iaside_onnx.mathematics.bands import band_index
from iaside_onnx.mathematics.shapley import coalition_masks


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
        batch: int = 32,
        absence: str = "random",
    ) -> None:
        index = band_index(classifier.form.height, classifier.form.width, bands)
        self._masks = coalition_masks(bands)[:, index]
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
                spectrum = np.fft.fft2(images)
                masked = spectrum * mask
                if self._absence == "random":
                    masked += spectrum[rng.permutation(len(images))] * ~mask
                shown = np.abs(np.fft.ifft2(masked)).astype(np.float32)
                low, high = shown.min(), shown.max()
                shown = (shown - low) / max(high - low, np.float32(1e-12))
                scores = self._classifier.model.scores(shown)
                rows = self._log_prob(scores)
                targets = self._targets[start:stop]
                self.table[start:stop, coalition] = rows[np.arange(len(rows)), targets]
                yield len(images)

    def _log_prob(self, scores: NDArray[np.float32]) -> NDArray[Any]:
        if self._classifier.scores.kind == "probabilities":
            return np.log(np.maximum(scores, self._classifier.scores.least))
        above = scores - scores.max(axis=1, keepdims=True)
        return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))
