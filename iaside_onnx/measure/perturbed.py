"""The user's own perturbed pictures as rows of a table of perturbations and severities."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import several
from ..corruptions.severity import CATALOGUE, SETS, known
from ..errors import DataError, InvalidOption, UsageError
from ..images.layouts import Place, named_apart, places
from ..images.pairs import Pairs, asked_places
from ..plurals import counted
from ..results.robustness import OWN
from ..spelling import option
from ..storage.value_rules import MOST_PERTURBATIONS
from .corrupted import asked_corruptions
from .subject import Subject

# What stands as severity of a table in which nothing has severities.
_NO_SEVERITY = 1


@dataclass(frozen=True)
class Own:
    """One perturbation that pictures of the user's own show.

    Attributes
    ----------
    pairs : tuple of Pairs
        One for each severity of the table; a single one where there is none.
    """

    name: str
    pairs: tuple[Pairs, ...]
    has_severities: bool

    def setting(self, positions: Sequence[int] | None = None) -> dict[str, Any]:
        """As the settings of a result have it; of the images at some positions, or of all."""
        digests = [
            pairs.digest if positions is None else pairs.digest_of(positions)
            for pairs in self.pairs
        ]
        joined = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        digest = joined if len(digests) > 1 else digests[0]
        return {"digest": digest, "severities": self.has_severities}

    def pixels(self, subject: Subject, position: int) -> list[NDArray[np.float32]]:
        """An image's perturbed forms as the model's input size has them, each (C, H, W)."""
        return [subject.classifier.pixels(pairs.picture(position)) for pairs in self.pairs]


@dataclass(frozen=True)
class Wanted:
    """Perturbations as they are asked for: corruptions made here, and places of pictures."""

    perturbed: tuple[Path, ...]
    corruption: tuple[str, ...]
    severity: tuple[int, ...]

    @classmethod
    def asked(
        cls,
        perturbed: str | Path | Sequence[str | Path],
        corruption: str | Sequence[str],
        severity: int | Sequence[int],
    ) -> Wanted:
        """As a caller gives it, refused where no images are needed for that."""
        paths = asked_places(perturbed)
        names, levels = several("corruption", corruption), several("severity", severity)
        # Sets of one's own may hold corruptions of other names.
        asked_corruptions(() if paths else names, levels)
        return cls(paths, names, levels)

    def settled(self, subject: Subject) -> tuple[list[str], list[int], tuple[Own, ...]]:
        """Corruptions that are made, severities, and the user's own rows, which come after them.

        Where pictures are given, corruptions are made only if they are asked for; of a set with
        severities, corruptions and severities choose.
        """
        if not self.perturbed:
            return *asked_corruptions(self.corruption, self.severity), ()
        sample, clean = subject.sample, subject.request.reading.images
        found = [place for path in self.perturbed for place in places(sample, path, clean)]
        of_sets = self._of_sets([place for place in found if place.severities])
        plain = named_apart([place for place in found if not place.severities])
        made: list[str] = []
        if self.corruption and not of_sets:
            made, _ = asked_corruptions(self.corruption, ())
        levels = self._levels(of_sets, bool(made))
        _check_names([*made, *(place.name for place in (*of_sets, *plain))])
        pictures = len(sample) * (len(of_sets) * len(levels) + len(plain))
        subject.listener.note(
            f"perturbed: {pictures:,} pictures are read and compared with the clean ones"
        )
        own = [
            Own(each.name, tuple(each.pairs(sample, clean, level) for level in levels), True)
            for each in of_sets
        ]
        own += [Own(each.name, (each.pairs(sample, clean),), False) for each in plain]
        for each in own:
            if all(pairs.unchanged == len(sample) for pairs in each.pairs):
                subject.listener.warning(
                    f"{each.name}: all of its pictures are the clean ones, pixel by pixel"
                )
        return made, levels, tuple(own)

    def _of_sets(self, found: list[Place]) -> list[Place]:
        """Rows of sets with severities that are asked for, in the order of the catalogue."""
        order = known()
        found.sort(key=lambda each: order.index(each.name) if each.name in order else len(order))
        there = [each.name for each in found]
        for name in self.corruption if found else ():
            if name not in SETS and name not in there:
                raise InvalidOption(
                    "corruption",
                    name,
                    f"what {option('perturbed')} names holds {', '.join(there)}; choose one of "
                    f"these, or leave {option('perturbed')} out to have it made",
                )
        chosen = {one for name in self.corruption for one in SETS.get(name, (name,))}
        return [each for each in found if not chosen or each.name in chosen]

    def _levels(self, of_sets: list[Place], made: bool) -> list[int]:
        """Severities of the table."""
        if not of_sets and not made:
            if self.severity:
                raise UsageError(
                    f"{option('severity')} goes with corruptions; {self.perturbed[0]} has no "
                    "folders 1 to 5, nor five times the clean images"
                )
            return [_NO_SEVERITY]
        _, levels = asked_corruptions(
            (), self.severity or (of_sets[0].severities if of_sets else ())
        )
        for each in of_sets:
            there = ", ".join(map(str, each.severities))
            if lacking := [str(level) for level in levels if level not in each.severities]:
                raise DataError(
                    f"{each.path}: has severities {there}, not {', '.join(lacking)}; choose what "
                    f"all have with {option('severity')}"
                )
            if not self.severity and levels != list(each.severities):
                raise DataError(
                    f"{each.path}: has severities {there}, {of_sets[0].path} others; choose what "
                    f"all have with {option('severity')}"
                )
        return levels


def kind_of(name: str) -> str:
    """The kind of a perturbation; "own" for one that is none of the catalogue."""
    return CATALOGUE[name].kind if name in CATALOGUE else OWN


def _check_names(names: list[str]) -> None:
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UsageError(
            f"{option('perturbed')}: two perturbations are called {twice}; rename a folder, or "
            "measure them one by one"
        )
    if len(names) > MOST_PERTURBATIONS:
        raise UsageError(
            f"{counted(len(names), 'perturbation')}, the most are {MOST_PERTURBATIONS}; choose "
            f"with {option('corruption')}"
        )
