"""Whether a model gives an image the same scores whenever it is asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..listener import Listener
from ..onnx_file.artifact import Artifact
from ..onnx_file.randomness import STEADY, Randomness, randomness
from ..spelling import option
from .model import Model

# Share of the largest score by which two equal runs may differ: threads may add in another order.
_TOLERANCE = 1e-5
_TOLERANCE_11_BITS = 1e-3
# Rare noise, such as a Dropout of few values, may miss one run.
_RUNS = 4
_TINY = float(np.finfo(np.float32).tiny)
_ALLOW = option("allow_random", True)
_REMEDY = (
    "export it again in eval mode (PyTorch: model.eval(), and training=TrainingMode.EVAL) or "
    "without the noise layer"
)


def randomness_of(artifact: Artifact, output: str) -> Randomness:
    """The nodes that make an output random; none where the file hides its graph."""
    return STEADY if artifact.model is None else randomness(artifact.model, output)


def difference(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference of two sets of scores, as a share of the largest score.

    Scores of any size are told apart, those that are no numbers by NaN.
    """
    with np.errstate(invalid="ignore"):
        return float(np.abs(one - other).max() / max(np.abs(one).max(), _TINY))


def check_steady(
    artifact: Artifact,
    noise: Randomness,
    model: Model,
    probe: NDArray[np.float32],
    listener: Listener,
    *,
    coarse: bool,
    allow: bool,
) -> bool:
    """Score images several times; refuse a model that is random unless that is allowed.

    Parameters
    ----------
    noise : Randomness
        What the graph shows.
    coarse : bool
        Scores have 11 bits.

    Returns
    -------
    bool
        Whether the model is random, which is then allowed.

    Raises
    ------
    ArtifactError
    """
    with np.errstate(invalid="ignore"):  # not-a-number is for others to report
        first = model.scores(probe)
        gaps = (difference(first, model.scores(probe)) for _ in range(_RUNS - 1))
        tolerance = _TOLERANCE_11_BITS if coarse else _TOLERANCE
        gap = next((gap for gap in gaps if gap > tolerance), 0.0)
    why = unsteadiness(artifact, noise, gap)
    if why and not allow:
        raise ArtifactError(f"{artifact.path}: {why}; {_REMEDY}, or ask for it: {_ALLOW}")
    if why:
        listener.warning(f"{why}; allowed by {_ALLOW}")
    return bool(why)


def unsteadiness(artifact: Artifact, noise: Randomness, gap: float = 0.0) -> str:
    """Why a model has no scores of its own for an image; empty where it has.

    Parameters
    ----------
    gap : float
        Share of the largest score by which two equal runs differed, 0 where they did not.
    """
    measured = f" (two runs on the same images differ by {gap:.1%} of the largest score)"
    if noise.drawing:
        return (
            f"its scores are random{measured if gap else ''}: the graph draws random numbers "
            f"({noise.named}), so that two runs need not be equal"
        )
    if noise.batch_statistics:
        return (
            "its scores for an image depend on the others in its batch: the graph normalises by "
            f"the batch at hand ({noise.named})"
        )
    if gap:
        graph = "no node of its graph is known to draw random numbers"
        if artifact.model is None:
            graph = "the file hides its graph"
        return f"its scores are random{measured}, though {graph}"
    return ""
