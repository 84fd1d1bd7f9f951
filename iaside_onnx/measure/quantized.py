"""Quantised versions of a float model, made with onnxruntime's own tools.

Calibration uses real images through the package's own loader and preprocessing, so that the model
sees what it sees in an audit.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from ..checks import check_choice
from ..errors import ArtifactError, UsageError, one_line
from ..images.sample import OWN_ANSWERS, draw_sample, open_images
from ..inference.choosing import choose_runtime
from ..inference.classifier import open_classifier
from ..inference.range_check import check_pixel_range
from ..listener import Listener
from ..onnx_file.artifact import load_graph
from ..settings import Settings
from ..storage.output_file import check_free, check_no_input, make_folder, whole_file

# Each kind, and what it is.
KINDS = {
    "qdq": "INT8 weights and activations, as QuantizeLinear and DequantizeLinear pairs",
    "qoperator": "the same as integer operators",
    "dynamic": "INT8 weights, activations quantised on the fly",
    "float16": "half precision",
}
_GROUP = 8


class _Recorder:
    """A session that keeps what it is fed."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.fed: list[dict[str, NDArray[Any]]] = []

    def run(self, outputs: list[str], inputs: dict[str, NDArray[Any]], options: Any = None) -> Any:
        """Run the session and keep `inputs`."""
        self.fed.append(inputs)
        return self._session.run(outputs, inputs, options)


class _Fed(CalibrationDataReader):  # type: ignore[misc]
    """Hands the recorded inputs to the calibration, batch by batch."""

    def __init__(self, fed: list[dict[str, NDArray[Any]]]) -> None:
        self._left: Iterator[dict[str, NDArray[Any]]] = iter(fed)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Next batch of inputs; None at the end."""
        return next(self._left, None)


def quantize(
    model: Path,
    images: Path,
    folder: Path,
    *,
    kinds: Sequence[str] = (),
    samples: int = 100,
    seed: int = 1,
    preprocess: str | None = None,
    overwrite: bool = False,
    listener: Listener | None = None,
    **reading: Any,
) -> list[Path]:
    """Write quantised versions of a model, by default of all kinds, into a folder.

    Parameters
    ----------
    model, images, samples, seed, preprocess, **reading
        As for `analyze`; on these images they are calibrated.
    folder : Path
        Where they go, as ``MODEL-KIND.onnx``.

    Returns
    -------
    list of Path
        The files, in the order of `KINDS`.

    Raises
    ------
    IasideError
        There is such a file, the model cannot be quantised, or anything is wrong with the images.
    """
    listener = listener or Listener()
    for kind in kinds:
        check_choice("kind", kind, KINDS)
    targets = {
        kind: folder / f"{model.stem}-{kind}.onnx" for kind in KINDS if not kinds or kind in kinds
    }
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is a file; give a folder")
    if not folder.parent.is_dir():
        raise UsageError(f"{folder}: the folder {folder.parent} does not exist; create it first")
    for target in targets.values():
        check_free(target, overwrite=overwrite)
        check_no_input(target, [model])
    if any(
        each.data_type == onnx.TensorProto.FLOAT16 for each in load_graph(model).graph.initializer
    ):
        raise ArtifactError(
            f"{model}: holds float16 weights already; give the float32 file that it was made of"
        )
    given = {name: value for name, value in reading.items() if value is not None}
    fed = model_inputs(
        model, images, given.pop("labels", None), samples, listener=listener, reading=given,
        preprocess=preprocess, seed=seed,
    )  # fmt: skip
    make_folder(folder)
    for kind, target in targets.items():
        quantized(model, kind, target, fed)
    return list(targets.values())


def model_inputs(
    model: Path,
    images: Path,
    labels: str | Path | None,
    samples: int,
    *,
    listener: Listener | None = None,
    reading: Mapping[str, Any] | None = None,
    **settings: Any,
) -> list[dict[str, NDArray[Any]]]:
    """What the model is fed for a sample of the images, in batches.

    Parameters
    ----------
    samples : int
        Images to draw, stratified by class.
    **settings
        Fields of `iaside_onnx.Settings`, such as preprocess or seed.
    """
    listener = listener or Listener()
    wanted = Settings(samples=samples, **settings)
    source = open_images(images, labels, listener, **(reading or {}))
    sample = draw_sample(source, samples, wanted.seed)
    classifier = open_classifier(model, choose_runtime("cpu", 0), wanted, sample, listener)
    asked = wanted.preprocess is not None
    labelled = labels != OWN_ANSWERS
    check_pixel_range(classifier, sample, listener, asked=asked, labelled=labelled)
    recorder = _Recorder(classifier.model.session)
    classifier.model.session = recorder
    for start in range(0, len(sample), _GROUP):
        places = range(start, min(start + _GROUP, len(sample)))
        classifier.model.scores(
            np.stack([classifier.pixels(sample.picture(place)) for place in places])
        )
    return recorder.fed


def quantized(
    model: Path, kind: str, target: Path, fed: list[dict[str, NDArray[Any]]] | None = None
) -> None:
    """Write one quantised version; `fed` is needed for the static kinds.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    fed : list of dict
        Inputs to calibrate on, from `model_inputs`.

    Raises
    ------
    ArtifactError
        onnxruntime's tools fail on the model.
    """
    quiet = io.StringIO()  # the tools print their failures, which are told in one line below
    logging.disable(logging.ERROR)
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            content = _quantized(model, kind, fed)
    except Exception as error:  # of whatever kind the tools raise
        raise ArtifactError(
            f"{model}: cannot be written as {kind} by onnxruntime's tools: {one_line(error)}"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    with whole_file(target) as scratch:
        scratch.write_bytes(content)


def _quantized(model: Path, kind: str, fed: list[dict[str, NDArray[Any]]] | None) -> bytes:
    original = onnx.load(model)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.onnx"
        if kind == "float16":
            onnx.save(convert_float_to_float16(original), made)
        else:
            ready = Path(folder) / "ready.onnx"
            # Folds batch normalisation into convolutions; symbolic shapes need another package.
            quant_pre_process(str(model), str(ready), skip_symbolic_shape=True)
            _forget_shapes_of_weights(ready)
            if kind == "dynamic":
                quantize_dynamic(ready, made, weight_type=QuantType.QUInt8)
            else:
                assert fed is not None
                quantize_static(
                    ready,
                    made,
                    _Fed(_in_batches(fed, original)),
                    quant_format=QuantFormat.QDQ if kind == "qdq" else QuantFormat.QOperator,
                    per_channel=kind == "qdq",
                    activation_type=QuantType.QInt8 if kind == "qdq" else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                )
        written = onnx.load(made)
    # The tools drop or add metadata; what the file says of itself stays what the original said.
    del written.metadata_props[:]
    written.metadata_props.extend(original.metadata_props)
    onnx.checker.check_model(written)
    content: bytes = written.SerializeToString()
    return content


def _in_batches(
    fed: list[dict[str, NDArray[Any]]], original: onnx.ModelProto
) -> list[dict[str, NDArray[Any]]]:
    """All inputs in batches of the size that the file fixes, where it fixes one."""
    fixed = {
        each.name: each.type.tensor_type.shape.dim[0].dim_value
        for each in original.graph.input
        if each.name in fed[0] and each.type.tensor_type.shape.dim
    }
    size = max(fixed.values(), default=0)
    if not size:
        return fed
    batched = [name for name, rows in fixed.items() if rows == size]
    rows = {name: np.concatenate([batch[name] for batch in fed]) for name in batched}
    images = len(rows[batched[0]])
    # The last batch is filled up with the first images, which changes no range of values.
    places = np.arange(-(-images // size) * size).reshape(-1, size) % images
    return [{**fed[0], **{name: rows[name][chosen] for name in batched}} for chosen in places]


def _forget_shapes_of_weights(path: Path) -> None:
    """Remove shapes noted beside the weights: the tools turn weights round, but not the notes."""
    proto = onnx.load(path)
    weights = {tensor.name for tensor in proto.graph.initializer}
    kept = [info for info in proto.graph.value_info if info.name not in weights]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)
    onnx.save(proto, path)
