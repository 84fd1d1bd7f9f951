"""A table a question, from what was gathered of the reports."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.intervals import bootstrap_intervals
from iaside_onnx.mathematics.score import spectral_importance

from .gather import Measured
from .jobs import ABSENT, LINEAR, SPACED
from .predicting import over_corruptions, over_networks
from .rivals import contest, rivals
from .statistics import apart, effective_number, ends, means, spearman_of_families
from .study import BETA, SHOWN, Study, order
from .words import Spread, percent, told

Cells = list[list[str]]
NAMES = (
    "networks", "bands", "pairs", "variants", "settings", "absences", "damage", "attack", "rivals"
)  # fmt: skip
PREDICTED = {"over-corruptions": over_corruptions, "over-networks": over_networks}


def tables(measured: Measured) -> dict[str, Cells]:
    """Rows of each table, the first of which names the columns."""
    study = Study(measured)
    return {
        "networks": networks(study), "bands": bands(study), "pairs": pairs(study),
        "variants": variants(study), "settings": settings(study), "absences": absences(study),
        "damage": damage(study), "attack": attack(study), "rivals": rivals(study),
        **{name: table(study) for name, table in PREDICTED.items()},
    }  # fmt: skip


def write_tables(measured: Measured, out: Path) -> None:
    """Write every table as CSV."""
    for name, rows in tables(measured).items():
        with (out / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def networks(study: Study) -> Cells:
    """A row each: what it gets right, what corruptions cost it, and its scores."""
    head = ["network", "images", "clean error", "mean error", "mPE", "mCE", "relative mCE"]
    head.append("added error")
    for game in SHOWN:
        head += [f"signed score, {game}", f"published, {game}"]
    table = [head]
    for at, name in enumerate(study.names):
        row = [name, str(study.images)]
        row += [percent(ends(part[at][:, 0])) for part in (study.clean, study.error)]
        row.append(told(ends(study.mpe[at][:, 0]), 2))
        for against in (study.mce(at), study.relative_mce(at)):
            row.append("" if against is None else told(ends(against[:, 0]), 2))
        row.append(percent(ends(study.added(at).mean(axis=1))))
        for game in SHOWN:
            psi = study.psi(game, at)
            if not np.isfinite(psi).all():
                row += ["", ""]
                continue
            found, signed = bootstrap_intervals(psi, BETA), study.score(game, at)
            row.append(told((signed, *found.srs_signed), 3))
            row.append(told((abs(signed), *found.srs), 3))
        table.append(row)
    return table


def bands(study: Study) -> Cells:
    """On which bands the answers of the original networks rest: shares, each with its interval."""
    table = [["network", "signed score", *(f"band {band}" for band in range(8))]]
    for at in study.originals():
        psi = study.psi(SHOWN[0], at)
        shares = spectral_importance(study.resampled(SHOWN[0], at))
        signed = (study.score(SHOWN[0], at), *bootstrap_intervals(psi, BETA).srs_signed)
        cells = [told(ends(column), 2) for column in shares.T]
        table.append([study.names[at], told(signed, 3), *cells])
    return table


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
    row = [study.names[one], study.names[two], same, told(mpe, 3), percent(clean)]
    for game in SHOWN:
        score = study.score_difference(game, one, two)
        row += ["", ""] if score is None else [told(score, 3), order(score, mpe)]
    return row


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
        row = [name, percent(ends(clean)), percent(ends(error)), told(ends(mpe), 3)]
        row.append(percent(ends(error - clean)))
        for game in SHOWN:
            score = study.score_difference(game, parent, at)
            row.append("" if score is None else told(score, 3))
        table.append(row)
    return table


def settings(study: Study) -> Cells:
    """A row for each game, then clean accuracy: what it resolves, and whose order it gives.

    Of the networks that every norm and spacing was played with; twins in other precisions are not
    counted twice.
    """
    table = [[
        "game", "networks", "share of the lowest band", "effective bands",
        "width of a difference's interval", "spread of the score",
        "pairs told apart", "agree, one family", "oppose, one family", "agree, two families",
        "oppose, two families", "Spearman over families",
    ]]  # fmt: skip
    shared = study.shared()
    if len(shared) < 2:
        return table
    for game in study.games((*LINEAR, *SPACED)):
        own = np.array([spectral_importance(study.resampled(game, at)[0]) for at in shared])
        scores = np.array([study.score(game, at) for at in shared])
        spread = {pair: study.score_difference(game, *pair) for pair in combinations(shared, 2)}
        found = {pair: each for pair, each in spread.items() if each is not None}
        width = np.mean([high - low for _, low, high in found.values()])
        numbers = [own[:, 0].mean(), effective_number(own).mean(), width, scores.std(ddof=1)]
        cells = [f"{each:.3f}" for each in numbers] + _counts(found, study)
        table.append([game, str(len(shared)), *cells, _families(study, scores, shared)])
    accuracy = {
        (one, two): ends((study.clean[one] - study.clean[two])[:, 0])
        for one, two in combinations(shared, 2)
    }
    right = np.array([-study.clean[at][0, 0] for at in shared])
    cells = [*[""] * 4, *_counts(accuracy, study), _families(study, right, shared)]
    return [*table, ["clean accuracy", str(len(shared)), *cells]]


def absences(study: Study) -> Cells:
    """The scores of original networks under each absence, and whose order they give.

    In the rows of l2 also how much better or worse than with linf they go with each outcome. Of
    the networks that every absence was measured of.
    """
    originals = study.in_every_absence()
    norms = norms_by_absence(study)
    outcomes = list(next(iter(norms.values()), {}))
    names = [study.names[at] for at in originals]
    end = ["highest", "pairs told apart", "agree", "oppose", "Spearman over families"]
    table = [["game", *names, *end, *(f"l2 less linf, {what}" for what in outcomes)]]
    for game in study.games((*LINEAR[:2], *ABSENT)):
        scores = np.array([study.score(game, at) for at in originals])
        cells = [
            told((float(score), *bootstrap_intervals(study.psi(game, at), BETA).srs_signed), 3)
            for at, score in zip(originals, scores, strict=True)
        ]
        spread = {pair: study.score_difference(game, *pair) for pair in combinations(originals, 2)}
        told_apart, *orders = _counts({p: each for p, each in spread.items() if each}, study)
        row = [game, *cells, names[int(scores.argmax())], told_apart]
        row += [str(sum(map(int, orders[kind::2]))) for kind in (0, 1)]
        row.append(_families(study, scores, originals))
        table.append([*row, *(norms.get(game, {}).get(what, "") for what in outcomes)])
    return table


def norms_by_absence(study: Study) -> dict[str, dict[str, str]]:
    """Of each game with l2: its correlations less those of the same with linf, by outcome."""
    made, games = {}, study.games((*LINEAR, *ABSENT))
    for game in (each for each in (*LINEAR, *ABSENT) if each.norm == "l2"):
        pair = game.name, replace(game, norm="linf").name
        if set(pair) <= set(games):
            made[game.name] = contest(study, *pair, study.in_every_absence())
    return made


def attack(study: Study) -> Cells:
    """What the attack costs those that were attacked, and a variant more than its parent."""
    head = ["images", "clean error", "error under attack", "change under attack"]
    # Images that are wrong before are not attacked, and count as unchanged.
    head += ["right before", "change of these"]
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
            change_of, clean_of = study.measured["attack/change"], study.measured["attack/clean"]
            right = attacked & (clean_of[at] == 0)
            moved = np.array(change_of[at])
            if parent is not None:
                right &= clean_of[parent] == 0
                moved -= change_of[parent]
            yield [
                study.names[at], less, str(attacked.sum()), *(percent(ends(p)) for p in parts[:2]),
                told(ends(parts[2]), 2), str(right.sum()), told(ends(means(moved[right])[:, 0]), 2),
            ]  # fmt: skip


def _counts(spread: dict[tuple[int, int], Spread], study: Study) -> list[str]:
    """Pairs told apart, and whose order agrees with that of mPE or opposes it.

    Both of one family, then of two.
    """
    orders = []
    for (one, two), difference in spread.items():
        mpe = ends((study.mpe[two] - study.mpe[one])[:, 0])
        same = study.families[one] == study.families[two]
        orders.append((same, order(difference, mpe)))
    counted = [
        orders.count((same, word)) for same in (True, False) for word in ("agrees", "opposes")
    ]
    seen = sum(bool(apart(each)) for each in spread.values())
    return [f"{seen} of {len(orders)}", *map(str, counted)]


def _families(study: Study, score: NDArray[Any], places: list[int]) -> str:
    found = spearman_of_families(
        score.tolist(), [float(study.mpe[at][0, 0]) for at in places],
        [study.families[at] for at in places],
    )  # fmt: skip
    return "too few" if found is None else told(found, 2)


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
    return [told(ends(table[:, column]), 1) for column in range(table.shape[1])]
