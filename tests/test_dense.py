"""Maps of classes: the value, masks, and what becomes of their sizes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from PIL import Image

from iaside_onnx.errors import DataError
from iaside_onnx.images.folders import masked_pictures
from iaside_onnx.inference.class_scores import ScoreForm
from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.map_form import MapForm
from iaside_onnx.inference.task import OneLabel, Task
from iaside_onnx.inference.task_dense import Dense
from iaside_onnx.listener import Listener
from iaside_onnx.mathematics.dense import class_overlaps, mean_overlap, resized
from iaside_onnx.preprocessing.mask import fitted_mask
from iaside_onnx.preprocessing.preprocess import Preprocess

FORMS = [
    ScoreForm("logits", TensorProto.FLOAT),
    ScoreForm("logits", TensorProto.FLOAT16),
    ScoreForm("logits", TensorProto.FLOAT, binary=True),
    ScoreForm("probabilities", TensorProto.FLOAT),
    ScoreForm("probabilities", TensorProto.DOUBLE),
    ScoreForm("probabilities", TensorProto.FLOAT16, binary=True),
]


def through_tail(task, scores, references):
    session = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    return session.run(["value"], {"scores": scores, "reference": references})[0][:, 0]


def maps_of(form, channels, size, *, last, seed=0):
    """Raw scores of three images."""
    maps = np.random.default_rng(seed).normal(0, 2, (3, channels, *size))
    if form.kind == "probabilities":
        maps = 1 / (1 + np.exp(-maps))
        maps = maps if form.binary else maps / maps.sum(axis=1, keepdims=True)
        maps[0, 0, 0, 0] = 0
    maps = np.moveaxis(maps, 1, -1) if last else maps
    return np.ascontiguousarray(maps, helper.tensor_dtype_to_np_dtype(form.elem_type))


@pytest.mark.parametrize("size", [(6, 5), (13, 10)], ids=["as it is", "resized"])
@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize(
    "form", FORMS, ids=lambda form: f"{form.kind}-{form.elem_type}-{form.binary}"
)
def test_the_tail_and_the_host_agree(form, last, size):
    channels = 1 if form.binary else 4
    scores = maps_of(form, channels, (6, 5), last=last)
    task: Task = Dense(form, MapForm(scores.shape[1:], last), size)
    masks = np.random.default_rng(1).integers(-1, task.classes, (3, *size)).astype(np.int16)
    masks[2] = -1
    masks[2, 3, 4] = 1
    tolerance = 2e-3 if form.elem_type == TensorProto.FLOAT16 else 2e-6
    found = through_tail(task, scores, masks)
    plain = scores.astype(np.float32)
    np.testing.assert_allclose(found, task.values(plain, masks), rtol=tolerance, atol=tolerance)
    readings = task.readings(plain)
    assert np.shares_memory(readings, plain)
    margin, wrong = task.margins(readings, masks)
    np.testing.assert_array_equal(wrong, ~task.right(readings, masks))
    assert (margin < 0)[2] == wrong[2]  # a single pixel
    own = task.answers(readings)
    assert (task.share(readings, own) == 1).all()
    assert not task.change(readings, readings).any()
    counts = task.tally(readings, masks)
    assert counts.shape == (3, 2, task.classes)
    right = counts[:, 0].sum(axis=1) / (masks >= 0).sum(axis=(1, 2))
    np.testing.assert_allclose(right, task.share(readings, masks))


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
def test_a_map_of_one_pixel_is_a_classifier(last):
    form = ScoreForm("logits", TensorProto.FLOAT)
    scores = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    labels = np.arange(6) % 5
    shape = (1, 1, 5) if last else (5, 1, 1)
    task, classes = Dense(form, MapForm(shape, last), (1, 1)), OneLabel(form)
    masks = labels.astype(np.int16)[:, None, None]
    found = through_tail(task, scores.reshape(6, *shape), masks)
    np.testing.assert_allclose(found, classes.values(scores, labels), atol=1e-6)
    readings, own = classes.readings(scores), task.readings(scores)
    for one, other in zip(task.margins(own, masks), classes.margins(readings, labels), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_array_equal(task.answers(own).ravel(), classes.answers(readings))
    np.testing.assert_allclose(
        task.change(own, own[::-1]), classes.change(readings, readings[::-1]), atol=1e-5
    )


def test_resizing_is_onnx_resize():
    scores = np.random.default_rng(0).normal(size=(3, 7, 5)).astype(np.float32)
    # Known by hand: centres of four pixels on a line of two.
    line = resized(np.array([[[0.0, 4.0]]], np.float32), 1, 4)
    np.testing.assert_allclose(line, [[[0, 1, 3, 4]]])
    assert resized(scores, 7, 5) is scores


def test_overlaps_are_summed_over_images_before_they_are_divided():
    counts = np.array([[[1, 0, 0], [2, 0, 0]], [[1, 1, 0], [2, 4, 0]]])
    np.testing.assert_allclose(class_overlaps(counts), [1 / 2, 1 / 4, np.nan])
    assert mean_overlap(counts) == pytest.approx(3 / 8)
    assert np.isnan(mean_overlap(np.zeros((1, 2, 3), int)))


RECIPES = [
    Preprocess(),
    Preprocess(resize_ratio=Fraction(8, 7), interpolation="bicubic"),
    Preprocess(resize=(8, 8)),
    Preprocess(resize="letterbox", pad=(114.0,)),
    Preprocess(resize="letterbox", pad_position="top-left"),
    Preprocess(resize="none"),
    Preprocess(antialias=False),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: str(recipe.settings()))
@pytest.mark.parametrize("size", [(40, 26), (7, 30), (16, 16)])
def test_a_mask_goes_where_its_picture_goes(recipe, size):
    # Halves of one colour: where the picture shows it purely, so does the mask.
    mask = np.zeros(size, np.int32)
    mask[size[0] // 2 :] = 2
    settled = recipe.for_size(16, 16)
    shown = settled.pixels(Image.fromarray((mask * 100).astype(np.uint8)).convert("RGB"), 3)[0]
    fitted = fitted_mask(settled, mask, -1)
    assert fitted.shape == (16, 16)
    inside = fitted >= 0
    np.testing.assert_array_equal(fitted[inside & (shown > 190 / 255)], 2)
    np.testing.assert_array_equal(fitted[inside & (shown < 10 / 255)], 0)
    white = settled.pixels(Image.new("RGB", size[::-1], "white"), 3)[0]
    np.testing.assert_array_equal(inside, white == 1)


def test_masks_are_found_by_name_and_read_as_numbers(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    values = np.array([[0, 1], [255, 3]], np.uint8)
    palette = Image.fromarray(values)
    palette.putpalette([7, 7, 7, 200, 3, 5] * 128)
    sixteen = Image.fromarray(values.astype(np.uint16))
    for number, mask in enumerate([palette, Image.fromarray(values), sixteen]):
        for root, picture, suffix in (
            (images, Image.new("RGB", (2, 2)), "jpg"),
            (masks, mask, "png"),
        ):
            (root / "a").mkdir(parents=True, exist_ok=True)
            picture.save(root / "a" / f"{number}.{suffix}")
    assert [Image.open(path).mode for path in sorted(masks.rglob("*.png"))] == ["P", "L", "I;16"]
    source = masked_pictures(images, masks, Listener())
    assert source.ids == [f"a/{number}.jpg" for number in range(3)]
    for name in source.ids:
        np.testing.assert_array_equal(source.truths.mask(name), values)
    assert len({source.truths.digest(name) for name in source.ids}) == 3
    Image.new("1", (2, 2), 1).save(masks / "a" / "0.png")
    np.testing.assert_array_equal(source.truths.mask("a/0.jpg"), np.ones((2, 2)))
    Image.new("RGB", (2, 2)).save(masks / "a" / "0.png")
    with pytest.raises(DataError, match=r"0.png: is a picture in colour \(RGB\)"):
        source.truths.mask("a/0.jpg")
    (masks / "a" / "0.png").write_text("no picture")
    with pytest.raises(DataError, match="cannot be read as a mask"):
        source.truths.mask("a/0.jpg")


def test_pictures_without_a_mask_are_named(tmp_path):
    images, masks = tmp_path / "images", tmp_path / "masks"
    for root in (images, masks):
        root.mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (2, 2)).save(images / f"{name}.jpg")
    with pytest.raises(DataError, match=r"no mask for a.jpg: a.png is needed \(2 of 2"):
        masked_pictures(images, masks, Listener())
    Image.new("L", (2, 2)).save(masks / "a.jpg")
    with pytest.raises(DataError, match=r"a.jpg: is of a format that changes numbers"):
        masked_pictures(images, masks, Listener())
    for suffix in ("png", "bmp"):
        Image.new("L", (2, 2)).save(masks / f"a.{suffix}")
    with pytest.raises(DataError, match=r"the mask of a.jpg may be a.bmp, a.png"):
        masked_pictures(images, masks, Listener())
    with pytest.raises(DataError, match="beside each other"):
        masked_pictures(tmp_path, masks, Listener())


@pytest.mark.parametrize(
    ("shape", "layout", "last"),
    [
        ((21, 65, 65), "nchw", False), ((65, 65, 21), "nchw", True), ((1, 33, 22), "nhwc", False),
        ((33, 22, 1), "nchw", True), ((8, 8, 8), "nchw", False), ((8, 8, 8), "nhwc", True),
        ((3, 5, 9), "nhwc", True),
    ],
)  # fmt: skip
def test_the_axis_of_the_classes_is_the_one_without_the_proportions(shape, layout, last):
    size = (96, 64) if 22 in shape else (513, 513)
    found = MapForm.of(shape, InputForm("image", TensorProto.FLOAT, layout, 3, *size))
    assert found.channels_last is last
