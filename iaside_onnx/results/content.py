"""The digest of what a result holds, the same in memory and in every file that holds it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from typing import Any

import numpy as np

from ..setting_roles import VIEW

# Wide enough for whatever a field may hold, so that a narrower one in memory makes no difference.
_WIDE = {"b": "<u1", "i": "<i8", "u": "<u8", "f": "<f8"}


def content_digest(result: Any) -> str:
    """SHA-256 of a result's values, settings and provenance, without how it is viewed.

    Parameters
    ----------
    result : Result

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    total = hashlib.sha256(f"{result.SCHEMA.format}\n".encode())
    for each in sorted(fields(result), key=lambda field: field.name):
        value = getattr(result, each.name)
        if value is None or (isinstance(value, list | tuple | str) and not value):
            continue  # no file keeps these apart
        if each.name == "settings":
            value = {name: part for name, part in value.items() if name not in VIEW}
        total.update(f"{each.name}\n".encode())
        if isinstance(value, np.ndarray):
            wide = np.ascontiguousarray(value, _WIDE.get(value.dtype.kind, value.dtype))
            total.update(f"{wide.dtype.kind} {wide.shape}\n".encode() + wide.tobytes())
        else:
            total.update(as_text(value).encode())
    return total.hexdigest()


def view_of(result: Any) -> dict[str, Any]:
    """The settings that say how a result is viewed."""
    return {name: result.settings[name] for name in VIEW if name in result.settings}


def as_text(value: Any) -> str:
    """JSON values as one text, whatever their order."""
    return json.dumps(value, sort_keys=True, default=lambda number: number.item())
