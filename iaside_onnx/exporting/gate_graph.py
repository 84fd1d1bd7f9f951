"""What the gate demands of a graph, read off the file without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import TensorProto

from .refusal import ExportError, one_line

INPUT_TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
_LARGEST = 2**31 - 1  # protobuf's own limit
# In names any mention of a source file or a home folder; in metadata any absolute path.
_SOURCE = re.compile(r"\.py\b|site-packages|/home/|/Users/|\b[A-Za-z]:\\\w")
_PATH = re.compile(
    r"(?:^|[\s\"'=(\[,:])(?:(?:/[\w.+@-]+){3,}|/(?:home|Users|root|tmp)/)|\b[A-Za-z]:\\\w|\.py\b"
)


@dataclass(frozen=True)
class Image:
    """The image input of a graph.

    Attributes
    ----------
    name : str
    dtype : numpy dtype class
    shape : tuple of (int or None)
        Without the batch; None where the graph leaves a size free.
    layout : str
        "nchw", "nhwc", "flat" (rows of features), or "unknown" where 1 or 3 channels stand at
        neither or both ends.
    """

    name: str
    dtype: Any
    shape: tuple[int | None, ...]
    layout: str


def clean(model: onnx.ModelProto, metadata: Mapping[str, str]) -> None:
    """Remove what tells about the exporting machine, and shapes that nobody needs.

    Doc strings and metadata go everywhere in the model, functions and sub-graphs included. Stored
    shapes of inner values go too: runtimes infer them, and some exporters store wrong ones.
    """
    for part in _parts(model):
        names = part.DESCRIPTOR.fields_by_name
        for field in ("doc_string", "metadata_props"):
            if field in names:
                part.ClearField(field)
        if isinstance(part, onnx.GraphProto | onnx.FunctionProto):
            part.ClearField("value_info")
    onnx.helper.set_model_props(model, dict(metadata))


def check_file(path: Path) -> Image:
    """Everything that can be checked without the framework.

    Returns
    -------
    Image
        The graph's image input.

    Raises
    ------
    ExportError
    """
    if path.stat().st_size > _LARGEST:
        raise ExportError("the file is larger than the 2 GB that one ONNX file can hold")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:
        raise ExportError(f"the file cannot be read back: {one_line(error)}") from error
    _check_single_file(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # checker and shape inference share no base
        raise ExportError(f"the ONNX checker refuses the graph: {one_line(error)}") from error
    image = image_input(model)
    _check_output(model.graph)
    _check_provenance(model)
    return image


def image_input(model: onnx.ModelProto) -> Image:
    """The one image input of a graph, its batch free.

    Raises
    ------
    ExportError
        None or several inputs; no image; a fixed batch.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    weights |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(f"'{value.name}'" for value in inputs) or "none"
        raise ExportError(
            f"the graph has {len(inputs)} inputs ({names}); a classifier takes exactly one image"
        )
    value = inputs[0]
    kind = value.type.tensor_type
    sizes = [
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
        for dim in kind.shape.dim
    ]
    shown = f"input '{value.name}' is {shape_text(sizes)}"
    if kind.elem_type not in INPUT_TYPES:
        name = TensorProto.DataType.Name(kind.elem_type).lower()
        raise ExportError(f"{shown} of type {name}; float or uint8 images are needed")
    if len(sizes) not in (2, 4):
        raise ExportError(f"{shown}, not an image ([batch, channels, height, width] or the like)")
    if sizes[0] is not None:
        raise ExportError(f"{shown}: the batch is fixed at {sizes[0]}; export it with a free one")
    layout = "flat"
    if len(sizes) == 4:
        ends = (sizes[1] in (1, 3), sizes[3] in (1, 3))
        layout = {(True, False): "nchw", (False, True): "nhwc"}.get(ends, "unknown")
    return Image(value.name, INPUT_TYPES[kind.elem_type], tuple(sizes[1:]), layout)


def shape_text(sizes: Any) -> str:
    """A shape in words; free dimensions show as a question mark."""
    return "[" + ", ".join("?" if size is None else str(size) for size in sizes) + "]"


def _parts(message: Message) -> Iterator[Any]:
    """A message and every message inside it; tensors are not opened."""
    yield message
    if isinstance(message, onnx.TensorProto):
        return
    for _, value in message.ListFields():
        inner = [value] if isinstance(value, Message) else value
        if not isinstance(inner, str | bytes | int | float):
            for part in inner:
                if isinstance(part, Message):
                    yield from _parts(part)


def _check_single_file(model: onnx.ModelProto) -> None:
    for part in _parts(model):
        if isinstance(part, onnx.TensorProto) and part.data_location == TensorProto.EXTERNAL:
            raise ExportError(
                f"weight '{part.name}' lies outside the file; exports hold everything in one "
                "file, which must stay below 2 GB"
            )


def _check_output(graph: onnx.GraphProto) -> None:
    if len(graph.output) != 1:
        names = ", ".join(f"'{value.name}'" for value in graph.output)
        raise ExportError(
            f"the graph has {len(graph.output)} outputs ({names}); leave the class scores alone"
        )
    output = graph.output[0]
    if not output.type.HasField("tensor_type"):
        raise ExportError(f"output '{output.name}' is no tensor (a ZipMap?)")
    kind = output.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE):
        name = TensorProto.DataType.Name(kind.elem_type).lower()
        raise ExportError(f"output '{output.name}' is {name}; scores must be floats")
    dims = kind.shape.dim
    if dims and dims[0].HasField("dim_value") and dims[0].dim_value > 0:
        raise ExportError(
            f"output '{output.name}' declares a batch of {dims[0].dim_value}, fixed while tracing"
        )


def _check_provenance(model: onnx.ModelProto) -> None:
    """No absolute path, no source line, no doc string of the exporting machine."""
    for entry in model.metadata_props:
        if found := _PATH.search(entry.value):
            raise ExportError(f"metadata '{entry.key}' holds a path ('{found[0].strip()}')")
    for part in _parts(model):
        kind = part.DESCRIPTOR.name.removesuffix("Proto").lower()
        if getattr(part, "doc_string", "") or (
            part is not model and len(getattr(part, "metadata_props", ()))
        ):
            raise ExportError(f"a {kind} carries a doc string or metadata of the exporter")
        for text in (getattr(part, "name", ""), _attribute_text(part)):
            if text and (found := _SOURCE.search(text)):
                start = max(0, found.start() - 20)
                raise ExportError(f"a {kind} names a source ('{text[start : found.end() + 20]}')")


def _attribute_text(part: Message) -> str:
    if not isinstance(part, onnx.AttributeProto):
        return ""
    return b" ".join([part.s, *part.strings]).decode(errors="replace")
