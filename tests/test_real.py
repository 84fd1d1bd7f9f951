"""Real artifacts and photographs, where they are at hand; the bundled demo always."""

from __future__ import annotations

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.inference.inspection import inspect

from .conftest import ROOT


def test_bundled_demo_models_differ_as_their_training_says():
    plain, robust = (
        ia.analyze(
            ROOT / "models" / f"demo-{name}.onnx",
            ROOT / "demo" / "test",
            bands=4,
            samples=72,
            norm="linf",
        )
        for name in ("plain", "robust")
    )
    assert plain.accuracy > 0.8
    assert robust.accuracy > 0.8
    assert plain.image_ids == robust.image_ids
    # Training with noise and blur moves the weight towards low frequencies.
    assert robust.intervals.srs_signed[0] > plain.intervals.srs_signed[1]


def test_bundled_demo_models_are_as_their_cards_say():
    for name in ("plain", "robust"):
        path = ROOT / "models" / f"demo-{name}.onnx"
        found = inspect(path)
        card = path.with_suffix(".md").read_text()
        assert found["sha256"] in card
        assert path.stat().st_size < 2_000_000
        assert found["class_names"] == sorted(
            folder.name for folder in (ROOT / "demo" / "test").iterdir()
        )


def squeezenet(real, **settings):
    return ia.analyze(
        real / "squeezenet1.1-fp16.onnx",
        real / "imagenet-100",
        labels=real / "imagenet-100" / "labels.csv",
        preprocess="caffe",
        **settings,
    )


def test_squeezenet_is_right_on_65_of_100_with_the_batch_made_free(real):
    report = squeezenet(real, samples=0, bands=1)
    assert report.run["batch_mode"] == "freed"
    assert report.accuracy == pytest.approx(0.65)
    found = inspect(real / "squeezenet1.1-fp16.onnx")
    assert (found["opset"], found["ir_version"], found["batch"]) == (7, 3, 1)
    assert found["outputs"][0]["kind"] == "probabilities"
    assert found["inputs"][0]["dtype"] == "float16"
    assert len(found["inputs"]) == 1


def test_cifar_networks(real):
    for depth in (20, 56):
        report = ia.analyze(
            real / "cifar10" / f"resnet{depth}.onnx",
            real / "cifar10" / "test-1000.npz",
            samples=100,
            bands=1,
        )
        assert 0.75 < report.accuracy < 0.92
        assert report.efficiency_residual < 1e-9


def test_photographs_agree_with_single_images(real):
    few = squeezenet(real, samples=3, bands=2, batch=1)
    many = squeezenet(real, samples=3, bands=2, batch=64)
    # float16 weights and activations: three digits.
    np.testing.assert_allclose(few.log_prob, many.log_prob, atol=2e-2)


def test_bands_of_equal_energy_hold_equal_shares_of_real_pictures(real):
    data = real / "cifar10" / "test-1000.npz"
    report = ia.analyze(
        real / "cifar10" / "resnet20.onnx", data, samples=60, bands=5, norm="l2",
        spacing="equal-energy", estimator="permutation", passes=9,
    )  # fmt: skip
    assert report.efficiency_residual < 1e-9
    with np.load(data) as held:
        pixels = np.moveaxis(held["images"][list(map(int, report.image_ids))], -1, 1) / 255.0
    power = (np.abs(np.fft.fft2(pixels)) ** 2).mean(axis=0).sum(axis=0)
    power[0, 0] = 0
    index = ia.band_index(32, 32, 5, "l2", edges=report.settings["edges"])
    shares = np.bincount(index.ravel(), power.ravel()) / power.sum()
    # The lowest radius alone, of four frequencies, holds more than a third; the rest is shared.
    assert np.count_nonzero(index == 0) == 1 + 4
    assert shares[0] > 1 / 3
    assert np.ptp(shares[1:]) < 0.1
