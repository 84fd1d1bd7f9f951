"""A pair of reports in plain words: what differs, or what would have been seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..mathematics.paired import POWER, Difference
from ..mathematics.spacing import LINEAR
from ..plurals import counted
from ..results.banded import spacing_of
from ..results.report import Report
from .pairs import Pair


def decimals(differences: Iterable[Difference]) -> int:
    """Digits after the point that show two figures of the narrowest interval: 3 to 7."""
    return decimals_of(d.high - d.low for d in differences)


def decimals_of(widths: Iterable[float]) -> int:
    """The same for the widths of intervals."""
    halves = [width / 2 for width in widths if width > 0]
    return min(7, max(3, 1 - int(np.floor(np.log10(min(halves)))))) if halves else 3


def with_interval(d: Difference) -> str:
    """A difference and its interval as text, such as ``+0.012 [-0.003, +0.027]``."""
    digits = decimals([d])
    return f"{d.difference:+.{digits}f} [{d.low:+.{digits}f}, {d.high:+.{digits}f}]"


def verdict(
    pair: Pair, reference: str, first: Report, margin: float | None, trainings: int = 1
) -> dict[str, str]:
    """Plain sentences about a pair, as `Pair.verdict` holds them.

    `first` is the report of the reference, and `reference` its name. With two `trainings` of its
    recipe or more, itself included, the sentences speak of trainings. Where a report of the pair is
    no finding, nothing but the accuracy is judged.
    """
    sentences = _sentences(pair, reference, first, margin, trainings)
    if not pair.no_finding:
        return sentences
    nothing = f"No conclusion about scores and bands. {' '.join(pair.no_finding)}"
    return {key: text if key == "accuracy" else nothing for key, text in sentences.items()}


def _sentences(
    pair: Pair, reference: str, first: Report, margin: float | None, trainings: int
) -> dict[str, str]:
    name, level = pair.report, 1 - first.confidence
    if pair.identical:
        same = f"{name} and {reference} give the same values on every image that they share."
        keys = ("score", "bands", "accuracy", "margin")
        return dict.fromkeys(keys[:3] if margin is None else keys, same)
    low, high = first.srs_range
    against = reference if trainings == 1 else f"{trainings} trainings like {reference} on average"
    between = "" if trainings == 1 else f"between the trainings of {name} and {reference} "
    signed, accuracy = pair.srs_signed, pair.accuracy
    if signed.p < level:
        share = abs(signed.difference) / (high - low)
        parts = "frequencies" if spacing_of(first.settings) == LINEAR else "bands"
        score = (
            f"{name} leans {'more' if signed.difference > 0 else 'less'} on low {parts} than "
            f"{against}: signed score {with_interval(signed)}, {share:.1%} of its range."
        )
    else:
        score = f"No difference of the signed score seen {between}{_power(pair, signed, trainings)}"
    differing = [
        f"{band} ({d.difference:+.{decimals([d])}f})"
        for band, d in zip(first.band_names, pair.sid, strict=True)
        if d.p_holm is not None and d.p_holm < level
    ]
    family = f"(SID, Holm over {len(pair.sid)} bands)"
    bands = f"No single band differs {family}."
    if differing:
        bands = f"Bands that differ {family}: {', '.join(differing)}."
    alone = pair.right_alone
    if accuracy is None or alone is None:
        right = "Accuracy is not known, since labels are each model's own answers: not compared."
        return _with_margin({"score": score, "bands": bands, "accuracy": right}, pair, margin)
    counts = (
        f"{reference} alone is right on {counted(alone['reference'], 'image')}, {name} alone on "
        f"{alone['other']}"
    )
    if accuracy.p < level:
        test = "McNemar p" if trainings == 1 else "p"
        right = (
            f"{name} is {'more' if accuracy.difference > 0 else 'less'} accurate than {against}: "
            f"{with_interval(accuracy)}, {test} {p_text(accuracy.p)}; {counts}."
        )
    else:
        right = (
            f"No difference of accuracy seen {between}{_power(pair, accuracy, trainings)} {counts}."
        )
    return _with_margin({"score": score, "bands": bands, "accuracy": right}, pair, margin)


def _with_margin(sentences: dict[str, str], pair: Pair, margin: float | None) -> dict[str, str]:
    if margin is not None:
        within = "lies within" if pair.equivalent else "is not shown to lie within"
        sentences["margin"] = f"The difference of the signed score {within} ±{margin:g}."
    return sentences


def _power(pair: Pair, difference: Difference, trainings: int) -> str:
    size = counted(pair.shared, "image")
    at = f"at this sample size ({size})"
    if trainings > 1:
        at = f"at this number of trainings ({trainings} and 1, on {size})"
    text = f"{at}: {with_interval(difference)}"
    if difference.mde > 0:  # none where resamples of the images do not vary
        text += (
            f"; a difference of {difference.mde:.{decimals([difference])}f} would have been seen "
            f"(with a probability of {POWER})"
        )
    return f"{text}."


def p_text(p: float) -> str:
    """A p-value as text."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
