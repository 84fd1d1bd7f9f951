"""Where model, images and labels lay, as a result has it: never an absolute path."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..images.class_names import NO_NAMES
from ..images.sample import OWN_ANSWERS, Reading
from ..results.places import found
from ..spelling import command_text, recorded_path
from ..storage.regular_file import real_path
from .in_memory import IMAGES, MODEL

if TYPE_CHECKING:
    from .request import Request


def place(reading: Reading) -> dict[str, Any]:
    """Where images and labels came from, as a result's ``data`` has it."""
    names = reading.class_names
    if names not in (None, NO_NAMES):
        names = recorded(Path(names))
    further = {
        "columns": reading.columns, "class_names": names, "label_order": reading.label_order,
    }  # fmt: skip
    table = None if reading.labels is None else recorded(reading.labels)
    if table == OWN_ANSWERS:  # a file of that name
        table = f"./{table}"
    return {
        "source": recorded(reading.images),
        "labels": OWN_ANSWERS if reading.own_answers else table,
        "image_column": reading.image_column,
        "label_column": reading.label_column,
        **{key: value for key, value in further.items() if value is not None},
    }


def recorded(path: Path) -> str:
    """A path as a result carries it; an object in memory has a name alone."""
    return path.name if _in_memory(path) else recorded_path(path)


def ways_to(model: Path | None, reading: Reading) -> dict[str, str | None]:
    """From the folder of the run to what was given by an absolute path outside of it, by its use.

    A result's ``model`` and ``data`` name these files alone, which no command would find again.
    A way over the root of the file system would be the absolute path, so it is None.
    """
    names = reading.class_names
    given = {
        "model": model,
        "images": reading.images,
        "labels": None if reading.own_answers else reading.labels,
        "class_names": None if names in (None, NO_NAMES) else Path(names),
    }
    outside = {name: path for name, path in given.items() if path is not None and _outside(path)}
    return {name: _way(path) for name, path in outside.items()}


def as_typed(reading: Reading) -> dict[str, Any]:
    """As `place` has it, with files as they were given: for the eyes of who gave them alone."""
    given = place(reading)
    for name, path in (("labels", reading.labels), ("class_names", reading.class_names)):
        if path is not None and Path(path).is_absolute() and not _in_memory(Path(path)):
            given[name] = str(path)
    return given


def without_roots(lines: Sequence[str], request: Request) -> list[str]:
    """Sentences as a result carries them: what was given by an absolute path as the result has it.

    That is from the folder of the run where there is a way, else in a folder that is not told.
    """
    reading = request.reading
    uses = {
        "model": request.model,
        "images": reading.images,
        "labels": reading.labels,
        "class_names": reading.class_names,
    }
    given = {use: Path(path) for use, path in uses.items() if path is not None}
    given |= {str(path): path for path in request.inputs if path not in given.values()}
    names = {use: recorded(path) for use, path in given.items() if path.is_absolute()}
    carried = found(names, {"paths": ways_to(request.model, reading)})
    for use in sorted(names, key=lambda use: -len(str(given[use]))):
        path, name = str(given[use]), str(carried[use])
        if not given[use].name:
            continue
        quoted = command_text([path]), command_text([name])
        alone = re.compile(rf"(?<![\w.-]){re.escape(path)}(?![\w-]|\.\w)")
        plain = name.replace("\\", r"\\")  # no escape of a replacement
        lines = [alone.sub(plain, line.replace(*quoted)) for line in lines]
    return list(lines)


def _outside(path: Path) -> bool:
    """Whether a result has the name alone, and the folder of the run does not hold it."""
    if not path.is_absolute() or recorded(path) != path.name or _in_memory(path):
        return False
    try:
        return _real(path) != Path.cwd() / path.name
    except OSError:  # no folder any more
        return False


def _way(path: Path) -> str | None:
    path, folder = _real(path), Path.cwd()
    try:
        if os.path.commonpath([path, folder]) == path.anchor:
            return None
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return None


def _real(path: Path) -> Path:
    """Without "..": up from a link is elsewhere than the names before it say."""
    if path.name == "..":
        return real_path(path)
    return real_path(path.parent) / path.name if ".." in path.parts else path


def _in_memory(path: Path) -> bool:
    """Whether an object was put there for the time of the call."""
    return path.name in (MODEL, IMAGES) and path.is_relative_to(tempfile.gettempdir())
