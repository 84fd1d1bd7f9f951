"""Maps of classes: the value, masks, and what becomes of their sizes."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError
from iaside_onnx.images.folders import masked_pictures
from iaside_onnx.inference.class_scores import ScoreForm
from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.map_form import MapForm
from iaside_onnx.inference.task import OneLabel, Task
from iaside_onnx.inference.task_dense import Dense
from iaside_onnx.listener import Listener
from iaside_onnx.mathematics.bands import band_index, split
from iaside_onnx.mathematics.dense import class_overlaps, mean_overlap, resized, share_of_commonest
from iaside_onnx.preprocessing.mask import fitted_mask
from iaside_onnx.preprocessing.preprocess import Preprocess

from . import graphs

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
    assert counts.shape == (3, 3, task.classes)
    np.testing.assert_array_equal(counts[:, 2].sum(axis=1), (masks >= 0).sum(axis=(1, 2)))
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
    counts = np.array([[[1, 0, 0], [1, 1, 0], [2, 0, 0]], [[1, 1, 0], [1, 3, 0], [2, 2, 0]]])
    np.testing.assert_allclose(class_overlaps(counts), [1 / 2, 1 / 5, np.nan])
    assert mean_overlap(counts) == pytest.approx(7 / 20)
    # All of the first mask, and half of the second, are of class 0.
    assert share_of_commonest(counts) == pytest.approx(3 / 4)
    assert np.isnan(mean_overlap(np.zeros((1, 3, 3), int)))


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


SIZE = 16
FEW = {"bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit"}


@pytest.fixture
def scene(tmp_path):
    """Eight pictures, and masks where their band 2 is bright; nine-pixel borders do not count."""
    rng, index = np.random.default_rng(0), band_index(SIZE, SIZE, 4, "linf", separate_dc=False)
    images, masks = tmp_path / "images", tmp_path / "masks"
    for root in (images, masks):
        (root / "day").mkdir(parents=True)
    for number in range(8):
        pixels = rng.integers(60, 196, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / "day" / f"{number}.png")
        bands = np.empty((4, 1, SIZE, SIZE), np.float32)
        split(pixels.mean(axis=-1, dtype=np.float32)[None] / 255, index, out=bands)
        mask = (bands[2, 0] > 0).astype(np.uint8)
        mask[0, :9] = 255
        Image.fromarray(mask).save(masks / "day" / f"{number}.png")
    return images, masks


@pytest.mark.parametrize("channels", [1, 2])
def test_all_importance_lies_in_the_band_whose_sign_the_mask_is(tmp_path, scene, channels):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=channels)
    report = ia.analyze(model, images, labels=masks, **FEW)
    assert report.settings["task"] == "dense"
    assert report.settings["value"] == "mean-log-prob"
    np.testing.assert_allclose(report.sid, [0, 0, 1, 0], atol=1e-4)
    np.testing.assert_allclose(report.value[:, 0], np.log(0.5), atol=1e-5)
    assert report.class_numbers[1]["iou"] == 1.0
    assert sum(row["pixels"] for row in report.class_numbers) == 8 * (SIZE**2 - 9)
    assert "mean intersection over union 1.000 over 2 classes" in report.beside
    # The model's own clean answers are these masks, and all pixels count.
    own = ia.analyze(model, images, labels="model", task="dense", **FEW)
    assert own.beside is None
    assert own.summary().get("mean_iou") is None
    np.testing.assert_allclose(own.value, report.value, atol=0.05)


def test_a_classifier_at_every_pixel_has_the_table_of_the_classifier(tmp_path, photographs):
    classifier = graphs.small_network(tmp_path / "c.onnx", size=SIZE)
    model = graphs.spread_out(tmp_path / "m.onnx", SIZE, classifier)
    masks = tmp_path / "masks"
    for path in photographs.rglob("*.png"):
        target = masks / path.relative_to(photographs)
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), int(path.parent.name[-1])).save(target)
    known = ia.analyze(classifier, photographs, **FEW)
    report = ia.analyze(model, photographs, labels=masks, **FEW)
    np.testing.assert_allclose(report.value, known.log_prob, atol=2e-5)
    np.testing.assert_allclose(report.shapley, known.shapley, atol=2e-5)
    assert report.summary()["mean_value"] == pytest.approx(known.mean_log_prob, abs=1e-5)


def test_shards_of_masked_pictures_merge_to_the_whole(tmp_path, scene, iaside):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    asked = ("--labels", masks, "--bands", 3, "--preprocess", "unit")
    names = []
    for shard in (None, "1/2", "2/2"):
        names.append(tmp_path / f"{(shard or 'whole').replace('/', '-')}.h5")
        part = () if shard is None else ("--shard", shard)
        assert iaside("analyze", model, images, "-o", names[-1], *asked, *part).exit_code == 0
    assert iaside("merge", *names[1:], "-o", tmp_path / "merged.h5").exit_code == 0
    whole, merged = ia.load(names[0]), ia.load(tmp_path / "merged.h5")
    np.testing.assert_array_equal(whole.value, merged.value)
    np.testing.assert_array_equal(whole.tally, merged.tally)
    assert whole.data["digest"] == merged.data["digest"]
    assert json.loads(iaside("show", names[0], "--json").stdout)["mean_iou"] == 1.0
    # Other masks are other data.
    Image.new("L", (SIZE, SIZE)).save(masks / "day" / "0.png")
    again = ia.analyze(model, images, labels=masks, bands=3, preprocess="unit")
    assert again.data["digest"] != whole.data["digest"]
    assert (again.image_digests != whole.image_digests).any(axis=1).tolist() == [True] + [False] * 7


@pytest.mark.parametrize(
    ("mask", "asked", "error"),
    [
        (np.zeros((8, 16)), (), "is 16 x 8 pixels, but its picture day/3.png is 16 x 16"),
        (np.full((16, 16), 2), (), "3.png: holds 2, but the model has classes 0 to 1; --ignore 2"),
        (np.full((16, 16), 255), (), "has no pixel that counts"),
        (np.full((16, 16), 1), ("--label-offset", 1), "(+ offset 1), but the model has classes 0"),
        (None, (), "has no mask for day/3.png: day/3.png is needed"),
    ],
)
def test_masks_that_do_not_fit_are_refused_in_one_line(tmp_path, scene, iaside, mask, asked, error):
    images, masks = scene
    (masks / "day" / "3.png").unlink()
    if mask is not None:
        Image.fromarray(mask.astype(np.uint8)).save(masks / "day" / "3.png")
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    told = iaside("analyze", model, images, "--labels", masks, "-o", tmp_path / "r.h5", *asked)
    assert told.exit_code == 2
    assert error in told.stderr.splitlines()[-1]


def test_what_is_no_class_does_not_count(tmp_path, scene, iaside):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    for path in masks.rglob("*.png"):  # 1 and 2 where classes are 0 and 1, and 0 that is neither
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.where(mask == 255, 0, mask + 1).astype(np.uint8)).save(path)
    plain = ia.analyze(model, images, labels=masks, label_offset=-1, ignore=0, **FEW)
    assert plain.settings["ignore"] == 0
    assert sum(row["pixels"] for row in plain.class_numbers) == 8 * (SIZE**2 - 9)
    np.testing.assert_allclose(plain.sid, [0, 0, 1, 0], atol=1e-4)
    for path in masks.rglob("*.png"):  # as many tools save a mask of one object
        mask = np.asarray(Image.open(path))
        Image.fromarray(np.where(mask == 2, 255, 0).astype(np.uint8)).save(path)
    told = iaside("analyze", model, images, "--labels", masks, "-o", tmp_path / "r.h5")
    assert "its masks hold 0 and 255 alone" in told.stderr.splitlines()[-1]


@pytest.mark.parametrize("number", [-1, -(2**31), 2**31 - 1])
def test_every_number_that_a_mask_can_hold_may_be_left_out(tmp_path, scene, iaside, number):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    plain = ia.analyze(model, images, labels=masks, **FEW)
    for path in list(masks.rglob("*.png")):
        mask = np.asarray(Image.open(path)).astype(np.int32)
        Image.fromarray(np.where(mask == 255, number, mask)).save(path.with_suffix(".tif"))
        path.unlink()
    asked = ("--labels", masks, "--bands", 4, "--absence", "zero", "--preprocess", "unit")
    asked += ("--norm", "linf", "-o", tmp_path / "r.h5")
    told = iaside("analyze", model, images, *asked)
    assert f"--ignore {number} leaves such pixels out" in told.stderr.splitlines()[-1]
    told = iaside("analyze", model, images, *asked, "--ignore", number)
    assert told.exit_code == 0, told.stderr
    report = ia.load(tmp_path / "r.h5")
    assert report.settings["ignore"] == number
    np.testing.assert_array_equal(report.value, plain.value)
    for wrong in (-(2**31) - 1, 2**31):
        told = iaside("analyze", model, images, *asked, "--ignore", wrong)
        assert "give a number of a mask, from -2,147,483,648" in told.stderr.splitlines()[-1]


def test_maps_want_masks_and_say_so(tmp_path, scene, photographs, iaside):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    table = tmp_path / "t.csv"
    table.write_text("file,label\nday/0.png,1\n")
    target = ("-o", tmp_path / "r.h5")
    for labels in ((), ("--labels", table)):
        told = iaside("analyze", model, images, *labels, "--task", "dense", *target)
        assert told.exit_code == 2
        assert "is compared with masks: give --labels FOLDER" in told.stderr.splitlines()[-1]
    classifier = graphs.small_network(tmp_path / "c.onnx", size=SIZE)
    told = iaside("analyze", classifier, images, "--labels", masks, *target)
    assert "is a folder, as of masks" in told.stderr.splitlines()[-1]
    for asked in (("--ignore", 0), ("--threshold", 0.3)):
        told = iaside("analyze", classifier, photographs, *asked, *target)
        assert f"{asked[0]} {asked[1]} goes with" in told.stderr.splitlines()[-1]


def test_overlaps_under_corruptions_are_those_of_the_pixels(tmp_path, scene, iaside):
    images, masks = scene
    model = graphs.band_map(tmp_path / "m.onnx", SIZE, 2, 4, channels=2)
    target = tmp_path / "r.h5"
    asked = ("--labels", masks, "--preprocess", "unit", "--corruption", "contrast", "--corruption")
    asked += ("gaussian_noise", "--severity", 1, "--severity", 5, "--attack", "square-linf")
    told = iaside("robustness", model, images, "-o", target, *asked, "--queries", 3)
    assert told.exit_code == 0, told.stderr
    assert "mean IoU by severity" in told.stdout
    report = ia.load(target)
    clean, corrupted = report.overlaps
    assert clean == 1.0
    assert corrupted.shape == (2, 2)
    noise = corrupted[report.perturbations.index("gaussian_noise")]
    assert noise[1] < noise[0] < 1
    # With two classes, right pixels are what both classes share of themselves.
    right = report.corrupted_tally[..., 0, :].sum(axis=-1) / (SIZE**2 - 9)
    np.testing.assert_allclose(report.corrupted_share, right, atol=1e-6)
    told = json.loads(iaside("show", target, "--json").stdout)
    assert told["clean_mean_iou"] == 1.0
    np.testing.assert_allclose([row["mean_ious"] for row in told["corruptions"]], corrupted)
    ranking = ia.rank(target)
    assert ranking.what == "pixels right under corruptions"
    found = ranking.rows[0].values
    assert "mpe" not in found
    assert float(found["accuracy"].value) == pytest.approx(report.share.mean())
    assert float(found["corrupted"].value) == pytest.approx(report.corrupted_share.mean())
    again = ("verify", target, "--model", model, "--images", images)
    held = iaside(*again, "--labels", masks, "--redo", 2)
    assert held.exit_code == 0, held.stdout
    assert "give these with --labels" in iaside(*again).stderr
    Image.new("L", (SIZE, SIZE)).save(masks / "day" / "0.png")
    assert "the first is day/0.png" in iaside(*again, "--labels", masks).stdout
