"""What is drawn for each image, and by what: its pixels decide, not its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ..images.sample import Sample
from ..listener import Listener
from ..mathematics.coalitions import draw_coalitions
from ..settings import Settings

# As ``settings["draws"]`` of a report has it. Reports without that key drew by file name.
DRAWS = "pixels"


def draw_key(sample: Sample, position: int) -> str:
    """What an image is called where something is drawn for it: the digest of its pixels.

    Baselines, partners, coalitions, corruptions, attacks and waves all go by it, so the same pixels
    get the same draws in any file, under any name and at any place of the sample.
    """
    return sample.pixel_digest(position).hex()


def pixels_digest(keys: Iterable[str]) -> str:
    """SHA-256 over the keys of images, in order: what all of their draws came from."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def tell_cost(wanted: Settings, images: int, tell: Listener) -> None:
    """Say which estimator was chosen, and what the audit costs."""
    estimator, players, count = wanted.chosen_estimator, wanted.players, wanted.coalitions
    if wanted.estimator is None and estimator != "exact":
        tell.note(
            f"estimator: {estimator}, since {players} players have {1 << players:,} coalitions; "
            "--estimator settles it"
        )
    known = estimator != "exact" and wanted.output_map == "real"
    cost = images * (count - known)
    tell.note(f"cost: {images} images x {count - known} coalitions = {cost:,} forward passes")


def draw_for_sample(wanted: Settings, keys: list[str]) -> NDArray[np.uint64] | None:
    """The coalitions of each image, shape (n, C), or None where all are evaluated."""
    estimator, players, count = wanted.chosen_estimator, wanted.players, wanted.coalitions
    if estimator == "exact":
        return None
    return np.stack([draw_coalitions(estimator, players, count, wanted.seed, key) for key in keys])
