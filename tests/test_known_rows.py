"""Nested samples, and rows that a larger sample takes over from a smaller one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import IasideError
from iaside_onnx.images.sample import draw_sample, open_images

from . import graphs
from .conftest import write_npz

OPTIONS = {
    "corruption": ["fog", "gaussian_noise"], "severity": [1, 3], "attack": "none",
    "sampling": "nested",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", pixels, np.arange(20) % 2)
    return graphs.small_network(folder / "m.onnx"), data


def test_a_nested_sample_holds_every_smaller_one_and_keeps_the_classes_shares(made):
    source = open_images(made[1])
    drawn = [draw_sample(source, size, 3, sampling="nested") for size in (1, 4, 9, 20, 0)]
    for small, large in itertools.pairwise(drawn):
        assert set(small.ids) <= set(large.ids)
        assert large.chosen.tolist() == sorted(large.chosen)
    assert [np.bincount(each.labels).tolist() for each in drawn[1:4]][::2] == [[2, 2], [10, 10]]


def test_known_rows_are_not_measured_again_and_change_nothing(made):
    small = ia.measure_robustness(*made, samples=6, **OPTIONS)
    passes = []
    listener = ia.Listener(start=lambda done, total: passes.append((done, total)))
    large = ia.measure_robustness(*made, samples=15, known=small, listener=listener, **OPTIONS)
    direct = ia.measure_robustness(*made, samples=15, **OPTIONS)
    assert passes == [(6 * 5, 15 * 5)]
    assert large.settings == direct.settings
    assert large.image_ids == direct.image_ids
    for name in ("wrong", "change", "corrupted_log_prob", "log_prob", "predicted"):
        np.testing.assert_allclose(getattr(large, name), getattr(direct, name), atol=1e-6)


def test_rows_of_perturbed_pictures_are_known_while_the_pictures_stay(made, tmp_path):
    model, data = made
    own = np.load(data)["images"] // 2
    np.save(tmp_path / "own.npy", own)
    asked = {**OPTIONS, "perturbed": tmp_path / "own.npy", "corruption": ["fog"]}
    small = ia.measure_robustness(model, data, samples=6, **asked)
    large = ia.measure_robustness(model, data, samples=15, known=small, **asked)
    direct = ia.measure_robustness(model, data, samples=15, **asked)
    assert large.settings == direct.settings != small.settings
    np.testing.assert_allclose(large.change, direct.change, atol=1e-6)
    own[int(small.image_ids[0]), 0, 0] += 1
    np.save(tmp_path / "own.npy", own)
    with pytest.raises(IasideError, match="rows are known"):
        ia.measure_robustness(model, data, samples=15, known=small, **asked)


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"severity": [1, 5]}, {"preprocess": "raw"}, {"samples": 3}]
)
def test_rows_of_something_else_are_refused(made, other):
    small = ia.measure_robustness(*made, samples=6, **OPTIONS)
    with pytest.raises(IasideError, match="rows are known"):
        ia.measure_robustness(*made, known=small, **{**OPTIONS, "samples": 15, **other})
    with pytest.raises(IasideError, match="known goes without attacks"):
        ia.measure_robustness(*made, known=small, **{**OPTIONS, "attack": "square-linf"})
