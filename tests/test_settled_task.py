"""What a file is for: the same in `inspect` and in every job, by evidence, else asked for."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.auditing.audit import audit
from iaside_onnx.errors import OpenError
from iaside_onnx.inference.inspection import inspect

from . import graphs
from .conftest import write_npz

SIZE, CYCLES = 16, [1, 3, 5, 7]
FEW = {"bands": 2, "samples": 4, "preprocess": "unit", "labels": "model"}
FLOAT = TensorProto.FLOAT


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    rng = np.random.default_rng(0)
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    images = 0.5 + np.tensordot(rng.uniform(0.055, 0.1, (5, 4)), waves, 1)
    images += rng.uniform(-0.1, 0.1, images.shape)
    path = tmp_path_factory.mktemp("data") / "d.npz"
    return write_npz(path, np.moveaxis(images.astype(np.float32), 1, -1), np.zeros(5, int))


def map_of(path, channels=3, tail=(), *, last=False, extra=(), rank=4):
    """A map of sums of the colours of a place; `tail` makes "scores" of "map", (n, C, h, w)."""
    weights = np.random.default_rng(0).normal(0, 9, (channels, 3, 1, 1)).astype(np.float32)
    nodes = [helper.make_node("Conv", ["image", "weights"], ["map"])]
    nodes += tail or [helper.make_node("Identity", ["map"], ["scores"])]
    shape = ["n", channels, SIZE, SIZE]
    shape = ["n", SIZE, SIZE, channels] if last else shape[:rank]
    shape = ["n", SIZE, SIZE] if rank == 3 else shape
    return graphs.save(
        path, nodes, {"weights": weights, "axis": np.array([1])},
        input_shape=["n", 3, SIZE, SIZE], output_shape=shape, extra_outputs=list(extra),
    )  # fmt: skip


def node(kind, read="map", made="scores", **options):
    return helper.make_node(kind, [read], [made], **options)


def named(path, names, **options):
    model = onnx.load(map_of(path, **options))
    model.metadata_props.add(key="names", value=str(names))
    onnx.save(model, path)
    return path


def table_of(path, rows, columns, *, scale=1.0):
    """A table (n, rows, columns) of sums of pixels."""
    weights = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, rows * columns))
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["long"]),
        helper.make_node("Reshape", ["long", "shape"], ["scores"]),
    ]
    constants = {"weights": (scale * weights).astype(np.float32),
                 "shape": np.array([0, rows, columns])}  # fmt: skip
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, SIZE, SIZE], output_shape=["n", rows, columns]
    )


def queries(path):
    """Logits of four classes beside a box, for each of nine queries."""
    weights = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, 72)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["long"]),
        helper.make_node("Reshape", ["long", "shape"], ["both"]),
        helper.make_node("Split", ["both"], ["scores", "raw"], axis=2),
        helper.make_node("Sigmoid", ["raw"], ["boxes"]),
    ]
    beside = helper.make_tensor_value_info("boxes", FLOAT, ["n", 9, 4])
    return graphs.save(
        path, nodes, {"weights": weights, "shape": np.array([0, 9, 8])},
        input_shape=["n", 3, SIZE, SIZE], output_shape=["n", 9, 4], extra_outputs=[beside],
    )  # fmt: skip


def points(path):
    """Nine points of four numbers, and whether each is seen."""
    weights = np.random.default_rng(0).normal(size=(3 * SIZE * SIZE, 45)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["long"]),
        helper.make_node("Sigmoid", ["long"], ["shares"]),
        helper.make_node("Reshape", ["shares", "shape"], ["both"]),
        helper.make_node("Split", ["both", "parts"], ["scores", "seen"], axis=2),
    ]
    constants = {"weights": weights, "shape": np.array([0, 9, 5]), "parts": np.array([4, 1])}
    beside = helper.make_tensor_value_info("seen", FLOAT, ["n", 9, 1])
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, SIZE, SIZE], output_shape=["n", 9, 4],
        extra_outputs=[beside],
    )  # fmt: skip


LABELS = helper.make_tensor_value_info("best", TensorProto.INT64, ["n", SIZE, SIZE])
KNOWN = {
    "classifier": (lambda path: graphs.small_network(path, size=SIZE), "classes"),
    "spatial classifier": (lambda p: graphs.small_network(p, size=SIZE, tail="spatial"), "classes"),
    "probabilities": (
        lambda path: graphs.small_network(path, size=SIZE, tail="probabilities"), "classes",
    ),
    "tagger": (lambda path: graphs.tagger(path, SIZE, CYCLES), "several-labels"),
    "embedding": (lambda path: graphs.embedding_of(path, SIZE, CYCLES), "embedding"),
    "softmax over places": (
        lambda path: map_of(path, tail=[node("Softmax", axis=1)]), "dense",
    ),
    "log-softmax": (lambda path: map_of(path, tail=[node("LogSoftmax", axis=1)]), "dense"),
    "softmax, channels last": (
        lambda path: map_of(
            path, 4, last=True,
            tail=[node("Transpose", made="t", perm=[0, 2, 3, 1]), node("Softmax", "t", axis=3)],
        ),
        "dense",
    ),
    "decided beside": (
        lambda path: map_of(
            path, extra=[LABELS],
            tail=[node("Identity"), node("ArgMax", "scores", "best", axis=1, keepdims=0)],
        ),
        "dense",
    ),
    "one sigmoid a place": (lambda path: map_of(path, 1, tail=[node("Sigmoid")]), "dense"),
    "named classes": (lambda path: named(path, ["sky", "road", "tree"]), "dense"),
    "two names, one score": (lambda path: named(path, ["road", "not"], channels=1), "dense"),
    "plane": (
        lambda path: map_of(path, 1, rank=3, tail=[helper.make_node(
            "Squeeze", ["map", "axis"], ["scores"])]),
        "other",
    ),
    "tokens": (lambda path: table_of(path, 17, 48), "other"),
    "yolo": (lambda p: graphs.detector(p, SIZE, CYCLES, 1, suppressed=False), "other"),
    "after suppression": (lambda p: graphs.detector(p, SIZE, CYCLES, 1, suppressed=True), "other"),
}  # fmt: skip
OPEN = {
    "one number a place": (lambda path: map_of(path, 1), {"dense", "other"}),
    "picture": (map_of, {"dense", "other"}),
    "features": (lambda path: map_of(path, SIZE), {"dense", "other"}),
    "softmax over a line": (
        lambda path: map_of(path, tail=[node("Softmax", axis=3)]), {"dense", "other"},
    ),
    "decided along a line": (
        lambda path: map_of(
            path, extra=[helper.make_tensor_value_info("best", TensorProto.INT64, None)],
            tail=[node("Identity"), node("ArgMax", "scores", "best", axis=3)],
        ),
        {"dense", "other"},
    ),
    "wrong number of names": (lambda path: named(path, ["sky", "road"]), {"dense", "other"}),
    "picture after a sigmoid": (lambda path: map_of(path, tail=[node("Sigmoid")]),
                                {"dense", "other"}),
    "several outputs": (
        lambda path: graphs.linear_outputs(path, SIZE, CYCLES, maps=True),
        {"classes", "dense", "other"},
    ),
    "queries": (queries, {"other"}),
    "points": (points, {"other"}),
}  # fmt: skip


# What an audit asks for, where neither file nor command says it.
NEEDED = {
    "classes": [],
    "several-labels": ["--labels", "FILE.csv", "--preprocess", "NAME"],
    "dense": ["--labels", "MASKS", "--preprocess", "NAME"],
    "embedding": ["--preprocess", "NAME"],
    "other": ["--preprocess", "NAME"],
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_known_is_the_same_in_inspect_and_analyze(tmp_path, data, name):
    make, task = KNOWN[name]
    path = make(tmp_path / "m.onnx")
    told = inspect(path)
    report = ia.analyze(path, data, **FEW)
    assert report.settings.get("task", "classes") == told["task"] == task
    # Of a planted detector random images may have confidences below 0.
    assert told["head"] in (None, report.settings.get("head"))
    assert told["choices"] == []
    asked = NEEDED[task] if told["head"] is None else NEEDED["other"]
    assert told["command"][3:] == ["IMAGES", *asked]


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_asked_for_and_every_way_goes(tmp_path, iaside, data, name):
    make, tasks = OPEN[name]
    path = make(tmp_path / "m.onnx")
    told = inspect(path)
    assert (told["task"], told["command"]) == (None, None)
    assert {choice["task"] for choice in told["choices"]} == tasks
    assert len(told["choices"]) > 1
    with pytest.raises(OpenError) as caught:
        ia.analyze(path, data, **FEW)
    assert "\n" not in str(caught.value)
    for choice in told["choices"]:
        assert ran(iaside, choice["command"], data, tmp_path) == choice["task"], choice
    with pytest.raises(OpenError):
        audit(path, data, labels="model", preprocess="unit", quick=True)
    shown = iaside("inspect", path).stdout
    assert "task" in shown
    assert shown.count("to audit") == len(told["choices"])
    assert shown.isprintable() or "\x02" not in shown


def ran(iaside, command, data, folder):
    """The task of the report that a command of `inspect` leads to."""
    program, _, model, _, *options = command
    assert program == "iaside"
    for at in (options.index(flag) for flag in ("--labels", "--preprocess") if flag in options):
        options[at : at + 2] = [None, None]  # placeholders
    options = [word for word in options if word is not None]
    target = folder / "r.h5"
    done = iaside(
        "analyze", model, data, *options, "-o", target, "--overwrite", "--bands", 2, "--samples", 4,
        "--labels", "model", "--preprocess", "unit",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return ia.load(target).settings.get("task", "classes")


def test_masks_and_names_that_are_given_settle_a_map(tmp_path, iaside):
    path, photos, masks = map_of(tmp_path / "m.onnx"), tmp_path / "photos", tmp_path / "masks"
    rng = np.random.default_rng(0)
    for folder in (photos, masks):
        folder.mkdir()
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(
            photos / f"{number}.png"
        )
        Image.fromarray(rng.integers(0, 3, (SIZE, SIZE), np.uint8)).save(masks / f"{number}.png")
    names = tmp_path / "names.txt"
    names.write_text("sky\nroad\ntree\n")
    given = {**FEW, "labels": masks}
    assert ia.analyze(path, photos, **given).settings["task"] == "dense"
    assert (
        audit(path, photos, labels=masks, preprocess="unit", quick=True).robustness.settings["task"]
        == "dense"
    )
    assert inspect(path)["task"] is None
    done = iaside("inspect", path, "--class-names", names)
    assert "dense: a map of 3 x 16 x 16 numbers an image, scores of 3 classes" in done.stdout
    told = json.loads(iaside("inspect", path, "--class-names", names, "--json").stdout)
    given = ["--labels", "MASKS", "--class-names", str(names), "--preprocess", "NAME"]
    assert told["command"][4:] == given
    said = onnx.load(path)
    said.metadata_props.add(key="iaside.preprocess", value="unit")
    onnx.save(said, tmp_path / "said.onnx")
    assert all(
        "--preprocess" not in way["command"] for way in inspect(tmp_path / "said.onnx")["choices"]
    )
    names.write_text("sky\nroad\n")
    assert "open: a map" in iaside("inspect", path, "--class-names", names).stdout
    # Of a file that is for one class an image masks settle nothing.
    classifier = graphs.small_network(tmp_path / "c.onnx", size=SIZE)
    with pytest.raises(ia.IasideError, match="is a folder, as of masks"):
        ia.analyze(classifier, photos, **{**FEW, "labels": masks})


def test_inputs_that_need_values_are_in_the_commands(tmp_path):
    texts = helper.make_tensor_value_info("texts", FLOAT, ["classes", 3])
    vectors = helper.make_tensor_value_info("image_embeds", FLOAT, ["n", 3])
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["image_embeds"], axes=[2, 3], keepdims=0),
        helper.make_node("Transpose", ["texts"], ["columns"], perm=[1, 0]),
        helper.make_node("MatMul", ["image_embeds", "columns"], ["scores"]),
    ]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, {}, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", "classes"], extra_inputs=[texts], extra_outputs=[vectors],
    )  # fmt: skip
    told = inspect(path)
    assert told["task"] is None
    typed = [" ".join(choice["command"][3:]) for choice in told["choices"]]
    assert typed == ["IMAGES --output scores --set texts=FILE.npy",
                     "IMAGES --output image_embeds --set texts=FILE.npy"]  # fmt: skip
    np.save(tmp_path / "texts.npy", np.eye(3, dtype=np.float32)[:2])
    given = f"texts={tmp_path / 'texts.npy'}"
    told = inspect(path, set=[given])
    tasks = {choice["command"][5]: choice["task"] for choice in told["choices"]}
    assert tasks == {"scores": "classes", "image_embeds": "embedding", "other": "other"}
    told = inspect(path, set=[given], output="image_embeds")
    assert told["task"] == "embedding"
    assert told["command"][4:8] == ["--output", "image_embeds", "--set", given]
    assert told["command"][8:] == NEEDED["embedding"]
