"""The user's own perturbed pictures: found, refused, and read as the clean ones are."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from iaside_onnx.errors import ChangedError, DataError
from iaside_onnx.images.pairs import Pairs
from iaside_onnx.images.sample import draw_sample, open_images

from .conftest import write_npz


def darker(clean: Path, folder: Path, suffix: str = ".png") -> Path:
    """Every picture at half its brightness, under the same path with another suffix."""
    for picture in sorted(clean.rglob("*.png")):
        place = (folder / picture.relative_to(clean)).with_suffix(suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.open(picture).point(lambda value: value // 2).save(place)
    return folder


def drawn(clean: Path, samples: int = 0, **reading: Path):
    return draw_sample(open_images(clean, **reading), samples, 0)


def refused(sample, folder: Path, clean: Path) -> str:
    with pytest.raises(DataError) as caught:
        Pairs.of(sample, folder, clean)
    return str(caught.value)


def test_pictures_are_matched_by_their_paths_suffixes_aside(photographs, tmp_path):
    folder = darker(photographs, tmp_path / "phone", ".webp.png")
    for picture in folder.rglob("*.png"):  # lossless under another suffix
        Image.open(picture).save(picture.with_name(picture.name.split(".")[0] + ".BMP"))
        picture.unlink()
    (folder / "class9").mkdir()
    Image.new("RGB", (3, 3)).save(folder / "class9" / "more.png")
    (folder / "class0" / "0.txt").write_text("no picture")
    sample = drawn(photographs, 8)
    pairs = Pairs.of(sample, folder, photographs)
    assert (pairs.name, pairs.unchanged) == ("phone", 0)
    for position in range(len(sample)):
        clean = np.asarray(sample.picture(position))
        np.testing.assert_array_equal(np.asarray(pairs.picture(position)), clean // 2)
    assert Pairs.of(sample, photographs, photographs).unchanged == len(sample)


def test_the_digest_is_that_of_pixels(photographs, tmp_path):
    sample = drawn(photographs)
    one = Pairs.of(sample, darker(photographs, tmp_path / "a"), photographs)
    other = Pairs.of(sample, darker(photographs, tmp_path / "b", ".bmp"), photographs)
    order = np.arange(len(sample))[::-1]
    turned = Pairs.of(sample.part(order), tmp_path / "b", photographs)
    assert one.digest == other.digest == turned.digest
    picture = tmp_path / "b" / "class1" / "2.bmp"
    changed = Image.open(picture)
    changed.putpixel((0, 0), (1, 2, 3))
    changed.save(picture)
    assert Pairs.of(sample, tmp_path / "b", photographs).digest != one.digest
    with pytest.raises(ChangedError, match=r"class1/2\.bmp"):
        other.picture(sample.ids.index("class1/2.png"))


def test_a_flat_folder_with_a_file_of_labels(photographs, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, picture in enumerate(sorted(photographs.rglob("*.png"))):
        shutil.copy(picture, flat / f"img.{number}.png")
    table = flat / "labels.csv"
    table.write_text("file,label\n" + "".join(f"img.{n}.png,{n % 3}\n" for n in range(12)))
    pairs = Pairs.of(drawn(flat, labels=table), darker(flat, tmp_path / "jpeg", ".bmp"), flat)
    assert pairs.unchanged == 0
    # Clean pictures in class folders, perturbed ones in none.
    shutil.copytree(photographs / "class0", tmp_path / "direct")
    assert "lie directly in it" in refused(drawn(photographs), tmp_path / "direct", photographs)


def test_what_cannot_be_paired_is_named(photographs, tmp_path):
    folder, sample = darker(photographs, tmp_path / "own"), drawn(photographs)
    above = tmp_path / "above"
    shutil.copytree(folder, above / "val")
    assert f"did you mean {above / 'val'}?" in refused(sample, above, photographs)
    picture = folder / "class2" / "1.png"
    Image.open(picture).save(picture.with_suffix(".bmp"))
    said = refused(sample, folder, photographs)
    assert "class2/1.bmp or class2/1.png" in said
    picture.with_suffix(".bmp").unlink()
    Image.open(picture).resize((20, 16)).save(picture)
    said = refused(sample, folder, photographs)
    assert f"{picture}: is 20 x 16 pixels, but its clean form, class2/1.png, 16 x 16" in said
    picture.write_bytes(b"no picture at all")
    said = refused(sample, folder, photographs)
    assert said.startswith(f"{picture}: cannot be read as a picture")
    assert "skip_bad" not in said
    picture.unlink()
    (folder / "class3" / "0.png").unlink()
    said = refused(sample, folder, photographs)
    assert f"{folder}: has no picture for class2/1.png" in said
    assert "nor for 1 more of the 12" in said
    picture.with_suffix(".raw").write_bytes(b"")
    assert "class2/1.png" in (said := refused(sample, folder, photographs))
    assert "1.raw is none that is read here" in said
    assert "no such file or folder" in refused(sample, tmp_path / "gone", photographs)
    os.mkfifo(tmp_path / "pipe.npy")
    assert "is a pipe" in refused(sample, tmp_path / "pipe.npy", photographs)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert str(tmp_path / "loop") in refused(sample, tmp_path / "loop", photographs)


def test_clean_pictures_of_one_name_are_told_apart_by_their_suffixes(photographs, tmp_path):
    first = photographs / "class0" / "0.png"
    Image.new("RGB", (16, 16), "red").save(first.with_suffix(".bmp"))
    folder, sample = darker(photographs, tmp_path / "own"), drawn(photographs)
    assert "same suffix" in refused(sample, folder, photographs)
    Image.new("RGB", (16, 16), "blue").save(folder / "class0" / "0.bmp")
    pairs = Pairs.of(sample, folder, photographs)
    blue = np.asarray(pairs.picture(sample.ids.index("class0/0.bmp")))
    assert blue[0, 0].tolist() == [0, 0, 255]


@pytest.fixture
def arrays(tmp_path):
    """Clean images in an array file."""
    images = np.random.default_rng(0).integers(0, 256, (10, 6, 8, 3), dtype=np.uint8)
    return images, write_npz(tmp_path / "clean.npz", images, np.arange(10) % 4)


@pytest.mark.parametrize("kind", ["npy", "npz", "compressed", "h5", "folder"])
def test_arrays_are_paired_by_their_order(arrays, tmp_path, kind):
    images, clean = arrays
    own = tmp_path / f"own.{kind.replace('compressed', 'npz')}"
    if kind == "npy":
        np.save(own, images // 2)
    elif kind == "npz":
        np.savez(own, images=images // 2, labels=np.arange(10) % 4)
    elif kind == "compressed":
        np.savez_compressed(own, noisy=images // 2)
    elif kind == "h5":
        with h5py.File(own, "w") as file:
            file["noisy"] = images // 2
    else:
        own.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image // 2).save(own / f"{number:08d}.png")
    sample = drawn(clean, 6)
    pairs = Pairs.of(sample, own, clean)
    elsewhere = pickle.loads(pickle.dumps(pairs))
    for position, row in enumerate(sample.chosen):
        for each in (pairs, elsewhere):
            np.testing.assert_array_equal(np.asarray(each.picture(position)), images[row] // 2)
    if kind == "folder":
        Image.new("RGB", (8, 6)).save(own / f"{sample.chosen[2]:08d}.png")
        with pytest.raises(ChangedError):
            pickle.loads(pickle.dumps(pairs)).picture(2)


def test_arrays_that_are_no_pairs_are_refused(arrays, photographs, tmp_path):
    images, clean = arrays
    sample, own = drawn(clean), tmp_path / "own.npy"
    for wrong, words in (
        (images[:9], "no array of shape 10 x 6 x 8 x 3"),
        (images / 255.0, "float64, those of"),
    ):
        np.save(own, wrong)
        assert words in refused(sample, own, clean)
    np.savez(tmp_path / "two.npz", a=images, b=images)
    assert "several arrays" in refused(sample, tmp_path / "two.npz", clean)
    write_npz(tmp_path / "order.npz", images, (np.arange(10) + (np.arange(10) > 5)) % 4)
    assert "labels are not those" in refused(sample, tmp_path / "order.npz", clean)
    own.write_bytes(b"no array")
    assert "cannot be read" in refused(sample, own, clean)
    assert "goes with clean images in an array" in refused(drawn(photographs), own, photographs)
    assert "folder of pictures, or from .npy" in refused(sample, Path(__file__), clean)
