"""Whether the engine computes what the clean pass computed, on the one image that both score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..onnx_file.graph import coarsest_numbers
from ..spelling import option
from .clean_pass import CleanPass
from .subject import Subject

# By how much log-probabilities of one image may differ: so much, and a share of their size. The
# sum of an image's bands differs from it by rounding, 1e-5 in float32 networks; products of 11 bits
# make that 1e-2 of 23 (float32 on a GPU) and 5e-2 of 19 (float16). Where activations are quantised
# one may fall into another step (0.07 on the fly, 0.4 of 20 in a fixed grid), and of two boxes of
# one object suppression may keep the other.
_FINE = (0.01, 0.01)
_TOLERANCES = {"float32": (0.05, 0.01), "float16": (0.1, 0.02), "coarse": (0.5, 0.05)}
_BOXES = (0.5, 0.5)
# Beyond so many times its clean value, or beyond that number, an image has no value at all.
_ABSURD = 1e6
_ALIKE = (
    "; or outputs differ between these images by little more than rounding, as of a detector of "
    "what none of them shows: take others"
)


@dataclass(frozen=True)
class CleanCheck:
    """The grand coalition is the clean image, so its value is known from the clean pass.

    An engine that joins sessions wrongly, a provider that reads stale memory, or a worker that runs
    something else is found out here, whatever it runs on.

    Attributes
    ----------
    clean : ndarray of float32, shape (K,)
        Value of the clean image at each position of the sample; NaN: not known.
    tolerance : tuple of float
        By how much values of one image may differ, and by which share of them beside.
    quantity : str
        What the value is.
    advice : str
        What to try.
    """

    clean: NDArray[np.float32]
    tolerance: tuple[float, float]
    quantity: str = "log-probability"
    advice: str = ""

    @classmethod
    def of(cls, subject: Subject, clean: CleanPass) -> CleanCheck | None:
        """The check of a measurement; None where two runs of the model on an image may differ."""
        classifier, batch = subject.classifier, subject.request.batch
        # A batch asked for in spite of the warning may mix images.
        if classifier.random or (clean.one_by_one and batch not in (None, 1)):
            return None
        graph, execution = classifier.artifact.model, subject.runtime.execution
        kept = "coarse" if graph is None else coarsest_numbers(graph)
        tolerance = _TOLERANCES[kept]
        if classifier.model.head is not None:
            tolerance = _BOXES
        elif kept == "float32" and not execution.coarse:
            tolerance = _FINE
        alone = 1 in (batch, classifier.form.fixed_batch) or clean.one_by_one
        tries = [option("provider", "cpu")] * (not execution.is_reference)
        tries += [option("batch", 1)] * (not alone)
        known = np.full(len(subject.sample), np.nan, np.float32)
        known[subject.positions] = clean.clean
        advice = f"; try {' or '.join(tries)}" if tries else ""
        return cls(known, tolerance, classifier.kind.quantity, advice)

    def __call__(
        self,
        position: int,
        values: NDArray[np.float32],
        grand: int,
        name: Callable[[int], str],
    ) -> None:
        """Refuse values of an image, shape (C,), whose `grand` coalition is not the image's.

        So are values that no coalition has, and one value for all of them that is another than the
        image's: a run whose input stays what it was comes near where the tolerance is wide.

        Raises
        ------
        ArtifactError
            With both values, and what to try.
        """
        clean, value = float(self.clean[position]), float(values[grand])
        largest = float(max(values.ravel(), key=abs))
        wrongly = f"the model is run wrongly here{self.advice}"
        if abs(largest) > _ABSURD * max(1.0, abs(clean)):
            raise ArtifactError(
                f"image {name(position)}: its {self.quantity} is {clean:.4g} by itself and "
                f"{largest:.4g} with some of its bands, which is no value: {wrongly}"
            )
        least, share = _FINE if len(values) > 1 and not np.ptp(values) else self.tolerance
        if abs(value - clean) > least + share * abs(clean):
            alike = _ALIKE if self.quantity == "agreement" else ""
            raise ArtifactError(
                f"image {name(position)}: its {self.quantity} is {clean:.4g} by itself and "
                f"{value:.4g} as the sum of its bands, which is the same image: {wrongly}{alike}"
            )
