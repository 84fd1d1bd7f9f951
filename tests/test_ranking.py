"""Many models in one table: order, ground, joining, and what can be told apart."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.comparisons.ranked_files import Held, of_one_task
from iaside_onnx.comparisons.ranking import rank
from iaside_onnx.comparisons.ranking_pairs import Judge
from iaside_onnx.errors import IasideError, UsageError
from iaside_onnx.mathematics.jackknife import paired_p, pseudo_values
from iaside_onnx.mathematics.score import signed_score, spectral_importance

from .made_reports import made, profiles, shifted
from .pages import Markup
from .robustness_reports import made_up

_IMAGES = 60
_DIGEST = {"source": "photos", "digest": "cd" * 32, "samples": _IMAGES, "classes": 2}


def named(name, number):
    return {"path": f"{name}.onnx", "sha256": f"{number + 1:02d}" * 32}


def measured(name, number, wrong_share, clean_share=0.1, images=_IMAGES, **changed):
    """Of nested images: the first ones are wrong, so that a larger share is wrong on more."""
    at = np.arange(images)
    wrong = np.zeros((images, 2, 2), bool)
    wrong[at < wrong_share * images] = True
    data = {**_DIGEST, "samples": images, "digest": f"{images:02x}" * 32}
    known = {"model": named(name, number), "data": data, **changed}
    return made_up(at >= images - clean_share * images, wrong, **known)


def analysed(name, number, psi):
    report = made(psi, name=name)
    return replace(report, model=named(name, number))


@pytest.fixture(scope="module")
def three():
    return [measured("b", 1, 0.3), measured("a", 2, 0.8), measured("c", 3, 0.3)]


def test_rows_are_in_order_and_equal_numbers_share_a_place(three):
    ranking = rank(three)
    assert ranking.by == "corrupted"
    assert [(row.rank, row.name) for row in ranking.rows] == [(1, "b"), (1, "c"), (3, "a")]
    assert [float(row.values["corrupted"].value) for row in ranking.rows] == pytest.approx(
        [0.7, 0.7, 0.2]
    )
    backwards = rank(three, reverse=True)
    assert [row.name for row in backwards.rows] == ["a", "c", "b"]
    # Each is against the row above, and against the first place wherever that stands.
    above = [row.from_next and row.from_next.other for row in backwards.rows]
    assert above == [None, "a", "c"]
    assert backwards.rows[1].from_next.difference.difference == pytest.approx(0.5)
    first = [row.from_first and row.from_first.other for row in backwards.rows]
    assert first == ["b", "b", None]
    assert [row.rank for row in rank(three, by="mpe").rows] == [1, 1, 3]


def test_numbers_are_those_that_the_reports_say(three):
    row = rank(three[:1], confidence=0.9).rows[0]
    report = three[0].view(confidence=0.9)
    mean = report.damage.mean_error
    found = row.values["corrupted"]
    assert (found.low, found.high) == (1 - mean.high, 1 - mean.low)
    assert float(row.values["mpe"].value) == report.mean_mpe
    assert float(row.values["accuracy"].value) == report.accuracy
    # Kept beyond guessing, which is one half: (0.7 - 0.5) / (0.9 - 0.5).
    assert float(row.values["kept"].value) == pytest.approx(0.5)
    assert row.from_first is None


def test_what_can_be_told_apart_counts_all_pairs(three):
    first, same, worse = rank(three).rows
    assert first.from_next is None
    assert not same.from_first.told_apart
    assert same.from_first.difference.difference == 0.0
    assert worse.from_first.told_apart
    assert worse.from_next.other == "c"
    assert worse.from_first.difference.difference == pytest.approx(-0.5)
    # Half of the images, one more on either side, differ by 1.
    parts = [1 - report.wrong.mean(axis=(1, 2)) for report in (three[0], three[1])]
    alone = float(paired_p(*parts, one=1.0))
    assert worse.from_first.difference.p_holm == pytest.approx(3 * alone)
    alike = [measured(f"m{number}", number, 0.3) for number in range(8)]
    slightly = measured("other", 40, 0.42)
    assert rank([alike[0], slightly]).rows[1].from_first.told_apart
    assert not rank([*alike, slightly]).rows[-1].from_first.told_apart


def test_the_jackknife_of_a_mean_is_the_mean_and_of_a_score_its_error():
    psi = profiles(100)

    def score(means):
        return signed_score(spectral_importance(means), 0.75)

    parts = pseudo_values(psi, score)
    error = parts.std(ddof=1) / 10
    report = made(psi)
    assert error == pytest.approx(report.intervals.srs_signed_stderr, rel=0.1)
    assert parts.mean() == pytest.approx(report.srs_signed, abs=error / 2)
    assert float(paired_p(parts, parts)) == 1.0


def test_models_that_are_alike_are_seldom_told_apart():
    rng = np.random.default_rng(0)
    seen = 0
    for _ in range(100):
        hard = rng.normal(0, 1, 60)
        right = 1 / (1 + np.exp(-(hard + rng.normal(0, 1, (5, 20, 60))))) > rng.random((5, 20, 60))
        means = right.mean(axis=1)
        p = [paired_p(means[a], means[b], 1.0) for a in range(5) for b in range(a)]
        seen += min(p) < 0.05 / 10
    assert seen <= 10


def test_files_of_one_model_make_one_row(three):
    psi = profiles(_IMAGES)
    analyses = [analysed("b", 1, psi), analysed("a", 2, shifted(psi, by=1.5, band=3))]
    ranking = rank([*analyses, *three], by="score")
    assert [(row.name, row.rank) for row in ranking.rows] == [("b", 1), ("a", 2), ("c", None)]
    assert set(ranking.rows[0].values) >= {"score", "corrupted", "accuracy"}
    assert ranking.rows[1].from_first.told_apart
    pair = ia.compare(*analyses).pairs[0].srs_signed
    found = ranking.rows[1].from_first.difference
    assert (found.low, found.high) == (pair.low, pair.high)


def test_a_second_file_of_a_model_counts_once_or_is_refused(three):
    assert "counts once" in rank([*three, three[0]]).notes[0]
    other = measured("b", 1, 0.5)
    with pytest.raises(UsageError, match="second file of iaside robustness of b"):
        rank([*three, other])


def test_a_file_that_is_fed_in_two_ways_is_two_models(three):
    ways = [{"preprocess": {"mean": [0.5 * at]}} for at in range(2)]
    psi = profiles(_IMAGES)

    def fed(result, way):
        return replace(result, settings={**result.settings, **way})

    errors = [fed(measured("b", 1, 0.2 + 0.3 * at), way) for at, way in enumerate(ways)]
    analyses = [analysed("b", 1, shifted(psi, by=1.5 * at)) for at in range(2)]
    analyses = [fed(each, way) for each, way in zip(analyses, ways, strict=True)]
    ranking = rank([*errors, *reversed(analyses), three[1]])
    scores = [row.values["score"].value for row in ranking.rows if "score" in row.values]
    assert [row.sha256 for row in ranking.rows].count(errors[0].model["sha256"]) == 2
    # Each score beside the errors that were measured so.
    right = sorted(analyses, key=lambda each: each.settings["preprocess"]["mean"])
    assert scores == pytest.approx([each.srs_signed for each in right])
    assert any("are of one file, b.onnx, with another preprocessing" in n for n in ranking.notes)
    alone = rank([errors[0], analyses[1]])
    assert len(alone.rows) == 1
    told = "b: its score and its errors were measured with another preprocessing"
    assert any(note.startswith(told) for note in alone.notes)


def test_other_grounds_are_left_out_by_name(three):
    seed = replace(three[0], model=named("seeded", 9))
    seed = replace(seed, settings={**seed.settings, "seed": 5})
    disjoint = measured("far", 8, 0.1)
    ids = [f"other-{number}" for number in range(_IMAGES)]
    disjoint = replace(disjoint, image_ids=ids, data={**disjoint.data, "digest": "ee" * 32})
    ranking = rank([seed, *three, disjoint])
    assert [row.name for row in ranking.rows] == ["b", "c", "a"]
    told = {each.model: each.reason for each in ranking.left_out}
    assert "another seed (5 against 0)" in told["seeded.onnx"]
    assert "far" in told["far.onnx"]


def test_of_nested_samples_the_shared_images_count(three):
    small = three[1].rows(np.arange(20))
    ranking = rank([three[0], small])
    assert [row.images for row in ranking.rows] == [20, 20]
    assert "20 to 60 images" in ranking.notes[0]
    whole = [three[0].rows(np.arange(20)), small]
    assert ranking.summary()["models"] == rank(whole).summary()["models"]


def test_of_samples_that_overlap_every_model_has_its_accuracy(three):
    half = three[1].rows(np.arange(20, 60))
    rest = three[2].rows(np.arange(40))
    ranking = rank([three[0], rest, half], by="accuracy")
    assert all(row.rank is not None and row.images == 20 for row in ranking.rows)


def test_a_p_value_of_the_score_is_small_only_where_the_interval_leaves_out_0():
    rng = np.random.default_rng(3)
    small = 0
    for _ in range(12):
        hard = rng.lognormal(0, 1, (40, 1))
        psi = [hard * (np.linspace(1.5, 0.1, 8) + rng.standard_t(3, (40, 8))) for _ in range(2)]
        judge = Judge([made(each) for each in psi], "score", 0.95)
        ((found, told),) = judge([(0, 1)]).values()
        assert told == (found.p_holm < 0.05)
        small += paired_p(*(judge._parts(each) for each in judge.results)) < 0.05
    assert small  # by parts of images alone


def test_own_answers_are_ranked_by_those_that_stay(three):
    own = [
        replace(
            report,
            labels=report.predicted,
            settings={**report.settings, "labels": "model"},
        )
        for report in three
    ]
    ranking = rank(own)
    assert ranking.own_answers
    assert "own answers that stay" in ranking.what
    assert all("accuracy" not in row.values for row in ranking.rows)
    with pytest.raises(UsageError, match="labels are the models' own answers"):
        rank(own, by="accuracy")
    mixed = rank([*three, replace(own[0], model=named("own", 7))])
    assert [each.model for each in mixed.left_out] == ["own.onnx"]


def test_what_is_not_defined_has_no_place_and_is_null(three):
    guessing = measured("guess", 5, 0.3, clean_share=0.5)
    ranking = rank([*three, guessing], by="kept")
    assert ranking.rows[-1].rank is None
    assert (
        json.loads(json.dumps(ranking.summary(), allow_nan=False))["models"][-1]["kept"]["value"]
        is None
    )
    assert float(paired_p([1.0, np.nan], [2.0, 1.0])) == 1.0


def test_with_few_images_nobody_is_told_apart(three):
    few = rank([report.rows(np.arange(10, 39)) for report in three])
    assert "29 images are too few to tell models apart" in few.notes[0]
    assert not any(row.from_first.told_apart for row in few.rows[1:])
    enough = rank([report.rows(np.arange(10, 40)) for report in three])
    assert enough.rows[-1].from_first.told_apart


def test_analyses_of_another_task_stand_in_no_table_of_errors(three):
    report = analysed("tagger", 7, np.full((8, 4), 0.2))
    report = replace(report, settings={**report.settings, "task": "several-labels"})
    held = [Held("errors", three[0]), Held("tagger", report)]
    kept, out = of_one_task(held, held[:1], ia.Report)
    assert [each.name for each in kept] == ["errors"]
    assert "task several-labels against classes" in out[0].reason
    assert of_one_task(held, [], ia.Report) == (held, [])


def test_models_of_one_file_name_are_told_apart_by_their_files(three, tmp_path):
    for number, report in enumerate(three[:2]):
        report = replace(report, model=named("model", number))
        report.save(tmp_path / f"run{number}.h5")
    made(profiles(4)).save(tmp_path / "few.h5")
    ranking = rank(tmp_path)
    assert {row.name for row in ranking.rows} == {"run0", "run1", "m"}


@pytest.mark.parametrize(
    ("given", "options", "answer"),
    [
        ([], {}, "nothing to rank"),
        (["x"], {"by": "scor"}, "did you mean score"),
        (["x"], {"confidence": 2}, "confidence"),
        ([7], {}, "int cannot be ranked"),
        (["nowhere.h5"], {}, "no such report file"),
    ],
)
def test_bad_questions_are_one_line(given, options, answer):
    with pytest.raises(IasideError, match=answer):
        rank(given, **options)


def test_a_measure_that_nobody_has_is_refused(three):
    with pytest.raises(UsageError, match="signed score is not known of any model"):
        rank(three, by="score")
    with pytest.raises(UsageError, match="no corruption of that group"):
        rank(three, by="weather")


def test_a_score_that_is_no_finding_has_no_place():
    psi = profiles(_IMAGES)
    good = analysed("good", 1, psi)
    bad = analysed("bad", 2, psi)
    bad = replace(bad, predicted=bad.labels + 1, data={**bad.data, "classes": 2})
    rows = rank([good, bad]).rows
    assert [(row.name, row.rank) for row in rows] == [("good", 1), ("bad", None)]
    assert "No finding" in rows[1].no_finding
    assert "score" not in rows[1].values


def test_the_command_prints_a_table_json_and_csv(three, tmp_path, iaside):
    for report in three:
        report.save(tmp_path / f"{report.model['path']}.h5")
    done = iaside("rank", tmp_path)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "b comes first; not told apart from it: c." in done.stdout
    assert "counting all 3 pairs" in done.stdout
    values = json.loads(iaside("rank", tmp_path, "--json").stdout)
    assert [row["rank"] for row in values["models"]] == [1, 1, 3]
    assert values["models"][2]["from_first"]["told_apart"] is True
    rows = list(csv.DictReader(io.StringIO(iaside("rank", tmp_path, "--csv").stdout)))
    assert [row["model"] for row in rows] == ["b", "c", "a"]
    assert float(rows[2]["corrupted"]) == pytest.approx(0.2)
    both = iaside("rank", tmp_path, "--csv", "--json")
    assert both.exit_code == 2


def test_the_picture_names_every_model_and_who_is_told_apart(three, tmp_path, iaside):
    drawn = rank(three).plot()
    (axes,) = drawn.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1  b", "1  c", "3  a"]
    assert len(axes.get_legend().get_texts()) == 2
    for report in three:
        report.save(tmp_path / f"{report.model['path']}.h5")
    done = iaside("rank", tmp_path, "-o", tmp_path / "r.svg")
    assert done.exit_code == 0, done.stderr
    assert "Models in order" in (tmp_path / "r.svg").read_text()
    again = iaside("rank", "nowhere", "-o", tmp_path / "r.svg")  # before the files are read
    assert "r.svg: exists already" in again.stderr


def test_rows_are_a_frame(three):
    pytest.importorskip("pandas")
    frame = rank(three).to_pandas()
    assert frame.model.tolist() == ["b", "c", "a"]
    assert {"corrupted_low", "told_apart_from_first"} <= set(frame.columns)


def test_a_ranking_has_a_page_with_its_table_and_what_cannot_be_told_apart(three, iaside, tmp_path):
    hostile = replace(three[1], model={**three[1].model, "path": "<script>x.onnx"})
    ranking = rank([three[0], hostile, three[2]])
    target = tmp_path / "page.html"
    text = ranking.to_html(target)
    assert text == target.read_text() == ranking.to_html()
    assert "<script>x" not in text
    seen = Markup(text)
    assert "b comes first; not told apart from it: c." in seen.text
    assert "Which comes first?" in seen.text
    table = seen.table("3 models by accuracy under corruptions, on 60 images")
    assert [row[:3] for row in table[1:]] == [
        ["1", "b", "70 [58, 82]"],
        ["1", "c", "70 [58, 82]"],
        ["3", "<script>x", "20 [12, 32]"],
    ]
    assert table[3][4] == "yes"
    refused = iaside("verify", target)
    assert refused.exit_code == 2
    assert "is the page of a ranking, which is not verified" in refused.stderr
    with pytest.raises(IasideError, match="nothing stands beside it"):
        ranking.to_html(beside=[made(profiles(4), name="x")])


def test_the_command_writes_a_page_or_a_picture_by_the_ending(three, iaside, tmp_path):
    files = [tmp_path / f"{number}.h5" for number in range(3)]
    for file, each in zip(files, three, strict=True):
        each.save(file)
    done = iaside("rank", *files, "-o", tmp_path / "r.html")
    assert done.exit_code == 0, done.stderr
    assert f"Page: {tmp_path / 'r.html'}" in done.stdout
    assert "told apart from it" in (tmp_path / "r.html").read_text()
    taken = iaside("rank", *files, "-o", tmp_path / "r.html")
    assert (taken.exit_code, "exists already" in taken.stderr) == (2, True)
    other = iaside("rank", tmp_path / "none.h5", "-o", tmp_path / "r.txt")
    assert "the name of a page ends in .html, that of a picture in .png" in other.stderr
