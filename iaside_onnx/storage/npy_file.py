"""Arrays in ``.npy`` files, and in members of ``.npz`` files: what may be wrong with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..errors import one_line


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran's order, and type of the array that follows.

    Raises
    ------
    ValueError, EOFError, OSError
        It cannot be read.
    """
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read(stream)
    except (ValueError, EOFError, OSError):
        raise
    except Exception as error:  # those of Python's own parser, of a damaged header
        raise ValueError(f"its header is damaged: {one_line(error)}") from error
    if not all(type(length) is int for length in shape):  # True is none, but adds and multiplies
        raise ValueError("its header is damaged: its shape holds no whole numbers")
    return shape, fortran, dtype


def read_npy(path: Path) -> NDArray[Any]:
    """The whole array of a file, which holds as much as it declares.

    Raises
    ------
    ValueError, EOFError, OSError
        It cannot be read, or is no array of plain values.
    """
    with path.open("rb") as stream:
        if stream.read(2) == b"PK":
            raise ValueError("it holds several arrays, as a .npz does; save one by numpy.save")
        stream.seek(0)
        shape, fortran, dtype = read_header(stream)
        start = stream.tell()
    if dtype.hasobject or not dtype.itemsize or min(shape, default=0) < 0:
        raise ValueError("it holds no numbers")
    declared, held = math.prod(shape) * dtype.itemsize, path.stat().st_size - start
    if declared != held:
        raise ValueError(f"it declares {declared:,} bytes of data and holds {held:,}")
    values = np.fromfile(path, dtype, offset=start)
    return values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
