"""The report: what an audit found, as numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..spelling import option
from .banded import edges_summary
from .finding import Finding, finding, measured_values, reservations
from .robustness import RobustnessReport
from .tally import class_numbers, summary, words
from .value_table import FEW_IMAGES, FORMAT, ONLY_EXACT, SCHEMA, ValueTable, check_view

__all__ = ["FEW_IMAGES", "FORMAT", "ONLY_EXACT", "SCHEMA", "Report", "check_view", "load"]


@dataclass(frozen=True, kw_only=True)
class Report(ValueTable):
    """Result of one audit: a `ValueTable`, and what it says."""

    def per_class(self) -> list[dict[str, Any]]:
        """Profile of each class of the sample, in the order of the labels.

        Returns
        -------
        list of dict
            ``class``, ``name``, ``n``, ``few`` (fewer than 20 images), ``accuracy`` with
            ``accuracy_low`` and ``accuracy_high`` (Wilson), ``gain`` (v(all) - v(none) in
            log-probability) and ``no_finding`` (why its shares and scores may not be read; None
            where they may). From the class's own images:
            ``shapley``, ``shapley_stderr``, ``sid``, ``srs``, ``srs_signed``, and where images are
            not few ``sid_low``, ``sid_high``, ``srs_signed_low``, ``srs_signed_high``, else None.
            ``shrunk`` holds the same keys (without ``srs``) of the credibility estimate, which
            gives the class's own images the ``weight``; both None where the sample cannot tell
            the spread within classes from that between them (see `mathematics.profiles`).
            ``sid_shrunk``, ``srs_shrunk`` and ``srs_signed_shrunk`` are that estimate, which all
            views show, beside the class's own.
        """
        from .class_rows import class_rows  # loads scipy, which is slow

        if self.of_classes:
            return class_rows(self)
        rows = self.class_numbers
        if rows is None:
            raise UsageError(f"{option('per_class', True)}: {self._no_classes}")
        return rows

    @property
    def class_numbers(self) -> list[dict[str, Any]] | None:
        """Of several labels and of maps by given labels: a row a class, see `tally.class_numbers`.

        None where labels are the model's own answers, and of other tasks.
        """
        if self.tally is None or self.of_own_answers:
            return None
        threshold = self.settings.get("threshold")
        return class_numbers(self.tally, self.task.name, self.class_names, threshold)

    @property
    def _no_classes(self) -> str:
        """Why there is nothing to say of single classes."""
        if self.task.tallied:
            return "classes are not judged by the model's own answers"
        return f"{self.task.what} has no classes"

    @property
    def beside(self) -> str | None:
        """In words what clean images are judged by beside the value; None where nothing is."""
        rows = self.class_numbers
        return self.clean_note if rows is None else words(rows, self.task.name)

    def summary(
        self, *, per_class: bool = False, robustness: RobustnessReport | None = None
    ) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside show --json``.

        Raises
        ------
        ReportError
            `robustness` is of another model.
        """
        intervals, text = self.intervals, self.finding(robustness).text
        classes = self.per_class() if per_class else None
        rows = None if self.of_classes else self.class_numbers
        result: dict[str, Any] = {
            **self.provenance,
            "accuracy": self.accuracy,
            "mean_log_prob": self.mean_log_prob,
            "task": self.task.name,
            "mean_value": self.mean_value,
            **({} if rows is None else summary(rows, self.task.name)),
            "floor_share": self.floor_share,
            "shapley": self.shapley.tolist(),
            "shapley_stderr": self.shapley_stderr.tolist(),
            "sid": self.sid.tolist(),
            "sid_low": intervals.sid_low.tolist(),
            "sid_high": intervals.sid_high.tolist(),
            "uniform": self.uniform,
            "srs": self.srs,
            "srs_low": intervals.srs[0],
            "srs_high": intervals.srs[1],
            "srs_signed": self.srs_signed,
            "srs_signed_low": intervals.srs_signed[0],
            "srs_signed_high": intervals.srs_signed[1],
            "srs_signed_stderr": intervals.srs_signed_stderr,
            "srs_range": list(self.srs_range),
            "band_edges": edges_summary(self.settings),
            "efficiency_residual": self.efficiency_residual,
            "forward_passes": self.run["forward_passes"],
            "seconds": self.run["seconds"],
            "interactions": self.interactions.tolist() if self.exact else None,
            "value_none": self.value_none,
            "value_all": self.value_all,
            "precondition": self.precondition.summary(),
            "finding": text,
            "interpretation": text,
            "reservations": reservations(self),
            "measured": None if robustness is None else measured_values(robustness),
        }
        return {**result, "per_class": classes} if per_class else result

    def finding(self, robustness: RobustnessReport | None = None) -> Finding:
        """What the report says, and what was measured of the same model where that is given.

        Raises
        ------
        ReportError
            The measurement is of another model.
        """
        return finding(self, robustness)

    def interpretation(self) -> str:
        """What the report says, as text."""
        return self.finding().text


load = Report.load
