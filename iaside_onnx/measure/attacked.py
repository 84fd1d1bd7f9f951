"""Attacks on the images of a sample: which ones were asked for, and what they come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks.attack import METHODS, NORM_OF, attack, check_queries, check_radius
from ..corruptions.corrupt import generator
from ..errors import InvalidOption, UsageError
from ..inference.providers import Provider
from ..inference.task import Task
from ..spelling import option

NO_ATTACK = "none"
# The radii that most results are published for: l-inf by custom, l2 for images of 32 x 32 x 3.
_LINF = 4 / 255
_L2, _L2_FEATURES = 0.5, 32 * 32 * 3
_TOGETHER_BYTES = 1 << 27
_COPIES = 8  # of an image, that an attack holds

Scores = Callable[[NDArray[np.float32]], NDArray[np.float64]]


def check_attacks(attacks: Sequence[str], epsilon: Sequence[float], queries: int) -> list[str]:
    """Names of the attacks asked for.

    Raises
    ------
    UsageError
        An unknown one, or radii and numbers that cannot be used.
    """
    names = [name for name in attacks if name != NO_ATTACK]
    for name in names:
        if name not in METHODS:
            raise InvalidOption("attack", name, f"choose one of {', '.join([*METHODS, NO_ATTACK])}")
    if names and len(names) < len(attacks):
        raise UsageError(f"{option('attack', NO_ATTACK)} goes with no other attack")
    for radius in epsilon:
        check_radius(radius)
    check_queries(queries)
    norms = {NORM_OF[name] for name in names}
    if epsilon and not names:
        raise UsageError(f"{option('epsilon')} goes with an attack")
    if len(epsilon) == 1 and len(norms) > 1:
        shared = option("epsilon", like=f"{epsilon[0]:.4g}")
        raise UsageError(
            f"{shared} cannot serve attacks of two norms ({', '.join(names)}): "
            "give one for each attack, in their order"
        )
    if len(epsilon) > 1 and len(epsilon) != len(names):
        raise UsageError(
            f"{len(epsilon)} {option('epsilon')} for {len(names)} attack(s): give one for all, or "
            "one for each in their order"
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
    radii = list(epsilon) * len(names) if len(epsilon) == 1 else list(epsilon)
    radii = radii or [usual[NORM_OF[name]] for name in names]
    return [
        {"name": name, "norm": NORM_OF[name], "epsilon": float(radius), "queries": queries}
        for name, radius in zip(names, radii, strict=True)
    ]


@contextmanager
def within_budget(scores: Scores, budget: int, advance: Callable[[int], None]) -> Iterator[Scores]:
    """Scores for an attack whose passes are told as they are made.

    At the end all of the budget has been told, however much of it was needed.
    """
    left = budget

    def counted(images: NDArray[np.float32]) -> NDArray[np.float64]:
        nonlocal left
        passes = min(len(images), left)
        left -= passes
        logs = scores(images)
        advance(passes)
        return logs

    yield counted
    advance(left)


def images_together(provider: Provider, features: int) -> int:
    """Images that an attack works on at a time."""
    return max(1, min(provider.attacked, _TOGETHER_BYTES // (4 * features * _COPIES)))


def attack_seeds(seed: int, name: str, keys: Sequence[str]) -> list[int]:
    """A seed for the attack `name` on each image, whichever others are attacked."""
    return [int(generator(seed, key, name, 0).integers(1 << 62)) for key in keys]


def attack_images(
    scores: Scores,
    images: NDArray[np.float32],
    targets: NDArray[np.int64],
    wanted: dict[str, Any],
    seed: int,
    keys: list[str],
    task: Task,
) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.float64]]:
    """Attack some images.

    Parameters
    ----------
    scores : callable
        As `attacks.attack.attack` takes it.
    images : ndarray of float32, shape (n, C, H, W)
    targets : ndarray of int64, shape (n,)
    wanted : dict
        From `settled_attacks`.
    seed, keys : int, list of str
        Each image's random numbers are made of both (`draw_key`) and of the attack's name.
    task : Task
        What the scores mean.

    Returns
    -------
    wrong, queries, change : ndarray, shape (n,)
        As `RobustnessReport` has them.
    """
    found = attack(
        scores,
        images,
        targets,
        method=wanted["name"],
        epsilon=wanted["epsilon"],
        queries=wanted["queries"],
        seeds=attack_seeds(seed, wanted["name"], keys),
        margins=task.margins,
    )
    before, after = scores(images), scores(found.images)
    return found.wrong, found.queries, task.change(after, before)
