"""Preprocessing as Hugging Face, timm and torchvision write it down."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from iaside_onnx.errors import UsageError
from iaside_onnx.preprocessing.preprocess import PRESETS, load_preprocess, names_a_file

from . import graphs
from .conftest import write_npz

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
VIT = {
    "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "ViTImageProcessor", "image_std": [0.5, 0.5, 0.5], "resample": 2,
    "rescale_factor": 1 / 255, "size": {"height": 224, "width": 224},
}  # fmt: skip
CLIP = {
    "crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True,
    "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224,
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}  # fmt: skip
CONVNEXT = IMAGENET | {
    "crop_pct": 0.875, "do_normalize": True, "do_resize": True, "resample": 3, "size": 224,
    "feature_extractor_type": "ConvNextFeatureExtractor",
}  # fmt: skip
MOBILE = {
    "crop_size": {"height": 256, "width": 256}, "do_center_crop": True, "do_rescale": True,
    "do_flip_channel_order": True, "do_resize": True, "image_processor_type":
    "MobileViTImageProcessor", "resample": 2, "rescale_factor": 1 / 255,
    "size": {"shortest_edge": 288},
}  # fmt: skip
TIMM = {
    "architecture": "resnet50",
    "num_classes": 1000,
    "pretrained_cfg": {
        "input_size": [3, 224, 224], "test_input_size": [3, 288, 288], "interpolation": "bicubic",
        "crop_pct": 0.95, "test_crop_pct": 1.0, "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
    },
}  # fmt: skip


def with_timm(**fields):
    return {"pretrained_cfg": TIMM["pretrained_cfg"] | fields}


def written(path, config):
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return str(path)


@pytest.mark.parametrize(
    ("config", "size", "wanted"),
    [
        (VIT, 224, {"resize": [224, 224], "mean": 0.5, "std": 0.5}),
        (VIT | {"size": 224}, 224, {"resize": [224, 224], "mean": 0.5, "std": 0.5}),
        (VIT | {"do_normalize": False, "do_rescale": False}, 224,
         {"resize": [224, 224], "scale": 255.0}),
        (VIT | {"rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False}, 224,
         {"resize": [224, 224], "scale": 2.0, "mean": 1.0}),
        (VIT | {"do_resize": False}, 32, {"resize": "none", "mean": 0.5, "std": 0.5}),
        (CLIP, 224, PRESETS["clip"].for_size(224, 224).recipe()),
        (CONVNEXT, 224, {"resize": 256, "interpolation": "bicubic"}
         | {key: PRESETS["imagenet"].for_size(224, 224).recipe()[key] for key in ("mean", "std")}),
        (CONVNEXT | {"size": {"shortest_edge": 384}}, 384, {"resize": [384, 384]}),
        (MOBILE | IMAGENET, 256, {"resize": 288, "channels": "bgr"}),
        (VIT | {"image_processor_type": "EfficientNetImageProcessor"}, 224,
         {"mean": 0.5, "std": 0.25}),
        (VIT | {"do_normalize": None, "crop_size": 200}, 224, {"resize": [224, 224]}),
        ({"image_processor": VIT}, 224, {"resize": [224, 224], "mean": 0.5, "std": 0.5}),
        (TIMM, 224, {"resize": 235, "interpolation": "bicubic"}),
        (TIMM, 288, {"resize": 288}),
        (with_timm(crop_mode="squash"), 224, {"resize": [235, 235]}),
        (with_timm(crop_mode="squash"), 288, {"resize": [288, 288]}),
        (with_timm(crop_pct=1.15), 224, {"resize": 194}),
        (with_timm(crop_mode="border", crop_pct=1.0, mean=[0.5, 0.5, 0.5]), 224,
         {"resize": "letterbox", "pad": 128}),
        ({"crop": 64, "scale": 255}, 64, {"resize": 64, "scale": 255.0}),
    ],
)  # fmt: skip
def test_what_a_hub_prescribes(tmp_path, config, size, wanted):
    recipe = load_preprocess(written(tmp_path / "c.json", config)).for_size(size, size).recipe()
    for key, value in wanted.items():
        found = recipe[key]
        if isinstance(value, str):
            assert found == value
        else:
            assert np.shape(found) == np.shape(value)
            np.testing.assert_allclose(found, value)
    assert set(np.ravel(recipe["crop"])) == {size}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (VIT | {"resample": 4}, "resample"),
        (VIT | {"resample": None}, "resample"),
        (VIT | {"image_mean": None}, "image_mean"),
        (VIT | {"size": {"longest_edge": 224}}, "size"),
        (VIT | {"size": {"shortest_edge": 224}}, "size"),
        (VIT | {"size": None}, "size"),
        (VIT | {"size": "224"}, "size"),
        (VIT | {"do_pad": True}, "do_pad"),
        (VIT | {"do_thumbnail": True}, "do_thumbnail"),
        (VIT | {"size_divisor": 32}, "size_divisor"),
        (VIT | {"image_std": [0, 1, 1]}, "std"),
        (VIT | {"image_mean": 10**400}, "image_mean"),
        (CLIP | {"feature_extractor_type": "OwnFeatureExtractor"}, "size"),
        (with_timm(interpolation="box"), "interpolation"),
        (with_timm(crop_mode="border"), "crop_pct"),
        (with_timm(crop_mode="random"), "crop_mode"),
        (with_timm(test_input_size=288), "test_input_size"),
        ({"model_type": "vit", "image_size": 224}, "no preprocessing"),
        ({"feature_size": 80, "sampling_rate": 16000}, "no preprocessing"),
        ("[1, 2]", "no JSON object"),
        ("{", "JSON"),
    ],
)
def test_what_no_recipe_can_say_is_refused_by_name(tmp_path, config, named):
    with pytest.raises(UsageError, match=named) as caught:
        load_preprocess(written(tmp_path / "broken.json", config)).affine(3)
    assert "broken.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "resize", "crop", "interpolation"),
    [
        ("ResNet50_Weights.IMAGENET1K_V2", 232, 224, "bilinear"),
        ("torchvision.models.ResNet50_Weights.DEFAULT", 232, 224, "bilinear"),
        ("ResNet18_Weights.DEFAULT", 256, 224, "bilinear"),
        ("ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1", 384, 384, "bicubic"),
        ("EfficientNet_V2_L_Weights.DEFAULT", 480, 480, "bicubic"),
    ],
)
def test_torchvision_weights_by_name(name, resize, crop, interpolation):
    recipe = load_preprocess(name)
    assert (recipe.resize, recipe.crop) == (resize, (crop, crop))
    assert recipe.interpolation == interpolation
    values = PRESETS["inception" if "V2_L" in name else "imagenet"]
    np.testing.assert_array_equal(recipe.affine(3)[1], values.affine(3)[1])
    assert not names_a_file(name)


@pytest.mark.parametrize("name", ["ResNet50_Weights.IMAGENET1K_V3", "NoNet_Weights.DEFAULT"])
def test_weights_that_torchvision_does_not_have(name):
    with pytest.raises(UsageError, match=name):
        load_preprocess(name)


@pytest.fixture
def colours(tmp_path):
    """A model that is right only on pixels of -1..1, and images of its three colours."""
    targets = np.array([[0.9, 0.2, 0.1], [0.2, 0.6, 0.3], [0.5, 0.5, 0.9]])
    images = np.repeat((255 * targets).astype(np.uint8), 4, axis=0)[:, None, None]
    data = write_npz(tmp_path / "d.npz", images + np.zeros((1, 16, 16, 1), np.uint8),
                     np.arange(12) // 4)  # fmt: skip
    folder = tmp_path / "hub" / "onnx"
    folder.mkdir(parents=True)
    model = graphs.prototypes(folder / "model.onnx", 3 * targets - 1, strength=20)
    return model, data


def test_what_lies_beside_the_model_is_used_and_said(iaside, tmp_path, colours):
    model, data = colours
    config = VIT | {"rescale_factor": 3 / 255, "size": {"height": 16, "width": 16}}
    config |= {"image_mean": [1.0, 1.0, 1.0], "image_std": [1.0, 1.0, 1.0]}
    beside = model.parent.parent / "preprocessor_config.json"
    written(beside, config)
    arguments = ("analyze", model, data, "-o", tmp_path / "r.h5", "--overwrite", "--bands", 2)
    result = iaside(*arguments, "--json")
    assert json.loads(result.stdout)["accuracy"] == 1.0
    assert "preprocessor_config.json, found beside the model" in result.stderr
    found = json.loads(iaside("inspect", model, "--json").stdout)
    assert found["preprocess_beside"]["file"] == "preprocessor_config.json"
    assert found["preprocess_beside"]["recipe"]["scale"] == pytest.approx(3)
    assert "beside the model" not in iaside(*arguments, "--preprocess", "unit").stderr
    written(beside, config | {"resample": 5})
    broken = iaside(*arguments)
    assert broken.exit_code == 2
    assert "resample" in broken.stderr.splitlines()[-1]
    assert "--preprocess overrides it" in broken.stderr.splitlines()[-1]
    assert iaside(*arguments, "--preprocess", "unit").exit_code == 0
    assert "resample" in iaside("inspect", model, "--json").stdout


def test_a_config_of_the_network_alone_is_not_taken(iaside, tmp_path, colours):
    model, data = colours
    written(model.parent / "config.json", {"model_type": "vit", "image_size": 224})
    result = iaside("analyze", model, data, "-o", tmp_path / "r.h5", "--bands", 1)
    assert result.exit_code == 0
    assert "beside" not in result.stderr


SIDES = {"landscape": (40, 20), "portrait": (10, 30), "square": (7, 7)}


@pytest.mark.parametrize("shape", SIDES)
@pytest.mark.parametrize("position", ["center", "top-left"])
def test_letterbox_keeps_the_ratio_and_fills_the_rest(shape, position):
    width, height = SIDES[shape]
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    recipe = replace(
        PRESETS["unit"], resize="letterbox", pad=(114.0, 0.0, 255.0), pad_position=position
    ).for_size(24, 32)
    found = recipe.pixels(picture, 3)
    scale = min(32 / width, 24 / height)
    wide, high = round(width * scale), round(height * scale)
    top, left = ((24 - high) // 2, (32 - wide) // 2) if position == "center" else (0, 0)
    inner = found[:, top : top + high, left : left + wide]
    wanted = np.asarray(picture.resize((wide, high), Image.Resampling.BILINEAR)) / np.float32(255)
    np.testing.assert_array_equal(np.moveaxis(inner, 0, -1), wanted)
    rest = np.ones((24, 32), bool)
    rest[top : top + high, left : left + wide] = False
    assert rest.any()
    for plane, level in zip(found, (114, 0, 255), strict=True):
        np.testing.assert_array_equal(plane[rest], np.float32(level / 255))


def test_no_resize_leaves_every_pixel_and_crops(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('resize = "none"\ncrop = 8\n')
    picture = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    found = load_preprocess(str(path)).for_size(8, 8).pixels(picture, 3)
    np.testing.assert_array_equal(np.rint(found * 255), np.moveaxis(picture[2:10, 1:9], -1, 0))


@pytest.mark.parametrize(
    "text", ['pad = 1', 'resize = "letterbox"\npad = 300', 'resize = "letterbox"\npad = "grey"',
             'resize = "letterbox"\npad_position = "left"', 'resize = "stretch"'],
)  # fmt: skip
def test_bad_letterboxes(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_preprocess(str(path))
