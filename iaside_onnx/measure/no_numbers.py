"""What a model gives of an image and is no number: refused with where it does so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError


def refuse_nan(path: Path | None, where: str, readings: NDArray[Any]) -> None:
    """Refuse a model's answer that holds NaN; infinite ones, such as of logits, may be meant.

    Parameters
    ----------
    path : Path or None
        Of the model.
    where : str
        Of which image, and what was done to it.

    Raises
    ------
    ArtifactError
    """
    if np.isnan(readings).any():
        raise ArtifactError(f"{path}: returns NaN for image {where}")


def refuse_infinite(path: Path | None, where: str, values: NDArray[Any]) -> None:
    """Refuse values of an answer that are not finite.

    Raises
    ------
    ArtifactError
    """
    bad = values[~np.isfinite(values)]
    if bad.size:
        found = "NaN" if np.isnan(bad[0]) else "a value that is infinite"
        raise ArtifactError(f"{path}: returns {found} for image {where}")
