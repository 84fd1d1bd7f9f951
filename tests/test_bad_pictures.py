"""Pictures and arrays that cannot or must not be decoded, and what --skip-bad makes of them."""

from __future__ import annotations

import importlib.util
import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import h5py
import numpy as np
import pytest
from numpy.lib import format as npy
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError, PictureError, ReportError
from iaside_onnx.images.pictures import MAX_PIXELS, decode
from iaside_onnx.images.sample import open_images, picture_oddities
from iaside_onnx.listener import Listener

from . import graphs
from .conftest import write_npz
from .sets import samples, write_parquet, write_tar

FORMATS = {"jpg": "JPEG", "png": "PNG", "bmp": "BMP", "webp": "WEBP", "tif": "TIFF", "gif": "GIF"}


def black(width, height):
    """A true PNG, one bit a pixel: 25 kB hold 200 megapixels."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + -(-width // 8)) * height))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def picture(ending="png", **options):
    stream = io.BytesIO()
    colours = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(colours).save(stream, FORMATS[ending], **options)
    return stream.getvalue()


@pytest.mark.parametrize("megapixels", [200, 130, 121, 400])
def test_a_picture_bomb_is_refused_in_one_line_before_it_is_decoded(
    iaside, tmp_path, capfd, megapixels
):
    bomb = black(megapixels * 100, 10_000)
    assert len(bomb) < 100_000
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "bomb.png").write_bytes(bomb)
    forms = {
        folder: "a/bomb.png",
        write_tar(tmp_path / "x.tar", samples([bomb], [0])): "x.tar: 0000.png",
    }
    if importlib.util.find_spec("pyarrow"):
        forms[write_parquet(tmp_path / "x.parquet", [bomb], [0])] = "x.parquet: row 0"
    model = graphs.small_network(tmp_path / "m.onnx")
    for path, name in forms.items():
        result = iaside("analyze", model, path, "-o", tmp_path / "r.h5", "--quiet")
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith("Error: ")
        assert name in line
        assert "megapixels" in line
        assert "--skip-bad" in line
    assert capfd.readouterr().err == ""


def test_the_largest_picture_allowed():
    width = 12_000
    found = decode(black(width, MAX_PIXELS // width), "x")
    assert found.size == (width, MAX_PIXELS // width)
    with pytest.raises(PictureError, match="120 megapixels, the most are 120"):
        decode(black(width, MAX_PIXELS // width + 1), "x")


@pytest.mark.parametrize("ending", FORMATS)
def test_damaged_pictures_raise_nothing_but_picture_errors(ending):
    whole = picture(ending)
    assert decode(whole, "x").size == (30, 20)
    rng = np.random.default_rng(4)
    for _ in range(300):
        content = bytearray(whole)
        for place in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[place] = rng.integers(256)
        try:
            found = decode(bytes(content[: rng.integers(1, len(whole) + 1)]), "x")
            picture_oddities(found)
        except PictureError as error:
            assert "0x" not in error.reason  # noqa: PT017 (addresses would make reports differ)
    with pytest.raises(PictureError, match="not a picture of a known format"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "x")


def test_metadata_in_disorder_are_no_rotation():
    disordered = picture("jpg", exif=b"Exif\0\0no metadata at all")
    assert not any(picture_oddities(decode(disordered, "x")))


def npz(path, shape, content, *, name="images", compression=zipfile.ZIP_DEFLATED, kind=np.uint8):
    """An array file whose header claims `shape` whatever `content` it has."""
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header, {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    )
    np.savez(path, **{"labels" if name == "images" else "images": np.zeros(2, np.int64)})
    with zipfile.ZipFile(path, "a", compression) as archive:
        archive.writestr(f"{name}.npy", header.getvalue() + content)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("shape", [(1 << 40, 8, 8, 3), (1 << 62, 1 << 62, 8, 3), (-2, 8, 8, 3)])
def test_npz_with_absurd_shapes(tmp_path, shape, compression):
    path = npz(tmp_path / "x.npz", shape, bytes(600), compression=compression)
    assert path.stat().st_size < 3000
    with pytest.raises(DataError, match=r"declares .* bytes but holds 600|cannot be read"):
        open_images(path)
    with pytest.raises(DataError, match=r"declares .* bytes but holds 8|cannot be read"):
        open_images(npz(path, shape[:1], bytes(8), name="labels", kind=np.int64))


def test_npz_that_would_unpack_to_more_than_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("iaside_onnx.images.arrays.MAX_UNPACKED", 1 << 22)
    images = np.zeros((100, 128, 128, 3), np.uint8)
    path = tmp_path / "x.npz"
    np.savez_compressed(path, images=images, labels=np.zeros(100, np.int64))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"unpacks to 4,915,200 bytes .*numpy\.savez"):
        open_images(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    np.savez(path, images=images, labels=np.zeros(100, np.int64))
    tracemalloc.reset_peak()
    assert open_images(path).picture(99).shape == (128, 128, 3)
    assert tracemalloc.get_traced_memory()[1] < 3 << 20
    tracemalloc.stop()


def test_npz_in_place_is_the_array_itself(tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    plain = write_npz(tmp_path / "a.npz", images, [0, 1, 2, 3])
    other_order = write_npz(tmp_path / "b.npz", np.asfortranarray(images), [0, 1, 2, 3])
    np.savez_compressed(tmp_path / "c.npz", images=images, labels=np.arange(4))
    for path in (plain, other_order, tmp_path / "c.npz"):
        source = open_images(path)
        for number, image in enumerate(images):
            np.testing.assert_array_equal(source.picture(number), image)
            assert source.content(number) == image.tobytes()
    damaged = bytearray(plain.read_bytes())
    damaged[damaged.index(images[2].tobytes()) + 5] ^= 1
    plain.write_bytes(damaged)
    with pytest.raises(DataError, match="CRC"):
        open_images(plain)


def test_hdf5_with_absurd_shapes_is_read_lazily_or_refused(tmp_path):
    def made(shape, chunks, count=None):
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("images", shape, "u1", chunks=chunks)
            labels = (shape[0] if count is None else count,)
            file.create_dataset("labels", labels, "i8", chunks=(min(1024, labels[0]),))
        assert path.stat().st_size < 20_000
        return path

    tracemalloc.start()
    for shape, chunks, message in (
        ((1 << 40, 8, 8, 3), (1, 8, 8, 3), "images, the most are 16,777,216"),
        ((4, 1 << 20, 1 << 20, 3), (1, 8, 8, 3), "claims 13,194,139,533,312 values"),
        ((1024, 8000, 8000, 3), (4, 8000, 8000, 3), "chunks of 768,000,000 bytes"),
        ((100_000, 4000, 4000, 3), (1, 64, 64, 3), "claims 4,800,000,000,000 values"),
    ):
        with pytest.raises(DataError, match=message):
            open_images(made(shape, chunks))
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_values_that_are_not_finite_are_one_bad_picture(tmp_path):
    images = np.full((3, 8, 8, 3), 0.5, np.float32)
    images[1, 0, 0, 0] = np.nan
    source = open_images(write_npz(tmp_path / "x.npz", images, [0, 1, 2]))
    with pytest.raises(PictureError, match=r"image 00000001: .*not finite"):
        source.picture(1)
    assert source.picture(2).shape == (8, 8, 3)


def damage(root):
    """Three pictures of a class folder made unreadable, each in its own way."""
    (root / "class0" / "1.png").write_bytes(b"no picture")
    whole = (root / "class2" / "0.png").read_bytes()
    (root / "class2" / "0.png").write_bytes(whole[: len(whole) // 2])
    (root / "class3" / "2.png").write_bytes(black(20_000, 10_000))
    return ["class0/1.png", "class2/0.png", "class3/2.png"]


def test_skip_bad_leaves_out_names_and_reports(iaside, tmp_path, photographs):
    model = graphs.small_network(tmp_path / "m.onnx")
    bad = damage(photographs)
    target = tmp_path / "r.h5"
    settings = ("--bands", 3, "--absence", "mean", "--json")
    refused = iaside("analyze", model, photographs, "-o", target, *settings)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "class0/1.png: cannot be read" in refused.stderr
    made = iaside("analyze", model, photographs, "-o", target, *settings, "--skip-bad")
    found = json.loads(made.stdout)
    assert [item["id"] for item in found["data"]["skipped"]] == bad
    reasons = [item["reason"] for item in found["data"]["skipped"]]
    assert reasons[0] == "not a picture of a known format"
    assert reasons[2] == "more than 120 megapixels; shrink it"
    assert found["data"]["samples"] == 9
    assert str(tmp_path) not in json.dumps(found)
    assert "Warning: 3 of 12 pictures cannot be read and are left out, the first is" in made.stderr
    assert json.loads(iaside("show", target, "--json").stdout)["data"] == found["data"]
    assert "3 of 12 pictures" in iaside("show", target).stdout
    for name in bad:
        (photographs / name).unlink()
    clean = iaside("analyze", model, photographs, "-o", tmp_path / "clean.h5", *settings)
    clean = json.loads(clean.stdout)
    assert clean["data"]["digest"] == found["data"]["digest"]
    assert clean["data"]["skipped"] == []
    np.testing.assert_array_equal(ia.load(target).log_prob, ia.load(tmp_path / "clean.h5").log_prob)


def test_what_is_skipped_depends_on_sample_and_seed_alone(tmp_path, photographs):
    model = graphs.small_network(tmp_path / "m.onnx")
    whole = ia.analyze(model, photographs, bands=2, samples=8, seed=5)
    bad = damage(photographs)
    reports = [
        ia.analyze(model, photographs, bands=2, samples=8, seed=5, skip_bad=True, **how)
        for how in ({"batch": 1}, {"batch": 7, "threads": 1}, {})
    ]
    for report in reports:
        assert report.image_ids == [name for name in whole.image_ids if name not in bad]
        assert report.data == reports[0].data
        np.testing.assert_allclose(report.log_prob, reports[0].log_prob, atol=1e-5)
    drawn_bad = [name for name in whole.image_ids if name in bad]
    assert [item["id"] for item in reports[0].data["skipped"]] == drawn_bad
    assert drawn_bad


def test_an_interrupted_run_with_bad_pictures_resumes(tmp_path, photographs):
    model = graphs.small_network(tmp_path / "m.onnx")
    bad = damage(photographs)
    settings = {"bands": 4, "batch": 4, "skip_bad": True}
    whole = ia.analyze(model, photographs, tmp_path / "whole.h5", **settings)

    passed = []

    def stop(passes):
        passed.append(passes)
        if sum(passed) > 70:
            raise KeyboardInterrupt

    target = tmp_path / "r.h5"
    with pytest.raises(KeyboardInterrupt):
        ia.analyze(model, photographs, target, listener=Listener(advance=stop), **settings)
    assert not target.exists()
    report = ia.analyze(model, photographs, target, resume=True, **settings)
    assert report.run["resumed_after"] > 0
    np.testing.assert_array_equal(report.log_prob, whole.log_prob)
    assert report.data == whole.data
    good = (photographs / "class0" / "0.png").read_bytes()
    (photographs / bad[0]).write_bytes(good)
    with pytest.raises(ReportError, match="other images"):
        ia.analyze(model, photographs, target, resume=True, **settings)


def test_more_bad_pictures_than_good_ones_are_an_error(iaside, tmp_path):
    model = graphs.small_network(tmp_path / "m.onnx")
    path = write_tar(tmp_path / "y.tar", samples([b"bad", b"bad", picture()], [0, 1, 2]))
    refused = iaside("analyze", model, path, "-o", tmp_path / "s.h5", "--skip-bad")
    assert refused.exit_code == 2
    assert "2 of 3 pictures cannot be read, too many" in refused.stderr
    assert "y.tar/0000.png (not a picture" in refused.stderr
    assert not list(tmp_path.glob("s.h5*"))


def test_a_long_list_of_bad_pictures_fits_a_report(tmp_path, photographs):
    report = ia.analyze(graphs.small_network(tmp_path / "m.onnx"), photographs, bands=2)
    skipped = [{"id": f"x/{number}.png", "reason": "é" * 200} for number in range(3000)]
    long = replace(report, data={**report.data, "skipped": skipped})
    long.save(tmp_path / "r.h5")
    assert ia.load(tmp_path / "r.h5").data == long.data
