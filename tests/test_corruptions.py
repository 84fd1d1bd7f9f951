"""The corruptions: formulas known on paper, then what must hold for any image."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.corruptions.severity import (
    CATALOGUE,
    IMAGENET_C,
    SEVERITIES,
    known,
    parameters,
)
from iaside_onnx.corruptions.severity import (
    corruption as enter,
)
from iaside_onnx.errors import UsageError
from iaside_onnx.measure.corrupted import asked_corruptions

from .conftest import ROOT, write_npz

GREY = np.full((1, 64, 48), 0.5, np.float32)
# Where the published constants themselves do not only grow: saturation falls, then rises; spatter
# goes from water to mud; glass trades reach for rounds; frost takes away from the picture as well
# as adding; snow at severity 3 has higher but fewer flakes. At 32 pixels motion grows from radius 6
# to 8 at one sigma, and elastic trades its affine map for displacement.
NOT_MONOTONE = {
    32: {"saturate", "spatter", "glass_blur", "frost", "motion_blur", "elastic_transform"},
    224: {"saturate", "spatter", "glass_blur", "frost", "snow"},
}
SETS = (("coffee", "cat", "rocket"), ("tissue", "hubble", "grass"), ("coins", "gravel", "camera"))


def photograph(size, names=SETS[0]):
    """Three mosaics of the bundled crops, which are grey, as the channels of one picture."""
    planes = []
    for name in names:
        mosaic = Image.new("L", (256, 256))
        for number in range(16):
            with Image.open(ROOT / "demo" / "test" / name / f"{number:03d}.png") as crop:
                mosaic.paste(crop.convert("L"), (number % 4 * 64, number // 4 * 64))
        small = mosaic.resize((size, size), Image.Resampling.BOX)
        planes.append(np.asarray(small, np.float32) / 255)
    return np.stack(planes)


def one(image, corruption, severity=3, seed=0):
    return corrupt(image, corruption, severity, np.random.default_rng(seed))


def test_constants_are_the_published_ones_and_follow_the_rule_in_between():
    assert parameters("gaussian_noise", 5, 224, 224) == {"sigma": 0.38}
    assert parameters("gaussian_noise", 5, 32, 500) == {"sigma": 0.10}
    assert parameters("gaussian_noise", 1, 8, 8) == parameters("gaussian_noise", 1, 32, 32)
    assert parameters("contrast", 2, 1000, 500) == parameters("contrast", 2, 224, 224)
    # Half way on the logarithmic scale; stretch starts at 0, so it is the plain mean.
    side = round(np.sqrt(32 * 224))
    assert parameters("shot_noise", 1, side, side)["photons"] == pytest.approx(
        np.sqrt(500 * 60), rel=0.01
    )
    assert parameters("elastic_transform", 1, side, side)["stretch"] == pytest.approx(7, rel=0.01)
    assert parameters("jpeg_compression", 5, side, side) == {"quality": 17}


def test_noise_has_the_moments_of_its_law():
    sigma = 0.08
    wide = np.full((1, 224, 224), 0.5, np.float32)
    noise = one(wide, "gaussian_noise", 1).astype(np.float64) - 0.5
    count = noise.size
    assert abs(noise.mean()) < 4 * sigma / np.sqrt(count)
    assert noise.std() == pytest.approx(sigma, abs=4 * sigma / np.sqrt(2 * count))
    speckle = one(wide, "speckle_noise", 1)
    assert speckle.std() == pytest.approx(0.5 * 0.15, rel=0.02)
    shot = one(wide, "shot_noise", 1).astype(np.float64)
    assert shot.var() == pytest.approx(0.5 / 60, rel=0.03)
    np.testing.assert_allclose(shot * 60, np.round(shot * 60), atol=1e-4)
    impulse = one(wide, "impulse_noise", 5)
    for level in (0, 1):
        assert (impulse == level).mean() == pytest.approx(0.135, abs=0.007)
    assert ((impulse == 0.5) | (impulse == 0) | (impulse == 1)).all()


def test_contrast_brightness_and_saturation_are_their_formulas():
    image = photograph(224)
    mean = image.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    np.testing.assert_allclose(one(image, "contrast", 4), mean + 0.1 * (image - mean), atol=1e-6)
    image[:, :2] = 0.0  # black
    image[:, 2:4] = 0.3  # grey
    brighter, less, more = (
        one(image, *wanted) for wanted in (("brightness", 3), ("saturate", 1), ("saturate", 5))
    )
    for y, x in [(0, 0), (2, 0), *np.random.default_rng(0).integers(0, 224, (200, 2))]:
        hue, depth, value = colorsys.rgb_to_hsv(*image[:, y, x].tolist())
        for made, wanted in (
            (brighter, (hue, depth, min(value + 0.3, 1))),
            (less, (hue, 0.3 * depth, value)),
            (more, (hue, min(20 * depth + 0.2, 1), value)),
        ):
            np.testing.assert_allclose(made[:, y, x], colorsys.hsv_to_rgb(*wanted), atol=2e-5)
    np.testing.assert_array_equal(one(GREY, "saturate", 5), GREY)


def test_blurs_turn_a_point_into_their_kernel():
    point = np.zeros((1, 224, 224), np.float32)
    point[0, 112, 112] = 1.0
    for corruption in ("gaussian_blur", "motion_blur"):
        assert one(point, corruption, 5).sum() == pytest.approx(1.0, abs=1e-4), corruption
    # The published disk is softened on a grid that ends with it, which adds up to a hundredth.
    assert one(point, "defocus_blur", 3).sum() == pytest.approx(1.0, abs=1e-4)
    assert one(point, "defocus_blur", 5).sum() == pytest.approx(1.01, abs=0.002)
    y, x = np.mgrid[:224, :224] - 112
    gauss = np.exp(-(x**2 + y**2) / (2 * 3.0**2)) / (2 * np.pi * 3.0**2)
    np.testing.assert_allclose(one(point, "gaussian_blur", 3)[0], gauss, atol=2e-5)
    disk = one(point, "defocus_blur", 3)[0]
    inside = x**2 + y**2 <= 6**2
    assert disk[inside].mean() == pytest.approx(1 / inside.sum(), rel=0.1)
    assert disk[x**2 + y**2 > 9**2].max() < 1e-7
    # The line leaves the point on one side, at most 45 degrees off the rows.
    along = np.argwhere(one(point, "motion_blur", 1)[0] > 0) - 112
    assert np.abs(along[:, 0]).max() <= np.abs(along[:, 1]).max() <= 20


def test_pixelate_and_jpeg_agree_with_pillow():
    image = photograph(200)
    levels = Image.fromarray(np.rint(np.moveaxis(image, 0, -1) * 255).astype(np.uint8))
    for severity in SEVERITIES:
        blocks = int(200 * parameters("pixelate", severity, 200, 200)["factor"])
        small = levels.resize((blocks, blocks), Image.Resampling.BOX)
        wanted = np.asarray(small.resize((200, 200), Image.Resampling.NEAREST), np.float32) / 255
        made = np.moveaxis(one(image, "pixelate", severity), 0, -1)
        assert np.abs(made - wanted).max() <= 1.1 / 255
    # Level 128 is what JPEG stores as 0.
    flat = np.full_like(image, 128 / 255)
    np.testing.assert_allclose(one(flat, "jpeg_compression", 5), flat, atol=1e-6)
    grey = one(image[:1], "jpeg_compression", 3)
    assert 0.005 < np.abs(grey - image[:1]).mean() < 0.05


def test_glass_takes_pixels_from_nearby_and_keeps_the_rim():
    ramp = np.broadcast_to(np.arange(60, dtype=np.float32) / 59, (1, 60, 60)).copy()
    made = corrupt(ramp, "glass_blur", 1, np.random.default_rng(0)) * 59
    moved = np.abs(made - ramp * 59)
    assert 0.2 < moved[0, 5:-5, 5:-5].mean() < 2.0
    assert moved[0, :1, 5:-5].max() < 0.5


@pytest.mark.parametrize("corruption", known())
def test_any_size_layout_and_type(corruption):
    rng = np.random.default_rng(5)
    for shape in ((3, 32, 32), (1, 33, 70), (3, 97, 50), (3, 5, 7), (1, 1, 1), (3, 1, 4)):
        image = rng.random(shape).astype(np.float32)
        image[:, 0, 0] = 0.0
        before = image.copy()
        for severity in (1, 5):
            made = one(image, corruption, severity)
            assert made.shape == shape
            assert made.dtype == np.float32
            assert np.isfinite(made).all()
            assert made.min() >= 0
            assert made.max() <= 1
        np.testing.assert_array_equal(image, before)
        last = corrupt(
            np.moveaxis(image, 0, -1), corruption, 5, np.random.default_rng(0), channels_last=True
        )
        np.testing.assert_array_equal(np.moveaxis(last, -1, 0), made)
    double = one(image.astype(np.float64), corruption, 5)
    assert double.dtype == np.float64
    np.testing.assert_allclose(double, made, atol=1e-6)


@pytest.mark.parametrize("corruption", known())
def test_the_seed_alone_decides(corruption):
    image = photograph(48)
    first = one(image, corruption, 4, seed=1)
    np.testing.assert_array_equal(first, one(image, corruption, 4, seed=1))
    differs = not np.array_equal(first, one(image, corruption, 4, seed=2))
    assert differs == CATALOGUE[corruption].random
    # Alone, or after others in any order.
    images = {names[1]: photograph(48, names) for names in SETS}
    for order in (list(images), list(reversed(images))):
        made = {
            name: corrupt(images[name], corruption, 2, generator(7, name, corruption, 2))
            for name in order
        }
        alone = corrupt(images["cat"], corruption, 2, generator(7, "cat", corruption, 2))
        np.testing.assert_array_equal(made["cat"], alone)


def test_generators_are_their_own_for_seed_image_corruption_and_severity():
    keys = [(0, "a", "fog", 1), (1, "a", "fog", 1), (0, "b", "fog", 1), (0, "a", "snow", 1),
            (0, "a", "fog", 2)]  # fmt: skip
    assert len({generator(*key).integers(1 << 60) for key in keys}) == len(keys)
    assert generator(*keys[0]).integers(1 << 60) == generator(*keys[0]).integers(1 << 60)


@pytest.mark.parametrize("size", [32, 224])
def test_severity_means_distance(size):
    images = [photograph(size, names) for names in SETS]
    for corruption in known():
        far = np.zeros(len(SEVERITIES))
        for severity in SEVERITIES:
            for seed, image in enumerate(images):
                made = one(image, corruption, severity, seed)
                far[severity - 1] += np.abs(made - image).mean() / len(images)
        assert far[0] > 0.002, corruption
        assert far[-1] > far[0] or corruption in ("elastic_transform", "saturate"), corruption
        if corruption not in NOT_MONOTONE[size]:
            assert np.all(np.diff(far) > 0), (corruption, far)


def test_wrong_images_and_names_are_refused():
    good = np.full((3, 8, 8), 0.5, np.float32)
    for image in (good[0], np.moveaxis(good, 0, -1), good * 3, good * np.nan, good.astype(int)):
        with pytest.raises(UsageError, match="an image to corrupt"):
            one(image, "fog")
    for corruption, severity in (("rain", 1), ("fog", 0), ("fog", 6)):
        with pytest.raises(UsageError, match="choose one of"):
            one(good, corruption, severity)


@pytest.fixture
def dusk():
    """A corruption that is not in the published set, with all that adding one takes."""

    @enter("weather", small=(0.1, 0.2, 0.3, 0.4, 0.5), large=(0.2, 0.4, 0.5, 0.6, 0.7))
    def dusk(planes, *, loss: float):
        return planes * np.float32(1 - loss)

    yield dusk
    del CATALOGUE["dusk"]


@pytest.mark.usefixtures("dusk")
def test_a_new_corruption_is_one_function(tmp_path, iaside):
    assert len(IMAGENET_C) == 19
    assert set(IMAGENET_C) < CATALOGUE.keys()
    assert known()[:19] == list(IMAGENET_C)
    assert "dusk" in known()
    assert (one(GREY[:, :32, :32], "dusk", 5) == 0.25).all()
    assert not CATALOGUE["dusk"].random
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(4) % 2)
    named = iaside("snr", data, "-o", tmp_path / "s.h5", "--corruption", "dusk", "--severity", 3)
    assert named.exit_code == 0, named.stderr
    report = ia.load_snr(tmp_path / "s.h5")
    assert report.perturbations == ["dusk"]
    assert report.settings["kinds"] == {"dusk": "weather"}
    # Measured only when it is named, so that older baselines still fit.
    assert asked_corruptions((), ())[0] == list(IMAGENET_C)
    assert asked_corruptions(("dusk", "fog"), ())[0] == ["fog", "dusk"]
    assert asked_corruptions(("dusk", "imagenet-c"), ())[0] == [*IMAGENET_C, "dusk"]
    for command in ("snr", "robustness"):
        assert ", dusk" in " ".join(iaside(command, "--help").stdout.split())
    refused = iaside("snr", data, "-o", tmp_path / "t.h5", "--corruption", "rain")
    assert ", dusk" in refused.stderr
