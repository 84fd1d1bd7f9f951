"""Audits of several models side by side: what each gets right under the same corruptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import IasideError, ReportError, UsageError, said
from ..mathematics.paired import Difference
from ..plurals import listed
from ..results.audit import ANALYSIS, ROBUSTNESS, Audit
from ..results.group_verdict import SEVERITIES, Verdicts, percent, verdicts
from ..results.robustness import RobustnessReport
from ..results.shown import Shown
from ..spelling import command_text, path_word
from .agreement import Ground, grounds_apart
from .comparison import compare
from .measured import Differences, paired

# Pairs of files of which one is looked for that can be compared.
_MOST_TRIED = 8


@dataclass(frozen=True)
class AuditPair:
    """One audit compared with the reference, on the images that both measured.

    Attributes
    ----------
    audit, model : str, dict
        The audit's name, and its model.
    shared : int
        Images in both; everything but the verdicts speaks of these alone.
    left_out : dict
        Images of ``reference`` and ``other`` that are not shared.
    clean : Difference or None
        Share of right answers to clean images; None where labels are the models' own answers.
    groups, corruptions : dict of str to Difference
        Share of right answers, or of each model's own answers, under corruptions, mean over
        severities; ``p_holm`` over each family.
    verdicts : dict of str to tuple of str
        The verdict of the reference and of the other, by group, each from all its own images, both
        by the reference's rule.
    scores : list of str
        What `compare` says of the analyses, where both have one of the same game.
    notes : list of str
        What to bear in mind.
    sentence : str
    """

    audit: str
    model: dict[str, Any]
    shared: int
    left_out: dict[str, int]
    clean: Difference | None
    groups: dict[str, Difference]
    corruptions: dict[str, Difference]
    verdicts: dict[str, tuple[str, str]]
    scores: list[str]
    notes: list[str]
    sentence: str


@dataclass(frozen=True)
class AuditComparison(Shown):
    """Result of `compare_audits`.

    Attributes
    ----------
    reference : dict
        ``audit``, ``model``, ``data``.
    confidence : float
        Of the intervals.
    pairs : list of AuditPair
    """

    reference: dict[str, Any]
    confidence: float
    pairs: list[AuditPair]

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        return asdict(self)


def compare_audits(
    reference: str | Path | Audit, *others: str | Path | Audit, confidence: float | None = None
) -> AuditComparison:
    """Compare audits with a reference, image by image.

    Parameters
    ----------
    reference, *others : path or Audit
        Folders of audits; differences are other minus reference.
    confidence : float, optional
        Of the intervals; by default as in the reference. They are those of `gate`: of the score
        test on clean images, and of the paired bootstrap over images under corruptions.

    Raises
    ------
    ReportError
        They were measured under other corruptions, severities or draws, or share fewer than two
        images.
    UsageError
        No audit to compare with, or a confidence that cannot be used.
    """
    if not others:
        raise UsageError("give at least two audits: the reference first, then what to compare")
    audits = [
        each if isinstance(each, Audit) else Audit.load(each) for each in (reference, *others)
    ]
    first = replace(audits[0], robustness=audits[0].robustness.view(confidence=confidence))
    names = _names(audits)
    return AuditComparison(
        {"audit": names[0], "model": first.model, "data": first.data},
        first.robustness.confidence,
        [_pair(names[0], first, *each) for each in zip(names[1:], audits[1:], strict=True)],
    )


def _names(audits: Sequence[Audit]) -> list[str]:
    names = [audit.folder.name for audit in audits]
    return names if len(set(names)) == len(names) else [str(audit.folder) for audit in audits]


def _pair(base: str, reference: Audit, name: str, other: Audit) -> AuditPair:
    first, second = reference.robustness, other.robustness
    notes = _check(base, first, name, second)
    differ = paired((base, first), (name, second), SEVERITIES)
    rows, groups = differ.rows, list(differ.groups)
    rule = reference.verdicts
    found = rule.groups, verdicts(second, keep=rule.keep).groups
    if other.verdicts.keep != rule.keep:
        notes.append(
            f"{name} was audited with a rule of {percent(other.verdicts.keep)}; both are judged "
            f"by that of {base}, {percent(rule.keep)}"
        )
    left_out = {
        "reference": len(first.labels) - len(rows[0]),
        "other": len(second.labels) - len(rows[1]),
    }
    scores, further = _scores(reference, other)
    return AuditPair(
        name,
        second.model,
        len(rows[0]),
        left_out,
        differ.clean,
        differ.groups,
        differ.corruptions,
        {kind: (found[0][kind].verdict, found[1][kind].verdict) for kind in groups},
        scores,
        notes + further,
        _sentence(name, base, differ, first.settings["kinds"], rule, 1 - first.confidence),
    )


def _check(base: str, first: RobustnessReport, name: str, second: RobustnessReport) -> list[str]:
    """Refuse what was measured otherwise; what to bear in mind. The images are paired later."""
    grounds = [replace(Ground.of(report), digest="") for report in (first, second)]
    refusals, notes = grounds_apart(*grounds)
    if refusals:
        raise ReportError(
            f"{name} was measured with {', '.join(refusals)}, so that it cannot be compared with "
            f"{base}; audit both models alike"
        )
    return notes


def _scores(reference: Audit, other: Audit) -> tuple[list[str], list[str]]:
    """What their analyses say side by side, or why they say nothing."""
    if reference.analysis is None or other.analysis is None:
        return [], []
    paths = [audit.folder / ANALYSIS for audit in (reference, other)]
    there = all(path.is_file() for path in paths)
    try:
        given = paths if there else [reference.analysis, other.analysis]
        pair = compare(*given).pairs[0]
    except IasideError as error:
        return [], [f"their scores are not compared: {said(error)}"]
    return list(dict.fromkeys(pair.verdict.values())), pair.notes


def _sentence(
    name: str,
    base: str,
    differ: Differences,
    kinds: Mapping[str, str],
    rule: Verdicts,
    level: float,
) -> str:
    """Groups, then the corruptions that differ otherwise than their group does."""
    groups, single, clean = differ.groups, differ.corruptions, differ.clean
    signs = {kind: _sign(found, level) for kind, found in groups.items()}
    of_groups: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for kind, found in groups.items():
        of_groups[signs[kind]].append(f"{kind} ({_points(found)})")
    apart: dict[int, list[str]] = {1: [], -1: [], 0: []}
    for each, found in single.items():
        sign = _sign(found, level)
        if sign != signs[kinds[each]]:
            apart[sign].append(f"{each.replace('_', ' ')} ({_points(found)})")
    words = ("keeps more", "keeps fewer") if clean is None else ("gets more", "gets fewer")
    what = "of its own answers" if clean is None else "right"
    if not rule.of_classes:
        what = f"of the {rule.answers}"
    parts = [
        f"{name} {way} {what} than {base} under {listed(of_groups[sign])}"
        for way, sign in zip(words, (1, -1), strict=True)
        if of_groups[sign]
    ]
    more, fewer = (listed(apart[sign]) for sign in (1, -1))
    if of_groups[0]:
        whole = " as a whole" if more or fewer else ""
        parts.append(
            f"no difference of {name} and {base} is seen under {listed(of_groups[0])}{whole}"
        )
    if more or fewer:
        told = [f"{way} under {each}" for way, each in (("more", more), ("fewer", fewer)) if each]
        parts.append(f"of single corruptions it {words[0].split()[0]} {', '.join(told)}")
    if clean is None:
        return f"{'; '.join(parts)}. {rule.note}"
    return f"{'; '.join(parts)}; clean: {_points(clean)} points of accuracy."


def _sign(found: Difference, level: float) -> int:
    """1 or -1 where a difference is seen, 0 where none is."""
    if found.p_holm is None or found.p_holm >= level:
        return 0
    return 1 if found.difference > 0 else -1


def _points(found: Difference) -> str:
    low, value, high = (f"{100 * end:+.0f}" for end in (found.low, found.difference, found.high))
    return f"{value} [{low}, {high}]"


def check_alone(folders: Sequence[Path], files: Sequence[Path]) -> None:
    """Refuse folders of audits among files of reports, or among folders that are not there."""
    missing = [path for path in files if not path.exists()]
    if folders and missing:
        raise UsageError(
            f"{missing[0]}: no such folder; make it with iaside audit NEWMODEL IMAGES "
            f"{command_text(['-o', path_word(missing[0])])}"
        )
    if folders and files:
        raise UsageError(
            f"{folders[0]} is the folder of an audit and {files[0]} a file; compare audits with "
            f"audits, or files such as {folders[0] / ANALYSIS}"
        )
    bare = [path for path in folders if not (path / ROBUSTNESS).is_file()]
    if len(bare) > 1 and (pair := _comparable(shared_files(bare[0], bare[1]))):
        raise UsageError(
            f"{bare[0]} and {bare[1]}: are folders of results, not of audits; compare file by "
            f"file, such as {command_text(['iaside', 'compare', *map(path_word, pair)])}"
        )


def _comparable(pairs: Sequence[tuple[Path, Path]]) -> tuple[Path, Path] | None:
    """The first of the pairs that `compare` takes."""
    for pair in pairs[:_MOST_TRIED]:
        try:
            compare(*pair)
        except IasideError:
            continue
        return pair
    return None


def shared_files(first: Path, other: Path) -> list[tuple[Path, Path]]:
    """Files of the same names in two folders of results."""
    names = sorted({path.name for path in first.glob("*.h5")})
    return [(first / name, other / name) for name in names if (other / name).is_file()]
