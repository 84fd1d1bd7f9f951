"""Confidence beside accuracy: gaps and calibration errors that are known, and files without."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError
from iaside_onnx.mathematics.calibration import calibrated_error, expected_calibration_error
from iaside_onnx.measure.scorer import Scorer
from iaside_onnx.results.confidence import confidences
from iaside_onnx.storage.partial import create_partial

from .test_robustness import STRENGTH, brightness_model, grey_images


def test_calibration_error_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    sure, right = rng.random((40, 2, 3)).round(2), rng.random((40, 2, 3)) < 0.5
    sure[:3, 0, 0], sure[3:6, 0, 0] = (0.0, 1.0, 0.2), (0.4, 0.6, 0.8)  # on the edges of bins
    expected = np.zeros((2, 3))
    for place in np.ndindex(2, 3):
        for low in range(15):
            inside = [k for k in range(40)
                      if low < round(15 * sure[k][place], 9) <= low + 1
                      or (low == 0 and sure[k][place] == 0)]  # fmt: skip
            gap = sum(sure[k][place] - right[k][place] for k in inside)
            expected[place] += abs(gap) / 40
    np.testing.assert_allclose(expected_calibration_error(sure, right), expected)


def test_few_images_make_a_calibrated_model_look_miscalibrated():
    rng = np.random.default_rng(1)
    found = {}
    for count in (30, 3000):
        sure = rng.uniform(0.5, 1, (count, 400))
        right = rng.random(sure.shape) < sure
        found[count] = expected_calibration_error(sure, right).mean()
        assert calibrated_error(sure[:, :4], 3).mean() == pytest.approx(found[count], rel=0.1)
    assert found[30] > 0.1 > 0.03 > found[3000]


@pytest.fixture
def planted(tmp_path):
    """A model whose probability follows from the mean of the picture, and pictures of one grey."""
    levels = [0.22, 0.33, 0.38, 0.48, 0.49, 0.6, 0.8, 0.9]
    model = brightness_model(tmp_path / "mean.onnx")
    return model, grey_images(tmp_path / "grey.npz", levels), np.array(levels)


def test_confidence_is_what_the_planted_model_says(planted, tmp_path, iaside):
    model, data, levels = planted
    target = tmp_path / "r.h5"
    report = ia.measure_robustness(
        model, data, target, corruption="brightness", severity=[1, 5], attack=[], temperature=4.0
    )
    after = np.minimum(levels[:, None] + [0.05, 0.3], 1)

    def sure_at(mean):  # of the answer, at T = 4
        return 1 / (1 + np.exp(-np.abs(STRENGTH / 4 * (2 * mean - 1))))

    np.testing.assert_allclose(report.max_prob, sure_at(levels), rtol=1e-3)
    np.testing.assert_allclose(report.corrupted_max_prob[:, 0], sure_at(after), rtol=1e-3)
    found, sure, wrong = report.confidences, sure_at(after), report.wrong[:, 0]
    assert found.clean.gap.value == pytest.approx(sure_at(levels).mean() - 1, rel=1e-3)
    assert np.isnan(found.clean.when_wrong.value)  # it makes no error
    assert found.cells.gap.value[0] == pytest.approx((sure - ~wrong).mean(axis=0), rel=1e-3)
    assert found.perturbations.gap.value == pytest.approx([(sure - ~wrong).mean()], rel=1e-3)
    assert found.perturbations.when_wrong.value == pytest.approx([sure[wrong].mean()], rel=1e-3)
    ece = [expected_calibration_error(sure[:, s], ~wrong[:, s]) for s in (0, 1)]
    np.testing.assert_allclose(found.cells.ece[0], ece, atol=1e-3)
    assert found.perturbed.ece == pytest.approx(np.mean(ece), abs=1e-3)
    assert found.cells.gap.low[0, 1] < found.cells.gap.value[0, 1] < found.cells.gap.high[0, 1]
    summary = json.loads(iaside("show", target, "--json").stdout)
    assert summary["clean_confidence"]["when_wrong"] == {"value": None, "low": None, "high": None}
    row = summary["corruptions"][0]
    assert row["confidence"]["gap"]["value"] == pytest.approx(found.perturbed.gap.value)
    assert row["confidences"]["ece"] == pytest.approx(found.cells.ece[0].tolist())
    shown = iaside("show", target).stdout
    assert "too sure by" in shown
    assert "Confidence, clean: " in shown
    # A file of an early version says nothing of it, and is done again without it.
    early = replace(report, max_prob=None, corrupted_max_prob=None)
    early.save(tmp_path / "early.h5")
    assert ia.load(tmp_path / "early.h5").confidences is None
    shown = iaside("show", tmp_path / "early.h5").stdout
    assert "Confidence" not in shown
    assert "sure by" not in shown
    kept = json.loads(iaside("show", tmp_path / "early.h5", "--json").stdout)
    assert kept == {
        **{key: value for key, value in summary.items() if not key.endswith("_confidence")},
        "corruptions": [{k: v for k, v in row.items() if not k.startswith("confidence")}],
    }
    for name in ("early.h5", "r.h5"):
        result = iaside("verify", tmp_path / name, "--redo", 3, "--model", model, "--images", data)
        assert result.exit_code == 0, result.stdout + result.stderr


def test_confidences_do_not_depend_on_the_order_of_images():
    rng = np.random.default_rng(0)
    clean = rng.random(30), rng.random(30) < 0.3
    cells = rng.random((30, 2, 2)), rng.random((30, 2, 2)) < 0.5
    order = rng.permutation(30)
    one = confidences(clean, cells, 0, 0.95)
    moved = [tuple(each[order] for each in pair) for pair in (clean, cells)]
    other = confidences(*moved, 0, 0.95)
    for name in ("gap", "when_wrong"):
        spreads = [getattr(each.perturbed, name) for each in (one, other)]
        ends = [(float(spread.low), float(spread.high)) for spread in spreads]
        assert ends[0] == pytest.approx(ends[1], abs=1e-12)
    assert one.cells.ece_if_calibrated == pytest.approx(other.cells.ece_if_calibrated, abs=1e-12)


def test_a_partial_file_of_a_version_without_probabilities_is_not_continued(
    planted, tmp_path, monkeypatch
):
    model, data, _ = planted
    target = tmp_path / "r.h5"
    asked = {"corruption": "brightness", "severity": [1, 5], "attack": []}

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "__call__", stop)
        with pytest.raises(KeyboardInterrupt):
            ia.measure_robustness(model, data, target, **asked)
    with h5py.File(target.with_name("r.h5.partial")) as file:
        identity, rows = json.loads(file.attrs["identity"]), len(file["game/log_prob"])
    create_partial(target, identity, rows, 1 + 3 * 2)
    with pytest.raises(ReportError, match="keeps 7 numbers of each image, and this version 10"):
        ia.measure_robustness(model, data, target, resume=True, **asked)
    report = ia.measure_robustness(model, data, target, overwrite=True, **asked)
    assert report.max_prob is not None
