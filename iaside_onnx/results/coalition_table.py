"""What tables of coalitions have in common: their players, and columns that fit the estimator."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..mathematics.coalitions import MOST_COALITIONS, PLAYERS, are_drawn
from ..storage import value_rules as rules


def players_of(settings: dict[str, Any]) -> int:
    """Number of bands M, and one more with DC as a player of its own."""
    return int(settings["bands"]) + int(settings["separate_dc"])


def check_columns(settings: dict[str, Any], columns: int, coalitions: NDArray[Any] | None) -> None:
    """Refuse a table whose columns, or drawn coalitions, are none of its estimator."""
    players = players_of(settings)
    estimator, drawn = str(settings["estimator"]), coalitions is not None
    rules.need(
        not drawn or (estimator in PLAYERS and estimator != "exact"),
        f"no estimator {estimator}",
    )
    low, high = PLAYERS[estimator if drawn else "exact"]
    rules.need(low <= players <= high, f"the {estimator} estimator does not take {players} players")
    if coalitions is None:
        fits = columns == 1 << players
        rules.need(fits, f"a value table of {columns} columns is no game of {players}")
        return
    passes = rules.whole(0, rules.MOST_COUNT)(settings.get("passes"))
    rules.need(passes, "attribute settings holds no usable 'passes'")
    rules.need(
        columns <= MOST_COALITIONS and are_drawn(estimator, players, coalitions),
        f"its coalitions are not such as the {estimator} estimator draws",
    )
