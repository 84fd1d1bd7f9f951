"""Quick audits of small networks, and whether two gave the same table."""

from __future__ import annotations

import numpy as np

import iaside_onnx as ia

from .conftest import write_npz

CLASSES = 4


def six_images(folder):
    images = np.random.default_rng(2).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    return write_npz(folder / "d.npz", images, np.arange(6) % CLASSES)


def audit(model, data, **settings):
    return ia.analyze(model, data, **{"bands": 3, "absence": "zero", **settings})


def same(one, other, atol=1e-5):
    np.testing.assert_allclose(one.log_prob, other.log_prob, atol=atol)
    assert one.predicted.tolist() == other.predicted.tolist()
