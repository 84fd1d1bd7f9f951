"""Every measurement and view of models that give no single class."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.cli import main
from iaside_onnx.errors import IasideError, UsageError
from iaside_onnx.tasks import TASKS

from . import graphs

SIZE, WAVES = 16, [2, 3, 5]
OWN = {"labels": "model", "preprocess": "unit"}
MODELS = {
    "several-labels": lambda path: graphs.tagger(path, SIZE, WAVES),
    "embedding": lambda path: graphs.embedding_of(path, SIZE, WAVES),
    "dense": lambda path: graphs.band_map(path, SIZE, 1, 4, channels=2),
    "other": lambda path: graphs.linear_outputs(path, SIZE, WAVES, maps=True),
}


def flat(folder, count=8, seed=0):
    """Pictures of a few waves in a folder without classes."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        waves = sum(rng.uniform(-0.15, 0.15) * graphs.wave(SIZE, each) for each in WAVES)
        pixels = np.rint(255 * (0.5 + np.moveaxis(waves, 0, -1))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture(params=MODELS)
def task(request):
    return request.param


@pytest.fixture
def model(tmp_path, task):
    return MODELS[task](tmp_path / "m.onnx")


@pytest.fixture
def images(tmp_path):
    return flat(tmp_path / "photos")


def options_of(task):
    return {**OWN, "task": task}


def test_shares_and_values_stand_where_accuracy_does_not(tmp_path, iaside, task, model, images):
    kind, target = TASKS[task], tmp_path / "robustness.h5"
    report = ia.measure_robustness(
        model, images, target, corruption=["fog", "contrast"], severity=[1, 5],
        attack="square-linf", epsilon=0.05, attack_samples=3, queries=10, **options_of(task),
    )  # fmt: skip
    assert report.format_version == 3
    again = ia.load_robustness(target)
    clean, corrupted = again.values
    assert np.allclose(clean, clean[0]) or task in ("several-labels", "dense")
    assert corrupted.shape == (8, 2, 2)
    assert np.array_equal(again.wrong, ~(again.corrupted_share > kind.right_above))
    assert not again.clean_wrong.any()
    assert again.accuracy is None
    assert again.clean_error is None
    summary = json.loads(iaside("show", target, "--json").stdout)
    assert summary["task"] == task
    assert summary["accuracy"] is None
    assert summary["mean_error"] is None
    assert summary["mean_mpe"] is None
    assert summary["clean_value"]["value"] == pytest.approx(float(clean.mean()), abs=1e-6)
    for row, entry in enumerate(summary["corruptions"]):
        assert entry["value"]["value"] == pytest.approx(float(corrupted[:, row].mean()), abs=1e-6)
        lost = 1 - again.corrupted_share[:, row].mean()
        assert entry["lost_share"]["value"] == pytest.approx(float(lost), abs=1e-6)
        assert entry["error"] is entry["mpe"] is entry["lost_log_prob"] is None
    shown = iaside("show", target).stdout
    assert f"mean {kind.quantity}" in shown
    # What is 1 by definition is not estimated.
    assert (f"Clean: mean {kind.quantity} 1.000\n" in shown) == (not kind.labelled)
    assert "error" not in shown.replace("--max-error", "")
    assert "accuracy" not in shown
    verified = iaside("verify", target, "--model", model, "--images", images, "--redo", 2)
    assert verified.exit_code == 0, verified.stdout + verified.stderr


def test_damage_by_band_sums_to_the_value_lost(tmp_path, task, model, images, iaside):
    target = tmp_path / "damage.h5"
    report = ia.explain(
        model, images, target, corruption="contrast", severity=5, bands=4, **options_of(task)
    )
    again = ia.load(target)
    assert again.value == TASKS[task].value
    assert again.right is None
    assert again.answers is None
    lost = again.table[:, -1].astype(float) - again.table[:, 0]
    assert np.allclose(again.per_image.sum(axis=1), lost, atol=1e-5)
    assert report.unit == TASKS[task].unit
    shown = iaside("show", target).stdout
    assert "accuracy" not in shown.lower()
    assert (": 1.000 clean, " in shown) == (not TASKS[task].labelled)
    page = tmp_path / "damage.html"
    assert iaside("html", target, "-o", page).exit_code == 0
    assert "right on clean images" not in page.read_text()
    with pytest.raises(IasideError, match="value"):
        ia.explain(model, images, corruption="fog", value="right", **options_of(task))


def test_heat_maps_pages_and_pictures_of_any_task(tmp_path, task, model, images, iaside):
    paths = {name: tmp_path / f"{name}.h5" for name in ("report", "robustness", "heat")}
    given = options_of(task)
    ia.analyze(model, images, paths["report"], bands=4, **given)
    levels = {"severity": [1, 3, 5], "corruption": ["fog", "contrast"], "attack": "none"}
    ia.measure_robustness(model, images, paths["robustness"], **levels, **given)
    heat = ia.measure_heatmap(model, images, paths["heat"], bands=4, grid=5, strength=1.0, **given)
    assert heat.format_version == 3
    assert heat.change.max() > 0
    # What is called lost is what a file of robustness calls so: the mean share, not images.
    again = ia.load(paths["heat"])
    assert np.array_equal(again.wrong, ~(again.share > TASKS[task].right_above))
    np.testing.assert_allclose(again.error, 1 - again.share.mean(axis=0, dtype=float), atol=1e-12)
    if task == "other":
        np.testing.assert_allclose(again.share, (1 - again.change).clip(0, 1), atol=1e-6)
    verified = iaside("verify", paths["heat"], "--model", model, "--images", images, "--redo", 1)
    assert verified.exit_code == 0, verified.stdout + verified.stderr
    made = iaside("html", paths["report"], paths["robustness"], "-o", tmp_path / "page.html")
    assert made.exit_code == 0, made.stderr
    page = (tmp_path / "page.html").read_text()
    assert TASKS[task].quantity in page
    assert "clean accuracy" not in page.lower().replace("clean accuracy does not apply", "")
    for name, path in paths.items():
        result = ia.load(path)
        assert "accuracy" not in repr(result).lower()
        if task not in ("embedding", "dense"):
            continue
        drawn = iaside("plot", path, "-o", tmp_path / f"{name}.png")
        assert drawn.exit_code == 0, drawn.stderr
    refused = iaside("gate", paths["report"], "--min-accuracy", 0.5)
    assert refused.exit_code == 2
    assert "has no accuracy" in refused.stderr
    judged = iaside("gate", paths["robustness"], "--max-error", "weather=1")
    assert judged.exit_code == 0, judged.stderr


def test_reports_of_other_tasks_are_not_compared(tmp_path, images):
    reports, damaged, errors = {}, {}, []
    for name in ("embedding", "several-labels"):
        path = MODELS[name](tmp_path / f"{name}.onnx")
        reports[name] = ia.analyze(path, images, bands=4, **options_of(name))
        measured = ia.measure_robustness(
            path, images, corruption="fog", severity=1, attack="none", **options_of(name)
        )
        damage = {"corruption": "fog", "severity": 1, "bands": 2}
        damaged[name] = ia.explain(path, images, samples=4, **damage, **options_of(name))
        errors.append(measured)
        with pytest.raises(IasideError, match=r"measure both alike|another model"):
            reports["embedding"].finding(measured) if name != "embedding" else ia.analyze(
                path, images, bands=4, **OWN, task="several-labels", output_kind="logits"
            ).finding(measured)
    for pair in (reports, damaged):
        with pytest.raises(IasideError, match="games: task several-labels"):
            ia.compare(*pair.values())
    ranking = ia.rank([*errors, *reports.values()])
    assert [row.path for row in ranking.rows] == ["embedding.onnx"]
    assert sorted((each.model, "task" in each.reason) for each in ranking.left_out) == [
        ("several-labels.onnx", True),
        ("several-labels.onnx", True),
    ]


@pytest.mark.parametrize("name", ["embedding", "other"])
def test_a_larger_sample_is_measured_anew_where_it_says_what_is_right(tmp_path, images, name):
    model, given = MODELS[name](tmp_path / "m.onnx"), options_of(name)
    levels = {"severity": [5], "corruption": ["contrast"], "attack": "none", "sampling": "nested"}
    few = ia.measure_robustness(model, images, samples=4, **levels, **given)
    more = ia.measure_robustness(model, images, samples=8, known=few, **levels, **given)
    whole = ia.measure_robustness(model, images, samples=8, **levels, **given)
    assert np.array_equal(more.corrupted_share, whole.corrupted_share)


def test_the_audit_says_what_it_is_of(tmp_path, iaside):
    """On enough images for a verdict, with the task found out."""
    images = flat(tmp_path / "many", 30)
    model = MODELS["embedding"](tmp_path / "m.onnx")
    found = ia.audit(model, images, tmp_path / "audit", preprocess="unit", quick=True)
    summary = found.summary()
    assert summary["accuracy"]["right"] is None
    assert set(summary["verdict"]) == {"noise", "blur", "weather", "digital"}
    undefined = "not accuracy, which is not defined for an embedding"
    assert f"pictures found again, {undefined}" in summary["sentence"]
    shown = iaside("show", tmp_path / "audit").stdout
    assert "right answers" not in shown
    with pytest.raises(UsageError, match="is not found out for an embedding"):
        ia.audit(model, images, quick=True)


@pytest.mark.parametrize("beside_folders", [False, True])
def test_the_audit_takes_a_table_of_several_labels(tmp_path, beside_folders):
    """As the measurements read it: given, or found in a folder that has class folders as well."""
    images = flat(tmp_path / "photos", 6)
    place = images / "a" if beside_folders else images
    place.mkdir(exist_ok=True)
    rows = [["file", "label", "label"]]
    for number, path in enumerate(sorted(images.glob("*.png"))):
        path = path.rename(place / path.name)
        rows.append([path.relative_to(images).as_posix(), *["0", "1", "2"][number % 3 : 3]])
    table = (images if beside_folders else tmp_path) / "labels.csv"
    table.write_text("\n".join(map(",".join, rows)))
    model = MODELS["several-labels"](tmp_path / "m.onnx")
    (tmp_path / "limits.txt").write_text("0.2\n0.5\n0.9\n")
    given = {"preprocess": "unit", "threshold": tmp_path / "limits.txt"}
    labels = {} if beside_folders else {"labels": table}
    target = tmp_path / "audit"
    found = ia.audit(model, images, target, quick=True, **labels, **given)
    assert found.robustness.settings["task"] == "several-labels"
    assert found.robustness.settings["threshold"] == [0.2, 0.5, 0.9]
    assert {"threshold", "ignore"} <= {each.name for each in main.commands["audit"].params}
    alone = ia.measure_robustness(
        model, images, labels=table, severity=[1], corruption="fog", attack="none", **given
    )
    assert np.array_equal(alone.share, found.robustness.share)
    assert alone.share.min() < 1
    # The images are compared with those measured before, read alike.
    ia.audit(model, images, target, quick=True, resume=True, **labels, **given)


@pytest.mark.parametrize("name", MODELS)
def test_inspect_says_the_task_and_the_command(tmp_path, iaside, name):
    model = MODELS[name](tmp_path / "m.onnx")
    told = json.loads(iaside("inspect", model, "--json").stdout)
    if told["task"] == name and told["command"] is not None:
        assert told["command"][:2] == ["iaside", "audit"]
        line = iaside("inspect", model).stdout
        assert f"{name}: " in line
        assert "to audit" in line
    else:  # two channels may be a map of anything, and which of several outputs is open
        assert name in ("dense", "other")


def test_what_counts_right_classes_is_refused_in_one_line(tmp_path, iaside, images):
    model = MODELS["embedding"](tmp_path / "m.onnx")
    given = ["--preprocess", "unit"]
    report, snr = tmp_path / "r.h5", tmp_path / "snr.h5"
    ia.analyze(model, images, report, bands=4, **OWN)
    ia.measure_snr(images, snr, bands=4, corruption="fog", size=(SIZE, SIZE), labels="model")
    for words in (
        ["predict", report, "--snr", snr],
        ["predict", images, "--model", model, "-o", tmp_path / "s.h5", *given],
        ["filter", model, images, "--against", "fog", "-o", tmp_path / "f.onnx", *given],
    ):
        told = iaside(*words)
        assert told.exit_code == 2, told.stdout
        assert "an embedding, and wh" in told.stderr.splitlines()[-1]


def test_shards_of_a_sample_know_all_of_it(tmp_path, images):
    """An answer is right by the clean images of every shard; attacks lower the margin to them."""
    model, given = MODELS["embedding"](tmp_path / "m.onnx"), options_of("embedding")
    what = {"corruption": "contrast", "severity": 5, "attack": "none"}
    whole = ia.measure_robustness(model, images, **what, **given)
    parts = [ia.measure_robustness(model, images, shard=f"{n}/2", **what, **given) for n in (1, 2)]
    joined = ia.merge(parts)
    assert np.array_equal(joined.corrupted_share, whole.corrupted_share)
    assert np.array_equal(joined.corrupted_value, whole.corrupted_value)
    attacked = ia.measure_snr(
        images, model=model, attack="square-linf", epsilon=0.1, queries=20, bands=4, samples=4,
        preprocess="unit",
    )  # fmt: skip
    assert attacked.perturbations == ["square-linf"]
