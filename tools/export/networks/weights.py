"""The weights of `models/demo-plain.onnx`, as every framework's network takes them.

The file holds each batch normalisation folded into the convolution before it. Here they are drawn
apart again with arbitrary statistics, so that the frameworks' own batch normalisation, its epsilon
included, takes part in what is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

MODEL = Path(__file__).resolve().parents[3] / "models" / "demo-plain.onnx"
EPSILON = 1e-5
SIZE = 64
WIDTHS = (24, 48, 96)
# Name, inputs, outputs and stride of the residual blocks; a block that changes shape has a skip.
BLOCKS = (
    ("body.0", WIDTHS[0], WIDTHS[0], 1),
    ("body.1", WIDTHS[0], WIDTHS[1], 2),
    ("body.2", WIDTHS[1], WIDTHS[2], 2),
)

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Conv:
    """A convolution without bias and the batch normalisation after it.

    `kernel` is (outputs, inputs, height, width); the others are one value an output.
    """

    kernel: Array
    gamma: Array
    beta: Array
    mean: Array
    var: Array

    @property
    def kernel_hwio(self) -> Array:
        """The kernel in TensorFlow's and Flax's order."""
        return self.kernel.transpose(2, 3, 1, 0)


@dataclass(frozen=True)
class Weights:
    """All weights: convolutions by name, the last layer, and the pixels' mean and deviation."""

    convs: dict[str, Conv]
    head: Array
    bias: Array
    mean: float
    std: float


def read() -> Weights:
    """Read the demo model and draw its batch normalisations apart."""
    tensors: dict[str, Any] = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(MODEL).graph.initializer
    }
    rng = np.random.default_rng(0)
    folded = [name.removesuffix("_bias") for name in tensors if name.endswith("weight_bias")]
    convs = {
        name.removesuffix(".weight"): _apart(tensors[name], tensors[f"{name}_bias"], rng)
        for name in sorted(folded)
    }
    mean, std = (float(tensors[name].flat[0]) for name in ("mean", "std"))
    return Weights(convs, tensors["head.weight"], tensors["head.bias"], mean, std)


def _apart(kernel: Array, bias: Array, rng: np.random.Generator) -> Conv:
    """Undo gamma (conv(x) - mean) / sqrt(var + epsilon) + beta for arbitrary statistics."""
    count = len(bias)
    gamma, var = rng.uniform(0.5, 1.5, count), rng.uniform(0.5, 2.0, count)
    mean = rng.normal(0, 0.2, count)
    gain = gamma / np.sqrt(var + EPSILON)
    parts = (kernel / gain[:, None, None, None], gamma, bias + gain * mean, mean, var)
    return Conv(*(np.asarray(part, np.float32) for part in parts))
