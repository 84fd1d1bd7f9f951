"""The engine: coalitions of band images through the audited model, scalars out.

Three sessions stand in a row, joined by tensors that stay on the model's device::

    companion: masks x bands -> the model's input     (one MatMul, a reshape, a cast)
    model:     the audited file, its own bytes        (untouched)
    tail:      scores, labels -> log Q(label | x_S)    (log-softmax or log, gather)

Coalition images are linear in the band images, and so is the affine part of preprocessing: it is
applied once to the bands, and its shift rides along as one more row that every mask holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from .artifact import INPUT_TYPES
from .errors import ArtifactError
from .session import Runtime, reason
from .shapley import coalition_masks

_OPSET = 17
_IR = 8
_MEMORY_WORDS = ("out of memory", "failed to allocate", "bad_alloc", "cudaerrormemory")
# Below these a probability of this type cannot tell itself from zero.
_LEAST: dict[int, float] = {
    TensorProto.FLOAT16: 2.0**-24,
    TensorProto.FLOAT: float(np.finfo(np.float32).tiny),
    TensorProto.DOUBLE: float(np.finfo(np.float32).tiny),
}


class OutOfMemoryError(Exception):
    """The device could not hold a batch; the caller tries a smaller one."""


@dataclass(frozen=True)
class InputForm:
    """What the model's image input looks like.

    Attributes
    ----------
    name : str
    elem_type : int
        ONNX element type.
    layout : str
        "nchw" or "nhwc".
    channels, height, width : int
    fixed_batch : int or None
        Batch that every run must have; None: any.
    """

    name: str
    elem_type: int
    layout: str
    channels: int
    height: int
    width: int
    fixed_batch: int | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one image as the model takes it."""
        if self.layout == "nchw":
            return self.channels, self.height, self.width
        return self.height, self.width, self.channels

    @property
    def features(self) -> int:
        """Numbers in one image."""
        return self.channels * self.height * self.width


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
        batch = np.ascontiguousarray(inputs, dtype=INPUT_TYPES[self.form.elem_type])
        count = len(batch)
        size = self.form.fixed_batch or count
        parts = []
        for start in range(0, count, size):
            part = batch[start : start + size]
            if self.form.fixed_batch and len(part) < size:
                part = np.concatenate([part, np.repeat(part[-1:], size - len(part), axis=0)])
            parts.append(run(self.session, [self.output], {self.form.name: part})[0])
        scores = np.concatenate(parts)
        if scores.ndim < 2 or len(scores) < count or scores[0].size != scores.shape[1]:
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
        raise _run_error(error) from error
    return result


def _run_error(error: Exception) -> Exception:
    text = str(error).lower()
    if isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS):
        return OutOfMemoryError(reason(error))
    return ArtifactError(f"the model failed to run: {reason(error)}")


@dataclass
class _Wiring:
    """Sessions joined for one shape of run: so many images times so many coalitions.

    All tensors between the sessions are allocated once, on the model's device; `labels` and
    `values` are the host's ends of the chain.
    """

    companion: ort.IOBinding
    model: ort.IOBinding
    tail: ort.IOBinding
    labels: ort.OrtValue
    values: NDArray[np.float32]
    held: list[ort.OrtValue]
    labelled: bytes = b""


class Engine:
    """Log-probabilities of coalitions.

    Parameters
    ----------
    model : Model
    players : int
        Number of bands M.
    kind : str
        "logits" or "probabilities".
    elem_type : int
        Element type of the model's output.
    temperature : float
        T of softmax(z / T).
    output_map : str
        "real", or "magnitude" for the reading of method, section 8.
    """

    def __init__(
        self,
        model: Model,
        players: int,
        kind: str,
        elem_type: int,
        temperature: float = 1.0,
        output_map: str = "real",
    ) -> None:
        self.model = model
        self.players = players
        self._device = model.runtime.device
        bits = coalition_masks(players).astype(np.float32)
        self._masks = np.hstack([bits, np.ones((len(bits), 1), np.float32)])
        open_session = model.runtime.open
        companion = companion_graph(model.form, model.affine, output_map)
        self._companion = open_session(companion, helper_graph=True)
        tail = tail_graph(kind, elem_type, temperature)
        self._tail = open_session(tail, helper_graph=True)
        self._elem_type = elem_type
        self._placed_masks: dict[tuple[int, int], ort.OrtValue] = {}
        self._wirings: dict[tuple[int, int], _Wiring] = {}

    @property
    def coalitions(self) -> int:
        """2**M."""
        return len(self._masks)

    def place(self, rows: NDArray[np.float32]) -> ort.OrtValue:
        """Put band rows of some images, shape (images, M + 1, features), on the device."""
        return self._put(np.ascontiguousarray(rows, dtype=np.float32))

    def log_prob(
        self, bands: ort.OrtValue, start: int, stop: int, labels: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Log-probability of the label under coalitions `start` to `stop` of each image.

        Parameters
        ----------
        bands : OrtValue
            From `place`.
        start, stop : int
            Range of coalitions.
        labels : array of int64, shape (images,)

        Returns
        -------
        ndarray of float32, shape (images, stop - start)

        Raises
        ------
        OutOfMemoryError
            The device cannot hold the batch.
        ArtifactError
            The model fails.
        """
        images, wanted = len(labels), stop - start
        fixed = self.model.form.fixed_batch
        rows = fixed if fixed else wanted
        try:
            wiring = self._wiring(images, rows)
            named = labels.tobytes()
            if wiring.labelled != named:
                wiring.labels.update_inplace(np.repeat(labels, rows)[:, None])
                wiring.labelled = named
            wiring.companion.bind_ortvalue_input("bands", bands)
            wiring.companion.bind_ortvalue_input("masks", self._mask_rows(start, stop, rows))
            self._companion.run_with_iobinding(wiring.companion)
            self.model.session.run_with_iobinding(wiring.model)
            self._tail.run_with_iobinding(wiring.tail)
        except Exception as error:  # onnxruntime's errors have no common base
            raise _run_error(error) from error
        return wiring.values.reshape(images, rows)[:, :wanted].copy()

    def _put(self, array: NDArray[Any]) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_numpy(array, self._device, 0)

    def _mask_rows(self, start: int, stop: int, rows: int) -> ort.OrtValue:
        """Masks on the device, the last one repeated where a fixed batch needs more rows."""
        key = (start, stop)
        if key not in self._placed_masks:
            chosen = np.minimum(np.arange(start, start + rows), stop - 1)
            self._placed_masks[key] = self._put(np.ascontiguousarray(self._masks[chosen]))
        return self._placed_masks[key]

    def _wiring(self, images: int, rows: int) -> _Wiring:
        key = (images, rows)
        if key not in self._wirings:
            self._wirings[key] = self._wire(images * rows)
        return self._wirings[key]

    def _wire(self, batch: int) -> _Wiring:
        """Allocate the tensors of a run and bind them between the sessions."""
        form = self.model.form
        kinds = INPUT_TYPES[form.elem_type], INPUT_TYPES[self._elem_type]
        images = self._empty([batch, *form.shape], kinds[0])
        scores = self._empty([batch, *self.model.score_shape], kinds[1])
        labels = self._put(np.zeros((batch, 1), np.int64))
        values = np.empty((batch, 1), np.float32)
        result = ort.OrtValue.ortvalue_from_numpy(values)
        companion = self._companion.io_binding()
        companion.bind_ortvalue_output("images", images)
        model = self.model.session.io_binding()
        model.bind_ortvalue_input(form.name, images)
        model.bind_ortvalue_output(self.model.output, scores)
        tail = self._tail.io_binding()
        tail.bind_ortvalue_input("scores", scores)
        tail.bind_ortvalue_input("labels", labels)
        tail.bind_ortvalue_output("log_prob", result)
        return _Wiring(companion, model, tail, labels, values, [images, scores, result])

    def _empty(self, shape: list[int], dtype: Any) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype, self._device, 0)

    def forget(self) -> None:
        """Free the tensors of every shape of run seen so far."""
        self._wirings.clear()


def companion_graph(form: InputForm, affine: Affine, output_map: str = "real") -> bytes:
    """The graph before the model: coalition masks and band rows in, the model's input out.

    Inputs are ``masks`` (coalitions, R) and ``bands`` (images, R, features), float32, where the
    last row is the baseline image, which every mask holds. Under "real" the affine step has been
    applied to the rows already; under "magnitude" it follows here, since |x| and the min-max
    scaling per image come between (method, section 8).
    """
    nodes = [helper.make_node("MatMul", ["masks", "bands"], ["mixed"])]
    constants: dict[str, Any] = {"shape": np.array([-1, *form.shape], np.int64)}
    last = "mixed"
    if output_map == "magnitude":
        constants["least"] = np.array(1e-12, np.float32)
        nodes += [
            helper.make_node("Abs", ["mixed"], ["size"]),
            helper.make_node("ReduceMin", ["size"], ["low"], axes=[-1], keepdims=1),
            helper.make_node("ReduceMax", ["size"], ["high"], axes=[-1], keepdims=1),
            helper.make_node("Sub", ["size", "low"], ["above"]),
            helper.make_node("Sub", ["high", "low"], ["span"]),
            helper.make_node("Max", ["span", "least"], ["divisor"]),
            helper.make_node("Div", ["above", "divisor"], ["unit"]),
        ]
        last = "unit"
    nodes.append(helper.make_node("Reshape", [last, "shape"], ["shaped"]))
    last = "shaped"
    if output_map == "magnitude":
        axes = (-1, 1, 1) if form.layout == "nchw" else (1, 1, -1)
        constants["gain"] = affine.gain.reshape(axes)
        constants["shift"] = affine.shift.reshape(axes)
        nodes += [
            helper.make_node("Mul", [last, "gain"], ["scaled"]),
            helper.make_node("Add", ["scaled", "shift"], ["normalised"]),
        ]
        last = "normalised"
    if form.elem_type == TensorProto.UINT8:
        constants["black"], constants["white"] = np.float32(0), np.float32(255)
        nodes += [
            helper.make_node("Round", [last], ["rounded"]),
            helper.make_node("Clip", ["rounded", "black", "white"], ["clipped"]),
        ]
        last = "clipped"
    if form.elem_type != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [last], ["cast"], to=form.elem_type))
        last = "cast"
    nodes[-1].output[0] = "images"
    inputs = [
        helper.make_tensor_value_info("masks", TensorProto.FLOAT, ["coalitions", "rows"]),
        helper.make_tensor_value_info(
            "bands", TensorProto.FLOAT, ["images", "rows", form.features]
        ),
    ]
    output = helper.make_tensor_value_info("images", form.elem_type, ["batch", *form.shape])
    return _serialised("companion", nodes, inputs, output, constants)


def tail_graph(kind: str, elem_type: int, temperature: float = 1.0) -> bytes:
    """The graph after the model: scores and labels in, log-probability of the label out.

    Labels are a column (batch, 1), and so is the result.
    Probabilities are floored at the least positive number of their type before the logarithm.
    """
    constants: dict[str, Any] = {"flat": np.array([0, -1], np.int64)}
    nodes = [helper.make_node("Reshape", ["scores", "flat"], ["rows"])]
    last = "rows"
    if elem_type != TensorProto.FLOAT:
        nodes.append(helper.make_node("Cast", [last], ["exact"], to=TensorProto.FLOAT))
        last = "exact"
    if kind == "probabilities":
        constants["least"] = np.array(_LEAST[elem_type], np.float32)
        nodes += [
            helper.make_node("Max", [last, "least"], ["positive"]),
            helper.make_node("Log", ["positive"], ["logarithm"]),
        ]
        last = "logarithm"
    if temperature != 1.0:
        constants["temperature"] = np.array(temperature, np.float32)
        nodes.append(helper.make_node("Div", [last, "temperature"], ["cooled"]))
        last = "cooled"
    if kind == "logits" or temperature != 1.0:
        nodes.append(helper.make_node("LogSoftmax", [last], ["normal"], axis=-1))
        last = "normal"
    nodes.append(helper.make_node("GatherElements", [last, "labels"], ["log_prob"], axis=1))
    inputs = [
        helper.make_tensor_value_info("scores", elem_type, None),
        helper.make_tensor_value_info("labels", TensorProto.INT64, ["batch", 1]),
    ]
    output = helper.make_tensor_value_info("log_prob", TensorProto.FLOAT, ["batch", 1])
    return _serialised("tail", nodes, inputs, output, constants)


def _serialised(
    name: str, nodes: list[Any], inputs: list[Any], output: Any, constants: dict[str, Any]
) -> bytes:
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, [output], tensors)
    opset = helper.make_opsetid("", _OPSET)
    return bytes(
        helper.make_model(graph, opset_imports=[opset], ir_version=_IR).SerializeToString()
    )
