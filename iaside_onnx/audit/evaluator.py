"""Positions of a sample in, finished rows of the value table out.

Whoever evaluates goes through here, this process or a worker elsewhere, so that all of them fill
the same table.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..images.sample import Picture, Sample
from ..inference.classifier import Classifier
from ..inference.engine import Engine
from ..inference.session import Runtime
from ..mathematics.absence import Baselines, SampleStatistics
from ..mathematics.bands import band_index
from ..settings import Settings
from .game import BandRows, batch_size, play


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
    batch : int or None
        Forward passes in a run; None searches.
    images : int
        How many will be evaluated, which bounds that search.
    picture : callable, optional
        Position to decoded picture; the sample's own by default.
    """

    def __init__(
        self,
        classifier: Classifier,
        sample: Sample,
        targets: NDArray[np.int64],
        settings: Settings,
        statistics: SampleStatistics,
        batch: int | None,
        images: int,
        picture: Callable[[int], Picture] | None = None,
    ) -> None:
        form, runtime = classifier.form, classifier.model.runtime
        assert not isinstance(settings.temperature, str)
        self._sample, self._targets = sample, targets
        self._engine = Engine(
            classifier.model,
            settings.players,
            classifier.scores,
            settings.temperature,
            settings.output_map,
        )
        take = picture or sample.picture

        def pixels(position: int) -> NDArray[np.float32]:
            return classifier.pixels(take(position))

        baselines = Baselines(settings.absence, settings.seed, sample.ids, statistics, pixels)
        index = band_index(
            form.height, form.width, settings.bands, settings.norm,
            separate_dc=settings.separate_dc,
        )  # fmt: skip
        affine = settings.output_map == "real"
        self._rows = BandRows(pixels, baselines, index, self._engine, affine=affine)
        self._size = batch_size(classifier, batch, images * self._engine.coalitions)
        self._ahead = _has_idle_cores(runtime)

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
            self._targets,
            positions,
            self._size,
            store,
            advance,
            lambda position: self._sample.ids[position],
            ahead=self._ahead,
        )


def _has_idle_cores(runtime: Runtime) -> bool:
    """True where a second thread helps: it has a core of its own, or there are many.

    On 2 cores that the model keeps busy, preparing the next images meanwhile cost a tenth of the
    speed, because threads of the model waited for one that had lost its core; in turns it cost a
    fiftieth (SqueezeNet at 224 pixels).
    """
    cores = available_cores()
    return runtime.provider != "cpu" or cores > 4 or 0 < runtime.threads < cores


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
