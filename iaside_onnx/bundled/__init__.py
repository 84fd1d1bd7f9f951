"""What comes with the program to try it on: two small networks and colour photographs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ..errors import UsageError
from ..storage.regular_file import why

FOLDER = Path(__file__).resolve().parent
MODEL = FOLDER / "model.onnx"
PHOTOS = FOLDER / "photos"
# Photographs as another camera keeps them, made of those while they are copied.
AS_JPEG = "photos-as-jpeg"
_QUALITY = 10


def copy_to(target: Path) -> None:
    """Write out all that there is, and the photographs as JPEGs of low quality, as a new folder.

    Raises
    ------
    UsageError
        There is something already, or the folder cannot be written.
    """
    try:
        if target.exists() and not (target.is_dir() and not any(target.iterdir())):
            raise UsageError(f"{target}: exists already; give another folder, or remove it")
        if not target.parent.is_dir():
            raise UsageError(
                f"{target}: the folder {target.parent} does not exist; create it first"
            )
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".iaside-") as scratch:
            made = Path(scratch) / "made"
            shutil.copytree(FOLDER, made, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
            _write_jpegs(made / AS_JPEG)
            if target.is_dir():
                target.rmdir()
            made.rename(target)
    except OSError as error:
        raise UsageError(f"{target}: cannot be written: {why(error)}") from error


def _write_jpegs(folder: Path) -> None:
    from PIL import Image

    for path in sorted(PHOTOS.glob("*/*.png")):
        place = (folder / path.relative_to(PHOTOS)).with_suffix(".jpg")
        place.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as picture:
            picture.save(place, quality=_QUALITY)
