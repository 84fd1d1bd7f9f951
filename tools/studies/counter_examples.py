"""Networks of the zoo by which the score misleads: looked for in one part of the pictures.

    python -m tools.studies.counter_examples choose zoo-reports
    python -m tools.studies.counter_examples report zoo-reports

``choose`` looks for pairs by `PAIRS`, the rule that was fixed beforehand, on the first part of the
pictures. ``report`` measures these pairs on the other, whatever comes out, and writes
``counter-examples.csv`` beside this file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

import iaside_onnx as ia
from iaside_onnx.mathematics.paired_score import ScoreDifference
from tools.studies.csv_files import HERE, read, write
from tools.studies.imagenet.statistics import ends, means
from tools.studies.markdown import interval, signed, table
from tools.studies.zoo_reports import HALVES, ZOO, Shelf, networks

NAME = "counter-examples.csv"
LESS = "second less first"
READING = "l2"
# Differences whose whole interval lies within this much of 0 count as none.
MARGIN = 0.05
GROUPS = ("noise", "blur", "weather", "digital")
PLACES = ("first", "second")
# Bands whose damage is shown together.
PARTS = {
    "lost": slice(0, 8), "bands 0-2": slice(0, 3), "bands 3-5": slice(3, 6),
    "bands 6-7": slice(6, 8),
}  # fmt: skip
# Of the damage game: pictures, and the severity.
EXPLAINED, SEVERITY = 60, 3
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """What one half of the pictures says of a network.

    Attributes
    ----------
    shapley : ndarray, shape (images, bands)
    score : float
        The signed score.
    change : ndarray, shape (pictures, corruptions)
        Mean prediction error of each picture, mean over severities.
    """

    name: str
    shapley: Floats
    score: float
    change: Floats


@dataclass(frozen=True)
class Pair:
    """The second network less the first: value, low and high end of 95 % intervals."""

    first: str
    second: str
    score: tuple[float, float, float]
    mpe: tuple[float, float, float]
    groups: tuple[float, ...]
    corruption: str = ""
    group_ends: tuple[tuple[float, float], ...] = ()

    def same(self, what: str) -> bool:
        """Whether no difference is seen, and none larger than the margin can be there."""
        _, low, high = getattr(self, what)
        return bool(-MARGIN < low <= 0 <= high < MARGIN)

    def differs(self, what: str) -> bool:
        """Whether a difference is seen."""
        _, low, high = getattr(self, what)
        return bool(low > 0 or high < 0)


def _apart(pair: Pair) -> float:
    """How much further one group of corruptions differs than another."""
    return max(pair.groups) - min(pair.groups)


@dataclass(frozen=True)
class Question:
    """Which pairs are looked for: those that hold, the one that is furthest apart first."""

    words: str
    holds: Callable[[Pair], bool]
    far: Callable[[Pair], float]
    count: int


# No network comes twice under one question.
PAIRS = {
    "same score": Question(
        "same score, other robustness",
        lambda pair: pair.same("score") and pair.differs("mpe"),
        lambda pair: abs(pair.mpe[0]),
        2,
    ),
    "same robustness": Question(
        "other score, same robustness",
        lambda pair: pair.same("mpe") and pair.differs("score"),
        lambda pair: abs(pair.score[0]),
        2,
    ),
    "other damage": Question("same mPE, other damage", lambda pair: pair.same("mpe"), _apart, 2),
}


def seen(shelf: Shelf, network: Path) -> Seen:
    """The reports of a network, as this study reads them."""
    report, robustness = shelf.analysis(network, READING), shelf.robustness(network)
    change = robustness.change.mean(axis=2, dtype=np.float64)
    return Seen(network.stem, report.shapley_per_image, report.srs_signed, change)


def paired(first: Seen, second: Seen, kinds: Sequence[str], corruptions: Sequence[str]) -> Pair:
    """What tells two networks apart on the same pictures."""
    score = ScoreDifference(first.shapley, second.shapley).interval()
    difference = second.change - first.change
    by_corruption = difference.mean(axis=0)
    groups = [_of_pictures(difference[:, np.array(kinds) == one].mean(axis=1)) for one in GROUPS]
    return Pair(
        first.name,
        second.name,
        (second.score - first.score, *score),
        _of_pictures(difference.mean(axis=1)),
        tuple(value for value, _, _ in groups),
        corruptions[int(np.abs(by_corruption).argmax())],
        tuple((low, high) for _, low, high in groups),
    )


def _of_pictures(values: Floats) -> tuple[float, float, float]:
    """Mean of a number a picture, with the ends of Student's interval."""
    middle = float(values.mean())
    reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return middle, middle - float(reach), middle + float(reach)


def choose(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    """The pairs of each question."""
    chosen: dict[str, list[Pair]] = {}
    for key, question in PAIRS.items():
        fitting = sorted(filter(question.holds, pairs), key=question.far, reverse=True)
        taken: list[Pair] = []
        for pair in fitting:
            used = {name for one in taken for name in (one.first, one.second)}
            if len(taken) < question.count and not used & {pair.first, pair.second}:
                taken.append(pair)
        chosen[key] = taken
    return chosen


def all_pairs(shelf: Shelf) -> list[Pair]:
    """Every pair of the zoo's networks on a half."""
    every = [seen(shelf, network) for network in networks()]
    kinds, names = _kinds(shelf.robustness(networks()[0]))
    return [paired(*two, kinds, names) for two in combinations(every, 2)]


def _kinds(robustness: ia.RobustnessReport) -> tuple[list[str], list[str]]:
    names = robustness.perturbations
    return [robustness.settings["kinds"][name] for name in names], names


def reported(shelf: Shelf, key: str, chosen: Pair) -> dict[str, Any]:
    """A pair on the other half, and whether what was found in the first holds there."""
    first, second = (seen(shelf, ZOO / f"{name}.onnx") for name in (chosen.first, chosen.second))
    kinds, names = _kinds(shelf.robustness(ZOO / f"{chosen.first}.onnx"))
    pair = paired(first, second, kinds, names)
    row: dict[str, Any] = {"question": key, "first": first.name, "second": second.name}
    for half, one in zip(HALVES, (chosen, pair), strict=True):
        for what in ("score", "mpe"):
            row |= _ends_of(f"{half}_{what}", getattr(one, what), 4)
        for group, value, (low, high) in zip(GROUPS, one.groups, one.group_ends, strict=True):
            row |= _ends_of(f"{half}_{group}", (value, low, high), 4)
    for place, one in zip(PLACES, (first, second), strict=True):
        measured = shelf.robustness(ZOO / f"{one.name}.onnx")
        row[f"{place}_score"] = f"{one.score:.4f}"
        row[f"{place}_mpe"] = f"{one.change.mean():.4f}"
        row[f"{place}_clean"] = f"{1 - measured.clean_error:.4f}"
        row[f"{place}_corrupted"] = f"{1 - measured.mean_error:.4f}"
        kept = ia.rank([measured]).rows[0].values["kept"]
        row |= _ends_of(f"{place}_kept", (kept.value, kept.low, kept.high), 4)
        assert measured.max_prob is not None
        row[f"{place}_confidence"] = f"{measured.max_prob.mean():.4f}"
        for group in GROUPS:
            of_group = one.change[:, np.array(kinds) == group]
            row[f"{place}_{group}"] = f"{of_group.mean():.4f}"
    row["holds"] = PAIRS[key].holds(pair)
    row["corruption"] = chosen.corruption
    return row | _explained(shelf, chosen)


def _explained(shelf: Shelf, pair: Pair) -> dict[str, Any]:
    """Points lost by band of the corruption that tells the two apart most in the first half."""
    row: dict[str, Any] = {}
    lost = []
    for place, name in zip(PLACES, (pair.first, pair.second), strict=True):
        target = shelf.out / shelf.half / "damage" / f"{name}-{pair.corruption}.h5"
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            ia.explain(
                ZOO / f"{name}.onnx",
                shelf.images,
                target,
                corruption=pair.corruption,
                severity=SEVERITY,
                samples=EXPLAINED,
                norm="linf",
            )
        report = ia.load(target)
        points = report.bands.value  # in points of accuracy
        lost.append(report.view(value="right").per_image)
        row[f"{place}_lost"] = f"{points.sum():.1f}"
        for band, value in enumerate(points):
            row[f"{place}_band{band}"] = f"{value:.1f}"
    more = lost[1] - lost[0]
    for name, bands in PARTS.items():
        row |= _ends_of(f"more_{name}", ends(means(more[:, bands].sum(axis=1))[:, 0]), 1)
    return row


def _ends_of(name: str, values: tuple[float, float, float], digits: int) -> dict[str, str]:
    columns = (name, f"{name}_low", f"{name}_high")
    return {column: f"{value:.{digits}f}" for column, value in zip(columns, values, strict=True)}


def tables() -> dict[str, str]:
    """What the guide quotes, by question."""
    rows = read(NAME)
    made = {}
    for key in PAIRS:
        asked = [row for row in rows if row["question"] == key]
        made[key] = table(
            ("first", "second", "score, second less first", "mPE, second less first", "holds"),
            (
                (
                    row["first"],
                    row["second"],
                    *(_ends(row, f"report_{what}") for what in ("score", "mpe")),
                    "yes" if row["holds"] == "True" else "no",
                )
                for row in asked
            ),
        )
        made[f"{key}, networks"] = table(
            (
                "network",
                "score",
                "mPE",
                "clean, %",
                "corrupted, %",
                "kept, %",
                "confidence, %",
                *(f"mPE, {g}" for g in GROUPS),
            ),
            (
                cells
                for row in asked
                for cells in (
                    *((row[place], *_network(row, place)) for place in PLACES),
                    (LESS, *[""] * 6, *(_ends(row, f"report_{group}") for group in GROUPS)),
                )
            ),
        )
        made[f"{key}, damage"] = table(
            ("network", "corruption", "points lost", *list(PARTS)[1:]),
            (
                cells
                for row in asked
                for cells in (
                    *((row[place], _words(row), *_parts(row, place)) for place in PLACES),
                    (LESS, _words(row), *(_ends(row, f"more_{name}", 1) for name in PARTS)),
                )
            ),
        )
    return made


def _network(row: dict[str, str], place: str) -> list[str]:
    shares = [f"{100 * float(row[f'{place}_{what}']):.0f}" for what in ("clean", "corrupted")]
    groups = [f"{float(row[f'{place}_{group}']):.2f}" for group in GROUPS]
    kept = [100 * float(row[f"{place}_kept{end}"]) for end in ("", "_low", "_high")]
    shares += [interval(*kept, 0, sign=False), f"{100 * float(row[f'{place}_confidence']):.0f}"]
    return [signed(row[f"{place}_score"]), f"{float(row[f'{place}_mpe']):.2f}", *shares, *groups]


def _ends(row: dict[str, str], what: str, digits: int = 2) -> str:
    return interval(*(row[f"{what}{end}"] for end in ("", "_low", "_high")), digits)


def _words(row: dict[str, str]) -> str:
    return row["corruption"].replace("_", " ")


def _parts(row: dict[str, str], place: str) -> list[str]:
    bands = [float(row[f"{place}_band{band}"]) for band in range(8)]
    return [row[f"{place}_lost"], *(f"{sum(bands[part]):.1f}" for part in list(PARTS.values())[1:])]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("choose", "report"))
    parser.add_argument("shelf", type=Path, nargs="?", default=Path("zoo-reports"))
    given = parser.parse_args()
    shelf = Shelf(given.shelf)
    chosen = choose(all_pairs(shelf))
    for key, pairs in chosen.items():
        for pair in pairs:
            print(key, pair, flush=True)
    if given.command == "report":
        other = replace(shelf, half=HALVES[1])
        rows = [reported(other, key, pair) for key, pairs in chosen.items() for pair in pairs]
        write(rows, HERE / NAME)


if __name__ == "__main__":
    main()
