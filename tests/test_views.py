"""Views by name: one row adds a kind of result or picture, and every result shows itself."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.comparisons.prediction import predict_damage
from iaside_onnx.errors import UsageError
from iaside_onnx.page import page as pages
from iaside_onnx.results.shown import Shown
from iaside_onnx.views import (
    comparison_table,
    correlation_table,
    damage_comparison,
    damage_table,
    heatmap_table,
    inspection_table,
    prediction_table,
    registry,
    report_table,
    robustness_table,
    snr_table,
)
from iaside_onnx.views.figure import Header, Panel, column
from iaside_onnx.views.terminal import Terminal, table
from iaside_onnx.views.text import both_ends, figures, interval, number, shortened, told_apart

from .conftest import ROOT
from .made_reports import made, profiles
from .pages import SCRIPT, Markup, made_report
from .robustness_reports import made_up


@pytest.fixture
def sound(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "fuzz"))
    import sound_files

    yield sound_files
    del sys.modules["sound_files"]


@pytest.fixture
def rows(monkeypatch):
    """The registry, as it is again after the test."""
    monkeypatch.setattr(registry, "_ROWS", dict(registry._ROWS))
    return registry


def ranks(report, name):
    """A toy picture of a report."""
    header = Header("Ranks", f"of {name}")
    return column(header, [Panel(1, 0.4, lambda axes: axes.plot(sorted(report.sid)))])


def test_a_kind_of_picture_is_one_row(rows, iaside, tmp_path):
    rows.register("Report", pictures={"ranks": rows.Drawing(ranks, named=True)})
    report = made_report()
    report.save(tmp_path / "r.h5")
    done = iaside("plot", tmp_path / "r.h5", "--picture", "ranks", "-o", tmp_path / "r.svg")
    assert done.exit_code == 0, done.stderr
    assert "<!-- Ranks -->" in (tmp_path / "r.svg").read_text()
    assert rows.draw([report], ["a"], picture="ranks").axes[0].lines[0].get_ydata().max() > 0
    assert report.plot().texts[0].get_text() == "Spectral importance"  # the first stays
    unknown = iaside("plot", tmp_path / "r.h5", "--picture", "x", "-o", tmp_path / "x.svg")
    assert unknown.exit_code == 2
    assert "choose one of report, classes, class-map, ranks" in unknown.stderr


def test_a_kind_of_result_is_one_row(rows):
    @dataclasses.dataclass(frozen=True)
    class Toy(Shown):
        value: float

    assert repr(Toy(1.0)) == "<Toy>"
    assert Toy(1.0)._repr_html_() is None
    with pytest.raises(UsageError, match="Toy: it has no picture"):
        Toy(1.0).plot()
    with pytest.raises(UsageError, match="a Toy is not shown as a frame"):
        Toy(1.0).to_pandas()
    draw = rows.Drawing(lambda toy: column(Header("Toy", number(toy.value)), []))
    rows.register("Toy", line=lambda toy: str(toy.value), pictures={"toy": draw})
    assert repr(Toy(2.0)) == "<Toy 2.0>"
    assert ia.plot(Toy(2.0)).texts[1].get_text() == "2.000"


def test_a_section_of_the_page_is_one_entry(monkeypatch):
    toy = pages.Section(
        "toy", "A toy", lambda facts: {"toy": facts.labels}, markup="<p>{{ toy[0] }}!</p>"
    )
    monkeypatch.setattr(pages, "SECTIONS", [*pages.SECTIONS, toy])
    shown = Markup(pages.page([made_report()], [SCRIPT]))
    assert shown.all("section", id="toy")
    assert shown.all("a", href="#toy")
    assert f"{SCRIPT}!" in shown.text


def test_every_result_says_what_it_is_in_one_line_and_draws_itself(sound):
    report, heatmap, snr = sound.sound_report(0), sound.sound_heatmap(), sound.sound_snr()
    several = [made(profiles(60), name=f"m{n}", digest="c") for n in range(4)]
    several = [
        dataclasses.replace(r, model={"path": f"m{n}.onnx", "sha256": f"{n}" * 64})
        for n, r in enumerate(several)
    ]
    measured = [
        made_up([False] * 60, [[[False, True]]] * 60, image_ids=r.image_ids, model=r.model)
        for r in several
    ]
    results = {
        "<Report m0.onnx: ": report,
        "<RobustnessReport m0.onnx: 12 images, 3 corruptions, clean error ": (
            sound.sound_robustness()
        ),
        "<HeatmapReport m0.onnx: 12 images, 34 Fourier basis vectors, clean": heatmap,
        "<SnrReport photos: 12 images, 3 perturbations, 4 bands (linf)>": snr,
        "<DamageReport m0.onnx: gaussian noise 3, 12 images, -8.333 points of accuracy lost>": (
            sound.sound_damage()
        ),
        "<Prediction m0.onnx: No finding>": predict_damage(report, snr),
        "<Comparison against m0, signed score: m1 ": ia.compare(*several[:2]),
        "<Correlation 4 models: mean_error, ": ia.correlate(*several, *measured),
    }
    for line, result in results.items():
        assert repr(result).startswith(line), repr(result)
        assert ia.plot(result).axes
    decision = ia.gate(several[0], min_accuracy=0.5)
    assert repr(decision).startswith("<Gate m0: passed>")
    with pytest.raises(UsageError, match="no picture"):
        decision.plot()


def test_paths_of_any_kind_are_drawn_and_kinds_are_not_mixed(sound, tmp_path):
    sound.sound_snr().save(tmp_path / "s.h5")
    assert ia.plot(tmp_path / "s.h5").axes
    with pytest.raises(UsageError, match="all of one kind"):
        ia.plot(sound.sound_report(0), sound.sound_heatmap())
    with pytest.raises(UsageError, match="of one result, not of 2"):
        ia.plot(sound.sound_snr(), sound.sound_snr())


def test_a_report_whose_bands_do_not_fit_its_example_is_drawn_without_it(sound):
    report = sound.sound_report(3)
    assert report.example is not None
    drawn = registry.draw([replace(report, example=report.example[:8, :8])])
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert "Importance distribution (SID)" in titles
    assert not any("What the bands hold" in title for title in titles)


def test_numbers_and_names_are_written_in_one_way():
    nan, inf = float("nan"), float("inf")
    assert [number(x) for x in (0.12345, nan, inf, -inf)] == ["0.123", "-", "inf", "-inf"]
    assert number(0.5, 2, signed=True) == "+0.50"
    assert interval(0.1, 0.25, 2) == "0.10 to 0.25"
    assert interval(nan, nan) == "-"
    assert interval(0.1, inf) == "0.100 to inf"
    written = [figures(x) for x in (-0.001, 9.99, 12.34, 123.4, 1.2e6, nan, inf)]
    assert written == ["0.00", "9.99", "12.3", "123", "1e+06", "-", "inf"]
    assert shortened("a\nlong name", 6) == "a lon…"
    assert both_ends("abcdefghijkl", 6) == "ab…jkl"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["fog.h5", "snow.h5"], ["fog.h5", "snow.h5"]),
        (["x/plain/noise.h5", "x/robust/noise.h5"], ["plain", "robust"]),
        (["model-seed-1-of-ten", "model-seed-2-of-ten"], ["…eed-1-of-t…", "…eed-2-of-t…"]),
        (["a-long-long-name", "a-long-long-name"], ["a-lon…g-name"] * 2),
        (["x/plain/noise", "x/plain"], ["x/pla…/noise", "x/plain"]),
        (["long-long-longer", "long-xx-longer"], ["…ng-long-lo…", "…ong-xx-lon…"]),
    ],
)
def test_names_are_cut_so_that_those_that_differ_still_do(names, shown):
    assert told_apart(names, 12) == shown


def candidate(values, geometry, accuracy):
    return {
        "values": values, "geometry": geometry, "accuracy": accuracy, "top5": 0.987,
        "accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.05, "label_offset": 0,
        "mean_log_prob": -1.234, "p_value": 0.0123,
    }  # fmt: skip


@pytest.fixture
def printed(sound):
    """Each kind of table by its name: how it is printed."""
    report, heatmap, snr = sound.sound_report(0), sound.sound_heatmap(), sound.sound_snr()
    damage, damages = sound.sound_damage(1), sound.sound_damage(1, 1)
    robustness = sound.sound_robustness()
    several = [
        dataclasses.replace(
            made(profiles(60, seed=n), name=f"model{n}_of_a_long_name", digest="c"),
            model={"path": f"model{n}_of_a_long_name.onnx", "sha256": f"{n}" * 64},
        )
        for n in range(5)
    ]
    measured = [
        made_up([False] * 60, [[[False, True]]] * 60, image_ids=r.image_ids, model=r.model)
        for r in several
    ]
    predicted, correlated = predict_damage(report, snr), ia.correlate(*several, *measured)
    facts = {
        "candidates": [
            candidate("imagenet, in the order of caffe", "short side 256, crop 224", 0.75),
            candidate("unit", "whole image to 224 x 224", 0.5),
        ],
        "search": {"images": 20, "findings": [], "command": None},
    }
    return {
        "report": (report_table, lambda: report_table.print_report(report, per_class=True)),
        "robustness": (
            robustness_table,
            lambda: robustness_table.print_robustness(robustness, robustness),
        ),
        "heatmap": (heatmap_table, lambda: heatmap_table.print_heatmap(heatmap, report)),
        "snr": (snr_table, lambda: snr_table.print_snr(snr)),
        "damage": (damage_table, lambda: damage_table.print_damage(damage, per_class=True)),
        "damages compared": (
            damage_comparison,
            lambda: damage_comparison.print_damage_comparison(ia.compare(damage, damages)),
        ),
        "prediction": (prediction_table, lambda: prediction_table.print_prediction(predicted)),
        "correlation": (
            correlation_table,
            lambda: correlation_table.print_correlation(correlated),
        ),
        "comparison": (
            comparison_table,
            lambda: comparison_table.print_comparison(
                ia.compare(made(profiles(60)), made(profiles(60, seed=1), name="n"), per_class=True)
            ),
        ),
        "candidates": (
            inspection_table,
            lambda: inspection_table.print_candidates(facts, None),
        ),
    }


def words_of(text):
    """What is written, without bars and lines."""
    return Counter(word for word in text.split() if not set(word) <= set("█▏▎▍▌▋▊▉─"))


def test_tables_hold_every_word_and_number_at_any_width(printed, capsys, monkeypatch):
    for name, (module, show) in printed.items():
        shown = {}
        for width in (500, 120, 80, 60):
            out = Terminal(width=width, highlight=False, markup=False, emoji=False)
            monkeypatch.setattr(module, "terminal", lambda out=out: out)
            show()
            text = capsys.readouterr().out
            assert "…" not in text, (name, width)
            assert max(map(len, text.splitlines())) <= width, (name, width)
            shown[width] = words_of(text)
            lost = shown[500] - shown[width]
            if name == "robustness":  # one table, which names what it has no room for
                assert not lost or "For a wider terminal, --csv and --json: " in text, width
                continue
            assert not lost, (name, width, lost)


def test_bars_are_drawn_for_the_room_there_is(capsys):
    rows = [["one", "1.000"], ["half", "0.500"], ["none", "-"]]
    bars = table(["name"], ["share"], rows, bars=[1.0, 0.5, np.nan])
    for width, letters in ((500, 24), (40, 23), (30, 13), (20, 0)):
        Terminal(width=width).print(bars)
        lines = capsys.readouterr().out.splitlines()[3:6]
        assert [line.count("█") for line in lines] == [letters, letters // 2, 0], width


def test_pictures_say_all_of_their_subtitle_and_name_their_model(sound):
    for result, words in (
        (sound.sound_heatmap(), "0.5 cycles a pixel is Nyquist"),
        (sound.sound_robustness(), "m0: 12 images"),
    ):
        drawn = ia.plot(result)
        drawn.canvas.draw()
        assert words in " ".join(text.get_text() for text in drawn.texts)
        assert max(text.get_window_extent().x1 for text in drawn.texts) <= drawn.bbox.x1


def test_colour_scales_do_not_touch(sound):
    drawn = ia.plot(sound.sound_heatmap())
    drawn.canvas.draw()
    error, mpe = (axes for axes in drawn.axes if axes.get_xlabel() in ("error", "mPE"))
    ends = []
    for axes, end in ((error, -1), (mpe, 0)):
        low, high = axes.get_xlim()
        shown = [
            t for t in axes.xaxis.get_major_ticks() if low - 1e-9 <= t.get_loc() <= high + 1e-9
        ]
        ends.append(shown[end].label1.get_window_extent())
    assert ends[0].x1 + 2 < ends[1].x0


def test_one_severity_is_one(capsys):
    report = made_up([True, False], [[[True]], [[False]]])
    robustness_table.print_robustness(report)
    assert "1 corruption x severity 1" in capsys.readouterr().out
