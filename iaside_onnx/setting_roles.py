"""Whether results may stand side by side: whom each setting belongs to, and what follows.

This is the one declaration of what must agree. Every command asks it (compare, gate, correlate,
plot, html, merge, resume, baselines, predict) and gets a list of differences; whether to refuse or
to warn is the caller's choice, the list is not. A setting that nobody has declared, such as one in
a file of a newer version, belongs to the game: two results that differ in it are never held
against each other in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from typing import Any

# Absences whose stand-ins are drawn, so that seed and draws are part of the game.
_DRAWN = ("gaussian", "replace")


class Belongs(Enum):
    """Whom a setting belongs to, and so what a difference in it means."""

    GAME = "game"  # other numbers of the same model: never side by side
    DRAWS = "draws"  # game where stand-ins of bands are drawn; else it chose images
    MODEL = "model"  # how a model is fed and read: may differ, and is named
    SIZE = "size"  # of the images, which the model prescribes: may differ, with a note
    SAMPLE = "sample"  # which images, which are compared themselves
    ESTIMATE = "estimate"  # how the values were estimated: may differ, with a note
    VIEW = "view"  # of the same table: can be changed afterwards
    DERIVED = "derived"  # follows from other settings


SETTINGS: dict[str, Belongs] = {
    "bands": Belongs.GAME,
    "separate_dc": Belongs.GAME,
    "norm": Belongs.GAME,
    "absence": Belongs.GAME,
    "output_map": Belongs.GAME,
    "seed": Belongs.DRAWS,
    "draws": Belongs.DRAWS,
    "preprocess": Belongs.MODEL,
    "input": Belongs.MODEL,
    "output": Belongs.MODEL,
    "layout": Belongs.MODEL,
    "output_kind": Belongs.MODEL,
    "label_offset": Belongs.MODEL,
    "temperature": Belongs.MODEL,
    "tf32": Belongs.MODEL,
    "floor": Belongs.MODEL,
    "set": Belongs.MODEL,
    "allow_random": Belongs.MODEL,
    "size": Belongs.SIZE,
    "samples": Belongs.SAMPLE,
    "estimator": Belongs.ESTIMATE,
    "passes": Belongs.ESTIMATE,
    "players": Belongs.DERIVED,
    "value": Belongs.VIEW,
    "beta": Belongs.VIEW,
    "confidence": Belongs.VIEW,
}
# Where measurements of robustness and heat maps deviate: their perturbations are drawn, whatever
# stands for absent bands; bands are a view of a heat map.
ROBUSTNESS_SETTINGS = SETTINGS | {
    "seed": Belongs.GAME,
    "draws": Belongs.GAME,
    "height": Belongs.SIZE,
    "width": Belongs.SIZE,
    "channels": Belongs.MODEL,
    "kinds": Belongs.DERIVED,
    "attack_samples": Belongs.SAMPLE,
}
HEATMAP_SETTINGS = SETTINGS | {
    "seed": Belongs.GAME,
    "draws": Belongs.GAME,
    "grid": Belongs.ESTIMATE,
    "strength": Belongs.GAME,
    "clip": Belongs.GAME,
    "bands": Belongs.VIEW,
    "norm": Belongs.VIEW,
    "separate_dc": Belongs.VIEW,
}
# What finished files hold beside the settings that determine them: views, and what follows.
_BESIDE = {
    "value", "beta", "confidence", "bands", "norm", "separate_dc", "players", "height", "width",
    "channels", "kinds",
}  # fmt: skip


@cache
def _missing() -> dict[str, Any]:
    """What a file says that lacks a key."""
    from ..settings import Settings  # loads scipy, which reading a report does without

    return {**asdict(Settings()), "estimator": "exact", "draws": "name"}


@dataclass(frozen=True)
class Apart:
    """A setting in which two results differ."""

    setting: str
    belongs: Belongs
    first: Any
    other: Any

    def __str__(self) -> str:
        return f"{self.setting} {self.other} against {self.first}"


def settings_apart(
    first: Mapping[str, Any],
    other: Mapping[str, Any],
    declared: Mapping[str, Belongs] = SETTINGS,
) -> list[Apart]:
    """Every setting in which two results differ, in the order of the declaration.

    Parameters
    ----------
    first, other : mapping
        Settings as files hold them; a key that is missing has the value it had before it was
        written down (``draws``: "name").
    declared : mapping
        Whom the settings of this kind of result belong to.
    """
    keys = dict.fromkeys([*declared, *first, *other])
    found = []
    for key in keys:
        ours, theirs = (
            held[key] if key in held else _missing().get(key) for held in (first, other)
        )
        if ours != theirs:
            found.append(Apart(key, _owner(key, first, declared), ours, theirs))
    return found


def identity_apart(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> list[Apart]:
    """Where settings of a result are not identical to those wanted: the level of resuming.

    Parameters
    ----------
    wanted : mapping
        All settings that determine the result.
    held : mapping
        Those of a file, which may hold its view and what follows from the rest as well.
    """
    found = settings_apart(wanted, held, {})
    return [each for each in found if each.setting in wanted or each.setting not in _BESIDE]


def _owner(key: str, settings: Mapping[str, Any], declared: Mapping[str, Belongs]) -> Belongs:
    owner = declared.get(key, Belongs.GAME)
    if owner is not Belongs.DRAWS:
        return owner
    drawn = settings.get("absence", "gaussian") in _DRAWN
    return Belongs.GAME if drawn else Belongs.SAMPLE


def chosen(apart: Iterable[Apart], *belongs: Belongs) -> list[Apart]:
    """Those differences that belong to any of these."""
    return [each for each in apart if each.belongs in belongs]


def settings_notes(
    first: Mapping[str, Any], other: Mapping[str, Any], apart: Sequence[Apart]
) -> list[str]:
    """What to bear in mind where analyses differ in size or estimator."""
    notes = []
    sizes = first.get("size"), other.get("size")
    if chosen(apart, Belongs.SIZE):
        notes.append(_size_note(first, *sizes))
    if chosen(apart, Belongs.ESTIMATE):
        ways = [_estimate(settings) for settings in (first, other)]
        notes.append(
            f"the values were estimated differently ({ways[1]} against {ways[0]}); the intervals "
            "count the error of drawn coalitions, which are drawn for each image on its own"
        )
        if "regression" in (first.get("estimator"), other.get("estimator")):
            notes.append(
                "intervals of the regression estimator can be too narrow, those of the permutation "
                "estimator are not"
            )
    return notes


def _estimate(settings: Mapping[str, Any]) -> str:
    name, passes = settings.get("estimator") or "exact", settings.get("passes")
    return str(name) if passes is None else f"{name} from {passes} passes"


def _size_note(settings: Mapping[str, Any], *sizes: Any) -> str:
    """Why bands of images of different sizes are the same shares and other frequencies."""
    if not all(_is_size(size) for size in sizes):
        return "the size of the images is not known for all reports"
    bands = int(settings["bands"])
    # A band in the middle of the spectrum; its ends as shares of Nyquist, which is 1/2 a pixel.
    band = bands // 2
    low, high = band / bands, (band + 1) / bands
    spans = [_span(size, low, high) for size in sizes]
    along = "" if settings.get("norm") == "linf" else " along the diagonal"
    return (
        f"the models see images of {_pixels(sizes[1])} and {_pixels(sizes[0])} pixels, and bands "
        f"are shares of each one's own Nyquist frequency: band {band} of 0 to {bands - 1} spans "
        f"{spans[1]} cycles per picture at {_pixels(sizes[1])} and {spans[0]} at "
        f"{_pixels(sizes[0])}{along}; in cycles per pixel it is the same, {low / 2:.3g} to "
        f"{high / 2:.3g}"
    )


def _is_size(size: Any) -> bool:
    return (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(isinstance(length, int) for length in size)
    )


def _pixels(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]}"


def _span(size: Sequence[int], low: float, high: float) -> str:
    ends = [f"{low * length / 2:.4g} to {high * length / 2:.4g}" for length in size]
    return ends[0] if size[0] == size[1] else f"{ends[0]} (down) and {ends[1]} (across)"


@dataclass(frozen=True)
class Ground:
    """What errors under corruptions were measured on.

    Attributes
    ----------
    digest : str
        Of the images.
    settings : mapping
        Those that are known; the keys of `ROBUSTNESS_SETTINGS`.
    perturbations, severities : list
    samples : str
        The images in words.
    """

    digest: str
    settings: Mapping[str, Any]
    perturbations: list[str]
    severities: list[int]
    samples: str = ""


def grounds_apart(first: Ground, other: Ground) -> tuple[list[str], list[str]]:
    """What keeps measurements of robustness from standing side by side, and what to bear in mind.

    Returns
    -------
    refusals : list of str
        Phrases such as "another seed (5 against 0)": the other one's value first.
    notes : list of str
    """
    refusals = []
    if first.digest != other.digest:
        refusals.append(f"other images{f' ({other.samples})' if other.samples else ''}")
    apart = settings_apart(first.settings, other.settings, ROBUSTNESS_SETTINGS)
    for each in chosen(apart, Belongs.GAME):
        what = "seed" if each.setting == "draws" else each.setting
        refusals.append(f"another {what} ({_shown(each, each.other)} against "
                        f"{_shown(each, each.first)})")  # fmt: skip
    for what, ours, theirs in (
        ("corruptions", first.perturbations, other.perturbations),
        ("severities", first.severities, other.severities),
    ):
        if ours != theirs:
            refusals.append(f"other {what} ({_listed_apart(ours, theirs)})")
    notes = []
    known = all({"height", "width"} <= held.settings.keys() for held in (first, other))
    if known and chosen(apart, Belongs.SIZE):
        sizes = [_pixels((g.settings["height"], g.settings["width"])) for g in (other, first)]
        notes.append(
            f"the models see images of {sizes[0]} and {sizes[1]}: severities mean other "
            "constants, and corruptions are not the same pixels"
        )
    return refusals, notes


def heatmaps_apart(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What keeps heat maps, given by their settings, from one scale of colours: phrases."""
    apart = settings_apart(first, other, HEATMAP_SETTINGS)
    game = chosen(apart, Belongs.GAME)
    if chosen(apart, Belongs.SIZE):
        # The published strengths of different sizes are different numbers of one perturbation.
        game = [each for each in game if each.setting != "strength"]
    return [str(each) for each in game]


def _shown(apart: Apart, value: Any) -> str:
    return f"draws by {value}" if apart.setting == "draws" else str(value)


def _listed_apart(ours: Sequence[Any], theirs: Sequence[Any]) -> str:
    parts = [
        f"{word} {', '.join(map(str, held))}"
        for word, held in (
            ("without", [name for name in ours if name not in theirs]),
            ("with", [name for name in theirs if name not in ours]),
        )
        if held
    ]
    return "; ".join(parts) or "in another order"
