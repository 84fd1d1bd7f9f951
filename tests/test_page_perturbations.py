"""Measured robustness and signal-to-noise ratios on the page."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.page.page import page

from .damage_reports import made_damage
from .pages import BREAKOUT, SCRIPT, Markup, made_report
from .robustness_reports import made_up


def audits(count):
    """Reports of models told apart by their hash."""
    return [
        dataclasses.replace(
            made_report(seed=number),
            model={**made_report().model, "path": f"m{number}.onnx", "sha256": sha(number)},
        )
        for number in range(count)
    ]


def sha(number):
    return f"{number:02x}" * 32


def measured(number, error=0.4, **changed):
    wrong = np.random.default_rng(number).random((40, 2, 3)) < error
    clean = np.arange(40) < 8
    model = {"path": f"m{number}.onnx", "sha256": sha(number)}
    return made_up(clean, wrong, attacks=wrong[:, :1, 0], **{"model": model, **changed})


def noise_report(images=3):
    """Two perturbations; the second adds nothing to the highest band."""
    signal = np.ones((2, images, 5))
    noise = np.full((3, images, 2, 1, 5), 0.1)
    noise[:, :, 1, 0, -1] = 0.0
    return ia.SnrReport(
        perturbations=["gaussian_noise", "contrast"],
        severities=[3],
        signal=signal,
        noise=noise,
        image_ids=[f"{number}.png" for number in range(images)],
        settings={
            "bands": 4, "rings": 4, "norm": "linf", "separate_dc": False, "confidence": 0.95,
            "seed": 0, "height": 8, "width": 8, "channels": 3, "samples": images,
            "preprocess": {"name": "unit"}, "perturbations": ["gaussian_noise", "contrast"],
            "kinds": {"gaussian_noise": "noise", "contrast": "digital"},
        },
        data={"source": "x", "digest": "c" * 64, "samples": images, "skipped": []},
        run={"seconds": 1.0, "warnings": []},
        created="2026-01-01T00:00:00+00:00",
        iaside_version="0.1.0",
    )  # fmt: skip


def test_measured_errors_stand_beside_the_score():
    reports = audits(3)
    costs = [measured(number, 0.2 + 0.2 * number) for number in range(3)]
    seen = Markup(page(reports, robustness=costs[::-1], baseline=costs[0]))
    table = seen.table("The score beside")
    assert [row[0] for row in table[1:]] == ["m0", "m1", "m2"]
    for row, report, entry in zip(table[1:], reports, costs, strict=True):
        relative = entry.against(costs[0])
        spreads = [entry.clean_spread, entry.damage.mean_error, entry.damage.mean_mpe]
        spreads += [relative.mce, relative.relative_mce, entry.adversarial_spread[0]]
        wanted = [[float(report.srs_signed), *map(float, report.intervals.srs_signed)]]
        wanted += [[float(end) for end in (s.value, s.low, s.high)] for s in spreads]
        for cell, figures in zip(row[1:], wanted, strict=True):
            ends = [float(end) for end in re.findall(r"[-+]?[\d.]+", cell)]
            defined = np.isfinite(figures[0])
            np.testing.assert_allclose(ends, figures if defined else [], atol=5e-4)
            assert defined or cell == "not defined"
    said = [mark["aria-label"] for mark in seen.all("g", role="img")]
    for entry in costs:
        name = entry.model["path"].removesuffix(".onnx")
        value = 100 * (1 - entry.damage.corruption_errors.value[1])
        assert any(
            f"{name}, corruption1: {value:.0f}\N{NO-BREAK SPACE}% [" in text for text in said
        )
    assert sum(f"mCE {costs[2].mce(costs[0]):.3f}" in text for text in said) == 1
    few = Markup(page(reports[:2], robustness=costs[:2]))
    assert not [mark for mark in few.all("g", role="img") if "mean error" in mark["aria-label"]]


def test_intervals_that_stand_together_are_not_all_said_to_be_the_first_ones():
    costs = [measured(0), measured(1).view(confidence=0.9)]
    damages = [made_damage(), made_damage(seed=1).view(confidence=0.9)]
    text = Markup(page(audits(2), robustness=costs, damages=damages)).text
    both = "95% or 90% intervals"
    assert (
        text.count(both) == 6
    )  # two tables and two charts of errors, a chart and a table of damage
    assert "Error 90% interval mPE 90% interval" in text
    assert text.count("Bands of gaussian noise 3, with 95% intervals") == 1
    assert text.count("Bands of gaussian noise 3, with 90% intervals") == 1
    for draw, results in ((ia.panels.means, costs), (ia.panels.damage, damages)):
        assert both in drawn(draw(*results, ax=Figure().subplots()))


def drawn(axes):
    """The texts around axes."""
    return f"{axes.get_xlabel()} {axes.get_title(loc='left')} " + " ".join(
        text.get_text().replace("\n", " ") for text in axes.texts
    )


def test_signal_to_noise_has_a_mark_for_every_finite_value():
    seen = Markup(page(audits(1), snr=noise_report()))
    lines = [m for m in seen.all("g", role="img") if m["data-series"].startswith("noise")]
    assert len(lines) == 2 * 4 - 1
    assert all("signal to noise 10" in mark["aria-label"] for mark in lines)
    assert seen.table("Signal-to-noise ratio")[2][-1] == "no noise"
    assert "no curve" not in seen.text
    clean = noise_report()
    clean.noise[:, :, 1] = 0
    clean = Markup(page(audits(1), snr=dataclasses.replace(clean, noise=clean.noise)))
    assert "contrast (no noise, so no curve)" in clean.text
    plain = Markup(page(audits(1)))
    assert not plain.all("section", id="noise")
    assert not plain.all("section", id="robustness")


def test_names_of_measurements_are_text_too():
    (report,) = audits(1)
    hostile = measured(0, perturbations=[SCRIPT, BREAKOUT])
    kinds = dict.fromkeys(hostile.perturbations, "noise")
    hostile = dataclasses.replace(hostile, settings={**hostile.settings, "kinds": kinds})
    noise = noise_report()
    noise = dataclasses.replace(
        noise,
        perturbations=[SCRIPT, BREAKOUT],
        settings={**noise.settings, "kinds": {SCRIPT: BREAKOUT, BREAKOUT: SCRIPT}},
    )
    seen = Markup(page([report], robustness=[hostile], snr=noise))
    assert len(seen.all("script")) == 1
    assert not [key for _, held in seen.elements for key in held if key.startswith("on")]
    assert SCRIPT.replace("_", " ") in seen.text


def test_measurements_that_fit_no_report_are_refused():
    reports = audits(2)
    digest = {**measured(1).data, "digest": "ee" * 32}
    for costs, message in (
        ([measured(7)], "m7.onnx, but no report"),
        ([measured(0), measured(0)], "two robustness reports"),
        ([measured(0), measured(1, severities=[1, 2, 4])], "other severities"),
        ([measured(0), measured(1, data=digest)], "other images"),
    ):
        with pytest.raises(UsageError, match=message):
            page(reports, robustness=costs)


def test_the_command_sorts_its_files(iaside, tmp_path):
    audits(1)[0].save(tmp_path / "a.h5")
    measured(0).save(tmp_path / "cost.h5")
    target = tmp_path / "page.html"
    done = iaside("html", tmp_path / "cost.h5", tmp_path / "a.h5", "-o", target)
    assert done.exit_code == 0, done.stderr
    assert "What corruptions cost" in target.read_text()
