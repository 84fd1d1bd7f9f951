"""Networks of the sizes that people deploy, with random weights: right for speed, blind to images.

Both are written as the usual exporters write them (batch normalisation folded into the
convolutions, GELU and layer normalisation as graphs of opset 17 have them), so that onnxruntime
optimises them as it would the real ones. Input: ``image``, float, (batch, 3, 224, 224); output:
``scores``, logits of 1000 classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_SIDE = 224
_CLASSES = 1000
_RESNET_50 = ((64, 3), (128, 4), (256, 6), (512, 3))
_WIDTH, _DEPTH, _HEADS, _PATCH = 384, 12, 6, 16


class _Graph:
    """A graph under construction: nodes, and weights drawn as they are needed."""

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.nodes: list[Any] = []
        self.weights: dict[str, NDArray[Any]] = {}
        self._rng = np.random.default_rng(0)

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node; the name of its output."""
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def hold(self, values: Any) -> str:
        """A constant; its name."""
        name = f"weight_{len(self.weights)}"
        array = np.asarray(values)
        self.weights[name] = array.astype(self.dtype) if array.dtype.kind == "f" else array
        return name

    def draw(self, *shape: int, spread: float) -> str:
        """A normally distributed weight; its name."""
        return self.hold(self._rng.standard_normal(shape, np.float32) * np.float32(spread))

    def zeros(self, *shape: int) -> str:
        return self.hold(np.zeros(shape, np.float32))

    def save(self, path: Path) -> Path:
        """Write the graph; the last node's value becomes the output."""
        self.nodes[-1].output[0] = "scores"
        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        ends = [
            helper.make_tensor_value_info("image", kind, ["batch", 3, _SIDE, _SIDE]),
            helper.make_tensor_value_info("scores", kind, ["batch", _CLASSES]),
        ]
        held = [numpy_helper.from_array(array, name) for name, array in self.weights.items()]
        graph = helper.make_graph(self.nodes, path.stem, ends[:1], ends[1:], held)
        opset = [helper.make_opsetid("", 17)]
        onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path


def resnet50(path: Path, dtype: str = "float32") -> Path:
    """Write a network of ResNet-50's size: 25.5 million parameters, 4.1 GFLOP (multiply-adds)."""
    made = _Graph(dtype)

    def convolve(
        source: str, ins: int, outs: int, side: int, stride: int = 1, *, gain: float = 2.0
    ) -> str:
        weight = made.draw(outs, ins, side, side, spread=(gain / (ins * side * side)) ** 0.5)
        pads = [side // 2] * 4
        return made.add(
            "Conv", source, weight, made.zeros(outs),
            kernel_shape=[side, side], strides=[stride] * 2, pads=pads,
        )  # fmt: skip

    last = made.add("Relu", convolve("image", 3, 64, 7, 2))
    last = made.add("MaxPool", last, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    ins = 64
    for stage, (width, blocks) in enumerate(_RESNET_50):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            inner = made.add("Relu", convolve(last, ins, width, 1))
            inner = made.add("Relu", convolve(inner, width, width, 3, stride))
            # Small, so that sixteen sums in a row stay within half precision.
            inner = convolve(inner, width, 4 * width, 1, gain=0.1)
            beside = last if block else convolve(last, ins, 4 * width, 1, stride, gain=1.0)
            last, ins = made.add("Relu", made.add("Add", inner, beside)), 4 * width
    pooled = made.add("Flatten", made.add("GlobalAveragePool", last), axis=1)
    weight = made.draw(_CLASSES, ins, spread=ins**-0.5)
    made.add("Gemm", pooled, weight, made.zeros(_CLASSES), transB=1)
    return made.save(path)


def vit_small(path: Path, dtype: str = "float32") -> Path:
    """Write a network of ViT-S/16's size: 22.1 million parameters, 4.6 GFLOP (multiply-adds)."""
    made = _Graph(dtype)
    tokens = (_SIDE // _PATCH) ** 2 + 1
    split = made.hold(np.array([0, tokens, 3, _HEADS, _WIDTH // _HEADS]))
    joined = made.hold(np.array([0, tokens, _WIDTH]))
    root = made.hold(np.float32((_WIDTH // _HEADS) ** -0.5))
    sqrt2, one, half = (made.hold(np.float32(value)) for value in (2**0.5, 1, 0.5))

    def dense(source: str, ins: int, outs: int) -> str:
        product = made.add("MatMul", source, made.draw(ins, outs, spread=ins**-0.5))
        return made.add("Add", product, made.zeros(outs))

    def normal(source: str) -> str:
        ones = made.hold(np.ones(_WIDTH, np.float32))
        return made.add("LayerNormalization", source, ones, made.zeros(_WIDTH), epsilon=1e-6)

    def attend(source: str) -> str:
        five = made.add("Reshape", dense(source, _WIDTH, 3 * _WIDTH), split)
        query, key, value = (
            made.add("Gather", made.add("Transpose", five, perm=[2, 0, 3, 1, 4]),
                     made.hold(np.array(part)), axis=0)
            for part in range(3)
        )  # fmt: skip
        product = made.add("MatMul", query, made.add("Transpose", key, perm=[0, 1, 3, 2]))
        weights = made.add("Softmax", made.add("Mul", product, root), axis=-1)
        mixed = made.add("Transpose", made.add("MatMul", weights, value), perm=[0, 2, 1, 3])
        return dense(made.add("Reshape", mixed, joined), _WIDTH, _WIDTH)

    def think(source: str) -> str:
        wide = dense(source, _WIDTH, 4 * _WIDTH)
        error = made.add("Add", made.add("Erf", made.add("Div", wide, sqrt2)), one)
        gelu = made.add("Mul", made.add("Mul", wide, error), half)
        return dense(gelu, 4 * _WIDTH, _WIDTH)

    weight = made.draw(_WIDTH, 3, _PATCH, _PATCH, spread=(3 * _PATCH * _PATCH) ** -0.5)
    patches = made.add(
        "Conv", "image", weight, made.zeros(_WIDTH),
        kernel_shape=[_PATCH] * 2, strides=[_PATCH] * 2,
    )  # fmt: skip
    flat = made.add("Reshape", patches, made.hold(np.array([0, _WIDTH, tokens - 1])))
    sequence = made.add("Transpose", flat, perm=[0, 2, 1])
    batch = made.add("Shape", "image", start=0, end=1)
    shape = made.add("Concat", batch, made.hold(np.array([1, _WIDTH])), axis=0)
    first = made.add("Expand", made.draw(1, 1, _WIDTH, spread=0.02), shape)
    last = made.add("Concat", first, sequence, axis=1)
    last = made.add("Add", last, made.draw(1, tokens, _WIDTH, spread=0.02))
    for _ in range(_DEPTH):
        last = made.add("Add", last, attend(normal(last)))
        last = made.add("Add", last, think(normal(last)))
    token = made.add("Gather", normal(last), made.hold(np.array(0)), axis=1)
    made.add(
        "Gemm", token, made.draw(_CLASSES, _WIDTH, spread=_WIDTH**-0.5), made.zeros(_CLASSES),
        transB=1,
    )  # fmt: skip
    return made.save(path)


def parameters(path: Path) -> int:
    """Number of weights of a model file: its floating-point constants."""
    floats = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    graph = onnx.load(path).graph
    return sum(
        int(np.prod(held.dims))
        for held in graph.initializer
        if held.dims and held.data_type in floats
    )
