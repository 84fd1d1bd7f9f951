"""A tagger and a segmenter trained and exported in torch, audited from the files that come out."""

from __future__ import annotations

import os
import subprocess

import pytest

import iaside_onnx as ia

from .conftest import ROOT

PHOTOS = ROOT / "iaside_onnx" / "bundled" / "photos"
PYTHON = os.environ.get("IASIDE_EXPORT_PYTORCH")
FEW = {"preprocess": "unit", "bands": 4, "samples": 21}


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


def test_a_tagger(trained):
    report = ia.analyze(trained / "tagger.onnx", PHOTOS, labels=trained / "tags.csv", **FEW)
    assert report.settings["task"] == "several-labels"
    assert report.run["read_before"] == "Sigmoid"
    assert report.summary()["mean_average_precision"] > 0.8
    assert report.precondition.holds
    own = ia.analyze(trained / "tagger.onnx", PHOTOS, labels="model", **FEW)
    assert abs(own.srs_signed - report.srs_signed) < 0.1


def test_a_segmenter(trained):
    report = ia.analyze(trained / "segmenter.onnx", PHOTOS, labels=trained / "masks", **FEW)
    assert report.settings["task"] == "dense"
    assert report.summary()["mean_iou"] > 0.8
    # The masks are of blurred pictures.
    assert report.sid[0] > 0.9
    assert report.precondition.holds
