"""The benchmark: its plain loop plays the game, its networks have the sizes they stand for."""

from __future__ import annotations

import sys

import numpy as np
import onnxruntime as ort
import pytest

import iaside_onnx as ia
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.mathematics.bands import band_index
from iaside_onnx.measure.subject import class_targets

from . import graphs
from .conftest import ROOT, write_npz


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's folder, as `python tools/bench` has it."""
    monkeypatch.syspath_prepend(ROOT / "tools" / "bench")
    yield
    for name in ("speed", "plain_loop", "made_networks", "processes", "answer", "published"):
        sys.modules.pop(name, None)


@pytest.fixture
def case(bench, tmp_path):  # noqa: ARG001
    from speed import Case

    images = np.random.default_rng(3).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(6) % 4)
    settings = {"bands": 3, "absence": "zero", "output_map": "magnitude"}
    return Case("small", graphs.small_network(tmp_path / "m.onnx"), data, settings)


def test_the_plain_loop_finds_what_the_compatible_reading_finds(case):
    from plain_loop import PlainLoop
    from speed import opened

    classifier, sample, tell = opened(case, choose_runtime("cpu"))
    targets = class_targets(sample, classifier, tell)
    loop = PlainLoop(
        classifier,
        lambda position: classifier.pixels(sample.picture(position)),
        targets,
        bands=3,
        batch=1,
        absence="zero",
        index=band_index(16, 16, 3),
    )
    settings = {**case.settings, "norm": "linf"}
    expected = ia.analyze(case.model, case.images, provider="cpu", **settings).log_prob
    np.testing.assert_allclose(loop.run(), expected, atol=1e-4)
    assert [loop.step() for _ in range(6 * 8 + 1)] == [1] * 49


def test_published_bands_are_squares_that_reach_further_to_the_negative_side(bench):  # noqa: ARG001
    from plain_loop import published_bands

    index = published_bands(8, 8, 4)
    frequency = np.fft.fftfreq(8, 1 / 8)
    for band in range(4):
        reach = frequency[(index <= band).any(axis=0)]
        assert (reach.min(), reach.max()) == (-band - 1, band)
    assert [(index == band).sum() for band in range(4)] == [4, 12, 20, 28]


def test_every_rate_is_measured_and_in_the_table(case, monkeypatch):
    import speed
    from speed import measure, speed_table

    monkeypatch.setattr(speed, "_TRIAL", 0.02)
    figures, report = measure(case, choose_runtime("cpu"), 2, (1, 2), provider="cpu")
    assert set(figures.rates) == {"audit", "bare", "loop"}
    assert all(len(rates) == 2 and min(rates) > 0 for rates in figures.rates.values())
    assert figures.batches["audit"] == report.run["batch"]
    heading, rule, row = speed_table([figures])
    assert heading.count("|") == rule.count("|") == row.count("|")


def test_ways_to_the_score_are_compared_at_equal_errors(case, monkeypatch):
    import answer

    # Of the command in a process of its own.
    def answered(_, estimator, images, target=None):
        asked.append((estimator, images, target))
        size, passes = (0.2, 5) if estimator == "permutation" else (0.12, 8)
        report = {"srs_signed_stderr": size / images**0.5, "forward_passes": passes * images}
        return report, passes * images / 10, passes * images / 5

    asked = []
    monkeypatch.setattr(answer, "answered", answered)
    monkeypatch.setattr(answer, "_loop_rate", lambda *_: 4.0)
    ways = answer.measure_answers(case, 100, 2, None)
    exact, drawn, loop = ways
    assert (exact.images, drawn.images, loop.images) == (36, 100, 36)
    first = [("permutation", 100, None), ("exact", 60, None), ("exact", 36, None)]
    assert asked == [*first, ("exact", 36, 0.02 * 1.1), ("permutation", 100, 0.02 * 1.1)]
    assert abs(exact.stderr / drawn.stderr - 1) < 0.1
    assert (exact.seconds, drawn.seconds, loop.seconds) == ([28.8] * 2, [50.0] * 2, [72.0] * 2)
    rows = answer.answer_table("small", ways)
    assert "| small | exact | 36 | 288 | 0.0200 | 28.8 (28.8 to 28.8) | 57.6 | 0.6 |" in rows
    assert rows[-1].endswith("| - | 1.4 |")
    exact, drawn, _ = answer.measure_answers(case, 10, 1, None, told=False)
    assert (exact.images, exact.stderr, drawn.stderr) == (6, None, None)
    nothing = {"srs_signed_stderr": 1.0, "forward_passes": 1}
    monkeypatch.setattr(answer, "answered", lambda *_: (nothing, 0.0, 0.0))
    with pytest.raises(SystemExit, match="does not come to"):
        answer.equal_exact(case, 0.1, 10)


def test_a_ratio_that_fell_is_found(bench):  # noqa: ARG001
    from speed import against_table

    def run(audit, loop, part="speed"):
        return {part: [{"name": "n", "rates": {"audit": audit, "bare": [10, 20], "loop": loop}}]}

    lines, fell = against_table(run([9, 18], [5, 5]), run([9.2, 18], [4, 4]))
    assert not fell
    assert lines[2:] == [
        "| n | `analyze` / bare model | 0.900 | 0.910 | holds |",
        "| n | `analyze` / plain loop | 2.700 | 3.400 | holds |",
    ]
    lines, fell = against_table(run([9, 18], [5, 5]), run([8, 16], [1, 1]))
    assert fell
    assert "fell" in lines[2]
    with pytest.raises(SystemExit, match="in common"):
        against_table(run([9], [5]), {})


@pytest.mark.parametrize(
    ("name", "parameters"),
    # torchvision's and timm's, batch normalisation folded into biases: scale gone, shift kept.
    [("resnet50", 25_557_032 - 26_560), ("vit_small", 22_050_664)],
)
def test_made_networks_have_the_sizes_that_they_stand_for(bench, tmp_path, name, parameters):  # noqa: ARG001
    import made_networks

    path = getattr(made_networks, name)(tmp_path / "m.onnx")
    assert made_networks.parameters(path) == parameters
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
    (scores,) = session.run(None, {"image": image})
    assert scores.shape == (1, 1000)
    assert 0.01 < scores.std() < 100
