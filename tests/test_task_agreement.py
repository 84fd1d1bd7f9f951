"""Agreement of outputs: its formula, the tail against the host, and what it is known to be."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference.engine import Engine
from iaside_onnx.inference.input_form import InputForm
from iaside_onnx.inference.map_form import axes_of, by_length
from iaside_onnx.inference.model import Affine, Model
from iaside_onnx.inference.session import Runtime
from iaside_onnx.inference.task_agreement import Agreement
from iaside_onnx.mathematics.agreement import Block, Spread, block_of, disagreement
from iaside_onnx.mathematics.bands import band_index, split
from iaside_onnx.mathematics.shapley import shapley_values
from iaside_onnx.measure.verification import verify

from . import graphs
from .conftest import write_npz

TYPES = {
    TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16, TensorProto.DOUBLE: np.float64,
}  # fmt: skip


def spread_of(blocks, rows):
    spread = Spread(blocks)
    spread.add(rows)
    return spread.distances


@pytest.mark.parametrize(
    ("shape", "picture", "axis", "channels"),
    [
        ((5,), None, 1, 5),
        ((21, 64, 64), None, 1, 21),
        ((64, 64, 21), None, 3, 21),
        ((1, 64, 64), None, 1, 1),
        ((8400, 84), (640, 640), 2, 84),
        ((84, 8400), (640, 640), 1, 84),
        ((32, 48), (64, 96), None, 1),
        ((32, 48), (64, 64), 1, 32),
        ((3, 20, 20, 85), None, 4, 85),
        ((), None, 1, 1),
        # Features, heatmaps and grids have more channels than columns: proportions tell.
        ((21, 8, 8), (32, 32), 1, 21),
        ((21, 2, 2), (32, 32), 1, 21),
        ((17, 16, 16), (128, 128), 1, 17),
        ((512, 7, 7), (224, 224), 1, 512),
        ((7, 7, 512), (224, 224), 3, 512),
        ((255, 8, 12), (256, 384), 1, 255),
        ((512, 1, 1), (64, 64), 1, 512),
        ((3, 4, 4), (32, 32), 1, 3),
        ((40, 8, 32), (64, 64), 3, 32),  # of no such proportions: the shorter
        ((3, 85, 20, 20), (640, 640), 2, 85),
        ((5, 20, 20, 4), (640, 640), 4, 4),
    ],
)
def test_the_channels_of_an_output(shape, picture, axis, channels):
    block = block_of(shape, picture)
    assert (block.axis, block.channels) == (axis, channels)
    assert block.size == np.prod(shape, dtype=int)


@pytest.mark.parametrize(("layout", "axis"), [("nchw", 1), ("nhwc", 3)])
def test_where_both_ways_fit_the_order_of_the_input_tells(layout, axis):
    form = InputForm("image", TensorProto.FLOAT, layout, 3, 64, 64)
    shapes = [(16, 16, 16), (12, 8, 8), (8,)]
    assert axes_of(shapes, form) == [axis, 1, 1]
    assert not by_length(shapes, form)
    assert by_length([(8, 16, 16), (8,), (90, 6)], form)


def test_a_heatmap_that_is_lost_is_one_of_them():
    maps = np.random.default_rng(0).normal(size=(6, 17, 16, 16))
    maps[:, 0] *= 30
    lost = maps.copy()
    lost[:, 0] = maps[:, 0].mean(axis=0)
    rows, less = (each.reshape(6, -1).astype(np.float32) for each in (maps, lost))
    blocks = (block_of((17, 16, 16), (128, 128)),)
    apart = disagreement(blocks, spread_of(blocks, rows), less, rows).mean()
    np.testing.assert_allclose(apart, (1 / 2 - 1 / 12) / 17, rtol=1e-5)


def test_distances_are_the_mean_over_all_pairs_of_different_images():
    rng = np.random.default_rng(0)
    maps = (rng.normal(size=(7, 3, 4, 5)) + 1e3).astype(np.float32)
    rows = np.hstack([maps.reshape(7, -1), rng.normal(size=(7, 6)).astype(np.float32)])
    blocks = (block_of((3, 4, 5)), block_of((6,)))
    expected = np.zeros(9)
    for one in range(7):
        for other in set(range(7)) - {one}:
            gap = rows[one].astype(float) - rows[other]
            expected[:3] += (gap[:60].reshape(3, 20) ** 2).sum(axis=1)
            expected[3:] += gap[60:] ** 2
    np.testing.assert_allclose(spread_of(blocks, rows), expected / 42, rtol=1e-9)


def test_agreement_is_1_at_the_clean_image_0_at_anothers_and_a_half_at_the_mean():
    rng = np.random.default_rng(1)
    rows = np.cumsum(rng.normal(size=(40, 30)), axis=1).astype(np.float32)
    blocks = (Block(5, 2, 3),)
    distances = spread_of(blocks, rows)
    pairs = [(one, other) for one in range(40) for other in range(40) if one != other]
    at_others = disagreement(blocks, distances, *rows[np.array(pairs).T])
    np.testing.assert_allclose(1 - at_others.mean(), 0, atol=1e-9)
    mean = np.broadcast_to(rows.astype(float).mean(axis=0), rows.shape)
    at_mean = disagreement(blocks, distances, mean, rows)
    np.testing.assert_allclose(1 - at_mean.mean(), 0.5 + 0.5 / 40, atol=1e-9)
    assert not disagreement(blocks, distances, rows, rows).any()


def test_what_never_changes_is_left_out_even_where_rounding_moves_it():
    rows = np.random.default_rng(2).normal(size=(9, 3)).astype(np.float32)
    rows[:, 1] = np.float32(7) + np.float32(2e-6) * (np.arange(9) % 2)
    distances = spread_of((Block(1, 3, 1),), rows)
    assert distances[1] == 0 < distances[[0, 2]].min()
    assert not spread_of((Block(1, 3, 1),), rows[:1]).any()


@pytest.mark.parametrize("kind", TYPES)
def test_the_tail_finds_what_the_host_finds(kind):
    rng = np.random.default_rng(3)
    shapes = [(3, 4, 5), (6, 2)]
    clean = rng.normal(size=(3, 72)).astype(TYPES[kind]).astype(np.float32)
    blocks = tuple(block_of(shape) for shape in shapes)
    distances = spread_of(blocks, clean)
    distances[0] = 0
    task = Agreement(blocks, (kind, TensorProto.FLOAT), ("a", "b"), known=distances)
    rows = np.repeat(clean, 4, axis=0)
    rows[1::4] += rng.normal(size=(3, 72)).astype(np.float32)
    rows[2::4] *= 0
    rows = rows.astype(TYPES[kind]).astype(np.float32)
    rows[3, :20] = np.inf  # of a channel that is left out
    tail = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    feed = {
        "scores": rows[:, :60].reshape(12, 3, 4, 5).astype(TYPES[kind]),
        "scores_1": rows[:, 60:].reshape(12, 6, 2),
        "reference": clean,
    }
    (found,) = tail.run(["value"], feed)
    references = np.repeat(clean, 4, axis=0)
    assert found.shape == (12, task.columns) == (12, 3)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found, task.numbers(rows, references), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found[::4, 0], 1)
    counts = np.array([2, 2]) / 4
    np.testing.assert_allclose(found[:, 0], 1 - found[:, 1:] @ counts, atol=1e-5)


def test_half_of_the_way_to_another_output_is_what_an_attack_goes_below():
    rows = np.array([[0.0], [1.0]], np.float32)
    task = Agreement((Block(1, 1, 1),), (TensorProto.FLOAT,), ("depth",))
    task = task.seen(rows[:1]).seen(rows[1:]).learned()
    tried = np.array([[0.0], [0.5], [0.8], [2.0]], np.float32)
    own = np.zeros((4, 1), np.float32)
    np.testing.assert_allclose(task.values(tried, own), [1, 0.75, 0.36, -3], atol=1e-6)
    margin, wrong = task.margins(task.readings(tried), own)
    np.testing.assert_allclose(margin, [0.5, 0.25, -0.14, -3.5], atol=1e-6)
    np.testing.assert_array_equal(wrong, [False, False, True, True])
    np.testing.assert_array_equal(wrong, ~task.right(tried, own))
    np.testing.assert_allclose(task.change(tried, own), [0, 0.25, 0.64, 4], atol=1e-6)


def test_outputs_that_are_the_same_for_all_images_are_refused():
    task = Agreement((Block(1, 2, 1),), (TensorProto.FLOAT,), ("depth",))
    with pytest.raises(ArtifactError, match="output 'depth' is the same for all images"):
        task.seen(np.ones((3, 2), np.float32)).learned()


SIZE, CYCLES = 16, [1, 3, 5, 7]


def linear(tmp_path, *, maps=False):
    """The model of `graphs.linear_outputs`, ready to run."""
    path = graphs.linear_outputs(tmp_path / "m.onnx", SIZE, CYCLES, maps=maps)
    form = InputForm("image", TensorProto.FLOAT, "nchw", 3, SIZE, SIZE)
    affine = Affine([0, 1, 2], np.ones(3, np.float32), np.zeros(3, np.float32))
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    more = ("map",) if maps else ()
    return Model(Runtime(), session, form, "scores", affine, beside=more, any_shape=True)


def pictures(strengths):
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    return (0.5 + np.tensordot(strengths, waves, 1)).astype(np.float32)


def played(model, task, images, batch):
    """Values by the engine; absent bands are black."""
    engine = Engine(model, 4, task, "real", np.arange(16, dtype=np.uint64))
    index = band_index(SIZE, SIZE, 4, "linf", separate_dc=False)
    rows = np.zeros((len(images), 5, 3, SIZE, SIZE), np.float32)
    for image, row in zip(images, rows, strict=True):
        split(image, index, out=row[:-1])
    bands = engine.place(rows.reshape(len(images), 5, -1))
    references = task.answers(task.readings(model.scores(images)))
    return engine.values(bands, 0, 16, references, batch), references


def test_of_a_linear_model_the_shapley_values_are_those_of_a_quadratic_form(tmp_path):
    strengths = np.random.default_rng(0).uniform(0.02, 0.1, (5, 4))
    model, images = linear(tmp_path), pictures(strengths)
    blocks = (block_of((4,)),)
    task = Agreement(blocks, (TensorProto.FLOAT,), ("scores",)).seen(model.scores(images)).learned()
    table, _ = played(model, task, images[:2], 8)
    # v(S) = 1 - sum of G_ij over i, j not in S, whose Shapley values are the rows of G summed.
    apart = 2 * strengths.var(axis=0, ddof=1)
    bands = np.zeros((2, 4, 4))
    bands[:, np.arange(4), np.arange(4)] = strengths[:2]
    form = np.einsum("nic,njc,c->nij", bands, bands, 1 / apart) / 4
    found = shapley_values(table[..., 0])
    np.testing.assert_allclose(found, form.sum(axis=2), rtol=2e-3)
    np.testing.assert_allclose(table[:, -1, 0], 1, atol=1e-6)


@pytest.mark.parametrize("rows", [16, 7])
def test_several_outputs_of_one_run_are_read_by_engine_and_host_alike(tmp_path, monkeypatch, rows):
    strengths = np.random.default_rng(1).uniform(0.02, 0.1, (5, 4))
    model, images = linear(tmp_path, maps=True), pictures(strengths)
    scores = model.scores(images)
    assert scores.shape == (5, 68)
    assert model.score_shapes == ((4,), (1, 8, 8))
    blocks = tuple(map(block_of, model.score_shapes))
    task = Agreement(blocks, (TensorProto.FLOAT,) * 2, ("scores", "map"))
    task = task.seen(scores).learned()
    table, references = played(model, task, images[:2], rows)
    # However few rows the tail sees at once, it finds the same.
    monkeypatch.setattr("iaside_onnx.inference.engine._SPAN_BYTES", 3 * 4 * 68)
    again, _ = played(model, task, images[:2], rows)
    np.testing.assert_array_equal(again, table)
    present = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(bool)
    for image in range(2):
        kept = strengths[image] * present
        waves = graphs.map_waves(4)
        expected = np.hstack([kept, kept @ waves])
        own = np.repeat(references[[image]], 16, axis=0)
        np.testing.assert_allclose(table[image], task.numbers(expected, own), atol=2e-4)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
def test_agreement_does_not_depend_on_the_size_of_outputs(kind, size):
    """Nor on that of one beside another, though squares of single precision end at 1e38."""
    rng = np.random.default_rng(5)
    clean = rng.normal(size=(4, 14)) * np.r_[np.full(12, size), 1, 1]
    clean = clean.astype(np.float32)
    clean[:, 0] = size  # left out
    blocks = (Block(1, 4, 3), Block(1, 2, 1))
    task = Agreement(blocks, (kind, kind), ("a", "b")).seen(clean).learned()
    rows = (np.repeat(clean, 3, axis=0) * rng.uniform(0.5, 2, (12, 14))).astype(np.float32)
    rows[::3] = clean
    exact, own = rows.astype(np.float64), np.repeat(clean, 3, axis=0).astype(np.float64)
    means = clean.astype(np.float64).reshape(4, 1, 14) - clean.astype(np.float64)
    apart = [
        (means[..., part] ** 2).reshape(4, 4, channels, -1).sum(axis=(0, 1, 3)) / 12
        for part, channels in ((slice(0, 12), 4), (slice(12, 14), 2))
    ]
    squares = (exact - own) ** 2
    each = [squares[:, :12].reshape(12, 4, 3).sum(axis=2) / apart[0], squares[:, 12:] / apart[1]]
    expected = 1 - np.hstack(each).mean(axis=1)
    np.testing.assert_allclose(task.values(rows, own), expected, rtol=1e-5, atol=1e-5)
    feed = {
        "scores": rows[:, :12].reshape(12, 4, 3).astype(TYPES[kind]),
        "scores_1": rows[:, 12:].astype(TYPES[kind]),
        "reference": clean,
    }
    tail = ort.InferenceSession(task.tail(), providers=["CPUExecutionProvider"])
    (found,) = tail.run(["value"], feed)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert (found[::3, 0] == 1).all()


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_a_model_of_large_or_small_outputs_has_the_value_of_the_same_model(tmp_path, factor):
    strengths = np.random.default_rng(2).uniform(0.02, 0.1, (4, 4))
    images = np.rint(255 * np.moveaxis(pictures(strengths), 1, -1)).astype(np.uint8)
    path = graphs.linear_outputs(tmp_path / "m.onnx", SIZE, CYCLES)
    asked = {
        "task": "other", "bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit",
        "labels": "model",
    }  # fmt: skip
    data = images, np.zeros(4, int)
    plain = ia.analyze(path, data, **asked)
    model = onnx.load(path)
    model.graph.node[-1].op_type = "Mul"
    model.graph.node[-1].input.append("factor")
    model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "factor"))
    onnx.save(model, path)
    np.testing.assert_allclose(ia.analyze(path, data, **asked).value, plain.value, rtol=1e-4)


def test_infinite_outputs_are_refused_where_they_are(tmp_path, iaside):
    """Before anything is written, whether of a clean image or of a perturbed one."""
    path = graphs.linear_outputs(tmp_path / "m.onnx", SIZE, CYCLES)
    strengths = np.random.default_rng(2).uniform(0.07, 0.1, (4, 4))
    images = np.rint(255 * np.moveaxis(pictures(strengths), 1, -1)).astype(np.uint8)
    np.savez(tmp_path / "i.npz", images=images, labels=np.zeros(4, int))
    plain = onnx.load(path)

    def asked(command, below, *options):
        model = onnx.load_from_string(plain.SerializeToString())
        model.graph.node[-1].output[:] = ["plain"]
        for name, value in (("least", below), ("infinite", np.inf)):
            model.graph.initializer.append(numpy_helper.from_array(np.float32(value), name))
        model.graph.node.append(helper.make_node("Less", ["plain", "least"], ["small"]))
        model.graph.node.append(helper.make_node("Where", ["small", "infinite", "plain"],
                                                 ["scores"]))  # fmt: skip
        onnx.save(model, path)
        told = iaside(
            command, path, tmp_path / "i.npz", "--task", "other", "--preprocess", "unit",
            *options, "-o", tmp_path / "r.h5", "--overwrite",
        )  # fmt: skip
        assert told.exit_code == 2
        return told.stderr.splitlines()[-1]

    damage = "--corruption", "fog", "--severity", 3
    assert "hold infinite numbers for an image" in asked("robustness", 0.08, *damage)
    assert "a value that is infinite for image" in asked("robustness", 0.06, *damage)
    assert "(fog, severity 3)" in asked("robustness", 0.06, *damage)
    assert "under coalition 0" in asked("analyze", 0.06, "--bands", 2, "--absence", "zero")
    strong = "--corruption", "gaussian_noise", "--severity", 1, "--epsilon", 0.2
    assert "(square-linf)" in asked("robustness", 0.06, *strong, "--attack", "square-linf")


@pytest.mark.parametrize("factor", [1e-30, 1.0])
def test_images_that_share_their_batch_are_seen_whatever_the_size_of_outputs(tmp_path, factor):
    path = graphs.linear_outputs(tmp_path / "m.onnx", SIZE, CYCLES)
    strengths = np.random.default_rng(2).uniform(0.02, 0.1, (4, 4))
    images = np.rint(255 * np.moveaxis(pictures(strengths), 1, -1)).astype(np.uint8)
    model = onnx.load(path)
    model.graph.node[-1].output[:] = ["plain"]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(factor), "factor"))
    model.graph.node.append(helper.make_node("ReduceMean", ["plain"], ["mean"], axes=[0]))
    model.graph.node.append(helper.make_node("Add", ["plain", "mean"], ["sum"]))
    model.graph.node.append(helper.make_node("Mul", ["sum", "factor"], ["scores"]))
    onnx.save(model, path)
    listener = ia.Listener()
    ia.analyze(
        path, (images, np.zeros(4, int)), task="other", labels="model", bands=2, absence="zero",
        preprocess="unit", listener=listener,
    )  # fmt: skip
    assert any("depend on the others in its batch" in each for each in listener.warnings)


def wide_maps(path):
    """Twelve channels on 4 x 4 places, each a sum of the colours there."""
    weights = np.random.default_rng(0).normal(size=(12, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["map"]),
        helper.make_node("AveragePool", ["map"], ["scores"], kernel_shape=[4, 4], strides=[4, 4]),
    ]
    return graphs.save(
        path, nodes, {"weights": weights}, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", 12, 4, 4],
    )  # fmt: skip


def test_a_report_names_its_axes_and_one_that_took_others_is_not_done_again(tmp_path):
    rng = np.random.default_rng(2)
    data = write_npz(
        tmp_path / "d.npz", rng.random((4, SIZE, SIZE, 3), np.float32), np.zeros(4, int)
    )
    path, target = wide_maps(tmp_path / "m.onnx"), tmp_path / "r.h5"
    report = ia.analyze(path, data, target, task="other", bands=2, preprocess="unit")
    assert report.run["channel_axes"] == report.settings["channel_axes"] == [1]
    told = verify(target, model=path, images=data, redo=1)
    assert [check.name for check in told.checks if not check.holds] == []
    early = ia.load(target)
    del early.settings["channel_axes"]
    early.save(tmp_path / "early.h5")
    told = verify(tmp_path / "early.h5", model=path, images=data, redo=1)
    (check,) = (check for check in told.checks if not check.holds)
    assert "channel_axes" in check.text
    assert "by length" in check.text
