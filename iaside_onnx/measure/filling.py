"""Fill the table of an audit: here or on workers, all of it or until a limit is reached."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.sample import Reading
from ..inference.session import runtime_version
from ..listener import Listener
from ..mathematics.estimators import image_values
from ..mathematics.intervals import score_stderr
from ..mathematics.score import in_order
from ..mathematics.shapley import game_values
from ..storage.partial import Partial
from .cluster import Workers
from .evaluator import Evaluator
from .job import Job
from .prepared import Audit
from .stopping import Limits, play_rounds, seeded_order


def fill(
    audit: Audit,
    partial: Partial,
    batch: int | None,
    workers: Workers | None,
    reading: Reading,
    limits: Limits,
    view: dict[str, Any],
    tell: Listener,
) -> tuple[dict[str, Any], NDArray[np.intp]]:
    """Evaluate what is missing.

    Parameters
    ----------
    partial : Partial
        Its rows are those of `audit.positions`.
    batch : int or None
        Forward passes in a run; None searches.
    workers : Workers or None
        Who evaluates; None: this process.
    view : dict
        value, beta and confidence, which the error bar of a limit is found with.

    Returns
    -------
    run : dict
        How it ran, as JSON values.
    used : ndarray of int
        Rows evaluated, ascending.
    """
    sample, rows = audit.sample, len(audit.positions)
    played = audit.drawn if audit.drawn is not None else audit.settings.every_coalition
    if audit.everybody_known:
        played = played[:, :-1]
    columns = played.shape[-1]
    row_of = {position: row for row, position in enumerate(audit.positions)}
    unfinished = set(partial.unfinished())
    batch = batch or (1 if audit.survey.one_by_one else None)
    told = (audit.targets, audit.settings, audit.survey.statistics, audit.keys)
    # A row for each image of the sample, whichever of them are audited.
    if played.ndim == 2:
        spread = np.zeros((len(sample), columns), np.uint64)
        spread[audit.positions] = played
        played = spread
    if workers is None:
        here = Evaluator(audit.classifier, sample, *told, played, batch, len(unfinished))
    else:
        job = Job.of(reading, sample, audit.classifier, audit.wanted, *told, played, batch)
    how: dict[str, Any] = {}

    def store(position: int, values: NDArray[np.float32]) -> None:
        row = row_of[position]
        known = audit.survey.clean[row : row + 1] if audit.everybody_known else values[:0]
        partial.store(row, np.concatenate([values, known]))

    def evaluate(chosen: NDArray[np.intp]) -> None:
        left = [audit.positions[row] for row in chosen.tolist() if row in unfinished]
        if workers is None:
            here(left, store, tell.advance)
            how.update(batch=here.batch, threads=audit.runtime.threads)
        elif left:
            how.update(workers.evaluate(job, left, store, tell.advance))

    def stderr(chosen: NDArray[np.intp]) -> float:
        game = game_values(partial.table[chosen], view["value"])
        drawn = None if audit.drawn is None else audit.drawn[chosen]
        estimator = audit.identity["settings"]["estimator"]
        psi = image_values(estimator, game, drawn, audit.settings.players)
        return score_stderr(psi[in_order(psi)], view["beta"], audit.settings.seed)

    began = time.monotonic()
    done = (rows - len(unfinished)) * columns
    used, reason = np.arange(rows), "sample"
    tell.start(done, rows * columns)
    try:
        if limits.any:
            order = seeded_order(sample.labels[audit.positions], audit.settings.seed)
            used, reason = play_rounds(limits, order, evaluate, stderr)
        else:
            evaluate(used)
    finally:
        tell.stop()
    return {
        "forward_passes": len(used) * columns,
        "seconds": round(time.monotonic() - began, 3),
        "resumed_after": done,
        **limits.outcome(reason, rows, tell),
        **({"sample_digest": audit.identity["data_digest"]} if limits.any else {}),
        **how,
        **audit.classifier.how,
        "onnxruntime": runtime_version(),
        "ort_extensions": audit.runtime.extension_digests,
    }, used
