"""The bands of a measurement: where their edges lie, and what its settings say of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inference.input_form import InputForm
from ..mathematics.absence import SampleStatistics
from ..mathematics.bands import band_index
from ..mathematics.spacing import (
    EQUAL_ENERGY,
    LINEAR,
    OCTAVE,
    Edges,
    check_spacing,
    equal_energy_edges,
    octave_edges,
)
from ..settings import Settings


def refuse_bands(asked: Settings, height: int, width: int) -> None:
    """Refuse bands that images of a size do not have, before anything is written."""
    check_spacing(
        height, width, asked.bands, asked.norm, asked.spacing,
        separate_dc=asked.separate_dc, edges=asked.edges,
    )  # fmt: skip


def need_sample(asked: Settings) -> bool:
    """Whether the edges follow from all images of the sample."""
    return asked.spacing == EQUAL_ENERGY


def settled_edges(asked: Settings, statistics: SampleStatistics | None = None) -> Edges | None:
    """Edges of the bands; None where they are of equal width.

    `statistics` are those of the whole sample at the model's size, where the edges follow from it.
    """
    if asked.spacing == OCTAVE:
        return octave_edges(asked.bands)
    if need_sample(asked):
        assert statistics is not None
        width = statistics.mean.shape[-1]
        return equal_energy_edges(statistics.power, width, asked.bands, asked.norm)
    return asked.edges


def band_settings(asked: Settings, edges: Edges | None) -> dict[str, Any]:
    """What a result's settings say of its bands.

    Spacing and edges are written down where they are not those that there were before.
    """
    names = ("bands", "separate_dc", "norm")
    apart = {} if asked.spacing == LINEAR else {"spacing": asked.spacing, "edges": edges}
    return {**{name: getattr(asked, name) for name in names}, **apart}


def index_of(asked: Settings, edges: Edges | None, form: InputForm) -> NDArray[np.intp]:
    """Band of each frequency of the model's images."""
    return band_index(
        form.height, form.width, asked.bands, asked.norm,
        separate_dc=asked.separate_dc, edges=edges,
    )  # fmt: skip
