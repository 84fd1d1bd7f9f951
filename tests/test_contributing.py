"""What CONTRIBUTING.md shows is run: each of its examples, and its one test."""

from __future__ import annotations

import re
import shlex
from unittest import mock

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.bundled import MODEL, PHOTOS
from iaside_onnx.corruptions.severity import CATALOGUE
from iaside_onnx.inference.providers import PROVIDERS
from iaside_onnx.mathematics.absence import ABSENCES

from .conftest import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLE = re.compile(r"^\*\*An? ([a-z ]+)\*\*(?:(?!```).)*```python\n(.*?)```", re.M | re.S)
EXAMPLES = dict(EXAMPLE.findall(TEXT))


@pytest.fixture
def made(request):
    """The names that an example makes; what it registered is gone after the test."""
    names = {"__name__": "example"}
    with mock.patch.dict(ABSENCES), mock.patch.dict(CATALOGUE), mock.patch.dict(PROVIDERS):
        exec(compile(EXAMPLES[request.param], request.param, "exec", dont_inherit=True), names)
        yield names
    assert not {"grey", "posterise", "cann"} & {*ABSENCES, *CATALOGUE, *PROVIDERS}


def test_every_python_of_the_page_is_an_example():
    assert list(EXAMPLES) == ["absence scheme", "corruption", "provider", "measurement"]
    assert TEXT.count("```python") == len(EXAMPLES)


@pytest.mark.parametrize("made", ["absence scheme"], indirect=True)
def test_an_absence_scheme_is_measured_with(made):
    report = made["report"]
    assert report.settings["absence"] == "grey"
    black = ia.analyze(MODEL, PHOTOS, absence="zero", bands=3, samples=4)
    # Nothing is absent from the grand coalition, the last.
    np.testing.assert_allclose(report.log_prob[:, -1], black.log_prob[:, -1], atol=1e-4)
    assert np.abs(report.log_prob[:, 0] - black.log_prob[:, 0]).max() > 0.01


@pytest.mark.parametrize("made", ["corruption"], indirect=True)
def test_a_corruption_is_asked_for_by_its_name(made):
    # At 80 pixels, between those of 4 and 2 levels at 32 and 224: a count is rounded.
    assert np.unique(made["image"]).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("made", ["provider"], indirect=True)
def test_a_provider_is_listed_with_what_brings_it(made, iaside):
    (fact,) = (each for each in made["facts"] if each["name"] == "cann")
    if fact["active"]:
        pytest.skip("this onnxruntime has the provider of the example")
    assert "onnxruntime-cann" in fact["why"]
    assert "cann" in iaside("inspect", "--providers").stdout


@pytest.mark.parametrize("made", ["measurement"], indirect=True)
def test_a_measurement_fills_a_row_an_image(made):
    session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])

    def answer(pixels):
        logits = session.run(None, {session.get_inputs()[0].name: pixels[None]})[0][0]
        powers = np.exp(logits - logits.max())
        return powers / powers.sum()

    report = made["report"]
    assert report.change.shape == (4,)
    for name, change in zip(report.image_ids, report.change, strict=True):
        with Image.open(PHOTOS / name) as picture:
            pixels = np.float32(picture.convert("RGB")).transpose(2, 0, 1) / 255
        moved = np.abs(answer(pixels[:, :, ::-1].copy()) - answer(pixels.copy())).sum()
        assert change == pytest.approx(moved, abs=1e-4)


def test_the_one_test_that_is_shown_is_there():
    (line,) = re.findall(r"^\.venv/bin/pytest (.*)$", TEXT, re.M)
    _, _, file, _, name = shlex.split(line, comments=True)
    assert re.search(rf"^def test_\w*{name}", (ROOT / file).read_text(), re.M)
