"""Whether two encoded pictures of a page show the same wherever they are drawn.

Only the encoder may have been another one. What is drawn beside the pixels (transparency, further
frames, a rotation, colour corrections) stands in other pieces of a file than those that pages have,
so a picture with any such piece is not the same.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib

import numpy as np
from PIL import Image

# Levels out of 255 by which decoders of JPEG differ.
_DECODED = 4
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Marks of JPEG: what stands alone, and what pages have (JFIF, tables, sizes, one scan).
_START, _END, _SCAN, _SOF = 0xD8, 0xD9, 0xDA, 0xC0
_PLAIN = (0xE0, 0xDB, _SOF, 0xC4, 0xDD)


def alike(one: str, other: str) -> bool:
    """Whether two pictures in base64 show the same; `other` is the one that iaside made."""
    if one == other:
        return True
    try:
        files = [base64.b64decode(each, validate=True) for each in (one, other)]
        if base64.b64encode(files[0]).decode() != one:
            return False
        kinds = [each.startswith(_SIGNATURE) for each in files]
        if kinds[0] != kinds[1]:
            return False
        if kinds[0]:
            return _png(files[0]) == _png(files[1]) and _apart(*files) == 0
        return _jpeg(files[0]) == _jpeg(files[1]) and _apart(*files) <= _DECODED
    except (binascii.Error, zlib.error, struct.error, IndexError, OSError, ValueError):
        return False
    except (Image.DecompressionBombError, SyntaxError):  # the latter of broken PNG
        return False


def _apart(*files: bytes) -> int:
    """By how many levels two pictures differ at most; of another size or mode, by all."""
    opened = [Image.open(io.BytesIO(each), formats=("PNG", "JPEG")) for each in files]
    if opened[0].size != opened[1].size or opened[0].mode != opened[1].mode:
        return 255
    levels = [np.asarray(each, np.int16) for each in opened]
    return int(np.abs(levels[0] - levels[1]).max())


def _png(content: bytes) -> list[tuple[bytes, bytes]]:
    """All pieces of a PNG but the pixels, which are one whole stream and stand together."""
    place, pieces, pixels = len(_SIGNATURE), [], b""
    while place < len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        (check,) = struct.unpack_from(">I", content, place + 8 + length)
        if len(data) != length or check != zlib.crc32(name + data):
            raise ValueError("a broken piece")
        if name != b"IDAT":
            pieces.append((name, data))
        elif pieces[-1][0] != b"IDAT":
            pieces.append((name, b""))
        pixels += data if name == b"IDAT" else b""
        place += 12 + length
    width, height, depth, colour = struct.unpack_from(">IIBB", pieces[0][1])
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 4)
    size = height * (1 + (width * samples * depth + 7) // 8)
    stream = zlib.decompressobj()
    found = stream.decompress(pixels, size + 1)
    if len(found) != size or not stream.eof or stream.unused_data:
        raise ValueError("another number of pixels")
    return pieces


def _jpeg(content: bytes) -> tuple[bytes, bytes]:
    """Size and components, and the JFIF header, of a JPEG that has nothing but its one picture."""
    if content[:2] != bytes([0xFF, _START]):
        raise ValueError("no JPEG")
    place, frames, header = 2, [], []
    while True:
        mark, kind = content[place], content[place + 1]
        (length,) = struct.unpack_from(">H", content, place + 2)
        if mark != 0xFF or kind not in (*_PLAIN, _SCAN):
            raise ValueError("another piece than pages have")
        data = content[place + 4 : place + 2 + length]
        place += 2 + length
        if kind == _SCAN:
            break
        if kind == _SOF:
            frames.append(data)
        elif kind == 0xE0:
            header.append(data)
    if len(frames) != 1 or len(header) != 1:
        raise ValueError("more than one picture")
    # Of the coded pixels a mark other than a restart is the end of the file.
    while True:
        place = content.index(b"\xff", place)
        kind = content[place + 1]
        if kind == _END:
            break
        if kind != 0 and not 0xD0 <= kind <= 0xD7:
            raise ValueError("more than one scan")
        place += 2
    if place + 2 != len(content):
        raise ValueError("something behind the picture")
    return frames[0], header[0]


__all__ = ["alike"]
