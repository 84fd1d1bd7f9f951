"""Mutated and cut off libraries of providers, asked for before they are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from damage import damaged
from hostile_values import some
from numpy.random import _mt19937

from iaside_onnx.inference.library_file import check_library


def material(_: Path) -> bytes:
    """A library that is on every machine with numpy."""
    return Path(_mt19937.__file__).read_bytes()


def make(rng: np.random.Generator, sound: bytes, folder: Path) -> tuple[Path, str, Any]:
    """One damaged library; every second one in its header alone."""
    path = folder / "case.so"
    if rng.random() < 0.5:
        head = damaged(rng, sound[:512], most=some(rng, (1, 2, 8)))
        content = head + sound[512:]
    else:
        content = damaged(rng, sound, most=some(rng, (1, 2, 8)))
    path.write_bytes(content)
    return path, "bytes of a library", None


def run(path: Path, _: Any) -> str:
    """Ask whether it may be loaded."""
    check_library("ep_library", path)
    return "may be loaded"
