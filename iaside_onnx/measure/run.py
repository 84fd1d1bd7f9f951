"""The run of a measurement, the same for all kinds: from a request to a result on disk.

Lock, partial file, resuming, shards, workers and limits are here, and the search for a batch, and
whether images go through the model one by one.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import OtherRowsError, ReportError, UsageError, said
from ..images.sample import seeded_order
from ..inference.model import OutOfMemoryError
from ..interrupts import keeping
from ..plurals import counted, lasting, plural
from ..results.part import PartOfSample, part_of
from ..setting_roles import identity_apart, without_sample
from ..spelling import on_command_line, option
from ..storage.output_file import (
    check_folder,
    check_free_for_result,
    check_no_input,
    clear_leftovers,
    sole_writer,
)
from ..storage.partial import (
    Partial,
    check_identity,
    check_partial,
    create_partial,
    open_partial,
    partial_path,
)
from .clean_pass import CleanPass, clean_pass, decoded_positions, mixes_images
from .contract import Filled, Measurement, R
from .job import Job, sized
from .places import ways_to
from .request import Request
from .stopping import play_rounds
from .subject import Subject, as_json, draw_key, open_subject
from .workers import Workers, open_workers

# Copies of an image in the run that shows the pace.
_TRIED = 8


def measure(
    request: Request,
    settle: Callable[[Subject], Measurement[R]],
    view: dict[str, Any],
    *,
    labelled: bool = True,
    known: R | None = None,
) -> R:
    """Measure what is asked for.

    Parameters
    ----------
    settle : callable
        Makes the measurement for an opened subject, refusing what does not fit it.
    view : dict
        How the result is viewed, as its `view` takes it.
    labelled : bool
        The measurement needs the true classes, and a pass of the clean images.
    known : Result, optional
        The same of fewer of these images: its rows are taken over. Refused where it is of something
        else.
    """
    (result,) = measure_each([(request, settle)], view, labelled=labelled, known=known)
    return result


def measure_each(
    asked: Sequence[tuple[Request, Callable[[Subject], Measurement[R]]]],
    view: dict[str, Any],
    *,
    labelled: bool = True,
    names: Sequence[str] = (),
    known: R | None = None,
) -> list[R]:
    """Several measurements of one model and sample, which are opened and looked at once.

    Parameters
    ----------
    asked : sequence
        Requests that differ in nothing but their target and limits, each with what settles its
        measurement, as `measure` has them. Time that is left is shared by those to come.
    view, labelled
        As for `measure`.
    names : sequence of str
        What notes call each of them, where there are several.
    known : Result, optional
        As for `measure`, of one measurement.
    """
    request = asked[0][0]
    listener = request.listener
    with ExitStack() as stack:
        for each, _ in asked:
            stack.enter_context(_writing(each))
        workers = None
        if request.dask is not None:
            workers = stack.enter_context(open_workers(request.dask, request.threads, listener))
        subject = open_subject(request, labelled=labelled)
        measurements = [settle(subject) for _, settle in asked]
        costs = Counter(each.cost(len(subject.positions)) for each in measurements)
        for cost, times in costs.items():
            listener.note(f"cost: {f'{times} times ' * (times > 1)}{cost}")
        whole_sample, clean = any(each.of_whole_sample for each in measurements), None
        if labelled or (subject.model is not None and subject.model.task().learns):
            clean = clean_pass(subject, whole_sample=whole_sample)
            subject = replace(
                subject,
                temperature=clean.temperature,
                targets=clean.targets,
                learned=clean.learned,
            )
        if workers is None and clean is not None:
            _say_times(measurements, subject)
        subject = replace(subject, keys=_keys(subject, whole_sample=whole_sample))
        batch = request.batch or (1 if _one_by_one(subject, clean) else None)
        listeners, results = [listener], []
        if len(asked) > 1:
            works = [sum(each.work(subject.positions)) for each in measurements]
            listener.note(f"cost of all {len(asked)}: {sum(works):,}")
            befores = [sum(works[:number]) for number in range(len(works))]
            listeners = [listener.part(before, sum(works)) for before in befores]
        for number, ((each, _), measurement) in enumerate(zip(asked, measurements, strict=True)):
            if names:
                listener.note(f"{names[number]} ({number + 1} of {len(names)})")
            limits = each.limits.share(len(asked) - number)
            # The subject may have found out that there are no labels.
            reading = subject.request.reading
            own = replace(each, limits=limits, listener=listeners[number], reading=reading)
            there = replace(subject, request=own)
            if clean is not None:
                measurement = measurement.settled(there, clean)
            results.append(_measured(measurement, there, clean, view, batch, workers, known))
        return results


def _measured(
    measurement: Measurement[R],
    subject: Subject,
    clean: CleanPass | None,
    view: dict[str, Any],
    batch: int | None,
    workers: Workers | None,
    known: R | None,
) -> R:
    """One measurement of what is opened and looked at."""
    settings = as_json(measurement.settings(subject))
    view = measurement.viewed(subject, view)

    def finish(partial: Partial) -> R:
        learned = subject.learned is not None and subject.learned.learns
        if known is not None and learned:
            subject.listener.note(
                "all images are measured again: when an answer is right depends on the whole sample"
            )
        elif known is not None:
            _take_over(known, measurement, subject, settings, partial)
            partial.seconds = partial.seconds or known.run["seconds"]
        used, run = _fill(measurement, subject, view, partial, batch, workers)
        # No longer on the partial file, which will go.
        table = np.array(partial.table[used])
        chosen = np.array(subject.positions, np.intp)[used]
        sample = subject.sample.part(chosen)
        if clean is not None and clean.learned is not None:
            said = clean.learned.said(lambda: clean.targets[chosen])
            run |= {"of_clean_images": on_command_line(said)} if said else {}
        return measurement.result(Filled(subject, table, used, sample, clean, settings, view, run))

    return _kept(measurement, subject, settings, finish).view(**view)


def _say_times(measurements: Sequence[Measurement[R]], subject: Subject) -> None:
    """About how long each part will take here, where a user may leave one out."""
    named = [each for each in measurements if each.part_names]
    model, positions = subject.model, subject.positions
    if not named or model is None or not positions:
        return
    image = model.pixels(subject.sample.picture(positions[0]))
    images = np.repeat(image[None], model.form.fixed_batch or _TRIED, axis=0)
    try:
        model.model.comparable(images)  # the first run of a shape may prepare it
        began = time.perf_counter()
        model.model.comparable(images)
    except OutOfMemoryError:
        return
    pace = (time.perf_counter() - began) / len(images)
    for each in named:
        works = each.work(positions)
        texts = [
            name.format(lasting(pace * passes))
            for name, passes in zip(each.part_names, works, strict=True)
        ]
        subject.listener.note(
            f"time here, at about {1 / pace:,.0f} passes/s: {', '.join(texts)}; {each.part_advice}"
        )


def _keys(subject: Subject, *, whole_sample: bool) -> list[str]:
    """What each image is called where something is drawn for it; empty where nothing is."""
    keys = [""] * len(subject.sample)
    for position in decoded_positions(subject, whole_sample=whole_sample):
        keys[position] = draw_key(subject.sample, position)
    return keys


def _one_by_one(subject: Subject, clean: CleanPass | None) -> bool:
    """Whether images share their batch, so that only a batch of one gives an image's own scores."""
    if clean is not None or subject.model is None:
        return clean is not None and clean.one_by_one
    free = subject.classifier.form.fixed_batch is None
    return free and mixes_images(subject.sample, subject.classifier, subject.listener)


def _take_over(
    known: R,
    measurement: Measurement[R],
    subject: Subject,
    settings: dict[str, Any],
    partial: Partial,
) -> None:
    """Store the rows of a result of fewer of the same images, where they are not there yet."""
    assert not measurement.of_whole_sample
    sample = subject.sample
    places = {name: position for position, name in enumerate(sample.ids)}
    row_of = {position: row for row, position in enumerate(subject.positions)}
    at = [places.get(name, -1) for name in known.image_ids]
    before = identity_of(known, measurement.settings_of(known))
    here = subject.identity(settings)
    there = bool(at) and all(position in row_of for position in at)
    wanted = as_json(measurement.settings_at(settings, at)) if there else settings
    differ = identity_apart(*(without_sample(each) for each in (wanted, before["settings"])))
    apart = [str(each) for each in differ]
    if before["provider"] != here["provider"]:
        apart.append(f"provider {before['provider']} against {here['provider']}")
    if before["model_sha256"] != here["model_sha256"]:
        apart.append("another model")
    if not there or sample.part(np.array(at, np.intp)).digest() != known.data["digest"]:
        apart.append("other images or labels")
    if apart:
        raise OtherRowsError("the result whose rows are known", ", ".join(apart))
    for position, values in zip(at, measurement.table_of(known), strict=True):
        for part, columns in enumerate(measurement.parts):
            if not partial.sums[row_of[position], part]:
                partial.store(row_of[position], values[columns], part)


def _fill(
    measurement: Measurement[R],
    subject: Subject,
    view: dict[str, Any],
    partial: Partial,
    batch: int | None,
    workers: Workers | None,
) -> tuple[NDArray[np.intp], dict[str, Any]]:
    """Fill what a table lacks, here or on workers, all of it or until a limit is reached.

    Gives the rows that are filled, ascending, and how it went, as JSON values.
    """
    request, listener, positions = subject.request, subject.listener, subject.positions
    limits, parts = request.limits, range(len(measurement.parts))
    row_of = {position: row for row, position in enumerate(positions)}
    lacking = [set(partial.unfinished(part)) for part in parts]
    total = sum(measurement.work(positions))
    ahead = sum(
        measurement.work([positions[row] for row in sorted(lacking[part])])[part] for part in parts
    )
    run: dict[str, Any] = {}
    if workers is not None:
        job = Job.of(subject, measurement, batch)
    else:
        size = sized(subject, batch, ahead + measurement.checking * len(lacking[0]))
        size.note = listener.note
        here = measurement.rows(subject, size)

    def evaluate(chosen: NDArray[np.intp]) -> None:
        for part in parts:
            left = [positions[row] for row in chosen.tolist() if row in lacking[part]]

            def store(position: int, values: NDArray[Any], part: int = part) -> None:
                partial.store(row_of[position], values, part)
                partial.seconds = before + time.monotonic() - began

            if workers is None:
                here[part](left, store, listener.advance)
            elif left:
                run.update(workers.evaluate(job, part, left, store, listener.advance))
        if workers is None and subject.model is not None:
            run.update(batch=size.size, threads=subject.runtime.threads)

    began, before = time.monotonic(), partial.seconds
    used, reason = np.arange(len(positions)), "sample"
    if request.resume and ahead < total:
        listener.note(f"resumed: {_done(measurement, positions, partial)} kept from before")
    listener.start(total - ahead, total)
    with ExitStack() as stack:
        stack.callback(listener.stop)
        if request.target is not None:
            stack.enter_context(keeping(lambda: _done(measurement, positions, partial)))
        if limits.any:
            order = seeded_order(subject.sample.labels[positions], subject.seed)
            begun, finished = _before(measurement, positions, lacking)
            if limits.target_stderr is None:  # no look depends on the order
                order = order[np.argsort(~begun[order], kind="stable")]

            def stderr(chosen: NDArray[np.intp]) -> float:
                return measurement.stderr(partial.table[chosen], chosen, view)

            used, reason = play_rounds(limits, order, finished, evaluate, stderr)
        else:
            evaluate(used)
    digest, of_shard = subject.sample.digest(), {}
    if request.shard is not None:
        of_shard["shard"] = PartOfSample(request.shard, len(subject.sample), digest).record()
    return used, {
        **measurement.passes(partial.table[used], [positions[row] for row in used.tolist()]),
        "seconds": round(before + time.monotonic() - began, 3),  # of earlier runs too
        "resumed_after": total - ahead,
        **limits.outcome(reason, len(positions), digest, listener),
        **run,
        **subject.environment(),
        **_ways(subject.request),
        **of_shard,
    }


def _ways(request: Request) -> dict[str, Any]:
    """Where what was given by an absolute path lies, if it lies elsewhere; see `ways_to`."""
    ways = ways_to(request.model, request.reading)
    return {"paths": ways} if ways else {}


def _done(measurement: Measurement[R], positions: list[int], partial: Partial) -> str:
    """How much of a table is filled: images where a row is filled at once, else work, in words."""
    parts = range(len(measurement.parts))
    lacking = [partial.unfinished(part) for part in parts]
    if len(parts) == 1:
        done = len(positions) - len(lacking[0])
        return f"{done} of {len(positions)} images are"
    total = sum(measurement.work(positions))
    ahead = sum(measurement.work([positions[row] for row in lacking[part]])[part] for part in parts)
    return f"{(total - ahead) / total:.0%} of the work is"


def _before(
    measurement: Measurement[R], positions: list[int], lacking: list[set[int]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which rows earlier runs began, and in which of these there is no work left.

    `lacking` holds the rows that each part lacks.
    """
    rows = range(len(positions))
    begun = np.array([not all(row in part for part in lacking) for row in rows], bool)
    finished = begun.copy()
    for number, part in enumerate(lacking):
        for row in np.flatnonzero(finished).tolist():
            if row in part and measurement.work([positions[row]])[number]:
                finished[row] = False
    return begun, finished


@contextmanager
def _writing(request: Request) -> Iterator[None]:
    """Hold the target for the time of the run, or refuse to."""
    target, resume, overwrite = request.target, request.resume, request.overwrite
    if target is None:
        yield
        return
    check_folder(target)
    for written in (target, partial_path(target)):
        check_no_input(written, request.inputs, use="measured")
    with sole_writer(target):
        if resume and overwrite:
            raise UsageError(f"{option('resume')} and {option('overwrite')} exclude each other")
        check_free_for_result(target, overwrite=resume or overwrite)
        check_partial(target)
        if not (resume or overwrite) and os.path.lexists(partial_path(target)):
            raise ReportError(
                f"{partial_path(target)}: an interrupted audit is there; continue it with "
                f"{option('resume', True)} or discard it with {option('overwrite', True)}"
            )
        clear_leftovers(partial_path(target))
        yield


def model_of(result: Any) -> dict[str, Any]:
    """What a result says of its model; empty where it was measured without."""
    # What an attack was made on is in its settings.
    return dict(result.model or result.settings.get("attack") or {})


def identity_of(result: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """What determined the table of a finished result; `settings` are those of its own that did."""
    whole = part_of(result)
    model = model_of(result)
    provider = result.provider or model.get("provider", "")
    digest = result.run.get("sample_digest", result.data["digest"])  # where a limit ended the run
    return {
        "settings": settings,
        "model_sha256": model.get("sha256", ""),
        "data_digest": digest if whole is None else whole.digest,
        "provider": provider,
        "shard": None if whole is None else whole.part.option,
    }


def _kept(
    measurement: Measurement[R],
    subject: Subject,
    settings: dict[str, Any],
    finish: Callable[[Partial], R],
) -> R:
    """Have `finish` make a result on a partial file that outlives any interruption."""
    target, resume = subject.request.target, subject.request.resume
    listener = subject.listener
    identity = {**subject.identity(settings), "kind": measurement.kind.SCHEMA.format}
    rows, columns, parts = len(subject.positions), measurement.columns, measurement.parts
    shape = identity, rows, columns, parts, measurement.dtype
    if target is None:
        with tempfile.TemporaryDirectory() as folder:
            return finish(create_partial(Path(folder) / "report.h5", *shape))
    if resume and target.exists():
        finished = measurement.kind.load(target)
        check_identity(target, identity_of(finished, measurement.settings_of(finished)), identity)
        if partial_path(target).exists():
            with suppress(ReportError):  # one of something else is left alone
                open_partial(target, *shape).remove()
        listener.note(f"{target} is complete already; nothing to do")
        return finished
    if resume and partial_path(target).exists():
        partial = open_partial(target, *shape)
        if partial.damaged:
            listener.warning(
                f"{partial.path.name}: {counted(partial.damaged, 'finished row')} damaged since "
                f"{plural(partial.damaged, 'it was', 'they were')} written (by checksum), and "
                "evaluated again"
            )
    else:
        partial = create_partial(target, *shape)
    result = finish(partial)
    partial.check()
    try:
        result.save(target, overwrite=True)
    except ReportError as error:
        raise ReportError(
            f"{said(error)}; the finished values are kept in {partial.path}, so make room and "
            f"repeat with {option('resume', True)}"
        ) from error
    partial.remove()
    return result
