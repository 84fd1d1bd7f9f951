# /// script
# requires-python = ">=3.11"
# dependencies = ["torch", "onnx", "onnxscript", "onnxruntime", "numpy", "pillow"]
# ///
"""Export a PyTorch classifier of images as a verified ONNX file.

Run with::

    pip install torch onnx onnxscript onnxruntime numpy pillow
    python tools/export/from_pytorch.py mypackage.nets:build -o net.onnx --image 3x224x224

or ``uv run --script tools/export/from_pytorch.py ...``; add timm or torchvision for their names.

Where iaside is installed beside the framework, ``iaside export pytorch`` is the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from iaside_onnx.exporting.command_line import run_alone

if __name__ == "__main__":
    run_alone("pytorch")
