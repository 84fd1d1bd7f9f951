"""What freeing a fixed batch is worth: the same audit with the batch freed, and one by one.

    python tools/bench/freed.py

The networks are the nine ImageNet architectures that the `onnx` package carries (batch 1,
constant weights: right for speed, meaningless as classifiers). Machines are noisy, so the two ways
take turns and the medians of their rates are compared.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import onnx

import iaside_onnx as ia
from iaside_onnx.inference import opened
from iaside_onnx.inference.session import claim_process

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def refuse(*_: object) -> None:
    """Stands in for `free_batch`, so that the file runs at the batch it was exported with."""
    raise ValueError("switched off for this measurement")


def rate(model: Path, images: Path, bands: int, *, freed: bool) -> float:
    """Forward passes per second of a whole audit."""
    if freed:
        report = ia.analyze(model, images, bands=bands, norm="linf")
    else:
        with patch.object(opened, "free_batch", refuse):
            report = ia.analyze(model, images, bands=bands, norm="linf")
    wanted = "freed" if freed else "fixed"
    if report.run["batch_mode"] != wanted:
        raise SystemExit(f"{model.name}: ran {report.run['batch_mode']}, not {wanted}")
    return float(report.run["forward_passes"] / report.run["seconds"])


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("models", nargs="*", type=Path, help="default: the nine light networks")
    parser.add_argument("--bands", type=int, default=6, help="2^bands passes a measurement")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    claim_process()
    images = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)
    print(
        "| network | one by one (passes/s) | freed (passes/s) | gain |\n| --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "one.npz"
        np.savez(data, images=images, labels=np.array([5]))
        for model in options.models or sorted(LIGHT.glob("light_*.onnx")):
            single, freed = [], []
            for _ in range(options.repeats):
                single.append(rate(model, data, options.bands, freed=False))
                freed.append(rate(model, data, options.bands, freed=True))
            one, many = statistics.median(single), statistics.median(freed)
            print(f"| {model.stem} | {one:.1f} | {many:.1f} | {many / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
