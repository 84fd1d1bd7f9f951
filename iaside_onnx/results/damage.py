"""Where a perturbation does its damage: numbers, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import damage_words as words
from .damage_numbers import FEW_IMAGES, SCHEMA, UNITS, DamageNumbers, check_value, held_values

__all__ = ["FEW_IMAGES", "SCHEMA", "UNITS", "DamageReport", "check_value", "held_values"]


@dataclass(frozen=True, kw_only=True)
class DamageReport(DamageNumbers):
    """Result of ``iaside explain``: `DamageNumbers`, and what they say."""

    def sentence(self) -> str:
        """The damage and where it comes in, in one sentence that is only arithmetic."""
        return words.sentence(self)

    def per_class(self) -> list[dict[str, Any]]:
        """Damage of each class of the sample, in the order of the labels.

        Returns
        -------
        list of dict
            ``class``, ``name``, ``n``, ``few`` (fewer than 20 images), ``damage`` (``points``,
            ``low``, ``high``) and ``bands``, the points of each, which are None where images are
            few.
        """
        return words.class_rows(self)

    def worst(self, count: int = 10) -> list[dict[str, Any]]:
        """The images that suffer most, by the unit and then by lost log-probability.

        Returns
        -------
        list of dict
            ``image``, ``class``, ``name``, ``points``, ``log_prob`` (lost; None where one is
            infinite), ``band`` (name of that through which most comes in) and ``bands``, the points
            of each.
        """
        return words.worst_images(self, count)

    def summary(self, *, per_class: bool = False) -> dict[str, Any]:
        """The result as plain JSON values; the keys are those of ``iaside explain --json``."""
        result = {**self.provenance, **words.summary(self)}
        return {**result, "per_class": self.per_class()} if per_class else result
