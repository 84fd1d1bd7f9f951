"""What a page says first: is it robust, why, how sure, what now; in accuracy, the worst on top."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.comparisons.contrast import contrasts
from iaside_onnx.comparisons.measured import paired
from iaside_onnx.errors import UsageError
from iaside_onnx.page import charts, repeat
from iaside_onnx.page.facts import Facts
from iaside_onnx.page.first_screen import _damages_of
from iaside_onnx.page.page import page
from iaside_onnx.page.perturbations import matched

from .damage_reports import made_damage
from .made_reports import made, profiles, shifted
from .pages import SCRIPT, Markup, made_report
from .robustness_reports import made_up
from .test_page_perturbations import audits, sha

QUESTIONS = ["robust?", "Why?", "How sure is that?", "What now?", "Where the evidence lies"]
KINDS = {"fog": "weather", "snow": "weather", "shot_noise": "noise", "contrast": "digital"}
ERRORS = {"fog": 0.5, "snow": 0.3, "shot_noise": 0.8, "contrast": 0.2}


def measured(number, better=0.0, severities=(1, 3, 5), images=60, **changed):
    """Of model m<number>: the first images are right, as many as `ERRORS` and `better` say."""
    place = np.arange(images)
    right = [(1 - ERRORS[name] + better) * images for name in KINDS]
    wrong = np.repeat((place[:, None] >= right)[:, :, None], len(severities), axis=2)
    made = made_up(place >= 0.9 * images, wrong)
    return dataclasses.replace(
        made,
        perturbations=list(KINDS),
        severities=list(severities),
        settings={**made.settings, "kinds": KINDS},
        model={"path": f"m{number}.onnx", "sha256": sha(number)},
        **changed,
    )


def first_screen(text):
    """The text above the sections."""
    return Markup(text.partition("<nav")[0].partition("<body>")[2])


def rows(text, chart):
    """Names of the rows of a chart, from the top."""
    inside = re.search(rf'<svg class="chart {chart}".*?</svg>', text, re.DOTALL)[0]
    found = Markup(inside)
    return [held["aria-label"] for held in found.all("g", role="img")]


def test_without_a_measurement_the_page_says_so_and_which_command_measures():
    (report,) = audits(1)
    text = page([report])
    seen = first_screen(text)
    places = [text.index(each) for each in QUESTIONS]
    assert places == sorted(places)
    assert "Not measured Nothing on this page says how often this model fails" in seen.text
    command = re.search(r"of this page\): (iaside robustness .*?) Copy", seen.text)[1]
    words = shlex.split(command)
    assert words[2:4] == ["m0.onnx", "photos"]
    assert words[words.index("--samples") + 1] == str(len(report.labels))
    assert "REPORT.h5 stands for the file of this page" in seen.text
    assert "iaside html REPORT.h5 robustness.h5 -o page.html" in seen.text
    several = first_screen(page(audits(2)))
    assert "how often these models fail" in several.text
    assert several.text.count("iaside robustness m") == 2
    damage = made_damage(model="m0")
    other = first_screen(page([report], damages=[damage])).text
    assert "Not measured" in other  # of this file, by its hash
    damage = dataclasses.replace(damage, model=report.model)
    part = first_screen(page([report], damages=[damage])).text
    left = re.search(r"alone: m0 under gaussian noise 3: (\d+) % \[", part)[1]
    assert int(left) == pytest.approx(float(damage.perturbed.value), abs=0.5)
    assert "Not measured" not in part


def test_one_model_is_judged_as_an_audit_is_with_its_sample_size_and_intervals():
    (report,) = audits(1)
    text = page([report], robustness=[measured(0)])
    seen = first_screen(text)
    assert "Is it robust? No Noise (shot noise)" in seen.text
    table = seen.table("60 images, 90")
    assert table[0][2] == "Right answers (n = 60)"
    shown = {row[0]: row[2] for row in table[1:]}
    assert re.fullmatch(r"20\N{NO-BREAK SPACE}% \[\d+, \d+\]", shown["noise"])
    assert table[1][0] == "noise"  # what keeps least
    partly = first_screen(page([report], robustness=[measured(0, severities=(2, 3, 4))]))
    assert "Measured, not judged A verdict takes severities 1, 3 and 5" in partly.text
    assert partly.table("n = 60 images")[1][1] == "90\N{NO-BREAK SPACE}% [80, 95]"


def test_charts_are_in_accuracy_sorted_with_lines_of_clean_images_and_of_guessing():
    (report,) = audits(1)
    text = page([report], robustness=[measured(0)])
    said = rows(text, "errors")
    assert [each.split(", ")[1].partition(":")[0] for each in said] == [
        "shot noise", "fog", "snow", "contrast"
    ]  # fmt: skip
    assert "20\N{NO-BREAK SPACE}% [" in said[0]
    chart = re.search(r'<svg class="chart errors".*?</svg>', text, re.DOTALL)[0]
    left, right = charts._ROWS_LEFT, charts._ROWS_RIGHT
    for kind, share in (("clean", 0.9), ("guess", 0.5)):
        at = float(re.search(rf'class="upright {kind}" d="M([\d.]+)', chart)[1])
        assert at == pytest.approx(left + share * (right - left), abs=0.1)
    moves = rows(text, "changes")
    values = [float(re.search(r"mPE ([\d.]+)", each)[1]) for each in moves]
    assert values == sorted(values, reverse=True)
    numbers = Markup(text).table("error and mPE under each corruption")
    assert [row[0] for row in numbers[1:]] == ["shot noise", "fog", "snow", "contrast"]


def test_two_models_are_paired_image_by_image():
    reports = audits(2)
    costs = [measured(0), measured(1, 0.2)]
    text = page(reports, robustness=costs)
    seen = first_screen(text)
    found = paired(("m0", costs[0]), ("m1", costs[1]), [1, 3, 5])
    every = [f"{100 * end:+.0f}" for end in (
        found.every.difference, found.every.low, found.every.high
    )]  # fmt: skip
    sentence = f"m1 gets more right than m0 under corruptions: {every[0]} [{every[1]}, {every[2]}]"
    assert sentence in seen.text
    table = {row[0]: row[1:] for row in seen.table("m1 against m0, paired image by image, n = 60")}
    assert table["clean images"][2].startswith("+0 [")
    assert table["noise"][:2] == ["20\N{NO-BREAK SPACE}%", "40\N{NO-BREAK SPACE}%"]
    assert table["noise"][2].startswith("+20 [")
    assert len(rows(text, "difference-1")) == len(KINDS)
    assert "<summary>Model by model" not in text
    # Where one is not measured, that is said of it alone.
    one = first_screen(page(reports, robustness=costs[:1]))
    assert "Not measured: m1." in one.text
    assert "iaside robustness m1.onnx" in one.text
    assert "iaside robustness m0.onnx" not in one.text


def test_several_models_are_each_judged_before_they_are_held_against_the_first():
    seen = first_screen(page(audits(2), robustness=[measured(0), measured(1, better=0.2)]))
    assert re.search(r"Are they robust\? No m0 ?: .*not robust to ", seen.text)
    assert [row[0].strip() for row in seen.table("most under all corruptions first")[1:]] == [
        "m1", "m0"
    ]  # fmt: skip
    few = [measured(number, images=24) for number in range(2)]
    text = first_screen(page(audits(2), robustness=few)).text
    assert re.search(r"Undecided m0, m1 ?: a verdict takes at least 30 images, not 24\.", text)
    # As a ranking of the same files has it.
    assert "24 images are too few to tell m1 and m0 apart; 30 are needed." in text
    assert "by group it differs" not in text


def test_of_three_models_none_is_the_one_that_others_are_held_against():
    """Which is first in the alphabet says nothing: all pairs count, as in a ranking."""
    better = [0.0, 0.2, 0.18]
    costs = [measured(number, by) for number, by in enumerate(better)]
    text = page(audits(3), robustness=costs)
    seen = first_screen(text)
    found = ia.rank(costs)
    told = {row.name: row.from_first and row.from_first.told_apart for row in found.rows}
    assert told == {"m1": None, "m2": False, "m0": True}
    assert (
        "By accuracy under corruptions, mean of severities 1, 3, 5, m1 comes first; told apart "
        "from it: m0; not told apart from it: m2 (3 models; Holm's method over all 3 pairs)."
    ) in seen.text
    assert "than m0" not in seen.text
    assert "against m0" not in Markup(text).text
    assert [row[1] for row in seen.table("3 models by accuracy")[1:]] == ["m1", "m2", "m0"]
    few = [measured(number, by, images=24) for number, by in enumerate(better)]
    seen = first_screen(page(audits(3), robustness=few)).text
    assert "24 images are too few to tell models apart; 30 are needed." in seen


def test_of_three_analyses_the_sentence_is_that_of_a_ranking_by_the_score():
    psi = profiles(60)
    models = [made(shifted(psi, by=by, noise=0.02), name=f"n{by}") for by in (0.0, 0.5, 0.52)]
    reports = [
        dataclasses.replace(each, model={**each.model, "sha256": sha(at)})
        for at, each in enumerate(models)
    ]
    (first, *others) = ia.rank(reports, by="score").rows
    told = [row.name for row in others if row.from_first.told_apart]
    (sentence,) = contrasts(reports, ["x", "y", "z"])
    names = {"n0.0": "x", "n0.5": "y", "n0.52": "z"}
    assert sentence.startswith(
        f"By signed score {names[first.name]} comes first; told apart from it"
    )
    assert sentence.count("told apart from it: ") == 1 + (len(told) < 2)
    assert "Holm's method over all 3 pairs" in sentence
    of_one, pair = contrasts([reports[0], *reports[:2]], ["x", "x2", "y"])
    assert of_one == "x and x2 are 2 reports of one model, n0.0.onnx; x is compared."
    assert pair.startswith("y ")


def test_two_settings_of_one_model_are_one_model_on_the_page():
    (plain, other) = audits(2)
    edges = {"spacing": "octave", "edges": [0.125, 0.25, 0.5]}
    for settings in (edges, {"value": "prob"}, {"seed": 5}):
        again = dataclasses.replace(plain, settings={**plain.settings, **settings})
        text = page([plain, again], ["m0 (a)", "m0 (b)"])
        assert "<h1>m0.onnx</h1>" in text
        seen = first_screen(text).text
        assert "m0 (a) and m0 (b) are 2 reports of one model, m0.onnx." in seen
        assert "Is it robust?" in seen
        assert "cannot be compared" not in seen
        assert seen.count("iaside robustness m0.onnx") == 1
        assert "iaside html REPORT-1.h5 REPORT-2.h5 robustness.h5 -o page.html" in seen
        assert "REPORT-1.h5 and so on stand for the files of this page, in its order" in seen
        made = re.findall(r"iaside analyze m0[^<]*? -o (\S+\.h5)", Markup(text).text)
        assert made == ["report-1.h5", "report-2.h5"]
        text = page([plain, again], ["m0 (a)", "m0 (b)"], robustness=[measured(0)])
        seen = first_screen(text).text
        assert "Is it robust? No" in seen
        assert "too few to tell" not in seen
        # A dot for each corruption, but both scores.
        assert len(rows(text, "errors")) == len(KINDS)
        assert Markup(text).text.count("The score beside what was measured") == 1
    three = page([plain, again, other], ["m0 (a)", "m0 (b)", "m1"],
                 robustness=[measured(0), measured(1, 0.1)])  # fmt: skip
    seen = first_screen(three).text
    assert "<h1>m0, m1</h1>" in three
    assert "Are they robust?" in seen
    assert "m1 gets more right than m0 under corruptions" in seen
    assert "m0 (b)" not in seen.partition("Why?")[0].partition("Are they robust?")[2]


def fed(result, **settings):
    return dataclasses.replace(result, settings={**result.settings, **settings})


_FED = {"preprocess": {"name": "unit", "mean": [0.0]}, "output": "logits"}
_OTHERWISE = {
    "preprocess": {"name": "imagenet", "mean": [0.5]},
    "output": "other",
    "set": {"gain": 2.0},
    "class_embeddings": "ab" * 32,
    "execution": "cuda",
    "head": "yolo",
}


@pytest.mark.parametrize("name", _OTHERWISE)
def test_one_file_that_is_fed_in_two_ways_is_compared_as_two_models_are(name):
    plain = fed(audits(1)[0], **_FED)
    again = fed(plain, **{name: _OTHERWISE[name]})
    seen = first_screen(page([plain, again], ["m0 (a)", "m0 (b)"])).text
    what = name.replace("preprocess", "preprocessing").replace("_", " ")
    assert f"m0 (a) and m0 (b) are of one file, m0.onnx, with another {what}." in seen
    assert "reports of one model" not in seen
    # What `compare` says, or that it refuses.
    apart = name == "head"
    assert ("m0 (b) cannot be compared with m0 (a)" in seen) == apart
    assert ("m0 (b) and m0 (a) give the same values" in seen) != apart
    assert seen.count("iaside robustness m0.onnx") == 2


def test_in_whatever_order_no_way_to_feed_a_file_stands_for_another():
    psi = profiles(60)
    tables = {"a": psi, "b": shifted(psi, by=0.5, noise=0.02), "c": shifted(psi, by=1, noise=0.02)}
    given = {name: fed(made(table, name=name), **_FED) for name, table in tables.items()}
    given["b"] = fed(given["b"], preprocess=_OTHERWISE["preprocess"])
    for name, place in (("a", 0), ("b", 0), ("c", 1)):
        model = {**given[name].model, "sha256": sha(place)}
        given[name] = dataclasses.replace(given[name], model=model)
    for order in ("abc", "bca"):
        told = contrasts([given[name] for name in order], list(order))
        assert " ".join(told).count("Holm's method over all 3 pairs") == 1


def test_what_was_measured_stands_beside_the_report_that_is_fed_so():
    plain = fed(audits(1)[0], **_FED)
    otherwise = {"preprocess": _OTHERWISE["preprocess"]}
    again, names = fed(plain, **otherwise), ["m0 (a)", "m0 (b)"]
    first, second = (fed(measured(0, better), **_FED) for better in (0.0, 0.2))
    second = fed(second, **otherwise)
    assert matched([plain, again], [first]) == {0: first}
    assert matched([plain, again], [second]) == {1: second}
    assert matched([plain, again], [second, first]) == {0: first, 1: second}
    seen = first_screen(page([plain, again], names, robustness=[second])).text
    assert "Not measured: m0 (a)." in seen
    both = Markup(page([plain, again], names, robustness=[second, first]))
    rows = {row[0]: row for row in both.table("The score beside what was measured")[1:]}
    assert "than the score" not in both.text
    assert rows["m0 (a)"][3] != rows["m0 (b)"][3]
    # Alone it stands beside the only report of its file, which is said before the answer.
    alone = page([plain], robustness=[second])
    seen = first_screen(alone).text
    note = "its score and its errors were measured with another preprocessing"
    assert seen.index(note) < seen.index("Is it robust?")
    (row,) = Markup(alone).table("The score beside what was measured")[1:]
    assert row[0].endswith("measured with another preprocessing than the score")
    # Of several ways to feed a file none is taken in place of one that is lacking.
    third = fed(first, preprocess={"name": "third", "mean": [0.1]})
    for reports, costs in (([plain, again], [third]), ([plain], [first, second])):
        with pytest.raises(UsageError, match="another preprocessing, and no report here is"):
            matched(reports, costs)
    # Where the recipe is the same, a fitted temperature is another subject that is told too.
    warm = fed(plain, temperature=1.5)
    assert matched([warm, again], [first, second]) == {0: first, 1: second}
    assert "with another temperature" in first_screen(page([warm], robustness=[first])).text
    # Right answers do not depend on it, so several reports of one recipe have one measurement.
    hot = fed(plain, temperature=2.0)
    for reports in ([plain, warm], [warm, plain], [warm, hot]):
        assert matched(reports, [first]) == {0: first, 1: first}
    # One number for all channels is that number for each.
    each = fed(plain, preprocess={"name": "mine", "mean": [0.3, 0.3, 0.3]})
    for_all = fed(first, preprocess={"name": "own", "mean": [0.3]})
    assert matched([each, again], [for_all, second]) == {0: for_all, 1: second}
    # Damage that was measured with another recipe does not explain a report.
    damages = [made_damage()]
    of = {"model": damages[0].model}
    plain = dataclasses.replace(fed(plain, **damages[0].settings), **of)
    facts = Facts([plain, fed(plain, **otherwise)], names, names, [], {}, None, None, None, damages)
    assert [len(_damages_of(facts, report)) for report in facts.reports] == [1, 0]


def test_a_measurement_without_an_analysis_of_its_model_is_left_out_and_said(iaside, tmp_path):
    (report,) = audits(1)
    report.save(tmp_path / "a.h5")
    for number in range(2):
        measured(number).save(tmp_path / f"r{number}.h5")
    files = [tmp_path / name for name in ("a.h5", "r0.h5", "r1.h5")]
    done = iaside("html", *files, "-o", tmp_path / "p.html")
    assert done.exit_code == 0, done.stderr
    assert "Left out: what was measured of m1.onnx" in done.stderr
    assert iaside("verify", tmp_path / "p.html", *files[:2]).exit_code == 0
    none = iaside("html", files[0], files[2], "-o", tmp_path / "q.html")
    assert (none.exit_code, none.stderr.count("\n")) == (2, 1)


def test_warnings_stand_before_the_answer_and_are_said_once():
    (report,) = audits(1)
    cost = measured(0, run={**measured(0).run, "warnings": [f"noisy {SCRIPT}"]})
    report = dataclasses.replace(report, run={**report.run, "warnings": ["odd pictures"]})
    text = first_screen(page([report], robustness=[cost])).text
    answer = text.index("Is it robust?")
    for warning in ("odd pictures", "noisy", "18 images are few"):
        assert text.count(warning) == 1
        assert text.index(warning) < answer
    lost = dataclasses.replace(report, predicted=(report.labels + 1) % 6)
    text = first_screen(page([lost])).text
    assert text.index("No finding:") < text.index("Is it robust?")
    assert "No finding, for the reason at the top." in text
    assert "iaside inspect m0.onnx --data photos" in text


def test_terms_are_explained_where_they_stand():
    text = Markup(page(audits(1))).text
    assert "In place of a band that is taken away noise that has the spectrum of the sample" in text
    assert "What a set of bands is worth the log-probability of the true class" in text
    assert "Game played in" not in text
    assert "absent ones" not in text


def test_the_command_that_repeats_leaves_out_defaults_alone():
    defaults = {
        name: each.default for name, each in inspect.signature(ia.analyze).parameters.items()
    }
    for name in ("beta", "confidence"):
        assert repeat._DEFAULTS[name] == defaults[name]
    assert defaults["value"] is None  # the usual one of a task
    made = made_report()
    report = dataclasses.replace(made, settings={**made.settings, "norm": "l2"})
    words = repeat.repetition(report).words
    for flag in ("--norm", "--absence", "--seed", "--estimator", "--value", "--beta", "--passes"):
        assert flag not in words
    assert words[words.index("--bands") + 1] == "4"
    other = dataclasses.replace(report, settings={**report.settings, "norm": "linf", "beta": 0.5})
    words = " ".join(repeat.repetition(other).words)
    assert "--norm linf" in words
    assert "--beta 0.5" in words


def test_damage_shows_its_interactions_and_the_classes_that_suffer_most():
    damage = made_damage()
    text = Markup(page([], damages=[damage]))
    matrix = text.table("Pairs of bands")[1:]
    found = damage.interactions
    assert float(matrix[0][2]) == pytest.approx(found[0, 1], abs=0.06)
    classes = text.table("Classes that")[1:]
    lost = [float(row[2]) for row in classes]
    assert lost == sorted(lost, reverse=True)
    assert len(classes) == 4
