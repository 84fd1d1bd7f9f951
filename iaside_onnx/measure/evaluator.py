"""Positions of a sample in, finished rows of the value table out.

Whoever evaluates goes through here, this process or a worker elsewhere, so that all of them fill
the same table.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..images.sample import Sample
from ..inference.classifier import Classifier
from ..inference.engine import Engine
from ..mathematics.absence import Baselines, SampleStatistics
from ..mathematics.bands import band_index
from ..settings import Settings
from .batch_size import batch_size
from .game import BandRows, has_idle_cores, play


class Evaluator:
    """Evaluates images of one audit, as often as it is asked to.

    Parameters
    ----------
    classifier : Classifier
    sample : Sample
        The whole sample, whichever part of it is evaluated.
    targets : ndarray of int64, shape (K,)
        Index of each image's class in the model's output.
    settings : Settings
        With the temperature settled.
    statistics : SampleStatistics
        Of the whole sample.
    keys : list of str
        From `draw_key`, for each image of the sample.
    coalitions : ndarray of uint64, shape (C,) or (K, C)
        What is evaluated: one row for all images, or a row an image.
    batch : int or None
        Forward passes in a run; None searches.
    images : int
        How many will be evaluated, which bounds that search.
    """

    def __init__(
        self,
        classifier: Classifier,
        sample: Sample,
        targets: NDArray[np.int64],
        settings: Settings,
        statistics: SampleStatistics,
        keys: list[str],
        coalitions: NDArray[np.uint64],
        batch: int | None,
        images: int,
    ) -> None:
        form, runtime = classifier.form, classifier.model.runtime
        assert not isinstance(settings.temperature, str)
        self._sample, self._targets, self._coalitions = sample, targets, coalitions
        self._engine = Engine(
            classifier.model,
            settings.players,
            classifier.task(settings.temperature),
            settings.output_map,
            coalitions if coalitions.ndim == 1 else None,
        )

        def pixels(position: int) -> NDArray[np.float32]:
            return classifier.pixels(sample.picture(position))

        baselines = Baselines(settings.absence, settings.seed, keys, statistics, pixels)
        index = band_index(
            form.height, form.width, settings.bands, settings.norm,
            separate_dc=settings.separate_dc,
        )  # fmt: skip
        affine = settings.output_map == "real"
        self._rows = BandRows(pixels, baselines, index, self._engine, affine=affine)
        self._size = batch_size(classifier, batch, images * coalitions.shape[-1])
        self._ahead = has_idle_cores(runtime)

    @property
    def batch(self) -> int:
        """Forward passes in a run, as told or found so far."""
        return self._size.size

    def __call__(
        self,
        positions: list[int],
        store: Callable[[int, NDArray[np.float32]], None],
        advance: Callable[[int], None],
    ) -> None:
        """Evaluate images; see `game.play` for `store`, `advance` and the errors."""
        play(
            self._engine,
            self._rows,
            self._coalitions,
            self._targets,
            positions,
            self._size,
            store,
            advance,
            lambda position: self._sample.ids[position],
            ahead=self._ahead,
        )
