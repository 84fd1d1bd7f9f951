"""Read an ONNX classifier without running it: input, output, layout, batch, provenance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ..errors import ArtifactError, ChangedModelError
from .graph import external_files, output_kind
from .pixel_range import PixelRange, pixel_range

# A dimension: its length, or None where the graph leaves it free.
Shape = tuple[int | None, ...]

INPUT_TYPES: dict[int, Any] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.DOUBLE: np.float64,
    TensorProto.UINT8: np.uint8,
}
_SCORE_TYPES = frozenset(INPUT_TYPES) - {TensorProto.UINT8}
_FORMS = (
    "(batch, channels, height, width), channels last, (batch, height, width) for grey, or flat "
    "(batch, features) is needed"
)
# Identifier of the runtime's own file format, at byte 4.
_ORT_MAGIC = b"ORTM"


@dataclass(frozen=True)
class Tensor:
    """Name, shape and ONNX element type of a graph input or output.

    `symbols` holds the graph's own name of each dimension, empty where it gives none;
    `container` says what it is where it is no tensor, for example "sequence of maps".
    """

    name: str
    shape: Shape | None
    elem_type: int
    symbols: tuple[str, ...] = ()
    container: str = ""

    @property
    def dtype(self) -> str:
        """Element type in numpy's words, for example ``float16``; else the container."""
        if not self.elem_type:
            return self.container or "none"
        if self.elem_type not in TensorProto.DataType.values():
            return f"type {self.elem_type}"
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
    output_kinds : dict
        What the graph's tail says of each output: "logits" (log-probabilities too),
        "probabilities", "sigmoid" or "unknown".
    output_steps : dict
        Distance between neighbouring scores where an output was quantised, else 0.
    pixel_ranges : dict
        The pixel values that an input seems made for, where its type or the graph tells.
    """

    path: Path
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opsets: dict[str, int]
    producer: str
    ir_version: int
    parameters: int | None
    metadata: dict[str, str]
    external: tuple[Path, ...]
    output_kinds: dict[str, str] = field(default_factory=dict)
    output_steps: dict[str, float] = field(default_factory=dict)
    pixel_ranges: dict[str, PixelRange] = field(default_factory=dict)

    def image_input(self, name: str | None = None) -> Tensor:
        """The input that takes images: the one named, or the only one.

        Raises
        ------
        ArtifactError
            No such input, one that cannot hold a batch of images, or several to choose from.
        """
        found = self._named_input(name)
        text = f"{self.path}: input '{found.name}'"
        if len(self.inputs) > 1:
            raise ArtifactError(
                f"{self.path}: has {len(self.inputs)} inputs ({_names(self.inputs)}); only "
                "graphs with one image input and nothing else can be audited"
            )
        if found.elem_type not in INPUT_TYPES:
            raise ArtifactError(
                f"{text} is {found.dtype}; float16, float32, float64 or uint8 is needed"
            )
        shape = found.shape
        if shape is None:
            return found
        if len(shape) == 3 and shape[0] is not None:
            raise ArtifactError(
                f"{text} is {shape_text(shape)}: no batch axis; export it again with one"
            )
        if len(shape) not in (2, 3, 4):
            raise ArtifactError(f"{text} is {shape_text(shape)}, not a batch of images: {_FORMS}")
        return found

    def _named_input(self, name: str | None) -> Tensor:
        if name is not None:
            found = next((tensor for tensor in self.inputs if tensor.name == name), None)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no input named '{name}'; inputs are {_names(self.inputs)}"
                )
            return found
        if not self.inputs:
            raise ArtifactError(f"{self.path}: the graph has no input to put images into")
        return self.inputs[0]

    def score_output(self, name: str | None = None) -> Tensor:
        """The output that holds one score per class: the one named, or the only candidate.

        Raises
        ------
        ArtifactError
            No such output, none that can hold scores, or several to choose from.
        """
        if name is not None:
            found = next((tensor for tensor in self.outputs if tensor.name == name), None)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no output named '{name}'; outputs are {_names(self.outputs)}"
                )
            if found.elem_type not in _SCORE_TYPES:
                raise ArtifactError(
                    f"{self.path}: output '{name}' is {found.dtype}{self._remedy()}; class scores "
                    "are float16, float32 or float64"
                )
            return found
        floats = [tensor for tensor in self.outputs if tensor.elem_type in _SCORE_TYPES]
        if not floats:
            raise ArtifactError(
                f"{self.path}: has no output of class scores, float16, float32 or float64 "
                f"(outputs are {_names(self.outputs)}){self._remedy()}"
            )
        if len(floats) > 1:
            raise ArtifactError(
                f"{self.path}: has {len(floats)} outputs that could be class scores "
                f"({_names(tuple(floats))}); choose one with --output"
            )
        return floats[0]

    def _remedy(self) -> str:
        """What to do about a classifier that returns dictionaries."""
        if not any("map" in tensor.container for tensor in self.outputs):
            return ""
        return (
            ": a ZipMap turns its scores into dictionaries; export it again without "
            "(skl2onnx: options={'zipmap': False})"
        )

    def confirm(self) -> None:
        """Refuse a file that is no longer the one described.

        Raises
        ------
        ChangedModelError
            It, or its external data, has other bytes or is gone.
        """
        try:
            same = file_digest(self.path, self.external) == self.sha256
        except OSError:
            same = False
        if not same:
            raise ChangedModelError(self.path)

    def watch(self) -> Callable[[], None]:
        """`confirm` once, and a check whether that still holds where the runtime needs the files.

        onnxruntime reads the file itself once, but maps external data, so whoever writes into such
        a file changes the model that runs. The check is quick while nobody touches them.
        """
        seen = _stamps(self.external)
        self.confirm()

        def check() -> None:
            nonlocal seen
            now = _stamps(self.external)
            if now != seen:
                self.confirm()
                seen = now

        return check

    def layout(self, tensor: Tensor, asked: str | None = None) -> str:
        """Layout nchw or nhwc: as asked, else from where the 1 or 3 channels stand.

        Flat inputs, and grey ones without an axis of channels, are "flat" and "nhw" unless asked
        for otherwise: their shape does not tell the order of the numbers in them.

        Raises
        ------
        ArtifactError
            The shape fits neither or both, or contradicts what was asked for.
        """
        text = f"{self.path}: input '{tensor.name}'"
        if tensor.shape is None:
            if asked is None:
                raise ArtifactError(
                    f"{text} gives no shape; say which with --layout nchw or nhwc, and --size"
                )
            return asked
        if len(tensor.shape) < 4:
            return asked or ("flat" if len(tensor.shape) == 2 else "nhw")
        first, last = tensor.shape[1], tensor.shape[3]
        text += f" is {shape_text(tensor.shape)}"
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
    shown = [f"'{tensor.name}' {tensor.dtype}" for tensor in tensors[:8]]
    return ", ".join(shown + ["..."] * (len(tensors) > 8)) or "none"


def load_graph(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file, leaving external data where it is.

    Raises
    ------
    ArtifactError
        No such file, or bytes that are no ONNX model.
    """
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        raise ArtifactError(f"{path}: is a folder; give the .onnx file") from error
    except OSError as error:
        raise ArtifactError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
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
    try:
        content = _content(path)
        return _read(path, _parsed(path, content), hashlib.sha256(content))
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        # Damaged files hold names that are no text, types that do not exist, and so on.
        raise ArtifactError(f"{path}: a damaged ONNX file ({error})") from error


def _read(path: Path, model: onnx.ModelProto, own: hashlib._Hash) -> Artifact:
    graph = model.graph
    external = external_files(path, model)
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = tuple(_tensor(value) for value in graph.input if value.name not in weights)
    outputs = tuple(_tensor(value) for value in graph.output)
    tails = {tensor.name: output_kind(graph, tensor.name) for tensor in outputs}
    version = f" {_text(model.producer_version)}" if model.producer_version else ""
    return Artifact(
        path=path,
        sha256=_with_external(own, external),
        inputs=inputs,
        outputs=outputs,
        opsets={_text(opset.domain): opset.version for opset in model.opset_import},
        producer=(_text(model.producer_name) + version) or "unknown",
        ir_version=model.ir_version,
        parameters=sum(math.prod(tensor.dims) for tensor in graph.initializer),
        metadata={_text(entry.key): _text(entry.value) for entry in model.metadata_props},
        external=external,
        output_kinds={name: kind for name, (kind, _) in tails.items()},
        output_steps={name: step for name, (_, step) in tails.items()},
        pixel_ranges=_pixel_ranges(graph, inputs),
    )


def _pixel_ranges(graph: onnx.GraphProto, inputs: tuple[Tensor, ...]) -> dict[str, PixelRange]:
    found = {item.name: pixel_range(graph, item.name, item.elem_type) for item in inputs}
    return {name: wanted for name, wanted in found.items() if wanted is not None}


def is_ort_format(path: Path) -> bool:
    """True for a file in onnxruntime's own format (``.ort``)."""
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == _ORT_MAGIC
    except OSError:
        return False


def file_digest(path: Path, external: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a file; external data files are hashed and folded in, in order of name."""
    with path.open("rb") as stream:
        own = hashlib.file_digest(stream, "sha256")
    return _with_external(own, external)


def _with_external(own: hashlib._Hash, external: tuple[Path, ...]) -> str:
    if not external:
        return own.hexdigest()
    for file in sorted(external):
        with file.open("rb") as stream:
            own.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return own.hexdigest()


def _stamps(files: tuple[Path, ...]) -> list[tuple[int, ...]]:
    """What changes when somebody writes to files."""
    found: list[tuple[int, ...]] = []
    for file in files:
        try:
            held = file.stat()
        except OSError:  # gone
            found.append(())
            continue
        found.append((held.st_ino, held.st_size, held.st_mtime_ns, held.st_ctime_ns))
    return found


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind, name = value.type.tensor_type, _text(value.name)
    if not value.type.HasField("tensor_type"):
        return Tensor(name, None, 0, container=_container(value.type))
    if not kind.HasField("shape"):
        return Tensor(name, None, kind.elem_type)
    sizes = (dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim)
    # Some exporters write 0 or -1 for a free dimension.
    shape = tuple(size if size is not None and size > 0 else None for size in sizes)
    return Tensor(name, shape, kind.elem_type, tuple(_text(d.dim_param) for d in kind.shape.dim))


def _text(value: str | bytes) -> str:
    """A string of the file; protobuf hands out bytes where it is no valid UTF-8."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _container(kind: onnx.TypeProto) -> str:
    """A type that is no tensor, in words."""
    word = (kind.WhichOneof("value") or "unknown type").removesuffix("_type").replace("_", " ")
    inner = kind.sequence_type.elem_type if word == "sequence" else None
    return f"sequence of {_container(inner)}s" if inner is not None else word
