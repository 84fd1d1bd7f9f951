"""Spectral stand-ins: what is exact about them, and what a model of ring energies makes of them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from onnx import helper

import iaside_onnx as ia
from iaside_onnx.errors import IasideError, ReportError
from iaside_onnx.mathematics.signal_noise import Rings
from iaside_onnx.mathematics.stand_in import Plane, Spectrum, averaged, constant_and_following
from iaside_onnx.measure.spectra import averages, tables
from iaside_onnx.results.snr import SnrReport

from . import graphs
from .conftest import ROOT, write_npz

SIZES = [((32, 32), 16, 3), ((33, 20), 7, 3), ((24, 24), 12, 1)]


def texture(size, channels, seed=0):
    """A picture with more power at low frequencies, well within [0, 1]."""
    rng = np.random.default_rng(seed)
    image = rng.standard_normal((channels, *size)).cumsum(axis=1).cumsum(axis=2)
    image -= image.mean(axis=(1, 2), keepdims=True)
    image += 0.3 * image[:1] + 0.05 * rng.standard_normal(image.shape) * np.abs(image).max()
    return 0.5 + 0.1 * image / np.abs(image).max()


def nothing(plane, channels):
    rings = plane.rings.rings
    return Spectrum(
        np.ones((rings, channels)), np.zeros((rings, channels, channels)), np.zeros(channels)
    )


@pytest.mark.parametrize(("size", "rings", "channels"), SIZES)
def test_no_perturbation_leaves_the_image(size, rings, channels):
    plane, image = Plane(Rings(*size, rings, "linf")), texture(size, channels)
    made = plane.stand_in(plane.spectrum(image), nothing(plane, channels), np.random.default_rng(0))
    np.testing.assert_allclose(made, image, atol=1e-12)


@pytest.mark.parametrize(("size", "rings", "channels"), SIZES)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_filter_of_rings_is_reproduced_exactly(size, rings, channels, norm):
    plane, image = Plane(Rings(*size, rings, norm)), texture(size, channels)
    radius = graphs.radius(*size, norm)
    ring = np.minimum((radius * rings + 1e-9).astype(int), rings - 1)
    gain = np.linspace(1.2, 0.1, rings)[ring]
    gain[0, 0] = 1.0
    filtered = np.fft.ifft2(np.fft.fft2(image) * gain).real + 0.05
    found = plane.described(plane.moments(image, filtered))
    held = plane.counts > 0
    np.testing.assert_allclose(found.gain[held, 0], np.linspace(1.2, 0.1, rings)[held], atol=1e-9)
    assert np.abs(found.residual).max() < 1e-12
    made = plane.stand_in(plane.spectrum(image), found, np.random.default_rng(0), cut=False)
    np.testing.assert_allclose(made, filtered, atol=1e-6)


@pytest.mark.parametrize(("size", "rings", "channels"), SIZES)
@pytest.mark.parametrize("pooled", [False, True])
def test_a_stand_in_has_exactly_the_spectrum_that_was_asked_for(size, rings, channels, pooled):
    plane, image = Plane(Rings(*size, rings, "linf")), texture(size, channels)
    rng = np.random.default_rng(1)
    other = 0.6 * image + 0.03 * rng.standard_normal(image.shape) + 0.04 * np.abs(image - 0.5) + 0.1
    asked = plane.described(plane.moments(image, other), pooled=pooled)
    made = plane.stand_in(plane.spectrum(image), asked, np.random.default_rng(2), cut=False)
    found = plane.described(plane.moments(image, made), pooled=pooled)
    np.testing.assert_allclose(found.gain, asked.gain, atol=1e-9)
    np.testing.assert_allclose(found.residual, asked.residual, atol=1e-12)
    np.testing.assert_allclose(found.shift, asked.shift, atol=1e-12)
    assert np.abs(made - other).max() > 0.05  # and is another image
    place = plane.place(plane.spectrum(image), plane.spectrum(other), asked)
    laid = plane.stand_in(
        plane.spectrum(image), asked, np.random.default_rng(2), place=place, cut=False
    )
    again = plane.described(plane.moments(image, laid), pooled=pooled)
    np.testing.assert_allclose(again.residual, asked.residual, atol=1e-12)


def test_white_noise_stands_in_for_white_noise():
    size, level = (48, 48), 0.05
    plane, image = Plane(Rings(*size, 24, "linf")), texture(size, 3)
    noisy = image + level * np.random.default_rng(3).standard_normal(image.shape)
    asked = plane.described(plane.moments(image, noisy))
    made = plane.stand_in(plane.spectrum(image), asked, np.random.default_rng(4), cut=False)
    noise = made - image
    assert noise.std() == pytest.approx(level, rel=0.03)
    assert np.mean((noise / noise.std()) ** 4) == pytest.approx(3, abs=0.2)
    for axis in (1, 2):
        assert abs(np.mean(noise * np.roll(noise, 1, axis=axis))) < 0.04 * level**2
    assert np.abs(np.corrcoef(noise.reshape(3, -1)) - np.eye(3)).max() < 0.08
    assert abs(np.mean(noise * (noisy - image))) < 0.04 * level**2  # drawn again


def test_noise_is_laid_where_the_perturbation_lies():
    plane, image = Plane(Rings(32, 32, 16, "linf")), texture((32, 32), 3)
    other = image.copy()
    other[:, :, :16] += 0.1 * np.random.default_rng(5).standard_normal((3, 32, 16))
    asked = plane.described(plane.moments(image, other))
    place = plane.place(plane.spectrum(image), plane.spectrum(other), asked)
    power = []
    for laid in (None, place):
        made = plane.stand_in(
            plane.spectrum(image), asked, np.random.default_rng(0), place=laid, cut=False
        )
        halves = np.square(made - image).mean(axis=(0, 1))
        power.append(halves[2:14].sum() / halves[18:30].sum())
    assert power[0] < 2 < 5 < power[1]


def test_noise_that_grows_with_the_image_is_told_from_noise_that_does_not():
    rng = np.random.default_rng(0)
    power = rng.exponential(size=(40, 3))
    constant, following = constant_and_following(power, 0.3 + power * [0.0, 2.0, 0.5])
    np.testing.assert_allclose(constant, 0.3, atol=1e-12)
    np.testing.assert_allclose(following, [0.0, 2.0, 0.5], atol=1e-12)
    # Neither is negative, and the mean is kept.
    constant, following = constant_and_following(power, 5 - 0.1 * power)
    np.testing.assert_allclose(constant, (5 - 0.1 * power).mean(axis=0))
    assert not following.any()
    for images in (power[:1], np.ones((4, 3)), np.zeros((4, 3))):
        constant, following = constant_and_following(images, images + 1)
        np.testing.assert_allclose(constant + following * images.mean(axis=0), images[0] + 1)
    plane = Plane(Rings(16, 16, 8, "linf"))
    image = texture((16, 16), 1)
    unit = np.eye(1)[None].repeat(8, axis=0)
    spectrum = replace(nothing(plane, 1), residual=0.01 * unit, following=0.5 * unit)
    made = plane.stand_in(plane.spectrum(image), spectrum, np.random.default_rng(0), cut=False)
    moments = plane.moments(image, made)
    held = plane.counts > 0
    own = (moments.clean[:, 0, 0] / np.maximum(plane.counts, 1))[held]
    found = plane.described(moments).residual[held, 0, 0]
    np.testing.assert_allclose(found, 0.01 + 0.5 * own, rtol=1e-9)


def snr_of(pairs, rings=8, bands=4, **settings):
    """What iaside snr would have measured of images and their perturbed copies."""
    grid = Rings(*pairs[0][0].shape[1:], rings, "linf")
    signal, noise = [], []
    for image, other in pairs:
        clean = grid.spectrum(image)
        signal.append(grid.signal(clean))
        noise.append(grid.noise(clean, grid.spectrum(other - image)))
    channels, height, width = pairs[0][0].shape
    return SnrReport(
        perturbations=["dark"], severities=[3],
        signal=np.stack(signal, axis=1), noise=np.stack(noise, axis=1)[:, :, None, None],
        image_ids=[f"{number}" for number in range(len(pairs))],
        settings={
            "bands": bands, "rings": rings, "norm": "linf", "separate_dc": False, "seed": 0,
            "confidence": 0.95, "samples": 4, "height": height, "width": width,
            "channels": channels, "preprocess": {"name": "unit"}, "kinds": {"dark": "x"},
            **settings,
        },
        data={"source": "x", "digest": "e" * 64, "samples": len(pairs), "skipped": []},
        run={"seconds": 0.0, "warnings": []},
        created="2024-01-01T00:00:00+00:00", iaside_version="0",
    )  # fmt: skip


def test_average_spectra_of_a_file_are_those_of_its_images():
    rng, pairs = np.random.default_rng(0), []
    for seed in range(12):
        image = texture((16, 16), 3, seed)
        noise = 0.05 * rng.standard_normal(image.shape)
        pairs.append((image, 0.5 * image + noise + 0.5 * image.mean() - 0.2))
    found = averages(snr_of(pairs), [], []).each[0][0]
    plane = Plane(Rings(16, 16, 8, "linf"))
    moments = averaged([plane.moments(*pair) for pair in pairs])
    expected = plane.described(moments, pooled=True)
    np.testing.assert_allclose(found.gain, expected.gain, atol=1e-9)
    power = np.trace(moments.clean, axis1=1, axis2=2) / np.maximum(plane.counts, 1) / len(pairs)
    mean = found.residual + power[:, None, None] * found.following
    np.testing.assert_allclose(mean, expected.residual, atol=1e-12)
    # Darker, so the mean goes down.
    np.testing.assert_allclose(found.shift, expected.shift.mean(), atol=1e-3)
    assert (found.shift < -0.15).all()


def ring_model(path, size=16, rings=8):
    """Logits that depend on the energies of the rings of a grey image alone."""
    grid = Rings(size, size, rings, "linf")
    rows = np.eye(size * size).reshape(-1, size, size)
    waves = np.stack([grid.spectrum(row[None])[0] for row in rows])
    parts = np.zeros((waves.shape[1], rings + 1))
    parts[np.arange(waves.shape[1]), grid.parts] = grid.weights
    weights = np.random.default_rng(0).standard_normal((rings + 1, 3))
    constants = {
        "flat": np.array([0, -1], np.int64),
        "real": waves.real.astype("f4"), "imaginary": waves.imag.astype("f4"),
        "parts": parts.astype("f4"), "weights": weights.astype("f4"),
        "small": np.float32(1e-3),
    }  # fmt: skip
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["x"]),
        helper.make_node("MatMul", ["x", "real"], ["a"]),
        helper.make_node("MatMul", ["x", "imaginary"], ["b"]),
        helper.make_node("Mul", ["a", "a"], ["aa"]),
        helper.make_node("Mul", ["b", "b"], ["bb"]),
        helper.make_node("Add", ["aa", "bb"], ["power"]),
        helper.make_node("MatMul", ["power", "parts"], ["sums"]),
        helper.make_node("Add", ["sums", "small"], ["above"]),
        helper.make_node("Log", ["above"], ["logs"]),
        helper.make_node("MatMul", ["logs", "weights"], ["scores"]),
    ]
    return graphs.save(
        path, nodes, constants, input_shape=["n", 1, size, size], output_shape=["n", 3]
    )


@pytest.fixture
def planted(tmp_path):
    """A model of ring energies, and grey pictures far from black and white."""
    images = [np.rint(255 * texture((16, 16), 1, seed)[0]).astype(np.uint8) for seed in range(9)]
    data = write_npz(tmp_path / "data.npz", np.stack(images)[..., None], np.arange(9) % 3)
    return ring_model(tmp_path / "rings.onnx"), data


WHAT = {"corruption": ["gaussian_blur", "contrast", "elastic_transform", "pixelate"]}


def test_damage_of_a_model_of_ring_energies_is_spectral_and_foretold_exactly(planted, tmp_path):
    # Single precision tells the energies apart: nothing else is between the two.
    what = {**WHAT, "severity": [1, 4], "samples": 0}
    made = ia.measure_stand_ins(*planted, tmp_path / "s.h5", norm="linf", **what)
    measured = ia.measure_robustness(*planted, attack="none", **what)
    np.testing.assert_array_equal(made.wrong, measured.wrong)
    np.testing.assert_allclose(made.change, measured.change, atol=2e-3)
    assert made.change.mean() > 0.05
    shares = ia.damage_shares(made, measured)
    np.testing.assert_array_equal(shares.structural.value, 0.0)
    np.testing.assert_array_equal(shares.spectral.low, shares.measured.low)
    assert shares.agreement["mpe"].corruptions == pytest.approx(1.0)
    assert ia.load(tmp_path / "s.h5").summary() == made.summary()


def test_the_two_shares_are_the_measured_fall_of_the_same_images():
    model, images = ROOT / "models" / "demo-plain.onnx", ROOT / "demo" / "test"
    what = {"samples": 12, "corruption": ["elastic_transform", "contrast"], "severity": 5}
    made = ia.measure_stand_ins(model, images, **what, rings=8)
    measured = ia.measure_robustness(model, images, attack="none", **what)
    shares = ia.damage_shares(made, measured)
    both = shares.spectral.value + shares.structural.value
    np.testing.assert_allclose(both, shares.measured.value, atol=1e-12)
    np.testing.assert_allclose(
        shares.measured.value, measured.errors.mean(axis=1) - measured.clean_error
    )
    # Contrast is a gain, so all of its damage is spectral; elastic transforms move things.
    spectral = dict(zip(made.perturbations, shares.spectral.value, strict=True))
    structural = dict(zip(made.perturbations, shares.structural.value, strict=True))
    assert spectral["contrast"] > 0.3
    assert abs(structural["contrast"]) < 0.1
    assert structural["elastic_transform"] < -0.1
    # Pictures of the user's own are no corruption, though their folder be called as one.
    own = {"contrast": {"digest": "0" * 64, "severities": False}}
    beside = replace(measured, settings={**measured.settings, "pairs": own})
    assert ia.damage_shares(made, beside).report.perturbations == ["elastic_transform"]
    own["elastic_transform"] = own["contrast"]
    for other, message in (
        (beside, "no corruption and severity in common"),
        (replace(measured, model={**measured.model, "sha256": "1" * 64}), "of another model"),
        (replace(measured, data={**measured.data, "digest": "1" * 64}), "other images"),
        (replace(measured, settings={**measured.settings, "seed": 5}), "another seed"),
        (replace(measured, settings={**measured.settings, "draws": "name"}), "draws by name"),
        (
            replace(measured, settings={**measured.settings, "preprocess": {"mean": [0.5]}}),
            "measured with another preprocessing",
        ),
        (replace(measured, severities=[4]), "no corruption and severity in common"),
        (replace(measured, predicted=measured.predicted + 1), "other labels or answers"),
    ):
        with pytest.raises(ReportError, match=message):
            ia.damage_shares(made, other)


def test_stand_ins_are_the_same_in_any_batch_order_and_part(planted, tmp_path):
    what = {**WHAT, "severity": [2, 5], "samples": 0, "placed": True}
    whole = ia.measure_stand_ins(*planted, **what, batch=1)
    other = ia.measure_stand_ins(*planted, **{**what, "corruption": ["pixelate"]}, batch=7)
    np.testing.assert_allclose(
        other.change[:, 0], whole.only(["pixelate"], [2, 5]).change[:, 0], atol=1e-5
    )
    parts = [tmp_path / f"{number}.h5" for number in (1, 2)]
    for number, path in enumerate(parts, 1):
        ia.measure_stand_ins(*planted, path, **what, shard=f"{number}/2")
    joined = ia.merge(parts)
    np.testing.assert_allclose(joined.change, whole.change, atol=1e-5)
    assert joined.image_ids == whole.image_ids
    with pytest.raises(ReportError, match="iaside merge"):
        ia.damage_shares(
            ia.load(parts[0]), ia.measure_robustness(*planted, attack="none", samples=0, **WHAT)
        )


NIGHT = "radius,gain,noise\n0,1,0\n0.5,0.8,0.1\n1,0.2,0.3\n"


def test_tables_of_spectra_are_read_between_their_radii(tmp_path):
    path = tmp_path / "night.csv"
    path.write_text(
        "\ufeffRadius, gain,noise,shift\r\n0,1,0,-0.1\r\n0.5,0.8,0.1,-0.1\n1,0.2,0.3,-0.1"
    )
    found = tables([path], Rings(16, 16, 4, "linf"), 3)
    (spectrum,) = found.each[0]
    assert (found.names, found.levels, found.kinds) == (["night"], [1], {"night": "spectrum"})
    np.testing.assert_allclose(spectrum.gain[:, 0], [0.95, 0.85, 0.65, 0.35])
    np.testing.assert_allclose(spectrum.residual[:, 1, 1], np.square([0.025, 0.075, 0.15, 0.25]))
    assert not spectrum.residual[:, 0, 1].any()
    np.testing.assert_allclose(spectrum.shift, -0.1)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("night.csv", "radius,noise\n0,1\n", "its first line must name the columns radius,gain,"),
        pytest.param(
            "night.csv",
            f"radius,gain,noise\n0,{'1' * 200_000},0\n",
            "read as CSV",
            id="a long cell",
        ),
        ("night.csv", "", "its first line must name the columns radius,gain,noise"),
        ("night.csv", "radius,gain,noise\n\n", "holds no line of numbers"),
        ("night.csv", "radius,gain,noise\n0,1\n", "line 2: 2 values, 3 are needed"),
        ("night.csv", "radius,gain,noise\n0,1,0\n2,1,0\n", "line 3: radius is '2', give a number"),
        ("night.csv", "radius,gain,noise\n0,nan,0\n", "line 2: gain is 'nan', give a number"),
        ("night.csv", "radius,gain,noise\n0,1,-1\n", "line 2: noise is '-1', give a number"),
        ("night.csv", "radius,gain,noise\n0,1,0\n0,1,0\n", "line 3: the radii must grow"),
        ("night.csv", "radius,gain,noise,shift\n0,1,0,0\n1,1,0,1\n", "give the same shift"),
        ("a night.csv", NIGHT, "the perturbation is named as its file"),
    ],
)
def test_a_table_that_says_nothing_clear_is_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(IasideError, match=message):
        tables([path], Rings(16, 16, 4, "linf"), 3)
    path.write_text(NIGHT)
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "night.csv"
    twin.write_text(NIGHT)
    if name == "night.csv":
        with pytest.raises(IasideError, match="another table is named night"):
            tables([path, twin], Rings(16, 16, 4, "linf"), 3)


def test_the_command_foretells_splits_and_goes_on(iaside, planted, tmp_path):
    model, data = planted
    kept, held, night = (tmp_path / name for name in ("s.h5", "r.h5", "night.csv"))
    night.write_text(NIGHT)
    words = ["predict", "--model", model, data, "--samples", 0, "--severity", 5]
    what = [word for name in WHAT["corruption"] for word in ("--corruption", name)]
    first = iaside(*words, *what, "-o", kept)
    assert first.exit_code == 0, first.stderr
    assert "9 images x (4 perturbations x 1 severity + the image itself) = 45" in first.stderr
    assert "45 forward passes" in first.stdout
    assert "Run iaside robustness on the same images" in first.stdout
    ia.measure_robustness(model, data, held, attack="none", samples=0, severity=5, **WHAT)
    again = iaside(*words, *what, "-o", kept, "--resume", "--measured", held, "--json")
    assert "is complete already" in again.stderr
    found = json.loads(again.stdout)
    entry = found["perturbations"][0]
    assert entry["measured"]["value"] == entry["spectral"]["value"]
    assert entry["structural"]["value"] == 0
    assert {"measured_mpe", "measured_accuracy_drop", "mpe", "drop", "severity"} == set(
        entry["severities"][0]
    )
    assert json.loads(iaside("show", kept, "--robustness", held, "--json").stdout) == found
    for command in (("plot", kept), ("plot", kept, "--robustness", held)):
        picture = tmp_path / f"{len(command)}.svg"
        assert iaside(*command, "-o", picture).exit_code == 0
        assert picture.stat().st_size > 5_000
    drawn = iaside(*words, *what, "-o", tmp_path / "p.png", "--measured", held, "--quiet")
    assert (drawn.exit_code, drawn.stdout) == (0, "")
    assert (tmp_path / "p.png").stat().st_size > 5_000
    table = iaside("predict", "--model", model, data, "--samples", 0, "--spectrum", night)
    assert table.exit_code == 0, table.stderr
    assert "night" in table.stdout
    assert "spectra of tables" in table.stdout
    assert "Run iaside robustness" not in table.stdout
    redone = iaside("verify", kept, "--model", model, "--images", data, "--redo", 2)
    assert "rows:      holds: 2 of 9 rows done again" in redone.stdout


def test_average_spectra_foretell_without_a_corrupted_picture(iaside, planted, tmp_path):
    model, data = planted
    pairs = [(texture((16, 16), 1, seed), 0.5 * texture((16, 16), 1, seed)) for seed in range(4)]
    snr = tmp_path / "snr.h5"
    snr_of(pairs).save(snr)
    words = ["predict", "--model", model, data, "--samples", 0, "--snr", snr]
    shown = iaside(*words, "--json")
    assert shown.exit_code == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert [(entry["name"], entry["kind"]) for entry in found["perturbations"]] == [("dark", "x")]
    assert found["settings"]["spectra"] == "average"
    assert len(found["settings"]["spectra_digest"]) == 64
    for more, message in (
        (["--rings", 4], "--snr goes without --rings and --norm"),
        (["--spectrum", snr], "--snr and --spectrum exclude each other"),
        (["--placed"], "--placed goes without --snr and --spectrum"),
        (["--corruption", "fog"], "holds no corruption fog; it holds dark"),
    ):
        refused = iaside(*words, *more)
        assert refused.exit_code == 2
        assert message in refused.stderr
    wide = tmp_path / "wide.h5"
    snr_of([(texture((16, 20), 3), texture((16, 20), 3))]).save(wide)
    refused = iaside(*words[:-1], wide)
    assert "is of images of 16x20 pixels" in refused.stderr
    assert "make it again with iaside snr --size 16x16" in refused.stderr


def test_options_of_a_model_are_refused_without_one(iaside, tmp_path):
    report = tmp_path / "r.h5"
    report.write_bytes(b"nothing")
    for words, message in (
        (["--samples", 5], "--samples goes with --model, which is not given"),
        (["--spectrum", report], "--spectrum goes with --model, which is not given"),
        ([], "Missing option '--snr'"),
    ):
        refused = iaside("predict", report, *words)
        assert refused.exit_code == 2
        assert message in refused.stderr
    model = graphs.small_network(tmp_path / "m.onnx")
    refused = iaside("predict", "--model", model, tmp_path, "--resume")
    assert "--resume needs the file of the result" in refused.stderr
    data = write_npz(tmp_path / "d.npz", np.zeros((4, 16, 16, 3), np.uint8), [0, 1, 2, 3])
    refused = iaside("predict", "--model", model, data, "--rings", 0)
    assert (refused.exit_code, "--rings 0: at least one band" in refused.stderr) == (2, True)
    night = tmp_path / "night.csv"
    night.write_text(NIGHT)
    refused = iaside("predict", "--model", model, tmp_path, "--spectrum", night, "--severity", 3)
    assert "--spectrum goes without --corruption and --severity" in refused.stderr
