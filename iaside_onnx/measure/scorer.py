"""What a model says of images."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ..inference.classifier import Classifier
from ..inference.model import OutOfMemoryError, RunError
from .batch_size import BatchSize, no_batch


class Scorer:
    """Log-probabilities of images at T of softmax(z / T), in runs of a size found meanwhile."""

    def __init__(self, classifier: Classifier, temperature: float, size: BatchSize) -> None:
        self._classifier, self.task, self.size = classifier, classifier.task(temperature), size

    def _filled(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images, the last one repeated up to a power of two where each new shape costs."""
        if not self._classifier.model.runtime.execution.one_shape:
            return part
        missing = min(self.size.size, 1 << (len(part) - 1).bit_length()) - len(part)
        return np.concatenate([part, np.repeat(part[-1:], max(0, missing), axis=0)])

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logarithms of Q(. | x), shape (n, classes).

        Raises
        ------
        ArtifactError
            The model fails, or cannot run even one image within memory.
        """
        rows, start = [], 0
        while start < len(images):
            part = images[start : start + self.size.size]
            began = time.perf_counter()
            try:
                raw = self._classifier.model.scores(self._filled(part))[: len(part)]
            except (OutOfMemoryError, RunError) as error:
                fixed = self._classifier.form.fixed_batch
                if fixed or not self.size.fails(len(part), error):
                    raise no_batch(error) from error
                continue
            self.size.record(len(part), time.perf_counter() - began)
            rows.append(self.task.readings(raw))
            start += len(part)
        return np.concatenate(rows)
