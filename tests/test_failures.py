"""Failures that are nobody's input: streams, places, other files in the way; never exit code 1."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx import cli
from iaside_onnx.errors import DataError, ReportError
from iaside_onnx.storage.output_file import check_free, sole_writer, whole_file
from iaside_onnx.storage.regular_file import read_bounded

from . import graphs
from .conftest import ROOT
from .made_reports import made, profiles

pytestmark = pytest.mark.skipif(os.name != "posix", reason="streams and devices of POSIX")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("reports") / "made.h5"
    made(profiles(30)).save(path)
    return path


def started(*arguments, streams="", **environment):
    """A command in a shell, with its streams redirected; None takes out of the environment."""
    line = shlex.join([sys.executable, "-m", "iaside_onnx", *map(str, arguments)])
    return subprocess.run(
        ["bash", "-c", f"{line} {streams}"],
        cwd=ROOT,
        env={name: to for name, to in {**os.environ, **environment}.items() if to is not None},
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("a_file", [False, True])
def test_the_runtime_tells_nobody_of_its_use(tmp_path, a_file):
    home = tmp_path / "home"
    home.touch() if a_file else home.mkdir()
    telling = {"HOME": str(home), "XDG_CACHE_HOME": "", "ORT_DISABLE_TELEMETRY": None}
    done = started("inspect", graphs.small_network(tmp_path / "m.onnx"), "--json", **telling)
    assert (done.returncode, done.stderr) == (0, b"")
    assert a_file or not list(home.iterdir())


@pytest.mark.parametrize(
    ("streams", "encoding", "code", "score"),
    [
        ("", "latin-1", None, -0.3),
        ("", "ascii", None, 0.4),
        (">/dev/full", "utf-8", 2, -0.3),
        (">&-", "utf-8", 2, 0.4),
        ("2>/dev/full", "utf-8", None, -0.3),
        ("2>/dev/full", "utf-8", None, 0.4),
        ("2>&-", "utf-8", None, 0.4),
        ("| true; exit ${PIPESTATUS[0]}", "utf-8", None, -0.3),
        ("| true; exit ${PIPESTATUS[0]}", "utf-8", None, 0.4),
    ],
)
def test_a_gate_answers_whatever_its_streams_are(report, streams, encoding, code, score):
    verdict = 0 if score < 0 else 1
    done = started(
        "gate", report, "--min-score", score, "--point", "--markdown", "-", streams=streams,
        PYTHONIOENCODING=encoding,
    )  # fmt: skip
    assert done.returncode == (verdict if code is None else code)
    errors = done.stderr.decode(encoding).splitlines()
    if code:
        assert errors[-1].startswith("Error: standard output: cannot be read or written: ")
    assert b"Traceback" not in done.stderr
    done.stdout.decode(encoding)


def test_bars_become_plain_where_a_stream_knows_no_others(report):
    shown = started("show", report, PYTHONIOENCODING="ascii")
    assert shown.returncode == 0
    assert "####" in shown.stdout.decode("ascii")
    whole = started("show", report, PYTHONIOENCODING="utf-8").stdout.decode()
    assert "████" in whole


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (PermissionError(13, "Permission denied", "/a/b"), 2, "/a/b: cannot be read or written"),
        (OSError(36, "File name too long", "n"), 2, "n: cannot be read or written: file name too"),
        (OSError(28, "No space left on device"), 2, "no space left on device"),
        (MemoryError(), 3, "not enough memory"),
        (RecursionError("too deep"), 3, "unexpected RecursionError: too deep"),
        (ZeroDivisionError("a\nb"), 3, "report it with the command and what IASIDE_DEBUG=1"),
        (EOFError("ends"), 3, "unexpected EOFError"),
        (SystemExit(1), 3, "unexpected SystemExit"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_the_last_net_holds_every_error(monkeypatch, iaside, report, error, code, words):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("iaside_onnx.results.report.Report.view", fails)
    done = iaside("gate", report, "--min-score", 0)
    assert done.exit_code == code
    line = done.stderr[done.stderr.index("Error: ") :]
    assert words in line
    assert line.count("\n") == 1
    monkeypatch.setenv(cli.DEBUG, "1")
    assert ("Traceback" in iaside("gate", report, "--min-score", 0).stderr) == (code == 3)


@pytest.mark.parametrize("command", ["show", "gate", "html", "plot", "compare", "inspect"])
def test_names_that_no_file_has_are_one_line(iaside, tmp_path, command):
    more = {
        "gate": ["--min-score", 0],
        "html": ["-o", tmp_path / "p.html"],
        "plot": ["-o", tmp_path / "p.png"],
    }
    for name in ("n" * 300, "/proc/self/mem"):
        done = iaside(command, name, *more.get(command, []))
        assert done.exit_code == 2
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "option",
    [
        "--samples 1{0}", "--batch 1{0}", "--threads 1{0}", "--threads 9999", "--label-offset 1{0}",
        "--label-offset -1{0}", "--temperature 1e300", "--temperature 1e-320", "--temperature nan",
        "--confidence 0.9999999999999999", "--confidence 1e-300", "--beta nan", "--seed -1",
        "--size ²", "--samples 1_0", "--bands \uff11\uff12", "--seed +-1", "--temperature 1_0",
        "--beta 0_1", "--target-stderr 1_0", "--batch 1_0", "--set ''", "--output ''", "--input ''",
        "--size 9{0}", "--time-budget nan", "--time-budget 1e400", "--bands 1{0}",
    ],
)  # fmt: skip
def test_numbers_of_any_size_are_one_line(iaside, tmp_path, option):
    model = ROOT / "models" / "demo-plain.onnx"
    words = shlex.split(option.format("0" * 30))
    done = iaside("analyze", model, ROOT / "demo" / "test", "-o", tmp_path / "r.h5", *words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert not list(tmp_path.iterdir())


def test_a_radius_of_endless_digits_takes_no_time(iaside, tmp_path):
    for text in ("1e999999999", "1/" + "9" * 200, "nan", "1e300", "0", "4_0/255", "1/2/3", "1_0"):
        done = iaside("robustness", "m", "d", "-o", tmp_path / "r.h5", "--epsilon", text)
        assert (done.exit_code, done.stderr.count("\n")) == (2, done.stderr.count("\n"))
        assert "--epsilon" in done.stderr


def test_what_lies_where_a_lock_would_is_left_alone(tmp_path):
    target = tmp_path / "yarn"
    (tmp_path / "yarn.lock").write_text("precious")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    with sole_writer(target):
        (lock,) = tmp_path.glob(".iaside-*.lock")
    assert not lock.exists()
    for make in (
        lambda: lock.symlink_to(victim),
        lambda: lock.write_text("precious"),
        lambda: os.mkfifo(lock),
        lock.mkdir,
    ):
        make()
        with pytest.raises(ReportError, match="cannot be written"), sole_writer(target):
            pass
        assert os.path.lexists(lock)
        with suppress(OSError):
            lock.rmdir()
        lock.unlink(missing_ok=True)
    assert victim.read_text() == (tmp_path / "yarn.lock").read_text() == "precious"
    lock.write_bytes(b"iaside lock\n")  # of a run that was killed
    with sole_writer(target):
        pass
    assert not lock.exists()


def test_scratch_files_of_killed_runs_go_and_others_stay(tmp_path):
    target = tmp_path / ("r" * 250 + ".h5")  # as long as a name may be
    code = (
        "import os, sys; from pathlib import Path; "
        "from iaside_onnx.storage.output_file import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as scratch: os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", code, target], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".iaside-*.tmp"))) == 1
    mine = tmp_path / "note.123.tmp"
    mine.write_text("precious")
    with whole_file(target) as scratch:
        scratch.write_text("whole")
        assert len(list(tmp_path.glob(".iaside-*.tmp"))) == 1
    assert sorted(tmp_path.iterdir()) == sorted([mine, target])
    with pytest.raises(ZeroDivisionError), whole_file(target) as scratch:
        raise ZeroDivisionError
    assert target.read_text() == "whole"


@pytest.mark.parametrize("kind", ["fifo", "device", "link to a device", "folder"])
def test_only_files_are_replaced(iaside, tmp_path, report, kind):
    target = tmp_path / "t.xml"
    if kind == "fifo":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to("/dev/null")
    before = target.lstat()
    with pytest.raises(ReportError, match="no regular file"):
        check_free(target, overwrite=True)
    done = iaside("gate", report, "--min-score", 0, "--junit", target, "--overwrite")
    assert (done.exit_code, "no regular file" in done.stderr) == (2, True)
    with pytest.raises(ReportError, match="no regular file"), whole_file(target) as scratch:
        scratch.write_text("x")
    assert target.lstat().st_ino == before.st_ino
    assert [path for path in tmp_path.iterdir() if path != target] == []


INPUTS = {
    "analyze": ["--labels", "--class-names", "--preprocess", "--ort-extension", "--robustness"],
    "robustness": ["--labels", "--class-names", "--preprocess", "--baseline"],
    "heatmap": ["--labels", "--class-names", "--preprocess", "--analysis"],
    "snr": ["--labels", "--model"],
    "merge": [],
    "plot": ["--robustness"],
    "html": ["--baseline"],
    "compare": ["--replicate"],
    "correlate": ["--baseline"],
    "predict": ["--snr", "--measured"],
    "gate": ["--baseline", "--allowed-signers"],
    "inspect": ["--data", "--labels", "--class-names"],
}


@pytest.mark.parametrize("command", INPUTS)
def test_no_command_writes_over_what_it_reads(iaside, tmp_path, report, command):
    """Under no name of it, not even to replace it: each input is refused as the target."""
    measures = command in ("analyze", "robustness", "heatmap", "snr")
    count = (
        2 if (measures and command != "snr") or command in ("merge", "compare", "correlate") else 1
    )
    ending = {"plot": ".png", "html": ".html", "inspect": ".csv", "gate": ".xml"}.get(
        command, ".h5"
    )
    target_of = {"inspect": "--write-labels", "gate": "--junit"}.get(command, "-o")
    if command in ("compare", "correlate", "predict"):
        ending = ".svg"
    files = [tmp_path / f"{number}.h5" for number in range(count)]
    words, options = [*files], {name: tmp_path / f"{name[2:]}.h5" for name in INPUTS[command]}
    if "--preprocess" in options:  # is read before any file is opened
        options["--preprocess"] = tmp_path / "preprocess.toml"
    for file in (*files, *options.values()):
        shutil.copy(report, file)
    recipe = options.get("--preprocess")
    if recipe is not None:
        recipe.write_text("scale = 255\n")
    for pair in options.items():
        words += pair
    for file in (*files, *options.values()):
        links = [tmp_path / f"hard{ending}", tmp_path / f"soft{ending}"]
        os.link(file, links[0])
        links[1].symlink_to(file)
        for target in links:
            done = iaside(command, *words, target_of, target, "--overwrite")
            assert done.exit_code == 2
            use = "measured; give the report" if measures else "read; give what is written"
            assert f"Error: {target}: is what would be {use} another name" in done.stderr, file
        for link in links:
            link.unlink()
        assert file == recipe or file.read_bytes() == report.read_bytes()
        assert recipe is None or recipe.read_text() == "scale = 255\n"


def test_a_picture_takes_no_place_among_the_pictures_that_are_measured(iaside, photographs):
    model, victim = (
        graphs.small_network(photographs.parent / "m.onnx"),
        photographs / "class0/1.png",
    )
    before, target = victim.read_bytes(), photographs.parent / "h.h5"
    done = iaside("heatmap", model, photographs, "-o", target, "--plot", victim, "--overwrite")
    assert (done.exit_code, "is what would be measured" in done.stderr) == (2, True)
    assert victim.read_bytes() == before


def test_only_files_of_iaside_and_empty_ones_are_replaced_by_results(tmp_path, photographs, report):
    model, target = graphs.small_network(tmp_path / "m.onnx"), tmp_path / "r.h5"
    target.write_text("precious")
    whole = ia.load(report)
    for write in (
        lambda: ia.analyze(model, photographs, target, bands=2, overwrite=True),
        lambda: ia.analyze(model, photographs, target, bands=2, resume=True),
        lambda: ia.measure_robustness(model, photographs, target, overwrite=True),
        lambda: ia.measure_heatmap(model, photographs, target, overwrite=True),
        lambda: ia.measure_snr(photographs, target, overwrite=True),
        lambda: whole.save(target, overwrite=True),
    ):
        with pytest.raises(
            ReportError, match="is no file of iaside, so overwrite does not replace it"
        ):
            write()
    for inputs in ({"labels": target}, {"class_names": target}, {"preprocess": str(target)}):
        with pytest.raises(ReportError, match="is what would be measured; give the report another"):
            ia.analyze(model, photographs, target, overwrite=True, **inputs)
    with pytest.raises(ReportError, match="is what would be read"):
        ia.measure_robustness(model, photographs, target, overwrite=True, baseline=target)
    assert target.read_text() == "precious"
    target.write_bytes(b"")
    whole.save(target, overwrite=True)
    whole.save(target, overwrite=True)
    assert sorted(ia.load(target).image_ids) == sorted(whole.image_ids)


def test_a_file_that_is_no_partial_report_is_not_taken_for_one(tmp_path, photographs):
    model = graphs.small_network(tmp_path / "m.onnx")
    other = tmp_path / "r.h5.partial"
    other.write_text("precious")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(ReportError, match="is no partial report"):
            ia.analyze(model, photographs, tmp_path / "r.h5", bands=2, **options)
    assert other.read_text() == "precious"


def test_a_class_folder_that_cannot_be_read_is_no_class_without_pictures(
    iaside, tmp_path, photographs, monkeypatch
):
    model, scan = graphs.small_network(tmp_path / "m.onnx"), os.scandir

    def refused(place):
        if str(place).endswith("class1"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", refused)
    done = iaside("analyze", model, photographs, "-o", tmp_path / "r.h5", "--quiet")
    assert done.exit_code == 2
    assert "class1" in done.stderr
    assert "ermission denied" in done.stderr


def endless(path):
    """A model whose loop never ends."""
    kinds = {"go": (TensorProto.BOOL, []), "sum": (TensorProto.FLOAT, None)}
    ends = [helper.make_tensor_value_info("step", TensorProto.INT64, [])]
    ends += [helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    outs = [helper.make_tensor_value_info(f"{name}_out", *kind) for name, kind in kinds.items()]
    body = helper.make_graph(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds],
        "body", ends, outs,
    )  # fmt: skip
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Loop", ["", "true", "mean"], ["scores"], body=body),
    ]
    return graphs.save(
        path, nodes, {"true": np.array(True)}, input_shape=["n", 3, 16, 16], output_shape=["n", 3]
    )


def test_ctrl_c_ends_a_model_that_runs_for_ever(tmp_path, photographs):
    code = (
        "import os, signal, threading, iaside_onnx.cli as c, iaside_onnx.inference.model as m\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "real = m.run_options\n"
        "def told():\n"
        "    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    return real()\n"
        "m.run_options = told\n"
        "c.run()"
    )
    target = tmp_path / "r.h5"
    done = subprocess.run(
        [sys.executable, "-c", code, "analyze", endless(tmp_path / "m.onnx"), photographs, "-o",
         target],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: interrupted")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob(".iaside*"))


def test_texts_of_a_model_file_are_bounded_wherever_they_go(iaside, tmp_path, photographs):
    endless_text = {"author": "a" * 3_000_000, "iaside.classes": '["' + "n" * 300_000 + '",1,2,3]'}
    model = graphs.small_network(tmp_path / "m.onnx", metadata=endless_text)
    for more in ([], ["--json"]):
        assert len(iaside("inspect", model, *more).stdout) < 20_000
    target = tmp_path / "r.h5"
    done = iaside("analyze", model, photographs, "-o", target, "--bands", 2, "--json", "--quiet",
                  "--class-names", "none")  # fmt: skip
    assert (done.exit_code, len(done.stdout) < 20_000) == (0, True)
    assert target.stat().st_size < 100_000


def test_a_model_without_classes_is_refused_by_every_job(iaside, tmp_path, photographs):
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "none"], ["scores"]),
    ]
    model = graphs.save(
        tmp_path / "m.onnx", nodes, {"none": np.zeros((3, 0), np.float32)},
        input_shape=["n", 3, 16, 16], output_shape=["n", None],
    )  # fmt: skip
    attack = ["--attack", "square-linf", "--model", model, "--epsilon", 0.1]
    for words in (["analyze", model], ["robustness", model], ["heatmap", model], ["snr"]):
        more = attack if words == ["snr"] else []
        done = iaside(*words, photographs, "-o", tmp_path / "r.h5", *more, "--quiet")
        assert done.exit_code == 2
        assert "a model without classes" in done.stderr


def test_an_image_set_holds_what_it_claims(iaside, tmp_path):
    model, data = graphs.small_network(tmp_path / "m.onnx"), tmp_path / "d.h5"
    for count, chunks, written in ((10**7, 1, 0), (8, 1, 4), (8, None, 0)):
        with h5py.File(data, "w") as file:
            shape = (count, 16, 16, 3)
            images = file.create_dataset("images", shape, "u1", chunks=chunks and (1, 16, 16, 3))
            file.create_dataset("labels", shape[:1], "i8", chunks=chunks and (8,))
            if written:
                images[:written] = 7
                file["labels"][:] = 0
        done = iaside("analyze", model, data, "-o", tmp_path / "r.h5")
        assert done.exit_code == 2
        assert "claims" in done.stderr


def test_skip_bad_skips_every_kind_of_bad_picture(iaside, tmp_path, photographs):
    folder = photographs / "class0"
    sound = (folder / "0.png").read_bytes()
    (folder / "empty.png").touch()
    (folder / "half.png").write_bytes(sound[: len(sound) // 2])
    (folder / "nowhere.png").symlink_to("nothing")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "fifo.png")
    (folder / "folder.png").mkdir()  # no picture at all
    model = graphs.small_network(tmp_path / "m.onnx")
    done = iaside("analyze", model, photographs, "-o", tmp_path / "r.h5", "--bands", 2,
                  "--skip-bad", "--quiet")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    skipped = {one["id"] for one in ia.load(tmp_path / "r.h5").data["skipped"]}
    assert skipped == {"class0/empty.png", "class0/half.png"}  # what is no file is no picture
    images = np.full((6, 16, 16, 3), 0.5, np.float32)
    images[1], images[2, 0] = 7, np.nan
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(6) % 4)
    done = iaside("analyze", model, tmp_path / "d.npz", "-o", tmp_path / "a.h5", "--bands", 2,
                  "--skip-bad", "--quiet")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "divide by 255" in ia.load(tmp_path / "a.h5").data["skipped"][0]["reason"]


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_never_opened(iaside, tmp_path, photographs, kind):
    model, other = graphs.small_network(tmp_path / "m.onnx"), tmp_path / "other"
    other.mkdir()

    def odd(name, folder=tmp_path):
        path = folder / name
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
        return path

    h5, target = odd("f.h5"), tmp_path / "new"
    audit = ["analyze", model, photographs, "-o", target, "--bands", 2]
    beside = graphs.small_network(other / "m.onnx")
    odd("preprocessor_config.json", other)

    for words in (
        ["show", h5], ["verify", h5], ["gate", h5, "--min-score", 0],
        ["html", h5, "-o", tmp_path / "new.html"],
        ["plot", h5, "-o", "p.png"], ["merge", h5, h5, "-o", target], ["compare", h5, h5],
        ["inspect", odd("f.onnx")], ["analyze", beside, *audit[2:]],
        [*audit, "--labels", odd("f.csv")], [*audit, "--class-names", odd("f.txt")],
        [*audit, "--preprocess", odd("f.toml")], [*audit, "--preprocess", odd("f.json")],
        *(["analyze", model, odd(f"d{end}"), "-o", target] for end in
          (".tar", ".parquet", ".npz", ".npy")),
    ):  # fmt: skip
        done = iaside(*words)
        assert done.exit_code == 2, words
        assert done.stderr.splitlines()[-1].startswith("Error: "), words
        assert f"is a {kind}; give a file" in done.stderr, words
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("a\nb\nc\nd\n")
    link.symlink_to(real)
    assert read_bounded(link, 8, DataError) == real.read_bytes()
    with pytest.raises(DataError, match="the most are 7"):
        read_bounded(link, 7, DataError)


def test_links_in_a_loop_are_one_line(iaside, tmp_path):
    loop = tmp_path / "loop.h5"
    loop.symlink_to(loop)
    photos = ROOT / "demo" / "test"
    small = ("--corruption", "fog", "--severity", 1, "--samples", 2)
    for command in (
        ("snr", photos, "-o", loop, "--overwrite", *small),
        ("snr", photos, "-o", loop, *small),
        ("show", loop),
        ("inspect", loop),
    ):
        refused = iaside(*command)
        assert refused.exit_code == 2, refused.stderr
        assert refused.stderr.count("\n") == 1
