"""The bound that a gate is suggested with: one for a model, wherever it is suggested."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


def suggested_gate(report: RobustnessReport, found: Verdicts | None = None) -> SuggestedGate | None:
    """The bound for a model; None where the severities of verdicts were not measured.

    `found` are the verdicts where they are known, by a rule of their own.
    """
    try:
        found = found or verdicts(report)
    except UsageError:
        return None
    worst = min(found.groups.values(), key=lambda group: group.right)
    kept = found.guess + found.keep * (found.clean.right - found.guess)
    most = math.ceil(100 * (1 - kept) - 1e-9) / 100
    chosen = [report.settings["kinds"][name] == worst.kind for name in report.perturbations]
    error = resampled_errors(report.lost_shares[:, chosen].mean(axis=(1, 2))[:, None], report)[0]
    fails = "fails" if float(error.high) > most else "passes"
    return SuggestedGate(
        worst.kind,
        most,
        f"({fails} today: {report.error_name} {error.value:.2f}, upper end {error.high:.2f}; at "
        f"{most:g} it keeps {percent(found.keep)})",
    )
