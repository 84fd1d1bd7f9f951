# /// script
# requires-python = ">=3.11"
# dependencies = ["scikit-learn", "skl2onnx", "skops", "onnx", "onnxruntime", "numpy", "pillow"]
# ///
"""Export a fitted scikit-learn classifier of images as a verified ONNX file.

Run with::

    pip install scikit-learn skl2onnx skops onnx onnxruntime numpy pillow
    python tools/export/from_sklearn.py digits.skops -o digits.onnx --image 1x8x8

or ``uv run --script tools/export/from_sklearn.py ...``. The versions of scikit-learn that wrote and
read an estimator should be the same.

Where iaside is installed beside the framework, ``iaside export sklearn`` is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from iaside_onnx.exporting.command_line import run_alone

if __name__ == "__main__":
    run_alone("sklearn")
