"""Measures robustness: a model's answers to corrupted and attacked images (method, section 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_number, plain, several
from ..comparisons.agreement import Ground
from ..comparisons.baseline import check_same_ground
from ..errors import ReportError, UsageError
from ..images.sample import stratified
from ..inference.task import Tallying
from ..plurals import counted
from ..results.robustness import NOT_ATTACKED, RobustnessReport
from ..results.spread import check_confidence
from ..results.tally import MAPS, NUMBERS
from ..settings import MOST_COUNT
from ..spelling import option
from ..storage.output_file import check_no_input
from ..storage.partial import Columns
from ..tasks import CLASSES
from .attacked import attack_images, attacked_together, check_attacks, settled_attacks
from .batch_size import BatchSize
from .contract import Advance, Filled, Measurement, Rows, Store
from .corrupted import corrupted, corruption_threads
from .in_memory import GivenImages, GivenModel
from .no_numbers import refuse_infinite, refuse_nan
from .perturbed import Own, Wanted, kind_of
from .request import LabelledOptions, Request, with_options
from .robustness_columns import (
    CLEAN,
    OF_ATTACK,
    OF_CELL,
    WHAT,
    columns_of,
    settings_of_answers,
    table_of,
    table_parts,
)  # fmt: skip
from .run import measure
from .scorer import Scorer
from .subject import Subject

_ATTACK = "square-linf"


@with_options(LabelledOptions)
def measure_robustness(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    corruption: str | Sequence[str] = (),
    severity: int | Sequence[int] = (),
    perturbed: str | Path | Sequence[str | Path] = (),
    attack: str | Sequence[str] | None = None,
    epsilon: float | Sequence[float] = (),
    queries: int = 500,
    attack_samples: int = 50,
    baseline: str | Path | RobustnessReport | None = None,
    confidence: float = 0.95,
    known: RobustnessReport | None = None,
    **options: Unpack[LabelledOptions],
) -> RobustnessReport:
    """Error and change of prediction of an ONNX classifier under corruptions and attacks.

    Parameters
    ----------
    model, images, target
        As for `analyze`: the same seed and number of samples draw the same images.
    corruption, severity : sequences, or one of their values
        Which corruptions and which of the severities 1 to 5; empty: those of ImageNet-C, and all
        severities. They are applied to images at the size of the model's input, in [0, 1].
    perturbed : path or sequence of paths
        Perturbed pictures of one's own, each folder a row of the table: matched with the images by
        relative path without suffix, or array files in the same order; no arrays in memory.
        ImageNet-C and CIFAR-10-C are read as they lie, and `corruption` and `severity` choose among
        what they hold. Corruptions are made beside them only where `corruption` names some.
    attack : str or sequence of str, optional
        "square-linf", "square-l2", "spsa-linf", "spsa-l2"; empty, or "none", for no attack. None:
        "square-linf", and no attack with `perturbed`.
    epsilon : float or sequence of float
        Radius of the attacks in pixel space, where 1 is from black to white: one for each attack,
        or one for all. Empty: 4/255 for l-inf, and for l2 0.5 at 32 x 32 x 3, growing with the
        square root of the size.
    queries : int
        Most images that an attack may have scored for one image.
    attack_samples : int
        Images to attack, a stratified part of the sample; 0 takes all of it.
    baseline : path or RobustnessReport, optional
        A report that will be the baseline of this one: refused at once where it was made of other
        images, corruptions or severities.
    confidence : float
        Coverage of the intervals, in (0, 1).
    known : RobustnessReport, optional
        The same measurement of some of these images, whose rows are taken over; without attacks.
        Samples that are drawn with ``sampling="nested"`` hold the smaller ones.
    **options
        As for `analyze`, and so are the errors that are raised.

    Returns
    -------
    RobustnessReport
    """
    request = Request.of(LabelledOptions, options, model, images, target)
    wanted = Wanted.asked(perturbed, corruption, severity)
    radii, queries = several("epsilon", epsilon), plain(queries)
    attack_samples, confidence = plain(attack_samples), plain(confidence)
    if attack is None:
        attack = () if wanted.perturbed else _ATTACK
    attacks = check_attacks(several("attack", attack), radii, queries)
    check_confidence(confidence)
    check_number("attack_samples", attack_samples, 0, MOST_COUNT, "0 for all, or a positive number")
    if request.target is not None:
        check_no_input(request.target, wanted.perturbed, use="measured")
    if isinstance(baseline, str | Path):
        if request.target is not None:
            check_no_input(request.target, [baseline])
        baseline = RobustnessReport.load(baseline)
    if baseline is not None:
        kind = "a RobustnessReport, or the path of one"
        check_kind("baseline", baseline, RobustnessReport, kind)
    check_kind("known", known, (RobustnessReport, type(None)), "a RobustnessReport")
    if known is not None and (attacks or known.attacks):
        raise UsageError(f"{option('known')} goes without attacks, whose images follow the sample")

    def settle(subject: Subject) -> Robustness:
        sample = subject.sample
        chosen = set(stratified(sample.labels, attack_samples, subject.seed).tolist())
        made, levels, own = wanted.settled(subject)
        names = [*made, *(each.name for each in own)]
        if baseline is not None:
            settings = {**subject.settings(), **_pairs(own)}
            check_same_ground(baseline, Ground(sample.digest(), settings, names, levels))
        return Robustness(
            names,
            levels,
            settled_attacks(attacks, radii, queries, subject.classifier.form.features),
            attack_samples if attacks else None,
            sorted(chosen & set(subject.positions)),
            own,
            NUMBERS[MAPS] * subject.classifier.classes if subject.classifier.map_form else 0,
        )

    return measure(request, settle, {"confidence": float(confidence)}, known=known)


@dataclass(frozen=True)
class Robustness(Measurement[RobustnessReport]):
    """Corrupted and attacked images, and where they stand in a table.

    A row is an image: clean log-probability and highest probability (other tasks: value and share
    that is right), then `wrong`, `change`,
    `corrupted_log_prob` and `corrupted_max_prob` of each corruption and severity, then
    `attack_wrong`, `attack_queries` and `attack_change` of each attack, and of maps of classes the
    tally of each corruption and severity.

    Attributes
    ----------
    perturbations, severities, attacks : list
        As a report has them.
    attack_samples : int or None
        Images to attack, as asked for; None where there is no attack.
    chosen : list of int
        Positions of the images to attack.
    own : tuple of Own
        The last of the perturbations: pictures of the user's own. Those without severities stand
        at each severity alike.
    tallied : int
        Numbers in the tally of an image, of maps of classes; 0 of other tasks, which have none of
        corrupted images.
    """

    perturbations: list[str]
    severities: list[int]
    attacks: list[dict[str, Any]]
    attack_samples: int | None
    chosen: list[int]
    own: tuple[Own, ...] = ()
    tallied: int = 0

    kind = RobustnessReport

    @property
    def cells(self) -> int:
        """Corruptions times severities."""
        return len(self.perturbations) * len(self.severities)

    @property
    def _made(self) -> list[str]:
        """The corruptions that are made here."""
        return self.perturbations[: len(self.perturbations) - len(self.own)]

    @property
    def _passes(self) -> int:
        """Forward passes of an image, attacks aside."""
        own = sum(len(each.pairs) for each in self.own)
        return 1 + len(self._made) * len(self.severities) + own

    @property
    def columns(self) -> int:
        """See `Measurement`."""
        return columns_of(self.cells, len(self.attacks), self.tallied)

    @property
    def parts(self) -> list[Columns]:
        """Columns of the corruptions, then those of each attack."""
        return table_parts(self.cells, len(self.attacks), self.tallied)

    @property
    def part_names(self) -> list[str]:
        """See `Measurement`."""
        names = [f"up to {{}} for {attack['name']}" for attack in self.attacks]
        return ["{} for the corruptions", *names] if names else []

    @property
    def part_advice(self) -> str:
        """See `Measurement`."""
        return f"{option('attack', 'none')} leaves attacks out"

    @cached_property
    def _attacked(self) -> frozenset[int]:
        return frozenset(self.chosen)

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        own = self._passes - 1 - len(self._made) * len(self.severities)
        kinds = counted(len(self._made), "corruption")
        levels = counted(len(self.severities), "severity", "severities")
        terms = [f"{kinds} x {levels}"] * bool(self._made)
        terms += [counted(own, "perturbed picture")] * bool(own)
        text = (
            f"{counted(images, 'image')} x ({' + '.join(terms)} + the image itself) = "
            f"{images * self._passes:,} forward passes"
        )
        for attack in self.attacks:
            text += (
                f", and at most {counted(len(self.chosen), 'image')} x {attack['queries']:,} "
                f"queries = {len(self.chosen) * attack['queries']:,} for {attack['name']} "
                f"(epsilon {attack['epsilon']:.4g})"
            )
        return text

    def work(self, positions: list[int]) -> list[int]:
        """Passes of the corruptions, and the most that each attack may take."""
        attacked = sum(position in self._attacked for position in positions)
        most = [attacked * int(attack["queries"]) for attack in self.attacks]
        return [len(positions) * self._passes, *most]

    def passes(self, table: NDArray[Any], positions: list[int]) -> dict[str, int]:
        """Those of the corruptions, and the queries that attacks took."""
        queries = [columns[1] for columns in self.parts[1:] if isinstance(columns, list)]
        of_attacks = int(np.maximum(table[:, queries], 0).sum())
        return {"forward_passes": self.work(positions)[0] + of_attacks}

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        what = {name: getattr(self, name) for name in WHAT}
        samples = {"attack_samples": self.attack_samples}
        return {**subject.settings(), **what, **samples, **_pairs(self.own)}

    def settings_at(self, settings: dict[str, Any], positions: list[int]) -> dict[str, Any]:
        """See `Measurement`."""
        return {**settings, **_pairs(self.own, positions)}

    def settings_of(self, result: RobustnessReport) -> dict[str, Any]:
        """See `Measurement`."""
        return settings_of_answers(result)

    def table_of(self, result: RobustnessReport) -> NDArray[np.float32]:
        """See `Measurement`."""
        if result.max_prob is None and result.of_classes:
            raise ReportError(
                "the result whose rows are known is of an early version, which did not keep the "
                "probabilities of answers; measure its images again"
            )
        return table_of(result)

    def rows(self, subject: Subject, size: BatchSize) -> list[Rows]:
        """See `Measurement`."""
        scorer = Scorer(subject.classifier, subject.task(), size)
        attacks = [partial(self._attack, attack, subject, scorer) for attack in self.attacks]
        return [partial(self._corrupt, subject, scorer), *attacks]

    def _corrupt(
        self, subject: Subject, scorer: Scorer, positions: list[int], store: Store, advance: Advance
    ) -> None:
        """Fill the columns of the corruptions."""
        what = self._made, self.severities, subject.seed
        features = subject.classifier.form.features
        threads = corruption_threads(subject.runtime.execution)
        own = [partial(each.pixels, subject) for each in self.own]
        stream = corrupted(
            subject.pixels, subject.keys, positions, *what,
            features=features, threads=threads, own=own,
        )  # fmt: skip
        # The stream holds all of an image before the next one.
        clean, task = np.empty(0), scorer.task
        row, tally = np.empty(0, np.float32), np.empty((0, 0), np.float32)
        kind = subject.classifier.kind
        classes, path = kind.name == CLASSES, subject.classifier.artifact.path
        while group := list(islice(stream, scorer.size.size)):
            logs = scorer(np.stack([image for _, _, image in group]))
            for number, (position, column, _) in enumerate(group):
                log = logs[number : number + 1]
                where = f"{subject.sample.ids[position]} ({self._describe(column)})"
                refuse_nan(path, where, log)
                target = subject.targets[[position]]
                worth = task.worth(log, target)[0]
                if classes:
                    beside, wrong = np.exp(log.max()), not task.right(log, target)[0]
                else:
                    share = task.share(log, target).astype(np.float32)
                    beside, wrong = share[0], kind.wrong(share)[0]
                if column < 0:
                    clean, row = log, np.empty(CLEAN + OF_CELL * self.cells, np.float32)
                    tally = np.empty((self.cells, self.tallied), np.float32)
                    row[:CLEAN] = worth, beside
                    continue
                if self.tallied and isinstance(task, Tallying):
                    tally[self._cells_of(column)] = task.tally(log, target).ravel()
                change = task.change(log, clean)[0]
                refuse_infinite(path, where, np.array([worth, change]))
                for cell in self._cells_of(column):
                    row[CLEAN + cell :: self.cells] = wrong, change, worth, beside
                if cell == self.cells - 1:
                    store(position, np.append(row, tally))
            advance(len(group))

    def _cells_of(self, column: int) -> range:
        """The cells that a column of the stream fills: several for what has no severities."""
        place = column // len(self.severities) - len(self._made)
        alike = place >= 0 and not self.own[place].has_severities
        return range(column, column + (len(self.severities) if alike else 1))

    def _describe(self, column: int) -> str:
        """A column of the corruptions in words; -1 is the clean image."""
        if column < 0:
            return "clean"
        row, severity = divmod(column, len(self.severities))
        if len(self._cells_of(column)) > 1:
            return self.perturbations[row]
        return f"{self.perturbations[row]}, severity {self.severities[severity]}"

    def _attack(
        self,
        attack: dict[str, Any],
        subject: Subject,
        scorer: Scorer,
        positions: list[int],
        store: Store,
        advance: Advance,
    ) -> None:
        """Fill the columns of an attack: only some images are attacked."""
        chosen = set(self.chosen)
        for position in set(positions) - chosen:
            store(position, np.array([0, NOT_ATTACKED, 0]))
        attacked = [position for position in positions if position in chosen]
        for group in attacked_together(subject, attacked):
            images = np.stack([subject.pixels(position) for position in group])
            targets = subject.targets[group]
            result = attack_images(subject, scorer, group, images, targets, attack, advance)
            change = scorer.task.change(scorer(result.images), scorer(images))
            columns = np.column_stack([result.wrong, result.queries, change])
            for position, values in zip(group, columns, strict=True):
                where = f"{subject.sample.ids[position]} ({attack['name']})"
                refuse_infinite(subject.classifier.artifact.path, where, values)
                store(position, values)

    def result(self, filled: Filled) -> RobustnessReport:
        """See `Measurement`."""
        table, form = filled.table, filled.subject.classifier.form
        shape = (len(table), len(self.perturbations), len(self.severities))
        blocks = [1, 1, *[self.cells] * OF_CELL, *[len(self.attacks)] * OF_ATTACK]
        ends = np.cumsum(blocks)
        parts = [np.array(part) for part in np.split(table, ends, axis=1)]
        settings = {key: value for key, value in filled.settings.items() if key not in WHAT}
        names = self.perturbations
        value, beside = parts[0][:, 0], parts[1][:, 0]
        corrupted, corrupted_beside = parts[4].reshape(shape), parts[5].reshape(shape)
        of_task: dict[str, Any] = {
            "value": value, "share": beside,
            "corrupted_value": corrupted, "corrupted_share": corrupted_beside,
        }  # fmt: skip
        if filled.subject.classifier.kind.name == CLASSES:
            names_of = ("log_prob", "max_prob", "corrupted_log_prob", "corrupted_max_prob")
            of_task = dict(zip(names_of, of_task.values(), strict=True))
        assert filled.clean is not None
        if filled.clean.tally is not None:
            of_task["tally"] = filled.clean.tally[filled.used]
        if self.tallied:
            of_image = NUMBERS[MAPS], self.tallied // NUMBERS[MAPS]
            of_task["corrupted_tally"] = parts[9].reshape(*shape, *of_image)
        report = RobustnessReport(
            perturbations=names,
            severities=self.severities,
            labels=filled.labels,
            predicted=filled.predicted,
            **of_task,
            wrong=parts[2].reshape(shape) != 0,
            change=parts[3].reshape(shape),
            attacks=self.attacks,
            attack_wrong=parts[6] != 0,
            attack_queries=parts[7].astype(np.int32),
            attack_change=parts[8],
            settings={
                **settings,
                "height": form.height,
                "width": form.width,
                "channels": form.channels,
                "kinds": {name: kind_of(name) for name in names},
                **filled.view,
            },
            **{**filled.origin(), "image_digests": filled.sample.image_digests},
        )
        # Shards are joined, so all of them name the same attacks.
        return report if filled.subject.request.shard else report.with_attacks_run()


def _pairs(own: Sequence[Own], positions: Sequence[int] | None = None) -> dict[str, Any]:
    """What the settings say of pictures of the user's own; nothing where there are none."""
    return {"pairs": {each.name: each.setting(positions) for each in own}} if own else {}
