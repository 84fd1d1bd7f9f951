"""SqueezeNet 1.0 as its Deep Compression file, written as ONNX in float32.

    python -m tools.studies.imagenet.deep_compressed compressed_SqueezeNet.net squeezenet1.0.onnx

The file holds each convolution as a codebook of 256 weights, the codes of the weights that pruning
left, and how many zeros lie between them, 15 at most.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from .graph import model

# Channels that a fire module squeezes to, and those of each of its two expansions; None: a pooling.
_FIRES = ((16, 64), (16, 64), (32, 128), None, (32, 128), (48, 192), (48, 192), (64, 256), None,
          (64, 256))  # fmt: skip
_CLASSES, _SIDE = 1000, 227
Weights = NDArray[np.float32]


class _Graph:
    """Nodes, and the shapes of the weights in the order of the file."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.shapes: list[tuple[str, tuple[int, int, int, int]]] = []

    def conv(self, fed: str, given: int, made: int, side: int, *, pad: int, stride: int = 1) -> str:
        name = f"conv{len(self.shapes)}"
        self.shapes.append((name, (made, given, side, side)))
        self.nodes.append(helper.make_node(
            "Conv", [fed, f"{name}.weight", f"{name}.bias"], [name], pads=[pad] * 4,
            strides=[stride] * 2,
        ))  # fmt: skip
        self.nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        return f"{name}.relu"

    def pool(self, fed: str) -> str:
        self.nodes.append(helper.make_node(
            "MaxPool", [fed], [f"{fed}.pool"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1,
        ))  # fmt: skip
        return f"{fed}.pool"


def decoded(file: BinaryIO, shapes: Sequence[tuple[int, ...]]) -> list[tuple[Weights, Weights]]:
    """Weights and biases of all convolutions."""

    def read(kind: type[np.generic], count: int) -> NDArray[Any]:
        return np.frombuffer(file.read(count * np.dtype(kind).itemsize), kind)

    counts = read(np.uint32, len(shapes))
    found = []
    for shape, count in zip(shapes, counts.tolist(), strict=True):
        book = read(np.float32, 256)
        bias = read(np.float32, shape[0])
        codes = read(np.uint8, count)
        packed = read(np.uint8, (count + 1) // 2)
        gaps = np.stack([packed & 15, packed >> 4], axis=1).ravel()[:count]
        placed = np.zeros(int(np.prod(shape)), np.uint8)
        placed[np.cumsum(gaps.astype(np.int64) + 1) - 1] = codes
        found.append((book[placed].reshape(shape), bias))
    return found


def write(source: Path, target: Path) -> None:
    """Write the network that the file holds."""
    graph = _Graph()
    last, channels = graph.conv("data", 3, 96, 7, pad=0, stride=2), 96
    last = graph.pool(last)
    for fire in _FIRES:
        if fire is None:
            last = graph.pool(last)
            continue
        squeezed, expanded = fire
        middle = graph.conv(last, channels, squeezed, 1, pad=0)
        wide = [graph.conv(middle, squeezed, expanded, side, pad=side // 2) for side in (1, 3)]
        last, channels = f"{middle}.fire", 2 * expanded
        graph.nodes.append(helper.make_node("Concat", wide, [last], axis=1))
    last = graph.conv(last, channels, _CLASSES, 1, pad=1)
    graph.nodes.append(helper.make_node("GlobalAveragePool", [last], ["mean"]))
    graph.nodes.append(helper.make_node("Flatten", ["mean"], ["scores"]))
    with source.open("rb") as file:
        held = decoded(file, [shape for _, shape in graph.shapes])
    weights = [
        numpy_helper.from_array(values, f"{name}.{kind}")
        for (name, _), both in zip(graph.shapes, held, strict=True)
        for kind, values in zip(("weight", "bias"), both, strict=True)
    ]
    onnx.save(model("squeezenet1.0", _SIDE, _CLASSES, graph.nodes, weights), target)


if __name__ == "__main__":
    write(*map(Path, sys.argv[1:3]))
