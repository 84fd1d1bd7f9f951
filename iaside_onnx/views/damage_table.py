"""Damage by band on a terminal."""

from __future__ import annotations

from typing import Any

from ..errors import UsageError
from ..plurals import counted
from ..results.banded import bands_said
from ..results.damage import FEW_IMAGES, DamageReport
from ..results.damage_words import pairs_of_bands, perturbation_name, sentence, split_sentence
from ..spelling import option
from ..tasks import VALUED
from .damage_rows import digits_of, ends, signed, unit_heading
from .terminal import Rows, table, terminal
from .text import UNDEFINED, band_labels, number, one_line, percent

_WORST = 5
_QUANTITY = {
    "right": "Accuracy in per cent",
    "same-answer": "Same answer in per cent",
    "log-prob": "Log-probability of the {}",
    **{each.value: f"Mean {each.quantity}" for each in VALUED},
}
_SHARES = (
    "{unit}: what of the damage comes in through the band; the bands sum to all of it, and below 0 "
    "the perturbation of a band helps."
)
_ALONE = (
    " only: the damage of that band perturbed alone. alone: what that band made clean alone gives "
    "back."
)


def print_damage(report: DamageReport, *, per_class: bool = False) -> None:
    """The damage, what says where it comes in, a row a band, and the images that suffer most."""
    if per_class and not report.of_classes:
        raise UsageError(f"{option('per_class', True)}: {report.task.what} has no classes")
    out = terminal()
    settings = report.settings
    drawn = "" if report.exact else f", {settings['estimator']} from {settings['passes']} passes"
    out.heading(
        report,
        f"{one_line(perturbation_name(settings['perturbation']))}, "
        f"{counted(len(report.labels), 'image', 'images')}, "
        f"{bands_said(settings)}{drawn}",
    )
    if report.clean_note is not None:
        out.say(f"Clean images: {one_line(report.clean_note)}")
    out.say(sentence(report), *filter(None, [split_sentence(report)]), bold=True)
    level = f"{percent(report.confidence)} int."
    out.say(ends_sentence(report))
    out.print(_bands(report, level))
    if report.split:
        out.print(_parts(report, level))
    if pairs := pairs_of_bands(report):
        out.say(*pairs)
    if worst := report.worst(_WORST):
        out.print(_worst(report, worst))
    if per_class:
        out.print(_classes(report, level))
    out.noted(report.run.get("warnings", []))


def ends_sentence(report: DamageReport) -> str:
    """What the model does on clean and on perturbed images, with intervals."""
    digits = digits_of(report)
    clean, perturbed, damage = (
        f"{number(spread.value, digits)} [{number(spread.low, digits)}, "
        f"{number(spread.high, digits)}]"
        for spread in (report.clean, report.perturbed, report.damage)
    )
    if report.clean_is_settled:
        clean = number(report.clean.value, digits)
    quantity = _QUANTITY[report.value].format(report.class_words)
    return (
        f"{quantity}: {clean} clean, {perturbed} perturbed, {damage} lost "
        f"({percent(report.confidence)} intervals)."
    )


def _bands(report: DamageReport, level: str) -> Rows:
    digits, bands = digits_of(report), report.bands
    logs = report.per_image_log_prob
    columns: dict[str, list[str]] = {
        unit_heading(report): [signed(value, digits) for value in bands.value],
        level: [ends(report, bands[band]) for band in range(report.players)],
    }
    for name, values in (("only", report.only), ("alone", report.alone)):
        if values is not None:
            columns[name] = [signed(value, digits) for value in values]
    if digits == 1 and logs is not None:
        columns["log-prob"] = [signed(value, 3) for value in logs.mean(axis=0)]
    largest = max(float(bands.value.max()), 1e-12)
    return table(
        ["band"],
        list(columns),
        zip(band_labels(report), *columns.values(), strict=True),
        caption=_SHARES.format(unit=next(iter(columns))) + _ALONE * ("only" in columns),
        tight=True,
        bars=[max(0.0, float(value)) / largest for value in bands.value],
    )


def _parts(report: DamageReport, level: str) -> Rows:
    digits, parts = digits_of(report), report.parts
    assert parts is not None
    rows = []
    for band, name in enumerate([*band_labels(report), "all"]):
        cells = [
            text
            for row in range(2)
            for text in (
                signed(parts.value[row, band], digits),
                ends(report, parts[row, band]),
            )
        ]
        rows.append([name, *cells])
    return table(
        ["band"],
        ["taken away", level, "added", level],
        rows,
        caption="taken away: by what is left of the band itself (gain); added: by what is there "
        "beside it (residual). The two sum to the band's share.",
        tight=True,
    )


def _worst(report: DamageReport, worst: list[dict[str, Any]]) -> Rows:
    nats = digits_of(report) == 3
    rows = [
        [
            one_line(entry["image"]),
            *([one_line(entry["name"])] if report.of_classes else []),
            entry["band"],
            signed(entry["points"], digits_of(report)),
            *([] if nats else [signed(entry["log_prob"], 2)]),
        ]
        for entry in worst
    ]
    return table(
        ["suffers most", *["class"] * report.of_classes, "through band"],
        [unit_heading(report)] + ["log-prob"] * (not nats),
        rows,
        tight=True,
    )


def _classes(report: DamageReport, level: str) -> Rows:
    digits, rows = digits_of(report), []
    classes = report.per_class()
    for entry in classes:
        damage = entry["damage"]
        shares = entry["bands"] or [None] * report.players
        rows.append(
            [
                one_line(entry["name"]),
                f"{entry['n']}{'*' if entry['few'] else ' '}",
                signed(damage["points"], digits),
                UNDEFINED if damage["low"] is None
                else f"{signed(damage['low'], digits)} to {signed(damage['high'], digits)}",
                *(signed(share, digits) for share in shares),
            ]
        )  # fmt: skip
    few = any(entry["few"] for entry in classes)
    return table(
        ["class"],
        ["images", "lost", level, *report.band_names],
        rows,
        caption=f"* fewer than {FEW_IMAGES} images: too few to say through which bands"
        if few else None,
        tight=True,
    )  # fmt: skip
