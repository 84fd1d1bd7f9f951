"""When an audit has enough images: in rounds, until the error bar or the time is reached."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_positive
from ..listener import Listener
from ..spelling import option

# Images before the first look at the error bar, and by how much the sample grows between looks:
# few looks on samples that are not small keep a rule that stops at a good moment from stopping at
# a lucky one (tools/studies/check_coverage.py).
FIRST_LOOK = 100
_GROWTH = 1.5
_NO_TIME = 1e-9
# Images that are worth a report.
_LEAST = 2


@dataclass(frozen=True)
class Limits:
    """What ends an audit before its whole sample is evaluated.

    Attributes
    ----------
    target_stderr : float or None
        Standard error of the signed score at which to stop.
    time_budget : float or None
        Seconds from the start of the audit.
    """

    target_stderr: float | None = None
    time_budget: float | None = None
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        for name in ("target_stderr", "time_budget"):
            value = getattr(self, name)
            if value is not None:
                check_positive(name, value)

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.target_stderr is not None or self.time_budget is not None

    def outcome(self, reason: str, images: int, digest: str, listener: Listener) -> dict[str, Any]:
        """How it ended, as JSON values; warns where the target is out of reach.

        `reason` is from `play_rounds`, `images` and `digest` are of the whole sample.
        """
        if reason != "target" and self.target_stderr is not None:
            more = f"images with {option('samples')}"
            if reason == "time":
                more = option("time_budget")
            asked = option("target_stderr", self.target_stderr)
            listener.warning(f"{asked} is not reached: give more {more}")
        if not self.any:
            return {}
        limits = {"target_stderr": self.target_stderr, "time_budget": self.time_budget}
        return {**limits, "stopped_by": reason, "sample": images, "sample_digest": digest}

    def share(self, parts: int) -> Limits:
        """The limits of the next one of so many parts of the work, from now on."""
        if self.time_budget is None or parts == 1:
            return self
        return replace(self, time_budget=max(self.left / parts, _NO_TIME), _began=time.monotonic())

    @property
    def left(self) -> float:
        """Seconds left."""
        if self.time_budget is None:
            return math.inf
        return self.time_budget - (time.monotonic() - self._began)


def looks(images: int) -> Iterator[int]:
    """How many images there are at each look at the error bar."""
    count = FIRST_LOOK
    while count < images:
        yield count
        count = math.ceil(count * _GROWTH)
    yield images


def play_rounds(
    limits: Limits,
    order: NDArray[np.intp],
    finished: NDArray[np.bool_],
    evaluate: Callable[[NDArray[np.intp]], None],
    stderr: Callable[[NDArray[np.intp]], float],
) -> tuple[NDArray[np.intp], str]:
    """Evaluate images until a limit is reached.

    The looks at the error bar go by `order` alone, so a run that was resumed stops where one that
    was not does. Time is spent on what is not finished, and what is finished stays when it ends.

    Parameters
    ----------
    order : ndarray of int, shape (K,)
        Positions, from `seeded_order`.
    finished : ndarray of bool, shape (K,)
        By position: evaluated before this run, or with no work left.
    evaluate : callable
        Makes sure that the images at some positions are evaluated.
    stderr : callable
        Standard error of the signed score from evaluated positions, which are sorted.

    Returns
    -------
    positions : ndarray of int
        Evaluated ones, sorted.
    reason : {"target", "time", "sample"}
    """
    done, evaluated = finished.copy(), 0
    evaluate(np.flatnonzero(done))
    began = time.monotonic()
    for look in looks(len(order)):
        ahead = order[:look][~done[order[:look]]]
        while len(ahead):
            size = len(ahead)
            if limits.time_budget is not None:
                spent = time.monotonic() - began
                size = min(size, _affordable(limits.left, spent, evaluated, int(done.sum())))
                if size < 1:
                    return np.flatnonzero(done), "time"
            evaluate(ahead[:size])
            done[ahead[:size]] = True
            evaluated += size
            ahead = ahead[size:]
        sofar = np.sort(order[:look])
        if limits.target_stderr is not None and stderr(sofar) <= limits.target_stderr:
            return sofar, "target"
    return np.sort(order), "sample"


def _affordable(left: float, spent: float, evaluated: int, done: int) -> int:
    """How many images the next step takes, in the seconds that are left.

    `evaluated` images took `spent` seconds; `done` counts those of earlier runs too.
    """
    least = max(_LEAST - done, 0)
    if not evaluated:  # the pace is not known
        return _LEAST if left > 0 else least
    # Small steps until the pace is known, and before the end.
    most = 2 * evaluated
    fits = left * evaluated / spent if spent > 0 else most
    return max(int(min(fits, most)), least)
