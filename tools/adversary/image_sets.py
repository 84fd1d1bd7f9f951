"""The same labelled pictures as a folder, as arrays, as tar and as Parquet."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scene import picture

_COUNT, _CLASSES = 16, 4


def write_set(form: str, folder: Path, images: Path, *, seed: int = 0) -> Path:
    """Write a set into a folder; pictures go by `seed`, but those of a folder are copied."""
    if form == "folder":
        shutil.copytree(images, folder / "images")
        return folder / "images"
    path = folder / f"set.{form}"
    pictures = [picture(seed + number) for number in range(_COUNT)]
    labels = np.arange(_COUNT) % _CLASSES
    pixels = np.stack([np.asarray(each) for each in pictures])
    match form:
        case "npz":
            np.savez(path, images=pixels, labels=labels)
        case "h5":
            with h5py.File(path, "w") as file:
                file["images"], file["labels"] = pixels, labels
        case "tar":
            with tarfile.open(path, "w") as archive:
                for number, (each, label) in enumerate(zip(pictures, labels, strict=True)):
                    add(archive, f"{number:04d}.png", encoded(each))
                    add(archive, f"{number:04d}.cls", b"%d" % label)
        case "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            cells = pa.array([{"bytes": encoded(each), "path": None} for each in pictures], kind)
            pq.write_table(pa.table({"image": cells, "label": labels}), path)
    return path


def encoded(image: Image.Image, form: str = "PNG") -> bytes:
    """A picture as a file's content."""
    stream = io.BytesIO()
    image.save(stream, form)
    return stream.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a member."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))
