"""Image encoders that are given classes: zero-shot, or by means of labelled images."""

from __future__ import annotations

import re

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper, numpy_helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, DataError, IasideError, UsageError
from iaside_onnx.inference.class_head import ClassHead
from iaside_onnx.inference.class_scores import ScoreForm
from iaside_onnx.inference.task import OneLabel
from iaside_onnx.mathematics.embedding import directions, without_own
from iaside_onnx.measure.verification import _set
from iaside_onnx.page.repeat import repetition

from . import graphs

SIZE, WAVES, NAMES = 16, [3, 5, 7], ["three", "five", "seven"]
FEW = {"bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit"}


def classes_of(folder, seed, count=6):
    """Pictures of one strong wave each, and weak others, in folders named by the strong one."""
    rng = np.random.default_rng(seed)
    for cycles, name in zip(WAVES, NAMES, strict=True):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            strength = {each: rng.uniform(-0.02, 0.02) for each in WAVES} | {
                cycles: rng.uniform(0.1, 0.2)
            }
            waves = sum(by * graphs.wave(SIZE, each) for each, by in strength.items())
            pixels = np.rint(255 * (0.5 + np.moveaxis(waves, 0, -1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def photos(tmp_path):
    return classes_of(tmp_path / "photos", 0)


@pytest.fixture
def encoder(tmp_path):
    return graphs.embedding_of(tmp_path / "e.onnx", SIZE, WAVES, unit=False)


@pytest.fixture
def given(tmp_path):
    """Embeddings of the classes, in the order of the names."""
    rows = np.eye(4, dtype=np.float32)[:3] * [[1], [2], [5]] + 0.01
    np.save(tmp_path / "classes.npy", rows)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    return {
        "class_embeddings": tmp_path / "classes.npy",
        "class_names": tmp_path / "names.txt",
        "logit_scale": 8.0,
    }


def with_scale(path, name, value):
    model = onnx.load(path)
    model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
    model.graph.node.append(helper.make_node("Identity", [name], [f"unused {name}"]))
    onnx.save(model, path)
    return path


def test_the_tail_has_the_head():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(5, 4)).astype(np.float32)
    head = ClassHead(directions(rng.normal(size=(3, 4))).astype(np.float32), 20.0, {})
    task = OneLabel(ScoreForm("logits", 1, head=head), 2.0, True)
    labels = np.array([0, 1, 2, 0, 1])
    session = ort.InferenceSession(task.tail())
    (found,) = session.run(None, {"scores": rows, "reference": labels[:, None]})
    cosines = rows @ head.classes.T / np.linalg.norm(rows, axis=1, keepdims=True)
    logits = 20 * cosines / 2
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert np.allclose(found[:, 0], expected[np.arange(5), labels], atol=1e-5)
    assert np.array_equal(found[:, 1], cosines.argmax(axis=1))
    assert np.allclose(found[:, 0], task.values(rows, labels), atol=1e-5)


def test_class_embeddings_make_a_classifier(encoder, photos, given):
    report = ia.analyze(encoder, photos, **given, **FEW)
    assert report.accuracy == 1
    assert report.class_names == NAMES
    assert report.settings["logit_scale"] == 8
    assert len(report.settings["class_embeddings"]) == 64
    assert "task" not in report.settings
    assert report.format_version == 1
    # A class is told by the band of its wave: 3 cycles of 16 lie in band 1, 5 in 2, 7 in 3.
    best = [row["shapley"].index(max(row["shapley"])) for row in report.per_class()]
    assert best == [1, 2, 3]
    measured = ia.measure_robustness(
        encoder, photos, corruption="fog", severity=1, attack="none", preprocess="unit", **given
    )
    assert measured.clean_error == 0


def test_class_means_are_those_of_other_images(tmp_path, encoder, photos):
    fit = classes_of(tmp_path / "fit", 1, count=4)
    report = ia.analyze(encoder, photos, fit_classes=fit, **FEW)
    assert report.accuracy == 1
    assert sorted(report.class_names) == sorted(NAMES)
    assert report.settings["logit_scale"] > 1
    with pytest.raises(DataError, match="are among those that are measured"):
        ia.analyze(encoder, photos, fit_classes=photos, **FEW)
    Image.open(fit / "three" / "0.png").save(photos / "five" / "again.png")
    with pytest.raises(DataError, match="1 of its images are among"):
        ia.analyze(encoder, photos, fit_classes=fit, **FEW)


def test_an_image_is_held_against_means_without_it():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(size=(7, 3)), np.array([0, 0, 1, 1, 1, 2, 0])
    exact = directions(rows)
    found = without_own(rows, labels, 3)
    for row in range(7):
        for each in range(3):
            chosen = (labels == each) & (np.arange(7) != row)
            mean = exact[chosen].sum(axis=0)
            if not chosen.any():
                assert np.isnan(found[row, each])
                continue
            assert found[row, each] == pytest.approx(exact[row] @ mean / np.linalg.norm(mean))


def test_the_only_image_of_a_class_says_nothing_of_the_fit(tmp_path, encoder, photos):
    fit, notes = classes_of(tmp_path / "fit", 1, count=1), []
    with pytest.raises(DataError, match="holds one image of each class"):
        ia.analyze(encoder, photos, fit_classes=fit, **FEW)
    report = ia.analyze(encoder, photos, fit_classes=fit, logit_scale=9.0, **FEW)
    assert report.settings["logit_scale"] == 9
    other = classes_of(tmp_path / "other", 2, count=3)
    for name in ("0.png", "1.png"):
        (other / "three" / name).unlink()
    listener = ia.Listener(note=notes.append)
    ia.analyze(encoder, photos, fit_classes=other, listener=listener, **FEW)
    (told,) = (note for note in notes if note.startswith("classes: means of"))
    assert "7 images" in told
    assert "6 that are not the only one of their class compared with the means without it" in told


@pytest.mark.parametrize("size", [1e-300, 1e-60, 1e60, 1e300])
def test_only_the_direction_of_class_embeddings_counts(encoder, photos, given, size):
    plain = ia.analyze(encoder, photos, **given, **FEW)
    np.save(given["class_embeddings"], size * np.load(given["class_embeddings"]).astype(float))
    assert np.allclose(ia.analyze(encoder, photos, **given, **FEW).log_prob, plain.log_prob)
    rows = size * np.array([[3.0, 4], [0, 0], [-1, 0]])
    assert np.allclose(directions(rows), [[0.6, 0.8], [0, 0], [-1, 0]])


def test_equal_classes_are_said(encoder, photos, given):
    rows = np.load(given["class_embeddings"])
    np.save(given["class_embeddings"], np.stack([rows[0], rows[1], 7 * rows[0]]))
    given["class_names"].write_text("three\nfive\nfive")
    listener = ia.Listener()
    ia.analyze(encoder, photos, **given, **FEW, labels="model", listener=listener)
    (alike,) = (each for each in listener.warnings if "have the same direction" in each)
    assert "classes 0 and 2 have" in alike
    ia.analyze(encoder, photos, **given, **FEW, labels="model", listener=listener)
    # Without labels nothing goes by the names, and reports still show them.
    assert any("classes 1 and 2 are both called 'five'" in each for each in listener.warnings)


def test_an_image_without_a_direction_is_refused_by_classes_too(tmp_path, photos, given):
    model = onnx.load(graphs.embedding_of(tmp_path / "z.onnx", SIZE, WAVES, unit=False))
    model.graph.node[-1].output[:] = ["plain"]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    model.graph.node.append(helper.make_node("Mul", ["plain", "nothing"], ["scores"]))
    onnx.save(model, tmp_path / "z.onnx")
    with pytest.raises(ArtifactError, match="all zeros for an image"):
        ia.analyze(tmp_path / "z.onnx", photos, **given, **FEW)
    fit = classes_of(tmp_path / "fit", 1, count=2)
    with pytest.raises(DataError, match="gives all zeros, an embedding without a direction, for"):
        ia.analyze(tmp_path / "z.onnx", photos, fit_classes=fit, **FEW)


@pytest.mark.parametrize(
    ("stored", "scale"), [(np.log(20.0), 20.0), (30.0, 30.0), (0.0, 1.0), (-1.0, np.exp(-1))]
)
def test_the_scale_is_that_of_the_file(encoder, photos, given, stored, scale):
    model = with_scale(encoder, "clip.logit_scale", stored)
    del given["logit_scale"]
    found = ia.analyze(model, photos, **given, **FEW).settings["logit_scale"]
    assert found == pytest.approx(scale, rel=1e-5)


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        ([np.nan], "its weight 'logit_scale' is nan, which is no scale"),
        ([-1e3], "its weight 'logit_scale' is -1000, which is no scale"),
        ([np.array([1.0, 2, 3])], "its weight 'logit_scale' holds 3 numbers; cosines"),
        ([2.0, 3.0], "several weights called 'logit_scale' ('logit_scale' is 2 and 'a.logit_"),
    ],
)
def test_a_stored_scale_that_cannot_be_used_is_named(encoder, photos, given, stored, words):
    for name, value in zip(["logit_scale", "a.logit_scale"], stored, strict=False):
        with_scale(encoder, name, value)
    del given["logit_scale"]
    with pytest.raises(UsageError, match=re.escape(words)):
        ia.analyze(encoder, photos, **given, **FEW)


def test_a_file_of_two_towers_gets_its_text_once(tmp_path, encoder, photos, given):
    model = onnx.load(encoder)
    graph = model.graph
    graph.input.append(helper.make_tensor_value_info("tokens", 7, ["texts", 2]))
    graph.initializer.append(numpy_helper.from_array(np.eye(4, dtype=np.float32), "table"))
    graph.node.append(helper.make_node("Gather", ["table", "tokens"], ["words"]))
    graph.node.append(helper.make_node("ReduceMean", ["words"], ["text_embeds"], axes=[1],
                                       keepdims=0))  # fmt: skip
    graph.node.append(helper.make_node("Transpose", ["text_embeds"], ["turned"], perm=[1, 0]))
    graph.node.append(helper.make_node("MatMul", ["scores", "turned"], ["logits_per_image"]))
    for name, shape in (("text_embeds", ["texts", 4]), ("logits_per_image", ["n", "texts"])):
        graph.output.append(helper.make_tensor_value_info(name, 1, shape))
    onnx.save(model, tmp_path / "towers.onnx")
    np.save(tmp_path / "tokens.npy", np.array([[0, 0], [1, 1], [2, 2]]))
    settings = {"set": f"tokens={tmp_path / 'tokens.npy'}", **FEW}
    names = {"class_names": given["class_names"]}
    towers = tmp_path / "towers.onnx"
    report = ia.analyze(towers, photos, output="logits_per_image", **names, **settings)
    assert report.accuracy == 1
    again = ia.analyze(towers, photos, output="scores", **given, **settings)
    assert again.accuracy == 1
    # The rows of text_embeds are texts, so it is none of those to choose from.
    with pytest.raises(ArtifactError, match="has 2 outputs that could be") as refused:
        ia.analyze(towers, photos, **names, **settings)
    assert "text_embeds" not in str(refused.value)
    assert ia.analyze(
        towers, photos, output="scores", task="embedding", **settings
    ).settings["task"] == "embedding"  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": np.eye(5)}, "has 5 numbers a class, but the model's embeddings have 4"),
        ({"rows": np.full((3, 4), np.nan)}, "class 0 holds values that are not finite"),
        ({"rows": np.zeros((3, 4))}, "class 0 is all zeros"),
        ({"rows": np.ones(4)}, "a row of numbers for each class"),
        ({"rows": np.ones((1, 4))}, "give two or more"),
        ({"rows": np.eye(4)[:2]}, "names 3 classes, but the model has 2"),
        ({"text": "no array"}, "cannot be read as a .npy file"),
        ({"zipped": np.eye(4)}, "holds several arrays, as a .npz does"),
        ({"logit_scale": None}, "give it with logit_scale=S"),
        ({"logit_scale": -1.0}, "a positive number"),
        ({"class_embeddings": None}, "goes with class_embeddings"),
        ({"class_embeddings": "missing.npy"}, "cannot be read"),
        ({"fit_classes": "photos"}, "exclude each other"),
        ({"task": "embedding"}, "leave out task='embedding'"),
        ({"class_names": None}, "has to be said with class_names=FILE"),
    ],
)
def test_what_makes_no_classes_is_refused_in_one_line(encoder, photos, given, change, words):
    options = {**given, **{name: each for name, each in change.items() if name in {
        "logit_scale", "class_embeddings", "class_names", "fit_classes", "task",
    }}}  # fmt: skip
    if "rows" in change:
        np.save(given["class_embeddings"], change["rows"])
    if "zipped" in change:
        with given["class_embeddings"].open("wb") as stream:
            np.savez(stream, a=change["zipped"])
    if "text" in change:
        given["class_embeddings"].write_text(change["text"])
    with pytest.raises(IasideError, match=words) as error:
        ia.analyze(encoder, photos, **options, **FEW)
    assert "\n" not in str(error.value)
    assert isinstance(error.value, UsageError | DataError)


def test_rows_are_done_again_with_the_classes_that_the_file_names(
    tmp_path, encoder, photos, given, iaside
):
    fit = classes_of(tmp_path / "fit", 1, count=3)
    names = ("--class-names", given["class_names"])
    for name, option, classes, more in (
        ("zero-shot", "--class-embeddings", given["class_embeddings"], names),
        ("fitted", "--fit-classes", fit, ()),
    ):
        report = tmp_path / f"{name}.h5"
        asked = {"class_embeddings": classes, **given} if more else {"fit_classes": fit}
        ia.analyze(encoder, photos, report, **asked, **FEW)
        these = ("verify", report, "--model", encoder, "--images", photos, *more)
        done = iaside(*these, option, classes, "--redo", 2)
        assert done.exit_code == 0, done.stdout + done.stderr
        assert f"classes:   holds: the classes of {classes} are those" in done.stdout
        assert "rows:      holds: 2 of 18 rows done again" in done.stdout
        refused = iaside(*these, "--redo", 2)
        assert refused.exit_code == 2
        assert f"--redo needs {option}" in refused.stderr
        if more:
            np.save(tmp_path / "other.npy", np.eye(4)[:3])
            other = tmp_path / "other.npy"
        else:
            other = classes_of(tmp_path / "others", 2, count=3)
        done = iaside(*these, option, other, "--redo", 2)
        assert done.exit_code == 1
        assert f"classes:   DOES NOT HOLD: the classes of {other} are others" in done.stdout
        words = repetition(ia.load(report)).words
        assert option in words
        assert "--logits" not in words  # which is refused with classes that are given
    done = iaside("verify", tmp_path / "fitted.h5", "--class-embeddings", other)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)


def test_inputs_that_were_set_to_a_file_are_asked_for():
    stored = {"tokens": f"sha256:{64 * '0'}", "training": "false"}
    assert _set(stored, ("tokens=t.npy",)) == ("training=false", "tokens=t.npy")
    assert _set({"training": "false"}, ()) == ("training=false",)
    with pytest.raises(UsageError, match=re.escape("needs set=['tokens=FILE.npy'] as well")):
        _set(stored, ())
