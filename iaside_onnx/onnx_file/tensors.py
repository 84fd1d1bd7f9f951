"""Inputs and outputs of a graph: names, shapes, number types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

# A dimension: its length, or None where the graph leaves it free.
Shape = tuple[int | None, ...]

INPUT_TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
SCORE_TYPES = frozenset(INPUT_TYPES) - {TensorProto.UINT8}


@dataclass(frozen=True)
class Tensor:
    """Name, shape and ONNX element type of a graph input or output.

    `symbols` holds the graph's own name of each dimension, empty where it gives none;
    `container` says what it is where it is no tensor, for example "sequence of maps";
    `unbatched` that the graph itself has no batch axis, which `shape` begins with.
    """

    name: str
    shape: Shape | None
    elem_type: int
    symbols: tuple[str, ...] = ()
    container: str = ""
    unbatched: bool = False

    def block(self, layout: str | None) -> Shape:
        """Channels, height and width of an image input; a flat one is a line of numbers."""
        _, *rest = self.shape or (None, None, None, None)
        if len(rest) < 3:
            return (1,) * (3 - len(rest)) + tuple(rest)
        return (rest[2], rest[0], rest[1]) if layout == "nhwc" else (rest[0], rest[1], rest[2])

    def size_is_free(self, layout: str | None) -> bool:
        """Whether height or width of an image input is left open."""
        return None in self.block(layout)[1:]

    @property
    def dtype(self) -> str:
        """Element type in numpy's words, for example ``float16``; else the container."""
        if not self.elem_type:
            return self.container or "none"
        if self.elem_type not in TensorProto.DataType.values():
            return f"type {self.elem_type}"
        name = str(TensorProto.DataType.Name(self.elem_type)).lower()
        return {"float": "float32", "double": "float64"}.get(name, name)


def holds_images(tensor: Tensor) -> bool:
    """Whether an input beside others looks like a batch of images: it has an axis of 1 or 3."""
    shape = tensor.shape
    if tensor.elem_type not in INPUT_TYPES or shape is None or len(shape) != 4:
        return False
    return shape[1] in (1, 3, None) or shape[3] in (1, 3, None)


def type_advice(tensor: Tensor) -> str:
    """What to do about a number type that few runtimes and no arrays know."""
    if tensor.elem_type != TensorProto.BFLOAT16:
        return ""
    return ": export the model in float32 or float16 (model.float() before torch.onnx.export)"


def shape_text(shape: Shape) -> str:
    """A shape in words; free dimensions show as a question mark."""
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def names_of(tensors: tuple[Tensor, ...]) -> str:
    """Names and number types of the first few, for messages."""
    shown = [f"'{tensor.name}' {tensor.dtype}" for tensor in tensors[:8]]
    return ", ".join(shown + ["..."] * (len(tensors) > 8)) or "none"


def tensor_from(value: onnx.ValueInfoProto) -> Tensor:
    """An input or output as the graph writes it."""
    kind, name = value.type.tensor_type, text_of(value.name)
    if not value.type.HasField("tensor_type"):
        return Tensor(name, None, 0, container=_container(value.type))
    if not kind.HasField("shape"):
        return Tensor(name, None, kind.elem_type)
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    # Some exporters write 0 or -1 for a free dimension.
    shape = tuple(size if size is not None and size > 0 else None for size in sizes)
    return Tensor(name, shape, kind.elem_type, tuple(text_of(d.dim_param) for d in kind.shape.dim))


def text_of(value: str | bytes) -> str:
    """A string of the file; protobuf hands out bytes where it is no valid UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _container(kind: onnx.TypeProto) -> str:
    """A type that is no tensor, in words."""
    word = (kind.WhichOneof("value") or "unknown type").removesuffix("_type").replace("_", " ")
    inner = kind.sequence_type.elem_type if word == "sequence" else None
    return f"sequence of {_container(inner)}s" if inner is not None else word
