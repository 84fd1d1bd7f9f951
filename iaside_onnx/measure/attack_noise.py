"""What an attack on a model adds to the spectra of images (method, section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..attacks.attack import METHODS, NORM_OF, attack, check_queries, check_radius
from ..errors import UsageError
from ..images.sample import Sample
from ..inference.classifier import Classifier, open_classifier
from ..inference.session import Runtime
from ..listener import Listener
from ..mathematics.signal_noise import Rings
from ..settings import Settings
from .attacked import attack_seeds
from .batch_size import batch_size
from .draws import draw_key
from .scorer import Scorer
from .survey import mixes_images

# The severity at which the radius is the one asked for: the middle one, which tables show.
FULL_SEVERITY = 3
_TOGETHER = 32


@dataclass(frozen=True)
class Attack:
    """A black-box attack as the options give it.

    Attributes
    ----------
    name : str
        One of `attacks.attack.METHODS`.
    model : Path
        The ONNX file that is attacked.
    epsilon : float
        Radius at severity 3, in pixel space; at severity s it is s / 3 of that.
    queries : int
        Budget for one image.
    allow_random : bool
        Attack a model even if its scores are random.
    """

    name: str
    model: Path
    epsilon: float
    queries: int
    allow_random: bool = False

    def settings(self, classifier: Classifier) -> dict[str, Any]:
        """What a report says about it."""
        runtime = classifier.model.runtime
        return {
            "name": self.name,
            "norm": NORM_OF[self.name],
            "epsilon": float(self.epsilon),
            "queries": self.queries,
            "model": self.model.name,
            "sha256": classifier.artifact.sha256,
            "input": classifier.form.name,
            "output": classifier.output.name,
            "layout": classifier.form.layout,
            "output_kind": classifier.scores.kind,
            "provider": runtime.provider,
            **runtime.settings,
            **({"allow_random": True} if classifier.random else {}),
        }


def wanted_attack(
    name: str | None,
    model: str | Path | None,
    epsilon: float | None,
    queries: int,
    *,
    allow_random: bool = False,
) -> Attack | None:
    """The attack asked for, or None.

    Raises
    ------
    UsageError
        An unknown one, or options that do not go together.
    """
    if name is None:
        for option, value in (("model", model), ("epsilon", epsilon)):
            if value is not None:
                raise UsageError(f"--{option} goes with --attack, which is not given")
        return None
    if name not in METHODS:
        raise UsageError(f"--attack {name}: choose one of {', '.join(METHODS)}")
    if model is None or epsilon is None:
        raise UsageError(f"--attack {name} needs --model and --epsilon")
    check_radius(epsilon)
    check_queries(queries)
    return Attack(name, Path(model), epsilon, queries, allow_random)


def attacked_classifier(
    wanted: Attack, sample: Sample, settings: Settings, runtime: Runtime, grey: bool, tell: Listener
) -> Classifier:
    """Open the model that is attacked; pictures come to its size and its channels.

    Raises
    ------
    IasideError
        It cannot be used for these images.
    """
    classifier = open_classifier(wanted.model, runtime, settings, sample, tell)
    if grey and classifier.form.channels != 1:
        raise UsageError(f"--grey: {wanted.model} takes {classifier.form.channels} channels")
    return classifier


def attack_noise(
    wanted: Attack,
    classifier: Classifier,
    sample: Sample,
    grid: Rings,
    levels: list[int],
    seed: int,
    batch: int | None,
    tell: Listener,
) -> NDArray[np.float64]:
    """Sums of the noise that the attack adds, shape (3, n, 1, levels, parts).

    What is attacked is the model's own answer to each image: it needs no label, and no image is
    wrong from the start, which would leave it as it is.

    Parameters
    ----------
    batch : int or None
        Images in a run; None searches.
    """
    if batch is None and classifier.form.fixed_batch is None:
        # Where images share their batch, only a batch of one gives an image's own scores.
        batch = 1 if mixes_images(sample, classifier, tell) else None
    work = len(sample) * len(levels) * wanted.queries
    scores = Scorer(classifier, 1.0, batch_size(classifier, batch, work))
    noise = np.empty((3, len(sample), 1, len(levels), grid.rings + 1))
    tell.start(0, len(sample) * len(levels))
    try:
        for start in range(0, len(sample), _TOGETHER):
            positions = range(start, min(start + _TOGETHER, len(sample)))
            pixels = np.stack([classifier.pixels(sample.picture(place)) for place in positions])
            answers = scores.task.answers(scores(pixels))
            spectra = [grid.spectrum(image) for image in pixels]
            seeds = attack_seeds(
                seed, wanted.name, [draw_key(sample, place) for place in positions]
            )
            for column, level in enumerate(levels):
                found = attack(
                    scores,
                    pixels,
                    answers,
                    method=wanted.name,
                    epsilon=wanted.epsilon * level / FULL_SEVERITY,
                    queries=wanted.queries,
                    seeds=seeds,
                    margins=scores.task.margins,
                )
                added = found.images - pixels
                for place, clean, change in zip(positions, spectra, added, strict=True):
                    noise[:, place, 0, column] = grid.noise(clean, grid.spectrum(change))
                tell.advance(len(positions))
    finally:
        tell.stop()
    return noise
