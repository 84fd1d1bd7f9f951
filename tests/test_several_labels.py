"""Several labels an image: the value, decisions, average precision, and how sets are read."""

from __future__ import annotations

import re

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError
from iaside_onnx.images.folders import labelled_sets
from iaside_onnx.inference.class_scores import ScoreForm
from iaside_onnx.inference.task import OneLabel, Task
from iaside_onnx.inference.task_several_labels import SeveralLabels
from iaside_onnx.mathematics.label_sets import (
    average_precision,
    class_precisions,
    log_sigmoid,
    mean_average_precision,
)
from iaside_onnx.results.group_verdict import guessing

from . import graphs

FORMS = [
    ScoreForm("logits", TensorProto.FLOAT),
    ScoreForm("logits", TensorProto.DOUBLE),
    ScoreForm("probabilities", TensorProto.FLOAT16),
    ScoreForm("probabilities", TensorProto.FLOAT),
]


def scores_of(form, classes, seed=0):
    """Raw scores of eight images, some of them at the ends."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, 3, (8, classes))
    if form.kind == "probabilities":
        scores = 1 / (1 + np.exp(-scores))
        scores[0], scores[1] = 0, 1
    return scores.astype(helper.tensor_dtype_to_np_dtype(form.elem_type))


def through_tail(task, scores, references):
    session = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    return session.run(["value"], {"scores": scores, "reference": references})[0]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.kind}-{form.elem_type}")
def test_the_tail_and_the_host_agree(form):
    task: Task = SeveralLabels(form, np.array([0.5, 0.2, 0.9, 0.5, 0.5]))
    scores = scores_of(form, 5)
    sets = np.random.default_rng(1).integers(0, 2, scores.shape) == 1
    found = through_tail(task, scores, sets)
    plain = scores.astype(np.float32)
    np.testing.assert_allclose(found[:, 0], task.values(plain, sets), rtol=2e-6, atol=2e-6)
    readings = task.readings(plain)
    # At the floor, readings are what sums to 1.
    np.testing.assert_allclose(task.worth(readings, sets), found[:, 0], rtol=1e-4, atol=2e-5)
    margin, wrong = task.margins(readings, sets)
    np.testing.assert_array_equal(wrong, ~task.right(readings, sets))
    np.testing.assert_array_equal(wrong, task.share(readings, sets) < 1)
    np.testing.assert_array_equal(wrong, margin < 0)
    assert task.right(readings, task.answers(readings)).all()
    assert not task.change(readings, readings).any()
    assert (task.change(readings, -readings) <= 2).all()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.kind}-{form.elem_type}")
def test_one_label_alone_is_a_binary_classifier(form):
    binary = ScoreForm(form.kind, form.elem_type, binary=True)
    one, many = OneLabel(binary), SeveralLabels(form, np.array([0.5]))
    scores = scores_of(form, 1)
    classes = np.arange(8) % 2
    sets = classes[:, None] == 1
    np.testing.assert_allclose(
        through_tail(many, scores, sets), through_tail(one, scores, classes[:, None]),
        rtol=1e-6, atol=1e-6,
    )  # fmt: skip
    plain = scores.astype(np.float32)
    np.testing.assert_allclose(many.values(plain, sets), one.values(plain, classes), rtol=1e-5)
    readings, own = one.readings(plain), many.readings(plain)
    np.testing.assert_array_equal(many.answers(own)[:, 0], one.answers(readings))
    for found, expected in zip(
        many.margins(own, sets), one.margins(readings, classes), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        many.change(own, own[::-1]), one.change(readings, readings[::-1]), atol=1e-6
    )


def test_a_threshold_moves_the_decision_of_its_class_alone():
    form = ScoreForm("probabilities", TensorProto.FLOAT)
    task = SeveralLabels(form, np.array([0.5, 0.2]))
    readings = task.readings(np.array([[0.5, 0.3], [0.6, 0.1]], np.float32))
    np.testing.assert_array_equal(task.answers(readings), [[False, True], [True, False]])
    sets = np.array([[True, True], [True, True]])
    np.testing.assert_allclose(task.share(readings, sets), 0.5)
    margin, wrong = task.margins(readings, sets)
    assert wrong.all()
    np.testing.assert_allclose(margin, [0, np.log(0.1 / 0.9) - np.log(0.2 / 0.8)], atol=1e-6)


def test_average_precision_has_its_known_values():
    positive = np.array([True, False, True, False])
    # Precision 1 at recall 1/2, 2/3 at recall 1.
    assert average_precision(np.array([4.0, 3, 2, 1]), positive) == pytest.approx(5 / 6)
    # All images come in at once: half of them are positive.
    assert average_precision(np.zeros(4), positive) == pytest.approx(1 / 2)
    # Of a tie the order is no matter: 1/2 at recall 1/2, then 2/4 at recall 1.
    for scores in ([2.0, 2, 1, 1], [2, 2, 1, 1][::-1]):
        assert average_precision(np.array(scores), positive) == pytest.approx(1 / 2)
    assert average_precision(np.array([1.0, 2, 3, 4]), positive) == pytest.approx(
        1 / 2 * (1 / 2 + 2 / 4)
    )
    assert np.isnan(average_precision(np.arange(4.0), np.zeros(4, bool)))
    scores = np.array([[4.0, 0], [3, 0], [2, 0], [1, 0]])
    sets = np.column_stack([positive, np.zeros(4, bool)])
    np.testing.assert_allclose(class_precisions(scores, sets), [5 / 6, np.nan])
    assert mean_average_precision(scores, sets) == pytest.approx(5 / 6)
    assert np.isnan(mean_average_precision(scores, np.zeros_like(sets)))
    np.testing.assert_allclose(log_sigmoid(np.array([-1000.0, 0, 1000])), [-1000, np.log(0.5), 0])


def pictures(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


@pytest.mark.parametrize(
    "text",
    [
        "file,labels\na.png,cat;dog\nb.png,\nsub/c.png,dog\n",
        "file;labels\na.png;cat|dog\nb.png;\nsub/c.png;dog\n",
        'image_name,tags\na,"cat, dog"\nb,\nsub/c,dog\n',
        "file,label,label\na.png,cat,dog\nb.png,,\nsub/c.png,dog,\n",
        "file,label\na.png,cat,dog\nb.png\nsub/c.png,dog\n",
        "file,label\na.png,cat\na.png,dog\nsub/c.png,dog\nb.png,\n",
        "a.png,cat,dog\nb.png\nsub/c.png,dog\n",
        "a.png\tcat;dog\nsub/c.png\tdog\nb.png\t\n",
        "file,cat,dog\na.png,1,1\nb.png,0,0\nsub/c.png,0,1\n",
        "file,cat,dog\na.png,1,1\nb.png,-1,-1\nsub/c.png,-1,1\n",
        "file\tcat\tdog\na.png\tTrue\tTrue\nb.png\tFalse\tFalse\nsub/c.png\tFalse\tTrue\n",
        '{"file": "a.png", "labels": ["cat", "dog"]}\n{"file": "b.png", "labels": []}\n'
        '{"file": "sub/c.png", "labels": ["dog"]}\n',
    ],
)
def test_sets_of_labels_are_read_in_the_layouts_that_people_have(tmp_path, text):
    root = pictures(tmp_path / "images", "a.png", "b.png", "sub/c.png")
    table = tmp_path / ("t.jsonl" if text.startswith("{") else "t.csv")
    table.write_text(text)
    source = labelled_sets(root, table)
    known = {"a.png": ("cat", "dog"), "b.png": (), "sub/c.png": ("dog",)}
    assert source.truths.sets == known
    assert not source.labels.any()
    assert source.truths.classes in (None, ("cat", "dog"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("file,labels\n,cat\n", "line 2: names no file"),
        ("file,cat,dog\na.png,1,\n", "line 2: column 'dog' holds ''"),
        ("file,cat,dog\na.png,1,0\nb.png,-1,0\n", "line 3: column 'cat' holds '-1'"),
        ("file,cat,cat,dog\na.png,1,0,1\n", "has 2 columns 'cat'; a class has one column"),
        ("file,cat,dog\na.png,1\n", "line 2: has 2 columns where the first line has 3"),
        ("file,width,cat\na.png,640,1\n", "line 2: column 'width' holds '640'"),
        ("file,cat,dog\na.png,1,0\na.png,0,1\n", "lists a.png more than once, in line 2 and 3"),
        ("a.png,0,1\nb.png,1,1\n", "0 and 1 alone"),
        ("file,label,class,x\na.png,cat,dog,1\n", "which column holds the labels is open"),
        ("name,cat\nq,1\n", "which column holds the files is open"),
        ("file,labels\na.png,\n", "gives no picture a label"),
        ("file,labels\nz.png,cat\n", "names z.png, which is not in"),
        ("file,labels\n", "lists no images"),
        ('[{"file": "a.png", "labels": [1.5]}]', "must be a name and 'labels' a list"),
    ],
)
def test_a_table_that_says_no_sets_is_refused_in_one_line(tmp_path, text, error):
    root = pictures(tmp_path / "images", "a.png", "b.png")
    table = tmp_path / ("t.json" if text.startswith("[") else "t.csv")
    table.write_text(text)
    with pytest.raises(DataError, match=re.escape(error)) as caught:
        labelled_sets(root, table)
    assert "\n" not in str(caught.value)


SIZE, WAVES, NAMES = 16, [1, 3, 5, 7], ["slow", "calm", "quick", "fast"]
FEW = {"bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit"}


@pytest.fixture
def tagged(tmp_path):
    """Twelve pictures of waves, each there or turned round, and the table of those that are."""
    images, rng = tmp_path / "images", np.random.default_rng(0)
    images.mkdir()
    lines = ["file,labels"]
    for number in range(12):
        there = rng.random(4) < 0.5
        signs = np.where(there, 1, -1) * rng.uniform(0.04, 0.1, 4)
        pixels = 0.5 + sum(s * graphs.wave(SIZE, w) for s, w in zip(signs, WAVES, strict=True))
        picture = np.rint(255 * np.moveaxis(pixels, 0, -1)).astype(np.uint8)
        Image.fromarray(picture).save(images / f"{number:02}.png")
        labels = [name for name, has in zip(NAMES, there, strict=True) if has]
        lines.append(f"{number:02}.png,{';'.join(labels)}")
    (tmp_path / "tags.csv").write_text("\n".join(lines))
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    return images


def labels_of(tmp_path):
    return {"labels": tmp_path / "tags.csv", "class_names": tmp_path / "names.txt"}


def test_each_band_is_worth_what_its_label_is(tmp_path, tagged):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    report = ia.analyze(model, tagged, **labels_of(tmp_path), **FEW)
    assert report.settings["task"] == "several-labels"
    assert report.settings["value"] == "log-likelihood"
    assert report.settings["threshold"] == 0.5
    assert report.accuracy is None
    # Labels are questions of their own, so the game is a sum over bands.
    alone = report.value[:, [1, 2, 4, 8]].astype(float) - report.value[:, :1]
    np.testing.assert_allclose(report.shapley_per_image, alone, atol=1e-4)
    np.testing.assert_allclose(report.value[:, 0], 4 * np.log(0.5), atol=1e-5)
    summary = report.summary(per_class=True)
    assert summary["mean_average_precision"] == summary["mean_class_accuracy"] == 1.0
    assert [row["name"] for row in summary["per_class"]] == NAMES
    assert sum(row["n"] for row in summary["per_class"]) == report.tally[:, 1].sum()
    own = ia.analyze(model, tagged, labels="model", **FEW)
    np.testing.assert_allclose(own.value, report.value, atol=1e-5)
    assert own.beside is None
    assert own.settings["labels"] == "model"


def test_logits_and_numbers_are_the_same_labels(tmp_path, tagged):
    report = ia.analyze(
        graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES), tagged, **labels_of(tmp_path), **FEW
    )
    table = (tmp_path / "tags.csv").read_text()
    for number, name in enumerate(NAMES):
        table = table.replace(name, str(number))
    (tmp_path / "numbers.csv").write_text(table)
    logits = graphs.tagger(tmp_path / "l.onnx", SIZE, WAVES, sigmoid=False)
    other = ia.analyze(
        logits, tagged, labels=tmp_path / "numbers.csv", task="several-labels", **FEW
    )
    np.testing.assert_array_equal(report.tally[:, 1], other.tally[:, 1])
    np.testing.assert_allclose(report.value, other.value, atol=1e-5)


def test_with_one_label_it_is_the_binary_classifier(tmp_path, tagged):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, [3])
    rows = [line.split(",") for line in (tmp_path / "tags.csv").read_text().splitlines()[1:]]
    has = {name: int("calm" in labels.split(";")) for name, labels in rows}
    (tmp_path / "one.csv").write_text(
        "file,label\n" + "".join(f"{name},{label}\n" for name, label in has.items())
    )
    (tmp_path / "sets.csv").write_text(
        "file,calm\n" + "".join(f"{name},{label}\n" for name, label in has.items())
    )
    classes = ia.analyze(model, tagged, labels=tmp_path / "one.csv", **FEW)
    several = ia.analyze(model, tagged, labels=tmp_path / "sets.csv", task="several-labels", **FEW)
    assert classes.settings.get("task") is None
    np.testing.assert_allclose(several.value, classes.log_prob, atol=1e-6)
    assert several.class_numbers[0]["accuracy"] == classes.accuracy


def test_thresholds_decide_what_the_model_says_of_itself(tmp_path, tagged, iaside):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    limits = tmp_path / "limits.csv"
    limits.write_text("name,threshold\nfast,0.001\nslow,0.5\ncalm,0.5\nquick,0.999\n")
    names = {"class_names": tmp_path / "names.txt"}
    report = ia.analyze(model, tagged, labels="model", threshold=str(limits), **names, **FEW)
    assert report.settings["threshold"] == [0.5, 0.5, 0.999, 0.001]
    given = report.tally[:, 1].sum(axis=0)
    plain = ia.analyze(model, tagged, labels="model", **FEW).tally[:, 1].sum(axis=0)
    assert given[2] < plain[2]
    assert given[3] > plain[3]
    report.save(tmp_path / "r.h5")
    again = ("--model", model, "--images", tagged, "--class-names", tmp_path / "names.txt")
    held = iaside("verify", tmp_path / "r.h5", *again, "--redo", 2)
    assert held.exit_code == 0, held.stdout + held.stderr
    np.testing.assert_array_equal(given[:2], plain[:2])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("0.5\n0.5\n", "has 2 thresholds, but the model has 4 classes"),
        ("0.5\n0.5\n0.5\n1.5\n", "the threshold of class 3 is '1.5'"),
        ("slow,0.5\ncalm,0.5\nquick,0.5\nodd,0.5\n", "'odd' is no class"),
        ("slow,0.5\n", "has 1 thresholds, but the model has 4 classes"),
        ("a,b,c\n", "is no list of thresholds"),
        ('0.5\n""\n0.5\n0.5\n0.5\n', "has 5 thresholds, but the model has 4 classes"),
        ('0.5\n""\n0.5\n0.5\n', "the threshold of class 1 is ''"),
        ('["x", 1, 2, 3]', "the threshold of class 0 is 'x'"),
        (f"[{10**400}, 1, 2, 3]", "the threshold of class 0 is '1000"),
    ],
)
def test_thresholds_that_do_not_fit_are_refused_in_one_line(tmp_path, tagged, text, error):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    (tmp_path / "limits.txt").write_text(text)
    asked = {"threshold": tmp_path / "limits.txt", "class_names": tmp_path / "names.txt"}
    with pytest.raises(DataError, match=re.escape(error)):
        ia.analyze(model, tagged, labels="model", **asked, **FEW)
    # Nor is it the fault of labels that only a model of several labels asks for.
    (tmp_path / "t.csv").write_text("file,slow,calm,quick,fast\n00.png,1,0,1,0\n")
    with pytest.raises(DataError, match=re.escape(error)):
        ia.analyze(model, tagged, labels=tmp_path / "t.csv", **asked, **FEW)


@pytest.mark.parametrize("further", [{"temperature": "auto"}, {"label_order": "text"}])
def test_labels_are_at_fault_where_nothing_else_is(tmp_path, tagged, further):
    """Looking at the model without labels must not be compared with what goes with labels."""
    model = graphs.small_network(tmp_path / "m.onnx", size=SIZE)
    (tmp_path / "t.csv").write_text("file,slow,calm\n00.png,1,0\n")
    with pytest.raises(DataError, match="which column holds the labels is open"):
        ia.analyze(model, tagged, labels=tmp_path / "t.csv", **further, **FEW)


@pytest.mark.parametrize(
    ("text", "asked", "error"),
    [
        ("file,labels\n00.png,odd\n", ("names",), "t.csv, line 2: 'odd' is no class of the model"),
        ("file,labels\n00.png,4\n", (), "t.csv, line 2: label 4, but the model has classes 0 to 3"),
        ("file,labels\n00.png,slow\n", (), "are names (slow), and those of the model's classes"),
        ("file,slow,calm\n00.png,1,0\n", (), "it has 2 columns, but the model has 4 classes"),
        ("file,slow,SLOW\n00.png,1,0\n", ("names",), "are both class 0, 'slow'"),
        ("file,1,001\n00.png,1,0\n", (), "columns '1' and '001' are both class 1"),
    ],
)
def test_labels_that_are_no_classes_are_refused_in_one_line(
    tmp_path, tagged, iaside, text, asked, error
):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    (tmp_path / "t.csv").write_text(text)
    names = ("--class-names", tmp_path / "names.txt") if asked else ()
    told = iaside(
        "analyze", model, tagged, "--labels", tmp_path / "t.csv", *names, "-o", tmp_path / "r.h5"
    )
    assert told.exit_code == 2
    assert error in told.stderr.splitlines()[-1]


def test_columns_of_classes_without_names_go_by_their_order(tmp_path, tagged, iaside):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    rows = [line.split(",") for line in (tmp_path / "tags.csv").read_text().splitlines()[1:]]
    lines = ["file," + ",".join(NAMES)]
    for name, labels in rows:
        lines.append(",".join([name, *(str(int(each in labels.split(";"))) for each in NAMES)]))
    (tmp_path / "columns.csv").write_text("\n".join(lines))
    asked = ("--labels", tmp_path / "columns.csv", "--bands", 4, "--preprocess", "unit")
    told = iaside("analyze", model, tagged, *asked, "-o", tmp_path / "r.h5")
    assert told.exit_code == 0, told.stderr
    assert "classes: the columns of" in told.stderr
    assert "mean average precision 1.000 over the 4 of 4 classes" in told.stdout
    shown = iaside("show", tmp_path / "r.h5", "--per-class").stdout
    assert "average precision" in shown
    again = ("--model", model, "--images", tagged, "--labels", tmp_path / "columns.csv")
    held = iaside("verify", tmp_path / "r.h5", *again, "--redo", 2)
    assert held.exit_code == 0, held.stdout + held.stderr
    refused = iaside("analyze", model, tagged, "-o", tmp_path / "q.h5")
    assert "several labels an image, which one class a folder" in refused.stderr.splitlines()[-1]


def test_a_verdict_counts_from_what_an_answer_without_looking_gets(tmp_path, tagged):
    model = graphs.tagger(tmp_path / "m.onnx", SIZE, WAVES)
    report = ia.measure_robustness(
        model, tagged, **labels_of(tmp_path), preprocess="unit", corruption=["contrast"],
        severity=[1, 3, 5], attack=["none"],
    )  # fmt: skip
    has = report.tally[:, 1].mean(axis=0)
    assert guessing(report) == pytest.approx(np.maximum(has, 1 - has).mean())
    assert 0.5 < guessing(report) < 0.9
    assert report.corrupted_tally is None
    assert (report.share == 1).all()
