"""The tables of the guide on what predicts robustness, made from the CSV files alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlations
from tools.studies.csv_files import read
from tools.studies.markdown import interval, signed, table
from tools.studies.rank_intervals import difference

from .table import ENDS

_HERE = Path(__file__).parent
_ABSENCES = ("gaussian", "replace", "mean", "zero")
# Columns of settings.csv by their heads in the guide.
_ALL = "mPE"
_SHOWN = {
    "choosing half": "mPE, choosing half",
    "confirming half": "mPE, confirming half",
    "noise to JPEG": "mPE, noise to JPEG",
    "brightness to saturate": "mPE, brightness to saturate",
    "added error": "added error",
    "mean error": "mean error",
    "Square Attack": "error under square-linf",
}
_OUTCOMES = {
    "mpe": "mPE",
    "relative_mce": "relative mCE",
    "added_error": "added error",
    "mean_error": "mean error",
    "mce": "mCE",
}
# Rows of zoo-scores.csv: reading, value of the game, which score.
Predictor = tuple[str, str, str]
_PREDICTORS: dict[str, Predictor] = {
    "signed score, l2": ("l2", "log-prob", "signed"),
    "signed score, l2, probabilities": ("l2", "prob", "signed"),
    "published score, l2": ("l2", "log-prob", "published"),
    "signed score, linf": ("linf", "log-prob", "signed"),
    "signed score, linf, probabilities": ("linf", "prob", "signed"),
}
_ROUND, _SQUARE, _ACCURACY = "signed score, l2", "signed score, linf", "clean accuracy"
# Square bands of the pictures of the ranking, and where that lies.
_OTHERS = "signed score, linf, 120 pictures"
_RANKED = _HERE.parents[2] / "docs"
# Pairs of predictors, by what the first has in place of the second.
_LESS = {
    "l2 less linf": (_ROUND, _SQUARE),
    "l2 less linf of 120 pictures": (_ROUND, _OTHERS),
    "l2 less linf, probabilities": (f"{_ROUND}, probabilities", f"{_SQUARE}, probabilities"),
    "probabilities less log-probabilities, l2": (f"{_ROUND}, probabilities", _ROUND),
}


def tables() -> dict[str, str]:
    """The tables of the settings, by what they answer."""
    return {"which settings": which_settings(), "chosen and confirmed": chosen()}


def zoo_tables() -> dict[str, str]:
    """The tables of the zoo's networks under the settings of `tools.studies.zoo_reports`."""
    return {
        "score or accuracy": score_or_accuracy(partial=False),
        "with accuracy held": score_or_accuracy(partial=True),
        "differences": differences(),
        "which perturbations": which_perturbations(),
    }


def which_settings() -> str:
    """Absence and norm, at 8 bands, temperature 1 and beta 0.75; both values of the game."""
    held = {
        (row["absence"], row["norm"], row["value"]): row
        for row in read("settings.csv", _HERE)
        if (row["M"], row["T"], row["beta"]) == ("8", "1", "0.75")
    }
    order = [(absence, "linf") for absence in _ABSENCES]
    order += [(absence, norm) for absence in _ABSENCES for norm in ("l2", "l1")]
    return table(
        ("absence", "norm", "mPE, log-probability", "mPE, probability", *_SHOWN),
        (
            (
                *game,
                *(_with_ends(held[(*game, value)], _ALL) for value in ("log-prob", "prob")),
                *(
                    f"{held[(*game, 'log-prob')][column]} / {held[(*game, 'prob')][column]}"
                    for column in _SHOWN.values()
                ),
            )
            for game in order
        ),
    )


def chosen() -> str:
    """What one half of the networks chooses, on the other half."""
    rows = read("chosen.csv", _HERE)
    numbers = ("confirming half", "as published, confirming half")
    return table(
        ("outcome", "chosen", "choosing half", *numbers),
        (
            (
                row["outcome"],
                f"{row['game']}, {row['value']}, beta {row['beta']}",
                row["choosing half"],
                *(_with_ends(row, name) for name in numbers),
            )
            for row in rows
        ),
    )


def _with_ends(row: dict[str, str], column: str) -> str:
    return interval(*(row[f"{column}{end}"] for end in ("", *ENDS)))


def _predictors() -> dict[str, NDArray[np.float64]]:
    """A row of numbers for each predictor, networks in the order of zoo-measured.csv."""
    scores = read("zoo-scores.csv")
    names = [row["network"] for row in read("zoo-measured.csv")]
    made = {}
    for words, (reading, value, column) in _PREDICTORS.items():
        held = {
            row["network"]: float(row[column])
            for row in scores
            if (row["reading"], row["value"]) == (reading, value)
        }
        made[words] = np.array([held[name] for name in names])
    return {**made, _ACCURACY: _measured("accuracy")}


def _measured(column: str) -> NDArray[np.float64]:
    return np.array([float(row[column]) for row in read("zoo-measured.csv")])


def score_or_accuracy(*, partial: bool) -> str:
    """Spearman's coefficient of each predictor with each outcome, and intervals over networks."""
    predictors = _predictors()
    outcomes = np.array([_measured(column) for column in _OUTCOMES])
    fixed = list(predictors).index(_ACCURACY)
    found = correlations(np.array(list(predictors.values())), outcomes, fixed)
    parts = (
        (found.partial, found.partial_low, found.partial_high)
        if partial
        else (found.value, found.low, found.high)
    )
    return table(
        ("predicted by", *_OUTCOMES.values()),
        (
            (
                words,
                *(
                    interval(*(part[row, column] for part in parts))
                    for column in range(len(_OUTCOMES))
                ),
            )
            for row, words in enumerate(predictors)
            if not (partial and words == _ACCURACY)
        ),
    )


def differences() -> str:
    """One predictor's coefficients less another's, plain and with clean accuracy held fixed."""
    predictors, accuracy = _predictors(), _measured("accuracy")
    ranked = {row["model"]: float(row["score"]) for row in read("zoo.csv", _RANKED)}
    names = [row["network"] for row in read("zoo-measured.csv")]
    predictors[_OTHERS] = np.array([ranked[name] for name in names])
    return table(
        ("difference", "clean accuracy", *_OUTCOMES.values()),
        (
            (
                words,
                "free" if held is None else "held fixed",
                *(
                    interval(*difference(*(predictors[one] for one in pair), _measured(c), held))
                    for c in _OUTCOMES
                ),
            )
            for words, pair in _LESS.items()
            for held in (None, accuracy)
        ),
    )


def which_perturbations() -> str:
    """Perturbation by perturbation, both norms."""
    predictors = _predictors()
    first = read("zoo-measured.csv")[0]
    names = [name.partition(":")[2] for name in first if name.startswith("mpe:")]
    shown = (_ROUND, _SQUARE, _ACCURACY)
    rows = np.array([predictors[words] for words in shown])
    outcomes = np.array(
        [_measured(f"{what}:{name}") for what in ("mpe", "error") for name in names]
    )
    value = correlations(rows, outcomes, 2).value
    count = len(names)
    return table(
        (
            "perturbation", "mPE, l2", "error, l2", "mPE, linf", "error, linf",
            "clean accuracy, mPE", "clean accuracy, error",
        ),
        (
            (
                name.replace("_", " "),
                *(
                    signed(value[row, place + offset])
                    for row in range(3)
                    for offset in (0, count)
                ),
            )
            for place, name in enumerate(names)
        ),
    )  # fmt: skip
