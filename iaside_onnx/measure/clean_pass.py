"""One look at every image before the long work: clean accuracy, statistics, oddities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, said
from ..images.sample import Sample, picture_oddities
from ..inference.classifier import Classifier
from ..inference.model import RunError
from ..listener import Listener
from ..mathematics.absence import SampleStatistics
from ..mathematics.temperature import fit_temperature
from ..onnx_file.graph import in_float32, quantises_on_the_fly
from ..results.precondition import accuracy_reason
from ..spelling import option
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
# What pictures may carry, by `picture_oddities`, and what becomes of it.
_ODDITIES = (
    "carry an EXIF orientation; it is not applied, as in torchvision's loader",
    "have 16 bits or more a channel; values above 255 are clipped, as in torchvision's loader: "
    "convert them to 8 bits first",
    "have transparent pixels; the colours stored under them are used, as in torchvision's loader: "
    "lay them on a background first",
)


@dataclass(frozen=True)
class CleanPass:
    """What one look at every image of the sample gave.

    Attributes
    ----------
    statistics : SampleStatistics
        Of the whole sample, where rows depend on it; else of the images of the shard.
    predicted : ndarray of int64, shape (n,)
        Top-1 index in the model's output for the untouched images of the shard.
    targets : ndarray of int64, shape (K,)
        Those of the subject, or the model's own answers where these are taken.
    clean : ndarray of float32, shape (n,)
        Log-probability of their true classes, as the game counts it.
    example : ndarray of uint8, shape (H, W, C)
        The shard's first image as the model's input size has it.
    one_by_one : bool
        An image's scores depend on the others in its batch, so that only a batch of one image
        gives its own scores.
    """

    statistics: SampleStatistics
    predicted: NDArray[np.int64]
    targets: NDArray[np.int64]
    clean: NDArray[np.float32]
    temperature: float
    example: NDArray[np.uint8]
    one_by_one: bool = False


def decoded_positions(subject: Subject, *, whole_sample: bool) -> list[int]:
    """Positions whose pixels determine the rows of a shard."""
    fit = subject.request.settings.temperature == "auto"
    return list(range(len(subject.sample))) if whole_sample or fit else subject.positions


def clean_pass(subject: Subject, *, whole_sample: bool) -> CleanPass:
    """Look at every image once: clean scores, sample statistics, oddities of the pictures.

    What determines the rows comes from the whole sample, whichever shard of it is measured: what
    stands for absent bands (`whole_sample`), a fitted temperature, and whether images share their
    batch. Clean scores cost a forward pass each, so beyond the shard they are computed only for a
    temperature to fit, and pictures are decoded only where something depends on them.
    """
    sample, listener, settings = subject.sample, subject.listener, subject.request.settings
    targets, classifier = subject.targets.copy(), subject.classifier
    form = classifier.form
    row_of = {position: row for row, position in enumerate(subject.positions)}
    fit = settings.temperature == "auto"
    task, plain_task = (
        classifier.task(1.0 if fit else float(settings.temperature)),
        classifier.task(),
    )
    statistics, oddities, example = SampleStatistics(), np.zeros(len(_ODDITIES), int), None
    predicted, plain = np.empty(len(row_of), np.int64), np.empty(len(row_of))
    clean = np.empty(len(row_of), np.float32)
    scores: list[NDArray[np.float32]] = []
    one_by_one = form.fixed_batch is None and mixes_images(sample, classifier, listener)
    decoded = decoded_positions(subject, whole_sample=whole_sample)
    group = max(1, min(64, _PIXELS // form.features))
    for start in range(0, len(decoded), group):
        positions, images = [], []
        for position in decoded[start : start + group]:  # one by one: they may be large
            picture = sample.picture(position)
            pixels = classifier.pixels(picture)
            statistics.add(pixels)
            if position in row_of:
                oddities += picture_oddities(picture)
            if fit or position in row_of:
                positions.append(position)
                images.append(pixels)
            if position == subject.positions[0]:
                example = shown_pixels(pixels)
        if not positions:
            continue
        stack = np.stack(images)
        try:
            raw = _alone(classifier, stack) if one_by_one else classifier.model.scores(stack)
        except RunError as error:
            name = _failing(classifier, images, [sample.ids[position] for position in positions])
            raise RunError(f"{said(error)}; with image {name}") from error
        if np.isnan(raw).any():
            name = sample.ids[positions[int(np.flatnonzero(np.isnan(raw).any(axis=1))[0])]]
            raise ArtifactError(
                f"{classifier.artifact.path}: returns NaN for image {name}; check the "
                "preprocessing, or the file itself"
            )
        classifier.confirm_kind(raw)
        if fit:
            scores.append(raw)
        raw = raw[[position in row_of for position in positions]]
        measured = [position for position in positions if position in row_of]
        rows = [row_of[position] for position in measured]
        predicted[rows] = plain_task.answers(classifier.logits(raw))
        if subject.own_answers:
            targets[measured] = predicted[rows]
        classes = targets[measured]
        plain[rows] = plain_task.readings(raw)[np.arange(len(rows)), classes]
        clean[rows] = task.values(raw, classes)
    assert example is not None
    for pictures, oddity in zip(oddities, _ODDITIES, strict=True):
        if pictures:
            listener.warning(f"{pictures} picture(s) {oddity}")
    classes = targets[subject.positions]
    _say_accuracy(subject, predicted, classes, float(plain.mean()))
    temperature = settings.temperature
    if fit:
        raw = np.concatenate(scores)
        temperature = fit_temperature(classifier.logits(raw), targets)
        clean = classifier.task(temperature).values(raw[subject.positions], classes)
        listener.note(f"temperature: {temperature:.4f}, fitted on the clean sample")
    return CleanPass(statistics, predicted, targets, clean, float(temperature), example, one_by_one)


def _say_accuracy(
    subject: Subject, predicted: NDArray[np.int64], classes: NDArray[np.int64], mean: float
) -> None:
    """Note how many answers are right, and warn where that is no more than chance."""
    listener, count = subject.listener, len(predicted)
    mean_text = f"mean log-probability {mean:.3f}"
    if subject.own_answers:
        listener.note(
            f"labels: the model's own answers to {count} images, of {len(np.unique(predicted))} "
            f"classes, {mean_text}; clean accuracy is not known"
        )
        return
    right = int((predicted == classes).sum())
    listener.note(f"clean accuracy: {right / count:.3f} ({right} of {count} images), {mean_text}")
    if warning := accuracy_reason(right, classes, subject.classifier.classes):
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


def _alone(classifier: Classifier, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of images run one by one."""
    return np.concatenate([classifier.model.scores(image[None]) for image in pixels])


def mixes_images(sample: Sample, classifier: Classifier, listener: Listener) -> bool:
    """Whether an image's scores depend on the other images in its batch, said in a warning."""
    if classifier.random:  # said already; whatever differs tells nothing here
        return bool(classifier.randomness.batch_statistics)
    first = range(min(_MIXED_IMAGES, len(sample)))
    pixels = np.stack([classifier.pixels(sample.picture(position)) for position in first])
    if len(pixels) == 1:  # its own copies share its batch too: coalitions, corruptions
        pixels = np.concatenate([pixels, pixels[..., ::-1], 1 - pixels])
    model = classifier.model
    alone = np.concatenate([model.comparable(image[None]) for image in pixels])
    together = model.comparable(pixels)
    worst = float(np.abs(together - alone).max() / max(np.abs(alone).max(), 1e-12))
    # Not-a-number is for others to report.
    coarse = classifier.output.dtype == "float16" or classifier.model.runtime.execution.coarse
    mixed = worst > (_MIXED_TOLERANCE_11_BITS if coarse else _MIXED_TOLERANCE)
    graph = classifier.artifact.model
    if coarse and graph is not None:  # where rounding hides it, the graph tells
        mixed |= worst > 0 and quantises_on_the_fly(graph)
    if not coarse and not mixed and graph is not None and in_float32(graph):
        spread = float(np.ptp(alone, axis=0).max() / max(np.abs(alone).max(), 1e-12))
        mixed = worst > max(_MIXED_SPREAD * spread, _MIXED_ROUNDING)
    if mixed:
        listener.warning(
            f"an image's scores depend on the others in its batch (by up to {worst:.2%} of the "
            "largest score), as where activations are quantised on the fly or the graph was made "
            "for one image; so images run one by one, which is slower "
            f"({option('batch')} overrides that)"
        )
    return mixed
