"""What an audit measures, in which order, and when it has enough; no verdict has a say in it.

The plan follows from the inputs, the seed and the images there are; time alone cuts it short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..results.group_verdict import ROBUST, SEVERITIES, Verdicts
from ..results.robustness import RobustnessReport

# Images at each look, and what all of them are multiplied with after the last one.
_LOOKS, _GROWTH = (40, 100, 250, 600, 1500), 100
# Images that are left out of no look: so few more than it holds that they come with it.
_FEW_MORE = 1.25
# Images of the trial that finds out how fast everything is.
TRIAL = 4
# Half of the interval of a group's accuracy at which there are images enough.
ENOUGH = 0.05
# Images of the game that says where the evidence lies, and of those that say why it hurts.
EVIDENCE_IMAGES = 60
# Images that are attacked, and the budget of an attack on each.
ATTACKED, QUERIES = 40, 500
# What a corruption leaves where its damage is large.
_HALF = 0.5
# Values of an input up to which a pass costs little, so that the game takes all coalitions.
_SMALL = 3 * 64 * 64
# Orders of the bands that are drawn for an image, each with its reverse, where not all are taken.
_ORDERS, _ORDERS_OF_DAMAGE = 2, 1
_BANDS = 8
# Names of one's own pictures that may be those of files of corruptions and attacks (fog-3,
# square-l2), and what goes before them there.
_OF_OTHERS = re.compile(r".+-(\d|l2|linf)")
_OWN_FILE = "own-"


def looks(images: int, *, quick: bool = False) -> Iterator[int]:
    """How many images there are at each look, of all that there are.

    Examples
    --------
    >>> list(looks(700)), list(looks(45)), list(looks(700, quick=True))
    ([40, 100, 250, 700], [45], [40])
    """
    scale = 1
    while True:
        for base in _LOOKS:
            if images <= _FEW_MORE * base * scale:
                yield min(images, base * scale) if quick else images
                return
            yield base * scale
            if quick:
                return
        scale *= _GROWTH


def is_enough(verdicts: Verdicts) -> bool:
    """Whether more images would tell little more: never because a verdict has turned."""
    return verdicts.widest.half_width <= ENOUGH


def is_cut_short(report: RobustnessReport) -> bool:
    """Whether a look ended because there was no time left."""
    return report.run.get("stopped_by") == "time"


def game(height: int, width: int, channels: int) -> dict[str, Any]:
    """Settings of the game that says where the evidence lies, as `analyze` takes them."""
    bands = _bands(height, width)
    if height * width * channels <= _SMALL or bands < 2:
        return {"bands": bands, "estimator": "exact"}
    return _drawn(bands, _ORDERS)


def damage_game(height: int, width: int, channels: int) -> dict[str, Any]:
    """Settings of the games that say why it hurts, of which there are several."""
    bands = _bands(height, width)
    if bands < 2:
        return {"bands": bands, "estimator": "exact"}
    small = height * width * channels <= _SMALL
    return _drawn(bands, _ORDERS if small else _ORDERS_OF_DAMAGE)


def _bands(height: int, width: int) -> int:
    return max(1, min(_BANDS, min(height, width) // 2))


def _drawn(bands: int, orders: int) -> dict[str, Any]:
    passes = 1 + orders * 2 * (bands - 1)
    return {"bands": bands, "estimator": "permutation", "passes": passes}


def passes_of(settings: dict[str, Any]) -> int:
    """Forward passes of an image in a game, beside the one of the clean image."""
    return int(settings.get("passes") or 1 << settings["bands"])


def damage_passes(settings: dict[str, Any]) -> int:
    """Forward passes of an image in a game of damage, in which the clean image is passed too."""
    return passes_of(settings) + ("passes" in settings)


@dataclass(frozen=True)
class WeakSpot:
    """What a model is weak at, so that its damage is to be explained.

    Attributes
    ----------
    name : str
        Of a corruption, or of a folder of the user's own pictures.
    severity : int or None
        None of pictures of the user's own, which have none.
    """

    name: str
    severity: int | None

    @property
    def words(self) -> str:
        """As people call it."""
        return " ".join([self.name.replace("_", " "), *map(str, self._severity)])

    @property
    def file(self) -> str:
        """Name of its file, that of no corruption or attack where it is of one's own pictures."""
        if self.severity is None:
            return f"{_OWN_FILE if _OF_OTHERS.fullmatch(self.name) else ''}{self.name}.h5"
        return f"{self.name}-{self.severity}.h5"

    @property
    def files(self) -> list[str]:
        """Names of files that explain it, whatever the severity."""
        if self.severity is None:
            return [self.file]
        return [f"{self.name}-{level}.h5" for level in SEVERITIES]

    @property
    def _severity(self) -> list[int]:
        return [] if self.severity is None else [self.severity]


def weak_spots(report: RobustnessReport, verdicts: Verdicts) -> list[WeakSpot]:
    """The weakest corruption of each group that is not robust, where its damage is large.

    That is the mildest severity that leaves no more than half of the right answers beyond
    guessing, for of a smaller damage few images tell little; the strongest where none does.
    Pictures of a set of one's own that has severities are left out.
    """
    spots, pairs = [], report.settings.get("pairs", {})
    half = verdicts.guess + _HALF * (verdicts.clean.right - verdicts.guess)
    levels = [level for level in SEVERITIES if level in report.severities]
    for group in verdicts.groups.values():
        if group.verdict == ROBUST or pairs.get(group.weakest, {}).get("severities"):
            continue
        if group.weakest in pairs:
            spots.append(WeakSpot(group.weakest, None))
            continue
        row = report.perturbations.index(group.weakest)
        right = {
            level: 1 - float(report.lost_shares[:, row, report.severities.index(level)].mean())
            for level in levels
        }
        weak = (level for level in levels if right[level] <= half)
        spots.append(WeakSpot(group.weakest, next(weak, levels[-1])))
    return spots
