"""Results in notebooks and other libraries: what they show is what the report holds, escaped."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError

from . import graphs
from .conftest import ROOT, write_npz

NOTEBOOK = ROOT / "docs" / "notebooks" / "first-audit.ipynb"
HOSTILE = '"><img src=x onerror=alert(1)>\n<script>alert(2)</script>\u202e'


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    images = np.random.default_rng(2).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    data = write_npz(folder / "d.npz", images, np.arange(8) % 4)
    return [
        ia.analyze(graphs.small_network(folder / f"m{seed}.onnx", seed=seed), data, bands=3)
        for seed in (0, 1)
    ]


class Cells(HTMLParser):
    """Tags, and the text of every table cell, of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cells, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def test_a_notebook_shows_the_figures_of_the_report(reports):
    report, other = reports
    shown = Cells(report._repr_html_())
    for band in range(3):
        assert f"{report.shapley[band]:+.4f}" in shown.cells
        assert f"{report.sid[band]:.3f}" in shown.cells
    assert any(f"{report.srs_signed:+.3f} [" in cell for cell in shown.cells)
    assert report.interpretation().split("(")[0] in report._repr_html_()
    comparison = ia.compare(report, other)
    both = comparison._repr_html_()
    pair = comparison.pairs[0]
    assert any(cell.startswith(f"{pair.accuracy.difference:+.2f}") for cell in Cells(both).cells)
    assert pair.verdict["bands"].split("(")[0] in both
    for text in (repr(report), repr(comparison)):
        assert len(text) < 120
        assert "\n" not in text


def test_what_notebooks_show_is_escaped_and_fetches_nothing(reports):
    hostile = [
        dataclasses.replace(
            report,
            model={**report.model, "path": f"{number}{HOSTILE}"},
            data={**report.data, "source": HOSTILE},
            class_names=[HOSTILE] * 4,
        )
        for number, report in enumerate(reports)
    ]
    for result in (hostile[0], ia.compare(*hostile)):
        shown = Cells(result._repr_html_())
        assert {"table", "caption", "th", "td"} <= set(shown.tags)
        assert not {"img", "script", "a", "link", "iframe", "style"} & set(shown.tags)
        assert not any(name.startswith("on") or name == "src" for name, _ in shown.attributes)
        assert ("scope", "row") in shown.attributes
        assert ("scope", "col") in shown.attributes
        assert "&lt;script&gt;" in result._repr_html_()
        for text in (result._repr_html_(), repr(result)):
            assert text.isprintable()


def test_plots_are_matplotlib_figures_that_notebooks_show(reports):
    report, other = reports
    for drawn in (report.plot(), ia.plot(*reports, names=["a", "b"]), ia.compare(*reports).plot()):
        png, size = drawn._repr_png_()
        assert png.startswith(b"\x89PNG")
        assert size["width"] == pytest.approx(3.5 * 120)
    bars = [bar.get_height() for bar in ia.plot(report, other).axes[0].patches]
    np.testing.assert_allclose(bars, [*report.sid, *other.sid])
    with pytest.raises(
        UsageError, match=r"names=\['a'\]: give a list with a name for each of the 2"
    ):
        ia.plot(*reports, names=["a"])
    with pytest.raises(UsageError, match="1 to 12"):
        ia.plot()
    with pytest.raises(ia.IasideError, match="no such report"):
        ia.plot("missing.h5")


def test_frames_hold_the_report(reports):
    pytest.importorskip("pandas", reason="pandas is not installed")
    report = dataclasses.replace(reports[0], class_names=list("abcd"))
    bands = report.to_pandas()
    np.testing.assert_array_equal(bands["shapley"], report.shapley)
    np.testing.assert_array_equal(bands["sid_high"], report.intervals.sid_high)
    assert bands["band"].cat.ordered
    images = report.to_pandas("images")
    wide = images.pivot(index="image", columns="band", values="shapley").loc[report.image_ids]
    np.testing.assert_array_equal(wide, report.shapley_per_image)
    first = images.drop_duplicates("image")
    assert first["correct"].mean() == report.accuracy
    assert first["log_prob"].mean() == pytest.approx(report.mean_log_prob, abs=1e-6)
    classes = report.to_pandas("classes")
    assert len(classes) == 4 * 3
    for row in report.per_class():
        of_class = classes[classes["name"] == "abcd"[row["class"]]]
        np.testing.assert_array_equal(of_class["sid"], row["sid"])
        assert set(of_class["srs_signed"]) == {row["srs_signed"]}
    with pytest.raises(UsageError, match="choose one of bands, images, classes"):
        report.to_pandas("rows")


def test_classes_may_lack_values_and_hold_further_ones(reports, monkeypatch):
    pytest.importorskip("pandas", reason="pandas is not installed")
    rows = [
        {"class": 0, "low": None, "more": {"sid": [0.1, 0.2, 0.7], "score": 0.5}},
        {"class": 1, "low": [1.0, 2.0, 3.0], "more": None},
    ]
    monkeypatch.setattr(ia.Report, "per_class", lambda _: rows)
    frame = reports[0].to_pandas("classes")
    assert frame["class"].tolist() == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(frame["low"], [np.nan] * 3 + [1, 2, 3])
    np.testing.assert_array_equal(frame["more_sid"], [0.1, 0.2, 0.7] + [np.nan] * 3)
    np.testing.assert_array_equal(frame["more_score"], [0.5] * 3 + [np.nan] * 3)


def test_frames_hold_the_comparison(reports):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    found = ia.compare(*reports, per_class=True)
    pair = found.pairs[0]
    scores = found.to_pandas().set_index("quantity")
    assert scores.loc["accuracy", "p"] == pair.accuracy.p
    bands = found.to_pandas("bands")
    assert len(bands) == 2 * 3
    sid = bands[bands["quantity"] == "sid"]
    assert sid["p_holm"].tolist() == [d.p_holm for d in pair.sid]
    classes = found.to_pandas("classes")
    assert classes["n"].tolist() == [2] * 8
    assert classes["difference"].isna().all()  # too few images to judge
    assert pandas.api.types.is_float_dtype(classes["difference"])
    with pytest.raises(UsageError, match="per_class=True"):
        ia.compare(*reports).to_pandas("classes")


def test_the_dataset_is_the_value_table_with_names(reports):
    pytest.importorskip("xarray", reason="xarray is not installed")
    report = reports[0]
    table = report.to_xarray()
    assert dict(table["log_prob"].sizes) == {"image": 8, "coalition": 8}
    only_second = table["log_prob"].where(
        (table["present"].sum("band") == 1) & table["present"].sel(band="1"), drop=True
    )
    np.testing.assert_array_equal(only_second.squeeze("coalition"), report.log_prob[:, 2])
    np.testing.assert_array_equal(table["shapley"].mean("image"), report.shapley)
    assert table.attrs["model_sha256"] == report.model["sha256"]
    assert all(isinstance(value, str | int | float) for value in table.attrs.values())


@pytest.mark.parametrize("name", ["pandas", "xarray"])
def test_a_missing_library_is_named_with_the_command_that_adds_it(reports, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError) as caught:
        getattr(reports[0], f"to_{name}")()
    assert str(caught.value) == f"to_{name} needs {name}: pip install 'iaside-onnx[notebook]'"


def test_reading_a_report_loads_no_plotting_and_no_frames():
    code = "import sys, iaside_onnx.comparisons.comparison; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"matplotlib", "pandas", "xarray", "rich"} & set(loaded)


def test_the_notebook_runs_and_is_kept_without_outputs():
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    for library in ("ipykernel", "pandas", "xarray"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    settings = '"bands": 6, "samples": 36'
    assert sum(settings in cell.source for cell in cells) == 1
    for cell in cells:
        cell.source = cell.source.replace(settings, '"bands": 3, "samples": 24')
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()
    shown = [set(output.get("data", {})) for cell in cells for output in cell.outputs]
    assert sum("text/html" in kinds for kinds in shown) >= 2
    assert sum("image/png" in kinds for kinds in shown) == 2
    # Every output is a result; nothing was printed to standard error.
    assert all(output.output_type == "execute_result" for c in cells for output in c.outputs)
