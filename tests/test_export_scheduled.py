"""Exports from TensorFlow and JAX: frameworks too large to install for every run of CI.

Run with ``python -m pytest -m scheduled`` and the Pythons named as docs/exporting.md says.
"""

from __future__ import annotations

import os
import subprocess
import sys

import onnx
import pytest

from .conftest import ROOT
from .exporters import Exporter, python_with

pytestmark = pytest.mark.scheduled

KERAS = """
import keras, numpy as np, tensorflow as tf
from keras import layers

keras.utils.set_random_seed(0)


def save(name, image, x):
    model = keras.Model(image, layers.Dense(5)(layers.Flatten()(x)))
    model.save(f"{name}.keras")
    model.export(name, verbose=False)
    one = [keras.InputSpec(shape=(1, 32, 32, 3), dtype="float32")]
    model.export(f"{name}-one", input_signature=one, verbose=False)
    fixed = tf.lite.TFLiteConverter.from_saved_model(f"{name}-one")
    open(f"{name}-one.tflite", "wb").write(fixed.convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    open(f"{name}.tflite", "wb").write(converter.convert())
    return converter


image = layers.Input((32, 32, 3))
plain = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(image)
converter = save("plain", image, layers.BatchNormalization()(plain))
patches = layers.Reshape((16, 16))(layers.Conv2D(16, 8, strides=8)(image))
attention = layers.MultiHeadAttention(2, 8)(patches, patches)
save("gelu", image, keras.activations.gelu(patches + attention))
save("grouped", image, layers.Conv2D(16, 3, groups=4)(plain))

rng = np.random.default_rng(0)
photographs = [[rng.random((1, 32, 32, 3), dtype=np.float32)] for _ in range(50)]
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = lambda: photographs
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.uint8
open("quantised.tflite", "wb").write(converter.convert())
"""


@pytest.fixture(scope="module")
def tensorflow(tmp_path_factory):
    made = Exporter(python_with("tensorflow"), "from_keras.py", tmp_path_factory.mktemp("tf"))
    made.environment |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    (made.folder / "make.py").write_text(KERAS)
    done = made.run("make.py")
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("name", ["plain", "gelu"])
@pytest.mark.parametrize("form", [".keras", "", ".tflite", "-one", "-one.tflite"])
def test_tensorflow_routes(tensorflow, name, form):
    options = ("--route", "tensorflow") if form == ".keras" else ()
    path = tensorflow.export(f"{name}{form}", *options)
    image = onnx.load(path).graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in image] == [0, 32, 32, 3]


def test_quantised_tflite_takes_and_gives_floats(tensorflow):
    graph = onnx.load(tensorflow.export("quantised.tflite", "--tolerance", "0.02")).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_what_tf2onnx_writes_in_silence_is_refused(tensorflow):
    said = tensorflow.refuse("grouped")
    assert "StatefulPartitionedCall" in said
    assert "PyTorch" in said
    tensorflow.export("grouped.tflite")


FLAX = """
import jax, jax.numpy as jnp
from flax import linen, nnx


class Net(nnx.Module):
    def __init__(self):
        rngs = nnx.Rngs(0)
        self.conv = nnx.Conv(3, 8, (3, 3), strides=2, rngs=rngs)
        self.norm, self.drop = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)
        self.head = nnx.Linear(8 * 16 * 16, 5, rngs=rngs)

    def __call__(self, x):
        x = self.drop(nnx.relu(self.norm(self.conv(x))))
        return self.head(x.reshape(x.shape[0], -1))


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.gelu(linen.Conv(8, (3, 3), strides=4)(x)).reshape(x.shape[0], -1, 8)
        return linen.Dense(6)(linen.SelfAttention(2)(x).mean(1))


def from_linen():
    net = Linen()
    variables = net.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    return lambda images: net.apply(variables, images)


def refused_by_the_runtime():
    window = (1, 2, 2, 1)
    weight = jax.random.normal(jax.random.key(0), (3, 4))

    def scores(x):
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
        return x.mean((1, 2)) @ weight

    return scores
"""


@pytest.fixture(scope="module")
def jax(tmp_path_factory):
    made = Exporter(python_with("jax"), "from_jax.py", tmp_path_factory.mktemp("jax"))
    (made.folder / "nets.py").write_text(FLAX)
    return made


@pytest.mark.parametrize("source", ["nets:Net", "nets:from_linen"])
def test_jax_routes(jax, source):
    jax.export(source, "--image", "32x32x3")


def test_a_graph_that_converts_and_cannot_run_is_refused(jax):
    said = jax.refuse("nets:refused_by_the_runtime", "--image", "32x32x3")
    assert "cannot run it" in said


def test_one_network_has_one_profile_through_every_route():
    """The table of tools/export/uniformity.py, on fewer images and bands."""
    for framework in ("pytorch", "tensorflow", "jax"):
        python_with(framework)
    done = subprocess.run(
        [sys.executable, "tools/export/uniformity.py", "--samples", "24", "--bands", "4"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| +0.") == 9
