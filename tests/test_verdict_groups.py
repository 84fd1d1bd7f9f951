"""The verdict on groups of corruptions: facts about the rule, at its edges and on small tables."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from math import comb

import numpy as np
import pytest

from iaside_onnx.corruptions.severity import CATALOGUE, IMAGENET_C
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.kept import (
    decision,
    images_that_decide,
    kept,
    resampled_kept,
    strict_confidence,
)
from iaside_onnx.results.audit_words import how_sure, round_up
from iaside_onnx.results.group_verdict import GROUPS, PUBLISHED, guessing, verdicts

from .robustness_reports import made_up


def report(clean, right, kinds=None, classes=10, labels=None, severities=(1, 3, 5)):
    """A report of shares of right answers: clean (n,), and (n, P, S) or (n, P) for every severity.

    Classes are as even as they can be.
    """
    clean, right = np.asarray(clean, bool), np.asarray(right, bool)
    if right.ndim == 2:
        right = np.repeat(right[:, :, None], len(severities), axis=2)
    labels = np.arange(len(clean)) % classes if labels is None else np.asarray(labels)
    made = made_up(~clean, ~right)
    names = made.perturbations
    kinds = dict.fromkeys(names, "noise") if kinds is None else dict(zip(names, kinds, strict=True))
    return made_up(
        ~clean,
        ~right,
        labels=labels,
        predicted=np.where(clean, labels, (labels + 1) % classes),
        severities=list(severities),
        settings={**made.settings, "kinds": kinds},
        data={**made.data, "classes": classes},
    )


def share(count, images, corruptions=1):
    """Columns in which the first images are right."""
    return np.repeat((np.arange(images) < count)[:, None], corruptions, axis=1)


def test_kept_is_counted_from_guessing_and_may_pass_one_or_fall_below_nought():
    assert kept([0.9, 0.5, 0.1, 0.0, 1.0], 0.9, 0.1) == pytest.approx([1, 0.5, 0, -0.125, 1.125])
    assert np.isnan(kept([0.5, 0.05], [0.1, 0.05], 0.1)).all()


def test_the_ends_are_those_of_every_resample_of_a_small_table():
    clean = np.array([1, 1, 1, 1], bool)
    right = np.array([[1.0], [2 / 3], [1 / 3], [0.0]])
    found = resampled_kept(clean, right, 0.25, 3)
    exact = [np.mean(draw) for draw in itertools.product(right[:, 0], repeat=4)]
    for place in (0.1, 0.3, 0.5, 0.7, 0.9):
        drawn = np.quantile(found.drawn[:, 0], place)
        assert drawn == pytest.approx(kept(np.quantile(exact, place), 1.0, 0.25), abs=0.03)
    assert found.value == pytest.approx([1 / 3])


@pytest.mark.parametrize(("right", "end"), [(40, "low"), (0, "high")])
def test_images_that_all_say_the_same_leave_a_width(right, end):
    found = verdicts(report(share(40, 40, 1)[:, 0], share(right, 40))).groups["noise"]
    unseen = 1 - 0.025 ** (1 / 40)  # what 40 images can have missed
    edge = kept(1 - unseen if right else unseen, 1.0 if right else 1 - unseen, 0.1)
    assert getattr(found.weakest_kept, end) == pytest.approx(edge)
    assert found.high - found.low == pytest.approx(unseen)


def test_thirty_images_all_right_decide_for_what_they_can_show_and_29_decide_nothing():
    def of(images, keep):
        table = report(np.ones(images, bool), share(images, images, 4))
        return verdicts(table, keep=keep)

    assert of(30, 0.8).groups["noise"].verdict == "robust"
    assert of(30, 0.9).groups["noise"].verdict == "undecided"  # a tenth may be missed unseen
    few = of(29, 0.8)
    assert few.groups["noise"].verdict == "undecided"
    assert few.groups["noise"].needed == 30
    assert "a verdict takes at least 30 images, not 29" in few.sentence
    # What 60 images leave open is not decided by the 30 that any verdict takes.
    more, half = (
        verdicts(report(np.ones(n, bool), share(n * 5 // 6, n))).groups["noise"] for n in (60, 24)
    )
    assert more.verdict == "undecided"
    assert more.needed > 60
    assert half.needed > 100
    (sentence,) = re.findall("A decision.*", how_sure(verdicts(report(
        np.ones(24, bool), share(20, 24))), None))  # fmt: skip
    assert sentence == f"A decision on noise needs at least about {round_up(half.needed)} images."


def test_the_rule_at_its_edges():
    low, high = np.array([0.8, 0.95]), np.array([0.9, 1.2])
    assert decision(low, high, 0.8) == "robust"
    assert decision(low - [0.001, 0], high, 0.8) == "undecided"
    assert decision(low - 0.5, np.array([0.8, 0.9]), 0.8) == "undecided"
    assert decision(low - 0.5, np.array([0.799, 2.0]), 0.8) == "not robust"
    exactly = kept(0.74, 0.9, 0.1)  # 0.8, but for rounding
    assert exactly != 0.8
    assert decision(exactly[None], exactly[None], 0.8) == "robust"
    assert strict_confidence(0.95, 4) == pytest.approx(0.9875)


def test_one_corruption_that_falls_short_settles_the_group_and_the_others_do_not_hide_it():
    clean = share(95, 100)[:, 0]
    right = np.hstack([share(94, 100, 3), share(30, 100)])
    found = verdicts(report(clean, right, ["noise", "noise", "blur", "blur"]))
    assert found.groups["noise"].verdict == "robust"
    blur = found.groups["blur"]
    assert (blur.verdict, blur.weakest, blur.needed) == ("not robust", "corruption3", None)
    assert blur.right == pytest.approx(0.62)
    assert found.sentence == (
        "In part: every corruption measured of noise (2, none published) keeps at least 80 % of "
        "the right answers; blur (corruption3) holds a corruption that keeps less than 80 % of "
        "the right answers."
    )
    assert [cell.corruption for cell in found.worst[:3]] == ["corruption3"] * 3


def test_a_group_that_was_measured_in_part_says_so():
    of = {kind: {n for n in IMAGENET_C if CATALOGUE[n].kind == kind} for kind in GROUPS}
    assert of == PUBLISHED
    names = [*sorted(of["blur"]), "jpeg_compression"]
    made = report(np.ones(200), share(200, 200, 6), ["blur"] * 5 + ["digital"])
    kinds = dict(zip(names, made.settings["kinds"].values(), strict=True))
    made = replace(made, perturbations=names, settings={**made.settings, "kinds": kinds})
    assert verdicts(made).sentence == (
        "Yes: every corruption of blur and every one measured of digital (1 of 5) keeps at least "
        "80 % of the right answers."
    )


def test_more_corruptions_need_more_evidence_against_one():
    """The same corruption is short alone, and open among nineteen."""
    clean = share(60, 60)[:, 0]
    alone = verdicts(report(clean, share(42, 60)))
    among = verdicts(report(clean, np.hstack([share(60, 60, 18), share(42, 60)])))
    assert alone.groups["noise"].verdict == "not robust"
    assert among.groups["noise"].verdict == "undecided"
    assert among.groups["noise"].needed > 60


def test_guessing_is_the_commonest_label_where_that_is_more():
    labels = np.array([0] * 45 + [1] * 15)
    lopsided = report(share(48, 60)[:, 0], share(48, 60), classes=2, labels=labels)
    assert guessing(lopsided) == 0.75
    found = verdicts(lopsided)  # 0.8 right, of which anyone gets 0.75
    assert found.groups["noise"].verdict == "undecided"
    assert "not clearly more than guessing gets (75 %)" in found.sentence
    assert found.groups["noise"].needed > 60
    even = report(share(48, 60)[:, 0], share(48, 60), classes=2)
    assert guessing(even) == 0.5
    assert guessing(report(share(48, 60)[:, 0], share(48, 60), classes=20)) == 0.05


def test_a_model_no_better_than_guessing_is_never_judged_and_no_number_decides():
    found = verdicts(report(share(4, 40)[:, 0], share(20, 40)))
    group = found.groups["noise"]
    assert (group.verdict, group.needed, group.from_severity) == ("undecided", None, None)
    assert found.worst[0].json()["kept"] is None


def test_severities_are_those_of_the_rule_and_from_which_on_is_only_said_where_it_shows():
    clean = np.ones(80, bool)
    right = np.stack([share(n, 80) for n in (80, 0, 60, 0, 10)], axis=2)
    found = verdicts(report(clean, right, severities=(1, 2, 3, 4, 5))).groups["noise"]
    assert float(found.weakest_kept.value) == pytest.approx(kept(150 / 240, 1.0, 0.1))
    assert found.from_severity == 5  # severity 3 keeps 0.72 [0.62, 0.83]
    assert found.weakest_words == "corruption0, from severity 5 on"
    with pytest.raises(UsageError, match="severity 1 was not measured"):
        verdicts(report(clean, right[:, :, :2], severities=(3, 5)))


def test_what_is_kept_may_pass_one():
    found = verdicts(report(share(50, 60)[:, 0], share(60, 60)))
    assert float(found.groups["noise"].weakest_kept.value) > 1
    assert found.groups["noise"].verdict == "robust"


def test_verdicts_do_not_depend_on_the_order_of_images():
    rng = np.random.default_rng(0)
    table = report(rng.random(50) < 0.9, rng.random((50, 4, 3)) < 0.7)
    assert verdicts(table.rows(rng.permutation(50))) == verdicts(table)


def test_the_number_of_images_that_decide_follows_the_root():
    value, ends = np.array([0.9]), (np.array([0.7]), np.array([1.1]))
    assert images_that_decide(value, *ends, 0.8, 50) == 200  # half the width, from 0.2 to 0.1
    assert images_that_decide(value - 0.2, ends[0] - 0.2, ends[1] - 0.2, 0.8, 50) == 200
    assert images_that_decide(np.array([0.8]), *ends, 0.8, 50) is None


def test_a_few_images_that_lose_everything_are_not_taken_for_few():
    """2 of 40 images lost: where exactly 0.8 is kept, 1 sample in 15 has no more than that."""
    clean, right = np.arange(40) < 33, np.arange(40) < 31
    found = resampled_kept(clean, right[:, None], 0.1, 0)
    lost = (33 / 40 - 0.1) * 0.2
    chance = sum(comb(40, k) * lost**k * (1 - lost) ** (40 - k) for k in range(3))
    assert chance > 0.05
    assert np.percentile(found.drawn, 2.5) > 0.8  # what plain percentiles would say
    assert found.ends(0.95)[0][0] < 0.8
