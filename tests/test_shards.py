"""Tar shards and Parquet: the same answers as folders give, bounded memory, hostile files."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import DataError, PictureError, UsageError
from iaside_onnx.images.sample import open_images

from . import graphs
from .conftest import write_npz
from .sets import samples, write_parquet, write_tar

GOOD = io.BytesIO()
Image.new("RGB", (4, 4), (200, 10, 10)).save(GOOD, "png")
PNG = GOOD.getvalue()


def in_every_form(root, tmp_path):
    """The pictures of a class folder as folder, npz, tar shards and Parquet files."""
    folder = open_images(root)
    contents = [folder.content(number) for number in range(len(folder.ids))]
    arrays = np.stack([np.asarray(folder.picture(number)) for number in range(len(folder.ids))])
    labels = folder.labels.tolist()
    shards = tmp_path / "shards"
    shards.mkdir()
    write_tar(shards / "v-0.tar", samples(contents[:7], labels[:7]))
    write_tar(shards / "v-1.tar", samples(contents[7:], labels[7:]))
    tables = tmp_path / "tables"
    tables.mkdir()
    for number, part in enumerate((slice(0, 8), slice(8, None))):
        name = f"validation-{number:05d}-of-00002.parquet"
        write_parquet(tables / name, contents[part], labels[part], names=folder.class_names)
    return {
        "folder": root,
        "npz": write_npz(tmp_path / "a.npz", arrays, labels),
        "tar": write_tar(tmp_path / "all.tar", samples(contents, labels)),
        "tar shards": shards,
        "tar pattern": shards / "v-{0..1}.tar",
        "parquet": write_parquet(tmp_path / "all.parquet", contents, labels, rows=100),
        "parquet shards": tables,
        "parquet pattern": tables / "validation-*.parquet",
    }


def test_one_set_in_every_form_gives_one_value_table(photographs, tmp_path):
    model = graphs.small_network(tmp_path / "m.onnx")
    forms = in_every_form(photographs, tmp_path)
    folder = open_images(photographs)
    reports = {}
    for name, path in forms.items():
        source = open_images(path)
        np.testing.assert_array_equal(source.labels, folder.labels, err_msg=name)
        for number in (11, 0, 5, 4, 11):
            expected = np.asarray(folder.picture(number))
            np.testing.assert_array_equal(np.asarray(source.picture(number)), expected)
        reports[name] = ia.analyze(model, path, bands=3, absence="mean", samples=9)
    for name, report in reports.items():
        np.testing.assert_array_equal(report.log_prob, reports["folder"].log_prob, err_msg=name)
    assert reports["tar shards"].image_ids[-1].startswith("v-1.tar/000")
    assert reports["parquet shards"].class_names == folder.class_names
    for one, other in (("tar shards", "tar pattern"), ("parquet shards", "parquet pattern")):
        assert reports[one].data["digest"] == reports[other].data["digest"]


def test_labels_beside_pictures(tmp_path):
    members = [
        ("./", b""),
        ("README", b"text"),
        ("._a.jpg", b"left by a desktop"),
        ("./d/a.b.txt", b"of the sample, not used"),
        ("./d/a.PNG", PNG),
        ("./d/a.json", b'{"label": 3, "cls": 3, "caption": "x"}'),
        ("d/b.json", b'{"caption": "the cls member counts"}'),
        ("d/b.cls", b" 12\n"),
        ("d/b.jpeg", PNG),
        ("c.png", PNG),
        ("c.json", b'{"cls": -1}'),
        ("info.json", b'{"about": "the set"}'),
    ]
    folder = tarfile.TarInfo("./")
    folder.type = tarfile.DIRTYPE
    source = open_images(write_tar(tmp_path / "x.tar", [(folder, b""), *members[1:]]))
    assert source.ids == ["x.tar/d/a.PNG", "x.tar/d/b.jpeg", "x.tar/c.png"]
    assert source.labels.tolist() == [3, 12, -1]
    assert source.class_names is None


def special(kind, name="0.png", link="a", size=0):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return [(info, b"")]


def pax(**headers):
    info = tarfile.TarInfo("0.png")
    info.pax_headers, info.size = headers, len(PNG)
    return [(info, PNG), ("0.cls", b"1")]


def deep(text):
    return [("0.png", PNG), ("0.json", text)]


HOSTILE = {
    "absolute": ([("/etc/0.png", PNG)], "relative name"),
    "climbing": ([("a/../../0.png", PNG)], "relative name"),
    "backslash": ([("a\\..\\..\\0.png", PNG)], "relative name"),
    "absolute in pax": (pax(path="/etc/passwd.png"), "relative name"),
    "endless name": ([("a/" * 600 + "0.png", PNG)], "relative name"),
    "huge header": ([(("b" * 100_000) + ".png", PNG)], "header claims"),
    "symlink": (special(tarfile.SYMTYPE), "is a link"),
    "hard link": (special(tarfile.LNKTYPE), "is a link"),
    "device": (special(tarfile.CHRTYPE), "device"),
    "pipe": (special(tarfile.FIFOTYPE), "device"),
    "sparse in pax": (pax(**{"GNU.sparse.map": "0,9", "GNU.sparse.size": "9"}), "sparse"),
    "sparse": (special(tarfile.GNUTYPE_SPARSE), "sparse"),
    "huge size": (special(tarfile.REGTYPE, size=1 << 50), "truncated"),
    "huge size in pax": (pax(size=str(1 << 70)), "truncated"),
    "negative size in pax": (pax(size="-4096"), "cannot be read"),
    "twice in a row": ([("0.png", PNG), ("0.png", PNG), ("0.cls", b"1")], "twice"),
    "twice": (samples([PNG, PNG], [0, 1]) + samples([PNG], [0]), "two pictures of one name"),
    "two pictures": ([("0.png", PNG), ("0.jpg", PNG), ("0.cls", b"1")], "several pictures"),
    "no label": ([("0.png", PNG)], "no label next to it"),
    "labels apart": ([("0.png", PNG), ("1.png", PNG), ("0.cls", b"1")], "no label next to it"),
    "no picture": ([("0.npy", PNG), ("0.cls", b"1")], "no picture next to it"),
    "nothing": ([], "holds no pictures"),
    "other things": ([("a.0.png", PNG), ("a.0.cls", b"1")], "KEY has no dot"),
    "label is a name": ([("0.png", PNG), ("0.cls", b"cat")], "'cat' is not a class number"),
    "label is endless": ([("0.png", PNG), ("0.cls", b"1" * 99)], "too long"),
    "label is a fraction": (deep(b'{"label": 1.5}'), "not a class number"),
    "label is true": (deep(b'{"label": true}'), "not a class number"),
    "label is astronomic": (deep(b'{"label": %d}' % 10**30), "not a class number"),
    "labels differ": (deep(b'{"label": 1, "cls": 2}'), "differ"),
    "json without label": (deep(b'{"caption": "x"}'), "no label next to it"),
    "json is a list": (deep(b"[1]"), "no label next to it"),
    "no json": (deep(b"{"), "not valid JSON"),
    "bottomless json": (deep(b"[" * 500_000), "not valid JSON"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tars_are_one_line_each(tmp_path, name):
    members, message = HOSTILE[name]
    path = write_tar(tmp_path / "x.tar", members)
    with pytest.raises(DataError, match=message) as caught:
        open_images(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert [file.name for file in tmp_path.iterdir()] == ["x.tar"]


def test_a_tar_cut_anywhere_or_damaged_is_noticed(tmp_path):
    path = write_tar(tmp_path / "x.tar", samples([PNG] * 3, [0, 1, 2]))
    whole = path.read_bytes()
    used = len(whole.rstrip(b"\0"))
    for end in (0, 100, 512, 700, 1024, 1536, 2048, 2500, used, used + 100):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"truncated|cannot be read"):
            open_images(path)
    for place in (3, 130, 1024 + 3, 2048 + 150):
        path.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        with pytest.raises(DataError, match=r"damaged|cannot be read"):
            open_images(path)
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match=r"is compressed.*gunzip"):
        open_images(path)
    with pytest.raises(DataError, match="is compressed"):
        open_images(path.rename(tmp_path / "x.tar.gz"))


def test_a_shard_that_shrinks_after_indexing(tmp_path):
    path = write_tar(tmp_path / "x.tar", samples([PNG], [0]))
    source = open_images(path)
    path.write_bytes(path.read_bytes()[:550])
    with pytest.raises(PictureError, match=r"x.tar: 0000.png: .*become shorter"):
        source.picture(0)


@pytest.mark.parametrize(
    ("names", "pattern", "message"),
    [
        (["train-0.tar", "val-0.tar"], "", r"2 sets \(train-\*.tar, val-\*.tar\).*train-\*.tar"),
        (["a.tar", "a.parquet"], "", "2 sets"),
        (["t-00000-of-00003.parquet", "t-00002-of-00003.parquet"], "", "2 of the 3 shards"),
        (["a-0.tar"], "a-{0..1}.tar", "a-1.tar, but there is no such file"),
        (["a-0.tar"], "b-*.tar", "no such file"),
        (["a-0.tar"], "a-{0..999999999}.tar", "less than"),
        (["a-0.tar"], "a-{1..0}.tar", "upwards"),
        (["a-0.tar"], "a{00..99}{00..99}{00..99}.tar", "1,000,000 files"),
        (["a-0.tar"], "a-{0,0}.tar", "more than once"),
        (["a-0.tar", "a-0.npz"], "a-0.*", "are read from"),
        (["a-0.npz", "a-1.npz"], "a-*.npz", "are read from"),
        ([], "", "labels=FILE"),
        (["a.zip"], "a.zip", "are read from"),
    ],
)
def test_sets_that_are_not_clear_are_not_guessed(tmp_path, names, pattern, message):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match=message):
        open_images(tmp_path / pattern)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_not_text(tmp_path):
    folder = tmp_path / "folder" / "class"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"\xff.png")).write_bytes(PNG)
    shard = write_tar(tmp_path / os.fsdecode(b"\xff.tar"), samples([PNG], [0]))
    for path in (folder.parent, shard, tmp_path / "*.tar"):
        with pytest.raises(DataError, match="is not UTF-8"):
            open_images(path)


def test_patterns(tmp_path):
    for number in (8, 9, 10, 11):
        write_tar(tmp_path / f"v-{number:03d}.tar", samples([PNG], [number]))
    for pattern, labels in {
        "v-{008..010}.tar": [8, 9, 10],
        "v-{011,009}.tar": [11, 9],
        "v-01?.tar": [10, 11],
        "v-0{08,1*}.tar": [8, 10, 11],
        "": [8, 9, 10, 11],
    }.items():
        assert open_images(tmp_path / pattern).labels.tolist() == labels
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "a.png").write_bytes(PNG)
    assert open_images(tmp_path).ids == ["class/a.png"]


def test_parquet_columns(tmp_path):
    odd = write_parquet(tmp_path / "a.parquet", [PNG], [4], image="img", label="fine_label")
    with pytest.raises(DataError, match=r"'fine_label'; name the right one with label_column$"):
        open_images(odd)
    assert open_images(odd, label_column="fine_label").labels.tolist() == [4]
    with pytest.raises(DataError, match=r"one column 'picture'.*image_column"):
        open_images(odd, image_column="picture", label_column="fine_label")
    with pytest.raises(DataError, match=r"'img' is struct.*integers or text needed.*label_column"):
        open_images(odd, label_column="img")
    with pytest.raises(DataError, match="binary, or a struct"):
        open_images(odd, image_column="fine_label", label_column="fine_label")
    text = write_parquet(tmp_path / "b.parquet", [PNG], ["cat"])
    assert (open_images(text).class_names, open_images(text).naming) == (["cat"], "words")
    holes = write_parquet(tmp_path / "c.parquet", [PNG, PNG], [1, None])
    with pytest.raises(DataError, match="without a label"):
        open_images(holes)
    with pytest.raises(DataError, match="holds no rows"):
        open_images(write_parquet(tmp_path / "d.parquet", [], np.array([], np.int64)))
    write_parquet(tmp_path / "e-0.parquet", [PNG], [1], names=["a", "b"])
    write_parquet(tmp_path / "e-1.parquet", [PNG], [1], names=["b", "a"])
    with pytest.raises(DataError, match=r"differ from e-0\.parquet"):
        open_images(tmp_path / "e-*.parquet")
    with pytest.raises(UsageError, match="go with Parquet"):
        open_images(write_tar(tmp_path / "f.tar", samples([PNG], [0])), image_column="image")


def test_a_plain_binary_column_and_a_path_that_is_not_followed(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    plain = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [PNG, PNG], "label": pa.array([0, 1], pa.uint8())}), plain)
    assert np.asarray(open_images(plain).picture(1)).shape == (4, 4, 3)
    source = open_images(write_parquet(tmp_path / "b.parquet", [PNG, None], [0, 1]))
    with pytest.raises(PictureError, match=r"b.parquet: row 1: .*a path in their place is not"):
        source.picture(1)


def test_a_parquet_bomb_is_refused_by_its_footer(tmp_path, monkeypatch):
    monkeypatch.setattr("iaside_onnx.images.parquet.MAX_BYTES", 1 << 20)
    monkeypatch.setattr("iaside_onnx.images.pictures.MAX_BYTES", 1 << 20)
    bomb = [bytes(4 << 20)]
    path = write_parquet(tmp_path / "x.parquet", bomb, [0], compression="zstd")
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match=r"'image' unpacks to 4,194,\d+ bytes .* no pictures"):
        open_images(path)
    plain = write_parquet(tmp_path / "y.parquet", bomb, [0], compression="none")
    with pytest.raises(PictureError, match=r"y.parquet: row 0: .*4 MB for one picture"):
        open_images(plain).content(0)


def test_damaged_parquet(tmp_path):
    noise = np.random.default_rng(0)
    contents = [noise.bytes(2000) for _ in range(20)]
    path = write_parquet(tmp_path / "x.parquet", contents, range(20), write_page_checksum=True)
    whole = path.read_bytes()
    for end in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"x.parquet: cannot be read as Parquet"):
            open_images(path)
    for place in np.linspace(8, len(whole) - 9, 60).astype(int):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        found = None
        with suppress(DataError):
            source = open_images(path)
            found = [source.content(number) for number in range(20)]
        if found is not None:
            assert found == contents
            np.testing.assert_array_equal(source.labels, np.arange(20))


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"pip install 'iaside-onnx\[parquet\]'"):
        open_images(path)


MEASURE = """
import re, sys
from pathlib import Path
from iaside_onnx.images.sample import open_images
import pyarrow.parquet
peak = lambda: int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) >> 10
for path in map(Path, sys.argv[1:]):
    before = peak()
    source = open_images(path)
    for number in range(0, len(source.ids), 16):
        assert len(source.content(number)) == 98304
    print(path.name, peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read as Linux gives it")
def test_memory_does_not_follow_the_size_of_a_set(tmp_path):
    """Sets of 126 MB, every sixteenth picture read: a few MB, and the pages of a row group."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 256, 3), dtype=np.uint8)
    noise = np.concatenate([noise] * 10)
    contents = [image.tobytes() for image in noise]
    paths = [
        write_tar(tmp_path / "x.tar", samples(contents, [0] * len(contents))),
        write_npz(tmp_path / "x.npz", noise, [0] * len(contents)),
        write_parquet(
            tmp_path / "x.parquet",
            contents,
            [0] * len(contents),
            rows=20,
            use_dictionary=False,
            compression="none",
        ),
    ]
    assert min(path.stat().st_size for path in paths) > 120 << 20
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    grown = dict(line.split() for line in measured.stdout.splitlines())
    assert int(grown["x.tar"]) < 16
    assert int(grown["x.npz"]) < 16
    assert int(grown["x.parquet"]) < 96  # with what the allocator keeps
