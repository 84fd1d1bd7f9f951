"""Foretold damage: facts of the multilinear extension, planted games, then the command."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError, UsageError
from iaside_onnx.mathematics.prediction import (
    ATTENUATED,
    MASKED,
    band_presence,
    coalition_chances,
    colour_presence,
    multilinear_extension,
)
from iaside_onnx.mathematics.shapley import coalition_masks, shapley_values
from iaside_onnx.results.snr import SnrReport
from iaside_onnx.views.prediction_plot import prediction_figure
from iaside_onnx.views.prediction_table import print_prediction

from .conftest import ROOT
from .made_reports import made as report_of

PLAYERS = 5


@pytest.fixture
def game():
    return np.random.default_rng(0).standard_normal(1 << PLAYERS)


def test_at_the_corners_of_the_cube_it_is_the_game(game):
    corners = coalition_masks(PLAYERS).astype(float)
    np.testing.assert_allclose(multilinear_extension(game, corners), game, atol=1e-15)
    np.testing.assert_array_equal(coalition_chances(corners), np.eye(1 << PLAYERS))


def test_it_is_the_mean_over_independent_draws_and_linear_in_each_player(game):
    rng = np.random.default_rng(1)
    point = rng.random(PLAYERS)
    masks = coalition_masks(PLAYERS)
    by_hand = np.prod(np.where(masks, point, 1 - point), axis=1) @ game
    assert multilinear_extension(game, point) == pytest.approx(by_hand, abs=1e-14)
    for player in range(PLAYERS):
        line = np.repeat(point[None], 3, axis=0)
        line[:, player] = 0.0, 0.3, 1.0
        low, between, high = multilinear_extension(game, line)
        assert between == pytest.approx(0.7 * low + 0.3 * high, abs=1e-14)
    # Many games at many points are the same, one by one.
    games, points = rng.random((3, 1 << PLAYERS)), rng.random((2, 4, PLAYERS))
    together = multilinear_extension(games, points)
    assert together.shape == (3, 2, 4)
    assert together[2, 1, 3] == pytest.approx(float(multilinear_extension(games[2], points[1, 3])))


def test_shapley_values_are_the_integral_of_its_derivatives_along_the_diagonal(game):
    # A derivative is a polynomial of degree M - 1: Gauss and Legendre's rule is exact.
    nodes, weights = np.polynomial.legendre.leggauss(PLAYERS)
    diagonal = np.repeat(((nodes + 1) / 2)[:, None], PLAYERS, axis=1)
    found = []
    for player in range(PLAYERS):
        with_it, without = diagonal.copy(), diagonal.copy()
        with_it[:, player], without[:, player] = 1.0, 0.0
        slope = multilinear_extension(game, with_it) - multilinear_extension(game, without)
        found.append(weights @ slope / 2)
    np.testing.assert_allclose(found, shapley_values(game), atol=1e-13)


def test_a_table_that_is_no_game_is_refused():
    with pytest.raises(UsageError, match="2\\*\\*M columns"):
        multilinear_extension(np.zeros(6), np.zeros(3))


def test_presence_of_bands_on_paper():
    untouched, halved, masked = band_presence(np.array([1.0, 0.5, 1.0]), np.array([0, 0, 3.0]))
    assert untouched == 1.0
    assert halved == pytest.approx(0.5**ATTENUATED)
    assert masked == pytest.approx(10 ** (-MASKED / 2))
    # A band that another one of the same strength replaces is as strong as before.
    assert band_presence(0.6, 0.8) == pytest.approx(1.0)
    assert band_presence(0.0, 0.0) == 0.0
    assert band_presence(np.nan, np.nan) == 1.0  # nothing was there
    assert band_presence(np.array(0.5), np.array(0.0), attenuated=2.0) == 0.25
    # A shift of the mean colour counts beside how far images differ in it.
    np.testing.assert_allclose(
        colour_presence(np.array([0.0, 3.0]), 1.0), [1.0, 10 ** (-MASKED / 2)]
    )
    np.testing.assert_array_equal(colour_presence(np.array([0.0, 1.0]), 0.0), [1.0, 0.0])


WEIGHTS = np.array([0.4, 0.2, 0.1])


def audit(weights=WEIGHTS, images=6, **settings):
    """A report in which every band adds its weight to the probability of the true class."""
    bands = len(weights)
    wanted = {"bands": bands, "players": bands, "size": [16, 16], **settings}
    report = report_of(np.zeros((images, bands)), **wanted)
    table = 0.1 + coalition_masks(bands) @ weights
    scale = np.linspace(0.5, 1.0, images)[:, None]
    return replace(report, log_prob=np.log(table * scale).astype("f4"))


def measurement(gain, residual, **settings):
    """An SNR report of given gains and residuals, shape (P, S, bands), alike for 4 images."""
    gain, residual = np.asarray(gain, float), np.asarray(residual, float)
    names = ["gaussian_noise", "contrast", "fog"][: len(gain)]
    power = np.ones((2, 4, 1 + gain.shape[-1]))
    power[:, :, 0] = 0.0
    noise = np.zeros((3, 4, *gain.shape[:2], 1 + gain.shape[-1]))
    noise[1, ..., 1:] = residual**2 + (gain - 1) ** 2
    noise[0, ..., 1:] = np.sqrt(noise[1, ..., 1:])
    noise[2, ..., 1:] = gain - 1
    return SnrReport(
        perturbations=names,
        severities=list(range(1, gain.shape[1] + 1)),
        signal=power,
        noise=noise,
        image_ids=[f"{number:04d}" for number in range(4)],
        settings={
            "bands": gain.shape[-1], "rings": gain.shape[-1], "norm": "linf", "separate_dc": False,
            "confidence": 0.95, "seed": 0, "samples": 4, "height": 16, "width": 16, "channels": 3,
            "preprocess": {"name": "unit"}, "kinds": dict.fromkeys(names, "noise"), **settings,
        },
        data={"source": "x", "digest": "e" * 64, "samples": 4, "skipped": []},
        run={"seconds": 0.0, "warnings": []},
        created="2024-01-01T00:00:00+00:00",
        iaside_version="0",
    )  # fmt: skip


def test_no_perturbation_does_no_damage():
    found = ia.predict_damage(audit(), measurement(np.ones((1, 2, 3)), np.zeros((1, 2, 3))))
    np.testing.assert_allclose(found.presence, 1.0)
    np.testing.assert_allclose(found.foretold, found.probability[:, None, None].repeat(2, 2))
    assert np.abs([found.drops.low, found.drops.high]).max() < 1e-12


def test_an_additive_game_loses_what_the_bands_lose():
    gain = [[[1, 1, 1], [1, 0.5, 0]]]
    residual = [[[0, 0, 3.0], [0, 0, 0]]]
    found = ia.predict_damage(audit(), measurement(gain, residual))
    scale = np.linspace(0.5, 1.0, 6).mean()
    masked = 0.1 * (1 - 10 ** (-MASKED / 2))
    attenuated = 0.2 * (1 - 0.5**ATTENUATED) + 0.1
    np.testing.assert_allclose(found.drop, [[masked * scale, attenuated * scale]], rtol=1e-5)
    np.testing.assert_allclose(found.corruption_drops.value, [found.drop.mean()])
    assert (found.drops.low < found.drop).all()
    assert (found.drop < found.drops.high).all()
    assert found.settings["confidence"] == 0.95
    narrow = ia.predict_damage(audit(), measurement(gain, residual), confidence=0.5)
    assert (narrow.drops.low > found.drops.low).all()


def test_dc_follows_the_report_and_is_judged_by_the_spread_of_means():
    snr = measurement(np.ones((1, 1, 3)), np.zeros((1, 1, 3)))
    means = np.array([1.0, 1.0, 3.0, 3.0])  # of a standard deviation of 1
    snr.signal[0, :, 0], snr.signal[1, :, 0] = 3 * means, 3 * means**2
    snr.noise[0, ..., 0], snr.noise[1, ..., 0] = 3 * 2.0, 3 * 2.0**2
    apart = audit(np.array([0.3, 0.2, 0.2, 0.1]), bands=3, players=4, separate_dc=True)
    found = ia.predict_damage(apart, snr)
    assert found.band_names == ["DC", "0", "1", "2"]
    expected = [(1 + 2.0**2) ** (-MASKED / 2), 1, 1, 1]
    np.testing.assert_allclose(found.presence[0, 0], expected)
    assert found.notes == []
    within = ia.predict_damage(audit(), snr)
    assert within.presence.shape == (1, 1, 3)
    assert "--separate-dc" in within.notes[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bands": 4}, "bands 4 against 3; make it again with iaside snr --bands 3"),
        ({"norm": "l2"}, "norm l2 against linf; make it again with iaside snr --norm linf"),
        ({"height": 32}, "size 32x16 against 16x16"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(settings, message):
    snr = measurement(np.ones((1, 1, 3)), np.zeros((1, 1, 3)), **settings)
    with pytest.raises(ReportError, match=message):
        ia.predict_damage(audit(), snr)


def test_nothing_is_foretold_from_a_report_that_says_nothing(capsys):
    good = audit(images=20)
    bad = replace(good, predicted=np.where(np.arange(20) < 15, 7, good.labels))
    snr = measurement(np.full((1, 1, len(WEIGHTS)), 0.5), np.zeros((1, 1, len(WEIGHTS))))
    assert ia.predict_damage(good, snr).no_finding is None
    found = ia.predict_damage(bad, snr)
    assert found.summary()["no_finding"].startswith("No finding: clean accuracy is at chance")
    print_prediction(found)
    shown = capsys.readouterr().out
    assert shown.startswith(found.no_finding)
    assert "(not a finding)" in shown
    assert "Read the order" not in shown
    texts = prediction_figure(found).texts
    assert texts[0].get_text().startswith("No finding")
    assert texts[0].get_fontsize() == max(text.get_fontsize() for text in texts)


def test_a_confidence_that_no_interval_has_is_refused():
    snr = measurement(np.ones((1, 1, 3)), np.zeros((1, 1, 3)))
    with pytest.raises(UsageError, match=r"confidence=1\.5"):
        ia.predict_damage(audit(), snr, confidence=1.5)


@dataclass
class Truth:
    """A measured damage."""

    perturbations: list
    severities: list
    errors: np.ndarray
    mpe: np.ndarray
    accuracy: float = 0.9
    model: dict = field(default_factory=lambda: {"path": "m.onnx", "sha256": "0" * 64})
    settings: dict = field(default_factory=dict)

    @property
    def corruptions(self):
        return self.perturbations


def test_measured_damage_is_put_beside_what_both_hold():
    residual = np.zeros((3, 2, 3))
    residual[:, :, 2] = [[1, 2], [3, 4], [5, 6]]
    found = ia.predict_damage(audit(), measurement(np.ones((3, 2, 3)), residual))
    # In another order, with one corruption that was not foretold and without one that was.
    errors = np.array([[0.9, 0.8], [0.3, 0.5], [0.2, 0.1]])
    measured = Truth(["fog", "gaussian_noise", "snow"], [1, 2], errors, 2 * errors)
    both = found.beside(measured)
    assert not [note for note in both.notes if "another" in note]
    warm = found.beside(replace(measured, settings={"temperature": 9.0}))
    assert warm.notes[-1] == "the damage was measured with another temperature than the report"
    assert both.perturbations == ["gaussian_noise", "fog"]
    np.testing.assert_allclose(both.measured_drop, [[0.2, 0.4], [0.8, 0.7]])
    np.testing.assert_allclose(both.measured_mpe, [[0.6, 1.0], [1.8, 1.6]])
    agreement = both.agreement(both.measured_mpe)
    assert agreement.corruptions == pytest.approx(1.0)
    assert agreement.pairs == pytest.approx(0.8)  # 1 2 3 4 against 1 2 4 3
    assert both.summary()["spearman"]["mpe"]["pairs"] == pytest.approx(0.8)
    assert found.summary()["spearman"] is None
    with pytest.raises(ReportError, match="no corruption and severity in common"):
        found.beside(replace(measured, severities=[4, 5]))
    with pytest.raises(ReportError, match="is of another model"):
        found.beside(replace(measured, model={"path": "other.onnx", "sha256": "1" * 64}))


def test_the_command_foretells_the_demo(iaside, tmp_path):
    report, snr = tmp_path / "report.h5", tmp_path / "snr.h5"
    images = ROOT / "demo" / "test"
    ia.analyze(
        ROOT / "models" / "demo-plain.onnx", images, report, samples=12, bands=3, separate_dc=True
    )
    chosen = ("gaussian_noise", "defocus_blur", "brightness")
    ia.measure_snr(images, snr, samples=12, bands=3, corruption=chosen, severity=[1, 3, 5])
    shown = iaside("predict", report, "--snr", snr, "--json")
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert [entry["name"] for entry in found["perturbations"]] == list(chosen)
    falls = {
        entry["name"]: [part["drop"]["value"] for part in entry["severities"]]
        for entry in found["perturbations"]
    }
    assert all(fall == sorted(fall) for fall in falls.values())
    # The card says 0.16 of 0.92 under noise of sigma 0.1; severity 1 of brightness costs nothing.
    assert falls["gaussian_noise"][-1] > 0.3 > 0.05 > falls["brightness"][0] >= 0
    picture = tmp_path / "foretold.png"
    table = iaside("predict", report, "--snr", snr, "-o", picture)
    assert table.exit_code == 0
    assert "gaussian_noise" in table.stdout
    assert "95% interval" in table.stdout
    # Where the order held and where it failed stands in both.
    for trial in found["evidence"]:
        assert f"{trial['mpe']:+.2f}  {trial['networks']}" in table.stdout
    assert min(trial["mpe"] for trial in found["evidence"]) < 0.1
    assert "nothing was measured here" in table.stdout
    assert picture.stat().st_size > 5_000
    again = iaside("predict", report, "--snr", snr, "-o", picture)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)


def test_other_files_are_refused_in_one_line(iaside, tmp_path):
    snr, report = tmp_path / "snr.h5", tmp_path / "report.h5"
    measurement(np.ones((1, 1, 3)), np.zeros((1, 1, 3))).save(snr)
    report.write_bytes(b"nothing")
    for words in (("predict", snr, "--snr", snr), ("predict", report, "--snr", snr)):
        result = iaside(*words)
        assert result.exit_code == 2
        assert result.stderr.startswith("Error:")
        assert len(result.stderr.splitlines()) == 1
    assert iaside("predict", report).exit_code == 2
