"""Finding the names of classes on one side among those of another."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .class_names import folded
from .imagenet import CLASSES, synsets, wordnet_id

_ENUMERATED = re.compile(r"(\d{1,7})[\s._:-]+(?=[^\s\d])")
# Of ImageNet's names that a list must bear for it to be ImageNet's.
_ENOUGH = 0.9


class ClassIndex:
    """Finds names among a model's class names.

    Parameters
    ----------
    names : list of str
        In order of labels. A name may be several, separated by commas, and may begin with a
        WordNet id.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._levels: tuple[dict[str, set[int]], ...] = ({}, {}, {})
        self._exact: tuple[dict[str, set[int]], ...] = ({}, {})
        synset_of = _imagenet_order(self.names)
        for number, written in enumerate(self.names):
            for spelled, known in zip(_spellings(written), self._exact, strict=True):
                known.setdefault(spelled, set()).add(number)
            forms = _forms(written)
            if synset_of:
                forms = (forms[0], {*forms[1], synset_of[number]}, forms[2])
            for level, aliases in zip(self._levels, forms, strict=True):
                for alias in aliases:
                    level.setdefault(alias, set()).add(number)

    def find(self, names: Sequence[str]) -> list[set[int]]:
        """Classes that each of some names may mean: none, one, or several of them.

        Spelling as it stands goes before looser spelling, this before ids, and these before single
        synonyms. Numbers that count the names of one side are left out only where all names are
        found so, each another class.
        """
        meant = [self._classes(name) for name in names]
        if all(meant):
            return meant
        bare, own_bare = _without_numbers(names), _without_numbers(self.names)
        tries = [(self, bare)] if bare != list(names) else []
        if own_bare != self.names:
            index = ClassIndex(own_bare)
            tries += [(index, list(names)), *((index, spelled) for _, spelled in tries)]
        for index, spelled in tries:
            loose = [index._classes(name) for name in spelled]
            single = [next(iter(classes)) for classes in loose if len(classes) == 1]
            if all(loose) and len(set(single)) == len(single):
                return loose
        return meant

    def _classes(self, name: str) -> set[int]:
        for spelled, known in zip(_spellings(name), self._exact, strict=True):
            if spelled in known:
                return set(known[spelled])
        aliases: set[str] = set()
        for level, forms in enumerate(_forms(name), start=1):
            aliases |= forms
            for known in self._levels[:level]:
                classes = set().union(*(known.get(alias, set()) for alias in aliases))
                if classes:
                    return classes
        return set()


def _spellings(name: str) -> tuple[str, str]:
    """A name as it stands, and without regard to case."""
    text = unicodedata.normalize("NFC", name).strip()
    return text, text.casefold()


def _forms(name: str) -> tuple[set[str], set[str], set[str]]:
    """A name as it is; its WordNet id, or what follows this; its synonyms one by one."""
    whole = {folded(name)} - {""}
    synset = wordnet_id(name)
    rest = name.strip()[9:] if synset else name
    exact = {synset or "", folded(rest)} - {""}
    synonyms = rest.split(",") if "," in rest else []
    if synset:
        synonyms += synsets().get(synset, "").split(",")
    return whole, exact, {folded(word) for word in synonyms} - {""}


def _without_numbers(names: Sequence[str]) -> list[str]:
    """Names without the numbers that count them (``001.Laysan_Albatross``), if all have one."""
    matches = [_ENUMERATED.match(name) for name in names]
    numbers = {match[1] for match in matches if match}
    if len(names) < 2 or len(numbers) < len(names):
        return list(names)
    bare = [name[match.end() :] for name, match in zip(names, matches, strict=True) if match]
    return bare if len({folded(name) for name in bare}) == len(bare) else list(names)


def _imagenet_order(names: list[str]) -> list[str]:
    """WordNet ids of the names, where these are ImageNet's in its order; else none.

    A class of background may stand before them.
    """
    background = names[: len(names) - CLASSES]
    if len(background) > 1 or len(names) < CLASSES:
        return []
    names = names[len(background) :]
    known = [{folded(word) for word in lemmas.split(",")} for lemmas in synsets().values()]
    forms = [set().union(*_forms(name)) for name in names]
    agree = sum(not lemmas.isdisjoint(own) for lemmas, own in zip(known, forms, strict=True))
    return [*background, *synsets()] if agree >= _ENOUGH * CLASSES else []
