"""Inputs beside the images: each has one value for the whole audit (``NAME=VALUE``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from ..errors import InvalidOption, UsageError
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.tensors import Tensor, shape_text
from ..spelling import option
from ..storage.npy_file import read_npy
from ..storage.regular_file import check_regular

# Numbers in one value; larger ones are no flags, sizes or embeddings.
_MOST_NUMBERS = 1 << 26
_SHOWN = 200


@dataclass(frozen=True)
class FixedInputs:
    """Values of the inputs that take no images.

    Attributes
    ----------
    whole : dict of str to ndarray
        Values that are fed as they are.
    each : dict of str to ndarray
        Values of one image, without the batch axis, repeated for every image of a run.
    said : dict of str to str
        What each was set to, for the report: short values as JSON, others as their SHA-256.
    """

    whole: dict[str, NDArray[Any]] = field(default_factory=dict)
    each: dict[str, NDArray[Any]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    def feed(self, images: int) -> dict[str, NDArray[Any]]:
        """What to feed beside a run of so many images."""
        repeated = {
            name: np.ascontiguousarray(np.broadcast_to(value, (images, *value.shape)))
            for name, value in self.each.items()
        }
        return {**self.whole, **repeated}


def fixed_inputs(
    artifact: Artifact, image: Tensor, asked: Sequence[str], listener: Listener
) -> FixedInputs:
    """Read ``NAME=VALUE`` for every input of a graph but the one that takes images.

    A value is JSON (``true``, ``0.5``, ``[224, 224]``) or the name of a ``.npy`` file. It has the
    input's shape; where the input's first axis is the images' batch, it may lack that axis and is
    repeated. A single number fills an input of any settled shape. Inputs that no node reads get
    zeros, and a note says so.

    Raises
    ------
    UsageError
        An input without a value, one that the graph has not, or a value that does not fit.
    """
    given: dict[str, str] = {}
    for text in asked:
        name, equals, words = text.partition("=")
        if not equals or not name:
            raise InvalidOption("set", text, "give NAME=VALUE or NAME=FILE.npy")
        if name in given:
            raise InvalidOption("set", name, "given twice")
        given[name] = words
    others = [tensor for tensor in artifact.inputs if tensor.name != image.name]
    names = ", ".join(f"'{tensor.name}'" for tensor in others) or "none"
    for name in given:
        if name not in {tensor.name for tensor in others}:
            raise InvalidOption("set", name, f"{artifact.path} has no such input (others: {names})")
    values = FixedInputs()
    for tensor in others:
        if tensor.name in given:
            value = _value(tensor, given[tensor.name])
            values.said[tensor.name] = _said(value)
        elif tensor.name in artifact.unread:
            value = np.zeros([size or 1 for size in tensor.shape or ()], _dtype(tensor))
            listener.note(f"input '{tensor.name}': no node of the graph reads it; it gets zeros")
        else:
            raise UsageError(
                f"{artifact.path}: has an input beside the images, '{tensor.name}' "
                f"({tensor.dtype} {shape_text(tensor.shape or ())}): give it a value with "
                f"{option('set', f'{tensor.name}={_example(tensor)}')}"
            )
        shaped, repeated = _shaped(tensor, image, value)
        (values.each if repeated else values.whole)[tensor.name] = shaped
    return values


def examples(artifact: Artifact, image: Tensor, asked: Sequence[str]) -> list[str]:
    """What is to be set beside what is asked for, as ``NAME=VALUE`` with values of the right kind.

    Files stand for values that are more than a few numbers.
    """
    given = {text.partition("=")[0] for text in asked}
    return [
        f"{tensor.name}={_example(tensor)}"
        for tensor in artifact.inputs
        if tensor.name not in {image.name, *given, *artifact.unread}
    ]


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    except (KeyError, TypeError) as error:
        why = f"is {tensor.dtype}, which cannot be set"
        raise InvalidOption("set", tensor.name, why) from error


def _example(tensor: Tensor) -> str:
    if any(size is None or size > 4 for size in tensor.shape or ()) or len(tensor.shape or ()) > 1:
        return "FILE.npy"
    one = {"bool": "false", "float32": "1.0", "float16": "1.0", "float64": "1.0"}
    number = one.get(tensor.dtype, "1")
    count = tensor.shape[0] if tensor.shape else None
    return number if count is None else "[" + ",".join([number] * count) + "]"


def _value(tensor: Tensor, text: str) -> NDArray[Any]:
    """The value as an array of the input's type, its shape as given."""
    if text.lower().endswith(".npy"):
        check_regular(Path(text), UsageError, f"{option('set', tensor.name)}: {text}")
        try:
            value = read_npy(Path(text))
        except (OSError, ValueError, EOFError) as error:
            why = f"{text}: cannot be read as a .npy file ({error})"
            raise InvalidOption("set", tensor.name, why) from error
    else:
        try:
            value = np.array(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InvalidOption(
                "set",
                f"{tensor.name}={text[:60]}",
                "give a number, true, false, a JSON list, or a file whose name ends in .npy",
            ) from error
    dtype = _dtype(tensor)
    if value.size > _MOST_NUMBERS or value.dtype.kind not in "biuf":
        raise InvalidOption("set", tensor.name, "must be numbers or truth values, not too many")
    with np.errstate(over="ignore"):
        converted: NDArray[Any] = value.astype(dtype)
    # Infinity can be meant in a file, as in masks of attention, but in a text it is an overflow.
    bounded = np.isfinite(converted) | (text.lower().endswith(".npy") & ~np.isfinite(value))
    if not np.all(converted == value if dtype.kind in "biu" else bounded):
        raise InvalidOption("set", tensor.name, f"does not fit into {tensor.dtype}")
    return converted


def _said(value: NDArray[Any]) -> str:
    text = json.dumps(value.tolist()) if value.size <= 64 else ""
    if text and len(text) <= _SHOWN:
        return text
    digest = hashlib.sha256(repr((value.dtype.str, value.shape)).encode())
    digest.update(np.ascontiguousarray(value).tobytes())
    return f"sha256:{digest.hexdigest()}"


def _shaped(tensor: Tensor, image: Tensor, value: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """The value in a shape that the input takes, and whether it is of one image."""
    shape = tensor.shape
    if shape is None or value.shape == shape:
        return value, False
    batched = bool(shape) and _same_axis(tensor, image)
    if value.ndim == 0 and shape and None not in shape[1:] and (batched or shape[0] is not None):
        lengths = [size for size in shape[1 if batched else 0 :] if size is not None]
        return np.full(lengths, value), batched
    if batched and _fits(value.shape, shape[1:]):
        return value, True
    if batched and value.shape[:1] == (1,) and _fits(value.shape[1:], shape[1:]):
        return value[0], True
    if not batched and _fits(value.shape, shape):
        return value, False
    raise InvalidOption(
        "set",
        tensor.name,
        f"has the shape {list(value.shape)}, but the input is {shape_text(shape)}"
        + (" (the first axis is that of the images)" if batched else ""),
    )


def _same_axis(tensor: Tensor, image: Tensor) -> bool:
    """Whether an input's first axis is free and bears the name of the images' batch."""
    assert tensor.shape is not None
    if tensor.shape[0] is not None or (image.shape and image.shape[0] is not None):
        return False
    own = tensor.symbols[0] if tensor.symbols else ""
    batch = image.symbols[0] if image.symbols else ""
    return own == batch


def _fits(lengths: tuple[int, ...], shape: Sequence[int | None]) -> bool:
    return len(lengths) == len(shape) and all(
        size is None or size == length for length, size in zip(lengths, shape, strict=True)
    )
