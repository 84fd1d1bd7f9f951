"""What ``iaside show`` and ``iaside plot`` do with measurements, the files beside the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Kind:
    """A kind of measurement: the command that makes it, and who reads, prints and draws it.

    The functions are named as "room.module.function", so that nothing is loaded before its use.
    `baselines`: may be shown against another file; `together`: several may be drawn at once;
    `beside`: so may analyses of the same models, by a function that takes the paths.
    """

    command: str
    load: str
    show: str
    draw: str
    baselines: bool = False
    together: bool = False
    beside: str | None = None

    @property
    def made_by(self) -> str:
        """The command as it is typed."""
        return f"iaside {self.command}"


_KINDS = {
    "iaside-heatmap": Kind(
        "heatmap",
        "results.heatmap.load_heatmap",
        "views.heatmap_table.print_heatmap",
        "views.heatmap_plot.save_heatmaps",
        beside="commands.heatmap.plot_beside",
    ),
    "iaside-snr": Kind(
        "snr", "results.snr.load_snr", "views.snr_table.print_snr", "views.snr_plot.save_snr"
    ),
    "iaside-robustness": Kind(
        "robustness",
        "results.robustness.load_robustness",
        "views.robustness_table.print_robustness",
        "views.robustness_plot.save_robustness",
        baselines=True,
        together=True,
    ),
}


def measurement(path: Path, **given: Any) -> Kind | None:
    """The kind of measurement that a file holds, if any; options of reports must not be given."""
    from ..storage.opening import mentions

    # Most files are reports, which are shown sooner without what else would be loaded here.
    if not mentions(path, list(_KINDS)):
        return None
    from ..results.kinds import format_of

    found = format_of(path, list(_KINDS))
    if found is None:
        return None
    for name, value in given.items():
        if value:
            option = name.replace("_", "-")
            raise click.UsageError(
                f"--{option} does not apply to {path}, a file of {_KINDS[found].made_by}"
            )
    return _KINDS[found]


def load_measurement(kind: Kind, path: Path, confidence: float | None = None) -> Any:
    """A measurement, with intervals of another coverage where one is given."""
    return _function(kind.load)(path).view(confidence=confidence)


def show_measurement(
    kind: Kind, path: Path, confidence: float | None, baseline: Path | None, as_json: bool
) -> None:
    """What ``iaside show`` does with a measurement."""
    if baseline is not None and not kind.baselines:
        raise click.UsageError(f"--baseline does not apply to {path}, a file of {kind.made_by}")
    # Only where it may be given do the functions take a second file.
    against = [] if baseline is None else [load_measurement(kind, baseline)]
    found = load_measurement(kind, path, confidence)
    if as_json:
        values = found.summary()
        for other in against:
            values["baseline"] = found.against(other).summary(found.perturbations)
        click.echo(json.dumps(values, indent=2))
    else:
        print_measurement(kind, found, *against)


def print_measurement(kind: Kind, result: Any, *against: Any) -> None:
    """A measurement in the terminal, and whether it is a part of one."""
    from ..results.part import part_note

    _function(kind.show)(result, *against)
    note = part_note(result)
    if note is not None:
        click.echo(note)


def print_result(result: Any) -> None:
    """A result of any kind in the terminal."""
    kind = _KINDS.get(result.SCHEMA.format)
    if kind is None:
        _function("views.terminal.print_report")(result)
    else:
        print_measurement(kind, result)


def plot_measurements(
    kind: Kind, paths: Sequence[Path], target: Path, confidence: float | None, overwrite: bool
) -> None:
    """What ``iaside plot`` does with measurements of one kind."""
    if kind.beside is not None:
        _function(kind.beside)(paths, target, confidence, overwrite)
        return
    if len(paths) > 1 and not kind.together:
        raise click.UsageError(f"files of {kind.made_by} are drawn one by one")
    found = [load_measurement(kind, path, confidence) for path in paths]
    if kind.together:
        names = [path.stem for path in paths]
        _function(kind.draw)(found, names, target, overwrite=overwrite)
    else:
        _function(kind.draw)(found[0], target, overwrite=overwrite)


def _function(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(f"..{module}", __package__), name)
