"""How many candidates the grids of a one-stage detector have for an input of a size."""

from __future__ import annotations

# Pixels between the places of each grid that such detectors have together, and candidates a place.
_STRIDES = (
    (8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32), (8, 16, 32, 64, 128),
)  # fmt: skip
_ANCHORS = (1, 2, 3)


def grid_counts(size: tuple[int, int]) -> set[int]:
    """Numbers of candidates that a detector of an input of this height and width may have.

    Examples
    --------
    >>> 84 in grid_counts((64, 64)), 8400 in grid_counts((640, 640)), 64 in grid_counts((64, 64))
    (True, True, False)
    """
    found = set()
    for strides in (each for each in _STRIDES if max(each) <= min(size)):
        places = sum(-(-size[0] // stride) * -(-size[1] // stride) for stride in strides)
        found |= {anchors * places for anchors in _ANCHORS}
    return found
