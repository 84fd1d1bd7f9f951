"""Recipes: sizes and crops as torchvision makes them, affine steps, TOML files."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError, UsageError
from iaside_onnx.preprocessing.preprocess import (
    PRESETS,
    Preprocess,
    declared_preprocess,
    load_preprocess,
    preprocess_from,
)

from . import graphs
from .conftest import ROOT, write_npz


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
        "mean = nan",
        "std = [1, inf, 1]",
        "antialias = 1",
        "crop = 99999999",
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


def as_documented(image, resize, crop):
    """Resize(resize), CenterCrop(crop) as torchvision's documentation and source have them."""
    short, long = sorted(image.size)
    new_long = int(resize * long / short)
    wide = image.width > image.height
    image = image.resize((new_long, resize) if wide else (resize, new_long), 2)
    array = np.asarray(image)
    pads = [max(crop - length, 0) for length in array.shape[:2]]
    array = np.pad(array, [*((pad // 2, (pad + 1) // 2) for pad in pads), (0, 0)])
    top, left = (round((length - crop) / 2.0) for length in array.shape[:2])
    return array[top : top + crop, left : left + crop]


sides = st.integers(1, 60)


@settings(deadline=None, max_examples=200)
@given(width=sides, height=sides, resize=sides, crop=sides)
def test_every_size_is_cut_as_torchvision_cuts_it(width, height, resize, crop):
    pixels = np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    recipe = Preprocess(resize=resize, crop=(crop, crop))
    expected = np.moveaxis(as_documented(Image.fromarray(pixels), resize, crop), -1, 0)
    for picture in (pixels, Image.fromarray(pixels)):
        found = recipe.pixels(picture, 3)
        np.testing.assert_array_equal(found, expected / np.float32(255))


@pytest.mark.parametrize("size", [32, 160, 224, 299, 331])
def test_presets_resize_by_timms_rule(size):
    for name, share in (("imagenet", 0.875), ("inception", 0.875), ("clip", 1.0), ("unit", 1.0)):
        assert PRESETS[name].for_size(size, size).resize == int(size / share)


def test_inputs_that_are_not_square_are_covered_with_the_same_margin(photograph):
    found = PRESETS["imagenet"].for_size(56, 112).pixels(photograph, 3)
    # 331 x 247 is scaled to cover 128 x 64: to 128 x 95.
    resized = np.asarray(photograph.resize((128, 95), Image.Resampling.BILINEAR))
    expected = resized[20:76, 8:120] / np.float32(255)
    np.testing.assert_array_equal(found, np.moveaxis(expected, -1, 0))


# Sum of all levels and two pixels' values, made by torchvision 0.28 with pillow 13.
GOLDEN = [
    (PRESETS["imagenet"].for_size(224, 224), 16844025, (98, 191)),
    (PRESETS["clip"].for_size(224, 224), 16760013, (97, 96)),
    (Preprocess(resize=36, crop=(31, 31)), 322272, (100, 100)),
    (Preprocess(resize=50, crop=(65, 65), interpolation="lanczos"), 834900, (0, 0)),
]


@pytest.mark.parametrize(("recipe", "total", "two"), GOLDEN)
def test_a_photograph_as_torchvision_gives_it(recipe, total, two):
    levels = np.rint(recipe.pixels(Image.open(ROOT / "demo/test/brick/000.png"), 3) * 255)
    assert levels.sum() == total
    assert (levels[0, 3, 5], levels[2, -2, -7]) == two


# tf.image.resize(image, size) of TensorFlow 2.21: bilinear, no antialias.
TENSORFLOW = {
    (3, 4): [
        [43.875, 45.458332, 101.458336, 211.875],
        [72.125, 28.875, 221.375, 233.625],
        [121.041649, 139.625, 20.625006, 180.041672],
    ],
    (6, 4): [
        [2.625, 32.375, 105.875, 223.125],
        [95.4375, 61.8125, 95.9375, 197.8125],
        [94.729172, 46.687504, 167.729156, 215.1875],
        [55.354172, 70.22916, 147.520859, 217.895844],
        [65.3125, 132.4375, 35.3125, 189.9375],
        [165.625, 145.375, 8.875, 172.125],
    ],
}


@pytest.mark.parametrize("size", TENSORFLOW)
def test_without_antialias_it_is_tensorflows_resize(size):
    image = (np.arange(35) ** 2 * 7 % 256).astype(np.uint8).reshape(5, 7, 1)
    recipe = Preprocess(resize=size, crop=size, antialias=False)
    for picture in (image, Image.fromarray(image[:, :, 0]), (image / 255).astype(np.float32)):
        found = recipe.pixels(picture, 1)[0] * 255
        np.testing.assert_allclose(found, TENSORFLOW[size], atol=2e-4)


@pytest.mark.parametrize("preset", PRESETS)
def test_recipes_survive_toml_and_json(tmp_path, preset):
    recipe = replace(PRESETS[preset].for_size(48, 32), resize=(50, 40), resize_ratio=None)
    recipe = replace(recipe, antialias=recipe.interpolation != "bilinear")
    path = tmp_path / "r.toml"
    path.write_text(recipe.toml())
    assert replace(load_preprocess(str(path)), name=preset) == recipe
    text = json.dumps(recipe.recipe())
    assert replace(declared_preprocess(text, "metadata"), name=preset) == recipe
    assert declared_preprocess(preset, "metadata") == PRESETS[preset]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[1]",
        "3",
        '{"mean": [NaN, 0, 0]}',
        '{"std": 1e-300}',
        '{"std": 0}',
        '{"scale": Infinity}',
        '{"scale": true}',
        '{"mean": 1e30}',
        '{"crop": 1000000000}',
        '{"crop": 224.0}',
        '{"crop": []}',
        '{"resize": [[1], 2]}',
        '{"channels": ["rgb"]}',
        '{"antialias": 0}',
        '{"antialias": false, "interpolation": "bicubic"}',
        '{"a\\nb": 1}',
        "[" * 100_000,
        '{"scale": 1' + "0" * 5000 + "}",
    ],
)
def test_hostile_recipes_are_refused_by_name(text):
    with pytest.raises(UsageError, match="metadata of m") as caught:
        declared_preprocess(text, "metadata of m")
    assert len(str(caught.value)) < 400


def test_only_mappings_are_recipes():
    with pytest.raises(UsageError, match="here"):
        preprocess_from(None, "here")


def test_a_long_thin_picture_cannot_fill_the_memory():
    thin = Image.new("RGB", (1, 40_000))
    with pytest.raises(DataError, match="40000"):
        Preprocess("r", resize=8192, crop=(32, 32)).pixels(thin, 3)


def test_a_new_preset_is_one_row(tmp_path, iaside, monkeypatch):
    monkeypatch.setitem(PRESETS, "dim", Preprocess("dim", scale=0.5))
    assert load_preprocess("dim") == declared_preprocess("dim", "metadata") == PRESETS["dim"]
    assert "caffe, dim;" in " ".join(iaside("analyze", "--help").stdout.split())
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(6) % 4)
    model = graphs.small_network(tmp_path / "m.onnx", size=16)
    refused = iaside("analyze", model, data, "-o", tmp_path / "r.h5", "--preprocess", "dimmed")
    assert "caffe, dim," in refused.stderr
    reports = {name: ia.analyze(model, data, bands=2, preprocess=name) for name in ("unit", "dim")}
    recipe = tmp_path / "dim.toml"
    recipe.write_text(PRESETS["dim"].toml())
    written = ia.analyze(model, data, bands=2, preprocess=str(recipe))
    np.testing.assert_array_equal(reports["dim"].log_prob, written.log_prob)
    (pair,) = ia.compare(reports["unit"], reports["dim"]).pairs
    assert {"setting": "preprocess.scale", "reference": 1.0, "other": 0.5} in pair.settings


def test_the_documents_name_every_preset():
    text = (ROOT / "docs" / "preprocessing.md").read_text()
    assert [name for name in PRESETS if f"`{name}`" not in text] == []
