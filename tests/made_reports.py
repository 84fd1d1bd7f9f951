"""Reports made up from the Shapley values of their images."""

from __future__ import annotations

from unittest import mock

import numpy as np

from iaside_onnx.mathematics.shapley import coalition_masks
from iaside_onnx.results.report import Report

SETTINGS = {
    "bands": 4, "separate_dc": False, "norm": "linf", "absence": "gaussian", "samples": 200,
    "seed": 0, "preprocess": {"name": "unit", "scale": 1.0}, "size": [16, 16], "label_offset": 0,
    "temperature": 1.0, "output_map": "real", "estimator": "exact", "players": 4,
    "value": "log-prob", "beta": 0.75, "confidence": 0.95,
}  # fmt: skip


def made(psi, wrong=None, labels=None, ids=None, digest="d", name="m", **settings):
    """A report whose Shapley values per image are `psi`: the game is their sum.

    Two classes unless `labels` are given; the answers are right but for those of `wrong`, a mask.
    """
    psi = np.asarray(psi, dtype=np.float64)
    count, bands = psi.shape
    labels = np.arange(count) % 2 if labels is None else np.asarray(labels)
    wrong = np.zeros(count, bool) if wrong is None else np.asarray(wrong, bool)
    table = psi @ coalition_masks(bands).T
    return Report(
        log_prob=(table - table.max() - 1).astype("f4"),
        labels=labels,
        predicted=np.where(wrong, labels + 1, labels),
        image_ids=ids or [f"{number:04d}" for number in range(count)],
        settings={**SETTINGS, "bands": bands, "players": bands, **settings},
        model={"path": f"{name}.onnx", "sha256": "0" * 64},
        data={"source": "x", "digest": digest * 64, "samples": count, "classes": 1000},
        run={"forward_passes": 1, "seconds": 0.0, "warnings": []},
        provider="cpu",
        created="2024-01-01T00:00:00+00:00",
        iaside_version="0",
    )


def profiles(count, seed=0, bands=4):
    """Shapley values of images: skewed, correlated across bands, low bands heavier."""
    rng = np.random.default_rng(seed)
    hardness = rng.lognormal(0, 0.6, (count, 1))
    return hardness * np.linspace(1.5, 0.1, bands) + rng.normal(0, 0.4, (count, bands))


def shifted(psi, seed=5, by=0.0, band=1, noise=0.2):
    """Another model on the same images: its own noise, and a shift of one band."""
    other = psi + np.random.default_rng(seed).normal(0, noise, psi.shape)
    other[:, band] += by
    return other


def save_unchecked(result, path):
    """Write a result, as a stranger may, that `save` refuses."""
    with mock.patch.object(type(result), "_of_content"):
        result.save(path, overwrite=True)
    return path
