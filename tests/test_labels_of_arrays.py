"""Sets of labels and masks that lie in arrays, and images in one file without any labels."""

from __future__ import annotations

import io
import json

import h5py
import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError
from iaside_onnx.images.sample import Reading
from iaside_onnx.listener import Listener

from . import graphs
from .sets import samples, write_parquet, write_tar

SIZE, CYCLES = 16, [1, 3, 5]
FEW = {"preprocess": "unit", "absence": "zero", "bands": 3}
DENSE = {**FEW, "task": "dense"}
RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (5, SIZE, SIZE, 3)).astype(np.uint8)
SETS = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]])
MASKS = RNG.integers(0, 2, (5, SIZE, SIZE)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """The same pictures, sets and masks in files."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    lines = ["file,slow,calm,fast"]
    for row, (image, mask) in enumerate(zip(IMAGES, MASKS, strict=True)):
        Image.fromarray(image).save(tmp_path / "photos" / f"{row}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{row}.png")
        lines.append(",".join([f"{row}.png", *map(str, SETS[row])]))
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    return tmp_path


def in_npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def in_hdf5(path, **arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path


def in_npy(path, images, **arrays):
    np.save(path, images)
    for array in arrays.values():
        np.save(path.parent / "labels.npy", array)
    return path


WRITERS = {"npz": in_npz, "h5": in_hdf5, "npy": in_npy}


@pytest.mark.parametrize("kind", WRITERS)
def test_labels_in_arrays_are_those_of_files(folder, kind):
    tagger = graphs.tagger(folder / "t.onnx", SIZE, CYCLES)
    kept = ia.analyze(tagger, folder / "photos", labels=folder / "tags.csv", **FEW)
    data = WRITERS[kind](folder / f"a.{kind}", images=IMAGES, labels=SETS)
    found = ia.analyze(tagger, data, **FEW)
    np.testing.assert_allclose(found.value, kept.value, atol=1e-6)
    assert found.summary()["mean_average_precision"] == kept.summary()["mean_average_precision"]
    segmenter = graphs.band_map(folder / "s.onnx", SIZE, 0, 3, channels=2)
    kept = ia.analyze(segmenter, folder / "photos", labels=folder / "masks", **DENSE)
    data = WRITERS[kind](folder / f"b.{kind}", images=IMAGES, masks=MASKS)
    found = ia.analyze(segmenter, data, **DENSE)
    np.testing.assert_allclose(found.value, kept.value, atol=1e-6)
    # The digest names the masks too.
    other = WRITERS[kind](folder / f"c.{kind}", images=IMAGES, masks=1 - MASKS)
    assert ia.analyze(segmenter, other, **DENSE).data["digest"] != found.data["digest"]


@pytest.mark.parametrize("kind", ["npz", "h5", "npy", "tar", "parquet"])
def test_images_without_labels_are_held_against_the_own_answers(tmp_path, kind):
    model = graphs.small_network(tmp_path / "m.onnx", size=SIZE)
    path = tmp_path / f"d.{kind}"
    if kind in WRITERS:
        WRITERS[kind](path, images=IMAGES)
    else:
        files = []
        for row, image in enumerate(IMAGES):
            Image.fromarray(image).save(tmp_path / f"{row}.png")
            files.append((tmp_path / f"{row}.png").read_bytes())
        if kind == "tar":
            write_tar(path, [(f"{row}.png", each) for row, each in enumerate(files)])
        else:
            write_parquet(path, files, [0] * 5, label="other")
    own = ia.analyze(model, path, labels="model", **FEW)
    assert len(own.image_ids) == 5
    assert own.settings["labels"] == "model"
    with pytest.raises(DataError):
        ia.analyze(model, path, **FEW)


def test_labels_that_are_not_used_are_named(tmp_path, iaside):
    noted = []

    def words_of(path):
        listener = Listener()
        listener.note = noted.append
        Reading.asked(path, "model").open(listener)
        return noted.pop()

    assert "labels 'labels' beside the images" in words_of(
        in_npz(tmp_path / "a.npz", images=IMAGES, labels=np.zeros(5, int))
    )
    picture = tmp_path / "p.png"
    Image.fromarray(IMAGES[0]).save(picture)
    members = samples([picture.read_bytes()], [3])
    assert "are not used" in words_of(write_tar(tmp_path / "a.tar", members))
    detector = graphs.detector(tmp_path / "d.onnx", SIZE, CYCLES, 1, suppressed=False)
    data = in_npz(tmp_path / "b.npz", images=IMAGES, labels=np.arange(5))
    words = ("--preprocess", "unit", "--quick", "-o", tmp_path / "audit")
    done = iaside("audit", detector, data, *words)
    assert done.exit_code == 0, done.stderr
    assert "; labels 'labels' beside the images of" in done.stderr


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(5, int), "a column for each class of the model"),
        (SETS[:4], "one for each of 5 images"),
        (SETS * 2, "a class has 0 or 1"),
        (SETS[:, :2], "labels have 2 columns, but the model has 3 classes"),
    ],
)
def test_matrices_that_do_not_fit_are_refused_in_one_line(tmp_path, labels, words):
    tagger = graphs.tagger(tmp_path / "t.onnx", SIZE, CYCLES)
    data = in_npz(tmp_path / "a.npz", images=IMAGES, labels=labels)
    with pytest.raises(DataError, match=words) as caught:
        ia.analyze(tagger, data, **FEW)
    assert "\n" not in str(caught.value)


def test_masks_that_do_not_fit_are_refused(tmp_path):
    segmenter = graphs.band_map(tmp_path / "s.onnx", SIZE, 0, 3, channels=2)
    for masks, words in ((MASKS[:, :8], "is 16 x 8 pixels"), (MASKS / 2.0, "whole numbers")):
        data = in_npz(tmp_path / "a.npz", images=IMAGES, masks=masks)
        with pytest.raises(DataError, match=words):
            ia.analyze(segmenter, data, **DENSE)


def png(array, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def archive(path, cells, masks=MASKS, **options):
    """The same pictures with sets of labels, or masks where `cells` is None."""
    if path.suffix == ".parquet":
        held = [png(mask) for mask in masks] if cells is None else cells
        return write_parquet(path, map(png, IMAGES), held, **options)
    ending = "mask.png" if cells is None else "json"
    held = map(png, masks) if cells is None else (json.dumps({"labels": c}).encode() for c in cells)
    pairs = enumerate(zip(IMAGES, held, strict=True))
    members = [m for n, (i, h) in pairs for m in ((f"{n}.png", png(i)),
                                                  (f"{n}.{ending}", h))]  # fmt: skip
    return write_tar(path, members)


LISTS = [np.flatnonzero(row).tolist() for row in SETS]


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_sets_and_masks_in_archives_are_those_of_files(folder, kind):
    tagger = graphs.tagger(folder / "t.onnx", SIZE, CYCLES)
    kept = ia.analyze(tagger, folder / "photos", labels=folder / "tags.csv", **FEW)
    options = {} if kind == "tar" else {"label": "labels"}
    data = archive(folder / f"a.{kind}", LISTS, **options)
    found = ia.analyze(tagger, data, **FEW)
    np.testing.assert_allclose(found.value, kept.value, atol=1e-6)
    segmenter = graphs.band_map(folder / "s.onnx", SIZE, 0, 3, channels=2)
    kept = ia.analyze(segmenter, folder / "photos", labels=folder / "masks", **DENSE)
    options = {} if kind == "tar" else {"label": "mask"}
    data = archive(folder / f"b.{kind}", None, **options)
    found = ia.analyze(segmenter, data, **DENSE)
    np.testing.assert_allclose(found.value, kept.value, atol=1e-6)
    other = archive(folder / f"c.{kind}", None, 1 - MASKS, **options)
    assert ia.analyze(segmenter, other, **DENSE).data["digest"] != found.data["digest"]


def test_names_of_a_list_of_classes_and_several_in_a_cls(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra 'parquet'")
    names, data = ["slow", "calm", "fast"], tmp_path / "a.parquet"
    archive(data, LISTS, label="labels")
    feature = {"feature": {"names": names, "_type": "ClassLabel"}, "_type": "Sequence"}
    table = pq.read_table(data)
    features = {"info": {"features": {"labels": feature}}}
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(features)}), data)
    held = Reading(data, sets=True).open().truths
    assert held.classes == tuple(names)
    assert list(held.sets.values())[:2] == [("slow", "fast"), ()]
    image = png(IMAGES[0])
    for text, labels in ((b"0 2", ("0", "2")), (b"0\n2\n", ("0", "2")), (b"a b;c", ("a b", "c")),
                         (b"[1]", ("1",)), (b"", ())):  # fmt: skip
        members = [("1.png", image), ("1.cls", text), ("2.png", image), ("2.cls", b"7")]
        held = Reading(write_tar(tmp_path / "a.tar", members), sets=True).open().truths
        assert list(held.sets.values()) == [labels, ("7",)]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (SETS.tolist(), "hold 0 and 1 alone, 3 each, and whether these are classes or say"),
        ([[0.5]] * 5, "no list of words or class numbers"),
        ([[]] * 5, "gives no picture a label"),
        ([[3]] * 5, "label 3, but the model has classes 0 to 2"),
    ],
)
def test_sets_in_archives_that_do_not_fit_are_one_line(tmp_path, cells, words):
    tagger = graphs.tagger(tmp_path / "t.onnx", SIZE, CYCLES)
    with pytest.raises(DataError, match=words) as caught:
        ia.analyze(tagger, archive(tmp_path / "a.tar", cells), **FEW)
    assert "\n" not in str(caught.value)


def test_masks_in_archives_that_do_not_fit_are_one_line(tmp_path):
    image = png(IMAGES[0])
    grey = png(MASKS[0], "JPEG")
    for members, words in (
        ([("1.png", image)], "has no mask next to it: a member 1.mask.png"),
        ([("1.png", image), ("1.mask.png", grey)], "is JPEG, a format that changes numbers"),
        ([("1.png", image), ("1.mask.png", image)], "is a picture in colour"),
        ([("1.png", image), ("1.mask.png", b"x" * 50)], "cannot be read as a mask"),
        ([("1.png", image), ("1.mask.png", grey), ("1.seg.png", grey)], "several masks of one"),
        ([("1.mask.png", grey)], "has a label but no picture"),
    ):
        tar = write_tar(tmp_path / "a.tar", members)
        segmenter = graphs.band_map(tmp_path / "s.onnx", SIZE, 0, 3, channels=2)
        with pytest.raises(DataError, match=words) as caught:
            ia.analyze(segmenter, tar, **DENSE)
        assert "\n" not in str(caught.value)
