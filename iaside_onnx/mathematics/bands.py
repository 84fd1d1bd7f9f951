"""Frequency bands: the players of the game (method, section 1).

Spatial axes are always the last two; leading axes (channels, batches) pass through.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_truth, check_whole, is_number
from ..defaults import BANDS, PUBLISHED
from ..errors import InvalidOption, UsageError
from ..spelling import option
from .numbers import real_numbers

# How the two axis frequencies make a radius.
Norm = Literal["linf", "l2", "l1"]
NORMS: tuple[str, ...] = get_args(Norm)
# Of functions on plain arrays, as published, whatever the default of what is measured.
NORM: str = PUBLISHED["norm"]
# Also of rings. No picture, table or estimate has a use for more.
MOST_BANDS = 512
# Radii this near are one: it keeps a radius on its side of an edge despite rounding.
TOLERANCE = 1e-9
_AT_ONCE = 1 << 18
# Of the shorter side, beyond which not every line of frequencies is looked at.
_MOST_LINES = 1 << 12


def band_index(
    height: int,
    width: int,
    bands: int = BANDS,
    norm: str = NORM,
    *,
    separate_dc: bool = False,
    edges: Sequence[float] | None = None,
) -> NDArray[np.intp]:
    """Band number of every frequency of the DFT grid.

    ``band(u, v) = min(floor(radius(u, v) * bands), bands - 1)`` with the radius in [0, 1]
    where 1 is Nyquist on each axis (method, section 1). The floor is taken in exact integer
    arithmetic for ``linf`` and ``l1``, so that no frequency falls into the wrong band through
    rounding. With other `edges` a frequency is in the last band that begins at or below its radius.

    Parameters
    ----------
    height, width : int
        Size of the image in pixels.
    bands : int
        Number of bands M; band 0 is the lowest.
    norm : {"linf", "l2", "l1"}
        How the two axis frequencies make a radius.
    separate_dc : bool
        Make DC (the mean colour) a player of its own: DC is player 0 and the M bands, the
        lowest now without DC, are players 1 to M.
    edges : sequence of float, optional
        The M - 1 radii at which the bands 1 to M - 1 begin, ascending, in (0, 1], such as
        `spacing.octave_edges` gives; None: bands of equal width, k / M.

    Returns
    -------
    ndarray of int, shape (height, width)
        Player numbers in the order of ``numpy.fft.fft2``.

    Raises
    ------
    UsageError
        A size of no pixels, a norm that does not exist, fewer than one band, more than
        `MOST_BANDS`, so many that a band holds no frequency of this image, or edges that are none.
    """
    return partition(height, width, bands, norm, separate_dc=separate_dc, edges=edges)


def band_names(bands: int, *, separate_dc: bool) -> list[str]:
    """Short names of the players, lowest first; "DC" where it is one of its own."""
    return [*["DC"] * separate_dc, *map(str, range(bands))]


def partition(
    height: int,
    width: int,
    bands: int,
    norm: str,
    *,
    separate_dc: bool = False,
    edges: Sequence[float] | None = None,
    parameter: str = "bands",
) -> NDArray[np.intp]:
    """As `band_index`, for a caller whose own parameter gives the number of bands."""
    check_bands(
        height, width, bands, norm, separate_dc=separate_dc, edges=edges, parameter=parameter
    )
    rows, columns = _cycles(height)[:, None], _cycles(width)[None]
    index = _band_of(rows, columns, height, width, bands, norm, edges)
    if separate_dc:
        index = index + 1
        index[0, 0] = 0
    return index


def check_count(bands: int, parameter: str = "bands") -> None:
    """Refuse what is no number of bands for an image of any size."""
    check_whole(parameter, bands)
    if bands < 1:
        raise InvalidOption(parameter, bands, "at least one band is needed")
    if bands > MOST_BANDS:
        raise InvalidOption(parameter, bands, f"use at most {MOST_BANDS}")


def check_edges(edges: Sequence[float], bands: int) -> None:
    """Refuse what are no edges of so many bands, for an image of any size."""
    if not isinstance(edges, list | tuple | np.ndarray) or not all(map(is_number, edges)):
        raise InvalidOption("edges", edges, "give radii, such as 0.05,0.2,0.5")
    ends = np.array([0.0, *map(float, edges)])
    inside = ends.min() >= 0.0 and ends.max() <= 1.0  # of nan neither
    if not inside or not (np.diff(ends) > TOLERANCE).all():
        raise InvalidOption("edges", edges, "give ascending radii above 0, up to 1 (Nyquist)")
    if len(edges) != bands - 1:
        raise InvalidOption(
            "edges", edges, f"{len(edges)} edges make {option('bands', len(edges) + 1)}"
        )


def check_bands(
    height: int,
    width: int,
    bands: int,
    norm: str,
    *,
    separate_dc: bool = False,
    edges: Sequence[float] | None = None,
    parameter: str = "bands",
) -> None:
    """Refuse what `partition` refuses, at little cost whatever size is claimed."""
    for name, side in (("height", height), ("width", width)):
        check_whole(name, side)
        if side < 1:
            raise InvalidOption(name, side, "an image has at least one pixel")
    check_choice("norm", norm, NORMS)
    check_count(bands, parameter)
    check_truth("separate_dc", separate_dc)
    if edges is not None:
        check_edges(edges, bands)
        if (empty := first_empty(height, width, norm, edges, separate_dc=separate_dc)) is None:
            return
        low, high = ([0.0, *edges, 1.0][empty + end] for end in (0, 1))
        named = option("edges") if parameter == "bands" else option(parameter, bands)
        raise UsageError(
            f"{named}: {parameter[:-1]} {empty} of {bands}, radius {low:.4g} to {high:.4g}, would "
            f"hold no frequency of images of {width} x {height} pixels"
        )
    if _all_held(height, width, bands, norm, separate_dc=separate_dc):
        return
    fewer = range(bands - 1, 0, -1)
    most = (m for m in fewer if _all_held(height, width, m, norm, separate_dc=separate_dc))
    raise too_many(height, width, bands, next(most, None), parameter)


def too_many(
    height: int, width: int, bands: int, largest: int | None, parameter: str = "bands"
) -> UsageError:
    """The error of more bands than a size of images has, which names the `largest` number."""
    return UsageError(
        f"{option(parameter, bands)} is too many for images of {width} x {height} pixels: some "
        "bands would hold no frequency" + ("" if largest is None else f"; use at most {largest}")
    )


def _all_held(height: int, width: int, bands: int, norm: str, *, separate_dc: bool) -> bool:
    """Whether every band of equal width holds a frequency; DC does not count where it stands apart.

    One step along an axis of more than ``2 * bands`` pixels changes the radius by less than a
    band is wide. So on two such axes no band is empty, and along one of them a line of frequencies
    meets all bands between those of its ends, which then stand for the line.
    """
    short, long = sorted((height, width))
    if short > 2 * bands:
        return True
    rows = np.arange(short // 2 + 1)[:, None]
    columns = np.array([0, long // 2]) if long > 2 * bands else np.arange(long // 2 + 1)
    index = _band_of(rows, columns[None], short, long, bands, norm, None)
    if long > 2 * bands:
        held = np.zeros(bands + 1, np.intp)
        np.add.at(held, index[:, 0], 1)
        np.add.at(held, index[:, 1] + 1, -1)
        return bool((np.cumsum(held)[:-1] > 0).all())
    counts = np.bincount(index.ravel(), minlength=bands)
    counts[0] -= separate_dc
    return bool((counts > 0).all())


def first_empty(
    height: int, width: int, norm: str, edges: Sequence[float], *, separate_dc: bool = False
) -> int | None:
    """The lowest band that would hold no frequency; DC does not count where it stands apart.

    On each line of frequencies along the longer axis those next to where the line enters the band
    are looked at: if any of the line are in it, one of these is.
    """
    short, long = sorted((height, width))
    half = short // 2
    step = max(1, half // _MOST_LINES)
    rows = np.unique(np.append(np.arange(0, half + 1, step), half))[:, None]
    for band, edge in enumerate([0.0, *edges]):
        down = 2 * rows / short
        if norm == "linf":
            across = np.where(down < edge, edge, 0.0)
        elif norm == "l1":
            across = 2 * edge - down
        else:
            across = np.sqrt(np.maximum(2 * edge**2 - down**2, 0.0))
        # The first has no frequency below that is in the band, and DC may not count.
        columns = np.floor(across * long / 2).astype(np.int64) + np.arange(-1, 3)
        columns = columns.clip(0, long // 2)
        held = _band_of(rows, columns, short, long, len(edges) + 1, norm, edges) == band
        if separate_dc:
            held &= (rows > 0) | (columns > 0)
        if not held.any():
            return band
    return None


def _cycles(size: int) -> NDArray[np.int64]:
    """Whole cycles per image of each line of an axis; its frequency of section 1 is 2 k / size."""
    lines = np.arange(size, dtype=np.int64)
    return np.minimum(lines, size - lines)


def radii(
    rows: NDArray[np.int64], columns: NDArray[np.int64], height: int, width: int, norm: str
) -> NDArray[np.float64]:
    """Radius of frequencies of `rows` and `columns` cycles per image, 1 at Nyquist on each axis."""
    down, across = 2 * rows / height, 2 * columns / width
    if norm == "linf":
        return np.asarray(np.maximum(down, across))
    if norm == "l1":
        return np.asarray((down + across) / 2)
    return np.asarray(np.hypot(down, across) / np.sqrt(2))


def half_plane_radii(height: int, width: int, norm: str) -> NDArray[np.float64]:
    """Radius of each frequency of ``rfft2``, shape (height, width // 2 + 1)."""
    columns = np.arange(width // 2 + 1)[None]
    return radii(_cycles(height)[:, None], columns, height, width, norm)


def _band_of(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    height: int,
    width: int,
    bands: int,
    norm: str,
    edges: Sequence[float] | None,
) -> NDArray[np.intp]:
    """Band of frequencies of cycles per image down the rows and along the columns."""
    if edges is not None:
        radius = radii(rows, columns, height, width, norm)
        return np.searchsorted(np.asarray(edges), radius + TOLERANCE, side="right")
    if norm == "linf":
        index = np.maximum(2 * rows * bands // height, 2 * columns * bands // width)
    elif norm == "l1":
        index = bands * (rows * width + columns * height) // (height * width)
    else:
        radius = radii(rows, columns, height, width, norm)
        index = np.floor(radius * bands + TOLERANCE).astype(np.int64)
    return np.minimum(index, bands - 1).astype(np.intp)


def band_images(
    image: NDArray[Any],
    bands: int = BANDS,
    norm: str = NORM,
    *,
    separate_dc: bool = False,
    edges: Sequence[float] | None = None,
) -> NDArray[np.floating[Any]]:
    """Split an image into its band images (method, section 1).

    ``x_i = IDFT(1[band = i] * DFT(x))``: real, and they sum to the image.

    Parameters
    ----------
    image : array, shape (..., H, W)
        Pixel values in any unit, usually [0, 1] and C x H x W.
    bands, norm, separate_dc, edges
        As for `band_index`, with its errors, and one for pixels that are no finite numbers.

    Returns
    -------
    ndarray, shape (players, ..., H, W)
        float32 for float32 input, else float64.

    Examples
    --------
    >>> import numpy as np
    >>> parts = band_images(np.random.default_rng(0).random((3, 32, 32)), bands=4)
    >>> parts.shape
    (4, 3, 32, 32)
    """
    pixels = real_numbers("pixels of an image", image, axes=2)
    if pixels.dtype != np.float32:
        pixels = pixels.astype(np.float64)
    height, width = pixels.shape[-2:]
    index = band_index(height, width, bands, norm, separate_dc=separate_dc, edges=edges)
    return split(pixels, index)


def split(
    pixels: NDArray[Any], index: NDArray[np.intp], out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Band images for a band index made once by `band_index`, into `out` where given."""
    width = index.shape[1]
    players = int(index.max()) + 1
    parts = np.empty((players, *pixels.shape), dtype=pixels.dtype) if out is None else out
    half = index[:, : width // 2 + 1]
    import scipy.fft  # a report is read without it

    spectrum = scipy.fft.rfft2(pixels)
    # As many players at once as stay in the cache together.
    step = max(1, _AT_ONCE // pixels.size)
    for first in range(0, players, step):
        chosen = np.arange(first, min(first + step, players))
        member = half == chosen[:, None, None]
        # Columns beyond the last one in use are zero, and irfft pads with zeros by itself.
        columns = int(np.flatnonzero(member.any(axis=(0, 1)))[-1]) + 1
        member = member.reshape(len(chosen), *(1,) * (pixels.ndim - 2), *half.shape)
        masked = member[..., :columns] * spectrum[..., :columns]
        rows = scipy.fft.ifft(masked, axis=-2, overwrite_x=True)
        parts[chosen[0] : chosen[-1] + 1] = scipy.fft.irfft(rows, n=width, axis=-1)
    return parts
