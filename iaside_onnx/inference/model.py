"""The audited model as a function: images in pixel space to raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..errors import ArtifactError
from ..onnx_file.artifact import INPUT_TYPES
from .input_form import InputForm
from .session import Runtime, reason

_MEMORY_WORDS = ("out of memory", "failed to allocate", "bad_alloc", "cudaerrormemory")


class OutOfMemoryError(ArtifactError):
    """The device could not hold a batch; with a smaller one it may."""


@dataclass(frozen=True)
class Affine:
    """The affine step from pixel space to the model's input: see `Preprocess.affine`."""

    order: list[int]
    gain: NDArray[np.float32]
    shift: NDArray[np.float32]

    def linear(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Channel order and gain, for differences of images, shape (..., C, H, W)."""
        return pixels[..., self.order, :, :] * self.gain[:, None, None]

    def full(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Channel order, gain and shift, shape (..., C, H, W)."""
        return self.linear(pixels) + self.shift[:, None, None]


class Model:
    """The audited graph: images in pixel space to one row of raw scores each.

    `score_shape` is the shape of one row as the graph gives it, known after the first run.
    """

    def __init__(
        self,
        runtime: Runtime,
        session: ort.InferenceSession,
        form: InputForm,
        output: str,
        affine: Affine,
    ) -> None:
        self.runtime = runtime
        self.session = session
        self.form = form
        self.output = output
        self.affine = affine
        self.score_shape: tuple[int, ...] = ()
        # Whether the file still is what was opened: asked after every run.
        self.confirm_file: Callable[[], None] = lambda: None

    def scores(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores, shape (n, classes), for images of shape (n, C, H, W) in pixel space.

        Raises
        ------
        ArtifactError
            The model fails, or returns something other than one row of scores per image.
        """
        inputs = self.affine.full(pixels)
        if self.form.layout == "nhwc":
            inputs = np.moveaxis(inputs, 1, -1)
        if self.form.elem_type == TensorProto.UINT8:
            inputs = np.clip(np.rint(inputs), 0, 255)
        count = len(inputs)
        batch = np.ascontiguousarray(
            inputs.reshape(count, *self.form.shape), dtype=INPUT_TYPES[self.form.elem_type]
        )
        size = self.form.fixed_batch or count
        parts = []
        for start in range(0, count, size):
            part = batch[start : start + size]
            if self.form.fixed_batch and len(part) < size:
                part = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(run(self.session, [self.output], {self.form.name: part})[0])
        self.confirm_file()
        scores = np.concatenate(parts)
        rows = max(scores.shape[1:], default=1)
        if not scores.ndim or len(scores) < count or scores[0].size != rows:
            raise ArtifactError(
                f"output '{self.output}' has shape {list(scores.shape)} for {size} image(s); one "
                "row of class scores per image is needed (choose with --output)"
            )
        self.score_shape = scores.shape[1:]
        return np.asarray(scores[:count].reshape(count, -1), dtype=np.float32)


def run(
    session: ort.InferenceSession, outputs: list[str], inputs: dict[str, NDArray[Any]]
) -> list[NDArray[Any]]:
    """`session.run` with onnxruntime's errors turned into ours."""
    try:
        result: list[NDArray[Any]] = session.run(outputs, inputs)
    except Exception as error:  # onnxruntime's errors have no common base
        raise run_error(error) from error
    return result


def run_error(error: Exception) -> Exception:
    """What to raise for an error of onnxruntime: lack of memory is told apart."""
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS):
        return OutOfMemoryError(f"not enough memory: {reason(error)}")
    return ArtifactError(f"the model failed to run: {reason(error)}")
