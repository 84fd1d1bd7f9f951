"""Read an ONNX classifier without running it: input, output, layout, batch, provenance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from ..errors import ArtifactError, ChangedModelError
from ..file_kinds import HEAD_BYTES, folder_of_model, kind_of_file
from ..storage.regular_file import check_regular, irregular, nearby, real_path
from .bounds import LONGEST_NAME, bounded, shortened
from .graph import external_files, output_kind, read_names, weight_tensors, without_large_weights
from .heads import Decision, decision_of
from .pixel_range import PixelRange, pixel_range
from .tensors import Tensor, tensor_from, text_of

# Identifier of the runtime's own file format, at byte 4.
_ORT_MAGIC = b"ORTM"
# Of weights in one file; protobuf reads no message of 2 GiB.
_MOST_BYTES = 2_000_000_000


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
    tails : dict
        What the nodes before each output say of it: see `graph.output_kind`.
    pixel_ranges : dict
        The pixel values that an input seems made for, where its type or the graph tells.
    model : onnx.ModelProto or None
        The graph without its large weights; None where the file hides it.
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
    tails: dict[str, tuple[str, float]] = field(default_factory=dict)
    pixel_ranges: dict[str, PixelRange] = field(default_factory=dict)
    model: onnx.ModelProto | None = None

    @property
    def unread(self) -> frozenset[str]:
        """Inputs that no node reads, as far as the graph shows."""
        read = None if self.model is None else read_names(self.model)
        names = {tensor.name for tensor in self.inputs}
        return frozenset() if read is None else frozenset(names - read)

    @property
    def graph(self) -> onnx.GraphProto:
        """The graph; an empty one where the file hides it."""
        return onnx.GraphProto() if self.model is None else self.model.graph

    def decision_of(self, name: str) -> Decision | None:
        """What an output decides on, where it is no score for each class."""
        return decision_of(self.graph, name)

    def kind_of(self, name: str) -> str:
        """What the nodes before a tensor say it holds; "logits" are log-probabilities too."""
        return (self.tails.get(name) or output_kind(self.graph, name))[0]

    def step_of(self, name: str) -> float:
        """Distance between neighbouring values of a tensor where it was quantised, else 0."""
        return (self.tails.get(name) or output_kind(self.graph, name))[1]

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
        confirmed = _stamps(self.external)
        self.confirm()

        def check() -> None:
            nonlocal confirmed
            now = _stamps(self.external)
            if now != confirmed:
                self.confirm()
                confirmed = now

        return check


def load_graph(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file, leaving external data where it is.

    Raises
    ------
    ArtifactError
        No such file, or bytes that are no ONNX model.
    """
    return _parsed(path, _content(path))


def load_whole(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file together with the weights that lie in files beside it.

    Raises
    ------
    ArtifactError
        Weights that are missing or lie outside its folder, or more of them than one file holds.
    """
    model = load_graph(path)
    files = external_files(path, model)
    size = sum(file.stat().st_size for file in files)
    if size > _MOST_BYTES:
        raise ArtifactError(
            f"{path}: has {size / 1e9:.1f} GB of weights in other files, and an ONNX file that "
            "holds its own weights holds less than 2 GB; such a model cannot be copied into one"
        )
    if files:
        onnx.load_external_data_for_model(model, str(real_path(path).parent))
    return model


def _content(path: Path) -> bytes:
    check_regular(path, ArtifactError)
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        kind = folder_of_model({file.name for file in path.iterdir()})
        raise ArtifactError(f"{path}: is {kind or 'a folder; give the .onnx file'}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = nearby(path) if isinstance(error, FileNotFoundError) else ""
        raise ArtifactError(f"{path}: {reason}{hint}") from error


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise _no_model(path, content, ", or a truncated one") from error
    if not model.graph.node or not model.opset_import:
        raise _no_model(path, content, " (it holds no graph)")
    return model


def _no_model(path: Path, content: bytes, otherwise: str) -> ArtifactError:
    """The error for bytes that hold no graph: what they are, where that is known."""
    kind = kind_of_file(content[:HEAD_BYTES], path.name, content)
    return ArtifactError(f"{path}: not an ONNX file" + (f" but {kind}" if kind else otherwise))


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
    inputs = tuple(tensor_from(value) for value in graph.input if value.name not in weights)
    outputs = tuple(tensor_from(value) for value in graph.output)
    tails = {tensor.name: output_kind(graph, tensor.name) for tensor in outputs}
    version = f" {text_of(model.producer_version)}" if model.producer_version else ""
    parameters = sum(math.prod(tensor.dims) for tensor in weight_tensors(model))
    ranges = _pixel_ranges(graph, inputs)
    without_large_weights(model)
    return Artifact(
        path=path,
        sha256=_with_external(own, external),
        inputs=inputs,
        outputs=outputs,
        opsets={text_of(opset.domain): opset.version for opset in model.opset_import},
        producer=shortened(text_of(model.producer_name) + version, LONGEST_NAME) or "unknown",
        ir_version=model.ir_version,
        parameters=parameters,
        metadata=bounded({text_of(one.key): text_of(one.value) for one in model.metadata_props}),
        external=external,
        tails=tails,
        pixel_ranges=ranges,
        model=model,
    )


def _pixel_ranges(graph: onnx.GraphProto, inputs: tuple[Tensor, ...]) -> dict[str, PixelRange]:
    ranges = {each.name: pixel_range(graph, each.name, each.elem_type) for each in inputs}
    return {name: known for name, known in ranges.items() if known is not None}


def is_ort_format(path: Path) -> bool:
    """True for a file in onnxruntime's own format (``.ort``)."""
    if irregular(path) is not None:
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == _ORT_MAGIC
    except OSError:
        return False


def file_digest(path: Path, external: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a file; external data files are hashed and folded in, in order of name."""
    check_regular(path, ArtifactError)
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
    stamps: list[tuple[int, ...]] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:  # gone
            stamps.append(())
            continue
        stamps.append((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return stamps
