"""Models of every task trained and exported in torch, audited to the end from the files."""

from __future__ import annotations

import json
import os
import re
import subprocess

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.inference.head_search import known_head
from iaside_onnx.mathematics.boxes import MOST, NUMBERS, matched

from .conftest import ROOT

PHOTOS = ROOT / "iaside_onnx" / "bundled" / "photos"
PYTHON = os.environ.get("IASIDE_EXPORT_PYTORCH")
FEW = {"preprocess": "unit", "bands": 4}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    if not PYTHON:
        pytest.skip("IASIDE_EXPORT_PYTORCH names no Python that has torch")
    target = tmp_path_factory.mktemp("trained")
    script = ROOT / "tests" / "trained_tasks.py"
    command = [PYTHON, str(script), str(PHOTOS), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return target


@pytest.fixture
def audited(trained, iaside, tmp_path):
    """Audits one of the models; gives its measured robustness, and what the screen said."""

    def run(name, images, *options):
        folder = tmp_path / f"answer-{len(list(tmp_path.iterdir()))}"
        words = (trained / f"{name}.onnx", trained / images, "--preprocess", "unit", "--quick")
        done = iaside("audit", *words, *options, "-o", folder)
        assert done.exit_code == 0, done.stderr
        proof = iaside("verify", folder / "index.html", folder)
        assert proof.exit_code == 0, proof.stdout + proof.stderr
        summary = json.loads((folder / "summary.json").read_text())
        assert (summary["data"]["samples"], summary["accuracy"]["right"]) == (31, None)
        assert set(summary["verdict"]) == {"noise", "blur", "weather", "digital"}
        for text in (done.stdout, (folder / "index.html").read_text()):
            # Said only of what there is not, and of the classifiers in what helped others.
            words = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)
            assert set(re.findall(r"(\S+)\s+accuracy", words)) <= {"not", "no", "clean"}
            assert len(re.findall("clean accuracy", words)) == len(re.findall("of networks", words))
        return ia.load(folder / "robustness.h5"), done.stdout

    return run


def test_a_tagger(audited, trained):
    told, said = audited("tagger", "photos", "--labels", trained / "tags.csv")
    assert told.settings["task"] == "several-labels"
    assert told.run["read_before"] == "Sigmoid"
    assert "labels decided right of 31 images" in said
    # Of eight labels about one and a half is there, so that most are right without looking.
    assert told.summary()["clean_error"]["value"] < 0.1
    own, said = audited("tagger", "photos", "--labels", "model")
    assert own.summary()["clean_error"] is None
    assert "labels decided as before of 31 images" in said
    report = ia.analyze(trained / "tagger.onnx", trained / "photos", labels=trained / "tags.csv",
                        **FEW)  # fmt: skip
    assert report.summary()["mean_average_precision"] > 0.8
    assert report.precondition.holds


def test_an_encoder(audited, trained):
    told, said = audited("encoder", "photos")
    assert (told.settings["task"], told.summary()["value"]) == ("embedding", "cosine")
    assert "pictures found again of 31 images" in said
    assert told.summary()["clean_value"]["value"] == pytest.approx(1)
    report = ia.analyze(trained / "encoder.onnx", trained / "photos", **FEW,
                        fit_classes=trained / "trained-on")  # fmt: skip
    assert report.accuracy > 3 / 7


def test_a_segmenter(audited, trained):
    told, said = audited("segmenter", "photos", "--labels", trained / "masks")
    assert told.settings["task"] == "dense"
    assert told.summary()["clean_mean_iou"] > 0.8
    assert "pixels right of 31 images" in said
    own, said = audited("segmenter", "photos", "--labels", "model", "--task", "dense")
    assert "pixels that stay the same of 31 images" in said
    assert own.summary()["clean_error"] is None
    report = ia.analyze(trained / "segmenter.onnx", trained / "photos", labels=trained / "masks",
                        **FEW)  # fmt: skip
    # The masks are of blurred pictures.
    assert report.sid[0] > 0.9
    assert report.precondition.holds


def test_a_detector(audited, trained):
    session = ort.InferenceSession(trained / "detector.onnx", providers=["CPUExecutionProvider"])
    boxes = json.loads((trained / "boxes.json").read_text())
    scenes = [np.asarray(Image.open(trained / "scenes" / name), np.float32) for name in boxes]
    (scores,) = session.run(None, {"image": np.stack(scenes).transpose(0, 3, 1, 2) / 255})
    head = known_head([{"scores": scores[:1]}], form="yolo")
    assert head is not None
    found = head.rows([scores], len(scores)).reshape(-1, MOST, NUMBERS)
    truths = np.zeros_like(found)
    for truth, objects in zip(truths, boxes.values(), strict=True):
        truth[: len(objects)] = [[*corners, 0.25, kind] for *corners, kind in objects]
    matches = [matched(own, truth, 0.25) for own, truth in zip(found, truths, strict=True)]
    shuffled = [matched(own, truth, 0.25) for own, truth in zip(found, truths[1:], strict=False)]
    assert np.mean(matches) > 0.5 > 0.2 > np.mean(shuffled)

    told, said = audited("detector", "scenes")
    settings = told.settings
    assert (settings["task"], settings["head"], told.summary()["value"]) == (
        "other", "yolo", "matched-boxes",
    )  # fmt: skip
    assert "match of the boxes of 31 images" in said
    # Beside other images a graphics card may round an untouched one otherwise.
    assert told.summary()["clean_value"]["value"] == pytest.approx(1, abs=1e-3)
    assert told.summary()["mean_value"]["value"] < 0.9
