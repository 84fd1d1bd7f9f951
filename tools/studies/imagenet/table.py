"""A table a question, from what was gathered of the reports."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.intervals import bootstrap_intervals
from iaside_onnx.mathematics.paired_score import ScoreDifference
from iaside_onnx.mathematics.score import signed_score, spectral_importance

from .gather import Measured
from .jobs import ABSENT, LINEAR, QUANTISED, SPACED, Game
from .make import ORIGINAL, PARENT
from .statistics import Array, apart, effective_number, ends, means, spearman_of_families

BASELINE = "squeezenet"
BETA = 0.75
SHOWN = ("gaussian-l2-linear", "gaussian-linf-linear")
Cells = list[list[str]]
Spread = tuple[float, float, float]


class Study:
    """What was measured, and what follows from it for each network."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self.names = [str(name) for name in measured["network"]]
        self.families = [str(name) for name in measured["family"]]
        self.variants = [str(name) for name in measured["variant"]]
        self.images = measured["clean"].shape[1]
        self.clean = [means(row) for row in measured["clean"]]
        self.mpe = [means(row.mean(axis=1)) for row in measured["mpe"]]
        self.error = [means(row.mean(axis=1)) for row in measured["error"]]

    def places(self, key: str) -> list[int]:
        """Rows of the networks that have an array."""
        table = self.measured.get(key)
        if table is None:
            return []
        return [at for at in range(len(self.names)) if np.isfinite(table[at]).any()]

    def parents(self) -> list[int]:
        """Rows of the networks that are nobody's variant."""
        return [at for at, variant in enumerate(self.variants) if variant in ORIGINAL]

    def games(self, of: Sequence[Game]) -> list[str]:
        """Names of those of some games that were played."""
        return [game.name for game in of if f"psi/{game.name}" in self.measured]

    def shared(self) -> list[int]:
        """Rows of the networks that every norm and spacing was played with, without twins."""
        held = [set(self.places(f"psi/{game.name}")) for game in (*LINEAR, *SPACED)]
        rows = set.intersection(*[each for each in held if each])
        return sorted(at for at in rows if self.variants[at] not in QUANTISED)

    def psi(self, game: str, place: int) -> NDArray[np.float64]:
        """Shapley values, shape (images, bands)."""
        return np.asarray(self.measured[f"psi/{game}"][place], np.float64)

    def parent(self, place: int) -> int | None:
        """Row of the network that a variant was made of; None: it is one itself."""
        for at, (family, variant) in enumerate(zip(self.families, self.variants, strict=True)):
            if (family, variant) == (self.families[place], PARENT):
                return None if at == place else at
        return None


def tables(measured: Measured) -> dict[str, Cells]:
    """Rows of each table, the first of which names the columns."""
    study = Study(measured)
    return {
        "networks": networks(study), "pairs": pairs(study), "variants": variants(study),
        "settings": settings(study), "absences": absences(study), "damage": damage(study),
        "attack": attack(study),
    }  # fmt: skip


def write_tables(measured: Measured, out: Path) -> None:
    """Write every table as CSV."""
    for name, rows in tables(measured).items():
        with (out / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def networks(study: Study) -> Cells:
    """A row each: what it gets right, what corruptions cost it, and its scores."""
    head = ["network", "images", "clean error", "mean error", "mPE", "mCE", "added error"]
    for game in SHOWN:
        head += [f"signed score, {game}", f"published, {game}"]
    table = [head]
    against = mce(study)
    for at, name in enumerate(study.names):
        row = [name, str(study.images)]
        row += [_percent(ends(part[at][:, 0])) for part in (study.clean, study.error)]
        row.append(_told(ends(study.mpe[at][:, 0]), 2))
        row.append("" if against is None else _told(ends(against[at]), 2))
        row.append(_percent(ends((study.error[at] - study.clean[at])[:, 0])))
        for game in SHOWN:
            psi = study.psi(game, at)
            if not np.isfinite(psi).all():
                row += ["", ""]
                continue
            found = bootstrap_intervals(psi, BETA)
            signed = float(signed_score(spectral_importance(psi.mean(axis=0)), BETA))
            row.append(_told((signed, *found.srs_signed), 3))
            row.append(_told((abs(signed), *found.srs), 3))
        table.append(row)
    return table


def mce(study: Study) -> list[Array] | None:
    """Mean over corruptions of the error as a share of the baseline's, with resamples.

    None without the baseline: a network that errs less may be right on all images of a resample.

    The relative mCE is not formed: with so few photographs some corruptions add nothing to the
    baseline's error, and it would be divided by 0.
    """
    if BASELINE not in study.names:
        return None
    errors = [means(rows) for rows in study.measured["error"]]
    base = errors[study.names.index(BASELINE)]
    return [(each / base).mean(axis=1) for each in errors]


def pairs(study: Study) -> Cells:
    """Every pair: differences (second less first), and whether the orders agree."""
    head = ["first", "second", "one family", "mPE", "clean error"]
    return [
        [*head, *(cell for game in SHOWN for cell in (f"score, {game}", f"order, {game}"))],
        *(pair_row(study, *pair) for pair in combinations(range(len(study.names)), 2)),
    ]


def pair_row(study: Study, one: int, two: int) -> list[str]:
    """A row of `pairs`."""
    mpe = ends((study.mpe[two] - study.mpe[one])[:, 0])
    clean = ends((study.clean[two] - study.clean[one])[:, 0])
    same = "yes" if study.families[one] == study.families[two] else "no"
    row = [study.names[one], study.names[two], same, _told(mpe, 3), _percent(clean)]
    for game in SHOWN:
        score = score_difference(study, game, one, two)
        row += ["", ""] if score is None else [_told(score, 3), order(score, mpe)]
    return row


def score_difference(study: Study, game: str, one: int, two: int) -> Spread | None:
    """Signed score of the second less that of the first, with its interval."""
    tables = [study.psi(game, at) for at in (one, two)]
    if not all(np.isfinite(table).all() for table in tables):
        return None
    first, second = (
        float(signed_score(spectral_importance(table.mean(axis=0)), BETA)) for table in tables
    )
    return second - first, *ScoreDifference(*tables, BETA).interval()


def order(score: Spread, mpe: Spread) -> str:
    """Whether the higher score goes with less change, where both differences are told apart."""
    if not apart(score) or not apart(mpe):
        return "undecided"
    return "agrees" if apart(score) == -apart(mpe) else "opposes"


def variants(study: Study) -> Cells:
    """Each variant less its parent, on the same images."""
    head = ["network", "clean error", "mean error", "mPE", "added error"]
    table = [[*head, *(f"score, {game}" for game in SHOWN)]]
    for at, name in enumerate(study.names):
        parent = study.parent(at)
        if parent is None:
            continue
        clean, error, mpe = (
            (part[at] - part[parent])[:, 0] for part in (study.clean, study.error, study.mpe)
        )
        row = [name, _percent(ends(clean)), _percent(ends(error)), _told(ends(mpe), 3)]
        row.append(_percent(ends(error - clean)))
        for game in SHOWN:
            score = score_difference(study, game, parent, at)
            row.append("" if score is None else _told(score, 3))
        table.append(row)
    return table


def settings(study: Study) -> Cells:
    """A row for each game, then clean accuracy: what it resolves, and whose order it gives.

    Of the networks that every norm and spacing was played with; twins in other precisions are not
    counted twice.
    """
    table = [[
        "game", "networks", "share of the lowest band", "effective bands",
        "standard error of the score", "standard error of a difference", "spread of the score",
        "pairs told apart", "agree, one family", "oppose, one family", "agree, two families",
        "oppose, two families", "Spearman over families",
    ]]  # fmt: skip
    shared = study.shared()
    if len(shared) < 2:
        return table
    for game in study.games((*LINEAR, *SPACED)):
        places = study.places(f"psi/{game}")
        if set(shared) <= set(places):
            places = shared
        resampled, score = _scores(study, game, places)
        own = np.array([each[0] for each in resampled])
        pairwise = list(combinations(range(len(places)), 2))
        errors = [float((score[two] - score[one])[1:].std()) for one, two in pairwise]
        numbers = [
            own[:, 0].mean(), effective_number(own).mean(), score[:, 1:].std(axis=1).mean(),
            float(np.mean(errors)), score[:, 0].std(ddof=1),
        ]  # fmt: skip
        cells = [f"{each:.3f}" for each in numbers] + _counts(score, study, places)
        table.append([game, str(len(places)), *cells, _families(study, score[:, 0], places)])
    accuracy = np.array([-study.clean[at][:, 0] for at in shared])
    cells = [*[""] * 5, *_counts(accuracy, study, shared), _families(study, accuracy[:, 0], shared)]
    return [*table, ["clean accuracy", str(len(shared)), *cells]]


def absences(study: Study) -> Cells:
    """The scores of the parents under each absence, and whose order they give."""
    parents = study.parents()
    names = [study.names[at] for at in parents]
    table = [["game", *names, "highest", "pairs told apart", "agree", "oppose"]]
    for game in study.games((*LINEAR[:2], *ABSENT)):
        if not set(parents) <= set(study.places(f"psi/{game}")):
            continue
        _, score = _scores(study, game, parents)
        told, *orders = _counts(score, study, parents)
        cells = [
            _told((float(each[0]), *bootstrap_intervals(study.psi(game, at), BETA).srs_signed), 3)
            for at, each in zip(parents, score, strict=True)
        ]
        table.append([game, *cells, names[int(score[:, 0].argmax())], told, *orders[2:]])
    return table


def _scores(study: Study, game: str, places: list[int]) -> tuple[list[Array], Array]:
    """Distributions (1 + resamples, M) of networks, and their signed scores, one row each."""
    resampled = [spectral_importance(means(study.psi(game, at))) for at in places]
    return resampled, np.array([signed_score(each, BETA) for each in resampled])


def attack(study: Study) -> Cells:
    """What the attack costs those that were attacked, and a variant more than its parent."""
    head = ["images", "clean error", "error under attack", "change under attack"]
    return [["network", "less", *head], *_attack_rows(study)]


def _attack_rows(study: Study) -> Iterator[list[str]]:
    key = "attack/wrong"
    places = study.places(key)
    if not places:
        return
    attacked = np.isfinite(study.measured[key][places[0]])
    wrong, change, clean = (
        {at: means(study.measured[f"attack/{what}"][at][attacked])[:, 0] for at in places}
        for what in ("wrong", "change", "clean")
    )
    for at in places:
        for parent in [None, *(p for p in [study.parent(at)] if p in places)]:
            parts = [
                part[at] - (0.0 if parent is None else part[parent])
                for part in (clean, wrong, change)
            ]
            less = "" if parent is None else study.names[parent]
            yield [
                study.names[at], less, str(attacked.sum()), *(_percent(ends(p)) for p in parts[:2]),
                _told(ends(parts[2]), 2),
            ]  # fmt: skip


def _counts(score: Array, study: Study, places: list[int]) -> list[str]:
    """Pairs told apart, and whose order agrees with that of mPE or opposes it."""
    orders, told = [], 0
    for one, two in combinations(range(len(places)), 2):
        first, second = places[one], places[two]
        difference = ends(score[two] - score[one])
        mpe = ends((study.mpe[second] - study.mpe[first])[:, 0])
        told += bool(apart(difference))
        orders.append((study.families[first] == study.families[second], order(difference, mpe)))
    counted = [
        orders.count((same, word)) for same in (True, False) for word in ("agrees", "opposes")
    ]
    return [f"{told} of {len(orders)}", *map(str, counted)]


def _families(study: Study, score: NDArray[Any], places: list[int]) -> str:
    found = spearman_of_families(
        score.tolist(), [float(study.mpe[at][0, 0]) for at in places],
        [study.families[at] for at in places],
    )  # fmt: skip
    return "too few" if found is None else _told(found, 2)


def damage(study: Study) -> Cells:
    """Points of accuracy lost through each band, and what a variant loses more than its parent."""
    return [
        ["perturbation", "network", "less", "all", *(f"band {band}" for band in range(8))],
        *_damage_rows(study),
    ]


def _damage_rows(study: Study) -> Iterator[list[str]]:
    for key in [key for key in study.measured if key.startswith("damage/")]:
        perturbation = key.removeprefix("damage/")
        places = study.places(key)
        points = {at: np.asarray(study.measured[key][at], np.float64) for at in places}
        for at in places:
            yield [perturbation, study.names[at], "", *_bands(points[at])]
            parent = study.parent(at)
            if parent in points:
                less = points[at] - points[parent]
                yield [perturbation, study.names[at], study.names[parent], *_bands(less)]


def _bands(points: NDArray[np.float64]) -> list[str]:
    table = means(np.column_stack([points.sum(axis=1), points]))
    return [_told(ends(table[:, column]), 1) for column in range(table.shape[1])]


def _told(spread: Spread, digits: int) -> str:
    value, low, high = (f"{round(number, digits) + 0.0:.{digits}f}" for number in spread)
    return f"{value} [{low}, {high}]"


def _percent(spread: Spread) -> str:
    value, low, high = (100 * number for number in spread)
    return _told((value, low, high), 1)
