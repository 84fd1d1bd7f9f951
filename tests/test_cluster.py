"""Workers elsewhere: the same table as one process fills, whoever dies on the way."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import IasideError, UsageError
from iaside_onnx.listener import Listener
from iaside_onnx.measure import job, workers

from . import graphs
from .conftest import ROOT, write_npz

SAME = ("labels", "predicted", "image_ids", "image_digests", "settings", "model", "provider")
BANDS = 6
PASSES = 1 << BANDS


@pytest.fixture
def case(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (26, 32, 32, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(26) % 4)
    return graphs.small_network(tmp_path / "m.onnx", size=32), data


@pytest.fixture
def told(case, monkeypatch):
    """What a client tells its workers of an audit."""
    model, data = case
    jobs = []

    class ToldError(Exception):
        pass

    class Silent(workers.Workers):
        def evaluate(self, job, *_):
            jobs.append(job)
            raise ToldError

    class Here:
        def __enter__(self):
            return Silent(None, "here", Listener(), 1, local=False)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr("iaside_onnx.measure.run.open_workers", lambda *_: Here())
    with pytest.raises(ToldError):
        ia.analyze(model, data, bands=BANDS, batch=16, dask="here")
    return jobs[0]


def elsewhere(told, *, images=None, **places):
    """A job that names other files."""
    if images is not None:
        places["reading"] = replace(told.request.reading, images=images)
    return {"request": replace(told.request, **places)}


def same(report, reference):
    assert np.array_equal(report.log_prob, reference.log_prob)
    for name in SAME:
        assert np.array_equal(getattr(report, name), getattr(reference, name)), name
    assert report.data == reference.data
    assert report.intervals.srs == reference.intervals.srs


def test_a_worker_evaluates_any_images_as_one_process_does(case, told):
    reference = ia.analyze(*case, bands=BANDS, batch=16)
    for positions in ([3], [20, 1, 7]):
        outcome = job.evaluate(told, positions, "tcp://w:1")
        assert outcome.batch == 16
        assert np.array_equal(outcome.rows, reference.log_prob[positions])


def test_a_worker_refuses_what_is_not_the_clients(tmp_path, case, told):
    _, data = case
    images = np.load(data)["images"]
    images[5] ^= 1
    other = write_npz(tmp_path / "other.npz", images, np.arange(26) % 4)
    other_model = graphs.small_network(tmp_path / "other.onnx", size=32, seed=1)
    for changes, positions, words in (
        (
            elsewhere(told, images=other),
            [5],
            r"other images there \(image 0*5\)",
        ),
        ({"chosen": told.chosen + 9}, [0], "other images there"),
        ({"keys": ["0" * 64] * len(told.keys)}, [0], "image 0*0: decodes to other pixels here"),
        (elsewhere(told, model=other_model), [0], "is another model there"),
        (elsewhere(told, model=tmp_path / "gone.onnx"), [0], "no such file there"),
        ({"settings": {**told.settings, "layout": "nhwc"}}, [0], 'layout comes to "nchw" there'),
        ({"versions": {**told.versions, "onnxruntime": "1.0"}}, [0], "has onnxruntime .*, not 1.0"),
    ):
        outcome = job.evaluate(replace(told, token=words, **changes), positions, "tcp://w:1")
        assert outcome.rows is None
        assert re.match(f"worker tcp://w:1: .*{words}", str(outcome.refusal))
    # Another image of the changed file is the same as before, and is used.
    changed = replace(told, token="again", **elsewhere(told, images=other))
    assert job.evaluate(changed, [4], "tcp://w:1").rows is not None
    # Images are compared at every reading, not when the worker opens them alone.
    copy = tmp_path / "copy.npz"
    shutil.copy(data, copy)
    opened = replace(told, token="opened", **elsewhere(told, images=copy))
    assert job.evaluate(opened, [5], "tcp://w:1").rows is not None
    shutil.copy(other, copy)
    assert "(image 00000005)" in str(job.evaluate(opened, [5], "tcp://w:1").refusal)


def test_workers_of_other_versions_are_named():
    good = job.versions()
    workers._check_versions({"tcp://a:1": good, "tcp://b:2": dict(good)}, "tcp://s:3")
    for found, words in (
        ({**good, "iaside": "0.0.1"}, "has iaside 0.0.1, not"),
        ({**good, "onnxruntime": "1.0"}, "has onnxruntime 1.0, not"),
        (ModuleNotFoundError("No module", name="iaside_onnx"), "lacks iaside_onnx"),
        (OSError("disk"), "cannot load iaside: disk"),
    ):
        with pytest.raises(UsageError, match=f"worker tcp://b:2 {words}"):
            workers._check_versions({"tcp://a:1": good, "tcp://b:2": found}, "tcp://s:3")


def test_local_workers_get_a_graphics_card_each(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5c")
    assert workers.cards_for("cuda") == ("2", "GPU-5c")
    assert [job.device_of(worker, workers.cards_for("cuda")) for worker in (0, 1, 2)] == [
        "2",
        "GPU-5c",
        "2",
    ]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert workers.cards_for("cuda") == ()


@pytest.mark.parametrize("asked", ["local", "local:0", "local:x", "no place", "ftp://h:9", "h"])
def test_what_is_no_address_is_refused(tmp_path, case, iaside, asked):
    result = iaside("analyze", *case, "-o", tmp_path / "r.h5", "--dask", asked)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "give local:N" in result.stderr


def test_without_dask_one_line_says_what_to_install(tmp_path, case, iaside, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = iaside("analyze", *case, "-o", tmp_path / "r.h5", "--dask", "local:2")
    assert result.exit_code == 2
    assert "pip install 'iaside-onnx[distributed]'" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.npz", "m.onnx"]


def dask(*words):
    """A process of Dask's own command line."""
    pytest.importorskip("distributed", reason="Dask is not installed (extra 'distributed')")
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler's address and two workers' processes, which nothing restarts."""
    found = tmp_path / "scheduler.json"
    place = ["--scheduler-file", str(found), "--no-dashboard"]
    leader = dask("scheduler", *place, "--host", "127.0.0.1", "--port", "0")
    followers = []
    try:
        deadline = time.monotonic() + 120
        while not found.exists():
            assert leader.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        alone = ["--no-nanny", "--nthreads", "1", "--local-directory", str(tmp_path)]
        followers = [dask("worker", *place, *alone) for _ in range(2)]
        from distributed import Client

        with Client(scheduler_file=str(found), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            yield client.scheduler.address, followers
    finally:
        for process in (*followers, leader):
            process.kill()
            process.wait()


def test_a_worker_killed_in_the_middle_changes_nothing(tmp_path, case, scheduler, monkeypatch):
    model, data = case
    reference = ia.analyze(model, data, tmp_path / "one.h5", bands=BANDS, batch=16)
    address, followers = scheduler
    done = []

    def advance(passes):
        done.append(passes)
        if len(done) == 3:
            followers[0].send_signal(signal.SIGKILL)

    listener = Listener(advance=advance)
    target = tmp_path / "r.h5"
    report = ia.analyze(model, data, target, bands=BANDS, batch=16, dask=address, listener=listener)
    assert followers[0].wait() == -signal.SIGKILL
    assert followers[1].poll() is None
    assert sum(done) == len(reference.labels) * PASSES
    same(report, reference)
    assert report.run["workers"] == 2

    # Nobody is left: the run says so and keeps what is done, and a single process goes on from it.
    last = tmp_path / "last.h5"
    done.clear()

    def stop(passes):
        done.append(passes)
        if len(done) == 3:
            followers[1].send_signal(signal.SIGKILL)

    monkeypatch.setattr(workers, "_WAIT_FOR_WORKERS", 2.0)
    listener = Listener(advance=stop)
    with pytest.raises(IasideError, match=r"no worker is left.*resume=True"):
        ia.analyze(model, data, last, bands=BANDS, batch=16, dask=address, listener=listener)
    resumed = ia.analyze(model, data, last, bands=BANDS, batch=16, resume=True)
    assert resumed.run["resumed_after"] >= 3 * PASSES
    same(resumed, reference)


def test_local_workers_from_the_command_line(tmp_path, case, iaside):
    pytest.importorskip("distributed", reason="Dask is not installed (extra 'distributed')")
    model, data = case
    options = ["--bands", BANDS, "--batch", 16, "--samples", 8, "--quiet", "--shard", "2/2"]
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    alone = iaside("analyze", model, data, "-o", one, *options)
    assert alone.exit_code == 0
    command = [sys.executable, "-m", "iaside_onnx", "analyze", model, data, "-o", many, *options]
    ran = subprocess.run(
        [*map(str, command), "--dask", "local:2"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, alone.stderr)
    same(ia.load(many), ia.load(one))
    assert ia.load(many).run["threads"] >= 1
    assert not Path(f"{many}.partial").exists()


def test_a_task_of_several_images_keeps_each_row(tmp_path, case, iaside):
    pytest.importorskip("distributed", reason="Dask is not installed (extra 'distributed')")
    options = ["--corruption", "fog", "--severity", "3", "--queries", "5", "--attack-samples", "3"]
    options += ["--batch", "4", "--quiet"]
    one, many = tmp_path / "one.h5", tmp_path / "many.h5"
    assert iaside("robustness", *case, "-o", one, *options).exit_code == 0
    command = ["robustness", *case, "-o", many, *options, "--dask", "local:1"]
    ran = subprocess.run(
        [sys.executable, "-m", "iaside_onnx", *map(str, command)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert ran.returncode == 0
    here, there = ia.load(one), ia.load(many)
    assert len(np.unique(here.corrupted_log_prob)) == 26  # so a task has two images
    for name in ("log_prob", "wrong", "change", "corrupted_log_prob", "attack_queries"):
        assert np.array_equal(getattr(there, name), getattr(here, name)), name


def test_a_scheduler_that_is_not_there_is_named(tmp_path, case, iaside):
    dask = pytest.importorskip("dask", reason="Dask is not installed (extra 'distributed')")
    with dask.config.set({"distributed.comm.timeouts.connect": "500ms"}):
        gone = iaside("analyze", *case, "-o", tmp_path / "r.h5", "--dask", "tcp://127.0.0.1:9")
    assert gone.exit_code == 2
    error = gone.stderr.splitlines()[-1]
    assert error.startswith("Error: --dask tcp://127.0.0.1:9: no scheduler with workers")
    assert not (tmp_path / "r.h5").exists()


def test_no_logger_of_dask_prints_its_tracebacks():
    logging.getLogger("distributed.client").setLevel(logging.WARNING)  # as importing it does
    workers.quieten()
    assert not logging.getLogger("distributed.client").isEnabledFor(logging.CRITICAL)
