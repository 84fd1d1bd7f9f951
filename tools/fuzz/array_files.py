"""Mutated image arrays, ``.npz`` and HDF5; opened, and every picture read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from damage import damaged
from hostile_values import some

from iaside_onnx.images.sample import open_images

_STORAGES: tuple[dict[str, Any], ...] = ({}, {"compression": "gzip", "chunks": (2, 8, 8, 3)})


def material(_: Path) -> list[tuple[str, bytes]]:
    """Sound sets: ending and content."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)
    made = []
    for floats in (False, True):
        pixels = images / np.float32(255) if floats else images
        held: dict[str, Any] = {"images": pixels, "labels": np.arange(6)}
        for save in (np.savez, np.savez_compressed):
            stream = io.BytesIO()
            save(stream, **held)
            made.append((".npz", stream.getvalue()))
        for storage in _STORAGES:
            stream = io.BytesIO()
            with h5py.File(stream, "w") as file:
                file.create_dataset("images", data=held["images"], **storage)
                file["labels"] = held["labels"]
            made.append((".h5", stream.getvalue()))
    return made


def make(
    rng: np.random.Generator, sound: list[tuple[str, bytes]], folder: Path
) -> tuple[Path, str, Any]:
    """One mutated set."""
    ending, content = some(rng, sound)
    for old in folder.glob("case.*"):
        old.unlink()
    path = folder / f"case{ending}"
    path.write_bytes(damaged(rng, content, most=some(rng, (1, 2, 8))))
    return path, f"bytes of {ending}", None


def run(path: Path, _: Any) -> str:
    """Open, and read every picture."""
    source = open_images(path)
    for index in range(min(len(source.labels), 20)):
        source.picture(index)
        source.content(index)
    return "pictures read"
