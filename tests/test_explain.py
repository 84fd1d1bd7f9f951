"""iaside explain: planted models whose damage by band is known, a slow path, then the command."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from itertools import product

import numpy as np
import onnxruntime as ort
import pytest
from onnx import helper
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import IasideError
from iaside_onnx.measure import damage
from iaside_onnx.measure.perturbing import Perturbation

from . import graphs
from .conftest import write_npz
from .dying import dies

SIZE, CYCLES = 16, [1, 3, 5, 7]
QUICK = {"bands": 4, "norm": "linf", "batch": 16, "threads": 1}


@dataclass(frozen=True)
class Given(Perturbation):
    """The perturbed images themselves, shape (n, H, W, C)."""

    images: np.ndarray

    @property
    def stem(self):
        return "given"

    @property
    def record(self):
        return {"kind": "folder", "name": "given", "digest": "0" * 64}

    def groups(self, subject, positions, size, advance):  # noqa: ARG002
        yield positions, lambda position: np.moveaxis(self.images[position], -1, 0).copy()


@pytest.fixture
def between(tmp_path, monkeypatch):
    """Damage by band between some clean images and others, arrays of shape (n, H, W, C)."""

    def explained(model, clean, perturbed, labels, **options):
        given = Given(np.asarray(perturbed, np.float32))
        monkeypatch.setattr(damage, "asked_perturbations", lambda *_: [given])
        data = write_npz(tmp_path / "clean.npz", np.asarray(clean, np.float32), labels)
        return ia.explain(model, data, **{**QUICK, **options})

    return explained


def band_index(size, bands):
    """Of every frequency, by another formula than the package's."""
    return np.minimum(np.floor(graphs.radius(size, size, "linf") * bands + 1e-9), bands - 1)


def parts(images, bands=4):
    """Band images by a full FFT each, shape (bands, n, H, W, C)."""
    spectrum = np.fft.fft2(images, axes=(1, 2))
    index = band_index(images.shape[1], bands)[None, :, :, None]
    masked = [np.where(index == band, spectrum, 0) for band in range(bands)]
    return np.fft.ifft2(masked, axes=(2, 3)).real


def noisy(images, seed=1, strength=0.2):
    noise = np.random.default_rng(seed).normal(0, strength, images.shape)
    return (images + noise).clip(0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(3).random((6, SIZE, SIZE, 3)).astype(np.float32)


LABELS = np.arange(6) % 4


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return graphs.small_network(tmp_path_factory.mktemp("network") / "m.onnx")


def test_all_damage_comes_in_through_the_one_band_that_is_read(tmp_path, between):
    waves = [0.11, 0.115, 0.12]
    clean = np.stack(
        [0.5 + each * sum(graphs.wave(SIZE, number) for number in CYCLES) for each in waves]
    )
    clean = np.moveaxis(clean, 1, -1)
    # With the wave class 1 is the answer; without it the scores are equal, and class 0 is.
    model = graphs.reads(tmp_path / "m.onnx", SIZE, [CYCLES[2]], strength=-4.0)
    report = between(model, clean, np.full_like(clean, 0.5), [1, 1, 0], value="log-prob")
    gain, loss = (np.log(1 / (1 + np.exp(each))) - np.log(0.5) for each in (-4.0, 4.0))
    expected = np.outer([gain, gain, loss], [0, 0, 1, 0])
    np.testing.assert_allclose(report.per_image, expected, atol=1e-6)
    assert (report.per_image[:, [0, 1, 3]] == 0).all()
    assert not report.interactions.any()
    through = np.array([0, 0, 100, 0])
    points = report.view(value="right").per_image
    np.testing.assert_allclose(points, [through, through, -through], atol=1e-9)
    np.testing.assert_allclose(report.view(value="same-answer").per_image, [through] * 3, atol=1e-9)
    # It does not read the band that is perturbed.
    less = clean - np.moveaxis(0.1 * graphs.wave(SIZE, CYCLES[0]), 0, -1)
    for value in ("right", "log-prob"):
        assert not between(model, clean, less, [1, 1, 0], value=value).per_image.any()


def test_a_probability_affine_in_the_pixels_is_additive(tmp_path, pictures, between):
    weight = np.random.default_rng(2).normal(0, 1e-2, (3 * SIZE * SIZE, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["sum"]),
        helper.make_node("Add", ["sum", "half"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["p", "q"], ["scores"], axis=1),
    ]
    offset = 0.5 - float(weight.sum()) / 2
    constants = {"weight": weight, "half": np.float32(offset), "one": np.float32(1)}
    model = graphs.save(
        tmp_path / "m.onnx", nodes, constants, input_shape=["n", 3, SIZE, SIZE],
        output_shape=["n", 2],
    )  # fmt: skip
    perturbed = noisy(pictures)
    report = between(model, pictures, perturbed, [0] * 6)
    table = np.exp(report.log_prob.astype(np.float64))
    change = np.moveaxis(parts(pictures) - parts(perturbed), -1, 2).reshape(4, 6, -1)
    shares = (change @ weight.astype(np.float64))[..., 0].T
    np.testing.assert_allclose(ia.shapley_values(table), shares, atol=1e-6)
    assert np.ptp(shares) > 0.01
    np.testing.assert_allclose(ia.shapley_interactions(table.mean(axis=0)), 0, atol=1e-6)


def test_damage_confined_to_a_band_comes_in_through_it_and_turns_with_the_pair(
    network, pictures, between
):
    added = parts(noisy(pictures, strength=0.5) - pictures)[2]
    clean, perturbed = 0.25 + 0.5 * pictures, 0.25 + 0.5 * pictures + 0.5 * added
    there = between(network, clean, perturbed, LABELS, value="log-prob")
    others = [0, 1, 3]
    assert np.abs(there.per_image[:, others]).max() < 1e-5
    assert np.abs(there.per_image[:, 2]).max() > 0.05
    assert not there.view(value="right").per_image[:, others].any()
    back = between(network, perturbed, clean, LABELS, value="log-prob")
    np.testing.assert_allclose(back.per_image, -there.per_image, atol=2e-5)
    assert not (back.right != there.right[:, ::-1]).any()


@pytest.mark.parametrize("estimator", ["exact", "permutation"])
@pytest.mark.parametrize("split", [False, True])
def test_every_value_is_that_of_an_image_put_together_by_hand(
    network, pictures, between, split, estimator
):
    # A shift of DC, a loss of contrast, and noise.
    perturbed = noisy(0.4 * pictures + 0.35, strength=0.1)
    report = between(network, pictures, perturbed, LABELS, split=split, estimator=estimator)
    clean_parts, other_parts = (
        np.moveaxis(parts(each.astype(np.float64)), -1, 2) for each in (pictures, perturbed)
    )
    session = ort.InferenceSession(str(network), providers=["CPUExecutionProvider"])
    coalitions = report.coalitions
    if coalitions is None:
        coalitions = np.tile(np.arange(16, dtype=np.uint64), (6, 1))
    bits = (coalitions[..., None] >> np.arange(8, dtype=np.uint64) & np.uint64(1)).astype(bool)
    for number, columns in enumerate(bits):
        clean, other = clean_parts[:, number], other_parts[:, number]
        colour = clean.mean(axis=(2, 3), keepdims=True)
        waves = clean - colour
        gains = (other * waves).sum(axis=(1, 2, 3)) / np.square(waves).sum(axis=(1, 2, 3))
        rests = other - colour - gains[:, None, None, None] * waves
        for column, members in enumerate(columns):
            image = sum(
                (clean[band] if members[band] else other[band])
                if not split
                else colour[band]
                + waves[band] * (1 if members[band] else gains[band])
                + rests[band] * (0 if members[4 + band] else 1)
                for band in range(4)
            )
            (scores,) = session.run(None, {"image": image[None].astype(np.float32)})
            log = scores[0] - np.log(np.exp(scores[0].astype(np.float64)).sum())
            assert report.log_prob[number, column] == pytest.approx(log[LABELS[number]], abs=1e-4)
            assert report.answers[number, column] == scores[0].argmax()
    assert columns[-1][: 4 * (1 + split)].all()
    assert not columns[0].any()
    np.testing.assert_array_equal(report.right, report.answers == LABELS[:, None])
    same = report.answers == report.predicted[:, None]
    np.testing.assert_array_equal(report.game("same-answer"), 100 * same)


def test_the_shares_of_every_pair_sum_to_its_damage(network, pictures, between):
    perturbed = noisy(pictures)
    for split, estimator, value in product(
        (False, True), ("exact", "permutation"), ("right", "log-prob", "same-answer")
    ):
        report = between(
            network, pictures, perturbed, LABELS, split=split, estimator=estimator, value=value
        )
        game = report.game()
        lost = game[:, -1] - game[:, 0]
        assert np.abs(report.per_image.sum(axis=1) - lost).max() < 1e-9
    whole = between(network, pictures, perturbed, LABELS, value="log-prob")
    parted = between(network, pictures, perturbed, LABELS, value="log-prob", split=True)
    np.testing.assert_allclose(parted.per_image, whole.per_image, atol=2e-5)


def test_regression_estimates_and_split_refuses_it(network, pictures, between):
    many = {"estimator": "regression", "passes": 61, "value": "log-prob"}
    exact = between(network, pictures, noisy(pictures), LABELS, value="log-prob").per_image
    found = between(network, pictures, noisy(pictures), LABELS, **many).per_image
    assert np.abs(found - exact).max() < 0.3 * np.abs(exact).max()
    drawn = between(network, pictures, noisy(pictures), LABELS, split=True, bands=8, passes=35,
                    separate_dc=True, norm="l1")  # fmt: skip
    assert (drawn.settings["estimator"], drawn.log_prob.shape) == ("permutation", (6, 36))
    with pytest.raises(IasideError, match="split=True takes exact or permutation"):
        between(network, pictures, noisy(pictures), LABELS, split=True, estimator="regression")


def test_the_pair_is_that_of_a_measurement_of_robustness(network, photographs):
    what = {"corruption": ["gaussian_noise", "fog", "glass_blur"], "severity": [2, 5]}
    attack = {"attack": "square-linf", "epsilon": 0.05, "queries": 20}
    options = {"batch": 16, "threads": 1, "seed": 4}
    measured = ia.measure_robustness(network, photographs, **what, **attack, **options)
    found = ia.explain(network, photographs, **what, **attack, **options, bands=2)
    wrong = measured.wrong.reshape(len(measured.labels), -1)
    logs = measured.corrupted_log_prob.reshape(wrong.shape)
    for column, report in enumerate(found[:-1]):
        np.testing.assert_array_equal(report.right[:, 0], ~wrong[:, column])
        np.testing.assert_allclose(report.log_prob[:, 0], logs[:, column], atol=1e-5)
        np.testing.assert_allclose(report.log_prob[:, -1], measured.log_prob, atol=1e-6)
        # Of the clean image itself, whatever its bands sum to.
        np.testing.assert_array_equal(report.log_prob[:, -1], found[0].log_prob[:, -1])
    np.testing.assert_array_equal(found[-1].right[:, 0], ~measured.attack_wrong[:, 0])
    assert [report.settings["perturbation"]["name"] for report in found[::2]] == [
        "gaussian_noise", "glass_blur", "fog", "square-linf",
    ]  # fmt: skip
    assert not np.allclose(logs, measured.log_prob[:, None], atol=0.01)


def test_killed_and_resumed_ends_in_the_same_table(network, photographs, tmp_path):
    options = {"corruption": "fog", "bands": 7, "batch": 1, "threads": 1}
    target = tmp_path / "r.h5"
    assert dies("explain", network, photographs, target, after=300, pause=0.01, **options)
    assert not target.exists()
    resumed = ia.explain(network, photographs, target, resume=True, **options)
    assert resumed.run["resumed_after"] > 0
    whole = ia.explain(network, photographs, **options)
    np.testing.assert_array_equal(resumed.log_prob, whole.log_prob)
    np.testing.assert_array_equal(resumed.answers, whole.answers)


def test_several_perturbations_go_into_a_folder_and_go_on_there(
    iaside, network, photographs, tmp_path
):
    folder, words = tmp_path / "damage", ["--bands", 2, "--batch", 8]
    asked = ["explain", network, photographs, "-o", folder, "--corruption", "fog", *words]
    asked += ["--corruption", "jpeg_compression", "--severity", 1, "--severity", 4]
    done = iaside(*asked, "--json")
    names = [f"{name}-{level}" for name in ("fog", "jpeg_compression") for level in (1, 4)]
    assert sorted(path.stem for path in folder.iterdir()) == names
    explanations = json.loads(done.stdout)["explanations"]
    assert [each["perturbation"]["name"] for each in explanations[::2]] == [
        "fog", "jpeg_compression",
    ]  # fmt: skip
    for command, target in (("html", "d.html"), ("plot", "d.png")):  # the folder as a whole
        whole = iaside(command, folder, "-o", tmp_path / target)
        assert (whole.exit_code, whole.stderr) == (0, "")
    assert "fog 4" in (tmp_path / "d.html").read_text("utf-8")
    again = [ia.load(folder / f"{name}.h5").summary()["bands"] for name in names]
    assert again == [each["bands"] for each in explanations]
    assert iaside(*asked).exit_code == 2
    (folder / "fog-4.h5").unlink()
    resumed = iaside(*asked, "--resume")
    assert resumed.exit_code == 0
    assert resumed.stderr.count("complete already") == 3
    assert sorted(path.stem for path in folder.iterdir()) == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            [],
            "say what perturbs the images: --corruption NAME, --attack NAME or --perturbed FOLDER",
        ),
        (["--severity", 2], "--severity goes with --corruption"),
        (["--corruption", "fgo"], "--corruption 'fgo'"),
        (["--corruption", "fog", "--severity", 6], "choose one of 1 to 5"),
        (["--attack", "spsa"], "--attack 'spsa'"),
        (["--corruption", "fog", "--epsilon", "0.1"], "--epsilon goes with an attack"),
        (["--corruption", "fog", "--value", "prob"], "--value 'prob'"),
        (["--corruption", "fog", "--split", "--bands", 13, "--estimator", "exact"], "--bands 13"),
    ],
)
def test_a_bad_request_is_one_line_and_leaves_nothing(
    iaside, network, photographs, tmp_path, words, said
):
    done = iaside("explain", network, photographs, "-o", tmp_path / "r.h5", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said.replace("'", "") in done.stderr.replace("'", "")
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photographs"]


def test_pictures_of_ones_own_are_a_perturbation(iaside, network, photographs, tmp_path):
    folder = tmp_path / "night.v2"
    for number, place in enumerate(sorted(photographs.rglob("*.png"))):
        target = (folder / place.relative_to(photographs)).with_suffix(".bmp")
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(place).point(lambda value: value // 3).save(target)
        last = number, place
    asked = ["explain", network, photographs, "--perturbed", folder, "--bands", 2]
    done = iaside(*asked, "-o", tmp_path / "r.h5", "--json")
    found = json.loads(done.stdout)
    assert (found["perturbation"]["kind"], found["perturbation"]["name"]) == ("folder", "night.v2")
    report = ia.load(tmp_path / "r.h5")
    measured = ia.measure_robustness(network, photographs, perturbed=folder, attack=())
    np.testing.assert_array_equal(report.right[:, 0], ~measured.wrong[:, 0, 0])
    logs = measured.corrupted_log_prob[:, 0, 0]
    np.testing.assert_allclose(report.log_prob[:, 0], logs, atol=1e-5)
    assert report.example.mean() == pytest.approx(3 * report.example_perturbed.mean(), abs=6)
    row = report.image_ids.index(report.data["example"])
    assert row == report.log_prob[:, -1].round(2).argmax()
    whole = iaside(*asked, "-o", tmp_path / "both", "--corruption", "fog", "--json")
    assert whole.exit_code == 0
    assert {path.name for path in (tmp_path / "both").iterdir()} == {"fog-3.h5", "night.v2.h5"}
    assert iaside("verify", tmp_path / "r.h5", "--redo", 1, "--model", network,
                  "--images", photographs).exit_code == 2  # fmt: skip
    shutil.copytree(folder, tmp_path / "day" / folder.name)
    both = ia.explain(network, photographs, bands=1,
                      perturbed=[folder, tmp_path / "day" / folder.name])  # fmt: skip
    names = [each.settings["perturbation"]["name"] for each in both]
    assert names == [f"{tmp_path.name}-night.v2", "day-night.v2"]
    # Whole or not at all, and never over the pictures themselves.
    assert "is what would be measured" in iaside(*asked, "-o", folder / "class0" / "0.bmp").stderr
    (folder / "class3" / "2.bmp").unlink()
    lacking = iaside(*asked, "-o", tmp_path / "other.h5")
    assert lacking.exit_code == 2
    assert "has no picture for class3/2.png" in lacking.stderr
    assert last[0] == 11


def test_a_folder_of_results_that_cannot_be_made_is_one_line(network, photographs, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    for target, words in (
        (tmp_path / "file", "is no folder, and several files need one"),
        (tmp_path / "file" / "x", "does not exist; create it first"),
        (tmp_path / "link", "is no folder, and several files need one"),
    ):
        with pytest.raises(IasideError, match=words):
            ia.explain(network, photographs, target, corruption=["fog", "snow"], bands=2)


def test_places_of_pictures_are_looked_at_before_anything_is_said(
    iaside, network, photographs, tmp_path
):
    asked = [network, photographs, "-o", tmp_path / "r.h5"]
    own = tmp_path / "own"
    shutil.copytree(photographs, own)
    for command in ("explain", "robustness"):
        done = iaside(command, *asked, "--perturbed", tmp_path / "none")
        assert done.stderr == f"Error: {tmp_path / 'none'}: no such file or folder\n"
        done = iaside(command, *asked, "--perturbed", own, "--perturbed", f"{own}/../own")
        assert "own is given twice" in done.stderr
        assert done.stderr.count("\n") == 1
    for measured in (ia.explain, ia.measure_robustness):
        with pytest.raises(IasideError, match=r"^perturbed takes paths of .*, not ndarray; save "):
            measured(network, photographs, perturbed=np.zeros((12, 16, 16, 3)))
    done = iaside("explain", *asked, "--corruption", "fog", "--corruption", "snow", "--bands", 2)
    assert "r.h5: several results need a folder" in done.stderr
    assert not (tmp_path / "r.h5").exists()
    next(own.rglob("*.png")).write_bytes(b"none")
    done = iaside("explain", *asked, "--perturbed", own, "--skip-bad")
    assert "replace it, or take its clean form out of the images" in done.stderr


def test_several_share_the_time_and_are_told_of_as_one(network, photographs, tmp_path):
    starts, done, notes = [], [], []
    listener = ia.Listener(
        start=lambda *ends: starts.append(ends), advance=done.append, note=notes.append
    )
    what = {"corruption": ["fog", "snow"], "bands": 3, "listener": listener}
    ia.explain(network, photographs, tmp_path / "d", **what)
    assert starts == [(0, 192), (96, 192)]
    assert sum(done) == 192
    assert "cost: 2 times 12 images x 8 coalitions = 96 forward passes" in notes
    assert "cost of all 2: 192" in notes
    assert [note for note in notes if " of 2)" in note] == ["snow-3 (1 of 2)", "fog-3 (2 of 2)"]
    few = ia.explain(network, photographs, tmp_path / "e", **what, time_budget=1e-6)
    assert [report.run["stopped_by"] for report in few] == ["time", "time"]
    assert few[0].image_ids == few[1].image_ids
    with pytest.raises(IasideError, match="no such file"):
        ia.explain(photographs / "none.onnx", photographs, tmp_path / "f", **what)
    assert not (tmp_path / "f").exists()
