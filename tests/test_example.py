"""The image that pictures show is one that the model gets right, whatever the order of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import iaside_onnx as ia
from iaside_onnx.page.page import page
from iaside_onnx.results.example import most_certain, row_of_example

from . import graphs
from .conftest import write_npz
from .pages import Markup, made_report


def report_of(log_prob, right, digests):
    """A report whose untouched images have these log-probabilities."""
    made = made_report(classes=len(right), each=1)
    table = np.repeat(np.float32(log_prob)[:, None], made.log_prob.shape[1], axis=1)
    contents = np.zeros((len(right), 32), np.uint8)
    contents[:, 0] = digests
    predicted = np.where(right, made.labels, (made.labels + 1) % len(right))
    return replace(made, log_prob=table, predicted=predicted, image_digests=contents)


def test_the_surest_right_answer_is_shown_and_digests_settle_what_rounding_may_turn():
    sure = report_of([-0.001, -0.5, -0.1, -0.1003], [False, True, True, True], [0, 1, 9, 3])
    assert most_certain(sure, sure.log_prob[:, -1]) == 3
    turned = sure.rows([3, 2, 1, 0])
    assert most_certain(turned, turned.log_prob[:, -1]) == 0
    lost = report_of([-3.0, -2.0], [False, False], [0, 1])
    assert most_certain(lost, lost.log_prob[:, -1]) == 1


def test_an_analysis_names_its_example_and_the_page_shows_its_answers(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (14, 16, 16, 3), dtype=np.uint8)
    model, options = graphs.small_network(tmp_path / "m.onnx"), {"bands": 2, "samples": 0}
    answers = ia.analyze(model, (images, np.arange(14) % 4), bands=1, samples=0).predicted
    data = write_npz(tmp_path / "d.npz", images, (answers + (np.arange(14) < 7)) % 4)
    report = ia.analyze(model, data, **options)
    row = row_of_example(report)
    right = np.flatnonzero(report.predicted == report.labels)
    assert row in right
    assert report.log_prob[row, -1] > report.log_prob[right, -1].max() - 0.01
    shown = images[int(report.image_ids[row])]
    np.testing.assert_array_equal(report.example, shown)
    seen = Markup(page([report]))
    assert f"all bands {np.exp(float(report.log_prob[row, -1])):.3f}" in seen.text
    # Among images that leave it out, nothing is shown of it; early files show their first.
    rest = report.rows(np.arange(len(report.labels)) != row)
    assert not Markup(page([rest])).all("section", id="example")
    early = replace(report, data={k: v for k, v in report.data.items() if k != "example"})
    assert row_of_example(early) == 0
