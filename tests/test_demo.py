"""What comes with the program is there and right, and the examples of the helps run on it."""

from __future__ import annotations

import hashlib
import inspect
import re
import shlex
import shutil
import subprocess
import zlib
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

import iaside_onnx as ia
from iaside_onnx import bundled
from iaside_onnx.cli import main
from iaside_onnx.page.repeat import measuring, model_and_images, repetition

from .conftest import ROOT

CLASSES = ["astronaut", "cat", "coffee", "galaxies", "retina", "rocket", "tissue"]
# Audits are tested elsewhere, exports need frameworks.
ELSEWHERE = {"demo", "audit", "export"}
MEASURING = {"analyze", "robustness", "explain", "heatmap", "snr", "filter"}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copied") / "tour"
    done = CliRunner().invoke(main, ["demo", "--copy", str(folder)])
    assert done.exit_code == 0, done.stderr
    return folder


def test_the_photographs_are_in_colour_and_their_classes_are_the_models(copied):
    found = sorted(path.name for path in (copied / "photos").iterdir())
    assert found == CLASSES
    report = ia.analyze(copied / "model.onnx", copied / "photos", samples=0, bands=1)
    assert report.class_names == CLASSES
    assert len(report.labels) == 63
    assert 0.85 <= report.accuracy <= 0.97
    example = report.example.astype(int)
    assert abs(example[..., 0] - example[..., 2]).max() > 20


def test_the_card_says_where_each_photograph_is_from_and_under_which_licence():
    card = (bundled.FOLDER / "README.md").read_text()
    row = r"^\| (\w+) \| `[a-z_]+\.(?:png|jpg)` \| .* \| (.+) \| [\d.]+ \|$"
    rows = re.findall(row, card, re.MULTILINE)
    assert [name for name, _ in rows] == CLASSES
    assert all("public domain" in text.lower() or "copyright" in text for _, text in rows)
    for name in ("model.onnx", "model-v2.onnx"):
        assert hashlib.sha256((bundled.FOLDER / name).read_bytes()).hexdigest() in card


def test_a_copy_never_replaces_anything(copied, iaside, tmp_path):
    before = sorted(copied.rglob("*"))
    again = iaside("demo", "--copy", copied)
    assert again.exit_code == 2
    assert "exists already; give another folder" in again.stderr
    assert sorted(copied.rglob("*")) == before
    assert iaside("demo", "--copy", tmp_path / "no" / "where").exit_code == 2
    (tmp_path / "empty").mkdir()
    assert iaside("demo", "--copy", tmp_path / "empty").exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]
    both = iaside("demo", "--copy", tmp_path / "x", "-o", tmp_path / "y")
    assert "--copy measures nothing" in both.stderr


def test_the_copy_holds_all_that_the_package_holds(copied):
    held = {path.name for path in files("iaside_onnx").joinpath("bundled").iterdir()}
    held -= {"__init__.py", "__pycache__"}
    assert {path.name for path in copied.iterdir()} == held | {bundled.AS_JPEG}
    pairs = [sorted(path.stem for path in (copied / name).rglob("*.*")) for name in
             ("photos", bundled.AS_JPEG)]  # fmt: skip
    assert pairs[0] == pairs[1]


def test_the_demo_is_an_audit_of_it(iaside, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("iaside_onnx.commands.demo.answered", lambda *given: asked.append(given))
    monkeypatch.chdir(tmp_path)
    assert iaside("demo", "--json").exit_code == 0
    ((model, photos, target, again, options),) = asked
    assert (model, photos, target) == (bundled.MODEL, bundled.PHOTOS, Path("demo-audit"))
    assert " ".join(map(str, again)) == "iaside demo -o demo-audit"
    assert options["as_json"] is True


@pytest.mark.parametrize("name", ["model", "model-v2", "model-qdq", "model-v2-qdq"])
def test_commands_that_its_reports_suggest_run_in_the_copy(
    copied, name, iaside, monkeypatch, tmp_path
):
    monkeypatch.chdir(copied)
    report = ia.load(Path("analyses", f"{name}.h5"))
    again, measured = repetition(report).words, measuring(report).words
    assert again[2:4] == measured[2:4] == list(model_and_images(report))
    model, images = map(Path, again[2:4])
    assert hashlib.sha256(model.read_bytes()).hexdigest() == report.model["sha256"]
    assert images.is_dir()
    if name == "model-qdq":
        done = iaside(*again[1:], "--samples", 7, "--bands", 2, "-o", tmp_path / "again.h5")
        assert done.exit_code == 0, done.stderr


def examples(name):
    text = (
        inspect.cleandoc(main.commands[name].help)
        .partition("\b\nExample:\n")[2]
        .replace("\\\n", " ")
    )
    return [shlex.split(line)[1:] for line in text.splitlines() if line.strip()]


def small(words):
    """An example made small."""
    if words[0] in MEASURING and "--samples" not in words:
        words = [*words, "--samples", "14" if words[0] == "filter" else "7"]
    if words[0] in ("analyze", "explain"):
        words = [*words, "--bands", "2"]
    if words[0] == "robustness":
        words = [*words, "--queries", "2"]
        words += [] if {"--baseline", "--perturbed"} & {*words} else ["--corruption", "fog"]
    if words[0] == "predict" and "--spectrum" in words:
        words = [*words, "--samples", "7"]
    if words[0] == "predict" and "--measured" in words and "--model" in words:
        words = [*words, "--corruption", "fog", "--severity", "3"]
    if words[0] == "heatmap":
        words = [*words, "--grid", "3"]
    if words[0] == "snr":
        words = [*words, "--severity", "1", "--queries", "4"]
        words += [] if "--attack" in words else ["--corruption", "contrast"]
    return words


@pytest.mark.parametrize("name", [name for name in main.commands if name not in ELSEWHERE])
def test_every_example_of_every_help_runs_in_a_copy(name, copied, iaside, tmp_path, monkeypatch):
    for path in copied.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    assert examples(name)
    for words in examples(name):
        given = [
            found
            for word in small(words)
            for found in (sorted(map(str, tmp_path.glob(word))) if "*" in word else [word])
        ]
        done = iaside(*given)
        assert done.exit_code == 0, (words, done.stderr, done.stdout)


def test_it_makes_the_wheel_little_larger():
    held = [path for path in bundled.FOLDER.rglob("*") if path.suffix not in ("", ".py", ".pyc")]
    assert len(held) == 63 + 4 + 4 + 4 + 3
    assert sum(len(zlib.compress(path.read_bytes())) for path in held) < 1_500_000


def test_no_file_of_it_is_left_out_of_the_wheel():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no clone: which files git ignores, and the wheel with it, cannot be asked")
    held = sorted(str(path) for path in bundled.FOLDER.rglob("*.*") if path.suffix != ".pyc")
    done = subprocess.run(
        ["git", "check-ignore", *held], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_reports_of_the_copy_are_called_as_the_models_on_every_screen():
    paths = [
        path for part in ("analyses", "robustness") for path in (bundled.FOLDER / part).iterdir()
    ]
    assert len(paths) == 8
    for path in paths:
        assert Path(ia.load(path).model["path"]).stem == path.stem
