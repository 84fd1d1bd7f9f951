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

from .jobs import (
    ALL_SEVERITIES,
    AVERAGE,
    EXPLAINED,
    GAMES,
    LINEAR,
    RIVAL,
    SEVERITIES,
    SNR,
    STAND_INS,
    TABLE,
    Network,
    networks,
)

Measured = dict[str, NDArray[Any]]
FILE = Path(__file__).parent / "measured.npz"
# What predicts damage, in the names of the arrays.
FORMS = {STAND_INS: "stand-ins", AVERAGE: "average", RIVAL: "rival"}


def gather(out: Path) -> Measured:
    """Read every report of a study.

    Returns
    -------
    dict of arrays
        ``network``, ``family``, ``variant`` (N,); ``clean`` (N, n): 1 where the clean answer is
        wrong; ``wrong`` and ``change`` (N, n, P, S) under corruptions; ``psi/GAME`` (N, n, M), and
        ``psi-prob/GAME`` with probability as the value; ``edges/GAME`` (N, M - 1);
        ``damage/PERTURBATION`` (N, n, M) in points of accuracy; ``attack/wrong``,
        ``attack/change`` and ``attack/clean`` (N, n) of the images that were attacked. Of the
        other half's m images: ``predicted/FORM/fall`` and ``predicted/FORM/change`` (N, m, P, S).
    """
    held = [
        each for each in networks(out)
        if all((out / folder / f"{each.name}.h5").exists() for folder in SEVERITIES)
    ]  # fmt: skip
    files = [
        [ia.load_robustness(out / folder / f"{each.name}.h5") for folder in SEVERITIES]
        for each in held
    ]
    first = files[0][0]
    images = first.image_ids
    assert all(each.image_ids == images for of_one in files for each in of_one)
    assert all(
        np.array_equal(of_one[0].clean_wrong, each.clean_wrong)
        for of_one in files
        for each in of_one
    )
    severities = np.array([level for each in files[0] for level in each.severities])
    order = np.argsort(severities)
    found: Measured = {
        **{name: np.array([getattr(each, field) for each in held])
           for name, field in (("network", "name"), ("family", "family"), ("variant", "variant"))},
        "perturbation": np.array(first.perturbations),
        "severity": severities[order],
        "clean": np.array([of_one[0].clean_wrong for of_one in files], np.uint8),
        **{name: np.array([
            np.concatenate([getattr(each, name) for each in of_one], axis=2)[..., order]
            for of_one in files
        ]).astype(kind) for name, kind in (("wrong", np.uint8), ("change", np.float32))},
    }  # fmt: skip
    for game in GAMES:
        reports = _loaded(ia.load, out / game.name, held, images)
        if not any(reports):
            continue
        found[f"psi/{game.name}"] = _table([r and r.shapley_per_image for r in reports])
        if game in LINEAR[:2]:
            found[f"psi-prob/{game.name}"] = _table(
                [r and r.view(value="prob").shapley_per_image for r in reports]
            )
        edges = [r and r.settings.get("edges") for r in reports]
        if any(edges):
            found[f"edges/{game.name}"] = _table([np.array(e) if e else None for e in edges])
    for name, severity in EXPLAINED:
        reports = _loaded(ia.load, out / f"{name}-{severity}", held, images)
        if any(reports):
            points = [r and r.view(value="right").per_image for r in reports]
            found[f"damage/{name}-{severity}"] = _table(points)
    attacks = _loaded(ia.load_robustness, out / "attack", held, images)
    if any(attacks):
        for name, field in (
            ("wrong", "attack_wrong"), ("change", "attack_change"), ("clean", "clean_wrong")
        ):  # fmt: skip
            found[f"attack/{name}"] = _table([r and _of_attacked(r, field) for r in attacks])
    return {**found, **_predicted(out, held)}


def _predicted(out: Path, held: list[Network]) -> Measured:
    """What is said of damage from the half that is not reported."""
    found: Measured = {}
    for folder, form in FORMS.items():
        load = ia.load_robustness if folder == RIVAL else ia.load
        reports = _loaded(load, out / folder, held)
        if any(reports):
            assert all(list(r.severities) == ALL_SEVERITIES for r in reports if r)
            found[f"predicted/{form}/change"] = _table(
                [r and r.change for r in reports], np.float16
            )
            found[f"predicted/{form}/fall"] = _table(
                [r and r.wrong.astype(float) - r.clean_wrong[:, None, None] for r in reports],
                np.float16,
            )
    tables = [
        ia.predict_damage(ia.load(file), ia.load_snr(out / SNR / file.name))
        if (file := out / TABLE / f"{each.name}.h5").exists() else None
        for each in held
    ]  # fmt: skip
    if any(tables):
        found["predicted/table/fall"] = _table(
            [t and t.probability[:, None, None] - t.foretold for t in tables], np.float16
        )
    return found


def _of_attacked(report: ia.RobustnessReport, field: str) -> NDArray[np.float64]:
    """A number an image; NaN where it was not attacked."""
    values = np.asarray(getattr(report, field), np.float64).reshape(len(report.image_ids))
    return np.where(report.attacked[:, 0], values, np.nan)


def _loaded(
    load: Callable[[Path], Any], folder: Path, held: list[Network], images: list[str] | None = None
) -> list[Any]:
    files = [folder / f"{each.name}.h5" for each in held]
    reports = [load(file) if file.exists() else None for file in files]
    of_all = images or next((each.image_ids for each in reports if each is not None), None)
    assert all(each is None or each.image_ids == of_all for each in reports)
    return reports


def _table(rows: list[Any], kind: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    shape = next(row.shape for row in rows if row is not None)
    nothing = np.full(shape, np.nan)
    return np.array([nothing if row is None else row for row in rows], kind)
