"""Puts what the tables need of every network into one file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grid import VALUES, games

Measured = dict[str, NDArray[Any]]
NAME = "measured.npz"


def gather(folder: Path) -> Measured:
    """Read what `tools.studies.settings run` wrote; a game that some network lacks is left out.

    Returns
    -------
    dict of arrays
        ``network`` (N,), ``perturbation`` (P,), ``attack`` (A,), ``value`` (V,); ``clean`` (N,),
        the clean error; ``errors`` and ``mpe`` (N, P), means over severities; ``attacked`` (N, A),
        errors under attack; ``sid/GAME`` (N, V, M).
    """
    held = {
        path.stem: json.loads(path.read_text())
        for path in sorted((folder / "robustness").glob("*.json"))
    }
    first = next(iter(held.values()))
    found = {
        "network": np.array(list(held)),
        "perturbation": np.array(first["perturbations"]),
        "attack": np.array(first["attacks"]),
        "value": np.array(VALUES),
        **{
            name: np.array([one[key] for one in held.values()])
            for name, key in (
                ("clean", "clean_error"), ("errors", "errors"), ("mpe", "mpe"),
                ("attacked", "adversarial_errors"),
            )
        },
    }  # fmt: skip
    for game in games():
        files = [folder / game.name / f"{name}.json" for name in held]
        if all(path.exists() for path in files):
            shares = [json.loads(path.read_text())["sid"] for path in files]
            found[f"sid/{game.name}"] = np.array(
                [[one[value] for value in VALUES] for one in shares], np.float32
            )
    return found
