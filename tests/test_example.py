"""The image that pictures show is one that the model gets right, whatever the order of images."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

import iaside_onnx as ia
from iaside_onnx.page.page import page
from iaside_onnx.results.example import row_of_example, row_to_show

from . import graphs
from .conftest import write_npz
from .pages import Markup, made_report


def report_of(chances, right, digests, without=None):
    """A report whose images have these probabilities whole, and without any band."""
    made = made_report(classes=len(right), each=1)
    table = np.log(np.repeat(np.float32(chances)[:, None], made.log_prob.shape[1], axis=1))
    table[:, 0] = np.log(0.01 if without is None else np.float32(without))
    contents = np.zeros((len(right), 32), np.uint8)
    contents[:, 0] = digests
    predicted = np.where(right, made.labels, (made.labels + 1) % len(right))
    return replace(made, log_prob=table, predicted=predicted, image_digests=contents)


def test_the_surest_right_answer_is_shown_and_digests_settle_what_rounding_may_turn():
    sure = report_of([0.999, 0.6, 0.9, 0.9003], [False, True, True, True], [0, 1, 9, 3])
    assert row_to_show(sure) == 3
    assert row_to_show(sure.rows([3, 2, 1, 0])) == 0
    lost = report_of([0.05, 0.15], [False, False], [0, 1])
    assert row_to_show(lost) == 1


def test_an_image_that_needs_no_band_is_not_shown():
    """What a model says of anything has no evidence in any band, however sure it is."""
    biased = report_of([0.989, 0.98, 0.7], [True] * 3, [0, 1, 2], without=[0.996, 0.01, 0.001])
    assert row_to_show(biased) == 1


def test_an_analysis_names_its_example_and_the_page_shows_its_answers(tmp_path):
    images = np.random.default_rng(2).integers(0, 256, (14, 16, 16, 3), dtype=np.uint8)
    model, options = graphs.small_network(tmp_path / "m.onnx"), {"bands": 2, "samples": 0}
    answers = ia.analyze(model, (images, np.arange(14) % 4), bands=1, samples=0).predicted
    data = write_npz(tmp_path / "d.npz", images, (answers + (np.arange(14) < 7)) % 4)
    report = ia.analyze(model, data, **options)
    row = row_of_example(report)
    right = np.flatnonzero(report.predicted == report.labels)
    assert row in right
    chances = np.exp(report.log_prob.astype(float))
    rise = chances[:, -1] - chances[:, 0]
    assert rise[row] > rise[right].max() - 0.01
    shown = images[int(report.image_ids[row])]
    np.testing.assert_array_equal(report.example, shown)
    seen = Markup(page([report]))
    assert f"all bands {np.exp(float(report.log_prob[row, -1])):.3f}" in seen.text
    answer = report.class_name(int(report.predicted[row]))
    assert re.search(rf"The model answers {answer} ?, which is right\.", seen.text)
    # Among images that leave it out, nothing is shown of it; early files show their first.
    rest = report.rows(np.arange(len(report.labels)) != row)
    assert not Markup(page([rest])).all("section", id="example")
    early = replace(report, data={k: v for k, v in report.data.items() if k != "example"})
    assert row_of_example(early) == 0
