"""Detectors: every known form of head gives the same detections, and what a match is worth."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, OpenError
from iaside_onnx.inference.detection import HEADS, DetectionHead
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.head_facts import HeadFacts
from iaside_onnx.inference.head_search import known_head
from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.model import Affine, Model
from iaside_onnx.inference.session import Runtime
from iaside_onnx.inference.task_boxes import MatchedBoxes
from iaside_onnx.mathematics.bands import band_index, split
from iaside_onnx.mathematics.boxes import (
    LEAST,
    MOST,
    NUMBERS,
    SAME,
    detections,
    matched,
    overlaps,
)
from iaside_onnx.page.page import page
from iaside_onnx.results.audit import Audit

from . import graphs
from .conftest import write_npz

# Corners, confidence and class: the second object has a less sure candidate beside it.
OBJECTS = np.array(
    [[10, 20, 50, 60, 0.9, 1], [100, 40, 180, 90, 0.6, 0], [102, 41, 181, 92, 0.5, 0],
     [100, 40, 180, 90, 0.3, 2]], np.float32,
)  # fmt: skip
KEPT = OBJECTS[[0, 1, 3]]


def candidates(count=120, classes=3):
    """Boxes (n, 4) as centre and size, and confidences (n, classes), all but a few of nothing."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 200, (count, 2))
    boxes = np.hstack([centres, rng.uniform(5, 20, (count, 2))]).astype(np.float32)
    scores = rng.uniform(0, 0.009, (count, classes)).astype(np.float32)
    for row, (x1, y1, x2, y2, score, kind) in enumerate(OBJECTS):
        boxes[row] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        scores[row, int(kind)] = score
    return boxes, scores


def corners_of(boxes):
    half = boxes[:, 2:] / 2
    return np.hstack([boxes[:, :2] - half, boxes[:, :2] + half])


def outputs_of(form):
    boxes, scores = candidates()
    background = np.hstack([1 - scores.sum(axis=1, keepdims=True), scores])
    logits = np.log(np.hstack([scores, 1 - scores.sum(axis=1, keepdims=True)]))
    ones = np.ones((len(boxes), 1), np.float32)
    order, column = OBJECTS[[0, 1, 3]], np.zeros((3, 1), np.float32)
    return {
        "yolo": {"out": np.hstack([boxes, scores]).T[None]},
        "yolo-objectness": {"out": np.hstack([boxes, ones, scores])[None]},
        "detr": {"logits": logits[None], "pred_boxes": boxes[None] / 256},
        "detr-sigmoid": {"l": np.log(scores / (1 - scores))[None], "b": boxes[None] / 256},
        "ssd": {"boxes": corners_of(boxes)[None], "scores": scores.T[None]},
        "ssd-background": {"scores": background[None], "boxes": corners_of(boxes)[None] / 256},
        "rows": {"out": np.vstack([order, np.zeros((7, 6))])[None].astype(np.float32)},
        "batch-rows": {"out": np.hstack([column, order[:, :4], order[:, 5:], order[:, 4:5]])},
        "image-rows": {
            "out": np.hstack([column, order[:, 5:], order[:, 4:5], order[:, :4] / 256])[None, None]
        },
        "boxes": {
            "boxes": order[:, :4], "labels": order[:, 5].astype(np.int64), "scores": order[:, 4],
        },
    }[form]  # fmt: skip


@pytest.mark.parametrize("form", HEADS)
def test_every_form_of_head_is_known_by_its_outputs_and_gives_the_same_detections(form):
    outputs = {name: np.asarray(each) for name, each in outputs_of(form).items()}
    outputs = {k: v.astype(np.float32) if v.dtype.kind == "f" else v for k, v in outputs.items()}
    classes = {3: "the file"} if form.startswith(("detr", "yolo-")) else {}
    head = known_head([outputs], HeadFacts(classes))
    assert head is not None
    assert head.form == form
    found = head.rows([outputs[name] for name in head.outputs], 1).reshape(MOST, NUMBERS)
    expected = KEPT.copy()
    if expected[0, 2] and found[0, 2] <= 1:
        expected[:, :4] /= 256
    np.testing.assert_allclose(found[:3], expected, rtol=1e-3)
    assert not found[3:].any()


def test_counted_detections_of_a_batch_and_of_several_images_in_one_table():
    outputs = {
        "num_dets": np.array([[2], [0]], np.int32),
        "det_boxes": np.tile(OBJECTS[None, :3, :4], (2, 1, 1)),
        "det_scores": np.tile(OBJECTS[None, :3, 4], (2, 1)),
        "det_classes": np.tile(OBJECTS[None, :3, 5].astype(np.int32), (2, 1)),
    }
    head = known_head([{name: each[:1] for name, each in outputs.items()}])
    assert head is not None
    assert (head.form, head.batched) == ("boxes", True)
    found = head.rows([outputs[name] for name in head.outputs], 2).reshape(2, MOST, NUMBERS)
    np.testing.assert_array_equal(found[0, :2], OBJECTS[:2])
    assert not found[0, 2:].any()
    assert not found[1].any()
    rows = np.array([[1, 0, 0, 9, 9, 4, 0.5], [0, 1, 1, 5, 5, 2, 0.7]], np.float32)
    head = known_head([{"out": rows[1:]}, {"out": rows[:0]}])
    assert head is not None
    found = head.rows([rows], 2).reshape(2, MOST, NUMBERS)
    np.testing.assert_allclose(found[:, 0], [[1, 1, 5, 5, 0.7, 2], [0, 0, 9, 9, 0.5, 4]])


@pytest.mark.parametrize(
    "outputs",
    [
        {"depth": np.random.default_rng(0).uniform(size=(1, 128, 160))},
        {"tokens": np.random.default_rng(0).normal(size=(1, 197, 192))},
        {"deltas": np.random.default_rng(0).normal(size=(1, 200, 4)),
         "scores": np.random.default_rng(0).uniform(size=(1, 200, 3))},
        {"classes": np.ones((1, 10))},
        {"places": np.array([[0, 0, 1, 1]]), "sure": np.array([[0.5]])},
        {"out": np.random.default_rng(0).normal(size=(1, 3, 20, 20, 85))},
    ],
    ids=lambda outputs: next(iter(outputs)),
)  # fmt: skip
def test_what_is_no_known_head_is_left(outputs):
    assert known_head([{name: each.astype(np.float32) for name, each in outputs.items()}]) is None


def of(rng, *shape, high=1.0):
    return rng.uniform(0, high, (1, *shape)).astype(np.float32)


def angled(rng, angle, classes=15):
    boxes, small = of(rng, 4, 120, high=30), of(rng, classes, 120) * 0.001
    return {"out": np.concatenate([boxes, small, angle * of(rng, 1, 120)], axis=1)}


FEW_ROWS = [
    (lambda rng: {"landmarks": of(rng, 21, 4, high=32), "visibility": of(rng, 21, 1)}, "ssd"),
    (lambda rng: {"landmarks": of(rng, 21, 4), "visibility": of(rng, 21, 2)}, "ssd"),
    (lambda rng: {"/block/q": of(rng, 24, 4), "a": of(rng, 24, 1) - 0.5}, "detr-sigmoid"),
    (lambda rng: angled(rng, 0.9), "yolo"),
]


@pytest.mark.parametrize(("make", "form"), FEW_ROWS)
def test_what_may_be_points_or_angles_is_asked_about(make, form):
    outputs, facts = make(np.random.default_rng(0)), HeadFacts(size=(32, 32))
    with pytest.raises(OpenError) as caught:
        known_head([outputs], facts)
    assert list(caught.value.answers) == [{"head": form}, {"head": "none"}]
    assert known_head([outputs], facts, form).form == form
    if form != "yolo":
        called = dict(zip(("pred_boxes", "pred_scores"), outputs.values(), strict=True))
        assert known_head([called], facts).form == form


def test_classes_that_are_listed_tell_an_angle():
    outputs, facts = angled(np.random.default_rng(0), 0.9), HeadFacts({15: "it"}, (64, 64))
    head = known_head([outputs], facts, "yolo")
    assert (head.form, head.classes) == ("yolo", 15)
    assert (
        known_head([angled(np.random.default_rng(0), 0.001)], HeadFacts(size=(64, 64))) is not None
    )


@pytest.mark.parametrize(
    ("shape", "form"),
    [((1, 50, 6), "rows"), ((50, 7), "batch-rows"), ((1, 1, 50, 7), "image-rows")],
)
def test_rows_of_zeros_are_detections_only_where_something_says_so(shape, form):
    outputs, hints = {"out": np.zeros(shape, np.float32)}, []
    assert known_head([outputs], hints=hints) is None
    assert "all zeros" in hints[0]
    assert known_head([outputs], HeadFacts(suppresses=True)).form == form
    assert known_head([outputs], form=form).form == form


SURE = np.eye(7, dtype=np.float32)[[6, 6, 5]]  # a Softmax over seven classes that saturates


@pytest.mark.parametrize(
    "outputs",
    [
        [{"out": row[None]} for row in SURE],
        [{"out": row[None, None]} for row in SURE],
        [{"out": row[None, None, None]} for row in SURE],
        [{"out": row[None, 1:]} for row in SURE],
        [{"out": row[None, None, 1:]} for row in SURE],
        [{"out": np.round(20 * row[None])} for row in SURE],
        [{"out": np.tile(row[1:], (1, 5, 1))} for row in SURE],  # steps of a text recogniser
        [{"out": np.tile(row, (1, 120, 1))} for row in SURE],
        [{"p": row[None, None, 3:], "best": np.array([[3]]), "sure": np.full((1, 1), 0.9)}
         for row in SURE],
    ],
)  # fmt: skip
def test_scores_of_classes_are_no_detections_whatever_their_numbers(outputs):
    assert known_head(outputs) is None
    assert known_head(outputs, HeadFacts({7: "the file"})) is None


def test_detections_of_a_class_between_two_are_refused():
    rows = np.array([[0, 0, 9, 9, 0.5, 1], [0, 0, 9, 9, 0.5, 2]], np.float32)
    head = known_head([{"out": rows}])
    assert head is not None
    with pytest.raises(ArtifactError, match="so they are not detections"):
        head.rows([rows + np.array([0, 0, 0, 0, 0, 0.5])], 1)


def test_the_classes_that_a_file_declares_settle_what_follows_the_boxes():
    boxes, scores = candidates()
    table = np.hstack([boxes, scores, np.full((120, 32), 7, np.float32)])
    assert known_head([{"out": table.T[None]}]) is None
    head = known_head([{"out": table.T[None]}], HeadFacts({3: "the file"}))
    assert head is not None
    assert (head.form, head.classes) == ("yolo", 3)
    six = np.hstack([boxes, scores[:, :2]])[None]
    with pytest.raises(OpenError, match="head='yolo-objectness' says that it is") as caught:
        known_head([{"out": six}])
    assert caught.value.answers == ({"head": "yolo-objectness"}, {"head": "yolo"})
    assert known_head([{"out": six}], HeadFacts({2: "the file"})).form == "yolo"
    assert known_head([{"out": six}], form="yolo").form == "yolo"


def grid_table(count, classes, side, seed=0):
    """Candidates of a detector, (count, 4 + classes), with boxes in a picture of that side."""
    rng = np.random.default_rng(seed)
    boxes = [rng.uniform(0, side, (count, 2)), rng.uniform(1, side / 2, (count, 2))]
    return np.hstack([*boxes, rng.uniform(0, 0.3, (count, classes))]).astype(np.float32)


@pytest.mark.parametrize(
    ("table", "side", "form", "found"),
    [
        (grid_table(84, 80, 64).T, 64, None, ("yolo", True)),  # as many candidates as numbers
        (grid_table(21, 80, 32).T, 32, None, ("yolo", True)),  # fewer
        (grid_table(84, 1, 64), 64, None, ("yolo", False)),
        (grid_table(21, 1, 32), 32, None, None),  # or the joints of a hand
        (grid_table(64, 3, 64).T, 64, "yolo", ("yolo", True)),
        (grid_table(63, 81, 32), 32, "yolo-objectness", ("yolo-objectness", False)),
        (grid_table(64, 3, 64).T, 64, None, None),  # grids of that input have 84
        (grid_table(84, 80, 200).T, 64, None, None),  # boxes of a larger one
        (np.random.default_rng(0).uniform(0, 1, (84, 84)), 64, None, None),
        (np.random.default_rng(0).normal(0, 1, (84, 84)), 64, None, None),
    ],
)  # fmt: skip
def test_few_candidates_are_known_where_their_number_is_that_of_the_grids(table, side, form, found):
    hints = []
    head = known_head([{"out": np.float32(table)[None]}], HeadFacts(size=(side, side)), form, hints)
    assert (head and (head.form, head.transposed)) == found
    fits = found is None and table[4:].min() >= 0 and table.max() > 1
    assert len(hints) == fits  # unsure, which is said
    assert all("may be a box and confidences each" in hint for hint in hints)


@pytest.mark.parametrize(
    ("form", "change", "why"),
    [
        ("yolo", {(4, 7): 3}, r"no confidences in \[0, 1\] \(.* to 3\)"),
        ("yolo", {(3, 7): -9}, "a width or height below 0"),
        ("yolo", {(0, 7): np.inf}, "boxes that are not finite"),
        ("rows", {}, "rows of 6 or 7 are needed"),
        ("detr", {}, "two outputs are needed"),
        ("boxes", {}, "one output of rows of four is needed, and there are 0"),
    ],
)
def test_a_form_that_is_asked_for_and_does_not_fit_says_which_condition_fails(form, change, why):
    table = grid_table(64, 3, 64).T.copy()
    for place, number in change.items():
        table[place] = number
    with pytest.raises(ArtifactError, match=f"the outputs are no such head: .*{why}"):
        known_head([{"out": table[None]}], HeadFacts(size=(64, 64)), form)


@pytest.mark.parametrize(
    ("facts", "form"),
    [
        (HeadFacts({3: "the file"}), "detr"),
        (HeadFacts({4: "the file"}), "detr-sigmoid"),
        (HeadFacts(choices={"logits": frozenset({"Softmax"})}), "detr"),
        (HeadFacts(choices={"logits": frozenset({"Sigmoid"})}), "detr-sigmoid"),
        (HeadFacts(), None),
        (HeadFacts({7: "the file"}), None),
        (HeadFacts({3: "the file", 4: "another"}), None),
    ],
)
@pytest.mark.parametrize("last", [-9, 9])
def test_whether_the_last_logit_is_no_object_is_told_or_asked(facts, form, last):
    """However often it wins."""
    boxes, _ = candidates()
    logits = np.random.default_rng(0).normal(size=(1, len(boxes), 4)).astype(np.float32)
    logits[..., -1] += last
    runs = [{"logits": logits, "pred_boxes": boxes[None] / 256}]
    if form is not None:
        head = known_head(runs, facts)
        assert head.form == form
        assert head.why
        return
    with pytest.raises(OpenError, match=r"give head='detr' .* or head='detr-sigmoid'") as caught:
        known_head(runs, facts)
    assert caught.value.answers == ({"head": "detr"}, {"head": "detr-sigmoid"})


def test_shares_that_sum_to_1_have_their_background_first_or_are_asked_about():
    boxes, scores = candidates()
    background = np.hstack([1 - scores.sum(axis=1, keepdims=True), scores])
    runs = [{"boxes": boxes[None], "scores": np.roll(background, -1, axis=1)[None]}]
    with pytest.raises(OpenError, match="give head='ssd-background' if the first is the backgr"):
        known_head(runs)
    assert known_head(runs, form="ssd-background").form == "ssd-background"


def test_clean_images_that_contradict_the_form_are_refused():
    boxes, scores = candidates()
    table = np.hstack([boxes, scores])
    head = known_head([{"out": table.T[None]}])
    head.confirm(head.rows([table.T[None]], 1))
    for place, number, what in (((5, 4), 1.5, "a confidence of 1.5"), ((1, 2), -40, "a box whose")):
        wrong = table.copy()
        wrong[place] = number
        with pytest.raises(ArtifactError, match=f"the outputs hold {what}"):
            head.confirm(head.rows([wrong.T[None]], 1))


def as_set(*rows):
    found = np.zeros((MOST, NUMBERS), np.float32)
    found[: len(rows)] = np.reshape(rows, (-1, NUMBERS))
    return found


def test_a_match_is_worth_overlap_times_the_confidence_that_is_left():
    clean = as_set([0, 0, 10, 10, 0.8, 1], [20, 0, 30, 10, 0.5, 1], [50, 50, 60, 60, 0.2, 1])
    assert matched(clean, clean, 0.25) == 1
    half = as_set([0, 0, 10, 5, 0.4, 1])  # half of the box, half of the confidence
    assert matched(half, clean, 0.25) == pytest.approx(0.5 * 0.5 / 2)
    assert matched(as_set([0, 0, 10, 10, 0.8, 2]), clean, 0.25) == 0  # of another class
    surer = as_set([0, 0, 10, 10, 0.99, 1])
    assert matched(surer, clean, 0.25) == 0.5
    # One detection over both objects is counted once.
    wide = as_set([0, 0, 30, 10, 0.9, 1])
    assert matched(wide, clean, 0.25) == pytest.approx(1 / 3 / 2)
    assert matched(as_set(), clean, 0.25) == 0
    assert matched(clean, clean, 0.9) == 1 == matched(as_set(), as_set(), 0.25)
    assert matched(surer, as_set(), 0.25) == pytest.approx(0.01)
    twice = as_set([0, 0, 10, 10, 0.9, 1], [0, 0, 10, 10, 0.8, 1])
    assert matched(twice, twice, 0.25) == 1


@pytest.mark.parametrize(
    "box", [[3, 3, 3, 9], [3, 3, 3, 3], [9, 9, 3, 3], [0, 0, np.inf, 5], [1e-30, 0, 2e-30, 1e-30]]
)
def test_boxes_without_an_area_match_themselves(box):
    clean = as_set([*box, 0.8, 1], [0, 0, 10, 10, 0.7, 1], [*box, 0.4, 2])
    assert matched(clean, clean, 0.25) == 1
    moved = clean.copy()
    moved[0, 0] += 1
    if box[0] < 9 and np.isfinite(box).all():
        assert matched(moved, clean, 0.25) == pytest.approx(2 / 3)


def test_overlap_and_suppression():
    boxes = np.array([[0, 0, 4, 4], [2, 0, 6, 4], [9, 9, 9, 9]], float)
    np.testing.assert_allclose(overlaps(boxes, boxes)[0], [1, 1 / 3, 0])
    many = np.tile([[0, 0, 4, 4.0]], (5, 1))
    found = detections(many, np.array([0.2, 0.9, 0.005, 0.5, 0.4]), np.array([0, 0, 0, 1, 0]),
                       suppress=True)  # fmt: skip
    np.testing.assert_allclose(found[:3, 4], [0.9, 0.5, 0])


def slow_overlap(box, other):
    low, high = np.maximum(box[:2], other[:2]), np.minimum(box[2:], other[2:])
    common = (high - low).clip(0).prod()
    areas = (box[2:] - box[:2]).clip(0).prod() + (other[2:] - other[:2]).clip(0).prod()
    return common / (areas - common) if areas > common else 0.0


def slow_detections(boxes, scores):
    """Detections of candidates, one at a time: the surest that is left, and none like it."""
    best = scores.argmax(axis=1)
    sure = scores[np.arange(len(scores)), best]
    order = [place for place in np.argsort(-sure, kind="stable") if sure[place] >= LEAST]
    kept = []
    for place in order[:500]:
        box = boxes[place].astype(np.float64)
        if all(best[k] != best[place] or slow_overlap(boxes[k].astype(np.float64), box) <= SAME
               for k in kept):  # fmt: skip
            kept.append(place)
    found = np.zeros((MOST, NUMBERS), np.float32)
    for row, place in enumerate(kept[:MOST]):
        found[row] = [*boxes[place], sure[place], best[place]]
    return found


@pytest.mark.parametrize(("many", "side", "power"), [(40, 60, 1), (200, 20, 1), (540, 300, 0.5)])
def test_candidates_read_together_are_those_read_one_at_a_time(many, side, power):
    rng = np.random.default_rng(many)
    centres, sizes = rng.uniform(0, 300, (2, many, 2)), rng.uniform(side / 2, side, (2, many, 2))
    boxes = np.concatenate([centres, sizes], axis=2).astype(np.float32)
    scores = (rng.uniform(0, 1, (2, many, 3)) ** power).astype(np.float32)
    scores[:, ::7] = scores[:, ::7].round(1)  # some are equal
    table = np.concatenate([boxes, scores], axis=2)
    pairs = zip(boxes, scores, strict=True)
    expected = [slow_detections(corners_of(box), score) for box, score in pairs]
    for transposed in (False, True):
        head = DetectionHead("yolo", ("out",), transposed=transposed, centred=True)
        found = head.rows([table.swapaxes(1, 2) if transposed else table], 2)
        np.testing.assert_array_equal(found.reshape(2, MOST, NUMBERS), expected)
    table[1, -1, 2] = np.nan  # of a candidate that does not count
    table[1, -1, 4:] = 0
    found = head.rows([table.swapaxes(1, 2)], 2)
    assert not np.isnan(found[0]).any()
    assert np.isnan(found[1]).all()


def test_the_task_of_detections_says_what_there_is_to_match():
    clean = as_set([0, 0, 10, 10, 0.8, 1]).reshape(1, -1)
    task = MatchedBoxes()
    assert "objects: 1, detections of confidence 0.25 or more, on 1 of 1 images" in task.said(
        lambda: clean
    )
    assert "nothing to match; check" in task.said(lambda: 0 * clean)
    lost = np.vstack(
        [clean, as_set([0, 0, 10, 4, 0.8, 1]).reshape(1, -1), np.full_like(clean, np.nan)]
    )
    np.testing.assert_allclose(task.values(lost, clean), [1, 0.4, np.nan], rtol=1e-6)
    margin, wrong = task.margins(lost[:2], clean)
    np.testing.assert_allclose(margin, [0.5, -0.1], rtol=1e-6)
    np.testing.assert_array_equal(wrong, [False, True])
    np.testing.assert_array_equal(task.right(lost[:2], clean), ~wrong)
    np.testing.assert_allclose(task.change(lost[:2], clean), [0, 0.6], rtol=1e-6)


SIZE, CYCLES = 16, [1, 3, 5, 7]


@pytest.mark.parametrize("suppressed", [False, True])
def test_of_a_planted_detector_the_band_of_its_confidence_has_all_importance(tmp_path, suppressed):
    path = graphs.detector(tmp_path / "m.onnx", SIZE, CYCLES, 1, suppressed=suppressed)
    strengths = np.array([[0.1, 0.08, 0.1, 0.1], [0.05, 0.12, 0.15, 0.1]])
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    images = (0.5 + np.tensordot(strengths, waves, 1)).astype(np.float32)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = 1 if suppressed else None
    form = InputForm("image", TensorProto.FLOAT, "nchw", 3, SIZE, SIZE, fixed_batch=batch)
    affine = Affine([0, 1, 2], np.ones(3, np.float32), np.zeros(3, np.float32))
    runs = [{"scores": session.run(None, {"image": image[None]})[0]} for image in images]
    head = known_head(runs)
    assert head is not None
    assert head.form == ("batch-rows" if suppressed else "yolo")
    model = Model(Runtime(), session, form, "scores", affine, head=head)
    clean = model.scores(images)
    task = MatchedBoxes()
    engine = Engine(model, 4, task, "real", np.arange(16, dtype=np.uint64))
    index = band_index(SIZE, SIZE, 4, "linf", separate_dc=False)
    rows = np.zeros((2, 5, 3, SIZE, SIZE), np.float32)
    for image, row in zip(images, rows, strict=True):
        split(image, index, out=row[:-1])
    for at in range(2):
        bands = engine.place(rows[[at]].reshape(1, 5, -1))
        table = engine.values(bands, 0, 16, task.answers(clean[[at]]), 5)[0, :, 0]
        present = (np.arange(16) >> 1 & 1).astype(float)
        np.testing.assert_allclose(table, present, atol=1e-4)


def test_an_audit_says_how_many_images_hold_objects(tmp_path, iaside):
    path = graphs.detector(tmp_path / "m.onnx", SIZE, CYCLES, 1, suppressed=False)
    strengths = np.full((6, 4), 0.1)
    strengths[:2, 1] = 0.0
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    images = np.moveaxis((0.5 + np.tensordot(strengths, waves, 1)).astype(np.float32), 1, -1)
    data = write_npz(tmp_path / "d.npz", images, np.zeros(6, int))
    words = "detections of confidence 0.25 or more, on 4 of 6 images"
    few = {"preprocess": "unit", "severity": (1, 3, 5)}
    measured = ia.measure_robustness(path, data, corruption="contrast", attack="none", **few)
    audit = Audit(folder=tmp_path, robustness=measured)
    assert f"Objects: 4, {words}; an image without one is matched" in audit.how_sure
    measured.save(tmp_path / "r.h5")
    assert f"Clean images: objects: 4, {words}" in iaside("show", tmp_path / "r.h5").stdout
    report = ia.analyze(path, data, bands=2, samples=3, preprocess="unit")
    assert "of 3 images" in report.beside
    assert report.beside in page([report])


@pytest.mark.parametrize("shapes", [
    [(1, 40, 20), (1, 30, 20)],  # as many candidates as an image has
    [(1, 20, 40), (1, 20, 30)],
    [(1, 40, 20), (1, 40, 7)],
    [(0, 9, 6), (0, 9, 6)],
    [(3, 9, 0), (3, 9, 0)],
    [(2, 5, 8), (2, 5, 7)],
])  # fmt: skip
@pytest.mark.parametrize("suppresses", [False, True])
def test_outputs_of_other_shapes_an_image_are_no_error_of_the_program(shapes, suppresses):
    rng = np.random.default_rng(0)
    runs = [{"scores": rng.random(shape, np.float32) * 9} for shape in shapes]
    for form in (None, *HEADS):
        with suppress(ArtifactError):
            known_head(runs, HeadFacts(suppresses=suppresses), form)
