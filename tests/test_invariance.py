"""The same report whatever the batch, the threads, or the number of interruptions."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError
from iaside_onnx.measure.batch_size import BatchSize

from . import graphs
from .conftest import write_npz
from .dying import dies


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(9) % 4)
    return graphs.small_network(tmp_path / "m.onnx"), data


@pytest.mark.parametrize("batch", [1, 7, 64, 100, None])
@pytest.mark.parametrize("threads", [1, 2])
def test_batch_and_threads_change_nothing(case, batch, threads):
    model, data = case
    reference = ia.analyze(model, data, bands=4, batch=16)
    other = ia.analyze(model, data, bands=4, batch=batch, threads=threads)
    np.testing.assert_allclose(other.log_prob, reference.log_prob, atol=1e-5)
    np.testing.assert_allclose(other.sid, reference.sid, atol=1e-5)
    assert other.settings == reference.settings


def test_same_seed_same_report_other_seed_other_sample(case):
    model, data = case
    one, two = (ia.analyze(model, data, bands=3, samples=5, seed=4) for _ in range(2))
    assert np.array_equal(one.log_prob, two.log_prob)
    assert one.intervals.srs == two.intervals.srs
    assert one.image_ids == two.image_ids
    samples = {
        tuple(ia.analyze(model, data, bands=1, samples=5, seed=s).image_ids) for s in range(6)
    }
    assert len(samples) > 1


@pytest.mark.parametrize("batch", [1, 2])
def test_a_fixed_batch_runs_freed_and_gives_the_same_table(tmp_path, case, batch):
    free, data = case
    fixed = graphs.small_network(tmp_path / "fixed.onnx", batch=batch)
    old = graphs.small_network(
        tmp_path / "old.onnx", batch=batch, ir=3, opset=7, weights_as_inputs=True
    )
    reference = ia.analyze(free, data, bands=4)
    for model in (fixed, old):
        report = ia.analyze(model, data, bands=4)
        assert report.run["batch_mode"] == "freed"
        np.testing.assert_allclose(report.log_prob, reference.log_prob, atol=1e-5)


def test_a_batch_that_cannot_be_freed_runs_as_it_is_with_a_warning(tmp_path, case):
    from onnx import helper

    _, data = case
    # Two images are picked by number, which no edit takes apart.
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gather", ["flat", "both"], ["picked"], axis=0),
        helper.make_node("MatMul", ["picked", "weight"], ["scores"]),
    ]
    constants = {
        "weight": np.random.default_rng(0).normal(0, 0.1, (768, 4)).astype(np.float32),
        "both": np.array([0, 1], np.int64),
    }
    model = graphs.save(
        tmp_path / "stuck.onnx", nodes, constants, input_shape=[2, 3, 16, 16], output_shape=[2, 4]
    )
    report = ia.analyze(model, data, bands=3)
    assert report.run["batch_mode"] == "fixed"
    assert any("2 at a time" in warning for warning in report.run["warnings"])
    # The same network without the Gather, as a free graph, is the answer to hold it against.
    plain = graphs.save(
        tmp_path / "plain.onnx",
        [nodes[0], helper.make_node("MatMul", ["flat", "weight"], ["scores"])],
        {"weight": constants["weight"]},
        input_shape=["n", 3, 16, 16],
        output_shape=["n", 4],
    )
    np.testing.assert_allclose(
        report.log_prob, ia.analyze(plain, data, bands=3).log_prob, atol=1e-5
    )


def test_killed_at_random_moments_and_resumed(tmp_path):
    rng = np.random.default_rng(8)
    images = rng.integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(48) % 4)
    model = graphs.small_network(tmp_path / "m.onnx", size=32)
    settings = {"bands": 8, "threads": 1}
    undisturbed = ia.analyze(model, data, **settings)
    target, partial = tmp_path / "killed.h5", tmp_path / "killed.h5.partial"
    rows_seen = []
    for after in (1, 1500, 2000):
        pause = float(rng.uniform(0.001, 0.01))
        assert dies("analyze", model, data, target, after=after, pause=pause, **settings)
        assert not target.exists()
        # Whole HDF5 at any moment, with NaN for what is not evaluated yet.
        with h5py.File(partial) as file:
            assert not file.attrs["complete"]
            rows_seen.append(int(np.isfinite(file["game/log_prob"][:]).all(axis=1).sum()))
    assert rows_seen == sorted(rows_seen)
    assert 0 < rows_seen[-1] < 48
    resumed = ia.analyze(model, data, target, resume=True, **settings)
    assert resumed.run["resumed_after"] == 256 * rows_seen[-1]
    np.testing.assert_allclose(resumed.log_prob, undisturbed.log_prob, atol=1e-5)
    assert resumed.settings == undisturbed.settings
    assert resumed.image_ids == undisturbed.image_ids
    assert not partial.exists()


def test_resume_refuses_another_model_data_or_setting(tmp_path, case):
    model, data = case
    target = tmp_path / "r.h5"
    ia.analyze(model, data, target, bands=3)
    before = target.read_bytes()
    other = graphs.small_network(tmp_path / "other.onnx", seed=1)
    images = np.random.default_rng(9).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    other_data = write_npz(tmp_path / "other.npz", images, np.arange(9) % 4)
    for arguments, settings, message in (
        ((other, data), {}, "another model"),
        ((model, other_data), {}, "other images"),
        ((model, data), {"absence": "zero"}, "absence"),
        ((model, data), {"seed": 2}, "seed"),
    ):
        with pytest.raises(ReportError, match=message):
            ia.analyze(*arguments, target, bands=3, resume=True, **settings)
    assert target.read_bytes() == before
    again = ia.analyze(model, data, target, bands=3, resume=True, beta=0.5)
    assert again.beta == 0.5


def test_the_batch_search_settles_on_the_fastest_size_and_halves_on_lack_of_memory():
    cost = {4: 9.0, 8: 5.0, 16: 3.0, 32: 2.99, 64: 3.1, 128: 3.2, 256: 4.0}

    def settled(search, cost):
        while search.searching:
            search.record(search.size, cost[search.size] * search.size)
        return search.size

    assert BatchSize(None, 4, 8, 100).at_once(32) == 4
    assert BatchSize(4).at_once(32) == 32

    search = BatchSize(None, 4, 1024, 10**6)
    assert settled(search, cost) == 16  # 32 gains less than it takes
    assert search.halve(16)
    assert search.size == 8
    # A size that is clearly slower, the end of the range, and a short job end the search.
    assert settled(BatchSize(None, 4, 1024, 10**6), {4: 2.0, 8: 1.0, 16: 1.5}) == 8
    assert settled(BatchSize(None, 4, 8, 10**6), cost) == 8
    assert settled(BatchSize(None, 4, 1024, 1000), cost) == 8
    assert settled(BatchSize(None, 4, 1024, 3000), cost) == 16
    # A moment in which the machine is slow settles nothing: sizes that came close take turns.
    search, calls = BatchSize(None, 4, 1024, 10**6), 0
    while search.searching:
        calls += 1
        slow = 1.1 if search.size == 16 and calls < 20 else 1.0
        search.record(search.size, slow * cost[search.size] * search.size)
    assert search.size == 16
    fixed = BatchSize(5)
    fixed.record(5, 1.0)
    assert fixed.size == 5
    assert not BatchSize(1).halve(1)


def test_out_of_memory_halves_the_batch_and_loses_nothing(case, monkeypatch):
    from iaside_onnx.inference.engine import Engine
    from iaside_onnx.inference.model import OutOfMemoryError
    from iaside_onnx.measure import analysis

    model, data = case
    reference = ia.analyze(model, data, bands=4)
    sizes = []

    class Small(Engine):
        def values(self, bands, start, stop, labels, batch=None, *rest):
            sizes.append(batch)
            if batch > 6:
                raise OutOfMemoryError("pretended")
            return super().values(bands, start, stop, labels, batch, *rest)

    monkeypatch.setattr(analysis, "Engine", Small)
    report = ia.analyze(model, data, bands=4, batch=100)
    assert sizes[0] == 96
    assert sizes[-1] == 4
    np.testing.assert_allclose(report.log_prob, reference.log_prob, atol=1e-5)
