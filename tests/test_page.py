"""The page: its numbers are the report's, it loads nothing, and no name leaves its place."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.images.sample import Reading
from iaside_onnx.measure.places import as_typed, without_roots
from iaside_onnx.measure.request import Request
from iaside_onnx.page.page import page
from iaside_onnx.page.repeat import repetition
from iaside_onnx.settings import Settings
from iaside_onnx.spelling import command_text

from . import graphs
from .pages import BREAKOUT, SCRIPT, Markup, hostile_report, made_report


def numbers(cells):
    return np.array([float(cell) for cell in cells])


def marks(text, chart):
    """Series, key, drawn height and spoken text of every mark of a chart."""
    inside = re.search(rf'<svg class="chart {chart}".*?</svg>', text, re.DOTALL)[0]
    found = Markup(inside)
    (held,) = found.all("svg")
    zero, unit = float(held["data-zero"]), float(held["data-unit"])
    places = [
        [float(number) for number in re.findall(r"-?[\d.]+", group["transform"])][:2]
        for group in found.all("g")
        if "transform" in group
    ]
    spoken = found.all("g", role="img")
    return [
        (int(mark["data-series"]), int(mark["data-key"]), (zero - y) / unit, mark["aria-label"])
        for mark, (_, y) in zip(spoken, places, strict=True)
    ]


def test_the_numbers_are_the_reports():
    report = made_report()
    text = page([report])
    seen = Markup(text)
    assert f'id="accuracy">{report.accuracy:.3f}<' in text
    assert f'id="score">{report.srs_signed:+.3f}<' in text
    low, high = report.intervals.srs_signed
    assert f"95% interval {low:+.3f} to {high:+.3f}" in seen.text
    assert report.interpretation() in seen.text
    bands = seen.table("importance and Shapley value")[1:]
    np.testing.assert_allclose(numbers(row[1] for row in bands), report.sid, atol=5e-4)
    np.testing.assert_allclose(numbers(row[3] for row in bands), report.shapley, atol=5e-5)
    ends = [numbers(row[2].split(" to ")) for row in bands]
    np.testing.assert_allclose([end[0] for end in ends], report.intervals.sid_low, atol=5e-4)
    np.testing.assert_allclose([end[1] for end in ends], report.intervals.sid_high, atol=5e-4)
    curves = seen.table("bands kept")[1:]
    values = report.coalition_values
    np.testing.assert_allclose(
        numbers(row[1] for row in curves), values[[0, 1, 3, 7, 15]], atol=1e-4
    )
    np.testing.assert_allclose(
        numbers(row[2] for row in curves), values[[0, 8, 12, 14, 15]], atol=1e-4
    )
    matrix = seen.table("interaction of band and band")[1:]
    for down, row in enumerate(matrix):
        row[1 + down] = "0"
        np.testing.assert_allclose(numbers(row[1:]), report.interactions[down], atol=5e-4)


def test_classes_come_worst_first_and_few_images_are_marked():
    report = made_report(classes=5, each=25)
    report = dataclasses.replace(
        report, labels=np.where(np.arange(125) < 110, report.labels, 3)
    )  # class 4 keeps 10 images
    text = page([report])
    rows = Markup(text).table("by class")[1:]
    expected = sorted(
        report.per_class(), key=lambda row: (row["no_finding"] is not None, row["srs_signed"])
    )
    assert [row[0] for row in rows] == [row["name"] for row in expected]
    assert [int(row[1]) for row in rows] == [row["n"] for row in expected]
    for shown, true in zip(rows, expected, strict=True):
        wanted = [true["accuracy"], true["srs_signed"], *true["sid"]]
        np.testing.assert_allclose(numbers(shown[2:]), wanted, atol=5e-4)
    few = [held["data-class"] for held in Markup(text).all("tr", class_="few")]
    assert few == ["4"]
    assert 'id="class-few"' in text


def test_names_keep_their_letters_in_notes_on_classes():
    report = made_report(classes=5, each=5)
    several = Markup(page([report, made_report(classes=5, each=5, seed=1)], ["p20", "q20"])).text
    assert "P20" not in several
    assert "p20: 5 of 5 classes have fewer" in several or "p20: score and shares" in several


def test_charts_draw_what_they_say():
    reports = [made_report(), made_report(seed=1)]
    text = page(reports, ["one", "two"])
    for chart, heights in (
        ("sid", [report.sid for report in reports]),
        ("shapley", [report.shapley for report in reports]),
        ("from-lowest", [report.coalition_values[[0, 1, 3, 7, 15]] for report in reports]),
        ("from-highest", [report.coalition_values[[0, 8, 12, 14, 15]] for report in reports]),
    ):
        found = marks(text, chart)
        assert len(found) == sum(len(part) for part in heights)
        for series, key, height, spoken in found:
            span = np.ptp([0, *heights[0], *heights[1]])
            assert height == pytest.approx(heights[series][key], abs=0.006 * span)
            assert spoken.startswith("one, " if series == 0 else "two, ")
            said = float(re.findall(r"[-+]?\d+\.\d+", spoken)[0])
            assert said == pytest.approx(heights[series][key], abs=1e-3)


def test_the_example_shows_its_bands_with_the_models_answers():
    report = made_report()
    seen = Markup(page([report]))
    tiles = [held for held in seen.all("img") if held["src"].startswith("data:image/png;base64,")]
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(held["src"].partition(",")[2]))))
        for held in tiles
    ]
    np.testing.assert_array_equal(pictures[0], report.example)
    parts = ia.band_images(np.moveaxis(report.example / 255, -1, 0), bands=4)
    by_name = dict(zip([held["alt"] for held in tiles], pictures, strict=True))
    for name, count in (("band 0", 1), ("lowest 1", 1), ("lowest 3", 3)):
        kept = np.moveaxis(parts[:count].sum(axis=0), 0, -1).clip(0, 1) * 255
        np.testing.assert_allclose(by_name[name], kept, atol=0.51)
    chances = np.exp(report.log_prob[0].astype(float))
    for name, coalition in (
        ("all bands", 15), ("no band", 0), ("band 2", 4), ("lowest 3", 7), ("highest 2", 12),
    ):  # fmt: skip
        assert f"{name} {chances[coalition]:.3f}" in seen.text
    assert "noise that has the spectrum of the sample" in seen.text
    without = Markup(page([dataclasses.replace(report, example=None)]))
    assert not without.all("img")
    assert not without.all("section", id="example")


def test_odd_reports_have_their_page_too():
    report = made_report()
    one = {"log_prob": report.log_prob[:1, :2], "labels": report.labels[:1]}
    settings = report.settings
    for odd in (
        {**one, "predicted": report.predicted[:1], "settings": {**settings, "bands": 1}},
        {"example": report.example[:, :, :1]},
        {"settings": {**settings, "separate_dc": True, "bands": 3, "output_map": "magnitude"}},
        {"log_prob": np.full_like(report.log_prob, -1.0)},
        {"run": {"ort_extensions": 5}, "data": {**report.data, "skipped": ["x", {"id": 1}]}},
        {"settings": {**settings, "preprocess": {"name": "unit", "mean": "x"}, "size": "?"}},
    ):
        seen = Markup(page([dataclasses.replace(report, **odd)]))
        assert len(seen.all("section", id="example")) == 1
        assert "nan" not in seen.text.lower().split()
    for unknown in ({"norm": "l7"}, {"norm": None}):
        seen = Markup(page([dataclasses.replace(report, settings={**settings, **unknown})]))
        assert not seen.all("section", id="example")
    tiny = dataclasses.replace(report, example=report.example[:2, :2])
    assert not Markup(page([tiny])).all("section", id="example")


def test_every_name_from_outside_is_text_and_nothing_else():
    reports = [hostile_report(), made_report(names=list("abcdef"))]
    for chosen in (reports[:1], reports):
        text = page(chosen, [BREAKOUT, SCRIPT][: len(chosen)])
        seen = Markup(text)
        assert len(seen.all("script")) == len(seen.all("style")) == 1
        assert all(held["src"].startswith("data:image/") for held in seen.all("img"))
        handlers = [key for _, held in seen.elements for key in held if key.startswith("on")]
        assert not handlers
        assert seen.text.count(SCRIPT) > 5
        assert seen.text.count(BREAKOUT) > 5
        assert "{{ 7 * 7 }}{% raw %}" in seen.text
        assert "style" not in {key for _, held in seen.elements for key in held}


def test_control_characters_and_broken_text_are_made_visible():
    report = made_report(names=["a\x00b", "c\u202ed", "e\ud800f", "g\nh", "i", "j"])
    text = page([report])
    text.encode()
    cells = {row[0] for row in Markup(text).table("by class")[1:]}
    assert cells == {"a?b", "c?d", "e?f", "g?h", "i", "j"}


def test_the_page_loads_nothing_and_its_policy_pins_its_own_code():
    text = page([made_report()])
    seen = Markup(text)
    targets = [
        value
        for _, held in seen.elements
        for key, value in held.items()
        if key in ("src", "href", "srcset", "action", "data", "poster", "xlink:href")
    ]
    assert targets
    assert all(value.startswith(("#", "data:")) for value in targets)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|//[a-z]", style)
    assert not re.search(
        r"eval|innerHTML|outerHTML|insertAdjacent|document\.write|https?:|fetch\(", script
    )
    (policy,) = seen.all("meta", http_equiv="Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    for kind, code in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_large_reports_stay_small_enough_to_send():
    thousand = page([made_report(bands=8, classes=1000, each=2, size=(224, 224))])
    assert len(Markup(thousand).table("by class")) == 1001
    assert len(thousand.encode()) < 1_210_000
    worst = page([made_report(bands=16, classes=2, each=1, size=(512, 512))])  # noise, 49 pictures
    assert len(worst.encode()) < 5_000_000


def test_reports_that_must_not_be_compared_say_so():
    one = made_report()
    other = dataclasses.replace(one, settings={**one.settings, "absence": "mean"})
    assert "Do not compare" not in page([one, one])
    text = page([one, other])
    found = Markup(text).text
    assert "differ in absence: gaussian, mean." in found
    # Nor does what comes next propose it; it is said once, and no line ends within an option.
    assert "A score compares" in Markup(page([one, one])).text
    assert "A score compares" not in found
    assert found.count("What damage costs") == 1
    assert '<span class="option">--robustness</span>' in text
    with pytest.raises(UsageError, match="different numbers"):
        page([one, made_report(bands=3)])
    with pytest.raises(UsageError, match="1 to 12"):
        page([one] * 13)
    assert "(2)" in page([one, one], ["same", "same"])


@pytest.mark.parametrize(
    "extra",
    [
        [],
        ["--separate-dc", "--norm", "l2", "--absence", "mean", "--value", "prob", "--seed", 3],
        ["--preprocess", "my recipe.toml", "--label-offset", "0", "--temperature", "auto"],
    ],
)
def test_the_command_on_the_page_makes_the_report_again(
    iaside, tmp_path, monkeypatch, photographs, extra
):
    monkeypatch.chdir(tmp_path)
    graphs.small_network(tmp_path / "it's a model.onnx")
    (tmp_path / "my recipe.toml").write_text(
        'channels = "bgr"\nmean = [0.1, 0.2, 0.3]\nresize = 20\n'
    )
    lines = [
        f"{file.relative_to(photographs)},{n % 4}"
        for n, file in enumerate(sorted(photographs.rglob("*.png")))
    ]
    (tmp_path / "-l $x.csv").write_text("\n".join(["file,label", *lines]))
    first = ["analyze", "it's a model.onnx", "photographs", "-o", "first.h5", "--bands", 3]
    done = iaside(*first, "--samples", 7, "--labels", "-l $x.csv", *extra)
    assert done.exit_code == 0, done.stderr
    report = ia.load("first.h5")
    seen = Markup(page([report]))
    command = re.search(r"To make this report again: (.*?) Copy", seen.text)[1]
    assert shlex.split(command) == repetition(report).words
    if lines := repetition(report).recipe:
        (tmp_path / "recipe.toml").write_text("\n".join(lines))
    again = iaside(*shlex.split(command)[1:])
    assert again.exit_code == 0, again.stderr
    repeated = ia.load("report.h5")
    np.testing.assert_array_equal(repeated.log_prob, report.log_prob)
    settings = dict(report.settings)
    if lines:
        settings["preprocess"] = {**settings["preprocess"], "name": "recipe.toml"}
    assert repeated.settings == settings
    assert repeated.image_ids == report.image_ids


def test_commands_on_the_page_find_what_was_given_by_absolute_paths(
    iaside, tmp_path, monkeypatch, photographs
):
    elsewhere, inside = tmp_path / "an other place", tmp_path / "run"
    elsewhere.mkdir()
    inside.mkdir()
    model = graphs.small_network(elsewhere / "it's a model.onnx")
    own = graphs.small_network(inside / "own.onnx")
    (elsewhere / "deep").mkdir()
    (tmp_path / "link").symlink_to(elsewhere / "deep")
    monkeypatch.chdir(inside)
    options = ["--bands", 2, "--samples", 4]
    for given, name, shown in (
        (model, "it's a model.onnx", "../an other place/it's a model.onnx"),
        # Up from the link, not from where it stands.
        (tmp_path / "link" / ".." / model.name, model.name, f"../an other place/{model.name}"),
        (own, "own.onnx", "own.onnx"),
    ):
        asked = iaside("analyze", given, photographs, "-o", "r.h5", *options, "--overwrite")
        assert asked.exit_code == 0, asked.stderr
        report = ia.load("r.h5")
        assert (report.model["path"], report.data["source"]) == (name, photographs.name)
        assert str(tmp_path) not in json.dumps(report.run)
        seen = Markup(page([report])).text
        for command in re.findall(r"again: (iaside .*?) Copy", seen):
            words = shlex.split(command)
            assert words[2:4] == [shown, f"../{photographs.name}"]
        again = iaside(*words[1:], "--overwrite")
        assert again.exit_code == 0, again.stderr


def test_a_way_over_the_root_is_not_told(iaside, tmp_path, monkeypatch, photographs):
    model = graphs.small_network(tmp_path / "m.onnx")
    names = tmp_path / "names.txt"
    names.write_text("".join(f"class{number}\n" for number in range(4)))
    monkeypatch.chdir("/usr" if tmp_path.parts[1] != "usr" else "/etc")
    options = "-o", tmp_path / "r.h5", "--bands", 2, "--class-names", names, "--json"
    asked = iaside("analyze", model, photographs, *options)
    assert asked.exit_code == 0, asked.stderr
    assert "/".join(tmp_path.parts[1:]) not in asked.stdout
    report = ia.load(tmp_path / "r.h5")
    assert report.run["paths"] == dict.fromkeys(("model", "images", "class_names"))
    (command,) = re.findall(r"again: (iaside .*?) Copy", Markup(page([report])).text)
    words = shlex.split(command)
    assert words[2:4] == ["FOLDER/m.onnx", f"FOLDER/{photographs.name}"]
    assert "FOLDER/names.txt" in words


def test_no_warning_of_a_report_tells_where_its_files_lie(tmp_path, monkeypatch):
    folder = tmp_path / "an other's"
    folder.mkdir()
    model, photos = folder / "m.onnx", folder / "m.onnx.photos"
    labels = tmp_path / "l.csv"
    reading = Reading(images=photos, labels=labels)
    request = Request(model, reading, Settings(bands=2))
    said = [
        f"{model}: turns its input",
        f"{photos}/a.png: cut",
        f"give {command_text(['--labels', str(labels), '--data', str(photos)])} for {model}.",
        f"{model}s is of another",
    ]
    monkeypatch.chdir(tmp_path)
    photos.mkdir()
    assert without_roots(said, request) == [
        "an other's/m.onnx: turns its input",
        "an other's/m.onnx.photos/a.png: cut",
        f"give {command_text(['--labels', 'l.csv', '--data', str(photos.relative_to(tmp_path))])} "
        "for an other's/m.onnx.",
        said[3],
    ]
    monkeypatch.chdir("/usr" if tmp_path.parts[1] != "usr" else "/etc")
    first, second, third, _ = without_roots(said, request)
    assert (first, second) == ("FOLDER/m.onnx: turns its input", "FOLDER/m.onnx.photos/a.png: cut")
    assert third == "give --labels FOLDER/l.csv --data FOLDER/m.onnx.photos for FOLDER/m.onnx."
    # The screen of the run shows what was typed.
    assert as_typed(reading)["labels"] == str(labels)


@pytest.mark.parametrize(
    "way",
    [None, "", 5, True, ["a"], {"a": 1}, "a\nb", "\x1b[2J", "<script>1", "$(id)", "'", "-x"],
)
def test_ways_that_a_stranger_tells_are_one_word_of_a_command(way):
    report = made_report()
    strange = dataclasses.replace(report, run={**report.run, "paths": {"model": way}})
    text = page([strange])
    assert "<script>1" not in text
    assert "\x1b" not in text
    command = re.search(r"To make this report again: (.*?) Copy", Markup(text).text)[1]
    words = shlex.split(command)
    assert words[3] == report.data["source"]
    # What a report does not have lies nowhere.
    both = {"model": way, "labels": way, "columns": None}
    strange = dataclasses.replace(report, run={**report.run, "paths": both})
    assert "None" not in Markup(page([strange])).text.partition("again: ")[2].partition(" Copy")[0]
    if not isinstance(way, str) or not way:
        assert words[2] == f"FOLDER/{report.model['path']}"
    elif way.isprintable():
        assert words[2] == {"-x": "./-x"}.get(way, way)


def test_labels_of_a_file_stand_in_every_command_that_looks_at_the_images(
    iaside, tmp_path, monkeypatch, photographs
):
    (tmp_path / "all of them").mkdir()
    lines = ["picture,what"]
    for number, path in enumerate(sorted(photographs.rglob("*.png"))):
        (tmp_path / "all of them" / f"{number}.png").write_bytes(path.read_bytes())
        lines.append(f"{number}.png,{number % 4}")  # wrong, so that the commands are proposed
    (tmp_path / "l.csv").write_text("\n".join(lines))
    graphs.small_network(tmp_path / "m.onnx")
    monkeypatch.chdir(tmp_path)
    few = "--labels", "l.csv", "--columns", "picture,what", "--bands", 2
    asked = iaside("analyze", "m.onnx", "all of them", "-o", "r.h5", *few)
    assert asked.exit_code == 0, asked.stderr
    look = "iaside inspect MODEL --data IMAGES --labels l.csv --columns picture,what"
    assert look in asked.stderr
    assert look in iaside("show", "r.h5").stdout.replace("\n", " ")
    seen = Markup(page([ia.load("r.h5")])).text
    (command,) = re.findall(r"(iaside inspect m\.onnx .*?) Copy", seen)
    done = iaside(*shlex.split(command)[1:])
    assert done.exit_code == 0, done.stderr


def test_html_command(iaside, tmp_path):
    report = made_report()
    report.save(tmp_path / "a.h5")
    made_report(seed=1).save(tmp_path / "b.h5")
    target = tmp_path / "page.html"
    done = iaside("html", tmp_path / "a.h5", tmp_path / "b.h5", "-o", target)
    assert done.exit_code == 0
    assert done.stdout == f"Page: {target}\n"
    view = iaside(
        "html", tmp_path / "a.h5", "-o", target, "--value", "prob", "--beta", 0.5, "--overwrite"
    )
    assert view.exit_code == 0
    seen = report.view(value="prob", beta=0.5)
    assert f'id="score">{seen.srs_signed:+.3f}<' in target.read_text()
    assert "mean probability" in target.read_text()
    for arguments, message in (
        ((tmp_path / "a.h5", "-o", target), "--overwrite"),
        ((tmp_path / "a.h5", "-o", tmp_path / "p.pdf"), "ends in .html"),
        ((tmp_path / "none.h5", "-o", tmp_path / "n.html"), "no such report"),
        ((tmp_path / "a.h5", "-o", tmp_path / "none" / "p.html"), "cannot be written"),
        ((tmp_path / "a.h5", "-o", tmp_path / "n.html", "--beta", 2), "--beta"),
    ):
        failed = iaside("html", *arguments)
        assert failed.exit_code == 2
        assert message in failed.stderr
        assert failed.stderr.count("\n") == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.h5", "b.h5", "page.html"]


def test_bands_of_another_kind_never_share_a_chart_and_are_named():
    linear, octave = made_report(), made_report(seed=1)
    edges = {"spacing": "octave", "edges": [0.125, 0.25, 0.5]}
    octave = dataclasses.replace(octave, settings={**octave.settings, **edges})
    said = "4 bands (linf, octave), waves over 16 px, 16 to 8 px, 8 to 4 px, 4 to 2 px"
    text = page([linear, octave, linear], ["one", "two", "three"])
    for chart in ("score", "sid", "shapley", "from-lowest", "from-highest", "profile"):
        charts = re.findall(rf'<svg class="chart {chart}".*?</svg>', text, re.DOTALL)
        series = [set(re.findall(r'class="mark[^>]*data-series="(\d)"', each)) for each in charts]
        assert series == [{"0", "2"}, {"1"}], chart
        assert len({re.search(r'aria-describedby="([^"]*)"', each)[1] for each in charts}) == 2
    open_text = Markup(re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)).text
    assert open_text.count(said) >= 4
    # Reports of one kind say it too, in one chart.
    alike = Markup(page([octave, octave], ["one", "two"]))
    assert f"Of {said}." in alike.text
    assert len(alike.all("svg", **{"class": "chart sid"})) == 1


def test_what_is_said_of_several_reports_is_true_of_each():
    plain, other = made_report(), made_report(seed=1).view(value="prob", confidence=0.9)
    own = dataclasses.replace(plain, settings={**plain.settings, "labels": "model"})
    text = Markup(page([plain, other, own], ["one", "two", "three"])).text
    for name, value in (("one", "log-probability"), ("two", "probability")):
        assert f"{name}: mean {value} with k bands kept" in text
    whose = "of the true class or model's own answer"
    assert f"Mean log-probability or probability {whose} when the model is given" in text
    assert f"Mean log-probability {whose} when only the k lowest" in text
    assert "Mean probability of the true class when only the k lowest" in text
    assert "each pair of bands, in log-probability or probability:" in text
    wide, narrow = re.findall(r"distribution \(SID\), (\S+) intervals", text)
    assert (wide, narrow) == ("95%", "90%")
    both = Markup(page([plain, made_report(seed=1).view(confidence=0.9)], ["one", "two"])).text
    assert "Spectral importance distribution (SID), 95% or 90% intervals" in both


def test_classes_stand_in_one_order_in_every_view():
    from iaside_onnx.views.class_bands import class_figure
    from iaside_onnx.views.class_table import class_tables

    report = made_report(classes=7, each=24, seed=5)
    on_page = [row[0] for row in Markup(page([report])).table("accuracy, signed score and")[1:]]
    figure = class_figure(report).figure
    drawn = [text.get_text().partition(" (")[0] for text in figure.axes[0].get_yticklabels()]
    (table, *_) = class_tables(report, 120)
    printed = [cells[0] for cells in table.rows]
    scores = {row["name"]: (row["shrunk"] or row)["srs_signed"] for row in report.per_class()}
    assert on_page == drawn == printed == sorted(scores, key=scores.__getitem__)
    assert on_page != sorted(scores)
