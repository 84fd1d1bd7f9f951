"""What an audit says in words: why, how sure, what was not measured, and what to do now.

Each sentence follows from reports alone; where nothing is known, it says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..mathematics.spacing import LINEAR
from ..plurals import counted, listed, plural
from .banded import spacing_of
from .damage_words import perturbation_name
from .finding import no_finding
from .group_verdict import (
    GROUPS,
    NOT_ROBUST,
    ROBUST,
    UNDECIDED,
    GroupVerdict,
    Verdicts,
    kinds_words,
)
from .places import look
from .report import Report
from .robustness import OWN, RobustnessReport
from .spread import Spread
from .what_helped import WHERE, best_helpers

if TYPE_CHECKING:
    from .damage import DamageReport

# Half of the interval of right answers, in points, at which an audit is sure enough to stop.
NARROW = 5
# Of a corruption.
_SEVERITIES = 5
_THROUGH = re.compile(r"in through bands? [^.;]+")


def why_words(
    found: Verdicts,
    damages: Mapping[str, Sequence[DamageReport]],
    analysis: Report | None,
    *,
    looks: bool = False,
    goes_on: bool = False,
) -> list[str]:
    """Why corruptions hurt: a sentence for one damage of each group that is short.

    It is that of the group's weakest corruption, else the most harmful of those that were measured,
    which is said; `looks` says that these were the weakest when the audit had seen fewer images.
    Groups of which no damage was measured are named. Where there is none at all, that is said, and
    where the evidence lies; `goes_on` says that the audit can be gone on with to measure it.
    """
    hurt = [group for group in worst_first(found) if group.verdict != ROBUST]
    told = [(group, _told(group, damages[group.kind])) for group in hurt if damages.get(group.kind)]
    if told:
        worst = [report for _, report in told]
        rest = [group.kind for group in hurt if not damages.get(group.kind)]
        unknown = [f"{hurts_words(rest).capitalize()} was not measured."] if rest else []
        return [
            *_explained(worst),
            *_stand_ins(told, looks=looks),
            *unknown,
            *_of_fewer(found, worst),
        ]
    if found.groups and not hurt:
        return [evidence_words(analysis)] if analysis is not None else ["Nothing to explain."]
    rest = [] if analysis is None else [evidence_words(analysis)]
    return [f"Not measured yet{'; --resume goes on' * goes_on}.", *rest]


def is_of_weakest(group: GroupVerdict, report: DamageReport) -> bool:
    """Whether a damage is that of the group's weakest corruption, at whatever severity."""
    name = str(report.settings["perturbation"].get("name"))
    # Pictures of one's own may have the folder that they lie in before their name.
    apart = group.kind == OWN and group.weakest.endswith(f"-{name}")
    return name == group.weakest or apart


def _told(group: GroupVerdict, damages: Sequence[DamageReport]) -> DamageReport:
    """The damage that says why a group is hurt; they are given the most harmful first."""
    return next((each for each in damages if is_of_weakest(group, each)), damages[0])


def _stand_ins(told: Sequence[tuple[GroupVerdict, DamageReport]], *, looks: bool) -> list[str]:
    """That another corruption's damage is told than the weakest's, which the verdict names."""
    others = [(group, report) for group, report in told if not is_of_weakest(group, report)]
    if not others:
        return []
    names = listed(perturbation_name(report.settings["perturbation"]) for _, report in others)
    unknown = hurts_words([group.weakest.replace("_", " ") for group, _ in others])
    why = ", the weakest at an earlier look," if looks else ""
    stand = plural(len(others), "stands in for it", "stand in for them")
    return [f"{unknown.capitalize()} was not measured: {names}{why} {stand}."]


def _explained(damages: Sequence[DamageReport]) -> list[str]:
    """A sentence each; what a severity and a band are is said where they first stand."""
    sentences = []
    severity = bands = False
    for report in damages:
        text, level = damage_words(report), report.settings["perturbation"].get("severity")
        name, colon, rest = text.partition(": ")
        if not severity and level is not None and name.endswith(f" {level}"):
            severity = True
            name = f"{name.removesuffix(f' {level}')}, severity {level} of {_SEVERITIES}"
            text = f"{name}{colon}{rest}"
        if not bands and (found := _THROUGH.search(text)):
            bands = True
            last = report.band_names[-1]
            text = (
                f"{text[: found.end()]} (of bands 0 to {last}, low to high frequency)"
                + (text[found.end() :])
            )
        sentences.append(text)
    return sentences


def hurts_words(kinds: Sequence[str]) -> str:
    """What is not known of groups, or of corruptions, of which no damage was measured."""
    return f"why {kinds_words(kinds)} {plural(len(kinds) + (OWN in kinds), 'hurts', 'hurt')}"


def _of_fewer(found: Verdicts, told: Sequence[DamageReport]) -> list[str]:
    """That damages were measured on other images than the verdicts, if they were."""
    counts = sorted({len(each.labels) for each in told} - {found.clean.n})
    if not counts:
        return []
    return [
        f"(Measured on {' and '.join(map(str, counts))} images, not all {found.clean.n}.)"
        if counts[-1] < found.clean.n
        else f"(Measured on {' and '.join(map(str, counts))} images; the verdict is of "
        f"{found.clean.n}.)"
    ]


def damage_words(report: DamageReport) -> str:
    """The sentence of a damage report, behind the name of the perturbation."""
    name, text = perturbation_name(report.settings["perturbation"]), report.sentence()
    start = text[0].lower() if text.startswith("Of ") else text[0]
    return f"{name[0].upper()}{name[1:]}: {start}{text[1:]}"


def confidence_words(report: RobustnessReport) -> str | None:
    """Whether the model knows when it is wrong; None where that was not measured."""
    sure = report.confidences
    if sure is None:
        return None
    wrong, gap = sure.perturbed.when_wrong, sure.perturbed.gap
    if not np.isfinite(wrong.value):
        return "It was never wrong under corruptions."
    points, low, high = (100 * float(end) for end in (gap.value, gap.low, gap.high))
    if low <= 0 <= high:
        whole = "about as sure as right"
        if max(-low, high) > NARROW:
            # Adding 0 to a rounded number leaves no "-0".
            points, low, high = (round(end) + 0.0 for end in (points, low, high))
            whole = f"{points:+.0f} [{low:+.0f}, {high:+.0f}] points surer than right"
    else:
        least, most = sorted(map(abs, (low, high)))
        between = f" [{least:.0f}, {most:.0f}]" if np.isfinite([least, most]).all() else ""
        way = "surer" if points >= 0 else "less sure"
        whole = f"{abs(points):.0f}{between} points {way} than right"
    return (
        f"Where corruptions make it wrong it is still {percent_words(wrong)} sure; over all "
        f"answers under corruptions it is {whole}."
    )


def percent_words(share: Spread) -> str:
    """A share with its interval, if it has one, in whole points."""
    value, low, high = (100 * float(end) for end in (share.value, share.low, share.high))
    if not np.isfinite([low, high]).all():
        return f"{value:.0f} %"
    return f"{value:.0f} % [{low:.0f}, {high:.0f}]"


def evidence_words(report: Report) -> str:
    """Where the evidence of a model lies, in one sentence."""
    silent = no_finding(report)
    if silent is not None:
        return silent
    if report.uniform:
        return "Its evidence lies evenly on all bands."
    order = np.argsort(-report.sid, kind="stable")
    count = 1 + int(np.searchsorted(np.cumsum(report.sid[order]), 0.5 - 1e-9))
    bands = sorted(order[:count].tolist())
    where = band_words(bands, report.band_names)
    ends = report.intervals
    shares = [
        percent_words(Spread(report.sid[band], ends.sid_low[band], ends.sid_high[band]))
        for band in bands
    ]
    spacing = spacing_of(report.settings)
    kind = "" if spacing == LINEAR else f" {spacing} bands"
    return (
        f"On these {counted(len(report.image_ids), 'image')} its evidence lies in {where} of "
        f"{len(report.sid)}{kind} ({listed(shares)})."
    )


def band_words(bands: Sequence[int], names: Sequence[str]) -> str:
    """Bands by their names, runs as "bands 1 to 3"."""
    runs: list[list[int]] = []
    for band in bands:
        if runs and runs[-1][-1] == band - 1:
            runs[-1].append(band)
        else:
            runs.append([band])
    parts = []
    for run in runs:
        first, last = names[run[0]], names[run[-1]]
        parts += [f"{first} to {last}"] if len(run) > 2 else [names[band] for band in run]
    return f"{plural(len(bands), 'band')} {listed(parts)}"


def how_sure(found: Verdicts, available: int | None) -> str:
    """How far the shares of right answers may be off, and what would make them surer."""
    images, widest = found.clean.n, found.widest
    points = 100 * widest.half_width
    wide = round(points, 1) > NARROW
    # Not "±5, and ±5 needs more"; what is ±5.0 when rounded needs no more.
    exact = wide and round(points) <= NARROW
    text = (
        f"{counted(images, 'image')}: ±{points:.{int(exact)}f} points at most for the mean of a "
        f"group ({kinds_words([widest.kind])})."
    )
    if wide:
        text += f" ±{NARROW} needs about {round_up(images * (points / NARROW) ** 2)} images"
        text += "." if available is None else f"; the data holds {available}."
    for group in [] if found.reason is not None else found.groups.values():
        if (until := group.open_until(found.keep)) is not None:
            text += (
                f" {group.weakest.replace('_', ' ').capitalize()} keeps less than "
                f"{100 * found.keep:.4g} % on its own; as the weakest of {len(group.kept)}, which "
                f"the rule allows for, it may keep up to {until}."
            )
    needs = [group.kind for group in found.groups.values() if group.needed]
    if (most := decides(found)) is not None:
        # Without a verdict on any group the estimates are rough, and so is the number.
        about = "about" if found.reason is None else "at least about"
        text += f" A decision on {kinds_words(needs)} needs {about} {most} images."
    return text


def decides(found: Verdicts) -> int | None:
    """About how many images would decide where no verdict is given yet; None: nobody knows."""
    needs = [group.needed for group in found.groups.values() if group.needed]
    return round_up(max(needs)) if needs else None


def stopped_words(stopped: str | None, found: Verdicts, available: int | None) -> list[str]:
    """That an audit left images out, where it was because of time."""
    whole = "images" if available is None else f"{available} images"
    of = f"with {found.clean.n} of the {whole} of the data"
    if stopped == "time":
        return [f"It was stopped by its time limit, {of}."]
    return [f"It was a quick look, {of}."] if stopped == "quick" else []


def round_up(images: float) -> int:
    """A number of images in two figures, rounded up."""
    unit = 10 ** max(0, len(str(int(images))) - 2)
    return int(-(-images // unit) * unit)


def not_measured(
    robustness: RobustnessReport, damages: Sequence[DamageReport], found: Verdicts
) -> list[str]:
    """What an audit says nothing of, each with the option that would measure it."""
    kinds = [each.settings["perturbation"]["kind"] for each in damages]
    own = bool(robustness.settings.get("pairs")) or "folder" in kinds
    gaps = []
    if missing := [kind for kind in GROUPS if kind not in found.groups]:
        gaps.append(f"{listed(missing)}: iaside robustness --corruption imagenet-c")
    if not robustness.attacks and "attack" not in kinds:
        gaps.append("attacks: --attack")
    if found.own_answers and found.kind.same is not None:
        unknown = "accuracy" if found.of_classes else found.kind.kept
        where = "FOLDER of masks" if found.kind.name == "dense" else "FILE"
        gaps.append(f"{unknown}: --labels {where}")
    if not own:
        gaps.append("your own camera and conditions: --perturbed FOLDER")
    return gaps


def worst_first(found: Verdicts) -> list[GroupVerdict]:
    """Groups, the one whose weakest corruption keeps least first."""
    return sorted(
        found.groups.values(),
        key=lambda group: float(np.nan_to_num(group.weakest_kept.value, nan=np.inf)),
    )


def _more_images(found: Verdicts, available: int | None) -> str:
    """What to do where no group falls short, and some are undecided."""
    needs = [group.needed for group in found.groups.values() if group.verdict == UNDECIDED]
    known = [need for need in needs if need is not None]
    if not known:
        return "More images of this kind would hardly decide: what is kept is about the threshold."
    most = max(known)
    of = "" if len(known) == len(needs) else f" on {len(known)} of {len(needs)} groups"
    if available is not None and most > available:
        return (
            f"Audit more images than the {available} of the data: about {round_up(most)} would "
            f"decide{of}."
        )
    return f"Measure more images: about {round_up(most)} would decide{of}."


def next_steps(
    found: Verdicts,
    available: int | None = None,
    reading: Mapping[str, str | None] | None = None,
) -> list[str]:
    """What to do now: what helped networks that were measured, and nothing else.

    `reading` has the options with which images and labels were read, without which they may be
    refused.
    """
    if found.reason is not None and found.own_answers:
        return ["Audit more images, and of more kinds."]
    if found.reason is not None:
        return [
            "Audit more images, or see whether they reach the model as it expects them: "
            f"{look(reading or {})}"
        ]
    short = [group.kind for group in worst_first(found) if group.verdict == NOT_ROBUST]
    if not short:
        return [_more_images(found, available)] if found.of(UNDECIDED) else []
    by_recipe: dict[tuple[str, ...], list[str]] = {}
    unknown = []
    for kind in short:
        named = best_helpers(kind)
        if named:
            by_recipe.setdefault(tuple(each.name for each in named), []).append(kind)
        else:
            unknown.append(kind)
    sentences = [_helped(kinds) for kinds in by_recipe.values()]
    if unknown:
        sentences.append(f"Nothing measured here is known to help against {kinds_words(unknown)}.")
    where = WHERE if found.of_classes else f"classifiers: {WHERE}"
    return [*sentences, f"(Measured on {where}.)"]


def _helped(kinds: Sequence[str]) -> str:
    """What helped against some groups, the same recipes against each."""
    gains = []
    for recipes in zip(*map(best_helpers, kinds), strict=True):
        numbers = "; ".join(recipe.text for recipe in recipes)
        gains.append(f"{recipes[0].words} ({numbers})")
    return f"Against {listed(kinds)}: networks trained with {', or with '.join(gains)}."
