"""`iaside show`: several results, folders, CSV, and what stands below a table."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from dataclasses import replace
from shutil import copy

import h5py
import numpy as np
import pytest

from iaside_onnx.commands.output import _cell
from iaside_onnx.views.provenance import next_commands, provenance_lines

from .made_reports import made, profiles
from .robustness_reports import made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a report, a measurement and a file that is none."""
    here = tmp_path_factory.mktemp("results")
    made(profiles(30)).save(here / "a.h5")
    wrong = np.zeros((30, 2, 2), bool)
    wrong[:10, 1] = True
    made_up(np.arange(30) < 3, wrong).save(here / "b.h5")
    (here / "c.h5").write_bytes(b"nothing")
    return here


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_below_a_table_stands_where_it_comes_from_and_what_is_next(folder, iaside):
    shown = iaside("show", folder / "b.h5").stdout.splitlines()
    below = next(line for line in shown if line.startswith("Made "))
    for told in (
        "2026-01-01 00:00 UTC", "iaside 0.1.0", "on cpu", "seed 0", "size 8 x 8",
        f"model {'ab' * 6}", f"images {'cd' * 6}",
    ):  # fmt: skip
        assert told in below, told
    assert "preprocessing unit" in provenance_lines(made(profiles(4)))[0]
    after = shown[shown.index(below) + 1 :]
    assert after[0].startswith("Next: iaside plot")
    assert any("--corruption corruption1 --severity 2" in line for line in after)
    assert any("--max-error noise=0.35" in line for line in after)
    # Whether it holds today is said where it is suggested.
    assert re.search(r"\((passes|fails) today: error 0\.\d\d, upper end 0\.\d\d\)", " ".join(after))


def test_commands_that_come_next_can_be_typed(folder):
    report = made(profiles(30))
    lines = [line for line, _ in next_commands(report, folder / "a b.h5")]
    assert lines[1] == f"iaside plot '{folder / 'a b.h5'}'"


def test_what_compares_says_what_comes_next(folder, tmp_path, iaside):
    made(profiles(30, seed=1), name="other").save(tmp_path / "other.h5")
    compared = iaside("compare", folder / "a.h5", tmp_path / "other.h5").stdout
    words = ["gate", tmp_path / "other.h5", "--baseline", folder / "a.h5", "--max-drop", "0.02"]
    gate = f"Next: iaside {shlex.join(map(str, words))}"
    assert gate in compared
    assert "Next" not in iaside("compare", folder / "a.h5", tmp_path / "other.h5", "--json").stdout


def test_several_are_shown_one_after_another(folder, iaside):
    both = iaside("show", folder / "a.h5", folder / "b.h5")
    assert both.exit_code == 0, both.stderr
    assert [line for line in both.stdout.splitlines() if line.startswith("== ")] == [
        f"== {folder / 'a.h5'}",
        f"== {folder / 'b.h5'}",
    ]
    values = json.loads(iaside("show", folder / "a.h5", folder / "b.h5", "--json").stdout)
    assert [each["format"] for each in values["reports"]] == ["iaside-report", "iaside-robustness"]
    alone = json.loads(iaside("show", folder / "a.h5", "--json").stdout)
    assert values["reports"][0] == {"file": str(folder / "a.h5"), **alone}
    refused = iaside("show", folder / "a.h5", folder / "b.h5", "--beta", "0.5")
    assert refused.exit_code == 2
    assert "--beta does not apply to" in refused.stderr


def test_a_folder_among_several_stands_for_the_files_in_it(folder, tmp_path, iaside):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        copy(folder / f"{name}.h5", tmp_path / name)
    done = iaside("show", tmp_path / "a", tmp_path / "b", "--csv")
    assert done.exit_code == 0, done.stderr
    files = dict.fromkeys(row["file"] for row in rows_of(done.stdout))
    assert list(files) == [str(tmp_path / "a" / "a.h5"), str(tmp_path / "b" / "b.h5")]
    page = tmp_path / "page.html"
    assert iaside("html", tmp_path / "a", "-o", page).exit_code == 0
    held = iaside("verify", page, tmp_path / "a")
    assert held.exit_code == 0, held.stdout + held.stderr


def test_files_of_a_folder_are_verified_one_after_another(folder, tmp_path, iaside):
    several = tmp_path / "d"
    several.mkdir()
    for name in ("a", "b"):
        copy(folder / f"{name}.h5", several)
    held = iaside("verify", several)
    assert held.exit_code == 0, held.stderr
    heads = [line for line in held.stdout.splitlines() if line.startswith("== ")]
    assert heads == [f"== {several / 'a.h5'}", f"== {several / 'b.h5'}"]
    told = json.loads(iaside("verify", several, "--json").stdout)
    assert (told["holds"], [each["holds"] for each in told["files"]]) == (True, [True, True])
    alone = json.loads(iaside("verify", several / "a.h5", "--json").stdout)
    assert told["files"][0] == {"file": str(several / "a.h5"), **alone}
    with h5py.File(several / "b.h5", "r+") as changed:
        changed.attrs["created"] = "2020-01-01T00:00:00+00:00"
    broken = iaside("verify", several, "--json")
    assert broken.exit_code == 1
    assert [each["holds"] for each in json.loads(broken.stdout)["files"]] == [True, False]


def test_pictures_of_two_kinds_of_file_of_one_name_do_not_collide(
    folder, tmp_path, iaside, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for place, name in (("analyses", "a"), ("robustness", "b")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "m.h5").write_bytes((folder / f"{name}.h5").read_bytes())
    for words in ((), ("--panel", "sid")):
        assert iaside("plot", "analyses/m.h5", *words).exit_code == 0
    assert "Picture: m-robustness.png" in iaside("plot", "robustness/m.h5").stdout
    copy(folder / "a.h5", tmp_path)
    listed = iaside("show", ".").stdout
    assert "Folders in it that hold more: analyses, robustness" in listed
    other = replace(made(profiles(30)), model={"path": "o.onnx", "sha256": "9" * 64})
    other.save("o.h5")
    page = iaside("html", "o.h5", "robustness", "-o", "page.html")
    assert page.exit_code == 2  # nothing was measured of the one model
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "m.png", "m-sid.png", "m-robustness.png"
    }  # fmt: skip


def test_a_folder_is_listed(folder, iaside):
    listed = iaside("show", folder)
    assert listed.exit_code == 0, listed.stderr
    assert "3 results" in listed.stdout
    assert f"iaside rank {shlex.quote(str(folder))}" in listed.stdout
    rows = rows_of(iaside("show", folder, "--csv").stdout)
    assert [row["command"] for row in rows] == ["analyze", "robustness", ""]
    assert "no report" in rows[2]["says"]
    files = json.loads(iaside("show", folder, "--json").stdout)["files"]
    assert [each["file"] for each in files] == ["a.h5", "b.h5", "c.h5"]
    assert "Folders in it" not in listed.stdout
    refused = iaside("show", folder, "--per-class")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_rows_are_csv(folder, iaside):
    rows = rows_of(iaside("show", folder / "a.h5", "--csv").stdout)
    report = made(profiles(30))
    assert [float(row["sid"]) for row in rows] == pytest.approx(report.sid.tolist(), rel=1e-5)
    rows = rows_of(iaside("show", folder / "b.h5", "--csv").stdout)
    named = {(row["corruption"], row["severity"]): row for row in rows}
    assert float(named["none", ""]["error"]) == pytest.approx(0.1)
    assert float(named["corruption1", "2"]["error"]) == pytest.approx(1 / 3, rel=1e-5)
    assert float(named["mean", "mean"]["error"]) == pytest.approx(1 / 6, rel=1e-5)
    both = rows_of(iaside("show", folder / "a.h5", folder / "b.h5", "--csv").stdout)
    assert {row["file"] for row in both} == {str(folder / "a.h5"), str(folder / "b.h5")}
    assert iaside("show", folder / "a.h5", "--csv", "--json").exit_code == 2


def test_a_baseline_without_errors_says_why_there_is_no_ratio(folder, tmp_path, iaside):
    perfect = made_up(np.arange(30) < 3, np.zeros((30, 2, 2), bool))
    replace(perfect, model={"path": "p.onnx", "sha256": "ee" * 32}).save(tmp_path / "p.h5")
    shown = iaside("show", folder / "b.h5", "--baseline", tmp_path / "p.h5").stdout
    assert "a ratio to a baseline's errors is not defined where it makes none" in shown
    assert "not defined where" not in iaside("show", folder / "b.h5").stdout


def test_csv_holds_no_formula_and_no_control_character(iaside, tmp_path):
    assert [_cell(text) for text in ("=1+1", "+x", "@SUM(1)", "-m.onnx")] == [
        "'=1+1", "'+x", "'@SUM(1)", "'-m.onnx",
    ]  # fmt: skip
    for text in ("-1", "+2.5e3", "a=b", "7", "cat"):
        assert _cell(text) == text
    assert _cell("a\x1b[31m\u202eb\u2066\u2069\ud800") == "a?[31m?b???"
    for name in ("日本\u3000語", "a\N{NO-BREAK SPACE}b", "\U0001f469\u200d\U0001f52c", "\ue000"):
        assert _cell(name) == name
    assert (_cell(0.1234567), _cell(3), _cell(None)) == ("0.123457", 3, None)
    path = made(profiles(30), name="=1+1")
    path.save(tmp_path / "=r.h5")
    told = iaside("show", tmp_path, "--csv").stdout
    assert "'=r.h5," in told
