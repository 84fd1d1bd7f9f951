"""The audit: from a model and photographs to an answer, in the time that there is."""

from __future__ import annotations

import math
import os
import tempfile
import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from ..checks import check_number, check_share, check_truth, plain
from ..errors import IasideError, ReportError, UsageError, said
from ..inference.inspection import Inspection, inspect
from ..listener import Listener
from ..measure.analysis import analyze
from ..measure.request import LabelledOptions, Request, with_options
from ..measure.robustness import measure_robustness
from ..results.audit import Audit
from ..results.group_verdict import KEEP, SEVERITIES, verdicts
from ..results.robustness import RobustnessReport
from ..settings import MOST_COUNT
from ..spelling import option, words
from .folder import ANALYSIS, NEXT, RECIPE, ROBUSTNESS, AuditFolder
from .found_input import FoundInput, find_input
from .plan import EVIDENCE_IMAGES, TRIAL, game, is_enough, looks, passes_of
from .stages import EXPLAIN, INPUT, MEASURE, MODEL, Stages

TIME = 600.0
# Options of measurements that an audit settles by itself.
_OWN = ("shard", "dask", "time_budget", "temperature", "sampling")
# What only says how and where it runs.
_RUNNING = {"resume", "overwrite", "listener", "batch", "threads", "provider", "ort_extension"}
_SAMPLES = 0


@with_options(LabelledOptions, without=_OWN, samples=_SAMPLES)
def audit(
    model: str | Path,
    images: str | Path,
    target: str | Path | None = None,
    *,
    time: float | None = TIME,
    keep: float | None = None,
    quick: bool | None = None,
    **options: Unpack[LabelledOptions],
) -> Audit:
    """Find out whether an ONNX classifier is robust, why, how sure that is, and what now.

    It finds the preprocessing and the labels, measures the accuracy under the 19 corruptions of
    ImageNet-C at severities 1, 3 and 5, where the evidence lies, and why the weak spots hurt; first
    on 40 images, then on more.

    Parameters
    ----------
    model, images
        As for `analyze`. A ``labels.csv`` in a folder of images is used.
    target : path, optional
        Folder for the reports, the page and the summary; None keeps nothing on disk.
    time : float or None
        Seconds after which no more images are measured; None: until all are, or there are enough.
    keep : float, optional
        Share of the accuracy that a robust model keeps, 0.8 by default.
    quick : bool, optional
        One look at 40 images, and nothing else; for training loops.
    **options
        As for `measure_robustness`; `samples` is the most images that are used, 0 all of them.

    Returns
    -------
    Audit
        ``verdicts``, ``summary()`` and the reports.

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, or the images; which preprocessing the model
        wants cannot be told.
    """
    for name in _OWN:
        if name in options:
            raise UsageError(f"there is no option '{name}'")
    if target is None:
        with tempfile.TemporaryDirectory(prefix="iaside-") as folder:
            return audit(
                model, images, Path(folder) / "audit",
                time=time, keep=keep, quick=quick, **options,
            )  # fmt: skip
    request = Request.of(LabelledOptions, options, model, images, None)
    time, keep, quick = map(plain, (time, keep, quick))
    if time is not None:
        check_number("time", time, 0, MOST_COUNT, "a positive number of seconds")
    asked: dict[str, Any] = {
        name: value for name, value in options.items() if name not in _RUNNING
    }
    asked |= {name: value for name, value in (("keep", keep), ("quick", quick)) if value is not None}
    if keep is not None:
        check_share("keep", keep)
    if quick is not None:
        check_truth("quick", quick)
    running = {
        name: value
        for name, value in options.items()
        if name in _RUNNING - {"resume", "overwrite", "listener"}
    }
    folder = AuditFolder(Path(target))
    with folder.held(resume=request.resume, overwrite=request.overwrite, inputs=request.inputs):
        work = _Work(Path(model), Path(images), folder, running, Stages(request.listener), time)
        work.begin(asked, resume=request.resume)
        try:
            work.run()
        except KeyboardInterrupt:
            with suppress(IasideError):
                work.conclude("interrupted")
            raise
        return work.conclude()
