"""A filter in front of a model: the convolution, when it helps, and that it says so when not."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from scipy.fft import dctn

import iaside_onnx as ia
from iaside_onnx.errors import UsageError
from iaside_onnx.mathematics.wiener import (
    Spectra,
    filtered,
    kernel_of_size,
    smallest_kernel,
)
from iaside_onnx.onnx_file.artifact import load_graph, load_whole
from iaside_onnx.onnx_file.edits import with_filter
from iaside_onnx.results.filtering import FilterResult

from . import graphs
from .conftest import write_npz

SIZE = 16


def smoothed(rng, shape):
    """Random images of low frequencies, in [0, 1]."""
    images = rng.uniform(0, 1, (*shape[:-2], shape[-2] // 4, shape[-1] // 4))
    return np.kron(images, np.ones((4, 4)))


@pytest.fixture(scope="module")
def spectra():
    rng = np.random.default_rng(0)
    found = Spectra(SIZE, SIZE + 4)
    for image in smoothed(rng, (20, 3, SIZE, SIZE + 4)):
        found.add(image, image + rng.normal(0, 0.3, image.shape))
    return found


def test_the_gain_is_that_of_wiener_between_nothing_and_one(spectra):
    gain = spectra.gain()
    assert gain[0, 0] == 1
    assert gain.min() >= 0
    assert gain.max() <= 1
    # Signal over signal and noise: much is left of the low rings, little of the high ones.
    assert gain[1, 1] > 0.8
    assert gain[-1, -1] < 0.2
    nothing = Spectra(SIZE, SIZE)
    image = np.random.default_rng(1).uniform(0, 1, (3, SIZE, SIZE))
    nothing.add(image, image)
    assert np.allclose(nothing.gain(), 1)
    weakened = Spectra(SIZE, SIZE)  # wants a gain of 2, and gets none
    weakened.add(image, image / 2)
    assert np.allclose(weakened.gain(), 1)


def test_a_kernel_sums_to_one_is_symmetric_and_has_the_gain_as_its_response(spectra):
    gain, power = spectra.gain(), spectra.power
    kernel = smallest_kernel(gain, power)
    weights = kernel.weights
    assert kernel.size <= 15
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert np.allclose(weights, weights[::-1])
    assert np.allclose(weights, weights[:, ::-1])
    # Convolution with reflected borders is a product of spectra, borders included.
    image = np.random.default_rng(2).uniform(0, 1, (1, *gain.shape)).astype(np.float32)
    response = dctn(filtered(image, weights), type=1, axes=(1, 2)) / dctn(
        image, type=1, axes=(1, 2)
    )
    wrong = (power * (response[0] - gain) ** 2).sum() / (power * (1 - gain) ** 2).sum()
    assert wrong == pytest.approx(kernel.missed, rel=0.05, abs=1e-4)
    larger = kernel_of_size(gain, power, kernel.size + 2)
    assert larger.missed <= kernel.missed
    assert np.array_equal(kernel.at(1), weights)
    assert np.count_nonzero(kernel.at(0)) == 1
    same = smallest_kernel(np.ones((SIZE, SIZE)), np.ones((SIZE, SIZE)))
    assert np.allclose(filtered(image, same.weights), image, atol=1e-6)


def sharp():
    """A kernel that is another one along each axis, and sums to 1."""
    return np.outer([0.05, 0.2, 0.5, 0.2, 0.05], [-0.1, 0.3, 0.6, 0.3, -0.1])


def run(model, images):
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": images})[0]


@pytest.mark.parametrize("opset", [7, 11, 13, 17])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_convolution_of_the_graph_is_that_of_numpy_at_the_borders_too(tmp_path, opset, layout):
    weights = sharp()
    shape = ["n", 3, 12, 9] if layout == "nchw" else ["n", 12, 9, 3]
    nodes = [onnx.helper.make_node("Identity", ["image"], ["scores"])]
    graphs.save(tmp_path / "m.onnx", nodes, {}, input_shape=shape, output_shape=shape, opset=opset)
    model = with_filter(
        load_graph(tmp_path / "m.onnx"), "image", weights, channels=3, layout=layout
    )
    onnx.checker.check_model(model)
    images = np.random.default_rng(0).uniform(-2, 2, (2, 3, 12, 9)).astype(np.float32)
    given = images if layout == "nchw" else np.moveaxis(images, 1, -1).copy()
    got = run(model, given)
    got = got if layout == "nchw" else np.moveaxis(got, -1, 1)
    assert np.abs(got - filtered(images, weights)).max() < 1e-5
    # The mean of a channel passes, so the filter and a normalisation change places.
    flat = run(model, np.full_like(given, 0.7))
    assert np.abs(flat - 0.7).max() < 1e-6


@pytest.mark.parametrize("form", ["flat", "plane", "unbatched", "float16", "float64", "uint8"])
def test_every_form_of_input_is_filtered_alike(tmp_path, form):
    kind = {"float16": np.float16, "float64": np.float64, "uint8": np.uint8}.get(form, np.float32)
    channels = 1 if form == "plane" else 3
    images = np.random.default_rng(0).uniform(0, 200, (1, channels, 10, 12)).astype(kind)
    shape, options = list(images.shape), {}
    if form == "flat":
        shape, options = [1, 360], {"block": (3, 10, 12)}
    elif form == "plane":
        shape, options = [1, 10, 12], {"lacking": 1}
    elif form == "unbatched":
        shape, options = [3, 10, 12], {"lacking": 0}
    code = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    nodes = [onnx.helper.make_node("Identity", ["image"], ["scores"])]
    graphs.save(
        tmp_path / "m.onnx", nodes, {}, input_shape=shape, output_shape=shape,
        input_type=code, output_type=code, metadata={"author": "me"},
    )  # fmt: skip
    model = with_filter(
        load_graph(tmp_path / "m.onnx"),
        "image",
        sharp(),
        channels=channels,
        layout="nchw",
        **options,
    )
    onnx.checker.check_model(model)
    assert model.metadata_props[0].value == "me"
    got = run(model, images.reshape(shape)).reshape(images.shape)
    wanted = filtered(images.astype(np.float32), sharp())
    if form == "uint8":
        wanted = np.clip(wanted, 0, 255)
    assert np.abs(got - wanted).max() <= {"float16": 0.1, "uint8": 0.501}.get(form, 1e-4)
    again = with_filter(model, "image", sharp(), channels=channels, layout="nchw", **options)
    onnx.checker.check_model(again)  # names of the first filter are left alone


def test_readers_in_sub_graphs_read_the_filtered_image(tmp_path):
    make, kind = onnx.helper.make_node, onnx.TensorProto.FLOAT
    info = onnx.helper.make_tensor_value_info("inner", kind, None)
    branch = onnx.helper.make_graph([make("Identity", ["image"], ["inner"])], "branch", [], [info])
    nodes = [make("If", ["yes"], ["scores"], then_branch=branch, else_branch=branch)]
    shape = [1, 3, 10, 10]
    graphs.save(
        tmp_path / "m.onnx", nodes, {"yes": np.array(True)}, input_shape=shape, output_shape=shape
    )
    model = with_filter(
        load_graph(tmp_path / "m.onnx"), "image", sharp(), channels=3, layout="nchw"
    )
    images = np.random.default_rng(0).uniform(0, 1, shape).astype(np.float32)
    assert np.abs(run(model, images) - filtered(images, sharp())).max() < 1e-5


def high_passing(path, threshold, penalty, metadata=None):
    """Two classes by mean brightness, which energy of neighbouring pixels' differences lowers."""
    make = onnx.helper.make_node
    laplace = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 4
    constants = {
        "kernel": np.broadcast_to(laplace, (3, 1, 3, 3)).copy(),
        "axes": np.array([1, 2, 3], np.int64),
        "penalty": np.float32(penalty),
        "threshold": np.float32(threshold),
        "scale": np.array([[0.0, 100.0]], np.float32),
    }
    nodes = [
        make("ReduceMean", ["image", "axes"], ["bright"], keepdims=0),
        make("Conv", ["image", "kernel"], ["detail"], group=3),
        make("Mul", ["detail", "detail"], ["energy"]),
        make("ReduceMean", ["energy", "axes"], ["noise"], keepdims=0),
        make("Mul", ["noise", "penalty"], ["taken"]),
        make("Sub", ["bright", "taken"], ["left"]),
        make("Sub", ["left", "threshold"], ["over"]),
        make("Unsqueeze", ["over", "one"], ["column"]),
        make("MatMul", ["column", "scale"], ["scores"]),
    ]
    constants["one"] = np.array([1], np.int64)
    return graphs.save(
        path, nodes, constants, input_shape=["n", 3, SIZE, SIZE], output_shape=["n", 2], opset=18,
        metadata=metadata,
    )  # fmt: skip


@pytest.fixture
def planted(tmp_path):
    """Smooth images by brightness, and a model that noise in high bands ruins."""
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    waves = np.sin(2 * np.pi * (np.arange(SIZE)[:, None] / SIZE + rng.uniform(0, 1, (80, 1, 1, 1))))
    images = np.where(labels, 0.58, 0.42)[:, None, None, None] + 0.2 * waves
    images = np.broadcast_to(images, (80, SIZE, SIZE, 3)).astype(np.float32)
    return write_npz(tmp_path / "images.npz", images, labels)


def test_a_filter_restores_a_model_that_noise_in_high_bands_ruins(tmp_path, planted, iaside):
    path = high_passing(
        tmp_path / "m.onnx", 0.5, 5.0, {"author": "me", "iaside.preprocess": "unit"}
    )
    target = tmp_path / "filtered.onnx"
    done = iaside("filter", path, planted, "--against", "gaussian_noise:4", "-o", target, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["helps"]
    assert found["written"] == str(target)
    held = found["held_out"]
    assert held["images"] + found["choosing"]["images"] == 80
    assert held["perturbed"]["before"] < 0.6
    assert held["perturbed"]["after"] > 0.95
    assert held["clean"]["after"] == held["clean"]["before"] == 1
    # The file is the model with the filter, and what it declared stays.
    known = {each.key: each.value for each in onnx.load(target).metadata_props}
    assert known["author"] == "me"
    assert known["iaside.preprocess"] == "unit"
    assert json.loads(known["iaside.filter"])[0]["against"] == ["gaussian_noise:4"]
    before, after = (
        ia.measure_robustness(
            each, planted, corruption="gaussian_noise", severity=4, attack=(), samples=0
        )
        for each in (path, target)
    )
    assert before.mean_error > 0.4
    assert after.mean_error < 0.05
    weights = np.array(found["filter"]["weights"])
    images = np.random.default_rng(0).uniform(0, 1, (2, 3, SIZE, SIZE)).astype(np.float32)
    assert np.allclose(
        run(onnx.load(target), images), run(onnx.load(path), filtered(images, weights)), atol=1e-3
    )


def test_where_no_filter_helps_it_is_said_and_nothing_written(tmp_path, planted, iaside):
    # Reads the mean alone, which no filter changes, and the corruption changes nothing else here.
    path = high_passing(tmp_path / "m.onnx", 0.5, 0.0)
    target = tmp_path / "filtered.onnx"
    command = ("filter", path, planted, "--against", "brightness:5", "-o", target)
    done = iaside(*command)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("This filter does not help against brightness:5, as far as 40 ")
    assert "Nothing was written (--force" in done.stdout
    assert not target.exists()
    assert iaside(*command, "--force").exit_code == 0
    assert target.exists()
    assert iaside(*command).exit_code == 2


def test_a_mean_over_targets_has_the_intervals_of_single_ones():
    # Four images that all gain a half say little of others, as four that gain a whole do.
    right = np.array([[[False, False]] * 4, [[True, False]] * 4])
    result = FilterResult(
        model={}, data={}, settings={"seed": 0, "confidence": 0.95, "max_clean_loss": 0.02},
        provider="cpu", against=["fog:3", "snow:3"], weights=np.eye(3), missed=0.0, gain=[],
        tried=[], strength=1.0, choosing=4, clean=np.ones((2, 4), bool), perturbed=right,
        written=None, run={},
    )  # fmt: skip
    assert result.effect.difference == 0.5
    assert result.effect.low < 0 < result.effect.high
    assert result.effect.p > 0.05
    assert not result.helps
    assert result.sentence.startswith("This filter does not help against fog:3, snow:3, as far as")


@pytest.mark.parametrize("kernel", [3.0, True, "3", 4])
def test_a_kernel_of_no_odd_whole_number_is_refused(tmp_path, planted, kernel):
    path = high_passing(tmp_path / "m.onnx", 0.5, 5.0)
    with pytest.raises(UsageError, match="give an odd number from 3 to 15"):
        ia.fit_filter(path, planted, against="fog", kernel=kernel)


def test_the_same_command_gives_the_same_file(tmp_path, planted):
    path = high_passing(tmp_path / "m.onnx", 0.5, 5.0)
    first, second = (
        ia.fit_filter(path, planted, tmp_path / name, against=("gaussian_noise:4",), batch=batch)
        for name, batch in (("a.onnx", 1), ("b.onnx", 7))
    )
    assert first.strength == second.strength
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    several = ia.fit_filter(path, planted, against=("gaussian_noise:4", "shot_noise"), kernel=3)
    assert len(several.effects) == 2
    assert several.effect.difference == pytest.approx(
        np.mean([each.difference for each in several.effects])
    )
    assert several.written is None
    assert several.weights.shape == (3, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"layout": "nhwc"},
        {"dtype": np.float16},
        {"dtype": np.uint8},
        {"batch": 3},
        {"batch": 1, "layout": "nhwc", "dtype": np.float16},
        {"opset": 11},
        {"size": 12, "extra_inputs": [onnx.helper.make_tensor_value_info("training", 9, [])]},
    ],
)
def test_networks_of_all_forms_take_a_filter(tmp_path, photographs, options):
    path = graphs.small_network(tmp_path / "net.onnx", **options)
    recipe = {"preprocess": "raw"} if options.get("dtype") is np.uint8 else {}
    result = ia.fit_filter(
        path, photographs, tmp_path / "f.onnx", against="gaussian_noise", force=True, **recipe
    )
    assert result.written is not None
    # The copy declares the recipe that it was measured with.
    again = ia.measure_robustness(tmp_path / "f.onnx", photographs, corruption="fog", attack=())
    assert len(again.labels) == 12


def test_weights_in_another_file_come_along(tmp_path, photographs):
    path = graphs.small_network(tmp_path / "net.onnx")
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=200)
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "f.onnx"
    ia.fit_filter(path, photographs, target, against="gaussian_noise", force=True)
    assert [each.name for each in target.parent.iterdir()] == ["f.onnx"]
    assert len(onnx.load(target).graph.initializer) > len(load_whole(path).graph.initializer)


def test_users_own_pictures_are_filtered_against(tmp_path, planted, iaside):
    with np.load(planted) as stored:
        images, labels = stored["images"], stored["labels"]
    rng = np.random.default_rng(5)
    noisy = np.clip(images + rng.normal(0, 0.2, images.shape), 0, 1).astype(np.float32)
    other = write_npz(tmp_path / "camera.npz", noisy, labels)
    path = high_passing(tmp_path / "m.onnx", 0.5, 5.0)
    done = iaside("filter", path, planted, "--perturbed", other, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["against"] == ["camera"]
    assert found["helps"]
    assert found["written"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to filter against: give --against CORRUPTION or --perturbed FOLDER"),
        (["--against", "fog:9"], "--against fog:9: choose one of 1 to 5"),
        (["--against", "fog:x"], "--against fog:x: give CORRUPTION or CORRUPTION:SEVERITY"),
        (["--against", "mist"], "--against mist: choose one of"),
        (["--against", "fog:٣"], "give CORRUPTION or CORRUPTION:SEVERITY"),
        (["--against", "fog", "--against", "fog:3"], "it is named twice"),
        (["--against", "fog", "--kernel", "4"], "--kernel 4: give an odd number from 3 to 15"),
        (["--against", "fog", "-o", "f.h5"], "-o f.h5: give a name that ends in .onnx"),
        (["--against", "fog", "-o", "no/f.onnx"], "the folder no does not exist"),
        (["--against", "fog", "--samples", "6"], "6 images are too few"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, photographs, iaside, words, said):
    path = graphs.small_network(tmp_path / "net.onnx")
    done = iaside("filter", path, photographs, *words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("Error: ")
    assert said in done.stderr


def test_the_model_itself_is_never_written_over(tmp_path, photographs, iaside):
    path = graphs.small_network(tmp_path / "net.onnx")
    done = iaside("filter", path, photographs, "--against", "fog", "-o", path, "--overwrite")
    assert done.exit_code == 2
    assert "is what would be measured" in done.stderr
