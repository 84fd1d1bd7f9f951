"""A convolutional network of an ONNX file as a PyTorch module, to be trained further.

It knows the operators of plain classifiers and refuses others. The weights keep their names, so
what training makes of them goes back into the same file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

Attributes = dict[str, Any]


class Network(nn.Module):
    """The graph, without a Softmax at its end.

    Parameters
    ----------
    proto : onnx.ModelProto
        Float32, opset 13 or later.
    """

    def __init__(self, proto: onnx.ModelProto) -> None:
        super().__init__()
        self._nodes = list(proto.graph.node)
        held = {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer}
        self._input = next(each.name for each in proto.graph.input if each.name not in held)
        self._output = proto.graph.output[0].name
        self._constants = {name: value for name, value in held.items() if value.dtype != "float32"}
        trained = {
            name
            for node in self._nodes
            if node.op_type in ("Conv", "Gemm")
            for name in node.input[1:]
        }
        self._places = {name: f"w{place}" for place, name in enumerate(sorted(trained))}
        for name, place in self._places.items():
            self.register_parameter(place, nn.Parameter(torch.tensor(held[name])))
        for name, value in held.items():
            if name not in trained and value.dtype == "float32":
                self._constants[name] = torch.tensor(value)
        unknown = {node.op_type for node in self._nodes} - set(_OPERATORS)
        if unknown:
            raise SystemExit(f"Error: no fine-tuning of networks with {', '.join(sorted(unknown))}")

    def trained(self) -> dict[str, Any]:
        """Weights by their names in the file."""
        return {name: getattr(self, at).detach().numpy() for name, at in self._places.items()}

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of a batch, shape (n, classes)."""
        values: dict[str, Any] = {self._input: images, **self._constants}
        values.update({name: getattr(self, place) for name, place in self._places.items()})
        for node in self._nodes:
            if node.op_type == "Softmax":
                values[node.output[0]] = values[node.input[0]]
                continue
            attributes = {
                each.name: onnx.helper.get_attribute_value(each) for each in node.attribute
            }
            given = [values[name] if name else None for name in node.input]
            values[node.output[0]] = _OPERATORS[node.op_type](given, attributes)
        return values[self._output].flatten(1)


def _conv(given: list[Any], attributes: Attributes) -> torch.Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    padded = functional.pad(given[0], (left, right, top, bottom))
    return functional.conv2d(
        padded, *given[1:], stride=attributes.get("strides", 1),
        dilation=attributes.get("dilations", 1), groups=attributes.get("group", 1),
    )  # fmt: skip


def _max_pool(given: list[Any], attributes: Attributes) -> torch.Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    padded = functional.pad(given[0], (left, right, top, bottom), value=float("-inf"))
    return functional.max_pool2d(
        padded, attributes["kernel_shape"], attributes.get("strides"),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )  # fmt: skip


def _gemm(given: list[Any], attributes: Attributes) -> torch.Tensor:
    weights = given[1].T if attributes.get("transB") else given[1]
    return given[0] @ weights + given[2]


def _mean(given: list[Any], attributes: Attributes) -> torch.Tensor:
    axes = attributes.get("axes", given[1].tolist() if len(given) > 1 else None)
    return given[0].mean(dim=axes, keepdim=bool(attributes.get("keepdims", 1)))


def _clip(given: list[Any], _: Attributes) -> torch.Tensor:
    return given[0].clamp(float(given[1]), float(given[2]))


_OPERATORS: dict[str, Callable[[list[Any], Attributes], torch.Tensor]] = {
    "Add": lambda given, _: given[0] + given[1],
    "Clip": _clip,
    # Shapes matter to the end of the network alone, which is flat here.
    "Constant": lambda *_: None,
    "Concat": lambda given, attributes: torch.cat(given, attributes["axis"]),
    "Conv": _conv,
    "Dropout": lambda given, _: given[0],
    "Flatten": lambda given, _: given[0].flatten(1),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda given, _: given[0].mean((2, 3), keepdim=True),
    "MaxPool": _max_pool,
    "ReduceMean": _mean,
    "Relu": lambda given, _: given[0].relu(),
    "Reshape": lambda given, _: given[0].flatten(1),
    "Shape": lambda *_: None,
    "Softmax": lambda given, _: given[0],
}
