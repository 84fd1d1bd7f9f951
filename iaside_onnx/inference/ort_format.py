"""Read a file in onnxruntime's own format (``.ort``), through the runtime that alone can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import TensorProto

from ..errors import ArtifactError
from ..onnx_file.artifact import Artifact, file_digest, is_ort_format, read_artifact
from ..onnx_file.bounds import LONGEST_NAME, bounded, shortened
from ..onnx_file.tensors import Tensor
from .session import Runtime


def describe(path: Path, runtime: Runtime) -> Artifact:
    """Describe a classifier in either format; only ``.ort`` needs the runtime for it.

    Raises
    ------
    ArtifactError
        No such file, no model, or one at a path that onnxruntime cannot be given.
    """
    if not _is_unicode(str(path)) and path.exists():
        raise ArtifactError(
            f"{path}: its path is no UTF-8, so onnxruntime cannot open it; rename the file or its "
            "folder"
        )
    return _read_ort_file(path, runtime) if is_ort_format(path) else read_artifact(path)


def _is_unicode(text: str) -> bool:
    """Whether a path is text: bytes that are none stand in it as surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _read_ort_file(path: Path, runtime: Runtime) -> Artifact:
    """Inputs, outputs and metadata; the nodes stay the runtime's own."""
    sha256 = file_digest(path)  # before it is opened: later changes are seen
    session = runtime.open(path)
    try:
        about = session.get_modelmeta()
        return Artifact(
            path=path,
            sha256=sha256,
            inputs=tuple(map(tensor_of, session.get_inputs())),
            outputs=tuple(map(tensor_of, session.get_outputs())),
            opsets={},
            producer=shortened(about.producer_name, LONGEST_NAME) or "unknown",
            ir_version=0,
            parameters=None,
            metadata=bounded(dict(about.custom_metadata_map)),
            external=(),
        )
    except UnicodeDecodeError as error:  # names in the file that are no text
        raise ArtifactError(f"{path}: a damaged .ort file ({error})") from error


def tensor_of(value: Any) -> Tensor:
    """An input or output as a session describes it."""
    name = str(value.type).removeprefix("tensor(").removesuffix(")")
    name = {"float": "FLOAT", "double": "DOUBLE"}.get(name, name.upper())
    if name not in TensorProto.DataType.keys():  # noqa: SIM118 (an enum, not a dictionary)
        return Tensor(value.name, None, 0, container=str(value.type))
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in value.shape)
    symbols = tuple(size if isinstance(size, str) else "" for size in value.shape)
    return Tensor(value.name, shape or None, TensorProto.DataType.Value(name), symbols)
