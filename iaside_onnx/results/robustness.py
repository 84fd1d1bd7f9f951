"""What perturbations cost a model: answers to corrupted and attacked images, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ..mathematics.dense import mean_overlap
from ..mathematics.kept import resampled_share
from ..mathematics.proportion import wilson
from ..mathematics.score import resampled_means
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, ROUNDING, TRUTH, Field, Schema
from .confidence import Confidences, confidences
from .result import CHANGE, DIGESTS, IDS, LABELS, PREDICTED, ModelResult
from .spread import RESAMPLES, Spread, plain
from .tally import MAPS, check_tally

# In `attack_queries`: the image was not among those attacked.
NOT_ATTACKED = -1
# The kind of pictures of the user's own, in `settings["kinds"]`.
OWN = "own"
_ATTACK = {
    "name": rules.is_name,
    "norm": lambda value: value in ("linf", "l2"),
    "epsilon": rules.is_positive,
    "queries": rules.whole(1, rules.MOST_CLASSES),
}
_CELLS = (IMAGE, "perturbation", "severity")
# Version of files of other tasks than classes, and those of classes.
_OF_TASKS, _OF_CLASSES = 3, (1, 2)
SCHEMA = Schema(
    format="iaside-robustness",
    versions=(1, 2, _OF_TASKS),
    header={
        **rules.PERTURBED,
        "attacks": lambda value: (
            isinstance(value, list)
            and len(value) <= rules.MOST_PERTURBATIONS
            and all(map(rules.is_object, value))
        ),
        **rules.OF_ALL,
    },
    inside={
        "settings": {
            "seed": rules.is_seed,
            "confidence": rules.is_share,
            "height": rules.whole(1, rules.MOST_SIDE),
            "width": rules.whole(1, rules.MOST_SIDE),
            "label_offset": rules.whole(-rules.MOST_CLASSES, rules.MOST_CLASSES),
            "temperature": rules.is_positive,
            "kinds": rules.are_kinds,
        },
        **rules.INSIDE,
    },
    counts={"perturbation": "perturbations", "severity": "severities", "attack": "attacks"},
    fields=(
        IDS,
        LABELS,
        PREDICTED,
        Field("log_prob", (IMAGE,), "float32",
              "log-probability of the true class of the clean image", high=0, slack=ROUNDING,
              versions=_OF_CLASSES, optional=True),
        Field("value", (IMAGE,), "float32", "what the clean image is worth, of other tasks",
              versions=(_OF_TASKS,), optional=True),
        Field("share", (IMAGE,), "float32", "share of the answer to it that is right, likewise",
              low=0, high=1, slack=ROUNDING, versions=(_OF_TASKS,), optional=True),
        Field("wrong", _CELLS, TRUTH, "1 where the answer to the corrupted image is wrong"),
        replace(CHANGE, dims=_CELLS),
        Field("corrupted_log_prob", _CELLS, "float32", "as `/log_prob`, of the corrupted image",
              high=0, slack=ROUNDING, versions=_OF_CLASSES, optional=True),
        Field("corrupted_value", _CELLS, "float32", "as `/value`, of the corrupted image",
              versions=(_OF_TASKS,), optional=True),
        Field("corrupted_share", _CELLS, "float32", "as `/share`, of the corrupted image",
              low=0, high=1, slack=ROUNDING, versions=(_OF_TASKS,), optional=True),
        Field("tally", (IMAGE, "number", "class"), "float32",
              "as `clean/tally` of a report, of the clean image", versions=(),
              allowed=(_OF_TASKS,)),
        Field("corrupted_tally", (*_CELLS, "number", "class"), "float32",
              "of maps of classes: as `/tally`, of the corrupted image", low=0, versions=(),
              allowed=(_OF_TASKS,), optional=True),
        Field("attack_wrong", (IMAGE, "attack"), TRUTH,
              "1 where the answer is wrong after the attack"),
        Field("attack_queries", (IMAGE, "attack"), "int32",
              "queries used; 0: wrong before, -1: not attacked", low=NOT_ATTACKED),
        replace(CHANGE, name="attack_change", dims=(IMAGE, "attack"),
                meaning="as `/change`, after the attack"),
        replace(DIGESTS, part_only=False, meaning="SHA-256 of each image's content"),
        Field("max_prob", (IMAGE,), "float32",
              "probability of the model's answer to the clean image", low=0, high=1,
              slack=ROUNDING, optional=True),
        Field("corrupted_max_prob", _CELLS, "float32", "as `/max_prob`, of the corrupted image",
              low=0, high=1, slack=ROUNDING, optional=True),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """Errors and prediction changes with their intervals over images.

    Attributes
    ----------
    errors, mpe : Spread of shape (P, S)
        Share of wrong answers, and mean of ``||Q(.|x') - Q(.|x)||_1``.
    corruption_errors, corruption_mpe : Spread of shape (P,)
        The same, mean over severities.
    mean_error, mean_mpe : Spread of shape ()
        The same, mean over all.
    """

    errors: Spread
    mpe: Spread
    corruption_errors: Spread
    corruption_mpe: Spread
    mean_error: Spread
    mean_mpe: Spread


@dataclass(frozen=True)
class Relative:
    """Errors of a model as shares of a baseline's; 1 is the baseline itself.

    The intervals resample images, the same for both models.

    Attributes
    ----------
    ce, relative_ce : Spread of shape (P,)
    mce, relative_mce : Spread of shape ()
        Their means over corruptions.
    model : dict
        The baseline's.
    notes : list of str
        What to bear in mind about the pair.
    """

    ce: Spread
    mce: Spread
    relative_ce: Spread
    relative_mce: Spread
    model: dict[str, Any]
    notes: list[str]

    def summary(self, names: list[str]) -> dict[str, Any]:
        """Plain JSON values; null where the baseline makes no error, so no ratio is defined."""
        return {
            "model": self.model,
            "mce": self.mce.json(),
            "relative_mce": self.relative_mce.json(),
            "corruptions": [
                {
                    "name": name,
                    "ce": self.ce[row].json(),
                    "relative_ce": self.relative_ce[row].json(),
                }
                for row, name in enumerate(names)
            ],
            "notes": self.notes,
        }


@dataclass(frozen=True, kw_only=True)
class RobustnessReport(ModelResult):
    """Result of ``iaside robustness``: n images, P corruptions, S severities, A attacks.

    What it shares with others is at `ModelResult`.

    Attributes
    ----------
    perturbations : list of str
    severities : list of int
    log_prob : ndarray of float32, shape (n,), or None
        Log-probability of the true class of the clean image; None of other tasks than classes.
    value, share : ndarray of float32, shape (n,), or None
        Of other tasks what the clean image is worth, and which share of the answer is right.
    wrong : ndarray of bool, shape (n, P, S)
        The model's answer to the corrupted image is not the true class.
    change : ndarray of float32, shape (n, P, S)
        ``||Q(.|x') - Q(.|x)||_1``, in [0, 2] (method, section 7).
    corrupted_log_prob : ndarray of float32, shape (n, P, S), or None
        Log-probability of the true class of the corrupted image.
    corrupted_value, corrupted_share : ndarray of float32, shape (n, P, S), or None
        As `value` and `share`, of the corrupted image.
    tally : ndarray of float32, shape (n, numbers, C), or None
        Of several labels and of maps: what clean images are judged by together, see
        `tally.class_numbers`.
    corrupted_tally : ndarray of float32, shape (n, P, S, numbers, C), or None
        The same of corrupted images, of maps alone.
    attacks : list of dict
        ``name`` (such as "square-linf"), ``norm``, ``epsilon`` (in units of pixels in [0, 1]),
        ``queries`` (the budget of an image).
    attack_wrong : ndarray of bool, shape (n, A)
        The answer is wrong after the attack, or was before. False where not attacked.
    attack_queries : ndarray of int32, shape (n, A)
        Queries used: 0 where the answer was wrong before, -1 where the image was not attacked.
    attack_change : ndarray of float32, shape (n, A)
        As `change`, for the attacked image; 0 where it was not attacked.
    max_prob : ndarray of float32, shape (n,), or None
        How sure the model is: the probability of its own answer to the clean image, at the
        temperature of the settings. None in files of early versions.
    corrupted_max_prob : ndarray of float32, shape (n, P, S), or None
        The same of the corrupted image.
    settings : dict
        seed, samples, height, width, channels, preprocess, temperature, confidence, kinds
        (corruption to kind), and the other settings that determine the answers. ``pairs`` where
        rows are pictures of the user's own: ``digest``, and whether there are ``severities``.
    """

    SCHEMA: ClassVar[Schema] = SCHEMA
    OF_OWN_ANSWERS: ClassVar[int] = 2

    perturbations: list[str]
    severities: list[int]
    wrong: NDArray[np.bool_]
    change: NDArray[np.float32]
    attacks: list[dict[str, Any]]
    attack_wrong: NDArray[np.bool_]
    attack_queries: NDArray[np.int32]
    attack_change: NDArray[np.float32]
    log_prob: NDArray[np.float32] | None = None
    corrupted_log_prob: NDArray[np.float32] | None = None
    value: NDArray[np.float32] | None = None
    share: NDArray[np.float32] | None = None
    corrupted_value: NDArray[np.float32] | None = None
    corrupted_share: NDArray[np.float32] | None = None
    max_prob: NDArray[np.float32] | None = None
    corrupted_max_prob: NDArray[np.float32] | None = None
    tally: NDArray[np.float32] | None = None
    corrupted_tally: NDArray[np.float32] | None = None

    def check(self) -> None:
        """Refuse attacks that contradict themselves; see `Result.check`."""
        self.check_own_answers()
        self.check_changes(self.change, self.attack_change)
        self._check_task()
        kinds, pairs = self.settings["kinds"], self.settings.get("pairs", {})
        rules.need(set(self.perturbations) >= set(pairs), "pairs of a perturbation it has not")
        both = (self.max_prob is None) == (self.corrupted_max_prob is None)
        rules.need(both, "holds probabilities of some images alone")
        rules.need(set(self.perturbations) <= set(kinds), "a perturbation has no kind")
        for attack in self.attacks:
            rules.check_rules(attack, _ATTACK, "attribute attacks")
        for place, attack in enumerate(self.attacks):
            queries, name = self.attack_queries[:, place], attack["name"]
            skipped = queries == NOT_ATTACKED
            rules.need(
                bool((queries <= attack["queries"]).all()),
                f"more queries than the budget of {name}",
            )
            # A shard may hold none of the images that its sample has attacked.
            some = not skipped.all() or "shard" in self.run
            rules.need(some, f"no image was attacked by {name}")
            rules.need(
                not self.attack_wrong[skipped, place].any()
                and not self.attack_change[skipped, place].any(),
                "holds results of images that were not attacked",
            )

    def _check_task(self) -> None:
        """Refuse answers that are not those of the task."""
        of_classes = self.log_prob, self.corrupted_log_prob
        of_tasks = self.value, self.share, self.corrupted_value, self.corrupted_share
        wanted, others = (of_classes, of_tasks)[:: 1 if self.of_classes else -1]
        fits = all(each is not None for each in wanted) and not any(
            each is not None for each in others
        )
        rules.need(fits, "its values are not those of its task")
        if self.of_classes:
            return
        rules.need(self.max_prob is None, "holds probabilities, of a task without classes")
        assert self.corrupted_share is not None
        wrong = self.task.wrong(self.corrupted_share)
        rules.need(bool((wrong == self.wrong).all()), "what is wrong does not follow from shares")
        self._check_tallies()

    def _check_tallies(self) -> None:
        """Refuse tallies that are not those of the task."""
        tallies, task = (self.tally, self.corrupted_tally), self.task
        if not task.tallied:
            rules.need(tallies == (None, None), "holds tallies, of a task without them")
            return
        both = (self.tally is None) == (self.corrupted_tally is None)
        rules.need(both or task.name != MAPS, "holds tallies of some images alone")
        for tally in tallies:
            if tally is not None:
                classes = int(self.data["classes"])
                check_tally(tally.reshape(-1, *tally.shape[-2:]), task.name, classes)

    @property
    def values(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What clean and corrupted images are worth in the task, shapes (n,), (n, P, S)."""
        names = (
            ("log_prob", "corrupted_log_prob") if self.of_classes else ("value", "corrupted_value")
        )
        clean, corrupted = (getattr(self, name) for name in names)
        return clean, corrupted

    @property
    def clean_wrong(self) -> NDArray[np.bool_]:
        """See `ModelResult`; of other tasks too little of the answer is right."""
        if self.share is None:
            return super().clean_wrong
        return self.task.wrong(self.share)

    @property
    def right_shares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How much of each answer is right, clean and corrupted, shapes (n,), (n, P, S).

        Of classes all or nothing.
        """
        if self.share is not None and self.corrupted_share is not None:
            return self.share.astype(np.float64), self.corrupted_share.astype(np.float64)
        clean, corrupted = (1.0 - part for part in (self.clean_wrong, self.wrong))
        return np.asarray(clean, np.float64), np.asarray(corrupted, np.float64)

    @property
    def lost_shares(self) -> NDArray[np.float64]:
        """How much of each answer to a corrupted image is not right, shape (n, P, S)."""
        if self.of_classes:
            return self.wrong.astype(np.float64)
        return np.asarray(1.0 - self.right_shares[1])

    def rows(self, positions: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> Self:
        """As `Result.rows`; attacks that were run on none of these images are left out."""
        return super().rows(positions).with_attacks_run()

    def with_attacks_run(self) -> Self:
        """The same without attacks that none of its images went through."""
        kept = np.flatnonzero(self.attacked.any(axis=0))
        if len(kept) == len(self.attacks):
            return self
        return replace(
            self,
            attacks=[self.attacks[place] for place in kept],
            attack_wrong=self.attack_wrong[:, kept],
            attack_queries=self.attack_queries[:, kept],
            attack_change=self.attack_change[:, kept],
        )

    @property
    def corruptions(self) -> list[str]:
        """Perturbations but for pictures of the user's own, which are none whatever their names."""
        pairs = self.settings.get("pairs", {})
        return [name for name in self.perturbations if name not in pairs]

    @property
    def own(self) -> list[str]:
        """Perturbations without severities, pictures of the user's own: these stand at each."""
        pairs = self.settings.get("pairs", {})
        return [
            name for name in self.perturbations if name in pairs and not pairs[name]["severities"]
        ]

    @cached_property
    def overlaps(self) -> tuple[float, NDArray[np.float64]] | None:
        """Mean intersection over union, of clean images and of each cell, shape (P, S).

        Of maps of classes, with the masks, or with the model's own clean answers where these are
        taken; pixels are summed over images before they are divided. None of other tasks.
        """
        if self.tally is None or self.corrupted_tally is None:
            return None
        cells = np.ndindex(self.wrong.shape[1:])
        means = [mean_overlap(self.corrupted_tally[:, row, column]) for row, column in cells]
        return mean_overlap(self.tally), np.reshape(means, self.wrong.shape[1:])

    @property
    def errors(self) -> NDArray[np.float64]:
        """Share of wrong answers under each corruption and severity, shape (P, S).

        Where the model's own answers stand for labels this is the flip rate: the share of answers
        that are not those to the clean images; of other tasks the share of an answer that is
        not right.
        """
        return np.asarray(self.lost_shares.mean(axis=0))

    @property
    def mpe(self) -> NDArray[np.float64]:
        """Mean prediction error under each corruption and severity, shape (P, S), in [0, 2]."""
        return np.asarray(self.change.mean(axis=0, dtype=np.float64))

    @property
    def mean_error(self) -> float:
        """Mean of `errors`: what stands for mCE where there is no baseline."""
        return float(self.errors.mean())

    @property
    def mean_mpe(self) -> float:
        """Mean of `mpe`."""
        return float(self.mpe.mean())

    @property
    def attacked(self) -> NDArray[np.bool_]:
        """Which images each attack was run on, shape (n, A)."""
        return np.asarray(self.attack_queries != NOT_ATTACKED)

    @property
    def adversarial_errors(self) -> NDArray[np.float64]:
        """Share of wrong answers after each attack, among the images attacked, shape (A,)."""
        return np.asarray(self.attack_wrong.sum(axis=0) / self.attacked.sum(axis=0))

    @property
    def adversarial_mpe(self) -> NDArray[np.float64]:
        """Mean prediction error under each attack, among the images attacked, shape (A,)."""
        return np.asarray(
            self.attack_change.sum(axis=0, dtype=np.float64) / self.attacked.sum(axis=0)
        )

    @cached_property
    def damage(self) -> Damage:
        """Errors and prediction changes with bootstrap intervals over images.

        Those of errors are the ones that verdicts and gates hold to bounds; those of prediction
        changes are percentiles.
        """
        images, shape, seed = len(self.labels), self.errors.shape, int(self.settings["seed"])
        # By corruption and severity, by corruption, and over all, as `Damage` has them.
        wrong = self.lost_shares
        whole = wrong.reshape(images, -1)
        table = np.column_stack([whole, wrong.mean(axis=2), whole.mean(axis=1)])
        errors = resampled_errors(table, self)
        cells, rows = whole.shape[1], shape[0]
        changes = self.change.reshape(images, -1)
        drawn = resampled_means(changes, seed, RESAMPLES)
        mpe = np.concatenate([changes.mean(axis=0, dtype=np.float64)[None], drawn])
        mpe = mpe.reshape(-1, *shape)
        mpe_cells, mpe_rows, mpe_all = (
            Spread.of(part, self.confidence)
            for part in (mpe, mpe.mean(axis=2), mpe.mean(axis=(1, 2)))
        )
        in_cells = Spread(
            *(part[:cells].reshape(shape) for part in (errors.value, errors.low, errors.high))
        )
        of_rows = errors[cells : cells + rows]
        return Damage(in_cells, mpe_cells, of_rows, mpe_rows, errors[-1], mpe_all)

    @cached_property
    def lost_log_prob(self) -> Spread:
        """Log-probability of the true class that each corruption takes, shape (P,), in nats.

        Clean minus corrupted, mean over severities and images; the intervals resample images, each
        with its answers to both. Infinite where a corruption makes the true class impossible, not
        a number where it was impossible before. Of other tasks in what their value counts.
        """
        with np.errstate(invalid="ignore"):
            corrupted = self.values[1].mean(axis=2, dtype=np.float64)
            lost = self.values[0][:, None].astype(np.float64) - corrupted
            means = resampled_means(lost, int(self.settings["seed"]), RESAMPLES)
            return Spread.of(np.concatenate([lost.mean(axis=0)[None], means]), self.confidence)

    @cached_property
    def mean_values(self) -> tuple[Spread, Spread]:
        """Mean value under each corruption, shape (P,), then clean and over all, shape (2,)."""
        clean, corrupted = self.values
        rows = corrupted.mean(axis=2, dtype=np.float64)
        table = np.column_stack([rows, clean.astype(np.float64), rows.mean(axis=1)])
        means = resampled_means(table, int(self.settings["seed"]), RESAMPLES)
        means = np.concatenate([table.mean(axis=0)[None], means])
        if self.clean_is_settled:  # without an interval
            means[:, -2] = means[0, -2]
        return Spread.of(means[:, :-2], self.confidence), Spread.of(means[:, -2:], self.confidence)

    @cached_property
    def confidences(self) -> Confidences | None:
        """How sure the answers are beside how often they are right.

        None in early files, and where labels are unknown.
        """
        if self.max_prob is None or self.corrupted_max_prob is None or self.of_own_answers:
            return None
        clean = self.max_prob, self.clean_wrong
        corrupted = self.corrupted_max_prob, self.wrong
        return confidences(clean, corrupted, int(self.settings["seed"]), self.confidence)

    @property
    def clean_spread(self) -> Spread | None:
        """The clean error with Wilson's interval, which keeps a width at 0 and 1; None: unknown."""
        if self.of_own_answers:
            return None
        images = len(self.labels)
        if self.share is not None:
            return resampled_errors(1.0 - self.right_shares[0][:, None], self)[0]
        wrong = self.clean_wrong.sum()
        return Spread(np.asarray(wrong / images), *wilson(wrong, images, self.confidence))

    @property
    def adversarial_spread(self) -> Spread:
        """The adversarial errors with Wilson's intervals, shape (A,)."""
        wrong, images = self.attack_wrong.sum(axis=0), self.attacked.sum(axis=0)
        return Spread(self.adversarial_errors, *wilson(wrong, images, self.confidence))

    def ce(self, baseline: RobustnessReport) -> NDArray[np.float64]:
        """Corruption error against a baseline model, shape (P,); see `against`."""
        return self.against(baseline).ce.value

    def mce(self, baseline: RobustnessReport) -> float:
        """Mean corruption error against a baseline model; see `against`."""
        return float(self.against(baseline).mce.value)

    def relative_mce(self, baseline: RobustnessReport) -> float:
        """Relative mean corruption error against a baseline model; see `against`."""
        return float(self.against(baseline).relative_mce.value)

    def against(self, baseline: RobustnessReport) -> Relative:
        """CE, mCE and their relative forms against a baseline model, with paired intervals.

        Parameters
        ----------
        baseline : RobustnessReport
            Of another model on the same images, corruptions and severities.

        Raises
        ------
        ReportError
            It was measured on something else; the message names what differs.
        """
        # By its name: comparisons know results, results know no comparison.
        relative: Relative = import_module("iaside_onnx.comparisons.baseline").relative(
            self, baseline
        )
        return relative

    def summary(self) -> dict[str, Any]:
        """All results as plain JSON values; null where a ratio is infinite or not defined."""
        if (some := self.with_attacks_run()) is not self:
            return some.summary()
        damage, sure, errors = self.damage, self.confidences, self.as_errors
        clean = self.clean_spread
        rows = [
            {
                "name": name,
                **errors("error", "flip_rate", damage.corruption_errors[row].json()),
                "mpe": damage.corruption_mpe[row].json() if self.of_classes else None,
                **errors("errors", "flip_rates", damage.errors[row].json()),
                "mpes": damage.mpe[row].json() if self.of_classes else None,
                **self._value_json(row),
            }
            for row, name in enumerate(self.perturbations)
        ]
        overall: dict[str, Any] = {}
        if sure is not None:
            overall["clean_confidence"] = sure.clean.summary()
            overall["corrupted_confidence"] = sure.perturbed.summary()
            for row, values in enumerate(rows):
                values["confidence"] = sure.perturbations[row].summary()
                values["confidences"] = sure.cells[row].summary()
        return {
            **self.provenance,
            "severities": self.severities,
            "accuracy": self.accuracy,
            "clean_error": None if clean is None else clean.json(),
            **errors("mean_error", "mean_flip_rate", damage.mean_error.json()),
            "mean_mpe": damage.mean_mpe.json() if self.of_classes else None,
            **self._values_json(),
            **overall,
            "corruptions": rows,
            "attacks": [
                {
                    **attack,
                    "samples": int(self.attacked[:, place].sum()),
                    "clean_error": self.clean_error_of(self.attacked[:, place]),
                    **errors("error", "flip_rate", self.adversarial_spread[place].json()),
                    "mpe": float(self.adversarial_mpe[place]) if self.of_classes else None,
                    "median_queries": self.median_queries(place),
                }
                for place, attack in enumerate(self.attacks)
            ],
        }

    def _value_json(self, row: int) -> dict[str, Any]:
        """What a corruption takes of the value, and what it leaves, for JSON."""
        lost = self.lost_log_prob[row].json()
        if self.of_classes:
            return {"lost_log_prob": lost}
        values: dict[str, Any] = {"lost_log_prob": None, "lost_value": lost}
        values["value"] = self.mean_values[0][row].json()
        if self.overlaps is not None:
            values["mean_ious"] = plain(self.overlaps[1][row])
        return values

    def _values_json(self) -> dict[str, Any]:
        """Mean values of clean and corrupted images, for JSON; of other tasks than classes."""
        if self.of_classes:
            return {}
        clean, mean = self.mean_values[1][0], self.mean_values[1][1]
        names: dict[str, Any] = {"task": self.task.name, "value": self.task.value}
        if self.overlaps is not None and not self.of_own_answers:
            names["clean_mean_iou"] = plain(np.asarray(self.overlaps[0]))
        return {**names, "clean_value": clean.json(), "mean_value": mean.json()}

    def clean_error_of(self, chosen: NDArray[np.bool_]) -> float | None:
        """The clean error of some of the images; None where labels are unknown."""
        return None if self.of_own_answers else float(self.clean_wrong[chosen].mean())

    def median_queries(self, attack: int) -> float | None:
        """Median number of queries that turned an answer that had been right; None if none did."""
        turned = self.attack_wrong[:, attack] & (self.attack_queries[:, attack] > 0)
        return float(np.median(self.attack_queries[turned, attack])) if turned.any() else None


load_robustness = RobustnessReport.load


def resampled_errors(wrong: NDArray[np.float64], report: RobustnessReport) -> Spread:
    """Shares of wrong answers, shape (n, k), with their intervals, which `report` has a say in.

    They are those of right answers that verdicts show, seen from the other side.
    """
    right = resampled_share(1.0 - wrong, int(report.settings["seed"]))
    low, high = right.ends(report.confidence)
    return Spread(1.0 - right.value, 1.0 - high, 1.0 - low)
