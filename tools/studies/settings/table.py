"""Tables of the study: rank correlations on the half that chooses and the half that confirms.

Beside each coefficient stand its 95 % ends over networks, by Bonett and Wright's approximation; not
beside those of the settings that were chosen, on the half that chose them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlation_matrix
from iaside_onnx.mathematics.score import signed_score
from tools.studies.csv_files import cells_of, read, text_of
from tools.studies.rank_intervals import approximate

from .grid import BETAS, VALUES, Game, games

PUBLISHED = Game("gaussian", "linf", 8)
_PUBLISHED_VALUE, _PUBLISHED_BETA = "log-prob", 0.75
# What hurts the high bands, and what turns the low ones down.
_HIGH = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "defocus_blur", "glass_blur",
    "motion_blur", "zoom_blur", "gaussian_blur", "pixelate", "jpeg_compression",
)  # fmt: skip
_LOW = ("brightness", "contrast", "fog", "saturate")


@dataclass(frozen=True)
class Truth:
    """What was measured: a row of the networks for each outcome."""

    names: list[str]
    accuracy: NDArray[np.float64]
    outcomes: dict[str, NDArray[np.float64]]
    perturbations: list[str]
    mpe: NDArray[np.float64]
    added: NDArray[np.float64]


def read_truth(folder: Path) -> Truth:
    """Robustness of every network, in the order of their names."""
    files = sorted((folder / "robustness").glob("*.json"))
    held = [json.loads(path.read_text()) for path in files]
    names = held[0]["perturbations"]
    clean = np.array([one["clean_error"] for one in held])
    mpe = np.array([one["mpe"] for one in held]).T
    added = np.array([one["errors"] for one in held]).T - clean
    high = [names.index(name) for name in _HIGH]
    low = [names.index(name) for name in _LOW]
    outcomes = {
        "mPE": mpe.mean(axis=0),
        "mPE, noise to JPEG": mpe[high].mean(axis=0),
        "mPE, brightness to saturate": mpe[low].mean(axis=0),
        "added error": added.mean(axis=0),
        "added error, noise to JPEG": added[high].mean(axis=0),
        "added error, brightness to saturate": added[low].mean(axis=0),
        "mean error": added.mean(axis=0) + clean,
    }
    for column, name in enumerate(held[0]["attacks"]):
        outcomes[f"error under {name}"] = np.array(
            [one["adversarial_errors"][column] for one in held]
        )
    return Truth([path.stem for path in files], 1 - clean, outcomes, names, mpe, added)


def halves(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Networks that choose, and networks that confirm: every second one by file name."""
    return np.arange(0, count, 2), np.arange(1, count, 2)


def spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Rank correlation of two rows."""
    return float(correlation_matrix(np.stack([first, second]))[0, 1])


def read_sid(folder: Path, game: Game, truth: Truth, value: str) -> NDArray[np.float64] | None:
    """Distributions of all networks, shape (networks, bands); None where one is missing."""
    files = [folder / game.name / f"{name}.json" for name in truth.names]
    if not all(path.exists() for path in files):
        return None
    return np.array([json.loads(path.read_text())["sid"][value] for path in files])


Cells = list[list[str]]
HERE = Path(__file__).parent
# What the columns of the ends of a coefficient are called, after its own name.
ENDS = (", low", ", high")
_HALVES = {"mPE, choosing half": 0, "mPE, confirming half": 1}
_CONFIRMING = ("confirming half", "as published, confirming half")
_OF_GAME = ("absence", "norm", "M", "T", "value", "beta")


def write_tables(folder: Path, out: Path) -> None:
    """Write every table of the study as CSV."""
    for name, rows in with_ends(tables(folder)).items():
        (out / f"{name}.csv").write_text(text_of(rows), encoding="utf-8", newline="")


def following() -> dict[Path, str]:
    """The tables beside this file as their coefficients make them, by file."""
    held = {
        name: [list(map(str, row)) for row in cells_of(read(f"{name}.csv", HERE))]
        for name in ("networks", "settings", "chosen", "perturbations")
    }
    return {HERE / f"{name}.csv": text_of(rows) for name, rows in with_ends(held).items()}


def with_ends(held: Mapping[str, Cells]) -> dict[str, Cells]:
    """The same tables with the ends of every coefficient beside it, those there made again."""
    names = held["networks"][1:]
    every, parts = len(names), [len(part) for part in halves(len(names))]
    counts = {
        "settings": {
            column: parts[_HALVES[column]] if column in _HALVES else every
            for column in held["settings"][0]
            if column not in _OF_GAME
        },
        "chosen": dict.fromkeys(_CONFIRMING, parts[1]),
        "perturbations": dict.fromkeys(held["perturbations"][0][1:], every),
    }
    return {name: _ends_beside(rows, counts.get(name, {})) for name, rows in held.items()}


def _ends_beside(rows: Cells, counts: Mapping[str, int]) -> Cells:
    made: Cells = [[] for _ in rows]
    for place, column in enumerate(rows[0]):
        if column.endswith(ENDS):
            continue
        for into, row in zip(made, rows, strict=True):
            into.append(row[place])
        if column in counts:
            made[0] += [f"{column}{end}" for end in ENDS]
            for into, row in zip(made[1:], rows[1:], strict=True):
                text = row[place]
                into += (
                    _numbers(list(approximate(float(text), counts[column])[1:]))
                    if text
                    else ["", ""]
                )
    return made


def tables(folder: Path) -> dict[str, Cells]:
    """Coefficients of each table; its first row names the columns."""
    truth = read_truth(folder)
    choose, confirm = halves(len(truth.names))
    rows = list(_rows(folder, truth, BETAS))
    shown = [row for row in rows if row[2] == _PUBLISHED_BETA or row[0] == PUBLISHED]
    return {
        "networks": _networks(truth, choose),
        "settings": _grid(shown, truth, choose, confirm),
        "chosen": _choice(rows, truth, choose, confirm),
        "perturbations": _perturbations(folder, truth),
    }


Row = tuple[Game, str, float, NDArray[np.float64]]


def _rows(folder: Path, truth: Truth, betas: Iterable[float]) -> Iterable[Row]:
    for game in games():
        for value in VALUES:
            sid = read_sid(folder, game, truth, value)
            if sid is not None:
                for beta in betas:
                    yield game, value, beta, signed_score(sid, beta)


def _networks(truth: Truth, choose: NDArray[np.intp]) -> Cells:
    chosen = {truth.names[row] for row in choose}
    halves = [[name, "chooses" if name in chosen else "confirms"] for name in truth.names]
    return [["network", "half"], *halves]


_SHOWN = ("mPE", "mPE, noise to JPEG", "mPE, brightness to saturate", "added error", "mean error")


def _grid(
    rows: list[Row], truth: Truth, choose: NDArray[np.intp], confirm: NDArray[np.intp]
) -> Cells:
    """A row each; Spearman of the signed score, all networks, then the two halves for mPE."""
    shown = [*_SHOWN, *(name for name in truth.outcomes if name.startswith("error under"))]
    ends = ["mPE, choosing half", "mPE, confirming half", "unsigned score, mPE"]
    table = [["absence", "norm", "M", "T", "value", "beta", *shown, *ends]]
    for game, value, beta, score in rows:
        cells = [spearman(score, truth.outcomes[name]) for name in shown]
        cells += [spearman(score[half], truth.outcomes["mPE"][half]) for half in (choose, confirm)]
        cells.append(spearman(np.abs(score), truth.outcomes["mPE"]))
        reading = "" if game.output_map == "real" else f", {game.output_map}"
        head = [f"{game.absence}{reading}", game.norm, str(game.bands), game.temperature]
        table.append([*head, value, str(beta), *_numbers(cells)])
    cells = [spearman(truth.accuracy, truth.outcomes[name]) for name in shown]
    cells += [
        spearman(truth.accuracy[half], truth.outcomes["mPE"][half]) for half in (choose, confirm)
    ]
    return [*table, ["clean accuracy alone", *[""] * 5, *_numbers(cells), ""]]


def _choice(
    rows: list[Row], truth: Truth, choose: NDArray[np.intp], confirm: NDArray[np.intp]
) -> Cells:
    """For each outcome the settings that win on one half; what they and those published give."""
    halves = ["choosing half", "confirming half", "as published, confirming half"]
    table = [["outcome", "game", "value", "beta", *halves]]
    wanted = PUBLISHED, _PUBLISHED_VALUE, _PUBLISHED_BETA
    (published,) = [row for row in rows if row[:3] == wanted]
    for name, outcome in truth.outcomes.items():
        game, value, beta, score = min(
            rows, key=lambda row: spearman(row[3][choose], outcome[choose])
        )
        cells = [
            spearman(s[half], outcome[half])
            for s, half in ((score, choose), (score, confirm), (published[3], confirm))
        ]
        table.append([name, game.name, value, str(beta), *_numbers(cells)])
    return table


def _perturbations(folder: Path, truth: Truth) -> Cells:
    """The published settings, all networks."""
    columns = ["signed score with mPE", "with added error", "clean accuracy with mPE"]
    table = [["perturbation", *columns]]
    sid = read_sid(folder, PUBLISHED, truth, _PUBLISHED_VALUE)
    assert sid is not None
    score = signed_score(sid, _PUBLISHED_BETA)
    for name, mpe, added in zip(truth.perturbations, truth.mpe, truth.added, strict=True):
        cells = [spearman(score, mpe), spearman(score, added), spearman(truth.accuracy, mpe)]
        table.append([name.replace("_", " "), *_numbers(cells)])
    return table


def _numbers(cells: list[float]) -> list[str]:
    return [f"{cell:+.2f}" for cell in cells]
