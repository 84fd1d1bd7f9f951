"""Corrupted images of a sample, made by threads while the model works on those before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, several
from ..corruptions.corrupt import corrupt, generator
from ..corruptions.severity import SEVERITIES, check_severity, chosen
from ..inference.providers import Provider
from .game import available_cores

# Images made ahead of their use: so many bytes, and so many corruptions at all severities.
_AHEAD_BYTES = 1 << 26
_AHEAD = 64
_MOST_THREADS = 8
Image = NDArray[np.float32]  # shape (C, H, W)


def asked_corruptions(
    corruption: str | Sequence[str], severity: int | Sequence[int]
) -> tuple[list[str], list[int]]:
    """Names and severities asked for, in the order of the catalogue; unknown ones are refused.

    Empty lists ask for the published corruptions, "imagenet-c", and for all severities.
    """
    names, levels = several("corruption", corruption), several("severity", severity)
    for name in names:
        check_kind("corruption", name, str, "names of corruptions")
    for level in levels:
        check_severity(level)
    chosen_levels = [level for level in SEVERITIES if not levels or level in levels]
    return chosen(names or ["imagenet-c"]), chosen_levels


def corruption_threads(provider: Provider | None) -> int:
    """Threads that corrupt: half of the cores where the model needs them too, else most.

    `provider` runs a model meanwhile, if one runs.
    """
    cores, shared = available_cores(), provider is not None and provider.own_cores
    return max(1, min(_MOST_THREADS, cores // 2 if shared else cores - 1))


def corrupted(
    pixels: Callable[[int], NDArray[np.float32]],
    keys: list[str],
    positions: list[int],
    names: list[str],
    levels: list[int],
    seed: int,
    *,
    features: int,
    threads: int,
    own: Sequence[Callable[[int], list[NDArray[np.float32]]]] = (),
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Each image of `positions` clean, then under each corruption and severity, in order.

    `measure_robustness` and `measure_snr` perturb images alike with one seed.

    Parameters
    ----------
    pixels : callable
        Position to image in [0, 1], shape (C, H, W); called from other threads.
    keys : list of str
        From `draw_key`, of all images of the sample.
    features, threads, own
        As for `perturbed`, and so is what is yielded.
    """

    def make(clean: NDArray[np.float32], position: int, name: str, level: int) -> Image:
        return corrupt(clean, name, level, generator(seed, keys[position], name, level))

    what = positions, names, levels, make
    return perturbed(pixels, *what, features=features, threads=threads, own=own)


def perturbed(
    pixels: Callable[[int], NDArray[np.float32]],
    positions: list[int],
    names: list[str],
    levels: list[int],
    make: Callable[[NDArray[np.float32], int, str, int], NDArray[np.float32]],
    *,
    features: int,
    threads: int,
    own: Sequence[Callable[[int], list[NDArray[np.float32]]]] = (),
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Each image of `positions` clean, then as `make` perturbs it, in order.

    The order, and each image, is the same however many threads there are.

    Parameters
    ----------
    pixels : callable
        Position to image in [0, 1], shape (C, H, W); called from other threads, and so is `make`.
    make : callable
        Takes an image, its position, the name of a perturbation and a severity.
    features : int
        Numbers in an image; the fewer, the more are made ahead.
    own : sequence of callable
        Further perturbations, after those of `names`: position to images, at each severity or only
        at the first.

    Yields
    ------
    position, column : int
        Column -1 is the clean image, the others count severities within perturbations.
    image : ndarray of float32, shape (C, H, W)
    """

    def at_levels(image: Future[list[Image]], position: int, name: str) -> list[Image]:
        # Submitted before, so under way or done: threads take what came first.
        (clean,) = image.result()
        return [make(clean, position, name, level) for level in levels]

    def submitted() -> Iterator[tuple[int, int, Future[list[Image]]]]:
        for position in positions:
            image = pool.submit(lambda position: [pixels(position)], position)
            yield position, -1, image
            for row, name in enumerate(names):
                yield position, row * len(levels), pool.submit(at_levels, image, position, name)
            for row, pictures in enumerate(own, len(names)):
                yield position, row * len(levels), pool.submit(pictures, position)

    ahead = max(threads + 1, min(_AHEAD, _AHEAD_BYTES // (4 * features * len(levels))))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="iaside-corrupt")
    try:
        waiting = deque(islice(work := submitted(), ahead))
        while waiting:
            position, column, images = waiting.popleft()
            for number, image in enumerate(images.result()):
                yield position, column + number, image
            waiting.extend(islice(work, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
