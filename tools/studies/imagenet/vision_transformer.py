"""A vision transformer (ViT-Tiny or DeiT-Tiny) from a file a weight, written as ONNX in float32.

    python -m tools.studies.imagenet.vision_transformer parameters vit-tiny.onnx
    python -m tools.studies.imagenet.vision_transformer mat_extract/deit_tiny deit-tiny.onnx

Weights are called as PyTorch Image Models calls them, with ``_`` for ``.``. A ``.bin`` holds the
sizes of the array as 32-bit integers, then its numbers as 32-bit floats; a ``.mat`` is MATLAB's,
and in that folder layer norms are counted through and other names tell a number of bits at the end.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.io import loadmat

from .graph import Graph, model

_BLOCKS, _HEADS, _WIDTH, _PATCH, _SIDE, _CLASSES = 12, 3, 192, 16, 224, 1000
_EPSILON = 1e-6
Weights = NDArray[np.float32]


def find(folder: Path, name: str) -> Path:
    """The file of a weight."""
    plain = folder / f"{name}.bin"
    if plain.exists():
        return plain
    block, layer = re.match(r"blocks_(\d+)_norm(\d)", name), name.rsplit("_", 1)[-1]
    if block or name.startswith("norm_"):
        at = 2 * int(block[1]) + int(block[2]) - 1 if block else 2 * _BLOCKS
        name = f"cpu_p_qudq_{at}_LN_{layer}"
    (found,) = (
        file for file in folder.rglob("*.mat")
        if re.fullmatch(rf"(p_)?{name}(_fl)?(_\d+|_cpu|_expand_B_neg1_neg1)", file.stem)
    )  # fmt: skip
    return found


def array(file: Path) -> Weights:
    """What a file holds; MATLAB's are of two axes at least, and biases then of one row."""
    if file.suffix == ".mat":
        values = np.asarray(loadmat(file)["data"], np.float32)
        return values.ravel() if "_bias_" in file.stem or "_LN_" in file.stem else values
    held = file.read_bytes()
    for count in range(1, 5):
        sizes = np.frombuffer(held, "<i4", count)
        if 4 * (count + np.prod(sizes, dtype=np.int64)) == len(held):
            return np.frombuffer(held, "<f4", offset=4 * count).reshape(sizes)
    raise ValueError(f"{file}: its length is not that of an array of the sizes that it tells")


class _Graph(Graph):
    """Layers whose weights lie in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def constant(self, values: object, kind: type[np.generic] = np.float32) -> str:
        return self.hold(f"constant{len(self.weights)}", np.array(values, kind))

    def weight(self, name: str, *, turned: bool = False) -> str:
        values = array(find(self.folder, name))
        return self.hold(name, values.T if turned else values)

    def norm(self, fed: str, name: str) -> str:
        return self.node(
            "LayerNormalization", fed, self.weight(f"{name}_weight"), self.weight(f"{name}_bias"),
            epsilon=_EPSILON,
        )  # fmt: skip

    def linear(self, fed: str, name: str) -> str:
        made = self.node("MatMul", fed, self.weight(f"{name}_weight", turned=True))
        return self.node("Add", made, self.weight(f"{name}_bias"))

    def attention(self, fed: str, name: str) -> str:
        wide = self.linear(fed, f"{name}_qkv")
        shape = self.constant([0, 0, 3, _HEADS, _WIDTH // _HEADS], np.int64)
        apart = self.node("Transpose", self.node("Reshape", wide, shape), perm=[2, 0, 3, 1, 4])
        query, key, value = (
            self.node("Gather", apart, self.constant(at, np.int64), axis=0) for at in range(3)
        )
        scale = self.constant((_WIDTH // _HEADS) ** -0.5)
        keys = self.node("Transpose", key, perm=[0, 1, 3, 2])
        scores = self.node("MatMul", self.node("Mul", query, scale), keys)
        seen = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        together = self.node("Transpose", seen, perm=[0, 2, 1, 3])
        flat = self.node("Reshape", together, self.constant([0, 0, _WIDTH], np.int64))
        return self.linear(flat, f"{name}_proj")

    def gelu(self, fed: str) -> str:
        bent = self.node("Erf", self.node("Mul", fed, self.constant(0.5**0.5)))
        half = self.node("Mul", fed, self.constant(0.5))
        return self.node("Mul", half, self.node("Add", bent, self.constant(1.0)))

    def block(self, fed: str, name: str) -> str:
        seen = self.attention(self.norm(fed, f"{name}_norm1"), f"{name}_attn")
        last = self.node("Add", fed, seen)
        hidden = self.linear(self.norm(last, f"{name}_norm2"), f"{name}_mlp_fc1")
        return self.node("Add", last, self.linear(self.gelu(hidden), f"{name}_mlp_fc2"))


def network(folder: Path) -> onnx.ModelProto:
    """The network whose weights a folder holds."""
    graph = _Graph(folder)
    patches = graph.node(
        "Conv", "data", graph.weight("patch_embed_proj_weight"),
        graph.weight("patch_embed_proj_bias"), strides=[_PATCH, _PATCH],
    )  # fmt: skip
    row = graph.node("Reshape", patches, graph.constant([0, _WIDTH, -1], np.int64))
    last = graph.node("Transpose", row, perm=[0, 2, 1])
    # The token of the class, once for each image.
    batch = graph.node("Shape", "data", start=0, end=1)
    shape = graph.node("Concat", batch, graph.constant([1, _WIDTH], np.int64), axis=0)
    token = graph.node("Expand", graph.weight("cls_token"), shape)
    last = graph.node("Concat", token, last, axis=1)
    last = graph.node("Add", last, graph.weight("pos_embed"))
    for at in range(_BLOCKS):
        last = graph.block(last, f"blocks_{at}")
    last = graph.node("Gather", graph.norm(last, "norm"), graph.constant(0, np.int64), axis=1)
    graph.linear_head(last, graph.weight("head_weight", turned=True), graph.weight("head_bias"))
    return model("vit-tiny", _SIDE, _CLASSES, graph.nodes, graph.weights)


if __name__ == "__main__":
    onnx.save(network(Path(sys.argv[1])), sys.argv[2])
