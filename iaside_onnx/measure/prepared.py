"""An audit before its long part: everything settled, nothing evaluated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..images.sample import Reading, Sample
from ..inference.classifier import Classifier, open_classifier
from ..inference.session import Runtime
from ..listener import Listener
from ..mathematics.bands import band_index
from ..results.part import Part
from ..settings import Settings
from .draws import draw_for_sample, draw_key, pixels_digest, tell_cost
from .job import settled_settings
from .labelling import settle_labels
from .survey import Survey, class_targets, survey_sample, surveyed


@dataclass(frozen=True)
class Audit:
    """Everything settled before the long part.

    Attributes
    ----------
    wanted, settings : Settings
        As asked for, and with what was found.
    sample : Sample
        The whole one.
    part : Part or None
        What is audited of it; None: all.
    positions : list of int
        Images that are audited, ascending; row n of the table is that of image positions[n].
    targets : ndarray of int64, shape (K,)
        Classes of the whole sample in the model's output.
    identity : dict
        JSON values that determine the table.
    keys : list of str
        What each image of the sample is called where something is drawn for it; empty where
        nothing depends on it.
    drawn : ndarray of uint64, shape (positions, C), or None
        The coalitions of each row; None where all rows hold all coalitions.
    """

    wanted: Settings
    settings: Settings
    sample: Sample
    part: Part | None
    positions: list[int]
    classifier: Classifier
    targets: NDArray[np.int64]
    survey: Survey
    identity: dict[str, Any]
    keys: list[str]
    drawn: NDArray[np.uint64] | None

    @property
    def runtime(self) -> Runtime:
        """Where the model runs."""
        return self.classifier.model.runtime

    @property
    def everybody_known(self) -> bool:
        """Whether the untouched image, which the survey has scored, is a coalition's image too."""
        return self.drawn is not None and self.settings.output_map == "real"


def prepare(
    model: Path,
    sample: Sample,
    reading: Reading,
    part: Part | None,
    runtime: Runtime,
    wanted: Settings,
    tell: Listener,
) -> Audit:
    """Open the model, look at every image once, and settle what is still open.

    Raises
    ------
    IasideError
        Anything wrong with the file, the images or the settings.
    """
    positions = list(range(len(sample))) if part is None else part.positions(len(sample))
    classifier = open_classifier(model, runtime, wanted, sample, tell)
    form = classifier.form
    # Refuses more bands than the size has frequencies before anything is written.
    band_index(form.height, form.width, wanted.bands, wanted.norm, separate_dc=wanted.separate_dc)
    sample, classifier = settle_labels(sample, classifier, reading, tell)
    targets = class_targets(sample, classifier, tell)
    tell_cost(wanted, len(positions), tell)
    survey = survey_sample(sample, positions, targets, classifier, wanted, tell)
    keys = [""] * len(sample)
    for position in surveyed(len(sample), positions, wanted):
        keys[position] = draw_key(sample, position)
    drawn = draw_for_sample(wanted, [keys[position] for position in positions])
    settled = replace(
        wanted,
        temperature=survey.temperature,
        label_offset=classifier.label_offset,
        estimator=wanted.chosen_estimator,
        passes=None if drawn is None else drawn.shape[1] - 1,
    )
    identity = {
        "settings": settled_settings(settled, classifier),
        "model_sha256": classifier.artifact.sha256,
        "data_digest": sample.digest(),
        "provider": runtime.provider,
        "shard": None if part is None else part.option,
        "pixels": pixels_digest(keys),
    }
    return Audit(
        wanted, settled, sample, part, positions, classifier, targets, survey, identity, keys, drawn
    )
