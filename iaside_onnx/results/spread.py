"""Quantities with their percentile bootstrap intervals, as measurements report them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import check_share
from ..errors import InvalidOption

# Of the images of a measurement, for its intervals.
RESAMPLES = 2000


@dataclass(frozen=True)
class Spread:
    """A quantity with its percentile bootstrap interval; arrays of one shape."""

    value: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], confidence: float) -> Spread:
        """The first row, and percentiles of the others, which are resamples."""
        ends = [50.0 * (1.0 - confidence), 50.0 * (1.0 + confidence)]
        with np.errstate(invalid="ignore"):  # between two infinities
            low, high = np.percentile(values[1:], ends, axis=0)
        endless = np.isinf(values[0])
        return cls(
            np.asarray(values[0]),
            np.where(endless, values[0], low),
            np.where(endless, values[0], high),
        )

    def __getitem__(self, place: Any) -> Spread:
        """The same of some entries."""
        return Spread(*(np.asarray(part[place]) for part in (self.value, self.low, self.high)))

    def json(self) -> dict[str, Any]:
        """Lists, or numbers; null where a quantity is infinite or not defined."""
        return {name: plain(getattr(self, name)) for name in ("value", "low", "high")}


def plain(values: NDArray[np.float64]) -> Any:
    """Numbers, or lists of them, for JSON; None where one is infinite or not defined."""
    if values.ndim:
        return [plain(part) for part in values]
    return float(values) if np.isfinite(values) else None


def check_confidence(confidence: float) -> None:
    """Refuse a coverage that no interval can have, or that resampling cannot tell from others."""
    check_share("confidence", confidence)
    if not 0.01 <= confidence <= 0.999:
        raise InvalidOption(
            "confidence",
            confidence,
            "must lie between 0.01 and 0.999; the resamples that intervals are made of say nothing "
            "about rarer cases",
        )
