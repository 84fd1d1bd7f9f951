"""What measurements of a model share: the model and its sample made ready, and rows kept on disk.

Everything is as `analyze` does it, so that an analysis and a measurement with the same options see
the same images through the same model.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, UsageError
from ..images.sample import Reading, Sample, draw_sample, leave_out_bad
from ..inference.classifier import Classifier, open_classifier
from ..inference.session import Runtime, choose_runtime, runtime_clash, runtime_version
from ..listener import Listener
from ..settings import MOST_COUNT, Settings, check_number
from ..storage.output_file import check_folder, check_free, clear_leftovers, sole_writer
from ..storage.partial import (
    WHOLE_ROWS,
    Columns,
    Partial,
    check_identity,
    check_partial,
    create_partial,
    open_partial,
    partial_path,
)
from .draws import DRAWS, draw_key, pixels_digest
from .labelling import settle_labels
from .model_names import NO_NAMES
from .survey import class_targets


class Savable(Protocol):
    """A report that goes into a file."""

    @property
    def settings(self) -> dict[str, Any]:
        """What determines it."""

    @property
    def model(self) -> dict[str, Any]:
        """With the key ``sha256``."""

    @property
    def data(self) -> dict[str, Any]:
        """With the key ``digest``."""

    @property
    def provider(self) -> str:
        """Where the model ran."""

    def save(self, target: str | Path, *, overwrite: bool = False) -> None:
        """Write it."""


R = TypeVar("R", bound=Savable)


@dataclass(frozen=True)
class Subject:
    """A model made ready, and the images that it is measured on.

    Attributes
    ----------
    classifier : Classifier
    sample : Sample
    targets : ndarray of int64, shape (n,)
        Classes in the model's output.
    source : dict
        Where the images came from and which were left out, as a report's ``data`` has it.
    """

    classifier: Classifier
    sample: Sample
    targets: NDArray[np.int64]
    source: dict[str, Any]

    @property
    def runtime(self) -> Runtime:
        """Where the model runs."""
        return self.classifier.model.runtime

    def pixels(self, position: int) -> NDArray[np.float32]:
        """An image of the sample in pixel space at the model's size, shape (C, H, W)."""
        return self.classifier.pixels(self.sample.picture(position))

    @cached_property
    def keys(self) -> list[str]:
        """What each image is called where something is drawn for it."""
        return [draw_key(self.sample, position) for position in range(len(self.sample))]

    def settings(self, wanted: Settings) -> dict[str, Any]:
        """Which images were drawn and how the file was read, settled."""
        return as_json(
            {
                "samples": wanted.samples,
                "seed": wanted.seed,
                "draws": DRAWS,
                **self.classifier.settled,
                "label_offset": self.classifier.label_offset,
                **self.runtime.settings,
                **({"set": said} if (said := self.classifier.model.fixed.said) else {}),
            }
        )

    def identity(self, settings: dict[str, Any]) -> dict[str, Any]:
        """What determines the rows of a measurement."""
        return as_json(
            {
                "settings": settings,
                "model_sha256": self.classifier.artifact.sha256,
                "data_digest": self.sample.digest(),
                "provider": self.runtime.provider,
                "pixels": pixels_digest(self.keys),
            }
        )

    def model(self) -> dict[str, Any]:
        """A report's ``model``."""
        artifact = self.classifier.artifact
        return {
            "path": shown(artifact.path),
            "sha256": artifact.sha256,
            "producer": artifact.producer,
            "parameters": artifact.parameters,
        }

    def data(self) -> dict[str, Any]:
        """A report's ``data``."""
        return {
            **self.source,
            "digest": self.sample.digest(),
            "samples": len(self.sample),
            "classes": self.classifier.classes,
        }

    def environment(self) -> dict[str, Any]:
        """What a report's ``run`` says about where the model ran."""
        return {
            **self.classifier.how,
            "threads": self.runtime.threads,
            "onnxruntime": runtime_version(),
            "ort_extensions": self.runtime.extension_digests,
        }


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON gives them back, so that they compare equal to what a file holds."""
    made: dict[str, Any] = json.loads(json.dumps(values))
    return made


def open_subject(
    model: str | Path,
    reading: Reading,
    wanted: Settings,
    tell: Listener,
    *,
    skip_bad: bool,
    provider: str,
    threads: int,
    tf32: bool,
    ort_extension: Sequence[str | Path],
) -> Subject:
    """Draw the sample and open the model; arguments as of `analyze`.

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, the images or the provider.
    """
    if clash := runtime_clash():
        tell.warning(clash)
    sample = draw_sample(reading.open(tell), wanted.samples, wanted.seed)
    skipped: list[dict[str, str]] = []
    if skip_bad:
        sample, skipped = leave_out_bad(sample, tell)
    runtime = choose_runtime(provider, threads, tuple(map(Path, ort_extension)), tf32=tf32)
    classifier = open_classifier(Path(model), runtime, wanted, sample, tell)
    sample, classifier = settle_labels(sample, classifier, reading, tell)
    return Subject(
        classifier,
        sample,
        class_targets(sample, classifier, tell),
        {**read_from(reading), "skip_bad": skip_bad, "skipped": skipped},
    )


def read_from(reading: Reading) -> dict[str, Any]:
    """Where images and labels came from, as a report's ``data`` has it."""
    names = reading.class_names
    further = {
        "columns": reading.columns,
        "class_names": names if names in (None, NO_NAMES) else shown(Path(names)),
        "label_order": reading.label_order,
    }
    return {
        "source": shown(reading.images),
        "labels": None if reading.labels is None else shown(reading.labels),
        "image_column": reading.image_column,
        "label_column": reading.label_column,
        **{key: value for key, value in further.items() if value is not None},
    }


def check_batch(batch: int | None) -> None:
    """Refuse a number of forward passes in a run that cannot be.

    Raises
    ------
    UsageError
    """
    if batch is not None:
        check_number("--batch", batch, 1, MOST_COUNT, "auto or a positive number")


def shown(path: Path) -> str:
    """A path as a report may carry it: relative as given, else the name alone."""
    return path.name if path.is_absolute() else path.as_posix()


def check_target(target: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a place where there is something that neither option says what to do with.

    Raises
    ------
    UsageError
        Both options.
    ReportError
        A report, or an interrupted one, and neither option.
    """
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    check_free(target, overwrite=resume or overwrite)
    check_partial(target)
    if resume or overwrite:
        return
    if os.path.lexists(partial_path(target)):
        raise ReportError(
            f"{partial_path(target)}: an interrupted audit is there; continue it with --resume "
            "or discard it with --overwrite"
        )


@contextmanager
def writing(target: Path | None, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """Hold a target for the time of a job, after `check_target`; None: nothing is written.

    Raises
    ------
    UsageError, ReportError
        As for `check_target`; no such folder; another run writes there.
    """
    if target is None:
        yield
        return
    check_folder(target)
    with sole_writer(target):
        check_target(target, resume=resume, overwrite=overwrite)
        clear_leftovers(partial_path(target))
        yield


def identity_of(report: Savable, settings: dict[str, Any] | None = None) -> dict[str, Any]:
    """What determined a finished report; `settings` are those of its own that did."""
    return {
        "settings": report.settings if settings is None else settings,
        "model_sha256": report.model["sha256"],
        "data_digest": report.data["digest"],
        "provider": report.provider,
    }


def kept(
    target: Path | None,
    identity: dict[str, Any],
    shape: tuple[int, int],
    finish: Callable[[Partial], R],
    load: Callable[[Path], R],
    tell: Listener,
    *,
    resume: bool,
    parts: Sequence[Columns] = WHOLE_ROWS,
    identity_of: Callable[[R], dict[str, Any]] = identity_of,
) -> R:
    """Have a report made on a partial file that outlives any interruption.

    Parameters
    ----------
    target : Path or None
        Where the report goes; None: nowhere.
    shape : (int, int)
        Of the partial table.
    finish : callable
        Fills what is missing in the table, and makes the report.
    load : callable
        Reads a finished report.
    resume : bool
        Go on with the partial file, or take the finished report, if there is one.
    parts : sequence
        Columns of the table that are evaluated together; see `Partial`.
    identity_of : callable
        What `identity` is of a finished report.

    Raises
    ------
    ReportError
        What is there belongs to something else, or the report cannot be written.
    """
    if target is None:
        with tempfile.TemporaryDirectory() as folder:
            return finish(create_partial(Path(folder) / "report.h5", identity, *shape, parts))
    if resume and target.exists():
        finished = load(target)
        check_identity(target, identity_of(finished), identity)
        if partial_path(target).exists():
            with suppress(ReportError):  # one of something else is left alone
                open_partial(target, identity, *shape, parts).remove()
        tell.note(f"{target} is complete already; nothing to do")
        return finished
    if resume and partial_path(target).exists():
        partial = open_partial(target, identity, *shape, parts)
        if partial.damaged:
            tell.warning(
                f"{partial.path.name}: {partial.damaged} finished row(s) were damaged since they "
                "were written (their checksums differ); they are evaluated again"
            )
    else:
        partial = create_partial(target, identity, *shape, parts)
    report = finish(partial)
    partial.check()
    try:
        report.save(target, overwrite=True)
    except ReportError as error:
        raise ReportError(
            f"{error}; the finished values are kept in {partial.path}, so make room and repeat "
            "with --resume"
        ) from error
    partial.remove()
    return report
