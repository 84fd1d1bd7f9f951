"""What a file says that must not depend on what happened to the run that made it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# How it ran, and when.
_OF_THE_RUN = ("run", "created")
_HEADER = "header"


Content = dict[str, Any]


def difference(one: Content, other: Content) -> str | None:
    """What differs in numbers, or in what they are said to be of; None: nothing."""
    for name in sorted(one.keys() | other.keys()):
        if name not in one or name not in other or not np.array_equal(one[name], other[name]):
            return name
    return None


def content(path: Path) -> Content:
    """Arrays and what the file says, by name."""
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(lambda name, what: names.append(name) if hasattr(what, "shape") else None)
        found: Content = {name: file[name][()] for name in names if name != _HEADER}
        found |= {f"attribute {name}": value for name, value in file.attrs.items()}
        if _HEADER in file:
            header = json.loads(file[_HEADER][()].tobytes())
            found |= {f"attribute {name}": value for name, value in header.items()}
    for name in _OF_THE_RUN:
        found.pop(f"attribute {name}", None)
    return found
