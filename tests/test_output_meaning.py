"""What an output is: one judgement for `inspect` and for every job that opens a model."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import helper

from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.output_meaning import output_meaning

from . import graphs
from .conftest import write_npz

RNG = np.random.default_rng(0)


SQUARE = InputForm("image", 1, "nchw", 3, 640, 640)


def unit(rows, columns):
    values = RNG.normal(size=(rows, columns))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def softmax(shape):
    values = np.exp(RNG.normal(size=shape))
    return values / values.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize(
    ("scores", "kind", "task", "words"),
    [
        (RNG.normal(size=(3, 10)), "logits", "classes", "10 scores an image"),
        (RNG.normal(size=(3, 10, 1, 1)), "logits", "classes", "10 scores an image"),
        (RNG.normal(size=(3, 1)), "unknown", "classes", "class 1 against class 0"),
        (RNG.normal(size=3), "unknown", "classes", "class 1 against class 0"),
        (softmax((3, 4)), "probabilities", "classes", "4 scores"),
        (RNG.random((3, 80)), "sigmoid", "several-labels", "several labels"),
        (unit(3, 64), "unknown", "embedding", "unit length"),
        (unit(3, 64), "logits", "classes", "64 scores"),
        (RNG.random((3, 1, 32, 32)), "unknown", "dense", "segmentation"),
        (RNG.random((3, 16, 16, 21)), "unknown", "dense", "segmentation"),
        (softmax((3, 24, 97)), "probabilities", "other", "24 steps with 97 scores"),
        (RNG.normal(size=(3, 84, 8400)), "unknown", "other", "8400 candidates of 84 numbers"),
        (RNG.normal(size=(3, 128, 1024)), "unknown", "other", "a table of 128 x 1024 numbers"),
        (RNG.normal(size=(3, 50, 768)), "unknown", "other", "a table of 50 x 768 numbers"),
        (RNG.normal(size=(3, 320, 320)), "unknown", "other", "one a place: depth"),
        (softmax((40, 3, 97)), "probabilities", "other", "first axis is time"),
        (RNG.normal(size=(40, 1, 97)), "unknown", "other", "rows"),
        (RNG.normal(size=(24, 5)), "logits", "other", "8 rows an image"),
        (RNG.normal(size=(7, 6)), "unknown", "other", "depends on what the images show"),
        (RNG.normal(size=(1, 10)), "logits", "other", "one result for all images"),
        (np.float32(2), "unknown", "other", "one result for all images"),
        (np.sign(RNG.normal(size=(3, 16))), "unknown", "other", "signs of a code"),
        (np.sign(RNG.normal(size=(3, 16))).round() * RNG.integers(0, 2, (3, 16)), "unknown",
         "other", "only -1, 0, 1"),
        (RNG.integers(0, 2, (3, 9)) * 255.0, "unknown", "other", "only 0, 255"),
        (RNG.normal(size=(3, 2)) > 9, "unknown", "classes", "2 scores"),
        (RNG.random((3, 17, 16, 16)), "sigmoid", "dense", "a picture, or classes that do not"),
    ],
)  # fmt: skip
def test_outputs_are_judged_by_what_three_images_give(scores, kind, task, words):
    meaning = output_meaning(np.asarray(scores), 3, kind, form=SQUARE)
    assert meaning.task == task
    assert words in meaning.words


@pytest.mark.parametrize(
    ("name", "tail", "rows", "more", "task"),
    [
        ("image_embeds", "logits", RNG.normal(size=(3, 48)), {}, "embedding"),
        ("features", "logits", RNG.random((3, 48)), {}, "embedding"),
        ("pooler_output", "logits", RNG.normal(size=(3, 48)), {}, "embedding"),
        # Of these the name settles nothing.
        ("image_embeds", "logits", RNG.normal(size=(3, 48)), {"classes_named": True}, "classes"),
        ("image_embeds", "logits", RNG.normal(size=(3, 48)), {"asked": "logits"}, "classes"),
        ("embedding", "probabilities", softmax((3, 9)), {}, "classes"),
        ("embedding", "logits", softmax((3, 9)), {}, "classes"),
        ("embedding", "logits", np.log(softmax((3, 9))), {}, "classes"),
        ("embedding", "logits", RNG.normal(size=(3, 1)), {}, "classes"),
        ("embedding", "sigmoid", RNG.random((3, 9)), {}, "several-labels"),
        ("features/fc/Gemm", "logits", RNG.normal(size=(3, 10)), {}, "classes"),
        ("features_fc", "logits", RNG.normal(size=(3, 10)), {}, "classes"),
        ("embedding_logits", "logits", RNG.normal(size=(3, 10)), {}, "classes"),
        ("output", "logits", RNG.normal(size=(3, 10)), {}, "classes"),
    ],
)
def test_a_name_settles_only_what_nothing_else_does(name, tail, rows, more, task):
    assert output_meaning(rows, 3, tail, name=name, **more).task == task


@pytest.mark.parametrize(
    ("metadata", "classes"),
    [({}, None), ({"names": "['a', 'b']"}, 2), ({"iaside.label_offset": "0"}, 2)],
)
def test_classes_that_the_file_names_are_classes(tmp_path, iaside, metadata, classes):
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
        helper.make_node("Identity", ["scores"], ["image_embeds"]),
    ]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, {"w": CONSTANTS["w"][:, :2]}, input_shape=["n", 3, 8, 8],
        output_shape=["n", 2],
    )  # fmt: skip
    model = onnx.load(path)
    model.graph.output[0].name = "image_embeds"
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    told = json.loads(iaside("inspect", path, "--json").stdout)
    assert told["task"] == ("embedding" if classes is None else "classes")
    assert told["classes"] == classes
    assert told["outputs"][0]["kind"] == ("unknown" if classes is None else "logits")


def _time_first():
    return [
        helper.make_node("ReduceMean", ["image"], ["lines"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["lines", "last"], ["steps"]),
        helper.make_node("Transpose", ["steps"], ["first"], perm=[1, 0, 2]),
        helper.make_node("MatMul", ["first", "letters"], ["scores"]),
    ]


def _parts():  # two rows an image
    return [
        helper.make_node("Reshape", ["image", "half"], ["parts"]),
        helper.make_node("MatMul", ["parts", "w2"], ["scores"]),
    ]


CONSTANTS = {
    "w": RNG.normal(size=(192, 32)).astype(np.float32),
    "w2": RNG.normal(size=(96, 4)).astype(np.float32),
    "letters": RNG.normal(size=(1, 5)).astype(np.float32),
    "last": np.array([2]),
    "half": np.array([-1, 96]),
}
CASES = {
    "map": ([helper.make_node("Sigmoid", ["image"], ["scores"])], ["n", 3, 8, 8]),
    "depth": (
        [helper.make_node("ReduceMean", ["image"], ["scores"], axes=[1])],
        ["n", 1, 8, 8],
    ),
    "time first": (_time_first(), ["t", "n", 5]),
    "rows": (_parts(), ["m", 4]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("count", [1, 3, 8])
def test_inspect_and_every_job_say_the_same(tmp_path, iaside, case, count):
    nodes, shape = CASES[case]
    path = graphs.save(
        tmp_path / "m.onnx", nodes, CONSTANTS, input_shape=["n", 3, 8, 8], output_shape=shape
    )
    told = json.loads(iaside("inspect", path, "--json").stdout)
    assert (told["task"], told["command"]) == (None, None)  # what no job takes unasked is open
    assert told["classes"] is None
    assert told["meaning"].isprintable()
    assert "\x02" not in iaside("inspect", path).stdout
    words = {
        "map": "do not exclude each other at a pixel",
        "depth": "give --task dense if these are",
    }
    expected = words.get(case, "each image needs numbers of its own")
    assert any(expected in warning or expected in told["meaning"] for warning in told["warnings"])
    images = RNG.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(count) % 2)
    for command in (["analyze", "--bands", 2], ["robustness", "--attack", "none"], ["heatmap"]):
        result = iaside(command[0], path, data, "-o", tmp_path / "r.h5", *command[1:])
        assert result.exit_code == 2, result.stderr
        assert expected in result.stderr.splitlines()[-1]
        assert not (tmp_path / "r.h5").exists()
