"""Where a result comes from, and the commands that go on from it: what stands below its table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.suggested_gate import suggested_gate
from ..spelling import command_text, path_word
from .terminal import Terminal, terminal
from .text import one_line

_LABEL = 6
_HASH = 12


def print_provenance(result: Any) -> None:
    """When, by what and of what a result was made."""
    terminal().say(*map(one_line, provenance_lines(result)))


def provenance_lines(result: Any) -> list[str]:
    """The same as sentences; what a file does not say is left out."""
    settings, run = result.settings, result.run
    day, _, time = str(result.created).partition("T")
    made = f"Made {day} {time[:5]} UTC by iaside {result.iaside_version}".replace("  ", " ")
    if result.provider:
        made += f" on {result.provider}"
    if run.get("seconds") is not None and run.get("forward_passes"):
        made += f", {int(run['forward_passes']):,} forward passes in {_seconds(run['seconds'])}"
    told = [f"seed {settings['seed']}"] if "seed" in settings else []
    recipe = settings.get("preprocess")
    if recipe is not None:
        told.append(f"preprocessing {recipe.get('name') if isinstance(recipe, dict) else recipe}")
    size = settings.get("size") or [settings.get(side) for side in ("height", "width")]
    if None not in size:
        told.append(f"size {size[0]} x {size[1]}")
    hashes = [
        f"{what} {str(value)[:_HASH]}"
        for what, value in (
            ("model", getattr(result, "model", {}).get("sha256")),
            ("images", result.data.get("digest")),
        )
        if value
    ]
    return [f"{made}; {', '.join(told)}; SHA-256 of {', '.join(hashes)} (--json has all)"]


def _seconds(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def next_commands(result: Any, path: Path) -> list[tuple[str, str]]:
    """Command lines that go on from a file of a result, each with what it gives."""
    file = path_word(path)
    picture = _line("plot", file), "the picture"
    if isinstance(result, Report):
        return [(_line("html", file), "the page"), picture]
    if isinstance(result, RobustnessReport):
        return [picture, *_after_robustness(result, file)]
    further = {
        "iaside-damage": (_line("compare", file, "OTHER"), "against another model"),
        "iaside-snr": (_line("predict", "REPORT", "--snr", file), "the damage predicted"),
        "iaside-heatmap": (_line("plot", file, "REPORT"), "beside the profile of the model"),
    }.get(result.SCHEMA.format)
    return [picture, *([] if further is None else [further])]


def _after_robustness(report: RobustnessReport, file: str) -> list[tuple[str, str]]:
    if not report.corruptions:
        return [(_line("rank", file, "OTHER"), "against other models")]
    errors = report.errors.mean(axis=1)
    places = [report.perturbations.index(name) for name in report.corruptions]
    worst = report.perturbations[max(places, key=lambda at: float(errors[at]))]
    severity = report.severities[len(report.severities) // 2]
    why = ["explain", "MODEL", "IMAGES", "--corruption", worst, "--severity", str(severity)]
    gate = suggested_gate(report)
    return [
        (_line(*why), "why the worst hurts"),
        (_line("rank", file, "OTHER"), "against other models"),
        (_line("gate", file, *gate.words), "a bound for CI"),
        ("", gate.now),
    ]


def _line(*words: str) -> str:
    return command_text(["iaside", *words])


def print_next(result: Any, path: Path) -> None:
    """The commands that go on from a file, for a terminal and for no program that reads on."""
    say_next(terminal(), next_commands(result, path))


def say_next(out: Terminal, commands: Sequence[tuple[str, str]]) -> None:
    """Command lines below each other, each with what it gives where there is room.

    Words without a command are of the command above them.
    """
    wide = max((len(line) for line, _ in commands), default=0)
    for number, (line, gives) in enumerate(commands):
        if not line:
            out.say(f"{'':<{_LABEL}}{gives}")
            continue
        label = "Next:" if not number else ""
        text = f"{label:<{_LABEL}}{line:<{wide}}  ({gives})"
        short = len(text) <= out.width
        out.say(text if short else f"{label:<{_LABEL}}{line}", verbatim=True)
