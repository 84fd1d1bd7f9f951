"""The audit: from a model and photographs to an answer, in the time that there is."""

from __future__ import annotations

import math
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Unpack

from ..checks import check_positive, check_share, check_truth, plain
from ..errors import IasideError, UsageError
from ..measure.request import LabelledOptions, Request, with_options
from ..results.audit import Audit
from .folder import AuditFolder
from .stages import Stages
from .work import Work

TIME = 600.0
# Options of measurements that an audit settles by itself.
_OWN = ("shard", "dask", "time_budget", "temperature", "sampling")
# What only says how and where it runs.
_MACHINE = {"batch", "threads", "provider", "ort_extension"}
_RUNNING = {"resume", "overwrite", "listener", *_MACHINE}
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
        with tempfile.TemporaryDirectory(prefix="iaside-") as place:
            return audit(
                model, images, Path(place) / "audit",
                time=time, keep=keep, quick=quick, **options,
            )  # fmt: skip
    request = Request.of(LabelledOptions, {"samples": 0, **options}, model, images, None)
    time, keep, quick = map(plain, (time, keep, quick))
    if time is not None:
        check_positive("time", time)
    own: dict[str, Any] = {}
    if keep is not None:
        check_share("keep", keep)
        own["keep"] = float(keep)
    if quick is not None:
        check_truth("quick", quick)
        own["quick"] = quick
    given: dict[str, Any] = {name: plain(value) for name, value in options.items()}
    asked = {name: value for name, value in given.items() if name not in _RUNNING}
    running = {name: value for name, value in given.items() if name in _MACHINE}
    folder = AuditFolder(Path(target))
    with folder.held(resume=request.resume, overwrite=request.overwrite, inputs=request.inputs):
        work = Work(
            Path(model),
            Path(images),
            folder,
            Stages(request.listener),
            folder.settled({**asked, **own}, resume=request.resume),
            running,
            math.inf if time is None else float(time),
        )
        try:
            work.run()
        except KeyboardInterrupt:
            with suppress(IasideError):
                work.conclude()
            raise
        return work.conclude()
