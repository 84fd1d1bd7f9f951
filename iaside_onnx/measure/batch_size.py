"""The number of forward passes in a run: as asked for, as the file fixes it, or found by timing.

Which size is fastest is measured on work that counts, so the search costs only what the slower
sizes lose.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import ArtifactError, said
from ..inference.classifier import Classifier
from ..inference.cuda_diagnosis import cuda_memory
from ..inference.model import OutOfMemoryError
from ..settings import MOST_COUNT

# At each size: measurements and seconds after one run to warm up, and the passes of each.
_MEASUREMENTS = 3
_MEASURED_SECONDS = 0.05
_MEASURED_PASSES = 64
# The gain that makes a larger batch worth its memory; how much slower than the best ends the
# climb, and how much slower may still be noise.
_WORTHWHILE = 1.02
_HOPELESS = 1.25
_CLOSE = 1.15
# Of a device's memory, the share that the input of its first runs may take: what a network makes of
# it meanwhile is some dozen times as much.
_ROOM = 64
# So many sizes at most are measured again, so many times in turns.
_FINALISTS = 4
_ROUNDS = 3


class BatchSize:
    """The number of forward passes in a run: as asked for, or found by timing the first runs.

    Sizes double from the least; each is tried once to warm up and then timed. The climb ends when a
    size is clearly slower than the best, or when three doublings bring nothing. Since a machine may
    be slow for a moment, the sizes that came close then take turns. A twentieth of the whole work
    ends the search wherever it stands, and so does a tenth of the time that it will take.

    Parameters
    ----------
    asked : int or None
        None: search.
    least, largest : int
        Where the search starts and ends.
    work : int
        Forward passes of the whole job.

    Attributes
    ----------
    note : callable
        Told, once a smaller size has run, which one failed and why.
    """

    def __init__(self, asked: int | None, least: int = 1, largest: int = 1, work: int = 0) -> None:
        self._largest = max(1, largest)
        self._budget = work / 20
        self._spent = 0
        self._ran = 0
        self._part = 1
        self._seconds = 0.0
        self._best: dict[int, float] = {}
        self._timed: list[tuple[int, float]] = []
        self._warm = False
        self._finals: list[int] | None = None
        self._failed: tuple[int, ArtifactError] | None = None
        self.note: Callable[[str], None] = lambda _: None
        self.searching = asked is None
        self.size = asked if asked is not None else min(least, self._largest)

    def at_once(self, span: int) -> int:
        """Passes to hand over at once: one run to warm up, little while measuring, then `span`."""
        if not self.searching:
            return span
        return min(span, max(self.size, _MEASURED_PASSES)) if self._warm else self.size

    def filled(self, passes: int) -> int:
        """The size that runs are filled up to where a new shape costs, in a part of the work.

        A part of fewer passes than the batch (a worker's, of some images) would be padded for
        nothing; parts of about as many share one size, and smaller ones take that of those before.
        """
        self._part = max(self._part, 1 << max(0, passes - 1).bit_length())
        return min(self.size, self._part)

    def record(self, passes: int, seconds: float, run: int | None = None) -> None:
        """Take in how long `passes` took, in runs of `run`: of the present size, or of all."""
        self._ran = max(self._ran, min(self.size, passes) if run is None else run)
        if self._failed is not None:
            size, error = self._failed
            self._failed = None
            self.note(f"batch: {size} passes in a run fail ({said(error)}), so {self.size}")
        if not self.searching:
            return
        self._spent += passes
        self._seconds += seconds
        if not self._warm:
            self._warm = True
            return
        self._timed.append((passes, seconds))
        if len(self._timed) < _MEASUREMENTS or sum(t for _, t in self._timed) < _MEASURED_SECONDS:
            return
        # Other work on the machine can only slow a run down, so the least time is the truest.
        least = min(each / part for part, each in self._timed)
        self._best[self.size] = min(least, self._best.get(self.size, least))
        self._timed, self._warm = [], False
        following = self._following()
        costs = self._spent + (1 + _MEASUREMENTS) * following
        # Where a new shape is planned or compiled first, passes say little of what a size costs.
        late = self._seconds > 2 * self._budget * min(self._best.values())
        if following == 0 or costs > self._budget or late:
            self.searching = False
            self.size = min(self._within(_WORTHWHILE))
        else:
            self.size = following

    def _following(self) -> int:
        """The size to measure next; 0 at the end of the search."""
        if self._finals is None:
            winner = min(self._within(_WORTHWHILE))
            ended = self.size not in self._within(_HOPELESS) or self.size >= 8 * winner
            if not ended and 2 * self.size <= self._largest:
                return 2 * self.size
            finalists = sorted(self._within(_CLOSE)[:_FINALISTS])
            self._finals = finalists * _ROUNDS if len(finalists) > 1 else []
        return self._finals.pop(0) if self._finals else 0

    def _within(self, factor: float) -> list[int]:
        """Sizes that take at most so many times as long as the fastest, which comes first."""
        fastest = min(self._best.values())
        close = [size for size, seconds in self._best.items() if seconds <= fastest * factor]
        return sorted(close, key=self._best.__getitem__)

    def fails(self, size: int, error: ArtifactError) -> bool:
        """Take in that a run of `size` failed; whether a smaller one is to be tried.

        Lack of memory ends with smaller sizes, and so does what a library has to say of more
        numbers than it can count; a failure at a size that has run before is another matter.
        """
        known = size <= self._ran and not isinstance(error, OutOfMemoryError)
        if known or not self.halve(size):
            return False
        self._failed = self._failed or (size, error)
        return True

    def halve(self, size: int) -> bool:
        """Go on with half of `size`; False when nothing smaller is left."""
        if size <= 1:
            return False
        self.searching = False
        self.size = max(1, size // 2)
        return True


def no_batch(error: ArtifactError) -> ArtifactError:
    """What to raise where no size is left to try."""
    if isinstance(error, OutOfMemoryError):
        return ArtifactError(f"even the smallest batch fails: {said(error)}")
    return error


def batch_size(classifier: Classifier, asked: int | None, work: int) -> BatchSize:
    """The batch of a job of `work` forward passes: as asked for, as the file fixes it, or found."""
    form, provider = classifier.form, classifier.model.runtime.execution
    if form.fixed_batch:
        return BatchSize(form.fixed_batch)
    # Where runs are filled up to the batch, one beyond all the work is waste.
    most = max(1, work) if provider.one_shape else MOST_COUNT
    if asked is not None:
        return BatchSize(min(asked, most))
    bytes_each = 4 * max(form.features, classifier.model.output_numbers)
    largest = max(1, min(provider.most_batch, provider.most_bytes // bytes_each, most))
    runtime = classifier.model.runtime
    room = cuda_memory(runtime.device_id) // _ROOM if provider.libraries else 0
    filling = 1 << max(1, min(provider.first_bytes, room) // bytes_each).bit_length() - 1
    return BatchSize(None, max(provider.first_batch, filling), largest, work)
