"""What a model says of images."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ..inference.classifier import Classifier
from ..inference.model import OutOfMemoryError, RunError
from ..inference.task import Task
from .batch_size import BatchSize, no_batch


class Scorer:
    """Readings of images by a task, in runs of a size found meanwhile.

    Of classes they are log-probabilities at T of softmax(z / T).
    """

    def __init__(self, classifier: Classifier, task: Task, size: BatchSize) -> None:
        self._classifier, self.task, self.size = classifier, task, size

    def _filled(self, part: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images, the last one repeated up to a power of two where each new shape costs."""
        if not self._classifier.model.runtime.execution.one_shape:
            return part
        missing = min(self.size.size, 1 << (len(part) - 1).bit_length()) - len(part)
        return np.concatenate([part, np.repeat(part[-1:], max(0, missing), axis=0)])

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float64]:
        """Readings, shape (n, columns): of classes the logarithms of Q(. | x).

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
                filled = self._filled(part)
                raw = self._classifier.model.scores(filled)[: len(part)]
            except (OutOfMemoryError, RunError) as error:
                fixed = self._classifier.form.fixed_batch
                if fixed or not self.size.fails(len(part), error):
                    raise no_batch(error) from error
                continue
            self.size.record(len(part), time.perf_counter() - began, len(filled))
            rows.append(self.task.readings(raw))
            start += len(part)
        return np.concatenate(rows)
