"""What the Python functions take: numpy's values as Python's, and nothing of the wrong kind."""

from __future__ import annotations

import re

import numpy as np
import pytest
from onnx import TensorProto, helper

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, InvalidOption, UsageError
from iaside_onnx.spelling import in_python, option

from . import graphs
from .conftest import ROOT

TIMES = r"'(\w*seconds|created|started|finished)': [^,]*,"
FOG = {"corruption": ["fog"], "severity": [3], "samples": 4}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parameters")
    graphs.small_network(folder / "m.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "d.npz", images=pixels, labels=np.arange(4) % 2)
    return folder


def measured(folder, kind, target=None, **options):
    model, images = folder / "m.onnx", folder / "d.npz"
    if kind == "analyze":
        return ia.analyze(model, images, target, **{"bands": 2, **options})
    if kind == "robustness":
        options = {**FOG, "attack": [], "queries": 3, "attack_samples": 2, **options}
        return ia.measure_robustness(model, images, target, **options)
    if kind == "heatmap":
        return ia.measure_heatmap(model, images, target, **{"bands": 2, "grid": 5, **options})
    return ia.measure_snr(images, target, **{**FOG, "bands": 2, **options})


@pytest.mark.parametrize(
    ("kind", "numpys", "pythons"),
    [
        (
            "analyze",
            {
                "bands": np.int64(2), "seed": np.int64(3), "separate_dc": np.True_,
                "label_offset": np.int64(0), "beta": np.float32(0.5), "samples": np.uint8(4),
                "confidence": np.float32(0.5), "time_budget": np.float32(100),
                "skip_bad": np.True_, "batch": np.int64(4), "temperature": np.float32(1.5),
                "size": np.array([16, 16]), "norm": np.str_("l2"), "allow_random": np.False_,
            },
            {
                "bands": 2, "seed": 3, "separate_dc": True, "label_offset": 0, "beta": 0.5,
                "samples": 4, "confidence": 0.5, "time_budget": 100.0, "skip_bad": True,
                "batch": 4, "temperature": 1.5, "size": (16, 16), "norm": "l2",
                "allow_random": False,
            },
        ),
        (
            "robustness",
            {
                "corruption": np.array(["fog"]), "severity": np.array([3]),
                "attack": np.array(["square-linf"]), "epsilon": [np.float32(0.25)],
                "queries": np.int64(3), "attack_samples": np.int64(2),
                "confidence": np.float32(0.5),
            },
            {
                "corruption": "fog", "severity": 3, "attack": "square-linf", "epsilon": 0.25,
                "queries": 3, "attack_samples": 2, "confidence": 0.5,
            },
        ),
        (
            "heatmap",
            {"grid": np.int64(5), "strength": np.float32(1), "clip": np.True_,
             "bands": np.int64(2), "confidence": np.float32(0.5)},
            {"grid": 5, "strength": 1.0, "clip": True, "bands": 2, "confidence": 0.5},
        ),
        (
            "snr",
            {"bands": np.int64(2), "rings": np.int64(8), "separate_dc": np.True_,
             "grey": np.False_, "size": np.array([16, 16]), "confidence": np.float32(0.5)},
            {"bands": 2, "rings": 8, "separate_dc": True, "grey": False, "size": (16, 16),
             "confidence": 0.5},
        ),
    ],
)  # fmt: skip
def test_values_of_numpy_are_those_of_python(made, tmp_path, kind, numpys, pythons):
    ours = measured(made, kind, tmp_path / "a.h5", **numpys)
    theirs = measured(made, kind, tmp_path / "b.h5", **pythons)
    for a, b in ((ours, theirs), (ia.load(tmp_path / "a.h5"), ia.load(tmp_path / "b.h5"))):
        assert repr(a.settings) == repr(b.settings)
        one, other = (re.sub(TIMES, "", repr(each.summary())) for each in (a, b))
        assert one == other


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        ("analyze", "bands", (True, np.ones(3), "2", b"2", 1.5)),
        ("analyze", "seed", (True, "1")),
        ("analyze", "samples", (True,)),
        ("analyze", "label_offset", (True,)),
        ("analyze", "temperature", (True, np.ones(3))),
        ("analyze", "separate_dc", (1, "x", 1.5, np.ones(3))),
        ("analyze", "allow_random", ("x",)),
        ("analyze", "skip_bad", ("x", b"x")),
        ("analyze", "resume", ("x",)),
        ("analyze", "overwrite", (1,)),
        ("analyze", "tf32", ("x",)),
        ("analyze", "threads", (True, "2")),
        ("analyze", "batch", (True, np.ones(3))),
        ("analyze", "time_budget", (True, np.ones(3))),
        ("analyze", "target_stderr", (True, np.ones(3))),
        ("analyze", "size", ((True, 16), np.ones(3), 16, "16x16")),
        ("analyze", "norm", (np.ones(3), 3)),
        ("analyze", "shard", (1, True)),
        ("analyze", "columns", (1, b"a,b")),
        ("analyze", "image_column", (1,)),
        ("analyze", "provider", (1,)),
        ("analyze", "dask", (1,)),
        ("analyze", "input", (1, [])),
        ("analyze", "output", ([],)),
        ("analyze", "output_kind", ([],)),
        ("analyze", "preprocess", (1, b"unit")),
        ("analyze", "labels", (1,)),
        ("analyze", "class_names", (1,)),
        ("analyze", "listener", ("x", 1.5, [], np.ones(3))),
        ("analyze", "set", (b"x", {"a": 1}, [1])),
        ("analyze", "ort_extension", (b"x", [1])),
        ("analyze", "beta", (True, np.ones(3))),
        ("analyze", "confidence", (True, np.ones(3))),
        ("robustness", "corruption", (3, [3], b"fog", {})),
        ("robustness", "severity", (True, "x", [1.5], {}, np.ones(3))),
        ("robustness", "attack", (3, [3], {})),
        ("robustness", "epsilon", (True, "x", [np.nan], {})),
        ("robustness", "queries", (True, np.ones(3))),
        ("robustness", "attack_samples", (True, "x")),
        ("robustness", "baseline", (3, [], np.ones(3), True)),
        ("heatmap", "grid", (float("nan"), "x", True, [], np.ones(3), 5.5)),
        ("heatmap", "strength", (True, np.ones(3))),
        ("heatmap", "clip", ("x", 1, [], np.ones(3))),
        ("heatmap", "bands", (True, "x", float("nan"), np.ones(3))),
        ("heatmap", "norm", (np.ones(3),)),
        ("heatmap", "analysis", (3, [], np.ones(3), True)),
        ("snr", "grey", (2, "x")),
        ("snr", "separate_dc", (1, "x", np.ones(3))),
        ("snr", "bands", (True, "x", float("nan"), np.ones(3))),
        ("snr", "rings", (True, "x", 8.0, np.ones(3))),
        ("snr", "queries", (True, "x", -1, np.ones(3))),
        ("snr", "norm", (np.ones(3),)),
        ("snr", "attack", (3, np.ones(3))),
        ("snr", "size", (np.ones(3), 16)),
    ],
)
def test_values_of_a_wrong_kind_are_refused_by_name_before_the_work(
    made, tmp_path, kind, name, values
):
    notes = []
    for value in values:
        options = {"listener": ia.Listener(note=notes.append), name: value}
        if name == "epsilon":
            options["attack"] = "square-linf"
        with pytest.raises(InvalidOption) as caught:
            measured(made, kind, tmp_path / "r.h5", **options)
        assert caught.value.parameter == name
        assert str(caught.value).startswith(f"{name}=")
    assert list(tmp_path.iterdir()) == []
    if name != "threads":
        assert notes == []


def test_a_path_of_no_text_is_refused(made):
    for name in ("model", "images", "target"):
        given = {"model": made / "m.onnx", "images": made / "d.npz", "target": None, name: 3}
        with pytest.raises(InvalidOption, match=f"^{name}=3: give a path"):
            ia.analyze(**given)
    with pytest.raises(InvalidOption, match=r"^model=None: give a path"):
        ia.analyze(None, made / "d.npz")


def test_a_heat_map_takes_the_path_of_an_analysis(made, tmp_path):
    report = measured(made, "analyze", tmp_path / "a.h5", bands=3)
    by_path = measured(made, "heatmap", analysis=str(tmp_path / "a.h5"))
    assert by_path.settings == measured(made, "heatmap", analysis=report).settings
    assert by_path.settings["bands"] == 3


@pytest.mark.parametrize("value", [np.ones(3), np.arange(500), [1] * 500, np.ones((3, 9, 9))])
def test_long_values_are_named_shortly(value):
    shown = in_python(option("beta", value))
    assert re.fullmatch(r"beta=(array\(|\[).{2,120}", shown)


NO_NUMBERS = (
    None, "x", [], {}, object(), [np.nan] * 4, [np.inf, 0, 0, 1], ["a"] * 4, [1 + 2j] * 4,
    [None] * 4, [[1, 2], [3]], np.ones((4, 0)), 3.0, True,
)  # fmt: skip


@pytest.mark.parametrize(
    "function",
    [
        ia.shapley_values, ia.shapley_interactions, ia.spectral_importance, ia.signed_score,
        ia.spectral_robustness_score, ia.band_images,
    ],
)  # fmt: skip
def test_mathematics_takes_finite_real_numbers_alone(function):
    for given in NO_NUMBERS:
        with pytest.raises(UsageError) as caught:
            function(given)
        assert "must" in str(caught.value)


def test_interactions_are_those_of_one_game():
    with pytest.raises(UsageError, match="one game"):
        ia.shapley_interactions(np.zeros((2, 4)))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ((-1, 8, 2), "height"), ((8, 0, 2), "width"), ((8.5, 8, 2), "height"),
        ((8, None, 2), "width"), ((8, 8, True), "bands"), ((8, 8, np.nan), "bands"),
        ((8, 8, "x"), "bands"), ((8, 8, 2, np.ones(3)), "norm"),
    ],
)  # fmt: skip
def test_bands_are_of_sizes_that_an_image_has(given, name):
    with pytest.raises(InvalidOption) as caught:
        ia.band_index(*given)
    assert caught.value.parameter == name
    with pytest.raises(InvalidOption, match=r"^separate_dc=1: give True or False$"):
        ia.band_index(8, 8, 2, separate_dc=1)
    for shape in ((3, 0, 0), (16,), (0, 16)):
        with pytest.raises(UsageError, match="pixels of an image must"):
            ia.band_images(np.ones(shape), bands=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image", [[0.5]]), ("image", None), ("corruption", 3), ("corruption", np.ones(3)),
        ("severity", True), ("severity", "3"), ("severity", np.ones(3)), ("severity", 3.0),
        ("rng", 0), ("rng", None), ("channels_last", 1),
    ],
)  # fmt: skip
def test_a_corruption_names_what_it_cannot_take(name, value):
    given = {
        "image": np.full((3, 16, 16), 0.5, np.float32), "corruption": "fog", "severity": 3,
        "rng": np.random.default_rng(0),
    }  # fmt: skip
    with pytest.raises(InvalidOption) as caught:
        ia.corrupt(**{**given, name: value})
    assert caught.value.parameter == name


def graph_that_goes_wrong(path, how):
    """Bright images give NaN, or make the run fail."""
    weight = np.random.default_rng(0).normal(size=(768, 2)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "W"], ["s"]),
    ]
    if how == "nan":
        nodes += [
            helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
            helper.make_node("Sub", ["limit", "mean"], ["left"]),
            helper.make_node("Sqrt", ["left"], ["factor"]),
        ]
        constants = {"limit": np.float32(0.6)}
    else:
        nodes += [
            helper.make_node("ReduceMax", ["flat"], ["most"], keepdims=0),
            helper.make_node("Div", ["most", "limit"], ["share"]),
            helper.make_node("Cast", ["share"], ["row"], to=TensorProto.INT64),
            helper.make_node("Gather", ["ones", "row"], ["factor"]),
        ]
        constants = {"limit": np.float32(0.9), "ones": np.ones(1, np.float32)}
    nodes.append(helper.make_node("Mul", ["s", "factor"], ["scores"]))
    return graphs.save(
        path, nodes, {"W": weight, **constants},
        input_shape=["N", 3, 16, 16], output_shape=["N", 2],
    )  # fmt: skip


@pytest.mark.parametrize("how", ["nan", "fail"])
@pytest.mark.parametrize("kind", ["analyze", "robustness", "heatmap", "snr"])
def test_a_model_that_goes_wrong_is_named_with_the_image(tmp_path, how, kind):
    graph_that_goes_wrong(tmp_path / "m.onnx", how)
    pixels = np.random.default_rng(0).integers(60, 120, (60, 16, 16, 3), dtype=np.uint8)
    pixels[57] = 250  # beyond the images that a model is tried on
    np.savez(tmp_path / "d.npz", images=pixels, labels=np.arange(60) % 2)
    attacked = {"model": tmp_path / "m.onnx", "attack": "square-linf", "epsilon": 0.1}
    options = {**attacked, "queries": 3, "output_kind": "logits"} if kind == "snr" else {}
    with pytest.raises(ArtifactError) as caught:
        measured(tmp_path, kind, samples=0, **options)
    text = str(caught.value)
    assert text.startswith(f"{tmp_path / 'm.onnx'}: ")
    if how == "nan" or kind != "snr":
        assert re.search(r"image 0*57\b", text), text


def test_a_prediction_names_what_is_no_report(made):
    audit = measured(made, "analyze")
    with pytest.raises(InvalidOption, match=r"^report=None: give a Report$"):
        ia.predict_damage(None, audit)
    with pytest.raises(InvalidOption, match=r"^snr=.*: give an SnrReport$"):
        ia.predict_damage(audit, audit)


def test_results_of_another_kind_are_refused_by_name():
    report, heatmap = (
        ia.load(ROOT / "tests" / "data" / name) for name in ("report-v1.h5", "heatmap-v1.h5")
    )
    for call in (
        lambda: heatmap.seen_as(3),
        lambda: report.finding(heatmap),
        lambda: report.summary(robustness=3),
        lambda: ia.Report.join([None]),
    ):
        with pytest.raises(InvalidOption, match="give "):
            call()
