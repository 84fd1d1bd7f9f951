"""The tables of the guide on what foretells robustness, made from the CSV files alone."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlations
from tools.studies.markdown import interval, signed, table
from tools.studies.zoo_reports import read

_HERE = Path(__file__).parent
_ABSENCES = ("gaussian", "replace", "mean", "zero")
# Columns of settings.csv by their heads in the guide.
_SHOWN = {
    "mPE, all": "mPE",
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
}
_SQUARE, _ACCURACY = "signed score, linf", "clean accuracy"
# Scores of square bands, of more pictures.
_RANKED = _HERE.parents[2] / "docs" / "zoo.csv"


def tables() -> dict[str, str]:
    """Each table of the guide by the question that it answers."""
    return {
        "which settings": which_settings(),
        "chosen and confirmed": chosen(),
        "score or accuracy": score_or_accuracy(partial=False),
        "with accuracy held": score_or_accuracy(partial=True),
        "which perturbations": which_perturbations(),
    }


def _rows(name: str) -> list[dict[str, str]]:
    with (_HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def which_settings() -> str:
    """Absence and norm, at 8 bands, temperature 1 and beta 0.75; both values of the game."""
    held = {
        (row["absence"], row["norm"], row["value"]): row
        for row in _rows("settings.csv")
        if (row["M"], row["T"], row["beta"]) == ("8", "1", "0.75")
    }
    order = [(absence, "linf") for absence in _ABSENCES]
    order += [(absence, norm) for absence in _ABSENCES for norm in ("l2", "l1")]
    return table(
        ("absence", "norm", *_SHOWN),
        (
            (
                *game,
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
    rows = _rows("chosen.csv")
    numbers = ("choosing half", "confirming half", "as published, confirming half")
    return table(
        ("outcome", "chosen", *numbers),
        (
            (
                row["outcome"],
                f"{row['game']}, {row['value']}, beta {row['beta']}",
                *(row[n] for n in numbers),
            )
            for row in rows
        ),
    )


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
    with _RANKED.open(newline="") as file:
        square = {row["model"]: float(row["score"]) for row in csv.DictReader(file)}
    made[_SQUARE] = np.array([square[name] for name in names])
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


def which_perturbations() -> str:
    """Perturbation by perturbation, both norms."""
    predictors = _predictors()
    first = read("zoo-measured.csv")[0]
    names = [name.partition(":")[2] for name in first if name.startswith("mpe:")]
    shown = ("signed score, l2", _SQUARE, _ACCURACY)
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
