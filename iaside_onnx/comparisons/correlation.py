"""How well the score predicts measured robustness: reports joined model by model.

An analysis and a robustness report of the same model (by SHA-256) make one point; the correlations
run over the models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..errors import ReportError, UsageError
from ..mathematics.correlation import (
    FEW_MODELS,
    LEAST_MODELS,
    METHODS,
    Correlations,
    correlations,
)
from ..plurals import counted, listed, plural
from ..results.fed import fed_otherwise
from ..results.finding import no_finding
from ..results.kinds import load_file
from ..results.report import Report, check_view
from ..results.result import Result
from ..results.robustness import RobustnessReport
from ..results.shown import Shown
from ..spelling import option
from ..storage.opening import wrong_kind
from .agreement import grounds_apart, settings_notes, shared_attacks
from .baseline import relative
from .comparable import agreement

R = TypeVar("R", Report, RobustnessReport)
PREDICTORS = {
    "srs_signed": "signed score",
    "srs": "published score",
    "centroid": "centroid of SID",
    "accuracy": "clean accuracy",
}
MEASURES = {"error": "error", "mpe": "mPE"}


@dataclass(frozen=True)
class Correlation(Shown):
    """Models with what was predicted and what was measured.

    Attributes
    ----------
    names, sha256 : list of str
        Of the models, in the order of the analyses.
    predictors : dict of str to ndarray, shape (models,)
        The keys of `PREDICTORS`; "centroid" is the mean band index under the SID.
    outcomes : dict of str to ndarray, shape (models,)
        "mean_error" or, with a baseline, "mce" and "relative_mce"; "added_error" (mean error less
        clean error), "mpe", and "adversarial_error:NAME" for every attack. Higher is worse.
    per_corruption : dict of str to ndarray, shape (perturbations, models)
        "error" and "mpe", means over severities.
    perturbations : list of str
    baseline : str or None
    confidence, seed : float, int
        Of the intervals over models.
    settings : dict
        Of the first analysis.
    warnings : list of str
    """

    names: list[str]
    sha256: list[str]
    predictors: dict[str, NDArray[np.float64]]
    outcomes: dict[str, NDArray[np.float64]]
    per_corruption: dict[str, NDArray[np.float64]]
    perturbations: list[str]
    baseline: str | None
    confidence: float
    seed: int
    settings: dict[str, Any]
    warnings: list[str]

    @property
    def models(self) -> int:
        """How many models there are."""
        return len(self.names)

    @property
    def few(self) -> bool:
        """Whether there are so few models that the intervals are approximate."""
        return self.models < FEW_MODELS

    @cached_property
    def associations(self) -> dict[str, Correlations]:
        """For each coefficient, predictors against outcomes, in the order of the dicts."""
        return {method: self._against(list(self.outcomes.values()), method) for method in METHODS}

    @cached_property
    def corruption_associations(self) -> dict[str, Correlations]:
        """Spearman's coefficient, predictors against each perturbation's error and mPE."""
        return {
            name: self._against(values, "spearman") for name, values in self.per_corruption.items()
        }

    def _against(self, outcomes: Any, method: str) -> Correlations:
        fixed = list(self.predictors).index("accuracy")
        rows = np.array(list(self.predictors.values()))
        return correlations(rows, np.array(outcomes), fixed, method, self.confidence, self.seed)

    def summary(self) -> dict[str, Any]:
        """The result as plain JSON values; null where there is no correlation."""
        return {
            "models": [
                {
                    "name": name,
                    "sha256": self.sha256[row],
                    **{k: float(v[row]) for k, v in (self.predictors | self.outcomes).items()},
                }
                for row, name in enumerate(self.names)
            ],
            "baseline": self.baseline,
            "settings": self.settings,
            "confidence": self.confidence,
            "intervals": "approximate" if self.few else "bootstrap",
            "correlations": [
                {
                    "predictor": predictor,
                    "outcome": outcome,
                    **{m: _cell(self.associations[m], row, column) for m in METHODS},
                }
                for column, outcome in enumerate(self.outcomes)
                for row, predictor in enumerate(self.predictors)
            ],
            "per_corruption": [
                {
                    "corruption": corruption,
                    "measure": measure,
                    "predictor": predictor,
                    "spearman": _cell(association, row, column),
                }
                for measure, association in self.corruption_associations.items()
                for column, corruption in enumerate(self.perturbations)
                for row, predictor in enumerate(self.predictors)
            ],
            "warnings": self.warnings,
        }


def _cell(association: Correlations, row: int, column: int) -> dict[str, float | None]:
    cells = {key: float(values[row, column]) for key, values in vars(association).items()}
    return {key: cell if np.isfinite(cell) else None for key, cell in cells.items()}


def correlate(
    *reports: Report | RobustnessReport | str | Path,
    baseline: RobustnessReport | str | Path | None = None,
    value: str | None = None,
    beta: float | None = None,
    confidence: float = 0.95,
) -> Correlation:
    """Join analyses and robustness reports by model, to see what predicts robustness.

    Analyses that say nothing (accuracy at chance, no gain to share) are left out, with a warning.

    Parameters
    ----------
    *reports : Report, RobustnessReport or path
        In any order; at least four models need one of each kind.
    baseline : RobustnessReport or path, optional
        The model that mCE and relative mCE are relative to.
    value, beta : str, float, optional
        Other view settings for all analyses.
    confidence : float
        Coverage of the intervals over models: bootstrap ones, of fewer than ten models Bonett and
        Wright's approximate ones.

    Returns
    -------
    Correlation

    Raises
    ------
    ReportError
        A file cannot be read; one model comes twice; analyses played different games; robustness
        was measured on other images or perturbations.
    UsageError
        Too few models, view settings that cannot be used.
    """
    named = [(_called(entry), _read(entry)) for entry in reports]
    analyses = [(n, r.view(value=value, beta=beta)) for n, r in named if isinstance(r, Report)]
    measured = [(n, r) for n, r in named if isinstance(r, RobustnessReport)]
    for _, report in analyses[:1]:
        check_view(report.settings["value"], report.beta, confidence)
    audited = _by_model(analyses, "analyses")
    damaged = _by_model(measured, "robustness reports")
    notes = _check_analyses(analyses)
    for name, each in (*analyses, *measured):
        if each.of_own_answers:
            raise UsageError(
                f"{name}: has labels from the model ({option('labels', 'model')}), so that neither "
                "errors nor accuracy are known, which the score is compared with; measure with "
                "true labels"
            )
    base: RobustnessReport | None = None
    if baseline is not None:
        name, given = _called(baseline), _read(baseline)
        if not isinstance(given, RobustnessReport):
            raise ReportError(f"{name}: {option('baseline')} takes a file of iaside robustness")
        base, measured = given, [(name, given), *measured]
    notes += _check_measured(measured)
    silent = [
        f"{name}: left out. {reason}"
        for name, report in analyses
        if (reason := no_finding(report)) is not None
    ]
    alone = [
        f"{name}: left out, its model has no {lacking} here"
        for one, other, lacking in (
            (audited, damaged, "robustness report"),
            (damaged, audited, "analysis"),
        )
        for model, (name, _) in one.items()
        if model not in other
    ]
    warnings = silent + notes + alone
    pairs = [
        (report, damaged[model][1])
        for model, (_, report) in audited.items()
        if model in damaged and report.precondition.holds
    ]
    if len(pairs) < LEAST_MODELS:
        why = f"; {silent[0].rstrip('.')}" if silent else ""
        raise UsageError(
            f"{counted(len(pairs), 'model')} {plural(len(pairs), 'has', 'have')} both an analysis "
            "that says something and a robustness "
            f"report (of {len(audited)} and {len(damaged)}); a correlation needs at least "
            f"{LEAST_MODELS}{why}"
        )
    if len(pairs) < FEW_MODELS:
        warnings.append(
            f"{len(pairs)} models are few: intervals over fewer than {FEW_MODELS} are approximate "
            "(Bonett and Wright's, from the coefficient and the number of models alone)"
        )
    audits, tables = [report for report, _ in pairs], [table for _, table in pairs]
    warnings += _copies(audits)
    warnings += [
        f"{PurePosixPath(report.model['path']).stem}: its score and its errors were measured with "
        f"{fed}"
        for report, table in pairs
        if (fed := fed_otherwise(report.settings, table.settings))
    ]
    outcomes, left_out = _outcomes(tables, base)
    predictors = {
        "srs_signed": [report.srs_signed for report in audits],
        "srs": [report.srs for report in audits],
        "centroid": [float(report.sid @ np.arange(report.players)) for report in audits],
        # Of the sample that the errors were measured on: what the score has to do better than.
        "accuracy": [table.accuracy for table in tables],
    }
    return Correlation(
        names=_names(audits),
        sha256=[report.model["sha256"] for report in audits],
        predictors={name: np.array(values) for name, values in predictors.items()},
        outcomes=outcomes,
        per_corruption={
            "error": np.array([table.errors.mean(axis=1) for table in tables]).T,
            "mpe": np.array([table.mpe.mean(axis=1) for table in tables]).T,
        },
        perturbations=list(tables[0].perturbations),
        baseline=None if base is None else base.model["path"],
        confidence=confidence,
        seed=int(audits[0].settings["seed"]),
        settings=audits[0].settings,
        warnings=warnings + left_out,
    )


def _outcomes(
    tables: Sequence[RobustnessReport], base: RobustnessReport | None
) -> tuple[dict[str, NDArray[np.float64]], list[str]]:
    """What was measured, and which attacks were left out."""
    columns: dict[str, list[float]] = {}
    if base is None:
        columns["mean_error"] = [table.mean_error for table in tables]
    else:
        against = [relative(table, base) for table in tables]
        columns["mce"] = [float(each.mce.value) for each in against]
        columns["relative_mce"] = [float(each.relative_mce.value) for each in against]
    columns["added_error"] = [
        table.mean_error - float(table.clean_wrong.mean()) for table in tables
    ]
    columns["mpe"] = [table.mean_mpe for table in tables]
    warnings = []
    attacks = shared_attacks(tables)
    for number, attack in enumerate(attacks):
        name = f"adversarial_error:{attack['name']}"
        if name in columns:
            name += f"@{attack['epsilon']:g}"
        columns[name] = [float(table.adversarial_errors[number]) for table in tables]
    if not attacks and any(table.attacks for table in tables):
        warnings.append(
            "the reports do not hold the same attacks with the same budgets, so adversarial error "
            "is left out"
        )
    outcomes = {name: np.array(values) for name, values in columns.items()}
    endless = [name for name, values in outcomes.items() if not np.isfinite(values).all()]
    if endless:
        warnings.append(
            f"{' and '.join(endless)} left out: the baseline makes no error that others could be "
            "compared with"
        )
    return {name: outcomes[name] for name in outcomes if name not in endless}, warnings


def _copies(audits: Sequence[Report]) -> list[str]:
    """A note on files that a quantiser wrote, where others may be what they were made from."""
    written = [
        name
        for name, report in zip(_names(audits), audits, strict=True)
        if "quantize" in str(report.model.get("producer", ""))
    ]
    if not written or len(written) == len(audits):
        return []
    are = plural(len(written), "was", "were")
    return [
        f"{listed(written)} {are} written by a quantiser; with the file that it was made from, "
        "such a file counts here as two models, though it is one network, and intervals are too "
        "narrow"
    ]


def _read(entry: Report | RobustnessReport | str | Path) -> Report | RobustnessReport:
    result = entry if isinstance(entry, Result) else load_file(entry)
    if isinstance(result, Report | RobustnessReport):
        return result
    kinds = (Report.SCHEMA.format, RobustnessReport.SCHEMA.format)
    raise wrong_kind(_called(entry), result.SCHEMA.format, *kinds)


def _called(entry: Report | RobustnessReport | str | Path) -> str:
    return str(entry.model["path"]) if isinstance(entry, Result) else str(entry)


def _check_analyses(analyses: Sequence[tuple[str, Report]]) -> list[str]:
    """Refuse analyses that do not stand side by side; what to bear in mind about the others."""
    notes = []
    for name, report in analyses[1:]:
        first_name, first = analyses[0]
        agreement(analyses[0], (name, report)).check(images=False)
        # Stricter than a comparison: models are ranked on one sample, not on shared images.
        if first.data["digest"] != report.data["digest"]:
            raise ReportError(
                f"{name} and {first_name} were made on other images, so their models cannot be "
                f"ranked; use the same images, {option('samples')} and {option('seed')} for all"
            )
        notes += settings_notes(first.settings, report.settings)
    return list(dict.fromkeys(notes))


def _check_measured(measured: Sequence[tuple[str, RobustnessReport]]) -> list[str]:
    """The same for measurements of robustness."""
    notes: list[str] = []
    for name, report in measured[1:]:
        first_name, first = measured[0]
        refusals, more = grounds_apart(first, report)
        if refusals:
            raise ReportError(
                f"{name} and {first_name} were measured with {'; '.join(refusals)}, so their "
                "models cannot be ranked; measure all alike"
            )
        notes += more
    return list(dict.fromkeys(notes))


def _by_model(reports: Sequence[tuple[str, R]], what: str) -> dict[str, tuple[str, R]]:
    """Reports by the SHA-256 of their models; two of one model are refused."""
    by_model: dict[str, tuple[str, R]] = {}
    for name, report in reports:
        model = report.model["sha256"]
        if model in by_model:
            raise ReportError(
                f"{name} and {by_model[model][0]} are {what} of one model; give one of them"
            )
        by_model[model] = name, report
    return by_model


def _names(reports: Sequence[Report]) -> list[str]:
    """File names of the models without their ending; with some of the hash where they repeat."""
    stems = [PurePosixPath(report.model["path"]).stem for report in reports]
    return [
        stem if stems.count(stem) == 1 else f"{stem} {report.model['sha256'][:6]}"
        for stem, report in zip(stems, reports, strict=True)
    ]
