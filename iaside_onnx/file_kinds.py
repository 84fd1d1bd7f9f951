"""What a file really is when it is not what it was given as, and what to do about it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

# Bytes from a file's start that show its kind: that of a tar archive stands at byte 257.
HEAD_BYTES = 1024
_UNPACK = "unpack it first and give the file inside"
_EXPORT = "export it to ONNX first"
# Kinds by bytes at a place near the start. What a kind is, and the remedy.
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (0, b"\x1f\x8b", f"compressed with gzip: {_UNPACK}"),
    (0, b"BZh", f"compressed with bzip2: {_UNPACK}"),
    (0, b"\xfd7zXZ\x00", f"compressed with xz: {_UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"compressed with zstd: {_UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7-Zip archive: {_UNPACK}"),
    (0, b"Rar!", f"a RAR archive: {_UNPACK}"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x93NUMPY", "a NumPy array file (.npy)"),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, perhaps a Keras model or its weights: load it in Keras and "
        f"{_EXPORT} (iaside export keras)",
    ),
    (4, b"TFL3", f"a TensorFlow Lite model: {_EXPORT} (iaside export keras takes it)"),
    (257, b"ustar", f"a tar archive: {_UNPACK}"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")
_KERAS = f"a Keras model (.keras): {_EXPORT} (iaside export keras)"
_PYTORCH = (
    f"a PyTorch file: load it in PyTorch and {_EXPORT} (of weights: iaside export pytorch "
    "package.module:factory --weights FILE)"
)
_TENSORRT = "a TensorRT engine: give the ONNX file that it was built from"
_CORE_ML = "a Core ML model: give the model that it was converted from, as ONNX"
# Formats known by their suffix where the bytes do not say: what it is, and the remedy.
_SUFFIXES = {
    ".pb": "a TensorFlow graph: convert its SavedModel with iaside export keras, or "
    "python -m tf2onnx.convert --graphdef",
    ".pth": _PYTORCH,
    ".pt": _PYTORCH,
    ".ckpt": f"a training checkpoint: load it in its framework and {_EXPORT}",
    ".safetensors": f"weights without a graph: load them in their framework and {_EXPORT}",
    ".keras": _KERAS,
    ".xml": "an OpenVINO model: give the ONNX file that it was converted from",
    ".engine": _TENSORRT,
    ".plan": _TENSORRT,
    ".mlmodel": _CORE_ML,
    ".mlpackage": _CORE_ML,
    ".joblib": f"a pickled object, perhaps of scikit-learn: {_EXPORT} (iaside export sklearn)",
}


def kind_of_file(head: bytes, name: str = "", content: bytes | None = None) -> str | None:
    """What a file is by its first bytes, and what to do about it; None where nothing is known.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES` of the file, or all of a shorter one.
    name : str
        Its suffix speaks where the bytes say nothing.
    content : bytes, optional
        All of it, where it is at hand: archives then differ by what they hold.

    Examples
    --------
    >>> kind_of_file(b"\\x1f\\x8b\\x08\\x00")
    'compressed with gzip: unpack it first and give the file inside'
    >>> kind_of_file(b"\\x08\\x08")
    """
    if not head:
        return "an empty file: copy or download it again"
    if not head.strip(b"\0"):
        return "nothing but zeros, as after a broken copy: copy or download it again"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(_PAGES):
        return "a web page or XML, as after a download that failed: download the file itself"
    for place, mark, words in _MARKS:
        if head.startswith(mark, place):
            return words
    if head.startswith(b"PK"):
        return _archive(content)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return (
            "a Python pickle, perhaps of PyTorch or scikit-learn: load it there and "
            f"{_EXPORT} (iaside export pytorch, iaside export sklearn)"
        )
    if not text.startswith(b"{"):
        return _SUFFIXES.get(Path(name).suffix.lower())
    if any(word in head for word in (b"modelTopology", b"layers-model", b"graph-model")):
        return (
            "a TensorFlow.js model: export the model that it was converted from to ONNX "
            "(iaside export keras)"
        )
    return "a JSON text, not the file itself"


def _archive(content: bytes | None) -> str:
    """A zip file: of a framework, or one that holds something."""
    try:
        with zipfile.ZipFile(io.BytesIO(content or b"")) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return f"a zip archive: {_UNPACK}"
    ends = {name.rpartition("/")[2] for name in names}
    if "data.pkl" in ends:
        return _PYTORCH
    if "model.weights.h5" in ends:
        return _KERAS
    models = [name for name in names if name.lower().endswith(".onnx")]
    if models:
        return f"a zip archive that holds {models[0][:80]}: {_UNPACK}"
    if any(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays (.npz)"
    return f"a zip archive: {_UNPACK}"


def folder_of_model(names: set[str]) -> str | None:
    """What a folder is, by the names in it, that was given in place of a model's file."""
    if "saved_model.pb" in names:
        return f"a TensorFlow SavedModel: {_EXPORT} (iaside export keras takes the folder)"
    models = sorted(name for name in names if name.lower().endswith((".onnx", ".ort")))
    if models:
        return f"a folder: give the file in it, such as {models[0]}"
    return None
