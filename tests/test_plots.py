"""Pictures: they draw what the report holds, at one column's width, for hostile names too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.views.plots import figure

from . import graphs
from .conftest import write_npz


@pytest.fixture
def report(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(8) % 4)
    return ia.analyze(graphs.small_network(tmp_path / "m.onnx"), data, bands=4)


def test_bars_are_the_distribution_and_the_values(report):
    drawn = figure([report])
    sid, shapley = drawn.axes[0], drawn.axes[1]
    np.testing.assert_allclose([bar.get_height() for bar in sid.patches], report.sid)
    np.testing.assert_allclose([bar.get_height() for bar in shapley.patches], report.shapley)
    assert drawn.get_size_inches()[0] == pytest.approx(3.5)
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert any("attainable range" in title for title in titles)


def test_several_reports_hostile_names_and_limits(report):
    drawn = figure([report, report.view(value="prob")], ["$\\frac{", "x" * 300])
    drawn.canvas.draw()
    with pytest.raises(UsageError, match="1 to 12"):
        figure([report] * 13)
    other = dataclasses.replace(report, log_prob=report.log_prob[:, :8])
    with pytest.raises(UsageError, match="different numbers"):
        figure([report, other])


def test_text_is_large_enough_and_inside_the_picture(report):
    drawn = figure([report, report])
    drawn.canvas.draw()
    seen = [text for axes in drawn.axes[:4] for text in visible_texts(axes)]
    assert len(seen) > 30
    assert min(text.get_fontsize() for text in seen) >= 6
    extents = [text.get_window_extent() for text in seen]
    assert min(extent.x0 for extent in extents) >= drawn.bbox.x0
    assert max(extent.x1 for extent in extents) <= drawn.bbox.x1


def visible_texts(axes):
    """Title and tick labels; ticks beyond the limits exist but are not drawn."""
    yield axes.title
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        for tick in axis.get_major_ticks():
            if low <= tick.get_loc() <= high and tick.label1.get_text():
                yield tick.label1
