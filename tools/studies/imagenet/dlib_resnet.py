"""ResNet-34 as dlib's file, written as ONNX in float32.

    python -m tools.studies.imagenet.dlib_resnet resnet34_1000_imagenet_classifier.dnn resnet34.onnx

The file holds layers in the order in which they are calculated, each under its name: convolutions,
a scale and a shift after each, and one fully connected layer. Where a block halves the image, its
input is averaged, and channels that it lacks are zeros. Last are the names of the classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from .graph import Graph, model

# Channels of the blocks of a level, and how many blocks; all levels but the first begin by halving.
_LEVELS = ((64, 3), (128, 4), (256, 6), (512, 3))
_CLASSES, _SIDE = 1000, 227
Weights = NDArray[np.float32]


class File:
    """Reads numbers and arrays, one after the other."""

    def __init__(self, held: bytes) -> None:
        self.held, self.place = held, 0

    def number(self) -> int:
        """A whole number: how many bytes it takes, then these, the lowest first."""
        size = self.held[self.place]
        at, self.place = self.place + 1, self.place + 1 + size
        return int.from_bytes(self.held[at : self.place], "little")

    def array(self, layer: str, sizes: int = 0) -> Weights:
        """The weights of the next layer of this name, which tells as many `sizes` first."""
        name = bytes([1, len(layer)]) + layer.encode()
        self.place = self.held.index(name, self.place) + len(name)
        for _ in range(sizes):
            self.number()
        version, *shape = (self.number() for _ in range(5))
        if version != 2:
            raise ValueError(f"{layer}: the array is of version {version}, and 2 is what is read")
        size = int(np.prod(shape))
        found = np.frombuffer(self.held, "<f4", size, self.place)
        self.place += 4 * size
        return found.reshape(shape)

    def names(self) -> list[str]:
        """The words at the end."""
        size = (_CLASSES.bit_length() + 7) // 8
        self.place = self.held.rindex(bytes([size]) + _CLASSES.to_bytes(size, "little"))
        found = []
        for _ in range(self.number()):
            size = self.number()
            found.append(self.held[self.place : self.place + size].decode())
            self.place += size
        return found


class _Graph(Graph):
    """Layers of a file, with each scale taken into the convolution before it."""

    def __init__(self, file: File) -> None:
        super().__init__()
        self.file = file

    def conv(self, fed: str, given: int, made: int, side: int, *, stride: int) -> str:
        name = f"layer{len(self.weights)}"
        held = self.file.array("con_4").ravel()
        scale, shift = self.file.array("affine_").reshape(2, made)
        kernel, bias = np.split(held, [made * given * side * side])
        kernel = kernel.reshape(made, given, side, side) * scale[:, None, None, None]
        pad = side // 2 if stride == 1 else 0
        return self.node(
            "Conv", fed, self.hold(f"{name}.weight", kernel),
            self.hold(f"{name}.bias", bias * scale + shift),
            pads=[pad] * 4, strides=[stride] * 2,
        )  # fmt: skip

    def block(self, fed: str, given: int, made: int, *, halved: bool) -> str:
        last = self.conv(fed, given, made, 3, stride=2 if halved else 1)
        last = self.conv(self.node("Relu", last), made, made, 3, stride=1)
        if halved:
            fed = self.node("AveragePool", fed, kernel_shape=[2, 2], strides=[2, 2])
            sizes = np.array([0, 0, 0, 0, 0, made - given, 0, 0], np.int64)
            fed = self.node("Pad", fed, self.hold(f"channels{made}", sizes))
        return self.node("Relu", self.node("Add", last, fed))


def network(held: bytes) -> tuple[onnx.ModelProto, list[str]]:
    """The network that a file holds, and the names of its classes."""
    graph = _Graph(File(held))
    channels = _LEVELS[0][0]
    last = graph.conv("data", 3, channels, 7, stride=2)
    last = graph.node("MaxPool", graph.node("Relu", last), kernel_shape=[3, 3], strides=[2, 2])
    for made, blocks in _LEVELS:
        for at in range(blocks):
            last = graph.block(last, channels, made, halved=at == 0 and made != channels)
            channels = made
    last = graph.node("Flatten", graph.node("GlobalAveragePool", last))
    held_last = graph.file.array("fc_2", sizes=2).reshape(channels + 1, _CLASSES)
    weight, bias = graph.hold("last.weight", held_last[:-1]), graph.hold("last.bias", held_last[-1])
    graph.linear_head(last, weight, bias)
    return model("resnet34", _SIDE, _CLASSES, graph.nodes, graph.weights), graph.file.names()


if __name__ == "__main__":
    made, names = network(Path(sys.argv[1]).read_bytes())
    onnx.save(made, sys.argv[2])
    print(f"{len(names)} classes, from {names[0]} to {names[-1]}")
