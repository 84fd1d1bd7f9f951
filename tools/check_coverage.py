"""How often the 95 % interval of the signed score holds the truth, by simulation.

    python tools/check_coverage.py --repetitions 1000

A population of images whose true signed score is known (2**M-column games made at random: bands
that add up, bands that need each other, images that differ) is sampled again and again, exactly,
with drawn coalitions, and with the stopping rule of ``--target-stderr``; the share of intervals
that hold the truth is printed with its own error.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.audit.stopping import Limits, play_rounds
from iaside_onnx.mathematics.coalitions import ESTIMATORS, draw_coalitions, drawn_count, members
from iaside_onnx.mathematics.estimators import image_values
from iaside_onnx.mathematics.score import (
    Intervals,
    bootstrap_intervals,
    signed_score,
    spectral_importance,
)

PLAYERS = 6
_BETA = 0.75


def population(images: int, seed: int) -> NDArray[np.float64]:
    """Games of many images, shape (images, 2**M): saturating sums of bands of uneven strength."""
    rng = np.random.default_rng(seed)
    present = members(np.arange(1 << PLAYERS, dtype=np.uint64), PLAYERS)
    strength = np.array([1.6, 2.2, 1.4, 0.9, 0.5, 0.3]) * rng.gamma(2.0, 0.5, (images, PLAYERS))
    strength += rng.normal(0.0, 0.4, (images, PLAYERS))
    evidence = strength @ present.T + 0.6 * rng.standard_normal((images, 1)) - 2.0
    return -np.logaddexp(0.0, -evidence) * rng.gamma(4.0, 0.5, (images, 1))


def covered(
    games: NDArray[np.float64], truth: float, estimator: str, images: int, target: float | None,
    seed: int, resamples: int,
) -> tuple[bool, int]:  # fmt: skip
    """Whether the interval of one sample holds the truth, and how many images it took."""
    rng = np.random.default_rng([seed, images])
    table = games[rng.choice(len(games), images)]
    drawn = None
    if estimator != "exact":
        count = drawn_count(estimator, PLAYERS)
        drawn = np.stack(
            [draw_coalitions(estimator, PLAYERS, count, seed, str(n)) for n in range(images)]
        )
        table = np.take_along_axis(table, drawn.astype(np.intp), axis=1)

    def ends(positions: NDArray[np.intp]) -> Intervals:
        chosen = None if drawn is None else drawn[positions]
        psi = image_values(estimator, table[positions], chosen, PLAYERS)
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
    seed: int = 0, resamples: int = 1000,
) -> tuple[float, float]:  # fmt: skip
    """Share of intervals that hold the truth, and the mean number of images."""
    games = population(20_000, 1)
    psi = image_values("exact", games, None, PLAYERS).mean(axis=0)
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
    asked = parser.parse_args()
    print(f"{'estimator':12} {'rule':18} {'images':>7} {'coverage':>9} {'+-':>6}")
    for estimator in asked.estimators:
        for images, target in ((100, None), (300, None), (1000, 0.011)):
            share, used = coverage(
                estimator, asked.repetitions, images, target, resamples=asked.resamples
            )
            rule = "fixed" if target is None else f"target {target}"
            error = (share * (1 - share) / asked.repetitions) ** 0.5
            print(f"{estimator:12} {rule:18} {used:7.0f} {share:9.3f} {error:6.3f}", flush=True)


if __name__ == "__main__":
    main()
