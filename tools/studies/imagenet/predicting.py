"""How well damage is predicted from the half that is not reported, beside measuring it there.

What is true is what corruptions cost on the reported half, as mPE and as the fall of accuracy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .statistics import LEAST_FAMILIES, drawn_families, ends, resampled_spearman, spearman
from .study import SHOWN, Study
from .words import told

TRUTHS = {"mPE": "change", "fall": "fall"}
WORDS = {
    "table": "value table", "stand-ins": "stand-ins", "average": "stand-ins, average spectra",
    "rival": "corruptions themselves",
}  # fmt: skip
NEGATED = ("signed score, l2, negated", "clean accuracy, negated")
_RESAMPLES, _SEED = 500, 0
Values = NDArray[np.float64]


def over_corruptions(study: Study) -> list[list[str]]:
    """Within each network: rank correlations over corruptions, and over these and severities.

    Intervals resample the images of both halves. Then measuring less each way of predicting, over
    the same resampled images.
    """
    table = [["network", "form", "damage", "over corruptions", "over corruptions and severities"]]
    held = _held(study)
    each: dict[tuple[str, str], list[Values]] = {}
    for at in _places(study):
        for form, (truth, key) in ((f, t) for f in held for t in TRUTHS.items()):
            ranks = _within(held[form](key, at), _truth(study, key, at))
            each.setdefault((form, truth), []).append(ranks)
            table.append([study.names[at], WORDS[form], truth, *_cells(ranks)])
    means = {which: np.mean(ranks, axis=0) for which, ranks in each.items()}
    table += [["mean", WORDS[form], truth, *_cells(mean)] for (form, truth), mean in means.items()]
    networks = [study.names[at] for at in _places(study)]
    for (form, truth), ranks in each.items():
        if form != "rival":
            rival = [*each["rival", truth], means["rival", truth]]
            less = zip([*networks, "mean"], rival, [*ranks, means[form, truth]], strict=True)
            table += [[name, less_words(form), truth, *_cells(a - b)] for name, a, b in less]
    return table


def less_words(form: str) -> str:
    """What a difference from measuring is called."""
    return f"{WORDS['rival']} less {WORDS[form]}"


def _cells(ranks: Values) -> list[str]:
    return [told(ends(ranks[:, column]), 2) for column in (0, 1)]


def over_networks(study: Study) -> list[list[str]]:
    """For each corruption: rank correlations over networks, one of each family.

    The score and clean accuracy beside what is predicted, negated, as they are higher for less
    damage; intervals resample the families.
    """
    head = ["corruption", "damage", "networks", *WORDS.values(), *NEGATED]
    table, places = [head], study.by_family(_places(study))
    if len({study.families[at] for at in places}) < LEAST_FAMILIES:
        return table
    drawn = drawn_families(len(places))
    held = _held(study)
    plain = [
        np.array([-study.score(SHOWN[0], at) for at in places]),
        np.array([study.clean[at][0, 0] for at in places]),
    ]
    for truth, key in TRUTHS.items():
        measured = np.array([_truth(study, key, at).mean(axis=(0, 2)) for at in places])
        predicted = [
            np.array([of(key, at).mean(axis=(0, 2)) for at in places]) for of in held.values()
        ]
        forms = [*predicted, *(np.repeat(each[:, None], measured.shape[1], 1) for each in plain)]
        # Shape (forms, corruptions, 1 + resamples).
        ranks = np.array([
            [
                resampled_spearman(form[:, row], measured[:, row], drawn)
                for row in range(measured.shape[1])
            ]
            for form in forms
        ])  # fmt: skip
        for row, name in enumerate(study.perturbations):
            cells = [told(ends(each), 2) for each in ranks[:, row]]
            table.append([name, truth, str(len(places)), *cells])
        cells = [told(ends(each), 2) for each in ranks.mean(axis=1)]
        table.append(["mean", truth, str(len(places)), *cells])
    return table


def _within(predicted: Values, truth: Values) -> Values:
    """Both correlations of one network, then of resamples: (1 + R, 2). Both are (n, P, S)."""
    rng = np.random.default_rng(_SEED)
    drawn = []
    for values in (predicted, truth):
        images = len(values)
        weights = rng.multinomial(images, np.full(images, 1 / images), size=_RESAMPLES)
        whole = np.concatenate([np.full((1, images), 1.0), weights]) / images
        drawn.append(np.tensordot(whole, values, axes=1))
    first, second = drawn
    by_corruption = spearman(first.mean(axis=2), second.mean(axis=2))
    cells = spearman(first.reshape(len(first), -1), second.reshape(len(second), -1))
    return np.nan_to_num(np.stack([by_corruption, cells], axis=1))


def _places(study: Study) -> list[int]:
    """Networks of which all forms were measured."""
    held = [set(study.places(f"predicted/{form}/fall")) for form in WORDS]
    return sorted(set.intersection(*held, set(study.originals())))


def _truth(study: Study, key: str, at: int) -> Values:
    """What corruptions cost on the reported half, shape (n, P, S)."""
    if key == "change":
        return np.asarray(study.measured["change"][at], np.float64)
    clean = study.measured["clean"][at].astype(np.float64)
    return np.asarray(study.measured["wrong"][at] - clean[:, None, None])


def _held(study: Study) -> dict[str, _Form]:
    return {form: _Form(study, form) for form in WORDS}


class _Form:
    """What a form says of a network, shape (m, P, S); the table has one number for both truths."""

    def __init__(self, study: Study, form: str) -> None:
        self._arrays = {
            key: study.measured.get(f"predicted/{form}/{key}") for key in TRUTHS.values()
        }

    def __call__(self, key: str, at: int) -> Values:
        array = self._arrays[key]
        array = self._arrays["fall"] if array is None else array
        assert array is not None
        return np.asarray(array[at], np.float64)
