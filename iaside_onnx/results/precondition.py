"""What must hold before a report says anything: a model that knows its images, a gain to share.

A share is a share of something. Where the model does no better than guessing, or answers alike
with all bands and with none, the values of the bands are noise around nothing, and the shift that
makes shares of them gives the most to the band of least effect.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.proportion import mean_interval, wilson
from ..plurals import counted
from ..tasks import TaskKind

# Coverage of the intervals that are judged, whatever the report's own is.
LEVEL = 0.95
# Least gain from no band to all, as a share of the log of the number of classes.
LEAST_GAIN = 0.1
_MOST_IMAGES = 100_000
_CHANCE = "clean accuracy is at chance"
_NOT_ABOVE = "clean accuracy is not clearly above chance"
# Why accuracy is not known.
NO_ACCURACY = (
    "whether clean accuracy lies above chance does not apply: labels are the model's own answers, "
    "so what is explained is what it answers, right or not"
)
# What a probability that float32 cannot hold is taken for.
_LEAST_LOG_PROB = math.log(float(np.finfo(np.float32).smallest_subnormal))


@dataclass(frozen=True)
class Precondition:
    """Whether a report's shares and scores may be read, and why not.

    Attributes
    ----------
    images, right : int
        Images, and clean ones whose class is right; None where that is not known.
    accuracy_low : float or None
        Lower 95 % end of their share (Wilson).
    accuracy_note : str or None
        Why the accuracy is not asked for; None where it is.
    guessing : float or None
        What guessing would get right; see `guessing`. None where there are no classes.
    gain, gain_low : float
        v(all) - v(none) in what the table holds, such as log-probability, and its lower 95 % end
        over images (Student; minus infinity for one image).
    gain_needed : float
        What `gain_low` must reach: 0.1 ln(classes), or the least gain of the task.
    reasons : list of str
        Why nothing may be read; empty where all is well.
    """

    images: int
    right: int | None
    accuracy_low: float | None
    guessing: float | None
    gain: float
    gain_low: float
    gain_needed: float
    reasons: list[str]
    accuracy_note: str | None = None

    @property
    def holds(self) -> bool:
        """Whether scores and shares may be read as findings."""
        return not self.reasons

    def summary(self) -> dict[str, Any]:
        """The same as plain JSON values; an end at infinity as None."""
        low = self.gain_low if math.isfinite(self.gain_low) else None
        return {"holds": self.holds, **asdict(self), "gain_low": low}


def precondition(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64] | None,
    ends: NDArray[np.float64],
    known: Any,
    look: str,
) -> Precondition:
    """What speaks for or against reading a report, in whichever value it is viewed.

    Parameters
    ----------
    labels, predicted : ndarray of int64, shape (n,)
        True class, and the class given to the clean image. None for the latter: it stands for
        the label, so that accuracy cannot be asked for.
    ends : ndarray of float64, shape (n, 2)
        Log-probability of the label with no band, and with all.
    known : int or other
        Classes that the model chooses among; else those that occur, two at least.
    look : str
        The command that finds out whether images and labels are read right.
    """
    own = predicted is None
    answers = labels if predicted is None else predicted
    images, classes = len(labels), class_count(known, labels, answers)
    right = None if own else int((answers == labels).sum())
    empty, grand = floored(ends).T
    gain_low, _ = mean_interval(grand - empty, LEVEL)
    needed = least_gain(classes)
    reasons = [None if right is None else accuracy_reason(right, labels, classes, look)]
    if images == 1 and own:
        reasons.append("one image cannot show whether there is enough to share; audit more images")
    elif gain_low < needed and images > 1:  # one image has its reason
        whose = "the model's own answer" if own else "the true class"
        reasons.append(_gain_reason(empty.mean(), grand.mean(), gain_low, classes, images, whose))
    return Precondition(
        images=images,
        right=right,
        accuracy_low=None if right is None else float(wilson(right, images, LEVEL)[0]),
        guessing=guessing(labels, classes),
        accuracy_note=None if right is not None else NO_ACCURACY,
        gain=float((grand - empty).mean()),
        gain_low=gain_low,
        gain_needed=needed,
        reasons=[reason for reason in reasons if reason is not None],
    )


def class_count(
    known: Any, labels: NDArray[np.int64], answers: NDArray[np.int64] | None = None
) -> int:
    """Classes that a model chooses among: those known, else those that occur, two at least."""
    occurring = len(np.union1d(labels, labels if answers is None else answers))
    return known if type(known) is int and known > 1 else max(2, occurring)


def floored(ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities with that of a probability that float32 cannot hold as the least."""
    return np.maximum(ends, _LEAST_LOG_PROB)


def least_gain(classes: int) -> float:
    """The gain in log-probability from no band to all that a finding needs."""
    return LEAST_GAIN * math.log(classes)


def gain_alone(ends: NDArray[np.float64], kind: TaskKind) -> Precondition:
    """What speaks for or against reading a report of a task without classes: the gain alone.

    Parameters
    ----------
    ends : ndarray of float64, shape (n, 2)
        Value of each image with no band, and with all.
    """
    images, (empty, grand) = len(ends), ends.T
    low, _ = mean_interval(grand - empty, LEVEL)
    gain, needed = float((grand - empty).mean()), float(kind.least_gain or 0.0)
    reasons = []
    if images == 1:
        reasons.append("one image cannot show whether there is enough to share; audit more images")
    elif low < needed:
        of = f"v(all) {grand.mean():.3f}, v(none) {empty.mean():.3f}, in {kind.quantity}"
        numbers = (
            f"v(all) - v(none) is {gain:.3f}, its lower 95% end {low:.3f}, and {needed:g} is "
            f"needed ({of})"
        )
        if gain <= needed:
            what = "there is next to nothing to share out between the bands"
            reasons.append(f"{what}: {numbers}")
        else:
            reasons.append(
                f"whether there is enough to share out between the bands cannot be decided from "
                f"{counted(images, 'image')}: {numbers}; "
                f"{enough_in_words(images, gain - low, gain - needed)}"
            )
    return Precondition(
        images=images, right=None, accuracy_low=None, guessing=None, gain=gain, gain_low=low,
        gain_needed=needed, reasons=reasons, accuracy_note=no_accuracy(kind),
    )  # fmt: skip


def no_accuracy(kind: TaskKind) -> str:
    """Why a model of a task without classes has no accuracy."""
    return (
        f"clean accuracy does not apply: the model gives {kind.what}, and what is measured is the "
        f"{kind.quantity}"
    )


def guessing(labels: NDArray[np.int64], classes: int) -> float:
    """Share that guessing gets right: 1 / classes, or that of the commonest label if larger."""
    _, counts = np.unique(labels, return_counts=True)
    return max(1.0 / classes, float(counts.max()) / len(labels))


def accuracy_reason(right: int, labels: NDArray[np.int64], classes: int, look: str) -> str | None:
    """Why an accuracy is not clearly above what guessing gives; None where it is.

    `right` images of those with these true `labels` got the class right, of `classes`; `look` is
    the command that finds out whether they are read right.
    """
    count, chance = len(labels), guessing(labels, classes)
    low = float(wilson(right, count, LEVEL)[0])
    if low > chance:
        return None
    if count == 1:
        return f"{_NOT_ABOVE}: one image cannot show it; audit more images"
    if chance == 1.0:
        return (
            f"{_NOT_ABOVE}: all {counted(count, 'image')} are of one class, so that a model that "
            "always answers it would be right; audit images of several classes"
        )
    share = right / count
    if share > chance:
        return (
            f"{_NOT_ABOVE}: whether it is cannot be decided from {counted(count, 'image')}, of "
            f"which {right} are right (lower 95% end {low:.3f}; guessing would get {chance:.3f}); "
            f"{enough_in_words(count, share - low, share - chance)}, unless the "
            f"preprocessing is wrong ({look})"
        )
    return (
        f"{_CHANCE}: {right} of {counted(count, 'image')} are right, and guessing would get "
        f"{chance:.3f}; preprocessing, channel order, class order or label offset is probably "
        f"wrong; {look} finds out which (then --preprocess, --labels, --label-offset)"
    )


def speaks_of_accuracy(warning: str) -> bool:
    """Whether a warning of a run is `accuracy_reason`, which every report is judged by again."""
    return warning.startswith((_CHANCE, _NOT_ABOVE))


def _gain_reason(
    empty: float, grand: float, low: float, classes: int, images: int, whose: str
) -> str:
    values = f"v(all) {grand:.3f}, v(none) {empty:.3f}"
    if grand < empty:
        return (
            "there is nothing to share out between the bands: clean images make "
            f"{whose} less probable than images without any band ({values} in log-probability)"
        )
    gain, needed = grand - empty, least_gain(classes)
    numbers = (
        f"v(all) - v(none) is {gain:.3f} in log-probability, its lower 95% end {low:.3f}, and "
        f"{LEAST_GAIN:g} ln({classes}) = {needed:.3f} is needed ({values})"
    )
    if gain <= needed:
        return f"there is next to nothing to share out between the bands: {numbers}"
    return (
        f"whether there is enough to share out between the bands cannot be decided from {images} "
        f"images: {numbers}; {enough_in_words(images, gain - low, gain - needed)}"
    )


def enough(images: int, half: float, distance: float) -> int | None:
    """How many images would decide: ``n (half width / distance)^2``, as intervals narrow.

    The interval of `images` has this half width, and the estimate lies this far from the bound
    that it must be clear of. More than `images`, in two digits; None for more than 100,000.
    """
    needed = images * (half / distance) ** 2 if distance > 0 else math.inf
    if not needed <= _MOST_IMAGES:
        return None
    whole = max(math.ceil(needed - 1e-9), images + 1)
    step = int(10 ** max(0, len(str(whole)) - 2))
    return -(-whole // step) * step


def enough_in_words(images: int, half: float, distance: float) -> str:
    """What `enough` gives, in words."""
    needed = enough(images, half, distance)
    if needed is None:
        return f"more than {_MOST_IMAGES:,} images would be needed"
    return f"about {needed:,} images would do"
