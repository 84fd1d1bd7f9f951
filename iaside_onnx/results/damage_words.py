"""What a damage report says: its one sentence, rows of classes and images, and its JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.band_sums import MOST_OF_IT
from ..plurals import counted
from .damage_numbers import FEW_IMAGES, DamageNumbers
from .damage_pairs import BandPair, pairs_told
from .spread import Spread

# From this size on points are said without decimals.
_WHOLE = 19.5
_WORST = 10
# Of the damage: the least interaction of which anything is said.
_MATTERS = 0.05
RULE = (
    f"the bands named are the fewest neighbouring ones that hold at least {100 * MOST_OF_IT:.0f} % "
    "of the damage, at most half of all; the interval is that of their sum and counts that they "
    "were chosen on the same images"
)


def perturbation_name(perturbation: dict[str, Any]) -> str:
    """What a perturbation is called: ``gaussian noise 3``, ``square-linf 4/255``, a folder."""
    name, kind = str(perturbation["name"]), perturbation["kind"]
    if kind == "corruption":
        return f"{name.replace('_', ' ')} {perturbation['severity']}"
    if kind == "attack":
        return f"{name} {radius_text(float(perturbation['epsilon']))}"
    return name


def radius_text(epsilon: float) -> str:
    """A radius as it was most likely asked for: ``4/255``, ``0.5``, ``0.5/255``.

    Examples
    --------
    >>> radius_text(4 / 255), radius_text(0.5), radius_text(2.0), radius_text(0.5 / 255)
    ('4/255', '0.5', '2', '0.5/255')
    """
    plain, steps = f"{epsilon:.4g}", epsilon * 255
    if float(plain) == epsilon:
        return plain
    near = round(steps, 2)
    return f"{near:g}/255" if near > 0 and abs(steps - near) < 1e-6 else plain


def bands_named(names: Sequence[str], first: int, last: int) -> str:
    """Neighbouring bands in words: ``band 0``, ``bands 0 and 1``, ``bands 4 to 7``."""
    if first == last:
        return f"band {names[first]}"
    joint = "and" if last == first + 1 else "to"
    return f"bands {names[first]} {joint} {names[last]}"


def sentence(report: DamageNumbers) -> str:
    """See `DamageReport.sentence`."""
    damage, images, unit = report.damage, len(report.labels), report.unit
    digits = _digits(report, float(damage.value))
    lost = f"{float(damage.value):.{digits}f}"
    whole = f"{_with_ends(damage, digits)} {unit} lost"
    if images < FEW_IMAGES:
        return (
            f"{whole} on {counted(images, 'image')}: with fewer than {FEW_IMAGES} no band is named."
        )
    if damage.low <= 0 <= damage.high:
        return (
            f"{whole}: on {counted(images, 'image')} this cannot be told apart from no damage, "
            "so no band is named."
        )
    if damage.value < 0:
        gained = Spread(-damage.value, -damage.high, -damage.low)
        return f"{_with_ends(gained, digits)} {unit} gained: the perturbation does no damage here."
    run, names = report.largest_run, report.band_names
    if len(names) == 1:
        return f"{whole}; there is only one band."
    if run is None:
        half = max(1, len(names) // 2)
        holds = "band holds" if half == 1 else f"{half} neighbouring bands hold"
        return f"{whole}, spread over the bands: no {holds} {100 * MOST_OF_IT:.0f} % of it."
    if report.named is None:
        return f"{whole}: through which bands cannot be decided on {counted(images, 'image')}."
    ends = f"[{run.low:.{digits}f}, {run.high:.{digits}f}]"
    comes = "comes" if f"{run.value:.{digits}f}" in ("1", "1.0") else "come"
    text = (
        f"Of {lost} {unit} lost, {run.value:.{digits}f} {ends} {comes} in through "
        f"{bands_named(names, run.first, run.last)}"
    )
    rest = round(float(damage.value), digits) - round(run.value, digits)
    if rest < 0:
        text += f"; the others give {-rest:.{digits}f} back"
    return f"{text}."


def split_sentence(report: DamageNumbers) -> str | None:
    """How much comes of what is taken away, and of what is added; None without a split."""
    parts = report.parts
    if parts is None or len(report.labels) < FEW_IMAGES:
        return None
    digits = _digits(report, float(report.damage.value))
    taken, added = (_with_ends(parts[row, -1], digits) for row in range(2))
    return (
        f"Of the {float(report.damage.value):.{digits}f} {report.unit}, {taken} come of what the "
        f"perturbation takes away of the bands, {added} of what it adds to them."
    )


def pairs_of_bands(report: DamageNumbers) -> list[str]:
    """The pairs of bands whose damage most needs both, and most overlaps, where that is seen.

    See `damage_pairs.pairs_told`. Of a pair that matters little beside the damage nothing is said.
    """
    least, names = _MATTERS * abs(float(report.damage.value)), report.band_names
    told = [pair for pair in pairs_told(report) if abs(pair.value) >= least]
    needed = [pair for pair in told if pair.value > 0]
    shared = [pair for pair in told if pair.value < 0]
    return [
        f"Bands {names[pair.first]} and {names[pair.second]} {words} (interaction "
        f"{_interaction(pair, report)})."
        for pair, words in (
            *((pair, "need each other most: together they do more than each alone")
              for pair in needed[:1]),
            *((pair, "overlap most: what one of them does the other does too")
              for pair in shared[-1:]),
        )
    ]  # fmt: skip


def _interaction(pair: BandPair, report: DamageNumbers) -> str:
    """With its interval, in as many digits as show that it leaves out 0."""
    digits = 1 if report.in_points else 3
    while digits < 6 and 0 in (round(pair.low, digits), round(pair.high, digits)):
        digits += 1
    return f"{pair.value:+.{digits}f} [{pair.low:.{digits}f}, {pair.high:.{digits}f}]"


def _digits(report: DamageNumbers, size: float) -> int:
    """Digits after the point in which a sentence tells a damage of this size."""
    if not report.in_points:
        return 2 if report.of_classes else 3
    return 0 if abs(size) >= _WHOLE else 1


def _with_ends(spread: Spread, digits: int) -> str:
    value, low, high = (
        f"{round(float(end), digits) + 0.0:.{digits}f}"  # no minus before 0
        for end in (spread.value, spread.low, spread.high)
    )
    return f"{value} [{low}, {high}]"


def class_rows(report: DamageNumbers) -> list[dict[str, Any]]:
    """See `DamageReport.per_class`."""
    rows = []
    for label in np.unique(report.labels).tolist():
        chosen = report.labels == label
        few = int(chosen.sum()) < FEW_IMAGES
        bands = None if few else report.per_image[chosen].mean(axis=0).tolist()
        rows.append(
            {
                "class": label,
                "name": report.class_name(label),
                "n": int(chosen.sum()),
                "few": few,
                "damage": points(report.damage_of(chosen)),
                "bands": bands,
            }
        )
    return rows


def worst_images(report: DamageNumbers, count: int) -> list[dict[str, Any]]:
    """See `DamageReport.worst`."""
    shares, in_logs = report.per_image, report.per_image_log_prob
    lost_log = np.zeros(len(shares)) if in_logs is None else in_logs.sum(axis=1)
    order = np.lexsort([-lost_log, -np.round(report.lost, 9)])
    rows = []
    for row in order[:count].tolist():
        if report.lost[row] <= 0 and lost_log[row] <= 0:
            break
        label = int(report.labels[row])
        rows.append(
            {
                "image": report.image_ids[row],
                "class": label,
                "name": report.class_name(label),
                "points": float(report.lost[row]),
                "log_prob": None if in_logs is None else float(lost_log[row]),
                "band": report.band_names[_largest(shares[row], in_logs, row)],
                "bands": shares[row].tolist(),
            }
        )
    return rows


def _largest(shares: NDArray[np.float64], in_logs: NDArray[np.float64] | None, row: int) -> int:
    """The band of the largest share; among equal ones, that of the largest in log-probability."""
    ties = np.flatnonzero(shares >= shares.max() - 1e-9)
    return int(ties[0] if in_logs is None else ties[in_logs[row, ties].argmax()])


def points(spread: Spread) -> dict[str, Any]:
    """A single quantity as plain JSON values, in the unit of its report."""
    values = spread.json()
    return {"points": values["value"], "low": values["low"], "high": values["high"]}


def summary(report: DamageNumbers) -> dict[str, Any]:
    """What ``iaside explain --json`` says beside where the report comes from."""
    interactions, run, parts = report.interactions, report.named, report.parts
    logs = report.per_image_log_prob
    columns: dict[str, list[Any]] = {
        "log_prob": _plain(None if logs is None else logs.mean(axis=0), report),
        "only": _plain(report.only, report),
        "alone": _plain(report.alone, report),
    }
    bands: list[dict[str, Any]] = []
    for band, name in enumerate(report.band_names):
        entry = {"band": name, **points(report.bands[band])}
        entry |= {key: column[band] for key, column in columns.items()}
        if parts is not None:
            entry |= {"gain": points(parts[0, band]), "residual": points(parts[1, band])}
        bands.append(entry)
    named = None
    if run is not None:
        named = {
            "first": run.first, "last": run.last,
            "points": run.value, "low": run.low, "high": run.high,
        }  # fmt: skip
    split = None
    if parts is not None:
        split = {"gain": points(parts[0, -1]), "residual": points(parts[1, -1])}
    return {
        "perturbation": report.settings["perturbation"],
        "unit": report.unit,
        "clean": points(report.clean),
        "perturbed": points(report.perturbed),
        "damage": points(report.damage),
        "bands": bands,
        "split": split,
        "interactions": None if interactions is None else interactions.tolist(),
        "efficiency_residual": report.efficiency_residual,
        "named": named,
        "sentence": sentence(report),
        "rule": RULE,
        "accuracy": None if report.of_own_answers else report.accuracy,
        "images": worst_images(report, _WORST),
        "forward_passes": report.run["forward_passes"],
        "seconds": report.run["seconds"],
    }


def _plain(values: NDArray[np.float64] | None, report: DamageNumbers) -> list[Any]:
    return [None] * report.players if values is None else (values + 0.0).tolist()
