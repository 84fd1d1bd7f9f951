"""Hold the spectral profiles of one network against each other, over every route to ONNX.

    export IASIDE_EXPORT_PYTORCH=/path/to/python      # with torch, onnxscript and keras
    export IASIDE_EXPORT_TENSORFLOW=/path/to/python   # with tensorflow-cpu and tf2onnx
    export IASIDE_EXPORT_JAX=/path/to/python          # with jax, flax and jax2onnx
    python tools/export/uniformity.py

The network of `models/demo-plain.onnx` is built in PyTorch, Keras and JAX from that file's weights,
exported through the commands of `tools/export`, and audited on the photographs in `demo/test`.
Printed is each route's largest difference of a SID entry to that of the file itself. Run it with
iaside's own Python; routes whose framework has no Python named are left out. The exit code is 1
when two routes are further apart than 1e-4.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import iaside_onnx as ia

HERE = Path(__file__).resolve().parent
NETWORKS = HERE / "networks"
ROOT = HERE.parents[1]
LIMIT = 1e-4
PYTORCH, TENSORFLOW, JAX = (f"IASIDE_EXPORT_{name}" for name in ("PYTORCH", "TENSORFLOW", "JAX"))


@dataclass(frozen=True)
class Route:
    """A way from a framework to ONNX.

    Attributes
    ----------
    name : str
    variable : str
        Environment variable with the Python to use.
    command : tuple of str
        Script of `tools/export` and its arguments; "{work}" stands for the work folder.
    prepare : tuple of str
        Script of `networks/`, run first to write the command's source; empty for none.
    """

    name: str
    variable: str
    command: tuple[str, ...]
    prepare: tuple[str, ...] = ()


KERAS = ("in_keras.py", "{work}/net.keras")
ROUTES = (
    Route("PyTorch", PYTORCH, ("from_pytorch.py", "in_pytorch:network")),
    Route(
        "PyTorch, older exporter", PYTORCH, ("from_pytorch.py", "in_pytorch:network", "--legacy")
    ),
    Route(
        "PyTorch, torch.export program",
        PYTORCH,
        ("from_pytorch.py", "{work}/net.pt2"),
        ("in_pytorch.py", "{work}/net.pt2"),
    ),
    Route("Keras on PyTorch", PYTORCH, ("from_keras.py", "{work}/net.keras"), KERAS),
    Route(
        "Keras on TensorFlow",
        TENSORFLOW,
        ("from_keras.py", "{work}/net.keras", "--route", "tensorflow"),
        KERAS,
    ),
    Route(
        "TensorFlow SavedModel",
        TENSORFLOW,
        ("from_keras.py", "{work}/saved"),
        ("in_keras.py", "{work}/saved"),
    ),
    Route(
        "TensorFlow Lite",
        TENSORFLOW,
        ("from_keras.py", "{work}/net.tflite"),
        ("in_keras.py", "{work}/net.tflite"),
    ),
    Route("JAX (Flax nnx)", JAX, ("from_jax.py", "in_jax:Network")),
)


def export(route: Route, python: str, work: Path) -> Path:
    """Take one route; the exporter's own words go to standard error."""
    target = work / f"{route.name}.onnx"
    commands = []
    options: tuple[str, ...] = ("-o", str(target), "--preprocess", "unit", "--path", str(NETWORKS))
    if route.prepare:
        commands.append((str(NETWORKS / route.prepare[0]), *route.prepare[1:]))
    else:
        options += ("--image", "3x64x64" if route.variable == PYTORCH else "64x64x3")
    commands.append((str(HERE / route.command[0]), *route.command[1:], *options))
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow" if route.variable == TENSORFLOW else "torch",
        "CUDA_VISIBLE_DEVICES": "",
    }
    for command in commands:
        words = [word.format(work=work) for word in command]
        done = subprocess.run(
            [python, *words], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{route.name}: {done.stderr.strip()}")
    print(done.stdout.strip(), file=sys.stderr)
    return target


def main() -> int:
    """Export by every route at hand, audit, print the table; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=200, help="images audited (200)")
    parser.add_argument("--bands", type=int, default=8, help="frequency bands (8)")
    args = parser.parse_args()
    profiles: dict[str, ia.Report] = {}

    def audit(name: str, path: Path) -> None:
        profiles[name] = ia.analyze(
            path, ROOT / "demo" / "test", samples=args.samples, bands=args.bands, norm="linf"
        )

    audit("the file itself", ROOT / "models" / "demo-plain.onnx")
    with tempfile.TemporaryDirectory() as scratch:
        for route in ROUTES:
            python = os.environ.get(route.variable)
            if python:
                audit(route.name, export(route, python, Path(scratch)))
            else:
                print(f"{route.name}: left out, {route.variable} is not set", file=sys.stderr)
    sids = np.array([report.sid for report in profiles.values()])
    print(
        f"| route | SID ({args.bands} bands, {args.samples} images) | signed score | to the file |"
    )
    print("| --- | --- | --- | --- |")
    for (name, report), sid in zip(profiles.items(), sids, strict=True):
        shown = " ".join(f"{value:.6f}" for value in sid)
        apart = np.abs(sid - sids[0]).max()
        print(f"| {name} | {shown} | {report.srs_signed:+.6f} | {apart:.1e} |")
    worst = float(np.ptp(sids, axis=0).max())
    print(
        f"\nlargest difference of a SID entry between any two routes: {worst:.1e} (limit {LIMIT})"
    )
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
