"""What people see of a correlation on a terminal."""

from __future__ import annotations

import numpy as np
from rich import box
from rich.table import Table

from ..comparisons.correlation import MEASURES, PREDICTORS, Correlation
from ..mathematics.correlation import Correlations
from .terminal import terminal
from .text import one_line

_OUTCOMES = {
    "mean_error": "mean error",
    "mce": "mCE",
    "relative_mce": "relative mCE",
    "added_error": "added error",
    "mpe": "mPE",
}

# The predictors as headings of narrow columns.
_SHORT = ("signed", "published", "centroid", "accuracy")


def outcome_name(outcome: str) -> str:
    """An outcome in words."""
    attack = outcome.partition(":")[2]
    return _OUTCOMES.get(outcome) or f"error under {one_line(attack)}"


def print_correlation(found: Correlation) -> None:
    """Models, then correlations with intervals, then Spearman's for every corruption."""
    out = terminal()
    # First of all which models are not in it, and why.
    for warning in found.warnings:
        out.print(f"Warning: {one_line(warning)}", soft_wrap=True)
    out.print(_models(found))
    against = "" if found.baseline is None else f"; baseline {one_line(found.baseline)}"
    out.print(
        f"Correlations over {found.models} models with {found.confidence:.0%} bootstrap intervals; "
        f"value {found.settings['value']}, beta {found.settings['beta']}{against}. Higher outcomes "
        "are worse, so a score that foretells robustness correlates negatively.",
        soft_wrap=True,
    )
    out.print(_associations(found))
    out.print(_corruptions(found))


def _table(caption: str | None = None) -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")


def _models(found: Correlation) -> Table:
    table = _table()
    table.add_column("model", no_wrap=True, min_width=20)
    columns = [*found.predictors.values(), *found.outcomes.values()]
    for name in [*_SHORT, *map(outcome_name, found.outcomes)]:
        table.add_column(name, justify="right")
    for row in np.argsort(-found.predictors["srs_signed"], kind="stable"):
        table.add_row(one_line(found.names[row]), *(f"{column[row]:.3f}" for column in columns))
    return table


def _associations(found: Correlation) -> Table:
    table = _table("held: with clean accuracy held fixed; added error: mean error less clean error")
    for name in ("outcome", "foretold by"):
        table.add_column(name)
    for name in ("Spearman", "interval", "held", "Kendall", "Pearson"):
        table.add_column(name, justify="right", no_wrap=True)
    ranks = found.associations["spearman"]
    for column, outcome in enumerate(found.outcomes):
        for row, predictor in enumerate(found.predictors):
            table.add_row(
                outcome_name(outcome) if row == 0 else "",
                PREDICTORS[predictor],
                _number(ranks.value[row, column]),
                _interval(ranks, row, column),
                _number(ranks.partial[row, column]),
                *(
                    _number(found.associations[name].value[row, column])
                    for name in ("kendall", "pearson")
                ),
                end_section=row == len(found.predictors) - 1,
            )
    return table


def _corruptions(found: Correlation) -> Table:
    table = _table("Spearman's coefficient over the models, means over severities")
    table.add_column("perturbation")
    row = list(found.predictors).index("srs_signed")
    rival = list(found.predictors).index("accuracy")
    for name in MEASURES.values():
        table.add_column(f"score, {name}", justify="right")
        table.add_column("interval", justify="right", no_wrap=True)
        table.add_column(f"accuracy, {name}", justify="right")
    for column, perturbation in enumerate(found.perturbations):
        cells = []
        for measure in MEASURES:
            ranks = found.corruption_associations[measure]
            cells += [
                _number(ranks.value[row, column]),
                _interval(ranks, row, column),
                _number(ranks.value[rival, column]),
            ]
        table.add_row(one_line(perturbation.replace("_", " ")), *cells)
    return table


def _number(value: float) -> str:
    return f"{value:+.2f}" if np.isfinite(value) else "-"


def _interval(found: Correlations, row: int, column: int) -> str:
    low, high = found.low[row, column], found.high[row, column]
    return f"{_number(low)} to {_number(high)}" if np.isfinite(low) else "-"
