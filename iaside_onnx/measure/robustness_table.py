"""Fills the table of a robustness measurement: a row an image, written as results come in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..listener import Listener
from ..results.robustness import NOT_ATTACKED
from ..storage.partial import Columns, Partial
from .attacked import attack_images, images_together
from .batch_size import BatchSize, batch_size
from .corrupted import corrupted, corruption_threads
from .measuring import Subject
from .scorer import Scorer


@dataclass(frozen=True)
class Plan:
    """What is to be measured, and where it stands in the table.

    A row of the table is an image: the clean log-probability, then `wrong`, `change` and
    `corrupted_log_prob` of each corruption and severity, then `attack_wrong`, `attack_queries`
    and `attack_change` of each attack.

    Attributes
    ----------
    subject : Subject
    perturbations, severities, attacks : list
        As a report has them.
    chosen : list of int
        Positions of the images to attack.
    seed : int
    """

    subject: Subject
    perturbations: list[str]
    severities: list[int]
    attacks: list[dict[str, Any]]
    chosen: list[int]
    seed: int

    @property
    def cells(self) -> int:
        """Corruptions times severities."""
        return len(self.perturbations) * len(self.severities)

    @property
    def columns(self) -> int:
        """Columns of the table."""
        return 1 + 3 * self.cells + 3 * len(self.attacks)

    @property
    def parts(self) -> list[Columns]:
        """Columns that are written together: those of the corruptions, then of each attack."""
        return table_parts(self.cells, len(self.attacks))

    def attack_columns(self, number: int) -> list[int]:
        """Columns of wrong, queries and change of an attack."""
        return _attack_columns(self.cells, len(self.attacks), number)

    @property
    def attack_passes(self) -> int:
        """Most passes of all attacks."""
        return len(self.chosen) * sum(int(attack["queries"]) for attack in self.attacks)

    def cost(self) -> str:
        """What the work costs, in words."""
        images, cells = len(self.subject.sample), self.cells
        text = (
            f"cost: {images} images x ({len(self.perturbations)} corruptions x "
            f"{len(self.severities)} severities + the image itself) = {images * (cells + 1):,} "
            "forward passes"
        )
        for attack in self.attacks:
            text += (
                f", and at most {len(self.chosen)} images x {attack['queries']:,} queries = "
                f"{len(self.chosen) * attack['queries']:,} for {attack['name']} "
                f"(epsilon {attack['epsilon']:.4g})"
            )
        return text

    def describe(self, column: int) -> str:
        """A column of the corruptions in words; -1 is the untouched image."""
        if column < 0:
            return "untouched"
        row, severity = divmod(column, len(self.severities))
        return f"{self.perturbations[row]}, severity {self.severities[severity]}"


def _attack_columns(cells: int, attacks: int, number: int) -> list[int]:
    return [1 + 3 * cells + part * attacks + number for part in range(3)]


def table_parts(cells: int, attacks: int) -> list[Columns]:
    """Columns that are written together, for a number of corrupted images and of attacks."""
    corruptions: list[Columns] = [slice(1 + 3 * cells)]
    return corruptions + [_attack_columns(cells, attacks, number) for number in range(attacks)]


def fill(
    plan: Plan,
    partial: Partial,
    temperature: float,
    batch: int | None,
    tell: Listener,
) -> dict[str, Any]:
    """Evaluate what is missing in the table.

    Parameters
    ----------
    partial : Partial
        Of `plan.columns` in `plan.parts`.
    temperature : float
    batch : int or None
        Images in a run; None searches.

    Returns
    -------
    dict
        How it ran, as JSON values.
    """
    table, missing, chosen = partial.table, partial.unfinished(), set(plan.chosen)
    attacks: list[list[int]] = []
    for number in range(len(plan.attacks)):
        lacking = partial.unfinished(1 + number)
        for position in lacking:
            if position not in chosen:
                partial.store(position, np.array([0, NOT_ATTACKED, 0]), 1 + number)
        attacks.append([position for position in lacking if position in chosen])
    passes = len(table) * (plan.cells + 1)
    total = passes + plan.attack_passes
    ahead = len(missing) * (plan.cells + 1)
    ahead += sum(
        len(rows) * attack["queries"] for rows, attack in zip(attacks, plan.attacks, strict=True)
    )
    size = batch_size(plan.subject.classifier, batch, ahead)
    scorer = Scorer(plan.subject.classifier, temperature, size)
    began = time.monotonic()
    tell.start(total - ahead, total)
    try:
        _corrupt(plan, missing, partial, scorer, tell)
        for number, rows in enumerate(attacks):
            _attack(plan, number, rows, partial, scorer, tell)
    finally:
        tell.stop()
    queries = table[:, [plan.attack_columns(number)[1] for number in range(len(attacks))]]
    return {
        "forward_passes": passes + int(np.maximum(queries, 0).sum()),
        "seconds": round(time.monotonic() - began, 3),
        "resumed_after": total - ahead,
        "batch": size.size,
        **plan.subject.environment(),
    }


def _corrupt(
    plan: Plan, missing: list[int], partial: Partial, scorer: Scorer, tell: Listener
) -> None:
    """Fill the columns of the corruptions for the images that lack them."""
    sample, targets = plan.subject.sample, plan.subject.targets
    stream = corrupted(
        plan.subject.pixels,
        plan.subject.keys,
        missing,
        plan.perturbations,
        plan.severities,
        plan.seed,
        features=plan.subject.classifier.form.features,
        threads=corruption_threads(plan.subject.runtime.execution),
    )
    # The stream holds all of an image before the next one.
    clean, task, row = np.empty(0), scorer.task, np.empty(1 + 3 * plan.cells, np.float32)
    for group in _groups(stream, scorer.size):
        logs = scorer(np.stack([image for _, _, image in group]))
        for (position, column, _), log in zip(group, logs, strict=True):
            if np.isnan(log).any():
                name = f"{sample.ids[position]} ({plan.describe(column)})"
                raise ArtifactError(f"the model returns NaN for image {name}")
            target = targets[position]
            if column < 0:
                clean = log
                row[0] = log[target]
                continue
            wrong, change = not task.right(log, target), task.change(log, clean)
            row[1 + column :: plan.cells] = wrong, change, log[target]
            if column == plan.cells - 1:
                partial.store(position, row)
        tell.advance(len(group))


def _groups(
    stream: Iterator[tuple[int, int, NDArray[np.float32]]], size: BatchSize
) -> Iterator[list[tuple[int, int, NDArray[np.float32]]]]:
    while group := list(islice(stream, size.size)):
        yield group


def _attack(
    plan: Plan,
    number: int,
    rows: list[int],
    partial: Partial,
    scorer: Scorer,
    tell: Listener,
) -> None:
    """Fill the columns of an attack for the images that lack them."""
    wanted, subject = plan.attacks[number], plan.subject
    together = images_together(subject.runtime.execution, subject.classifier.form.features)
    for start in range(0, len(rows), together):
        group = rows[start : start + together]
        images = np.stack([subject.pixels(position) for position in group])
        budget = len(group) * wanted["queries"]

        def scores(tried: NDArray[np.float32]) -> NDArray[np.float64]:
            nonlocal budget
            passes = min(len(tried), budget)
            budget -= passes
            logs = scorer(tried)
            tell.advance(passes)
            return logs

        keys = [subject.keys[position] for position in group]
        targets, task = subject.targets[group], scorer.task
        results = attack_images(scores, images, targets, wanted, plan.seed, keys, task)
        for position, values in zip(group, np.column_stack(results), strict=True):
            partial.store(position, values, 1 + number)
        tell.advance(budget)
