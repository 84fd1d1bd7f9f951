"""What tables of coalitions have in common: their players, and columns that fit the estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from ..errors import UsageError
from ..mathematics.coalitions import MOST_COALITIONS, PLAYERS, are_drawn, drawn_count
from ..storage import value_rules as rules
from ..storage.schema import IMAGE, JSON, TEXT, Field
from .result import IDS, LABELS, PREDICTED

# What a file of such a table says of its images, in this order.
OF_IMAGES = (
    *(replace(each, place=f"game/{each.name}") for each in (LABELS, PREDICTED, IDS)),
    Field("image_digests", (IMAGE, 32), "uint8",
          "SHA-256 of each image's content, by which comparisons pair images",
          "game/image_digests", optional=True),
    Field("data.skipped", ("skipped",), JSON, "one JSON object for each picture left out",
          "data/skipped", optional=True),
    Field("class_names", ("class",), TEXT, "names in label order, at most one for each class",
          "data/class_names", optional=True),
)  # fmt: skip


def name_of_class(names: Sequence[str] | None, label: int) -> str:
    """Name of a class, or its number where no names are known."""
    if names is not None and 0 <= label < len(names):
        return names[label]
    return str(label)


def players_of(settings: dict[str, Any]) -> int:
    """Number of bands M, and one more with DC as a player of its own."""
    return int(settings["bands"]) + int(settings["separate_dc"])


def check_columns(settings: dict[str, Any], columns: int, coalitions: NDArray[Any] | None) -> None:
    """Refuse a table whose columns, or drawn coalitions, are none of its estimator."""
    players = players_of(settings)
    estimator, drawn = str(settings["estimator"]), coalitions is not None
    rules.need(
        estimator in PLAYERS and drawn == (estimator != "exact"),
        f"no estimator {estimator} has a table {'with' if drawn else 'without'} coalitions",
    )
    low, high = PLAYERS[estimator]
    rules.need(low <= players <= high, f"the {estimator} estimator does not take {players} players")
    if coalitions is None:
        fits = columns == 1 << players
        rules.need(fits, f"a value table of {columns} columns is no game of {players}")
    else:
        rules.need(
            columns <= MOST_COALITIONS and are_drawn(estimator, players, coalitions),
            f"its coalitions are not such as the {estimator} estimator draws",
        )
    check_counts(settings, columns, players)


def check_counts(settings: dict[str, Any], columns: int, players: int) -> None:
    """Refuse settings whose counts of players and passes are not those of the table.

    `players` are those that draw, two a band where the game is split.
    """
    known = settings.get("players", players_of(settings)) == players_of(settings)
    rules.need(known, "the settings count other players than bands")
    estimator, passes = str(settings["estimator"]), settings.get("passes")
    usable = passes is None
    if estimator != "exact":
        usable = rules.whole(1, MOST_COALITIONS)(passes)
        usable = usable and _columns_of(estimator, players, int(passes or 0)) == columns
    rules.need(usable, f"attribute settings holds no usable 'passes' for {columns} columns")


def _columns_of(estimator: str, players: int, passes: int) -> int:
    """Columns that so many passes make; 0 where they are too few for one draw."""
    try:
        return drawn_count(estimator, players, passes)
    except UsageError:
        return 0
