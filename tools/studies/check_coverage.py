"""How often the 95 % interval of the signed score holds the truth, by simulation.

    python tools/studies/check_coverage.py
    python tools/studies/check_coverage.py --population r20-gaussian.h5 --target 0
    python tools/studies/check_coverage.py --population r20-gaussian.h5 --target 0 --tie 3
    python tools/studies/check_coverage.py --population r20.h5 --other r44.h5 --target 0

A population of images whose true signed score is known (2**M-column games made at random: bands
that add up, bands that need each other, images that differ; or the games of an exact report) is
sampled again and again, exactly, with drawn coalitions, and with the stopping rule of
``--target-stderr``; the share of intervals that hold the truth is printed with its own error, of
the plain percentile interval and of the one that reports have, on the same samples, and the mean
width of the latter over that of the former. ``--tie`` shifts the weakest bands to exact equality.
With ``--other`` the same of the difference of two signed scores, whose plain interval is the
expanded percentile interval; ``--lower`` makes the weakest band of the last report clearly least.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.mathematics.coalitions import ESTIMATORS, drawn_count, members, pair_chances
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.intervals import contact_set, expanded_tail, score_ends
from iaside_onnx.mathematics.paired_score import ScoreDifference
from iaside_onnx.mathematics.score import resampled_means, signed_score, spectral_importance
from iaside_onnx.mathematics.shapley import game_values, player_count
from iaside_onnx.measure.stopping import Limits, play_rounds

PLAYERS = 6
_BETA = 0.75
# Standard errors to stop at, which a few hundred images reach.
TARGETS = {"exact": 0.011, "permutation": 0.011, "regression": 0.02}
# Images of a sample that may stop before.
_MOST = 1000


def population(images: int, seed: int) -> NDArray[np.float64]:
    """Games of many images, shape (images, 2**M): saturating sums of bands of uneven strength."""
    rng = np.random.default_rng(seed)
    present = members(np.arange(1 << PLAYERS, dtype=np.uint64), PLAYERS)
    strength = np.array([1.6, 2.2, 1.4, 0.9, 0.5, 0.3]) * rng.gamma(2.0, 0.5, (images, PLAYERS))
    strength += rng.normal(0.0, 0.4, (images, PLAYERS))
    evidence = strength @ present.T + 0.6 * rng.standard_normal((images, 1)) - 2.0
    return -np.logaddexp(0.0, -evidence) * rng.gamma(4.0, 0.5, (images, 1))


def random_coalitions(
    estimator: str, players: int, images: int, rng: np.random.Generator
) -> NDArray[np.uint64]:
    """Rows such as `draw_coalitions` makes, all images at once, which takes a tenth of the time."""
    inner = drawn_count(estimator, players) - 2
    everyone = np.uint64((1 << players) - 1)
    if estimator == "regression":
        chances = pair_chances(players)
        lower = rng.choice(len(chances), (images, inner // 2), p=chances).astype(np.uint64)
        chosen = np.stack([lower, everyone - lower], axis=2).reshape(images, inner)
    else:
        order = np.tile(np.uint64(1) << np.arange(players, dtype=np.uint64), (images, 1))
        order = rng.permuted(order, axis=1)
        passed = [np.cumsum(way, axis=1, dtype=np.uint64) for way in (order, order[:, ::-1])]
        chosen = np.concatenate([way[:, :-1] for way in passed], axis=1)
    first = np.zeros((images, 1), np.uint64)
    return np.concatenate([first, chosen, first + everyone], axis=1)


def tie(games: NDArray[np.float64], bands: int) -> NDArray[np.float64]:
    """The same games with the Shapley values of the weakest bands exactly equal on average."""
    players = player_count(games)
    psi = image_values("exact", games, None, players).mean(axis=0)
    weakest = np.argsort(psi)[:bands]
    present = members(np.arange(1 << players, dtype=np.uint64), players)[:, weakest]
    return games + present @ (psi.min() - psi[weakest])


@lru_cache(maxsize=64)
def shares(images: int, seed: int, resamples: int) -> NDArray[np.float64]:
    """How much each image weighs in each resample: the same in all audits of one seed."""
    return resampled_means(np.eye(images), seed, resamples)


def both_intervals(
    psi: NDArray[np.float64], seed: int, resamples: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Intervals of the signed score as `bootstrap_intervals` makes them: percentile, and joint."""
    means = shares(len(psi), seed, resamples) @ psi
    low, high = np.percentile(signed_score(spectral_importance(means), _BETA), [2.5, 97.5])
    tail = expanded_tail(len(psi), 0.95)
    return (float(low), float(high)), score_ends(means, contact_set(psi), _BETA, tail)


def both_differences(
    tables: list[NDArray[np.float64]], seed: int, resamples: int
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Intervals of the difference of two signed scores: expanded percentile, and as `compare`."""
    means = [shares(len(psi), seed, resamples) @ psi for psi in tables]
    scores = [signed_score(spectral_importance(each), _BETA) for each in means]
    tail = expanded_tail(len(tables[0]), 0.95)
    low, high = map(float, np.quantile(scores[1] - scores[0], [tail, 1 - tail]))
    joint = ScoreDifference(tables[0], tables[1], _BETA, seed, resamples, means=means).interval()
    return (low, high), (min(low, joint[0]), max(high, joint[1]))


def audit(
    games: list[NDArray[np.float64]], estimator: str, images: int, target: float | None,
    number: int, seed: int, resamples: int,
) -> list[NDArray[np.float64]]:  # fmt: skip
    """Shapley values of the images that a simulated audit of each model uses."""
    rng = np.random.default_rng([seed + number, images])
    players = player_count(games[0])
    chosen, drawn = rng.choice(len(games[0]), images), None
    tables = [each[chosen] for each in games]
    if estimator != "exact":
        drawn = random_coalitions(estimator, players, images, rng)
        tables = [np.take_along_axis(each, drawn.astype(np.intp), axis=1) for each in tables]

    def values(table: NDArray[np.float64], positions: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = None if drawn is None else drawn[positions]
        return image_values(estimator, table[positions], rows, players)

    def stderr(positions: NDArray[np.intp]) -> float:
        means = shares(len(positions), seed, resamples) @ values(tables[0], positions)
        return float(signed_score(spectral_importance(means), _BETA).std())

    used = np.arange(images)
    if target is not None:
        limits = Limits(target_stderr=target)
        used, _ = play_rounds(limits, used, np.zeros(len(used), bool), lambda _: None, stderr)
    return [values(table, used) for table in tables]


@dataclass(frozen=True)
class Coverage:
    """Shares of intervals that hold the truth, percentile and joint ones on the same audits.

    Attributes
    ----------
    percentile, joint : float
    width : float
        Mean width of the joint intervals over that of the percentile intervals.
    images : float
        Mean number.
    """

    percentile: float
    joint: float
    width: float
    images: float


def coverage(
    estimator: str, repetitions: int, images: int, target: float | None = None,
    seed: int = 0, resamples: int = 2000, games: NDArray[np.float64] | None = None,
    other: NDArray[np.float64] | None = None,
) -> Coverage:  # fmt: skip
    """Simulate audits, or with `other` comparisons, and see how often intervals hold the truth."""
    games = population(20_000, 1) if games is None else games
    compared = [games] if other is None else [games, other]
    psi = [image_values("exact", each, None, player_count(each)) for each in compared]
    scores = [float(signed_score(spectral_importance(rows.mean(axis=0)), _BETA)) for rows in psi]
    truth = scores[0] if other is None else scores[1] - scores[0]
    ends, used = np.empty((repetitions, 2, 2)), np.empty(repetitions)
    for number in range(repetitions):
        rows = audit(compared, estimator, images, target, number, seed, resamples)
        if other is None:
            ends[number] = both_intervals(rows[0], seed, resamples)
        else:
            ends[number] = both_differences(rows, seed, resamples)
        used[number] = len(rows[0])
    hits = ((ends[:, :, 0] <= truth) & (truth <= ends[:, :, 1])).mean(axis=0)
    widths = np.ptp(ends, axis=2).mean(axis=0)
    return Coverage(float(hits[0]), float(hits[1]), widths[1] / widths[0], float(used.mean()))


def lower(games: NDArray[np.float64], by: float) -> NDArray[np.float64]:
    """The same games with the weakest band's Shapley value lower, so that it is clearly least."""
    players = player_count(games)
    weakest = int(image_values("exact", games, None, players).mean(axis=0).argmin())
    return games - by * members(np.arange(1 << players, dtype=np.uint64), players)[:, weakest]


def games_of(paths: list[Path], tied: int, lowered: float) -> list[NDArray[np.float64]]:
    """Games of one or two reports, of the images that they share."""
    reports = [ia.load(path) for path in paths]
    shared = sorted(set.intersection(*(set(report.image_ids) for report in reports)))
    found = []
    for report in reports:
        place = {name: row for row, name in enumerate(report.image_ids)}
        rows = [place[name] for name in shared]
        found.append(game_values(report.log_prob[rows], report.settings["value"]))
    if tied:
        found = [tie(games, tied) for games in found]
    if lowered:
        found[-1] = lower(found[-1], lowered)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--estimators", nargs="+", default=ESTIMATORS, choices=ESTIMATORS)
    parser.add_argument("--images", nargs="*", type=int, default=[50, 100, 200])
    parser.add_argument("--target", type=float, help="standard error to stop at; 0 for none")
    parser.add_argument("--population", type=Path, help="exact report whose games are drawn from")
    parser.add_argument("--tie", type=int, default=0, help="weakest bands to make exactly equal")
    parser.add_argument("--other", type=Path, help="second report: differences of the scores")
    parser.add_argument("--lower", type=float, default=0.0, help="weakest band of the last report")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.population:
        paths = [path for path in (asked.population, asked.other) if path]
        compared = games_of(paths, asked.tie, asked.lower)
    else:
        made = population(20_000, 1)
        compared = [tie(made, asked.tie) if asked.tie else made]
    print(
        f"{'estimator':12} {'rule':14} {'images':>7} {'percentile':>11} {'+-':>6} {'joint':>6} "
        f"{'+-':>6} {'width':>6}"
    )
    for estimator in asked.estimators:
        rules: list[tuple[int, float | None]] = [(images, None) for images in asked.images]
        target = TARGETS[estimator] if asked.target is None else asked.target
        for images, limit in [*rules, (_MOST, target)] if target else rules:
            found = coverage(
                estimator, asked.repetitions, images, limit, asked.seed, asked.resamples, *compared
            )
            rule = "fixed" if limit is None else f"target {limit}"
            errors = [
                (share * (1 - share) / asked.repetitions) ** 0.5
                for share in (found.percentile, found.joint)
            ]
            print(
                f"{estimator:12} {rule:14} {found.images:7.0f} {found.percentile:11.3f} "
                f"{errors[0]:6.3f} {found.joint:6.3f} {errors[1]:6.3f} {found.width:6.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
