"""Measure what the examples of the help texts read, for `iaside demo --copy`.

Two networks of ``iaside_onnx/bundled/`` and their INT8 versions, which are made here and kept, so
that commands which the reports suggest run in the copy, are analysed and tried under corruptions,
on a few of its photographs. Run it after ``make_bundled.py``, with iaside's own
Python; it takes a minute::

    python tools/make_bundled_results.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BUNDLED = Path(__file__).resolve().parent.parent / "iaside_onnx" / "bundled"
PARTS = "int8", "analyses", "robustness"
SAMPLES = "21"
NETWORKS = {"model": "model.onnx", "model-v2": "model-v2.onnx"}
NETWORKS |= {f"{name}-qdq": f"int8/{name}-qdq.onnx" for name in NETWORKS}


def iaside(folder: Path, *words: str) -> None:
    """Run a command in a folder."""
    subprocess.run(
        [sys.executable, "-P", "-m", "iaside_onnx", *words, "--quiet"], cwd=folder, check=True
    )


def main() -> None:
    """Measure in a copy, and put the files beside the networks."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "copy"
        shutil.copytree(BUNDLED, folder)
        for part in PARTS:
            shutil.rmtree(folder / part, ignore_errors=True)
            (folder / part).mkdir()
        for name in ("model", "model-v2"):
            iaside(folder, "quantize", f"{name}.onnx", "photos", "-o", "int8", "--kind", "qdq")
        few = ("--samples", SAMPLES, "--batch", "64")
        for name, path in NETWORKS.items():
            iaside(folder, "analyze", path, "photos", "-o", f"analyses/{name}.h5", *few)
            target = f"robustness/{name}.h5"
            iaside(folder, "robustness", path, "photos", "-o", target, "--attack", "none", *few)
        iaside(
            folder, "snr", "photos", "-o", "snr.h5", "--samples", "4", "--rings", "8", "--overwrite"
        )
        for part in PARTS:
            shutil.rmtree(BUNDLED / part, ignore_errors=True)
            shutil.copytree(folder / part, BUNDLED / part)
        shutil.copy(folder / "snr.h5", BUNDLED / "snr.h5")


if __name__ == "__main__":
    main()
