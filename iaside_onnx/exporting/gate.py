"""The gate that every export passes before it counts.

An exporter that meets something it cannot translate often writes a file all the same, and raises
nothing. So no file is believed: it is cleaned, written under a temporary name, read back, checked,
run and compared with the framework, and gets its own name only after that. A file that fails is
not left behind.

What is demanded: the ONNX checker accepts the graph; one image goes in (NCHW, NHWC, or flat rows)
and one row of scores an image comes out; the batch is free; outputs equal the framework's at batch
1, 2 and 5 on random and on real images; one image's scores do not depend on the other images of
its batch; everything is in one file below 2 GB; no path or source line of the exporting machine
is in it.

Needs numpy and onnx, and onnxruntime where it is installed (else onnx's reference evaluator).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .gate_graph import check_file, clean
from .refusal import ExportError, one_line

Reference = Callable[[NDArray[Any]], Any]

BATCHES = (1, 2, 5)
TOLERANCE = 1e-3
# Outputs that vary less than this share of their size cannot be told from rounding.
_NO_VARIATION = 1e-4
_LITTLE_VARIATION = 0.05


@dataclass(frozen=True)
class Comparison:
    """How near a file comes to the framework.

    Attributes
    ----------
    difference : float
        Largest absolute difference of an output.
    spread : float
        How much the framework's outputs vary over the images: the largest range of one class.
    size : float
        Largest magnitude of the framework's outputs.
    images : int
        Number of different images compared.
    runtime : str
        What ran the file.
    """

    difference: float
    spread: float
    size: float
    images: int
    runtime: str

    @property
    def relative(self) -> float:
        """Largest difference, relative to the spread of the outputs over the images."""
        return self.difference / self.spread

    @property
    def weak(self) -> bool:
        """Whether the outputs hardly vary, as an untrained network's do: a weak test."""
        return self.spread < _LITTLE_VARIATION * self.size


def admit(
    model: onnx.ModelProto,
    target: Path,
    reference: Reference,
    images: Mapping[str, NDArray[Any]],
    *,
    metadata: Mapping[str, str] | None = None,
    tolerance: float = TOLERANCE,
    overwrite: bool = False,
) -> Comparison:
    """Write a model as `target` if it passes the gate.

    Parameters
    ----------
    model : onnx.ModelProto
        As the exporter made it; it is cleaned in place.
    target : Path
        File to write. It appears, or is replaced, only when everything passed.
    reference : callable
        The framework's own answer: images as the graph takes them to scores [batch, classes].
    images : mapping of str to ndarray
        Sets of at least five images, for instance "random" and "real", as the graph takes them.
    metadata : mapping of str to str, optional
        Written into the file's ``metadata_props``; all other metadata is removed.
    tolerance : float
        Largest allowed difference, relative to the spread of the outputs over the images.
    overwrite : bool
        Whether an existing target may be replaced.

    Raises
    ------
    ExportError
        Says which demand was not met.
    """
    check_target(target, overwrite)
    clean(model, metadata or {})
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        try:
            partial.write_bytes(model.SerializeToString())
        except OSError as error:
            raise ExportError(f"{target}: cannot be written: {error.strerror}") from error
        except Exception as error:  # protobuf raises several kinds for a message too large
            raise ExportError(
                f"{target}: larger than the 2 GB that one ONNX file can hold"
            ) from error
        check_file(partial)
        result = compare(partial, reference, images, tolerance)
        check_target(target, overwrite)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return result


def check_target(target: Path, overwrite: bool) -> None:
    """Refuse to replace a file unasked, before any work is done."""
    if not target.parent.is_dir():
        raise ExportError(f"{target}: there is no folder {target.parent}")
    if target.is_dir() or target.suffix.lower() != ".onnx":
        raise ExportError(f"{target}: give the .onnx file to write")
    if target.exists() and not overwrite:
        raise ExportError(f"{target}: exists already; add --overwrite to replace it")


def compare(
    path: Path, reference: Reference, images: Mapping[str, NDArray[Any]], tolerance: float
) -> Comparison:
    """Compare a file's outputs with the framework's at every batch size.

    Raises
    ------
    ExportError
        The runtime refuses the file; shapes or values differ; outputs say nothing.
    """
    run, runtime = _open(path)
    difference = 0.0
    wanted: list[NDArray[np.float64]] = []
    for kind, rows in images.items():
        if len(rows) < max(BATCHES):
            raise ExportError(f"{len(rows)} {kind} images are too few; {max(BATCHES)} are needed")
        answers = {}
        for batch in BATCHES:
            where = f"at batch {batch} on {kind} images"
            want = _scores(reference(rows[:batch]), batch, f"the framework {where}")
            try:
                got = run(rows[:batch])
            except Exception as error:  # onnxruntime's errors share no base
                raise ExportError(f"{runtime} cannot run it {where}: {one_line(error)}") from error
            got = _scores(got, batch, f"{runtime} {where}")
            if got.shape != want.shape:
                raise ExportError(f"outputs are {got.shape} and should be {want.shape} {where}")
            difference = max(difference, float(np.abs(got - want).max()))
            answers[batch] = want
        largest = answers[max(BATCHES)]
        wanted.append(largest)
        _check_rows_alone(answers, largest, tolerance)
    everything = np.concatenate(wanted)
    spread = spread_of(everything)
    size = float(np.abs(everything).max())
    result = Comparison(difference, spread, size, len(everything), runtime)
    if result.relative > tolerance:
        raise ExportError(
            f"outputs differ from the framework's by {result.difference:.3g}, which is "
            f"{result.relative:.2g} of their spread over the images (limit: {tolerance:g})"
        )
    return result


def spread_of(scores: NDArray[Any]) -> float:
    """How much scores [images, classes] vary over the images: the largest range of one class.

    Raises
    ------
    ExportError
        They do not vary, so that agreement would prove nothing.
    """
    spread = float(np.ptp(scores, axis=0).max())
    size = float(np.abs(scores).max())
    if spread <= _NO_VARIATION * size:
        raise ExportError(
            f"the framework's outputs are the same for every image (they vary by {spread:.2g} at "
            f"a size of {size:.2g}), so nothing can be compared; were the weights loaded?"
        )
    return spread


def _check_rows_alone(
    answers: Mapping[int, NDArray[np.float64]], largest: NDArray[np.float64], tolerance: float
) -> None:
    """The framework's answer to an image must not depend on its batch (training mode)."""
    scale = max(float(np.ptp(largest, axis=0).max()), _NO_VARIATION * float(np.abs(largest).max()))
    for batch, scores in answers.items():
        apart = float(np.abs(scores - largest[:batch]).max())
        if apart > tolerance * scale:
            raise ExportError(
                f"the framework's own scores of one image change by {apart:.3g} with the batch "
                "or from call to call; put the model into evaluation mode"
            )


def _scores(values: Any, batch: int, whose: str) -> NDArray[np.float64]:
    scores = np.asarray(values)
    if scores.ndim == 4 and scores.shape[2:] == (1, 1):
        scores = scores[:, :, 0, 0]
    if scores.ndim != 2 or len(scores) != batch or scores.shape[1] < 2:
        raise ExportError(
            f"{whose} gives outputs of shape {scores.shape}; one row of at least two class "
            "scores an image is needed"
        )
    if not np.isfinite(scores).all():
        raise ExportError(f"{whose} gives outputs that are not finite")
    return scores.astype(np.float64)


def _open(path: Path) -> tuple[Callable[[NDArray[Any]], Any], str]:
    """A function that runs the file, and the name of what runs it."""
    try:
        import onnxruntime
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(str(path))
        name = evaluator.input_names[0]
        return lambda rows: next(iter(evaluator.run(None, {name: rows}))), "onnx.reference"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's errors share no base
        raise ExportError(f"onnxruntime cannot load the file: {one_line(error)}") from error
    name = session.get_inputs()[0].name
    return lambda rows: session.run(None, {name: rows})[0], "onnxruntime"
