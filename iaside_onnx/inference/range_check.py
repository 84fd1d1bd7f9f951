"""Whether a recipe gives a model the pixel values that its graph seems made for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError, IasideError
from ..images.sample import Sample
from ..listener import Listener
from ..onnx_file.pixel_range import PixelRange
from ..spelling import option
from .classifier import Classifier
from .model import Affine

_IMAGES = 32
_NAMES = {(0.0, 1.0): "unit", (0.0, 255.0): "raw", (-1.0, 1.0): "inception"}


def check_pixel_range(
    classifier: Classifier,
    sample: Sample,
    listener: Listener,
    *,
    asked: bool,
    labelled: bool = True,
) -> None:
    """Compare the recipe in use with the range that the graph seems made for.

    What the graph says is a guess, so where they disagree both are tried on a few labelled images.

    Parameters
    ----------
    asked : bool
        The recipe was asked for by the user: a disagreement is a warning then, else an error.
    labelled : bool
        False where the images have no labels, so that nothing can be tried.

    Raises
    ------
    ArtifactError
        They disagree, nobody asked for the recipe, and it does not do better on the images.
    """
    expected = classifier.artifact.pixel_ranges.get(classifier.form.name)
    low, high = classifier.model.affine.ends
    if expected is None or expected.fits(low, high):
        return
    name = classifier.preprocess.name
    text = (
        f"{classifier.artifact.path}: {expected.text}, but preprocessing '{name}' gives it numbers "
        f"of {low + 0.0:.3g}..{high + 0.0:.3g}"
    )
    outcome = _on_images(classifier, sample, expected) if labelled else None
    if outcome is not None:
        count, in_use, other = outcome
        text += f" (right on {in_use[0]} of {count} images, with {expected.words} on {other[0]})"
        if in_use > other:
            listener.warning(f"{text}; '{name}' does better, so it is kept")
            return
    preset = _NAMES.get((expected.low, expected.high))
    remedy = option("preprocess", preset) if preset else option("preprocess", like="FILE.toml")
    if asked:
        listener.warning(f"{text}; if that is not meant, give {remedy}")
        return
    raise ArtifactError(
        f"{text}; give {remedy}, or the preprocessing that is meant with {option('preprocess')}"
    )


def _on_images(
    classifier: Classifier, sample: Sample, expected: PixelRange
) -> tuple[int, tuple[int, float], tuple[int, float]] | None:
    """Images tried, and (right, mean log-probability) under the recipe and under the range.

    None where that cannot be found out, or tells nothing: both at chance.
    """
    count = min(_IMAGES, len(sample))
    positions = np.unique(np.linspace(0, len(sample) - 1, count).astype(int))
    targets = sample.labels[positions] + classifier.label_offset
    if targets.min() < 0 or targets.max() >= classifier.classes:
        return None
    channels = classifier.form.channels
    gain = np.full(channels, expected.high - expected.low, np.float32)
    shift = np.full_like(gain, expected.low)
    affine = Affine(classifier.model.affine.order, gain, shift)
    try:
        pixels = np.stack([classifier.pixels(sample.picture(int(place))) for place in positions])
        in_use = _right(classifier, pixels, targets)
        model = replace(classifier.model, affine=affine)
        other = _right(replace(classifier, model=model), pixels, targets)
    except IasideError:
        return None
    chance = len(positions) / classifier.classes
    if max(in_use[0], other[0]) <= chance + 2 * np.sqrt(chance):
        return None
    return len(positions), in_use, other


def _right(
    classifier: Classifier, pixels: NDArray[np.float32], targets: NDArray[np.int64]
) -> tuple[int, float]:
    task, scores = classifier.task(), classifier.model.scores(pixels)
    readings = task.readings(np.nan_to_num(scores))
    right = int(task.right(readings, targets).sum())
    return right, float(readings[np.arange(len(targets)), targets].mean())
