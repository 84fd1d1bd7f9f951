"""Panels in axes of the user's own, names of models, sizes, pages and frames in Python."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.comparisons.prediction import predict_damage
from iaside_onnx.errors import UsageError
from iaside_onnx.results.damage_words import radius_text
from iaside_onnx.views import plotting, registry
from iaside_onnx.views.band_tiles import cropped
from iaside_onnx.views.figure import COLOURS, FEW
from iaside_onnx.views.lettering import fitted, width_of
from iaside_onnx.views.model_names import model_names

from .conftest import ROOT
from .made_reports import made, profiles, shifted
from .robustness_reports import made_up

# Panels of what the made-up results do not hold.
LACKING = {
    "strip": "holds no example",
    "blur": "of the kind blur",
    "measured": "nothing measured",
}
LONG = "a_model_called_by_a_very_long_name_indeed_version_{}"


@pytest.fixture(scope="module")
def sound():
    sys.path.insert(0, str(ROOT / "tools" / "fuzz"))
    try:
        import sound_files

        yield sound_files
    finally:
        sys.path.remove(str(ROOT / "tools" / "fuzz"))
        sys.modules.pop("sound_files", None)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def models(count, name="model-{}", bands=4):
    """Reports of models that differ in their lowest band."""
    psi = profiles(60, bands=bands)
    psi[:, 0] += 1
    return [
        dataclasses.replace(
            made(shifted(psi, seed=n, by=0.3 * n, band=0), digest="c"),
            model={"path": f"{name.format(n)}.onnx", "sha256": f"{n:x}" * 64},
        )
        for n in range(count)
    ]


def measured(count, name="model-{}", attacks=None):
    """Robustness files of models, the worst first."""
    wrong = np.random.default_rng(0).random((60, 3, 2))
    return [
        made_up(
            [n % 9 == 0 for n in range(60)], wrong < 0.8 - 0.05 * number, attacks=attacks,
            model={"path": f"{name.format(number)}.onnx", "sha256": f"{number:x}" * 64},
        )
        for number in range(count)
    ]  # fmt: skip


def texts(drawn):
    """Everything that is written in a picture, of what is seen."""
    drawn.canvas.draw()
    found = list(drawn.texts)
    for axes in drawn.axes:
        found += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            found += [t.label1 for t in ticks if low <= t.get_loc() <= high]
        if axes.get_legend() is not None:
            found += axes.get_legend().get_texts()
    return [text for text in found if text.get_text() and text.get_visible()]


def said(drawn):
    return " ".join(text.get_text().replace("\n", " ") for text in texts(drawn))


def results(sound):
    """A result of each kind that has panels, two where a panel takes several."""
    report, snr = sound.sound_report(0), sound.sound_snr()
    robust = measured(4)
    analysed = [
        dataclasses.replace(r, image_ids=m.image_ids)
        for r, m in zip(models(4), robust, strict=True)
    ]
    stand_ins = sound.sound_stand_ins() if hasattr(sound, "sound_stand_ins") else None
    damage = sound.sound_damage(1), sound.sound_damage(1, 1)
    found = {
        "Report": models(2),
        "RobustnessReport": robust[:2],
        "HeatmapReport": [sound.sound_heatmap()],
        "SnrReport": [snr],
        "DamageReport": list(damage[:1]),
        "Comparison": [ia.compare(*models(3))],
        "DamageComparison": [ia.compare(*damage)],
        "Correlation": [ia.correlate(*analysed, *robust)],
        "Prediction": [predict_damage(report, snr)],
        "Ranking": [ia.rank(models(3))],
    }
    return found if stand_ins is None else {**found, "StandInReport": [stand_ins]}


def test_every_panel_draws_into_given_axes_within_the_figure_at_its_default_size(sound):
    for kind, of_kind in results(sound).items():
        for name, row in plotting.PANELS[kind].items():
            figure, axes = plt.subplots()
            given = of_kind if row.most > 1 else of_kind[:1]
            if name in LACKING:
                with pytest.raises(UsageError, match=LACKING[name]):
                    ia.plot(*given, panel=name, ax=axes)
                continue
            assert ia.plot(*given, panel=name, ax=axes) is axes
            found = texts(figure)
            assert min(t.get_fontsize() for t in found) >= 7, name  # readable at 10 points
            boxes = [t.get_window_extent() for t in found]
            assert min(box.x0 for box in boxes) >= -1, name
            assert max(box.y1 for box in boxes) <= figure.bbox.y1 + 1, name
            plt.close(figure)


def test_a_function_for_each_panel():
    names = {name.replace("-", "_") for panels in plotting.PANELS.values() for name in panels}
    functions = {n for n, f in vars(ia.panels).items() if inspect.isfunction(f) and n[0] != "_"}
    assert functions - {"plot"} == names
    (report,) = models(1)
    figure, axes = plt.subplots()
    assert ia.panels.sid(report) is axes  # what pyplot has at hand
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], report.sid)
    assert report.plot("score", ax=figure.add_subplot()) in figure.axes
    assert report.plot("sid").get_size_inches().tolist() == [6.4, 4.8]


def test_panels_follow_the_font_size_and_pictures_do_not():
    (report,) = models(1)
    sizes = []
    for points in (10, 20):
        with plt.rc_context({"font.size": points}):
            axes = ia.panels.sid(report, ax=plt.subplots()[1])
            sizes.append([axes.xaxis.label.get_fontsize(), report.plot().axes[0].xaxis.label])
    assert sizes[1][0] == pytest.approx(2 * sizes[0][0])
    assert sizes[1][1].get_fontsize() == sizes[0][1].get_fontsize()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.plot("sidd"), "panel='sidd': did you mean sid? choose one of sid, shapley"),
        (lambda r: r.plot(ax=3), "ax=3: give the axes of a figure"),
        (lambda r: ia.plot(r, r, panel="classes"), "panel 'classes' takes one result, not 2"),
        (lambda r: ia.plot(r, names="a"), "names='a': give a list with a name for each of the 1"),
        (lambda r: r.to_html("page.txt"), "page.txt: a page's name ends in .html"),
        (lambda r: r.to_html(beside=3), "beside=3: give results that have a part of a page"),
        (lambda _: measured(1)[0].to_html(), "a RobustnessReport has no page of its own"),
        (lambda _: measured(1)[0].to_pandas("x"), "rows='x': choose one of corruptions, attacks"),
    ],
)
def test_errors_are_in_the_words_of_python(call, message):
    with pytest.raises(UsageError) as caught:
        call(models(1)[0])
    assert str(caught.value).startswith(message)
    assert "--" not in str(caught.value)


def test_results_are_called_by_their_models_and_those_of_one_by_what_differs(tmp_path):
    (one,) = models(1)
    other = dataclasses.replace(one, settings={**one.settings, "seed": 1})
    assert model_names([one, models(2)[1]]) == ["model-0", "model-1"]
    assert model_names([one, other]) == ["model-0 (seed 0)", "model-0 (seed 1)"]
    assert model_names([one, one.rows(range(20))]) == [
        "model-0 (60 images)", "model-0 (20 images)",
    ]  # fmt: skip
    for setting, names in {
        "spacing": ("octave", "octave bands", "linear bands"),
        "labels": ("model", "own answers", "true labels"),
    }.items():
        other = dataclasses.replace(one, settings={**one.settings, setting: names[0]})
        assert model_names([other, one]) == [f"model-0 ({name})" for name in names[1:]]
    files = [tmp_path / "old.h5", tmp_path / "new.h5"]
    bare = {name: value for name, value in one.settings.items() if name != "temperature"}
    bare = dataclasses.replace(one, settings=bare)
    assert model_names([one, bare], files) == ["model-0 (temperature 1, old)", "model-0 (new)"]
    assert model_names([one, one], files) == ["model-0 (old)", "model-0 (new)"]
    assert model_names([one, one]) == ["model-0 (1)", "model-0 (2)"]
    one.save(tmp_path / "old.h5")
    assert "model-0: 60 images" in said(ia.plot(tmp_path / "old.h5"))


@pytest.mark.parametrize("count", [1, 2, FEW, 5, 12])
@pytest.mark.parametrize("make", [models, measured])
def test_up_to_twelve_long_names_are_whole_pictures_without_collisions(make, count):
    drawn = ia.plot(*make(count, LONG))
    found = texts(drawn)
    boxes = [text.get_window_extent() for text in found]
    assert min(box.x0 for box in boxes) >= drawn.bbox.x0
    assert max(box.x1 for box in boxes) <= drawn.bbox.x1
    for axes in drawn.axes:
        rows = [t.get_window_extent() for t in axes.get_yticklabels() if t.get_text()]
        rows.sort(key=lambda box: box.y0)
        assert all(a.y1 <= b.y0 + 1 for a, b in pairwise(rows))
    if count > 1:
        assert all(any(f"{n}" in t.get_text()[-3:] for t in found) for n in range(count))


def test_many_models_are_ranked_by_what_the_panel_shows():
    reports = models(6)
    axes = ia.plot(*reports, panel="score", ax=plt.subplots()[1])
    best_first = [label.get_text() for label in axes.get_yticklabels()]
    scores = {f"model-{n}": report.srs_signed for n, report in enumerate(reports)}
    assert best_first == sorted(scores, key=scores.get, reverse=True)
    shown = axes.containers[0].lines[0].get_xdata()
    np.testing.assert_allclose(shown, sorted(scores.values(), reverse=True))
    means = ia.plot(*measured(6), panel="means", ax=plt.subplots()[1])
    assert [t.get_text() for t in means.get_yticklabels()] == [
        f"model-{n}" for n in range(5, -1, -1)
    ]


@pytest.mark.parametrize("panel", ["sid", "shapley", "score", "accuracy"])
def test_what_is_no_finding_is_faint_and_named_within_the_picture(panel):
    silent = dataclasses.replace(
        made(shifted(profiles(60)), digest="c", wrong=np.arange(60) % 8 > 0),
        model={"path": f"large-model-with-{'long' * 8}-name.onnx", "sha256": "f" * 64},
    )
    drawn = ia.plot(*models(5), silent, panel=panel)
    edge = drawn.bbox.x1
    assert all(text.get_window_extent().x1 <= edge for text in texts(drawn))
    (axes,) = drawn.axes
    if axes.images:
        assert "large-model" in said(drawn)
        assert [row[0] < 1 for row in axes.images[0].get_alpha()] == [False] * 5 + [True]
    # A dot at the end of an axis is whole.
    assert not any(line.get_clip_on() for each in axes.containers for line in each.lines[:1])


def test_the_map_of_errors_has_a_clean_row_and_a_mean_column():
    (report,) = measured(1, attacks=[[True]] * 30 + [[None]] * 30)
    drawn = ia.plot(report)
    cells, means = drawn.axes
    shown = np.asarray(cells.images[0].get_array())
    np.testing.assert_allclose(shown[1:, :-1], report.errors)
    np.testing.assert_allclose(shown[1:, -1], report.errors.mean(axis=1))
    np.testing.assert_allclose(shown[0], report.clean_error)
    assert cells.get_yticklabels()[0].get_text() == "clean"
    assert cells.get_xticklabels()[-1].get_text() == "mean"
    assert "square-linf 8/255" in [t.get_text() for t in means.get_yticklabels()]


def test_radii_are_as_they_were_asked_for():
    asked = ["1/255", "4/255", "8/255", "0.5/255", "0.5", "2", "0.03", "0.1"]
    radii = [eval(text) for text in asked]
    assert [radius_text(radius) for radius in radii] == asked
    assert radius_text(0.0123456) == "0.01235"


def test_whiskers_and_lines_are_named_on_each_panel():
    drawn = ia.plot(*models(2))
    notes = [axes.texts[0].get_text() for axes in drawn.axes[:4]]
    assert [note.startswith("whiskers: 95% intervals") for note in notes[:3]] == [True] * 3
    assert "dotted: even share" in notes[0]
    assert "solid, filled: the lowest" in notes[3]
    both = ia.panels.sid(*models(2), ax=plt.subplots()[1]).get_legend()
    assert [t.get_text() for t in both.get_texts()] == ["model-0", "model-1"]
    assert [to_hex(h.get_facecolor()).upper() for h in both.legend_handles] == list(COLOURS[:2])


def test_foretold_and_measured_have_axes_of_their_own(sound):
    found = predict_damage(sound.sound_report(0), sound.sound_snr())
    shape = len(found.perturbations), len(found.severities)
    beside = dataclasses.replace(
        found, measured_drop=np.full(shape, 0.5), measured_mpe=np.full(shape, 1.2)
    )
    foretold, held = beside.plot().axes
    assert "fall of probability" in foretold.get_xlabel()
    assert [t.get_text() for t in held.get_legend().get_texts()] == ["fall of accuracy", "mPE / 2"]
    assert len(found.plot().axes) == 1


def test_ratios_by_radius_are_said_to_be_of_rings(sound):
    report = sound.sound_snr()
    words = "rings, without the mean"
    assert words in " ".join(said(ia.plot(report)).split())
    kind = next(iter(report.settings["kinds"].values()))
    assert words in " ".join(said(ia.plot(report, panel=kind)).split())


def test_heat_maps_have_cycles_a_pixel(sound):
    axes = ia.panels.error_map(sound.sound_heatmap(), ax=plt.subplots()[1])
    assert axes.get_xlabel() == "cycles a pixel, across"
    assert axes.get_xlim()[1] <= 0.5625  # half a line of the grid beyond Nyquist


def test_every_class_has_a_row_with_its_bands():
    psi = profiles(120)
    names = [f"class number {n} of a long name" for n in range(60)]
    report = dataclasses.replace(made(psi, labels=np.arange(120) % 60), class_names=names)
    drawn = registry.draw([report], picture="classes")
    rows = [t.get_text() for t in drawn.axes[0].get_yticklabels()]
    assert len(set(rows)) == 60
    best = report.class_profiles.best
    order = np.argsort(best.signed, kind="stable")
    np.testing.assert_allclose(np.asarray(drawn.axes[0].images[0].get_array()), best.sid[order])
    assert all(text.endswith("(2)") for text in rows)


def test_bands_of_large_images_are_shown_pixel_by_pixel():
    assert cropped(32, 32) is None
    assert cropped(64, 96) is None
    assert cropped(224, 224) == (80, 80, 64)
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    report = dataclasses.replace(models(1)[0], example=pixels)
    axes = report.plot("strip").axes[0]
    shown = [np.asarray(cell.images[0].get_array()) for cell in axes.child_axes]
    assert [tile.shape[:2] for tile in shown] == [(224, 224)] + [(64, 64)] * 4
    assert all(tile.std() > 0.1 for tile in shown[2:])  # contrast that is seen
    assert "contrast stretched band by band" in axes.texts[0].get_text().replace("\n", " ")


def test_names_fit_the_room_they_have():
    names = [LONG.format(n) for n in range(12)]
    for inches in (0.8, 1.2, 3.0):
        shown = fitted(names, inches)
        assert len(set(shown)) == 12
        assert max(map(width_of, shown)) <= inches


def test_a_panel_and_a_size_on_the_command_line(iaside, tmp_path):
    for n, report in enumerate(models(2)):
        report.save(tmp_path / f"{n}.h5")
    files = [tmp_path / "0.h5", tmp_path / "1.h5"]
    for options, size in (
        (["--panel", "sid", "--size", "4x3"], (1200, 900)),
        (["--size", "6x2.5"], (1800, 750)),
    ):
        target = tmp_path / f"{len(options)}.png"
        done = iaside("plot", *files, *options, "-o", target)
        assert done.exit_code == 0, done.stderr
        with Image.open(target) as picture:
            assert picture.size == size
    for options, message in (
        (["--panel", "shaplei"], "did you mean shapley?"),
        (["--size", "1920x1080"], "--size 1920x1080: give width and height in inches"),
        (["--size", "big"], "'big' is no width and height such as 6.4x4.8"),
        (["--panel", "sid", "--classes"], "--panel and --classes exclude each other"),
    ):
        refused = iaside("plot", tmp_path / "none.h5", *options, "-o", tmp_path / "x.png")
        assert refused.exit_code == 2
        assert message in refused.stderr  # before files are looked for
    listed = iaside("plot", "--help").stdout
    assert all(name in listed for name in ("sid", "shapley", "damage-map", "error-by-band"))


def test_frames_hold_the_measurements(sound):
    pytest.importorskip("pandas", reason="pandas is not installed")
    (report,) = measured(1, attacks=[[True]] * 30 + [[None]] * 30)
    cells = report.to_pandas()
    np.testing.assert_allclose(cells["error"], report.errors.ravel())
    np.testing.assert_allclose(cells["error_high"], report.damage.errors.high.ravel())
    images = report.to_pandas("images")
    mean = images.groupby(["perturbation", "severity"])["wrong"].mean().unstack()
    np.testing.assert_allclose(mean, report.errors)
    assert report.to_pandas("attacks")["images"].tolist() == [30]
    heat = sound.sound_heatmap()
    waves = heat.to_pandas()
    np.testing.assert_allclose(waves["error"], heat.error)
    assert waves["per_pixel_across"].abs().max() <= 0.5
    assert heat.to_pandas("bands")["band"].tolist() == heat.band_names
    snr = sound.sound_snr()
    rows = snr.to_pandas()
    first = rows[(rows["perturbation"] == snr.perturbations[0]) & (rows["severity"] == 1)]
    np.testing.assert_allclose(first["snr"], snr.curves[0][0].snr.value)
    assert len(snr.to_pandas("rings")) == len(snr.perturbations) * len(snr.severities) * snr.rings
    foretold = predict_damage(sound.sound_report(0), snr)
    np.testing.assert_allclose(foretold.to_pandas()["foretold_drop"], foretold.drop.ravel())
    damage = ia.compare(sound.sound_damage(1), sound.sound_damage(1, 1)).to_pandas()
    assert {"report", "band", "difference", "p_holm"} <= set(damage)


def test_a_result_gives_its_page(tmp_path):
    (report,), (robust,) = models(1), measured(1)
    robust = dataclasses.replace(robust, image_ids=report.image_ids)
    alone = report.to_html()
    both = report.to_html(tmp_path / "page.html", beside=[robust])
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == both
    assert alone.lower().startswith("<!doctype html>")
    assert len(both) > len(alone)


def test_axes_that_no_panel_fits_are_refused_in_one_line():
    report = models(1)[0]
    for projection in ("3d", "polar"):
        axes = plt.figure().add_subplot(projection=projection)
        with pytest.raises(UsageError, match=f"these are {projection} axes"):
            report.plot("sid", ax=axes)
    with pytest.raises(UsageError, match="axes stand among the results: give them as ax=AXES"):
        ia.panels.sid(report, plt.subplots()[1])
    assert "Any" not in dir(ia.panels)
    assert {"sid", "order", "by_score"} <= {*dir(ia.panels)}


def test_a_ranking_is_drawn_into_given_axes():
    ranking = ia.rank(models(3))
    axes = plt.subplots()[1]
    assert ranking.plot(ax=axes) is axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert [name.split()[0] for name in names] == [str(row.rank) for row in ranking.rows]
    with pytest.raises(UsageError, match="give files of iaside robustness"):
        ia.rank(None)


@pytest.mark.parametrize("panel", ["sid", "score", "accuracy"])
def test_panels_of_many_models_leave_each_other_room_in_a_layout(panel):
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for each in axes:
        getattr(ia.panels, panel)(*models(FEW + 3), ax=each)
    figure.canvas.draw()
    assert all(each.get_position().width > 0.3 for each in axes)
