"""The measures of a ranking: what is known of its models, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..mathematics.kept import LEAST_IMAGES, resampled_kept
from ..mathematics.proportion import wilson
from ..plurals import plural
from ..results.group_verdict import GROUPS, guessing
from ..results.result import ModelResult
from ..results.robustness import resampled_errors
from ..results.spread import Spread
from ..tasks import CLASSES, TASKS
from .gated import wrong_under
from .ranked_files import Entry
from .ranking_pairs import corrupted_right

# What models are ranked by, in words; beside these each group of corruptions that was measured.
MEASURES = {
    "accuracy": "clean accuracy",
    "corrupted": "accuracy under corruptions",
    "kept": "share of clean accuracy beyond guessing that is kept under corruptions",
    "mpe": "mean prediction error under corruptions (mPE)",
    "score": "signed score",
}
BY = (*MEASURES, *GROUPS)


class Known:
    """What is known of some models: measures, the images they are of, and their words."""

    def __init__(self, models: Sequence[Entry]) -> None:
        self.models = models
        self.errors = [each.robustness for each in models if each.robustness is not None]
        self.analyses = [each.analysis for each in models if each.analysis is not None]
        first: list[ModelResult] = [*self.errors[:1], *self.analyses[:1]]
        self.own_answers = bool(first) and first[0].of_own_answers
        task = first[0].task if first else TASKS[CLASSES]
        # What shares under corruptions count.
        self.counted = task.counted_as(own=self.own_answers)
        self.of_classes = not first or first[0].of_classes
        self.right = "accuracy" if self.of_classes else self.counted
        self.kinds = list(dict.fromkeys(self.errors[0].settings["kinds"].values())) if (
            self.errors
        ) else []  # fmt: skip
        # Accuracy is of the images that errors were measured on, where they were.
        self.images = list(first[0].image_ids) if first else []

    @property
    def default(self) -> str:
        """The measure that models are ranked by where none is asked for."""
        if self.errors and self.errors[0].perturbations:
            return "corrupted"
        return "score" if self.analyses else "accuracy"

    @property
    def measured(self) -> dict[str, Any]:
        """Corruptions and severities; empty where there are none."""
        if not self.errors:
            return {}
        first = self.errors[0]
        return {"corruptions": first.perturbations, "severities": first.severities}

    def has(self, by: str) -> bool:
        """Whether a measure is known of any model."""
        return any(self.of(each, by) is not None for each in self.models)

    def of(self, model: Entry, by: str) -> ModelResult | None:
        """The result that a measure of a model is from; None where it is not known."""
        if by == "score":
            return model.analysis
        errors = model.robustness
        if by == "accuracy":
            each = errors if errors is not None else model.analysis
            # Of other tasks than classes an analysis holds no right answers.
            fits = each is not None and list(each.image_ids) == self.images
            fits = fits and (self.of_classes or each is errors)
            return each if fits and not self.own_answers else None
        if errors is None or not errors.perturbations or (by == "mpe" and not self.of_classes):
            return None
        return errors if by in MEASURES or by in self.kinds else None

    def lacks(self, by: str) -> str:
        """Why a measure is not known."""
        if by == "accuracy" and not self.of_classes:
            return f"{self.words(by)} is not known: give files of iaside robustness"
        if by == "accuracy":
            return "accuracy is not known: labels are the models' own answers"
        command = "analyze" if by == "score" else "robustness"
        what = self.words(by)
        if by in GROUPS and self.errors:
            return f"{what} is not known: no corruption of that group was measured"
        return f"{what} is not known of any model; give files of iaside {command}"

    def words(self, by: str) -> str:
        """What a measure is."""
        if by in GROUPS:
            same = self.own_answers and self.of_classes
            return f"{'same answers' if same else self.right} under {by}"
        if by == "corrupted" and self.own_answers and self.of_classes:
            return "share of the model's own answers that stay under corruptions"
        return MEASURES[by] if self.of_classes else MEASURES[by].replace("accuracy", self.right)

    def notes(self, by: str) -> list[str]:
        """What to bear in mind of images and classes."""
        images = [len(each.image_ids) for model in self.models if (each := self.of(model, by))]
        notes = []
        if images and images[0] < LEAST_IMAGES:
            few = plural(images[0], "image is", "images are")
            notes.append(
                f"{images[0]} {few} too few to tell models apart; {LEAST_IMAGES} are needed"
            )
        sizes: set[tuple[int, ...]] = {
            (int(each.settings["height"]), int(each.settings["width"])) for each in self.errors
        }
        sizes |= {tuple(e.settings["size"]) for e in self.analyses if e.settings.get("size")}
        if len(sizes) > 1:
            seen = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
            notes.append(
                f"the models see images of {seen}: corruptions and bands are not of the same pixels"
            )
        classes = {each.data.get("classes") for each in (*self.errors, *self.analyses)}
        if len(classes) > 1:
            notes.append(
                f"the models choose among {', '.join(map(str, sorted(map(str, classes))))} classes"
            )
        return notes


def values_of(model: Entry, known: Known, confidence: float) -> dict[str, Spread]:
    """All that is known of a model."""
    found: dict[str, Spread] = {}
    clean = known.of(model, "accuracy")
    if clean is not None:
        answers = ~clean.clean_wrong
        found["accuracy"] = _spread(answers.mean(), wilson(answers.sum(), len(answers), confidence))
    errors = model.robustness
    if clean is not None and errors is not None and errors.clean_spread is not None:
        found["accuracy"] = _turned(errors.clean_spread)
    if errors is not None and errors.perturbations:
        found["corrupted"] = _turned(errors.damage.mean_error)
        drawn = resampled_kept(
            errors.right_shares[0],
            corrupted_right(errors),
            guessing(errors),
            int(errors.settings["seed"]),
        )
        low, high = drawn.ends(confidence)
        found["kept"] = Spread(drawn.value[0], low[0], high[0])
        if known.of_classes:
            found["mpe"] = errors.damage.mean_mpe
        wrong = np.concatenate([wrong_under(errors, kind) for kind in known.kinds], axis=1)
        groups = _turned(resampled_errors(wrong, errors))
        found |= {kind: groups[at] for at, kind in enumerate(known.kinds)}
    if model.analysis is not None:
        report = model.analysis
        found["score"] = _spread(report.srs_signed, report.intervals.srs_signed)
    return found


def _spread(value: Any, ends: Sequence[Any]) -> Spread:
    return Spread(*(np.asarray(each, np.float64) for each in (value, *ends)))


def _turned(errors: Spread) -> Spread:
    """Right answers from wrong ones."""
    return Spread(1.0 - errors.value, 1.0 - errors.high, 1.0 - errors.low)
