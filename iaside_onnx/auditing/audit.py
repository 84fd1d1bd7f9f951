"""The audit: from a model and photographs to an answer, in the time that there is."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from ..checks import (
    check_path,
    check_positive,
    check_share,
    check_truth,
    duration_seconds,
    plain,
    several,
)
from ..errors import DataError, IasideError, InvalidOption, UsageError
from ..listener import Listener
from ..measure.attacked import check_attacks
from ..measure.in_memory import GivenImages, GivenModel
from ..measure.request import LabelledOptions, Request, with_options
from ..results.audit import PAGE, Audit
from ..spelling import option
from ..views.audit_progress import interactive_listener
from .folder import AuditFolder
from .stages import Stages
from .work import Work

TIME = 600.0
# Options of measurements that an audit settles by itself.
_OWN = ("shard", "dask", "time_budget", "temperature", "sampling")
# What only says how and where it runs.
_MACHINE = {"batch", "threads", "provider", "ort_extension", "ep_library"}
_RUNNING = {"resume", "overwrite", "listener", *_MACHINE}
_SAMPLES = 0  # All that there are.


def _listener(given: Mapping[str, Any]) -> Listener | None:
    """Who hears of the stages where nobody is named."""
    return None if given.get("quick") else interactive_listener()


@with_options(LabelledOptions, without=_OWN, hearing=_listener, samples=_SAMPLES)
def audit(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    time: float | str | None = TIME,
    keep: float | None = None,
    quick: bool | None = None,
    attack: str | Sequence[str] = (),
    perturbed: str | Path | Sequence[str | Path] = (),
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
    time : float, str or None
        Seconds, or a time such as "10m", after which no more images are measured; None: until all
        are, or there are enough.
    keep : float, optional
        Share of the accuracy that a robust model keeps, 0.8 by default.
    quick : bool, optional
        One look at 40 images, and nothing else; for training loops.
    attack : str or sequence of str
        Attacks to try on 40 images, as for `measure_robustness`.
    perturbed : path or sequence of paths
        Perturbed pictures of one's own, as for `measure_robustness`.
    **options
        As for `measure_robustness`; `samples` is the most images that are used, 0 all of them.
        Without a `listener` the stages are shown at a terminal and in a notebook, unless `quick`.

    Returns
    -------
    Audit
        ``verdicts``, ``summary()`` and the reports.

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, or the images; which preprocessing the model
        wants cannot be found out.
    """
    for name in _OWN:
        if name in options:
            raise UsageError(f"there is no option '{name}'")
    request = Request.of(LabelledOptions, {"samples": _SAMPLES, **options}, model, images, None)
    assert request.model is not None
    time, keep, quick = map(plain, (time, keep, quick))
    if isinstance(time, str):
        if (seconds := duration_seconds(time)) is None:
            raise InvalidOption("time", time, 'give seconds, or a time such as "10m" or "1h30m"')
        time = seconds
    if time is not None:
        check_positive("time", time)
    own: dict[str, Any] = {}
    if keep is not None:
        check_share("keep", keep)
        own["keep"] = float(keep)
    if quick is not None:
        check_truth("quick", quick)
        own["quick"] = quick
    attacks = check_attacks(several("attack", attack), (), 1)
    places = several("perturbed", perturbed)
    for each in places:
        check_path("perturbed", each)
        if not Path(each).exists():
            raise DataError(f"{each}: no such file or folder")
    if quick and attacks:
        raise UsageError(f"{option('quick', True)} goes without {option('attack')}")
    own |= {"attack": list(attacks)} if attacks else {}
    own |= {"perturbed": list(map(str, places))} if places else {}
    given: dict[str, Any] = {name: plain(value) for name, value in options.items()}
    asked = {name: value for name, value in given.items() if name not in _RUNNING}
    running = {name: value for name, value in given.items() if name in _MACHINE}
    check_path("target", target)
    held: dict[str, Any] = {
        "resume": request.resume,
        "overwrite": request.overwrite,
        "inputs": request.inputs,
    }
    with _place(target) as place, (folder := AuditFolder(place)).held(**held):
        work = Work(
            request.model,
            request.reading.images,
            folder,
            Stages(request.listener),
            folder.settled({**asked, **own}, resume=request.resume),
            running,
            math.inf if time is None else float(time),
            page=target is not None,
            past_enough=bool(request.resume and given.get("samples")),
        )
        try:
            work.run()
        except KeyboardInterrupt:
            with suppress(IasideError):
                so_far = work.conclude()
                if target is not None:
                    request.listener.note(f"The answer so far: {so_far.folder / PAGE}")
            raise
        except IasideError:
            folder.forget_the_unbegun()
            raise
        return replace(work.conclude(), kept=target is not None)


@contextmanager
def _place(target: str | Path | None) -> Iterator[Path]:
    """Where the reports go: a folder that vanishes again where none is named."""
    if target is not None:
        yield Path(target)
        return
    with tempfile.TemporaryDirectory(prefix="iaside-") as name:
        yield Path(name) / "audit"
