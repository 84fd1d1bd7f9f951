"""Whether results may stand side by side, in words: refusals, and what to bear in mind.

What each setting belongs to is declared in `setting_roles`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..results.banded import band_ends
from ..results.heatmap import HeatmapReport
from ..results.robustness import RobustnessReport
from ..setting_roles import (
    HEATMAP_SETTINGS,
    ROBUSTNESS_SETTINGS,
    Belongs,
    chosen,
    settings_apart,
)


def settings_notes(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What to bear in mind where the settings of analyses differ in size or estimator."""
    apart = settings_apart(first, other)
    notes = []
    if chosen(apart, Belongs.SIZE):
        notes.append(_size_note(first, first.get("size"), other.get("size")))
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
    known = [size for size in sizes if isinstance(size, list | tuple) and len(size) == 2]
    if len(known) < 2 or not all(isinstance(length, int) for size in known for length in size):
        return "the size of the images is not known for all reports"
    bands = int(settings["bands"])
    # A band in the middle of the spectrum; its ends as shares of Nyquist, which is 1/2 a pixel.
    band = bands // 2
    low, high = band_ends(settings)[band : band + 2]
    spans = [_span(size, low, high) for size in sizes]
    along = "" if settings.get("norm") == "linf" else " along the diagonal"
    return (
        f"the models see images of {_pixels(sizes[1])} and {_pixels(sizes[0])} pixels, and bands "
        f"are shares of each one's own Nyquist frequency: band {band} of 0 to {bands - 1} spans "
        f"{spans[1]} cycles per picture at {_pixels(sizes[1])} and {spans[0]} at "
        f"{_pixels(sizes[0])}{along}; in cycles per pixel it is the same, {low / 2:.3g} to "
        f"{high / 2:.3g}"
    )


def _pixels(size: Sequence[int]) -> str:
    return f"{size[0]} x {size[1]}"


def _span(size: Sequence[int], low: float, high: float) -> str:
    ends = [f"{low * length / 2:.4g} to {high * length / 2:.4g}" for length in size]
    return ends[0] if size[0] == size[1] else f"{ends[0]} (down) and {ends[1]} (across)"


@dataclass(frozen=True)
class Ground:
    """What errors under corruptions were, or will be, measured on.

    `digest` is that of the images, `settings` are those that are known, and `samples` says in words
    how many images of what.
    """

    digest: str
    settings: Mapping[str, Any]
    perturbations: list[str]
    severities: list[int]
    samples: str = ""

    @classmethod
    def of(cls, report: RobustnessReport) -> Ground:
        """That of a finished measurement."""
        samples = f"{report.data['samples']} of {report.data['source']}"
        measured = report.settings, report.perturbations, report.severities
        return cls(report.data["digest"], *measured, samples)


def grounds_apart(
    reference: Ground | RobustnessReport, compared: Ground | RobustnessReport
) -> tuple[list[str], list[str]]:
    """What keeps measurements of robustness from standing side by side, and what to bear in mind.

    Refusals are phrases such as "another seed (5 against 0)": the other one's value first.
    """
    first, other = (
        ground if isinstance(ground, Ground) else Ground.of(ground)
        for ground in (reference, compared)
    )
    refusals = []
    if first.digest != other.digest:
        refusals.append(f"other images{f' ({other.samples})' if other.samples else ''}")
    apart = settings_apart(first.settings, other.settings, ROBUSTNESS_SETTINGS)
    for each in chosen(apart, Belongs.GAME):
        if each.setting == "draws":
            values = f"seed (draws by {each.other} against draws by {each.first})"
        elif each.setting == "pairs":
            refusals.append(_other_pictures(each.first or {}, each.other or {}))
            continue
        else:
            values = f"{each.setting} ({each.other} against {each.first})"
        refusals.append(f"another {values}")
    if first.perturbations != other.perturbations:
        refusals.append(f"other corruptions ({_lists(first.perturbations, other.perturbations)})")
    if first.severities != other.severities:
        refusals.append(f"other severities ({_lists(first.severities, other.severities)})")
    notes = []
    known = all({"height", "width"} <= ground.settings.keys() for ground in (first, other))
    if known and chosen(apart, Belongs.SIZE):
        sizes = [_pixels((g.settings["height"], g.settings["width"])) for g in (other, first)]
        notes.append(
            f"the models see images of {sizes[0]} and {sizes[1]}: severities mean other "
            "constants, and corruptions are not the same pixels"
        )
    return refusals, notes


def _other_pictures(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    names = [name for name in dict.fromkeys([*first, *other]) if first.get(name) != other.get(name)]
    return f"other perturbed pictures ({', '.join(names)})"


def shared_attacks(reports: Sequence[RobustnessReport]) -> list[dict[str, Any]]:
    """The attacks with their budgets, where all models stood the same ones; else none."""
    first = reports[0].attacks
    return first if all(report.attacks == first for report in reports) else []


def heatmaps_apart(first: HeatmapReport, other: HeatmapReport) -> list[str]:
    """What keeps heat maps from one scale of colours: phrases."""
    apart = settings_apart(first.settings, other.settings, HEATMAP_SETTINGS)
    game = chosen(apart, Belongs.GAME)
    if chosen(apart, Belongs.SIZE):
        # The published strengths of different sizes are different numbers of one perturbation.
        game = [each for each in game if each.setting != "strength"]
    images = ["other images"] * (first.data["digest"] != other.data["digest"])
    return [*map(str, game), *images]


def _lists(first: Sequence[Any], other: Sequence[Any]) -> str:
    missing = ", ".join(str(entry) for entry in first if entry not in other)
    more = ", ".join(str(entry) for entry in other if entry not in first)
    texts = [f"without {missing}" if missing else "", f"with {more}" if more else ""]
    return "; ".join(filter(None, texts)) or "in another order"
