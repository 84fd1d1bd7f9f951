"""What an artifact is, for people and machines (``iaside inspect``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from onnx import TensorProto

from ..errors import ArtifactError, ProviderError, UsageError, said
from ..inference.class_scores import settled_kind
from ..inference.classifier import check_class_scores
from ..inference.ends import image_input, score_output, settled_layout
from ..inference.fixed_inputs import FixedInputs, fixed_inputs
from ..inference.input_form import InputForm
from ..inference.model import Affine
from ..inference.opened import Opened, open_model
from ..inference.ort_format import describe
from ..inference.output_meaning import NoClassScoresError, OutputMeaning
from ..inference.session import Runtime, active_providers, runtime_clash
from ..inference.steadiness import randomness_of, reason
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.bounds import shortened
from ..onnx_file.declared import Declared
from ..onnx_file.tensors import Tensor
from ..spelling import on_command_line, option

# Where a file leaves its size free: the usual one, then those of lines of text.
_PROBE_SIZES = ((224, 224), (48, 192), (32, 128))
_RANDOM_IMAGES = 3
# Numbers in the random images; larger inputs are described without being run.
_MOST_NUMBERS = 1 << 25
_ALLOW = option("allow_random", True)
T = TypeVar("T")


@dataclass(frozen=True)
class _Trial:
    """The file as an audit opens it, and scores for random images."""

    opened: Opened
    form: InputForm
    scores: np.ndarray[Any, Any]


def inspect(
    path: Path,
    *,
    input: str | None = None,
    output: str | None = None,
    layout: str | None = None,
    ort_extension: Sequence[Path] = (),
    set: Sequence[str] = (),
    size: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Describe an artifact as plain JSON values.

    The file is read, a session is made for each provider to see which really become active, and
    random images are put through it as an audit would, to see which batches it takes and what its
    output is.

    Parameters
    ----------
    input, output, layout, set, size
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
    kind = artifact.kind_of(scores.name) if scores else "unknown"
    classes = _declared_class_count(scores)
    if kind == "sigmoid":
        kind = "probabilities" if classes == 1 else "unknown"
    declared_kind: str | None = _read(declared.output_kind, warnings)
    kind = declared_kind or kind
    providers, provider_names = _active(artifact, warnings, extensions)
    if image is not None and scores is not None:
        warnings += _randomness(artifact, scores.name)
    tried, meaning = None, None
    tried_form, given = None, None
    beside = _fixed_inputs(artifact, image, set, warnings)
    if image is not None and scores is not None and found_layout is not None and beside is not None:
        given = size or _read(declared.size, warnings)
        forms = [
            _random_form(image, found_layout, sides)
            for sides in ([given] if given else _sizes(image))
        ]
        tried_form = forms[0]
        tried, meaning = _judged(
            artifact, image, forms, scores, kind, declared_kind, warnings, extensions, beside
        )
        classes = classes if meaning is None or meaning.task == "classes" else None
    if tried is not None:
        tried_form = tried.form
        if tried.opened.batch is not None:
            batch = tried.opened.batch
        rows = tried.scores
        classes = rows.shape[1]
        if tried.opened.head is not None:
            kind = "probabilities"
        elif declared_kind is None and (found := settled_kind(rows, kind)) != kind:
            tail = "does not tell the output's kind" if kind == "unknown" else f"looks like {kind}"
            seen = "one number in [0, 1]" if found == "unknown" else found
            kind = found
            warnings.append(f"the graph's tail {tail}; random images give {seen}")
    elif batch is not None:
        warnings.append(f"the batch is fixed at {batch}; analyze tries to free it in a copy")
    artifact.confirm()
    if classes == 1:
        warnings.append("one score per image: read as class 1 against class 0")
        classes = 2
    for declaration in (declared.preprocess, declared.label_offset):
        _read(declaration, warnings)
    head = tried.opened.head if tried is not None else None
    known = {
        tensor.name: kind if kind in ("logits", "probabilities") else "unknown"
        for tensor in artifact.outputs
        for kind in [artifact.kind_of(tensor.name)]
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
                "layout": found_layout if image and tensor.name == image.name else None,
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
        "size_tried": _size_tried(tried_form, found_layout),
        "size_from": _size_from(image, found_layout, size, given),
        "batch": batch if batch is not None else "dynamic",
        "classes": classes,
        "task": None if meaning is None else meaning.task,
        "meaning": None if meaning is None else meaning.words,
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
        "metadata": {key: shortened(text) for key, text in artifact.metadata.items()},
        "read_before": None if head is None else {"operator": head.operator, "tensor": head.logits},
        "providers": providers,
        "provider_names": provider_names,
        "warnings": list(map(on_command_line, warnings)),
    }


def _image_input(
    artifact: Artifact, name: str | None, layout: str | None, warnings: list[str]
) -> tuple[Tensor | None, str | None]:
    try:
        image = image_input(artifact, name)
    except ArtifactError as error:
        if name is not None:
            raise
        warnings.append(f"cannot be audited: {said(error)}")
        return None, None
    try:
        return image, settled_layout(artifact, image, layout)
    except ArtifactError as error:
        warnings.append(said(error))
        return image, None


def _fixed_inputs(
    artifact: Artifact, image: Tensor | None, asked: Sequence[str], warnings: list[str]
) -> FixedInputs | None:
    """Values of the inputs beside the images; None where one lacks its value."""
    if image is None:
        return None
    tell = Listener()
    try:
        return fixed_inputs(artifact, image, asked, tell)
    except UsageError as error:
        if asked:
            raise
        warnings.append(said(error))
        return None


def _read(declaration: Callable[[], T | None], warnings: list[str]) -> T | None:
    """A declared value; one that cannot be used becomes a warning."""
    try:
        return declaration()
    except ArtifactError as error:
        warnings.append(said(error))
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
        return score_output(artifact, name or declared.output())
    except ArtifactError as error:
        if name is not None:
            raise
        warnings.append(said(error))
        return None


def _declared_class_count(output: Tensor | None) -> int | None:
    shape = output.shape if output is not None else None
    if shape == (None,):
        return 1
    if shape is None or len(shape) < 2 or None in shape[1:]:
        return None
    lengths = [size for size in shape[1:] if size is not None]
    return max(lengths) if math.prod(lengths) == max(lengths) else None


def _active(
    artifact: Artifact, warnings: list[str], extensions: tuple[Path, ...]
) -> tuple[list[str], list[str]]:
    """The execution providers that sessions really have, and what may be asked for here."""
    providers: list[str] = []
    names: list[str] = []
    for name in reversed(active_providers()):
        try:
            session = Runtime(name, extensions=extensions).open(artifact.path)
        except (ArtifactError, ProviderError) as error:
            warnings.append(said(error))
            continue
        providers += [each for each in session.get_providers() if each not in providers]
        names.insert(0, name)
    return providers, names


def _randomness(artifact: Artifact, output: str) -> list[str]:
    why = reason(artifact, randomness_of(artifact, output))
    return [f"analyze refuses it unless {_ALLOW} is given: {why}"] if why else []


def _judged(
    artifact: Artifact,
    image: Tensor,
    forms: Sequence[InputForm],
    output: Tensor,
    kind: str,
    declared_kind: str | None,
    warnings: list[str],
    extensions: tuple[Path, ...],
    beside: FixedInputs,
) -> tuple[_Trial | None, OutputMeaning | None]:
    """A trial at the first form of input that runs, and what the output is, where that is seen."""
    try:
        for form in forms:
            tried = _try(artifact, image, form, output, kind, warnings, extensions, beside)
            if tried is not None:
                return tried, check_class_scores(artifact, output.name, tried.scores, declared_kind)
    except NoClassScoresError as error:
        warnings.append(said(error))
        return None, error.meaning
    return None, None


def _try(
    artifact: Artifact,
    image: Tensor,
    form: InputForm,
    output: Tensor,
    kind: str,
    warnings: list[str],
    extensions: tuple[Path, ...],
    beside: FixedInputs,
) -> _Trial | None:
    """Put random images through the file, as an audit opens it; what it says becomes warnings.

    Raises
    ------
    NoClassScoresError
        What comes out is no row of class scores an image.
    """
    if max(_RANDOM_IMAGES, form.fixed_batch or 1) * form.features > _MOST_NUMBERS:
        warnings.append("the input is too large to try random images on")
        return None
    shape = _RANDOM_IMAGES, form.channels, form.height, form.width
    pixels = np.random.default_rng(0).random(shape, dtype=np.float32)
    scale = 255 if form.elem_type == TensorProto.UINT8 else 1
    gain = np.full(form.channels, scale, np.float32)
    affine = Affine(list(range(form.channels)), gain, np.zeros(form.channels, np.float32))
    heard = Listener()
    try:
        opened = open_model(
            artifact,
            Runtime(extensions=extensions),
            form,
            output,
            affine,
            pixels,
            heard,
            beside=beside,
            unbatched=image.unbatched,
            before_head=kind in ("probabilities", "unknown"),
            allow_random=True,
        )
        scores = opened.model.scores(pixels)
    except NoClassScoresError:
        raise
    except (ArtifactError, ProviderError) as error:
        free = image.shape is None or None in image.shape[1:]
        wanted = option("size", like="HxW")
        advice = f"; the model may be made for another size: {wanted}" if free else ""
        warnings.append(f"random images of {form.height} x {form.width}: {said(error)}{advice}")
        return None
    warnings += [text for text in heard.warnings if on_command_line(_ALLOW) not in text]
    if opened.mode == "freed" and form.fixed_batch is not None:
        warnings.append(
            f"the batch is fixed at {form.fixed_batch}; analyze makes it free in a copy of the "
            "graph and checks the copy against the file, which works on random images"
        )
    return _Trial(opened, form, scores)


def _sizes(image: Tensor) -> tuple[tuple[int, int], ...]:
    """Sizes to try an input at, the first that runs counts."""
    free = image.shape is None or None in image.shape[1:]
    return _PROBE_SIZES if free else _PROBE_SIZES[:1]


def _random_form(image: Tensor, layout: str, size: tuple[int, int]) -> InputForm:
    """The input with every free length settled: 3 channels of `size`."""
    batch, *rest = image.shape or (None, None, None, None)
    form = partial(InputForm, image.name, image.elem_type)
    if len(rest) == 1:
        return form("nchw", 1, 1, rest[0] or 1, fixed_batch=batch, packed=True)
    tall, wide = size
    if len(rest) == 2:
        return form("nchw", 1, rest[0] or tall, rest[1] or wide, fixed_batch=batch, plane=True)
    channels, height, width = rest if layout == "nchw" else (rest[2], rest[0], rest[1])
    return form(layout, channels or 3, height or tall, width or wide, fixed_batch=batch)


def _image_size(image: Tensor | None, layout: str | None) -> list[int | None] | None:
    if image is None or image.shape is None or layout in (None, "flat"):
        return None
    return list(image.shape[2:] if layout == "nchw" else image.shape[1:3])


def _size_tried(form: InputForm | None, layout: str | None) -> list[int] | None:
    """Height and width of the random images; None where there were none, or a row of numbers."""
    return None if form is None or layout == "flat" else [form.height, form.width]


def _size_from(
    image: Tensor | None, layout: str | None, asked: Any, given: tuple[int, int] | None
) -> str | None:
    """Whence a free size: "--size", "imgsz" or "usual"; None where the file fixes it."""
    if image is None or not image.size_is_free(layout):
        return None
    return "--size" if asked else "imgsz" if given else "usual"


def _json_shape(tensor: Tensor) -> list[int | str] | None:
    """Shape with the graph's own names for free dimensions ("?" where it gives none)."""
    if tensor.shape is None:
        return None
    return [
        size if size is not None else (symbol or "?")
        for size, symbol in zip(tensor.shape, tensor.symbols, strict=True)
    ]
