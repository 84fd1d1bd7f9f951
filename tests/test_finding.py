"""What a report says: where the evidence lies, what cannot be decided, and when it says nothing."""

from __future__ import annotations

import dataclasses
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

import iaside_onnx as ia
from iaside_onnx.errors import ReportError
from iaside_onnx.mathematics.proportion import mean_interval, student_quantile, wilson
from iaside_onnx.page.page import page
from iaside_onnx.results.finding import distance_to_decide, reservations
from iaside_onnx.results.precondition import enough
from iaside_onnx.views.plots import figure

from .conftest import ROOT
from .made_reports import made, profiles, shifted
from .pages import Markup
from .robustness_reports import made_up

SHA256 = "0" * 64  # of made reports
# Of 4 bands, this share of the lowest and the rest on the highest makes a score of 0.
EVEN = 0.4526
ROBUSTNESS = re.compile(r"robust(?!ness (MODEL|FILE))")  # but for the command that measures it


def near(values, spread, count=120, seed=3):
    """Shapley values of images scattered about these."""
    noise = np.random.default_rng(seed).normal(0, spread, (count, len(values)))
    return np.asarray(values) + noise


def balanced(spread, count=120):
    """Shapley values whose score is about 0."""
    return near([2 + 2 * EVEN, 2, 2, 2 + 2 * (1 - EVEN)], spread, count)


def at_chance():
    return made(profiles(60), wrong=np.arange(60) % 2)


def flat():
    """v(all) - v(none) is 0.015, and the answers are right."""
    return made(near([0.006, 0.004, 0.003, 0.002], 0.001))


def harmful():
    """Every band makes the true class less probable."""
    return made(near([-0.4, -0.1, -0.3, -0.2], 0.02))


SILENT = {
    at_chance: "clean accuracy is at chance: 30 of 60 images are right",
    flat: "there is next to nothing to share out between the bands: v(all) - v(none) is 0.015",
    harmful: "there is nothing to share out between the bands: clean images make the true",
}


@pytest.mark.parametrize(
    ("psi", "words"),
    [
        (profiles(120), "On 120 images most of the evidence lies on band 0 of 4, counted"),
        (near([0.2, 0.1, 0.5, 2.0], 0.1), "of the way from even (0) to the highest band alone"),
        (balanced(0.05), "On 120 images neither low nor high frequencies carry more"),
        (balanced(2.0), "cannot be decided from 120 images"),
        (balanced(0.6, 4), "cannot be decided from 4 images"),
        (np.ones((30, 4)), "uniform"),
    ],
)
def test_one_score_says_where_the_evidence_lies_and_nothing_of_robustness(psi, words):
    labels = np.arange(len(psi)) % (len(psi) if len(psi) < 10 else 2)
    report = made(psi, labels=labels)
    assert report.precondition.holds
    found = report.summary()
    assert words in found["finding"]
    assert found["interpretation"] == found["finding"] == report.interpretation()
    assert not ROBUSTNESS.search(found["finding"])
    assert "iaside robustness MODEL IMAGES -o FILE" in found["finding"]
    assert "iaside show REPORT --robustness FILE" in found["finding"]
    if not report.uniform and "cannot be decided" not in words:
        low, high = report.intervals.srs_signed
        assert f"[{low:+.3f}, {high:+.3f}]" in found["finding"]


def test_the_bands_named_hold_half_of_the_importance():
    report = made(near([2, 2.2, 1, 0.5, 0.1, 0, 0, 0], 0.05))
    text = report.finding().evidence
    assert "bands 0 and 1 of 8" in text
    sid, ends = report.sid, report.intervals
    for band in (0, 1):
        shown = f"{sid[band]:.3f} [{ends.sid_low[band]:.3f}, {ends.sid_high[band]:.3f}]"
        assert shown in text
    assert sid[1] < 0.5 <= sid[0] + sid[1]


@pytest.mark.parametrize(
    ("estimate", "interval", "images", "needed"),
    [
        # Above the margin: clear of 0 at half the width 0.1, so 20 (0.15 / 0.1)^2.
        (0.1, (-0.05, 0.25), 20, 45),
        # Within it, 0.02 from the nearer margin, which is cleared before 0: 20 (0.05 / 0.02)^2.
        (0.005, (-0.045, 0.055), 20, 130),
        # Within it, but further from 0 than from the margin: 20 (0.05 / 0.024)^2, in two digits.
        (0.024, (-0.026, 0.074), 20, 87),
        (-0.1, (-0.25, 0.05), 20, 45),
        (0.1, (-0.01, 0.11), 20, 21),  # never what there is already
        (0.012, (-9, 9), 1000, None),
    ],
)
def test_how_many_images_would_do(estimate, interval, images, needed):
    distances = distance_to_decide(estimate, interval, (-0.015, 0.026))
    assert enough(images, *distances) == needed


def test_undecided_is_said_with_a_number_that_follows_from_the_report():
    report = made(balanced(2.0))
    low, high = report.intervals.srs_signed
    margins = 0.05 * report.srs_range[0], 0.05 * report.srs_range[1]
    assert low < margins[0]
    assert high > margins[1]
    needed = enough(120, *distance_to_decide(report.srs_signed, (low, high), margins))
    assert f"about {needed:,} images would do" in report.finding().evidence
    # All three answers are reached as the interval narrows.
    assert "neither low nor high" not in report.finding().evidence


@pytest.mark.parametrize("build", SILENT, ids=lambda build: build.__name__)
def test_no_view_shows_a_finding_where_the_precondition_fails(build, iaside, tmp_path):
    report, reason = build(), SILENT[build]
    found = report.summary()
    assert found["finding"].startswith(f"No finding: {reason}")
    assert found["reservations"][0].startswith(reason)
    assert not found["precondition"]["holds"]
    assert isinstance(found["srs"], float)
    assert sum(found["sid"]) == pytest.approx(1)
    gain = found["value_all"] - found["value_none"]
    assert gain == pytest.approx(sum(found["shapley"]), abs=1e-6)
    # The precondition is that of the table, whatever the report is seen in.
    assert not report.view(value="prob").precondition.holds

    report.save(tmp_path / "m.h5")
    shown = iaside("show", tmp_path / "m.h5")
    assert shown.stdout.startswith(found["finding"])
    assert shown.stdout.count("(not a finding)") == 3
    assert f"v(none) {found['value_none']:.3f}, v(all) {found['value_all']:.3f}" in shown.stdout
    drawn = iaside("plot", tmp_path / "m.h5", "-o", tmp_path / "m.svg")
    assert f"Warning: m: {found['finding']}" in drawn.stderr

    said = figure([report]).texts
    sizes = [text.get_fontsize() for text in said]
    assert said[0].get_text() == "No finding"
    assert sizes[0] == max(sizes)
    lines = " ".join(text.get_text() for text in said[1:] if text.get_fontsize() == sizes[1])
    assert lines.lower().startswith(reason[:60].lower())
    assert sizes[1] > max(size for size in sizes if size not in sizes[:2])
    assert "signed score" not in " ".join(text.get_text() for text in said)

    seen = Markup(page([report])).text
    assert seen.count(found["finding"]) == seen.count(reason) == 1
    top = seen.index("No share, score or class on this page is a finding")
    assert seen.index(found["finding"]) < top < seen.index("clean images. If")
    assert "score (not a finding)" in seen
    assert repr(report).startswith(f"<Report m.onnx: No finding, {reason.partition(':')[0]}")
    cell = report._repr_html_()
    assert cell.index("No finding") < cell.index("clean accuracy</th>")
    assert cell.count("(not a finding)") == 3


def other_file(report):
    """The report of another model than that of all reports that are made up."""
    return dataclasses.replace(report, model={**report.model, "sha256": "1" * 64})


def test_one_report_of_several_that_says_nothing_is_told_apart():
    good, bad = made(profiles(60), name="good"), other_file(at_chance())
    said = [text.get_text() for text in figure([good, bad], ["good", "bad"]).texts]
    assert said[0] == "No finding: bad"
    assert any(text.startswith("bad: 60 images") and "NO FINDING" in text for text in said)
    assert any(text.startswith("good: 60 images") and "signed score" in text for text in said)
    assert "bad is not compared with good: no finding of bad." in said
    seen = Markup(page([good, bad], ["good", "bad"])).text
    assert seen.index("No finding: bad") < seen.index("Signed score")
    assert "bad (not a finding), band 0: share" in page([good, bad], ["good", "bad"])
    assert "good, band 0: share" in page([good, bad], ["good", "bad"])


def test_no_conclusion_is_drawn_from_scores_that_are_no_findings(iaside, tmp_path):
    good, bad = made(profiles(60), name="good"), at_chance()
    found = ia.compare(good, bad, margin=0.1)
    (pair,) = found.pairs
    assert pair.no_finding == [f"m: {bad.interpretation()}"]
    for part in ("score", "bands", "margin"):
        assert pair.verdict[part].startswith("No conclusion about scores and bands. m: No finding")
    assert pair.verdict["accuracy"].startswith("m is less accurate than good")
    assert pair.equivalent is None
    assert ia.compare(good, good).pairs[0].no_finding == []
    assert "m not a finding" in repr(found)
    assert found._repr_html_().index("No finding") < found._repr_html_().index("Differences are")
    good.save(tmp_path / "good.h5")
    bad.save(tmp_path / "bad.h5")
    shown = iaside("compare", tmp_path / "good.h5", tmp_path / "bad.h5")
    assert shown.stdout.startswith("bad: No finding: clean accuracy is at chance")


def test_accuracy_is_judged_first_and_a_score_only_where_it_is_a_finding(iaside, tmp_path):
    for name, report in (("good", made(profiles(60))), ("bad", at_chance()), ("flat", flat())):
        report.save(tmp_path / f"{name}.h5")
    good, bad, level = (tmp_path / f"{name}.h5" for name in ("good", "bad", "flat"))
    score = ["--min-score", 0.01]
    for arguments, code in (
        ([bad, *score], 2),
        ([bad, *score, "--min-accuracy", 0.3], 2),
        ([bad, *score, "--min-accuracy", 0.9], 1),
        ([bad, "--min-accuracy", 0.9], 1),
        ([bad, "--min-accuracy", 0.3], 0),
        ([bad, "--baseline", good, "--max-drop", 1], 2),
        ([good, "--baseline", bad, "--max-drop", 1], 2),
        ([bad, "--baseline", good, "--max-drop", 1, "--max-accuracy-drop", 0.1], 1),
        ([level, *score, "--min-accuracy", 0.9], 2),
        ([good, *score, "--min-accuracy", 0.9], 0),
        ([good, "--min-score", 0.4, "--min-accuracy", 0.9], 1),
    ):
        files = ["--junit", tmp_path / "j.xml", "--markdown", tmp_path / "m.md", "--overwrite"]
        done = iaside("gate", *arguments, *files)
        assert done.exit_code == code, (arguments, done.output)
        silent = "No finding" in (done.stdout + done.stderr)
        (suite,) = ElementTree.parse(tmp_path / "j.xml").getroot()
        counts = int(suite.get("failures")), int(suite.get("errors"))
        assert (counts[0] > 0, counts[1] > 0) == (code == 1, silent), arguments
        assert len(suite.findall("testcase")) == int(suite.get("tests"))
        summary = (tmp_path / "m.md").read_text()
        assert {0: "passed", 1: "failed", 2: "cannot be judged"}[code] in summary.splitlines()[0]
        assert ("not judged" in summary) == silent
        if code == 2:
            assert done.stdout == ""
            assert re.fullmatch(r"Error: --m\S+ cannot be judged: .*No finding.*\n", done.stderr)
        told = json.loads(iaside("gate", *arguments, "--json").stdout)
        assert told["passed"] == (code == 0)
        assert bool(told["not_judged"]) == silent


def measured(**changed):
    """Wrong on 2 of 20 images, on 10 under one corruption and on all under another."""
    wrong = np.zeros((20, 2, 1), bool)
    wrong[:10, 0], wrong[:, 1] = True, True
    settings = made_up([False], wrong[:1]).settings
    return made_up(
        np.arange(20) < 2,
        wrong,
        model={"path": "m.onnx", "sha256": SHA256},
        settings={**settings, "preprocess": made(profiles(4)).settings["preprocess"]},
        **changed,
    )


def test_what_was_measured_of_the_same_model_stands_beside_the_score(iaside, tmp_path):
    report, held = made(profiles(60)), measured()
    low, high = wilson(2, 20)
    report.save(tmp_path / "m.h5")
    held.save(tmp_path / "r.h5")
    other = dataclasses.replace(held, model={"path": "other.onnx", "sha256": "9" * 64})
    other.save(tmp_path / "other.h5")
    words = f"0.100 [{low:.3f}, {high:.3f}] on clean images"
    shown = iaside("show", tmp_path / "m.h5", "--robustness", tmp_path / "r.h5")
    assert words in shown.stdout
    assert "0.750 [" in shown.stdout
    assert "1.000 [0.832, 1.000] under the worst of them, corruption1" in shown.stdout
    assert "(20 images of photos)" in shown.stdout
    assert "has to be measured" not in shown.stdout
    told = iaside("show", tmp_path / "m.h5", "--robustness", tmp_path / "r.h5", "--json")
    summary = json.loads(told.stdout)
    assert words in summary["finding"]
    assert summary["measured"]["worst"]["name"] == "corruption1"
    assert words in " ".join(t.get_text() for t in figure([report], None, [held]).texts)
    assert words in Markup(page([report], robustness=[held])).text
    assert words not in report.interpretation()  # never looked for
    with pytest.raises(ReportError, match="another model"):
        report.finding(other)
    for command in (
        ("show", tmp_path / "m.h5"),
        ("plot", tmp_path / "m.h5", "-o", tmp_path / "m.png"),
        ("analyze", ROOT / "models" / "demo-plain.onnx", tmp_path, "-o", tmp_path / "n.h5"),
    ):
        given = "m.h5" if command[0] == "analyze" else "other.h5"  # no measurement, another model
        refused = iaside(*command, "--robustness", tmp_path / given)
        assert refused.exit_code == 2
        assert re.fullmatch(rf"Error: .*{given}: .*\n", refused.stderr)
    assert not (tmp_path / "m.png").exists()


def test_reports_side_by_side_say_how_they_differ():
    psi = profiles(80)
    reports = [made(psi, name="a"), other_file(made(shifted(psi, by=-0.6, band=0), name="b"))]
    names = ["first", "second"]
    pair = ia.compare(*reports).pairs[0].srs_signed
    interval = f"[{pair.low:+.3f}, {pair.high:+.3f}]"
    for text in (
        " ".join(line.get_text() for line in figure(reports, names).texts),
        Markup(page(reports, names)).text,
    ):
        assert interval in text
        assert "second" in text.partition(interval)[0]


def test_few_images_and_odd_reports_are_said_and_break_nothing():
    one = made(profiles(1))
    assert one.finding().evidence == (
        "No finding: clean accuracy is not clearly above chance: one image cannot show it; audit "
        "more images."
    )
    assert one.summary()["precondition"]["gain_low"] is None
    assert "1 image is few" in " ".join(reservations(one))
    alike = made(profiles(30), labels=np.zeros(30, int))
    assert "all 30 images are of one class" in alike.interpretation()
    few = made(profiles(6), labels=np.arange(6))
    assert few.precondition.holds
    assert "intervals of so few images are too narrow" in few.interpretation()
    for classes in (None, "12", 0, 1, True):
        old = made(profiles(60))
        old.data["classes"] = classes
        if classes is None:
            del old.data["classes"]
        assert old.precondition.gain_needed == pytest.approx(0.1 * np.log(2))
        assert old.precondition.guessing == 0.5
    # A probability that underflowed to 0 is very small, not no number.
    table = made(profiles(60)).log_prob.copy()
    table[:5, 0] = -np.inf
    deep = dataclasses.replace(made(profiles(60)), log_prob=table).view(value="prob")
    assert deep.precondition.holds
    json.dumps(deep.summary(), allow_nan=False)
    warned = made(profiles(60))
    warned.run["warnings"] += ["clean accuracy is at chance: x", "the parts differ"]
    assert reservations(warned) == ["the parts differ"]


def test_the_precondition_turns_where_it_is_said_to():
    images = 200
    # 2 of 2 classes alike: the lower end of 114 right is above a half, that of 113 is not.
    for right, holds in ((114, wilson(114, 200)[0] > 0.5), (100, False), (90, False)):
        report = made(profiles(images), wrong=np.arange(images) >= right)
        assert report.precondition.holds == holds
    assert wilson(115, 200)[0] > 0.5
    needed = 0.1 * np.log(1000)
    for gain, holds in ((needed + 0.01, True), (needed - 0.01, False)):
        report = made(np.tile([gain, 0, 0, 0], (images, 1)))
        assert report.precondition.holds == holds
    few = made(near([5, 0, 0, 0], 3.0, 4), labels=np.arange(4))
    held = few.precondition
    half, away = held.gain - held.gain_low, held.gain - needed
    assert 0 < away < half
    enough = int(np.ceil(4 * (half / away) ** 2 / 10)) * 10  # in two digits
    assert 100 < enough < 1000
    assert (
        "whether there is enough to share out between the bands cannot be decided from 4 images"
        in few.interpretation()
    )
    assert f"about {enough} images would do" in few.interpretation()
    # 12 of 20 with guessing at 10: (0.6 - 0.387) / (0.6 - 0.5), squared, times 20.
    unsure = made(profiles(20), wrong=np.arange(20) >= 12).interpretation()
    enough = int(np.ceil(20 * ((0.6 - wilson(12, 20)[0]) / 0.1) ** 2))
    assert "cannot be decided from 20 images, of which 12 are right" in unsure
    assert f"about {enough} images would do" in unsure
    noisy = made(near([needed + 0.05, 0, 0, 0], 1.0, images))
    low = mean_interval(noisy.log_prob[:, -1] - noisy.log_prob[:, 0])[0]
    assert noisy.precondition.gain_low == pytest.approx(low, abs=1e-6)
    assert noisy.precondition.holds == (low >= needed)


def test_students_interval_is_students():
    for confidence in (0.5, 0.9, 0.95, 0.99):
        for freedom, close in ((1, 1e-9), (2, 1e-9), (3, 0.01), (10, 1e-4), (100, 1e-6)):
            true = stats.t.ppf(0.5 + confidence / 2, freedom)
            assert student_quantile(confidence, freedom) == pytest.approx(true, rel=close)
    values = np.random.default_rng(0).normal(size=7)
    ends = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    np.testing.assert_allclose(mean_interval(values), ends, rtol=1e-3)
    assert mean_interval([2.0]) == (-np.inf, np.inf)


def test_another_reading_of_the_model_is_named_beside_what_was_measured():
    report = made(np.tile([3.0, 2, 1, 0.5], (60, 1)))
    measured = dataclasses.replace(made_up([0] * 4, [[[0]]] * 4), model=report.model)
    fed = {name: report.settings[name] for name in ("preprocess", "size", "temperature")}
    alike = dataclasses.replace(measured, settings={**measured.settings, **fed})
    other = dataclasses.replace(
        alike, settings={**alike.settings, "size": [8, 8], "temperature": 2.0}
    )
    assert ", with another" not in report.finding(alike).measured
    assert ", with another temperature and size)" in report.finding(other).measured
