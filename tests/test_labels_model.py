"""Labels from the model: its own clean answers are the classes, and accuracy is never claimed."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import DataError, IasideError, ReportError, UsageError
from iaside_onnx.images.sample import Reading, open_images
from iaside_onnx.measure import run
from iaside_onnx.measure.filtering import fit_filter
from iaside_onnx.results.group_verdict import verdicts

from . import graphs
from .robustness_reports import made_up
from .test_results import as_one_run_writes, same
from .test_run import Elsewhere

FOG = {"corruption": ["fog", "contrast"], "severity": [1, 3]}
KINDS = {
    "analyze": (ia.analyze, {"bands": 3, "absence": "replace"}),
    "drawn": (ia.analyze, {"bands": 4, "estimator": "permutation", "passes": 8}),
    "robustness": (ia.measure_robustness, {**FOG, "queries": 12, "attack_samples": 5}),
    "heatmap": (ia.measure_heatmap, {"bands": 2}),
    "explain": (ia.explain, {"bands": 3, "corruption": "fog"}),
    "snr": (
        ia.measure_snr,
        {"attack": "square-linf", "epsilon": 0.05, "queries": 12, "severity": 3, "bands": 2},
    ),
}
VERSIONS = {"analyze": 3, "drawn": 3, "robustness": 2, "heatmap": 2, "explain": 1, "snr": 1}
# Numbers that only true labels give.
OF_LABELS = re.compile(r"accuracy|error|right|correct|ce\b|confidence_gap")


@pytest.fixture
def case(photographs, tmp_path):
    return graphs.small_network(tmp_path / "m.onnx"), photographs


def measured(kind, case, target=None, **options):
    work, own = KINDS[kind]
    model, images = case
    given = {"batch": 8, "threads": 1, "samples": 0, "labels": "model", **own, **options}
    if kind == "snr":
        return work(images, target, model=model, **given)
    return work(model, images, target, **given)


def claims(value, path=""):
    """Every number in JSON that stands below a key which speaks of labels."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from claims(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from claims(inner, path)
    elif OF_LABELS.search(path) and isinstance(value, int | float):
        yield path, value


@pytest.mark.parametrize("kind", KINDS)
def test_the_table_is_that_of_the_answers_given_as_labels(kind, case, tmp_path):
    own = measured(kind, case, tmp_path / "own.h5")
    answers = measured("analyze", case).predicted
    table = tmp_path / "answers.csv"
    rows = zip(own.image_ids, answers, strict=True)
    table.write_text("file,label\n" + "".join(f"{name},{label}\n" for name, label in rows))
    given = measured(kind, case, labels=table)
    for field in fields(own):
        one, two = getattr(own, field.name), getattr(given, field.name)
        if isinstance(one, np.ndarray) and field.name != "right":
            np.testing.assert_array_equal(one, two, err_msg=field.name)
    assert own.settings["labels"] == "model"
    assert "labels" not in given.settings
    with h5py.File(tmp_path / "own.h5") as file:
        assert file.attrs["format_version"] == VERSIONS[kind]
    again = ia.load(tmp_path / "own.h5")
    same(again, own)
    said = again.summary()
    # What an attack may do, and rounding, are no claims of labels.
    known = ("stderr", "/settings/confidence", "efficiency")
    assert not [each for each in claims(said) if not any(name in each[0] for name in known)]
    if kind != "snr":
        assert said["accuracy"] is None
        assert again.of_own_answers
        assert again.accuracy is again.clean_error is None
        assert given.accuracy == 1.0


def test_true_labels_in_a_set_are_left_alone(case):
    """The classes of folders, and those of arrays, change nothing."""
    model, images = case
    by_folders = ia.analyze(model, images, labels="model", bands=2, samples=0)
    source = open_images(images)
    pictures = np.stack([np.asarray(source.picture(n)) for n in range(len(source.ids))])
    in_memory = ia.analyze(model, (pictures, source.labels), labels="model", bands=2, samples=0)
    np.testing.assert_array_equal(in_memory.log_prob, by_folders.log_prob)
    (images / "class0" / "0.png").rename(images / "loose.png")
    assert len(open_images(images, "model").ids) == len(source.ids)


def test_a_file_of_that_name_is_a_file(case, tmp_path, monkeypatch):
    model, images = case
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_text("file,label\nclass0/0.png,1\nclass1/0.png,0\n")
    report = ia.analyze(model, images, labels="./model", bands=2)
    assert report.labels.tolist() == [1, 0]
    assert Reading.asked(images, "model").own_answers
    assert not Reading.asked(images, "./model").own_answers


@pytest.mark.parametrize("kind", KINDS)
def test_shards_workers_and_resuming(kind, case, tmp_path, monkeypatch):
    whole = measured(kind, case, tmp_path / "whole.h5")
    paths = [tmp_path / f"{number}.h5" for number in (1, 2)]
    for number, path in enumerate(paths, 1):
        measured(kind, case, path, shard=f"{number}/2")
    same(as_one_run_writes(ia.merge(paths)), as_one_run_writes(whole))
    same(measured(kind, case, tmp_path / "whole.h5", resume=True), whole)
    with pytest.raises(ReportError, match="labels"):
        measured(kind, case, tmp_path / "whole.h5", resume=True, labels=None)

    @contextmanager
    def opened_workers(_, __, tell):
        yield Elsewhere(tell)

    monkeypatch.setattr(run, "open_workers", opened_workers)
    far = measured(kind, case, dask="here", threads=0)
    assert far.run["workers"] == 2
    same(far, whole)


def test_what_needs_labels_says_so(case, tmp_path, iaside):
    model, images = case
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, picture in enumerate(sorted(images.glob("*/*.png"))):
        (flat / f"{number}.png").write_bytes(picture.read_bytes())
    with pytest.raises(DataError, match=r"without labels, labels='model' takes the model's own"):
        ia.analyze(model, flat)
    own = ia.analyze(model, flat, labels="model", bands=2, absence="zero")
    for given, words in (
        ({"temperature": "auto"}, "fitted by true labels"),
        ({"columns": "a,b"}, "columns goes with labels"),
        ({"label_order": "text"}, "label_order does not go with labels='model'"),
    ):
        with pytest.raises(UsageError, match=words):
            ia.analyze(model, flat, labels="model", bands=2, **given)
    with pytest.raises(UsageError, match="which answers are right is not known"):
        ia.explain(model, flat, labels="model", bands=2, corruption="fog", value="right")
    with pytest.raises(UsageError, match="whether a filter helps"):
        fit_filter(model, flat, labels="model", against="fog")
    for limits in ({"min_accuracy": 0.5}, {"max_accuracy_drop": 0.1, "baseline": own}):
        with pytest.raises(UsageError, match="needs true labels, and these are the model's own"):
            ia.gate(own, **limits)
    forged = replace(own, labels=own.labels + 1 - 2 * (own.labels > 0))
    with pytest.raises(UsageError, match="its labels are not the answers"):
        forged.save(tmp_path / "forged.h5")
    shown = iaside("inspect", model, "--data", flat, "--labels", "model")
    assert shown.exit_code == 2
    assert "compared by true labels" in shown.stderr
    assert iaside("analyze", model, flat, "-o", tmp_path / "x.h5").stderr.count("\n") == 1


def test_no_view_claims_an_accuracy(case, tmp_path, iaside):
    model, images = case
    made = {}
    for kind in ("analyze", "robustness", "heatmap", "explain"):
        made[kind] = tmp_path / f"{kind}.h5"
        measured(kind, case, made[kind])
        text = iaside("show", made[kind]).stdout
        assert not re.search(r"(accuracy|right|clean error)\W+[01]\.\d", text, re.I), text
        if kind != "explain":
            assert "not known" in text
        told = json.loads(iaside("show", made[kind], "--json").stdout)
        assert told["accuracy"] is None
        drawn = iaside("plot", made[kind], "-o", tmp_path / f"{kind}.svg")
        assert drawn.exit_code == 0, drawn.stderr
        checked = iaside("verify", made[kind], "--model", model, "--images", images, "--redo", 2)
        assert checked.exit_code == 0, checked.stdout
    told = json.loads(iaside("show", made["analyze"], "--json", "--per-class").stdout)
    assert told["precondition"]["right"] is told["precondition"]["accuracy_low"] is None
    assert "does not apply" in told["precondition"]["accuracy_note"]
    assert {row["accuracy"] for row in told["per_class"]} == {None}
    page = tmp_path / "p.html"
    beside = ["--robustness", made["robustness"]]
    assert iaside("html", made["analyze"], made["robustness"], "-o", page).exit_code == 0
    text = re.sub(r"<[^>]+>", " ", page.read_text())
    assert "not known" in text
    assert "true class" not in text
    assert "wrong answers" not in text
    assert "flip rate" in text
    assert iaside("show", made["analyze"], *beside).stdout.count("Flip rates measured") == 1


def test_reports_with_true_labels_and_others_are_told_apart(case, tmp_path, iaside):
    model, images = case
    other = graphs.small_network(tmp_path / "n.onnx", seed=1)
    settings = {"bands": 3, "absence": "zero", "samples": 0}
    given = ia.analyze(model, images, tmp_path / "g.h5", **settings)
    own = ia.analyze(model, images, tmp_path / "o.h5", labels="model", **settings)
    second = ia.analyze(other, images, tmp_path / "s.h5", labels="model", **settings)
    with pytest.raises(ReportError, match="labels model against given"):
        ia.compare(given, own)
    pair = ia.compare(own, second).pairs[0]
    assert pair.accuracy is pair.right_alone is None
    assert "not known" in pair.verdict["accuracy"]
    differ = int((own.predicted != second.predicted).sum())
    assert f"differ on {differ} of the shared images" in " ".join(pair.notes)
    with pytest.raises(UsageError, match="per_class"):
        ia.compare(own, second, per_class=True)
    for rest in ((), ("--json",)):
        assert iaside("compare", tmp_path / "o.h5", tmp_path / "s.h5", *rest).exit_code == 0
    drawn = iaside("plot", tmp_path / "o.h5", tmp_path / "s.h5", "-o", tmp_path / "b.png")
    assert drawn.exit_code == 0, drawn.stderr
    measured = [
        ia.measure_robustness(each, images, labels="model", attack="none", samples=0, **FOG)
        for each in (model, other)
    ]
    with pytest.raises(ReportError, match="no error is known"):
        measured[0].against(measured[1])
    with pytest.raises(IasideError, match="neither errors nor accuracy are known"):
        ia.correlate(own, second, *measured)
    waves = ia.measure_heatmap(model, images, labels="model", bands=2, samples=0)
    assert waves.summary(own)["analysis"]["spearman"]["error"] is None
    with pytest.raises(UsageError, match="heat map has the model's own answers as labels"):
        waves.seen_as(given)
    assert set(own.to_pandas("images")["correct"]) == {None}
    snr = ia.measure_snr(images, bands=3, samples=0, severity=[1, 3], corruption=["fog"])
    foretold = ia.predict_damage(own, snr)
    with pytest.raises(ReportError, match="no fall of accuracy is predicted"):
        foretold.beside(measured[0])
    gated = ia.gate(measured[0], max_error={"fog": 1.0})
    assert gated.passed
    assert gated.criteria[0].what.startswith("flip rate under fog")
    rise = ia.gate(measured[0], baseline=measured[1], max_error_rise={"fog": 1.0})
    assert rise.criteria[0].what.startswith("rise of flip rate")


def test_a_verdict_without_labels_is_told_in_answers_kept():
    """The same answers, once as right and once as same: one verdict, other words."""
    wrong = np.zeros((60, 1, 5), bool)
    wrong[:30] = True
    report = made_up(np.zeros(60), wrong)
    own = replace(report, settings={**report.settings, "labels": "model"})
    known, kept = verdicts(report), verdicts(own)
    assert [group.verdict for group in kept.groups.values()] == ["not robust"]
    assert kept.groups["noise"].weakest_kept.value == known.groups["noise"].weakest_kept.value == 0
    assert known.accuracy is not None
    assert kept.accuracy is None
    assert "of its own answers. This counts" in kept.sentence
    assert "not accuracy" in kept.sentence
    assert "right" not in kept.sentence + kept.text
    said = kept.groups["noise"].json(own_answers=True)
    assert said["right"] is said["low"] is said["high"] is None
    assert said["same"]["value"] == 0.5
    constant = replace(own, labels=np.zeros(60, int), predicted=np.zeros(60, int))
    assert "one and the same answer" in verdicts(constant).sentence


def test_an_audit_without_labels(case, tmp_path, iaside):
    model, images = case
    folder = tmp_path / "audit"
    given = ["--preprocess", "unit", "--quick", "--labels", "model"]
    done = iaside("audit", model, images, "-o", folder, *given)
    assert done.exit_code == 0, done.stderr
    assert "labels: the model's own answers" in done.stderr
    assert "same answers of 12 images" in done.stdout
    assert "clean  " not in done.stdout
    assert "accuracy: --labels FILE" in done.stdout
    told = json.loads((folder / "summary.json").read_text())
    assert told["accuracy"] == {"right": None, "low": None, "high": None, "n": 12}
    assert told["groups"]["noise"]["right"] is None
    assert 0 <= told["groups"]["noise"]["same"]["value"] <= 1
    page = re.sub(r"<[^>]+>", " ", (folder / "index.html").read_text())
    assert "accuracy not known" in page
    assert "right answers" not in page.lower()
    assert ia.load(folder).robustness.of_own_answers
    bounded = iaside("gate", folder, "--max-error", "noise=1")
    assert bounded.exit_code == 0, bounded.stderr
    assert "flip rate under noise" in bounded.stdout
    assert iaside("gate", folder, "--min-accuracy", "0.1").exit_code == 2
    again = iaside("compare", folder, folder)
    assert again.exit_code == 0, again.stderr
    assert "accuracy, which is not known" in again.stdout
    assert "clean " not in again.stdout
    untried = iaside("audit", model, images, "-o", tmp_path / "b", "--quick", "--labels", "model")
    assert untried.exit_code == 2
    assert "compared by true labels; give --preprocess" in untried.stderr
