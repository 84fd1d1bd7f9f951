"""Frequency bands: the players of the game (method, section 1).

Spatial axes are always the last two; leading axes (channels, batches) pass through.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..checks import check_choice, check_truth, check_whole
from ..errors import InvalidOption, UsageError
from ..spelling import option
from .numbers import real_numbers

# How the two axis frequencies make a radius.
Norm = Literal["linf", "l2", "l1"]
NORMS: tuple[str, ...] = get_args(Norm)
# Also of rings. No picture, table or estimate has a use for more.
MOST_BANDS = 512
_AT_ONCE = 1 << 18


def band_index(
    height: int, width: int, bands: int = 8, norm: str = "linf", *, separate_dc: bool = False
) -> NDArray[np.intp]:
    """Band number of every frequency of the DFT grid.

    ``band(u, v) = min(floor(radius(u, v) * bands), bands - 1)`` with the radius in [0, 1]
    where 1 is Nyquist on each axis (method, section 1). The floor is taken in exact integer
    arithmetic for ``linf`` and ``l1``, so that no frequency falls into the wrong band through
    rounding.

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

    Returns
    -------
    ndarray of int, shape (height, width)
        Player numbers in the order of ``numpy.fft.fft2``.

    Raises
    ------
    UsageError
        A size of no pixels, a norm that does not exist, fewer than one band, more than
        `MOST_BANDS`, or so many that a band holds no frequency of this image.
    """
    return partition(height, width, bands, norm, separate_dc=separate_dc)


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
    parameter: str = "bands",
) -> NDArray[np.intp]:
    """As `band_index`, for a caller whose own parameter gives the number of bands."""
    check_bands(height, width, bands, norm, separate_dc=separate_dc, parameter=parameter)
    index = _radius_floor(_cycles(height), _cycles(width), height, width, bands, norm)
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


def check_bands(
    height: int,
    width: int,
    bands: int,
    norm: str,
    *,
    separate_dc: bool = False,
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
    if _all_held(height, width, bands, norm, separate_dc=separate_dc):
        return
    fewer = range(bands - 1, 0, -1)
    most = (m for m in fewer if _all_held(height, width, m, norm, separate_dc=separate_dc))
    largest = next(most, None)
    raise UsageError(
        f"{option(parameter, bands)} is too many for images of {width} x {height} pixels: some "
        "bands would hold no frequency" + ("" if largest is None else f"; use at most {largest}")
    )


def _all_held(height: int, width: int, bands: int, norm: str, *, separate_dc: bool) -> bool:
    """Whether every band holds a frequency; DC does not count where it stands apart.

    One step along an axis of more than ``2 * bands`` pixels changes the radius by less than a
    band is wide. So on two such axes no band is empty, and along one of them a line of frequencies
    meets all bands between those of its ends, which then stand for the line.
    """
    short, long = sorted((height, width))
    if short > 2 * bands:
        return True
    rows = np.arange(short // 2 + 1)
    columns = np.array([0, long // 2]) if long > 2 * bands else np.arange(long // 2 + 1)
    index = _radius_floor(rows, columns, short, long, bands, norm)
    if long > 2 * bands:
        held = np.zeros(bands + 1, np.intp)
        np.add.at(held, index[:, 0], 1)
        np.add.at(held, index[:, 1] + 1, -1)
        return bool((np.cumsum(held)[:-1] > 0).all())
    counts = np.bincount(index.ravel(), minlength=bands)
    counts[0] -= separate_dc
    return bool((counts > 0).all())


def _cycles(size: int) -> NDArray[np.int64]:
    """Whole cycles per image of each line of an axis; its frequency of section 1 is 2 k / size."""
    lines = np.arange(size, dtype=np.int64)
    return np.minimum(lines, size - lines)


def _radius_floor(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    height: int,
    width: int,
    bands: int,
    norm: str,
) -> NDArray[np.intp]:
    """Band of each pair of cycles per image down the rows and along the columns."""
    rows, columns = rows[:, None], columns[None, :]
    if norm == "linf":
        index = np.maximum(2 * rows * bands // height, 2 * columns * bands // width)
    elif norm == "l1":
        index = bands * (rows * width + columns * height) // (height * width)
    else:
        radius = np.hypot(2 * rows / height, 2 * columns / width) / np.sqrt(2)
        # 1e-9 keeps exact multiples of 1 / bands on their upper side despite rounding.
        index = np.floor(radius * bands + 1e-9).astype(np.int64)
    return np.minimum(index, bands - 1).astype(np.intp)


def band_images(
    image: NDArray[Any], bands: int = 8, norm: str = "linf", *, separate_dc: bool = False
) -> NDArray[np.floating[Any]]:
    """Split an image into its band images (method, section 1).

    ``x_i = IDFT(1[band = i] * DFT(x))``: real, and they sum to the image.

    Parameters
    ----------
    image : array, shape (..., H, W)
        Pixel values in any unit, usually [0, 1] and C x H x W.
    bands, norm, separate_dc
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
    index = band_index(height, width, bands, norm, separate_dc=separate_dc)
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
