"""The answer of an audit: a folder of made reports read back, summed up, shown, held to bounds."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.page.page import audit_page, save_audit_page
from iaside_onnx.results.audit import Audit
from iaside_onnx.results.audit_words import (
    band_words,
    confidence_words,
    how_sure,
    next_steps,
    not_measured,
    round_up,
    why_words,
)
from iaside_onnx.results.group_verdict import verdicts
from iaside_onnx.results.spread import Spread
from iaside_onnx.tasks import TASKS
from iaside_onnx.views import audit_screen
from iaside_onnx.views.provenance import next_commands
from iaside_onnx.views.robustness_plot import _columns

from .damage_reports import made_damage
from .made_reports import made, profiles
from .robustness_reports import made_up

KINDS = {
    "gaussian_noise": "noise", "impulse_noise": "noise", "defocus_blur": "blur",
    "fog": "weather", "jpeg_compression": "digital",
}  # fmt: skip
KEYS = {
    "model", "data", "accuracy", "groups", "worst", "score", "bands", "damage", "verdict",
    "verdict_rule", "weakest", "not_measured", "how_sure", "next", "reports", "seconds",
    "forward_passes",
}  # fmt: skip
# Right answers of 60 images to each corruption at severities 1, 3, 5.
RIGHT = np.array([[30, 20, 10], [6, 6, 6], [54, 54, 54], [54, 40, 20], [54, 54, 48]])
SCREEN = """
  Is it robust?   In part: every corruption measured of blur (1 of 5) and
                  digital (1 of 5) keeps at least 80 % of the right answers;
                  noise (impulse noise) and weather (fog) each hold a corruption
                  that keeps less than 80 % of the right answers.
    right answers of 60 images; corrupted: mean of severities 1, 3 and 5
                                        weakest corruption
    clean     ███████▎  90 % [80, 95]
    noise     █▊        22 % [15, 31]   impulse noise, from severity 1 on
    weather   █████▏    63 % [55, 71]   fog, from severity 5 on
    digital   ██████▉   87 % [77, 93]   jpeg compression
    blur      ███████▎  90 % [80, 95]   defocus blur
  Why?            Not measured yet.
                  On these 60 images its evidence lies in band 0 of 4 (53 % [50,
                  57]).
  How sure?       60 images: ±8 points at most for the mean of a group
                  (weather). ±5 needs about 160 images; the data holds 100.
  Not measured    attacks: --attack; your own camera and conditions: --perturbed
                  FOLDER
"""


def measured(right=RIGHT, images=60, clean=54, name="net", **changed):
    """A robustness report in which the first images are right, as many as said."""
    place = np.arange(images)
    wrong = place[:, None, None] >= np.asarray(right)[None]
    labels = place % 10
    made = made_up(place >= clean, wrong)
    return made_up(
        place >= clean,
        wrong,
        **{
            "perturbations": list(KINDS),
            "severities": [1, 3, 5],
            "labels": labels,
            "predicted": np.where(place >= clean, (labels + 1) % 10, labels),
            "settings": {**made.settings, "kinds": KINDS},
            "model": {"path": f"{name}.onnx", "sha256": "0" * 64},
            "data": {**made.data, "classes": 10, "samples": images},
            **changed,
        },
    )


def damage_of(corruption, share=1.0):
    """What a corruption at severity 3 costs, in the bands above the lowest."""
    chance = share * np.array([0.0, 0.02, 0.02, 0.04, 0.2, 0.3, 0.3, 0.2])
    named = {"kind": "corruption", "name": corruption, "severity": 3}
    return made_damage(tuple(chance), 60, perturbation=named)


def folder(path, report=None, about=None):
    """The folder of an audit, with an analysis."""
    path.mkdir()
    report = measured() if report is None else report
    report.save(path / "robustness.h5")
    made(profiles(60)).save(path / "analysis.h5")
    about = {"available": 100, "images": "photos"} if about is None else about
    (path / "audit.json").write_text(json.dumps(about))
    return path


@pytest.fixture
def audit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return ia.load(folder(Path("net-audit")))


def shown(audit, width, capsys, monkeypatch):
    """The lines of the screen on a terminal of this width, or of none."""
    if width is not None:
        wide = audit_screen.Terminal(width=width, force_terminal=True, color_system=None)
        monkeypatch.setattr(audit_screen, "terminal", lambda: wide)
    audit_screen.print_audit(audit)
    return [line.rstrip() for line in capsys.readouterr().out.split("\n")]


def test_the_screen_at_80_columns(audit, capsys, monkeypatch):
    found = shown(audit, 80, capsys, monkeypatch)
    assert max(map(len, found)) <= 80
    assert "\n".join(found).startswith(SCREEN)


@pytest.mark.parametrize("width", [60, 120, None])
def test_the_screen_elsewhere(audit, width, capsys, monkeypatch):
    found = shown(audit, width, capsys, monkeypatch)
    text = "\n".join(found)
    assert ("impulse noise, from severity 1 on: 0 % [" in text) is (width != 60)
    assert ("weakest corruption, it keeps (clean 100 %, guessing 0 %)" in text) is (width != 60)
    assert ("below 0 %: worse than guessing (10 %)" in text) is (width != 60)
    assert "\x1b" not in text
    assert all("FOLDER" not in line or width for line in found if line.startswith(" " * 18))
    command = next(line for line in found if "iaside gate" in line)
    assert command.split("iaside ", 1)[1] == "gate net-audit/ --max-error noise=0.26"
    # One bound for one model, wherever it is suggested.
    *_, (alone, _), (_, now) = next_commands(audit.robustness, Path("r.h5"))
    assert alone == "iaside gate r.h5 --max-error noise=0.26"
    assert (
        now == audit.gate.now == "(fails today: error 0.78, upper end 0.85; at 0.26 it keeps 80 %)"
    )


def test_printed_commands_run(tmp_path, monkeypatch, iaside):
    monkeypatch.chdir(tmp_path)
    found = ia.load(folder(tmp_path / "a net's audit"))
    relative = replace(found, folder=found.folder.relative_to(tmp_path))
    folder(tmp_path / "a net's audit-2", measured(RIGHT // 2, name="other"))
    gate, compare = relative.command("gate"), relative.command("compare")
    again = ["iaside", "audit", "NEWMODEL", "IMAGES", "-o", compare[-1]]
    assert relative.command("again") == again
    assert shlex.split(shlex.join(gate)) == gate
    assert iaside(*gate[1:]).exit_code == 1
    done = iaside(*compare[1:])
    assert done.exit_code == 0, done.stderr
    assert "gets fewer right than a net's audit under" in done.stdout


def test_the_summary_has_its_keys_and_every_figure_follows_from_the_reports(audit):
    summary = audit.summary()
    assert summary.keys() >= KEYS
    assert summary["verdict"] == {
        "noise": "not robust", "blur": "robust", "weather": "not robust", "digital": "robust",
    }  # fmt: skip
    assert summary["weakest"]["noise"] == "impulse_noise"
    assert summary["accuracy"] == pytest.approx(
        {"right": 0.9, "low": 0.799, "high": 0.953, "n": 60}, abs=1e-3
    )
    assert summary["groups"]["noise"]["right"] == pytest.approx(RIGHT[:2].mean() / 60)
    assert summary["worst"][0] | {"low": 0, "high": 0} == {
        "corruption": "impulse_noise", "severity": 1, "kept": 0.0, "low": 0, "high": 0,
    }  # fmt: skip
    rule = summary["verdict_rule"]
    assert (rule["keep"], rule["severities"], rule["confidence"]) == (0.8, [1, 3, 5], 0.95)
    assert summary["reports"] == ["robustness.h5", "analysis.h5"]
    assert summary["score"]["srs_signed"] == pytest.approx(audit.analysis.srs_signed)
    assert sum(band["sid"] for band in summary["bands"]) == pytest.approx(1)
    assert json.loads(audit.save_summary().read_text()) == json.loads(json.dumps(summary))


def test_what_the_audit_asked_for_is_read_and_damage_to_it_refused(tmp_path):
    path = folder(tmp_path / "a", about={"keep": 0.3, "available": 60})
    assert ia.load(path).verdicts.keep == 0.3
    (path / "audit.json").write_text("[1")
    with pytest.raises(ReportError, match=r"audit\.json: is damaged"):
        ia.load(path)
    (path / "audit.json").unlink()
    assert ia.load(path).verdicts.keep == 0.8
    (path / "robustness.h5").rename(path / "x.h5")
    with pytest.raises(ReportError, match=r"would hold a robustness\.h5"):
        ia.load(path)


def test_reports_of_several_models_are_no_audit(tmp_path):
    path = folder(tmp_path / "a")
    other = made(profiles(60), name="other")
    replace(other, model={**other.model, "sha256": "1" * 64}).save(
        path / "analysis.h5", overwrite=True
    )
    with pytest.raises(ReportError, match="of another model"):
        ia.load(path)


def test_no_more_is_said_than_was_measured(tmp_path):
    few = Audit(folder=tmp_path, robustness=measured(images=20, clean=18))
    assert set(few.summary()["verdict"].values()) == {"undecided"}
    assert few.summary()["bands"] is None
    assert few.why == ["Not measured yet."]
    attacked = measured(attacks=[[False]] * 60)
    assert Audit(folder=tmp_path, robustness=attacked).not_measured == [
        "your own camera and conditions: --perturbed FOLDER"
    ]
    assert "helped" not in " ".join(few.next)


def test_words_of_bands_and_numbers():
    names = ["dc", "0", "1", "2", "3"]
    assert band_words([1, 2, 3], names) == "bands 0 to 2"
    assert band_words([0, 1, 4], names) == "bands dc, 0 and 3"
    assert band_words([2], names) == "band 1"
    assert [round_up(images) for images in (42, 99, 100.1, 231, 1001)] == [42, 99, 110, 240, 1100]


def test_how_sure_names_what_is_open(tmp_path):
    found = Audit(folder=tmp_path, robustness=measured(RIGHT * 0 + 48)).verdicts
    text = how_sure(found, None)
    assert text == (
        "60 images: ±10 points at most for the mean of a group (noise). ±5 needs about 250 "
        "images. A decision on noise, blur, weather and digital needs about 160 images."
    )
    assert next_steps(found, 200) == ["Measure more images: about 160 would decide."]
    (more,) = next_steps(found, 60)
    assert more == "Audit more images than the 60 of the data: about 160 would decide."
    none = replace(found, groups={
        kind: replace(group, needed=None) for kind, group in found.groups.items()
    })  # fmt: skip
    assert "would hardly decide" in next_steps(none, 60)[0]


def test_what_may_be_wrong_with_the_images_is_looked_at_with_the_labels_that_were_used(tmp_path):
    few = Audit(folder=tmp_path, robustness=measured(RIGHT // 3, 20, 18))
    assert few.next[0].endswith(": iaside inspect MODEL --data IMAGES")
    given = {"labels": "p q/l.csv", "columns": "a,b"}
    told = replace(few.robustness, data={**few.robustness.data, **given})
    (step,) = replace(few, robustness=told).next
    assert step.endswith("inspect MODEL --data IMAGES --labels 'p q/l.csv' --columns a,b")


def test_pictures_of_ones_own_are_not_called_corruptions(tmp_path):
    settings = {**measured().settings, "kinds": {**KINDS, "impulse_noise": "own"},
                "pairs": {"impulse_noise": {"digest": "0" * 64, "severities": False}}}  # fmt: skip
    report = measured(settings=settings)
    found = Audit(folder=tmp_path, robustness=report)
    assert "and your own pictures (impulse noise) each hold a perturbation" in (
        found.verdicts.sentence
    )
    assert "known to help against your own pictures" in " ".join(found.next)
    page = audit_page(found)
    assert page.count("right answers, severities 1, 3, 5") == len(KINDS) - 1
    assert not any("your own camera" in line for line in found.not_measured)
    of_set = {"fog": {"digest": "0" * 64, "severities": True}}
    given = measured(settings={**measured().settings, "pairs": of_set})
    assert Audit(folder=tmp_path, robustness=given).not_measured == ["attacks: --attack"]


def test_what_cannot_be_told_has_no_brackets_and_no_verdict(tmp_path, capsys, monkeypatch):
    def words(gap, wrong=(0.8, np.nan, np.nan)):
        spreads = [Spread(*map(np.asarray, each)) for each in (gap, wrong)]
        sure = SimpleNamespace(perturbed=SimpleNamespace(gap=spreads[0], when_wrong=spreads[1]))
        return confidence_words(SimpleNamespace(confidences=sure))

    assert "still 80 % sure; over" in words((0.01, -0.02, 0.03))
    assert words((0.01, -0.02, 0.03)).endswith("it is about as sure as right.")
    assert words((0.01, -0.2, 0.3)).endswith("it is +1 [-20, +30] points surer than right.")
    assert words((0.08, 0.06, 0.1)).endswith("it is 8 [6, 10] points surer than right.")
    assert words((-0.08, -0.1, -0.06)).endswith("it is 8 [6, 10] points less sure than right.")
    few = measured(RIGHT[:, :] * 0 + 1, images=2, clean=1)
    found = shown(Audit(folder=tmp_path, robustness=few), 120, capsys, monkeypatch)
    assert not any("? %" in line or "nan" in line for line in found)
    assert any("what is kept is not known" in line for line in found)


def test_severities_are_named_by_the_ends_that_the_verdict_goes_by():
    # Of 60 images all clean ones are right, and so many under the only corruptions of noise.
    def since(right, many):
        rows = np.tile(np.array(right), (many, 1))
        names = [f"c{number}" for number in range(many)]
        return verdicts(
            measured(rows, clean=60, perturbations=names, settings={
                **measured().settings, "kinds": dict.fromkeys(names, "noise"),
            })
        ).groups["noise"].from_severity  # fmt: skip

    assert since([54, 41, 30], 1) == 3  # 41 of 60: the upper end is 79 %
    assert since([54, 41, 30], 12) == 5
    assert since([60, 48, 30], 1) == 5
    assert since([20, 54, 30], 1) is None  # it does not begin at 5


def test_an_open_verdict_beside_an_interval_that_looks_decided_says_why():
    names = [f"c{number}" for number in range(5)]
    report = measured(np.array([[42] * 3] + [[60] * 3] * 4), clean=60, perturbations=names,
                      settings={**measured().settings, "kinds": dict.fromkeys(names, "noise")},
    )  # fmt: skip
    found = verdicts(report)
    group = found.groups["noise"]
    assert group.verdict == "undecided"
    assert group.weakest_kept.high < 0.8 <= group.rule_high
    assert group.json()["weakest"]["high_for_all"] == group.rule_high
    assert (
        "C0 keeps less than 80 % on its own; as the weakest of 5, which the rule allows for, it "
        f"may keep up to {100 * group.rule_high:.0f} %."
    ) in how_sure(found, 60)
    assert "BCa bootstrap over images" in found.text
    assert audit_screen._weakest(group, 0.8, wide=True).endswith(
        f"kept, as weakest of 5 up to {100 * group.rule_high:.0f} %"
    )
    few = SimpleNamespace(
        labels=[0] * 40, settings={"perturbation": {"kind": "folder", "name": "c0"}}
    )
    few.sentence = lambda: "all."
    assert why_words(found, {"noise": [few]}, None)[-1] == ("(Measured on 40 images, not all 60.)")


@pytest.mark.parametrize(
    ("half", "said"),
    [(0.0504, "±5 points at most for the mean of a group (noise)."), (0.0506, "±5.1 points at")],
)
def test_nothing_is_asked_for_that_is_there_to_the_figure_shown(half, said):
    widest = SimpleNamespace(half_width=half, kind="noise")
    found = SimpleNamespace(clean=SimpleNamespace(n=94), widest=widest, groups={}, reason="few")
    assert said in how_sure(found, 100)
    assert ("needs" in how_sure(found, 100)) == ("5.1" in said)


def test_what_a_severity_and_a_band_are_is_said_where_they_first_stand():
    noisy = made_damage((0.0, 0.02, 0.02, 0.04, 0.2, 0.3, 0.3, 0.2), 200)
    foggy = made_damage(
        (0.5, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 200,
        perturbation={"kind": "corruption", "name": "fog", "severity": 5},
    )  # fmt: skip
    found = verdicts(measured())
    hurt = [name for name, group in found.groups.items() if group.verdict == "not robust"]
    texts = why_words(found, {hurt[0]: [noisy], hurt[1]: [foggy]}, None)
    assert re.match(r"Gaussian noise, severity 3 of 5: of \d+ points of accuracy lost", texts[0])
    assert texts[0].endswith("through bands 4 to 7 (of bands 0 to 7, low to high frequency).")
    assert re.match(r"Fog 5: of .* in through band 0\.$", texts[1])


def test_every_group_that_is_hurt_has_its_reason_or_is_named():
    found = verdicts(measured(RIGHT // 3))
    hurt = [kind for kind, group in found.groups.items() if group.verdict == "not robust"]
    damages = {kind: [damage_of(found.groups[kind].weakest)] for kind in hurt}
    assert len(hurt) == 4
    assert len(why_words(found, damages, None)) == 4
    *_, one = why_words(found, {kind: damages[kind] for kind in hurt[:3]}, None)
    assert one == f"Why {hurt[3]} hurts was not measured."
    *_, more = why_words(found, {hurt[0]: damages[hurt[0]]}, None)
    assert more.endswith(" hurt was not measured.")
    assert all(kind in more for kind in hurt[1:])


def test_another_corruption_than_the_weakest_stands_in_and_is_said_to(tmp_path):
    report = measured(RIGHT // 3)
    found = verdicts(report)
    names = {kind: group.weakest.replace("_", " ") for kind, group in found.groups.items()}
    weakest = found.groups["noise"].weakest
    kind, other = "noise", "gaussian_noise"
    assert weakest == "impulse_noise"
    harmful, mild = damage_of(other), damage_of(weakest, 0.5)
    assert harmful.damage.value > mild.damage.value
    told = f"{other.replace('_', ' ')} 3, the weakest at an earlier look, stands in for it."
    said = f"Why {names[kind]} hurts was not measured: {told}"
    assert said in why_words(found, {kind: [harmful]}, None, looks=True)
    both = why_words(found, {kind: [harmful, mild]}, None, looks=True)
    assert both[0].lower().startswith(f"{names[kind]}, severity 3 of 5")
    assert not any("stands in" in each for each in both)
    audit = Audit(
        folder=tmp_path, robustness=report, damages=[harmful], about={"stopped_by": "time"}
    )
    (gap,) = (each for each in audit.not_measured if each.startswith("why"))
    rest = [each for each in names if each != kind]
    assert gap == f"why {', '.join(rest)} and {names[kind]} hurt: --resume --time 10m"
    assert said in audit.why


def test_less_than_guessing_is_explained_only_where_it_is_seen(tmp_path):
    worse = Audit(folder=tmp_path, robustness=measured(RIGHT * [[1], [0], [1], [1], [1]]))
    better = Audit(folder=tmp_path, robustness=measured(RIGHT * 0 + 50))
    assert "Below 0\N{NO-BREAK SPACE}%: worse than guessing" in audit_page(worse)
    assert "worse than guessing" not in audit_page(better)


@pytest.mark.parametrize(
    ("task", "counted", "gap"),
    [
        ("dense", "pixels that stay the same", "pixels right: --labels FOLDER of masks"),
        ("several-labels", "labels decided as before", "labels decided right: --labels FILE"),
    ],
)
def test_what_is_held_against_own_answers_is_never_called_right(task, counted, gap):
    report = measured()
    found = verdicts(report)
    given = replace(found, kind=TASKS[task])
    assert f"of the {TASKS[task].kept}" in given.sentence
    own = replace(given, own_answers=True)
    assert f"of the {counted}" in own.sentence
    assert f"of the {counted}" in own.text
    assert "which are not known without labels" in own.note
    assert gap in not_measured(report, [], own)
    assert gap not in not_measured(report, [], given)


def test_gate_of_a_folder_and_of_a_file(audit, iaside, tmp_path):
    path = audit.folder
    passed = iaside("gate", path, "--max-error", "digital=0.25", "--min-accuracy", 0.75,
                    "--junit", tmp_path / "gate.xml", "--markdown", "-")  # fmt: skip
    assert passed.exit_code == 0, passed.stderr
    assert "error under digital (severities 1, 3 and 5)" in passed.stdout
    assert 'tests="2" failures="0"' in (tmp_path / "gate.xml").read_text()
    failed = iaside(
        "gate", path / "robustness.h5", "--max-error", "fog=0.4", "--max-error", "noise=0.9"
    )
    assert failed.exit_code == 1
    # 22 of 60 wrong: the estimate would pass, its unfavourable end does not.
    assert failed.stdout.startswith("FAIL error under fog (severities 1, 3 and 5) 0.367 [")
    for options, message in (
        (
            ["--max-error", "nose=0.5"],
            "'nose' was not measured; did you mean noise? choose",
        ),
        (["--max-error", "0.5"], "write it as noise=0.5"),
        (["--max-error", "noise=50"], "must be a share from 0 to 1"),
        (["--max-error-rise", "noise=0.1"], "--max-error-rise needs --baseline REPORT"),
    ):
        refused = iaside("gate", path, *options)
        assert refused.exit_code == 2
        assert message in refused.stderr
    with pytest.raises(UsageError, match="min_score needs a report of iaside analyze"):
        ia.gate(audit.robustness, min_score=0.1)
    with pytest.raises(UsageError, match="max_error needs errors that were measured"):
        ia.gate(audit.analysis, max_error={"noise": 0.5})


def test_a_rise_of_errors_is_paired():
    first = measured()
    worse = measured(RIGHT - 6, name="worse")
    worse = replace(worse, model={**worse.model, "sha256": "1" * 64})
    found = ia.gate(worse, baseline=first, max_error_rise={"blur": 0.25}).criteria[0]
    assert found.estimate == pytest.approx(0.1)
    assert found.passed
    assert found.high - found.low < 0.2  # unpaired: more than 0.25
    assert ia.gate(first, baseline=first, max_error_rise={"noise": 0.0}).passed
    same = replace(first, model=worse.model)  # another model that answered alike so far
    assert not ia.gate(same, baseline=first, max_error_rise={"noise": 0.0}).passed
    with pytest.raises(ReportError, match="cannot be paired"):
        ia.gate(measured(images=58), baseline=first, max_error_rise={"noise": 0.1})


def test_an_error_has_one_interval_wherever_it_is_told():
    report = measured()
    verdicts, damage = Audit(folder=Path("a"), robustness=report).verdicts, report.damage
    for place, name in enumerate(report.perturbations):
        error = damage.corruption_errors[place]
        gated = ia.gate(report, max_error={name: 0.5}).criteria[0]
        ends = float(error.value), float(error.low), float(error.high)
        assert (gated.estimate, gated.low, gated.high) == pytest.approx(ends, abs=1e-9)
        right = verdicts.rights[KINDS[name]][name]
        assert (1 - right.high, 1 - right.low) == pytest.approx(ends[1:], abs=1e-9)
    group = verdicts.groups["noise"]
    gated = ia.gate(report, max_error={"noise": 0.5}).criteria[0]
    assert (1 - group.high, 1 - group.low) == pytest.approx((gated.low, gated.high), abs=1e-9)


def test_pictures_of_ones_own_have_no_severities():
    kinds = dict.fromkeys(KINDS, "own")
    pairs = {name: {"severities": []} for name in KINDS}
    report = measured(settings={**measured().settings, "kinds": kinds, "pairs": pairs})
    for name in ("fog", "own"):
        (criterion,) = ia.gate(report, max_error={name: 0.5}).criteria
        assert criterion.what == f"error under {name}"
    assert _columns(report) == ""
    pairs.pop("fog")
    assert _columns(report) == "; columns are severities; your own pictures have none"


def test_single_corruptions_that_differ_otherwise_than_their_group_are_named(tmp_path):
    first = Audit(folder=tmp_path / "a", robustness=measured())
    right = RIGHT + np.array([[-15] * 3, [15] * 3, [0] * 3, [0] * 3, [0] * 3]).clip(-RIGHT)
    second = Audit(folder=tmp_path / "b", robustness=measured(right, name="b"))
    (pair,) = ia.compare_audits(first, second).pairs
    assert pair.groups["noise"].p_holm > 0.05
    assert "no difference of b and a is seen under noise (+1 [" in pair.sentence
    assert "as a whole; of single corruptions it gets more under impulse noise (+25 [" in (
        pair.sentence
    )
    assert "fewer under gaussian noise (-22 [" in pair.sentence
    (pair,) = ia.compare_audits(first, replace(first, folder=tmp_path / "c")).pairs
    assert "as a whole" not in pair.sentence
    assert "of single" not in pair.sentence


def test_a_folder_that_is_not_there_is_no_file(audit, iaside):
    refused = iaside(*audit.command("compare")[1:])
    assert refused.exit_code == 2
    assert "net-audit-2: no such folder; make it with iaside audit NEWMODEL IMAGES -o" in (
        refused.stderr
    )


def test_compare_and_gate_give_one_difference_one_interval(tmp_path):
    paths = [folder(tmp_path / "first")]
    worse = measured(RIGHT - 6, clean=51, name="worse")
    worse = replace(worse, model={**worse.model, "sha256": "1" * 64})
    paths.append(tmp_path / "worse")
    paths[1].mkdir()
    worse.save(paths[1] / "robustness.h5")
    (pair,) = ia.compare_audits(*paths).pairs
    for name, compared in {**pair.groups, **pair.corruptions}.items():
        (gated,) = ia.gate(paths[1], baseline=paths[0], max_error_rise={name: 0.0}).criteria
        ends = -gated.estimate, -gated.high, -gated.low
        assert ends == pytest.approx((compared.difference, compared.low, compared.high), abs=1e-12)
        assert (compared.p < 0.05) == (compared.high < 0)
        assert compared.low < compared.difference < compared.high
    assert compared.stderr > 0
    (gated,) = ia.gate(paths[1], baseline=paths[0], max_accuracy_drop=0.5).criteria
    ends = -gated.estimate, -gated.high, -gated.low
    assert ends == (pair.clean.difference, pair.clean.low, pair.clean.high)


def test_audits_of_other_rules_are_judged_by_that_of_the_reference(tmp_path):
    strict = folder(tmp_path / "strict")
    lenient = folder(tmp_path / "lenient", about={"keep": 0.1})
    (pair,) = ia.compare_audits(strict, lenient).pairs
    assert all(one == other for one, other in pair.verdicts.values())
    assert "lenient was audited with a rule of 10 %; both are judged by that of strict, 80 %" in (
        pair.notes
    )
    (pair,) = ia.compare_audits(lenient, strict).pairs
    assert pair.verdicts["weather"] == ("robust", "robust")


def test_show_compare_html_and_plot_take_the_folder(audit, iaside, tmp_path):
    path = audit.folder
    assert json.loads(iaside("show", path, "--json").stdout) == json.loads(
        json.dumps(audit.summary())
    )
    other = folder(tmp_path / "better", measured(RIGHT * 0 + 54))
    compared = json.loads(iaside("compare", path, other, "--json").stdout)["pairs"][0]
    assert compared["groups"]["noise"]["difference"] == pytest.approx(0.9 - 78 / 360)
    assert compared["verdicts"]["noise"] == ["not robust", "robust"]
    assert "gets more right than net-audit under noise (+68" in compared["sentence"]
    assert iaside("html", path, "-o", tmp_path / "page.html").exit_code == 0
    assert iaside("plot", path, other, "-o", tmp_path / "x.png").exit_code == 0
    for arguments in (
        ["show", path, "--beta", 0.5],
        ["compare", path, path / "robustness.h5"],
        ["compare", path, other, "--margin", 0.1],
        ["merge", path, other, "-o", tmp_path / "m.h5"],
        ["correlate", path, other],
        ["show", tmp_path, "--beta", 0.5],
    ):
        assert iaside(*arguments).exit_code == 2, arguments


def test_the_page_answers_first_and_stands_without_an_analysis(audit):
    text = save_audit_page(audit).read_text()
    answered, evidence = text.index("Is it robust?"), text.index("Where the evidence lies")
    assert answered < text.index("Right answers under each corruption") < evidence
    # A legend and four groups, and below the legend and the chart of all corruptions.
    assert text.count("upright clean") == 5 + 2
    assert "80\N{NO-BREAK SPACE}%" in text
    assert "?%" not in text
    bare = audit_page(replace(audit, analysis=None))
    assert "Is it robust?" in bare
    assert "Where the evidence lies" not in bare
    assert audit.robustness.model["sha256"] in bare
    assert audit.robustness.created in bare
    tried = replace(audit, about={"input": "caffe, BGR (0.9 right, cannot be told apart from x)"})
    assert "Preprocessing: caffe, BGR (0.9 right, cannot be told apart from x)." in tried.how_sure
    assert "caffe, BGR (0.9 right, cannot be told apart from x)" in audit_page(tried)
    hostile = replace(audit.robustness, model={"path": "<b>x.onnx", "sha256": "0" * 64})
    assert "<b>x.onnx" not in audit_page(replace(audit, robustness=hostile, analysis=None))
