"""What a page is made of, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..results.audit import Audit
from ..results.damage import DamageReport
from ..results.fed import by_file, by_subject
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..views.text import model_name
from .groups import Group, groups_of


@dataclass(frozen=True)
class Facts:
    """What a page is of; by the number of its report, what was measured of a model.

    `names` are those of the models; `labels` are what legends call the reports, with a word beside
    those that say nothing; `models`
    is what the page says of each beyond the charts. `audit` is the answer that stands above all
    else, where there is one.
    """

    reports: Sequence[Report]
    names: list[str]
    labels: list[str]
    models: list[dict[str, Any]]
    robustness: dict[int, RobustnessReport]
    baseline: RobustnessReport | None
    snr: SnrReport | None
    audit: Audit | None = None
    damages: Sequence[DamageReport] = ()

    @cached_property
    def groups(self) -> list[Group]:
        """The reports, by what one chart may hold."""
        return groups_of(self.reports, self.labels)

    @cached_property
    def once(self) -> dict[int, str]:
        """The number of the first report of each subject, and what the model is called."""
        found: dict[int, str] = {}
        subjects = by_subject(self.reports)
        ways = {
            group[0]: len(group) for group in by_file([self.reports[own[0]] for own in subjects])
        }
        for place, (number, *others) in enumerate(subjects):
            name = self.names[number]
            if others and ways.get(place) == 1:  # not one of several ways to feed a file
                called = model_name(self.reports[number])
                name = name if called in {*found.values(), *self.names} else called
            found[number] = name
        return found

    @property
    def measured(self) -> dict[int, RobustnessReport]:
        """What was measured of each model, by the number of its first report."""
        return {at: self.robustness[at] for at in self.once if at in self.robustness}

    @property
    def exact(self) -> bool:
        """Whether the values of all coalitions of all reports are known."""
        return bool(self.reports) and all(report.exact for report in self.reports)
