"""The work of an audit: its stages one after the other, each kept on disk as soon as it is done."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import IasideError, OtherRowsError, ReportError, said
from ..images.layouts import names_apart, place_name
from ..inference.inspection import Inspection, inspect
from ..inference.map_meaning import Told
from ..listener import Listener
from ..measure.analysis import analyze
from ..measure.corrupted import asked_corruptions
from ..measure.damage import explain
from ..measure.request import LabelledOptions, Request
from ..measure.robustness import measure_robustness
from ..measure.subject import open_subject
from ..plurals import counted, lasting
from ..results.audit import ANALYSIS, DAMAGE, ROBUSTNESS, Audit
from ..results.group_verdict import GROUPS, KEEP, SEVERITIES, verdicts
from ..results.robustness import RobustnessReport
from ..spelling import option
from ..storage.output_file import whole_file
from ..storage.partial import partial_path
from ..tasks import CLASSES, TASKS, kind_of
from .folder import FREE, NEXT, RECIPE, AuditFolder, as_json
from .found_input import find_input, find_labels
from .plan import (
    ATTACKED,
    EVIDENCE_IMAGES,
    QUERIES,
    TRIAL,
    damage_game,
    damage_passes,
    game,
    is_cut_short,
    is_enough,
    looks,
    passes_of,
    weak_spots,
)
from .stages import EXPLAIN, INPUT, MEASURE, MODEL, MORE, Stages, photos

_CORRUPTIONS = len(asked_corruptions((), ())[0])
# Seconds of a measurement that begins when there are none left: it ends at an image's end.
_LEAST = 1e-3
# Of the time, what finding the preprocessing may take.
_SEARCHING = 0.5
# Of what is asked for, what measurements do not take as it is.
_OWN = (*FREE, "perturbed")
_INSPECTED = ("input", "output", "layout", "size", "set", "task", "head", "ort_extension")


@dataclass
class Work:
    """An audit under way.

    Attributes
    ----------
    asked : dict
        Options that determine the reports, as they were given, now or before.
    running : dict
        Options that say how and where it runs.
    seconds : float
        After which no more images are measured.
    page : bool
        A page is made of the answer.
    past_enough : bool
        An audit that had ended by itself is gone on with, up to `samples` images.
    """

    model: Path
    images: Path
    folder: AuditFolder
    stages: Stages
    asked: dict[str, Any]
    running: dict[str, Any]
    seconds: float = math.inf
    page: bool = True
    past_enough: bool = False
    _began: float = field(default_factory=time.monotonic)
    _options: dict[str, Any] = field(default_factory=dict)
    _begun_before: bool = False

    @property
    def left(self) -> float:
        """Seconds left."""
        return max(0.0, self.seconds - (time.monotonic() - self._began))

    @property
    def _limit(self) -> dict[str, float]:
        """The time left, as a measurement takes it."""
        return {} if self.seconds == math.inf else {"time_budget": max(_LEAST, self.left)}

    @property
    def keep(self) -> float:
        """Share of the accuracy that a robust model keeps."""
        return float(self.asked.get("keep", KEEP))

    @property
    def quick(self) -> bool:
        """One look, and nothing else."""
        return bool(self.asked.get("quick", False))

    @property
    def _perturbed(self) -> dict[str, Any]:
        """Pictures of the user's own, beside the corruptions that are made."""
        given = self.asked.get("perturbed", ())
        return {"perturbed": given, "corruption": "imagenet-c"} if given else {}

    @property
    def _given(self) -> dict[str, Any]:
        """What was asked for, as measurements take it."""
        return _as_options({name: self.asked[name] for name in self.asked if name not in _OWN})

    def run(self) -> None:
        """All stages, as far as they are not done yet and time goes."""
        model = self._look_at_model()
        available = self._look_at_input(model)
        report = self._measured_before()
        self._begun_before = report is not None
        ended = self.folder.about.get("stopped_by") in ("enough", "images")
        if report is None:
            report = self._trial(available)
        for look in self._ahead(available):
            report = self._measure(look, report)
            if not self.quick:
                self._explain(report, available)
            if not self.left or _held(report) < look:
                stopped = "time"
                break
            if not (ended and self.past_enough) and is_enough(verdicts(report, keep=self.keep)):
                stopped = "enough"
                break
        else:
            stopped = "quick" if self.quick else "images"
        self.folder.write(stopped_by=stopped)

    def _ahead(self, images: int) -> list[int]:
        """The looks, and those that an earlier run was in, which are gone on with as they were."""
        planned = list(looks(images, quick=self.quick))
        known, begun = self._measured_before(), self.folder.look
        measured = 0 if known is None else known.settings["samples"]
        before = {look for look in (measured, begun) if look and look <= planned[-1]}
        if not before or self.quick:
            return planned
        return sorted(before | {look for look in planned if look > max(before)})

    def conclude(self) -> Audit:
        """The answer of what is there, written into the folder as summary and page."""
        audit = Audit.load(self.folder.path)
        audit.save_summary()
        if self.page:
            from ..page.page import save_audit_page  # loads what makes pages

            save_audit_page(audit)
        return audit

    def _look_at_model(self) -> Inspection:
        """Open the model and say what it is; refuse the folder of another one."""
        # What an earlier run wrote down counts as given too.
        Request.of(LabelledOptions, self._given, self.model, self.images, None)
        named = {name: self._given[name] for name in _INSPECTED if name in self._given}
        found_before = self.folder.about.get("found", {})
        named = {name: found_before[name] for name in ("task",) if name in found_before} | named
        told = Told.by(self.asked.get("labels"), self.asked.get("class_names"))
        found = inspect(self.model, **named, told=told, settled=True)
        before = self.folder.about.get("sha256", found["sha256"])
        if before != found["sha256"]:
            raise ReportError(
                f"{self.folder.path}: holds the audit of another model "
                f"({self.folder.about.get('model')}); give another folder, or "
                f"{option('overwrite', True)}"
            )
        size, tried = found["size"] or [], found["size_tried"]
        sides = "x".join(map(str, size))
        if None in size:
            sides = "size left free"
            sides += f" ({'x'.join(map(str, tried))} is taken)" if tried else ""
        types = [each["dtype"] for each in found["inputs"] if each["layout"] is not None]
        batch = "any batch" if found["batch"] == "dynamic" else f"batch {found['batch']}"
        task = self.asked.get("task") or found["task"]
        classes = "classes unknown" if found["classes"] is None else f"{found['classes']} classes"
        if task in TASKS and task != CLASSES:
            classes = kind_of(task, found["head"]).what
        if (heads := self._given_classes) is not None:
            classes = f"an embedding, with classes by {heads}"
        self.stages.say(MODEL, ", ".join([classes, sides, batch, *types]))
        return found

    @property
    def _given_classes(self) -> str | None:
        """The option that makes classes of embeddings, as it was given; None without one."""
        given = (name for name in ("fit_classes", "class_embeddings") if self.asked.get(name))
        return next((option(name, self.asked[name]) for name in given), None)

    def _look_at_input(self, model: Inspection) -> int:
        """Find preprocessing and labels, unless that is done; how many images there are to use."""
        about, recipe = self.folder.about, self.folder.file(RECIPE)
        before = self.folder.has_measured and "input" in about
        if not before:
            classes = model["classes"] if self._given_classes is None else None
            task = self.asked.get("task") or model["task"]
            found = find_input(
                self.model, self.images, classes, self.asked, self.stages, task, model["head"],
                self.left * _SEARCHING, model["range_hint"],
            )  # fmt: skip
            # From here on there is something to go on from.
            self.folder.write(
                model=str(self.model), sha256=model["sha256"], images=str(self.images),
                input=found.words, found=as_json(found.options), recipe=found.recipe,
                available=found.available,
            )  # fmt: skip
        about = self.folder.about
        self.stages.say(INPUT, about["input"])
        self._options = _as_options(
            {**self._given, **about["found"], **self.running, "sampling": "nested"}
        )
        if about["recipe"]:
            with whole_file(recipe) as scratch:
                scratch.write_text(about["recipe"], encoding="utf-8")
            self._options["preprocess"] = str(recipe)
        available = int(about["available"])
        if before:
            self._check_images(available)
        self.folder.write(keep=self.keep, asked=as_json(self.asked))
        return min(self.asked.get("samples") or available, available)

    def _check_images(self, available: int) -> None:
        """Refuse to go on from what was measured of other images, or with other labels."""
        if self.asked.get("labels") is None:  # those that are there now
            kind = kind_of(str(self._options.get("task", CLASSES)))
            labels = find_labels(self.images, self.asked, kind, Listener())
            self._options.pop("labels", None)
            self._options |= {} if labels is None or not kind.labelled else {"labels": str(labels)}
        known = self._measured_before()
        if known is None:  # the measurement that goes on looks for itself
            return
        options = {**self._options, "samples": known.settings["samples"], "listener": Listener()}
        request = Request.of(LabelledOptions, options, self.model, self.images, None)
        sample = open_subject(request).sample
        digest = known.run.get("sample_digest", known.data["digest"])
        if sample.digest() != digest or len(sample.source.ids) != available:
            raise ReportError(
                f"{self.folder.path}: was measured on other images than those of {self.images}, "
                "or with other labels; give another folder, or "
                f"{option('overwrite', True)} to start again"
            )

    def _measured_before(self) -> RobustnessReport | None:
        """What an earlier run measured; a finished look takes its place first."""
        ahead, target = self.folder.file(NEXT), self.folder.file(ROBUSTNESS)
        if ahead.is_file():
            ahead.replace(target)
        return RobustnessReport.load(target) if target.is_file() else None

    def _robustness(self, images: int, **given: Any) -> RobustnessReport:
        return measure_robustness(
            self.model, self.images,
            **{**self._options, **self._perturbed, "samples": images, "severity": SEVERITIES,
               "attack": "none", **given},
        )  # fmt: skip

    def _trial(self, available: int) -> RobustnessReport | None:
        """Measure very few images, to say how long the first look will take."""
        if partial_path(self.folder.file(NEXT)).exists():  # begun before, and said then
            return None
        self.stages.say(MEASURE, "trial: how fast is it here?")
        # What there is to warn of is said of the first look.
        first = next(looks(available, quick=self.quick))
        report = self._robustness(min(TRIAL, first), listener=Listener())
        passes = 1 + len(report.perturbations) * len(SEVERITIES)
        pace = report.run["seconds"] / (len(report.image_ids) * passes)
        seconds = pace * passes * first
        size = [report.settings[name] for name in ("height", "width", "channels")]
        played = min(EVIDENCE_IMAGES, available) * (
            passes_of(game(*size)) + len(GROUPS) * damage_passes(damage_game(*size))
        )
        whole = pace * (passes * available + (0 if self.quick else played))
        text = f"about {lasting(seconds)} for {first} of {photos(available)}"
        if seconds > self.left:
            few = max(TRIAL // 2, int(self.left / (pace * passes)))
            text += f", and the time left is enough for about {min(few, first)}"
        elif whole > self.seconds:
            text += f", and more of them until {lasting(self.seconds)} are over"
        elif not self.quick:
            text += f", {lasting(whole)} for all of it"
        self.stages.say(MEASURE, f"{1 / pace:,.0f} passes/s: {text}")
        return report

    def _measure(self, look: int, known: RobustnessReport | None) -> RobustnessReport:
        """The accuracy under corruptions at a look, of which `known` images are done already."""
        target = self.folder.file(ROBUSTNESS)
        if known is not None and target.is_file() and known.settings["samples"] >= look:
            if _held(known) >= look:
                return known
            if known.settings["samples"] > look:  # cut short, and not all of it is in this look
                known = None
        levels = ", ".join(map(str, SEVERITIES))
        rows = len(known.perturbations) if known is not None else _CORRUPTIONS
        text = f"{photos(look)} x {counted(rows, 'corruption')} x severities {levels}"
        listener = self.stages.of(MORE if target.is_file() else MEASURE, text)
        ahead = self.folder.file(NEXT)
        self.folder.begin(look)
        given: dict[str, Any] = {"target": ahead, "resume": True, "listener": listener}
        try:
            report = self._robustness(look, known=known, **given, **self._limit)
        except OtherRowsError as error:
            if self._begun_before:
                raise ReportError(
                    f"{self.folder.path}: was measured otherwise than it would be now: "
                    f"{error.apart}; go on with what it was measured with, give another folder, or "
                    f"{option('overwrite', True)} to start again"
                ) from error
            # Of this very run, where more images showed the file to be read in another way.
            report = self._robustness(look, **given, **self._limit)
        ahead.replace(target)
        self.folder.forget_the_replaced()
        return report

    def _explain(self, report: RobustnessReport, available: int) -> None:
        """Where the evidence lies, why weak spots hurt, and attacks, as far as that is not known.

        The images are the same at every look, however many there are in it.
        """
        size = [report.settings[name] for name in ("height", "width", "channels")]
        pace = report.run["seconds"] / max(1, report.run["forward_passes"])
        images, settings = min(EVIDENCE_IMAGES, available), game(*size)
        self._play(pace, ANALYSIS, "evidence", analyze, images, settings)
        settings = damage_game(*size)
        for spot in weak_spots(report, verdicts(report, keep=self.keep)):
            what = {"corruption": spot.name, "severity": spot.severity}
            if spot.severity is None:
                places = self._places_of(spot.name)
                if len(places) != 1:
                    self.stages.warn(f"{spot.name} is not explained: {len(places)} places have it")
                    continue
                what = {"perturbed": places[0]}
            if any(self.folder.file(f"{DAMAGE}/{name}").is_file() for name in spot.files):
                continue
            self._play(
                pace, f"{DAMAGE}/{spot.file}", spot.words, explain, images,
                settings, **what,
            )  # fmt: skip
        for name in self.asked.get("attack", ()):
            self._play(
                pace, f"{DAMAGE}/{name}.h5", name, explain, min(ATTACKED, available),
                settings, attack=name, queries=QUERIES,
            )  # fmt: skip

    def _places_of(self, name: str) -> list[str]:
        """Where pictures of one's own lie that results call so."""
        given = self.asked.get("perturbed", ())
        paths = list(map(Path, given))
        named = zip(given, map(place_name, paths), names_apart(paths), strict=True)
        return [place for place, *names in named if name in names]

    def _play(
        self,
        pace: float,
        name: str,
        what: str,
        measure: Callable[..., Any],
        images: int,
        settings: dict[str, Any],
        **given: Any,
    ) -> None:
        """Measure something that the answer can be without, unless it is there.

        It is measured whole or, where it does not fit in the time that is left, not at all.
        """
        target = self.folder.file(name)
        of_game = damage_passes if measure is explain else passes_of
        passes = of_game(settings) + given.get("queries", 0)
        if target.is_file() or pace * images * passes > self.left:
            return
        target.parent.mkdir(exist_ok=True)
        text = f"{photos(images)} x {passes} passes: {what}"
        listener = self.stages.of(EXPLAIN, text)
        options = {**self._options, **settings, **given, "samples": images, "resume": True}
        try:
            measure(self.model, self.images, target, **{**options, "listener": listener})
        except IasideError as error:
            self.stages.warn(f"{name} is not measured: {said(error)}")


def _held(report: RobustnessReport) -> int:
    """How many images of its look a report holds: all, unless it was cut short."""
    return len(report.image_ids) if is_cut_short(report) else int(report.settings["samples"])


def _as_options(values: dict[str, Any]) -> dict[str, Any]:
    """Options that may have been JSON values."""
    return {
        name: tuple(value) if name == "size" and isinstance(value, list) else value
        for name, value in values.items()
    }
