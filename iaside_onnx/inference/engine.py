"""The engine: coalitions of band images through the audited model, scalars out.

Three sessions stand in a row, joined by tensors that stay on the model's device::

    companion: masks x bands -> the model's input     (one MatMul, a reshape, a cast)
    model:     the audited file, its own bytes        (unchanged)
    tail:      scores, references -> a value each      (the task's; log Q(label | x_S) of classes)

Coalition images are linear in the band images, and so is the affine part of preprocessing: it is
applied once to the bands, and its shift rides along as one more row that every mask holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..errors import ArtifactError
from ..mathematics.coalitions import members
from ..onnx_file.tensors import INPUT_TYPES
from .companion import companion_graph
from .model import Model, run_error
from .session import run_options
from .task import Task

# Input that one run of the companion makes on the CPU, and outputs that one run of the tail reads,
# as float32.
_SPAN_BYTES = 20_000_000


def _padded(start: int, stop: int, rows: int) -> NDArray[np.intp]:
    """A range, its last number repeated where a fixed batch needs more rows."""
    return np.minimum(np.arange(start, start + rows), stop - 1)


@dataclass(frozen=True)
class _Tensor:
    """A tensor on the model's device, and on the CPU the array whose memory it is."""

    whole: ort.OrtValue
    rows: int
    array: NDArray[Any] | None = None

    def part(self, start: int, stop: int) -> ort.OrtValue:
        """Some of its rows, in the same memory."""
        if self.array is None:
            if (start, stop) != (0, self.rows):
                raise ValueError("slices share memory, which only tensors on the CPU can do here")
            return self.whole
        return ort.OrtValue.ortvalue_from_numpy(self.array[start:stop])


class _Tail(NamedTuple):
    """A run of the tail: outputs of some passes, and the images whose references they need."""

    binding: ort.IOBinding
    inputs: dict[str, ort.OrtValue]
    references: ort.OrtValue
    images: NDArray[np.intp]
    result: ort.OrtValue


@dataclass
class _Wiring:
    """Sessions joined for one shape of work: so many images times so many coalitions.

    The companion sees all of it at once, the model in runs of the batch size, each bound to its
    slice, and the tail as much as its own tensors may be large. All tensors between the sessions
    are allocated once, on the model's device; `references` and `values` are the host's ends of the
    chain.
    """

    companion: ort.IOBinding
    models: list[tuple[ort.IOBinding, ort.OrtValue]]
    tails: list[_Tail]
    values: NDArray[np.float32]
    tensors: list[_Tensor]
    referred: bytes = b""

    def refer(self, references: NDArray[Any]) -> None:
        """Put the references of the images where the tail reads them, unless they are there."""
        name = hashlib.sha256(np.ascontiguousarray(references).data).digest()
        if self.referred == name:
            return
        for number, tail in enumerate(self.tails):
            if number and tail.references is self.tails[number - 1].references:
                continue
            needed = np.ascontiguousarray(references[tail.images])
            tail.references.update_inplace(needed.reshape(tail.references.shape()))
        self.referred = name


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
        The grand coalition is the clean image itself and no sum of bands: its row stands before
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
        tail = task.tail()
        self._tail = None if tail is None else open_session(tail, helper_graph=True)
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
        numbers = max(self.model.form.features, self.model.output_numbers)
        room = _SPAN_BYTES // (4 * numbers * batch)
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
            What the task compares each image with, such as the index of its class.
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
            wiring.refer(references)
            if own is None:
                masks = self._shared_masks(start, stop, rows)
            else:
                masks = self._put(self._rows_of(own[:, _padded(start, stop, rows)]))
            wiring.companion.bind_ortvalue_input("bands", bands)
            wiring.companion.bind_ortvalue_input("masks", masks)
            self._companion.run_with_iobinding(wiring.companion, run_options())
            if meanwhile is not None:
                meanwhile()
            found = self._run_models(wiring)
            if found is None:
                self._run_tails(wiring)
            else:
                repeated = np.repeat(references, rows, axis=0)
                wiring.values[:, 0] = self._task.values(found, repeated)
        except ArtifactError:
            raise
        except Exception as error:  # onnxruntime's errors have no common base
            raise run_error(error, self.model.path) from error
        self.model.confirm_file()
        return wiring.values.reshape(images, rows, -1)[:, :count].copy()

    def _run_models(self, wiring: _Wiring) -> NDArray[np.float32] | None:
        """The model on all images; rows of scores where no tail reads them where they lie.

        Binding copies an input whose first node runs on another device than it lies on, so what was
        bound once would be read as it was then; so it is for the tail.
        """
        model, found = self.model, []
        for piece, images in wiring.models:
            piece.bind_ortvalue_input(model.form.name, images)
            if self._tail is None:
                for name in model.outputs:  # each time, as their shapes may change
                    piece.bind_output(name, "cpu")
            model.session.run_with_iobinding(piece, run_options())
            if self._tail is None:
                found.append(model.rows_of(piece.copy_outputs_to_cpu(), images.shape()[0]))
        return np.concatenate(found) if found else None

    def _run_tails(self, wiring: _Wiring) -> None:
        """The tail on what the model left."""
        assert self._tail is not None
        for tail in wiring.tails:
            for name, value in tail.inputs.items():
                tail.binding.bind_ortvalue_input(name, value)
            self._tail.run_with_iobinding(tail.binding, run_options())

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
        images = self._tensor([total, *form.shape], kind, mixed)
        outputs = zip(self.model.score_shapes, self.model.score_dtypes, strict=True)
        scores = [self._tensor([total, *shape], dtype) for shape, dtype in outputs if self._tail]
        values = np.empty((total, self.columns), np.float32)
        companion = self._companion.io_binding()
        companion.bind_ortvalue_output("images", images.whole)
        models = []
        for start in range(0, total, batch):
            stop = min(total, start + batch)
            piece, part = self.model.session.io_binding(), images.part(start, stop)
            for name, output in zip(self.model.outputs, scores, strict=False):
                piece.bind_ortvalue_output(name, output.part(start, stop))
            for name, value in self.model.fixed.feed(stop - start).items():
                piece.bind_cpu_input(name, value)
            models.append((piece, part))
        tails = self._wire_tails(scores, values, count, rows) if scores else []
        tensors = [images, *scores]
        return _Wiring(companion, models, tails, values, tensors)

    def _wire_tails(
        self, scores: list[_Tensor], values: NDArray[np.float32], count: int, rows: int
    ) -> list[_Tail]:
        """Runs of the tail over `rows` passes of each of `count` images, and their references.

        One, unless outputs are large: what the tail makes of them is as large again.
        """
        total, reference = count * rows, self._task.reference
        step = max(1, _SPAN_BYTES // (4 * self.model.output_numbers)) if self.on_host else total
        if step < rows:
            ranges = [
                (first + start, first + min(rows, start + step))
                for first in range(0, total, rows)
                for start in range(0, rows, step)
            ]
        else:
            step -= step % rows
            ranges = [(start, min(total, start + step)) for start in range(0, total, step)]
        placed: dict[bytes, ort.OrtValue] = {}
        tails = []
        for start, stop in ranges:
            images = np.arange(start, stop) // rows
            if reference.an_image:
                images = np.unique(images)
            if images.tobytes() not in placed:
                empty = np.zeros((len(images), *reference.shape), reference.dtype)
                placed[images.tobytes()] = self._put(empty)
            held = placed[images.tobytes()]
            assert self._tail is not None
            binding = self._tail.io_binding()
            result = ort.OrtValue.ortvalue_from_numpy(values[start:stop])
            binding.bind_ortvalue_output("value", result)
            inputs = {
                "scores" if not number else f"scores_{number}": output.part(start, stop)
                for number, output in enumerate(scores)
            }
            tails.append(_Tail(binding, {**inputs, "reference": held}, held, images, result))
        return tails

    def _tensor(self, shape: list[int], dtype: Any, seen_as: list[int] | None = None) -> _Tensor:
        """An uninitialised tensor on the device; `seen_as` is another shape, on the CPU alone."""
        if not self.on_host:
            whole = ort.OrtValue.ortvalue_from_shape_and_type(
                shape, dtype, self._device, self._device_id
            )
            return _Tensor(whole, shape[0])
        array = np.empty(shape, dtype)
        return _Tensor(self._put(array.reshape(seen_as or shape)), shape[0], array)

    def forget(self) -> None:
        """Free the tensors of every shape of run so far."""
        self._wirings.clear()
