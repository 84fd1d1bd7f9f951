"""Which range of pixel values a graph seems made for, judged by its first arithmetic steps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from .graph import constants, producers, tensor_values

Array = NDArray[np.float64]

# Steps that hand numbers on as they are, in another order, shape or type.
_PASSING = frozenset(
    {"Identity", "Cast", "CastLike", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
    | {"Expand", "Resize", "Upsample", "Pad", "Dropout", "Gather"}
)
_FUNCTIONS = {"Sqrt": np.sqrt, "Reciprocal": np.reciprocal, "Neg": np.negative}
_LONGEST_WALK = 24
_CHANNELS = 4
# What networks are usually fed with at last: [0, 1], [-1, 1], [-0.5, 0.5], ImageNet's and MNIST's
# mean and deviation taken off, bytes, and bytes less a mean.
_USUAL = ((0, 1), (-1, 1), (-0.5, 0.5), (-2.1, 2.5), (-0.42, 2.82), (0, 255), (-115, 140))
_FEEDS = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# Largest distance to one of the usual, as a share of its length, and how much nearer than with
# any other range of pixels it must be.
_NEAR, _APART = 0.25, 0.1


@dataclass(frozen=True)
class PixelRange:
    """The numbers that a model's input seems made for.

    Attributes
    ----------
    low, high : float
        Of the darkest and the lightest pixel.
    known : str
        "type" (the input's type says so) or "graph" (a guess from the graph's first steps).
    steps : str
        What the graph does to its input first, in words; "" where only the type speaks.
    """

    low: float
    high: float
    known: str
    steps: str = ""

    @property
    def words(self) -> str:
        """The range as people write it: "0..255"."""
        return f"{self.low:g}..{self.high:g}"

    @property
    def text(self) -> str:
        """What is known, as one sentence without a full stop."""
        if self.known == "type":
            then = f" (first steps: {self.steps})" if self.steps else ""
            return f"the input takes whole numbers of {self.words}{then}"
        return f"the graph {self.steps}: it probably wants {self.words}"

    def fits(self, low: float, high: float) -> bool:
        """Whether pixels of `low` to `high` are near enough to this range."""
        length = self.high - self.low
        return max(abs(low - self.low), abs(high - self.high)) <= 0.4 * length


def pixel_range(graph: onnx.GraphProto, name: str, elem_type: int) -> PixelRange | None:
    """The range of pixel values that an input of a graph seems made for, if anything tells.

    The affine steps before the first layer (Mul, Div, Add, Sub, Neg, BatchNormalization) are
    followed: of 0..255, 0..1 and -1..1 it is the one that they turn into numbers as networks are
    usually fed with.
    """
    gain, shift, steps = _affine_prefix(graph, name)
    if elem_type == TensorProto.UINT8:
        return PixelRange(0.0, 255.0, "type", ", ".join(steps))
    if not steps:
        return None
    factor, offset = float(np.median(gain)), float(np.median(shift))
    distances = []
    for feed in _FEEDS:
        low, high = sorted(factor * end + offset for end in feed)
        distances.append(
            min(max(abs(low - first), abs(high - last)) / (last - first) for first, last in _USUAL)
        )
    nearest, second = np.argsort(distances)[:2]
    if distances[nearest] > _NEAR or distances[second] < distances[nearest] + _APART:
        return None
    return PixelRange(*_FEEDS[nearest], "graph", _words(gain, shift, steps))


def _words(gain: Array, shift: Array, steps: list[str]) -> str:
    """The affine step in words, with the operators that make it."""
    named = f"({', '.join(steps)})"
    factor, offset = float(np.median(gain)), float(np.median(shift))
    if offset:
        about = "" if len(np.unique(gain)) == len(np.unique(shift)) == 1 else "about "
        return f"turns its input x into {about}{factor:.4g}*x {offset:+.4g} {named}"
    if 0 < factor < 1:
        return f"divides its input by {1 / factor:.4g} {named}"
    return f"multiplies its input by {factor:.4g} {named}"


def _affine_prefix(graph: onnx.GraphProto, name: str) -> tuple[Array, Array, list[str]]:
    """Gain and shift, one a channel or one for all, and the operators up to the first layer."""
    stored = _Constants(graph)
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for key in set(node.input):
            users.setdefault(key, []).append(node)
    gain, shift, steps = np.ones(1), np.zeros(1), list[str]()
    for _ in range(_LONGEST_WALK):
        following = [node for node in users.get(name, []) if node.op_type not in ("Shape", "Size")]
        if len(following) != 1 or not following[0].output:
            break
        node = following[0]
        if node.op_type in _PASSING:
            if not node.input or node.input[0] != name:
                break
        else:
            step = _step(node, name, stored)
            if step is None or not _together(*step, gain):
                break
            gain, shift = gain * step[0], shift * step[0] + step[1]
            if not (np.isfinite(gain).all() and np.isfinite(shift).all() and gain.all()):
                return np.ones(1), np.zeros(1), []
            steps.append(node.op_type)
        name = node.output[0]
    return gain, shift, steps


def _together(gain: Array, shift: Array, before: Array) -> bool:
    """Whether values a channel can be joined with those before: as many, or one for all."""
    return len({len(part) for part in (gain, shift, before)} - {1}) <= 1


def _step(node: onnx.NodeProto, name: str, stored: _Constants) -> tuple[Array, Array] | None:
    """An affine step as gain and shift, or None where the node is none."""
    one, zero = np.ones(1), np.zeros(1)
    inputs = list(node.input)
    if node.op_type == "Neg":
        return -one, zero
    if node.op_type == "BatchNormalization" and len(inputs) >= 5 and inputs[0] == name:
        parts = [part for key in inputs[1:5] if (part := stored.channels(key)) is not None]
        if len(parts) < 4:
            return None
        scale, offset, mean, variance = parts
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        with np.errstate(all="ignore"):
            factor = scale / np.sqrt(variance + epsilon)
        return factor, offset - mean * factor
    if node.op_type not in ("Mul", "Div", "Add", "Sub") or len(inputs) != 2:
        return None
    first = inputs[0] == name
    value = stored.channels(inputs[1 if first else 0])
    if value is None or inputs[0] == inputs[1]:
        return None
    with np.errstate(all="ignore"):
        if node.op_type == "Mul":
            return value, zero
        if node.op_type == "Div":
            return (1.0 / value, zero) if first else None
        if node.op_type == "Add":
            return one, value
        return (one, -value) if first else (-one, value)


class _Constants:
    """Small constants of a graph, those made from others by a step or two included."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.tensors, self.nodes = constants(graph), producers(graph)

    def channels(self, name: str) -> Array | None:
        """A number, or one for each of at most four channels."""
        value = self.value(name, 4)
        if value is None or not max(value.shape, default=1) == value.size <= _CHANNELS:
            return None
        return np.asarray(value.ravel(), np.float64)

    def value(self, name: str, depth: int) -> Array | None:
        """The values of a tensor, at most so many steps from what the graph stores."""
        if name in self.tensors:
            small = math.prod(self.tensors[name].dims) <= _CHANNELS
            value = tensor_values(self.tensors[name]) if small else np.zeros(0)
            return value if value.size else None
        node = self.nodes.get(name)
        if node is None or depth == 0:
            return None
        if node.op_type == "Constant" and len(node.attribute) == 1:
            given = node.attribute[0]
            numbers = {
                "value_float": [given.f], "value_int": [given.i],
                "value_floats": list(given.floats), "value_ints": list(given.ints),
            }.get(given.name)  # fmt: skip
            return None if not numbers else np.array(numbers, np.float64)
        if not node.input:
            return None
        source = self.value(node.input[0], depth - 1)
        if source is None:
            return None
        if node.op_type in ("Identity", "Cast", "CastLike", "Reshape", "Squeeze", "Unsqueeze"):
            return source
        function = _FUNCTIONS.get(node.op_type)
        with np.errstate(all="ignore"):
            return None if function is None else np.asarray(function(source))
