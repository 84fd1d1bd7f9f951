"""Models that give an embedding: audited by the cosine with the clean one."""

from __future__ import annotations

import json

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.inference.task_embedding import Embedding
from iaside_onnx.mathematics.bands import band_images

from . import graphs
from .conftest import write_npz

SIZE, WAVES = 16, [3, 3, 5, 7]
FEW = {"bands": 4, "norm": "linf", "absence": "zero", "preprocess": "unit"}


@pytest.fixture
def flat(tmp_path):
    """Twelve grey pictures of a few waves of their own, in a folder without classes."""
    rng, folder = np.random.default_rng(0), tmp_path / "flat"
    folder.mkdir()
    for number in range(12):
        waves = sum(rng.uniform(-0.12, 0.12) * graphs.wave(SIZE, cycles) for cycles in (3, 5, 7))
        pixels = np.rint(255 * (0.5 + np.moveaxis(waves, 0, -1)))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:02}.png")
    return folder


def pictures(folder):
    paths = sorted(folder.iterdir())
    return np.stack([np.asarray(Image.open(path), np.float32) for path in paths]) / 255


@pytest.mark.parametrize(("elem_type", "dtype"), [(1, np.float32), (10, np.float16), (11, float)])
def test_the_tail_is_the_cosine(elem_type, dtype):
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(6, 5)) * np.array([[1], [2], [1e-3], [1e3], [0], [1]])).astype(dtype)
    task = Embedding(elem_type, 5).seen(rng.normal(size=(4, 5)))
    references = task.answers(task.readings(rng.normal(size=(6, 5))))
    session = ort.InferenceSession(task.tail())
    (found,) = session.run(None, {"scores": rows[:, :, None], "reference": references})
    exact = rows.astype(float)
    lengths = np.maximum(np.linalg.norm(exact, axis=1), 1e-30)
    assert np.allclose(found[:, 0], (exact * references).sum(axis=1) / lengths, atol=1e-6)
    assert np.allclose(found[:, 0], task.values(rows, references), atol=1e-6)
    # Rounding of directions goes beyond no cosine.
    many = rng.normal(size=(4000, 5)).astype(dtype)
    own = task.answers(task.readings(many))
    (found,) = session.run(None, {"scores": many[:, :, None], "reference": own})
    for values in (found[:, 0], task.values(many, own), task.worth(own, own)):
        assert 1 - 1e-6 < values.min() <= values.max() <= 1


def test_the_nearest_clean_image_is_its_own():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(5, 8))
    task = Embedding(1, 8).seen(clean[:3]).seen(clean[3:])
    own = task.answers(task.readings(clean))
    assert np.allclose(task.bank, own)
    assert task.right(task.readings(clean), own).all()
    swapped = task.readings(clean[::-1])
    margin, wrong = task.margins(swapped, own)
    assert wrong.tolist() == [True, True, False, True, True]
    assert np.array_equal(task.right(swapped, own), ~wrong)
    cosines = own @ own.T
    assert margin[2] == pytest.approx(1 - np.delete(cosines[2], 2).max())
    assert np.allclose(task.change(swapped, own), 1 - np.diag(cosines[::-1]), atol=1e-6)


def test_all_importance_lies_in_the_band_that_is_read(tmp_path, flat):
    model = graphs.embedding_of(tmp_path / "e.onnx", SIZE, [3, 3, 3])
    report = ia.analyze(model, flat, **FEW)
    assert report.format_version == 3
    assert report.settings["task"] == "embedding"
    assert report.settings["value"] == "cosine"
    assert np.allclose(report.value[:, -1], 1, atol=1e-5)
    others = np.delete(report.shapley_per_image, 1, axis=1)
    assert np.abs(others).max() < 1e-3  # of pixels rounded to 8 bits
    model = graphs.embedding_of(tmp_path / "f.onnx", SIZE, [3, 7])
    both = ia.analyze(model, flat, **FEW).shapley
    assert min(both[[1, 3]]) > 50 * np.abs(both[[0, 2]]).max()


@pytest.mark.parametrize("unit", [True, False])
def test_every_value_is_the_cosine_with_the_clean_output(tmp_path, flat, unit):
    """Of a graph that gives no unit length too, which any classifier is."""
    model = graphs.embedding_of(tmp_path / "e.onnx", SIZE, WAVES, unit=unit)
    report = ia.analyze(model, flat, task="embedding", **FEW)
    images = np.moveaxis(pictures(flat), -1, 1)
    session = ort.InferenceSession(model)

    def outputs(batch):
        return session.run(None, {"image": batch.astype(np.float32)})[0].astype(float)

    bands = np.stack([band_images(image, 4) for image in images])
    clean = outputs(images)
    for coalition in range(16):
        present = [band for band in range(4) if coalition >> band & 1]
        rows = outputs(bands[:, present].sum(axis=1))
        cosine = (rows * clean).sum(axis=1)
        cosine /= np.linalg.norm(rows, axis=1) * np.linalg.norm(clean, axis=1)
        assert np.allclose(report.value[:, coalition], cosine, atol=1e-4)


def test_it_is_found_out_and_needs_no_labels(tmp_path, flat, iaside):
    model, target = graphs.embedding_of(tmp_path / "e.onnx", SIZE, WAVES), tmp_path / "r.h5"
    told = iaside("analyze", model, flat, "-o", target, "--bands", 4)
    assert told.exit_code == 0, told.stderr
    assert "task: embedding, since output 'scores' is rows of 5 numbers" in told.stderr
    assert "accuracy 1" not in told.stdout + told.stderr
    assert "task embedding" in told.stdout
    summary = json.loads(iaside("show", target, "--json").stdout)
    assert summary["accuracy"] is None
    assert summary["mean_log_prob"] is None
    assert summary["task"] == "embedding"
    assert summary["settings"]["value"] == "cosine"
    assert summary["mean_value"] == pytest.approx(1)
    assert "classes" not in summary["data"]
    assert "accuracy" not in summary["finding"]
    # The same with the task given, and from folders of classes.
    images = np.rint(pictures(flat) * 255).astype(np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(12) % 3)
    options = {"bands": 4, "seed": 0}
    asked = ia.analyze(model, flat, task="embedding", **options)
    assert np.array_equal(asked.value, ia.load(target).value)
    assert np.array_equal(ia.analyze(model, data, **options).value, asked.value)


def test_shards_make_the_whole_and_an_interrupted_run_goes_on(tmp_path, flat):
    model = graphs.embedding_of(tmp_path / "e.onnx", SIZE, WAVES)
    whole = ia.analyze(model, flat, tmp_path / "whole.h5", **FEW)
    parts = [
        ia.analyze(model, flat, tmp_path / f"{number}.h5", shard=f"{number}/3", **FEW)
        for number in (1, 2, 3)
    ]
    joined = ia.merge(parts)
    assert np.array_equal(joined.value, whole.value)
    assert joined.data["digest"] == whole.data["digest"]
    assert len(parts[0].value) == 4
    again = ia.load(tmp_path / "whole.h5")
    assert np.array_equal(again.value, whole.value)
    assert again.log_prob is None
    assert again.accuracy is None
    assert ia.compare(whole, joined).pairs[0].identical


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": "prob"}, "is valued in cosine"),
        ({"label_offset": 1}, "goes with classes"),
        ({"temperature": 2.0}, "goes with classes"),
        ({"output_kind": "logits", "task": "embedding"}, "goes with classes"),
        ({"labels": "x.csv"}, "goes with classes"),
        ({"task": "dense", "labels": "model"}, "not a map of classes"),
        ({"task": "embeddings"}, "choose one of classes, several-labels, embedding"),
    ],
)
def test_what_goes_with_classes_is_refused_in_one_line(tmp_path, flat, monkeypatch, options, words):
    model = graphs.embedding_of(tmp_path / "e.onnx", SIZE, WAVES)
    monkeypatch.chdir(tmp_path)
    lines = ["file,label", *(f"{path.name},0" for path in flat.iterdir())]
    (tmp_path / "x.csv").write_text("\n".join(lines))
    with pytest.raises(UsageError, match=words) as error:
        ia.analyze(model, flat, **{**FEW, **options})
    assert "\n" not in str(error.value)
