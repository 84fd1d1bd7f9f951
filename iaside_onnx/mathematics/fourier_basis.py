"""Real 2-D Fourier basis vectors, and the frequencies that a Fourier heat map is made of.

Yin, Gontijo Lopes, Shlens, Cubuk and Gilmer, "A Fourier Perspective on Model Robustness in
Computer Vision", NeurIPS 2019 (arXiv 1906.08988), section 3. A frequency is a pair of signed whole
numbers of cycles per image, down the rows and along the columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidOption, UsageError
from ..spelling import option
from .bands import band_index

# Norms of the paper's perturbations and the sides of the images that they are for.
PUBLISHED_STRENGTHS = {32: 4.0, 224: 15.7}
LEAST_GRID = 3
# Finer grids are not searched for one that reaches all bands.
_MOST_TRIED = 513


def check_lines(lines: int) -> None:
    """Refuse what is no number of frequencies an axis for an image of any size."""
    if lines < LEAST_GRID or lines % 2 == 0:
        raise InvalidOption("grid", lines, f"give 'full' or an odd number of at least {LEAST_GRID}")


@dataclass(frozen=True)
class FrequencyGrid:
    """The frequencies of a heat map: a grid over the whole plane, and the vectors that it needs.

    The grid is symmetric about DC. A real vector's transform sits at a frequency and at its
    mirror image alike, so little more than half of the grid is measured. Lines stand at the middles
    of equal parts of each axis, so that a grid of ``2 M + 1`` lines has the middle of each of M
    bands; a grid of as many lines as the axes have frequencies has them all.

    Attributes
    ----------
    height, width : int
        Size of the images.
    lines : int or None
        Frequencies an axis, odd and at most those of the shorter axis; None takes all of them.
    """

    height: int
    width: int
    lines: int | None = None

    def __post_init__(self) -> None:
        if self.lines is None:
            return
        check_lines(self.lines)
        most = finest(self.height, self.width)
        if self.lines > most:
            raise UsageError(
                f"{option('grid', self.lines)} is too fine for images of {self.width} x "
                f"{self.height} pixels: use at most {most}, or 'full'"
            )

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """Cycles per image down the rows, ascending, shape (A,)."""
        return _axis(self.height, self.lines)

    @cached_property
    def columns(self) -> NDArray[np.int64]:
        """Cycles per image along the columns, ascending, shape (B,)."""
        return _axis(self.width, self.lines)

    @cached_property
    def _measured(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        row, column = np.meshgrid(self.rows, self.columns, indexing="ij")
        # The upper of a frequency and its mirror image; on an even axis Nyquist is both ends.
        here, there = (
            np.stack([_signed(sign * row, self.height), _signed(sign * column, self.width)])
            for sign in (1, -1)
        )
        upper = (here[0] > there[0]) | ((here[0] == there[0]) & (here[1] >= there[1]))
        pairs = np.where(upper, here, there).reshape(2, -1).T
        vectors, place = np.unique(pairs, axis=0, return_inverse=True)
        return vectors, place.reshape(row.shape)

    @property
    def least_vectors(self) -> int:
        """Half of the frequencies, rounded up, from the axes alone: the vectors are no fewer."""
        axes = (_signed(self.rows, self.height), _signed(self.columns, self.width))
        row, column = (len(np.unique(axis)) for axis in axes)  # both ends may be Nyquist
        return -(-row * column // 2)

    @property
    def vectors(self) -> NDArray[np.int64]:
        """Frequencies to measure, shape (V, 2): one of each conjugate pair."""
        return self._measured[0]

    @property
    def place(self) -> NDArray[np.int64]:
        """Which vector each frequency of the grid has, shape (A, B)."""
        return self._measured[1]

    @cached_property
    def weights(self) -> NDArray[np.int64]:
        """Coefficients of the DFT that each vector stands for, shape (V,): 2, or 1 if real."""
        row, column = self.vectors.T
        alone = (2 * row % self.height == 0) & (2 * column % self.width == 0)
        return np.where(alone, 1, 2)

    def bands(
        self,
        bands: int,
        norm: str,
        *,
        separate_dc: bool = False,
        edges: Sequence[float] | None = None,
    ) -> NDArray[np.intp]:
        """Band of each vector, shape (V,), as `bands.band_index` numbers them."""
        size = self.height, self.width
        index = band_index(*size, bands, norm, separate_dc=separate_dc, edges=edges)
        row, column = self.vectors.T
        return np.asarray(index[row % self.height, column % self.width])

    def missed(self, index: NDArray[Any]) -> list[int]:
        """Bands that no frequency of the grid lies in; `index` is that of `band_index`."""
        reached = index[np.ix_(self.rows % self.height, self.columns % self.width)]
        return [int(band) for band in np.setdiff1d(index, reached)]

    def least_finer(self, index: NDArray[Any]) -> int | None:
        """Least lines of a finer grid that reaches each band; None for all frequencies."""
        assert self.lines is not None
        most = min(finest(self.height, self.width), _MOST_TRIED)
        return next(
            (
                lines
                for lines in range(self.lines + 2, most + 1, 2)
                if not FrequencyGrid(self.height, self.width, lines).missed(index)
            ),
            None,
        )


def finest(height: int, width: int) -> int:
    """Most lines that a grid of a number of lines can have: those of the shorter axis."""
    return 2 * (min(height, width) // 2) + 1


def _axis(size: int, lines: int | None) -> NDArray[np.int64]:
    half = size // 2 if lines is None else lines // 2
    if half == 0:  # an axis of one pixel
        return np.zeros(1, np.int64)
    # Upwards from (j + 1/2) size / (2 half), the middle of part j, in whole numbers.
    above = -(-(2 * np.arange(half, dtype=np.int64) + 1) * size // (4 * half))
    return np.concatenate([-above[::-1], [0], above])


def _signed(frequency: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """The frequency from -size/2 (included) to size/2 that has the same samples."""
    return (frequency + size // 2) % size - size // 2


def basis_vectors(height: int, width: int, frequencies: NDArray[Any]) -> NDArray[np.float32]:
    """Real Fourier basis vectors U, each of l2 norm 1.

    ``U[y, x] = cas(2 pi (k_y y / H + k_x x / W)) / sqrt(H W)`` with ``cas = cos + sin``: its DFT is
    zero but at the frequency and its mirror image. It is the basis of the discrete Hartley
    transform, so vectors of different frequencies are orthogonal, and one formula holds for DC and
    Nyquist too, where U is +-1 / sqrt(H W). The published implementation has the same phase
    (its coefficients are 0.5 +- 0.5j; github.com/google-research/google-research,
    frequency_analysis).

    Frequencies have the shape (n, 2): cycles per image down the rows and along the columns, signed.
    The vectors have the shape (n, height, width).

    Examples
    --------
    >>> import numpy as np
    >>> U = basis_vectors(8, 8, np.array([[0, 0], [1, -2]]))
    >>> np.round(np.linalg.norm(U, axis=(1, 2)), 6).tolist()
    [1.0, 1.0]
    """
    waves = np.asarray(frequencies, np.int64)
    down = _angles(waves[:, 0], height)
    along = _angles(waves[:, 1], width)
    # cas(a + b) = cos(a) cas(b) + sin(a) cas(-b)
    left = np.stack([np.cos(down), np.sin(down)], axis=2)
    right = np.stack([np.cos(along) + np.sin(along), np.cos(along) - np.sin(along)], axis=1)
    left /= math.sqrt(height * width)
    return np.asarray(np.matmul(left.astype(np.float32), right.astype(np.float32)))


def _angles(cycles: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    # Whole turns taken off in exact arithmetic.
    return 2.0 * np.pi * (cycles[:, None] * np.arange(size) % size) / size


def default_strength(height: int, width: int) -> float:
    """The l2 norm of a perturbation of one channel, for pixels in [0, 1].

    The paper's at the sizes that it used: 4 for CIFAR-10 (32 pixels), 15.7 for ImageNet (224). In
    between, the root mean square over pixels is the geometric mean by the logarithm of the
    shorter side; beyond these sizes it is that of the nearest.
    """
    (small, weak), (large, strong) = PUBLISHED_STRENGTHS.items()
    share = math.log(min(height, width) / small) / math.log(large / small)
    share = min(1.0, max(0.0, share))
    contrast = (weak / small) ** (1.0 - share) * (strong / large) ** share
    return float(f"{contrast * math.sqrt(height * width):.4g}")
