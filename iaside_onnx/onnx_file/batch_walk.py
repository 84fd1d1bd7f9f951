"""Which nodes of a graph insist on the batch that it was exported with, and what frees them.

The shapes of all tensors are followed through the graph at two batches, the file's own and
another. Where a constant holds the file's batch the node is edited; which number of a Reshape's
constant is the batch follows from where the batch stands in its input, and where several could be,
they are tried in turn: a wrong one meets a node that does not take its shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .graph import attribute, constants
from .shapes import MOST_VALUES, Shape, StuckError, World

# Another batch: a prime that no length of a real network is.
OTHER = 1009
_MOST_STEPS = 50_000
_AXES_ARE_AN_INPUT = 13
# Inputs of these that have length 1 along an axis fit any length.
_BROADCASTING = (
    "Add", "Sub", "Mul", "Div", "Pow", "Where", "Max", "Min", "MatMul", "PRelu", "Sum",
)  # fmt: skip
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
        self._steps = 0
        opsets = {opset.domain: opset.version for opset in model.opset_import}
        own, other = World(batch, opsets), World(OTHER, opsets)
        for world in (own, other):
            for value in model.graph.input:
                world.types[value.name] = value.type
            for name, tensor in constants(model.graph).items():
                world.set(name, tensor.data_type, tuple(tensor.dims))
                if prod(tensor.dims) <= MOST_VALUES and not tensor.external_data:
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
        waiting: list[tuple[int, World, World, int, list[Edit]]] = []
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

    def _options(self, number: int, own: World, other: World) -> list[list[Edit]]:
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
            axis = attribute(node, "axis") % len(own.shape(node.input[0]) or (0,))
            if index is not None and index.ndim == 0 and axis == first and int(index) in (0, -1):
                return [[Edit(number, "keep")]]
        return [self._fitted(number, own, moving)]

    def _reshapes(self, number: int, own: World, other: World, axis: int) -> list[list[Edit]]:
        node = self._nodes[number]
        target = other.values.get(node.input[1]) if len(node.input) > 1 else _ints(node, "shape")
        before = own.shape(node.input[0])
        trial = own.copy()
        trial.infer(node)
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
        start = prod(before[:axis]) * own.before.get(node.input[0], 1)
        end = start * own.batch
        ranked = []
        for place, length in enumerate(after):
            low = prod(after[:place])
            high = low * length
            if length % own.batch or low > start or high < end or start % low:
                continue
            whole = length == own.batch
            rank = (not (whole and low == start), not whole, low != start, high != end, place)
            sizes = tuple(-1 if k == place else size for k, size in enumerate(after))
            ranked.append((rank, [Edit(number, "reshape", sizes)]))
        if not ranked:
            raise StuckError
        return [edits for _, edits in sorted(ranked, key=lambda item: item[0])]

    def _expanded(self, number: int, own: World, other: World, axis: int) -> list[Edit]:
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

    def _squeezed(self, number: int, own: World, axis: int) -> list[Edit]:
        node = self._nodes[number]
        before = own.shape(node.input[0])
        axes = own.values.get(node.input[1]) if len(node.input) > 1 else _ints(node, "axes")
        if before is None or (axes is None and len(node.input) > 1):
            return []
        if axes is None:
            axes = np.flatnonzero(np.array(before) == 1)
        places = (int(place) % len(before) for place in axes)
        left = tuple(place for place in places if place != axis)
        return [Edit(number, "squeeze", left) if left else Edit(number, "keep")]

    def _fitted(self, number: int, own: World, moving: dict[int, int]) -> list[Edit]:
        """Edits of the other inputs, which hold the file's batch as constants."""
        node = self._nodes[number]
        edits = []
        for place, name in enumerate(node.input):
            shape = own.shape(name)
            if place in moving or not shape:
                continue
            leader, axis = next(iter(moving.items()))
            kind = "tile"
            if node.op_type == "Concat":
                if axis == attribute(node, "axis") % len(shape):
                    continue
            elif place in _RECURRENT.get(node.op_type, ()):
                axis = 0 if attribute(node, "layout") else max(0, len(shape) - 2)
            elif own.batch > 1 and node.op_type in _BROADCASTING:
                kind = "one"
                axis -= len(own.shape(node.input[leader]) or ()) - len(shape)
            else:
                continue
            if 0 <= axis < len(shape) and shape[axis] == own.batch:
                edits.append(Edit(number, kind, (axis, len(shape)), place))
        return edits

    def _apply(self, number: int, edits: list[Edit], own: World, other: World) -> None:
        """Follow the shapes through an edited node at both batches."""
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise StuckError
        for world in (own, other):
            node = onnx.NodeProto()
            node.CopyFrom(self._nodes[number])
            trial = world.copy() if edits else world
            for edit in edits:
                _rewrite(node, edit, trial)
            trial.infer(node)
            for name in node.output:
                if name in trial.types:
                    world.types[name] = trial.types[name]
        self._place(self._nodes[number], own, other)

    @staticmethod
    def _place(node: onnx.NodeProto, own: World, other: World) -> None:
        """Where the images stand within the axis that grows, in a node's outputs."""
        start = 1
        for name in node.input:
            axis = _batch_axis(own.shape(name), other.shape(name), own.batch)
            if axis is not None:
                start = own.before.get(name, 1)
                if node.op_type in ("Reshape", "Flatten"):
                    start *= prod((own.shape(name) or ())[:axis])
                break
        for name in node.output:
            shape = own.shape(name)
            axis = _batch_axis(shape, other.shape(name), own.batch)
            if axis is None or shape is None:
                continue
            if node.op_type in ("Reshape", "Flatten"):
                own.before[name] = max(1, start // max(1, prod(shape[:axis])))
            else:
                own.before[name] = start if shape[axis] % (start * own.batch) == 0 else 1


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


def _rewrite(node: onnx.NodeProto, edit: Edit, world: World) -> None:
    """Edit a node for one batch, whose world gets what the node reads instead."""
    constant = f"iaside_walk_{edit.place}"
    if edit.kind in ("one", "tile"):
        name = node.input[edit.place]
        shape = list(world.shape(name) or ())
        shape[edit.numbers[0]] = world.batch if edit.kind == "tile" else 1
        world.set(constant, world.types[name].tensor_type.elem_type, tuple(shape))
        node.input[edit.place] = constant
        return
    edit_node(node, edit, constant, world.opsets.get("", 1))
    if edit.kind != "keep":
        world.set(constant, TensorProto.INT64, (len(edit.numbers),))
        world.values[constant] = np.array(edit.numbers, np.int64)


def edit_node(node: onnx.NodeProto, edit: Edit, constant: str, opset: int) -> None:
    """Apply an edit that needs no other node, in place.

    Parameters
    ----------
    edit : Edit
        Of the kinds "keep", "squeeze", "reshape" and "expand".
    constant : str
        Name of the tensor that holds its numbers.
    opset : int
        Before 13 a Squeeze has its axes as an attribute, and up to 4 a Reshape its shape.
    """
    if edit.kind == "keep":
        node.op_type, node.domain = "Identity", ""
        del node.input[1:], node.attribute[:]
    elif edit.kind == "squeeze":
        del node.input[1:], node.attribute[:]
        if opset >= _AXES_ARE_AN_INPUT:
            node.input.append(constant)
        else:
            node.attribute.append(helper.make_attribute("axes", list(edit.numbers)))
    else:
        kept = [each for each in node.attribute if each.name not in ("allowzero", "shape")]
        if len(node.input) > 1:
            node.input[1] = constant
        else:
            kept.append(helper.make_attribute("shape", list(edit.numbers)))
        del node.attribute[:]
        node.attribute.extend(kept)


def _ints(node: onnx.NodeProto, name: str) -> NDArray[np.int64] | None:
    numbers = (np.array(each.ints, np.int64) for each in node.attribute if each.name == name)
    return next(numbers, None)
