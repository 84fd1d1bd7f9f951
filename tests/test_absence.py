"""Absence schemes: what each baseline is, and that it is fixed by seed and image alone."""

from dataclasses import replace

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import DataError, ReportError
from iaside_onnx.mathematics.absence import (
    ABSENCES,
    Baselines,
    ColouredNoise,
    SampleStatistics,
    Scheme,
    scheme_of,
)
from iaside_onnx.page.page import page

from . import graphs
from .conftest import write_npz
from .made_reports import made, profiles, shifted


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    images = rng.random((6, 3, 12, 10)) * rng.random((6, 3, 1, 1))
    return images.astype(np.float32)


def baselines(scheme, images, seed=0, names="abcdef"):
    statistics = SampleStatistics()
    for image in images:
        statistics.add(image)
    return Baselines(scheme, seed, list(names), statistics, lambda k: images[k])


def test_zero_and_mean(images):
    assert not baselines("zero", images).image(2).any()
    np.testing.assert_allclose(baselines("mean", images).image(2), images.mean(axis=0), atol=1e-6)


def test_replace_is_another_image_and_every_other_one_can_come(images):
    partners = {number: set() for number in range(6)}
    for seed in range(80):
        chosen = baselines("replace", images, seed)
        for number in range(6):
            match = [k for k in range(6) if np.array_equal(chosen.image(number), images[k])]
            partners[number].add(match[0])
    assert all(partners[k] == set(range(6)) - {k} for k in range(6))


def test_replace_needs_another_image(images):
    with pytest.raises(DataError, match="two different images"):
        baselines("replace", images[:1], names="a")


def test_gaussian_has_the_spectrum_and_colour_of_the_sample(images):
    given = baselines("gaussian", images)
    colour = given.statistics.mean.mean(axis=(1, 2))
    source = ColouredNoise(given.statistics.power, colour, (3, 12, 10))
    noise = np.stack([source.draw(np.random.default_rng(k)) for k in range(3000)])
    power = (np.abs(np.fft.rfft2(noise)) ** 2).mean(axis=0)
    # Relative error of a mean of 3000 exponential variables: 1.8 %, real ones 2.6 %.
    ratio = (power / given.statistics.power).ravel()
    away_from_dc = np.delete(ratio.reshape(3, -1), 0, axis=1)
    assert np.abs(away_from_dc - 1).max() < 0.13
    np.testing.assert_allclose(
        noise.mean(axis=(2, 3)),
        np.broadcast_to(images.mean(axis=(0, 2, 3)), (3000, 3)),
        atol=1e-5,
    )


@pytest.mark.parametrize("scheme", ABSENCES)
def test_fixed_by_seed_and_image(scheme, images):
    first = baselines(scheme, images, seed=5).image(1)
    assert np.array_equal(first, baselines(scheme, images, seed=5).image(1))
    assert first.dtype == np.float32
    if scheme == "gaussian":
        assert not np.array_equal(first, baselines(scheme, images, seed=6).image(1))
        # The image's id decides, not its place in the sample.
        moved = baselines(scheme, images, seed=5, names="bacdef").image(0)
        assert np.array_equal(first, moved)


@pytest.fixture
def grey(monkeypatch):
    """A scheme of one's own, with all that adding one takes."""
    scheme = Scheme(
        "grey",
        "even grey",
        needs_statistics=False,
        seeded=False,
        per_sample=False,
        make=lambda baselines, _: np.full_like(baselines.mean, 0.5),
    )
    monkeypatch.setitem(ABSENCES, "grey", scheme)
    return scheme


def test_a_new_scheme_is_one_row(grey, tmp_path, iaside, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(6) % 4)
    model, path = graphs.small_network(tmp_path / "m.onnx", size=16), tmp_path / "r.h5"
    options = ("--bands", 2, "--preprocess", "unit")
    done = iaside("analyze", model, data, "-o", path, *options, "--absence", "grey")
    assert done.exit_code == 0, done.stderr
    report = ia.load(path)
    assert report.settings["absence"] == "grey"
    assert "even grey" in page([report])
    assert ", grey" in " ".join(iaside("analyze", "--help").stdout.split())
    refused = iaside("analyze", model, data, "-o", tmp_path / "s.h5", "--absence", "gray")
    assert ", grey" in refused.stderr
    # Black all over but for the level: with no band the model sees the baseline.
    same = ia.analyze(model, grey_images(tmp_path), bands=2, preprocess="unit", absence="zero")
    np.testing.assert_allclose(report.log_prob[:, 0], same.log_prob[:, -1], rtol=1e-5)
    # What may differ between two reports follows from the row.
    psi = profiles(30)
    for changed, seed, samples in (
        ({}, "compared", None),
        ({"seeded": True}, "different games: seed", None),
        ({"needs_statistics": True}, "compared", "follows each report's whole sample"),
        ({"per_sample": True}, "compared", "takes each image's stand-in"),
    ):
        monkeypatch.setitem(ABSENCES, "grey", replace(grey, **changed))
        first = made(psi, absence="grey")
        assert seed in said(first, made(shifted(psi), absence="grey", seed=1))
        few = said(first, made(shifted(psi)[:20], absence="grey", digest="e"))
        assert samples is None or samples in few


def grey_images(tmp_path):
    """Six images of the level 0.5, with the labels of those that are audited."""
    table = np.full((6, 16, 16, 3), 0.5, np.float32)
    return write_npz(tmp_path / "grey.npz", table, np.arange(6) % 4)


def said(first, other):
    """Why two reports are not compared, or what to bear in mind."""
    try:
        return f"compared; {'; '.join(ia.compare(first, other).pairs[0].notes)}"
    except ReportError as error:
        return str(error)


def test_a_scheme_of_a_newer_version_is_read_strictly():
    assert scheme_of("later").seeded
    assert scheme_of("later").per_sample
    psi = profiles(30)
    first = made(psi, absence="later")
    assert "different games: seed" in said(first, made(shifted(psi), absence="later", seed=1))
    fewer = made(shifted(psi)[:20], absence="later", digest="e")
    assert "absence later takes each image's stand-in" in said(first, fewer)
