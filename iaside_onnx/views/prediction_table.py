"""Predicted damage on a terminal."""

from __future__ import annotations

from ..comparisons.prediction import TRIALS, Prediction
from ..plurals import counted
from ..results.finding import NOT_A_FINDING
from ..results.result import OWN_ANSWERS
from .terminal import Terminal, table, terminal
from .text import interval, number, one_line, percent, rank_text


def print_prediction(prediction: Prediction) -> None:
    """The predicted damage of each corruption by severity, and what was measured beside it."""
    out = terminal()
    level = percent(prediction.settings["confidence"])
    mark = ""
    if prediction.no_finding is not None:
        mark = f" ({NOT_A_FINDING})"
        out.no_finding(
            [prediction.no_finding], "Nothing below is predicted: no number is a finding."
        )
    own = prediction.settings.get("labels") == OWN_ANSWERS
    answer = "model's own answer" if own else "true class"
    out.say(
        f"{one_line(prediction.model['path'])}: predicted from "
        f"{counted(len(prediction.probability), 'image')} of "
        f"{one_line(prediction.data['source'])} and what corruptions do to the bands of "
        f"{one_line(prediction.snr['source'])}",
        f"\nFall of the probability of the {answer} (clean: "
        f"{number(prediction.probability.mean())}), by severity and on average with its {level} "
        "interval:",
    )
    drop, measured, mpe = prediction.drop, prediction.measured_drop, prediction.measured_mpe
    further = [] if measured is None else ["accuracy fell", "mPE"]
    numbers = [*map(str, prediction.severities), "average", "interval", *further]
    average = prediction.corruption_drops
    rows = (
        [
            one_line(name),
            *(number(value, 2) for value in drop[row]),
            number(average.value[row]),
            interval(average.low[row], average.high[row]),
            *(number(part[row].mean()) for part in (measured, mpe) if part is not None),
        ]
        for row, name in enumerate(prediction.perturbations)
    )
    out.print(table([f"corruption{mark}"], numbers, rows, tight=True))
    mean = prediction.mean_drop
    out.print(f"Mean: {number(mean.value)}  [{level}: {interval(mean.low, mean.high)}]")
    if measured is not None and mpe is not None:
        for what, truth in (("fall of accuracy", measured), ("mPE", mpe)):
            rank = prediction.agreement(truth)
            out.say(
                f"Rank correlation with the measured {what}: {rank_text(rank.corruptions)} over "
                f"corruptions, {rank_text(rank.pairs)} over corruptions and severities"
            )
    if prediction.no_finding is None:
        _print_evidence(out, measured=measured is not None)
    out.say(*(f"Note: {note}" for note in prediction.notes))


def _print_evidence(out: Terminal, *, measured: bool) -> None:
    """Where the order held, and where not."""
    out.say(
        "Read the order of the corruptions, not the size of the fall, and the order only where it "
        "was seen to hold. Rank correlation with the measured mPE over corruptions:"
    )
    for trial in TRIALS:
        what = f"{trial.networks} ({trial.images}; {trial.corruptions})"
        out.say(f"  {rank_text(trial.mpe)}  {what}")
    if not measured:
        out.say(
            "For this model nothing was measured here: run iaside robustness and give its file "
            "with --measured."
        )
