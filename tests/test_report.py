"""The report on disk: layout, round trip, views without the model, broken files."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError

from . import graphs
from .conftest import write_npz
from .made_reports import made as made_up


@pytest.fixture
def made(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(12) % 4)
    path = tmp_path / "r.h5"
    return ia.analyze(graphs.small_network(tmp_path / "m.onnx"), data, path, bands=4), path


def test_layout_is_readable_with_plain_h5py(made):
    report, path = made
    with h5py.File(path) as file:
        assert file.attrs["format"] == "iaside-report"
        assert file.attrs["format_version"] == 1
        assert bool(file.attrs["complete"])
        assert file.attrs["model_sha256"] == report.model["sha256"]
        assert file.attrs["data_digest"] == report.data["digest"]
        assert file.attrs["provider"] == "cpu"
        assert file.attrs["created"].endswith("+00:00")
        table = file["game/log_prob"]
        assert (table.shape, table.dtype) == ((12, 16), np.float32)
        assert table.chunks is not None
        assert table.chunks[1] == 16
        for name in ("game/log_prob", "game/labels", "shapley/per_image"):
            assert file[name].fletcher32
        assert file["game/labels"].dtype == np.int64
        assert file["game/image_ids"].asstr()[0] == "00000000"
        assert file["shapley/per_image"].shape == (12, 4)
        assert file["shapley/per_image"].dtype == np.float64
        np.testing.assert_array_equal(file["shapley/mean"], report.shapley)
        np.testing.assert_array_equal(file["shapley/stderr"], report.shapley_stderr)
        np.testing.assert_array_equal(file["sid/values"], report.sid)
        assert file["srs/value"][()] == report.srs


def test_intervals_depend_on_no_name():
    """Files renamed, so in another order, with equal values: equal intervals, also of classes."""
    psi = np.random.default_rng(1).normal([2.0, 1.0, 0.9, 0.8], 1.0, (60, 4))
    order = np.random.default_rng(2).permutation(60)
    labels = np.arange(60) % 2

    def ends(rows, **settings):
        report = made_up(psi[rows], labels=labels[rows], **settings)
        classes = report.class_profiles.own
        return report.intervals.srs_signed, classes.signed_low.tolist(), classes.sid_high.tolist()

    one, other = (ends(rows, draws="pixels") for rows in (np.arange(60), order))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
    assert ends(np.arange(60))[0] != ends(order)[0]  # older reports keep theirs


def test_round_trip_and_no_silent_overwriting(made, tmp_path):
    report, _ = made
    copy = tmp_path / "copy.h5"
    report.save(copy)
    again = ia.load(copy)
    assert again.summary() == report.summary()
    np.testing.assert_array_equal(again.log_prob, report.log_prob)
    with pytest.raises(ReportError, match="overwrite=True"):
        report.save(copy)
    report.save(copy, overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir() if "tmp" in file.name) == []


def test_everything_follows_from_the_table(made):
    report, _ = made
    table = report.log_prob.astype(np.float64)
    np.testing.assert_allclose(report.shapley, ia.shapley_values(table.mean(axis=0)), atol=1e-12)
    for value, function in (
        ("prob", np.exp),
        ("log-prob-clipped", lambda v: np.maximum(v, np.log(0.01))),
    ):
        view = report.view(value=value)
        expected = ia.shapley_values(function(table)).mean(axis=0)
        np.testing.assert_allclose(view.shapley, expected, atol=1e-12)
        assert view.efficiency_residual < 1e-9
    narrow = report.view(confidence=0.5).intervals.srs
    assert narrow[1] - narrow[0] < np.ptp(report.intervals.srs)
    assert report.view(beta=0.5).srs != report.srs


def test_per_class_rows_add_up(made):
    report, _ = made
    rows = report.per_class()
    assert [row["class"] for row in rows] == [0, 1, 2, 3]
    assert sum(row["n"] for row in rows) == 12
    accuracy = sum(row["accuracy"] * row["n"] for row in rows) / 12
    assert accuracy == pytest.approx(report.accuracy)


def test_clean_accuracy_is_the_full_coalitions(made):
    report, _ = made
    # Every band present is the image itself: the table's last column is the clean log-probability.
    right = report.predicted == report.labels
    assert report.log_prob[right, -1].min() > np.log(1 / 4)
    assert report.mean_log_prob == pytest.approx(report.log_prob[:, -1].mean(), abs=1e-6)


def limited_command(arguments, limit):
    """Run with files limited in size, as on a full disk."""
    return subprocess.run(
        [sys.executable, "-m", "iaside_onnx", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        env={**os.environ, "MPLCONFIGDIR": "/nonexistent"},
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource limits of POSIX")
@pytest.mark.parametrize("limit", [2_000, 90_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, iaside, limit):
    images = np.random.default_rng(2).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(40) % 4)
    model = graphs.small_network(tmp_path / "m.onnx")
    target = tmp_path / "out" / "r.h5"
    target.parent.mkdir()
    result = limited_command(["analyze", model, data, "-o", target, "--bands", 8, "--quiet"], limit)
    # 40 rows of 256 values take 41 kB: the smaller limit stops before the work, the larger when
    # the report itself is written, and then the finished table is kept for --resume.
    assert result.returncode == 2
    errors = [line for line in result.stderr.splitlines() if not line.startswith("Warning:")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ")
    assert ("--resume" in errors[0]) == (limit > 2_000)
    left = [file.name for file in target.parent.iterdir()]
    assert left == ([] if limit == 2_000 else ["r.h5.partial"])
    again = iaside("analyze", model, data, "-o", target, "--bands", 8, "--quiet", "--resume")
    assert again.exit_code == 0
    assert [file.name for file in target.parent.iterdir()] == ["r.h5"]
