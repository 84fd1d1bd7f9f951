"""Models with other outputs than classes, audited: by agreement, and detectors by their boxes."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, UsageError
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.mathematics.shapley import shapley_values
from iaside_onnx.measure.verification import verify

from . import graphs
from .conftest import write_npz

SIZE, CYCLES = 16, [1, 3, 5, 7]
FEW = {"bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit"}
STRENGTHS = np.random.default_rng(0).uniform(0.055, 0.1, (7, 4))


@pytest.fixture
def data(tmp_path):
    """Images around mid-grey with a wave of each strength."""
    waves = np.stack([graphs.wave(SIZE, cycles) for cycles in CYCLES])
    images = (0.5 + np.tensordot(STRENGTHS, waves, 1)).astype(np.float32)
    return write_npz(tmp_path / "d.npz", np.moveaxis(images, 1, -1), np.zeros(7, int))


@pytest.fixture
def model(tmp_path):
    return graphs.linear_outputs(tmp_path / "m.onnx", SIZE, CYCLES, maps=True)


def expected_distances(kept):
    """Of both outputs, from the amplitudes that are kept, (n, 4): each band has its own wave."""
    apart = 2 * STRENGTHS.var(axis=0, ddof=1)
    lost = (STRENGTHS - kept) ** 2
    # The waves of the map are orthogonal, so its squared distance is a sum over them.
    energy = (graphs.map_waves(4) ** 2).sum(axis=1)
    return np.stack([(lost / apart).mean(axis=1), lost @ energy / (apart @ energy)], axis=1)


def test_all_outputs_of_numbers_are_valued_by_their_agreement(model, data, tmp_path):
    report = ia.analyze(model, data, tmp_path / "r.h5", task="other", **FEW)
    assert report.settings["output"] == ["scores", "map"]
    assert report.settings["value"] == "agreement"
    assert report.accuracy is None
    assert report.value.shape == (7, 16)
    for coalition in range(16):
        kept = STRENGTHS * (coalition >> np.arange(4) & 1)
        each = expected_distances(kept)
        np.testing.assert_allclose(report.distances[:, coalition], each, rtol=2e-2, atol=2e-3)
        value = 1 - each @ [4 / 5, 1 / 5]  # by channels: four numbers, and one map
        np.testing.assert_allclose(report.value[:, coalition], value, rtol=2e-2, atol=2e-3)
    np.testing.assert_allclose(report.value[:, -1], 1, atol=1e-6)
    again = ia.load(tmp_path / "r.h5")
    np.testing.assert_array_equal(again.distances, report.distances)
    np.testing.assert_array_equal(again.shapley, report.shapley)
    assert "accuracy" not in report.interpretation()
    one = ia.analyze(model, data, task="other", output="scores", **FEW)
    assert (one.settings["output"], one.distances) == ("scores", None)
    np.testing.assert_allclose(one.value, 1 - report.distances[..., 0], atol=1e-5)


def test_shards_joined_are_the_whole(model, data):
    whole = ia.analyze(model, data, task="other", **FEW)
    parts = [ia.analyze(model, data, task="other", shard=f"{part}/2", **FEW) for part in (1, 2)]
    joined = ia.merge(parts)
    np.testing.assert_allclose(joined.value, whole.value, atol=1e-6)
    np.testing.assert_allclose(joined.distances, whole.distances, atol=1e-6)
    assert joined.data["digest"] == whole.data["digest"]


def test_outputs_too_large_to_keep_are_made_again(model, data, monkeypatch):
    kept = ia.analyze(model, data, task="other", **FEW)
    monkeypatch.setattr("iaside_onnx.measure.own_outputs.MOST_BYTES", 1)
    np.testing.assert_allclose(ia.analyze(model, data, task="other", **FEW).value, kept.value,
                               atol=1e-6)  # fmt: skip


def test_of_drawn_coalitions_the_whole_image_is_at_no_distance(model, data):
    drawn = ia.analyze(model, data, task="other", estimator="permutation", passes=8, **FEW)
    assert drawn.distances.shape == (*drawn.value.shape, 2)
    np.testing.assert_array_equal(drawn.value[:, -1], 1)
    np.testing.assert_array_equal(drawn.distances[:, -1], 0)
    exact = ia.analyze(model, data, task="other", **FEW)
    places = drawn.coalitions.astype(int)
    rows = np.arange(7)[:, None]
    np.testing.assert_allclose(drawn.value, exact.value[rows, places], atol=1e-5)
    np.testing.assert_allclose(drawn.distances, exact.distances[rows, places], atol=1e-5)


@pytest.mark.parametrize("suppressed", [False, True])
def test_a_detector_is_found_and_valued_by_its_boxes(tmp_path, data, suppressed):
    path = graphs.detector(tmp_path / "m.onnx", SIZE, CYCLES, 1, suppressed=suppressed)
    report = ia.analyze(path, data, **FEW)
    head = "batch-rows" if suppressed else "yolo"
    assert (report.settings["head"], report.settings["value"]) == (head, "matched-boxes")
    assert report.settings["threshold"] == 0.25
    present = (np.arange(16) >> 1 & 1).astype(float)
    np.testing.assert_allclose(report.value, np.tile(present, (7, 1)), atol=2e-2)
    np.testing.assert_allclose(report.sid, [0, 1, 0, 0], atol=2e-2)
    if not suppressed:
        plain = ia.analyze(path, data, head="none", **FEW)
        assert plain.settings["value"] == "agreement"
        lost = (STRENGTHS[:, 1] / STRENGTHS[:, 1].std(ddof=1)) ** 2 / 2
        np.testing.assert_allclose(plain.value[:, 0], 1 - lost, rtol=2e-2)
        np.testing.assert_allclose(shapley_values(plain.value)[:, 1], lost, rtol=2e-2)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({}, ArtifactError, "has 2 outputs that could be class scores"),
        ({"task": "other", "output": "largest"}, ArtifactError, "output 'largest' is int64"),
        ({"task": "other", "output": ["map", "none"]}, ArtifactError, "no output .* named 'none'"),
        ({"output": ["map", "map"]}, UsageError, "the same output is named twice"),
        ({"head": "yolo"}, ArtifactError, "the outputs are no such head"),
        ({"head": "boxen"}, UsageError, "boxen"),
        ({"task": "embedding", "output": ["scores", "map"]}, UsageError, "one output is read"),
        ({"task": "classes", "head": "none"}, UsageError, "one output is read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(model, data, options, error, words):
    with pytest.raises(error, match=words) as caught:
        ia.analyze(model, data, **options, **FEW)
    assert "\n" not in str(caught.value)


def test_images_that_are_all_alike_tell_nothing(model, tmp_path):
    images = np.full((3, SIZE, SIZE, 3), 0.5, np.float32)
    with pytest.raises(ArtifactError, match="is the same for all images of the sample"):
        ia.analyze(model, write_npz(tmp_path / "d.npz", images, [0, 1, 2]), task="other", **FEW)


def test_attacks_corruptions_and_damage_of_any_output(model, data, tmp_path):
    common = {"preprocess": "unit", "task": "other", "samples": 3}
    told = ia.measure_robustness(
        model, data, tmp_path / "r.h5", corruption="brightness", severity=[1, 5],
        attack="square-linf", epsilon=0.1, queries=30, attack_samples=2, **common,
    )  # fmt: skip
    np.testing.assert_allclose(told.value, 1, atol=1e-5)
    assert told.corrupted_value.shape == told.corrupted_share.shape == (3, 1, 2)
    np.testing.assert_array_equal(told.wrong, told.corrupted_value <= 0.5)
    np.testing.assert_allclose(told.change, 1 - told.corrupted_value, atol=1e-5)
    assert told.attack_change[told.attack_queries >= 0].min() > 0
    damage = ia.explain(
        model,
        data,
        tmp_path / "d.h5",
        corruption="gaussian_noise",
        severity=3,
        bands=4,
        norm="linf",
        **common,
    )
    assert damage.right is None or damage.right.shape == damage.log_prob.shape
    assert "accuracy" not in damage.sentence()


def test_attacks_and_damage_of_a_detector(tmp_path, data):
    path = graphs.detector(tmp_path / "m.onnx", SIZE, CYCLES, 1, suppressed=False)
    told = ia.measure_robustness(
        path, data, tmp_path / "r.h5", corruption="contrast", severity=5, attack="square-l2",
        epsilon=1.0, queries=30, attack_samples=2, preprocess="unit", samples=3,
    )  # fmt: skip
    # Less contrast leaves less of the wave, and of the confidence as much less.
    assert 0 < told.corrupted_value.max() < 0.5
    assert told.wrong.all()
    damage = ia.explain(
        path, data, tmp_path / "d.h5", corruption="contrast", severity=5, bands=4, norm="linf",
        preprocess="unit", samples=3,
    )  # fmt: skip
    assert "accuracy" not in damage.sentence()


def test_rows_are_done_again_with_the_distances_of_each_output(model, data, tmp_path):
    target = tmp_path / "r.h5"
    ia.analyze(model, data, target, task="other", **FEW)
    told = verify(target, model=model, images=data, redo=2)
    assert [check.name for check in told.checks if not check.holds] == []
    altered = ia.load(target)
    altered.distances[:] += np.float32(0.1)
    altered.save(tmp_path / "altered.h5")
    told = verify(tmp_path / "altered.h5", model=model, images=data, redo=2)
    assert [check.name for check in told.checks if not check.holds] == ["rows"]


def test_boxes_and_scores_of_two_outputs_are_read_in_batches(tmp_path, data):
    nodes, constants = graphs.amplitudes(SIZE, CYCLES)
    corners = np.random.default_rng(0).uniform(0, 8, (1, 120, 4)).astype(np.float32)
    corners[..., 2:] += corners[..., :2]
    place = np.zeros((4, 240), np.float32)
    place[2, 11] = 5  # class 1 of candidate 5, by the third wave
    constants |= {"corners": corners, "place": place, "two": np.array([0, 120, 2])}
    constants |= {"none": np.zeros((4, 480), np.float32), "four": np.array([0, 120, 4])}
    nodes += [
        helper.make_node("MatMul", ["amplitude", "place"], ["flat_scores"]),
        helper.make_node("Reshape", ["flat_scores", "two"], ["scores"]),
        helper.make_node("MatMul", ["amplitude", "none"], ["flat_boxes"]),
        helper.make_node("Reshape", ["flat_boxes", "four"], ["zeros"]),
        helper.make_node("Add", ["zeros", "corners"], ["boxes"]),
    ]
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["n", 120, 4])
    path = graphs.save(
        tmp_path / "m.onnx", nodes, constants, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", 120, 2], extra_outputs=[boxes],
    )  # fmt: skip
    report = ia.analyze(path, data, **FEW)
    assert report.settings["head"] == "ssd"
    assert report.settings["output"] == ["boxes", "scores"]
    assert report.run["batch_mode"] == "file"
    np.testing.assert_allclose(report.sid, [0, 0, 1, 0], atol=2e-2)
    one = ia.analyze(path, data, threshold=0.45, **FEW)
    np.testing.assert_allclose(one.value[STRENGTHS[:, 2] < 0.088, 0], 1)  # no object there


@pytest.mark.parametrize("batch", ["n", 4])
def test_a_classifier_of_seven_classes_that_saturates_is_no_detector(tmp_path, batch):
    colours = np.array([[k & 1, k >> 1 & 1, k >> 2 & 1] for k in range(7)], np.float32)
    path = graphs.prototypes(
        tmp_path / "m.onnx", colours, strength=500.0, probabilities=True, batch=batch
    )
    pixels = np.broadcast_to(255 * colours[:, None, None], (7, 16, 16, 3)).astype(np.uint8)
    data = write_npz(tmp_path / "d.npz", pixels[::-1], np.arange(7)[::-1])
    report = ia.analyze(path, data, **FEW)
    assert (report.accuracy, report.settings["value"]) == (1, "log-prob")
    told = inspect(path)
    assert (told["task"], told["classes"], told["head"]) == ("classes", 7, None)
