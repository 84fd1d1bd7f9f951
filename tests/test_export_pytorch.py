"""Exports from PyTorch, and from Keras on PyTorch, with the frameworks themselves."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

import iaside_onnx as ia
from iaside_onnx.inference.inspection import inspect

from .conftest import write_npz
from .exporters import Exporter, python_with

NETWORKS = '''
import torch
from torch import nn


class Attention(nn.Module):
    """Patches, multi-head attention, exact GELU, batch normalisation and dropout."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.norm = nn.BatchNorm2d(32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(32, 7)

    def forward(self, image):
        x = self.norm(self.patches(image)).flatten(2).transpose(1, 2)
        x = x + self.attention(x, x, x)[0]
        return self.head(self.drop(nn.functional.gelu(x)).mean(1))


class Noisy(Attention):
    def forward(self, image):
        return super().forward(image) + torch.randn(len(image), 7)


class Pair(Attention):
    def forward(self, image):
        scores = super().forward(image)
        return scores, scores.argmax(1)


class Fixed(Attention):
    def forward(self, image):
        return super().forward(image).reshape(2, 7)


def attention():
    torch.manual_seed(3)
    return Attention()


if __name__ == "__main__":
    torch.save(attention().state_dict(), "weights.pth")
    torch.save(attention(), "pickled.pth")
    example, network = torch.rand(2, 3, 32, 32), attention().eval()
    for name, shapes in (("free", ({0: torch.export.Dim("batch")},)), ("fixed", None)):
        program = torch.export.export(network, (example,), dynamic_shapes=shapes)
        torch.export.save(program, f"{name}.pt2")
'''
IMAGE = ("--image", "3x32x32")
PRETRAINED = ("--weights", "pretrained")


@pytest.fixture(scope="module")
def pytorch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pytorch")
    (folder / "networks.py").write_text(NETWORKS)
    made = Exporter(python_with("pytorch"), "from_pytorch.py", folder)
    done = made.run("networks.py")
    assert done.returncode == 0, done.stderr
    return made


def metadata(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_factory_with_weights_becomes_a_file_that_iaside_runs(
    pytorch, iaside, photographs, tmp_path
):
    path = pytorch.export(
        "networks:attention", *IMAGE, "--weights", "weights.pth", "--classes", "a,b,c,d,e,f,g"
    )
    assert json.loads(metadata(path)["iaside.classes"]) == [*"abcdefg"]
    report = tmp_path / "report.h5"
    by_place = "--bands", 2, "--class-names", "none"
    done = iaside("analyze", path, photographs, "-o", report, *by_place)
    assert done.exit_code == 0, done.stderr


@pytest.mark.parametrize(
    ("source", "options"),
    [("networks:attention", (*IMAGE, "--legacy", "--preprocess", "imagenet")), ("free.pt2", ())],
    ids=["older exporter", "torch.export program"],
)
def test_other_ways_out_of_pytorch(pytorch, source, options):
    path = pytorch.export(source, *options)
    assert metadata(path).get("iaside.preprocess") == ("imagenet" if options else None)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("networks:Noisy", IMAGE, "evaluation mode"),
        ("networks:Pair", IMAGE, "scores alone"),
        ("networks:Fixed", IMAGE, "PyTorch"),
        ("fixed.pt2", (), "batch is fixed at 2"),
        ("networks:attention", (*IMAGE, "--weights", "pickled.pth"), "weights"),
        ("weights.pth", IMAGE, "package.module:factory --weights FILE"),
        ("networks:attention", (), "--image"),
        ("networks:missing", IMAGE, "cannot be imported"),
        ("torchvision:resnet18", (*PRETRAINED, "--num-classes", "5"), "classes of its own"),
        ("timm:resnet18", (*PRETRAINED, "--num-classes", "5"), "classes of its own"),
    ],
)
def test_what_must_not_be_exported_is_not(pytorch, source, options, message):
    assert message in pytorch.refuse(source, *options)


# torchvision from a registry may not fit a CPU build of torch: its compiled operators, which no
# classifier needs, are then missing, and it cannot be imported. This declares two of them.
DECLARE = """
import torch
for name in ("nms", "qnms"):
    torch.library.define(f"torchvision::{name}", "(Tensor a, Tensor b, float c) -> Tensor")
"""


@pytest.fixture
def with_timm(pytorch, tmp_path):
    made = Exporter(pytorch.python, pytorch.script, pytorch.folder)
    if made.run("-c", "import timm").returncode:
        (tmp_path / "sitecustomize.py").write_text(DECLARE)
        made.environment["PYTHONPATH"] = str(tmp_path)
    if made.run("-c", "import timm").returncode:
        pytest.skip("timm cannot be imported in the PyTorch environment")
    return made


TIMM_ITSELF = """
import json, timm
config = timm.data.resolve_model_data_config(timm.create_model("test_resnet.r160_in1k"))
resize, crop, _, normalize = timm.data.create_transform(**config).transforms
print(json.dumps({
    "resize": resize.size,
    "crop": list(crop.size),
    "interpolation": resize.interpolation.value,
    "mean": normalize.mean.tolist(),
    "std": normalize.std.tolist(),
}))
"""


def test_timm_declares_its_preprocessing(with_timm):
    path = with_timm.export("timm:test_resnet.r160_in1k", "--weights", "random")
    recipe = json.loads(metadata(path)["iaside.preprocess"])
    itself = json.loads(with_timm.run("-c", TIMM_ITSELF).stdout)
    assert recipe.keys() == itself.keys()
    for key in ("mean", "std"):
        assert recipe.pop(key) == pytest.approx(itself.pop(key))
    assert recipe == itself
    assert "random" in with_timm.refuse("timm:test_resnet.r160_in1k")


KERAS = """
import keras
from keras import layers

keras.utils.set_random_seed(0)
image = layers.Input((32, 32, 3))
x = layers.Conv2D(16, 8, strides=4)(layers.Rescaling(1 / 255)(image))
x = layers.BatchNormalization()(layers.Conv2D(16, 3, groups=4)(x))
x = layers.Reshape((25, 16))(x)
x = layers.Activation("gelu")(layers.Add()([x, layers.MultiHeadAttention(2, 8)(x, x)]))
scores = layers.Dense(5, activation="softmax")(layers.Flatten()(x))
model = keras.Model(image, scores)
model.save("net.keras")
model.save("net.h5")
"""


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_keras_without_tensorflow(pytorch, suffix):
    made = Exporter(pytorch.python, "from_keras.py", pytorch.folder)
    if made.run("-c", "import importlib.metadata as m; m.version('keras')").returncode:
        pytest.skip("Keras is not installed in the PyTorch environment")
    made.environment["KERAS_BACKEND"] = "torch"
    (made.folder / "make_keras.py").write_text(KERAS)
    done = made.run("make_keras.py")
    assert done.returncode == 0, done.stderr
    path = made.export(f"net.{suffix}", "--preprocess", "raw")
    assert metadata(path) | {"iaside.output": ""} == {
        "iaside.preprocess": "raw",
        "iaside.layout": "nhwc",
        "iaside.output_kind": "probabilities",
        "iaside.output": "",
    }


PLAIN = '''
import sys
import numpy as np
import torch
from torch import nn


class View(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 8, 8), nn.Linear(128, 7)

    def forward(self, image):
        return self.head(self.patches(image).view(image.shape[0], -1))


class Alone(View):
    def forward(self, image):
        return super().forward(image)[0]


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 8, 8), nn.Linear(6, 7)
        self.rows = nn.LSTM(8, 6, batch_first=True)

    def forward(self, image):
        return self.head(self.rows(self.patches(image).flatten(2).transpose(1, 2))[0][:, -1])


class Token(nn.Module):
    """Class token, attention by hand on windows, and attention with the sequence first."""

    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 32, 8, 8), nn.Linear(32, 7)
        self.token, self.mixed = nn.Parameter(torch.randn(1, 1, 32)), nn.Linear(32, 96)
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=False)

    def forward(self, image):
        x = self.patches(image).permute(0, 2, 3, 1)
        n, height, width, size = x.shape
        x = x.view(n, 2, height // 2, 2, width // 2, size).permute(0, 1, 3, 2, 4, 5)
        q, k, v = self.mixed(x.reshape(-1, height * width // 4, size)).chunk(3, -1)
        x = (torch.softmax(q @ k.transpose(1, 2), -1) @ v).reshape(n, height * width, size)
        x = torch.cat([self.token.expand(n, -1, -1), x], 1)
        return self.head(self.layer(x.transpose(0, 1))[0])


folder, images = sys.argv[1], torch.rand(6, 3, 32, 32)
example, answers = images[:1], {"images": images.numpy()}
for name in sys.argv[2:]:
    name, how = name.split("-")
    kind = globals()[name]
    torch.manual_seed(1)
    network = kind().eval()
    with torch.no_grad():
        answers[name] = np.stack([network(image[None]).reshape(7) for image in images])
    options = {"dynamo": False} if how == "older" else {"dynamo": True, "external_data": False}
    if how == "declared":
        options["dynamic_shapes"] = ({0: torch.export.Dim.DYNAMIC},)
    torch.onnx.export(network, (example,), f"{folder}/{name}-{how}.onnx", **options)
np.savez(f"{folder}/answers.npz", **answers)
'''


EXPORTS = [
    "View-new",
    "Alone-declared",
    "Recurrent-new",
    "Token-new",
    "Token-declared",
    "Token-older",
]


@pytest.fixture(scope="module")
def plain_exports(pytorch):
    """What torch.onnx.export writes for an example batch of 1, and what PyTorch answers."""
    (pytorch.folder / "plain.py").write_text(PLAIN)
    done = pytorch.run("plain.py", pytorch.folder, *EXPORTS)
    assert done.returncode == 0, done.stderr
    answers = np.load(pytorch.folder / "answers.npz")
    images = np.moveaxis(answers["images"], 1, -1)
    return pytorch.folder, answers, write_npz(pytorch.folder / "d.npz", images, np.arange(6))


@pytest.mark.parametrize("name", EXPORTS)
def test_plain_exports_for_one_image_run_freed(plain_exports, name):
    folder, answers, data = plain_exports
    model, (network, _, how) = folder / f"{name}.onnx", name.partition("-")
    report = ia.analyze(model, data, bands=2, absence="zero")
    own = answers[network].astype(np.float64)
    own -= np.log(np.exp(own).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(report.log_prob[:, -1], own.diagonal(), atol=1e-4)
    modes = {"freed"} | ({"file"} if how == "declared" else set())
    assert report.run["batch_mode"] in modes
    found = inspect(model)
    assert found["batch"] == ("dynamic" if report.run["batch_mode"] == "file" else 1)
    assert not any("one by one" in warning for warning in found["warnings"])
