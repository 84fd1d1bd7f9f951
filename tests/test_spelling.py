"""How texts of the library name parameters: as Python spells them, or as the command line does."""

from __future__ import annotations

import ast
import json
import pickle
import re

import numpy as np
import pytest

import iaside_onnx as ia
from iaside_onnx import errors
from iaside_onnx.checks import check_choice
from iaside_onnx.errors import InvalidOption, UsageError, again, said
from iaside_onnx.images.sample import Reading, open_images
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.mathematics.signal_noise import Rings
from iaside_onnx.preprocessing.preprocess import load_preprocess
from iaside_onnx.spelling import in_python, on_command_line, option, words

from . import graphs
from .conftest import ROOT

# Options of other tools that the library speaks of.
FOREIGN = {"--dereference", "--hard-dereference", "--upgrade"}
# Rooms that name no option of the command line, whoever reads what they say.
SILENT = (
    "mathematics", "attacks", "corruptions", "images", "preprocessing", "onnx_file", "inference",
    "recipe_search", "storage", "measure",
)  # fmt: skip


def typed(error):
    return on_command_line(said(error))


@pytest.mark.parametrize(
    ("call", "python", "command"),
    [
        (
            lambda _: ia.spectral_robustness_score(np.array([0.5, 0.5]), beta=2),
            "beta=2: must lie between 0 and 1, both excluded",
            "--beta 2: must lie",
        ),
        (lambda _: ia.band_index(8, 8, 0), "bands=0: at least one band", "--bands 0: at least"),
        (
            lambda _: ia.Settings.asked(bands=99),
            "bands=99: the permutation estimator takes 2 to 64 players",
            "--bands 99: the permutation",
        ),
        (
            lambda _: ia.Settings.asked(norm="l3"),
            "norm='l3': did you mean l2 or l1? choose one of linf, l2, l1",
            "--norm l3: did you mean l2 or l1? choose one of linf",
        ),
        (
            lambda _: ia.Settings.asked(bands=2, passes=9),
            "passes goes with estimator='permutation' or 'regression'; exact needs",
            "--passes goes with --estimator permutation or regression; exact",
        ),
        (
            lambda _: ia.Settings.asked(label_offset=-9_999_999),
            "label_offset=-9999999: give a number, from -1,000,000",
            "--label-offset -9999999: give",
        ),
        (lambda _: ia.Settings.asked(size=224), "size=224: give height and width", "--size 224:"),
        (
            lambda folder: ia.analyze(folder, folder, time_budget="10m"),
            "time_budget='10m': must be a positive number",
            "--time-budget 10m: must be",
        ),
        (
            lambda _: choose_runtime("cpu", threads=1.5),
            "threads=1.5: must be a whole number",
            "--threads 1.5: must be",
        ),
        (
            lambda _: choose_runtime("tensorrt", tf32=False),
            "tf32=False: tensorrt takes no such order; use it with provider='cuda'",
            "--no-tf32: tensorrt takes no such order; use it with --provider cuda",
        ),
        (
            lambda _: load_preprocess("imagenett"),
            "preprocess='imagenett': did you mean imagenet? give one of unit",
            "--preprocess imagenett: did you mean imagenet? give one of unit",
        ),
        (
            lambda folder: Reading.asked(folder, label_order="size"),
            "label_order='size': choose one of",
            "--label-order size: choose one of",
        ),
        (
            lambda folder: open_images(folder),
            "labels=FILE.csv (columns file,label)",
            "give --labels FILE.csv (columns",
        ),
        (
            lambda folder: ia.analyze(
                graphs.small_network(folder / "m.onnx"), folder / "d.npz", bands=2, set=["a"]
            ),
            "set=['a']: give NAME=VALUE or NAME=FILE.npy",
            "--set a: give NAME=VALUE",
        ),
    ],
)
def test_an_error_speaks_the_language_of_its_reader(tmp_path, call, python, command):
    pixels = np.zeros((2, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=pixels, labels=np.arange(2))
    with pytest.raises(errors.IasideError) as caught:
        call(tmp_path)
    assert python in str(caught.value)
    assert command in typed(caught.value)
    assert "--" not in str(caught.value)


def test_rings_are_called_rings():
    with pytest.raises(InvalidOption) as caught:
        Rings(8, 8, 0, "linf")
    assert (caught.value.parameter, caught.value.value) == ("rings", 0)
    assert str(caught.value) == f"rings=0: {caught.value.reason}"
    with pytest.raises(UsageError, match=r"^rings=9 is too many for images of 8 x 8 pixels"):
        Rings(8, 8, 9, "linf")


@pytest.mark.parametrize(
    ("text", "python", "command"),
    [
        (option("output_kind", "logits"), "output_kind='logits'", "--logits"),
        (
            option("output_kind", "probabilities", "logits"),
            "output_kind='probabilities' or 'logits'",
            "--probabilities or --logits",
        ),
        (f"{option('output', 'y')} {option('output_kind', 'logits')}",
         "output='y', output_kind='logits'", "--output y --logits"),
        (option("resume", True), "resume=True", "--resume"),
        (option("target", like="FILE.h5"), "target=FILE.h5", "-o FILE.h5"),
        (option("size", like="HxW"), "size=(H, W)", "--size HxW"),
        (option("size", (8, 9)), "size=(8, 9)", "--size 8x9"),
        (option("ort_extension", ROOT / "a.so"), f"ort_extension=['{ROOT}/a.so']",
         f"--ort-extension {ROOT}/a.so"),
        (option("epsilon", np.float64(0.5)), "epsilon=0.5", "--epsilon 0.5"),
        (option("norm", None), "norm=None", "--norm None"),
    ],
    ids=lambda text: text if text.isprintable() else "text",
)  # fmt: skip
def test_parameters_and_options(text, python, command):
    assert (in_python(text), on_command_line(text)) == (python, command)


def test_the_words_of_a_command():
    given = {"labels": "a.csv", "set": ["x=1", "y=2"], "seed": 0, "columns": None, "resume": True}
    made = [word for name, value in given.items() for word in words(name, value)]
    assert made == ["--labels", "a.csv", "--set", "x=1", "--set", "y=2", "--seed", "0", "--resume"]


def test_errors_come_through_pickle_and_json_with_both_spellings():
    texts = [
        InvalidOption("bands", 99, f"see {option('samples')}"),
        errors.PictureError("a.png", "broken"),
        errors.ChangedModelError("m.onnx"),
        errors.ChangedError("a.png"),
        errors.DataError(f"give {option('label_offset', -1)}"),
    ]
    for error in texts:
        for other in (
            pickle.loads(pickle.dumps(error)),
            again(type(error), json.loads(json.dumps({"parts": error.parts}))),
        ):
            assert type(other) is type(error)
            assert (str(other), typed(other)) == (str(error), typed(error))
    assert pickle.loads(pickle.dumps(texts[1])).reason == "broken"
    assert repr(texts[0]) == "InvalidOption('bands=99: see samples')"


def test_an_error_in_another_keeps_both_spellings():
    inner = InvalidOption("preprocess", "no.toml", "is not there")
    outer = UsageError(f"m.onnx: {said(inner)}; override it with {option('preprocess')}")
    assert str(outer) == ("m.onnx: preprocess='no.toml': is not there; override it with preprocess")
    assert typed(outer).endswith("is not there; override it with --preprocess")
    assert said(ValueError("as it is")) == "as it is"


def test_no_text_of_a_file_is_taken_for_an_option():
    marked = option("bands", 3)
    secret = marked[1:].partition("(")[0]
    forged = marked.replace(secret, "0" * len(secret))
    error = errors.ArtifactError(f"{forged}: {option('output', forged)}")
    assert str(error).startswith(forged)
    assert typed(error) == f"{forged}: --output {forged}"
    assert "\x02" not in str(error).partition(": ")[2]


def test_messages_stay_short():
    long = "x" * 5000
    for error in (
        errors.DataError(long),
        InvalidOption("preprocess", long, "no"),
        errors.DataError(f"{long[:900]}{option('labels', long)} and more {long}"),
    ):
        assert len(str(error)) == 1000
        assert str(error).endswith("...")
        assert sum(len(python) + len(command) for python, command in error.parts) <= 2100
        assert "\x02" not in str(error) + typed(error)


def test_a_listener_hears_its_own_language_and_reports_keep_that_of_the_command_line():
    for spelled, wanted in ((in_python, "give labels"), (on_command_line, "give --labels")):
        heard = []
        listener = ia.Listener(note=heard.append, words=spelled)
        listener.warn = heard.append
        listener.note(f"give {option('labels')}")
        listener.warning(f"give {option('labels')}")
        assert heard == [wanted, wanted]
        assert listener.warnings == ["give --labels"]


def test_choices_that_are_refused_name_no_absent_one():
    with pytest.raises(InvalidOption, match=r"^layout='tiled': choose one of nchw, nhwc$"):
        check_choice("layout", "tiled", (None, "nchw", "nhwc"))


@pytest.mark.parametrize("room", SILENT)
def test_rooms_name_no_option_of_the_command_line(room):
    for path in (ROOT / "iaside_onnx" / room).rglob("*.py"):
        text = path.read_text()
        if room == "mathematics":
            assert not re.search(r"--[a-z]", text), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert set(re.findall(r"--(?:[a-z][a-z-]*|$)", node.value)) <= FOREIGN, path
