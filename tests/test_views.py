"""Views by name: one row adds a kind of result or picture, and every result shows itself."""

from __future__ import annotations

import dataclasses
import sys

import pytest

import iaside_onnx as ia
from iaside_onnx.comparisons.prediction import predict_damage
from iaside_onnx.errors import UsageError
from iaside_onnx.page import page as pages
from iaside_onnx.results.shown import Shown
from iaside_onnx.views import registry
from iaside_onnx.views.figure import Header, Panel, column
from iaside_onnx.views.text import both_ends, figures, interval, number, shortened

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
    assert "choose one of report, classes, ranks" in unknown.stderr


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
        "<SnrReport photos: 12 images, 3 perturbations, 4 bands>": snr,
        "<Prediction m0.onnx: No finding>": predict_damage(report, snr),
        "<Comparison against m0, signed SRS: m1 ": ia.compare(*several[:2]),
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
    drawn = registry.draw([sound.sound_report(3)])
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
