"""How often the 95 % interval of the signed score holds the truth, by simulation.

    python tools/check_coverage.py --repetitions 1000
    python tools/check_coverage.py --population r20-gaussian.h5 --seed 5000

A population of images whose true signed score is known (2**M-column games made at random: bands
that add up, bands that need each other, images that differ; or the games of an exact report) is
sampled again and again, exactly, with drawn coalitions, and with the stopping rule of
``--target-stderr``; the share of intervals that hold the truth is printed with its own error.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.audit.stopping import Limits, play_rounds
from iaside_onnx.mathematics.coalitions import ESTIMATORS, drawn_count, members, pair_chances
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.score import (
    Intervals,
    bootstrap_intervals,
    signed_score,
    spectral_importance,
)
from iaside_onnx.mathematics.shapley import game_values, player_count

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


def covered(
    games: NDArray[np.float64], truth: float, estimator: str, images: int, target: float | None,
    seed: int, resamples: int,
) -> tuple[bool, int]:  # fmt: skip
    """Whether the interval of one sample holds the truth, and how many images it took."""
    rng = np.random.default_rng([seed, images])
    players = player_count(games)
    chosen = rng.choice(len(games), images)
    drawn = None
    if estimator != "exact":
        drawn = random_coalitions(estimator, players, images, rng)

    def ends(positions: NDArray[np.intp]) -> Intervals:
        table, rows = games[chosen[positions]], None
        if drawn is not None:
            rows = drawn[positions]
            table = np.take_along_axis(table, rows.astype(np.intp), axis=1)
        psi = image_values(estimator, table, rows, players)
        return bootstrap_intervals(psi, _BETA, 0.95, seed, resamples)

    used = np.arange(images)
    if target is not None:
        limits = Limits(target_stderr=target)
        used, _ = play_rounds(
            limits, used, lambda _: None, lambda some: ends(some).srs_signed_stderr
        )
    low, high = ends(used).srs_signed
    return low <= truth <= high, len(used)


def coverage(
    estimator: str, repetitions: int, images: int, target: float | None = None,
    seed: int = 0, resamples: int = 1000, games: NDArray[np.float64] | None = None,
) -> tuple[float, float]:  # fmt: skip
    """Share of intervals that hold the truth, and the mean number of images."""
    games = population(20_000, 1) if games is None else games
    psi = image_values("exact", games, None, player_count(games)).mean(axis=0)
    truth = float(signed_score(spectral_importance(psi), _BETA))
    made = [
        covered(games, truth, estimator, images, target, seed + number, resamples)
        for number in range(repetitions)
    ]
    return float(np.mean([hit for hit, _ in made])), float(np.mean([used for _, used in made]))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--estimators", nargs="+", default=ESTIMATORS, choices=ESTIMATORS)
    parser.add_argument("--images", nargs="*", type=int, default=[50, 100, 300])
    parser.add_argument("--target", type=float, help="standard error to stop at; 0 for none")
    parser.add_argument("--population", type=Path, help="exact report whose games are drawn from")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    games = None
    if asked.population:
        report = ia.load(asked.population)
        games = game_values(report.log_prob, report.settings["value"])
    print(f"{'estimator':12} {'rule':18} {'images':>7} {'coverage':>9} {'+-':>6}")
    for estimator in asked.estimators:
        rules: list[tuple[int, float | None]] = [(images, None) for images in asked.images]
        target = TARGETS[estimator] if asked.target is None else asked.target
        for images, limit in [*rules, (_MOST, target)] if target else rules:
            share, used = coverage(
                estimator, asked.repetitions, images, limit, asked.seed, asked.resamples, games
            )
            rule = "fixed" if limit is None else f"target {limit}"
            error = (share * (1 - share) / asked.repetitions) ** 0.5
            print(f"{estimator:12} {rule:18} {used:7.0f} {share:9.3f} {error:6.3f}", flush=True)


if __name__ == "__main__":
    main()
