"""Whether damage reports may stand side by side, in words: refusals, and what to bear in mind."""

from __future__ import annotations

from typing import Any

from ..results.damage import DamageReport
from ..results.damage_words import perturbation_name
from ..setting_roles import DAMAGE_SETTINGS, OF_BANDS, Belongs, chosen, settings_apart


def bands_apart(first: DamageReport, other: DamageReport) -> list[str]:
    """What keeps two reports from one picture: phrases, the other one's value first.

    Models, images and perturbations may differ there.
    """
    apart = settings_apart(first.settings, other.settings, DAMAGE_SETTINGS, OF_BANDS)
    phrases = list(map(str, apart))
    if first.value != other.value:
        phrases.append(f"value {other.value} against {first.value}")
    return phrases


def pairs_apart(first: DamageReport, other: DamageReport) -> list[str]:
    """What keeps two reports from being compared band by band, images aside: phrases."""
    perturbations = [report.settings["perturbation"] for report in (first, other)]
    phrases = []
    if _determined(perturbations[0]) != _determined(perturbations[1]):
        names = [perturbation_name(each) for each in perturbations]
        between = f"{names[1]} against {names[0]}"
        if names[0] == names[1]:
            between = f"{names[0]}, but of other pixels or constants"
        phrases.append(f"perturbation {between}")
    apart = settings_apart(first.settings, other.settings, DAMAGE_SETTINGS)
    return phrases + [
        str(each) for each in chosen(apart, Belongs.GAME) if each.setting != "perturbation"
    ]


def _determined(perturbation: dict[str, Any]) -> dict[str, Any]:
    """A perturbation without what says nothing about its pixels: the name of a folder."""
    if perturbation["kind"] != "folder":
        return perturbation
    return {key: value for key, value in perturbation.items() if key != "name"}
