"""How far outputs of any kind agree with those of the clean image (method, section 10).

``1 - mean over channels c of ||o_c(x_S) - o_c(x)||^2 / D_c``, where ``D_c`` is the mean of the same
distance between two different images of the sample: 1 at the clean image, 0 on average at the
output of another one, 1/2 at the mean output of a large sample; it may fall below 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

# Relative spread below which numbers differ by nothing but the rounding of float32 and of sums.
_ROUNDING = 1e-6
# Numbers that are worked on at a time: outputs may be large, and float64 doubles them.
_PART = 1 << 19


@dataclass(frozen=True)
class Block:
    """One output of an image, flattened, and which of its numbers are one channel.

    Attributes
    ----------
    before, channels, after : int
        The block is an array (before, channels, after) in C order.
    axis : int or None
        Of the output, counting the batch as axis 0; None: all of it is one channel.
    """

    before: int
    channels: int
    after: int
    axis: int | None = None

    @property
    def size(self) -> int:
        """Numbers of an image."""
        return self.before * self.channels * self.after

    @property
    def shape(self) -> tuple[int, int, int]:
        """As an array."""
        return self.before, self.channels, self.after

    def parts(self) -> Iterator[tuple[slice, ...]]:
        """Parts of the array that hold a moderate number of numbers, each of all channels."""
        long, other = (self.before, self.after), (self.after, self.before)
        axis = 0 if self.before >= self.after else 2
        length, beside = long if axis == 0 else other
        step = max(1, _PART // (self.channels * beside))
        for start in range(0, length, step):
            part = slice(start, start + step)
            yield (part,) if axis == 0 else (slice(None), slice(None), part)

    def squares(
        self, one: NDArray[np.floating], other: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Squared distance of two flat blocks in each channel, shape (channels,)."""
        found = np.zeros(self.channels)
        first, second = one.reshape(self.shape), other.reshape(self.shape)
        for part in self.parts():
            gap = first[part].astype(np.float64) - second[part]
            found += (gap * gap).sum(axis=(0, 2))
        return found


def alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same proportions, up to whole pixels."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*other)


def pairs_alike(shape: Sequence[int], picture: tuple[int, int]) -> list[int]:
    """Where two neighbouring axes have the proportions of a picture: the first axis of each pair.

    They may be height and width, so that the channels stand on another axis.
    """
    pairs = enumerate(pairwise(shape))
    return [axis for axis, pair in pairs if alike(pair, picture)]


def block_of(
    shape: Sequence[int], picture: tuple[int, int] | None = None, *, last: bool = False
) -> Block:
    """The channels of an output.

    Each number of a row (N, D) is a channel. Of a map (N, C, H, W) or (N, H, W, C) it is the axis
    beside the two that have the proportions of the model's input; where both ways do, the order of
    the input's axes is taken. Where neither does, it is the first or the last axis, whichever is
    shorter, the first where they are equal. Of a table (N, rows, numbers), such as the candidates
    of a detector, it is the shorter axis, the last where they are equal; but a map without an axis
    of channels (N, H, W), which has the proportions of the input, is one channel. Of more axes it
    is the last, or the last of the others where two at the end have the input's proportions.

    Parameters
    ----------
    shape : sequence of int
        Of one image's output, without the batch.
    picture : (int, int), optional
        Height and width of the model's input.
    last : bool
        The channels of the input stand on the last axis.
    """
    sizes = tuple(int(size) for size in shape) or (1,)
    if len(sizes) == 1:
        axis = 0
    elif len(sizes) == 2:
        height, width = picture or (0, 0)
        if picture is not None and sizes[0] * width == sizes[1] * height and min(sizes) > 1:
            return Block(1, 1, prod(sizes))
        axis = 0 if sizes[0] < sizes[1] else 1
    else:
        found = [] if picture is None else pairs_alike(sizes, picture)
        end = len(sizes) - 2
        if len(sizes) > 3:
            axis = end - 1 if found == [end] else len(sizes) - 1
        elif found:
            axis = 2 if found == [0] or (last and len(found) > 1) else 0
        else:
            axis = 0 if sizes[0] <= sizes[-1] else 2
    return Block(prod(sizes[:axis]), sizes[axis], prod(sizes[axis + 1 :]), axis + 1)


class Spread:
    """Mean squared distance between the outputs of different images, from running sums.

    It holds one number for each number of an output, whatever the number of images.

    Parameters
    ----------
    blocks : sequence of Block
        The outputs, which follow each other in a row.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self._count = 0
        self._means = [np.zeros(block.shape) for block in blocks]
        channels = sum(block.channels for block in blocks)
        self._about_mean, self._square = np.zeros(channels), np.zeros(channels)

    def add(self, rows: NDArray[np.floating]) -> None:
        """Take in outputs of more images, shape (n, width)."""
        for row in rows:
            self._count += 1
            start = first = 0
            for block, mean in zip(self.blocks, self._means, strict=True):
                output = row[start : start + block.size].reshape(block.shape)
                channels = slice(first, first + block.channels)
                for part in block.parts():
                    numbers = output[part].astype(np.float64)
                    self._square[channels] += (numbers * numbers).sum(axis=(0, 2))
                    gap = numbers - mean[part]
                    mean[part] += gap / self._count
                    numbers -= mean[part]
                    self._about_mean[channels] += (gap * numbers).sum(axis=(0, 2))
                start, first = start + block.size, first + block.channels

    @property
    def count(self) -> int:
        """Images taken in."""
        return self._count

    @property
    def distances(self) -> NDArray[np.float64]:
        """D_c of every channel, shape (channels,); 0 where images differ by rounding alone.

        Over the N (N - 1) pairs of different images the sum of squared distances is 2 N times the
        sum of squares about the mean.
        """
        if self._count < 2:
            return np.zeros_like(self._square)
        apart = 2 * self._about_mean / (self._count - 1)
        least = _ROUNDING**2 * self._square / self._count
        return np.where(apart > least, apart, 0.0)


def disagreement(
    blocks: Sequence[Block],
    distances: NDArray[np.float64],
    rows: NDArray[np.floating],
    references: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Per output the mean over its channels of ``||o_c(x_S) - o_c(x)||^2 / D_c``.

    Channels with ``D_c = 0`` are left out.

    Parameters
    ----------
    rows, references : ndarray, shape (n, width)

    Returns
    -------
    ndarray, shape (n, outputs)
        0 for an output without a channel that counts.
    """
    found = np.zeros((len(rows), len(blocks)))
    start = first = 0
    for number, block in enumerate(blocks):
        part = slice(start, start + block.size)
        apart = distances[first : first + block.channels]
        kept = apart > 0
        if kept.any():
            for row in range(len(rows)):
                squares = block.squares(rows[row, part], references[row, part])
                found[row, number] = (squares[kept] / apart[kept]).mean()
        start, first = start + block.size, first + block.channels
    return found


def shares_of_outputs(
    blocks: Sequence[Block], distances: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What part of the channels that count each output has, shape (outputs,); they sum to 1.

    All 0 where no channel counts.
    """
    ends = np.cumsum([block.channels for block in blocks])[:-1]
    counts = np.array([(part > 0).sum() for part in np.split(distances, ends)], float)
    return np.asarray(counts / max(1.0, counts.sum()))
