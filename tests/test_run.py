"""What the run gives to every kind of measurement alike; and what a further kind costs."""

from __future__ import annotations

import json
import pickle
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import h5py
import numpy as np
import pytest
from onnx import helper

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.inference.model import Model, OutOfMemoryError
from iaside_onnx.measure import job, run, subject
from iaside_onnx.measure.contract import Measurement
from iaside_onnx.measure.request import LabelledOptions, Request
from iaside_onnx.measure.run import measure
from iaside_onnx.measure.scorer import Scorer
from iaside_onnx.measure.workers import Workers
from iaside_onnx.results.result import DIGESTS, IDS, LABELS, PREDICTED, ModelResult
from iaside_onnx.spelling import option
from iaside_onnx.storage import output_file
from iaside_onnx.storage import value_rules as rules
from iaside_onnx.storage.hdf5 import opened, read_content
from iaside_onnx.storage.schema import IMAGE, Field, Schema

from . import graphs
from .conftest import write_npz
from .dying import dies
from .test_results import as_one_run_writes, same

CORRUPTED = {"corruption": ["fog", "contrast"], "severity": [1, 3]}
ATTACKED = {"attack": "square-linf", "epsilon": 0.05, "queries": 12, "severity": [3], "bands": 2}
KINDS = {
    "analyze": (ia.analyze, {"bands": 3, "absence": "replace"}),
    "drawn": (ia.analyze, {"bands": 4, "estimator": "permutation", "passes": 8}),
    "robustness": (ia.measure_robustness, {**CORRUPTED, "queries": 12, "attack_samples": 5}),
    "heatmap": (ia.measure_heatmap, {"bands": 2, "temperature": "auto"}),
    "snr": (ia.measure_snr, {**CORRUPTED, "bands": 2}),
    "attacked": (ia.measure_snr, {**ATTACKED, "corruption": ["fog"]}),
    "explain": (ia.explain, {"bands": 3, "corruption": "fog"}),
    "split": (
        ia.explain,
        {
            "attack": "square-linf",
            "queries": 12,
            "epsilon": 0.05,
            "bands": 3,
            "split": True,
            "estimator": "permutation",
        },
    ),
}
WITH_MODEL = sorted(KINDS.keys() - {"snr"})


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    images = np.random.default_rng(5).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    return graphs.small_network(folder / "m.onnx"), write_npz(
        folder / "d.npz", images, np.arange(9) % 4
    )


def measured(kind, case, target=None, **options):
    """A measurement of this kind, with a batch of its own so that nothing is searched."""
    work, own = KINDS[kind]
    model, data = case
    given = {**own, **options}
    if kind != "snr":
        given = {"batch": 8, "threads": 1, **given}
    if work is ia.measure_snr:
        return work(data, target, **given, **({} if kind == "snr" else {"model": model}))
    return work(model, data, target, **given)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_sample_join_into_the_whole(case, kind, tmp_path):
    whole = measured(kind, case)
    paths = [tmp_path / f"{number}.h5" for number in (1, 2, 3)]
    for number, path in enumerate(paths, 1):
        measured(kind, case, path, shard=f"{number}/3")
    with pytest.raises(ReportError, match='shard "1/3", not "2/3"'):
        measured(kind, case, paths[0], shard="2/3", resume=True)
    same(as_one_run_writes(ia.merge(paths)), as_one_run_writes(whole))
    with pytest.raises(UsageError, match="parts that stop by themselves make no whole"):
        measured(kind, case, shard="1/3", time_budget=9)


class Elsewhere(Workers):
    """Workers that get and give what goes over a network, in this process: 4 images a task."""

    def __init__(self, tell):
        super().__init__(None, "here", tell, 1, local=False)
        self._client = self

    def nthreads(self):
        return {"tcp://w:1": 1, "tcp://w:2": 1}

    def _outcomes(self, task, part, positions, _):
        for start in range(0, len(positions), 4):
            group = positions[start : start + 4]
            sent = pickle.loads(pickle.dumps(task))
            yield group, pickle.loads(pickle.dumps(job.evaluate(sent, group, "w:1", 0, part)))


@pytest.fixture
def elsewhere(monkeypatch):
    @contextmanager
    def opened_workers(address, threads, tell):
        assert (address, threads) == ("here", 0)
        yield Elsewhere(tell)

    monkeypatch.setattr(run, "open_workers", opened_workers)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("kind", KINDS)
def test_workers_elsewhere_fill_the_same_table(case, kind):
    done = []
    threads = {} if kind == "snr" else {"threads": 0}
    far = measured(kind, case, dask="here", listener=ia.Listener(advance=done.append), **threads)
    assert far.run["workers"] == 2
    totals = []
    listener = ia.Listener(start=lambda *ends: totals.append(ends))
    same(far, measured(kind, case, listener=listener))
    assert sum(done) == totals[0][1]


@pytest.mark.usefixtures("elsewhere")
def test_what_a_worker_refuses_names_options_as_the_reader_knows_them(case, monkeypatch):
    def refuse(*_, **__):
        raise UsageError(f"give {option('label_offset', -1)}")

    monkeypatch.setattr(job, "open_model", refuse)
    with pytest.raises(ia.IasideError, match="worker w:1: give label_offset=-1") as caught:
        measured("heatmap", case, dask="here", threads=0)
    assert [typed for _, typed in caught.value.parts if "--" in typed] == ["--label-offset -1"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_time_budget_ends_the_run_at_an_images_end(case, kind, tmp_path):
    whole, target = measured(kind, case), tmp_path / "r.h5"
    few = measured(kind, case, target, time_budget=1e-6)
    assert (len(few.image_ids), few.run["stopped_by"], few.run["sample"]) == (2, "time", 9)
    rows = whole.rows([whole.image_ids.index(name) for name in few.image_ids])
    same(few, replace(rows, data=few.data))
    notes = []
    again = measured(
        kind, case, target, time_budget=1e-6, resume=True, listener=ia.Listener(note=notes.append)
    )
    assert "complete already" in notes[-1]
    same(again, few)
    enough = measured(kind, case, time_budget=1e6)
    assert enough.run["stopped_by"] == "sample"
    same(enough, whole)


class StoppedError(Exception):
    """Ends a run in the middle."""


def after(work):
    """A listener that ends a run when so much work is done."""
    left = [work]

    def stop(done):
        left[0] -= done
        if left[0] < 0:
            raise StoppedError

    return ia.Listener(advance=stop)


# Chosen among the images that a result has.
_EXAMPLES = ("example", "example_perturbed")


@pytest.mark.parametrize("share", [0.4, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_no_time_left_still_reports_all_that_was_finished(case, kind, share, tmp_path):
    target, totals = tmp_path / "r.h5", []
    one = {} if kind == "snr" else {"batch": 1}
    listener = ia.Listener(start=lambda *ends: totals.append(ends))
    whole = measured(kind, case, **one, listener=listener)
    with pytest.raises(StoppedError):
        measured(kind, case, target, **one, listener=after(totals[0][1] * share))
    with h5py.File(f"{target}.partial") as file:
        done = file["game/row_sums"][:] != 0
    if kind == "robustness":  # images that are not attacked lack nothing else
        done[:, 1] |= whole.attack_queries[:, 0] < 0
    kept = np.flatnonzero(done.all(axis=1))
    short = measured(kind, case, target, **one, time_budget=1e-6, resume=True)
    assert short.run["stopped_by"] == "time"
    if len(kept) >= 2:
        assert short.image_ids == [whole.image_ids[row] for row in kept]
    assert len(short.image_ids) == max(2, len(kept))
    rows = [whole.image_ids.index(name) for name in short.image_ids]
    pictures = {name: getattr(short, name) for name in _EXAMPLES if hasattr(short, name)}
    same(short, replace(whole.rows(rows), data=short.data, **pictures))


@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_goes_on_where_it_was(case, kind, tmp_path, monkeypatch):
    target, totals = tmp_path / "r.h5", []
    listener = ia.Listener(start=lambda *ends: totals.append(ends))
    whole = measured(kind, case, listener=listener)
    with pytest.raises(StoppedError):
        measured(kind, case, target, listener=after(totals[0][1] * 0.7))
    with h5py.File(f"{target}.partial", "r+") as file:
        assert 0 < file["game/seconds"][0, 0] < 100
        file["game/seconds"][0, 0] += 100
    with pytest.raises(ReportError, match="resume=True or discard"):
        measured(kind, case, target)
    with pytest.raises(ReportError, match="was made with seed 0, not 1"):
        measured(kind, case, target, resume=True, seed=1)
    with output_file.sole_writer(target), monkeypatch.context() as patched:
        patched.setattr(output_file, "_locked_here", set())  # as in another process
        with pytest.raises(ReportError, match="another run is writing it"):
            measured(kind, case, target, resume=True)
    resumed = measured(kind, case, target, resume=True)
    assert 0 < resumed.run["resumed_after"] < totals[0][1]
    assert resumed.run["seconds"] > 100  # as the first part says that it took
    same(resumed, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["r.h5"]


def begun(kind, case, target):
    """The partial file of a run that stopped at its first image."""

    def stop(_):
        raise StoppedError

    with pytest.raises(StoppedError):
        measured(kind, case, target, listener=ia.Listener(advance=stop))
    return target.with_name(f"{target.name}.partial")


def test_a_partial_file_says_its_kind_and_one_that_does_not_goes_on(case, tmp_path):
    target = tmp_path / "r.h5"
    partial = begun("robustness", case, target)
    with pytest.raises(ReportError, match=r"is of iaside robustness; use overwrite=True"):
        measured("analyze", case, target, resume=True)
    with h5py.File(partial, "r+") as file:
        identity = json.loads(file.attrs["identity"])
        assert identity.pop("kind") == "iaside-robustness"
        file.attrs["identity"] = json.dumps(identity)
    same(measured("robustness", case, target, resume=True), measured("robustness", case))


def test_a_broken_partial_file_names_the_way_out(case, tmp_path):
    target = tmp_path / "r.h5"
    partial = begun("heatmap", case, target)
    whole = partial.read_bytes()
    for broken in (whole[:100], whole[:8] + bytes(64) + whole[72:]):
        partial.write_bytes(broken)
        with pytest.raises(ReportError, match=r"r\.h5\.partial: .*; use overwrite=True to start"):
            measured("heatmap", case, target, resume=True)
    measured("heatmap", case, target, overwrite=True)


def test_snr_killed_and_resumed_ends_in_the_same_sums(tmp_path, case):
    model, data = case
    options = {**ATTACKED, "queries": 400, "epsilon": 1e-4, "model": str(model), "threads": 1}
    target = tmp_path / "r.h5"
    for after in (9 * 20 + 100, 9 * 20 + 1500):
        assert dies("measure_snr", data, target, after=after, pause=0.01,
                    **options, batch=4, corruption=["fog"])  # fmt: skip
        assert (tmp_path / "r.h5.partial").exists() != target.exists()
    resumed = ia.measure_snr(data, target, **options, batch=4, corruption=["fog"], resume=True)
    assert resumed.run["resumed_after"] >= 9
    same(resumed, ia.measure_snr(data, **options, batch=4, corruption=["fog"]))


@pytest.fixture
def mixing(tmp_path):
    """A model whose scores for an image depend on the others in its batch."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["company"], axes=[0], keepdims=1),
        helper.make_node("Add", ["image", "company"], ["above"]),
        helper.make_node("Flatten", ["above"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["scores"]),
    ]
    weight = np.random.default_rng(0).normal(0, 0.1, (768, 4)).astype(np.float32)
    return graphs.save(
        tmp_path / "mixing.onnx", nodes, {"weight": weight},
        input_shape=["n", 3, 16, 16], output_shape=["n", 4],
    )  # fmt: skip


@pytest.mark.parametrize("kind", WITH_MODEL)
def test_a_model_that_mixes_its_batch_sees_images_one_by_one(case, kind, mixing):
    told = []
    listener = ia.Listener(warn=told.append)
    many = measured(kind, (mixing, case[1]), batch=None, listener=listener)
    assert any("depend on the others in its batch" in warning for warning in told)
    assert many.run["batch"] == 1
    same(many, measured(kind, (mixing, case[1]), batch=1))


def test_one_image_alone_is_tried_in_a_batch_too(tmp_path, mixing):
    images = np.random.default_rng(1).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "one.npz", images, np.zeros(1, np.int64))
    told = []
    options = {"bands": 2, "preprocess": "unit"}
    alone = ia.analyze(mixing, data, listener=ia.Listener(warn=told.append), **options)
    assert any("depend on the others in its batch" in warning for warning in told)
    same(alone, ia.analyze(mixing, data, batch=1, **options))


@pytest.mark.parametrize("kind", ["robustness", "heatmap", "attacked"])
def test_out_of_memory_halves_the_batch(case, kind, monkeypatch):
    reference, plain, small, sizes = measured(kind, case), Model.scores, Scorer.__call__, []

    def scores(self, images):
        sizes.append(len(images))
        if len(images) > 3:
            raise OutOfMemoryError("pretended")
        return plain(self, images)

    def strained(self, images):
        with monkeypatch.context() as patched:
            patched.setattr(Model, "scores", scores)
            return small(self, images)

    monkeypatch.setattr(Scorer, "__call__", strained)
    found = measured(kind, case)
    assert (max(sizes), found.run["batch"]) == (8, 2)
    for each in fields(found):
        one, two = getattr(found, each.name), getattr(reference, each.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.parametrize("kind", WITH_MODEL)
def test_every_kind_opens_its_model_with_the_same_options(case, kind, monkeypatch):
    asked = []

    def choose(*arguments, **options):
        asked.append((arguments, options))
        raise StoppedError

    monkeypatch.setattr(subject, "choose_runtime", choose)
    with pytest.raises(StoppedError):
        measured(kind, case, provider="cpu", threads=3, tf32=False, ort_extension=["ops.so"])
    (provider, threads, (library,)), precision = asked[0]
    assert (provider, threads, library.name, precision) == ("cpu", 3, "ops.so", {"tf32": False})
    with pytest.raises(UsageError, match="there is no option 'thread'"):
        measured(kind, case, thread=3)


# A fifth measurement, whole: what a model makes of images that are a little brighter. The lines up
# to its test are all that it costs; the run and the schema bring the rest.
@dataclass(frozen=True, kw_only=True, repr=False)
class Brightness(ModelResult):
    """Change of prediction when all values of an image grow by so much."""

    SCHEMA = Schema(
        format="iaside-brightness", versions=(1,), header=rules.OF_ALL, inside=rules.INSIDE,
        fields=(IDS, LABELS, PREDICTED, DIGESTS,
                Field("change", (IMAGE, "shift"), "float32", "by shift", low=0, high=2)),
    )  # fmt: skip
    change: np.ndarray

    @classmethod
    def load(cls, path, _=None):  # the file's kind is not in the list of all kinds
        with opened(path) as file:
            return cls.of_stored(path, *read_content(path, file, cls.SCHEMA))


@dataclass(frozen=True)
class Brightening(Measurement[Brightness]):
    shifts: tuple[float, ...]
    kind = Brightness

    @property
    def columns(self):
        return len(self.shifts)

    def cost(self, images):
        return f"{images} images x ({len(self.shifts)} shifts + the image itself)"

    def work(self, positions):
        return [len(positions) * (len(self.shifts) + 1)]

    def settings(self, subject):
        return {**subject.settings(), "shifts": self.shifts}

    def rows(self, subject, size):
        scorer = Scorer(subject.classifier, subject.task(), size)
        row = np.empty(self.columns, np.float32)  # the same for all images, as a row may be

        def fill(positions, store, advance):
            for position in positions:
                clean = subject.pixels(position)
                logs = scorer(np.stack([clean, *(clean + shift for shift in self.shifts)]))
                row[:] = scorer.task.change(logs[1:], logs[0])
                store(position, row)
                advance(len(logs))

        return [fill]

    def result(self, filled):
        return Brightness(
            change=filled.table, labels=filled.sample.labels, predicted=filled.predicted,
            settings=filled.all_settings, **filled.origin(),
        )  # fmt: skip


def measure_brightness(model, images, target=None, *, shifts=(0.1, 0.2), **options):
    request = Request.of(LabelledOptions, options, model, images, target)
    return measure(request, lambda _: Brightening(shifts), {})


@pytest.mark.usefixtures("elsewhere")
def test_a_fifth_measurement_has_it_all_from_the_run(case, tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "brightness", (measure_brightness, {}))
    whole = measured("brightness", case)
    assert whole.change.shape == (9, 2)
    assert (whole.change[:, 1] > whole.change[:, 0]).all()
    test_an_interrupted_run_goes_on_where_it_was(case, "brightness", tmp_path, monkeypatch)
    same(measured("brightness", case, dask="here", threads=0), whole)
    parts = [measured("brightness", case, shard=f"{number}/2") for number in (2, 1)]
    same(as_one_run_writes(Brightness.join(parts)), whole)
    assert whole.to_xarray()["change"].dims == ("image", "shift")


@pytest.mark.parametrize(
    ("attack", "kept"), [("none", "4 of 9 images are"), ("square-linf", "10% of the work is")]
)
def test_an_interruption_says_what_is_kept(tmp_path, iaside, monkeypatch, attack, kept):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", pixels, np.arange(9) % 4)
    model, scored = graphs.small_network(tmp_path / "m.onnx"), []
    asked = ["robustness", model, data, "-o", tmp_path / "r.h5", "--batch", 1, "--attack", attack,
             "--corruption", "fog", "--severity", 1, "--queries", 15, "--epsilon", 0.01,
             "--attack-samples", 4]  # fmt: skip
    asked = [each for each in asked if attack != "none" or each not in ("--epsilon", 0.01)]
    real = Scorer.__call__

    def scores(self, images):
        scored.append(len(images))
        if len(scored) == 9:  # the fifth image is under way
            raise KeyboardInterrupt
        return real(self, images)

    monkeypatch.setattr(Scorer, "__call__", scores)
    stopped = iaside(*asked)
    assert stopped.exit_code == 130
    assert f"Error: interrupted; {kept} kept; go on with --resume\n" in stopped.stderr
    resumed = iaside(*asked, "--resume")
    assert resumed.exit_code == 0
    assert f"resumed: {kept} kept from before\n" in resumed.stderr
