"""Sources of images, the sample drawn from them, and how photographs of every kind are read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from iaside_onnx.errors import DataError
from iaside_onnx.images.folders import PhotoFiles
from iaside_onnx.images.sample import draw_sample, open_images, picture_oddities
from iaside_onnx.preprocessing.preprocess import PRESETS

from .conftest import write_npz


def test_class_folders_are_sorted_and_ids_relative(photographs):
    source = open_images(photographs)
    assert source.class_names == ["class0", "class1", "class2", "class3"]
    assert source.ids[:2] == ["class0/0.png", "class0/1.png"]
    assert source.labels.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3


def test_label_file(photographs, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,label\nclass2/1.png,7\nclass0/0.png,3\n")
    source = open_images(photographs, table)
    assert source.ids == ["class2/1.png", "class0/0.png"]
    assert source.labels.tolist() == [7, 3]


def test_arrays_in_every_form_hold_the_same_picture(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    labels = [0, 1, 1, 0]
    last = open_images(write_npz(tmp_path / "a.npz", images, labels))
    first = open_images(write_npz(tmp_path / "b.npz", np.moveaxis(images, -1, 1), labels))
    floats = open_images(write_npz(tmp_path / "c.npz", images / 255.0, labels))
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["images"], file["labels"] = images, labels
    stored = open_images(tmp_path / "d.h5")
    recipe = PRESETS["unit"].for_size(6, 8)
    for source in (first, floats, stored):
        for number in range(4):
            np.testing.assert_allclose(
                recipe.pixels(source.picture(number), 3),
                recipe.pixels(last.picture(number), 3),
                atol=1e-6,
            )


@pytest.mark.parametrize("size", [7, 20, 50])
def test_sample_is_stratified_and_seeded(size):
    labels = np.repeat([0, 1, 2, 3], [50, 30, 15, 5])
    source = PhotoFiles([f"{k}" for k in range(100)], labels, None, Path())
    sample = draw_sample(source, size, seed=0)
    counts = np.bincount(sample.labels, minlength=4)
    assert len(set(sample.ids)) == size
    assert np.abs(counts - np.array([0.5, 0.3, 0.15, 0.05]) * size).max() < 1
    assert draw_sample(source, size, seed=0).ids == sample.ids
    assert draw_sample(source, size, seed=1).ids != sample.ids
    assert sample.ids == sorted(sample.ids, key=int)
    assert len(draw_sample(source, 0, seed=0)) == 100


def test_digest_sees_every_change(photographs):
    before = draw_sample(open_images(photographs), 0, 0).digest()
    assert before == draw_sample(open_images(photographs), 0, 0).digest()
    path = photographs / "class1" / "0.png"
    path.write_bytes(path.read_bytes() + b"\0")
    assert draw_sample(open_images(photographs), 0, 0).digest() != before


def odd_pictures(folder):
    """One photograph in other modes, depths and formats, with transparency, frames and rotated."""
    rng = np.random.default_rng(0)
    base = Image.fromarray(rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    deep = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    pictures = {
        "grey.png": base.convert("L"),
        "palette.png": base.quantize(64),
        "cmyk.jpg": base.convert("CMYK"),
        "deep.png": deep,
        "fractions.tif": Image.fromarray(rng.random((20, 24), np.float32) * 300),
        "opaque.png": base.convert("RGBA"),
        "alpha.png": base.convert("RGBA"),
    }
    pictures["alpha.png"].putpixel((0, 0), (9, 9, 9, 0))
    for name, picture in pictures.items():
        picture.save(folder / name)
    base.save(folder / "rotated.jpg", exif=exif)
    further = [base.transpose(Image.Transpose.ROTATE_180)]
    several = ["frames.gif", "frames.tif", "frames.webp", "views.mpo"]
    for name in several:
        base.save(folder / name, save_all=True, append_images=further)
    return [*pictures, "rotated.jpg", *several]


def test_odd_photographs_are_converted_as_torchvision_does(tmp_path):
    names = odd_pictures(tmp_path)
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n" + "".join(f"{name},0\n" for name in names))
    source = open_images(tmp_path, table)
    recipe = PRESETS["unit"].for_size(20, 24)
    for number, name in enumerate(names):
        expected = np.asarray(Image.open(tmp_path / name).convert("RGB")) / np.float32(255)
        found = recipe.pixels(source.picture(number), 3)
        np.testing.assert_array_equal(np.moveaxis(found, 0, -1), expected)
    oddities = [picture_oddities(source.picture(number)) for number in range(len(names))]
    assert [name for name, found in zip(names, oddities, strict=True) if any(found)] == [
        "deep.png",
        "fractions.tif",
        "alpha.png",
        "rotated.jpg",
        "frames.gif",
        "frames.tif",
        "frames.webp",
    ]
    assert np.sum(oddities, axis=0).tolist() == [1, 1, 1, 1, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,class\nx,1\n", "columns file,label"),
        ("file,label\n../a.png,1\n", "line 2"),
        ("file,label\n/etc/passwd,1\n", "inside"),
        ("file,label\nclass0/0.png,9999999999\n", "not a class number"),
        ("file,label\nclass0/none.png,1\n", "not in"),
        ("file,label\nclass0/0.png,1\nclass0/0.png,2\n", "more than once"),
        ("file,label\n", "no images"),
    ],
)
def test_bad_label_files(photographs, tmp_path, text, message):
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=message):
        open_images(photographs, table)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 8, 8, 3), np.uint8)}, "'labels'"),
        ({"images": np.zeros((2, 8, 8, 3), np.int32), "labels": [0, 1]}, "int32"),
        ({"images": np.zeros((2, 8, 8, 3), np.uint8), "labels": [0]}, "one integer"),
        ({"images": np.zeros((2, 3, 8, 3), np.uint8), "labels": [0, 1]}, "exactly one"),
        ({"images": np.zeros((2, 8), np.uint8), "labels": [0, 1]}, "shape"),
        ({"images": np.array([{}, {}], object), "labels": [0, 1]}, "cannot be read"),
    ],
)
def test_bad_arrays(tmp_path, arrays, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=message):
        open_images(path)


def test_floats_outside_their_range(tmp_path):
    path = write_npz(tmp_path / "a.npz", np.full((2, 8, 8, 3), 200.0), [0, 1])
    with pytest.raises(DataError, match="divide by 255"):
        open_images(path).picture(0)
