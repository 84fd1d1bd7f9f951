"""The bound that a gate is suggested with: one for a model, wherever it is suggested."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import UsageError
from .group_verdict import Verdicts, percent, verdicts
from .robustness import RobustnessReport, resampled_errors


@dataclass(frozen=True)
class SuggestedGate:
    """A bound on the error of a group of corruptions, and what a gate says of it now.

    Attributes
    ----------
    kind : str
        The group with the most errors.
    most : float
        The error at which the share that verdicts ask for is kept.
    now : str
        What a gate says today, and where the bound comes from.
    """

    kind: str
    most: float
    now: str

    @property
    def words(self) -> list[str]:
        """The options of a gate."""
        return ["--max-error", f"{self.kind}={self.most:g}"]


def suggested_gate(report: RobustnessReport, found: Verdicts | None = None) -> SuggestedGate:
    """The bound for a model.

    `found` are the verdicts where they are known, by a rule of their own. Where their severities
    were not measured the bound is the error of the worst corruption, rounded up to a twentieth.
    """
    kinds = np.array([report.settings["kinds"][name] for name in report.perturbations])
    try:
        found = found or verdicts(report)
    except UsageError:
        errors = report.errors.mean(axis=1)
        named = [report.perturbations.index(name) for name in report.corruptions]
        worst = max(named, key=lambda at: float(errors[at]))
        kind = str(kinds[worst])
        most = min(1.0, math.ceil(20 * float(errors[worst]) - 1e-9) / 20)
        keeps = ""
    else:
        kind = min(found.groups.values(), key=lambda group: group.right).kind
        kept = found.guess + found.keep * (found.clean.right - found.guess)
        most = math.ceil(100 * (1 - kept) - 1e-9) / 100
        keeps = f"; at {most:g} it keeps {percent(found.keep)}"
    lost = report.lost_shares[:, kinds == kind].mean(axis=(1, 2))[:, None]
    error = resampled_errors(lost, report)[0]
    fails = "fails" if float(error.high) > most else "passes"
    now = f"{fails} today: {report.error_name} {error.value:.2f}, upper end {error.high:.2f}"
    return SuggestedGate(kind, most, f"({now}{keeps})")
