"""One look at every image before the long work: clean accuracy, statistics, oddities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..images.sample import Sample, picture_oddities
from ..inference.classifier import Classifier
from ..listener import Listener
from ..mathematics.absence import SampleStatistics
from ..mathematics.temperature import fit_temperature
from ..onnx_file.graph import in_float32
from ..results.precondition import accuracy_reason
from ..spelling import option
from .subject import Subject

_PIXELS = 1 << 22
# Images of the check whether a batch changes an image's scores, and the share of the largest score
# that kernels for batches of other sizes may change it by: more where numbers are kept to 11 bits,
# in float16 and on GPUs, whose kernels round their factors to TF32.
_MIXED_IMAGES = 8
_MIXED_TOLERANCE = 2e-3
# Where all of a graph is float32, on the CPU: the share of the spread of scores between images, and
# the share of the largest score, that only images which change each other pass both.
_MIXED_SPREAD = 1e-3
_MIXED_ROUNDING = 2e-5
_MIXED_TOLERANCE_11_BITS = 1e-2


@dataclass(frozen=True)
class CleanPass:
    """What one look at every image of the sample gave.

    Attributes
    ----------
    statistics : SampleStatistics
        Of the whole sample, where rows depend on it; else of the images of the part.
    predicted : ndarray of int64, shape (n,)
        Top-1 index in the model's output for the untouched images of the part audited.
    clean : ndarray of float32, shape (n,)
        Log-probability of their true classes, as the game counts it.
    temperature : float
        As set, or fitted.
    example : ndarray of uint8, shape (H, W, C)
        The part's first image as the model's input size has it.
    one_by_one : bool
        An image's scores depend on the others in its batch, so that only a batch of one image
        gives its own scores.
    """

    statistics: SampleStatistics
    predicted: NDArray[np.int64]
    clean: NDArray[np.float32]
    temperature: float
    example: NDArray[np.uint8]
    one_by_one: bool = False


def decoded_positions(subject: Subject, *, whole_sample: bool) -> list[int]:
    """Positions whose pixels determine the rows of a part."""
    fit = subject.request.settings.temperature == "auto"
    return list(range(len(subject.sample))) if whole_sample or fit else subject.positions


def clean_pass(subject: Subject, *, whole_sample: bool) -> CleanPass:
    """Look at every image once: clean scores, sample statistics, oddities of the pictures.

    What determines the rows comes from the whole sample, whichever part of it is measured: what
    stands for absent bands, a fitted temperature, and whether images share their batch. Clean
    scores cost a forward pass each, so beyond the part they are computed only for a temperature to
    fit, and pictures are decoded only where something depends on them.

    Parameters
    ----------
    whole_sample : bool
        Rows depend on the statistics of the whole sample.
    """
    sample, part, tell = subject.sample, subject.positions, subject.tell
    targets, classifier = subject.targets, subject.classifier
    settings = subject.request.settings
    statistics = SampleStatistics()
    form = classifier.form
    group = max(1, min(64, _PIXELS // form.features))
    fit = settings.temperature == "auto"
    scored = range(len(sample)) if fit else part
    seen = decoded_positions(subject, whole_sample=whole_sample)
    place = {position: row for row, position in enumerate(part)}
    passed = set(scored)
    predicted = np.empty(len(part), np.int64)
    plain = np.empty(len(part))
    clean = np.empty(len(part), np.float32)
    scores: list[NDArray[np.float32]] = []
    oddities = np.zeros(3, int)
    example = None
    one_by_one = form.fixed_batch is None and mixes_images(sample, classifier, tell)
    for start in range(0, len(seen), group):
        positions, images = [], []
        for position in seen[start : start + group]:  # decoded one by one: they may be large
            picture = sample.picture(position)
            pixels = classifier.pixels(picture)
            statistics.add(pixels)
            if position in place:
                oddities += picture_oddities(picture)
            if position in passed:
                positions.append(position)
                images.append(pixels)
            if example is None and position == part[0]:
                planes = np.rint(pixels * 255).clip(0, 255).astype(np.uint8)
                example = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
        if not positions:
            continue
        stack = np.stack(images)
        raw = _alone(classifier, stack) if one_by_one else classifier.model.scores(stack)
        if np.isnan(raw).any():
            name = sample.ids[positions[int(np.flatnonzero(np.isnan(raw).any(axis=1))[0])]]
            raise ArtifactError(
                f"{classifier.artifact.path}: returns NaN for image {name}; check the "
                "preprocessing, or the file itself"
            )
        classifier.confirm_kind(raw)
        ours = [row for row, position in enumerate(positions) if position in place]
        rows = [place[positions[row]] for row in ours]
        classes = targets[positions][ours]
        readings = classifier.task().readings(raw[ours])
        predicted[rows] = classifier.task().answers(classifier.logits(raw[ours]))
        plain[rows] = readings[np.arange(len(ours)), classes]
        if fit:
            scores.append(raw)
        else:
            task = classifier.task(float(settings.temperature))
            clean[rows] = task.values(raw[ours], classes)
    assert example is not None
    _tell_oddities(oddities, tell)
    right = int((predicted == targets[part]).sum())
    tell.note(
        f"clean accuracy: {right / len(part):.3f} ({right} of {len(part)} images), mean "
        f"log-probability {plain.mean():.3f}"
    )
    if warning := accuracy_reason(right, targets[part], classifier.classes):
        tell.warning(warning + _size_advice(classifier))
    temperature = settings.temperature
    if fit:
        raw = np.concatenate(scores)
        temperature = fit_temperature(classifier.logits(raw), targets)
        clean = classifier.task(temperature).values(raw[part], targets[part])
        tell.note(f"temperature: {temperature:.4f}, fitted on the clean sample")
    return CleanPass(statistics, predicted, clean, float(temperature), example, one_by_one)


def _size_advice(classifier: Classifier) -> str:
    """What else may be wrong where nothing gave the size of the input."""
    form = classifier.form
    if not form.assumed:
        return ""
    return (
        f"; or the input size, which the file leaves free ({form.height} x {form.width} was taken: "
        f"{option('size', like='HxW')})"
    )


def _tell_oddities(counts: NDArray[np.int_], tell: Listener) -> None:
    rotated, deep, transparent = counts.tolist()
    if rotated:
        tell.warning(
            f"{rotated} picture(s) carry an EXIF orientation; it is not applied, as in "
            "torchvision's loader"
        )
    if deep:
        tell.warning(
            f"{deep} picture(s) have 16 bits or more a channel; values above 255 are clipped, as "
            "in torchvision's loader: convert them to 8 bits first"
        )
    if transparent:
        tell.warning(
            f"{transparent} picture(s) have transparent pixels; the colours stored under them are "
            "used, as in torchvision's loader: lay them on a background first"
        )


def _alone(classifier: Classifier, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scores of images run one by one."""
    return np.concatenate([classifier.model.scores(image[None]) for image in pixels])


def mixes_images(sample: Sample, classifier: Classifier, tell: Listener) -> bool:
    """Whether an image's scores depend on the other images in its batch, said in a warning."""
    if classifier.random:  # said already; whatever differs tells nothing here
        return bool(classifier.randomness.batch_statistics)
    first = range(min(_MIXED_IMAGES, len(sample)))
    pixels = np.stack([classifier.pixels(sample.picture(position)) for position in first])
    alone, together = _alone(classifier, pixels), classifier.model.scores(pixels)
    worst = float(np.abs(together - alone).max() / max(np.abs(alone).max(), 1e-12))
    # Not-a-number is for others to report.
    coarse = classifier.output.dtype == "float16" or classifier.model.runtime.execution.coarse
    mixed = worst > (_MIXED_TOLERANCE_11_BITS if coarse else _MIXED_TOLERANCE)
    graph = classifier.artifact.model
    if not coarse and not mixed and graph is not None and in_float32(graph):
        spread = float(np.ptp(alone, axis=0).max() / max(np.abs(alone).max(), 1e-12))
        mixed = worst > max(_MIXED_SPREAD * spread, _MIXED_ROUNDING)
    if mixed:
        tell.warning(
            f"an image's scores depend on the others in its batch (by up to {worst:.2%} of the "
            "largest score), as where activations are quantised on the fly or the graph was made "
            "for one image; so images run one by one, which is slower "
            f"({option('batch')} overrides that)"
        )
    return mixed
