"""What recipes helped against, and the sentence that may be said of it."""

from __future__ import annotations

import numpy as np
import pytest

from iaside_onnx.results import what_helped as table
from iaside_onnx.results.what_helped import helpers, recipes, what_helped
from tools.studies.study_what_helped import Pair, row

GROUPS = ("noise", "blur", "weather", "digital")


def test_the_table_holds_every_recipe_under_every_group_and_agrees_with_itself():
    rows = recipes()
    assert {each.group for each in rows} == set(GROUPS)
    assert len(rows) == len({(each.name, each.group) for each in rows})
    for each in rows:
        assert each.low <= each.change <= each.high
        assert each.change == pytest.approx(each.after - each.before, abs=2e-4)
        assert 0 <= each.better <= each.pairs
        # What is said to help or harm leaves out no change at 95 % too.
        assert each.verdict != "helped" or each.low > 0
        assert each.verdict != "harmed" or each.high < 0


def test_a_sentence_names_what_was_measured_and_on_what():
    sentence = what_helped("noise")
    first = helpers("noise")[0]
    assert first.words in sentence
    assert f"{100 * first.before:.0f} % -> {100 * first.after:.0f} %" in sentence
    ends = (first.clean_change, first.clean_low, first.clean_high)
    change, low, high = (f"{100 * end:+.1f}" for end in ends)
    assert f"clean accuracy {change} [{low}, {high}] points, {first.pairs} pair" in sentence
    assert "64-pixel crops of 12 photographs" in sentence
    assert 0 < sentence.index("4 pairs of networks") < sentence.index(", 1 pair of networks")


def test_nothing_is_said_to_help_where_no_interval_shows_it(monkeypatch):
    assert not helpers("weather")
    assert what_helped("weather").startswith(
        "Nothing measured here is known to help against weather"
    )
    assert what_helped("fire") is None
    only = tuple(each for each in recipes() if each.verdict != "helped")
    monkeypatch.setattr(table, "recipes", lambda: only)
    assert what_helped("noise").startswith("Nothing measured here is known to help against noise")


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.5, "helped"), (-0.5, "harmed"), (0.0, "undecided")]
)
def test_a_row_of_the_table_says_what_was_planted(gain, verdict):
    rng = np.random.default_rng(0)
    before = rng.uniform(0.3, 0.7, 60)
    corrupted = np.stack([before, before + gain + rng.normal(0, 0.1, 60)])
    pair = Pair("noise", "resnet", np.ones((2, 60)), {"noise": corrupted}, 0.1)
    made = row("noise", "noise", [pair], 60)
    assert (made["verdict"], made["pairs"]) == (verdict, 1)
    assert float(made["change"]) == pytest.approx(np.diff(corrupted.mean(axis=1))[0], abs=1e-4)
    assert float(made["kept_before"]) == pytest.approx((before.mean() - 0.1) / 0.9, abs=1e-4)
