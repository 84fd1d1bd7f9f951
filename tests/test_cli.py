"""Behaviour through the command line: results, exit codes, one-line errors."""

from __future__ import annotations

import json
import re
import shutil
from types import SimpleNamespace

import click
import numpy as np
import pytest
from onnx import helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.cli import main
from iaside_onnx.commands.options import duration
from iaside_onnx.views.terminal import listener

from . import graphs
from .conftest import write_npz
from .sets import write_parquet, write_tar

JSON_KEYS = {
    "format_version", "model", "data", "settings", "provider", "accuracy", "mean_log_prob",
    "shapley", "shapley_stderr", "sid", "sid_low", "sid_high", "srs", "srs_low", "srs_high",
    "srs_signed", "srs_range", "efficiency_residual", "forward_passes", "seconds",
    "interactions",
}  # fmt: skip
INSPECT_KEYS = {
    "inputs", "outputs", "classes", "batch", "opset", "ir_version", "producer", "parameters",
    "sha256", "providers", "warnings",
}  # fmt: skip


@pytest.fixture
def model(tmp_path):
    return graphs.small_network(tmp_path / "m.onnx")


@pytest.mark.isolated
def test_analyze_show_and_plot(iaside, tmp_path, model, photographs):
    target = tmp_path / "r.h5"
    made = iaside("analyze", model, photographs, "-o", target, "--bands", 4, "--json")
    assert made.exit_code == 0
    found = json.loads(made.stdout)
    assert set(found) >= JSON_KEYS
    assert found["forward_passes"] == 12 * 16
    assert found["settings"]["bands"] == 4
    assert set(found["model"]) >= {"path", "sha256"}
    assert set(found["data"]) >= {"source", "digest", "samples", "classes"}
    assert len(found["interactions"]) == 4
    assert found["efficiency_residual"] < 1e-9
    assert "clean accuracy" in made.stderr
    assert "192 forward passes" in made.stderr
    assert not made.stdout.startswith("preprocessing")
    shown = iaside("show", target, "--json", "--per-class")
    again = json.loads(shown.stdout)
    assert {key: again[key] for key in found} == found
    assert len(again["per_class"]) == 4
    table = iaside("show", target, "--value", "prob", "--beta", 0.5, "--per-class")
    assert "class3" in table.stdout
    assert "Signed score" in table.stdout
    for ending, reports in (("png", [target, target]), ("svg", [target]), ("pdf", [target])):
        picture = tmp_path / f"p.{ending}"
        assert iaside("plot", *reports, "-o", picture).exit_code == 0
        assert picture.stat().st_size > 5000
    assert iaside("plot", target, "-o", tmp_path / "p.png").exit_code == 2


def test_inspect(iaside, model):
    found = iaside("inspect", model, "--json")
    assert set(json.loads(found.stdout)) >= INSPECT_KEYS
    people = iaside("inspect", model)
    assert people.exit_code == 0
    assert "CPUExecutionProvider" in people.stdout


def test_python_interface(tmp_path, model, photographs):
    report = ia.analyze(str(model), str(photographs), bands=3)
    report.save(tmp_path / "r.h5")
    assert ia.load(tmp_path / "r.h5").srs == report.srs
    assert set(dir(ia)) >= set(ia.__all__)


def test_progress_only_when_asked_for_without_a_terminal(iaside, tmp_path, model, photographs):
    arguments = ("analyze", model, photographs, "--bands", 4)
    silent = iaside(*arguments, "-o", tmp_path / "a.h5")
    forced = iaside(*arguments, "-o", tmp_path / "b.h5", "--progress")
    assert "passes/s" not in silent.stderr
    assert "passes/s" in forced.stderr
    assert "left" in forced.stderr
    quiet = iaside(*arguments, "-o", tmp_path / "c.h5", "--quiet")
    assert quiet.stdout == ""
    assert all(line.startswith("Warning:") for line in quiet.stderr.splitlines())


@pytest.mark.parametrize("width", [14, 20, 30, 33, 40, 60, 80, 120])
def test_progress_cuts_no_number_however_narrow_the_terminal_is(monkeypatch, capsys, width):
    monkeypatch.setenv("COLUMNS", str(width))
    heard = listener(quiet=False, progress=True)
    heard.start(0, 123_456)
    heard.advance(23_456)
    heard.stop()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "…" not in shown
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert any(" 23456/123456" in f" {line}" for line in lines)
    for line in lines:  # what the numbers leave no room for goes whole
        assert line.count("/123456") == 1
        assert len(re.findall(r"left +[\d:-]+$", line)) == (width >= 27)
        assert line.startswith("forward passes ") == (width >= 42)


@pytest.fixture
def parts(tmp_path):
    """A good model, good data, and what bad ones are made of."""
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(8) % 4
    picture = tmp_path / "picture.png"
    Image.fromarray(images[0]).save(picture)
    return SimpleNamespace(
        folder=tmp_path,
        model=graphs.small_network(tmp_path / "good.onnx"),
        data=write_npz(tmp_path / "good.npz", images, labels),
        images=images,
        labels=labels,
        picture=picture,
    )


def bytes_as_model(parts, content):
    path = parts.folder / "bad.onnx"
    path.write_bytes(content)
    return [path, parts.data]


def graph_as_model(parts, nodes, input_shape, output_shape, **constants):
    path = parts.folder / "bad.onnx"
    graphs.save(path, nodes, constants, input_shape=input_shape, output_shape=output_shape)
    return [path, parts.data]


def one_node(parts, operator, input_shape, output_shape):
    node = helper.make_node(operator, ["image"], ["scores"])
    return graph_as_model(parts, [node], input_shape, output_shape)


def not_a_number(parts):
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Sub", ["flat", "two"], ["negative"]),
        helper.make_node("Sqrt", ["negative"], ["scores"]),
    ]
    return graph_as_model(parts, nodes, IMAGE, ["n", 768], two=np.float32(2))


def labelled(parts, labels):
    return [parts.model, write_npz(parts.folder / "l.npz", parts.images, labels)]


def pictures(parts, *contents):
    """Class folders 0, 1, ... with one picture each."""
    root = parts.folder / "pictures"
    root.mkdir()
    for label, content in enumerate(contents):
        (root / f"{label}").mkdir()
        (root / f"{label}" / "a.png").write_bytes(content)
    return [parts.model, root]


def absolute_tar(parts):
    content = parts.picture.read_bytes()
    return [parts.model, write_tar(parts.folder / "x.tar", [("/a.png", content), ("/a.cls", b"1")])]


def truncated_parquet(parts):
    path = write_parquet(parts.folder / "x.parquet", [parts.picture.read_bytes()], [0])
    path.write_bytes(path.read_bytes()[:-40])
    return [parts.model, path]


IMAGE = ["n", 3, 16, 16]
# Name: arguments of analyze, and what the error must say.
BAD_INPUT = {
    "no such model": (lambda p: [p.folder / "none.onnx", p.data], "none.onnx"),
    "no such images": (lambda p: [p.model, p.folder / "none"], "none"),
    "model is a folder": (lambda p: [p.folder, p.data], "folder"),
    "not an onnx file": (lambda p: bytes_as_model(p, b"no model " * 99), "not an ONNX file"),
    "empty file": (lambda p: bytes_as_model(p, b""), "not an ONNX file"),
    "truncated model": (lambda p: bytes_as_model(p, p.model.read_bytes()[:-99]), "bad.onnx"),
    "no image input": (lambda p: one_node(p, "Identity", ["n", 5], ["n", 5]), "--size"),
    "unknown operator": (lambda p: one_node(p, "Mystery", IMAGE, ["n", 4]), "Mystery"),
    "feature map output": (lambda p: one_node(p, "Relu", IMAGE, IMAGE), "--task other"),
    "nan output": (not_a_number, "NaN"),
    "wrong kind of output": (lambda p: [p.model, p.data, "--probabilities"], "--logits"),
    "wrong class count": (lambda p: pictures(p, *[p.picture.read_bytes()] * 6), "of 6 classes"),
    "label out of range": (lambda p: labelled(p, p.labels + 1), "label 4"),
    "negative label": (lambda p: labelled(p, p.labels - 1), "label -1"),
    "corrupt picture": (lambda p: pictures(p, p.picture.read_bytes(), b"none"), "1/a.png"),
    "truncated picture": (lambda p: pictures(p, p.picture.read_bytes()[:-200]), "0/a.png"),
    "tar with absolute names": (absolute_tar, "relative name"),
    "truncated parquet": (truncated_parquet, "x.parquet: cannot be read as Parquet"),
    "empty folder": (lambda p: pictures(p), "--labels"),
    "more bands than frequencies": (
        lambda p: [p.model, p.data, "--norm", "linf", "--bands", 12],
        "at most 9",
    ),
    "too many players": (lambda p: [p.model, p.data, "--bands", 65], "2 to 64"),
    "separate dc counts": (lambda p: [p.model, p.data, "--bands", 64, "--separate-dc"], "2 to 64"),
    "cuda without cuda": (lambda p: [p.model, p.data, "--provider", "cuda"], "cuda"),
    "tensorrt without it": (lambda p: [p.model, p.data, "--provider", "tensorrt"], "tensorrt"),
    "tensorrt without tf32": (
        lambda p: [p.model, p.data, "--provider", "tensorrt", "--no-tf32"],
        "--provider cuda",
    ),
}
BAD_OPTIONS = {
    "--provider tpu": "auto, cpu, cuda, tensorrt",
    "--norm l3": "linf",
    "--absence blur": "gaussian",
    "--value odds": "log-prob",
    "--preprocess nothing": "imagenet",
    "--estimator guess": "exact",
    "--output-map odd": "real",
    "--layout chw": "nchw",
    "--layout nhwc": "--layout nhwc",
    "--beta 1.5": "--beta",
    "--confidence 95": "--confidence",
    "--batch 0": "--batch",
    "--batch many": "many",
    "--threads -1": "--threads",
    "--samples -5": "--samples",
    "--temperature -1": "--temperature",
    "--temperature warm": "warm",
    "--nonsense": "--nonsense",
    "--size 12x13": "12 x 13",
    "--size big": "big",
    "--input nothing": "'nothing'",
    "--output nothing": "'nothing'",
    "--seed -1": "--seed",
    "--labels none.csv": "--labels",
}
BAD = {
    **BAD_INPUT,
    **{
        line: (lambda p, line=line: [p.model, p.data, *line.split()], text)
        for line, text in BAD_OPTIONS.items()
    },
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_exit_2_and_leaves_nothing(iaside, tmp_path, parts, name):
    make, text = BAD[name]
    arguments = make(parts)
    if name in ("cuda without cuda", "tensorrt without it"):
        from iaside_onnx.inference.choosing import is_active

        if is_active(name.partition(" ")[0]):
            pytest.skip("the provider is active on this machine")
    out = tmp_path / "out"
    out.mkdir()
    result = iaside("analyze", *arguments, "-o", out / "r.h5", "--quiet")
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if not line.startswith("Warning:")]
    assert len(errors) == 1
    assert errors[0].startswith("Error: ")
    assert text in errors[0]
    assert result.stdout == ""
    assert list(out.iterdir()) == []


def test_existing_and_interrupted_reports_are_not_lost(iaside, tmp_path, model, photographs):
    target = tmp_path / "r.h5"
    arguments = ("analyze", model, photographs, "-o", target, "--bands", 2, "--quiet")
    assert iaside(*arguments).exit_code == 0
    before = target.read_bytes()
    refused = iaside(*arguments)
    assert (refused.exit_code, "--overwrite" in refused.stderr) == (2, True)
    assert target.read_bytes() == before
    assert iaside(*arguments, "--overwrite").exit_code == 0
    target.rename(tmp_path / "r.h5.partial")
    refused = iaside(*arguments)
    assert (refused.exit_code, "--resume" in refused.stderr) == (2, True)
    missing = iaside("analyze", model, photographs, "-o", tmp_path / "no" / "r.h5")
    assert (missing.exit_code, "does not exist" in missing.stderr) == (2, True)


def test_single_class_and_few_folders_are_warnings(iaside, tmp_path, model, photographs):
    for label in (1, 2, 3):
        shutil.rmtree(photographs / f"class{label}")
    result = iaside("analyze", model, photographs, "-o", tmp_path / "r.h5", "--bands", 2, "--quiet")
    assert result.exit_code == 0
    assert "one class" in result.stderr
    assert "the images are of 1 class, the model has 4" in result.stderr


def test_names_from_outside_cannot_steer_the_terminal(iaside, tmp_path, model):
    images = np.zeros((4, 16, 16, 3), np.uint8)
    data = write_npz(tmp_path / "a\x1b[31mb.npz", images, [0, 1, 2, 3])
    result = iaside("analyze", model, data, "-o", tmp_path / "r.h5", "--bands", 2)
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout + result.stderr


def test_both_runtimes_side_by_side_are_noticed(monkeypatch, model):
    import importlib.metadata

    from iaside_onnx.inference.inspection import inspect

    monkeypatch.setattr(importlib.metadata, "version", lambda _: "1.0")
    assert any("shadow each other" in warning for warning in inspect(model)["warnings"])


@pytest.mark.parametrize("command", ["analyze", "robustness", "heatmap", "snr"])
def test_commands_that_measure_share_the_options_of_a_run(command):
    known = {name for option in main.commands[command].params for name in option.opts}
    assert known >= {
        "--labels", "--columns", "--class-names", "--label-order", "--image-column",
        "--label-column", "--skip-bad", "--samples", "--seed", "--preprocess", "--size", "--input",
        "--output", "--layout", "--logits", "--set", "--allow-random", "--ort-extension",
        "--ep-library", "--provider", "--batch", "--threads", "--tf32", "--time-budget",
        "--shard", "--dask", "--resume", "--confidence", "--overwrite", "--progress", "--quiet",
        "--json",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("robustness", ("--attack", "none", "--corruption", "fog", "--severity", 1)),
        ("heatmap", ("--grid", 3)),
        ("snr", ("--corruption", "fog", "--severity", 1)),
    ],
)
def test_parts_of_any_measurement_join_into_the_whole(
    iaside, tmp_path, model, photographs, command, options
):
    paths = (photographs,) if command == "snr" else (model, photographs)
    bands = () if command == "robustness" else ("--bands", 2)
    shared = (command, *paths, *bands, *options, "--quiet", "-o")
    names = [tmp_path / f"{name}.h5" for name in ("whole", "one", "two", "joined")]
    assert iaside(*shared, names[0], "--time-budget", "1h").exit_code == 0
    for part, name in enumerate(names[1:3], 1):
        assert iaside(*shared, name, "--shard", f"{part}/2").exit_code == 0
    table = iaside("merge", *names[1:3], "-o", names[3]).stdout
    assert f"Report: {names[3]}" in table
    assert table.startswith(iaside("show", names[0]).stdout[:80])
    whole, joined = (json.loads(iaside("show", name, "--json").stdout) for name in names[::3])
    changing = {"created", "run", "seconds"}
    assert {key: whole[key] for key in whole if key not in changing} == {
        key: joined[key] for key in joined if key not in changing
    }


def test_times_are_seconds_or_hours_and_minutes():
    for text, seconds in (("90", 90), ("1.5", 1.5), ("10m", 600), ("1h30m", 5400), ("2m5s", 125)):
        assert duration(None, None, text) == seconds
    for text in ("", "m", "30m1h", "1d", "ten", "1e"):
        with pytest.raises(click.BadParameter, match="is no time"):
            duration(None, None, text)
