"""Made-up damage reports: games in which it is known what each band lets in."""

from __future__ import annotations

import hashlib

import numpy as np

from iaside_onnx.digest import data_digest
from iaside_onnx.mathematics.coalitions import draw_coalitions, drawn_count
from iaside_onnx.mathematics.damage import draw_split, split_coalitions
from iaside_onnx.results.damage import DamageReport

CORRUPTION = {"kind": "corruption", "name": "gaussian_noise", "severity": 3}


def made_damage(
    chance=(0.1, 0.3, 0.0, 0.2), images=40, *, seed=0, model="m", split=False, estimator="exact",
    perturbation=CORRUPTION, residual=None, wrong=0.1, size=16, **settings,
):  # fmt: skip
    """A report whose band i, perturbed, spoils an image on its own with probability `chance[i]`.

    Split, it is the residual that does so in a share `residual[i]` of these images (all of them
    unless given), and the gain in the others. A share `wrong` of images is wrong from the start.
    Log-probabilities fall by 1 for each band that spoils.
    """
    rng = np.random.default_rng([seed, len(chance)])
    players = len(chance)
    spoils = rng.random((images, players)) < np.asarray(chance)
    kind = rng.random((images, players)) < (1 if residual is None else np.asarray(residual))
    # Players of the split game: gains, then residuals.
    each = np.concatenate([spoils & ~kind, spoils & kind], axis=1)
    lost = rng.random(images) < wrong
    ids = [f"{number:03d}.png" for number in range(images)]
    key = [f"{seed} {name}" for name in ids]
    coalitions, count = None, 0
    if estimator == "permutation":
        count = drawn_count(estimator, players * (1 + split))
    if split:
        rows = [split_coalitions(players)] * images
        if estimator == "permutation":
            rows = [draw_split(players, count, seed, name) for name in key]
        coalitions = np.stack(rows)
    elif estimator == "permutation":
        coalitions = np.stack(
            [draw_coalitions(estimator, players, count, seed, name) for name in key]
        )
    masks = np.arange(1 << players, dtype="u8") if coalitions is None else coalitions
    bits = (masks[..., None] >> np.arange(2 * players, dtype="u8")) & np.uint64(1)
    restored = bits.astype(bool)
    if not split:
        restored = np.concatenate([restored[..., :players]] * 2, axis=-1)
    spoilt = (each[:, None, :] & ~restored).sum(axis=-1)
    right = (spoilt == 0) & ~lost[:, None]
    labels = np.arange(images) % 4
    contents = np.random.default_rng(9).integers(0, 256, (images, 32), dtype=np.uint8)
    example = np.random.default_rng(8).integers(0, 256, (2, size, size, 3), dtype=np.uint8)
    return DamageReport(
        log_prob=(-0.2 - spoilt - rng.gamma(1, 0.2, images)[:, None] - lost[:, None]).astype("f4"),
        right=right,
        coalitions=coalitions,
        labels=labels,
        predicted=np.where(right[:, -1], labels, (labels + 1) % 4),
        image_ids=ids,
        image_digests=contents,
        class_names=["cat", "dog", "fox", "owl"],
        example=example[0],
        example_perturbed=example[1],
        settings={
            "bands": players, "separate_dc": False, "norm": "linf", "samples": 200, "seed": 0,
            "draws": "pixels", "preprocess": {"name": "unit", "scale": 1.0}, "size": [size, size],
            "label_offset": 0, "temperature": 1.0, "output_map": "real", "estimator": estimator,
            "passes": count - 1 if estimator == "permutation" else None, "players": players,
            "perturbation": dict(perturbation), "split": split, "value": "right",
            "confidence": 0.95, **settings,
        },
        model={"path": f"{model}.onnx", "sha256": hashlib.sha256(model.encode()).hexdigest()},
        data={
            "source": "photos", "digest": data_digest(ids, labels, contents), "samples": images,
            "classes": 4, "skipped": [], "example": ids[0],
        },
        run={"forward_passes": right.size, "seconds": 1.5, "warnings": []},
        provider="cpu",
        created="2026-01-02T03:04:05+00:00",
        iaside_version="0.1.0",
    )  # fmt: skip
