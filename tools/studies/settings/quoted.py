"""The tables of the guide on what predicts robustness, made from the CSV files alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlations
from tools.studies.csv_files import read
from tools.studies.markdown import interval, signed, table
from tools.studies.rank_intervals import difference

from .grid import ABSENCES, BETAS, NORMS, SAMPLED_FROM
from .table import ENDS, OF_SETTING

_HERE = Path(__file__).parent
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
_COMPARED = {
    _ALL: _ALL, **{name: _SHOWN[name] for name in ("added error", "mean error", "Square Attack")},
}  # fmt: skip
_VALUES = {"log-prob": "log-probability", "prob": "probability"}
# What is set in place of what the default has, one at a time: its column, its cell, its words.
_CHANGES = (
    *(("absence", other, f"{other} absence less gaussian") for other in ABSENCES[1:]),
    ("value", "prob", "probability less log-probability"),
    *(("M", str(count), f"M = {count} less M = 8") for count in (4, SAMPLED_FROM)),
    *(("beta", str(beta), f"beta {beta} less 0.75") for beta in (BETAS[0], BETAS[-1])),
    ("T", "auto", "fitted temperature less 1"),
)
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
    return {
        "which settings": which_settings(),
        "l2 less linf": less_square(),
        "one change": one_change(),
        "chosen and confirmed": chosen(),
    }


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
    return table(
        ("absence", "norm", "mPE, log-probability", "mPE, probability", *_SHOWN),
        (
            (
                *game,
                *(_with_ends(held[(*game, value)], _ALL) for value in _VALUES),
                *(
                    " / ".join(held[(*game, value)][column] for value in _VALUES)
                    for column in _SHOWN.values()
                ),
            )
            for game in product(ABSENCES, NORMS)
        ),
    )


def less_square() -> str:
    """Round bands less square ones, everything else alike."""
    rows = _differences("norm", "l2", "linf")
    return table(
        ("l2 less linf, absence", "value", *_COMPARED),
        (
            (absence, words, *_compared(rows[absence, "", "8", "1", value, "0.75"]))
            for absence in ABSENCES
            for value, words in _VALUES.items()
        ),
    )


def one_change() -> str:
    """Settings that differ in one thing from the default ones, and from those with square bands."""
    outcomes = ("mPE", "mean error")
    base = {"absence": "gaussian", "M": "8", "T": "1", "value": "log-prob", "beta": "0.75"}
    made = []
    for column, first, words in _CHANGES:
        rows = _differences(column, first, base[column])
        cells = [words]
        for norm in ("l2", "linf"):
            alike = base | {"norm": norm, column: ""}
            row = rows.get(tuple(alike[name] for name in OF_SETTING))
            cells += [_with_ends(row, name) if row else "" for name in outcomes]
        made.append(cells)
    head = (f"{name}, {norm}" for norm in ("l2", "linf") for name in outcomes)
    return table(("one change", *head), made)


def chosen() -> str:
    """What one half of the networks chooses, on the other half."""
    numbers = ("confirming half", "as published, confirming half", "chosen less published")
    return table(
        ("outcome", "chosen", "alike", "choosing half", *numbers),
        (
            (
                row["outcome"],
                f"{row['game']}, {row['value']}, beta {row['beta']}",
                row["alike"],
                row["choosing half"],
                *(_with_ends(row, name) for name in numbers),
            )
            for row in read("chosen.csv", _HERE)
        ),
    )


def _differences(column: str, first: str, second: str) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows of differences.csv of two settings, by what these have alike."""
    return {
        tuple(row[name] for name in OF_SETTING): row
        for row in read("differences.csv", _HERE)
        if (row["differs in"], row["first"], row["second"]) == (column, first, second)
    }


def _compared(row: dict[str, str]) -> Iterator[str]:
    return (_with_ends(row, column) for column in _COMPARED.values())


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
