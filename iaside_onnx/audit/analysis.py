"""The main job: artifact and labelled images in, report out."""

from __future__ import annotations

import datetime
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import ReportError, UsageError
from ..images.sample import Sample, draw_sample, leave_out_bad, open_images
from ..inference.classifier import Classifier, open_classifier
from ..inference.engine import Engine
from ..inference.session import Runtime, choose_runtime, runtime_clash, runtime_version
from ..listener import Listener
from ..mathematics.absence import Baselines
from ..mathematics.bands import band_index
from ..mathematics.estimators import image_values
from ..mathematics.score import bootstrap_intervals
from ..mathematics.shapley import game_values
from ..onnx_file.artifact import file_digest
from ..output_file import check_folder, check_free
from ..reports.report import Report, check_view, load
from ..reports.store import Partial, check_identity, create_partial, open_partial, partial_path
from ..settings import Settings
from .draws import draw_for_sample
from .game import BandRows, BatchSize, has_idle_cores, largest_batch, play
from .stopping import Limits, play_rounds, seeded_order
from .survey import Survey, class_targets, survey_sample

# First batch size that the search for a good one tries.
_LEAST_BATCH = {"cpu": 4, "cuda": 16}


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
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    target_stderr: float | None = None,
    time_budget: float | None = None,
    value: str = "log-prob",
    beta: float = 0.75,
    confidence: float = 0.95,
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
    provider : {"auto", "cpu", "cuda"}
        Where to run. Like `threads` and `batch`, it changes nothing beyond floating-point rounding.
    threads : int
        Threads of the model's session; 0 chooses.
    ort_extension : sequence of paths
        Libraries of custom operators that the model needs. They are run as code.
    batch : int, optional
        Forward passes in a run; None finds a good number by a short trial.
    target_stderr : float, optional
        Stop when the standard error of the signed score is this small; the sample is then the most
        images that are evaluated, in a seeded order.
    time_budget : float, optional
        Stop after so many seconds, at an image's end. What is reached then depends on the machine.
    value : {"log-prob", "log-prob-clipped", "prob"}
        What the game is played in. Like `beta` and `confidence` it belongs to the view, so a
        finished report can change it without the model.
    beta : float
        Decay of the score's weights, in (0, 1).
    confidence : float
        Coverage of the intervals, in (0, 1).
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
    limits = Limits(target_stderr, time_budget)
    limits.check()
    check_view(value, beta, confidence)
    if batch is not None and batch < 1:
        raise UsageError(f"--batch {batch}: give auto or a positive number")
    path = Path(target) if target is not None else None
    if path is not None:
        _check_target(path, resume=resume, overwrite=overwrite)
    if clash := runtime_clash():
        tell.warning(clash)
    source = open_images(
        Path(images),
        Path(labels) if labels is not None else None,
        image_column=image_column,
        label_column=label_column,
    )
    sample = draw_sample(source, wanted.samples, wanted.seed)
    skipped: list[dict[str, str]] = []
    if skip_bad:
        sample, skipped = leave_out_bad(sample, tell)
    extensions = tuple(Path(library) for library in ort_extension)
    runtime = choose_runtime(provider, threads, extensions)
    audit = _prepare(Path(model), sample, runtime, wanted, tell)
    view: dict[str, Any] = {"value": value, "beta": beta, "confidence": confidence}
    # How the images were read, so that the report can say how to repeat it.
    asked: dict[str, Any] = {
        "labels": _shown(Path(labels)) if labels is not None else None,
        "image_column": image_column,
        "label_column": label_column,
        "skip_bad": skip_bad,
    }

    def finish(partial: Partial) -> Report:
        run, used = _play(audit, partial, batch, limits, view, tell)
        data = {"source": _shown(Path(images)), **asked, "skipped": skipped}
        return _report(audit, partial, used, view, run, data, tell)

    if path is None:
        with tempfile.TemporaryDirectory() as folder:
            report = finish(_begin(audit, Path(folder) / "report.h5"))
            return replace(report, log_prob=np.array(report.log_prob))  # no longer on the file
    if resume and path.exists():
        finished = load(path)
        check_identity(path, _identity_of(finished), audit.identity)
        tell.note(f"{path} is complete already; nothing to do")
        return finished.view(**view)
    if resume and partial_path(path).exists():
        partial = open_partial(path, audit.identity, len(sample), audit.settings.coalitions)
    else:
        partial = _begin(audit, path)
    report = finish(partial)
    try:
        report.save(path, overwrite=True)
    except ReportError as error:
        raise ReportError(
            f"{error}; the finished values are kept in {partial.path}, so make room and repeat "
            "with --resume"
        ) from error
    partial.remove()
    return load(path)


@dataclass(frozen=True)
class _Audit:
    """Everything settled before the long part."""

    settings: Settings
    sample: Sample
    classifier: Classifier
    index: NDArray[np.intp]
    targets: NDArray[np.int64]
    survey: Survey
    identity: dict[str, Any]
    drawn: NDArray[np.uint64] | None

    @property
    def runtime(self) -> Runtime:
        return self.classifier.model.runtime

    @property
    def everybody_known(self) -> bool:
        """Whether the untouched image, which the survey has scored, is a coalition's image too."""
        return self.drawn is not None and self.settings.output_map == "real"

    @property
    def played(self) -> NDArray[np.uint64]:
        """Coalitions to evaluate, one row for all images or a row an image."""
        if self.drawn is None:
            return np.arange(1 << self.settings.players, dtype=np.uint64)
        return self.drawn[:, :-1] if self.everybody_known else self.drawn


def _prepare(
    model: Path, sample: Sample, runtime: Runtime, wanted: Settings, tell: Listener
) -> _Audit:
    classifier = open_classifier(model, runtime, wanted, sample, tell)
    form = classifier.form
    index = band_index(
        form.height, form.width, wanted.bands, wanted.norm, separate_dc=wanted.separate_dc
    )
    targets = class_targets(sample, classifier, tell)
    drawn = draw_for_sample(wanted, sample, tell)
    survey = survey_sample(sample, targets, classifier, wanted, tell)
    settled = replace(
        wanted,
        temperature=survey.temperature,
        label_offset=classifier.label_offset,
        estimator=wanted.chosen_estimator,
        passes=None if drawn is None else drawn.shape[1] - 1,
    )
    identity: dict[str, Any] = {
        "settings": {
            **asdict(settled),
            "players": wanted.players,
            "preprocess": classifier.preprocess.settings(),
            "size": [form.height, form.width],
            "input": form.name,
            "output": classifier.output.name,
            "layout": form.layout,
            "output_kind": classifier.scores.kind,
        },
        "model_sha256": classifier.artifact.sha256,
        "data_digest": sample.digest(),
        "provider": runtime.provider,
    }
    # As JSON gives it back, so that it compares equal to what a file holds.
    identity = json.loads(json.dumps(identity))
    return _Audit(settled, sample, classifier, index, targets, survey, identity, drawn)


def _identity_of(report: Report) -> dict[str, Any]:
    return {
        "settings": report.settings,
        "model_sha256": report.model["sha256"],
        # Of the whole sample, where the audit stopped before its end.
        "data_digest": report.run.get("sample_digest", report.data["digest"]),
        "provider": report.provider,
    }


def _begin(audit: _Audit, target: Path) -> Partial:
    return create_partial(target, audit.identity, len(audit.sample), audit.settings.coalitions)


def _play(
    audit: _Audit,
    partial: Partial,
    batch: int | None,
    limits: Limits,
    view: dict[str, Any],
    tell: Listener,
) -> tuple[dict[str, Any], NDArray[np.intp]]:
    """Evaluate what is missing; how it ran, as JSON values, and the images evaluated."""
    settings, classifier, sample = audit.settings, audit.classifier, audit.sample
    played = audit.played
    columns = played.shape[-1]
    real = settings.output_map == "real"
    engine = Engine(
        classifier.model,
        settings.players,
        classifier.scores,
        audit.survey.temperature,
        settings.output_map,
        played if audit.drawn is None else None,
    )

    def pixels(position: int) -> NDArray[np.float32]:
        return classifier.pixels(sample.picture(position))

    baselines = Baselines(
        settings.absence, settings.seed, sample.ids, audit.survey.statistics, pixels
    )
    unfinished = set(partial.unfinished())
    size = BatchSize(
        classifier.form.fixed_batch or batch or (1 if audit.survey.one_by_one else None),
        _LEAST_BATCH[audit.runtime.provider],
        largest_batch(audit.runtime.provider, classifier.form.features),
        len(unfinished) * columns,
    )

    def store(position: int, values: NDArray[np.float32]) -> None:
        whole = [values, audit.survey.clean[position : position + 1]]
        partial.store(position, np.concatenate(whole) if audit.everybody_known else values)

    def evaluate(positions: NDArray[np.intp]) -> None:
        play(
            engine,
            BandRows(pixels, baselines, audit.index, engine, affine=real),
            played,
            audit.targets,
            [position for position in positions.tolist() if position in unfinished],
            size,
            store,
            tell.advance,
            lambda position: sample.ids[position],
            ahead=has_idle_cores(audit.runtime),
        )

    def stderr(positions: NDArray[np.intp]) -> float:
        game = game_values(partial.table[positions], view["value"])
        drawn = None if audit.drawn is None else audit.drawn[positions]
        psi = image_values(audit.identity["settings"]["estimator"], game, drawn, settings.players)
        ends = bootstrap_intervals(psi, view["beta"], view["confidence"], settings.seed)
        return ends.srs_signed_stderr

    began = time.monotonic()
    done = len(sample) - len(unfinished)
    used, reason = np.arange(len(sample)), "sample"
    tell.start(done * columns, len(sample) * columns)
    try:
        if limits.any:
            order = seeded_order(sample.labels, settings.seed)
            used, reason = play_rounds(limits, order, evaluate, stderr)
        else:
            evaluate(used)
    finally:
        tell.stop()
    return {
        "forward_passes": len(used) * columns,
        "seconds": round(time.monotonic() - began, 3),
        "resumed_after": done * columns,
        **limits.outcome(reason, len(sample), tell),
        **({"sample_digest": sample.digest()} if limits.any else {}),
        "batch": size.size,
        "batch_mode": classifier.batch_mode,
        "threads": audit.runtime.threads,
        "onnxruntime": runtime_version(),
        "ort_extensions": {
            library.name: file_digest(library) for library in audit.runtime.extensions
        },
    }, used


def _report(
    audit: _Audit,
    partial: Partial,
    used: NDArray[np.intp],
    view: dict[str, Any],
    run: dict[str, Any],
    data: dict[str, Any],
    tell: Listener,
) -> Report:
    artifact, whole = audit.classifier.artifact, len(used) == len(audit.sample)
    sample = audit.sample if whole else audit.sample.part(used)
    return Report(
        log_prob=partial.table if whole else partial.table[used],
        coalitions=None if audit.drawn is None else audit.drawn[used],
        labels=sample.labels,
        predicted=audit.survey.predicted[used] - audit.classifier.label_offset,
        image_ids=sample.ids,
        settings={**audit.identity["settings"], **view},
        model={
            "path": _shown(artifact.path),
            "sha256": artifact.sha256,
            "producer": artifact.producer,
            "parameters": artifact.parameters,
        },
        data={
            **data,
            "digest": audit.identity["data_digest"] if whole else sample.digest(),
            "samples": len(sample),
            "classes": audit.classifier.classes,
        },
        run={**run, "warnings": tell.warnings},
        provider=audit.runtime.provider,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        iaside_version=__version__,
        class_names=sample.class_names or audit.classifier.class_names,
        example=audit.survey.example,
        image_digests=sample.image_digests,
    )


def _shown(path: Path) -> str:
    """A path as a report may carry it: relative as given, else the name alone."""
    return path.name if path.is_absolute() else path.as_posix()


def _check_target(target: Path, *, resume: bool, overwrite: bool) -> None:
    check_folder(target)
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
