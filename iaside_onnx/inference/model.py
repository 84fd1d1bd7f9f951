"""The audited model as a function: images in pixel space to raw scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..errors import ArtifactError
from ..onnx_file.tensors import INPUT_TYPES
from .detection import DetectionHead
from .fixed_inputs import FixedInputs
from .input_form import InputForm
from .output_meaning import NoClassScoresError, output_meaning
from .session import Runtime, lacks_memory, reason, run_options


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
    beside : tuple of str
        Further outputs that are read in the same run; a row of scores holds all of them.
    any_shape : bool
        Outputs may be maps and tables, whose numbers a row holds in C order.
    head : DetectionHead or None
        What finds a row of detections in the outputs, which may then be of any shape.
    fixed : FixedInputs
        What is fed beside the images.
    confirm_file : callable
        Whether the file still is what was opened: asked after every run.
    score_shapes, score_dtypes
        Of one image of each output as the graph gives it, known after the first run.
    output_numbers : int
        Numbers that the graph gives for an image in all outputs.
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
    beside: tuple[str, ...] = ()
    any_shape: bool = False
    head: DetectionHead | None = None
    score_shapes: tuple[tuple[int, ...], ...] = ()
    score_dtypes: tuple[type[np.generic], ...] = ()
    output_numbers: int = 1
    path: Path | None = None

    def comparable(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores by which runs are compared: of a detector its candidates, whose order is fixed."""
        if self.head is None or self.head.suppressed:
            return self.scores(pixels)
        return replace(self, head=None, any_shape=True).scores(pixels)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tensors that are read, in the order in which a row holds them."""
        return (self.output, *self.beside)

    def scores(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores, shape (n, columns), for images of shape (n, C, H, W) in pixel space.

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
            outputs = self.raw_outputs(pixels[start : start + size])
            parts.append(self.rows_of(outputs, size)[: count - start])
        self.confirm_file()
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def scores_in_halves(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """`scores`, of fewer images at a time where the device cannot hold so many."""
        try:
            return self.scores(pixels)
        except OutOfMemoryError:
            half = len(pixels) // 2
            if not half or self.form.fixed_batch:
                raise
            parts = (pixels[:half], pixels[half:])
            return np.concatenate([self.scores_in_halves(part) for part in parts])

    def rows_of(self, outputs: list[NDArray[Any]], fed: int) -> NDArray[np.float32]:
        """Outputs of a run on so many images side by side, a row an image.

        Raises
        ------
        NoClassScoresError
            They are not by image, or hold more than one number on several axes.
        """
        self.output_numbers = max(1, sum(output.size for output in outputs) // fed)
        if self.head is not None:
            rows = self.head.rows(outputs, fed)
            self.score_shapes, self.score_dtypes = (rows.shape[1:],), (rows.dtype.type,)
            return rows
        for name, output in zip(self.outputs, outputs, strict=True):
            whole = output.shape[:1] == (fed,) and output.size
            if not whole or not (self.any_shape or output[0].size == max(output.shape[1:] or (1,))):
                raise NoClassScoresError(name, output_meaning(output, fed))
        self.score_shapes = tuple(output.shape[1:] for output in outputs)
        self.score_dtypes = tuple(output.dtype.type for output in outputs)
        parts = [np.asarray(each.reshape(fed, -1), np.float32) for each in outputs]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def raw(self, pixels: NDArray[np.float32]) -> NDArray[Any]:
        """What one run gives in its first output; see `raw_outputs`."""
        return self.raw_outputs(pixels)[0]

    def raw_outputs(self, pixels: NDArray[np.float32]) -> list[NDArray[Any]]:
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
        return run(self.session, list(self.outputs), feed, self.path)

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
    if lacks_memory(error):
        return OutOfMemoryError(f"{where}not enough memory: {reason(error)}")
    return RunError(f"{where}the model failed to run: {reason(error)}")
