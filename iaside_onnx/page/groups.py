"""Which reports of a page share a chart: those whose bands and numbers are of one kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..results.banded import bands_said, partition_of, wave_spans
from ..results.report import Report
from ..views.text import levels, value_name
from .charts import Chart


@dataclass(frozen=True)
class Group:
    """Reports of the same bands, value and beta, which may stand in one chart.

    `numbers` are those of the reports on the page; `heading` says what their bands are.
    """

    numbers: list[int]
    reports: list[Report]
    labels: list[str]
    heading: str

    @property
    def level(self) -> str:
        """The coverage of their intervals."""
        return levels(self.reports)

    def placed(self, chart: Chart, place: int) -> Chart:
        """A chart of these reports with their numbers on the page; it is that of its `place`."""
        return replace(
            chart,
            place=place,
            marks=[replace(mark, series=self.numbers[mark.series]) for mark in chart.marks],
            paths=[(self.numbers[series], points) for series, points in chart.paths],
        )


def groups_of(reports: Sequence[Report], labels: Sequence[str]) -> list[Group]:
    """The reports of a page, in as many groups as there are kinds, in the order of the page."""
    members: dict[str, list[int]] = {}
    for number, report in enumerate(reports):
        key = json.dumps([_partition(report.settings), value_name(report), report.beta])
        members.setdefault(key, []).append(number)
    firsts = [reports[numbers[0]] for numbers in members.values()]
    shown = [list(_kind(report, firsts)) for report in firsts]
    return [
        Group(
            numbers,
            [reports[number] for number in numbers],
            [labels[number] for number in numbers],
            "; ".join(said),
        )
        for numbers, said in zip(members.values(), shown, strict=True)
    ]


def _partition(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in partition_of(settings).items() if value is not None}


def _kind(report: Report, firsts: Sequence[Report]) -> Iterator[str]:
    """What the bands of a report are; value and beta where those of others are not the same."""
    yield bands_with_waves(report.settings)
    if len({value_name(each) for each in firsts}) > 1:
        yield value_name(report)
    if len({each.beta for each in firsts}) > 1:
        yield f"beta {report.beta:g}"


def bands_with_waves(settings: Mapping[str, Any]) -> str:
    """Bands in words; with the lengths of their waves where they are not of equal width."""
    said = bands_said(settings)
    if settings.get("edges") is None:
        return said
    return f"{said}, waves {', '.join(filter(None, wave_spans(settings)))}"


def other_bands(settings: Mapping[str, Any], groups: Sequence[Group]) -> list[str]:
    """That bands beside those of the reports are not all the same, in a sentence, if so."""
    apart = [
        group for group in groups if _partition(group.reports[0].settings) != _partition(settings)
    ]
    if not apart:
        return []
    kinds = dict.fromkeys(bands_with_waves(group.reports[0].settings) for group in apart)
    return [
        f"Here are {bands_with_waves(settings)}. Reports on this page have {' or '.join(kinds)}: "
        "a band of the same number is not the same band."
    ]
