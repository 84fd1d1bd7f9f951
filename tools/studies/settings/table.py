"""Tables of the study: rank correlations over all networks and over both halves of them.

Beside each coefficient stand its 95 % ends, networks resampled, in differences the same ones for
both; not beside those of the settings that were chosen, on the half that chose them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tools.studies.csv_files import text_of
from tools.studies.markdown import signed
from tools.studies.rank_intervals import (
    Interval,
    all_correlations,
    correlation,
    difference,
    with_ends,
)

from .gather import NAME, Measured
from .grid import ABSENCES, BETAS, SAMPLED_FROM, VALUES
from .study import BETA, DEFAULT, PUBLISHED, Setting, Study, spearman

HERE = Path(__file__).parent
# What the columns of the ends of a coefficient are called, after its own name.
ENDS = (", low", ", high")
_CHOOSING, _CONFIRMING = "mPE, choosing half", "mPE, confirming half"
OF_SETTING = ("absence", "norm", "M", "T", "value", "beta")
_CLEAN = "clean accuracy alone"
Cells = list[list[str]]


def write_tables(measured: Measured, out: Path) -> None:
    """Write every table of the study as CSV."""
    for name, rows in tables(measured).items():
        (out / f"{name}.csv").write_text(text_of(rows), encoding="utf-8", newline="")


def following() -> dict[Path, str]:
    """The tables beside this file, which follow from what was measured, by file."""
    with np.load(HERE / NAME) as held:
        made = tables(dict(held))
    return {HERE / f"{name}.csv": text_of(rows) for name, rows in made.items()}


def tables(measured: Measured) -> dict[str, Cells]:
    """Each table; its first row names the columns."""
    study = Study(measured)
    return {
        "networks": _networks(study),
        "settings": _settings(study),
        "differences": _differences(study),
        "chosen": _chosen(study),
        "perturbations": _perturbations(study),
    }


def _shown(study: Study) -> list[str]:
    """Outcomes of the large table; of the added error only the whole."""
    return [name for name in study.outcomes if not name.startswith("added error, ")]


def _networks(study: Study) -> Cells:
    """What was measured, in short."""
    columns = {
        "clean accuracy": study.accuracy,
        **{name: study.outcomes[name] for name in _shown(study)},
        **{
            f"signed score, {game.name}": study.score(Setting(game))
            for game in (PUBLISHED, DEFAULT)
        },
    }
    choosing = study.halves[0]
    return [
        ["network", "half", *columns],
        *(
            [
                name,
                "chooses" if row in choosing else "confirms",
                *(f"{values[row]:.6f}" for values in columns.values()),
            ]
            for row, name in enumerate(study.names)
        ),
    ]


def _settings(study: Study) -> Cells:
    """A row each: all networks, then mPE of both halves."""
    shown, mpe = _shown(study), study.outcomes["mPE"]
    columns = [*shown, _CHOOSING, _CONFIRMING, "unsigned score, mPE"]
    rows = list(study.shown)
    scores = np.array([*(study.score(row) for row in rows), study.accuracy])
    apart = [all_correlations(scores[:, half], [mpe[half]])[:, :, 0] for half in study.halves]
    unsigned = all_correlations(np.abs(scores), [mpe])[:, :, 0]
    every = [
        *study.shown.values(),
        all_correlations([study.accuracy], [*study.outcomes.values()])[:, 0],
    ]
    places = [list(study.outcomes).index(name) for name in shown]
    table = [[*OF_SETTING, *_heads(columns)]]
    for at, setting in enumerate([*rows, None]):
        found = [every[at][:, place] for place in places]
        found += [part[:, at] for part in (*apart, unsigned)]
        head = [_CLEAN, *[""] * 5] if setting is None else [*_cells(setting).values()]
        table.append([*head, *_with_ends(with_ends(values) for values in found)])
    table[-1][-3:] = [""] * 3
    return table


def _cells(setting: Setting) -> dict[str, str]:
    """A setting by the columns of the tables."""
    game = setting.game
    reading = "" if game.output_map == "real" else f", {game.output_map}"
    cells = (
        f"{game.absence}{reading}", game.norm, str(game.bands), game.temperature, setting.value,
        str(setting.beta),
    )  # fmt: skip
    return dict(zip(OF_SETTING, cells, strict=True))


# What is set in place of what, everything else alike: its column, the first, the second.
_IN_PLACE_OF: tuple[tuple[str, Any, Any], ...] = (
    *(("norm", *pair) for pair in (("l2", "linf"), ("l1", "linf"), ("l1", "l2"))),
    *(("absence", other, ABSENCES[0]) for other in ABSENCES[1:]),
    *(("value", other, VALUES[0]) for other in VALUES[1:]),
    *(("M", other, 8) for other in (4, SAMPLED_FROM)),
    ("T", "auto", "1"),
    ("reading", "magnitude", "real"),
    *(("beta", other, BETA) for other in BETAS if other != BETA),
)
_FIELDS = {"M": "bands", "T": "temperature", "reading": "output_map"}


def _differences(study: Study) -> Cells:
    """One setting's coefficients less another's; what the two differ in has an empty cell."""
    shown = _shown(study)
    table = [["differs in", "first", "second", *OF_SETTING, *_heads(shown)]]
    for column, first, second in _IN_PLACE_OF:
        for setting in study.shown:
            other = _with(setting, column, second)
            if _with(setting, column, first) != setting or other not in study.shown:
                continue
            alike = (_cells(other) | ({column: ""} if column in OF_SETTING else {})).values()
            found = (study.difference(setting, other, name) for name in shown)
            table.append([column, str(first), str(second), *alike, *_with_ends(found)])
    return table


def _with(setting: Setting, column: str, value: Any) -> Setting:
    """The same setting but for one thing."""
    changed = {_FIELDS.get(column, column): value}
    if column in ("value", "beta"):
        return replace(setting, **changed)
    return replace(setting, game=replace(setting.game, **changed))


def _chosen(study: Study) -> Cells:
    """For each outcome the settings that win on one half; what they and those published give.

    Of those that win alike the first of the grid is taken; ``alike`` counts them.
    """
    choose, confirm = study.halves
    rows = study.settings(BETAS)
    scores = [study.score(row) for row in rows]
    published = study.score(Setting(PUBLISHED))
    columns = ["confirming half", "as published, confirming half", "chosen less published"]
    table = [["outcome", "game", "value", "beta", "alike", "choosing half", *_heads(columns)]]
    for name, outcome in study.outcomes.items():
        found = np.round([spearman(score[choose], outcome[choose]) for score in scores], 9)
        best = int(np.argmin(found))
        alike = str(np.count_nonzero(found == found[best]))
        mine, theirs, of = scores[best][confirm], published[confirm], outcome[confirm]
        cells = _with_ends(
            [correlation(mine, of), correlation(theirs, of), difference(mine, theirs, of)]
        )
        setting = rows[best]
        head = [name, setting.game.name, setting.value, str(setting.beta), alike]
        table.append([*head, signed(found[best]), *cells])
    return table


def _perturbations(study: Study) -> Cells:
    """The published settings, all networks."""
    columns = ["signed score with mPE", "with added error", "clean accuracy with mPE"]
    table = [["perturbation", *_heads(columns)]]
    score = study.score(Setting(PUBLISHED))
    for name, mpe, added in zip(study.perturbations, study.mpe, study.added, strict=True):
        pairs = ((score, mpe), (score, added), (study.accuracy, mpe))
        cells = _with_ends(correlation(first, second) for first, second in pairs)
        table.append([name.replace("_", " "), *cells])
    return table


def _heads(columns: Iterable[str]) -> Iterator[str]:
    return (f"{column}{end}" for column in columns for end in ("", *ENDS))


def _with_ends(found: Iterable[Interval]) -> Iterator[str]:
    return (signed(number) for interval in found for number in interval)
