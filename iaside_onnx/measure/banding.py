"""The bands of a measurement: where their edges lie, and what its settings say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import plain
from ..mathematics.absence import SampleStatistics
from ..mathematics.bands import band_index, check_count
from ..mathematics.spacing import (
    EQUAL_ENERGY,
    LINEAR,
    OCTAVE,
    Edges,
    check_asked,
    check_spacing,
    equal_energy_edges,
    octave_edges,
)
from ..settings import Settings


@dataclass(frozen=True)
class Banding:
    """The bands that are asked for, and, once `settled`, where their edges are.

    Attributes
    ----------
    bands, norm, separate_dc, spacing
        As `Settings` has them.
    edges : tuple of float or None
        As asked for; settled, those of any spacing but the linear one.
    """

    bands: int
    norm: str
    separate_dc: bool = False
    spacing: str = LINEAR
    edges: Edges | None = None

    @classmethod
    def of(cls, asked: Settings) -> Banding:
        """Those of settings, which were checked."""
        return cls(asked.bands, asked.norm, asked.separate_dc, asked.spacing, asked.edges)

    @classmethod
    def asked(
        cls, bands: int, norm: str, spacing: str, edges: Any, *, separate_dc: bool = False
    ) -> Banding:
        """Those that a caller gives, checked as far as that goes without the size of the images."""
        bands, norm, spacing, edges = map(plain, (bands, norm, spacing, edges))
        check_count(bands)
        check_asked(spacing, edges, bands)
        return cls(bands, norm, separate_dc, spacing, None if edges is None else tuple(edges))

    def check(self, height: int, width: int) -> None:
        """Refuse bands that images of a size do not have."""
        check_spacing(
            height, width, self.bands, self.norm, self.spacing,
            separate_dc=self.separate_dc, edges=self.edges,
        )  # fmt: skip

    @property
    def of_sample(self) -> bool:
        """Whether the edges follow from all images of the sample."""
        return self.spacing == EQUAL_ENERGY

    def settled(self, statistics: SampleStatistics | None = None) -> Banding:
        """The same with its edges.

        `statistics` are those of the whole sample at the model's size, where edges follow from it.
        """
        if self.spacing == OCTAVE:
            return replace(self, edges=octave_edges(self.bands))
        if not self.of_sample:
            return self
        assert statistics is not None
        width = statistics.mean.shape[-1]
        edges = equal_energy_edges(statistics.power, width, self.bands, self.norm)
        return replace(self, edges=edges)

    @property
    def settings(self) -> dict[str, Any]:
        """What a result's settings say of its bands.

        Spacing and edges are written down where they are not those that there were before.
        """
        names = ("bands", "separate_dc", "norm")
        named = {name: getattr(self, name) for name in names}
        if self.spacing == LINEAR:
            return named
        return {**named, "spacing": self.spacing, "edges": list(self.edges or ())}

    def index(self, height: int, width: int) -> NDArray[np.intp]:
        """Band of each frequency, shape (height, width)."""
        return band_index(
            height, width, self.bands, self.norm,
            separate_dc=self.separate_dc, edges=self.edges,
        )  # fmt: skip
