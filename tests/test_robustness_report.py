"""Robustness reports: errors worked out on paper, the file, and files from strangers."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from iaside_onnx.comparisons.baseline import summary
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.corruption_error import corruption_errors, relative_corruption_errors
from iaside_onnx.results.robustness import load_robustness
from iaside_onnx.storage.seal import seal
from iaside_onnx.views.robustness_table import print_robustness
from iaside_onnx.views.terminal import Terminal

from .conftest import named
from .robustness_reports import made_up

# Wrong answers of 4 images to 2 corruptions at 2 severities: (2 + 4) / 4 and (1 + 2) / 4.
OURS = [[[1, 1], [1, 1]], [[1, 1], [0, 1]], [[0, 1], [0, 0]], [[0, 1], [0, 0]]]
# (3 + 3) / 4 and (2 + 4) / 4.
THEIRS = [[[1, 1], [1, 1]], [[1, 1], [1, 1]], [[1, 1], [0, 1]], [[0, 0], [0, 1]]]


def ours(**changed):
    return made_up([1, 0, 0, 0], OURS, **changed)


def theirs(**changed):
    return made_up([1, 1, 0, 0], THEIRS, **changed)


def test_errors_are_those_of_the_table():
    report = ours()
    assert (report.accuracy, report.clean_error) == (0.75, 0.25)
    np.testing.assert_array_equal(report.errors, [[0.5, 1.0], [0.25, 0.5]])
    assert report.mean_error == 2.25 / 4
    # 1.5 where the answer is wrong, else 0.25.
    np.testing.assert_allclose(report.mpe, 0.25 + 1.25 * report.errors)
    assert report.mean_mpe == pytest.approx(0.25 + 1.25 * 0.5625)
    np.testing.assert_array_equal(report.damage.errors.value, report.errors)
    np.testing.assert_array_equal(report.damage.corruption_errors.value, [0.75, 0.375])
    assert report.damage.mean_mpe.value == pytest.approx(report.mean_mpe)


def test_lost_log_probability_is_that_of_the_table_and_pairs_each_image_with_itself():
    # -1, -2, -3, -4 untouched; the first corruption takes 1 and 3 of each, the second nothing.
    clean = -np.arange(1.0, 5.0)
    lost = np.broadcast_to(np.array([[1.0, 3.0], [0.0, 0.0]]), (4, 2, 2))
    report = ours(
        log_prob=clean.astype(np.float32),
        corrupted_log_prob=(clean[:, None, None] - lost).astype(np.float32),
    )
    found = report.lost_log_prob
    for ends in (found.value, found.low, found.high):
        np.testing.assert_allclose(ends, [2.0, 0.0], atol=1e-12)
    told = report.summary()["corruptions"]
    assert [entry["lost_log_prob"]["value"] for entry in told] == [2.0, 0.0]
    # One image loses 4 more on average over severities: the mean loses 1 more, and has a width.
    more = report.corrupted_log_prob.copy()
    more[3, 0] -= 4
    uneven = ours(log_prob=report.log_prob, corrupted_log_prob=more).lost_log_prob[0]
    assert uneven.low < 3.0 == uneven.value < uneven.high


def test_a_corruption_that_makes_the_true_class_impossible_loses_without_end():
    held = ours().corrupted_log_prob.copy()
    held[0, 0] = -np.inf
    report = ours(corrupted_log_prob=held)
    assert report.lost_log_prob.value[0] == np.inf
    assert np.isfinite(report.lost_log_prob.value[1])
    none = {"value": None, "low": None, "high": None}
    assert report.summary()["corruptions"][0]["lost_log_prob"] == none
    both = ours(corrupted_log_prob=held, log_prob=np.full(4, -np.inf, np.float32))
    assert both.summary()["corruptions"][0]["lost_log_prob"] == none


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_shows_what_is_lost_whatever_the_width(capsys, monkeypatch, width):
    console = Terminal(width=width, highlight=False, markup=False)
    monkeypatch.setattr("iaside_onnx.views.robustness_table.terminal", lambda: console)
    held = ours().corrupted_log_prob.copy()
    held[:, 0] = ours().log_prob[:, None] - 1.25
    print_robustness(ours(corrupted_log_prob=held))
    shown = capsys.readouterr().out
    assert shown.count("corruption0") == 1  # one table
    assert "1.250" in shown
    assert ("1.250   1.250 to 1.250" in shown) == (width == 160)
    assert ("intervals of lost log-" in shown) == (width == 80)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width


def test_mce_is_that_of_a_table_worked_out_on_paper():
    report, baseline = ours(), theirs()
    # CE: 1.5 / 1.5 and 0.75 / 1.5.
    np.testing.assert_allclose(report.ce(baseline), [1.0, 0.5])
    assert report.mce(baseline) == pytest.approx(0.75)
    # Less twice the clean error, 0.25 and 0.5: 1.0 / 0.5 and 0.25 / 0.5.
    np.testing.assert_allclose(report.against(baseline).relative_ce.value, [2.0, 0.5])
    assert report.relative_mce(baseline) == pytest.approx(1.25)
    many = made_up(np.arange(80) % 4 == 0, np.tile(OURS, (20, 1, 1)))
    itself = many.against(many)
    assert (itself.mce.value, itself.mce.low, itself.mce.high) == (1, 1, 1)
    np.testing.assert_allclose(itself.relative_ce.high, 1)


def test_ratios_to_a_baseline_without_errors_are_not_defined():
    assert corruption_errors([[0.5]], [[0.0]]).tolist() == [np.inf]
    assert np.isnan(corruption_errors([[0.0]], [[0.0]])).all()
    assert relative_corruption_errors([[0.5]], 0.25, [[0.1]], 0.1).tolist() == [np.inf]
    perfect = made_up([1, 1, 0, 0], np.zeros((4, 2, 2)))
    held = summary(ours(), perfect)["baseline"]
    assert held["mce"] == {"value": None, "low": None, "high": None}
    json.dumps(held, allow_nan=False)


def test_pairing_narrows_the_intervals():
    # Two models that err on the same images but for 4, in 200.
    rng = np.random.default_rng(0)
    base = rng.random((200, 3, 2)) < 0.4
    other = base.copy()
    other[:4] = ~other[:4]
    clean = np.zeros(200, bool)
    one, two = made_up(clean, other), made_up(clean, base)
    paired = one.against(two).mce
    alone = one.damage.mean_error
    width = float((alone.high - alone.low) / alone.value)
    assert paired.low <= 1 <= paired.high
    assert paired.high - paired.low < 0.6 * width
    assert one.view(confidence=0.5).against(two).mce.high < paired.high
    with pytest.raises(UsageError, match=r"confidence=1\.0"):
        one.view(confidence=1.0)


def test_intervals_have_the_width_of_the_standard_error():
    # Independent answers, wrong one time in five: the mean of n has deviation sqrt(pq / n).
    rng = np.random.default_rng(1)
    report = made_up(np.zeros(400, bool), rng.random((400, 1, 1)) < 0.2)
    error = report.damage.mean_error
    expected = 2 * 1.96 * np.sqrt(report.mean_error * (1 - report.mean_error) / 400)
    assert error.high - error.low == pytest.approx(expected, rel=0.1)


def test_attacks_count_the_images_attacked_alone():
    table = [[True, True], [True, None], [False, None], [True, False]]
    report = ours(attacks=table)
    np.testing.assert_array_equal(report.attacked.sum(axis=0), [4, 2])
    np.testing.assert_array_equal(report.adversarial_errors, [0.75, 0.5])
    np.testing.assert_array_equal(report.adversarial_mpe, [0.75, 0.5])
    spread = report.adversarial_spread
    assert np.all((spread.low > 0) & (spread.low < spread.value) & (spread.high < 1))
    first = report.summary()["attacks"][0]
    assert (first["samples"], first["error"]["value"], first["median_queries"]) == (4, 0.75, 10)
    assert ours().summary()["attacks"] == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {**theirs().data, "digest": "ef" * 32}}, "other images (4 of photos)"),
        ({"severities": [1, 3]}, "other severities (without 2; with 3)"),
        ({"perturbations": ["corruption0", "fog"]}, "corruptions (without corruption1; with fog)"),
        ({"settings": {**theirs().settings, "seed": 5}}, "another seed (5 against 0)"),
        ({"image_ids": ["a", "b", "c", "d"]}, "other images or labels under the same digest"),
    ],
)
def test_a_baseline_of_something_else_is_refused_by_name(change, message):
    with pytest.raises(ReportError) as refused:
        ours().mce(theirs(**change))
    assert message in str(refused.value)


def test_a_baseline_of_another_input_size_is_noted():
    small = theirs(settings={**theirs().settings, "height": 4, "width": 4})
    assert "severities mean other constants" in ours().against(small).notes[0]
    assert ours().against(theirs()).notes == []


@pytest.mark.parametrize("attacks", [None, [[True], [None], [False], [None]]])
def test_a_file_gives_back_what_was_written(tmp_path, attacks):
    report = ours(attacks=attacks)
    report.save(tmp_path / "r.h5")
    again = load_robustness(tmp_path / "r.h5")
    for field in fields(report):
        wanted, found = getattr(report, field.name), getattr(again, field.name)
        assert np.array_equal(wanted, found), field.name
        assert getattr(wanted, "dtype", None) == getattr(found, "dtype", None), field.name
    assert summary(again, theirs()) == summary(report, theirs())
    with pytest.raises(ReportError, match="overwrite=True"):
        report.save(tmp_path / "r.h5")


def swap(name, values):
    def change(file):
        if name in file:
            del file[name]
        file[name] = values

    return change


def entry(part, key, value):
    def change(file):
        held = json.loads(file["header"][:].tobytes())
        (held if part is None else held[part])[key] = value
        del file["header"]
        file["header"] = np.frombuffer(json.dumps(held).encode(), np.uint8)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (swap("wrong", np.full((4, 2, 2), 2, np.uint8)), "something else than 0 and 1"),
        (swap("wrong", np.zeros((4, 2, 3), np.uint8)), "do not match"),
        (swap("change", np.full((4, 2, 2), 3, np.float32)), "outside [0, 2]"),
        (swap("change", np.full((4, 2, 2), np.nan, np.float32)), "not finite"),
        (swap("corrupted_log_prob", np.ones((4, 2, 2), np.float32)), "above 0"),
        (swap("labels", np.array([0, 1, 2, 1])), "outside the 2 classes"),
        (swap("attack_queries", np.full((4, 1), 101, np.int32)), "more queries than the budget"),
        (swap("attack_queries", np.full((4, 1), -1, np.int32)), "no image was attacked"),
        (lambda file: file.pop("attack_wrong"), "do not match"),
        (lambda file: file.pop("change"), "'change' is missing"),
        (entry(None, "attacks", []), "does not name"),
        (entry(None, "attacks", [{"name": "square", "norm": "l7"}]), "no usable 'norm'"),
        (entry(None, "perturbations", ["a", "a"]), "no usable 'perturbations'"),
        (entry(None, "provider", "x y"), "no usable 'provider'"),
        (entry("settings", "confidence", 1e999), "damaged"),
        (entry("settings", "kinds", {}), "has no kind"),
        (entry("settings", "draws", ["x"]), "no usable 'draws'"),
        (entry("settings", "pairs", {"corruption0": {"digest": "x"}}), "no usable 'pairs'"),
        (
            entry("settings", "pairs", {"fog": {"digest": "ab" * 32, "severities": True}}),
            "pairs of a perturbation it has not",
        ),
        (swap("max_prob", np.zeros(4, np.float32)), "probabilities of some images alone"),
        (swap("corrupted_max_prob", np.full((4, 2, 2), 2, np.float32)), "outside [0, 1]"),
        (entry("run", "warnings", [["x"]]), "no usable 'warnings'"),
        (entry(None, "attacks", [[]]), "no usable 'attacks'"),
        (entry("data", "samples", 5), "counts other images than the 4 it holds"),
        (entry("model", "sha256", "../x"), "no usable 'sha256'"),
        (lambda file: file.attrs.modify("format_version", 4), "so update iaside"),
        (
            lambda file: file.attrs.modify("format", "iaside-snr"),
            "one of iaside robustness is needed",
        ),
    ],
    ids=named,
)
def test_files_from_strangers_are_refused_in_one_line(tmp_path, change, message):
    target = tmp_path / "r.h5"
    ours(attacks=[[True], [None], [False], [None]]).save(target)
    with h5py.File(target, "r+") as file:
        change(file)
    with pytest.raises(ReportError, match="checksum differs"):
        load_robustness(target)
    seal(target)
    with pytest.raises(ReportError) as refused:
        load_robustness(target)
    assert message in str(refused.value)


@pytest.mark.isolated
def test_no_file_of_a_stranger_is_opened_in_our_own_process(tmp_path, monkeypatch):
    ours().save(tmp_path / "r.h5")

    def refuse(*_, **__):
        raise AssertionError("the HDF5 library was used outside the process with limits")

    monkeypatch.setattr(h5py, "File", refuse)
    assert load_robustness(tmp_path / "r.h5").mean_error == ours().mean_error


def test_half_characters_and_signs_that_move_the_cursor_print_harmlessly(tmp_path, iaside):
    target = tmp_path / "r.h5"
    report = ours(model={"path": "\ud800\x1b[2J.onnx", "sha256": "ab" * 32})
    report.save(target)
    shown = iaside("show", target)
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "?" in shown.stdout


def test_views_of_a_report_keep_its_values():
    report = ours()
    narrow = report.view(confidence=0.5).damage.mean_error
    assert narrow.value == report.mean_error
    assert narrow.high < report.damage.mean_error.high
    assert report.view() is report


def test_a_shard_without_attacked_images_is_kept(tmp_path):
    whole = made_up([0, 1], [[[0]], [[1]]], attacks=[[None], [True]])
    run = {**whole.run, "shard": {"numbers": [1], "of": 2, "images": 2, "digest": "0" * 64}}
    idle = replace(
        whole, run=run, **{
            name: getattr(whole, name)[:1]
            for name in ("labels", "predicted", "image_ids", "log_prob", "wrong", "change",
                         "corrupted_log_prob", "attack_wrong", "attack_queries", "attack_change")
        }, data={**whole.data, "samples": 1},
    )  # fmt: skip
    path = tmp_path / "s.h5"
    idle.save(path)
    kept = load_robustness(path)
    assert kept.attacks == whole.attacks
    assert kept.summary()["attacks"] == []
    with pytest.raises(UsageError, match="no image was attacked"):
        replace(idle, run=whole.run).save(tmp_path / "w.h5")
