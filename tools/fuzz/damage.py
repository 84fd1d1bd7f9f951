"""Mutations of plain bytes, as disks, networks and malice make them."""

from __future__ import annotations

import numpy as np

_EDGES = (0, 1, 2, 127, 128, 254, 255)


def damaged(rng: np.random.Generator, content: bytes, most: int) -> bytes:
    """The content after one to `most` random edits; most fall where something stands."""
    made = bytearray(content)
    taken = np.flatnonzero(np.frombuffer(content, np.uint8))
    for _ in range(int(rng.integers(1, most + 1))):
        if not made:
            break
        near = int(rng.choice(taken)) + int(rng.integers(-4, 5)) if taken.size else 0
        place = near if rng.random() < 0.75 else int(rng.integers(len(made)))
        place = min(max(place, 0), len(made) - 1)
        _edit(rng, made, place)
    return bytes(made)


def _edit(rng: np.random.Generator, made: bytearray, place: int) -> None:
    length = int(rng.choice([1, 2, 4, 8, 16, 64, 512]))
    match int(rng.choice(8, p=[0.3, 0.3, 0.14, 0.12, 0.03, 0.03, 0.03, 0.05])):
        case 0:
            made[place] ^= 1 << int(rng.integers(8))
        case 1:
            made[place] = int(rng.choice([*_EDGES, int(rng.integers(256))]))
        case 2:
            made[place : place + length] = bytes([int(rng.choice(_EDGES))]) * length
        case 3:
            made[place : place + length] = rng.bytes(length)
        case 4:
            made[place:place] = rng.bytes(length)
        case 5:
            del made[place : place + length]
        case 6:
            del made[place:]
        case 7:
            start = int(rng.integers(len(made)))
            made[place : place + length] = made[start : start + length]
