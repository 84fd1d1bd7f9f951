"""The main job: artifact and labelled images in, report out."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import UsageError
from ..images.sample import Reading, draw_sample, leave_out_bad
from ..inference.session import choose_runtime, runtime_clash
from ..listener import Listener
from ..results.part import Part, PartOfSample, part_of
from ..results.report import Report, check_view, load
from ..settings import Settings
from ..storage.partial import Partial
from .cluster import open_workers
from .filling import fill
from .measuring import check_batch, identity_of, kept, read_from, shown, writing
from .prepared import Audit, prepare
from .stopping import Limits


def analyze(
    model: str | Path,
    images: str | Path,
    target: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    columns: str | None = None,
    class_names: str | Path | None = None,
    label_order: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad: bool = False,
    provider: str = "auto",
    threads: int = 0,
    tf32: bool = True,
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    target_stderr: float | None = None,
    time_budget: float | None = None,
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
        Says which file is of which class: a CSV file with the columns ``file`` and ``label``, or
        another of the layouts that ``docs/images.md`` lists.
    columns : str, optional
        "FILE,LABEL": the columns of `labels`, where they have no usual names.
    class_names : path or "none", optional
        File with the names of the model's classes in its order, which folders and labels are held
        against; without it those that the file declares, or that lie beside it. "none" goes by the
        places of the folders.
    label_order : {"text", "number"}, optional
        How class folders that are named by numbers count.
    image_column, label_column : str, optional
        Columns of Parquet files, or arrays, where the usual ones are missing or doubtful.
    skip_bad : bool
        Leave out pictures of the drawn sample that cannot be decoded, and list them under
        ``data["skipped"]``, instead of stopping at the first.
    provider : str
        Where to run: "auto", or a name in `inference.providers`. Like `threads` and `batch`, it
        changes nothing beyond floating-point rounding.
    threads : int
        Threads of the model's session; 0 chooses.
    tf32 : bool
        Let CUDA round the factors of float32 products to 10 bits (TensorFloat-32), as onnxruntime
        does by default. The report's settings record it where a GPU was used.
    ort_extension : sequence of paths
        Libraries of custom operators that the model needs. They are run as code.
    batch : int, optional
        Forward passes in a run; None finds a good number by a short trial.
    target_stderr : float, optional
        Stop when the standard error of the signed score is this small; the sample is then the most
        images that are evaluated, in a seeded order. Not with the regression estimator.
    time_budget : float, optional
        Stop after so many seconds, at an image's end. What is reached then depends on the machine.
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
    wanted = Settings.asked(**settings)
    reading = Reading.asked(
        images,
        labels,
        class_names,
        columns=columns,
        image_column=image_column,
        label_column=label_column,
        label_order=label_order,
    )
    limits = Limits(target_stderr, time_budget)
    limits.check()
    check_view(value, beta, confidence)
    check_batch(batch)
    part = Part.asked(shard) if shard is not None else None
    if part is not None and limits.any:
        raise UsageError(
            "--shard goes without --target-stderr and --time-budget: parts that stop by themselves "
            "make no whole"
        )
    if wanted.estimator == "regression" and target_stderr is not None:
        raise UsageError(
            "--target-stderr goes without --estimator regression, whose intervals are too narrow "
            "where it stops: use --estimator permutation"
        )
    path = Path(target) if target is not None else None
    with ExitStack() as held:
        held.enter_context(writing(path, resume=resume, overwrite=overwrite))
        workers = held.enter_context(open_workers(dask, threads, tell)) if dask else None
        if clash := runtime_clash():
            tell.warning(clash)
        sample = draw_sample(reading.open(tell), wanted.samples, wanted.seed)
        skipped: list[dict[str, str]] = []
        if skip_bad:
            sample, skipped = leave_out_bad(sample, tell)
        runtime = choose_runtime(provider, threads, tuple(map(Path, ort_extension)), tf32=tf32)
        audit = prepare(Path(model), sample, reading, part, runtime, wanted, tell)
        view: dict[str, Any] = {"value": value, "beta": beta, "confidence": confidence}
        # How the images were read, so that the report can say how to repeat it.
        asked = {**read_from(reading), "skip_bad": skip_bad, "skipped": skipped}

        def finish(partial: Partial) -> Report:
            run, used = fill(audit, partial, batch, workers, reading, limits, view, tell)
            return _report(audit, partial, used, view, run, asked, tell)

        shape = len(audit.positions), audit.settings.coalitions
        report = kept(
            path,
            audit.identity,
            shape,
            finish,
            load,
            tell,
            resume=resume,
            identity_of=identity_of_table,
        )
        return report.view(**view)


def identity_of_table(report: Report) -> dict[str, Any]:
    """What determined the table of a finished report."""
    whole = part_of(report)
    held = identity_of(report)
    if whole is not None:
        held["data_digest"] = whole.digest
    elif "sample_digest" in report.run:  # it stopped before the end of its sample
        held["data_digest"] = report.run["sample_digest"]
    return {**held, "shard": None if whole is None else whole.part.option}


def _report(
    audit: Audit,
    partial: Partial,
    used: NDArray[np.intp],
    view: dict[str, Any],
    run: dict[str, Any],
    data: dict[str, Any],
    tell: Listener,
) -> Report:
    artifact, digest = audit.classifier.artifact, audit.identity["data_digest"]
    if audit.part is not None:
        run = {**run, "shard": PartOfSample(audit.part, len(audit.sample), digest).record()}
    sample = audit.sample.part(np.array(audit.positions, np.intp)[used])
    report = Report(
        # No longer on the partial file, which will go.
        log_prob=np.array(partial.table[used]),
        coalitions=None if audit.drawn is None else audit.drawn[used],
        labels=sample.labels,
        predicted=audit.survey.predicted[used] - audit.classifier.label_offset,
        image_ids=sample.ids,
        settings={**audit.identity["settings"], **view},
        model={
            "path": shown(artifact.path),
            "sha256": artifact.sha256,
            "producer": artifact.producer,
            "parameters": artifact.parameters,
        },
        data={
            **data,
            "digest": sample.digest(),
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
    if not report.floor_share:
        return report
    tell.warning(
        f"{report.floor_share:.1%} of the values stand at log-probability "
        f"{np.log(report.settings['floor']):.2f}, the floor under this output's probabilities: "
        "what bands do below it is not seen, which distorts Shapley values; audit the logits "
        "instead, if the graph has them (--output takes any tensor)"
    )
    return replace(report, run={**report.run, "warnings": tell.warnings})
