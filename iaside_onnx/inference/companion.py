"""The small graph before the audited one, a session of its own: coalition masks to images."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from .input_form import InputForm
from .model import Affine
from .small_graph import SmallGraph

_FLOAT = TensorProto.FLOAT


def companion_graph(
    form: InputForm, affine: Affine, output_map: str = "real", *, flat: bool = False
) -> bytes:
    """The graph before the model: coalition masks and band rows in, the model's input out.

    Inputs are ``masks`` (coalitions, R), or (images, coalitions, R) where each image has its own,
    and ``bands`` (images, R, features), float32, where the last row is the baseline image, which
    every mask holds. Under "real" the affine step has been applied to the rows already; under
    "magnitude" it follows here, since |x| and the min-max scaling per image come between (method,
    section 8). `flat`, for float32 inputs, leaves images as the product has them, (images,
    coalitions, features), which spares a copy where memory can be seen as both.
    """
    graph = SmallGraph(
        "companion",
        {"masks": (_FLOAT, None), "bands": (_FLOAT, ["images", "rows", form.features])},
    )
    images = graph.add("MatMul", "masks", "bands")
    if output_map == "magnitude":
        size = graph.add("Abs", images)
        low = graph.add("ReduceMin", size, axes=[-1], keepdims=1)
        high = graph.add("ReduceMax", size, axes=[-1], keepdims=1)
        span = graph.add("Max", graph.add("Sub", high, low), np.float32(1e-12))
        unit = graph.add("Div", graph.add("Sub", size, low), span)
        pixels = form.height * form.width
        spread = np.repeat if form.layout == "nchw" else np.tile
        scaled = graph.add("Mul", unit, spread(affine.gain, pixels))
        images = graph.add("Add", scaled, spread(affine.shift, pixels))
    shape: list[str | int] = ["images", "coalitions", form.features]
    if not flat:
        shape = ["batch", *form.shape]
        images = graph.add("Reshape", images, np.array([-1, *form.shape], np.int64))
    if form.elem_type == TensorProto.UINT8:
        rounded = graph.add("Round", images)
        images = graph.add("Clip", rounded, np.float32(0), np.float32(255))
    if form.elem_type != _FLOAT:
        graph.add("Cast", images, to=form.elem_type)
    return graph.serialised("images", form.elem_type, shape)
