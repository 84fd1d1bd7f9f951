"""Recipes: sizes and crops as torchvision makes them, affine steps, TOML files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from iaside_onnx.errors import UsageError
from iaside_onnx.preprocess import PRESETS, load_preprocess


@pytest.fixture
def photograph():
    small = np.random.default_rng(0).integers(0, 256, (40, 61, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((331, 247), Image.Resampling.BICUBIC)


def test_imagenet_recipe_is_resize_256_crop_224(photograph):
    found = PRESETS["imagenet"].for_size(224, 224).pixels(photograph, 3)
    # torchvision: short side to 256, long side truncated, centre crop rounded.
    resized = photograph.resize((int(256 * 331 / 247), 256), Image.Resampling.BILINEAR)
    left, top = round((resized.width - 224) / 2), 16
    expected = np.asarray(resized.crop((left, top, left + 224, top + 224))) / np.float32(255)
    np.testing.assert_array_equal(np.moveaxis(found, 0, -1), expected)


@pytest.mark.parametrize("size", [(224, 224), (64, 128), (247, 331)])
def test_unit_covers_any_size(photograph, size):
    found = PRESETS["unit"].for_size(*size).pixels(photograph, 3)
    assert found.shape == (3, *size)
    assert found.dtype == np.float32
    assert 0 <= found.min() < found.max() <= 1


def test_a_picture_of_the_right_size_is_not_touched(photograph):
    found = PRESETS["unit"].for_size(247, 331).pixels(photograph, 3)
    np.testing.assert_array_equal(np.rint(found * 255), np.moveaxis(np.asarray(photograph), -1, 0))


def test_caffe_means_blue_first_and_bytes(photograph):
    recipe = PRESETS["caffe"].for_size(224, 224)
    order, gain, shift = recipe.affine(3)
    pixels = recipe.pixels(photograph, 3)
    ready = pixels[order] * gain[:, None, None] + shift[:, None, None]
    expected = 255 * pixels[::-1] - np.array([103.939, 116.779, 123.68])[:, None, None]
    np.testing.assert_allclose(ready, expected, atol=1e-3)


def test_grey_models_take_one_channel(photograph):
    assert PRESETS["unit"].for_size(32, 32).pixels(photograph, 1).shape == (1, 32, 32)
    with pytest.raises(UsageError, match="1 channel"):
        PRESETS["imagenet"].for_size(32, 32).affine(1)


def test_toml_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'resize = [80, 90]\ncrop = 64\ninterpolation = "bicubic"\nchannels = "bgr"\n'
        'scale = 255\nmean = 10\nstd = [1, 2, 3]\nlayout = "nhwc"\n'
    )
    recipe = load_preprocess(str(path))
    assert (recipe.resize, recipe.crop, recipe.layout) == ((80, 90), (64, 64), "nhwc")
    order, gain, shift = recipe.for_size(64, 64).affine(3)
    assert order == [2, 1, 0]
    np.testing.assert_allclose(gain, [255, 127.5, 85])
    np.testing.assert_allclose(shift, [-10, -5, -10 / 3], rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "colour = 1",
        "scale = 0",
        'scale = "255"',
        "std = [1, 0, 1]",
        "mean = [1, 2]",
        'channels = "rbg"',
        "crop = -3",
        "resize = [1, 2, 3]",
        'layout = "chw"',
        'interpolation = "magic"',
        "not toml",
    ],
)
def test_bad_toml_names_the_file_and_key(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_preprocess(str(path))


@pytest.mark.parametrize("choice", ["imgnet", "missing.toml"])
def test_unknown_recipes(choice):
    with pytest.raises(UsageError, match=choice):
        load_preprocess(choice)
