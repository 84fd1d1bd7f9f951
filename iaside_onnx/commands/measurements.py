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
    """

    command: str
    load: str
    show: str
    draw: str


_KINDS = {
    "iaside-snr": Kind(
        "snr", "reports.snr_store.load_snr", "views.snr_table.print_snr", "views.snr_plot.save_snr"
    ),
}


def measurement(path: Path, **given: Any) -> Kind | None:
    """The kind of measurement that a file holds, if any; options of reports must not be given."""
    from ..reports.measurement_store import format_of

    found = format_of(path, list(_KINDS))
    if found is None:
        return None
    for name, value in given.items():
        if value:
            option = name.replace("_", "-")
            command = _KINDS[found].command
            raise click.UsageError(
                f"--{option} does not apply to {path}, a file of iaside {command}"
            )
    return _KINDS[found]


def show_measurement(kind: Kind, path: Path, confidence: float | None, as_json: bool) -> None:
    """What ``iaside show`` does with a measurement."""
    found = _function(kind.load)(path).view(confidence=confidence)
    if as_json:
        click.echo(json.dumps(found.summary(), indent=2))
    else:
        _function(kind.show)(found)


def plot_measurements(
    kind: Kind, paths: Sequence[Path], target: Path, confidence: float | None, overwrite: bool
) -> None:
    """What ``iaside plot`` does with measurements of one kind."""
    if len(paths) > 1:
        raise click.UsageError(f"files of iaside {kind.command} are drawn one by one")
    found = _function(kind.load)(paths[0]).view(confidence=confidence)
    _function(kind.draw)(found, target, overwrite=overwrite)


def _function(place: str) -> Any:
    module, _, name = place.rpartition(".")
    return getattr(import_module(f"..{module}", __package__), name)
