"""How panels of one width are spread over columns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

_MOST_BLOCKS = 9  # of which every way to spread them is tried


def in_columns(
    heights: Sequence[float], size: tuple[float, float] | None, width: float, above: float
) -> list[list[int]]:
    """What stands in each column, in order, so that the whole is as large as can be in a size.

    Columns are of one `width`, with so much room `above` further ones; all in the same unit.

    Examples
    --------
    >>> in_columns([1, 1, 1, 1], (4.0, 2.0), 2.0, 0.0)
    [[0, 1], [2, 3]]
    """
    blocks = list(range(len(heights)))
    if size is None or len(blocks) > _MOST_BLOCKS:
        return [blocks]
    best, most = [blocks], 0.0
    for count in range(1, len(blocks) + 1):
        for cuts in combinations(blocks[1:], count - 1):
            ends = pairwise([0, *cuts, len(blocks)])
            tried = [blocks[start:end] for start, end in ends]
            high = max(sum(heights[at] for at in each) for each in tried) + above * (count > 1)
            scale = min(size[0] / (width * count), size[1] / high)
            if scale > most + 1e-9:
                best, most = tried, scale
    return best
