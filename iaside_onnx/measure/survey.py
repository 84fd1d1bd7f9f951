"""One look at every image before the long work: labels, clean accuracy, statistics, oddities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, DataError
from ..images.class_names import shown
from ..images.sample import Sample, picture_oddities
from ..inference.classifier import Classifier
from ..listener import Listener
from ..mathematics.absence import ABSENCES, SampleStatistics
from ..mathematics.temperature import fit_temperature
from ..onnx_file.graph import in_float32
from ..results.precondition import accuracy_reason
from ..settings import Settings

_SURVEY_PIXELS = 1 << 22
# ImageNet's 1000 classes and one before them, as in TensorFlow's model garden.
_WITH_BACKGROUND = 1001
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
class Survey:
    """What one look at every image of the sample gave.

    Attributes
    ----------
    statistics : SampleStatistics
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


def class_targets(sample: Sample, classifier: Classifier, tell: Listener) -> NDArray[np.int64]:
    """Index of each image's class in the model's output."""
    classes, offset = classifier.classes, classifier.label_offset
    targets = sample.labels + offset
    names = sample.class_names
    if names is not None and len(names) + offset > classes:
        raise DataError(
            f"the images are of {len(names)} classes ({shown(names)}), but the model has {classes}"
            + (f" (label offset {offset})" if offset else "")
        )
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"image {sample.ids[first]} has label {int(sample.labels[first])}"
            + (f" (+ offset {offset})" if offset else "")
            + f", but the model has classes 0 to {classes - 1}; "
            + (
                "if the labels count from 1, give --label-offset -1"
                if not offset and sample.labels.min() == 1 and sample.labels.max() == classes
                else "see --label-offset"
            )
        )
    background = classes == _WITH_BACKGROUND and not offset
    known = background and names is not None and len(names) == classes - 1
    if names is not None and len(names) + offset < classes and not known:
        tell.warning(
            f"the images are of {len(names)} classes, the model has {classes}: they are taken as "
            f"classes {offset} to {offset + len(names) - 1}; if that is wrong use --class-names, "
            "--labels or --label-offset"
        )
    if names is None and not offset and _count_from_one(sample.source.labels, classes):
        tell.warning(
            "the labels count 1, 2, ... and none is 0: if they count from 1, give --label-offset -1"
        )
    if background and targets.max() < classes - 1:
        tell.warning(
            "the model has 1001 classes: if its class 0 is a background class and your labels "
            "count from the first real one, give --label-offset 1"
        )
    if len(np.unique(targets)) == 1:
        tell.warning("all images of the sample are of one class; the result speaks for it alone")
    return targets


def _count_from_one(labels: NDArray[np.int64], classes: int) -> bool:
    """Whether labels are 1, 2, ..., as where they count classes from 1 and the last is missing."""
    present = np.unique(labels)
    return 2 <= len(present) < classes and np.array_equal(present, np.arange(1, len(present) + 1))


def surveyed(images: int, part: list[int], settings: Settings) -> list[int]:
    """Positions whose pixels determine the rows of a part: all where absent bands follow all."""
    everything = ABSENCES[settings.absence].of_sample or settings.temperature == "auto"
    return list(range(images)) if everything else part


def survey_sample(
    sample: Sample,
    part: list[int],
    targets: NDArray[np.int64],
    classifier: Classifier,
    settings: Settings,
    tell: Listener,
) -> Survey:
    """Look at every image once: clean scores, sample statistics, oddities of the pictures.

    What determines the value table comes from the whole sample, whichever part of it is audited:
    what stands for absent bands, a fitted temperature, and whether images share their batch. Clean
    scores cost a forward pass each, so beyond the part they are computed only for a temperature to
    fit, and pictures are decoded only where something depends on them.

    Parameters
    ----------
    part : list of int
        Positions that are audited, ascending.
    """
    statistics = SampleStatistics()
    form = classifier.form
    group = max(1, min(64, _SURVEY_PIXELS // form.features))
    fit = settings.temperature == "auto"
    scored = range(len(sample)) if fit else part
    seen = surveyed(len(sample), part, settings)
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
    return Survey(statistics, predicted, clean, float(temperature), example, one_by_one)


def _size_advice(classifier: Classifier) -> str:
    """What else may be wrong where nothing gave the size of the input."""
    form = classifier.form
    if not form.assumed:
        return ""
    return (
        f"; or the input size, which the file leaves free ({form.height} x {form.width} was taken: "
        "--size HxW)"
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
            "for one image; so images run one by one, which is slower (--batch overrides that)"
        )
    return mixed
