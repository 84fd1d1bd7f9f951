# /// script
# requires-python = ">=3.11"
# dependencies = ["jax", "flax", "jax2onnx", "onnx", "onnxruntime", "numpy", "pillow"]
# ///
"""Export a JAX or Flax classifier of images as a verified ONNX file.

Run with::

    pip install jax flax jax2onnx onnx onnxruntime numpy pillow
    python tools/export/from_jax.py mypackage.nets:build -o net.onnx --image 64x64x3

or ``uv run --script tools/export/from_jax.py ...``. Keep it out of iaside's own environment:
jax2onnx brings the CPU build of onnxruntime, which overwrites the GPU build.

Where iaside is installed beside the framework, ``iaside export jax`` is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from iaside_onnx.exporting.command_line import run_alone

if __name__ == "__main__":
    run_alone("jax")
