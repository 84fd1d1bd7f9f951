"""Models and images that are objects: the same reports as from files, and nothing left behind."""

from __future__ import annotations

import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import onnx
import pytest

import iaside_onnx as ia
from iaside_onnx.errors import IasideError

from . import graphs
from .conftest import write_npz
from .dying import dies

OPTIONS = {
    "analyze": {"bands": 3},
    "measure_robustness": {
        "corruption": "fog", "severity": 2, "queries": 5, "epsilon": 0.1, "attack_samples": 2,
    },
    "explain": {"corruption": "fog", "severity": 3, "bands": 3},
    "measure_heatmap": {"grid": 3},
    "measure_stand_ins": {"corruption": "fog", "severity": 2, "placed": True},
    "measure_snr": {"attack": "square-linf", "epsilon": 0.1, "queries": 5, "severity": 3},
}  # fmt: skip


@pytest.fixture
def made(tmp_path, monkeypatch):
    """The folder with a model and arrays, called as reports call objects; temporary files too."""
    images = np.random.default_rng(5).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    graphs.small_network(tmp_path / "in-memory.onnx")
    write_npz(tmp_path / "in-memory.npz", images, np.arange(9) % 4)
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)  # where temporary files lie below
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path


def objects(made):
    arrays = np.load(made / "in-memory.npz")
    return (made / "in-memory.onnx").read_bytes(), (arrays["images"], arrays["labels"].tolist())


def measured(function, model, images, *target, **options):
    call = getattr(ia, function)
    asked = {**OPTIONS[function], **options}
    if function == "measure_snr":
        return call(images, *target, model=model, **asked)
    return call(model, images, *target, **asked)


def check_same(first, second):
    for field in fields(first):
        one, two = getattr(first, field.name), getattr(second, field.name)
        if field.name == "run":
            own = "seconds", "paths"  # objects lie nowhere
            one, two = ({k: v for k, v in each.items() if k not in own} for each in (one, two))
        if field.name != "created":
            np.testing.assert_equal(one, two, field.name)


@pytest.mark.parametrize("function", OPTIONS)
def test_objects_give_the_report_of_files_bit_for_bit(made, function):
    model, images = objects(made)
    from_files = measured(
        function, made / "in-memory.onnx", made / "in-memory.npz", batch=4, threads=1
    )
    for given in (model, onnx.load_model_from_string(model)):
        check_same(from_files, measured(function, given, images, batch=4, threads=1))
    assert list((made / "temporary").iterdir()) == []


def test_one_of_them_may_be_a_file_and_arrays_may_be_of_other_forms(made):
    model, (images, labels) = objects(made)
    plain = measured("analyze", model, (images, labels))
    for given in (
        (np.moveaxis(images, -1, 1), np.array(labels)),
        [images, [f"{label}" for label in labels]],
    ):
        other = measured("analyze", made / "in-memory.onnx", given)
        np.testing.assert_array_equal(other.log_prob, plain.log_prob)
    floats = measured("analyze", model, (images / 255.0, labels))
    np.testing.assert_allclose(floats.mean_log_prob, plain.mean_log_prob, atol=0.3)
    assert measured("analyze", bytearray(model), made / "in-memory.npz").labels.tolist() == labels


def test_what_files_began_objects_go_on_with_and_the_other_way_round(made):
    model, images = objects(made)
    files, target = (made / "in-memory.onnx", made / "in-memory.npz"), made / "r.h5"
    assert dies("analyze", *files, target, after=300, pause=0.002, batch=4, bands=7)
    assert not target.exists()
    resumed = measured("analyze", model, images, target, resume=True, batch=4, bands=7)
    assert resumed.run["resumed_after"] > 0
    plain = measured("analyze", model, images, batch=4, bands=7)
    np.testing.assert_allclose(resumed.log_prob, plain.log_prob, atol=1e-6)
    again = measured("analyze", *files, target, resume=True, bands=7)
    np.testing.assert_array_equal(again.log_prob, resumed.log_prob)


@pytest.mark.parametrize(
    ("model", "images", "words"),
    [
        (None, lambda x, y: (x * 2.0, y), r"in-memory.npz: image 00000000: .*outside \[0, 1\]"),
        (None, lambda x, y: (x[..., 0, 0], y), r"in-memory.npz: images have shape \(9, 16\)"),
        (None, lambda x, y: (x, y[:5]), r"in-memory.npz: labels are int64 \(5,\)"),
        (None, lambda x, _: (x, [None] * 9), "images: the labels are an array of objects"),
        (None, lambda x, _: ([x[0], x[:2]], [1, 2]), "the images are no array"),
        (None, lambda x, _: x, r"images=.*give a path, or arrays \(images, labels\)"),
        (b"no model", None, "^in-memory.onnx: not an ONNX file"),
        (b"", None, "^in-memory.onnx: not an ONNX file"),
        (np.zeros(3), None, "model=.*: give a path, the bytes of a model or an onnx.ModelProto"),
    ],
)
def test_what_cannot_be_used_is_one_line_without_the_folder(made, model, images, words):
    content, (arrays, labels) = objects(made)
    given = (arrays, labels) if images is None else images(arrays, labels)
    with pytest.raises(IasideError, match=words) as caught:
        measured("analyze", content if model is None else model, given)
    assert "temporary" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((made / "temporary").iterdir()) == []


def test_a_graph_without_its_weights_is_refused(made):
    content, images = objects(made)
    model = onnx.load_model_from_string(content)
    onnx.save(model, made / "split.onnx", save_as_external_data=True, size_threshold=0)
    bare = onnx.load(made / "split.onnx", load_external_data=False)
    with pytest.raises(IasideError, match=r"weights .* lie in a file beside it"):
        measured("analyze", bare, images)
    with pytest.raises(IasideError, match=r"^in-memory\.onnx: ") as caught:
        measured("analyze", bare.SerializeToString(), images)
    assert "temporary" not in str(caught.value)
    whole = measured("analyze", onnx.load(made / "split.onnx"), images)
    np.testing.assert_array_equal(whole.log_prob, measured("analyze", content, images).log_prob)


def test_a_temporary_folder_that_cannot_be_made_is_one_line(made, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(made / "gone"))
    with pytest.raises(IasideError, match="make room, or set TMPDIR"):
        measured("analyze", *objects(made))


def test_notes_and_warnings_do_not_name_the_folder(made):
    said = []
    heard = ia.Listener(note=said.append, warn=said.append)
    model, (images, _) = objects(made)
    report = measured("analyze", model, (images, np.zeros(9, int)), listener=heard)
    assert said
    assert heard.warnings == report.run["warnings"]
    assert report.run["warnings"]
    assert not any(str(Path(tempfile.gettempdir())) in line for line in said)
    assert (report.model["path"], report.data["source"]) == ("in-memory.onnx", "in-memory.npz")
