"""What goes with robustness over families of networks: scores, and clean accuracy as the rival."""

from __future__ import annotations

import numpy as np

from .statistics import (
    LEAST_FAMILIES,
    Array,
    drawn_families,
    ends,
    resampled_groups,
    resampled_spearman,
)
from .study import SHOWN, Study
from .words import told

# Beginnings of the names of families that share a design.
_DESIGNS = {
    "SqueezeNet": ("squeezenet",),
    "EfficientNet-Lite": ("lite",),
    "MobileNet 1": ("mobilenet1",),
    "vision transformer": ("vit-", "deit-"),
}
# The scores that are named first are held against those that are named second.
_L2 = f"signed, {SHOWN[0]}"
AGAINST = (
    (_L2, "clean accuracy"),
    (_L2, f"signed, {SHOWN[1]}"),
    (f"{_L2}, probability", _L2),
    (f"{_L2}, probability", "clean accuracy"),
)


def rivals(study: Study) -> list[list[str]]:
    """Spearman's correlation over the original networks, one of each family, a row a rival.

    Intervals resample the families. Then differences of two correlations over the same families,
    and the same once more with intervals that resample whole designs.
    """
    places = study.by_family(study.originals())
    outcomes = _outcomes(study, places)
    table = [["by", "networks", *outcomes]]
    if len({study.families[at] for at in places}) < LEAST_FAMILIES:
        return table
    predictors = _predictors(study, places)
    drawn = drawn_families(len(places))
    found = {
        name: np.stack([resampled_spearman(values, harm, drawn) for harm in outcomes.values()], 1)
        for name, values in predictors.items()
    }
    designs = [design(study.families[at]) for at in places]
    whole = resampled_groups(list(predictors.values()), list(outcomes.values()), designs)
    of_designs = dict(zip(predictors, np.moveaxis(whole, 1, 0), strict=True))
    counts = str(len(places)), f"{len(places)} of {len(set(designs))} designs"
    for count, correlations in zip(counts, (found, of_designs), strict=True):
        for one, two in AGAINST:
            correlations[f"{one} less {two}"] = correlations[one] - correlations[two]
        for name, values in correlations.items():
            table.append([name, count, *(told(ends(each), 2) for each in values.T)])
    return table


def design(family: str) -> str:
    """What a family of networks is one of several sizes or trainings of; else it is its own."""
    return next((word for word, names in _DESIGNS.items() if family.startswith(names)), family)


def contest(study: Study, one: str, two: str, places: list[int]) -> dict[str, str]:
    """Spearman's correlation of one game's score with each outcome less that of another's.

    Over original networks, one of each family; intervals resample the same ones for both.
    """
    places = study.by_family(places)
    outcomes = _outcomes(study, places)
    if len({study.families[at] for at in places}) < LEAST_FAMILIES:
        return dict.fromkeys(outcomes, "too few")
    drawn = drawn_families(len(places))
    first, second = (np.array([study.score(game, at) for at in places]) for game in (one, two))
    return {
        what: told(
            ends(resampled_spearman(first, harm, drawn) - resampled_spearman(second, harm, drawn)),
            2,
        )
        for what, harm in outcomes.items()
    }


def _predictors(study: Study, places: list[int]) -> dict[str, Array]:
    """Numbers of each network that its clean images give."""
    found = {}
    for game in SHOWN:
        for value, word in (("psi", ""), ("psi-prob", ", probability")):
            scores = np.array([study.score(game, at, value) for at in places])
            found[f"signed, {game}{word}"] = scores
        found[f"published, {game}"] = np.abs(found[f"signed, {game}"])
    return {**found, "clean accuracy": np.array([-study.clean[at][0, 0] for at in places])}


def _outcomes(study: Study, places: list[int]) -> dict[str, Array]:
    """Harm of each network, counted upwards."""
    found = {
        "mPE": [study.mpe[at] for at in places],
        "mean error": [study.error[at] for at in places],
        "added error": [study.added(at).mean(axis=1, keepdims=True) for at in places],
        "mCE": [study.mce(at) for at in places],
        "relative mCE": [study.relative_mce(at) for at in places],
    }
    held = {
        name: np.array([each[0, 0] for each in parts if each is not None])
        for name, parts in found.items()
    }
    outcomes = {name: each for name, each in held.items() if len(each) == len(places)}
    for what, name in (("wrong", "error under attack"), ("change", "change under attack")):
        if set(places) <= set(study.places(f"attack/{what}")):
            outcomes[name] = np.nanmean(study.measured[f"attack/{what}"][places], axis=1)
    return {name: np.asarray(each, np.float64) for name, each in outcomes.items()}
