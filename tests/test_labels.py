"""Labels and pictures as people have them: by name, by number, in every layout, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError, UsageError
from iaside_onnx.images.class_index import ClassIndex
from iaside_onnx.images.class_names import read_class_names
from iaside_onnx.images.imagenet import synsets
from iaside_onnx.images.pictures import SUFFIXES
from iaside_onnx.images.sample import open_images
from iaside_onnx.listener import Listener

from . import graphs
from .sets import write_parquet

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
COLOURS = np.random.default_rng(0).permutation(
    [(r, g, b) for r in (0.1, 0.5, 0.9) for g in (0.1, 0.5, 0.9) for b in (0.1, 0.9)]
)[:10]


def picture(label):
    return Image.fromarray(np.full((8, 8, 3), 255 * COLOURS[label], np.uint8))


def tree(root, names, per=2, suffix=".png", labels=None):
    """Folders of pictures that a model gets right, numbered as listed or as `labels` says."""
    for number, name in enumerate(names):
        (root / name).mkdir(parents=True, exist_ok=True)
        label = number if labels is None else labels[number]
        for count in range(per):
            picture(label).save(root / name / f"{count}{suffix}")
    return root


def model(path, declared=None, order=range(10), **metadata):
    """Nearest colour, its classes in some order and declared by names."""
    if declared:
        metadata["iaside.classes"] = json.dumps(declared)
    return graphs.prototypes(path, COLOURS[list(order)], strength=200, size=8, metadata=metadata)


def audit(path, images, **options):
    """Accuracy, warnings and class names of a quick audit."""
    heard = Listener()
    report = ia.analyze(path, images, bands=1, absence="zero", samples=0, listener=heard, **options)
    return report.accuracy, heard.warnings, report


BACKWARDS = NAMES[::-1]
# What the file declares, its order, folders left out, options.
BY_NAME = {
    "one is missing": (NAMES, range(10), {"bird"}, {}),
    "several are missing, another order": (BACKWARDS, range(9, -1, -1), {"bird", "ship"}, {}),
    "named by a file": (None, range(10), {"cat"}, {"class_names": "names.txt"}),
}


@pytest.mark.parametrize("name", BY_NAME)
def test_labels_follow_the_names_of_classes(tmp_path, monkeypatch, name):
    declared, order, missing, options = BY_NAME[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    numbers = [number for number in range(10) if NAMES[number] not in missing]
    spelled = [NAMES[number].title().replace("e", "E ") for number in numbers]
    photos = tree(tmp_path / "photos", spelled, labels=numbers)
    accuracy, warnings, report = audit(
        model(tmp_path / "m.onnx", declared, order), photos, **options
    )
    assert (accuracy, warnings) == (1.0, [])
    assert report.class_names == (declared or NAMES)
    assert report.data.get("class_names") == options.get("class_names")


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": str(dict(enumerate(NAMES)))},
        {"classes": ",".join(NAMES)},
        {"labels": "\n".join(NAMES)},
        {"id2label": json.dumps(dict(enumerate(NAMES)))},
        {},
    ],
    ids=lambda held: next(iter(held), "labels.txt beside the model"),
)
def test_names_of_other_tools_count_too(tmp_path, metadata):
    if not metadata:
        (tmp_path / "labels.txt").write_bytes("\r\n".join(NAMES).encode())
    photos = tree(tmp_path / "photos", NAMES[3:], labels=range(3, 10))
    assert audit(model(tmp_path / "m.onnx", **metadata), photos)[:2] == (1.0, [])


@pytest.mark.parametrize(
    ("folders", "text"),
    [
        (
            ["pajaro", "avion"],
            r"pajaro/.*class 0 by position.*calls class 0 'airplane'.*labels=",
        ),
        ([*NAMES[:9], "lorry"], "class folders lorry/: no class of the model by that name"),
        ([*NAMES[:9], "Ship"], "folders Ship/ and ship/ are both class 8"),
    ],
)
def test_names_that_disagree_are_refused_by_name(tmp_path, folders, text):
    photos = tree(tmp_path / "photos", folders)
    path = model(tmp_path / "m.onnx", NAMES)
    with pytest.raises(DataError, match=text):
        audit(path, photos)
    audit(path, photos, class_names="none")


def test_names_that_merely_count_say_nothing_and_lists_of_columns_go_by_name(tmp_path):
    photos = tree(tmp_path / "photos", NAMES)
    counting = [f"LABEL_{number}" for number in range(10)]
    assert audit(model(tmp_path / "m.onnx", counting), photos)[:2] == (1.0, [])
    table = tmp_path / "x.parquet"
    content = [(photos / name / "0.png").read_bytes() for name in NAMES]
    write_parquet(table, content, range(9, -1, -1), names=BACKWARDS)
    named = model(tmp_path / "n.onnx", NAMES)
    assert audit(named, table)[:2] == (1.0, [])
    assert audit(named, table, class_names="none")[0] == 0.0
    write_parquet(table, content, NAMES)
    assert audit(named, table)[0] == 1.0


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("n.txt", "\n".join(f"{number}: {name}" for number, name in enumerate(NAMES))),
        ("n.txt", "\n".join(f"{name} {number}" for number, name in enumerate(NAMES))),
        ("n.txt", str(dict(enumerate(NAMES)))),
        ("n.json", json.dumps(NAMES)),
        ("n.json", json.dumps({name: number for number, name in enumerate(NAMES)})),
        ("n.json", json.dumps({"id2label": dict(enumerate(NAMES))})),
        ("n.csv", "id;name\n" + "\n".join(f"{n};{NAMES[n]}" for n in range(9, -1, -1))),
        ("n.csv", "class\n" + "\n".join(NAMES)),
    ],
)
def test_files_of_class_names(tmp_path, file, text):
    (tmp_path / file).write_text(text, encoding="utf-16")
    assert read_class_names(tmp_path / file) == NAMES


@pytest.mark.parametrize(
    "text", ["id,name\n0,cat,x\n1,dog,x\n", ",name\ncat\ndog\n", "id,name,x\n0,cat\n1,dog\n"]
)
def test_class_names_below_a_header_of_other_columns_are_refused(tmp_path, text):
    (tmp_path / "n.csv").write_text(text)
    with pytest.raises(DataError, match=r"n\.csv: is not a list of class names"):
        read_class_names(tmp_path / "n.csv")


@pytest.mark.parametrize(
    ("file", "text", "names"),
    [
        ("n.csv", "name,kind\ncat,a\n,\ndog,b\n", None),
        ("n.csv", 'name\n"cat"\n""\n"dog"\n', None),
        ("n.tsv", "name\tkind\ncat\ta\n\t\ndog\tb\n", None),
        ("n.csv", "id,name\n1,dog\n,\n0,cat\n,\n", ["cat", "dog"]),
        ("n.csv", "dog,1\ncat,0\n,\n", ["cat", "dog"]),
        ("n.tsv", "cat\t\ndog\t\n", ["cat", "dog"]),
        ("n.csv", "name,kind\ncat,a\n,\n", None),
        ("n.json", '["cat", "", "dog"]', None),
        ("n.csv", 'name,kind\n"giant\npanda",a\n\n   \ndog,b\n', ["giant panda", "dog"]),
    ],
)
def test_a_class_without_a_name_keeps_its_place(tmp_path, file, text, names):
    (tmp_path / file).write_text(text)
    if names is None:
        with pytest.raises(DataError, match=r"class 1 has no name"):
            read_class_names(tmp_path / file)
    else:
        assert read_class_names(tmp_path / file) == names


def test_numbers_of_some_classes_alone_leave_the_order_open(tmp_path):
    (tmp_path / "n.csv").write_text("id,name\n2,a\n,b\n0,c\n")
    with pytest.raises(DataError, match="column 1 has a number for some classes"):
        read_class_names(tmp_path / "n.csv")


def test_an_empty_line_between_names_is_named_before_a_background_class(tmp_path):
    photos = tree(tmp_path / "photos", NAMES[1:])
    (tmp_path / "n.txt").write_text("\n".join([NAMES[0], "", *NAMES[2:]]))
    with pytest.raises(DataError, match="names 9 classes, but the model has 10; its line 2 is emp"):
        audit(model(tmp_path / "m.onnx"), photos, class_names=tmp_path / "n.txt")


def test_names_with_synonyms_ids_and_numbers(tmp_path):
    index = ClassIndex(
        ["German shepherd, alsatian", "n02123045 tabby, tabby cat", "crane", "crane"]
    )
    assert index.find(["german_shepherd", "n02106662", "Tabby-Cat", "n02123045", "x", "Crane"]) == [
        {0}, {0}, {1}, {1}, set(), {2, 3},
    ]  # fmt: skip
    birds = ["001.Black_footed_Albatross", "002.Laysan_Albatross"]
    assert ClassIndex(["Laysan albatross", "Black-footed albatross"]).find(birds) == [{1}, {0}]
    (tmp_path / "short.txt").write_text("\n".join(NAMES[:9]))
    photos = tree(tmp_path / "p", NAMES)
    with pytest.raises(DataError, match="names 9 classes, but the model has 10"):
        audit(model(tmp_path / "m.onnx"), photos, class_names=tmp_path / "short.txt")


def test_an_offset_beyond_all_classes_is_refused(tmp_path):
    path = model(tmp_path / "m.onnx", NAMES)
    with pytest.raises(UsageError, match="label_offset=10: the model has 10 classes, so"):
        audit(path, tree(tmp_path / "p", NAMES), label_offset=10)


# Folders, options, labels that follow (None: refused, with this text).
NUMBERED = {
    "text order is another": ([1, 10, 2], {}, "10/ is class 1 in the order of text"),
    "by number": (range(1, 11), {"label_order": "number"}, range(10)),
    "by text": ([1, 10, 2], {"label_order": "text"}, range(3)),
    "padded": ([f"{number:02d}" for number in range(1, 11)], {}, range(10)),
    "from 0": (range(3), {}, range(3)),
    "a gap": ([0, 1, 3], {}, "not 0, 1, 2, ..., and the model has 10"),
    "a gap by number": ([0, 1, 3], {"label_order": "number"}, [0, 1, 3]),
    "from 1, some": ([1, 2, 4], {"label_order": "number", "label_offset": -1}, [1, 2, 4]),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_folders_named_by_numbers(tmp_path, name):
    folders, options, follows = NUMBERED[name]
    photos = tree(tmp_path / "photos", map(str, folders))
    path = model(tmp_path / "m.onnx")
    if isinstance(follows, str):
        with pytest.raises(DataError, match=rf"{follows}.*label_order='number'"):
            audit(path, photos, **options)
        return
    found = dict(zip(map(str, folders), follows, strict=True))
    report = audit(path, photos, **options)[2]
    assert {name.partition("/")[0] for name in report.image_ids} == set(found)
    for name, label in zip(report.image_ids, report.labels, strict=True):
        assert label == found[name.partition("/")[0]]


def test_a_single_class_is_spoken_of_as_one(tmp_path):
    _, said, _ = audit(model(tmp_path / "m.onnx"), tree(tmp_path / "d", ["tench"], labels=[0]))
    assert "are of 1 class, the model has 10: they are taken as class 0;" in "".join(said)


def test_litter_is_no_class_and_an_empty_class_keeps_its_number(tmp_path):
    photos = tree(tmp_path / "photos", NAMES)
    for name in (
        ".ipynb_checkpoints",
        "__MACOSX",
        "@eaDir",
        "lost+found",
        "cat/.ipynb_checkpoints",
    ):
        tree(photos, [name])
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (photos / "cat" / name).write_bytes(b"\0\5\x16\7")
    for file in (photos / "bird").iterdir():
        file.rename(file.with_suffix(".PSD"))
    heard = Listener(note=lambda _: None)
    source = open_images(photos, listener=heard)
    assert source.class_names == NAMES
    assert np.bincount(source.labels, minlength=10).tolist() == [2, 2, 0, *[2] * 7]
    assert "2 files in the class folders not read: 2 .psd" in heard.warnings[0]
    assert "bird/; it keeps its place" in heard.warnings[1]
    (photos / "bird" / "gone.png").symlink_to("nowhere")
    (photos / "bird" / "more").symlink_to(photos / "cat")
    (photos / "stray.png").symlink_to(photos / "cat" / "0.png")
    open_images(photos, listener=heard)
    assert "2 .psd, 1 broken links, 1 linked folders" in heard.warnings[2]
    assert "1 picture beside the class folders" in heard.warnings[4]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    photos = tree(tmp_path / "photos", NAMES)
    scandir = os.scandir

    def refuse(place):
        if str(place).endswith("bird"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DataError, match=r"bird: the folder cannot be read \(Permission denied\)"):
        open_images(photos)


TWO = ("cat", "dog")
# Folders that hold pictures, and the folder that is meant; None: these are classes.
NESTED = {
    "split": ([f"{part}/{name}" for part in ("train", "val") for name in TWO], "val"),
    "in capitals": ([f"{part}/{name}" for part in ("Test", "Train") for name in TWO], "Test"),
    "test without classes": (["train/cat", "train/dog", "test"], "train"),
    "flat parts": (["train", "val"], "val with labels=FILE"),
    "severities": ([f"{level}/{name}" for level in range(1, 6) for name in TWO], "1"),
    "corruptions": ([f"{k}/{s}/{n}" for k in ("fog", "blur") for s in "12" for n in TWO], "blur/1"),
    "domains": ([f"{part}/{name}" for part in ("art", "photo") for name in TWO], "art"),
    "one folder": (["images/cat", "images/dog"], "images"),
    "one flat folder": (["images"], "images with labels=FILE"),
    "two too high": ([f"data/{k}/{name}" for k in ("train", "test") for name in TWO], "data/test"),
    "beside a plain folder": (["images/cat", "images/dog", "masks"], "images"),
    "mostly the same": (["a/cat", "a/dog", "b/cat", "b/dog", "meta/x"], "a"),
    "a class called test": (["exam", "test"], None),
    "a class called train": (["bus", "train", "car"], None),
    "classes with parts": (["cat/persian", "dog/poodle"], None),
    "a folder in each class": (["cat/images", "dog/images"], None),
    "one class with parts": (["cat", "dog/poodle"], None),
    "a class called train, with parts": (["bus", "car", "train/steam", "train/fast"], None),
    "numbers": (list("12345"), None),
}  # fmt: skip


@pytest.mark.parametrize("name", NESTED)
def test_folders_that_are_no_classes_are_told_by_their_nesting(tmp_path, name):
    folders, meant = NESTED[name]
    root = tree(tmp_path / "root", folders, labels=[0] * len(folders))
    options = {"corruption": ["brightness"], "severity": [1], "bands": 2}
    if meant is None:
        assert open_images(root).doubt is None
        return
    with pytest.raises(DataError, match=rf"did you mean {root / meant}"):
        ia.measure_snr(root, **options)
    with pytest.raises(DataError, match=rf"did you mean {root / meant}.*class_names"):
        audit(model(tmp_path / "m.onnx"), root)


def test_nested_folders_whose_names_are_classes_are_classes(tmp_path):
    root = tree(tmp_path / "root", ["bird/day1", "bird/day2", "cat/day1", "cat/day2"],
                labels=[2, 2, 3, 3])  # fmt: skip
    assert audit(model(tmp_path / "m.onnx", NAMES), root)[0] == 1.0
    with pytest.raises(DataError, match=r"root/cat/day1: its 2 pictures.*did you mean .*root/cat"):
        open_images(root / "cat" / "day1")


PLACES = [(f"{label}_{count}.png", label) for label in range(4) for count in range(2)]


@pytest.fixture
def flat(tmp_path):
    (tmp_path / "val").mkdir()
    for name, label in PLACES:
        picture(label).save(tmp_path / "val" / name)
    return tmp_path / "val"


def lines(form, head=""):
    """A table with a line for each picture: {f} file, {i} without suffix, {c} label, {n} name."""
    made = [form.format(f=f, i=f[:-4], c=c, n=NAMES[c], w=f"n0000000{c}") for f, c in PLACES]
    return head + "\n".join(made) + "\n"


LAYOUTS = {
    "plain": ("l.csv", lines("{f},{c}", "file,label\n")),
    "Hugging Face": ("metadata.csv", lines("{f},{c}", "file_name,label\n")),
    "its jsonl": ("metadata.jsonl", lines('{{"file_name": "{f}", "label": {c}, "text": "x"}}')),
    "json": ("l.json", json.dumps(dict(PLACES))),
    "Kaggle": ("l.csv", lines("{i},{c}", "id,label\n")),
    "Kaggle's index": ("l.csv", lines(",{f},{c}", ",image,class\n")),
    "text": ("l.txt", lines("{f} {c}")),
    "tabs": ("l.txt", lines("{f}\t{c}")),
    "no header": ("l.csv", lines("{i},{c}")),
    "semicolons": ("l.csv", lines("{f};{c}", "filename;class_id\n")),
    "quoted": ("l.csv", lines('"{f}","{c}"', '"file","label"\n')),
    "backslashes": ("l.csv", lines(".\\{f},{c}", "file,label\n")),
    "windows": ("l.csv", lines("{f},{c}\r", "file,label\r\n")),
    "whole floats": ("l.csv", lines("{f},{c}.0", "file,label\n")),
    "twice the same": ("l.csv", lines("{f},{c}", "file,label\n") + "0_0.png,0\n"),
    "named columns": ("l.csv", lines("{c},x,{f}", "a,b,c\n"), "c,a"),
    "numbered columns": ("l.csv", lines("{c},x,{f}"), "3,1"),
    "names": ("l.csv", lines("{f},{n}", "file,label\n")),
    "species": ("l.csv", lines("{i},{n}", "image_id,species\n")),
    "ILSVRC": ("LOC.csv", lines("{i},{w} 1 2 3 4 {w} 2 2 3 3", "ImageId,PredictionString\n")),
    "Tiny ImageNet": ("val_annotations.txt", lines("{f}\t{w}\t0\t0\t9\t9")),
}  # fmt: skip


ENCODED = [
    (name, encoding)
    for name in ("plain", "its jsonl", "tabs")
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le")
]


@pytest.mark.parametrize(("name", "encoding"), [*((name, "utf-8") for name in LAYOUTS), *ENCODED])
def test_files_of_labels_as_they_lie(tmp_path, flat, name, encoding):
    file, text, *columns = LAYOUTS[name]
    table = tmp_path / file
    table.write_bytes(text.encode(encoding))
    source = open_images(flat, table, columns=columns[0] if columns else None)
    assert dict(zip(source.ids, source.labels.tolist(), strict=True)) == dict(PLACES)
    assert (source.class_names is None) == (
        name not in ("names", "species", "ILSVRC", "Tiny ImageNet")
    )


BAD_TABLES = {
    "another label": (lines("{f},{c}", "file,label\n") + "0_0.png,3\n", "more than once.*10"),
    "missing files": (lines("{f},{c}", "file,label\n") + "a.png,3\nb.png,1\n", "and 1 more"),
    "one too high": (lines("val/{f},{c}", "file,label\n"), "not in .*val but in .*IMAGES"),
    "no label": (lines("{f},", "file,label\n"), "line 2: 0_0.png has no label"),
    "no file's name": (lines("9" * 251 + "{f},{c}", "file,label\n"), "has a name of 258 bytes"),
    "elsewhere": (lines("C:\\val\\{f},{c}", "file,label\n"), "must be a path inside"),
    "which column": (lines("{f},{c},{c}", "file_name,fine,coarse\n"), "fine, coarse: give"),
    "numbers alone": (lines("{c}"), "ILSVRC.*not the model's order.*meta.mat"),
    "ragged": ("file,label\n0_0.png\n", "line 2: has 1 columns"),
    "two classes": ("ImageId,PredictionString\n0_0,n00000001 1 n00000002 1\n", "several classes"),
    "header": ("file,label\n", "lists no images"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TABLES)
def test_files_of_labels_that_leave_something_open(tmp_path, flat, name):
    text, message = BAD_TABLES[name]
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        open_images(flat, tmp_path / "l.csv")


def test_the_file_of_labels_that_an_error_suggests_is_taken(tmp_path, flat):
    (flat / "a.csv").write_text("size,time\n1,2\n")
    (flat / "metadata.csv").write_text(LAYOUTS["Hugging Face"][1])
    with pytest.raises(DataError, match=r"labels='.*metadata.csv'$") as raised:
        open_images(flat)
    suggested = str(raised.value).rpartition("labels=")[2].strip("'")
    assert audit(model(tmp_path / "m.onnx"), flat, labels=suggested)[0] == 1.0
    (tmp_path / "n.csv").write_text(LAYOUTS["names"][1])
    with pytest.raises(DataError, match=r"labels are names \(airplane.*class_names=FILE"):
        audit(model(tmp_path / "m.onnx"), flat, labels=tmp_path / "n.csv")
    assert audit(model(tmp_path / "d.onnx", NAMES), flat, labels=tmp_path / "n.csv")[0] == 1.0
    with pytest.raises(DataError, match="is a workbook; save it as CSV"):
        open_images(flat, tmp_path / "l.xlsx")
    with pytest.raises(UsageError, match="columns goes with labels"):
        open_images(flat, columns="a,b")


def test_ids_of_the_ilsvrc_kit_are_read_through_its_map(tmp_path, flat):
    table = tmp_path / "ILSVRC2012_validation_ground_truth.txt"
    table.write_text("".join(f"{9 - label}\n" for _, label in PLACES))
    mapping = tmp_path / "ILSVRC2012_mapping.txt"
    mapping.write_text("".join(f"{9 - label} n0000000{label}\n" for label in range(4)))
    source = open_images(flat, table)
    assert [source.class_names[label][-1] for label in source.labels] == [
        str(label) for _, label in PLACES
    ]
    (flat / "0_0.png").unlink()
    with pytest.raises(DataError, match=r"8 lines, but .* holds 7 pictures"):
        open_images(flat, table)


def test_imagenet_by_wordnet_id(tmp_path):
    assert list(synsets()) == sorted(synsets())
    assert len(synsets()) == 1000
    colours = np.full((1000, 3), 9.0)
    places = [0, 134, 281, 999]
    colours[places] = COLOURS[:4]
    path = graphs.prototypes(tmp_path / "m.onnx", colours, strength=200, size=8)
    ids = [list(synsets())[place] for place in places]
    accuracy, warnings, report = audit(path, tree(tmp_path / "a", [f"{ids[0]}_x", *ids[1:]]))
    assert (accuracy, warnings, report.class_names[281]) == (1.0, [], "tabby")
    assert set(report.labels) == set(places)
    words = ["tench", "tabby", "toilet_tissue"]
    accuracy, warnings, _ = audit(path, tree(tmp_path / "b", words, labels=[0, 2, 3]))
    assert accuracy == 1.0
    assert "ImageNet" in warnings[0]
    with pytest.raises(DataError, match="crane/ may be class 134 or 517"):
        audit(path, tree(tmp_path / "c", [*words, "crane"]))
    with pytest.raises(DataError, match=r"WordNet ids .* 4 for the model's 10"):
        audit(model(tmp_path / "ten.onnx"), tree(tmp_path / "d", ids))


IMAGES = np.stack([np.asarray(picture(label)) for _, label in PLACES])
LABELS = np.array([label for _, label in PLACES])
LAST = np.concatenate([IMAGES] * 2).transpose(1, 2, 3, 0)
ARRAYS = {
    "column": ({"images": IMAGES, "labels": LABELS[:, None]}, {}),
    "row": ({"images": IMAGES, "labels": LABELS[None]}, {}),
    "one-hot": ({"images": IMAGES, "labels": np.eye(4)[LABELS]}, {}),
    "floats": ({"images": IMAGES, "labels": LABELS.astype(float)}, {}),
    "Keras": ({"x_train": IMAGES, "y_train": LABELS * 0, "x_test": IMAGES, "y_test": LABELS}, {}),
    "MedMNIST": ({"test_images": IMAGES, "test_labels": LABELS[:, None]}, {}),
    "names": ({"images": IMAGES, "labels": np.array(NAMES)[LABELS].astype("S")}, {}),
    "options": ({"a": IMAGES, "b": LABELS}, {"image_column": "a", "label_column": "b"}),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_arrays_as_they_lie(tmp_path, name, kind):
    held, options = ARRAYS[name]
    path = tmp_path / f"x.{kind}"
    if kind == "npz":
        np.savez(path, **held)
    else:
        with h5py.File(path, "w") as file:
            for key, array in held.items():
                file[key] = array
    source = open_images(path, **options)
    assert source.labels.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(source.picture(7), IMAGES[7])


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"pics": IMAGES, "classes": LABELS}, r"'pics' 8 x 8 x 8 x 3, 'classes' 8;"),
        ({"images": LAST, "labels": np.tile(LABELS, 2)}, "H x W x C x N"),
        ({"X": LAST, "y": np.tile(LABELS, 2)[:, None]}, r"transpose\(3, 0, 1, 2\)"),
        ({"images": IMAGES, "labels": np.ones((8, 4), int)}, "no class, or several"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "one integer per image"),
        ({"images": IMAGES, "labels": LABELS[:5]}, "for 8 images"),
    ],
)  # fmt: skip
def test_arrays_that_leave_something_open(tmp_path, held, message):
    np.savez(tmp_path / "x.npz", **held)
    with pytest.raises(DataError, match=message):
        open_images(tmp_path / "x.npz")


def test_arrays_beside_their_labels_and_files_of_other_kinds(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    np.save(folder / "fog.npy", IMAGES)
    np.save(folder / "labels.npy", LABELS)
    with pytest.raises(DataError, match=r"as CIFAR-10-C does; give one of them, such as .*fog.npy"):
        open_images(folder)
    source = open_images(folder / "fog.npy")
    assert source.labels.tolist() == LABELS.tolist()
    np.testing.assert_array_equal(source.picture(3), IMAGES[3])
    for name, message in (
        ("x.mat", "MATLAB"),
        ("x.png", "one picture"),
        ("x.csv", "with labels"),
    ):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=message):
            open_images(tmp_path / name)


def test_a_locked_file_is_called_locked(tmp_path):
    path = tmp_path / "x.h5"
    code = (
        "import h5py, sys; file = h5py.File(sys.argv[1], 'w'); file['x'] = 1; file.flush(); "
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        try:
            with pytest.raises(DataError, match="is locked by another program"):
                open_images(path)
        finally:
            writer.stdin.close()


@pytest.mark.parametrize("suffix", [".jfif", ".pgm", ".pnm", ".jp2", ".avif", ".heic"])
def test_pictures_of_every_format_that_pillow_reads(tmp_path, suffix):
    kind = {".jfif": "JPEG", ".pgm": "PPM", ".pnm": "PPM", ".jp2": "JPEG2000", ".avif": "AVIF"}
    if suffix not in SUFFIXES:
        pytest.skip(f"{suffix} needs a build of pillow, or an extra")
    (tmp_path / "a").mkdir()
    taken = picture(0).convert("L") if suffix == ".pgm" else picture(0)
    taken.save(tmp_path / "a" / f"x{suffix.upper()}", kind.get(suffix, "HEIF"))
    found = np.asarray(open_images(tmp_path).picture(0)).astype(int)
    assert np.abs(found - np.asarray(taken)).max() < 12


def test_inspect_writes_labels_that_analyze_takes(iaside, tmp_path):
    photos = tree(tmp_path / "photos", NAMES[1:], labels=range(1, 10), per=3)
    path = model(tmp_path / "m.onnx", NAMES)
    arguments = ("inspect", path, "--data", photos, "--json")
    table = tmp_path / "l.csv"
    done = iaside(*arguments, "--write-labels", table)
    assert done.exit_code == 0
    written = table.read_text().splitlines()
    assert (written[0], written[1], len(written)) == ("file,label", "automobile/0.png,1", 28)
    assert audit(model(tmp_path / "n.onnx"), photos, labels=table)[0] == 1.0
    again = iaside(*arguments, "--write-labels", table)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    assert iaside("inspect", path, "--write-labels", table).exit_code == 2
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    done = iaside(
        "inspect", path, "--data", tmp_path / "x.npz", "--write-labels", tmp_path / "n.csv"
    )
    assert (done.exit_code, "goes with a folder" in done.stderr) == (2, True)
    # Another order of classes is found from the model's answers, and said to be.
    turned = model(tmp_path / "t.onnx", order=range(9, -1, -1))
    whole = tree(tmp_path / "whole", NAMES, per=3)
    done = iaside("inspect", turned, "--data", whole, "--samples", 0, "--json",
                  "--write-labels", tmp_path / "o.csv")  # fmt: skip
    assert "renumbered by the model's usual answers" in done.stderr
    assert audit(turned, whole, labels=tmp_path / "o.csv")[0] == 1.0


def test_every_command_takes_the_names(iaside, tmp_path):
    photos = tree(tmp_path / "photos", NAMES[5:], labels=range(5, 10))
    path, names = model(tmp_path / "m.onnx"), tmp_path / "names.json"
    names.write_text(json.dumps(NAMES))
    shared = (path, photos, "--class-names", names, "--json")
    for command, options in (
        ("robustness", ("--corruption", "brightness", "--severity", 1, "--attack", "none")),
        ("heatmap", ("--bands", 1, "--grid", 3)),
    ):
        done = iaside(command, *shared, "-o", tmp_path / f"{command}.h5", *options)
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["data"]["class_names"] == "names.json"
    attack = ("--attack", "square-linf", "--model", path, "--epsilon", 0.01, "--queries", 2)
    target = tmp_path / "snr.h5"
    assert iaside("snr", photos, "-o", target, *attack, "--bands", 1, "--class-names", names,
                  "--severity", 1).exit_code == 0  # fmt: skip
    refused = iaside("snr", photos, "-o", target, "--class-names", names)
    assert (refused.exit_code, "--attack" in refused.stderr) == (2, True)
    done = iaside(command, *shared, "-o", tmp_path / "x.h5", "--label-order", "number")
    assert (done.exit_code, done.stderr.count("Error:")) == (2, 1)


def test_labels_of_the_real_photographs_by_wordnet_id(iaside, tmp_path, real):
    photos = tmp_path / "photos"
    for file in sorted((real / "imagenet-100").glob("*.JPEG"))[:40:8]:
        folder = photos / file.name[:9]
        folder.mkdir(parents=True)
        (folder / file.name).symlink_to(file)
    done = iaside(
        "analyze", real / "squeezenet1.1-fp16.onnx", photos, "-o", tmp_path / "r.h5",
        "--preprocess", "caffe", "--bands", 1, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    table = dict(
        line.split(",") for line in (real / "imagenet-100" / "labels.csv").read_text().split()
    )
    report = ia.load(tmp_path / "r.h5")
    assert [table[name.partition("/")[2]] for name in report.image_ids] == [
        str(label) for label in report.labels
    ]


PAIRS = {"0": 0, "1": 1, "10": 2, "2": 3}
TEXT_ORDER = list(PAIRS)
# A file of class names, and the names; None: refused, for their order is open.
ORDERS = {
    "bare": ("n.json", json.dumps({"0": 0, "1": 2, "2": 3, "3": 1}), None),
    "printed": ("n.txt", "{0: 0, 1: 2, 2: 3, 3: 1}", None),
    "only names to places": ("n.json", json.dumps(PAIRS), TEXT_ORDER),
    "keyed": ("n.json", json.dumps({"class_to_idx": PAIRS}), TEXT_ORDER),
    "keyed back": ("n.json", json.dumps({"id2label": {0: "0", 1: "1", 2: "10"}}), ["0", "1", "10"]),
    "from 1": ("n.json", json.dumps({"1": 0, "2": 1, "3": 2}), None),
    "both ways the same": ("n.json", json.dumps({"00": 0, "01": 1}), ["00", "01"]),
    "texts are names": ("n.json", json.dumps({"0": "1", "1": "0"}), ["1", "0"]),
    "lines": ("n.txt", "0 0\n1 1\n10 2\n2 3", TEXT_ORDER),
    "lines both ways": ("n.txt", "1 0\n2 1\n3 2", None),
    "columns": ("n.csv", "label,index\n0,0\n1,1\n10,2\n2,3", TEXT_ORDER),
    "columns, no header": ("n.csv", "0,0\n1,1\n3,2\n2,3", None),
    "objects": ("n.json", '[{"id": 1, "name": "b"}, {"id": 0, "name": "a"}]', ["a", "b"]),
    "COCO": ("n.json", '{"categories": [{"id": 2, "name": "b"}, {"id": 1, "name": "a"}]}', [*"ab"]),
    "objects with a gap": ("n.json", '[{"id": 1, "name": "b"}, {"id": 3, "name": "a"}]', None),
    "a count": ("n.csv", "name,count\nb,2\na,1", ["b", "a"]),
    "an id and a count": ("n.csv", "count,name,id\n1,b,1\n2,a,0", ["a", "b"]),
    "ids with a gap": ("n.csv", "name,id\nb,5\na,0", None),
    "numbers of names": ("n.txt", "3 iron\n1 wood\n2 putter", ["3 iron", "1 wood", "2 putter"]),
    "marked": ("n.txt", "1: b\n0: a", ["a", "b"]),
}  # fmt: skip


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_of_class_names_is_never_guessed(tmp_path, name):
    file, text, names = ORDERS[name]
    (tmp_path / file).write_text(text)
    if names is None:
        with pytest.raises(DataError, match="is open: "):
            read_class_names(tmp_path / file)
    else:
        assert read_class_names(tmp_path / file) == names


# The model's names, names of the images, classes that these may be.
SPELLINGS = {
    "numbers of names": (["dollar", "euro", "5 dollar"], ["5 dollar", "euro"], [{2}, {1}]),
    "one side": (["200", "300", "737-200"], ["737-200"], [{2}]),
    "numbers behind": (["200", "300"], ["737-200", "747-300"], [set(), set()]),
    "signs": (["C", "C++", "C#"], ["C++", "c#", "C"], [{1}, {2}, {0}]),
    "another sign": (["A+", "B"], ["A-", "B"], [set(), {1}]),
    "a minus": (["-1", "0", "1"], ["1", "-1"], [{2}, {0}]),
    "a point": (["15", "1.5"], ["1.5", "15"], [{1}, {0}]),
    "no point": (["15", "25"], ["1.5", "2.5"], [set(), set()]),
    "case": (["A", "a"], ["a", "A"], [{1}, {0}]),
    "case is open": (["Cat", "cat"], ["CAT"], [{0, 1}]),
    "counted": (["dog", "cat"], ["1_cat", "2_dog"], [{1}, {0}]),
    "the model's counted": (["1 dog", "2 cat"], ["cat"], [{1}]),
    "not one to one": (["5 dollar", "9 dollar"], ["dollar"], [set()]),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_names_match_as_they_stand_before_they_match_loosely(name):
    names, wanted, classes = SPELLINGS[name]
    assert ClassIndex(names).find(wanted) == classes


def test_metadata_that_names_classes_in_two_ways_or_in_no_order_is_said(tmp_path):
    photos = tree(tmp_path / "photos", NAMES)
    twice = model(tmp_path / "a.onnx", NAMES, names=json.dumps(BACKWARDS))
    accuracy, warnings, _ = audit(twice, photos)
    assert (accuracy, len(warnings)) == (1.0, 1)
    assert "class 0 is 'airplane' under iaside.classes, which is used, and 'truck'" in warnings[0]
    loose = model(tmp_path / "b.onnx", classes=str(set(NAMES)))
    accuracy, warnings, report = audit(loose, photos)
    assert (accuracy, report.class_names) == (1.0, NAMES)
    assert "has no order; it is not used" in warnings[0]
    printed = str({name: number for number, name in enumerate(NAMES)})
    assert audit(model(tmp_path / "c.onnx", classes=printed), photos)[:2] == (1.0, [])


def test_a_folder_with_the_name_of_litter_may_be_a_class(tmp_path):
    shops = ["Aldi", "CVS", "Spar"]
    photos = tree(tmp_path / "a", shops)
    assert open_images(photos).class_names == shops
    (photos / "CVS" / "Entries").write_text("D")
    assert open_images(photos).class_names == ["Aldi", "Spar"]
    dotted = tree(tmp_path / "b", [".NET", "C"])
    assert open_images(dotted).class_names == ["C"]
    path = graphs.prototypes(
        tmp_path / "m.onnx", COLOURS[:2], strength=200, size=8,
        metadata={"names": json.dumps([".NET", "C"])},
    )  # fmt: skip
    with pytest.raises(DataError, match=r"\.NET: is passed over .* a class '.NET': rename"):
        audit(path, dotted)
    (dotted / ".NET").rename(dotted / "NET")
    assert audit(path, dotted)[0] == 1.0


def test_numbers_as_labels_where_names_are_numbers(tmp_path, flat):
    table = tmp_path / "l.csv"
    table.write_text(lines("{f},{c}", "file,label\n"))
    same = [str(number) for number in range(10)]
    assert audit(model(tmp_path / "a.onnx", same), flat, labels=table)[0] == 1.0
    turned = model(tmp_path / "b.onnx", same[::-1])
    with pytest.raises(DataError, match=r"label 0 may be class 0, or the name of class 9.*='none'"):
        audit(turned, flat, labels=table)
    assert audit(turned, flat, labels=table, class_names="none")[0] == 1.0
    years = [str(number) for number in range(1990, 2000)]
    table.write_text("file,label\n" + "".join(f"{file},{years[c]}\n" for file, c in PLACES))
    assert audit(model(tmp_path / "c.onnx", years), flat, labels=table)[0] == 1.0


def test_folders_in_the_order_of_text_that_is_not_that_of_their_numbers(tmp_path):
    path = model(tmp_path / "m.onnx")
    folders = sorted(f"class{number}" for number in range(1, 11))
    _, warnings, _ = audit(path, tree(tmp_path / "a", folders))
    assert "9 of 10 have another place" in warnings[0]
    assert "class10/ is class 1 in the order of text, which is used, but 9" in warnings[0]
    padded = [f"class{number:02d}" for number in range(1, 11)]
    assert audit(path, tree(tmp_path / "b", padded))[1] == []
    with pytest.raises(DataError, match=r"label_order='text'.*; or class_names=FILE"):
        audit(path, tree(tmp_path / "c", ["0", "180", "270", "90"][:2]))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_number_and_a_name_for_each_picture_must_agree(tmp_path, flat, kind):
    table = tmp_path / f"l.{kind}"
    row = "{f},{c},{n}" if kind == "csv" else '{{"file": "{f}", "label": {c}, "class_name": "{n}"}}'
    table.write_text(lines(row, "file,label,class_name\n" if kind == "csv" else ""))
    assert audit(model(tmp_path / "a.onnx", NAMES), flat, labels=table)[:2] == (1.0, [])
    turned = model(tmp_path / "b.onnx", BACKWARDS, range(9, -1, -1))
    message = rf"line {2 if kind == 'csv' else 1}: has the number 0 and the name 'airplane'.*9"
    with pytest.raises(DataError, match=message):
        audit(turned, flat, labels=table)
    by_name = {"labels": table, "columns": "file,class_name"}
    assert audit(turned, flat, **by_name)[0] == 1.0
    groups = [f"group{name}" for name in NAMES]
    assert audit(model(tmp_path / "c.onnx", groups), flat, labels=table)[:2] == (1.0, [])
