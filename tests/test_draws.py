"""What is drawn for an image hangs on its pixels: not on names, containers or order."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError, ReportError
from iaside_onnx.images.fingerprints import pixel_digest
from iaside_onnx.images.pictures import decode

from . import graphs
from .conftest import ROOT, write_npz
from .sets import samples, write_parquet, write_tar
from .small_audits import six_images

# Of rows: those of the pictures in another order, by class and number in it.
BACKWARDS = [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
ANALYSES = [
    {"absence": "gaussian"},
    {"absence": "replace", "temperature": "auto"},
    {"absence": "gaussian", "estimator": "permutation"},
    {"absence": "mean", "estimator": "regression", "bands": 4},
]


@pytest.fixture
def model(tmp_path):
    return graphs.small_network(tmp_path / "m.onnx")


def webp(folder, target):
    """The same pixels as lossless WebP, named so that each class is read backwards, from a table
    that lists the classes backwards too.
    """
    lines = ["file,label"]
    for label in (3, 2, 1, 0):
        for number in (2, 1, 0):
            name = f"k{3 - label}/z{9 - number}.webp"
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            picture = Image.open(folder / f"class{label}" / f"{number}.png")
            picture.save(target / name, lossless=True)
            lines.append(f"{name},{label}")
    table = target.with_suffix(".csv")
    table.write_text("\n".join(lines))
    return {"images": target, "labels": table}


def others(folder, scratch):
    """Other containers of the same pixels, in the order of the folder."""
    files = sorted(folder.rglob("*.png"))
    labels = np.arange(12) // 3
    contents = [file.read_bytes() for file in files]
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    with h5py.File(scratch / "d.h5", "w") as file:
        file["images"], file["labels"] = np.moveaxis(pixels, -1, 1), labels
    yield write_npz(scratch / "d.npz", pixels, labels)
    yield scratch / "d.h5"
    yield write_tar(scratch / "d.tar", samples(contents, labels))
    yield write_parquet(scratch / "d.parquet", contents, labels)


@pytest.mark.parametrize("settings", ANALYSES, ids=lambda held: "-".join(map(str, held.values())))
def test_the_same_pixels_give_the_same_table(tmp_path, model, photographs, settings):
    options = {"bands": 3, "batch": 8, "seed": 4, **settings}
    report = ia.analyze(model, photographs, **options)
    assert report.settings["draws"] == "pixels"
    other = ia.analyze(model, **webp(photographs, tmp_path / "w"), **options)
    np.testing.assert_array_equal(other.log_prob[BACKWARDS], report.log_prob)
    assert set(other.image_ids).isdisjoint(report.image_ids)
    if report.coalitions is not None:
        np.testing.assert_array_equal(other.coalitions[BACKWARDS], report.coalitions)
        assert len({row.tobytes() for row in report.coalitions}) > 1
    if settings == ANALYSES[0]:
        for source in others(photographs, tmp_path):
            again = ia.analyze(model, source, **options)
            np.testing.assert_array_equal(again.log_prob, report.log_prob)
        changed = ia.analyze(model, photographs, **{**options, "seed": 5})
        assert (changed.log_prob != report.log_prob).any(axis=1).all()


def test_the_same_pixels_are_perturbed_alike(tmp_path, model, photographs):
    renamed = webp(photographs, tmp_path / "w")
    options = {"corruption": ["gaussian_noise", "frost"], "severity": [2], "seed": 4, "batch": 8}
    attack = {"queries": 20, "attack_samples": 0, "epsilon": [0.01]}
    one = ia.measure_robustness(model, photographs, **options, **attack)
    other = ia.measure_robustness(model, **renamed, **options, **attack)
    assert one.settings["draws"] == "pixels"
    for name in ("log_prob", "change", "corrupted_log_prob", "attack_change", "attack_queries"):
        np.testing.assert_array_equal(getattr(other, name)[BACKWARDS], getattr(one, name), name)

    one = ia.measure_heatmap(model, photographs, bands=2, seed=4, batch=8)
    other = ia.measure_heatmap(model, **renamed, bands=2, seed=4, batch=8)
    assert one.settings["draws"] == "pixels"
    np.testing.assert_array_equal(other.change[BACKWARDS], one.change)

    del options["batch"]
    attack = {"attack": "square-linf", "model": model, "epsilon": 0.1, "queries": 10}
    one = ia.measure_snr(photographs, bands=2, **options, **attack)
    other = ia.measure_snr(**renamed, bands=2, **options, **attack)
    assert one.settings["draws"] == "pixels"
    np.testing.assert_array_equal(other.noise[:, BACKWARDS], one.noise)


def test_a_partner_has_other_pixels(tmp_path, model):
    images = np.random.default_rng(3).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    images[1:5] = images[0]
    data = write_npz(tmp_path / "d.npz", images, [0, 1, 2, 3, 0, 1])
    report = ia.analyze(model, data, bands=2, absence="replace")
    # With no band each of the five equal images shows the sixth, whatever its label.
    np.testing.assert_array_equal(report.log_prob[0, 0], report.log_prob[4, 0])
    swapped = write_npz(tmp_path / "s.npz", images[[5, 0]], [0, 0])
    shown = ia.analyze(model, swapped, bands=2, absence="replace")
    np.testing.assert_allclose(shown.log_prob[0, 3], report.log_prob[0, 0], atol=1e-5)
    images[:] = images[0]
    with pytest.raises(DataError, match="two different images"):
        ia.analyze(model, write_npz(data, images, np.arange(6) % 4), bands=2, absence="replace")


def test_the_digest_is_of_shape_type_and_values(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    grey = pixels[:, :, :1]
    distinct = [
        pixels, pixels.reshape(8, 6, 3), pixels[::-1], grey, (pixels / 255).astype(np.float32),
    ]  # fmt: skip
    assert len({pixel_digest(array) for array in distinct}) == len(distinct)

    def stored(image, ending, **options):
        path = tmp_path / f"p.{ending}"
        image.save(path, **options)
        return pixel_digest(decode(path.read_bytes(), "p"))

    photograph = Image.fromarray(pixels)
    turned = Image.Exif()
    turned[0x0112] = 6
    for ending, options in (
        ("png", {}), ("bmp", {}), ("webp", {"lossless": True}), ("tiff", {}), ("ppm", {}),
        ("png", {"exif": turned}),  # not applied, as preprocessing does not either
    ):  # fmt: skip
        assert stored(photograph, ending, **options) == pixel_digest(pixels)
    assert stored(Image.fromarray(grey[:, :, 0]), "png") == pixel_digest(grey)
    few = photograph.quantize(8)
    assert stored(few, "png") == pixel_digest(np.asarray(few.convert("RGB")))
    clear = photograph.copy()
    clear.putalpha(7)
    assert stored(clear, "png") == pixel_digest(pixels)
    deep = Image.fromarray(rng.integers(0, 1 << 16, (6, 8)).astype(np.uint16))
    assert stored(deep, "png") == pixel_digest(np.asarray(deep.convert("RGB")))
    zeros = np.zeros((2, 2, 3), np.float32)
    assert pixel_digest(zeros) == pixel_digest(-zeros)


def test_draws_by_name_are_read_and_not_continued(tmp_path, model):
    old = ia.load(ROOT / "tests" / "data" / "report-v1.h5")
    assert old.settings.get("draws", "name") == "name"
    # A report as a run of today would find it, but for the draws.
    data = six_images(tmp_path)
    target = tmp_path / "r.h5"
    report = ia.analyze(model, data, target, bands=3)
    del report.settings["draws"]
    report.save(target, overwrite=True)
    before = target.read_bytes()
    with pytest.raises(ReportError, match=r"draws were made by file name.*overwrite=True"):
        ia.analyze(model, data, target, bands=3, resume=True)
    assert target.read_bytes() == before


def test_renaming_in_the_same_order_changes_nothing(model, photographs):
    before = ia.analyze(model, photographs, bands=2, samples=8, batch=8)
    for folder in sorted(photographs.iterdir()):
        for file in sorted(folder.iterdir()):
            shutil.move(file, folder / f"renamed-{file.name}")
    # In the same order the same images are drawn, and whatever is drawn for them is the same.
    after = ia.analyze(model, photographs, bands=2, samples=8, batch=8)
    np.testing.assert_array_equal(after.log_prob, before.log_prob)
