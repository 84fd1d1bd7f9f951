"""Damage predicted by spectral stand-ins, on a terminal."""

from __future__ import annotations

from ..comparisons.shares import Shares
from ..plurals import counted, plural
from ..results.stand_ins import AVERAGE, OWN, TABLE, StandInReport
from .terminal import Terminal, table, terminal
from .text import number, one_line, percent, rank_text, value_and_ends, with_interval

_MEASURE = (
    " Run iaside robustness on the same images, which takes as many passes, and give its file with "
    "--measured."
)
_SPECTRA = {
    OWN: "spectra of each image's own corrupted copy",
    AVERAGE: "average spectra of a file of iaside snr",
    TABLE: "spectra of tables",
}


def print_stand_ins(report: StandInReport) -> None:
    """What the stand-ins of each perturbation cost."""
    out = terminal()
    _print_heading(out, report)
    foretold, level = report.foretold, percent(report.confidence)
    ends = f"{level} int."
    rows = []
    for row, name in enumerate(report.perturbations):
        by_severity = (number(value, 2) for value in foretold.drops.value[row])
        cells = [*value_and_ends(foretold.corruption_drops[row]), " ".join(by_severity)]
        rows.append([one_line(name), *cells, *value_and_ends(foretold.corruption_mpe[row])])
    headings = ["accuracy falls", ends, "by severity", "mPE", ends]
    out.print(table(["perturbation"], headings, rows, tight=True))
    out.say(
        f"Mean fall: {with_interval(foretold.mean_drop, level)}",
        f"Mean mPE: {with_interval(foretold.mean_mpe, level)}",
        "Nothing was measured: what depends on where in the picture a perturbation strikes is not "
        f"in a stand-in.{_MEASURE if report.settings['spectra'] != TABLE else ''}",
    )
    out.noted(report.run.get("warnings", []))


def print_shares(shares: Shares) -> None:
    """Measured damage with its spectral and structural shares."""
    out, report = terminal(), shares.report
    _print_heading(out, report)
    level = percent(report.confidence)
    ends = f"{level} int."
    parts = shares.measured, shares.spectral, shares.structural
    rows = (
        [one_line(name), *(cell for part in parts for cell in value_and_ends(part[row]))]
        for row, name in enumerate(report.perturbations)
    )
    out.say("Fall of the accuracy as measured, and its two shares:")
    headings = ["measured", ends, "spectral", ends, "structural", ends]
    out.print(table(["corruption"], headings, rows, tight=True))
    placed = ", placed where the corruption lies" * report.settings["placed"]
    total = [with_interval(shares.total[part], level) for part in range(3)]
    out.say(
        f"Mean fall: {total[0]}; spectral {total[1]}; structural {total[2]}",
        f"Spectral is what images with the corruption's spectrum and random phases cost{placed}, "
        "structural the rest; it is negative where these cost more than the corruption.",
    )
    for name, words in (("accuracy_drop", "fall of accuracy"), ("mpe", "mPE")):
        rank = shares.agreement[name]
        out.say(
            f"Rank correlation with the measured {words}: {rank_text(rank.corruptions)} over "
            f"corruptions, {rank_text(rank.pairs)} over corruptions and severities"
        )
    out.say(*(f"Note: {note}" for note in shares.notes))
    out.noted(report.run.get("warnings", []))


def _print_heading(out: Terminal, report: StandInReport) -> None:
    settings, passes = report.settings, report.run.get("forward_passes")
    severities = plural(len(report.severities), "severity", "severities")
    spectra = _SPECTRA[settings["spectra"]]
    spectra += ", noise where the corruption has it" * settings["placed"]
    cost = "" if passes is None else f"; {passes:,} forward passes"
    out.heading(
        report,
        f"spectral stand-ins of {counted(len(report.labels), 'image')}, "
        f"{counted(len(report.perturbations), 'perturbation')}"
        f" x {severities} {', '.join(map(str, report.severities))}",
        f"{settings['rings']} rings, {spectra}{cost}",
        f"Clean accuracy: {number(report.accuracy)}",
    )
