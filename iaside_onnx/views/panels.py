"""Panels by name: each function draws one quantity of results into axes of a matplotlib figure.

Each takes results of the kind that its first line names, or paths of their files; `ax`, the axes
(by default those that pyplot has at hand); and `names`, what legends call the results. It returns
the axes. Those of an `Audit` are `errors` and `means`.

Examples
--------
>>> import matplotlib.pyplot as plt
>>> figure, (left, right) = plt.subplots(1, 2, layout="constrained")
>>> _ = ia.panels.sid("plain.h5", "robust.h5", ax=left)
>>> _ = ia.panels.score("plain.h5", "robust.h5", ax=right, names=["plain", "robust"])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .plotting import PANELS, plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Names = Sequence[str] | None


def __dir__() -> list[str]:
    """The panels alone."""
    return sorted({name.replace("-", "_") for kind in PANELS.values() for name in kind})


def _drawn(panel: str, results: Sequence[Any], ax: Axes | None, names: Names) -> Axes:
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.gca()
    return plot(*results, panel=panel, ax=ax, names=names)


def sid(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: importance of each band with its interval; of more than four a map."""
    return _drawn("sid", results, ax, names)


def shapley(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: Shapley value of each band with its interval; of more than four a map."""
    return _drawn("shapley", results, ax, names)


def score(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: signed score with its interval on the range that a score can have."""
    return _drawn("score", results, ax, names)


def accuracy(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: accuracy on clean images with its interval."""
    return _drawn("accuracy", results, ax, names)


def curves(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: mean value as bands are kept from the low and from the high end."""
    return _drawn("curves", results, ax, names)


def classes(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: importance of each band for each class of one report, a row a class."""
    return _drawn("classes", results, ax, names)


def strip(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Report`: the example of one report, and what each of its bands holds."""
    return _drawn("strip", results, ax, names)


def errors(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`RobustnessReport`: error by corruption and severity; of several by model and corruption."""
    return _drawn("errors", results, ax, names)


def means(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`RobustnessReport`: clean, mean corrupted and adversarial error with intervals."""
    return _drawn("means", results, ax, names)


def damage(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`DamageReport`: what comes in through each band; several perturbations as stacked bars."""
    return _drawn("damage", results, ax, names)


def damage_map(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`DamageReport`: damage by perturbation and band."""
    return _drawn("damage-map", results, ax, names)


def together(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`DamageReport`: which bands do damage together."""
    return _drawn("together", results, ax, names)


def error_map(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`HeatmapReport`: error under a wave of each frequency."""
    return _drawn("error-map", results, ax, names)


def mpe_map(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`HeatmapReport`: mean prediction error under a wave of each frequency."""
    return _drawn("mpe-map", results, ax, names)


def error_by_band(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`HeatmapReport`: error under waves of each band with its interval."""
    return _drawn("error-by-band", results, ax, names)


def ratios(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`SnrReport`: signal-to-noise ratio of each perturbation in each band."""
    return _drawn("ratios", results, ax, names)


def noise(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`SnrReport`: signal-to-noise ratio by radius of the perturbations that are noise."""
    return _drawn("noise", results, ax, names)


def blur(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`SnrReport`: signal-to-noise ratio by radius of the perturbations that are blur."""
    return _drawn("blur", results, ax, names)


def weather(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`SnrReport`: signal-to-noise ratio by radius of the perturbations that are weather."""
    return _drawn("weather", results, ax, names)


def digital(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`SnrReport`: signal-to-noise ratio by radius of the perturbations that are digital."""
    return _drawn("digital", results, ax, names)


def score_difference(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Comparison`: differences of the signed score from the reference."""
    return _drawn("score-difference", results, ax, names)


def accuracy_difference(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Comparison`: differences of the clean accuracy from the reference."""
    return _drawn("accuracy-difference", results, ax, names)


def sid_difference(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Comparison`: differences of the importance of each band."""
    return _drawn("sid-difference", results, ax, names)


def shapley_difference(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Comparison`: differences of the Shapley value of each band."""
    return _drawn("shapley-difference", results, ax, names)


def damage_of_each(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`DamageComparison`: what comes in through each band with each model."""
    return _drawn("damage-of-each", results, ax, names)


def damage_difference(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`DamageComparison`: differences of the damage by band from the reference."""
    return _drawn("damage-difference", results, ax, names)


def by_score(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Correlation`: the signed score of each model against what was measured of it."""
    return _drawn("by-score", results, ax, names)


def by_accuracy(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Correlation`: the clean accuracy of each model against what was measured of it."""
    return _drawn("by-accuracy", results, ax, names)


def foretold(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Prediction`: the fall of the probability that is predicted for each corruption."""
    return _drawn("foretold", results, ax, names)


def measured(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Prediction`: what was measured beside what was predicted."""
    return _drawn("measured", results, ax, names)


def falls(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`StandInReport`, `Shares`: fall of the accuracy that is predicted, and the measured one."""
    return _drawn("falls", results, ax, names)


def against(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Shares`: predicted fall of the accuracy against the measured one."""
    return _drawn("against", results, ax, names)


def order(*results: Any, ax: Axes | None = None, names: Names = None) -> Axes:
    """`Ranking`: what models are ranked by, a row a model, with its interval."""
    return _drawn("order", results, ax, names)
