"""One set of rules for what a header may say, whichever reader meets it."""

from __future__ import annotations

import json
import shutil

import h5py
import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import ReportError
from iaside_onnx.storage.seal import seal

from .conftest import ROOT

DATA = ROOT / "tests" / "data"
LOAD = {
    "analysis-v1": ia.load,
    "robustness-v1": ia.load_robustness,
    "heatmap-v1": ia.load_heatmap,
    "snr-v1": ia.load_snr,
}
WRONG = {
    ("model", "sha256"): ["x", "A" * 64, 3, None],
    ("model", "path"): ["p" * 5000, 3],
    ("data", "digest"): ["not a digest", ["0" * 64]],
    ("data", "samples"): [999, 0, -1, True, 2.0, 1 << 70],
    ("data", "source"): [None, "s" * 5000],
    ("run", "seconds"): [-1, "long", None],
    ("run", "warnings"): ["one", [1]],
    ("settings", "seed"): [-1, 1.5, 1 << 300],
    ("settings", "confidence"): [0, 1, 2.0, "high"],
    ("settings", "norm"): ["l7", 3],
    ("settings", "draws"): ["", 3],
    ("settings", "label_offset"): [0.5, 1 << 40],
    ("settings", "size"): [[8], [0, 8], 8],
    ("settings", "floor"): [0, 2, "low"],
    ("run", "shard"): [1, {"numbers": [3], "of": 2, "images": 12, "digest": "0" * 64}],
    ("created",): ["yesterday", "2026-01-01T00:00:00", 3, ""],
    ("iaside_version",): ["", "v" * 100, "<b>"],
}
CASES = [
    (kind, place, value)
    for kind in LOAD
    for place, values in WRONG.items()
    for value in values
    if not (kind == "snr-v1" and place[0] == "model")  # such files have none
]


def altered(kind, target, place, value):
    """A golden file with one value of its header replaced, sealed again."""
    shutil.copy(DATA / f"{kind}.h5", target)
    with h5py.File(target, "r+") as file:
        if kind == "analysis-v1":
            name, *inner = place
            held = file.attrs[name]
            if inner:
                held = json.loads(held)
                held[inner[0]] = value
                held = json.dumps(held)
            else:
                held = value
            file.attrs[name] = held
        else:
            header = json.loads(file["header"][()].tobytes())
            held = header
            for step in place[:-1]:
                held = held[step]
            held[place[-1]] = value
            del file["header"]
            stored = np.frombuffer(json.dumps(header).encode(), np.uint8)
            file.create_dataset("header", data=stored, chunks=stored.shape, fletcher32=True)
    seal(target)
    return target


@pytest.mark.parametrize(("kind", "place", "value"), CASES)
def test_no_reader_takes_what_another_refuses(tmp_path, kind, place, value):
    with pytest.raises(ReportError, match=r"file\.h5"):
        LOAD[kind](altered(kind, tmp_path / "file.h5", place, value))


@pytest.mark.parametrize("kind", LOAD)
def test_a_header_written_anew_is_taken(tmp_path, kind):
    LOAD[kind](altered(kind, tmp_path / "file.h5", ("created",), "2026-02-03T04:05:06+00:00"))


def stored_anew(kind, target, name, values):
    shutil.copy(DATA / f"{kind}.h5", target)
    with h5py.File(target, "r+") as file:
        place = name if name in file else f"game/{name}"
        held = file[place][()]
        del file[place]
        file.create_dataset(place, data=values(held))
    seal(target)
    return target


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("image_ids", lambda held: np.array([b"\xff"] * len(held)), "utf-8"),
        ("labels", lambda held: held + 1000, "outside the 12 classes"),
        ("predicted", lambda held: held - 1000, "outside the 12 classes"),
        ("labels", lambda held: held[1:], "do not match"),
        ("labels", lambda held: held.astype(np.int32), "not of type int64"),
    ],
)
@pytest.mark.parametrize("kind", LOAD)
def test_no_reader_takes_arrays_that_another_refuses(tmp_path, kind, name, values, words):
    if kind == "snr-v1" and name != "image_ids":
        pytest.skip("such files have no labels")
    with pytest.raises(ReportError, match=words):
        LOAD[kind](stored_anew(kind, tmp_path / "file.h5", name, values))
