"""Reports as input from strangers: every damage is one line that names the file; old ones stay."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from importlib.util import find_spec

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.intervals import bootstrap_intervals
from iaside_onnx.storage import isolated
from iaside_onnx.storage.isolated import IsolationError
from iaside_onnx.storage.partial import create_partial
from iaside_onnx.storage.seal import SEAL_BYTES, seal

from . import graphs
from .conftest import ROOT, write_npz

GOLDEN = ROOT / "tests" / "data" / "report-v1.h5"
TABLE, LABELS, IDS = "game/log_prob", "game/labels", "game/image_ids"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    images = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", images, np.arange(12) % 4)
    ia.analyze(graphs.small_network(folder / "m.onnx"), data, folder / "r.h5", bands=4)
    return (folder / "r.h5").read_bytes()


@pytest.fixture
def path(sound, tmp_path):
    target = tmp_path / "r.h5"
    target.write_bytes(sound)
    return target


def changed(path, change):
    with h5py.File(path, "r+") as file:
        change(file)
    seal(path)


def put(name, values, **storage):
    def change(file):
        if name in file:
            del file[name]
        file.create_dataset(name, data=values, **storage)

    return change


def shaped(name, shape, dtype, **storage):
    def change(file):
        del file[name]
        file.create_dataset(name, shape, dtype, **storage)

    return change


def linked(name, link):
    def change(file):
        del file[name]
        file[name] = link(file) if callable(link) else link

    return change


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def said(name, key, value):
    """One value of a JSON attribute, given as JSON text."""

    def change(file):
        held = {**json.loads(file.attrs[name]), key: "@"}
        file.attrs[name] = json.dumps(held).replace('"@"', value)

    return change


def plugin_filter(file):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((12,))
    plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1, 2))
    del file[LABELS]
    space = h5py.h5s.create_simple((12,))
    h5py.h5d.create(file.id, LABELS.encode(), h5py.h5t.NATIVE_INT64, space, plan)


def elsewhere(file):
    del file[LABELS]
    file.create_dataset(LABELS, (12,), "i8", external=[("/dev/zero", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    del file[LABELS]
    layout = h5py.VirtualLayout((12,), "i8", maxshape=(None,))
    layout[:] = h5py.VirtualSource("other.h5", "x", (12,), "i8")
    file.create_virtual_dataset(LABELS, layout)


def flat(value):
    return np.full((12, 16), value, np.float32)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (attribute("format", "other"), "not a file of iaside analyze"),
        (attribute("format_version", 99), "format 99; .* update iaside"),
        (attribute("format_version", "x" * 9), "format_version"),
        (attribute("complete", False), "not finished; .*resume=True"),
        (attribute("complete", np.array([True])), "complete"),
        (lambda file: file.attrs.__delitem__("provider"), "provider is missing"),
        (attribute("provider", "\x1b[31mcpu"), "provider"),
        (attribute("created", "yesterday"), "created"),
        (attribute("created", h5py.Empty("S5")), "created"),
        (attribute("run", "x" * (5 << 20)), "attribute run is not of the report's format"),
        # JSON: broken, deep, huge, not finite, of wrong types.
        (attribute("settings", "{"), "settings is no JSON"),
        (attribute("settings", "[1]"), "settings is no JSON object"),
        (attribute("run", "[" * 50_000), "run is no JSON"),
        (said("run", "x", '{"a":' * 40 + "1" + "}" * 40), "run is no JSON"),
        (said("run", "x", "9" * 5000), "run is no JSON"),
        (said("run", "seconds", "NaN"), "run is no JSON"),
        (said("run", "seconds", "1e999"), "run is no JSON"),
        (said("run", "warnings", '"x"'), "'warnings'"),
        (said("settings", "bands", "true"), "'bands'"),
        (said("settings", "bands", "5"), "16 columns is no game of 5"),
        (said("settings", "size", "[2, 2]"), "bands=4 is too many for images of 2 x 2 pixels"),
        (put("data/example", np.zeros((3, 3, 1), np.uint8)), "bands=4 is too many"),
        (said("settings", "beta", "1"), "'beta'"),
        (said("settings", "confidence", '"0.95"'), "'confidence'"),
        (said("settings", "seed", "-1"), "'seed'"),
        (said("settings", "draws", "[]"), "'draws'"),
        (said("settings", "value", '"logit"'), "'value'"),
        (said("settings", "norm", '"\\u001b[2J"'), "'norm'"),
        (said("model", "path", "null"), "'path'"),
        (said("data", "classes", "3"), "outside the 3 classes"),
        (said("data", "samples", "13"), "do not match"),
        # Datasets: missing, of other types and shapes, links, promises that the file cannot hold.
        (lambda file: file.__delitem__(LABELS), LABELS),
        (lambda file: file.__delitem__("game"), "game/log_prob"),
        (put("game", np.zeros(3)), "game/log_prob"),
        (put(LABELS, np.zeros(3, np.int64)), "do not match"),
        (put(LABELS, np.zeros(12, np.int32)), "not of type int64"),
        (put(LABELS, np.zeros(12)), "not of type int64"),
        (put(LABELS, np.full(12, 4)), "outside the 4 classes"),
        (put(LABELS, np.full(12, -1)), "outside the 4 classes"),
        (put("game/predicted", np.full(12, 1 << 62)), "outside the 4 classes"),
        (shaped(LABELS, (12,), h5py.enum_dtype({"a": 0}, "i8")), "not of type int64"),
        (shaped(LABELS, (12,), h5py.ref_dtype), "not of type int64"),
        (shaped(LABELS, (12,), [("a", "i4"), ("b", "i4")]), "not of type int64"),
        (shaped(IDS, (12,), h5py.string_dtype()), "not of type text"),
        (shaped(IDS, (12,), h5py.regionref_dtype), "not of type text"),
        (shaped(IDS, (12,), f"S{1 << 30}"), "more data than the file"),
        (put(IDS, np.full(12, b"\xff\xfe")), "utf-8"),
        (put(TABLE, flat(-1)[:, :15]), "15 columns is no game"),
        (put(TABLE, flat(-1)[:, :8]), "8 columns is no game of 4"),
        (put(TABLE, flat(-1).astype(">f8")), "not of type float32"),
        (put(TABLE, flat(np.nan)), "not evaluated"),
        (put(TABLE, flat(np.inf)), "above 0"),
        (put(TABLE, flat(0.5)), "0.5 is above 0"),
        (shaped(TABLE, (1 << 40, 16), "f4", chunks=(1, 16)), "more data than the file"),
        # 2**60 rows of 16 make 2**64, which is 0 in 64 bits.
        (shaped(TABLE, (1 << 60, 16), "f4", chunks=(1, 16)), "more data than the file"),
        (
            shaped(TABLE, (12, 16), "f4", chunks=(1 << 20, 1 << 10), maxshape=(None, None)),
            "more data",
        ),
        (shaped(TABLE, (12, 16), "f4", chunks=(1, 16)), "more data than the file"),
        (shaped(TABLE, (0, 16), "f4"), "none empty"),
        (put(TABLE, flat(-1), compression="gzip"), r"filters \(1\)"),
        (put(TABLE, np.zeros((1 << 20, 16), "f4"), compression="gzip"), r"filters \(1\)"),
        (put(TABLE, flat(-1), scaleoffset=2), "filters"),
        (plugin_filter, r"filters \(32001\)"),
        (elsewhere, "keeps its data elsewhere"),
        (virtual, "keeps its data elsewhere"),
        (linked(TABLE, h5py.ExternalLink("/etc/passwd", "/x")), "link to somewhere else"),
        (linked(TABLE, h5py.SoftLink("/shapley/mean")), "link to somewhere else"),
        (linked("game", h5py.ExternalLink("other.h5", "/game")), "link to somewhere else"),
        (linked("data", h5py.SoftLink("/game")), "link to somewhere else"),
        (linked(TABLE, lambda file: file["/"]), "no dataset"),
        (put("data/class_names", np.full(5, b"x")), "more class names than classes"),
        (put("data/example", np.zeros((8, 8, 2), np.uint8)), "example"),
        (put("data/example", np.zeros((5000, 5000, 1), np.uint8)), "example"),
        (put("data/skipped", np.full(2, b"[")), "data/skipped is no JSON"),
        (put("game/image_digests", np.zeros((11, 32), np.uint8)), "digests"),
    ],
)
def test_broken_reports_are_one_clear_line(path, damage, message):
    changed(path, damage)
    with pytest.raises(ReportError, match=message) as caught:
        ia.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_no_link_is_followed_to_a_file_that_never_answers(path, tmp_path):
    """Even asking whether "data/class_names" exists would open the pipe, and wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    changed(path, linked("data", h5py.ExternalLink(str(tmp_path / "pipe"), "/data")))
    signal.alarm(120)
    try:
        with pytest.raises(ReportError, match="link to somewhere else"):
            ia.load(path)
    finally:
        signal.alarm(0)


def test_unknown_additions_do_no_harm(path):
    expected = ia.load(path).summary(per_class=True)

    def add(file):
        file.attrs["later"] = np.arange(3)
        file["later/thing"] = np.arange(5)
        file["game"].attrs["later"] = "x"
        deep = file.create_group("deep")
        for _ in range(200):
            deep = deep.create_group("d")
        deep["up"] = file["/"]  # a cycle of hard links
        file["game/more"] = h5py.ExternalLink("/etc/passwd", "/x")

    changed(path, add)
    assert ia.load(path).summary(per_class=True) == expected
    changed(path, said("settings", "later", '{"a": 1}'))
    assert ia.load(path).settings["later"] == {"a": 1}


def test_text_from_a_report_cannot_steer_the_terminal(iaside, path):
    changed(path, said("model", "path", '"\\u001b[2J\\ud800\\n$x$.onnx"'))
    changed(path, put("data/class_names", np.array([b"\x1b[2J", b"a\nb", b"$x$", b"[b]"])))
    changed(path, put(IDS, np.full(12, b"\x1b]0;x\x07")))
    for extra in ([], ["--per-class"], ["--json", "--per-class"]):
        result = iaside("show", path, *extra)
        assert result.exit_code == 0
        assert all(letter.isprintable() or letter == "\n" for letter in result.stdout)


def test_probabilities_of_zero_are_seen_as_probabilities(iaside, path):
    table = flat(-1)
    table[3, 5] = -np.inf
    changed(path, put(TABLE, table))
    with pytest.raises(UsageError, match="value='prob'"):
        _ = ia.load(path).sid
    assert iaside("show", path).exit_code == 2
    shown = iaside("show", path, "--json", "--value", "prob")
    assert np.isfinite(json.loads(shown.stdout)["sid"]).all()


@pytest.mark.isolated
def test_every_flipped_bit_and_every_cut_is_noticed(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, 8, 40, 100, 200, SEAL_BYTES, *rng.integers(0, len(content), 60)]:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        with pytest.raises(ReportError, match=r"checksum|not an HDF5 file"):
            ia.load(path)
    for length in (0, 7, 100, SEAL_BYTES, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(ReportError, match=r"checksum|not an HDF5 file"):
            ia.load(path)


@pytest.mark.isolated
def test_damage_in_a_report_without_a_checksum_is_noticed_where_hdf5_has_one(path):
    content = path.read_bytes()[SEAL_BYTES:]
    path.write_bytes(content)
    assert ia.load(path).players == 4
    with h5py.File(path) as file:
        place = file[TABLE].id.get_chunk_info(0).byte_offset
    flipped = bytearray(content)
    flipped[place] ^= 0xFF
    path.write_bytes(flipped)
    with pytest.raises(ReportError, match="damaged"):
        ia.load(path)


@pytest.mark.isolated
@pytest.mark.parametrize("job", ["crash", "hang", "hoard", "chatter"])
def test_a_reader_that_goes_wrong_is_one_line(path, tmp_path, monkeypatch, job):
    """What files do to the HDF5 library, done by a stand-in for it."""
    (tmp_path / "wrong_reader.py").write_text(
        "import ctypes, os\n"
        "def crash(path): ctypes.string_at(0)\n"
        "def hang(path):\n    while True: pass\n"
        "def hoard(path): return {}, {'x': bytearray(1 << 40)}\n"
        "def chatter(path):\n    os.write(1, b'noise'); print('noise'); return {'said': 1}, {}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    if job == "hang":
        monkeypatch.setattr(isolated, "CPU_SECONDS", 1)
    run = getattr(importlib.import_module("wrong_reader"), job)
    if job == "chatter":
        assert isolated.isolated(run, path) == ({"said": 1}, {})
        return
    words = {"crash": "crashes", "hang": "longer", "hoard": "memory"}
    with pytest.raises(IsolationError, match=words[job]):
        isolated.isolated(run, path)


def test_modules_beside_a_report_are_not_run(path):
    for name in ("h5py", "json", "numpy"):
        (path.parent / f"{name}.py").write_text("open('run', 'w').close()\n")
    command = [sys.executable, "-P", "-m", "iaside_onnx", "show", path.name]
    shown = subprocess.run(command, cwd=path.parent, capture_output=True, check=False)
    assert shown.returncode == 0
    assert not (path.parent / "run").exists()


def test_what_a_report_cannot_have_is_named_as_the_command_line_does(iaside, path):
    changed(path, said("settings", "size", "[2, 2]"))
    shown = iaside("show", path)
    assert shown.exit_code == 2
    assert "is damaged: --bands 4 is too many" in shown.stderr


def test_partial_files_are_no_reports_and_damaged_ones_are_not_continued(iaside, path, tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(12) % 4)
    model = graphs.small_network(tmp_path / "m.onnx")
    report = ia.load(path)
    identity = {
        "settings": {k: v for k, v in report.settings.items() if k not in ("value", "beta")},
        "model_sha256": report.model["sha256"],
        "data_digest": report.data["digest"],
        "provider": "cpu",
    }
    path.unlink()
    partial = create_partial(path, identity, 12, 16)
    shown = iaside("show", partial.path)
    assert shown.exit_code == 2
    assert "--resume" in shown.stderr
    again = ("analyze", model, data, "-o", path, "--bands", 4, "--quiet", "--resume")
    sound = partial.path.read_bytes()
    for damage in (
        lambda file: file.attrs.__setitem__("identity", "[" * 9000),
        put(TABLE, flat(-1)[:5]),
        put(TABLE, flat(-1), chunks=(12, 16)),
        shaped(TABLE, (1 << 60, 16), "f4", chunks=(1, 16)),
    ):
        partial.path.write_bytes(sound)
        with h5py.File(partial.path, "r+") as file:
            damage(file)
        result = iaside(*again)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith(f"Error: {partial.path}: ")
        assert not path.exists()
    partial.path.write_bytes(sound)
    assert iaside(*again).exit_code == 0
    np.testing.assert_array_equal(ia.load(path).log_prob, report.log_prob)


def percentiles(report):
    """Intervals as reports held them whose groups do not name the kind."""
    with h5py.File(GOLDEN) as file:
        assert "interval" not in file["srs"].attrs
    return bootstrap_intervals(report.shapley_per_image, method="percentile")


def test_the_first_format_stays_readable(iaside):
    report = ia.load(GOLDEN)
    assert GOLDEN.stat().st_size < 100_000
    assert (len(report.labels), report.players, report.accuracy) == (12, 4, 11 / 12)
    expected = [2.7015175111979866, 1.1258896092961852, 0.46722337560883415, 0.23607323431254676]
    np.testing.assert_allclose(report.shapley, expected, rtol=1e-9)
    np.testing.assert_allclose(
        report.sid, [0.687440569157288, 0.24810776743126142, 0.0644516634114505, 0], atol=1e-9
    )
    assert report.srs_signed == pytest.approx(0.3013383111053954, abs=1e-9)
    assert percentiles(report).srs == pytest.approx((0.1922484350, 0.3804300238), abs=1e-6)
    assert report.view(value="prob").srs_signed == pytest.approx(0.2269334325008983, abs=1e-9)
    assert report.image_ids[0] == "brick/007.png"
    assert report.class_names[:2] == ["brick", "camera"]
    assert report.example.shape == (64, 64, 3)
    assert report.image_digests is None
    assert report.data["skipped"] == []
    result = iaside("show", GOLDEN, "--json", "--per-class")
    shown = json.loads(result.stdout)
    assert shown["format_version"] == 1
    assert shown["per_class"][0]["srs"] == pytest.approx(0.22498096390239317, abs=1e-9)


def test_the_derived_numbers_in_the_first_format_are_the_readers():
    """Everything that the old file stores beside the table still follows from the table."""
    report = ia.load(GOLDEN)
    with h5py.File(GOLDEN) as file:
        np.testing.assert_allclose(file["shapley/per_image"], report.shapley_per_image, atol=1e-12)
        np.testing.assert_allclose(file["sid/low"], percentiles(report).sid_low, atol=1e-9)
        np.testing.assert_allclose(
            file["srs/signed_interval"], percentiles(report).srs_signed, atol=1e-9
        )
        np.testing.assert_allclose(file["shapley/interactions"], report.interactions, atol=1e-12)
        assert file["srs/signed"][()] == pytest.approx(report.srs_signed, abs=1e-12)


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits and /proc of Linux")
def test_a_small_fuzz_run_finds_nothing(tmp_path):
    command = [sys.executable, ROOT / "tools" / "fuzz", "--failures", tmp_path / "failures"]
    counts = ["--onnx", "200", "--arrays", "200", "--seed", "3"]
    counts += ["--reports", "60", "--measurements", "60", "--libraries", "20", "--sides", "200"]
    counts += ["--sets", "200"] if find_spec("pyarrow") else []
    result = subprocess.run(
        [*map(str, command), *counts], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "200 cases" in result.stdout


def without(name, key):
    def change(file):
        held = json.loads(file.attrs[name])
        del held[key]
        file.attrs[name] = json.dumps(held)

    return change


@pytest.fixture(scope="module")
def of_tasks(tmp_path_factory):
    """Reports of tasks without classes, and one whose labels are the model's own answers."""
    folder = tmp_path_factory.mktemp("tasks")
    images = np.random.default_rng(2).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", images, np.arange(12) % 4)
    made = {
        "several-labels": graphs.tagger(folder / "t.onnx", 16, [2, 3, 5]),
        "other": graphs.linear_outputs(folder / "o.onnx", 16, [2, 3, 5]),
        "classes": graphs.small_network(folder / "c.onnx"),
    }
    for task, model in made.items():
        ia.analyze(model, data, folder / f"{task}.h5", bands=2, task=task, labels="model")
    return folder


@pytest.mark.parametrize(
    ("task", "damage", "message"),
    [
        ("other", put(LABELS, np.arange(12)), "holds 'game/labels', of a task without classes"),
        ("other", put("game/predicted", np.arange(12)), "holds 'game/predicted', of a task"),
        ("several-labels", put(LABELS, np.arange(12)), "holds 'game/labels', of a task without"),
        ("several-labels", without("settings", "labels"), "settings do not say that images are"),
        ("other", without("settings", "labels"), "settings do not say that images are compared"),
        ("classes", without("settings", "labels"), "what it holds is of version 1, not 3"),
        ("several-labels", said("settings", "threshold", "[0.5, 0.5]"), "thresholds are not"),
        ("other", said("settings", "threshold", "[0.5, 0.5, 0.5]"), "thresholds are not those"),
        ("other", said("settings", "head", "7"), "no usable 'head'"),
        ("classes", said("settings", "logit_scale", "-1"), "no usable 'logit_scale'"),
        ("classes", said("settings", "class_embeddings", '"x"'), "no usable 'class_embeddings'"),
        ("classes", attribute("format_version", 1), "what it holds is of version 3, not 1"),
    ],
)
def test_what_contradicts_its_task_is_one_clear_line(of_tasks, tmp_path, task, damage, message):
    path = tmp_path / "r.h5"
    path.write_bytes((of_tasks / f"{task}.h5").read_bytes())
    assert ia.load(path).settings.get("task", "classes") == task
    changed(path, damage)
    with pytest.raises(ReportError, match=re.escape(message)) as error:
        ia.load(path)
    assert "\n" not in str(error.value)
