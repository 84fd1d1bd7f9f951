"""Play the game: fill the value table, image by image (method, section 3).

`coalitions` says what is to be evaluated: one row for all images, or a row an image.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from ..inference.engine import Engine
from ..inference.input_form import InputForm
from ..inference.model import OutOfMemoryError, RunError
from ..inference.session import Runtime
from ..mathematics.bands import split
from .batch_size import BatchSize, no_batch
from .clean_check import CleanCheck
from .no_numbers import refuse_infinite

# Mean square of a band's pixels up to which it holds nothing but rounding of float32.
_NOTHING = 1e-14
# More do not help: memory is as busy as it can be (measured beside a GPU, on 16 cores).
_MOST_THREADS = 4


@dataclass(frozen=True)
class BandRows:
    """Prepares images for the engine.

    Attributes
    ----------
    pixels : callable
        Position in the sample to its image in pixel space, shape (C, H, W).
    baseline : callable
        Position to the image whose bands stand for absent ones, of the same shape.
    index : ndarray of int, shape (H, W)
        From `band_index`.
    affine : bool
        Apply the affine step here (it is linear); False where the companion does it.
    """

    pixels: Callable[[int], NDArray[np.float32]]
    baseline: Callable[[int], NDArray[np.float32]]
    index: NDArray[np.intp]
    engine: Engine
    affine: bool = True

    def __call__(self, position: int) -> NDArray[np.float32]:
        """Rows of one image, shape (rows, features): what each band adds, then the baseline.

        ``x_S = sum_{i in S} x_i + sum_{i not in S} b_i`` is the baseline plus the bands of the
        difference x - b, so one decomposition serves every absence scheme.
        """
        form, step = self.engine.model.form, self.engine.model.affine
        baseline = self.baseline(position)
        pixels = self.pixels(position)
        difference = pixels - baseline
        if self.affine:
            difference, baseline = step.linear(difference), step.full(baseline)
        else:
            difference, baseline = difference[step.order], baseline[step.order]
        planes, players = (form.channels, form.height, form.width), self.engine.players
        rows = np.empty((players + self.engine.whole + 1, *planes), np.float32)
        split(difference, self.index, out=rows[:players])
        if self.engine.whole:
            rows[-2] = step.full(pixels)
        rows[-1] = baseline
        return laid_out(rows, form)


@dataclass(frozen=True)
class SplitRows:
    """Prepares images for the engine where each band is split into gain and residual.

    With e_i the clean band without DC, ``g_i = <x'_i, e_i> / ||e_i||^2`` over all channels (0 where
    e_i is nothing but rounding), a perturbed band is ``x'_i = x_i + (g_i - 1) e_i + r_i``: what is
    taken away of the band, and what is added to it, a shift of DC included. So
    ``x_(G,R) = x' + sum_{i in G} (1 - g_i) e_i - sum_{i in R} r_i``.
    """

    pixels: Callable[[int], NDArray[np.float32]]
    perturbed: Callable[[int], NDArray[np.float32]]
    index: NDArray[np.intp]
    engine: Engine

    def __call__(self, position: int) -> NDArray[np.float32]:
        """Rows of one image, shape (2 M + 2, features), as `BandRows` makes them."""
        form, step = self.engine.model.form, self.engine.model.affine
        perturbed = self.perturbed(position)
        clean = self.pixels(position)
        bands = split(clean.astype(np.float64), self.index)
        others = split(perturbed.astype(np.float64), self.index)
        bands_apart = bands - bands.mean(axis=(-2, -1), keepdims=True)
        power = np.square(bands_apart).sum(axis=(1, 2, 3))
        power[power < _NOTHING * clean.size] = 0
        together = (others * bands_apart).sum(axis=(1, 2, 3))
        gains = np.divide(together, power, out=np.zeros_like(power), where=power > 0)
        missing = (1 - gains)[:, None, None, None] * bands_apart
        added = bands - others - missing  # -r_i
        rows = np.concatenate([missing, added]).astype(np.float32)
        rows = np.concatenate([step.linear(rows), step.full(np.stack([clean, perturbed]))])
        return laid_out(rows, form)


def laid_out(rows: NDArray[np.float32], form: InputForm) -> NDArray[np.float32]:
    """Rows of shape (R, C, H, W) as the engine takes them, (R, features) in the model's layout."""
    if form.layout == "nhwc":
        rows = np.moveaxis(rows, 1, -1)
    return rows.reshape(len(rows), -1)


def preparing_threads(runtime: Runtime) -> int:
    """Threads that prepare images while the model works; 0: prepared in turns with it.

    A device has to be fed by as many cores as there are. Beside a model on the processor one thread
    helps where it has a core of its own, or there are many.

    On 2 cores that the model keeps busy, preparing the next images meanwhile cost a tenth of the
    speed, because threads of the model waited for one that had lost its core; in turns it cost a
    fiftieth (SqueezeNet at 224 pixels).
    """
    cores = available_cores()
    if not runtime.execution.own_cores:
        return max(1, min(_MOST_THREADS, cores - 1))
    return int(cores > 4 or 0 < runtime.threads < cores)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def play(
    engine: Engine,
    prepare: Callable[[int], NDArray[np.float32]],
    coalitions: NDArray[np.uint64],
    labels: NDArray[np.int64],
    positions: list[int],
    batch: BatchSize,
    store: Callable[[int, NDArray[np.float32]], None],
    progress: Callable[[int], None],
    name: Callable[[int], str] = str,
    *,
    threads: int = 1,
    check: CleanCheck | None = None,
) -> None:
    """Evaluate the coalitions of the images at `positions`.

    Small images are packed several to a run where the batch is larger than the number of
    coalitions, else one image's coalitions are split into runs.

    Parameters
    ----------
    prepare : callable
        Position to band rows (a `BandRows`); called from other threads, while the model works,
        unless `threads` is 0.
    coalitions : ndarray of uint64, shape (C,) or (K, C)
        The engine's, which all images share; or a row for each position of the sample.
    labels : ndarray of int64, shape (K,)
        Class index in the model's output, for each position of the sample.
    store, progress : callable
        As `Store` and `Advance` of a measurement; a row holds the values of all coalitions, and
        after them, where the task has more columns, each of these.
    name : callable
        Position to the image's id, for errors.
    check : CleanCheck, optional
        Compares every image's grand coalition with the clean pass. Where it is none of the
        coalitions it runs among them, since only the runs that make the table can vouch for it.
    """
    if not positions:
        return
    grand = np.uint64((1 << engine.players) - 1)
    # Where images have coalitions of their own, the grand one of each stands in the same place.
    places = np.flatnonzero(
        (coalitions if coalitions.ndim == 1 else coalitions[positions[0]]) == grand
    )
    added = check is not None and not len(places)
    columns = coalitions.shape[-1] + added
    waiting = deque(positions)

    def begin() -> _Group | None:
        if not waiting:
            return None
        count = min(max(1, batch.size // columns), len(waiting))
        if engine.model.form.fixed_batch:
            count = 1
        return _Group(engine, [waiting.popleft() for _ in range(count)], take, beside)

    with _prepared(prepare, positions, threads) as take, _beside(engine) as beside:
        following = begin()
        while (now := following) is not None:
            now.finish()
            # While the size of a group may change, the next one is not known.
            following = None if batch.searching else begin()
            group = now.positions
            own = coalitions[group] if coalitions.ndim == 2 else None
            at = np.full(len(group), places[-1]) if len(places) else None
            if added:
                at = np.array([_place_among(columns, position) for position in group])
                rows = zip(coalitions[group] if own is None else own, at, strict=True)
                own = np.stack([np.insert(row, place, grand) for row, place in rows])
            meanwhile = None if following is None else following.start
            counted = _Counted(progress, at if added else None)
            table = _evaluate(
                engine, now, own, columns, labels[group], batch, counted, meanwhile,
                work=columns * len(positions),
            )  # fmt: skip
            following = following or begin()
            for number, (position, values) in enumerate(zip(group, table, strict=True)):
                masks = coalitions if own is None else own[number]
                _check_finite(engine, values, masks, name(position))
                if check is not None and at is not None:
                    check(position, values[:, 0], int(at[number]), name)
                if added and at is not None:
                    values = np.delete(values, at[number], axis=0)
                store(position, values.T.ravel())


def _place_among(columns: int, position: int) -> int:
    """Where the grand coalition of an image runs among its others.

    In the middle, at the end or at the start, so that where these take several runs each kind of
    run is looked at; in the middle first, where it is in the second of two runs of one shape.
    """
    return (columns // 2, columns - 1, 0)[position % 3]


def _check_finite(
    engine: Engine, values: NDArray[np.float32], masks: NDArray[np.uint64], name: str
) -> None:
    """Refuse what is no number, shape (columns, columns of the task)."""
    bad = ~np.isfinite(values)
    if bad.any():
        at = int(np.flatnonzero(bad.any(axis=1))[0])
        refuse_infinite(engine.model.path, f"{name} under coalition {masks[at]}", values[at])


@dataclass(frozen=True)
class _Counted:
    """Progress of a group in passes that the table is made of.

    `added` are the places of those that are not, an image each.
    """

    progress: Callable[[int], None]
    added: NDArray[np.intp] | None

    def __call__(self, images: slice, start: int, stop: int) -> None:
        """Images of the group are done with coalitions `start` to `stop`."""
        passes = (images.stop - images.start) * (stop - start)
        if self.added is not None:
            places = self.added[images]
            passes -= int(((start <= places) & (places < stop)).sum())
        self.progress(passes)


class _Group:
    """Rows of images that are evaluated together, on the device before their turn where it pays.

    Memory of a device is filled over a bus, which takes as long as the model needs for dozens of
    passes, and meanwhile the device can work on the group before.
    """

    def __init__(
        self,
        engine: Engine,
        positions: list[int],
        take: Callable[[int], list[NDArray[np.float32]]],
        beside: ThreadPoolExecutor | None,
    ) -> None:
        self.positions, self._engine, self._take = positions, engine, take
        self.rows = np.empty(0, np.float32)
        self._bands: ort.OrtValue | None = None
        self._beside = beside
        self._coming: Future[None] | None = None

    def start(self) -> None:
        """Prepare and place the rows from now on, beside what else is done."""
        if self._beside is not None and self._coming is None:
            self._coming = self._beside.submit(self._prepare, place=True)

    def _prepare(self, *, place: bool) -> None:
        images = self._take(len(self.positions))
        self.rows = np.stack(images) if len(images) > 1 else images[0][None]
        if place:
            # What fails is met again, and dealt with, where the rows are needed.
            with suppress(OutOfMemoryError, RunError):
                self._bands = self._engine.place(self.rows)

    def finish(self) -> None:
        """Wait until the rows are there."""
        if self._coming is None:
            self._prepare(place=False)
        else:
            self._coming.result()

    def bands(self) -> ort.OrtValue:
        """All rows on the device.

        Raises
        ------
        OutOfMemoryError
        """
        if self._bands is None:
            self._bands = self._engine.place(self.rows)
        return self._bands


def _evaluate(
    engine: Engine,
    group: _Group,
    own: NDArray[np.uint64] | None,
    columns: int,
    labels: NDArray[np.int64],
    batch: BatchSize,
    counted: _Counted,
    meanwhile: Callable[[], None] | None,
    work: int,
) -> NDArray[np.float32]:
    """What the engine gives, shape (images, columns, columns of the task).

    `own` where each image has its coalitions; `meanwhile` is called where the device is busy;
    `work` are the passes of all groups.
    """
    count = len(group.rows)
    table = np.empty((count, columns, engine.columns), np.float32)
    first, start = 0, 0
    while first < count:
        size, searching = batch.size, batch.searching
        whole = start == 0 and size >= columns * (count - first)
        many = count - first if whole else 1
        stop = min(columns, start + batch.at_once(engine.span(size)))
        passes = many * (stop - start)
        run = batch.filled(work) if engine.one_shape else min(size, passes)
        began = time.perf_counter()
        try:
            chosen = slice(first, first + many)
            part = engine.place(group.rows[chosen]) if many < count else group.bands()
            masks = None if own is None else own[chosen]
            values = engine.values(part, start, stop, labels[chosen], run, masks, meanwhile)
        except (OutOfMemoryError, RunError) as error:
            engine.forget()
            if engine.model.form.fixed_batch or not batch.fails(run, error):
                raise no_batch(error) from error
            continue
        table[first : first + many, start:stop] = values
        batch.record(passes, time.perf_counter() - began, run)
        if searching and not batch.searching:
            engine.forget()
        counted(chosen, start, stop)
        start = stop % columns
        first += many if start == 0 else 0
    return table


@contextmanager
def _beside(engine: Engine) -> Iterator[ThreadPoolExecutor | None]:
    """A thread that puts rows on a device of its own memory while that works; else None."""
    if engine.on_host:
        yield None
        return
    pool = ThreadPoolExecutor(1, thread_name_prefix="iaside-place")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _prepared(
    prepare: Callable[[int], NDArray[np.float32]], positions: list[int], threads: int
) -> Iterator[Callable[[int], list[NDArray[np.float32]]]]:
    """What gives rows of the next images: threads while the model works, or at once when asked."""
    coming = iter(positions)
    if not threads:
        yield lambda count: list(map(prepare, islice(coming, count)))
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="iaside-bands")
    waiting: deque[Future[NDArray[np.float32]]] = deque()

    def take(count: int) -> list[NDArray[np.float32]]:
        for position in islice(coming, max(0, count + max(count, threads) - len(waiting))):
            waiting.append(pool.submit(prepare, position))
        return [waiting.popleft().result() for _ in range(count)]

    try:
        yield take
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
