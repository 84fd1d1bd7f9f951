"""What people see of a correlation on a terminal."""

from __future__ import annotations

import numpy as np

from ..comparisons.correlation import MEASURES, PREDICTORS, Correlation
from ..mathematics.correlation import Correlations
from .terminal import Rows, table, terminal
from .text import interval, number, one_line, percent, rank_text, words

_OUTCOMES = {
    "mean_error": "mean error",
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "added_error": "added error",
    "mpe": "mPE",
}

# The predictors as headings of narrow columns.
_SHORT = ("signed score", "published score", "centroid", "accuracy")


def outcome_name(outcome: str) -> str:
    """An outcome in words."""
    attack = outcome.partition(":")[2]
    return _OUTCOMES.get(outcome) or f"error under {one_line(attack)}"


def print_correlation(correlation: Correlation) -> None:
    """Models, then correlations with intervals, then Spearman's for every corruption."""
    out = terminal()
    # First of all which models are not in it, and why.
    for warning in correlation.warnings:
        out.say(f"Warning: {one_line(warning)}")
    out.print(_models(correlation))
    against = "" if correlation.baseline is None else f"; baseline {one_line(correlation.baseline)}"
    kind = "approximate" if correlation.few else "bootstrap"
    out.say(
        f"Correlations over {correlation.models} models with {percent(correlation.confidence)} "
        f"{kind} intervals; value {correlation.settings['value']}, beta "
        f"{correlation.settings['beta']}{against}. Higher outcomes are worse, so a score that "
        "predicts robustness correlates negatively."
    )
    out.print(_associations(correlation))
    out.print(_corruptions(correlation))


def _models(correlation: Correlation) -> Rows:
    predictors, outcomes = correlation.predictors, correlation.outcomes
    columns = [*predictors.values(), *outcomes.values()]
    return table(
        ["model"],
        [*_SHORT, *map(outcome_name, outcomes)],
        (
            [one_line(correlation.names[row]), *(number(column[row]) for column in columns)]
            for row in np.argsort(-predictors["srs_signed"], kind="stable")
        ),
    )


def _associations(correlation: Correlation) -> Rows:
    rows = table(
        ["outcome", "predicted by"],
        ["Spearman", "interval", "held", "Kendall", "Pearson"],
        caption="held: with clean accuracy held fixed; added error: mean error less clean error",
    )
    ranks, last = correlation.associations["spearman"], len(correlation.predictors) - 1
    for column, outcome in enumerate(correlation.outcomes):
        for row, predictor in enumerate(correlation.predictors):
            others = (correlation.associations[name].value for name in ("kendall", "pearson"))
            cells = [
                outcome_name(outcome) if row == 0 else "",
                PREDICTORS[predictor],
                rank_text(ranks.value[row, column]),
                _interval(ranks, row, column),
                *(rank_text(each[row, column]) for each in (ranks.partial, *others)),
            ]
            if row == last:
                rows.sections.add(len(rows.rows))
            rows.rows.append(cells)
    return rows


def _corruptions(correlation: Correlation) -> Rows:
    row = list(correlation.predictors).index("srs_signed")
    rival = list(correlation.predictors).index("accuracy")
    headings, rows = [], [[words(perturbation)] for perturbation in correlation.perturbations]
    for measure, name in MEASURES.items():
        headings += [f"score, {name}", "interval", f"accuracy, {name}"]
        ranks = correlation.corruption_associations[measure]
        for column, cells in enumerate(rows):
            cells += [rank_text(ranks.value[row, column]), _interval(ranks, row, column)]
            cells.append(rank_text(ranks.value[rival, column]))
    caption = "Spearman's coefficient over the models, means over severities"
    return table(["perturbation"], headings, rows, caption=caption)


def _interval(ranks: Correlations, row: int, column: int) -> str:
    return interval(ranks.low[row, column], ranks.high[row, column], 2, signed=True)
