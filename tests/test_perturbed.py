"""iaside robustness on pictures that others perturbed: folders, ImageNet-C, CIFAR-10-C."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.errors import IasideError, ReportError
from iaside_onnx.images.fingerprints import pixel_digest

from . import graphs
from .conftest import write_npz
from .dying import dies

ROW = ("wrong", "change", "corrupted_log_prob", "corrupted_max_prob")


@pytest.fixture
def network(tmp_path):
    return graphs.small_network(tmp_path / "m.onnx")


def corrupted_as_made(pixels: np.ndarray, name: str, severity: int) -> np.ndarray:
    """An image as `measure_robustness` would corrupt it with seed 0, rounded to 8 bits."""
    key = pixel_digest(pixels).hex()
    planes = np.moveaxis(pixels, -1, 0).astype(np.float32) / 255
    made = corrupt(planes, name, severity, generator(0, key, name, severity))
    return np.rint(np.moveaxis(made, 0, -1) * 255).astype(np.uint8)


def imagenet_c(clean, root, names, severities):
    """Corrupted copies of class folders, laid out as ImageNet-C has them."""
    for name in names:
        for severity in severities:
            for picture in clean.rglob("*.png"):
                place = root / name / str(severity) / picture.relative_to(clean)
                place.parent.mkdir(parents=True, exist_ok=True)
                pixels = corrupted_as_made(
                    np.asarray(Image.open(picture)), name.rpartition("/")[2], severity
                )
                Image.fromarray(pixels).save(place)
    return root


def columns(report, name):
    place = report.perturbations.index(name)
    return [getattr(report, each)[:, place] for each in ROW]


def test_imagenet_c_is_measured_as_the_same_corruptions_made_here(network, photographs, tmp_path):
    names = ["blur/defocus_blur", "noise/gaussian_noise"]
    root = imagenet_c(photographs, tmp_path / "c", names, [1, 3])
    (root / "README").write_text("no folder")
    (root / "noise" / "list.txt").write_text("nor this")
    given = ia.measure_robustness(network, photographs, perturbed=root)
    assert given.perturbations == ["gaussian_noise", "defocus_blur"]
    assert given.severities == [1, 3]
    assert given.settings["kinds"] == {"gaussian_noise": "noise", "defocus_blur": "blur"}
    made = ia.measure_robustness(
        network, photographs, corruption=given.perturbations, severity=[1, 3], attack=[]
    )
    np.testing.assert_array_equal(given.predicted, made.predicted)
    np.testing.assert_allclose(given.change, made.change, atol=0.02)  # 8 bits
    with pytest.raises(ReportError, match=r"other perturbed pictures \(gaussian_noise, defocus"):
        given.against(made)
    # One corruption, or one severity, of it; in any depth, and as the root itself.
    one = ia.measure_robustness(
        network, photographs, perturbed=[root / "noise"], corruption="gaussian_noise",
        severity=3, attack=[],
    )  # fmt: skip
    assert (one.perturbations, one.severities) == (["gaussian_noise"], [3])
    alone = ia.measure_robustness(
        network, photographs, perturbed=root / "noise" / "gaussian_noise", attack=[]
    )
    for found, first, last in zip(*(columns(r, "gaussian_noise") for r in (given, one, alone)),
                                  strict=True):  # fmt: skip
        np.testing.assert_array_equal(first[:, 0], found[:, 1])
        np.testing.assert_array_equal(last, found)


def test_folders_of_ones_own_stand_beside_corruptions(network, photographs, tmp_path, iaside):
    for place in ("a/phone", "b/phone"):
        for picture in photographs.rglob("*.png"):
            target = tmp_path / place / picture.relative_to(photographs)
            target.parent.mkdir(parents=True, exist_ok=True)
            own = Image.open(picture).point(lambda value: value // 3)
            own.save(target.with_suffix(".jpg" if place[0] == "a" else ".png"))
    target, first, second = tmp_path / "r.h5", tmp_path / "a/phone", tmp_path / "b/phone"
    asked = ["robustness", network, photographs, "-o", target, "--perturbed", first,
             "--perturbed", second, "--attack", "none"]  # fmt: skip
    result = iaside(*asked, "--corruption", "fog", "--severity", 2, "--severity", 4)
    assert result.exit_code == 0, result.stderr
    assert "cost: 12 images x (1 corruption x 2 severities + 2 perturbed pictures" in result.stderr
    both = ia.load_robustness(target)
    assert both.perturbations == ["fog", "a-phone", "b-phone"]
    assert both.settings["kinds"]["a-phone"] == "own"
    assert both.run["forward_passes"] == 12 * (1 + 2 + 2)
    plain = ia.measure_robustness(
        network, photographs, corruption="fog", severity=[2, 4], attack=[]
    )
    for one, other in zip(columns(both, "fog"), columns(plain, "fog"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    # The very pixels that the model would see alone, at each severity alike.
    alone = ia.measure_robustness(network, second, corruption="fog", severity=1, attack=[])
    answers = columns(both, "b-phone")
    np.testing.assert_allclose(answers[2], alone.log_prob[:, None].repeat(2, 1), atol=1e-6)
    np.testing.assert_array_equal(answers[0], alone.clean_wrong[:, None].repeat(2, 1))
    # Alone: no corruption is made, and nothing has a severity.
    result = iaside(*asked, "--overwrite", "--json")
    summary = json.loads(result.stdout)
    assert [each["name"] for each in summary["corruptions"]] == ["a-phone", "b-phone"]
    assert summary["severities"] == [1]
    report = ia.load_robustness(target)
    shown = iaside("show", target).stdout
    assert "severit" not in shown.partition("Clean error")[0]
    assert iaside("plot", target, "-o", tmp_path / "r.png").exit_code == 0
    # A baseline must have seen the same pictures.
    assert report.against(report).mce.value == pytest.approx(1, nan_ok=True)
    other = replace(report, settings={**report.settings, "pairs": {}})
    with pytest.raises(ReportError, match=r"other perturbed pictures \(a-phone, b-phone\)"):
        report.against(other)
    picture = second / "class0" / "0.png"
    Image.open(picture).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(picture)
    refused = iaside(*asked, "--resume")
    assert refused.exit_code == 2
    assert "was made with pairs" in refused.stderr
    refused = iaside("verify", target, "--redo", 1, "--model", network, "--images", photographs)
    assert "where the perturbed pictures of a-phone, b-phone lie" in refused.stderr


@pytest.fixture
def cifar(tmp_path):
    """Clean arrays, and two corruptions of them as CIFAR-10-C has them."""
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8), np.arange(20) % 4
    folder = tmp_path / "CIFAR-10-C"
    folder.mkdir()
    for name in ("fog", "shot_noise"):
        rows = [corrupted_as_made(image, name, level) for level in range(1, 6) for image in images]
        np.save(folder / f"{name}.npy", np.stack(rows))
    np.save(folder / "labels.npy", np.tile(labels, 5))
    return write_npz(tmp_path / "test.npz", images, labels), folder


def test_cifar_10_c_is_read_as_it_lies(network, cifar, tmp_path):
    clean, folder = cifar
    wanted = {"samples": 8, "severity": [2, 5], "attack": []}
    given = ia.measure_robustness(network, clean, perturbed=folder, **wanted)
    assert given.perturbations == ["shot_noise", "fog"]
    made = ia.measure_robustness(network, clean, corruption=["shot_noise", "fog"], **wanted)
    np.testing.assert_allclose(given.change, made.change, atol=0.02)
    single = ia.measure_robustness(network, clean, perturbed=folder / "fog.npy", **wanted)
    for one, other in zip(columns(single, "fog"), columns(given, "fog"), strict=True):
        np.testing.assert_array_equal(one, other)
    # Killed and resumed, and in shards: the same.
    target, asked = tmp_path / "r.h5", {"perturbed": str(folder), "attack": []}
    whole = ia.measure_robustness(network, clean, **asked)
    assert dies(
        "measure_robustness", network, clean, target, after=25, pause=0.002, batch=1, **asked
    )
    assert not target.exists()
    resumed = ia.measure_robustness(network, clean, target, resume=True, **asked)
    assert resumed.run["resumed_after"] > 0
    parts = [
        ia.measure_robustness(network, clean, shard=f"{number}/2", **asked) for number in (1, 2)
    ]
    for other in (resumed, ia.merge(parts)):
        for name in ROW:
            np.testing.assert_allclose(getattr(other, name), getattr(whole, name), atol=1e-6)
    # Others, and those of a set that is shifted by one image, which are the clean ones renamed.
    for others in (np.arange(20) // 5, np.roll(np.arange(20) % 4, 1)):
        np.save(folder / "labels.npy", np.tile(others, 5))
        with pytest.raises(IasideError, match=r"labels\.npy: its labels are not those of"):
            ia.measure_robustness(network, clean, perturbed=folder, **wanted)
    np.save(folder / "labels.npy", np.zeros(500, int))
    with pytest.raises(IasideError, match=r"has 500 labels, and .* 20 images"):
        ia.measure_robustness(network, clean, perturbed=folder, **wanted)


def test_what_cannot_stand_in_the_table_is_refused(network, photographs, tmp_path, iaside):
    root = imagenet_c(photographs, tmp_path / "c", ["fog", "frost"], [2])
    shutil.copytree(root / "fog" / "2", root / "fog" / "4")

    def refusal(*options):
        result = iaside("robustness", network, photographs, "-o", tmp_path / "r.h5", *options)
        assert result.exit_code == 2
        assert not (tmp_path / "r.h5").exists()
        return result.stderr

    assert "fog: has severities 2, 4, " in (said := refusal("--perturbed", root))
    assert "frost others; choose what all have with --severity" in said
    assert "frost: has severities 2, not 4;" in refusal("--perturbed", root, "--severity", 4)
    said = refusal("--perturbed", root, "--severity", 2, "--corruption", "snow")
    assert "holds frost, fog; choose one of these" in said
    shutil.rmtree(root / "frost" / "2" / "class1")
    said = refusal("--perturbed", root, "--severity", 2)
    assert "frost/2: has no picture for class1/0.png" in said
    assert "severity" in refusal("--perturbed", photographs, "--severity", 2)
    copy = tmp_path / "fog"
    shutil.copytree(photographs, copy)
    said = refusal("--perturbed", copy, "--corruption", "fog")
    assert "two perturbations are called fog" in said
    assert "no such file" in refusal("--perturbed", tmp_path / "gone")


def test_clean_pictures_in_place_of_perturbed_ones_are_noticed(network, photographs):
    report = ia.measure_robustness(network, photographs, perturbed=photographs)
    np.testing.assert_allclose(report.change, 0, atol=1e-6)
    assert any("are the clean ones, pixel by pixel" in line for line in report.run["warnings"])
