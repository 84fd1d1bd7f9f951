"""Whether the engine computes what the clean pass computed, on the one image that both score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..onnx_file.graph import in_float32
from ..spelling import option
from .clean_pass import CleanPass
from .subject import Subject

# By how much log-probabilities of the same image may differ, as a share of their size where that is
# more than 1. The sum of an image's bands differs from it by rounding: 1e-5 in float32 networks;
# where numbers are rounded coarsely, one may fall into another step (0.07 where activations are
# quantised on the fly), and of two boxes of one object suppression may keep the other. A run that
# read another image is wrong by far more.
_TOLERANCE, _TOLERANCE_COARSE = 1e-2, 0.5
_ALIKE = (
    "; or outputs differ between these images by little more than rounding, as of a detector of "
    "what none of them shows: take others"
)


@dataclass(frozen=True)
class CleanCheck:
    """The grand coalition is the untouched image, so its value is known from the clean pass.

    An engine that joins sessions wrongly, a provider that reads stale memory, or a worker that runs
    something else is found out here, whatever it runs on.

    Attributes
    ----------
    clean : ndarray of float32, shape (K,)
        Value of the untouched image at each position of the sample; NaN: not known.
    tolerance : float
    quantity : str
        What the value is.
    """

    clean: NDArray[np.float32]
    tolerance: float
    quantity: str = "log-probability"

    @classmethod
    def of(cls, subject: Subject, clean: CleanPass) -> CleanCheck | None:
        """The check of a measurement; None where two runs of the model on an image may differ."""
        classifier, batch = subject.classifier, subject.request.batch
        # A batch asked for in spite of the warning may mix images.
        if classifier.random or (clean.one_by_one and batch not in (None, 1)):
            return None
        graph = classifier.artifact.model
        exact = graph is not None and in_float32(graph) and not subject.runtime.execution.coarse
        exact &= classifier.model.head is None
        known = np.full(len(subject.sample), np.nan, np.float32)
        known[subject.positions] = clean.clean
        tolerance = _TOLERANCE if exact else _TOLERANCE_COARSE
        return cls(known, tolerance, classifier.kind.quantity)

    def __call__(self, position: int, value: float, name: Callable[[int], str]) -> None:
        """Refuse a value of the grand coalition that is not the image's.

        Raises
        ------
        ArtifactError
            With both values, and what to try.
        """
        clean = float(self.clean[position])
        if abs(value - clean) > self.tolerance * max(1.0, abs(clean)):
            alike = _ALIKE if self.quantity == "agreement" else ""
            raise ArtifactError(
                f"image {name(position)}: its {self.quantity} is {clean:.4g} by itself and "
                f"{value:.4g} as the sum of its bands, which is the same image: the model is run "
                f"wrongly here; try {option('provider', 'cpu')} or {option('batch', 1)}{alike}"
            )
