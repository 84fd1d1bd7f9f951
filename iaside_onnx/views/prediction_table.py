"""Foretold damage on a terminal."""

from __future__ import annotations

import math

from rich import box
from rich.table import Table

from ..comparisons.prediction import TRIALS, Prediction
from ..results.finding import NOT_A_FINDING
from .terminal import terminal
from .text import one_line


def print_prediction(found: Prediction) -> None:
    """The foretold damage of each corruption by severity, and what was measured beside it."""
    out = terminal()
    settings = found.settings
    level = f"{settings['confidence']:.0%}"
    if found.no_finding is not None:
        out.print(one_line(found.no_finding), soft_wrap=True, style="bold red")
        out.print("Nothing below is foretold: no number is a finding.\n", style="bold")
    out.print(
        f"{one_line(found.model['path'])}: foretold from {len(found.probability)} images of "
        f"{one_line(found.data['source'])} and what corruptions do to the bands of "
        f"{one_line(found.snr['source'])}",
        soft_wrap=True,
    )
    out.print(
        f"\nFall of the true class's probability (untouched: {found.probability.mean():.3f}), by "
        f"severity and on average with its {level} interval:",
        soft_wrap=True,
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    mark = "" if found.no_finding is None else f" ({NOT_A_FINDING})"
    table.add_column(f"corruption{mark}", no_wrap=True)
    for heading in (*(str(level) for level in found.severities), "average", "interval"):
        table.add_column(heading, justify="right")
    drop, measured, mpe = found.drop, found.measured_drop, found.measured_mpe
    if measured is not None:
        table.add_column("accuracy fell", justify="right")
        table.add_column("mPE", justify="right")
    average = found.corruption_drops
    for row, name in enumerate(found.perturbations):
        table.add_row(
            one_line(name),
            *(f"{value:.2f}" for value in drop[row]),
            f"{average.value[row]:.3f}",
            f"{average.low[row]:.3f} to {average.high[row]:.3f}",
            *(f"{part[row].mean():.3f}" for part in (measured, mpe) if part is not None),
        )
    out.print(table)
    mean = found.mean_drop
    out.print(f"Mean: {mean.value:.3f}  [{level}: {mean.low:.3f} to {mean.high:.3f}]")
    if measured is not None and mpe is not None:
        for what, truth in (("fall of accuracy", measured), ("mPE", mpe)):
            rank = found.agreement(truth)
            out.print(
                f"Rank correlation with the measured {what}: {_rank(rank.corruptions)} over "
                f"corruptions, {_rank(rank.pairs)} over corruptions and severities",
                soft_wrap=True,
            )
    if found.no_finding is None:
        _print_evidence(measured=measured is not None)
    for note in found.notes:
        out.print(f"Note: {note}", soft_wrap=True)


def _print_evidence(*, measured: bool) -> None:
    """Where the order was seen to hold, and where not."""
    out = terminal()
    out.print(
        "Read the order of the corruptions, not the size of the fall, and the order only where it "
        "was seen to hold. Rank correlation with the measured mPE over corruptions:",
        soft_wrap=True,
    )
    for trial in TRIALS:
        what = f"{trial.networks} ({trial.images}; {trial.corruptions})"
        out.print(f"  {_rank(trial.mpe)}  {what}", soft_wrap=True)
    if not measured:
        out.print(
            "For this model nothing was measured here: run iaside robustness and give its file "
            "with --measured.",
            soft_wrap=True,
        )


def _rank(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}"
