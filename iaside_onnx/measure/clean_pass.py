"""One look at every image before the long work: clean accuracy, statistics, oddities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, said
from ..images.sample import ODDITIES, Sample, picture_oddities
from ..inference.classifier import Classifier
from ..inference.model import OutOfMemoryError, RunError
from ..inference.steadiness import difference
from ..inference.task import Tallying, Task
from ..listener import Listener
from ..mathematics.absence import SampleStatistics
from ..mathematics.temperature import fit_temperature
from ..onnx_file.graph import in_float32, quantises_on_the_fly
from ..plurals import counted
from ..results.places import look, reading
from ..results.precondition import accuracy_reason
from ..spelling import option
from ..tasks import CLASSES
from .own_outputs import own_references
from .places import as_typed
from .subject import Subject

_PIXELS = 1 << 22
# Images of the check whether a batch changes an image's scores, and the share of the largest score
# that kernels for batches of other sizes may change it by: more where numbers are kept to 11 bits,
# in float16 and on GPUs, whose kernels round their factors to TF32.
_MIXED_IMAGES = 8
_MIXED_TOLERANCE, _MIXED_TOLERANCE_11_BITS = 2e-3, 1e-2
# Where all of a graph is float32, on the CPU: the share of the spread of scores between images, and
# the share of the largest score, that only images which change each other pass both.
_MIXED_SPREAD, _MIXED_ROUNDING = 1e-3, 2e-5


@dataclass(frozen=True)
class CleanPass:
    """What one look at every image of the sample gave.

    Attributes
    ----------
    statistics : SampleStatistics
        Of the whole sample, where rows depend on it; else of the images of the shard.
    predicted : ndarray of int64, shape (n,)
        Top-1 index in the model's output for the clean images of the shard; all 0 where that
        has no classes.
    targets : ndarray, shape (K, ...)
        Those of the subject, or the model's own answers where these are taken.
    clean : ndarray of float32, shape (n,)
        Their values as the game counts them, such as log-probabilities of true classes.
    learned : Task or None
        The task as it has seen the whole sample; None of classes, which learn a temperature.
    tally : ndarray of float32, shape (n, numbers, classes), or None
        What the images are judged by together, where the task has that.
    one_by_one : bool
        An image's scores depend on the others in its batch, so that only a batch of one image
        gives its own scores.
    """

    statistics: SampleStatistics
    predicted: NDArray[np.int64]
    targets: NDArray[Any]
    clean: NDArray[np.float32]
    temperature: float
    one_by_one: bool = False
    learned: Task | None = None
    tally: NDArray[np.float32] | None = None


def decoded_positions(subject: Subject, *, whole_sample: bool) -> list[int]:
    """Positions whose pixels determine the rows of a shard."""
    learns = subject.model is not None and subject.model.task().learns
    learns = learns or subject.request.settings.temperature == "auto"
    return list(range(len(subject.sample))) if whole_sample or learns else subject.positions


def clean_pass(subject: Subject, *, whole_sample: bool) -> CleanPass:
    """Look at every image once: clean scores, sample statistics, oddities of the pictures.

    What determines the rows comes from the whole sample, whichever shard of it is measured: what
    stands for absent bands (`whole_sample`), a fitted temperature, what the task learns, and
    whether images share their batch. Clean scores cost a forward pass each, so beyond the shard
    they are computed only for a temperature to fit, or a task that learns, and pictures are decoded
    only where something depends on them.
    """
    sample, listener, classifier = subject.sample, subject.listener, subject.classifier
    form, answers = classifier.form, _Answers(subject)
    statistics, oddities = SampleStatistics(), np.zeros(len(ODDITIES), int)
    one_by_one = form.fixed_batch is None and mixes_images(sample, classifier, listener)
    decoded = decoded_positions(subject, whole_sample=whole_sample)
    numbers = max(form.features, classifier.model.output_numbers)
    group = min(len(decoded), max(1, min(64, _PIXELS // numbers)))
    for start in range(0, len(decoded), group):
        positions, images = [], []
        for position in decoded[start : start + group]:  # one by one: they may be large
            picture = sample.picture(position)
            pixels = classifier.pixels(picture)
            statistics.add(pixels)
            if position in answers.row_of:
                oddities += picture_oddities(picture)
            if answers.of_all or position in answers.row_of:
                positions.append(position)
                images.append(pixels)
        if positions:
            raw = _scores(subject, np.stack(images), positions, group, one_by_one=one_by_one)
            answers.add(positions, raw)
    for pictures, oddity in zip(oddities, ODDITIES, strict=True):
        if pictures:
            listener.warning(f"{counted(pictures, 'picture')} {oddity}")
    return answers.finished(statistics, one_by_one=one_by_one)


def _scores(
    subject: Subject,
    images: NDArray[np.float32],
    positions: list[int],
    group: int,
    *,
    one_by_one: bool,
) -> NDArray[np.float32]:
    """Raw scores of clean images, checked."""
    classifier, ids = subject.classifier, subject.sample.ids
    try:
        raw = _alone(classifier, images) if one_by_one else _together(classifier, images, group)
    except RunError as error:
        name = _failing(classifier, list(images), [ids[position] for position in positions])
        raise RunError(f"{said(error)}; with image {name}") from error
    bad = np.isnan(raw).reshape(len(raw), -1).any(axis=1)
    if bad.any():
        name = ids[positions[int(np.flatnonzero(bad)[0])]]
        raise ArtifactError(
            f"{classifier.artifact.path}: returns NaN for image {name}; check the "
            "preprocessing, or the file itself"
        )
    classifier.confirm_kind(raw)
    return raw


class _Answers:
    """The answers to clean images: references, values, and what the task learns of them.

    Attributes
    ----------
    row_of : dict
        Row of each position of the shard.
    of_all : bool
        Images beyond the shard are asked for too.
    """

    def __init__(self, subject: Subject) -> None:
        classifier, temperature = subject.classifier, subject.request.settings.temperature
        self.subject = subject
        self._of_classes = classifier.kind.name == CLASSES
        self._fit = temperature == "auto"
        self.task = classifier.task(1.0 if self._fit else float(temperature))
        self.of_all = self._fit or self.task.learns
        self.row_of = {position: row for row, position in enumerate(subject.positions)}
        rows = len(self.row_of)
        self._predicted = np.zeros(rows, np.int64)
        self._plain, self._clean = np.empty(rows), np.empty(rows, np.float32)
        self._scores: list[NDArray[np.float32]] = []
        self._tally: list[NDArray[np.float32]] = []
        self._targets = subject.targets.copy()
        if subject.own_answers and not self._of_classes:
            self._targets = own_references(self.task, len(subject.sample))

    def add(self, positions: list[int], raw: NDArray[np.float32]) -> None:
        """Take the raw scores of the images at some positions, ascending over all calls."""
        if self._fit:
            self._scores.append(raw)
        self.task = self.task.seen(raw) if self.task.learns else self.task
        measured = [position for position in positions if position in self.row_of]
        raw = raw[[position in self.row_of for position in positions]]
        rows = [self.row_of[position] for position in measured]
        if self._of_classes:
            self._add_classes(measured, rows, raw)
        if self.subject.own_answers and not self._of_classes:
            references = self._targets[measured] = self.task.answers(self.task.readings(raw))
        else:
            references = self._targets[measured]
        self._clean[rows] = self.task.values(raw, references)
        if isinstance(self.task, Tallying) and measured:
            self._tally.append(self.task.tally(self.task.readings(raw), references))

    def _add_classes(self, measured: list[int], rows: list[int], raw: NDArray[np.float32]) -> None:
        classifier = self.subject.classifier
        plain = classifier.task()
        self._predicted[rows] = plain.answers(classifier.logits(raw))
        if self.subject.own_answers:
            self._targets[measured] = self._predicted[rows]
        classes = self._targets[measured]
        self._plain[rows] = plain.readings(raw)[np.arange(len(rows)), classes]

    def finished(self, statistics: SampleStatistics, *, one_by_one: bool) -> CleanPass:
        """The clean pass, once all images were added; what it found is said in notes."""
        subject, clean, learned = self.subject, self._clean, None
        temperature: Any = subject.request.settings.temperature
        if self._of_classes:
            classes = self._targets[subject.positions]
            _say_accuracy(subject, self._predicted, classes, float(self._plain.mean()))
        else:
            learned = self.task.learned()
            targets = self._targets
            _say_task(subject, clean, learned.said(lambda: targets[subject.positions]))
        if self._fit:
            raw, classifier = np.concatenate(self._scores), subject.classifier
            temperature = fit_temperature(classifier.logits(raw), self._targets)
            clean = classifier.task(temperature).values(raw[subject.positions], classes)
            subject.listener.note(f"temperature: {temperature:.4f}, fitted on the clean sample")
        return CleanPass(
            statistics, self._predicted, self._targets, clean, float(temperature),
            one_by_one, learned, np.concatenate(self._tally) if self._tally else None,
        )  # fmt: skip


def _say_task(subject: Subject, clean: NDArray[np.float32], learned: str) -> None:
    """Note what images are compared with, where that is no class."""
    kind = subject.classifier.kind
    whose = "the model's own answers" if subject.own_answers else "the labels"
    subject.listener.note(
        f"task: {kind.what}; {counted(len(clean), 'image')} are compared with {whose}, mean "
        f"{kind.quantity} {float(clean.mean()):.3f} on clean images; there is no accuracy"
    )
    if learned:
        subject.listener.note(learned)


def _say_accuracy(
    subject: Subject, predicted: NDArray[np.int64], classes: NDArray[np.int64], mean: float
) -> None:
    """Note how many answers are right, and warn where that is no more than chance."""
    listener, count = subject.listener, len(predicted)
    mean_text = f"mean log-probability {mean:.3f}"
    if subject.own_answers:
        many = counted(len(np.unique(predicted)), "class", "classes")
        listener.note(
            f"labels: the model's own answers to {counted(count, 'image')}, of {many}, "
            f"{mean_text}; clean accuracy is not known"
        )
        return
    right = int((predicted == classes).sum())
    listener.note(
        f"clean accuracy: {right / count:.3f} ({right} of {counted(count, 'image')}), {mean_text}"
    )
    command = look(reading(as_typed(subject.request.reading), {}))
    if warning := accuracy_reason(right, classes, subject.classifier.classes, command):
        listener.warning(warning + _size_advice(subject.classifier))


def shown_pixels(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """An image in pixel space, shape (C, H, W), as pictures show it: (H, W, C)."""
    planes = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.moveaxis(planes, 0, -1))


def _size_advice(classifier: Classifier) -> str:
    """What else may be wrong where nothing gave the size of the input."""
    form = classifier.form
    taken = f"{form.height} x {form.width} was taken: {option('size', like='HxW')}"
    return f"; or the input size, which the file leaves free ({taken})" if form.assumed else ""


def _failing(classifier: Classifier, images: list[NDArray[np.float32]], names: list[str]) -> str:
    """The first of some images that the model fails for alone; else all of them."""
    for image, name in zip(images, names, strict=True):
        try:
            classifier.model.scores(image[None])
        except ArtifactError:
            return name
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} together"


def _together(
    classifier: Classifier, pixels: NDArray[np.float32], group: int
) -> NDArray[np.float32]:
    """Scores of images, with copies of the last up to a group where each new shape costs."""
    missing = group - len(pixels) if classifier.model.runtime.execution.one_shape else 0
    filled = np.concatenate([pixels, np.repeat(pixels[-1:], missing, axis=0)])
    return classifier.model.scores_in_halves(filled)[: len(pixels)]


def _alone(classifier: Classifier, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of images run one by one."""
    return np.concatenate([classifier.model.scores(image[None]) for image in pixels])


def mixes_images(sample: Sample, classifier: Classifier, listener: Listener) -> bool:
    """Whether an image's scores depend on the other images in its batch, said in a warning."""
    if classifier.random:  # said already; whatever differs tells nothing here
        return bool(classifier.randomness.batch_statistics)
    most = max(2, _PIXELS // classifier.model.output_numbers)
    first = range(min(_MIXED_IMAGES, most, len(sample)))
    pixels = np.stack([classifier.pixels(sample.picture(position)) for position in first])
    if len(pixels) == 1:  # its own copies share its batch too: coalitions, corruptions
        pixels = np.concatenate([pixels, pixels[..., ::-1], 1 - pixels])
    model = classifier.model
    alone = np.concatenate([model.comparable(image[None]) for image in pixels])
    together = None
    while together is None:
        try:
            together = model.comparable(pixels)
        except OutOfMemoryError:
            # Where not even two images run together, none ever does.
            if len(pixels) <= 2:
                return False
            pixels, alone = pixels[: len(pixels) // 2], alone[: len(pixels) // 2]
    worst = difference(alone, together)
    # Not-a-number is for others to report.
    coarse = classifier.output.dtype == "float16" or classifier.model.runtime.execution.coarse
    mixed = worst > (_MIXED_TOLERANCE_11_BITS if coarse else _MIXED_TOLERANCE)
    graph = classifier.artifact.model
    if coarse and graph is not None:  # where rounding hides it, the graph tells
        mixed |= worst > 0 and quantises_on_the_fly(graph)
    if not coarse and not mixed and graph is not None and in_float32(graph):
        spread = max(difference(alone, one) for one in alone)
        mixed = worst > max(_MIXED_SPREAD * spread, _MIXED_ROUNDING)
    if mixed:
        listener.warning(
            f"an image's scores depend on the others in its batch (by up to {worst:.2%} of the "
            "largest score), as where activations are quantised on the fly or the graph was made "
            "for one image; so images run one by one, which is slower "
            f"({option('batch')} overrides that)"
        )
    return mixed
