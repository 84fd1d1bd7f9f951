"""Export a Keras or TensorFlow classifier of images as a verified ONNX file."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from .exporting import (
    Export,
    call_factory,
    finish,
    is_module_reference,
    load_object,
)
from .gate import Reference
from .refusal import ExportError, one_line, step
from .tensorflow_repairs import float_ends, free_batch, repair

_OPSET = 17
_KERAS = (".keras", ".h5", ".hdf5")


def export(args: argparse.Namespace) -> None:
    """Export what a command line asks for."""
    os.environ["KERAS_BACKEND"] = args.route
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # accelerators may round to fewer digits
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # announces itself at length
    warnings.filterwarnings("ignore")
    finish(args, load(args))


def load(args: argparse.Namespace) -> Export:
    """Whatever the source names, converted."""
    source = Path(args.source)
    if source.suffix == ".tflite":
        return from_tflite(source)
    if source.is_dir():
        return from_saved_model(source, args.signature)
    if source.suffix in _KERAS or is_module_reference(args.source):
        model = load_keras(args)
        convert = through_torch if args.route == "torch" else through_tensorflow
        return convert(model, args.image)
    raise ExportError(
        f"{source}: give a .keras, .h5 or .tflite file, a SavedModel folder, or "
        "package.module:factory"
    )


def load_keras(args: argparse.Namespace) -> Any:
    """The Keras model that the source names."""
    sys.path.insert(0, str(args.path.resolve()))
    with step("Keras cannot be imported here"):
        import keras
    for module in args.modules:
        with step(f"--import {module}"):
            importlib.import_module(module)
    if not is_module_reference(args.source):
        path = Path(args.source)
        if not path.is_file():
            raise ExportError(f"{path}: no such file")
        saved = saved_by(path)
        versions = f"; saved by {saved}, this is Keras {keras.__version__}" if saved else ""
        with step(f"{path}: Keras cannot load it (custom layers: see --import{versions})"):
            return keras.models.load_model(path, compile=False)
    found = load_object(args.source, args.path)
    model = found if isinstance(found, keras.Model) else call_factory(args.source, found)
    if not isinstance(model, keras.Model):
        raise ExportError(f"{args.source}: is a {type(model).__name__}, not a Keras model")
    return model


def saved_by(path: Path) -> str | None:
    """The version of Keras that saved a file, as it says itself; None where it does not."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                version = json.loads(archive.read("metadata.json")).get("keras_version")
        else:
            import h5py

            with h5py.File(path) as file:
                version = file.attrs.get("keras_version")
    except (OSError, ValueError, KeyError, AttributeError, ImportError):
        return None
    version = version.decode() if isinstance(version, bytes) else version
    return f"Keras {one_line(version, 20)}" if version else None


def _image_shape(model: Any, asked: tuple[int, ...] | None) -> tuple[int, ...]:
    """Shape of one image: as asked, else as the model declares it."""
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) > 1:
        raise ExportError(f"the model takes {len(inputs)} inputs; a classifier takes one image")
    shape = asked or tuple(inputs[0].shape[1:] if inputs else ())
    if not shape or None in shape:
        raise ExportError(
            f"the model takes images of shape {shape or 'unknown'}; say the shape of one image, "
            "such as --image 224x224x3"
        )
    return shape


def through_torch(model: Any, asked: tuple[int, ...] | None) -> Export:
    """A Keras model on the PyTorch backend, through PyTorch's exporter."""
    import keras
    import torch

    from .from_pytorch import export_module, quieten

    quieten()

    class Inference(torch.nn.Module):
        """The model as it predicts."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, image: Any) -> Any:
            return self.model(image, training=False)

    framework = f"Keras {keras.__version__} on PyTorch {torch.__version__.partition('+')[0]}"
    return export_module(
        Inference(),
        _image_shape(model, asked),
        framework=framework,
        remedy="--route tensorflow goes another way",
    )


def through_tensorflow(model: Any, asked: tuple[int, ...] | None) -> Export:
    """A Keras model on TensorFlow, saved as a SavedModel and through tf2onnx."""
    shape = _image_shape(model, asked)
    with tempfile.TemporaryDirectory() as scratch:
        with step("Keras cannot export it as a SavedModel"):
            model(np.zeros((2, *shape), np.float32))  # a model never called has no signature
            model.export(f"{scratch}/saved", verbose=False)
        export = from_saved_model(Path(scratch) / "saved", "serving_default")

    def reference(rows: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(model(rows, training=False))

    export.reference = reference
    return export


def from_saved_model(folder: Path, signature: str) -> Export:
    """A SavedModel, through tf2onnx; the reference is the loaded signature."""
    if not (folder / "saved_model.pb").is_file():
        raise ExportError(f"{folder}: is no SavedModel (it holds no saved_model.pb)")
    tf = _tensorflow()
    with step(f"{folder}: TensorFlow cannot load it"):
        loaded = tf.saved_model.load(str(folder))
    if signature not in loaded.signatures:
        known = ", ".join(loaded.signatures) or "none"
        raise ExportError(f"{folder}: has no signature '{signature}' (signatures: {known})")
    function = loaded.signatures[signature]
    _, inputs = function.structured_input_signature
    if len(inputs) != 1 or len(function.structured_outputs) != 1:
        raise ExportError(
            f"{folder}: signature '{signature}' has {len(inputs)} inputs and "
            f"{len(function.structured_outputs)} outputs; one image and its scores are needed"
        )
    (name,) = inputs

    def reference(rows: NDArray[Any]) -> NDArray[Any]:
        (scores,) = function(**{name: tf.constant(rows)}).values()
        return np.asarray(scores)

    # Held with the function: the variables live as long as the object they were loaded into.
    reference.loaded = loaded  # type: ignore[attr-defined]
    model = _tf2onnx("--saved-model", folder, "--signature_def", signature)
    return _with_free_batch(Export(model, reference, f"TensorFlow {tf.__version__}"))


def from_tflite(path: Path) -> Export:
    """A TFLite file, through tf2onnx; the reference is TensorFlow's interpreter.

    Quantised inputs and outputs become the float values that they stand for.
    """
    if not path.is_file():
        raise ExportError(f"{path}: no such file")
    tf = _tensorflow()
    with step(f"{path}: TensorFlow Lite cannot load it"):
        interpreter = tf.lite.Interpreter(model_path=str(path))
        entries, results = interpreter.get_input_details(), interpreter.get_output_details()
    if len(entries) != 1 or len(results) != 1:
        raise ExportError(
            f"{path}: has {len(entries)} inputs and {len(results)} outputs; one image and its "
            "scores are needed"
        )
    entry, result = entries[0], results[0]
    model = _tf2onnx("--tflite", path)
    float_ends(model, entry, result)

    def reference(rows: NDArray[Any]) -> NDArray[Any]:
        scale, zero = entry["quantization"]
        if scale:
            limits = np.iinfo(entry["dtype"])
            rows = np.clip(np.rint(rows / np.float32(scale)) + zero, limits.min, limits.max)
        interpreter.resize_tensor_input(entry["index"], rows.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], rows.astype(entry["dtype"]))
        interpreter.invoke()
        scores = interpreter.get_tensor(result["index"]).astype(np.float32)
        scale, zero = result["quantization"]
        return np.asarray((scores - zero) * np.float32(scale) if scale else scores)

    quantised = any(detail["quantization"][0] for detail in interpreter.get_tensor_details())
    remedy = (
        "quantised arithmetic may round otherwise; a larger --tolerance accepts that"
        if quantised
        else ""
    )
    framework = f"TensorFlow Lite {tf.__version__}"
    return _with_free_batch(Export(model, reference, framework, remedy=remedy))


def _with_free_batch(export: Export) -> Export:
    """Free a batch fixed at 1; the framework then answers for one image at a time."""
    if free_batch(export.model):
        whole: Reference = export.reference
        export.reference = lambda rows: np.concatenate(
            [whole(rows[position : position + 1]) for position in range(len(rows))]
        )
        export.notes.append("the batch was fixed at 1 and has been made free")
    return export


def _tensorflow() -> Any:
    with step("TensorFlow cannot be imported here"):
        import tensorflow as tf
    return tf


def _tf2onnx(*source: object) -> onnx.ModelProto:
    """Run tf2onnx's command, the most robust of its interfaces.

    It exits with 0 and writes a file even where it met operators that it does not know; what can
    be repaired is.
    """
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "model.onnx"
        command = [sys.executable, "-m", "tf2onnx.convert", *map(str, source)]
        command += ["--output", str(target), "--opset", str(_OPSET)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if not target.is_file():
            lines = done.stderr.strip().splitlines() or ["no message"]
            raise ExportError(f"tf2onnx cannot convert it: {one_line(lines[-1])}")
        model = onnx.load(target)
    if unknown := repair(model):
        raise ExportError(
            f"tf2onnx does not know {', '.join(unknown)}; export the .keras or .h5 file by the "
            "default route, PyTorch, which knows more"
        )
    return model
