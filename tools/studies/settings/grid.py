"""The settings that the study tries, and the analyses that they need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ABSENCES = ("gaussian", "replace", "mean", "zero")
NORMS = ("linf", "l2", "l1")
VALUES = ("log-prob", "log-prob-clipped", "prob")
BETAS = (0.5, 0.625, 0.75, 0.875, 0.95)
# With this many bands the exact game is out of reach for a study, so it is sampled.
SAMPLED_FROM = 16


@dataclass(frozen=True)
class Game:
    """One value table per network: what cannot be changed without running the model."""

    absence: str
    norm: str
    bands: int
    temperature: str = "1"
    output_map: str = "real"

    @property
    def name(self) -> str:
        """What its folder is called."""
        parts = [self.absence, self.norm, f"m{self.bands}"]
        if self.temperature != "1":
            parts.append(f"t-{self.temperature}")
        if self.output_map != "real":
            parts.append(self.output_map)
        return "-".join(parts)

    def options(self) -> dict[str, Any]:
        """As keyword arguments of `iaside_onnx.analyze`."""
        return {
            "absence": self.absence,
            "norm": self.norm,
            "bands": self.bands,
            "temperature": "auto" if self.temperature == "auto" else float(self.temperature),
            "output_map": self.output_map,
            "estimator": "exact" if self.bands < SAMPLED_FROM else "permutation",
        }


def games(sampled: bool = True) -> Iterator[Game]:
    """Every game of the study, those that matter most first."""
    for absence in ABSENCES:
        yield Game(absence, "linf", 8)
    for norm in NORMS[1:]:
        yield Game("gaussian", norm, 8)
    for absence in ABSENCES:
        yield Game(absence, "linf", 8, temperature="auto")
        for norm in NORMS:
            yield Game(absence, norm, 4)
    for absence in ABSENCES[1:]:
        for norm in NORMS[1:]:
            yield Game(absence, norm, 8)
    # What the published script makes of a coalition.
    yield Game("replace", "l2", 8, output_map="magnitude")
    if sampled:
        for absence in ABSENCES:
            for norm in NORMS:
                yield Game(absence, norm, 16)
