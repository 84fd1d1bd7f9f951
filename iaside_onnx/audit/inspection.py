"""What an artifact is, for people and machines (``iaside inspect``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import ArtifactError, ProviderError
from ..inference.class_scores import kind_of_values
from ..inference.model import run
from ..inference.ort_format import describe
from ..inference.session import Runtime, active_providers, runtime_clash
from ..onnx_file.artifact import INPUT_TYPES, Artifact, Tensor
from ..onnx_file.declared import Declared

_PROBE_SIZE = 224
# Numbers in the random images; larger inputs are described without being run.
_MOST_NUMBERS = 1 << 25
T = TypeVar("T")


@dataclass(frozen=True)
class _Probe:
    """What a session said: providers that became active, and scores for random images."""

    providers: list[str]
    scores: np.ndarray[Any, Any] | None


def inspect(
    path: Path,
    *,
    input: str | None = None,
    output: str | None = None,
    layout: str | None = None,
    ort_extension: Sequence[Path] = (),
) -> dict[str, Any]:
    """Describe an artifact as plain JSON values.

    The file is read, not run, as far as that goes. A session is made for each provider to see
    which really become active; random images are put through it only where the graph's tail or
    shapes leave the output's meaning open.

    Parameters
    ----------
    input, output, layout
        Settle what the file leaves open, as for `analyze`.

    Raises
    ------
    ArtifactError
        Not an ONNX model, or no such input or output. What merely
        cannot be audited is listed under ``warnings``.
    """
    extensions = tuple(ort_extension)
    artifact = describe(path, Runtime(extensions=extensions))
    declared = Declared(path, artifact.metadata)
    warnings: list[str] = []
    if clash := runtime_clash():
        warnings.append(clash)
    image, found_layout = _image_input(
        artifact, input, layout or _read(declared.layout, warnings), warnings
    )
    scores = _score_output(artifact, output, declared, warnings)
    batch = image.shape[0] if image is not None and image.shape else None
    kind = artifact.output_kinds.get(scores.name, "unknown") if scores else "unknown"
    classes = _declared_class_count(scores)
    if kind == "sigmoid":
        kind = "probabilities" if classes == 1 else "unknown"
    declared_kind: str | None = _read(declared.output_kind, warnings)
    kind = declared_kind or kind
    probe = _probe(artifact, image, found_layout, scores, warnings, kind, classes, extensions)
    if probe.scores is not None and probe.scores.ndim >= 2:
        rows = probe.scores.reshape(len(probe.scores), -1).astype(np.float32)
        classes = rows.shape[1]
        if kind == "unknown":
            kind = kind_of_values(rows)
            warnings.append(
                f"the graph's tail does not tell the output's kind; random images give {kind}"
            )
    artifact.confirm()
    if batch is not None:
        warnings.append(
            f"the batch is fixed at {batch}; analyze makes it free in a copy of the graph and "
            "checks the copy against the file"
        )
    if classes == 1:
        warnings.append("one score per image: read as class 1 against class 0")
        classes = 2
    for declaration in (declared.preprocess, declared.label_offset):
        _read(declaration, warnings)
    known = {
        name: kind if kind in ("logits", "probabilities") else "unknown"
        for name, kind in artifact.output_kinds.items()
    }
    pixels = _pixel_range(artifact, image)
    kinds = {**known, **({scores.name: kind} if scores else {})}
    return {
        "path": path.name if path.is_absolute() else path.as_posix(),
        "sha256": artifact.sha256,
        "bytes": path.stat().st_size + sum(file.stat().st_size for file in artifact.external),
        "inputs": [
            {
                "name": tensor.name,
                "shape": _json_shape(tensor),
                "dtype": tensor.dtype,
                "layout": found_layout if tensor is image else None,
            }
            for tensor in artifact.inputs
        ],
        "outputs": [
            {
                "name": tensor.name,
                "shape": _json_shape(tensor),
                "dtype": tensor.dtype,
                "kind": kinds.get(tensor.name, "unknown"),
            }
            for tensor in artifact.outputs
        ],
        "size": _image_size(image, found_layout),
        "batch": batch if batch is not None else "dynamic",
        "classes": classes,
        "class_names": declared.classes(classes, _read(declared.label_offset, []) or 0)
        if classes
        else None,
        "range_hint": pixels["text"] if pixels else None,
        "pixel_range": pixels,
        "opset": artifact.opsets.get("", 0),
        "opsets": artifact.opsets,
        "ir_version": artifact.ir_version,
        "producer": artifact.producer,
        "parameters": artifact.parameters,
        "external_data": [file.name for file in artifact.external],
        "declared": declared.shown(),
        "preprocess_beside": _beside(declared, warnings),
        "metadata": artifact.metadata,
        "providers": probe.providers,
        "warnings": warnings,
    }


def _image_input(
    artifact: Artifact, name: str | None, layout: str | None, warnings: list[str]
) -> tuple[Tensor | None, str | None]:
    try:
        image = artifact.image_input(name)
    except ArtifactError as error:
        if name is not None:
            raise
        warnings.append(f"cannot be audited: {error}")
        return None, None
    try:
        return image, artifact.layout(image, layout)
    except ArtifactError as error:
        warnings.append(str(error))
        return image, None


def _read(declaration: Callable[[], T | None], warnings: list[str]) -> T | None:
    """A declared value; one that cannot be used becomes a warning."""
    try:
        return declaration()
    except ArtifactError as error:
        warnings.append(str(error))
        return None


def _pixel_range(artifact: Artifact, image: Tensor | None) -> dict[str, Any] | None:
    """The numbers that the input seems made for, and how that is known."""
    found = artifact.pixel_ranges.get(image.name) if image is not None else None
    if found is None:
        return None
    return {"low": found.low, "high": found.high, "known": found.known, "text": found.text}


def _beside(declared: Declared, warnings: list[str]) -> dict[str, Any] | None:
    """The preprocessing in a file beside the model, which is used where nothing is declared."""
    found = _read(declared.preprocess_beside, warnings)
    return None if found is None else {"file": found.name, "recipe": found.settings()}


def _score_output(
    artifact: Artifact, name: str | None, declared: Declared, warnings: list[str]
) -> Tensor | None:
    try:
        return artifact.score_output(name or declared.output())
    except ArtifactError as error:
        if name is not None:
            raise
        warnings.append(str(error))
        return None


def _declared_class_count(output: Tensor | None) -> int | None:
    shape = output.shape if output is not None else None
    if shape == (None,):
        return 1
    if shape is None or len(shape) < 2 or None in shape[1:]:
        return None
    return int(np.prod([size for size in shape[1:] if size is not None]))


def _probe(
    artifact: Artifact,
    image: Tensor | None,
    layout: str | None,
    output: Tensor | None,
    warnings: list[str],
    kind: str,
    classes: int | None,
    extensions: tuple[Path, ...],
) -> _Probe:
    """Make a session with every provider there is; run it only if something is still open."""
    providers: list[str] = []
    scores = None
    for name in reversed(active_providers()):
        try:
            session = Runtime(name, extensions=extensions).open(artifact.path)
        except (ArtifactError, ProviderError) as error:
            warnings.append(str(error))
            continue
        providers += [found for found in session.get_providers() if found not in providers]
        settled = kind != "unknown" and classes is not None
        if settled or scores is not None or image is None or output is None or layout is None:
            continue
        side = _PROBE_SIZE
        free = {"nchw": (3, side, side), "nhwc": (side, side, 3), "nhw": (side, side), "flat": (1,)}
        shape = [
            size or default
            for size, default in zip(image.shape or (None,) * 4, (2, *free[layout]), strict=True)
        ]
        if math.prod(shape) > _MOST_NUMBERS:
            warnings.append("the input is too large to try random images on")
            continue
        pixels = np.random.default_rng(0).random(shape).astype(INPUT_TYPES[image.elem_type])
        try:
            scores = run(session, [output.name], {image.name: pixels})[0]
        except ArtifactError as error:
            warnings.append(f"random images: {error}")
    return _Probe(providers, scores)


def _image_size(image: Tensor | None, layout: str | None) -> list[int | None] | None:
    if image is None or image.shape is None or layout in (None, "flat"):
        return None
    return list(image.shape[2:] if layout == "nchw" else image.shape[1:3])


def _json_shape(tensor: Tensor) -> list[int | str] | None:
    """Shape with the graph's own names for free dimensions ("?" where it gives none)."""
    if tensor.shape is None:
        return None
    return [
        size if size is not None else (symbol or "?")
        for size, symbol in zip(tensor.shape, tensor.symbols, strict=True)
    ]
