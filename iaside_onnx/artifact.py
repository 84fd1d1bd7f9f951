"""Read an ONNX classifier without running it: input, output, layout, batch, provenance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto

from .errors import ArtifactError

# A dimension: its length, or None where the graph leaves it free.
Shape = tuple[int | None, ...]

INPUT_TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
# Nodes that hand their first input on without changing what the numbers mean.
_TRANSPARENT = frozenset(
    {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout"}
)
_KINDS = {"Softmax": "probabilities", "LogSoftmax": "logits"}
_LOGIT_TAILS = frozenset(
    {"Gemm", "MatMul", "Add", "Conv", "GlobalAveragePool", "ReduceMean", "AveragePool"}
)


@dataclass(frozen=True)
class Tensor:
    """Name, shape and ONNX element type of a graph input or output.

    `symbols` holds the graph's own name of each dimension, empty where it gives none.
    """

    name: str
    shape: Shape | None
    elem_type: int
    symbols: tuple[str, ...] = ()

    @property
    def dtype(self) -> str:
        """Element type in numpy's words, for example ``float16``."""
        if not self.elem_type:
            return "none"
        name = str(TensorProto.DataType.Name(self.elem_type)).lower()
        return {"float": "float32", "double": "float64"}.get(name, name)


@dataclass(frozen=True)
class Artifact:
    """What an ONNX file says about itself.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the ``.onnx`` file's bytes (with its external data files, if any, folded in).
    inputs, outputs : tuple of Tensor
        Graph inputs that are not weights; all outputs.
    opsets : dict
        Opset version per operator domain ("" is ONNX's own).
    producer, ir_version, parameters, metadata
        From the file; `parameters` counts the elements of all weights.
    external : tuple of Path
        External data files, all inside the model's folder.
    """

    path: Path
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opsets: dict[str, int]
    producer: str
    ir_version: int
    parameters: int
    metadata: dict[str, str]
    external: tuple[Path, ...]
    output_kinds: dict[str, str] = field(default_factory=dict)
    input_hint: str = ""

    def image_input(self, name: str | None = None) -> Tensor:
        """The input that takes images: the one named, or the only one.

        Raises
        ------
        ArtifactError
            No such input, no 4-dimensional image input, or several to choose from.
        """
        if name is not None:
            found = next((tensor for tensor in self.inputs if tensor.name == name), None)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no input named '{name}'; inputs are {_names(self.inputs)}"
                )
        else:
            if len(self.inputs) > 1:
                raise ArtifactError(
                    f"{self.path}: has {len(self.inputs)} inputs ({_names(self.inputs)}); "
                    "a classifier of images takes exactly one"
                )
            if not self.inputs:
                raise ArtifactError(f"{self.path}: the graph has no input to put images into")
            found = self.inputs[0]
        if found.shape is None or len(found.shape) != 4:
            shape = "of unknown rank" if found.shape is None else shape_text(found.shape)
            raise ArtifactError(
                f"{self.path}: input '{found.name}' is {shape}, not an image "
                "(batch, channels, height, width, or channels last)"
            )
        if len(self.inputs) > 1:
            raise ArtifactError(
                f"{self.path}: has {len(self.inputs)} inputs ({_names(self.inputs)}); only "
                "graphs with one image input and nothing else can be audited"
            )
        if found.elem_type not in INPUT_TYPES:
            raise ArtifactError(
                f"{self.path}: input '{found.name}' is {found.dtype}; float16, float32, float64 "
                "or uint8 is needed"
            )
        return found

    def score_output(self, name: str | None = None) -> Tensor:
        """The output that holds one score per class: the one named, or the only candidate."""
        if name is not None:
            found = next((tensor for tensor in self.outputs if tensor.name == name), None)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no output named '{name}'; outputs are {_names(self.outputs)}"
                )
            return found
        floats = [tensor for tensor in self.outputs if tensor.elem_type in INPUT_TYPES]
        floats = [tensor for tensor in floats if tensor.elem_type != TensorProto.UINT8]
        if len(floats) != 1:
            raise ArtifactError(
                f"{self.path}: has {len(floats)} outputs that could be class scores "
                f"(outputs are {_names(self.outputs)}); choose one with --output"
            )
        return floats[0]

    def layout(self, tensor: Tensor, asked: str | None = None) -> str:
        """Layout nchw or nhwc: as asked, else from where the 1 or 3 channels stand.

        Raises
        ------
        ArtifactError
            The shape fits neither or both, or contradicts what was asked for.
        """
        assert tensor.shape is not None
        first, last = tensor.shape[1], tensor.shape[3]
        text = f"{self.path}: input '{tensor.name}' is {shape_text(tensor.shape)}"
        fits = {"nchw": first in (1, 3), "nhwc": last in (1, 3)}
        if asked is not None:
            channels = first if asked == "nchw" else last
            if channels is not None and not fits[asked]:
                raise ArtifactError(f"{text}; --layout {asked} would mean {channels} channels")
            return asked
        if fits["nchw"] == fits["nhwc"]:
            why = "could be either layout" if fits["nchw"] else "shows no axis of 1 or 3 channels"
            raise ArtifactError(f"{text}: it {why}; say which with --layout nchw or nhwc")
        return "nchw" if fits["nchw"] else "nhwc"


def shape_text(shape: Shape) -> str:
    """A shape in words; free dimensions show as a question mark."""
    return "[" + ", ".join("?" if size is None else str(size) for size in shape) + "]"


def _names(tensors: tuple[Tensor, ...]) -> str:
    return ", ".join(f"'{tensor.name}'" for tensor in tensors) or "none"


def load_graph(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file, leaving external data where it is.

    Raises
    ------
    ArtifactError
        No such file, or bytes that are no ONNX model.
    """
    try:
        content = path.read_bytes()
    except IsADirectoryError as error:
        raise ArtifactError(f"{path}: is a folder; give the .onnx file") from error
    except OSError as error:
        raise ArtifactError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: not an ONNX file, or a truncated one") from error
    if not model.graph.node or not model.opset_import:
        raise ArtifactError(f"{path}: not an ONNX file (it holds no graph)")
    return model


def read_artifact(path: Path) -> Artifact:
    """Describe an ONNX file from its bytes alone; nothing is executed.

    Raises
    ------
    ArtifactError
        Not an ONNX model, or external data that is missing or lies outside the model's folder.
    """
    model = load_graph(path)
    graph = model.graph
    external = _external_files(path, model)
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = tuple(_tensor(value) for value in graph.input if value.name not in weights)
    outputs = tuple(_tensor(value) for value in graph.output)
    version = f" {model.producer_version}" if model.producer_version else ""
    return Artifact(
        path=path,
        sha256=file_digest(path, external),
        inputs=inputs,
        outputs=outputs,
        opsets={opset.domain: opset.version for opset in model.opset_import},
        producer=(model.producer_name + version) or "unknown",
        ir_version=model.ir_version,
        parameters=sum(math.prod(tensor.dims) for tensor in graph.initializer),
        metadata={entry.key: entry.value for entry in model.metadata_props},
        external=external,
        output_kinds={tensor.name: _output_kind(graph, tensor.name) for tensor in outputs},
        input_hint=_input_hint(graph, inputs[0].name) if inputs else "",
    )


def file_digest(path: Path, external: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a file; external data files are hashed and folded in, in order of name."""
    with path.open("rb") as stream:
        own = hashlib.file_digest(stream, "sha256")
    if not external:
        return own.hexdigest()
    for file in sorted(external):
        with file.open("rb") as stream:
            own.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return own.hexdigest()


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type"):
        return Tensor(value.name, None, 0)
    if not kind.HasField("shape"):
        return Tensor(value.name, None, kind.elem_type)
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    # Some exporters write 0 or -1 for a free dimension.
    shape = tuple(size if size is not None and size > 0 else None for size in sizes)
    return Tensor(value.name, shape, kind.elem_type, tuple(dim.dim_param for dim in kind.shape.dim))


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and every sub-graph held in attributes of its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(
                attribute.graphs
            ):
                yield from all_graphs(inner)


def _external_files(path: Path, model: onnx.ModelProto) -> tuple[Path, ...]:
    folder = path.resolve().parent
    found: set[Path] = set()
    for graph in all_graphs(model.graph):
        held = [
            attribute.t
            for node in graph.node
            for attribute in node.attribute
            if attribute.HasField("t")
        ]
        for tensor in [*graph.initializer, *held]:
            if tensor.data_location != TensorProto.EXTERNAL:
                continue
            location = next((e.value for e in tensor.external_data if e.key == "location"), "")
            target = (folder / location).resolve()
            if not location or Path(location).is_absolute() or folder not in target.parents:
                raise ArtifactError(
                    f"{path}: weight '{tensor.name}' points outside the model's folder "
                    f"('{location}'); refused"
                )
            if not target.is_file():
                raise ArtifactError(
                    f"{path}: needs its weights in '{location}' beside it; put that file there"
                )
            found.add(target)
    return tuple(sorted(found))


def _output_kind(graph: onnx.GraphProto, name: str) -> str:
    producers = {output: node for node in graph.node for output in node.output}
    node = producers.get(name)
    while node is not None and node.op_type in _TRANSPARENT and node.input:
        node = producers.get(node.input[0])
    if node is None:
        return "unknown"
    if node.op_type in _LOGIT_TAILS:
        return "logits"
    return _KINDS.get(node.op_type, "unknown")


def _input_hint(graph: onnx.GraphProto, name: str) -> str:
    """What the first nodes say about the range of pixel values the graph expects."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    steps: list[str] = []
    largest = 0.0
    for _ in range(4):
        users = [node for node in graph.node if name in node.input]
        if len(users) != 1 or users[0].op_type not in {"Sub", "Div", "Mul", "Add", "Cast"}:
            break
        node = users[0]
        steps.append(node.op_type)
        other = next((constants[key] for key in node.input if key in constants), None)
        if other is not None and math.prod(other.dims) <= 4:
            largest = max(largest, float(np.abs(_values(other)).max(initial=0.0)))
        name = node.output[0]
    if not any(step != "Cast" for step in steps):
        return ""
    domain = "0..255" if largest > 32 else "0..1"
    return f"normalises inside the graph ({', '.join(steps)}): give it pixels of {domain}"


def _values(tensor: onnx.TensorProto) -> NDArray[np.float64]:
    if tensor.data_location == TensorProto.EXTERNAL:
        return np.zeros(1)
    return np.asarray(onnx.numpy_helper.to_array(tensor), dtype=np.float64)
