# /// script
# requires-python = ">=3.11"
# dependencies = ["keras", "torch", "onnx", "onnxscript", "onnxruntime", "h5py", "numpy", "pillow"]
# ///
"""Export a Keras or TensorFlow classifier of images as a verified ONNX file.

A `.keras` or `.h5` file goes through Keras on PyTorch, which converts more models than any other
route and needs no TensorFlow::

    pip install keras torch onnx onnxscript onnxruntime h5py numpy pillow
    python tools/export/from_keras.py net.keras -o net.onnx --preprocess raw

or ``uv run --script tools/export/from_keras.py ...``. A SavedModel folder, a `.tflite` file, and
``--route tensorflow`` go through tf2onnx and need TensorFlow instead::

    pip install tensorflow-cpu tf2onnx onnx onnxruntime numpy pillow
    python tools/export/from_keras.py saved_model/ -o net.onnx

(with uv: ``uv run --with tensorflow-cpu --with tf2onnx --script tools/export/from_keras.py ...``).

Where iaside is installed beside the framework, ``iaside export keras`` is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from iaside_onnx.exporting.command_line import run_alone

if __name__ == "__main__":
    run_alone("keras")
