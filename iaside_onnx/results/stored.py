"""What files of all kinds hold; these functions run in the process that reads them, and only there.

Nothing else loads the HDF5 library to read: what comes back is checked and made a result elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ReportError
from ..storage import hdf5
from ..storage.isolated import Arrays
from .kinds import KINDS, class_of


def read_stored(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Format, version, header and fields of a file of any kind; the format alone of others.

    What is wrong with a file is said to those alone who want one of its kind.
    """
    with hdf5.opened(path) as file:
        kind = hdf5.stored_format(path, file)
        if kind not in KINDS:
            return {"format": kind[:100]}, {}
        try:
            stored, arrays = hdf5.read_content(path, file, class_of(kind).SCHEMA)
        except ReportError as error:
            return {"format": kind, "error": type(error).__name__, "parts": error.parts}, {}
        return {"format": kind, **stored}, arrays


def read_derived(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file holds that follows from its fields."""
    with hdf5.opened(path) as file:
        schema = class_of(hdf5.stored_format(path, file)).SCHEMA
        return hdf5.read_derived(path, file, schema)


def read_format(path: Path) -> tuple[dict[str, Any], Arrays]:
    """What a file says that it is."""
    with hdf5.opened(path) as file:
        return {"format": hdf5.stored_format(path, file)}, {}
