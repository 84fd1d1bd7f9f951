"""What the program says of itself, and what it answers to words that are nearly right."""

from __future__ import annotations

import io
import re

import click
import pytest

from iaside_onnx import __version__
from iaside_onnx.cli import main
from iaside_onnx.commands.help import GROUPS, OTHERS, first_sentence, grouped
from iaside_onnx.streams import broken

from . import graphs


@pytest.fixture
def here(tmp_path, monkeypatch, photographs):
    """A folder with a model and photographs, and no more; the working directory."""
    graphs.small_network(tmp_path / "net.onnx")
    (tmp_path / "photos").symlink_to(photographs)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_alone_lists_every_command_on_a_line(iaside):
    alone = iaside()
    assert (alone.exit_code, alone.stderr) == (0, "")
    lines = alone.stdout.splitlines()
    for name, command in main.commands.items():
        assert f"  {name.ljust(10)}  {first_sentence(command.help)}" in lines
    assert [line[:-1] for line in lines if line.endswith(":")] == [
        heading for heading, _ in grouped(main.commands)
    ]
    assert max(map(len, lines)) < 80


def test_every_command_stands_in_a_group():
    assert [heading for heading, _ in grouped(main.commands) if heading == OTHERS] == []
    assert list(GROUPS) == ["Start", "Measure", "Look", "Check"]
    assert list(grouped(["new", "show"])) == [("Look", ["show"]), (OTHERS, ["new"])]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_is_whole_and_shows_the_usual_options(name, iaside):
    command = main.commands[name]
    usual, again = iaside(name, "--help"), iaside("help", name)
    assert usual.exit_code == 0
    assert usual.stdout == again.stdout
    assert "..." not in re.sub(r"[A-Z]+\.\.\.", "", usual.stdout)
    everything = iaside(name, "--help-all")
    assert everything.exit_code == 0
    # Where all is shown at once, both names of the help give the same.
    assert (everything.stdout == usual.stdout) == (not command.has_many)
    assert usual.stdout.partition("\n\n")[0].count("[OPTIONS]") == 1
    options = [e for e in command.params if isinstance(e, click.Option) and not e.hidden]
    named = {word.strip(",") for word in re.findall(r"\s(--?[a-z][a-z0-9-]*)", everything.stdout)}
    assert {name for each in options for name in each.opts} <= named
    of_options = usual.stdout.partition("\nOptions:\n")[2]
    listed = re.findall(r"^  (?:-[a-z], )?(--[a-z][a-z-]*)", of_options, re.MULTILINE)
    assert len(listed) <= 16
    if command.has_many:
        assert f"{len(options) + 2 - len(listed)} more options: " in usual.stdout


def test_help_and_version_are_words_too(iaside):
    assert iaside("help").stdout == iaside("--help").stdout
    assert iaside("--help-all").stdout == iaside("--help").stdout
    assert iaside("export", "keras", "--help-all").stdout == iaside("export", "keras", "-h").stdout
    assert iaside("version").stdout == iaside("--version").stdout
    assert __version__ in iaside("version").stdout
    unknown = iaside("help", "analyse")
    assert unknown.exit_code == 2
    assert "analyze" in unknown.stderr


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["analyse", "net.onnx", "photos"], "'analyze'"),
        (["net.onnx", "photos"], "did you mean: iaside audit net.onnx photos"),
        (["analyze", "net.onnx", "photos", "--smaples", "5"], "'--samples'"),
        (["analyze", "net.onnx"], "Missing argument 'IMAGES'; it is"),
        (["analyze", "photos", "net.onnx"], "the model is named first, then the images"),
        (["analyze", "nett.onnx", "photos"], "did you mean net.onnx?"),
        (["analyze", "net.onnx", "./phtos"], "did you mean photos?"),
        (["analyze", "net.onnx", "photos", "--absence", "Gausian"], "did you mean gaussian? "),
        (["analyze", "net.onnx", "photos", "--provider", "cdua"], "did you mean cuda? "),
        (["analyze", "net.onnx", "photos", "--preprocess", "imagnet"], "did you mean imagenet? "),
        (["robustness", "net.onnx", "photos", "--corruption", "gausian_noise"], "gaussian_noise? "),
        (["robustness", "net.onnx", "photos", "--attack", "square-l3"], "did you mean square-l"),
        (["snr", "photos", "--corruption", "imagenetc"], "did you mean imagenet-c? "),
        (["show", "photos"], "is a folder; give a report, there is none in it"),
        (["show", "report"], "no such report file; did you mean report.h5?"),
        (["show", "."], "is a folder; give a report, such as report.h5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_was_meant_is_said(words, answer, iaside, here):
    (here / "report.h5").write_bytes(b"")
    done = iaside(*words)
    assert done.exit_code == 2
    assert answer in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_a_target_files_are_named_after_what_they_are_of(iaside, here, photographs):
    few = ("--bands", 2, "--samples", 4)
    for _ in range(2):
        made = iaside("analyze", "net.onnx", "photos", *few)
    assert made.exit_code == 2
    assert "net-report.h5: exists already" in made.stderr
    iaside("snr", "photos/", "--samples", 2, "--corruption", "contrast", "--severity", 1)
    iaside("plot", "net-report.h5")
    iaside("html", "./net-report.h5")
    once = ("explain", "net.onnx", "photos", *few, "--severity", 1, "--corruption", "contrast")
    assert iaside(*once).exit_code == 0
    assert iaside(*once, "--corruption", "fog").exit_code == 0
    assert {path.name for path in (here / "net-damage").iterdir()} == {
        "contrast-1.h5",
        "fog-1.h5",
    }
    found = {path.name for path in here.iterdir()} - {"net.onnx", "photos", photographs.name}
    assert found == {
        "net-report.h5",
        "photos-snr.h5",
        "net-report.png",
        "net-report.html",
        "net-damage.h5",
        "net-damage",
    }


def test_prose_breaks_at_words_on_a_terminal_alone(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "30")
    line = "a threshold is compared with --min-accuracy of some-report.h5"
    assert broken(line, io.StringIO()) == line
    assert broken(line, Terminal()).splitlines() == [
        "a threshold is compared with",
        "--min-accuracy of",
        "some-report.h5",
    ]
