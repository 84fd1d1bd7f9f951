"""Where a perturbation does its damage: the damage game of images and perturbed images.

What stands for absent bands is the perturbed image's own (method, section 9).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_truth, is_whole, plain, several
from ..errors import InvalidOption, UsageError
from ..images.pairs import asked_places
from ..inference.engine import Engine
from ..mathematics.coalitions import draw_coalitions, drawn_count
from ..mathematics.damage import SPLIT_ESTIMATORS, draw_split, split_coalitions
from ..plurals import counted
from ..results.damage import UNITS, DamageReport
from ..results.damage_numbers import held_values
from ..results.example import row_to_show
from ..results.spread import check_confidence
from ..settings import Settings
from ..spelling import option
from ..storage.output_file import check_no_input, make_folder
from ..tasks import CLASSES
from .banding import Banding
from .batch_size import BatchSize
from .clean_check import CleanCheck
from .clean_pass import CleanPass, shown_pixels
from .contract import Advance, Filled, Measurement, Rows, Store
from .game import BandRows, SplitRows, play, preparing_threads
from .in_memory import GivenImages, GivenModel
from .perturbing import Perturbation, asked_perturbations
from .request import DamageOptions, Request, with_options
from .run import measure_each
from .subject import Subject

# Bands up to which all coalitions of the split game are affordable for every image: 2,304 at 8.
_AFFORDABLE_SPLIT = 8
# Two players a band, each a bit of 64.
_MOST_DRAWN_SPLIT = 32


@with_options(DamageOptions)
def explain(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    corruption: str | Sequence[str] = (),
    severity: int | Sequence[int] = (),
    attack: str | Sequence[str] = (),
    epsilon: float | Sequence[float] = (),
    queries: int = 500,
    perturbed: str | Path | Sequence[str | Path] = (),
    split: bool = False,
    value: str | None = None,
    confidence: float = 0.95,
    **options: Unpack[DamageOptions],
) -> DamageReport | list[DamageReport]:
    """By which frequency bands a perturbation damages an ONNX classifier's answers.

    Exact Shapley values of a game whose coalitions hold some bands clean and the others perturbed:
    they sum to the accuracy, or log-probability, that the perturbation costs.

    Parameters
    ----------
    model, images
        As for `analyze`: the same seed and number of samples draw the same images.
    target : path, optional
        Where the result goes; where several perturbations are asked for, the folder of their files,
        such as ``gaussian_noise-3.h5``.
    corruption, severity : sequences, or one of their values
        Each corruption at each severity, which is 3 unless given; drawn as by `measure_robustness`.
    attack : str or sequence of str
        "square-linf", "square-l2", "spsa-linf", "spsa-l2": the attacked image is the perturbed one.
    epsilon, queries
        As for `measure_robustness`.
    perturbed : path or sequence of paths
        Folders of perturbed pictures of one's own, matched with the images by relative path without
        suffix; or array files in the same order, as `images` are. No arrays in memory.
    split : bool
        Part the share of each band into what the perturbation takes away of the band and what it
        adds to it.
    value : {"right", "log-prob", "same-answer"}, optional
        What damage is counted in: points of accuracy, log-probability, or points of the same answer
        as to the clean image; None: "right", and "same-answer" with the model's own answers as
        labels. Like `confidence` it belongs to the view.
    confidence : float
        Coverage of the intervals, in (0, 1).
    **options
        As for `analyze`, and so are the errors that are raised.

    Returns
    -------
    DamageReport, or a list of them where several perturbations are asked for
    """
    check_truth("split", split)
    split, chosen = plain(split), options.get("estimator")
    if split and chosen is None and _players(options) > _AFFORDABLE_SPLIT:
        options["estimator"] = "permutation"
    request = Request.of(DamageOptions, options, model, images, target)
    asked = request.settings
    value, confidence, queries = map(plain, (value, confidence, queries))
    own = request.reading.own_answers
    if value is not None:
        check_choice("value", value, UNITS)
    if own and value == "right":
        raise InvalidOption(
            "value", value,
            f"which answers are right is not known with {option('labels', 'model')}; give "
            f"{option('value', 'same-answer', 'log-prob')}",
        )  # fmt: skip
    check_confidence(confidence)
    perturbations = asked_perturbations(
        several("corruption", corruption), several("severity", severity),
        several("attack", attack), several("epsilon", epsilon), queries,
        asked_places(perturbed),
    )  # fmt: skip
    if request.target is not None:
        places = [each.place for each in perturbations]
        check_no_input(request.target, places, use="measured")
    plan = _Plan.of(asked, split=split)

    def settle(perturbation: Perturbation, subject: Subject) -> DamageGame:
        form = subject.classifier.form
        banding = Banding.of(asked)
        banding.check(form.height, form.width)
        if chosen is None and plan.estimator != "exact" and perturbation is perturbations[0]:
            subject.listener.note(
                f"estimator: {plan.estimator}, since all coalitions of {plan.players} players are "
                f"too many; {option('estimator')} settles it"
            )
        _value_of(subject, value)  # refuses another before the work
        return DamageGame(plan, banding, perturbation.settled(subject))

    single = len(perturbations) == 1
    with _folder(None if single else request.target):
        measurements = []
        for each in perturbations:
            place = request.target
            if place is not None and not single:
                place = place / f"{each.stem}.h5"
            measurements.append((replace(request, target=place), partial(settle, each)))
        names = [] if single else [each.stem for each in perturbations]
        view = {"value": value, "confidence": float(confidence)}
        reports: list[DamageReport] = measure_each(measurements, view, names=names)
    return reports[0] if single else reports


def _value_of(subject: Subject, value: str | None) -> str:
    """What damage is counted in: as asked, else the usual of the task."""
    kind, own = subject.classifier.kind, subject.own_answers
    held = held_values(rightness=not own, own=own, answered=True)
    if kind.name != CLASSES:
        held = [kind.value]
    if value is not None and value not in held:
        choose = option("value", *held)
        raise InvalidOption("value", value, f"{kind.what} is counted in {choose}")
    return value or held[0]


def _players(options: Mapping[str, Any]) -> int:
    """Bands that are asked for, with DC where it stands apart; 0 where they are no number."""
    bands = plain(options.get("bands", Settings.bands))
    return bands + (options.get("separate_dc") is True) if is_whole(bands) else 0


@contextmanager
def _folder(target: Path | None) -> Iterator[None]:
    """Make the folder of several results, and leave none behind where nothing came of them."""
    if target is None or target.is_dir():
        yield
        return
    if target.suffix.lower() == ".h5" and not target.exists():
        raise UsageError(
            f"{target}: several results need a folder, and this is the name of a file; give the "
            f"name of a folder, such as {target.with_suffix('')}"
        )
    make_folder(target)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # it holds what can be resumed
            target.rmdir()
        raise


@dataclass(frozen=True)
class _Plan:
    """Which coalitions are played.

    Attributes
    ----------
    columns : int
        Coalitions of an image; the first is empty, the last the grand one.
    """

    asked: Settings
    split: bool
    estimator: str
    columns: int

    @classmethod
    def of(cls, asked: Settings, *, split: bool) -> _Plan:
        """What is asked for, refused where the split game cannot be played so."""
        if not split:
            return cls(asked, split, asked.chosen_estimator, asked.coalitions)
        players, estimator = asked.players, asked.chosen_estimator
        if estimator not in SPLIT_ESTIMATORS:
            raise InvalidOption(
                "estimator", estimator,
                f"{option('split', True)} takes {' or '.join(SPLIT_ESTIMATORS)}",
            )  # fmt: skip
        if estimator == "exact":
            return cls(asked, split, estimator, len(split_coalitions(players)))
        if players > _MOST_DRAWN_SPLIT:
            raise UsageError(
                f"{option('split', True)} takes at most {_MOST_DRAWN_SPLIT} bands, not {players}"
            )
        return cls(asked, split, estimator, drawn_count(estimator, 2 * players, asked.passes))

    @property
    def players(self) -> int:
        """Players of the game: bands, or gains and residuals of bands."""
        return self.asked.players * (2 if self.split else 1)

    @property
    def shared(self) -> NDArray[np.uint64] | None:
        """The coalitions of every image, shape (C,); None where each has its own."""
        if self.estimator != "exact":
            return None
        return split_coalitions(self.asked.players) if self.split else self.asked.every_coalition

    def drawn(self, key: str) -> NDArray[np.uint64]:
        """The coalitions of one image, shape (C,)."""
        players, seed = self.asked.players, self.asked.seed
        if self.split:
            return draw_split(players, self.columns, seed, key)
        return draw_coalitions(self.estimator, players, self.columns, seed, key)


@dataclass(frozen=True)
class DamageGame(Measurement[DamageReport]):
    """The damage game of one perturbation.

    A row holds the log-probability of the true class under each coalition, then the answer to each;
    of other tasks than classes the value.

    Attributes
    ----------
    drawn : ndarray of uint64, shape (n, C), or None
        The coalitions of each row; None where all rows hold the same.
    check : CleanCheck or None
    answered : bool
        Images have classes, and the answers are kept.
    """

    plan: _Plan
    banding: Banding
    perturbation: Perturbation
    drawn: NDArray[np.uint64] | None = None
    check: CleanCheck | None = None
    answered: bool = True

    kind = DamageReport

    @property
    def of_whole_sample(self) -> bool:
        """Where the bands follow from all images."""
        return self.banding.of_sample

    @property
    def columns(self) -> int:
        """See `Measurement`."""
        return (1 + self.answered) * self.plan.columns

    @property
    def _passes(self) -> int:
        """Most of an image."""
        return self.plan.columns + self.perturbation.queries

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        played, queries = self.plan.columns, self.perturbation.queries
        coalitions = counted(played, "coalition")
        each = f"({coalitions} + {queries} queries)" if queries else coalitions
        return f"{counted(images, 'image')} x {each} = {images * self._passes:,} forward passes"

    def work(self, positions: list[int]) -> list[int]:
        """A pass for each coalition, and those of an attack."""
        return [len(positions) * self._passes]

    def settled(self, subject: Subject, clean: CleanPass) -> DamageGame:
        """See `Measurement`."""
        drawn, check = None, CleanCheck.of(subject, clean)
        if self.plan.shared is None:
            keys = [subject.keys[position] for position in subject.positions]
            drawn = np.stack([self.plan.drawn(key) for key in keys])
        answered = subject.classifier.kind.name == CLASSES
        banding = self.banding.settled(clean.statistics)
        return replace(self, drawn=drawn, check=check, answered=answered, banding=banding)

    def viewed(self, subject: Subject, view: dict[str, Any]) -> dict[str, Any]:
        """See `Measurement`."""
        return {**view, "value": _value_of(subject, view["value"])}

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        asked = self.plan.asked
        return {
            **self.banding.settings,
            "estimator": self.plan.estimator,
            "passes": None if self.plan.estimator == "exact" else self.plan.columns - 1,
            "players": asked.players,
            "perturbation": self.perturbation.record,
            "split": self.plan.split,
            **subject.settings(),
        }

    def rows(self, subject: Subject, size: BatchSize) -> list[Rows]:
        """See `Measurement`."""
        classifier, sample = subject.classifier, subject.sample
        form, shared = classifier.form, self.plan.shared
        coalitions = shared
        if coalitions is None:  # a row for each image of the sample, whichever are measured
            assert self.drawn is not None
            coalitions = np.zeros((len(sample), self.plan.columns), np.uint64)
            coalitions[subject.positions] = self.drawn
        task = subject.task(answered=True)
        engine = Engine(classifier.model, self.plan.players, task, coalitions=shared, whole=True)
        index = self.banding.index(form.height, form.width)
        prepare = SplitRows if self.plan.split else BandRows
        threads = preparing_threads(subject.runtime)

        def fill(positions: list[int], store: Store, advance: Advance) -> None:
            def keep(position: int, values: NDArray[np.float32]) -> None:
                store(position, values[: self.columns])

            for group, perturbed in self.perturbation.groups(subject, positions, size, advance):
                bands = prepare(subject.pixels, perturbed, index, engine)
                play(
                    engine, bands, coalitions, subject.targets, group, size, keep, advance,
                    lambda position: sample.ids[position], threads=threads, check=self.check,
                )  # fmt: skip

        return [fill]

    def result(self, filled: Filled) -> DamageReport:
        """See `Measurement`."""
        sample, subject = filled.sample, filled.subject
        table, own = filled.table[:, : self.plan.columns], subject.own_answers
        of_task: dict[str, Any] = {"worth": np.ascontiguousarray(table)}
        if self.answered:
            answers = filled.table[:, self.plan.columns :].astype(np.int32)
            answers -= np.int32(subject.classifier.label_offset)
            of_task = {
                "log_prob": np.ascontiguousarray(table),
                "right": None if own else answers == sample.labels[:, None],
                "answers": answers,
                "predicted": answers[:, -1].astype(np.int64),
            }
        coalitions = None if self.drawn is None else self.drawn[filled.used]
        if self.plan.split and coalitions is None:
            assert self.plan.shared is not None
            coalitions = np.tile(self.plan.shared, (len(table), 1))
        report = DamageReport(
            **of_task,
            coalitions=coalitions,
            labels=filled.labels,
            settings=filled.all_settings,
            class_names=sample.class_names or subject.classifier.class_names,
            **{**filled.origin(), "image_digests": sample.image_digests},
        )
        return report if self.perturbation.queries else self._with_example(report, filled)

    def _with_example(self, report: DamageReport, filled: Filled) -> DamageReport:
        """With one image, clean and perturbed, for pictures; not where that costs passes."""
        subject, row = filled.subject, row_to_show(report)
        position = filled.position_of(row)
        groups = self.perturbation.groups(subject, [position], BatchSize(1), lambda _: None)
        planes = next(groups)[1](position)
        return replace(
            report,
            example=shown_pixels(subject.pixels(position)),
            example_perturbed=shown_pixels(planes),
            data={**report.data, "example": report.image_ids[row]},
        )
