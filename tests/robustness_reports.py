"""Robustness reports made up from tables of wrong answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from iaside_onnx.results.robustness import NOT_ATTACKED, RobustnessReport


def made_up(clean: Any, wrong: Any, *, attacks: Any = None, **changed: Any) -> RobustnessReport:
    """A report of two classes: wrong answers to clean images (n,), to corrupted ones (n, P, S).

    `attacks` is a table (n, A) of wrong answers after attacks; None stands for an image that was
    not attacked.
    """
    missed, wrong = np.asarray(clean, bool), np.asarray(wrong, bool)
    images, corruptions, severities = wrong.shape
    labels = np.arange(images) % 2
    change = np.where(wrong, 1.5, 0.25).astype(np.float32)
    names = [f"corruption{number}" for number in range(corruptions)]
    table = np.empty((images, 0), object) if attacks is None else np.array(attacks, object)
    hit = np.equal(table, True).astype(bool)
    skipped = np.array([[cell is None for cell in row] for row in table], bool).reshape(hit.shape)
    report = {
        "perturbations": names,
        "severities": list(range(1, severities + 1)),
        "labels": labels,
        "predicted": np.where(missed, 1 - labels, labels),
        "log_prob": np.where(missed, -2.0, -0.125).astype(np.float32),
        "wrong": wrong,
        "change": change,
        "corrupted_log_prob": -change,
        "attacks": [
            {"name": "square-linf", "norm": "linf", "epsilon": 8 / 255, "queries": 100}
            for _ in range(table.shape[1])
        ],
        "attack_wrong": hit,
        "attack_queries": np.where(skipped, NOT_ATTACKED, np.where(hit, 10, 100)).astype(np.int32),
        "attack_change": np.where(hit, 1.0, 0.0).astype(np.float32),
        "image_ids": [f"{number}.png" for number in range(images)],
        "settings": {
            "seed": 0, "confidence": 0.95, "height": 8, "width": 8, "label_offset": 0,
            "temperature": 1.0, "kinds": dict.fromkeys(names, "noise"),
        },
        "model": {"path": "made-up.onnx", "sha256": "ab" * 32},
        "data": {"source": "photos", "digest": "cd" * 32, "samples": images, "classes": 2},
        "run": {"forward_passes": wrong.size, "seconds": 1.0, "warnings": []},
        "provider": "cpu",
        "created": "2026-01-01T00:00:00+00:00",
        "iaside_version": "0.1.0",
    }  # fmt: skip
    return RobustnessReport(**{**report, **changed})
