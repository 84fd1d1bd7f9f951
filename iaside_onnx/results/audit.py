"""The answer of ``iaside audit``: a folder of reports read back, and what they say together.

The folder holds ordinary files that every command reads: ``robustness.h5``, ``analysis.h5`` where
there was time for it, ``damage/*.h5``, and ``audit.json`` with what was asked and found of the
input. Every number here follows from the reports.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..errors import ReportError
from ..spelling import folder_word, path_word, words
from ..storage.opening import is_folder
from ..storage.output_file import whole_file
from . import kinds
from .audit_about import read_about
from .audit_words import (
    confidence_words,
    damage_words,
    decides,
    how_sure,
    hurts_words,
    is_of_weakest,
    next_steps,
    not_measured,
    stopped_words,
    why_words,
)
from .damage import DamageReport
from .fed import fed_otherwise
from .group_verdict import (
    GROUPS,
    KEEP,
    ROBUST,
    SEVERITIES,
    Verdicts,
    verdicts,
)
from .places import reading
from .report import Report
from .result import ModelResult
from .robustness import OWN, RobustnessReport
from .shown import Shown
from .suggested_gate import SuggestedGate, suggested_gate

ROBUSTNESS, ANALYSIS, DAMAGE = "robustness.h5", "analysis.h5", "damage"
ABOUT, SUMMARY, PAGE = "audit.json", "summary.json", "index.html"
_MOST_DAMAGES = 200


@dataclass(frozen=True, kw_only=True)
class Audit(Shown):
    """What an audit measured of one model, and its answer.

    Attributes
    ----------
    folder : Path
        Where the reports are, as it was named.
    robustness : RobustnessReport
    analysis : Report or None
        Where the evidence lies; None where there was no time for it.
    damages : list of DamageReport
        Why single perturbations hurt, in the order of the names of their files.
    files : list of str
        Paths of the reports within the folder.
    about : dict
        Content of ``audit.json``; of these keys, all optional, something is read here: ``keep``
        (of the rule), ``available`` (images in the data), ``stopped_by``, and ``model`` and
        ``images`` (paths as they were given).
    kept : bool
        The folder is still there for commands to go on from.
    """

    folder: Path
    robustness: RobustnessReport
    analysis: Report | None = None
    damages: list[DamageReport] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    kept: bool = True

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read the folder of an audit.

        Raises
        ------
        ReportError
            No folder, no ``robustness.h5`` in it, or a file in it that cannot be read or is of
            another model or of other images.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise ReportError(f"{folder}: no such folder of an audit")
        main = folder / ROBUSTNESS
        if not main.is_file():
            raise ReportError(
                f"{is_folder(folder)} (the folder of an audit would hold a {ROBUSTNESS})"
            )
        paths = [path for path in audit_files(folder) if path.is_file()]
        if len(paths) > _MOST_DAMAGES:
            raise ReportError(f"{folder / DAMAGE}: holds {len(paths)} files; is this an audit's?")
        results = {path: kinds.load_file(path) for path in paths}
        robustness = _of_kind(main, results.pop(main), RobustnessReport)
        analysis = results.pop(folder / ANALYSIS, None)
        if analysis is not None:
            _of_kind(folder / ANALYSIS, analysis, Report)
        for path, result in [(folder / ANALYSIS, analysis), *results.items()]:
            if result is not None and result.model.get("sha256") != robustness.model["sha256"]:
                raise ReportError(
                    f"{path}: is of another model than {main}; keep the reports of one audit in "
                    "one folder"
                )
            fed = result and fed_otherwise(result.settings, robustness.settings, fitted=False)
            if fed:
                raise ReportError(
                    f"{path}: was measured with {fed} than {main}; keep the reports of one audit "
                    "in one folder"
                )
        _check_one_sample({main: robustness, folder / ANALYSIS: analysis, **results})
        return cls(
            folder=folder,
            robustness=robustness,
            analysis=analysis,
            damages=[_of_kind(path, result, DamageReport) for path, result in results.items()],
            files=[path.relative_to(folder).as_posix() for path in paths],
            about=_about(folder / ABOUT),
        )

    @property
    def model(self) -> dict[str, Any]:
        """Path and SHA-256 of the model."""
        return self.robustness.model

    @property
    def data(self) -> dict[str, Any]:
        """Source and digest of the images."""
        return self.robustness.data

    @property
    def available(self) -> int | None:
        """Images that the data holds, where the audit wrote that down."""
        found: int | None = self.about.get("available")
        return found

    @cached_property
    def verdicts(self) -> Verdicts:
        """The verdict on each group of corruptions; see `group_verdict.verdicts`."""
        return verdicts(self.robustness, keep=float(self.about.get("keep", KEEP)))

    @property
    def reports(self) -> list[ModelResult]:
        """All reports of the folder."""
        return [each for each in (self.robustness, self.analysis, *self.damages) if each]

    def damages_of(self, kind: str) -> list[DamageReport]:
        """The damage reports of the corruptions of a group, the most harmful first."""
        chosen = [each for each in self.damages if self._kind_of(each) == kind]
        return sorted(chosen, key=lambda each: -float(each.damage.value))

    def _kind_of(self, report: DamageReport) -> str | None:
        """The group of a damage; that of pictures of one's own, whatever tells them apart here."""
        kinds_of, of = self.robustness.settings["kinds"], report.settings["perturbation"]
        if of["kind"] == "folder" and of["name"] not in self.robustness.own:
            return OWN
        found: str | None = kinds_of.get(of.get("name"))
        return found

    @property
    def why(self) -> list[str]:
        """Why it is not robust, in sentences; what is not measured yet is said."""
        kinds = self.verdicts.groups
        damages = {kind: self.damages_of(kind) for kind in kinds}
        goes_on = self.kept and self._more() is not None
        looks = "stopped_by" in self.about
        return why_words(self.verdicts, damages, self.analysis, looks=looks, goes_on=goes_on)

    @property
    def confidence(self) -> str | None:
        """Whether the model knows when it is wrong; None where that was not measured."""
        return confidence_words(self.robustness)

    @property
    def how_sure(self) -> str:
        """How far the answer may be off, and what would make it surer."""
        stopped = stopped_words(self.about.get("stopped_by"), self.verdicts, self.available)
        found = self.about.get("input")
        given = [] if found is None else [f"Preprocessing: {found}."]
        note = self.robustness.clean_note
        held = [] if note is None else [f"{note[:1].upper()}{note[1:]}."]
        return " ".join([how_sure(self.verdicts, self.available), *stopped, *held, *given])

    @property
    def not_measured(self) -> list[str]:
        """What this audit says nothing of, each with the option that would measure it."""
        resume = " ".join(self._more() or [])
        gaps = [f"{each}: {resume}" for each in self._unexplained]
        return gaps + not_measured(self.robustness, self.damages, self.verdicts)

    @property
    def next(self) -> list[str]:
        """What to do now, in sentences that rest on measurements alone."""
        given = reading(self.data, self.robustness.run)
        return next_steps(self.verdicts, self.available, given)

    @property
    def commands(self) -> dict[str, list[str]]:
        """The words of commands that go on from here, by name, as far as there is one.

        "audit" measures what was left out; "again" audits another model; "compare" and "gate" take
        this answer further.
        """
        if not self.kept:
            return {}
        names = ("again", "compare", "gate") if self.verdicts.reason is None else ()
        found = {name: self.command(name) for name in names}
        more = self._more()
        if more is None or not {"model", "images"} <= self.about.keys():
            return found
        model, images = (path_word(self.about[name]) for name in ("model", "images"))
        folder = path_word(self.folder)
        if "?" in images and not Path(images).exists():  # it stands for bytes that are no text
            return found
        return {"audit": ["iaside", "audit", model, images, "-o", folder, *more], **found}

    def _more(self) -> list[str] | None:
        """Options with which the audit would measure more; None where it would not."""
        stopped = self.about.get("stopped_by")
        if stopped in ("time", "quick") or self._unexplained:
            return words("resume", True) + (words("time", "10m") if stopped != "quick" else [])
        enough = decides(self.verdicts)
        if stopped not in ("enough", "images") or enough is None:
            return None
        if self.available is None or not self.verdicts.clean.n < enough <= self.available:
            return None
        return words("resume", True) + words("samples", enough)

    @property
    def _unexplained(self) -> list[str]:
        """Of an audit that can be gone on with: what says why, and was not measured."""
        if "stopped_by" not in self.about:
            return []
        found = self.verdicts
        hurt = [
            group for kind, group in found.groups.items()
            if kind in GROUPS and group.verdict != ROBUST
            and not any(is_of_weakest(group, each) for each in self.damages_of(kind))
        ]  # fmt: skip
        kinds = [each.kind for each in hurt if not self.damages_of(each.kind)]
        weakest = [each.weakest.replace("_", " ") for each in hurt if self.damages_of(each.kind)]
        evidence = [] if self.analysis is not None else ["where the evidence lies"]
        return evidence + ([hurts_words([*kinds, *weakest])] if hurt else [])

    def command(self, name: str) -> list[str]:
        """The words of a command that goes on from here: "again", "compare" or "gate"."""
        folder = folder_word(self.folder)
        if name == "again":
            beside = folder_word(_beside(self.folder))
            return ["iaside", "audit", "NEWMODEL", "IMAGES", "-o", beside]
        if name == "compare":
            return ["iaside", "compare", folder, folder_word(_beside(self.folder))]
        return ["iaside", "gate", folder, *self.gate.words]

    @property
    def gate(self) -> SuggestedGate:
        """The bound that the command "gate" holds the model to."""
        return suggested_gate(self.robustness, self.verdicts)

    def summary(self) -> dict[str, Any]:
        """The answer as plain JSON values: the content of ``summary.json``."""
        found = self.verdicts
        groups = found.groups.values()
        return {
            "model": {key: self.model.get(key) for key in ("path", "sha256")},
            "data": {
                key: self.data.get(key) for key in ("source", "digest", "samples", "classes")
            },
            "accuracy": _accuracy(found),
            "groups": {
                group.kind: group.json(own_answers=found.accuracy is None) for group in groups
            },
            "worst": [cell.json() for cell in found.worst],
            "score": self._score(),
            "bands": self._bands(),
            "damage": {group.kind: list(map(_damage, self.damages_of(group.kind)))
                       for group in groups},
            "confidence": self._confidence(),
            "sentence": found.sentence,
            "verdict": {group.kind: group.verdict for group in groups},
            "verdict_rule": {
                "keep": found.keep,
                "severities": list(SEVERITIES),
                "confidence": found.confidence,
                "guessing": found.guess,
                "text": found.text,
            },
            "weakest": {group.kind: group.weakest for group in groups},
            "why": " ".join(self.why),
            "not_measured": self.not_measured,
            "how_sure": self.how_sure,
            "next": " ".join(self.next),
            "reports": self.files,
            "seconds": math.fsum(float(each.run.get("seconds", 0.0)) for each in self.reports),
            "forward_passes": sum(int(each.run.get("forward_passes", 0)) for each in self.reports),
        }  # fmt: skip

    def save_summary(self) -> Path:
        """Write `summary` into the folder, in place of one that is there.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        ReportError
            It cannot be written.
        """
        target = self.folder / SUMMARY
        with whole_file(target) as scratch:
            scratch.write_text(json.dumps(self.summary(), indent=2) + "\n", encoding="utf-8")
        return target

    def _confidence(self) -> dict[str, Any] | None:
        sure = self.robustness.confidences
        if sure is None:
            return None
        return {"untouched": sure.clean.summary(), "corrupted": sure.perturbed.summary()}

    def _score(self) -> dict[str, Any] | None:
        report = self.analysis
        if report is None or not report.precondition.holds:
            return None
        low, high = report.intervals.srs_signed
        return {
            "srs": float(report.srs),
            "srs_signed": float(report.srs_signed),
            "low": float(low),
            "high": float(high),
            "range": list(map(float, report.srs_range)),
        }

    def _bands(self) -> list[dict[str, Any]] | None:
        report = self.analysis
        if report is None or not report.precondition.holds:
            return None
        ends = report.intervals
        columns = (report.sid, ends.sid_low, ends.sid_high, report.shapley)
        return [
            {"band": name, "sid": float(sid), "low": float(low), "high": float(high),
             "shapley": float(shapley)}
            for name, sid, low, high, shapley in zip(report.band_names, *columns, strict=True)
        ]  # fmt: skip


def audit_files(folder: Path) -> list[Path]:
    """Files of reports in the folder of an audit, of which those of later stages may be missing."""
    return [folder / ROBUSTNESS, folder / ANALYSIS, *sorted((folder / DAMAGE).glob("*.h5"))]


def _of_kind(path: Path, result: Any, kind: type[Any]) -> Any:
    if not isinstance(result, kind):
        raise ReportError(
            f"{path}: is a {type(result).__name__}, and a {kind.__name__} belongs here"
        )
    return result


def _accuracy(found: Verdicts) -> dict[str, Any]:
    """On clean images; null where labels are the model's own answers."""
    if found.accuracy is None:
        return {"right": None, "low": None, "high": None, "n": found.clean.n}
    return found.accuracy.json()


def _check_one_sample(results: Mapping[Path, Any]) -> None:
    """Refuse reports that give one name to images of other contents, or of other classes.

    Where a report holds no digests of its images, the one of all of them is compared with those of
    the others, if these hold all of its images.
    """
    seen: dict[str, tuple[Path, bytes]] = {}
    labels: dict[str, tuple[Path, int]] = {}
    there = {path: result for path, result in results.items() if result is not None}
    for path, result in there.items():
        # Answers of the model in place of labels may differ by a hair between two runs.
        given = (
            []
            if result.of_own_answers
            else zip(result.image_ids, result.labels.tolist(), strict=True)
        )
        for name, label in given:
            first, known = labels.setdefault(name, (path, label))
            if known != label:
                raise _other_images(path, first, f"{name} is of class {label}, there of {known}")
        if result.image_digests is None:
            continue
        for name, content in zip(result.image_ids, result.image_digests, strict=True):
            first, kept = seen.setdefault(name, (path, content.tobytes()))
            if kept != content.tobytes():
                raise _other_images(path, first, f"{name} has other contents")
    for path, result in there.items():
        if result.image_digests is None and seen and set(result.image_ids) <= set(seen):
            contents = np.frombuffer(b"".join(seen[name][1] for name in result.image_ids), np.uint8)
            contents = contents.reshape(len(result.image_ids), -1)
            if replace(result, image_digests=contents).computed_digest() != result.data["digest"]:
                raise _other_images(path, seen[result.image_ids[0]][0], "their contents differ")


def _other_images(path: Path, first: Path, how: str) -> ReportError:
    return ReportError(
        f"{path}: is of other images than {first} ({how}); keep the reports of one audit in one "
        "folder"
    )


def _damage(report: DamageReport) -> dict[str, Any]:
    """What `summary` says of a damage report."""
    summary = report.summary()
    keys = ("perturbation", "unit", "clean", "perturbed", "damage", "bands")
    return {**{key: summary[key] for key in keys}, "sentence": damage_words(report)}


def _about(path: Path) -> dict[str, Any]:
    """What was asked and found; empty where it is not there."""
    try:
        return read_about(path)
    except FileNotFoundError:
        return {}


def _beside(folder: Path) -> Path:
    """Where the audit of the next version may go."""
    if folder.name not in ("", ".."):
        return folder.with_name(f"{folder.name}-2")
    return folder / ".." / f"{folder.resolve().name or 'audit'}-2"
