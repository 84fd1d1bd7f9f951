"""Puts what the tables need of all reports into one file, an array a question.

Rows are networks, columns images; numbers that were not measured are NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia

from .jobs import EXPLAINED, GAMES, SEVERITIES, networks

Measured = dict[str, NDArray[Any]]
FILE = Path(__file__).parent / "measured.npz"


def gather(out: Path) -> Measured:
    """Read every report of a study.

    Returns
    -------
    dict of arrays
        ``network``, ``family``, ``variant`` (N,); ``clean`` (N, n): 1 where the clean answer is
        wrong; ``error`` and ``mpe`` (N, n, P): means over severities; ``psi/GAME`` (N, n, M);
        ``edges/GAME`` (N, M - 1); ``damage/PERTURBATION`` (N, n, M) in points of accuracy and
        ``evidence/PERTURBATION`` in log-probability; ``attack/wrong``, ``attack/change`` and
        ``attack/clean`` (N, n) of the images that were attacked.
    """
    middle, *outer = (out / name for name in SEVERITIES)
    held = [each for each in networks(out) if (middle / f"{each.name}.h5").exists()]
    folders = [middle]
    if all((folder / f"{each.name}.h5").exists() for folder in outer for each in held):
        folders += outer
    files = [[ia.load_robustness(f / f"{each.name}.h5") for f in folders] for each in held]
    robustness = [of_one[0] for of_one in files]
    images = robustness[0].image_ids
    assert all(each.image_ids == images for of_one in files for each in of_one)
    severities = sorted(level for each in files[0] for level in each.severities)
    found: Measured = {
        **{name: np.array([getattr(each, field) for each in held])
           for name, field in (("network", "name"), ("family", "family"), ("variant", "variant"))},
        "perturbation": np.array(robustness[0].perturbations),
        "clean": np.array([each.clean_wrong for each in robustness], np.uint8),
        "severity": np.array(severities),
        **{name: np.array([_mean([getattr(each, field) for each in of_one]) for of_one in files])
           for name, field in (("error", "wrong"), ("mpe", "change"))},
    }  # fmt: skip
    for game in GAMES:
        reports = _loaded(ia.load, out / game.name, held, images)
        if any(reports):
            found[f"psi/{game.name}"] = _table([r and r.shapley_per_image for r in reports])
            edges = [r and r.settings.get("edges") for r in reports]
            if any(edges):
                found[f"edges/{game.name}"] = _table([np.array(e) if e else None for e in edges])
    for name, severity in EXPLAINED:
        reports = _loaded(ia.load, out / f"{name}-{severity}", held, images)
        if any(reports):
            points = [r and r.view(value="right").per_image for r in reports]
            found[f"damage/{name}-{severity}"] = _table(points)
            found[f"evidence/{name}-{severity}"] = _table(
                [r and r.view(value="log-prob").per_image for r in reports]
            )
    attacks = _loaded(ia.load_robustness, out / "attack", held, images)
    if any(attacks):
        for name, field in (
            ("wrong", "attack_wrong"), ("change", "attack_change"), ("clean", "clean_wrong")
        ):  # fmt: skip
            found[f"attack/{name}"] = _table([r and _of_attacked(r, field) for r in attacks])
    return found


def _of_attacked(report: ia.RobustnessReport, field: str) -> NDArray[np.float64]:
    """A number an image; NaN where it was not attacked."""
    values = np.asarray(getattr(report, field), np.float64).reshape(len(report.image_ids))
    return np.where(report.attacked[:, 0], values, np.nan)


def _loaded(
    load: Callable[[Path], Any], folder: Path, held: list[Any], images: list[str]
) -> list[Any]:
    files = [folder / f"{each.name}.h5" for each in held]
    reports = [load(file) if file.exists() else None for file in files]
    assert all(each is None or each.image_ids == images for each in reports)
    return reports


def _mean(parts: list[NDArray[Any]]) -> NDArray[np.float32]:
    """Mean over severities, of several files."""
    return np.concatenate(parts, axis=2).mean(axis=2).astype(np.float32)


def _table(rows: list[Any]) -> NDArray[np.float32]:
    shape = next(row.shape for row in rows if row is not None)
    nothing = np.full(shape, np.nan)
    return np.array([nothing if row is None else row for row in rows], np.float32)
