"""The engine: coalitions of band images through the audited model, scalars out.

Three sessions stand in a row, joined by tensors that stay on the model's device::

    companion: masks x bands -> the model's input     (one MatMul, a reshape, a cast)
    model:     the audited file, its own bytes        (untouched)
    tail:      scores, references -> a value each      (the task's; log Q(label | x_S) of classes)

Coalition images are linear in the band images, and so is the affine part of preprocessing: it is
applied once to the bands, and its shift rides along as one more row that every mask holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..mathematics.coalitions import members
from ..onnx_file.tensors import INPUT_TYPES
from .companion import companion_graph
from .model import Model, run_error
from .session import run_options
from .task import Task

# Input that one run of the companion makes on the CPU, as float32.
_SPAN_BYTES = 20_000_000


def _padded(start: int, stop: int, rows: int) -> NDArray[np.intp]:
    """A range, its last number repeated where a fixed batch needs more rows."""
    return np.minimum(np.arange(start, start + rows), stop - 1)


@dataclass
class _Wiring:
    """Sessions joined for one shape of work: so many images times so many coalitions.

    The companion and the tail see all of it at once, the model in runs of the batch size, each
    bound to its slice. All tensors between the sessions are allocated once, on the model's
    device; `references` and `values` are the host's ends of the chain.
    """

    companion: ort.IOBinding
    models: list[tuple[ort.IOBinding, ort.OrtValue]]
    tail: ort.IOBinding
    scores: ort.OrtValue
    references: ort.OrtValue
    values: NDArray[np.float32]
    tensors: list[ort.OrtValue]
    referred: bytes = b""


class Engine:
    """Values of coalitions.

    Parameters
    ----------
    model : Model
    players : int
        Number of bands M.
    task : Task
        What the model's output means, and what an image is worth.
    output_map : str
        "real", or "magnitude" for the reading of method, section 8.
    coalitions : ndarray of uint64, shape (C,), optional
        The coalitions of every image, whose masks then stay on the device; None where each image
        has its own.
    whole : bool
        The grand coalition is the untouched image itself and no sum of bands: its row stands before
        that of the baseline.
    """

    def __init__(
        self,
        model: Model,
        players: int,
        task: Task,
        output_map: str = "real",
        coalitions: NDArray[np.uint64] | None = None,
        *,
        whole: bool = False,
    ) -> None:
        self.model = model
        self.players = players
        self.whole = whole
        execution = model.runtime.execution
        self._device, self.on_host = execution.device, execution.in_host_memory
        self._device_id = model.runtime.device_id
        self.one_shape = execution.one_shape
        self._masks = None if coalitions is None else self._rows_of(coalitions)
        open_session = model.runtime.open
        # Where tensors share memory with arrays, their shape can be chosen.
        self._flat = self.on_host and model.form.elem_type == TensorProto.FLOAT
        companion = companion_graph(model.form, model.affine, output_map, flat=self._flat)
        self._companion = open_session(companion, helper_graph=True)
        self._tail = open_session(task.tail(), helper_graph=True)
        self._task = task
        self.columns = task.columns
        self._placed_masks: dict[tuple[int, int, int], ort.OrtValue] = {}
        self._wirings: dict[tuple[int, int, int], _Wiring] = {}

    def place(self, rows: NDArray[np.float32]) -> ort.OrtValue:
        """Put band rows of some images, shape (images, rows, features), on the device.

        Raises
        ------
        OutOfMemoryError
            The device cannot hold them.
        """
        try:
            return self._put(np.ascontiguousarray(rows, dtype=np.float32))
        except Exception as error:  # onnxruntime's errors have no common base
            raise run_error(error, self.model.path) from error

    def span(self, batch: int) -> int:
        """Coalitions of one image to hand over at once when the model's batch is `batch`.

        On the CPU several runs of the model share one run of the companion and the tail, whose
        cost per image falls with the number; as many as fit well into the caches.
        """
        if not self.on_host:
            return batch
        room = _SPAN_BYTES // (4 * self.model.form.features * batch)
        return batch << max(0, room.bit_length() - 1)

    def values(
        self,
        bands: ort.OrtValue,
        start: int,
        stop: int,
        references: NDArray[Any],
        batch: int | None = None,
        own: NDArray[np.uint64] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> NDArray[np.float32]:
        """Value of each image under its coalitions `start` to `stop`.

        Parameters
        ----------
        bands : OrtValue
            From `place`.
        start, stop : int
            Range of coalitions.
        references : array, shape (images, ...)
            What the task holds each image against, such as the index of its class.
        batch : int, optional
            Forward passes in a run of the model; all at once by default.
        own : ndarray of uint64, shape (images, C), optional
            The coalitions of each image, where they have their own.
        meanwhile : callable, optional
            Called before the long part, to start what can be done beside it: earlier it would hold
            up the short one.

        Returns
        -------
        ndarray of float32, shape (images, stop - start, columns of the task)

        Raises
        ------
        OutOfMemoryError
            The device cannot hold the batch.
        ArtifactError
            The model fails.
        """
        images, count = len(references), stop - start
        size = self.model.form.fixed_batch or batch or images * count
        rows = self._rows(images, count, size)
        try:
            wiring = self._wiring(images, rows, size)
            referred = references.tobytes()
            if wiring.referred != referred:
                repeated = np.repeat(references, rows, axis=0)
                wiring.references.update_inplace(repeated.reshape(wiring.references.shape()))
                wiring.referred = referred
            if own is None:
                masks = self._shared_masks(start, stop, rows)
            else:
                masks = self._put(self._rows_of(own[:, _padded(start, stop, rows)]))
            wiring.companion.bind_ortvalue_input("bands", bands)
            wiring.companion.bind_ortvalue_input("masks", masks)
            self._companion.run_with_iobinding(wiring.companion, run_options())
            if meanwhile is not None:
                meanwhile()
            # Binding copies an input whose first node runs on another device than it lies on, so
            # what was bound once would be read as it was then.
            for piece, images_in in wiring.models:
                piece.bind_ortvalue_input(self.model.form.name, images_in)
                self.model.session.run_with_iobinding(piece, run_options())
            wiring.tail.bind_ortvalue_input("scores", wiring.scores)
            wiring.tail.bind_ortvalue_input("reference", wiring.references)
            self._tail.run_with_iobinding(wiring.tail, run_options())
        except Exception as error:  # onnxruntime's errors have no common base
            raise run_error(error, self.model.path) from error
        self.model.confirm_file()
        return wiring.values.reshape(images, rows, -1)[:, :count].copy()

    def _rows(self, images: int, count: int, size: int) -> int:
        """Passes an image, filled up where the model is to see no other shape of batch."""
        if self.model.form.fixed_batch or (self.one_shape and size < images * count):
            return -(-count // size) * size
        return max(count, size // images) if self.one_shape else count

    def _put(self, array: NDArray[Any]) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(array, self._device, self._device_id)

    def _rows_of(self, coalitions: NDArray[np.uint64]) -> NDArray[np.float32]:
        """Masks of coalitions, shape (..., rows); the last row of an image is its baseline."""
        bits = members(coalitions, self.players)
        columns = [bits, np.ones((*bits.shape[:-1], 1), np.bool_)]
        if self.whole:
            grand = np.asarray(bits.all(axis=-1, keepdims=True))
            columns = [bits & ~grand, grand, ~grand]
        return np.concatenate(columns, axis=-1, dtype=np.float32)

    def _shared_masks(self, start: int, stop: int, rows: int) -> ort.OrtValue:
        """Masks on the device."""
        key = (start, stop, rows)
        if key not in self._placed_masks:
            assert self._masks is not None
            chosen = self._masks[_padded(start, stop, rows)]
            self._placed_masks[key] = self._put(np.ascontiguousarray(chosen))
        return self._placed_masks[key]

    def _wiring(self, images: int, rows: int, batch: int) -> _Wiring:
        key = (images, rows, batch)
        if key not in self._wirings:
            self._wirings[key] = self._wire(images, rows, batch)
        return self._wirings[key]

    def _wire(self, count: int, rows: int, batch: int) -> _Wiring:
        """Allocate the tensors of `rows` passes an image and bind them between the sessions."""
        form, total = self.model.form, count * rows
        kind = INPUT_TYPES[form.elem_type]
        mixed = [count, rows, form.features] if self._flat else None
        images = self._sliced([total, *form.shape], kind, batch, mixed)
        scores = self._sliced([total, *self.model.score_shape], self.model.score_dtype, batch)
        reference = self._task.reference
        references = self._put(np.zeros((total, *reference.shape), reference.dtype))
        values = np.empty((total, self.columns), np.float32)
        result = ort.OrtValue.ortvalue_from_numpy(values)
        companion = self._companion.io_binding()
        companion.bind_ortvalue_output("images", images[0])
        models = []
        for one_in, one_out in zip(images[1:], scores[1:], strict=True):
            piece = self.model.session.io_binding()
            piece.bind_ortvalue_output(self.model.output, one_out)
            for name, value in self.model.fixed.feed(one_in.shape()[0]).items():
                piece.bind_cpu_input(name, value)
            models.append((piece, one_in))
        tail = self._tail.io_binding()
        tail.bind_ortvalue_output("value", result)
        tensors = [*images, *scores, result]
        return _Wiring(companion, models, tail, scores[0], references, values, tensors)

    def _sliced(
        self, shape: list[int], dtype: Any, batch: int, seen_as: list[int] | None = None
    ) -> list[ort.OrtValue]:
        """An uninitialised tensor on the device, then its slices of `batch` images or rows.

        `seen_as` is another shape for the whole, on the CPU alone.
        """
        if not self.on_host:
            if batch < shape[0]:
                raise ValueError("slices share memory, which only tensors on the CPU can do here")
            whole = ort.OrtValue.ortvalue_from_shape_and_type(
                shape, dtype, self._device, self._device_id
            )
            return [whole, whole]
        array = np.empty(shape, dtype)
        starts = range(0, shape[0], batch)
        slices = [self._put(array[start : start + batch]) for start in starts]
        return [self._put(array.reshape(seen_as or shape)), *slices]

    def forget(self) -> None:
        """Free the tensors of every shape of run so far."""
        self._wirings.clear()
