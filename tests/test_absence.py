"""Absence schemes: what each baseline is, and that it is fixed by seed and image alone."""

import numpy as np
import pytest

from iaside_onnx.errors import DataError
from iaside_onnx.mathematics.absence import ABSENCES, Baselines, ColouredNoise, SampleStatistics


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    images = rng.random((6, 3, 12, 10)) * rng.random((6, 3, 1, 1))
    return images.astype(np.float32)


def baselines(scheme, images, seed=0, names="abcdef"):
    statistics = SampleStatistics()
    for image in images:
        statistics.add(image)
    return Baselines(scheme, seed, list(names), statistics, lambda k: images[k])


def test_zero_and_mean(images):
    assert not baselines("zero", images).image(2).any()
    np.testing.assert_allclose(baselines("mean", images).image(2), images.mean(axis=0), atol=1e-6)


def test_replace_is_another_image_and_every_other_one_can_come(images):
    partners = {number: set() for number in range(6)}
    for seed in range(80):
        chosen = baselines("replace", images, seed)
        for number in range(6):
            match = [k for k in range(6) if np.array_equal(chosen.image(number), images[k])]
            partners[number].add(match[0])
    assert all(partners[k] == set(range(6)) - {k} for k in range(6))


def test_replace_needs_another_image(images):
    with pytest.raises(DataError, match="two different images"):
        baselines("replace", images[:1], names="a")


def test_gaussian_has_the_spectrum_and_colour_of_the_sample(images):
    given = baselines("gaussian", images)
    colour = given.statistics.mean.mean(axis=(1, 2))
    source = ColouredNoise(given.statistics.power, colour, (3, 12, 10))
    noise = np.stack([source.draw(np.random.default_rng(k)) for k in range(3000)])
    power = (np.abs(np.fft.rfft2(noise)) ** 2).mean(axis=0)
    # Relative error of a mean of 3000 exponential variables: 1.8 %, real ones 2.6 %.
    ratio = (power / given.statistics.power).ravel()
    away_from_dc = np.delete(ratio.reshape(3, -1), 0, axis=1)
    assert np.abs(away_from_dc - 1).max() < 0.13
    np.testing.assert_allclose(
        noise.mean(axis=(2, 3)),
        np.broadcast_to(images.mean(axis=(0, 2, 3)), (3000, 3)),
        atol=1e-5,
    )


@pytest.mark.parametrize("scheme", ABSENCES)
def test_fixed_by_seed_and_image(scheme, images):
    first = baselines(scheme, images, seed=5).image(1)
    assert np.array_equal(first, baselines(scheme, images, seed=5).image(1))
    assert first.dtype == np.float32
    if scheme == "gaussian":
        assert not np.array_equal(first, baselines(scheme, images, seed=6).image(1))
        # The image's id decides, not its place in the sample.
        moved = baselines(scheme, images, seed=5, names="bacdef").image(0)
        assert np.array_equal(first, moved)
