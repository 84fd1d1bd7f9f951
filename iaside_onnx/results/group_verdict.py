"""Whether a model is robust to each group of corruptions: the rule, its words, and how sure it is.

A verdict follows from what was measured of the model itself (`RobustnessReport`), from nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_share
from ..errors import UsageError
from ..mathematics.kept import (
    LEAST_IMAGES,
    Resampled,
    decision,
    images_that_decide,
    resampled_kept,
    resampled_share,
    strict_confidence,
)
from ..mathematics.proportion import wilson
from ..plurals import listed
from ..tasks import CLASSES, TASKS, TaskKind
from .robustness import OWN, RobustnessReport
from .spread import Spread
from .tally import guessed

GROUPS = ("noise", "blur", "weather", "digital")
# The published corruptions of each; a verdict on fewer of them says so.
PUBLISHED = {
    "noise": {"gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"},
    "blur": {"defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"},
    "weather": {"snow", "frost", "fog", "brightness", "spatter"},
    "digital": {"contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"},
}
SEVERITIES = (1, 3, 5)
KEEP = 0.8
# The coverage of the rule, whatever that of the report.
CONFIDENCE = 0.95
OWN_ANSWERS = (
    "This counts the model's own answers that stay the same, not accuracy, which is not known "
    "without labels; it can fall by no more points than answers change."
)
ROBUST, NOT_ROBUST, UNDECIDED = "robust", "not robust", "undecided"


def points_kept(share: SupportsFloat) -> str:
    """Points of what is kept, which may be below 0; "?" of what is not bounded or not known."""
    value = 100 * float(share)
    return f"{np.round(value) + 0.0:.0f}" if abs(value) < 1e6 else "?"


@dataclass(frozen=True)
class Accuracy:
    """A share of right answers with its interval over n images."""

    right: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2

    def json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"right": self.right, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Cell:
    """What is kept under one corruption at one severity."""

    corruption: str
    severity: int
    kept: Spread

    def json(self) -> dict[str, Any]:
        """Plain JSON values; null where nothing bounds an end."""
        kept = self.kept.json()
        return {
            "corruption": self.corruption,
            "severity": self.severity,
            "kept": kept["value"],
            "low": kept["low"],
            "high": kept["high"],
        }


@dataclass(frozen=True)
class GroupVerdict:
    """The verdict on a group of corruptions.

    Attributes
    ----------
    kind : str
        "noise", "blur", "weather" or "digital".
    verdict : str
        "robust", "not robust" or "undecided".
    right, low, high : float
        Share of right answers, mean over the group's corruptions and the severities.
    kept : dict of str to Spread
        What is kept under each corruption, mean over the severities.
    weakest : str
        The corruption under which least is kept.
    weakest_kept : Spread
    from_severity : int or None
        From this severity on the weakest corruption keeps less than asked, each severity by its
        upper end at the confidence of "not robust"; None where these do not say so.
    needed : int or None
        About how many images would decide; None where the verdict is one, or none would. Where so
        few were measured that nothing bounds what is kept, how many any verdict takes at least.
    rule_high : float
        Upper end of `weakest_kept` as the rule has it, which allows for all corruptions of the
        group.
    """

    kind: str
    verdict: str
    right: float
    low: float
    high: float
    kept: dict[str, Spread]
    weakest: str
    weakest_kept: Spread
    from_severity: int | None
    needed: int | None
    rule_high: float = np.inf

    @property
    def half_width(self) -> float:
        """Half of the interval of `right`."""
        return (self.high - self.low) / 2

    def open_until(self, keep: float) -> str | None:
        """Up to where the rule leaves open what is kept, where the interval alone would decide.

        None too where the rule has no bound.
        """
        if self.verdict != UNDECIDED or not self.weakest_kept.high < keep <= self.rule_high:
            return None
        return f"{100 * self.rule_high:.0f} %" if np.isfinite(self.rule_high) else None

    def json(self, *, own_answers: bool = False) -> dict[str, Any]:
        """Plain JSON values; null where nothing bounds an end.

        Where labels are the model's own answers nothing is right: the share is that of the ``same``
        answers.
        """
        kept = self.weakest_kept.json()
        share = {"value": self.right, "low": self.low, "high": self.high}
        unknown = {"right": None, "low": None, "high": None, "same": share}
        known = {"right": self.right, "low": self.low, "high": self.high}
        return {
            **(unknown if own_answers else known),
            "weakest": {
                "corruption": self.weakest,
                "kept": kept["value"],
                "low": kept["low"],
                "high": kept["high"],
                "high_for_all": self.rule_high if np.isfinite(self.rule_high) else None,
                "from_severity": self.from_severity,
            },
            "images_that_decide": self.needed,
        }

    @property
    def weakest_words(self) -> str:
        """The weakest corruption, and from which severity on, in words."""
        since = "" if self.from_severity is None else f", from severity {self.from_severity} on"
        return f"{self.weakest.replace('_', ' ')}{since}"


@dataclass(frozen=True)
class Verdicts:
    """Verdicts on all groups of corruptions that were measured.

    Attributes
    ----------
    groups : dict of str to GroupVerdict
    keep, confidence : float
        Of the rule.
    guess : float
        Accuracy of guessing: the larger of 1/classes and the share of the commonest label.
    clean : Accuracy
        On clean images, with Wilson's interval.
    rights : dict of str to dict of str to Accuracy
        Right answers under each corruption of each group, mean over the severities.
    worst : list of Cell
        Every corruption at every severity of the rule, the least kept first.
    reason : str or None
        Why there is no verdict on any group; None where there may be.
    own_answers : bool
        Labels are the model's own answers: "right" is what equals them, and says nothing of
        accuracy.
    kind : TaskKind
        Of other tasks than classes shares of what is right are counted, and there is no accuracy.
    """

    groups: dict[str, GroupVerdict]
    keep: float
    confidence: float
    guess: float
    clean: Accuracy
    rights: dict[str, dict[str, Accuracy]]
    worst: list[Cell]
    reason: str | None
    own_answers: bool = False
    kind: TaskKind = TASKS[CLASSES]

    @property
    def of_classes(self) -> bool:
        """Whether each image has one class."""
        return self.kind.name == CLASSES

    @property
    def note(self) -> str:
        """What shares count where that is no accuracy; empty where it is."""
        if not self.of_classes:
            if self._of_same:
                return (
                    f"This counts {self.answers} as in the model's own answer to the clean "
                    f"image, not {self.kind.kept}, which are not known without labels."
                )
            return (
                f"This counts {self.kind.kept}, not accuracy, which is not defined for "
                f"{self.kind.what}: an "
                f"answer is right where {self.kind.right}."
            )
        return OWN_ANSWERS if self.own_answers else ""

    @property
    def _of_same(self) -> bool:
        """Labels would say more than the model's own answers."""
        return self.own_answers and self.kind.same is not None

    @property
    def answers(self) -> str:
        """What the shares count."""
        return self.kind.counted_as(own=self.own_answers)

    @property
    def accuracy(self) -> Accuracy | None:
        """On clean images; None where labels are the model's own answers, or there are none."""
        return self.clean if self.of_classes and not self.own_answers else None

    @property
    def scale(self) -> str:
        """Between what the shares that are kept lie."""
        return f"clean 100 %{', guessing 0 %' if self.guess else ''}"

    @property
    def below(self) -> str:
        """What a share of less than 0 % says; empty where no weakest corruption has one."""
        kept = [group.weakest_kept for group in self.groups.values()]
        shown = np.array([[each.value, each.low] for each in kept])
        if not self.guess or not (np.round(100 * shown[np.isfinite(shown)]) < 0).any():
            return ""
        return f"below 0 %: worse than guessing ({100 * self.guess:.3g} %)"

    @property
    def text(self) -> str:
        """The rule in words."""
        return f"{self.note} {self._rule}".lstrip()

    @property
    def _rule(self) -> str:
        answers = "model's own answers" if self.own_answers else "right answers"
        if not self.of_classes:
            answers = self.answers
        beyond, unknown = " beyond guessing", "an accuracy that is not clearly above guessing"
        if self.own_answers and self.of_classes:
            unknown = "answers that are nearly all of one class"
        elif not self.of_classes:
            unknown = f"{answers} that are hardly more than guessing gets"
        unknown = f" or {unknown} ({self.guess:.3g})"
        if not self.guess:  # there is nothing to guess
            beyond, unknown = "", ""
        return (
            f"Robust to a group: under every corruption in it, at least {percent(self.keep)} of "
            f"the {answers}{beyond} are kept (mean of severities "
            f"{listed(map(str, SEVERITIES))}; lower ends of {percent(self.confidence)} "
            "intervals: BCa bootstrap over images, clean and corrupted paired, and wide enough for "
            "what so many images may not have shown). Not robust: under some corruption "
            f"less is kept (upper end at a confidence of 1 - {1 - self.confidence:.2g} / "
            "corruptions in the group). Else undecided, as with fewer than "
            f"{LEAST_IMAGES} images{unknown}."
        )

    @property
    def widest(self) -> GroupVerdict:
        """The group whose share of right answers is known least."""
        return max(self.groups.values(), key=lambda group: group.half_width)

    @property
    def sentence(self) -> str:
        """The verdicts in one sentence, with the weakest corruption of each group that has one."""
        if self.reason is not None:
            return f"Undecided: {self.reason}."
        what = "its own answers" if self.own_answers else "the right answers"
        if not self.of_classes:
            what = f"the {self.answers}"
        text = _sentence(self.groups.values(), percent(self.keep), self.clean.n, what)
        return f"{text} {self.note}".rstrip()

    def of(self, verdict: str) -> list[str]:
        """The groups with this verdict."""
        return [group.kind for group in self.groups.values() if group.verdict == verdict]


def verdicts(report: RobustnessReport, *, keep: float = KEEP) -> Verdicts:
    """The verdict on each group of corruptions.

    For a corruption c, with A_c the accuracy averaged over severities 1, 3 and 5 and q the larger
    of 1/classes and the share of the commonest label, ``kept = (A_c - q) / (A_clean - q)``, with
    95 % bootstrap intervals over images, clean and corrupted paired. A group is robust where the
    lower end of every corruption in it is at least `keep`, not robust where the upper end of some
    corruption lies below it at confidence 1 - 0.05 / (corruptions in the group), else undecided,
    as it is with fewer than 30 images or a clean accuracy that is not clearly above q. Where the
    model's own answers stand for labels, A is the share of answers that are these, so that A_clean
    is 1, whatever the accuracy is; it falls by no more than the share of answers that change. Of
    other tasks than classes A is the share of an answer that is right, and q is what the best
    answer without looking gets: the commoner one for each of several labels, the commonest class of
    a map, and else 0.

    Parameters
    ----------
    report : RobustnessReport
        With severities 1, 3 and 5 among its own. A group is what was measured of it.
    keep : float
        What has to be kept, in (0, 1).

    Raises
    ------
    UsageError
        No corruption, or a severity of the rule is missing.
    """
    check_kind("report", report, RobustnessReport, "a RobustnessReport")
    check_share("keep", keep)
    missing = sorted(set(SEVERITIES) - set(report.severities))
    if missing or not report.perturbations:
        lacks = f"severity {missing[0]}" if missing else "every corruption"
        raise UsageError(
            f"{report.model['path']}: a verdict takes severities {listed(map(str, SEVERITIES))} "
            f"of the corruptions, and {lacks} was not measured"
        )
    levels = [report.severities.index(severity) for severity in SEVERITIES]
    cells: NDArray[Any] = ~report.wrong[:, :, levels]
    clean: NDArray[Any] = ~report.clean_wrong
    if not report.of_classes:
        clean, every_cell = report.right_shares
        cells = every_cell[:, :, levels]
    guess, seed = guessing(report), int(report.settings["seed"])
    images, corruptions = cells.shape[:2]
    accuracy = _clean(clean)
    # Means over severities first, then the single severities of each corruption.
    rows = np.concatenate([cells.mean(axis=2), cells.reshape(images, -1)], axis=1)
    resampled = resampled_kept(clean, rows, guess, seed)
    every = Spread(resampled.value, *resampled.ends(CONFIDENCE))
    single = Spread(
        *(
            part[corruptions:].reshape(corruptions, -1)
            for part in (every.value, every.low, every.high)
        )
    )
    own = report.of_own_answers
    reason = _reason(accuracy, guess, own=own)
    kinds: dict[str, list[int]] = {}
    for place, name in enumerate(report.perturbations):
        kinds.setdefault(report.settings["kinds"][name], []).append(place)
    kinds = {kind: kinds[kind] for kind in sorted(kinds, key=_place)}
    shares = np.stack([cells[:, places].mean(axis=(1, 2)) for places in kinds.values()], axis=1)
    shares = np.concatenate([shares, cells.mean(axis=2)], axis=1)
    rights = resampled_share(shares, seed)
    spreads = Spread(rights.value, *rights.ends(CONFIDENCE))
    singles = spreads[len(kinds) :]
    groups = {
        kind: _group(
            kind,
            {report.perturbations[place]: place for place in places},
            every,
            resampled,
            spreads[at],
            keep,
            LEAST_IMAGES if reason is None else _images_for_any(accuracy, guess),
            judged=reason is None,
        )
        for at, (kind, places) in enumerate(kinds.items())
    }
    worst = [
        Cell(name, severity, single[place, at])
        for place, name in enumerate(report.perturbations)
        for at, severity in enumerate(SEVERITIES)
    ]
    worst.sort(key=lambda cell: float(np.nan_to_num(cell.kept.value, nan=np.inf)))
    by_name = {
        kind: {report.perturbations[place]: _share(singles[place], images) for place in places}
        for kind, places in kinds.items()
    }
    return Verdicts(
        groups, float(keep), CONFIDENCE, guess, accuracy, by_name, worst, reason,
        own_answers=own, kind=report.task,
    )  # fmt: skip


def guessing(report: RobustnessReport) -> float:
    """Accuracy of guessing: the larger of 1/classes and the share of the commonest label.

    Of several labels and of maps what the best answer without looking gets right; 0 of other tasks.
    """
    if not report.of_classes:
        return 0.0 if report.tally is None else guessed(report.tally, report.task.name)
    commonest = np.unique(report.labels, return_counts=True)[1].max() / len(report.labels)
    classes = report.data.get("classes")
    return float(max(commonest, 1.0 / classes if classes else 0.0))


def percent(share: float) -> str:
    """A share as a percentage, with as many digits as it has."""
    return f"{100 * share:.4g} %"


def _clean(right: NDArray[Any]) -> Accuracy:
    images = len(right)
    low, high = wilson(right.sum(), images, CONFIDENCE)
    return Accuracy(float(right.mean()), float(low), float(high), images)


def _share(spread: Spread, images: int) -> Accuracy:
    return Accuracy(float(spread.value), float(spread.low), float(spread.high), images)


def _reason(clean: Accuracy, guess: float, *, own: bool) -> str | None:
    """Why there is no verdict at all."""
    if clean.n < LEAST_IMAGES:
        return f"a verdict takes at least {LEAST_IMAGES} images, not {clean.n}"
    if clean.low <= guess and own:
        return (
            f"the model gives one and the same answer to {percent(round(guess, 3))} of the "
            "clean images, so that keeping it says little"
        )
    if clean.low <= guess:
        return (
            f"{percent(round(clean.right, 3))} right on clean images is not clearly more than "
            f"guessing gets ({percent(round(guess, 3))})"
        )
    return None


def _images_for_any(clean: Accuracy, guess: float) -> int | None:
    """About how many images a verdict takes where there is none, at least; None if unknown."""
    if clean.low > guess:
        return LEAST_IMAGES
    return images_that_decide(
        np.array([clean.right]), np.array([clean.low]), np.array([np.inf]), guess, clean.n
    )


def _group(
    kind: str,
    places: dict[str, int],
    every: Spread,
    resampled: Resampled,
    right: Spread,
    keep: float,
    least: int | None,
    *,
    judged: bool,
) -> GroupVerdict:
    """The verdict on the corruptions at these places; any verdict takes the `least` images."""
    chosen = list(places.values())
    low = every.low[chosen]
    strict = strict_confidence(CONFIDENCE, len(chosen))
    high = resampled[chosen].ends(strict)[1]
    kept = every[chosen]
    order = np.nan_to_num(kept.value, nan=np.inf)
    weakest = int(order.argmin())
    verdict, since = UNDECIDED, None
    if judged:
        verdict = decision(low, high, keep)
        if kind in GROUPS:
            # Rows of single severities stand behind the means over them.
            first = len(every.value) // (1 + len(SEVERITIES)) + len(SEVERITIES) * chosen[weakest]
            levels = list(range(first, first + len(SEVERITIES)))
            since = _since(resampled[levels].ends(strict)[1], every.value[levels], keep)
    needed = None
    if verdict == UNDECIDED and least is not None:
        needed = images_that_decide(kept.value, low, high, keep, resampled.images)
        # Enough images for any verdict need not decide this one.
        if needed is not None:
            needed = max(needed, least)
        elif not judged and not np.isfinite(np.stack([low, high])).all():
            needed = least
    return GroupVerdict(
        kind,
        verdict,
        float(right.value),
        float(right.low),
        float(right.high),
        {name: every[place] for name, place in places.items()},
        list(places)[weakest],
        kept[weakest],
        since,
        needed,
        float(high[weakest]),
    )


def _since(high: NDArray[np.float64], value: NDArray[np.float64], keep: float) -> int | None:
    """The severity from which on all keep less, by their upper ends.

    From the strongest on each is judged only where those before it fall short, so that nothing but
    the choice of the weakest corruption is to be corrected for. None where less is kept at a milder
    one: it does not begin there.
    """
    since = None
    for at in reversed(range(len(SEVERITIES))):
        if decision(high[[at]], high[[at]], keep) != NOT_ROBUST:
            break
        since = SEVERITIES[at]
    first = len(SEVERITIES) if since is None else SEVERITIES.index(since)
    milder = value[:first].min(initial=np.inf)
    return None if since is None or milder < value[first:].max() else since


def _place(kind: str) -> tuple[int, str]:
    return (GROUPS.index(kind) if kind in GROUPS else len(GROUPS), kind)


def kinds_words(kinds: Iterable[str]) -> str:
    """Groups in a sentence."""
    return listed("your own pictures" if kind == OWN else kind for kind in kinds)


def _named(groups: Iterable[GroupVerdict]) -> str:
    return listed(
        f"{kinds_words([group.kind])} ({group.weakest.replace('_', ' ')})" for group in groups
    )


def _what(groups: Iterable[GroupVerdict]) -> str:
    return "perturbation" if any(group.kind == OWN for group in groups) else "corruption"


def _every(groups: Iterable[GroupVerdict]) -> str:
    """All corruptions of groups; of a group that was measured in part, how many."""
    whole, part, groups = [], [], list(groups)
    for group in groups:
        published = PUBLISHED.get(group.kind, set())
        count = len(published & group.kept.keys())
        if not published or count == len(published):
            whole.append(group)
        else:
            of = f"{count} of {len(published)}" if count else f"{len(group.kept)}, none published"
            part.append(f"{group.kind} ({of})")
    said = [f"every {_what(whole)} of {kinds_words(each.kind for each in whole)}"] if whole else []
    if part:
        said.append(f"every {'one' if whole else _what(groups)} measured of {listed(part)}")
    return listed(said)


def _sentence(groups: Iterable[GroupVerdict], keep: str, images: int, what: str) -> str:
    of: dict[str, list[GroupVerdict]] = {ROBUST: [], NOT_ROBUST: [], UNDECIDED: []}
    for group in groups:
        of[group.verdict].append(group)
    parts = []
    if of[ROBUST]:
        parts.append(f"{_every(of[ROBUST])} keeps at least {keep} of {what}")
    if of[NOT_ROBUST]:
        hold = "each hold" if len(of[NOT_ROBUST]) > 1 else "holds"
        parts.append(
            f"{_named(of[NOT_ROBUST])} {hold} a {_what(of[NOT_ROBUST])} that keeps less than "
            f"{keep} of {what}"
        )
    if of[UNDECIDED]:
        parts.append(f"{_named(of[UNDECIDED])} cannot be decided with {images} images")
    if not of[ROBUST]:
        answer = "No" if of[NOT_ROBUST] else "Undecided"
    else:
        answer = "In part" if of[NOT_ROBUST] or of[UNDECIDED] else "Yes"
    return f"{answer}: {'; '.join(parts)}."
