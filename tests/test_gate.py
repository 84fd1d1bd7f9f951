"""The gate: which end it judges, exit codes, JUnit and Markdown for hostile names, the examples."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from datetime import datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.cli import main
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.proportion import wilson
from iaside_onnx.views.gate_output import junit, lines, markdown
from iaside_onnx.views.text import one_line

from .conftest import ROOT
from .made_reports import made, profiles, shifted
from .robustness_reports import made_up

HOSTILE = (
    "<img src=x onerror=alert(1)>|`a` ::error:: ##vso[x] [b](http://c) *d* & \x1b[1m\n# e\udcff"
)


@pytest.fixture
def reports(tmp_path):
    """A good report, and a worse one on the same images."""
    psi = profiles(150)
    wrong = np.array([1] * 15 + [0] * 135)
    made(psi, name="good").save(tmp_path / "good.h5")
    made(shifted(psi, by=-0.5, band=0), wrong=wrong, name="bad").save(tmp_path / "bad.h5")
    return tmp_path / "good.h5", tmp_path / "bad.h5"


def test_the_unfavourable_end_is_judged_and_the_estimate_on_request():
    psi = profiles(120)
    report = made(psi, wrong=[1] * 12 + [0] * 108)
    low, high = report.intervals.srs_signed
    assert ia.gate(report, min_score=low).passed
    assert not ia.gate(report, min_score=np.nextafter(low, 1)).passed
    assert ia.gate(report, min_score=report.srs_signed, point=True).passed
    assert not ia.gate(report, min_score=report.srs_signed).passed
    least = float(wilson(108, 120)[0])
    assert ia.gate(report, min_accuracy=least).passed
    assert not ia.gate(report, min_accuracy=0.9).passed
    assert ia.gate(report, min_accuracy=0.9, point=True).passed
    narrow = ia.gate(report, min_score=low, confidence=0.5).criteria[0]
    assert low < narrow.judged < report.srs_signed < narrow.high < high


def test_drops_are_paired_differences_turned_round():
    psi = profiles(120)
    first = made(psi, name="first")
    second = made(shifted(psi, by=-0.3, band=0), wrong=[1] * 9 + [0] * 111, name="second")
    pair = ia.compare(first, second).pairs[0]
    found = ia.gate(second, baseline=first, max_drop=1, max_accuracy_drop=1)
    for criterion, difference in zip(found.criteria, (pair.accuracy, pair.srs_signed), strict=True):
        assert criterion.estimate == -difference.difference
        assert (criterion.low, criterion.high) == (-difference.high, -difference.low)
        assert criterion.judged == criterion.high
    limit = -pair.srs_signed.low
    assert ia.gate(second, baseline=first, max_drop=limit).passed
    assert not ia.gate(second, baseline=first, max_drop=np.nextafter(limit, 0)).passed
    # Nothing is lost against oneself, with certainty.
    assert ia.gate(first, baseline=first, max_drop=0, max_accuracy_drop=0).passed


def test_the_view_is_that_of_the_report():
    psi = profiles(60)
    report, baseline = made(psi, beta=0.5), made(psi)
    found = ia.gate(report, min_score=0, baseline=baseline, max_drop=0)
    assert found.view["beta"] == 0.5
    assert found.passed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no threshold"),
        ({"min_score": 30.0}, "between -0.*and 0"),
        ({"min_score": float("nan")}, "min_score=nan"),
        ({"min_accuracy": 85.0}, "a share from 0 to 1"),
        ({"max_drop": 0.1}, "needs baseline=REPORT"),
        ({"baseline": True}, "needs max_drop or max_accuracy_drop"),
        ({"baseline": True, "max_drop": -0.1}, "max_drop=-0.1"),
        ({"baseline": True, "max_drop": float("inf")}, "max_drop=inf"),
        ({"min_score": 0.1, "confidence": 1.5}, "confidence=1.5"),
        ({"min_accuracy": "x"}, "min_accuracy='x': must be a number"),
        ({"baseline": True, "max_mce": "a"}, "max_mce='a': must be a number"),
        ({"min_score": True}, "min_score=True: must be a number"),
        ({"max_error": "noise=0.5"}, "give shares by corruption or group"),
        ({"max_error": ["noise"]}, "give shares by corruption or group"),
        ({"max_error": {"noise": "a"}}, "max_error='noise=a': must be a share"),
        ({"max_error": {"noise": True}}, "max_error='noise=True': must be a share"),
    ],
)
def test_questions_that_make_no_sense_are_usage_errors(options, message):
    report = made(profiles(30))
    if "baseline" in options:
        options = {**options, "baseline": report}
    with pytest.raises(UsageError, match=message):
        ia.gate(report, **options)


def test_few_images_are_noted_and_one_is_refused():
    assert "5 images are few" in ia.gate(made(profiles(5)), min_score=0).notes[0]
    with pytest.raises(UsageError, match="point=True"):
        ia.gate(made(profiles(1)), min_score=0)
    assert ia.gate(made(profiles(1)), min_accuracy=1, point=True).passed


def test_exit_codes_and_one_line_a_reason(iaside, reports):
    good, bad = reports
    score = ia.load(good).intervals.srs_signed[0] - 0.001
    passed = iaside("gate", good, "--min-score", score, "--min-accuracy", 0.9)
    assert passed.exit_code == 0
    assert re.fullmatch(r"Note: --min-score is compared with a score of 4 b.+\n", passed.stderr)
    assert [line[:4] for line in passed.stdout.splitlines()] == ["PASS", "PASS"]
    assert "clean accuracy" in passed.stdout.splitlines()[0]  # judged first
    failed = iaside("gate", bad, "--min-score", score, "--baseline", good, "--max-drop", 0.01,
                    "--max-accuracy-drop", 0.5)  # fmt: skip
    assert failed.exit_code == 1
    assert [line[:4] for line in failed.stdout.splitlines()] == ["PASS", "FAIL", "FAIL"]
    assert "lower end" in failed.stdout.splitlines()[1]
    assert "upper end" in failed.stdout.splitlines()[2]
    told = iaside("gate", bad, "--min-score", score, "--json")
    assert told.exit_code == 1
    summary = json.loads(told.stdout)
    assert (summary["passed"], len(summary["reasons"])) == (False, 1)
    assert told.stderr.splitlines()[1:] == [f"FAIL {summary['reasons'][0]}"]


def test_bad_input_is_exit_code_2_in_one_line(iaside, reports, tmp_path):
    good, bad = reports
    made(profiles(150), absence="zero").save(tmp_path / "other.h5")
    (tmp_path / "broken.h5").write_bytes(good.read_bytes()[:1000])
    for arguments in (
        [good],
        [good, "--min-score", "x"],
        [good, "--baseline", tmp_path / "other.h5", "--max-drop", 0.1],
        [tmp_path / "broken.h5", "--min-score", 0],
        [good, "--baseline", tmp_path / "broken.h5", "--max-drop", 0.1],
        [tmp_path / "absent.h5", "--min-score", 0],
        [good, "--min-score", 0, "--json", "--markdown", "-"],
        [good, "--min-score", 0, "--junit", tmp_path / "x", "--markdown", tmp_path / "x"],
        [good, "--min-score", 0, "--junit", bad],
        [good, "--min-score", 0, "--junit", tmp_path / "fine.xml", "--markdown", "/nowhere/x.md"],
    ):
        result = iaside("gate", *arguments)
        assert result.exit_code == 2, arguments
        assert result.stdout == ""
        assert re.fullmatch(r"Error: .+\n", result.stderr), arguments
    # All files are written, or none.
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".h5"] * 4


def test_files_are_written_whole_and_replaced_on_request(iaside, reports, tmp_path):
    good, bad = reports
    files = "--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md"
    assert iaside("gate", good, "--min-accuracy", 0.95, *files).exit_code == 0
    assert iaside("gate", bad, "--min-accuracy", 0.95, *files).exit_code == 2
    assert 'failures="0"' in (tmp_path / "gate.xml").read_text()
    assert iaside("gate", bad, "--min-accuracy", 0.95, *files, "--overwrite").exit_code == 1
    assert 'failures="1"' in (tmp_path / "gate.xml").read_text()
    shown = iaside("gate", bad, "--min-accuracy", 0.95, "--markdown", "-")
    assert shown.stdout == (tmp_path / "gate.md").read_text()
    assert shown.stderr.startswith("FAIL clean accuracy 0.900")


def hostile():
    psi = profiles(60)
    report = made(psi, name=HOSTILE)
    report.data["source"] = HOSTILE
    baseline = made(psi[:50], name=HOSTILE, layout=HOSTILE)
    return ia.gate(report, min_score=0.42, baseline=baseline, max_drop=0.5)


def test_junit_is_well_formed_and_complete_whatever_the_names():
    """The rules of the schema of Ant's JUnit task, the strictest of those in use."""
    root = ElementTree.fromstring(junit(hostile()))
    assert (root.tag, root.attrib) == ("testsuites", {})
    (suite,) = root
    assert [child.tag for child in suite] == [
        "properties", "testcase", "testcase", "system-out", "system-err",
    ]  # fmt: skip
    for key in ("id", "tests", "failures", "errors"):
        assert suite.get(key).isdigit()
    assert (suite.get("tests"), suite.get("failures"), suite.get("time")) == ("2", "1", "0")
    assert suite.get("name")
    assert suite.get("package")
    assert suite.get("hostname")
    datetime.strptime(suite.get("timestamp"), "%Y-%m-%dT%H:%M:%S")
    cases = suite.findall("testcase")
    for case in cases:
        assert set(case.attrib) == {"name", "classname", "time"}
        assert re.fullmatch(r"iaside\.gate\.[\w-]+", case.get("classname"))
    assert len({case.get("name") for case in cases}) == 2
    (failure,) = [child for case in cases for child in case]
    assert failure.tag == "failure"
    assert set(failure.attrib) == {"message", "type"}
    assert "is below --min-score 0.42" in failure.text
    values = {entry.get("name"): entry.get("value") for entry in suite.find("properties")}
    assert "onerror=alert(1)" in values["model"]


def test_names_are_no_markup_and_no_commands_to_the_runner():
    found = hostile()
    summary = markdown(found)
    assert len([line for line in summary.splitlines() if line.startswith("|")]) == 4
    names = re.sub(r"&#\d+;", "", summary.partition("Judged:")[2])
    assert "onerror" in names
    assert set(re.findall(r"<[^>]*>", names)) == {"<code>", "</code>"}
    assert not set(re.sub(r"</?code>", "", names)) & set("<>&[]`*_#@|!\\\x1b")
    assert "http://" not in names
    noted = [*lines(found), *junit(found).splitlines()]
    assert not [line for line in noted if line.lstrip().startswith(("::", "##"))]
    assert not [line for line in lines(found) if "##" in line or "::" in line]


def test_the_summary_as_a_page_shows_it():
    from markdown_it import MarkdownIt  # a dependency of rich

    class Page(HTMLParser):
        def __init__(self):
            super().__init__()
            self.tags, self.text = set(), []

        def handle_starttag(self, tag, attrs):
            self.tags |= {tag, *(name for name, _ in attrs if name != "style")}

        def handle_data(self, data):
            self.text.append(data)

    page = Page()
    page.feed(MarkdownIt("commonmark").enable("table").render(markdown(hostile())))
    assert page.tags == {"h3", "table", "thead", "tbody", "tr", "th", "td", "p", "code", "ul", "li"}
    # What people read is the name, every sign of it.
    assert one_line(HOSTILE)[:80] in "".join(page.text)


def test_notes_of_the_summary_are_whole():
    found = hostile()
    note = "the sets of images are not quite alike " * 10 + "at all"
    found = dataclasses.replace(found, notes=[note])
    assert f"- Note: {note}." in html.unescape(markdown(found))


def yaml_blocks():
    yaml = pytest.importorskip("yaml", reason="needs the extra 'test'")
    text = (ROOT / "docs" / "ci.md").read_text()
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]


def test_the_examples_parse_and_their_commands_have_the_options_they_use():
    github, gitlab = yaml_blocks()
    steps = github["jobs"]["audit"]["steps"]
    assert all(("uses" in step) != ("run" in step) for step in steps)
    job = gitlab["spectral audit"]
    assert job["artifacts"]["reports"]["junit"] == ["gate.xml", "gate-errors.xml"]
    scripts = [step["run"] for step in steps if "run" in step] + job["script"]
    commands = [
        line.split() for script in scripts for line in script.splitlines() if "iaside " in line
    ]
    commands = [words for words in commands if words[0] == "iaside"]
    assert {words[1] for words in commands} >= {"analyze", "robustness", "plot", "gate"}
    for words in commands:
        if words[1] not in main.commands:
            continue
        known = {name for option in main.commands[words[1]].params for name in option.opts}
        used = {word for word in words if re.match(r"--?[a-z]", word)}
        assert used
        assert used <= known, words


def gates():
    """The gates of the examples as words, by the system that runs them."""
    github, gitlab = yaml_blocks()
    steps = [step.get("run", "") for step in github["jobs"]["audit"]["steps"]]
    found = {"github": steps, "gitlab": gitlab["spectral audit"]["script"]}
    return {
        name: [re.split(">>|\\|\\|", line)[0].split()[1:] for line in lines if " gate " in line]
        for name, lines in found.items()
    }


def spectral(good):
    """A report that holds the thresholds of the examples, or one that does not."""
    means = [2.0, 0.2, 0.1, 0.05] if good else [0.1, 0.3, 1.0, 1.5]
    return made(np.random.default_rng(0).normal(means, 0.05, (60, 4)), name="net")


def errors(good):
    """The same of measured errors."""
    wrong = np.zeros((60, 2, 1), bool)
    wrong[: 12 if good else 40] = True
    report = made_up(np.zeros(60, bool), wrong)
    kinds = dict(zip(report.perturbations, ("noise", "blur"), strict=True))
    model = {"path": "net.onnx", "sha256": f"{int(good)}f" * 32}
    return dataclasses.replace(report, settings={**report.settings, "kinds": kinds}, model=model)


@pytest.mark.parametrize("good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_the_gates_of_the_examples_tell_a_good_model_from_a_bad_one(
    system, good, iaside, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "audit").mkdir()
    spectral(good=True).save(tmp_path / "audit" / "baseline.h5")
    errors(good=True).save(tmp_path / "audit" / "robustness.h5")
    spectral(good).save(tmp_path / "report.h5")
    errors(good).save(tmp_path / "robustness.h5")
    found = gates()[system]
    assert [words[1] for words in found] == ["report.h5", "robustness.h5"]
    for words in found:
        done = iaside(*words)
        assert done.exit_code == (0 if good else 1), done.stderr + done.stdout
        junit_of = ElementTree.parse(words[words.index("--junit") + 1]).getroot()
        assert (junit_of.find("testsuite").get("failures") == "0") == good
        if "--markdown" in words:
            assert ("iaside gate: passed" in done.stdout) == good
            assert ("❌" in done.stdout) != good


def test_a_ratio_without_an_interval_is_not_judged_by_it(tmp_path, iaside):
    few = np.zeros((30, 2, 1), bool)
    few[0] = True  # some resamples hold none of its errors
    base = made_up(np.zeros(30, bool), few)
    base.save(tmp_path / "base.h5")
    wrong = np.zeros((30, 2, 1), bool)
    wrong[:9] = True
    worse = made_up(np.zeros(30, bool), wrong, model={"path": "w.onnx", "sha256": "9e" * 32})
    worse.save(tmp_path / "worse.h5")
    asked = ("gate", tmp_path / "worse.h5", "--baseline", tmp_path / "base.h5", "--max-mce", 20)
    refused = iaside(*asked)
    assert refused.exit_code == 2
    assert "the ratio has no interval" in refused.stderr
    judged = iaside(*asked, "--point")
    assert judged.exit_code == 0, judged.stderr
    assert "nan" not in judged.stdout
    (entry,) = json.loads(iaside(*asked, "--point", "--json").stdout)["criteria"]
    assert (entry["high"], entry["passed"]) == (None, True)
    assert "nan" not in iaside(*asked, "--point", "--markdown", "-").stdout
    # Neither does it hide what fails beside it, nor the files.
    files = "--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md"
    for limit, code, first in ((0.1, 1, "FAIL"), (0.9, 2, "")):
        done = iaside(*asked, "--max-error", f"noise={limit}", *files, "--overwrite")
        assert (done.exit_code, done.stdout[:4]) == (code, first), done.stderr
        assert ("NONE --max-mce 20 is not judged: in some" in done.stdout) == (code == 1)
        suite = ElementTree.parse(tmp_path / "gate.xml").getroot().find("testsuite")
        assert (suite.get("failures"), suite.get("errors")) == (str(int(code == 1)), "1")
        assert "| not defined |" in (tmp_path / "gate.md").read_text()
    # The same where no resample has a ratio: an estimate is refused alike.
    never = made_up(np.zeros(30, bool), np.zeros((30, 2, 1), bool))
    found = ia.gate(worse, baseline=never, max_mce=2, max_error={"noise": 0.1}, point=True)
    assert [entry.option for entry in found.not_judged] == ["--max-mce"]
    assert (found.passed, len(found.reasons)) == (False, 1)


def test_a_least_score_says_which_scores_it_fits(iaside, tmp_path):
    usual = made(profiles(60, bands=8), norm="l2", size=[256, 256])
    octave = {"spacing": "octave", "edges": [2.0**-k for k in range(7, 0, -1)]}
    other = dataclasses.replace(usual, settings={**usual.settings, **octave})
    linf = made(profiles(60, bands=8))
    assert not ia.gate(usual, min_score=0).notes
    apart = made(profiles(60, bands=9), norm="l2", size=[256, 256], separate_dc=True, bands=8)
    kinds = {"8 bands (l2, octave)": other, "8 bands (linf)": linf, "8 bands (l2, DC apart)": apart}
    for number, (kind, report) in enumerate(kinds.items()):
        decision = ia.gate(report, min_score=0)
        (note,) = decision.notes
        assert f"a score of {kind}, absence gaussian, not of the usual 8 bands (l2)" in note
        assert decision.summary()["game"] == f"{kind}, absence gaussian"
        assert not ia.gate(report, min_accuracy=0).notes
        path = tmp_path / f"{number}.h5"
        report.save(path)
        assert f"compared with a score of {kind}" in iaside("gate", path, "--min-score", 0).stderr
    settings = {**usual.settings, "output_map": "magnitude"}
    shown = dataclasses.replace(usual, settings=settings)
    for seen, said in (
        (shown, "output map magnitude"),
        (usual.view(value="prob", beta=0.5), "value prob, beta 0.5"),
    ):
        (note,) = ia.gate(seen, min_score=0).notes
        assert f"absence gaussian, {said}, not of the usual" in note
    with pytest.raises(ReportError, match="play different games"):
        ia.gate(other, baseline=usual, max_drop=0.1, min_score=0)
