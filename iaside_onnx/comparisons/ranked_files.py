"""What a ranking is made of: results of many models, joined by model, all on one ground.

A ground is what was asked of the models, corruptions or a game, and the images. Results that stand
on another one are left out by name, never mixed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, UsageError, said
from ..listener import Listener
from ..plurals import counted
from ..results.audit import ANALYSIS, ROBUSTNESS, Audit
from ..results.fed import beside, by_subject, fed_otherwise, said_of_files
from ..results.kinds import load_file
from ..results.report import Report
from ..results.result import ModelResult
from ..results.robustness import RobustnessReport
from ..setting_roles import VIEW, settings_apart
from ..spelling import on_command_line
from ..storage.opening import MADE_BY, wrong_kind
from .agreement import Ground, grounds_apart
from .comparable import agreement, contents_of, shared_rows

Ranked = str | Path | Report | RobustnessReport | Audit
KINDS: tuple[type[ModelResult], ...] = (RobustnessReport, Report)
_SUFFIX = "*.h5"
# Settings that say what kind of model was measured.
_TASK = ("task", "head")
# Files that are read side by side.
_AT_ONCE = 4


@dataclass(frozen=True)
class Held:
    """A result and what it is called: the file, or the folder of an audit, that it is from."""

    name: str
    result: ModelResult


@dataclass
class Entry:
    """One model with its results on the ground of each kind."""

    sha256: str
    name: str
    path: str
    files: list[str] = field(default_factory=list)
    robustness: RobustnessReport | None = None
    analysis: Report | None = None


@dataclass(frozen=True)
class LeftOut:
    """A result that stands on another ground than the others, and why."""

    file: str
    model: str
    reason: str


def opened(given: Sequence[Ranked], listener: Listener) -> tuple[list[Held], list[str]]:
    """Results behind paths, in their order, and notes on files of folders that are of other kinds.

    A folder is that of an audit, or one of results: its files and the audits in it count.

    Raises
    ------
    ReportError
        A file that cannot be read, or that is given itself and is of another kind.
    """
    for each in given:
        if not isinstance(each, str | Path | Audit | Report | RobustnessReport):
            raise UsageError(
                f"{type(each).__name__} cannot be ranked; give paths, reports or audits"
            )
    # A path and whether it was named itself, or a result.
    sought: list[Any] = []
    for each in given:
        if isinstance(each, str | Path):
            path = Path(each)
            within = path.is_dir()
            sought += [(one, not within) for one in (_within(path) if within else [path])]
        else:
            sought.append(each)
    held: list[Held] = []
    others: Counter[str] = Counter()
    listener.start(0, len(sought))
    try:
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # each file is read by a process of its own
            for results in pool.map(_opened, sought):
                for found in results:
                    if isinstance(found.result, KINDS):
                        held.append(found)
                    else:
                        others[MADE_BY[found.result.SCHEMA.format]] += 1
                listener.advance(1)
    finally:
        listener.stop()
    notes = [
        f"{counted(count, 'file')} of iaside {command} in the folders, not ranked"
        for command, count in sorted(others.items())
    ]
    return held, notes


def _within(folder: Path) -> list[Path]:
    if (folder / ROBUSTNESS).is_file() and not _holds_several(folder):
        return [folder]
    audits = sorted(each for each in folder.iterdir() if (each / ROBUSTNESS).is_file())
    found = sorted(folder.glob(_SUFFIX)) + audits
    if not found:
        raise ReportError(
            f"{folder}: holds no report and no audit; give a folder of files of iaside robustness "
            "and iaside analyze, or of folders of audits"
        )
    return found


def _holds_several(folder: Path) -> bool:
    """Whether a folder that has the file of an audit has others beside those of an audit."""
    return any(each.name not in (ROBUSTNESS, ANALYSIS) for each in folder.glob(_SUFFIX))


def _opened(sought: Any) -> list[Held]:
    """What is behind a path or in a result; another kind is refused where it was named itself."""
    if isinstance(sought, Audit):
        return _of_audit(sought, sought.folder.name)
    if not isinstance(sought, tuple):
        return [Held(PurePosixPath(sought.model["path"]).stem, sought)]
    path, named = sought
    if path.is_dir():
        return _of_audit(Audit.load(path), str(path))
    result = load_file(path)
    if named and not isinstance(result, KINDS):
        raise wrong_kind(path, result.SCHEMA.format, *(kind.SCHEMA.format for kind in KINDS))
    return [Held(str(path), result)]


def _of_audit(audit: Audit, name: str) -> list[Held]:
    results = [audit.robustness, *([] if audit.analysis is None else [audit.analysis])]
    return [Held(name, each) for each in results]


def on_one_ground(
    held: Sequence[Held], kind: type[ModelResult]
) -> tuple[list[Held], list[LeftOut], list[str]]:
    """The results of a kind that most models share a ground of, those left out, and notes.

    All that are kept hold the same images in the same order: where samples differ, those that all
    have. A sample joins the others if at least half of the smaller one is shared.
    """
    mine = [each for each in held if isinstance(each.result, kind)]
    if not mine:
        return [], [], []
    grounds: list[list[Held]] = []
    reasons: dict[int, str] = {}
    for each in mine:
        for ground in grounds:
            if (reason := _apart(ground[0], each)) is None:
                ground.append(each)
                break
            reasons.setdefault(id(each), reason)
        else:
            grounds.append([each])
    most = max(grounds, key=lambda ground: len(by_subject([each.result for each in ground])))
    left = [each for ground in grounds if ground is not most for each in ground]
    kept, apart = _on_shared_images(most)
    out = [
        LeftOut(
            each.name, str(each.result.model["path"]), _apart(most[0], each) or reasons[id(each)]
        )
        for each in left
    ]
    out += [LeftOut(each.name, str(each.result.model["path"]), why) for each, why in apart]
    images = {len(each.result.image_ids) for each in most} if kept else set()
    shared = len(kept[0].result.image_ids)
    notes = []
    if images - {shared} and len(kept) > 1:
        sizes = sorted({len(each.result.image_ids) for each in most})
        notes.append(
            f"the samples of iaside {MADE_BY[kind.SCHEMA.format]} hold {sizes[0]} to {sizes[-1]} "
            f"images; all is of the {shared} that they share"
        )
    return kept, out, notes


def of_one_task(
    held: Sequence[Held], leading: Sequence[Held], kind: type[ModelResult]
) -> tuple[list[Held], list[LeftOut]]:
    """What is held without those results of a kind that are of another task than the leading ones.

    And these: numbers of several tasks answer different questions, whatever their column.
    """
    if not leading:
        return list(held), []
    kept: list[Held] = []
    out: list[LeftOut] = []
    settings = leading[0].result.settings
    for each in held:
        apart = settings_apart(settings, each.result.settings, only=_TASK)
        if apart and isinstance(each.result, kind):
            reason = f"is of another task: {'; '.join(map(str, apart))}"
            out.append(LeftOut(each.name, str(each.result.model["path"]), reason))
        else:
            kept.append(each)
    return kept, out


def _apart(first: Held, other: Held) -> str | None:
    """What keeps a result from the ground of another, whatever its images; None: nothing."""
    if isinstance(first.result, RobustnessReport) and isinstance(other.result, RobustnessReport):
        grounds = [replace(Ground.of(each), digest="") for each in (first.result, other.result)]
        refusals = grounds_apart(*grounds)[0]
        return f"was measured with {', '.join(refusals)}" if refusals else None
    if isinstance(first.result, Report) and isinstance(other.result, Report):
        agreed = agreement((first.name, first.result), (other.name, other.result))
        apart = "; ".join(map(str, agreed.game))
        return f"plays another game: {apart}" if apart else None
    return None


def _on_shared_images(
    held: Sequence[Held],
) -> tuple[list[Held], list[tuple[Held, str]]]:
    """Results cut down to the images that all share, and those that share too few with them."""
    counts = Counter(each.result.data["digest"] for each in held)
    # The sample of most results first; of equally many the largest, then the first.
    order = sorted(
        held, key=lambda each: (-counts[each.result.data["digest"]], -len(each.result.image_ids))
    )
    kept: list[Held] = []
    apart: list[tuple[Held, str]] = []
    common: set[str] = set()
    for each in order:
        own = set(each.result.image_ids)
        if not kept:
            kept, common = [each], own
            continue
        first = kept[0]
        shared = common & own
        reason = _other_images(first, each)
        if reason is None and 2 * len(shared) < min(len(common), len(own)):
            reason = (
                f"shares {len(shared)} of its {len(own)} images with the {len(common)} of the "
                "others"
            )
        if reason is not None:
            apart.append((each, reason))
            continue
        kept.append(each)
        common = shared
    ids = [image for image in kept[0].result.image_ids if image in common]
    at = {id(each): place for place, each in enumerate(held)}
    kept.sort(key=lambda each: at[id(each)])
    return [Held(each.name, _rows(each.result, ids)) for each in kept], apart


def _other_images(first: Held, other: Held) -> str | None:
    """Why images of the same names are not the same ones; None where they are."""
    pair = (first.name, first.result), (other.name, other.result)
    if first.result.data["digest"] == other.result.data["digest"]:
        return None
    try:
        contents_of(*pair, shared_rows(*pair))
    except ReportError as error:
        return on_command_line(said(error))
    if isinstance(first.result, Report) and isinstance(other.result, Report):
        refusals = agreement((first.name, first.result), (other.name, other.result)).images
        return refusals[0] if refusals else None
    return None


def _rows(result: ModelResult, ids: Sequence[str]) -> ModelResult:
    if list(ids) == list(result.image_ids):
        return result
    place = {image: row for row, image in enumerate(result.image_ids)}
    rows: NDArray[np.intp] = np.array([place[image] for image in ids], np.intp)
    return result.rows(rows)


def joined_models(held: Sequence[Held]) -> tuple[list[Entry], list[str]]:
    """One entry a model, in the order of the results, and what to bear in mind.

    A file that is fed in two ways is two models.

    Raises
    ------
    UsageError
        Two results of one kind of one model on one ground that do not say the same.
    """
    entries: dict[int, Entry] = {}
    notes: list[str] = []
    for each, owner in zip(held, _owners([each.result for each in held]), strict=True):
        result = each.result
        sha256, path = str(result.model["sha256"]), str(result.model["path"])
        entry = entries.setdefault(owner, Entry(sha256, PurePosixPath(path).stem, path))
        slot = "robustness" if isinstance(result, RobustnessReport) else "analysis"
        before = getattr(entry, slot)
        if before is not None:
            if not _same(before, result):
                raise UsageError(_twice(entry, each, slot, before, result))
            notes.append(f"{each.name} says the same of {path} as a file before it; it counts once")
            continue
        setattr(entry, slot, result)
        if each.name not in entry.files:
            entry.files.append(each.name)
    models = list(entries.values())
    _tell_apart(models)
    for model in models:
        if model.robustness is not None and model.analysis is not None:
            fed = fed_otherwise(model.analysis.settings, model.robustness.settings)
            if fed:
                notes.append(f"{model.name}: its score and its errors were measured with {fed}")
    firsts = [model.robustness or model.analysis for model in models]
    return models, notes + said_of_files(firsts, [model.name for model in models])


def _owners(results: Sequence[ModelResult]) -> list[int]:
    """For each result the place of the first one of its model."""
    analyses = [at for at, result in enumerate(results) if isinstance(result, Report)]
    errors = [at for at in range(len(results)) if at not in analyses]
    owners = list(range(len(results)))
    for places in (analyses, errors):
        for group in by_subject([results[at] for at in places]):
            for number in group:
                owners[places[number]] = places[group[0]]
    near = beside([results[at] for at in analyses], [results[at] for at in errors])
    for at, numbers in zip(errors, near, strict=True):
        if numbers:
            owners[at] = owners[analyses[numbers[0]]]
    return owners


def _same(first: ModelResult, other: ModelResult) -> bool:
    names = ("wrong", "change", "predicted", "log_prob")
    return all(
        np.array_equal(getattr(first, name), getattr(other, name))
        for name in names
        if hasattr(first, name)
    )


def _twice(entry: Entry, each: Held, slot: str, first: Any, other: Any) -> str:
    only = [name for name in first.settings if name not in VIEW]
    apart = settings_apart(first.settings, other.settings, only=only)
    which = f" with other {', '.join(a.setting for a in apart[:3])}" if apart else ""
    command = "robustness" if slot == "robustness" else "analyze"
    return (
        f"{each.name}: is a second file of iaside {command} of {entry.path}{which}, which does not "
        f"say the same as {entry.files[0]}; give one of them"
    )


def _tell_apart(models: Sequence[Entry]) -> None:
    """Call models of one file name by the files of their results."""
    counts = Counter(model.name for model in models)
    for model in models:
        if counts[model.name] > 1:
            model.name = Path(model.files[0]).stem
    again = Counter(model.name for model in models)
    for model in models:
        if again[model.name] > 1:
            model.name = model.files[0]
    still = Counter(model.name for model in models)
    for number, model in enumerate(models, 1):
        if still[model.name] > 1:  # of results in memory
            model.name = f"{model.name} #{number}"
