"""The main job: artifact and labelled images in, report out."""

from __future__ import annotations

import datetime
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..digest import data_digest
from ..errors import ReportError, UsageError
from ..images.sample import Reading, Sample, draw_sample, leave_out_bad
from ..inference.classifier import Classifier, open_classifier
from ..inference.session import Runtime, choose_runtime, runtime_clash, runtime_version
from ..listener import Listener
from ..mathematics.bands import band_index
from ..onnx_file.artifact import file_digest
from ..output_file import check_folder, check_free, sole_writer
from ..reports.part import Part, PartOfSample, part_of
from ..reports.report import Report, check_view, load
from ..reports.store import Partial, check_identity, create_partial, open_partial, partial_path
from ..settings import Settings
from .cluster import Workers, open_workers
from .evaluator import Evaluator
from .job import Job, settled_settings
from .survey import Survey, class_targets, survey_sample


def analyze(
    model: str | Path,
    images: str | Path,
    target: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad: bool = False,
    provider: str = "auto",
    threads: int = 0,
    tf32: bool = True,
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    value: str = "log-prob",
    beta: float = 0.75,
    confidence: float = 0.95,
    shard: str | None = None,
    dask: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
    **settings: Any,
) -> Report:
    """Audit an ONNX classifier on labelled images.

    Parameters
    ----------
    model : path
        The ``.onnx`` file.
    images : path
        A folder, an ``.npz`` or ``.h5``, tar shards or Parquet files, as on the command line.
    target : path, optional
        Where the report goes, written as the work proceeds. None: keep it in memory only.
    labels : path, optional
        CSV file with the columns ``file`` and ``label``.
    image_column, label_column : str, optional
        Columns of Parquet files where the usual ones are missing or doubtful.
    skip_bad : bool
        Leave out pictures of the drawn sample that cannot be decoded, and list them under
        ``data["skipped"]``, instead of stopping at the first.
    provider : {"auto", "cpu", "cuda", "tensorrt"}
        Where to run. Like `threads` and `batch`, it changes nothing beyond floating-point rounding.
    threads : int
        Threads of the model's session; 0 chooses.
    tf32 : bool
        Let CUDA round the factors of float32 products to 10 bits (TensorFloat-32), as onnxruntime
        does by default. The report's settings record it where a GPU was used.
    ort_extension : sequence of paths
        Libraries of custom operators that the model needs. They are run as code.
    batch : int, optional
        Forward passes in a run; None finds a good number by a short trial.
    value : {"log-prob", "log-prob-clipped", "prob"}
        What the game is played in. Like `beta` and `confidence` it belongs to the view, so a
        finished report can change it without the model.
    beta : float
        Decay of the score's weights, in (0, 1).
    confidence : float
        Coverage of the intervals, in (0, 1).
    shard : str, optional
        "I/N": audit the I-th of N parts of the sample (I from 1), for `merge` to join.
    dask : str, optional
        Evaluate on Dask workers: the address of a scheduler, or "local:N" for N processes here.
        A script that gives "local:N" needs the guard ``if __name__ == "__main__":``.
    resume : bool
        Continue an interrupted audit.
    overwrite : bool
        Replace an existing report.
    listener : Listener, optional
        Gets notes, warnings and progress.
    **settings
        The fields of `Settings`.

    Returns
    -------
    Report
        The value table with its provenance, and everything that follows from it.

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, the images or the provider.
    """
    tell = listener or Listener()
    try:
        wanted = Settings(**settings)
    except TypeError as error:
        raise UsageError(str(error)) from error
    wanted.check()
    check_view(value, beta, confidence)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: give auto or a positive number")
    part = Part.asked(shard) if shard is not None else None
    path = Path(target) if target is not None else None
    with ExitStack() as held:
        if path is not None:
            check_folder(path)
            held.enter_context(sole_writer(path))
            _check_target(path, resume=resume, overwrite=overwrite)
        workers = held.enter_context(open_workers(dask, threads, tell)) if dask else None
        if clash := runtime_clash():
            tell.warning(clash)
        reading = Reading(
            Path(images),
            Path(labels) if labels is not None else None,
            image_column=image_column,
            label_column=label_column,
        )
        sample = draw_sample(reading.open(), wanted.samples, wanted.seed)
        skipped: list[dict[str, str]] = []
        if skip_bad:
            sample, skipped = leave_out_bad(sample, tell)
        runtime = choose_runtime(provider, threads, tuple(map(Path, ort_extension)), tf32=tf32)
        audit = _prepare(Path(model), sample, part, runtime, wanted, tell)
        view: dict[str, Any] = {"value": value, "beta": beta, "confidence": confidence}
        # How the images were read, so that the report can say how to repeat it.
        asked: dict[str, Any] = {
            "source": _shown(reading.images),
            "labels": _shown(reading.labels) if reading.labels is not None else None,
            "image_column": image_column,
            "label_column": label_column,
            "skip_bad": skip_bad,
            "skipped": skipped,
        }

        def finish(partial: Partial) -> Report:
            run = _play(audit, partial, batch, workers, reading, tell)
            return _report(audit, partial, view, run, asked, tell)

        if path is None:
            with tempfile.TemporaryDirectory() as folder:
                report = finish(_begin(audit, Path(folder) / "report.h5"))
                return replace(report, log_prob=np.array(report.log_prob))
        if resume and path.exists():
            finished = load(path)
            check_identity(path, _identity_of(finished), audit.identity)
            tell.note(f"{path} is complete already; nothing to do")
            return finished.view(**view)
        if resume and partial_path(path).exists():
            rows = len(audit.positions)
            partial = open_partial(path, audit.identity, rows, audit.coalitions)
        else:
            partial = _begin(audit, path)
        report = finish(partial)
        try:
            report.save(path, overwrite=True)
        except ReportError as error:
            raise ReportError(
                f"{error}; the finished values are kept in {partial.path}, so make room and "
                "repeat with --resume"
            ) from error
        partial.remove()
        return load(path)


@dataclass(frozen=True)
class _Audit:
    """Everything settled before the long part.

    `wanted` is what was asked for, `settings` what it came to; `positions` are those of the
    sample that this run audits, all of them unless it is a part.
    """

    wanted: Settings
    settings: Settings
    sample: Sample
    part: Part | None
    positions: list[int]
    classifier: Classifier
    targets: NDArray[np.int64]
    survey: Survey
    identity: dict[str, Any]

    @property
    def runtime(self) -> Runtime:
        return self.classifier.model.runtime

    @property
    def coalitions(self) -> int:
        return 1 << self.settings.players


def _prepare(
    model: Path,
    sample: Sample,
    part: Part | None,
    runtime: Runtime,
    wanted: Settings,
    tell: Listener,
) -> _Audit:
    positions = list(range(len(sample))) if part is None else part.positions(len(sample))
    classifier = open_classifier(model, runtime, wanted, sample, tell)
    form = classifier.form
    # Refuses more bands than the size has frequencies before anything is written.
    band_index(form.height, form.width, wanted.bands, wanted.norm, separate_dc=wanted.separate_dc)
    targets = class_targets(sample, classifier, tell)
    cost = len(positions) << wanted.players
    tell.note(
        f"cost: {len(positions)} images x {1 << wanted.players} coalitions = {cost:,} forward "
        "passes"
    )
    survey = survey_sample(sample, positions, targets, classifier, wanted, tell)
    settled = replace(wanted, temperature=survey.temperature, label_offset=classifier.label_offset)
    identity = {
        "settings": settled_settings(settled, classifier),
        "model_sha256": classifier.artifact.sha256,
        "data_digest": sample.digest(),
        "provider": runtime.provider,
        "shard": None if part is None else part.option,
    }
    return _Audit(wanted, settled, sample, part, positions, classifier, targets, survey, identity)


def _identity_of(report: Report) -> dict[str, Any]:
    whole = part_of(report)
    return {
        "settings": report.settings,
        "model_sha256": report.model["sha256"],
        "data_digest": report.data["digest"] if whole is None else whole.digest,
        "provider": report.provider,
        "shard": None if whole is None else whole.part.option,
    }


def _begin(audit: _Audit, target: Path) -> Partial:
    return create_partial(target, audit.identity, len(audit.positions), audit.coalitions)


def _play(
    audit: _Audit,
    partial: Partial,
    batch: int | None,
    workers: Workers | None,
    reading: Reading,
    tell: Listener,
) -> dict[str, Any]:
    """Evaluate what is missing; how it ran, as JSON values."""
    classifier, survey, columns = audit.classifier, audit.survey, audit.coalitions
    row_of = {position: row for row, position in enumerate(audit.positions)}
    missing = [audit.positions[row] for row in partial.unfinished()]
    batch = batch or (1 if survey.one_by_one else None)

    def store(position: int, values: NDArray[np.float32]) -> None:
        partial.store(row_of[position], values)

    began = time.monotonic()
    total = len(audit.positions) * columns
    done = total - len(missing) * columns
    tell.start(done, total)
    try:
        if workers is None:
            evaluate = Evaluator(
                classifier, audit.sample, audit.targets, audit.settings, survey.statistics, batch,
                len(missing),
            )  # fmt: skip
            evaluate(missing, store, tell.advance)
            how = {"batch": evaluate.batch, "threads": audit.runtime.threads}
        else:
            job = Job.of(
                reading, audit.sample, classifier, audit.targets, audit.wanted, audit.settings,
                survey.statistics, batch,
            )  # fmt: skip
            how = workers.evaluate(job, missing, store, tell.advance)
    finally:
        tell.stop()
    return {
        "forward_passes": total,
        "seconds": round(time.monotonic() - began, 3),
        "resumed_after": done,
        **how,
        "batch_mode": classifier.batch_mode,
        "onnxruntime": runtime_version(),
        "ort_extensions": {
            library.name: file_digest(library) for library in audit.runtime.extensions
        },
    }


def _report(
    audit: _Audit,
    partial: Partial,
    view: dict[str, Any],
    run: dict[str, Any],
    data: dict[str, Any],
    tell: Listener,
) -> Report:
    artifact, sample = audit.classifier.artifact, audit.sample
    ids = [sample.ids[position] for position in audit.positions]
    labels, digests = sample.labels[audit.positions], sample.image_digests[audit.positions]
    whole = audit.identity["data_digest"]
    if audit.part is not None:
        run = {**run, "shard": PartOfSample(audit.part, len(sample), whole).record()}
    return Report(
        log_prob=partial.table,
        labels=labels,
        predicted=audit.survey.predicted - audit.classifier.label_offset,
        image_ids=ids,
        settings={**audit.identity["settings"], **view},
        model={
            "path": _shown(artifact.path),
            "sha256": artifact.sha256,
            "producer": artifact.producer,
            "parameters": artifact.parameters,
        },
        data={
            **data,
            "digest": whole if audit.part is None else data_digest(ids, labels, digests),
            "samples": len(ids),
            "classes": audit.classifier.classes,
        },
        run={**run, "warnings": tell.warnings},
        provider=audit.runtime.provider,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        iaside_version=__version__,
        class_names=sample.class_names or audit.classifier.class_names,
        example=audit.survey.example,
        image_digests=digests,
    )


def _shown(path: Path) -> str:
    """A path as a report may carry it: relative as given, else the name alone."""
    return path.name if path.is_absolute() else path.as_posix()


def _check_target(target: Path, *, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise UsageError("--resume and --overwrite exclude each other")
    if resume or overwrite:
        return
    check_free(target, overwrite=False)
    if partial_path(target).exists():
        raise ReportError(
            f"{partial_path(target)}: an interrupted audit is there; continue it with --resume "
            "or discard it with --overwrite"
        )
