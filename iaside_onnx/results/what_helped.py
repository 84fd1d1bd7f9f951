"""What training recipes helped against, from measurements of this project's own networks.

The table beside this file is made by ``tools/studies/study_what_helped.py``; its first line is the
command. It knows small networks on 64-pixel crops of twelve photographs and nothing else, and
every sentence that is made of it says so.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ..plurals import plural

_HELPED = "helped"
WHERE = "small networks on 64-pixel crops of 12 photographs"


@dataclass(frozen=True)
class Recipe:
    """Networks trained with a recipe beside their plain twins, under one group of corruptions.

    Accuracies are shares in [0, 1], means over pairs of networks, corruptions of the group,
    severities 1, 3 and 5, and images.

    Attributes
    ----------
    name, words : str
        In the zoo, and what it is trained with.
    group : str
        "noise", "blur", "weather" or "digital".
    pairs, better : int
        Pairs of networks, and in how many the trained one was right more often under the group.
    clean_change, clean_low, clean_high : float
        Of the accuracy on clean images, with its 95 % interval over images, paired.
    before, after : float
        Accuracy under the group, of the plain and of the trained networks.
    change, low, high : float
        ``after - before`` with its 95 % interval over images, paired.
    verdict : str
        "helped" or "harmed" where an interval for all rows of the table together leaves out no
        change, else "undecided".
    """

    name: str
    words: str
    group: str
    pairs: int
    better: int
    clean_change: float
    clean_low: float
    clean_high: float
    before: float
    after: float
    change: float
    low: float
    high: float
    verdict: str

    @property
    def text(self) -> str:
        """Its numbers, as a sentence has them in brackets."""
        change, low, high = (
            f"{100 * end:+.1f}" for end in (self.clean_change, self.clean_low, self.clean_high)
        )
        return (
            f"right under {self.group} {100 * self.before:.0f} % -> {100 * self.after:.0f} %, "
            f"clean accuracy {change} [{low}, {high}] points, {self.pairs} "
            f"{plural(self.pairs, 'pair')} of networks"
        )


@cache
def recipes() -> tuple[Recipe, ...]:
    """All rows of the table."""
    text = (files(__package__) / "what_helped.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return tuple(
        Recipe(
            name=row["recipe"],
            words=row["words"],
            group=row["group"],
            pairs=int(row["pairs"]),
            better=int(row["better"]),
            clean_change=float(row["clean_change"]),
            clean_low=float(row["clean_low"]),
            clean_high=float(row["clean_high"]),
            before=float(row["before"]),
            after=float(row["after"]),
            change=float(row["change"]),
            low=float(row["low"]),
            high=float(row["high"]),
            verdict=row["verdict"],
        )
        for row in rows
    )


def helpers(kind: str) -> list[Recipe]:
    """Recipes that helped against a group of corruptions in every pair, the surest gain first."""
    found = [
        each
        for each in recipes()
        if each.group == kind and each.verdict == _HELPED and each.better == each.pairs
    ]
    return sorted(found, key=lambda each: -each.low)


def best_helpers(kind: str) -> list[Recipe]:
    """Of `helpers` the first and, where that is known of one pair alone, the best known of more.

    What is known of more pairs of networks comes first.
    """
    found = helpers(kind)
    named = found[:1]
    if named and named[0].pairs == 1:
        named = [each for each in found if each.pairs > 1][:1] + named
    return named


def what_helped(kind: str) -> str | None:
    """One sentence on what helped against a group of corruptions where it was measured.

    Parameters
    ----------
    kind : str
        "noise", "blur", "weather" or "digital".

    Returns
    -------
    str or None
        It names the recipe whose gain is surest to be large and, where that is known of one pair
        of networks alone, the best that is known of more; or says that none is known to help.
        None for what was not measured.
    """
    measured = [each for each in recipes() if each.group == kind]
    if not measured:
        return None
    named = best_helpers(kind)
    if not named:
        return f"Nothing measured here is known to help against {kind} ({WHERE})."
    gains = ", or with ".join(f"{each.words} ({each.text})" for each in named)
    return f"Networks trained with {gains} got more right under {kind}; measured on {WHERE}."
