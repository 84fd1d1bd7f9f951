"""What a worker elsewhere needs to fill its share of a table, and the filling itself.

Workers get paths, not files: model and images lie at the same places for all of them. Nothing is
taken on trust there: the model's bytes, the settings that follow from it, and each image's content
are compared with what the client has.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import ArtifactError, ChangedError, DataError, IasideError, UsageError, said
from ..images.sample import Sample
from ..inference.providers import asked, row_of
from ..inference.session import claim_process, runtime_version
from ..inference.task import Task
from ..preprocessing.preprocess import names_a_file
from .batch_size import BatchSize, batch_size
from .contract import Measurement, Rows
from .request import Request
from .subject import Subject, open_model
from .thresholds import as_number


def versions() -> dict[str, str]:
    """What must be the same wherever a table is filled."""
    return {"iaside": __version__, "onnxruntime": runtime_version()}


def sized(subject: Subject, batch: int | None, work: int) -> BatchSize:
    """The number of forward passes in a run, for so much work; None searches."""
    return BatchSize(1) if subject.model is None else batch_size(subject.model, batch, work)


@dataclass(frozen=True)
class Job:
    """A measurement as a worker gets it.

    What `Subject` has too is as there: a worker must come to the same settings, images to the same
    contents and keys.

    Attributes
    ----------
    token : str
        Names the job, so that a process opens the model once.
    request : Request
        What the client was asked for, with places that hold anywhere on the machine, and the
        provider, batch and threads that the worker takes.
    chosen : ndarray of int, shape (K,)
        Which images of the source make the sample.
    image_digests : ndarray of uint8, shape (K, 32)
        SHA-256 of their contents.
    work : int
        Forward passes that a worker may expect to do.
    own_process : bool
        The workers' processes do nothing but this.
    devices : tuple of str
        Graphics cards of this machine to deal out to its workers; none where they are set up.
    """

    token: str
    request: Request
    measurement: Measurement[Any]
    model_sha256: str
    chosen: NDArray[np.intp]
    positions: list[int]
    targets: NDArray[Any]
    image_digests: NDArray[np.uint8]
    settings: dict[str, Any]
    temperature: float
    keys: list[str]
    versions: dict[str, str]
    learned: Task | None = None
    work: int = 1
    own_process: bool = False
    devices: tuple[str, ...] = ()

    @classmethod
    def of(cls, subject: Subject, measurement: Measurement[Any], batch: int | None) -> Job:
        """Describe a measurement that is about to fill its table; `batch` None searches."""
        request, sample = subject.request, subject.sample
        reading, settings = request.reading, request.settings
        labels, recipe = reading.labels, settings.preprocess
        if recipe is not None and names_a_file(recipe):
            settings = replace(settings, preprocess=str(Path(recipe).absolute()))
        classes: dict[str, Any] = {
            name: str(Path(path).absolute())
            for name in ("class_embeddings", "fit_classes")
            if (path := getattr(settings, name)) is not None
        }
        settings = replace(settings, **classes)
        limit = settings.threshold
        if isinstance(limit, str) and as_number(limit) is None:
            settings = replace(settings, threshold=str(Path(limit).absolute()))
        there = replace(
            reading,
            images=reading.images.absolute(),
            labels=None if labels is None else labels.absolute(),
        )
        return cls(
            token=uuid.uuid4().hex,
            request=Request(
                None if request.model is None else request.model.absolute(),
                there,
                settings,
                extensions=tuple(library.absolute() for library in request.extensions),
                ep_libraries=tuple(library.absolute() for library in request.ep_libraries),
                provider=subject.asked or request.provider,
                tf32=request.tf32,
                batch=batch,
            ),
            measurement=measurement,
            model_sha256=subject.sha256,
            chosen=sample.chosen,
            positions=subject.positions,
            targets=subject.targets,
            image_digests=sample.content_digests,
            settings=subject.settings(),
            temperature=subject.temperature,
            keys=subject.keys,
            versions=versions(),
            learned=subject.learned,
        )


@dataclass(frozen=True)
class Outcome:
    """What a task gives back: rows in the order of the positions asked for, or why there are none.

    `batch` is the number of forward passes in a run that the worker has come to.
    """

    rows: NDArray[Any] | None
    batch: int = 0
    refusal: IasideError | None = None


# A session takes all of its threads for one task, so tasks of one process wait for each other.
_one_at_a_time = threading.Lock()
_opened: dict[str, tuple[Sequence[Rows], BatchSize]] = {}


def evaluate(
    job: Job, positions: list[int], worker: str, number: object = 0, part: int = 0
) -> Outcome:
    """Rows of some images in a part of the table, with the model that this process opened.

    `worker` is what errors call this process, `number` which of its machine's workers it is, from
    0, where that is known.
    """
    with _one_at_a_time:
        try:
            if job.token not in _opened:
                _opened.clear()
                subject = _open(job, number)
                size = sized(subject, job.request.batch, job.work)
                _opened[job.token] = job.measurement.rows(subject, size), size
            fill, size = _opened[job.token]
            rows: dict[int, NDArray[Any]] = {}

            def store(position: int, row: NDArray[Any]) -> None:
                rows[position] = np.array(row)  # a copy, as `Store` promises

            fill[part](positions, store, lambda _: None)
            return Outcome(np.stack([rows[each] for each in positions]), size.size)
        except ChangedError as error:
            refusal = said(_other_images(job, f" (image {error.name})"))
        except IasideError as error:
            refusal = said(error)
        return Outcome(None, refusal=IasideError(f"worker {worker}: {refusal}"))


def device_of(number: object, devices: Sequence[str]) -> str:
    """The graphics card of a worker: they are dealt out in turn.

    Examples
    --------
    >>> [device_of(number, ["0", "2"]) for number in range(3)]
    ['0', '2', '0']
    """
    return devices[(number if isinstance(number, int) else 0) % len(devices)]


def _open(job: Job, number: object) -> Subject:
    """Open model and images, and refuse them where they are not the client's."""
    here, request = versions(), job.request
    for name, version in job.versions.items():
        if here[name] != version:
            raise UsageError(f"has {name} {here[name]}, not {version}; install the same version")
    if job.devices:
        row = row_of(asked(request.provider)[0])
        assert row is not None
        os.environ[row.cards] = device_of(number, job.devices)
    if job.own_process:
        claim_process()
    source = request.reading.open()
    if len(source.ids) <= int(job.chosen.max()):
        raise _other_images(job)
    sample = Sample(source, job.chosen)
    sample.expect(job.image_digests, [bytes.fromhex(key) for key in job.keys])
    model = None
    if request.model is not None:
        if not request.model.is_file():
            raise ArtifactError(
                f"{request.model}: no such file there; model and images must lie at the same paths "
                "for all workers"
            )
        model = open_model(request, sample, check_range=False)
        if model.artifact.sha256 != job.model_sha256:
            other = f"{request.model}: is another model there; give all workers the same file"
            raise ArtifactError(other)
    subject = Subject(
        request, sample, job.positions, job.targets, model, {}, job.temperature, job.keys,
        job.learned,
    )  # fmt: skip
    settings = subject.settings()
    for key, setting in job.settings.items():
        if settings[key] != setting:
            raise UsageError(
                f"{key} comes to {json.dumps(settings[key])} there, not {json.dumps(setting)}"
            )
    return subject


def _other_images(job: Job, which: str = "") -> DataError:
    there = f"{job.request.reading.images}: holds other images there{which}"
    return DataError(f"{there}; give all workers the same data")
