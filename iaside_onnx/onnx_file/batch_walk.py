"""Which nodes of a graph insist on the batch that it was exported with, and what frees them.

The shapes of all tensors are followed through the graph at two batches, the file's own and
another. Where a constant holds the file's batch the node is edited; which number of a Reshape's
constant is the batch follows from where the batch stands in its input, and where several could be,
they are tried in turn: a wrong one meets a node that does not take its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from .graph import constants

Shape = tuple[int, ...]

# Another batch: a prime that no length of a real network is.
OTHER = 1009
_MOST_STEPS = 50_000
_AXES_ARE_AN_INPUT = 13
_MOST_VALUES = 64
# Small inputs may make large outputs of these.
_GROWING = ("Expand", "Tile", "Range", "Pad", "Resize", "OneHot", "EyeLike")
_RECURRENT = {"LSTM": (4, 5, 6), "GRU": (4, 5), "RNN": (4, 5)}


@dataclass(frozen=True)
class Edit:
    """What frees one node.

    Attributes
    ----------
    node : int
        Its number in the graph.
    kind : str
        "reshape" and "expand" (`numbers` is the new shape), "squeeze" (`numbers` are the axes),
        "keep" (hand the input on), "one" (take the first part of input `place` along the axis
        numbers[0] of numbers[1] axes, which then fits any batch) or "tile" (and repeat it).
    """

    node: int
    kind: str
    numbers: tuple[int, ...] = ()
    place: int = 0


@dataclass
class _World:
    """Types and small whole values of tensors at one batch."""

    batch: int
    types: dict[str, onnx.TypeProto] = field(default_factory=dict)
    values: dict[str, NDArray[Any]] = field(default_factory=dict)

    def copy(self) -> _World:
        return _World(self.batch, dict(self.types), dict(self.values))

    def shape(self, name: str) -> Shape | None:
        kind = self.types.get(name)
        if kind is None or not kind.tensor_type.HasField("shape"):
            return None
        sizes = [d.dim_value if d.HasField("dim_value") else -1 for d in kind.tensor_type.shape.dim]
        return None if -1 in sizes else tuple(sizes)

    def set(self, name: str, elem_type: int, shape: Shape) -> None:
        self.types[name] = helper.make_tensor_type_proto(elem_type, shape)


class StuckError(Exception):
    """No edit frees the graph."""


class BatchWalk:
    """Finds the edits that free a graph.

    Parameters
    ----------
    model : onnx.ModelProto
    image : str
        The image input.
    shape : tuple of int
        Of one image.
    batch : int
        The file's own.
    """

    def __init__(self, model: onnx.ModelProto, image: str, shape: Shape, batch: int) -> None:
        self._nodes = list(model.graph.node)
        self._moving = {image}
        for node in self._nodes:
            if self._moving.intersection(node.input):
                self._moving.update(node.output)
        self._opsets = {opset.domain: opset.version for opset in model.opset_import}
        self._steps = 0
        own, other = _World(batch), _World(OTHER)
        for world in (own, other):
            for value in model.graph.input:
                world.types[value.name] = value.type
            for name, tensor in constants(model.graph).items():
                world.set(name, tensor.data_type, tuple(tensor.dims))
                if prod(tensor.dims) <= _MOST_VALUES and not tensor.external_data:
                    world.values[name] = numpy_helper.to_array(tensor)
            elem_type = world.types[image].tensor_type.elem_type
            world.set(image, elem_type, (world.batch, *shape))
        self._own, self._other = own, other

    def edits(self) -> list[Edit]:
        """The edits in order of nodes.

        Raises
        ------
        StuckError
        """
        done: list[Edit] = []
        waiting: list[tuple[int, _World, _World, int, list[Edit]]] = []
        own, other, number = self._own, self._other, 0
        chosen: list[Edit] | None = None
        while number < len(self._nodes):
            try:
                options = [chosen] if chosen is not None else self._options(number, own, other)
                edits, *left = options
                waiting += [
                    (number, own.copy(), other.copy(), len(done), each) for each in reversed(left)
                ]
                self._apply(number, edits, own, other)
                done += edits
                number, chosen = number + 1, None
            except StuckError:
                if not waiting:
                    raise
                number, own, other, length, chosen = waiting.pop()
                del done[length:]
        return done

    def _options(self, number: int, own: _World, other: _World) -> list[list[Edit]]:
        """Edits of a node that may free it, best first; one empty list where it needs none."""
        node = self._nodes[number]
        places = [
            (place, _batch_axis(own.shape(name), other.shape(name), own.batch))
            for place, name in enumerate(node.input)
        ]
        moving = {place: axis for place, axis in places if axis is not None}
        if node.op_type == "Reshape" and not moving and node.input[0] in self._moving:
            return [plain_reshape(number, node, own.batch, own.values)]
        if not moving:
            return [[]]
        first = moving.get(0)
        if node.op_type == "Reshape" and first is not None:
            return self._reshapes(number, own, other, first)
        if node.op_type == "Expand" and first is not None:
            return [self._expanded(number, own, other, first)]
        if node.op_type == "Squeeze" and first is not None and own.batch == 1:
            return [self._squeezed(number, own, first)]
        if node.op_type == "Gather" and first is not None and own.batch == 1:
            index = own.values.get(node.input[1])
            axis = _attribute(node, "axis", 0) % len(own.shape(node.input[0]) or (0,))
            if index is not None and index.ndim == 0 and axis == first and int(index) in (0, -1):
                return [[Edit(number, "keep")]]
        return [self._fitted(number, own, moving)]

    def _reshapes(self, number: int, own: _World, other: _World, axis: int) -> list[list[Edit]]:
        node = self._nodes[number]
        target = other.values.get(node.input[1]) if len(node.input) > 1 else _ints(node, "shape")
        before = own.shape(node.input[0])
        trial = own.copy()
        self._infer(node, trial)
        after = trial.shape(node.output[0])
        if before is None or after is None:
            return [plain_reshape(number, node, own.batch, own.values)]
        if target is None:
            return [[]]
        if len(node.input) > 1:
            at_own = own.values.get(node.input[1])
            if at_own is None or not np.array_equal(at_own, target):
                return [[]]  # it follows the batch by itself
        if own.batch * prod(after) == 0:
            return [[]]
        start, end = prod(before[:axis]), prod(before[: axis + 1])
        ranked = []
        for place, length in enumerate(after):
            low = prod(after[:place])
            high = low * length
            if length % own.batch or low > end or high < start:
                continue
            whole = length == own.batch
            rank = (not (whole and low == start), not whole, low != start, high != end, place)
            sizes = tuple(-1 if k == place else size for k, size in enumerate(after))
            ranked.append((rank, [Edit(number, "reshape", sizes)]))
        if not ranked:
            raise StuckError
        return [edits for _, edits in sorted(ranked, key=lambda item: item[0])]

    def _expanded(self, number: int, own: _World, other: _World, axis: int) -> list[Edit]:
        node = self._nodes[number]
        at_own, at_other = own.values.get(node.input[1]), other.values.get(node.input[1])
        before = own.shape(node.input[0])
        if at_own is None or at_other is None or before is None:
            return []
        if not np.array_equal(at_own, at_other):
            return []
        sizes = at_own.tolist()
        place = len(sizes) - len(before) + axis
        if place >= 0 and sizes[place] == own.batch:
            sizes[place] = 1  # as long as the input is
        return [Edit(number, "expand", tuple(sizes))]

    def _squeezed(self, number: int, own: _World, axis: int) -> list[Edit]:
        node = self._nodes[number]
        before = own.shape(node.input[0])
        given = own.values.get(node.input[1]) if len(node.input) > 1 else _ints(node, "axes")
        if before is None or (given is None and len(node.input) > 1):
            return []
        if given is None:
            axes = [place for place, size in enumerate(before) if size == 1]
        else:
            axes = [int(place) % len(before) for place in given.tolist()]
        left = tuple(place for place in axes if place != axis)
        return [Edit(number, "squeeze", left) if left else Edit(number, "keep")]

    def _fitted(self, number: int, own: _World, moving: dict[int, int]) -> list[Edit]:
        """Edits of the other inputs, which hold the file's batch as constants."""
        node = self._nodes[number]
        edits = []
        for place, name in enumerate(node.input):
            shape = own.shape(name)
            if place in moving or not shape:
                continue
            if node.op_type == "Concat":
                axis = next(iter(moving.values()))
                along = _attribute(node, "axis", 0) % len(shape)
                if axis != along and axis < len(shape) and shape[axis] == own.batch:
                    edits.append(Edit(number, "tile", (axis, len(shape)), place))
            elif place in _RECURRENT.get(node.op_type, ()):
                axis = len(shape) - 2 if len(shape) > 1 else 0
                if _attribute(node, "layout", 0):
                    axis = 0
                if shape[axis] == own.batch:
                    edits.append(Edit(number, "tile", (axis, len(shape)), place))
            elif own.batch > 1 and node.op_type not in ("Conv", "Gemm", "LSTM", "GRU", "RNN"):
                leader, axis = next(iter(moving.items()))
                axis -= len(own.shape(node.input[leader]) or ()) - len(shape)
                if 0 <= axis < len(shape) and shape[axis] == own.batch and _spreads(node):
                    edits.append(Edit(number, "one", (axis, len(shape)), place))
        return edits

    def _apply(self, number: int, edits: list[Edit], own: _World, other: _World) -> None:
        """Follow the shapes through an edited node at both batches."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise StuckError
        for world in (own, other):
            node = onnx.NodeProto()
            node.CopyFrom(self._nodes[number])
            seen = world.copy() if edits else world
            for edit in edits:
                _rewrite(node, edit, seen, self._opsets.get("", 1))
            self._infer(node, seen)
            for name in node.output:
                if name in seen.types:
                    world.types[name] = seen.types[name]

    def _infer(self, node: onnx.NodeProto, world: _World) -> None:
        """Types, and small values, of a node's outputs.

        Raises
        ------
        StuckError
            The node does not take these shapes.
        """
        self._value(node, world)
        if any(name and name not in world.types for name in node.input):
            return
        try:
            version = self._opsets.get(node.domain, 1)
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        except onnx.defs.SchemaError:
            return
        data = {
            name: numpy_helper.from_array(world.values[name], name)
            for name in node.input
            if name in world.values
        }
        opsets = [helper.make_opsetid(domain, number) for domain, number in self._opsets.items()]
        types = {name: world.types[name] for name in node.input if name}
        try:
            found = shape_inference.infer_node_outputs(schema, node, types, data, None, opsets)
        except Exception as error:  # onnx's errors have no common base
            raise StuckError from error
        world.types.update(found)

    def _value(self, node: onnx.NodeProto, world: _World) -> None:
        """Evaluate what computes shapes."""
        if node.op_type == "Shape":
            shape = world.shape(node.input[0])
            if shape is not None:
                end = _attribute(node, "end", len(shape))
                sizes = shape[_attribute(node, "start", 0) : end]
                world.values[node.output[0]] = np.array(sizes, np.int64)
            return
        known = all(name in world.values for name in node.input)
        if node.domain or len(node.output) != 1 or not known:
            return
        given = {name: world.values[name] for name in node.input}
        if node.op_type in _GROWING or any(each.HasField("g") for each in node.attribute):
            return
        if node.op_type == "ConstantOfShape" and prod(given[node.input[0]].tolist()) > _MOST_VALUES:
            return
        try:
            outputs: Any = ReferenceEvaluator(node, opsets=self._opsets).run(None, given)
            value = outputs[0]
        except Exception:  # not known to it, or not computable
            return
        if isinstance(value, np.ndarray | np.generic) and np.size(value) <= _MOST_VALUES:
            world.values[node.output[0]] = np.asarray(value)


def plain_reshape(
    number: int, node: onnx.NodeProto, batch: int, values: Mapping[str, NDArray[Any]]
) -> list[Edit]:
    """The edit of a Reshape whose input is of unknown shape: its first number may be the batch."""
    target = values.get(node.input[1]) if len(node.input) > 1 else _ints(node, "shape")
    sizes = [] if target is None else target.tolist()
    if sizes[:1] != [batch]:
        return []
    return [Edit(number, "reshape", (0 if -1 in sizes[1:] else -1, *sizes[1:]))]


def _batch_axis(own: Shape | None, other: Shape | None, batch: int) -> int | None:
    """The axis along which a tensor grows with the batch, if there is one."""
    if own is None or other is None or len(own) != len(other):
        return None
    grown = [axis for axis, (a, b) in enumerate(zip(own, other, strict=True)) if a != b]
    if len(grown) != 1:
        return None
    axis = grown[0]
    return axis if own[axis] * OTHER == other[axis] * batch else None


def _spreads(node: onnx.NodeProto) -> bool:
    """Whether inputs of length 1 along an axis fit any length."""
    broadcast = ("Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "MatMul", "PRelu", "Sum")
    return node.op_type in broadcast


def _rewrite(node: onnx.NodeProto, edit: Edit, world: _World, opset: int) -> None:
    """Edit a node as it is seen at one batch."""
    place = f"iaside_walk_{edit.place}"
    if edit.kind in ("reshape", "expand"):
        set_shape(node, edit, place)
        world.set(place, TensorProto.INT64, (len(edit.numbers),))
        world.values[place] = np.array(edit.numbers, np.int64)
    elif edit.kind == "squeeze":
        set_axes(node, edit, place, opset)
        world.set(place, TensorProto.INT64, (len(edit.numbers),))
        world.values[place] = np.array(edit.numbers, np.int64)
    elif edit.kind == "keep":
        hand_on(node)
    else:
        name = node.input[edit.place]
        shape = list(world.shape(name) or ())
        shape[edit.numbers[0]] = world.batch if edit.kind == "tile" else 1
        world.set(place, world.types[name].tensor_type.elem_type, tuple(shape))
        node.input[edit.place] = place


def set_shape(node: onnx.NodeProto, edit: Edit, name: str) -> None:
    """Give a Reshape or Expand its shape by the constant named, or by its attribute."""
    if len(node.input) > 1:
        node.input[1] = name
    kept = [each for each in node.attribute if each.name not in ("allowzero", "shape")]
    if len(node.input) < 2:  # opset 1 to 4
        kept.append(helper.make_attribute("shape", list(edit.numbers)))
    del node.attribute[:]
    node.attribute.extend(kept)


def set_axes(node: onnx.NodeProto, edit: Edit, name: str, opset: int) -> None:
    """Give a Squeeze its axes: by the constant named, or before opset 13 by its attribute."""
    del node.input[1:], node.attribute[:]
    if opset >= _AXES_ARE_AN_INPUT:
        node.input.append(name)
    else:
        node.attribute.append(helper.make_attribute("axes", list(edit.numbers)))


def hand_on(node: onnx.NodeProto) -> None:
    """Make a node hand its first input on."""
    node.op_type, node.domain = "Identity", ""
    del node.input[1:], node.attribute[:]


def _ints(node: onnx.NodeProto, name: str) -> NDArray[np.int64] | None:
    found = next((each for each in node.attribute if each.name == name), None)
    return None if found is None else np.array(found.ints, np.int64)


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(each.i) for each in node.attribute if each.name == name), default)
