"""The bands of a result, as its settings have them: players, edges, and how they are said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.bands import check_bands
from ..mathematics.spacing import GIVEN, LINEAR, OCTAVE, Edges
from ..plurals import counted
from ..spelling import words
from ..storage.value_rules import need

# What settings say of bands that are not of equal width.
OF_SPACING = ("spacing", "edges")


def spacing_of(settings: Mapping[str, Any]) -> str:
    """How the edges of the bands were found; a file that does not say has equal widths."""
    return str(settings.get("spacing", LINEAR))


def edges_of(settings: Mapping[str, Any]) -> Edges | None:
    """Radii at which the bands above the lowest begin; None where they are of equal width."""
    edges = settings.get("edges")
    return None if edges is None else tuple(edges)


def partition_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `band_index` that say what the bands are."""
    names = ("bands", "norm", "separate_dc")
    return {**{name: settings[name] for name in names}, "edges": edges_of(settings)}


def band_ends(settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Radii between which the bands lie, shape (M + 1,): from 0 to 1, which is Nyquist."""
    bands, edges = int(settings["bands"]), settings.get("edges")
    inner = np.arange(1, bands) / bands if edges is None else edges
    return np.array([0.0, *inner, 1.0])


def cycles_a_pixel(settings: Mapping[str, Any]) -> NDArray[np.float64]:
    """Frequencies between which the bands lie, shape (M + 1,), of waves along one axis.

    A wave along an axis of f cycles a pixel has the radius 2 f in linf, sqrt(2) f in l2 and f in
    l1. In l2 that holds in any direction. Above 0.5 a band has no waves along an axis.
    """
    along = {"linf": 0.5, "l2": float(np.sqrt(0.5)), "l1": 1.0}[settings["norm"]]
    return band_ends(settings) * along


def edges_summary(settings: Mapping[str, Any]) -> dict[str, list[float]]:
    """The edges of the bands as plain JSON values, from 0 to the highest frequency."""
    return {
        "radius": band_ends(settings).tolist(),
        "cycles_a_pixel": cycles_a_pixel(settings).tolist(),
    }


def wave_spans(settings: Mapping[str, Any]) -> list[str]:
    """Lengths of the waves of each player in pixels, such as "32 to 16 px"; of DC nothing."""
    with np.errstate(divide="ignore"):
        lengths = 1.0 / cycles_a_pixel(settings)
    spans = [f"over {lengths[1]:.3g} px"] + [
        f"{long:.3g} to {short:.3g} px" for long, short in pairwise(lengths[1:])
    ]
    return [*[""] * bool(settings["separate_dc"]), *spans]


def names_with_waves(settings: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Names of the players; with the lengths of their waves where widths are not equal.

    Players are numbered alike everywhere, so where widths are equal the number tells the place.
    """
    if spacing_of(settings) == LINEAR:
        return list(names)
    spans = wave_spans(settings)
    return [f"{name} ({span})" if span else name for name, span in zip(names, spans, strict=True)]


def check_partition(settings: Mapping[str, Any], sizes: Iterable[Sequence[int] | None]) -> None:
    """Refuse bands that images of some sizes do not have, or whose edges are not their spacing's.

    Raises
    ------
    WrongContentError, UsageError
    """
    linear = spacing_of(settings) == LINEAR
    need(linear == (settings.get("edges") is None), "the edges of its bands are not its spacing's")
    for height, width in filter(None, sizes):
        check_bands(height, width, **partition_of(settings))


def spacing_words(settings: Mapping[str, Any]) -> list[str]:
    """The words of a command that give bands these edges, whatever images it is on."""
    spacing = spacing_of(settings)
    if spacing in (LINEAR, OCTAVE):
        return words("spacing", spacing)
    return given_words(settings["edges"])


def given_words(edges: Sequence[float]) -> list[str]:
    """The words of a command for bands between these edges."""
    return [*words("spacing", GIVEN), *words("edges", tuple(edges))]


def kind_said(settings: Mapping[str, Any]) -> str:
    """Norm and spacing of bands, such as "linf, octave"; equal widths go without saying.

    So does that DC belongs to the lowest band.
    """
    spacing = spacing_of(settings)
    unusual = [spacing] * (spacing != LINEAR) + ["DC apart"] * bool(settings.get("separate_dc"))
    return ", ".join([str(settings["norm"]), *unusual])


def bands_said(settings: Mapping[str, Any]) -> str:
    """How many bands of what kind, such as "8 bands (linf, octave)"; DC apart is not counted."""
    return f"{counted(int(settings['bands']), 'band', 'bands')} ({kind_said(settings)})"
