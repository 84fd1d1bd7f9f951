"""The search for an unknown artifact's preprocessing, on models that want a known one."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest
from PIL import Image

from iaside_onnx.listener import Listener
from iaside_onnx.preprocessing.preprocess import PRESETS, Preprocess, load_preprocess
from iaside_onnx.recipe_search.candidate import Candidate, no_gain
from iaside_onnx.recipe_search.search import search_recipes

from . import graphs
from .conftest import write_npz

# No two of them are alike when red and blue are exchanged.
COLOURS = np.array(
    [
        [0.9, 0.2, 0.1],
        [0.8, 0.7, 0.2],
        [0.2, 0.6, 0.3],
        [0.1, 0.3, 0.8],
        [0.6, 0.2, 0.6],
        [0.5, 0.5, 0.4],
    ]
)
COPIES = 4


@pytest.fixture
def coloured(tmp_path):
    """Pictures of different sizes, in folders by class; each nearly of one colour."""
    rng = np.random.default_rng(0)
    for label, colour in enumerate(COLOURS):
        folder = tmp_path / "coloured" / f"{label}"
        folder.mkdir(parents=True)
        for copy in range(COPIES):
            noisy = colour + rng.normal(0, 0.1, 3) + rng.normal(0, 0.1, (20 + copy, 30 + label, 3))
            pixels = (255 * noisy.clip(0, 1)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{copy}.png")
    return tmp_path / "coloured"


def wants(path, recipe, **options):
    """A model that is right when colours are put through `recipe`, and less so otherwise."""
    order, gain, shift = recipe.affine(3)
    targets = COLOURS[:, order] * gain + shift
    # The same contrast between classes in the model's own units.
    return graphs.prototypes(path, targets, strength=20 / float(gain.mean()) ** 2, **options)


def search(iaside, *arguments):
    result = iaside("inspect", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("unit", {"size": (12, 20)}),
        ("raw", {"dtype": np.uint8, "layout": "nhwc"}),
        ("inception", {"batch": 3}),
        ("imagenet", {"size": "side"}),
        ("caffe", {"layout": "nhwc", "dtype": np.float64, "probabilities": True}),
    ],
)
def test_it_finds_what_a_model_wants(iaside, tmp_path, coloured, preset, options):
    model = wants(tmp_path / "m.onnx", PRESETS[preset], **options)
    found = search(iaside, model, "--data", coloured, "--samples", 0)
    best = found["candidates"][0]
    channels = PRESETS[preset].channels.upper()
    assert best["accuracy"] > 0.9
    assert found["search"]["above_chance"]
    assert found["search"]["class_order"] is None
    alike = {row["values"] for row in found["candidates"] if not row["told_apart"]}
    assert f"{preset}, {channels}" in alike
    assert all(name.endswith(channels) for name in alike)
    assert "inputs" in found


def test_labels_of_one_class_say_nothing_of_the_order_of_classes(iaside, tmp_path, coloured):
    model = wants(tmp_path / "m.onnx", PRESETS["unit"])
    table = tmp_path / "labels.csv"
    files = sorted(path.relative_to(coloured) for path in coloured.rglob("*.png"))
    table.write_text("file,label\n" + "".join(f"{file},0\n" for file in files))
    found = search(iaside, model, "--data", coloured, "--labels", table, "--samples", 0)["search"]
    assert found["class_order"] is None
    assert "All images are of one class: give images of several" in " ".join(found["findings"])


def test_the_recipe_it_writes_gives_the_accuracy_it_promises(iaside, tmp_path, coloured):
    odd = Preprocess("odd", channels="bgr", scale=2.0, mean=(1.0,))
    model = wants(tmp_path / "m.onnx", odd)
    recipe = tmp_path / "mine.toml"
    arguments = (model, "--data", coloured, "--samples", 0, "--write-recipe", recipe)
    found = search(iaside, *arguments)
    best = found["candidates"][0]
    assert best["values"] == "inception, BGR"
    assert load_preprocess(str(recipe)).recipe() == best["preprocess"]
    words = shlex.split(found["search"]["command"])
    assert words[:2] == ["iaside", "analyze"]
    words[words.index("report.h5")] = str(tmp_path / "r.h5")
    done = iaside(*words[1:], "--samples", 0, "--bands", 1, "--json")
    assert json.loads(done.stdout)["accuracy"] == best["accuracy"]
    again = iaside("inspect", *arguments)
    assert (again.exit_code, "--overwrite" in again.stderr) == (2, True)
    shown = iaside("inspect", *arguments, "--overwrite")
    assert "best first" in shown.stdout
    assert "To use it:" in shown.stdout
    assert f"{len(COLOURS) * COPIES} images x" in shown.stderr


def arrays(path, labels=None, count=COPIES, size=16):
    """The same colours as an array file; labels as given for each class."""
    rng = np.random.default_rng(1)
    labels = np.arange(len(COLOURS)) if labels is None else np.asarray(labels)
    colours = np.repeat(COLOURS, count, axis=0)[:, None, None]
    noise = rng.normal(0, 0.1, (len(colours), 1, 1, 3))
    images = (255 * (colours + noise + np.zeros((1, size, size, 1))).clip(0, 1)).astype(np.uint8)
    return write_npz(path, images, np.repeat(labels, count))


@pytest.mark.parametrize(("offset", "background", "first"), [(1, 1, 0), (-1, 0, 1), (0, 1, 1)])
def test_label_offsets(iaside, tmp_path, offset, background, first):
    far = np.full((background, 3), 9.0)
    model = graphs.prototypes(tmp_path / "m.onnx", np.concatenate([far, COLOURS]), strength=20)
    data = arrays(tmp_path / "d.npz", np.arange(len(COLOURS)) + first)
    found = search(iaside, model, "--data", data, "--samples", 0)
    best = found["candidates"][0]
    assert (best["label_offset"], best["values"]) == (offset, "unit, RGB")
    assert best["geometry"] == "as they are"
    assert best["preprocess"] == "unit"
    assert (f"--label-offset {offset}" in found["search"]["command"]) == bool(offset)


def test_grey_models(iaside, tmp_path):
    levels = np.linspace(0.1, 0.9, 5)
    rng = np.random.default_rng(2)
    images = np.repeat(levels, COPIES)[:, None, None, None] + rng.normal(0, 0.02, (20, 8, 8, 1))
    data = write_npz(tmp_path / "d.npz", (255 * images).astype(np.uint8), np.arange(20) // COPIES)
    model = graphs.prototypes(tmp_path / "m.onnx", 1 - levels[:, None], strength=100, size=8)
    found = search(iaside, model, "--data", data)
    assert found["candidates"][0]["values"] == "inverted"
    assert found["search"]["toml"] == "resize = 8\ncrop = 8\nscale = -1.0\nmean = -1.0\n"


def test_recipes_that_break_the_model_come_last(iaside, tmp_path):
    model = graphs.prototypes(tmp_path / "m.onnx", np.sqrt(COLOURS), strength=20, through="Sqrt")
    data = arrays(tmp_path / "d.npz")
    found = search(iaside, model, "--data", data)
    assert found["candidates"][0]["values"] == "unit, RGB"
    broken = [
        row for row in found["candidates"] if row["without_scores"] == found["search"]["images"]
    ]
    assert {"inception, RGB", "imagenet, BGR"} <= {row["values"] for row in broken}
    assert all(row["accuracy"] == 0 for row in broken)


def test_nothing_above_chance_is_said_and_nothing_is_recommended(iaside, tmp_path):
    model = graphs.constant(tmp_path / "m.onnx", 16)
    data = arrays(tmp_path / "d.npz", [0, 1, 2, 0, 1, 2])
    recipe = tmp_path / "r.toml"
    result = iaside("inspect", model, "--data", data, "--write-recipe", recipe)
    assert result.exit_code == 0
    assert "is above chance" in result.stdout
    assert "iaside analyze" not in result.stdout
    assert not recipe.exists()
    # Always the same answer: right on a third, and that is what guessing gives.
    assert search(iaside, model, "--data", data)["candidates"][0]["accuracy"] == pytest.approx(
        1 / 3
    )


def test_another_order_of_classes_is_told_from_a_wrong_preprocessing(iaside, tmp_path):
    model = graphs.prototypes(tmp_path / "m.onnx", COLOURS, strength=20)
    data = arrays(tmp_path / "d.npz", [2, 0, 3, 1, 5, 4], count=10)
    found = search(iaside, model, "--data", data, "--samples", 0)
    order = {"2": 0, "0": 1, "3": 2, "1": 3, "5": 4, "4": 5}
    assert found["search"]["class_order"] == order
    assert found["search"]["command"] is None
    assert "0 is 1" in found["search"]["findings"][0]


def test_what_the_file_declares_is_tried_first(iaside, tmp_path, coloured):
    declared = {"resize": 40, "crop": 32, "scale": 3, "mean": [0.1, 0.2, 0.3], "std": 0.5}
    recipe = Preprocess("x", scale=3, mean=(0.1, 0.2, 0.3), std=(0.5,))
    model = wants(
        tmp_path / "m.onnx", recipe, size="n", metadata={"iaside.preprocess": json.dumps(declared)}
    )
    found = search(iaside, model, "--data", coloured, "--samples", 0)
    best = found["candidates"][0]
    assert best["values"] == "declared, RGB"
    assert best["preprocess"]["crop"] == 32
    assert "--size 32x32" in found["search"]["command"]


@pytest.mark.parametrize("where", ["metadata", "beside"])
def test_what_was_written_down_wins_among_equals(iaside, tmp_path, coloured, where):
    # Odd values that do as well as a preset: nearly those of "unit".
    near = {"resize": 16, "crop": 16, "scale": 0.99, "interpolation": "bicubic"}
    metadata = {"iaside.preprocess": json.dumps(near)} if where == "metadata" else {}
    model = wants(tmp_path / "m.onnx", PRESETS["unit"], metadata=metadata)
    if where == "beside":
        hub = {"image_mean": [0, 0, 0], "image_std": [1 / 0.99] * 3, "resample": 3,
               "size": {"height": 16, "width": 16}}  # fmt: skip
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(hub))
    found = search(iaside, model, "--data", coloured, "--samples", 0)
    name = "declared" if where == "metadata" else "beside"
    assert found["search"]["source"] == name
    assert found["candidates"][0]["values"] == f"{name}, RGB"
    assert "no --preprocess is needed" in found["search"]["findings"][0]
    assert "--preprocess" not in found["search"]["command"]
    assert "unit, RGB" in {r["values"] for r in found["candidates"] if not r["told_apart"]}
    assert not found["search"]["fitted"]


def test_what_was_written_down_and_does_worse_is_named(iaside, tmp_path, coloured):
    metadata = {"iaside.preprocess": "caffe"}
    model = wants(tmp_path / "m.onnx", PRESETS["unit"], metadata=metadata)
    found = search(iaside, model, "--data", coloured, "--samples", 0)
    assert found["candidates"][0]["values"] == "unit, RGB"
    assert any("metadata says does worse" in text for text in found["search"]["findings"])
    assert "--preprocess" in found["search"]["command"]


def test_values_outside_the_presets_are_fitted_and_said(iaside, tmp_path):
    odd = Preprocess("odd", scale=60.0, mean=(7.0,), std=(1.0,))
    model = wants(tmp_path / "m.onnx", odd)
    data = arrays(tmp_path / "d.npz", count=8)
    found = search(iaside, model, "--data", data, "--samples", 0)
    best = found["candidates"][0]
    assert found["search"]["fitted"]
    assert best["values"] == "fitted"
    recipe = best["preprocess"]
    gain = recipe.get("scale", 1.0) / np.ravel(recipe.get("std", 1.0))
    np.testing.assert_allclose(gain, 60, rtol=0.35)
    assert "were fitted to half" in found["search"]["findings"][0]
    nearest = max(row["accuracy"] for row in found["candidates"][1:])
    assert best["accuracy"] >= nearest
    assert not search(
        iaside, wants(tmp_path / "u.onnx", PRESETS["unit"]), "--data", data, "--samples", 0
    )["search"]["fitted"]


def test_a_model_that_wants_a_letterbox(iaside, tmp_path):
    # The class is the share of white, which squeezing keeps and cropping loses; padding dilutes.
    rng = np.random.default_rng(0)
    for label in range(4):
        folder = tmp_path / "wide" / f"{label}"
        folder.mkdir(parents=True)
        for copy in range(6):
            pixels = rng.integers(0, 30, (16, 48, 3)) + 55 * label + 20
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{copy}.png")
    levels = (35 + 55 * np.arange(4)) / 255 / 3 + 114 / 255 * 2 / 3
    targets = np.repeat(levels[:, None], 3, axis=1)
    model = graphs.prototypes(tmp_path / "m.onnx", targets, strength=3000, size=24)
    found = search(iaside, model, "--data", tmp_path / "wide", "--samples", 0)
    best = found["candidates"][0]
    assert best["geometry"] == "letterbox, center, padded with 114"
    assert best["preprocess"]["resize"] == "letterbox"
    assert best["preprocess"]["pad"] == 114
    assert best["accuracy"] == 1.0


def test_a_guess_from_the_graph_is_held_against_the_images(iaside, tmp_path, coloured):
    order, gain, shift = PRESETS["raw"].affine(3)
    model = graphs.prototypes(
        tmp_path / "m.onnx", COLOURS[:, order] * gain + shift, strength=20 / 255**2, dtype=np.uint8
    )
    found = search(iaside, model, "--data", coloured, "--samples", 0)
    assert found["pixel_range"]["images"] == {"low": 0.0, "high": 255.0, "agree": True}
    assert any("the images agree" in text for text in found["search"]["findings"])


def test_a_recipe_that_is_not_written_is_not_said_to_be(iaside, tmp_path, coloured):
    model = wants(tmp_path / "m.onnx", Preprocess("odd", channels="bgr", scale=2.0, mean=(1.0,)))
    shown = iaside("inspect", model, "--data", coloured, "--samples", 0)
    assert "not written anywhere yet" in shown.stdout
    assert "--write-recipe recipe.toml" in shown.stdout


def candidate(right, log_prob):
    """Right where said, among two classes; the true one is always 1."""
    right = np.asarray(right, bool)
    every = np.ones(len(right), bool)
    ones = every.astype(np.int64)
    log_prob = np.asarray(log_prob, float)
    return Candidate("", "", PRESETS["unit"], 0, 2, right * ones, ones, every, log_prob, every)


def test_paired_comparison():
    half = np.arange(20) % 2 == 0
    steady = np.linspace(-2, -1, 20)
    best = candidate(half, steady)
    # Ten discordant images, all for one side: McNemar's one-sided p is 2**-10, here times 6.
    all_wrong = candidate(np.zeros(20), steady)
    assert best.better_than(all_wrong) == pytest.approx(6 * 2.0**-10)
    # All 20 differences of one sign: the signed-rank test's one-sided p is 2**-20.
    worse = candidate(half, steady - np.linspace(1, 2, 20))
    assert best.better_than(worse) == pytest.approx(6 * 2.0**-20)
    assert worse.better_than(best) == 1.0
    assert best.better_than(best) == 1.0


def test_a_large_gain_on_some_images_tells_two_recipes_apart():
    # On most images the worse one is better by a hair, which is all that ranks see.
    steady = np.full(40, -1.0)
    other = steady + 0.001
    other[:8] -= 100.0
    best, worse = candidate(steady < 0, steady), candidate(steady < 0, other)
    assert best.better_than(worse) <= 0.05
    assert no_gain(np.full(5, 20.0)) == 1.0  # too few images


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--write-recipe", "r.toml"], "--data"),
        (["--data", "none"], "none"),
        (["--data", "d.npz", "--write-recipe", "r.txt"], ".toml"),
        (["--data", "d.npz", "--write-recipe", "no/r.toml"], "does not exist"),
        (["--data", "d.npz", "--size", "12"], "12 x 12"),
        (["--data", "d.npz", "--output", "nothing"], "nothing"),
        (["--data", "d.npz", "--samples", "-1"], "--samples"),
    ],
)
def test_bad_usage_is_one_line(iaside, tmp_path, monkeypatch, options, text):
    monkeypatch.chdir(tmp_path)
    wants(tmp_path / "m.onnx", PRESETS["unit"])
    arrays(tmp_path / "d.npz")
    result = iaside("inspect", "m.onnx", *options, "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert text in result.stderr.splitlines()[-1]


def test_real_artifacts(iaside, real):
    photographs = real / "imagenet-100"
    found = search(
        iaside, real / "squeezenet1.1-fp16.onnx", "--data", photographs,
        "--labels", photographs / "labels.csv", "--samples", 8,
    )  # fmt: skip
    assert found["candidates"][0]["values"] == "caffe, BGR"
    assert found["search"]["above_chance"]
    data = real / "cifar10" / "test-1000.npz"
    found = search(iaside, real / "cifar10" / "resnet20.onnx", "--data", data, "--samples", 30)
    assert found["candidates"][0]["preprocess"] == "unit"


@pytest.mark.parametrize(("seconds", "images", "said"), [(60.0, 24, 0), (0.0, 16, 3)])
def test_it_keeps_to_its_time_and_says_what_it_left_out(tmp_path, coloured, seconds, images, said):
    recipe = Preprocess(name="own", channels="rgb", scale=1 / 90.0, mean=(0.3,), std=(1.0,))
    model = wants(tmp_path / "m.onnx", recipe, size=(12, 20))
    parts, done, titles, warnings = [], [], [], []
    listener = Listener(
        warn=warnings.append, title=titles.append, advance=done.append,
        start=lambda _, total: parts.append(total),
    )  # fmt: skip
    found = search_recipes(model, coloured, samples=0, listener=listener, seconds=seconds)
    assert found["search"]["images"] == images
    late = [line for line in warnings if "for lack of time" in line]
    assert len(late) == said
    assert "preprocess=NAME leaves them out" in titles[0]
    assert found["search"]["fitted"] is (said == 0)
    if not said:
        assert "fitting scale and offset" in titles[1]
        assert parts[0] < sum(done) <= sum(parts)
