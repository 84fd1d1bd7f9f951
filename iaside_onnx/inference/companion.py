"""The two small graphs beside the audited one: masks to images before it, scores to values after.

Neither is grafted into the model; each runs as a session of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .class_scores import ScoreForm
from .input_form import InputForm
from .model import Affine

_OPSET = 17
_IR = 8


def companion_graph(
    form: InputForm, affine: Affine, output_map: str = "real", *, flat: bool = False
) -> bytes:
    """The graph before the model: coalition masks and band rows in, the model's input out.

    Inputs are ``masks`` (coalitions, R), or (images, coalitions, R) where each image has its own,
    and ``bands`` (images, R, features), float32, where the last row is the baseline image, which
    every mask holds. Under "real" the affine step has been
    applied to the rows already; under "magnitude" it follows here, since |x| and the min-max
    scaling per image come between (method, section 8). `flat`, for float32 inputs, leaves images
    as the product has them, (images, coalitions, features), which spares a copy where memory can
    be seen as both.
    """
    nodes = [helper.make_node("MatMul", ["masks", "bands"], ["mixed"])]
    constants: dict[str, Any] = {"shape": np.array([-1, *form.shape], np.int64)}
    last = "mixed"
    if output_map == "magnitude":
        constants["least"] = np.array(1e-12, np.float32)
        nodes += [
            helper.make_node("Abs", ["mixed"], ["size"]),
            helper.make_node("ReduceMin", ["size"], ["low"], axes=[-1], keepdims=1),
            helper.make_node("ReduceMax", ["size"], ["high"], axes=[-1], keepdims=1),
            helper.make_node("Sub", ["size", "low"], ["above"]),
            helper.make_node("Sub", ["high", "low"], ["span"]),
            helper.make_node("Max", ["span", "least"], ["divisor"]),
            helper.make_node("Div", ["above", "divisor"], ["unit"]),
        ]
        pixels = form.height * form.width
        spread = np.repeat if form.layout == "nchw" else np.tile
        constants["gain"] = spread(affine.gain, pixels)
        constants["shift"] = spread(affine.shift, pixels)
        nodes += [
            helper.make_node("Mul", ["unit", "gain"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shift"], ["normalised"]),
        ]
        last = "normalised"
    if not flat:
        nodes.append(helper.make_node("Reshape", [last, "shape"], ["shaped"]))
        last = "shaped"
    if form.elem_type == TensorProto.UINT8:
        constants["black"], constants["white"] = np.float32(0), np.float32(255)
        nodes += [
            helper.make_node("Round", [last], ["rounded"]),
            helper.make_node("Clip", ["rounded", "black", "white"], ["clipped"]),
        ]
        last = "clipped"
    if form.elem_type != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [last], ["cast"], to=form.elem_type))
        last = "cast"
    nodes[-1].output[0] = "images"
    inputs = [
        helper.make_tensor_value_info("masks", TensorProto.FLOAT, None),
        helper.make_tensor_value_info(
            "bands", TensorProto.FLOAT, ["images", "rows", form.features]
        ),
    ]
    shape: list[str | int] = ["batch", *form.shape]
    if flat:
        shape = ["images", "coalitions", form.features]
    output = helper.make_tensor_value_info("images", form.elem_type, shape)
    return _serialised("companion", nodes, inputs, output, constants)


def tail_graph(scores: ScoreForm, temperature: float = 1.0) -> bytes:
    """The graph after the model: scores and labels in, log-probability of the label out.

    Labels are a column (batch, 1), and so is the result. Probabilities are floored at what their
    type cannot tell from zero before the logarithm; a binary score becomes two columns.
    """
    constants: dict[str, Any] = {"flat": np.array([0, -1], np.int64)}
    nodes = [helper.make_node("Reshape", ["scores", "flat"], ["rows"])]
    last = "rows"
    if scores.elem_type != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [last], ["exact"], to=TensorProto.FLOAT))
        last = "exact"
    if scores.binary and scores.kind == "logits":
        constants["column"] = np.array([0, 1, 0, 0], np.int64)
        nodes.append(helper.make_node("Pad", [last, "column"], ["both"]))
        last = "both"
    if scores.kind == "probabilities":
        constants["least"] = np.array(scores.floor, np.float32)
        if scores.binary:
            constants["one"] = np.array(1, np.float32)
            nodes += [
                helper.make_node("Sub", ["one", last], ["complement"]),
                helper.make_node("Concat", ["complement", last], ["both"], axis=1),
            ]
            last = "both"
        nodes += [
            helper.make_node("Max", [last, "least"], ["positive"]),
            helper.make_node("Log", ["positive"], ["logarithm"]),
        ]
        last = "logarithm"
    if temperature != 1.0:
        constants["temperature"] = np.array(temperature, np.float32)
        nodes.append(helper.make_node("Div", [last, "temperature"], ["cooled"]))
        last = "cooled"
    if scores.kind == "logits" or temperature != 1.0:
        nodes.append(helper.make_node("LogSoftmax", [last], ["normal"], axis=-1))
        last = "normal"
    nodes.append(helper.make_node("GatherElements", [last, "labels"], ["log_prob"], axis=1))
    inputs = [
        helper.make_tensor_value_info("scores", scores.elem_type, None),
        helper.make_tensor_value_info("labels", TensorProto.INT64, ["batch", 1]),
    ]
    output = helper.make_tensor_value_info("log_prob", TensorProto.FLOAT, ["batch", 1])
    return _serialised("tail", nodes, inputs, output, constants)


def _serialised(
    name: str, nodes: list[Any], inputs: list[Any], output: Any, constants: dict[str, Any]
) -> bytes:
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, [output], tensors)
    opset = helper.make_opsetid("", _OPSET)
    return bytes(
        helper.make_model(graph, opset_imports=[opset], ir_version=_IR).SerializeToString()
    )
