"""The bands of a result, as its settings have them: players, edges, and how they are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.bands import check_bands
from ..storage.value_rules import need

LINEAR = "linear"


def spacing_of(settings: Mapping[str, Any]) -> str:
    """How the edges of the bands were found; a file that does not say has equal widths."""
    return str(settings.get("spacing", LINEAR))


def partition_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `band_index` that say what the bands are."""
    names = ("bands", "norm", "separate_dc")
    return {**{name: settings[name] for name in names}, "edges": settings.get("edges")}


def band_ends(settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Radii between which the bands lie, shape (M + 1,): from 0 to 1, which is Nyquist."""
    bands, edges = int(settings["bands"]), settings.get("edges")
    inner = np.arange(1, bands) / bands if edges is None else edges
    return np.array([0.0, *inner, 1.0])


def check_partition(settings: Mapping[str, Any], sizes: Iterable[Sequence[int] | None]) -> None:
    """Refuse bands that images of some sizes do not have, or whose edges are not their spacing's.

    Raises
    ------
    WrongContentError, UsageError
    """
    linear = spacing_of(settings) == LINEAR
    need(linear == (settings.get("edges") is None), "the edges of its bands are not its spacing's")
    for height, width in filter(None, sizes):
        check_bands(height, width, **partition_of(settings))


def bands_said(settings: Mapping[str, Any]) -> str:
    """How many bands of what kind, such as "8 bands (linf, octave)"."""
    spacing = spacing_of(settings)
    kind = [str(settings["norm"]), *([spacing] if spacing != LINEAR else [])]
    return f"{settings['bands']} bands ({', '.join(kind)})"
