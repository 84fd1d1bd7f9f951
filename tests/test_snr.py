"""Signal-to-noise ratios: values computed on paper, then the command, then files from strangers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx.errors import ReportError
from iaside_onnx.mathematics.signal_noise import (
    Rings,
    fit_exponential,
    fit_power_law,
    gain_and_residual,
    signal_to_noise,
)
from iaside_onnx.measure.snr import measure_snr
from iaside_onnx.measure.workers import cards_for
from iaside_onnx.results.snr import load_snr
from iaside_onnx.storage.seal import seal

from . import graphs
from .conftest import ROOT, named, write_npz


def measured(clean, changed, rings=8, norm="linf"):
    """SNR, gain and residual of one image, DC first."""
    grid = Rings(*clean.shape[-2:], rings, norm)
    x, d = grid.spectrum(clean), grid.spectrum(changed - clean)
    signal, noise = grid.signal(x), grid.noise(x, d)
    return signal_to_noise(signal[0], noise[0]), *gain_and_residual(signal[1], *noise[1:])


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (9, 7)])
@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_sums_over_the_half_plane_are_those_of_the_whole(size, norm):
    from iaside_onnx.mathematics.bands import band_index

    rng = np.random.default_rng(0)
    clean, added = rng.random((3, *size)), rng.standard_normal((3, *size))
    grid = Rings(*size, 3, norm)
    index = band_index(*size, 3, norm) + 1
    index[0, 0] = 0
    x, d = (np.fft.fft2(part) for part in (clean, added))
    parts = [np.abs(x), np.abs(x) ** 2, np.abs(d), np.abs(d) ** 2, (x.conj() * d).real]
    wanted = [[part[:, index == k].sum() for k in range(4)] for part in parts]
    half = grid.spectrum(clean), grid.spectrum(added)
    made = [*grid.signal(half[0]), *grid.noise(*half)]
    np.testing.assert_allclose(made, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(grid.counts, [(index == k).sum() for k in range(4)])


def test_a_sinusoid_falls_into_its_ring_with_the_ratio_of_amplitudes():
    # 3 cycles in 32 pixels: radius 6/32, ring floor(8 * 6 / 32) = 1, part 2.
    wave = np.cos(2 * np.pi * 3 * np.arange(32) / 32)
    clean = np.broadcast_to(0.5 + 0.25 * wave, (1, 32, 32))
    snr, gain, residual = measured(clean, clean + 0.05 * wave)
    assert snr[2] == pytest.approx(0.25 / 0.05)
    assert gain[2] == pytest.approx(1.2)
    assert residual[2] == pytest.approx(0, abs=1e-7)
    # The same, a quarter of a period late: nothing of it is gain.
    late = np.sin(2 * np.pi * 3 * np.arange(32) / 32)
    snr, gain, residual = measured(clean, clean + 0.05 * late)
    assert snr[2] == pytest.approx(5)
    assert gain[2] == pytest.approx(1)
    assert residual[2] == pytest.approx(0.2)
    # A constant touches DC alone, whose DFT is 32 * 32 times the mean.
    grey = np.full((1, 32, 32), 0.5)
    snr, gain, _ = measured(grey, grey + 0.1)
    assert snr[0] == pytest.approx(5)
    assert gain[0] == pytest.approx(1.2)
    assert np.all(measured(clean, clean)[0][[0, 2]] == np.inf)


def test_white_noise_on_white_noise_has_the_ratio_of_deviations_in_every_ring():
    rng = np.random.default_rng(1)
    clean = rng.standard_normal((3, 128, 128))
    snr, gain, residual = measured(clean, clean + 0.25 * rng.standard_normal(clean.shape))
    np.testing.assert_allclose(snr[1:], 4.0, rtol=0.1)
    np.testing.assert_allclose(gain[1:], 1.0, atol=0.03)
    np.testing.assert_allclose(residual[1:], 0.25, rtol=0.1)


def test_contrast_is_a_gain_without_residual():
    clean = np.random.default_rng(2).random((3, 40, 30))
    mean = clean.mean(axis=(1, 2), keepdims=True)
    snr, gain, residual = measured(clean, mean + 0.4 * (clean - mean))
    np.testing.assert_allclose(gain[1:], 0.4, rtol=1e-9)
    np.testing.assert_allclose(snr[1:], 1 / 0.6, rtol=1e-9)
    assert residual[1:].max() < 1e-7
    assert gain[0] == pytest.approx(1)


def test_fits_find_the_law_that_made_the_curve():
    radius = (np.arange(16) + 0.5) / 16
    power = fit_power_law(radius, 3 * radius**-1.5)
    assert (power.scale, power.slope) == (pytest.approx(3), pytest.approx(1.5))
    assert (power.r_squared, power.spread) == (pytest.approx(1), pytest.approx(0, abs=1e-6))
    other = fit_exponential(radius, 3 * radius**-1.5)
    assert other.r_squared < 0.95
    assert other.spread > 0.1
    exponential = fit_exponential(radius, 3 * np.exp(-2 * radius))
    assert (exponential.scale, exponential.slope) == (pytest.approx(3), pytest.approx(2))
    gap = 3 * radius**-1.5
    gap[0] = np.nan  # a ring without frequencies
    assert fit_power_law(radius, gap).slope == pytest.approx(1.5)
    gap[3] = np.inf
    assert np.isnan(fit_power_law(radius, gap).slope)


def noise_images(path, count=12, size=32):
    """Images of white noise around 0.5, of standard deviation 0.05, far from clipping."""
    rng = np.random.default_rng(3)
    images = 0.5 + 0.05 * rng.standard_normal((count, size, size, 3))
    return write_npz(path, images.astype(np.float32), np.arange(count) % 2)


def test_gaussian_noise_measures_what_it_adds(tmp_path):
    # At 32 pixels severity 1 adds noise of deviation 0.04.
    images = noise_images(tmp_path / "noise.npz")
    report = measure_snr(images, rings=8, corruption=["gaussian_noise"], severity=[1, 5])
    first = report.curves[0][0]
    np.testing.assert_allclose(first.rings.value, 0.05 / 0.04, rtol=0.1)
    np.testing.assert_allclose(first.residual.value[1:], 0.04 / 0.05, rtol=0.1)
    assert abs(first.fits["power_law"][0].slope) < 0.05
    assert np.all(first.rings.low <= first.rings.value)
    assert np.all(first.rings.value <= first.rings.high)
    # DC of the lowest band dwarfs the noise, until it is counted apart.
    apart = report.view(separate_dc=True).curves[0][0]
    assert report.view(separate_dc=True).band_names == ["DC", *map(str, range(8))]
    assert first.snr.value[0] > 2 * apart.snr.value[1]
    np.testing.assert_allclose(apart.snr.value[2:], first.snr.value[1:])
    wide = report.view(confidence=0.99).curves[0][0].rings
    assert np.all(wide.low <= first.rings.low)


def test_images_keep_their_corruption_in_any_company(tmp_path):
    few = measure_snr(noise_images(tmp_path / "a.npz"), corruption=["fog", "snow"], severity=[2])
    more = measure_snr(noise_images(tmp_path / "a.npz"))
    np.testing.assert_array_equal(few.signal, more.signal)
    position = [more.perturbations.index(name) for name in few.perturbations]
    np.testing.assert_array_equal(few.noise[:, :, :, 0], more.noise[:, :, position, 1])


def test_the_command_writes_what_show_and_plot_read(iaside, tmp_path):
    target, picture = tmp_path / "snr.h5", tmp_path / "snr.png"
    wanted = ["--corruption", "gaussian_noise", "--corruption", "contrast", "--corruption",
              "saturate", "--severity", 3, "--samples", 6]  # fmt: skip
    result = iaside("snr", ROOT / "demo" / "test", "-o", target, *wanted)
    assert result.exit_code == 0, result.stderr
    assert "gaussian_noise" in result.stdout
    assert "Gain and residual" in result.stdout
    again = iaside("show", target)
    assert again.stdout.partition("Made ")[0] in result.stdout
    shown = json.loads(iaside("show", target, "--json", "--confidence", 0.5).stdout)
    noise, contrast, saturate = shown["perturbations"]
    assert shown["settings"]["rings"] == 32
    assert noise["power_law"]["slope"]["value"] > 1
    assert noise["power_law"]["r_squared"]["value"] > 0.9
    assert max(contrast["gain"]["value"][1:]) < 0.35
    assert saturate["snr"]["value"] == [None] * 8  # the demo is grey: nothing changes
    assert iaside("plot", target, "-o", picture).exit_code == 0
    assert picture.stat().st_size > 10_000
    second = iaside("snr", ROOT / "demo" / "test", "-o", target, *wanted, "--overwrite", "--json")
    fresh = json.loads(second.stdout)
    shown = json.loads(iaside("show", target, "--json").stdout)
    assert fresh["perturbations"] == shown["perturbations"]


@pytest.fixture
def brightness(tmp_path):
    """Grey images, and a model of which class 1 is the brighter: linear in the mean colour."""
    levels = np.array([0.3, 0.4, 0.7])
    pixels = np.broadcast_to(levels[:, None, None, None], (3, 8, 8, 3)).astype(np.float32)
    model = graphs.prototypes(tmp_path / "m.onnx", np.eye(2)[:, [1] * 3], strength=20, size=8)
    return write_npz(tmp_path / "grey.npz", pixels, [0, 0, 0]), model


def test_an_attack_on_a_linear_model_adds_what_its_weights_say(iaside, tmp_path, brightness):
    # At best every value moves by epsilon towards 1/2, so DC by epsilon times the pixels.
    images, model = brightness
    target, picture = tmp_path / "attack.h5", tmp_path / "attack.png"
    result = iaside(
        "snr", images, "-o", target, "--attack", "square-linf", "--model", model, "--bands", 2,
        "--epsilon", "3/100", "--queries", 400, "--severity", 1, "--severity", 3, "--separate-dc",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "square-linf attacks m.onnx: radius 0.03 at severity 3" in " ".join(
        result.stdout.split()
    )
    found = load_snr(target)
    assert found.perturbations == ["square-linf"]
    for curve, epsilon in zip(found.curves[0], (0.01, 0.03), strict=True):
        least = (0.3 + 0.4 + 0.7) / 3 / epsilon
        assert least * (1 - 1e-5) <= curve.snr.value[0] < 1.2 * least
    # Beside a corruption, which stays what it is alone.
    alone = measure_snr(images, bands=2, corruption=["fog"], severity=[3])
    both = measure_snr(
        images, bands=2, corruption=["fog"], severity=[3], attack="square-linf", model=model,
        epsilon=0.03, queries=400,
    )  # fmt: skip
    assert both.perturbations == ["fog", "square-linf"]
    assert both.settings["kinds"] == {"fog": "weather", "square-linf": "attack"}
    np.testing.assert_array_equal(both.noise[:, :, :1], alone.noise)
    np.testing.assert_allclose(both.noise[:, :, 1, 0], found.noise[:, :, 0, 1], atol=1e-6)
    assert iaside("plot", target, "-o", picture).exit_code == 0
    with h5py.File(target, "r+") as file:
        setting("attack", {"name": "square-linf", "model": 3})(file)
    assert iaside("show", target).exit_code == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attack", "pgd"], "--attack pgd: choose one of square-linf"),
        (["--attack", "square-l2"], "needs --model and --epsilon"),
        (["--epsilon", "1/255"], "--epsilon goes with --attack"),
        (["--attack", "square-l2", "--model", "m", "--epsilon", "-1"], "give a positive number"),
        (["--attack", "square-l2", "--model", "m", "--epsilon", "nan"], "is no number"),
        (["--attack", "square-l2", "--model", "m", "--epsilon", 1, "--queries", 0], "--queries 0"),
        (["--attack", "square-l2", "--model", "none.onnx", "--epsilon", 1], "none.onnx"),
        (
            [
                "--attack",
                "square-l2",
                "--model",
                ROOT / "models" / "demo-plain.onnx",
                "--epsilon",
                1,
                "--grey",
                "--quiet",
            ],
            "takes 3 channels",
        ),
        (["--corruption", "rain"], "--corruption rain: choose one of gaussian_noise"),
        (["--severity", 6], "--severity 6: choose one of 1 to 5"),
        (["--rings", 12], "--rings 12: give a multiple of --bands 8"),
        (["--rings", 80], "--rings 80 is too many for images of 64 x 64 pixels"),
        (["--bands", 99], "--bands 99 is too many"),
        (["--norm", "l3"], "--norm l3: did you mean l2 or l1?"),
        (["--confidence", 1], "--confidence 1.0: must lie between 0 and 1"),
        (["--seed", -1], "--seed -1: must not be negative"),
    ],
)
def test_wrong_options_are_one_line(iaside, tmp_path, options, message):
    target = tmp_path / "snr.h5"
    result = iaside("snr", ROOT / "demo" / "test", "-o", target, *options)
    assert result.exit_code == 2
    *notes, error = result.stderr.splitlines()
    assert message in error
    assert not any("Error" in note for note in notes)
    assert list(tmp_path.iterdir()) == []


def test_pictures_of_several_sizes_need_a_size(iaside, tmp_path, photographs):
    from PIL import Image

    Image.new("RGB", (20, 16)).save(photographs / "class0" / "wide.png")
    target = tmp_path / "snr.h5"
    result = iaside("snr", photographs, "-o", target)
    assert result.exit_code == 2
    assert "differ in size" in result.stderr
    assert "--size" in result.stderr
    quick = ("--corruption", "fog", "--size", "12x16", "--grey", "--quiet")
    assert iaside("snr", photographs, "-o", target, *quick).exit_code == 0
    assert load_snr(target).settings["channels"] == 1
    assert iaside("snr", photographs, "-o", target, *quick).exit_code == 2
    assert iaside("show", target, "--value", "prob").exit_code == 2


@pytest.fixture
def written(tmp_path):
    target = tmp_path / "good.h5"
    measure_snr(noise_images(tmp_path / "n.npz", 3), target, corruption=["contrast"], severity=[1])
    return target


def header(file):
    return json.loads(file["header"][:].tobytes())


def put_header(file, changed):
    del file["header"]
    file["header"] = np.frombuffer(json.dumps(changed).encode(), np.uint8)


def swap(name, values):
    def change(file):
        del file[name]
        file[name] = values

    return change


def setting(key, value):
    def change(file):
        held = header(file)
        held["settings"][key] = value
        put_header(file, held)

    return change


def compressed(file):
    values = file["noise"][:]
    del file["noise"]
    file.create_dataset("noise", data=values, compression="gzip")


def linked(file):
    del file["noise"]
    file["noise"] = h5py.ExternalLink("other.h5", "/noise")


def endless(file):
    del file["noise"]
    file.create_dataset("noise", (3, 3, 1, 1, 1 << 40), "float64", chunks=(1, 1, 1, 1, 1024))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (compressed, "compressed"),
        (linked, "is missing"),
        (endless, "claims more data"),
        (swap("signal", np.zeros((2, 3, 5))), "do not match"),
        (swap("signal", np.full((2, 3, 17), np.nan)), "not finite"),
        (swap("signal", -np.ones((2, 3, 17))), "-1, which lies outside"),
        (swap("signal", np.zeros((2, 3, 17), np.float32)), "not of the report's format"),
        (swap("header", np.frombuffer(b"[" * 100_000, np.uint8)), "damaged"),
        (swap("header", np.frombuffer(b'{"severities": NaN}', np.uint8)), "no JSON of finite"),
        (setting("rings", 1 << 30), "no usable 'rings'"),
        (setting("bands", 0), "no usable 'bands'"),
        (setting("bands", 5), "do not fit"),
        (setting("confidence", 7.0), "no usable 'confidence'"),
        (setting("kinds", {}), "has no kind"),
        (lambda file: file.attrs.modify("format_version", 3), "so update iaside"),
    ],
    ids=named,
)
def test_files_from_strangers_are_refused_in_one_line(written, iaside, change, message):
    with h5py.File(written, "r+") as file:
        change(file)
    seal(written)
    result = iaside("show", written)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.isolated
def test_show_opens_no_file_of_a_stranger_in_its_own_process(written, iaside, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the HDF5 library was used outside the process with limits")

    monkeypatch.setattr(h5py, "File", refuse)
    assert iaside("show", written, "--json").exit_code == 0
    golden = Path(__file__).parent / "data" / "report-v1.h5"
    assert iaside("show", golden, "--json").exit_code == 0


@pytest.mark.isolated
def test_damage_is_noticed(written, tmp_path):
    good = load_snr(written)
    assert good.image_ids
    whole = written.read_bytes()
    place = whole.index(good.noise.tobytes()[:64])
    spoilt = tmp_path / "spoilt.h5"
    spoilt.write_bytes(whole[:place] + b"\x01" + whole[place + 1 :])
    with pytest.raises(ReportError, match="damaged"):
        load_snr(spoilt)
    for length in (0, 100, len(whole) // 2):
        spoilt.write_bytes(whole[:length])
        with pytest.raises(ReportError):
            load_snr(spoilt)
    shutil.copy(tmp_path / "n.npz", spoilt)
    for path in (spoilt, tmp_path / "nothing.h5"):
        with pytest.raises(ReportError):
            ia.load(path)


def test_on_photographs_noise_falls_with_frequency_and_blur_takes_the_high_bands(real):
    found = measure_snr(
        real / "cifar10" / "test-1000.npz",
        samples=20,
        corruption=["gaussian_noise", "gaussian_blur"],
        severity=[5],
    )
    noise, blur = (row[0] for row in found.curves)
    assert noise.fits["power_law"][1].slope > 0.8  # the low end of the interval
    assert np.all(np.diff(noise.snr.value) < 0)
    np.testing.assert_allclose(noise.gain.value, 1, atol=0.1)
    # Of the last band the kernel itself leaves exp(-(pi r)^2 / 2), 0.02 and less. The rest is the
    # step from one edge of the picture to the other, which the DFT sees and blur does not touch.
    assert blur.gain.value[0] > 0.98
    assert 0.02 < blur.gain.value[-1] < 0.6
    assert np.all(np.diff(blur.gain.value[:4]) < 0)


def two_headed(path, *, mixed):
    """Brightness of an image in two outputs; `mixed`: against the mean over its batch."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["own"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["own", "axis"], ["column"]),
        helper.make_node("ReduceMean", ["column"], ["company"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["column", "company" if mixed else "level"], ["above"]),
        helper.make_node("MatMul", ["above", "gains"], ["scores"]),
        helper.make_node("Neg", ["scores"], ["other"]),
    ]
    constants = {
        "axis": np.array([1]), "level": np.float32(0.5), "gains": np.array([[-9, 9]], np.float32),
    }  # fmt: skip
    other = helper.make_tensor_value_info("other", TensorProto.FLOAT, ["n", 2])
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, 8, 8], output_shape=["n", 2],
        extra_outputs=[other],
    )  # fmt: skip


def test_an_attacked_model_is_opened_with_the_options_of_the_others(iaside, tmp_path, brightness):
    images, _ = brightness
    model, target = two_headed(tmp_path / "two.onnx", mixed=False), tmp_path / "s.h5"
    attack = ["--attack", "square-linf", "--model", model, "--epsilon", 0.05, "--queries", 9,
              "--severity", 3, "--bands", 2, "--quiet"]  # fmt: skip
    refused = iaside("snr", images, "-o", target, *attack)
    assert (refused.exit_code, "choose one with --output" in refused.stderr) == (2, True)
    done = iaside("snr", images, "-o", target, *attack, "--output", "scores", "--provider", "cpu",
                  "--threads", 1, "--batch", 2, "--layout", "nchw", "--logits")  # fmt: skip
    assert done.exit_code == 0, done.stderr
    held = ia.load_snr(target).settings["attack"]
    assert (held["output"], held["layout"], held["provider"]) == ("scores", "nchw", "cpu")
    for options in (["--output", "x"], ["--no-tf32"], ["--batch", 2], ["--logits"]):
        alone = iaside("snr", images, "-o", tmp_path / "c.h5", *options)
        assert (alone.exit_code, "goes with --attack" in alone.stderr) == (2, True)


def test_company_changes_nothing_about_the_attack_on_an_image(tmp_path, brightness):
    images, _ = brightness
    model, told = two_headed(tmp_path / "two.onnx", mixed=True), []
    wanted = {"attack": "square-linf", "model": model, "epsilon": 0.1, "queries": 40,
              "output": "scores", "severity": [3], "bands": 2}  # fmt: skip
    many = ia.measure_snr(images, listener=ia.Listener(warn=told.append), **wanted)
    assert any("depend on the others in its batch" in warning for warning in told)
    one = ia.measure_snr(images, listener=ia.Listener(), batch=1, **wanted)
    np.testing.assert_array_equal(many.noise, one.noise)


def test_every_provider_that_takes_cards_has_them_dealt_out(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    assert [cards_for(name) for name in ("cpu", "cuda", "tensorrt")] == [(), *[("0", "2")] * 2]
