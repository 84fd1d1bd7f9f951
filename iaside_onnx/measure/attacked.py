"""Attacks on the images of a sample: which ones were asked for, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks.attack import (
    METHODS,
    NORM_OF,
    AttackResult,
    NoNumberError,
    attack,
    check_queries,
    check_radius,
)
from ..checks import check_choice
from ..corruptions.corrupt import generator
from ..errors import ArtifactError, UsageError
from ..plurals import counted
from ..spelling import option
from .contract import Advance
from .scorer import Scorer
from .subject import Subject

NO_ATTACK = "none"
# The radii that most results are published for: l-inf by custom, l2 for images of 32 x 32 x 3.
_LINF = 4 / 255
_L2, _L2_FEATURES = 0.5, 32 * 32 * 3
_TOGETHER_BYTES = 1 << 27
_COPIES = 8  # of an image, or of its outputs, that an attack holds


def check_attacks(attacks: Sequence[str], epsilon: Sequence[float], queries: int) -> list[str]:
    """Names of the attacks asked for, with radii and numbers that can be used."""
    for name in attacks:
        check_choice("attack", name, [*METHODS, NO_ATTACK])
    names = [name for name in attacks if name != NO_ATTACK]
    if names and len(names) < len(attacks):
        raise UsageError(f"{option('attack', NO_ATTACK)} goes with no other attack")
    for radius in epsilon:
        check_radius(radius)
    check_queries(queries)
    if epsilon and not names:
        raise UsageError(f"{option('epsilon')} goes with an attack")
    if len(epsilon) == 1 and len({NORM_OF[name] for name in names}) > 1:
        shared = option("epsilon", like=f"{epsilon[0]:.4g}")
        raise UsageError(
            f"{shared} cannot serve attacks of two norms ({', '.join(names)}): "
            "give one for each attack, in their order"
        )
    if len(epsilon) > 1 and len(epsilon) != len(names):
        raise UsageError(
            f"{len(epsilon)} {option('epsilon')} for {counted(len(names), 'attack')}: give one for "
            "all, or one for each in their order"
        )
    return names


def settled_attacks(
    names: list[str], epsilon: Sequence[float], queries: int, features: int
) -> list[dict[str, Any]]:
    """Attacks as a report holds them; radii not given are the customary ones.

    4/255 for l-inf; for l2 0.5 at 32 x 32 x 3, growing with the square root of the number of
    values, so that it stands for the same change of each.
    """
    usual = {"linf": _LINF, "l2": _L2 * math.sqrt(features / _L2_FEATURES)}
    radii = list(epsilon) or [usual[NORM_OF[name]] for name in names]
    if len(radii) == 1:
        radii *= len(names)
    return [
        {"name": name, "norm": NORM_OF[name], "epsilon": float(radius), "queries": queries}
        for name, radius in zip(names, radii, strict=True)
    ]


def attacked_together(subject: Subject, positions: list[int]) -> Iterator[list[int]]:
    """The positions in groups whose images an attack works on at a time."""
    classifier = subject.classifier
    numbers = max(classifier.form.features, classifier.model.output_numbers)
    size = _TOGETHER_BYTES // (4 * numbers * _COPIES)
    size = max(1, min(subject.runtime.execution.attacked, size))
    for start in range(0, len(positions), size):
        yield positions[start : start + size]


def attack_images(
    subject: Subject,
    scorer: Scorer,
    positions: list[int],
    images: NDArray[np.float32],
    targets: NDArray[np.int64],
    asked: dict[str, Any],
    advance: Advance,
) -> AttackResult:
    """Attack images of a sample, each with random numbers of its own.

    Parameters
    ----------
    images : ndarray of float32, shape (n, C, H, W)
        Those at `positions`.
    targets : ndarray of int64, shape (n,)
    asked : dict
        From `settled_attacks`.
    advance : callable
        Is told of all passes of the budget at the end, however many of them were needed.
    """
    left = len(images) * int(asked["queries"])

    def scores(batch: NDArray[np.float32]) -> NDArray[np.float64]:
        nonlocal left
        logs = scorer(batch)
        passes = min(len(batch), left)
        left -= passes
        advance(passes)
        return logs

    name, keys = asked["name"], [subject.keys[position] for position in positions]
    seeds = [int(generator(subject.seed, key, name, 0).integers(1 << 62)) for key in keys]
    try:
        result = attack(
            scores,
            images,
            targets,
            method=name,
            epsilon=asked["epsilon"],
            queries=asked["queries"],
            seeds=seeds,
            margins=scorer.task.margins,
        )
    except NoNumberError as error:
        raise ArtifactError(
            f"{subject.classifier.artifact.path}: returns NaN for image "
            f"{subject.sample.ids[positions[error.row]]} ({name})"
        ) from error
    advance(left)
    return result
