"""A second task beside classes: what it costs, that engine, host and attacks take it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from iaside_onnx.attacks.attack import attack
from iaside_onnx.errors import UsageError
from iaside_onnx.inference.class_scores import ScoreForm
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.model import Affine, Model
from iaside_onnx.inference.output_meaning import check_temperature
from iaside_onnx.inference.session import Runtime
from iaside_onnx.inference.small_graph import SmallGraph
from iaside_onnx.inference.task import OneLabel, Reference, Task
from iaside_onnx.mathematics.bands import band_index, split
from iaside_onnx.settings import Settings

from . import graphs
from .conftest import ROOT

SIZE, CYCLES = 16, [1, 3, 5, 7]


@dataclass(frozen=True)
class Cosine:
    """The toy: an embedding's cosine with a reference; below 1/2 the image is no longer known."""

    width: int
    bounds = (-1.0, 1.0)
    columns = 1

    @property
    def reference(self):
        return Reference(np.float32, (self.width,))

    def tail(self):
        ends = {
            "scores": (TensorProto.FLOAT, None),
            "reference": (TensorProto.FLOAT, ["batch", self.width]),
        }
        graph = SmallGraph("cosine", ends)
        axis = np.array([-1], np.int64)
        product = graph.add("Mul", "scores", "reference")
        lengths = [graph.add("ReduceL2", name, axes=[-1]) for name in ("scores", "reference")]
        divisor = graph.add("Max", graph.add("Mul", *lengths), np.float32(1e-12))
        graph.add("Div", graph.add("ReduceSum", product, axis), divisor)
        return graph.serialised("value", TensorProto.FLOAT, ["batch", 1])

    def values(self, scores, references):
        return self._cosine(scores, references).astype(np.float32)

    def readings(self, scores):
        return scores.astype(np.float64)

    def answers(self, readings):
        return readings.astype(np.float32)

    def right(self, readings, references):
        return self._cosine(readings, references) >= 0.5

    def margins(self, readings, references):
        cosine = self._cosine(readings, references)
        return cosine - 0.5, cosine < 0.5

    def change(self, readings, clean):
        return 1 - self._cosine(readings, clean)

    def _cosine(self, one, other):
        lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
        return (one * other).sum(axis=-1) / np.maximum(lengths, 1e-12)


@pytest.fixture
def embedder(tmp_path):
    """A model whose output is the amplitude of a wave in each of four bands."""
    nodes, constants = graphs.amplitudes(SIZE, CYCLES)
    nodes.append(helper.make_node("Identity", ["amplitude"], ["scores"]))
    path = graphs.save(
        tmp_path / "m.onnx", nodes, constants, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", 4],
    )  # fmt: skip
    form = InputForm("image", TensorProto.FLOAT, "nchw", 3, SIZE, SIZE)
    affine = Affine([0, 1, 2], np.ones(3, np.float32), np.zeros(3, np.float32))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return Model(Runtime(), session, form, "scores", affine)


def images_of(strengths):
    """Images around mid-grey with a wave of each strength, a row an image."""
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    return (0.5 + np.tensordot(strengths, waves, 1)).astype(np.float32)


@pytest.mark.parametrize("own", [False, True])
def test_the_engine_holds_each_image_against_a_tensor_of_its_own(embedder, own):
    strengths = np.array([[0.1, 0.1, 0.1, 0.1], [0.05, 0.1, 0.15, 0.0]])
    images = images_of(strengths)
    task: Task = Cosine(4)
    references = task.answers(task.readings(embedder.scores(images)))
    np.testing.assert_allclose(references, strengths, atol=1e-6)
    coalitions = np.arange(16, dtype=np.uint64)
    engine = Engine(embedder, 4, task, "real", None if own else coalitions)
    index = band_index(SIZE, SIZE, 4, "linf", separate_dc=False)
    rows = np.zeros((2, 5, 3, SIZE, SIZE), np.float32)  # absent bands are black
    for image, row in zip(images, rows, strict=True):
        split(image, index, out=row[:-1])
    table = engine.values(
        engine.place(rows.reshape(2, 5, -1)), 0, 16, references, 7,
        np.tile(coalitions, (2, 1)) if own else None,
    )[..., 0]  # fmt: skip
    present = (coalitions[:, None] >> np.arange(4, dtype=np.uint64) & np.uint64(1)).astype(bool)
    kept = (strengths[:, None] ** 2 * present).sum(axis=-1)
    expected = np.sqrt(kept / (strengths**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(table, expected, atol=1e-5)
    np.testing.assert_allclose(table[:, -1], 1, atol=1e-6)
    np.testing.assert_array_equal(table.clip(*task.bounds), table)


def test_the_host_finds_what_the_tail_finds_and_counts_agreement():
    task = Cosine(4)
    scores = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    references = np.concatenate([scores[:3], scores[:3]])
    tail = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    (found,) = tail.run(["value"], {"scores": scores, "reference": references})
    np.testing.assert_allclose(found[:, 0], task.values(scores, references), atol=1e-6)
    readings = task.readings(scores)
    assert task.right(readings, references)[:3].all()
    np.testing.assert_allclose(task.change(readings, readings), 0, atol=1e-12)


def test_an_attack_lowers_the_margin_of_any_task(embedder):
    task = Cosine(4)
    images = images_of(np.array([[0.02, 0.02, 0.02, 0.02]]))
    own = task.answers(task.readings(embedder.scores(images)))
    found = attack(
        lambda tried: task.readings(embedder.scores(tried)), images, own, margins=task.margins,
        method="square-linf", epsilon=0.3, queries=200, seeds=[0],
    )  # fmt: skip
    assert found.wrong.all()
    assert found.margin[0] < 0 < 0.5 - found.margin[0]
    assert task.change(task.readings(embedder.scores(found.images)), own)[0] > 0.5


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize(
    "form",
    [
        ScoreForm("logits", TensorProto.FLOAT),
        ScoreForm("logits", TensorProto.DOUBLE, binary=True),
        ScoreForm("probabilities", TensorProto.FLOAT16),
        ScoreForm("probabilities", TensorProto.FLOAT, binary=True),
    ],
    ids=lambda form: f"{form.kind}-{form.elem_type}",
)
def test_of_classes_too_the_tail_and_the_host_agree(form, temperature):
    rng = np.random.default_rng(1)
    scores = (
        rng.dirichlet(np.ones(3), 8) if form.kind == "probabilities" else rng.normal(size=(8, 3))
    )
    scores = scores[:, :1] if form.binary else scores
    scores = scores.astype(helper.tensor_dtype_to_np_dtype(form.elem_type))
    task: Task = OneLabel(form, temperature, answered=True)
    references = rng.integers(0, 2, 8)
    tail = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    (found,) = tail.run(["value"], {"scores": scores, "reference": references[:, None]})
    host = task.values(scores.astype(np.float32), references)
    np.testing.assert_allclose(found[:, 0], host, atol=2e-6)
    readings = task.readings(scores.astype(np.float32))
    np.testing.assert_array_equal(found[:, 1], task.answers(readings))
    alone = ort.InferenceSession(OneLabel(form, temperature).tail())
    (value,) = alone.run(["value"], {"scores": scores, "reference": references[:, None]})
    np.testing.assert_array_equal(value, found[:, :1])
    margin, wrong = task.margins(readings, references)
    np.testing.assert_array_equal(wrong, ~task.right(readings, references))
    np.testing.assert_array_equal(wrong, margin < 0)


def test_many_classes_at_zero_of_quantised_probabilities_have_no_mass():
    step = np.float32(1 / 255)
    task = OneLabel(ScoreForm("probabilities", TensorProto.FLOAT, step=float(step)))
    scores = np.zeros((3, 1000), np.float32)
    scores[0, 0] = scores[1, 7] = 255 * step
    scores[2, [0, 7]] = 102 * step, 153 * step
    readings = task.readings(scores)
    np.testing.assert_allclose(np.exp(readings).max(axis=1), [1, 1, 0.6], atol=1e-6)
    np.testing.assert_allclose(
        task.worth(readings, np.zeros(3, int)), task.values(scores, np.zeros(3, int)), atol=1e-6
    )
    moved = task.change(readings, readings[[0]])
    np.testing.assert_allclose(moved, [0, 2, 1.2], atol=2 * step)


@pytest.mark.parametrize(
    ("classes", "steps", "temperature", "refused"),
    [(1000, 255, 2.0, True), (1000, 255, "auto", True), (1000, 255, 1.0, False),
     (10, 255, 2.0, False), (30, 255, 2.0, True), (1000, 65535, 2.0, False)],
)  # fmt: skip
def test_a_temperature_is_refused_where_classes_at_zero_get_most_of_the_mass(
    classes, steps, temperature, refused
):
    scores = ScoreForm("probabilities", TensorProto.FLOAT, step=1 / steps)
    expected = pytest.raises(UsageError, match="come in steps of") if refused else nullcontext()
    with expected:
        check_temperature(Settings(temperature=temperature), scores, classes)


def test_quantised_probabilities_move_as_far_as_those_they_were_made_of():
    rng = np.random.default_rng(0)
    # A sure answer, one that is spread over many classes, and one that is spread over all.
    logits = rng.normal(size=(3, 1000)).astype(np.float32) * np.float32([[5], [3], [0.1]])
    exact = OneLabel(ScoreForm("logits", TensorProto.FLOAT))
    readings = exact.readings(logits)
    step = 1 / 256
    rounded = np.round(np.exp(readings) / step).astype(np.float32) * np.float32(step)
    task = OneLabel(ScoreForm("probabilities", TensorProto.FLOAT, step=step))
    found = task.readings(rounded)
    for now, before in ((1, 0), (2, 0)):
        known = exact.change(readings[[now]], readings[[before]])
        np.testing.assert_allclose(task.change(found[[now]], found[[before]]), known, atol=0.1)


def test_the_first_choice_is_made_in_one_place():
    rooms = ("attacks", "inference", "measure")
    files = [path for room in rooms for path in (ROOT / "iaside_onnx" / room).glob("*.py")]
    files.append(ROOT / "iaside_onnx" / "recipe_search" / "search.py")
    assert len(files) > 40
    assert not [path.name for path in files if "argmax" in path.read_text()]
