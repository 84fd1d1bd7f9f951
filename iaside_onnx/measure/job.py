"""What a worker elsewhere needs to fill its share of a value table, and the filling itself.

Workers get paths, not files: model and images lie at the same places for all of them. Nothing is
taken on trust there: the model's bytes, the settings that follow from it, and each image's content
are held against what the client has.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import ArtifactError, ChangedError, DataError, IasideError, UsageError
from ..images.sample import Reading, Sample
from ..inference.classifier import Classifier, open_classifier
from ..inference.providers import PROVIDERS
from ..inference.session import choose_runtime, claim_process, runtime_version
from ..listener import Listener
from ..mathematics.absence import SampleStatistics
from ..preprocessing.preprocess import names_a_file
from ..settings import Settings
from .draws import DRAWS
from .evaluator import Evaluator


def versions() -> dict[str, str]:
    """What must be the same wherever a table is filled."""
    return {"iaside": __version__, "onnxruntime": runtime_version()}


def settled_settings(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """All that determines a value table beside model, images and provider, as JSON values."""
    runtime = classifier.model.runtime
    held = asdict(settings)
    del held["allow_random"]
    held |= {
        "draws": DRAWS,
        "players": settings.players,
        **classifier.settled,
        **runtime.settings,
    }
    # Files of versions that knew no such option have no such key.
    del held["set"]
    if classifier.model.fixed.said:
        held["set"] = classifier.model.fixed.said
    # As JSON gives it back, so that it compares equal to what a file holds.
    made: dict[str, Any] = json.loads(json.dumps(held))
    return made


@dataclass(frozen=True)
class Job:
    """One audit, as a worker is told of it.

    Attributes
    ----------
    token : str
        Names the job, so that a process opens the model once.
    model, model_sha256
        Where the file lies, and what it must be.
    reading, chosen : Reading, ndarray of int
        Where the images lie, and which of them make the sample.
    targets, image_digests : ndarray, shapes (K,) and (K, 32)
        Classes in the model's output, and SHA-256 of the contents.
    wanted, settled : Settings
        As asked for, and with temperature and label offset found.
    settings : dict
        From `settled_settings`: what a worker must come to as well.
    statistics : SampleStatistics
        Of the whole sample.
    keys : list of str
        As for `Evaluator`: digests of pixels, which a worker must decode to as well.
    coalitions : ndarray of uint64, shape (C,) or (K, C)
        What is evaluated, as for `Evaluator`.
    batch : int or None
        Forward passes in a run; None searches.
    provider, threads, extensions, tf32
        As for `choose_runtime`.
    versions : dict
        See `versions`.
    images : int
        Images that a worker may expect to get.
    own_process : bool
        The workers' processes do nothing but this.
    devices : tuple of str
        Graphics cards of this machine to deal out to its workers; none where they are set up.
    """

    token: str
    model: Path
    model_sha256: str
    reading: Reading
    chosen: NDArray[np.intp]
    targets: NDArray[np.int64]
    image_digests: NDArray[np.uint8]
    wanted: Settings
    settled: Settings
    settings: dict[str, Any]
    statistics: SampleStatistics
    keys: list[str]
    coalitions: NDArray[np.uint64]
    batch: int | None
    provider: str
    threads: int
    extensions: tuple[Path, ...]
    tf32: bool
    versions: dict[str, str]
    images: int = 1
    own_process: bool = False
    devices: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        reading: Reading,
        sample: Sample,
        classifier: Classifier,
        wanted: Settings,
        targets: NDArray[np.int64],
        settled: Settings,
        statistics: SampleStatistics,
        keys: list[str],
        coalitions: NDArray[np.uint64],
        batch: int | None,
    ) -> Job:
        """Describe an audit that is about to fill its table."""
        runtime, recipe = classifier.model.runtime, wanted.preprocess
        if recipe is not None and names_a_file(recipe):
            wanted = replace(wanted, preprocess=str(Path(recipe).absolute()))
        labels = reading.labels
        return cls(
            token=uuid.uuid4().hex,
            model=classifier.artifact.path.absolute(),
            model_sha256=classifier.artifact.sha256,
            reading=replace(
                reading,
                images=reading.images.absolute(),
                labels=labels.absolute() if labels is not None else None,
            ),
            chosen=sample.chosen,
            targets=targets,
            image_digests=sample.image_digests,
            wanted=wanted,
            settled=settled,
            settings=settled_settings(settled, classifier),
            statistics=statistics,
            keys=keys,
            coalitions=coalitions,
            batch=batch,
            provider=runtime.provider,
            threads=runtime.threads,
            extensions=tuple(library.absolute() for library in runtime.extensions),
            tf32=runtime.tf32,
            versions=versions(),
        )


@dataclass(frozen=True)
class Outcome:
    """What a task gives back.

    Attributes
    ----------
    rows : ndarray of float32 or None
        Rows of the value table, in the order of the positions asked for.
    batch : int
        Forward passes in a run that the worker has come to.
    refusal : str
        Why there are no rows: it would be the same anywhere, or this worker is not fit.
    """

    rows: NDArray[np.float32] | None
    batch: int = 0
    refusal: str = ""


# A session takes all of its threads for one task, so tasks of one process wait for each other.
_one_at_a_time = threading.Lock()
_opened: dict[str, Evaluator] = {}


def evaluate(job: Job, positions: list[int], worker: str, number: object = 0) -> Outcome:
    """Rows of some images, with the model that this process opened for the job.

    Parameters
    ----------
    worker : str
        What errors call this process.
    number : object
        Which of its machine's workers it is, from 0, where that is known.
    """
    with _one_at_a_time:
        try:
            if job.token not in _opened:
                _opened.clear()
                _opened[job.token] = _open(job, number)
            rows: dict[int, NDArray[np.float32]] = {}
            _opened[job.token](positions, rows.__setitem__, lambda _: None)
            return Outcome(np.stack([rows[each] for each in positions]), _opened[job.token].batch)
        except ChangedError as error:
            refusal = _other_images(job, f" (image {error.name})")
            return Outcome(None, refusal=f"worker {worker}: {refusal}")
        except IasideError as error:
            return Outcome(None, refusal=f"worker {worker}: {error}")


def device_of(number: object, devices: Sequence[str]) -> str:
    """The graphics card of a worker: they are dealt out in turn.

    Examples
    --------
    >>> [device_of(number, ["0", "2"]) for number in range(3)]
    ['0', '2', '0']
    """
    return devices[(number if isinstance(number, int) else 0) % len(devices)]


def _open(job: Job, number: object) -> Evaluator:
    """Open model and images, and refuse them where they are not the client's."""
    here = versions()
    for name, version in job.versions.items():
        if here[name] != version:
            raise UsageError(f"has {name} {here[name]}, not {version}; install the same version")
    if job.devices:
        os.environ[PROVIDERS[job.provider].cards] = device_of(number, job.devices)
    if job.own_process:
        claim_process()
    source = job.reading.open()
    if len(source.ids) <= int(job.chosen.max()):
        raise _other_images(job)
    sample = Sample(source, job.chosen)
    sample.expect(job.image_digests, [bytes.fromhex(key) for key in job.keys])
    runtime = choose_runtime(job.provider, job.threads, job.extensions, tf32=job.tf32)
    if not job.model.is_file():
        raise ArtifactError(
            f"{job.model}: no such file there; model and images must lie at the same paths for "
            "all workers"
        )
    classifier = open_classifier(
        job.model, runtime, job.wanted, sample, Listener(), check_range=False
    )
    if classifier.artifact.sha256 != job.model_sha256:
        raise ArtifactError(f"{job.model}: is another model there; give all workers the same file")
    found = settled_settings(job.settled, classifier)
    for key, setting in job.settings.items():
        if found[key] != setting:
            raise UsageError(
                f"{key} comes to {json.dumps(found[key])} there, not {json.dumps(setting)}"
            )
    return Evaluator(
        classifier, sample, job.targets, job.settled, job.statistics, job.keys, job.coalitions,
        job.batch, job.images,
    )  # fmt: skip


def _other_images(job: Job, which: str = "") -> DataError:
    return DataError(
        f"{job.reading.images}: holds other images there{which}; give all workers the same data"
    )
