"""What a kind of measurement says of itself; whatever they share is the run's (`run.measure`).

A measurement is a table with a row for each image. Its kind says what a row holds and how rows are
filled. The run brings the rest to all kinds alike: the lock, the partial file, resuming, shards,
workers, limits, the search for a batch, and where everything came from.
"""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..images.sample import Sample
from ..results.result import Result
from ..storage.partial import WHOLE_ROWS, Columns
from ..tasks import CLASSES
from .batch_size import BatchSize
from .clean_pass import CleanPass
from .subject import Subject

# Takes a position of the sample, and its finished row or part of a row, which is copied at once:
# the caller may fill the same array for the next image.
Store = Callable[[int, NDArray[Any]], None]
# Takes the work done since the last call, in the unit of `Measurement.work`.
Advance = Callable[[int], None]
# Fills the rows of some positions: the same rows here and on a worker elsewhere.
Rows = Callable[[list[int], Store, Advance], None]
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Filled:
    """A table that is filled as far as it goes, shape (n, columns), and the sample of its rows.

    Attributes
    ----------
    used : ndarray of int, shape (n,)
        Which of the subject's positions the rows are of: all, unless a limit ended the run.
    clean : CleanPass or None
        None where no labels are needed.
    settings : dict
        What determines the table.
    view : dict
        How the result is viewed, as its `view` takes it.
    run : dict
        How it was filled.
    """

    subject: Subject
    table: NDArray[Any]
    used: NDArray[np.intp]
    sample: Sample
    clean: CleanPass | None
    settings: dict[str, Any]
    view: dict[str, Any]
    run: dict[str, Any]

    @property
    def all_settings(self) -> dict[str, Any]:
        """Those of the table, and of its view."""
        return {**self.settings, **self.view}

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Classes of the clean images as the labels count them, shape (n,)."""
        assert self.clean is not None
        return self.clean.predicted[self.used] - self.subject.classifier.label_offset

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of the images, shape (n,): the model's own answers where these are taken."""
        own = self.subject.own_answers or self.subject.classifier.kind.name != CLASSES
        return self.predicted if own else self.sample.labels

    def position_of(self, row: int) -> int:
        """Where in the subject's sample the image of a row is."""
        return self.subject.positions[int(self.used[row])]

    def origin(self) -> dict[str, Any]:
        """Where the result comes from: the fields of it that all kinds have."""
        subject, whole = self.subject, self.subject.request.shard is None
        return {
            # Shards of a sample are compared with the whole when they are joined.
            **({} if whole else {"image_digests": self.sample.image_digests}),
            "model": subject.description,
            "provider": subject.provider,
            "image_ids": self.sample.ids,
            "data": subject.data(self.sample),
            "run": {**self.run, "warnings": subject.warnings},
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "iaside_version": __version__,
        }


class Measurement(ABC, Generic[R]):
    """One kind of measurement, settled for a model and images.

    Workers get it, so it is a frozen dataclass that is small when pickled.
    """

    kind: type[R]  # of the result
    dtype: ClassVar[str] = "float32"  # of the table, or float64

    @property
    @abstractmethod
    def columns(self) -> int:
        """Numbers in a row of the table."""

    @property
    def parts(self) -> Sequence[Columns]:
        """Columns of the table that are filled together, each by one of `rows`."""
        return WHOLE_ROWS

    @property
    def part_names(self) -> Sequence[str]:
        """What fills each of `parts`, where a user may leave one out to save time."""
        return ()

    @property
    def part_advice(self) -> str:
        """How to leave out what `part_names` name."""
        return ""

    @property
    def of_whole_sample(self) -> bool:
        """Whether a row depends on the other images of the sample too."""
        return False

    @abstractmethod
    def cost(self, images: int) -> str:
        """What the work comes to, in words."""

    @abstractmethod
    def work(self, positions: list[int]) -> list[int]:
        """The work of some rows for each of `parts`: forward passes, where there is a model."""

    @property
    def checking(self) -> int:
        """Forward passes an image that only check it, beside the work."""
        return 0

    @abstractmethod
    def rows(self, subject: Subject, size: BatchSize) -> Sequence[Rows]:
        """What fills each of `parts`; `size` is the number of forward passes in a run."""

    @abstractmethod
    def result(self, filled: Filled) -> R:
        """The result of a table."""

    def settled(self, subject: Subject, clean: CleanPass) -> Measurement[R]:  # noqa: ARG002
        """The measurement with what the clean pass showed of the sample."""
        return self

    def settings(self, subject: Subject) -> dict[str, Any]:
        """What determines the table beside model, images and provider, as JSON values."""
        return subject.settings()

    def viewed(self, subject: Subject, view: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """How the result is viewed, settled: as its `view` takes it."""
        return view

    def settings_at(
        self,
        settings: dict[str, Any],
        positions: list[int],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Settings of this measurement as they would be of the images at some positions alone."""
        return settings

    def settings_of(self, result: R) -> dict[str, Any]:
        """The same of a finished result, which may hold how it is viewed as well."""
        return result.settings

    def table_of(self, result: R) -> NDArray[Any]:
        """The table that a finished result was made of, which `known` rows are taken from."""
        raise NotImplementedError

    def stderr(self, table: NDArray[Any], used: NDArray[np.intp], view: dict[str, Any]) -> float:
        """The error bar that `Limits.target_stderr` holds."""
        raise NotImplementedError

    def passes(self, table: NDArray[Any], positions: list[int]) -> dict[str, int]:  # noqa: ARG002
        """The forward passes that rows of the table took, as a result's ``run`` has it."""
        return {"forward_passes": sum(self.work(positions))}
