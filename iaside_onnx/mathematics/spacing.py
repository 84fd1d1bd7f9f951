"""Where the edges of bands lie (method, section 1): equal widths, octaves, or equal energy.

Bands are intervals of the radius. Those of equal width begin at k / M and need no edges; all others
are given by the M - 1 radii at which the bands 1 to M - 1 begin, as `bands.band_index` takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice
from ..defaults import BANDS
from ..errors import UsageError
from ..spelling import option
from .bands import (
    NORM,
    TOLERANCE,
    check_bands,
    check_count,
    check_edges,
    first_empty,
    half_plane_radii,
    too_many,
)
from .numbers import real_numbers

LINEAR, OCTAVE, EQUAL_ENERGY, GIVEN = "linear", "octave", "equal-energy", "given"
SPACINGS = (LINEAR, OCTAVE, EQUAL_ENERGY, GIVEN)
_DIGITS = 12

Edges = tuple[float, ...]


def octave_edges(bands: int) -> Edges:
    """Edges of octaves: each band but the lowest ends at twice the radius at which it begins.

    ``edge_k = 2^(k - M)``, so that the bands are [0, 2^-(M-1)), ..., [1/4, 1/2), [1/2, 1].

    Examples
    --------
    >>> octave_edges(4)
    (0.125, 0.25, 0.5)
    """
    check_count(bands)
    return tuple(2.0 ** (k - bands) for k in range(1, bands))


def equal_energy_edges(
    power: NDArray[Any], width: int, bands: int = BANDS, norm: str = NORM
) -> Edges:
    """Edges between which the bands hold shares of a spectrum that are as equal as can be.

    With E_j the power without DC on the j-th of the radii that the grid has, rising, the bands are
    the M runs of neighbouring radii, none empty, whose sums S_i make ``sum_i S_i^2`` least: of all
    partitions the one whose shares vary least (by dynamic programming, as in Fisher, "On grouping
    for maximum homogeneity", Journal of the American Statistical Association 53, 1958). Moving a
    radius from a band to its neighbour cannot make the sum less, so neighbouring shares differ by
    no more than the radius between them holds, unless the larger is one radius alone. DC lies in
    band 0, beside the lowest radius, and counts nowhere.

    Parameters
    ----------
    power : array, shape (..., H, W // 2 + 1)
        Power ``|rfft2|^2`` of images, such as the mean over a sample; channels are added up.
    width : int
        W, which the half plane leaves open.
    bands : int
        Number of bands M.
    norm : {"linf", "l2", "l1"}
        How the two axis frequencies make a radius.

    Returns
    -------
    tuple of float, length M - 1
        Radii of the grid, rounded to 12 digits.

    Raises
    ------
    UsageError
        More bands than there are radii besides 0.

    Examples
    --------
    >>> import numpy as np
    >>> falling = 1.0 / (1.0 + np.arange(9.0)) ** 2
    >>> equal_energy_edges(np.outer(falling, falling)[[0, *range(1, 9), *range(7, 0, -1)]], 16, 3)
    (0.25, 0.5)
    """
    values = real_numbers("power", power, axes=2).astype(np.float64)
    height = values.shape[-2]
    check_bands(height, width, 1, norm)
    check_count(bands)
    if values.shape[-1] != width // 2 + 1 or values.min() < 0:
        raise UsageError(f"the power is none of images of width {width}")
    twice = np.full(width // 2 + 1, 2.0)
    twice[[0, -1] if width % 2 == 0 else [0]] = 1.0
    on_plane = values.reshape(-1, *values.shape[-2:]).sum(axis=0) * twice
    radius, ring = _rings(height, width, norm)
    energy = np.bincount(ring.ravel(), on_plane.ravel(), len(radius))[1:]
    _check_rings(height, width, bands, len(energy))
    if not energy.any():  # images of one colour each: any bands are as equal
        energy = np.ones_like(energy)
    starts = _most_equal(energy / energy.sum(), bands)
    return tuple(float(radius[1 + start].round(_DIGITS)) for start in starts[1:])


def check_asked(spacing: Any, edges: Any, bands: int) -> None:
    """Refuse a spacing that is none, edges that go with another one, and the other way round."""
    check_choice("spacing", spacing, SPACINGS)
    if (spacing == GIVEN) != (edges is not None):
        raise UsageError(f"{option('spacing', GIVEN)} and {option('edges')} go together")
    if edges is not None:
        check_edges(edges, bands)


def ring_edges(edges: Sequence[float], rings: int) -> Edges:
    """Edges of rings that part each band into as many of equal width.

    `edges` are those of the bands; `rings` is a multiple of their number.

    Examples
    --------
    >>> ring_edges((0.5, 0.75), 6)
    (0.25, 0.5, 0.625, 0.75, 0.875)
    """
    ends = np.array([0.0, *edges, 1.0])
    parts = np.arange(rings // (len(ends) - 1)) / (rings // (len(ends) - 1))
    inner = ends[:-1, None] + np.diff(ends)[:, None] * parts
    return tuple(map(float, inner.ravel()[1:]))


def check_spacing(
    height: int,
    width: int,
    bands: int,
    norm: str,
    spacing: str = LINEAR,
    *,
    separate_dc: bool = False,
    edges: Sequence[float] | None = None,
) -> None:
    """Refuse bands that images of a size do not have, naming the most that they have."""
    if spacing == OCTAVE:
        check_bands(height, width, 1, norm, separate_dc=separate_dc)
        for fewer in range(bands, 0, -1):
            at = octave_edges(fewer)
            if first_empty(height, width, norm, at, separate_dc=separate_dc) is None:
                break
        if fewer < bands:
            raise too_many(height, width, bands, fewer)
    elif spacing == EQUAL_ENERGY:
        check_bands(height, width, 1, norm, separate_dc=separate_dc)
        _check_rings(height, width, bands, len(_rings(height, width, norm)[0]) - 1)
    else:
        check_bands(height, width, bands, norm, separate_dc=separate_dc, edges=edges)


def _check_rings(height: int, width: int, bands: int, rings: int) -> None:
    if bands > max(1, rings):
        raise too_many(height, width, bands, max(1, rings))


def _rings(height: int, width: int, norm: str) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Radii of the grid, rising from 0, and which of them each frequency of the half plane has."""
    plane = half_plane_radii(height, width, norm)
    order = np.argsort(plane, axis=None, kind="stable")
    rising = plane.ravel()[order]
    new = np.diff(rising, prepend=-1.0) > 2 * TOLERANCE
    ring = np.empty(plane.size, np.intp)
    ring[order] = np.cumsum(new) - 1
    return rising[new], ring.reshape(plane.shape)


def _most_equal(shares: NDArray[np.float64], parts: int) -> list[int]:
    """Where the runs begin that make the sum of their squared sums least, all of them not empty.

    The cost of a run obeys the quadrangle inequality, so where the best last run of a longer
    sequence begins rises with its end, and each round of ends halves the search of the next.
    """
    count = len(shares)
    total = np.concatenate([[0.0], np.cumsum(shares)])
    best, begun = np.square(total), []
    for part in range(1, parts):
        cost, begins = np.full(count + 1, np.inf), np.zeros(count + 1, np.intp)
        # Ends whose best beginning is not known yet, and where it lies.
        low, high, first, last = (np.array([at]) for at in (part + 1, count, part, count - 1))
        while len(low):
            end = (low + high) // 2
            many = np.minimum(last, end - 1) - first + 1
            at = np.cumsum(many) - many
            choice = np.arange(many.sum()) + np.repeat(first - at, many)
            sums = best[choice] + np.square(np.repeat(total[end], many) - total[choice])
            least = np.minimum.reduceat(sums, at)
            hits = np.flatnonzero(sums == np.repeat(least, many))
            begin = choice[hits[np.searchsorted(hits, at)]]
            cost[end], begins[end] = least, begin
            lower, upper = low < end, end < high
            low, high, first, last = (
                np.concatenate([below[lower], above[upper]])
                for below, above in (
                    (low, end + 1), (end - 1, high), (first, begin), (begin, last)
                )
            )  # fmt: skip
        best = cost
        begun.append(begins)
    starts, start = [], count
    for begins in reversed(begun):
        start = int(begins[start])
        starts.append(start)
    return [0, *reversed(starts)]
