"""The audited model as a function: images in pixel space to raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..errors import ArtifactError
from ..onnx_file.tensors import INPUT_TYPES
from .fixed_inputs import FixedInputs
from .input_form import InputForm
from .output_meaning import NoClassScoresError, output_meaning
from .session import Runtime, reason, run_options

# In an error, lower case: of the system, of arenas, of cuBLAS and cuDNN, of other providers.
_MEMORY_WORDS = (
    "out of memory", "failed to allocate", "bad_alloc", "cudaerrormemory",
    "is smaller than requested bytes", "alloc_failed", "allocation_failed", "resource exhausted",
)  # fmt: skip


class RunError(ArtifactError):
    """The model does not run on what it is given."""


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

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest number that pixels in [0, 1] become."""
        ends = np.stack([self.shift, self.shift + self.gain])
        return float(ends.min()), float(ends.max())

    def full(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Channel order, gain and shift, shape (..., C, H, W)."""
        return self.linear(pixels) + self.shift[:, None, None]


@dataclass
class Model:
    """The audited graph: images in pixel space to one row of raw scores each.

    Attributes
    ----------
    output : str
        The tensor that is read.
    fixed : FixedInputs
        What is fed beside the images.
    confirm_file : callable
        Whether the file still is what was opened: asked after every run.
    score_shape, score_dtype
        Of one row as the graph gives it, known after the first run.
    path : Path or None
        The file, for errors.
    """

    runtime: Runtime
    session: ort.InferenceSession
    form: InputForm
    output: str
    affine: Affine
    fixed: FixedInputs = field(default_factory=FixedInputs)
    confirm_file: Callable[[], None] = lambda: None
    score_shape: tuple[int, ...] = ()
    score_dtype: type[np.generic] = np.float32
    path: Path | None = None

    def scores(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores, shape (n, classes), for images of shape (n, C, H, W) in pixel space.

        Raises
        ------
        ArtifactError
            The model fails.
        NoClassScoresError
            It returns something other than one row of scores per image.
        """
        count = len(pixels)
        size = self.form.fixed_batch or count
        parts = []
        for start in range(0, count, size):
            parts.append(self.raw(pixels[start : start + size]))
            if parts[-1].shape[:1] != (size,):
                raise NoClassScoresError(self.output, output_meaning(parts[-1], size))
        self.confirm_file()
        scores = np.concatenate(parts)
        if not scores.size or scores[0].size != max(scores.shape[1:], default=1):
            raise NoClassScoresError(self.output, output_meaning(scores, len(scores)))
        self.score_shape, self.score_dtype = scores.shape[1:], scores.dtype.type
        return np.asarray(scores[:count].reshape(count, -1), dtype=np.float32)

    def raw(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """What one run gives for images in pixel space, as many as a fixed batch takes or fewer.

        Raises
        ------
        ArtifactError
            The model fails.
        """
        try:
            batch = self._batch(pixels)
            feed = {self.form.name: batch, **self.fixed.feed(len(batch))}
        except MemoryError as error:  # a file may fix its batch at any number
            raise run_error(error, self.path) from error
        return run(self.session, [self.output], feed, self.path)[0]

    def _batch(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """Images as the graph takes them."""
        inputs = self.affine.full(pixels)
        if self.form.layout == "nhwc":
            inputs = np.moveaxis(inputs, 1, -1)
        if self.form.elem_type == TensorProto.UINT8:
            inputs = np.clip(np.rint(inputs), 0, 255)
        missing = (self.form.fixed_batch or len(inputs)) - len(inputs)
        if missing > 0:
            inputs = np.concatenate([inputs, np.repeat(inputs[-1:], missing, axis=0)])
        return np.ascontiguousarray(
            inputs.reshape(len(inputs), *self.form.shape), dtype=INPUT_TYPES[self.form.elem_type]
        )


def run(
    session: ort.InferenceSession,
    outputs: list[str],
    inputs: dict[str, NDArray[Any]],
    path: Path | None = None,
) -> list[NDArray[Any]]:
    """`session.run` with onnxruntime's errors turned into errors of this package."""
    try:
        result: list[NDArray[Any]] = session.run(outputs, inputs, run_options())
    except Exception as error:  # onnxruntime's errors have no common base
        raise run_error(error, path) from error
    return result


def run_error(error: Exception, path: Path | None) -> Exception:
    """What to raise for an error of onnxruntime: lack of memory has a class of its own."""
    where = "" if path is None else f"{path}: "
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS):
        return OutOfMemoryError(f"{where}not enough memory: {reason(error)}")
    return RunError(f"{where}the model failed to run: {reason(error)}")
