"""What ``iaside show`` and ``iaside plot`` do with measurements, the files beside the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Kind:
    """A kind of measurement: the command that makes it, and its format.

    `baselines`: may be shown against another file.
    """

    command: str
    format: str
    baselines: bool = False

    @property
    def made_by(self) -> str:
        """The command as it is typed."""
        return f"iaside {self.command}"


_KINDS = {
    kind.format: kind
    for kind in (
        Kind("heatmap", "iaside-heatmap"),
        Kind("snr", "iaside-snr"),
        Kind("robustness", "iaside-robustness", baselines=True),
    )
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
    from ..results.kinds import class_of

    return class_of(kind.format).load(path).view(confidence=confidence)


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
        from ..views.registry import view

        view(found, "table", *against)


def plot_measurements(
    kind: Kind,
    paths: Sequence[Path],
    target: Path,
    picture: str | None,
    confidence: float | None,
    overwrite: bool,
) -> None:
    """What ``iaside plot`` does with measurements of one kind, and with what stands beside them."""
    from ..results.report import Report
    from ..views.registry import drawing, save

    measured, names = [load_measurement(kind, paths[0], confidence)], [paths[0].stem]
    row = drawing(measured[0], picture)
    if len(paths) > 1 and not row.several:
        raise click.UsageError(f"files of {kind.made_by} are drawn one by one")
    reports = {}
    for path in paths[1:]:
        if row.beside == "Report" and measurement(path) is None:
            reports[path] = Report.load(path)
        else:
            measured.append(load_measurement(kind, path, confidence))
            names.append(path.stem)
    models = [result.model.get("sha256") for result in measured]
    for path, report in reports.items():
        if report.model["sha256"] not in models:
            which = f"none of the files of {kind.made_by}"
            raise click.UsageError(f"{path}: is of a model that {which} is of")
    of_model = {report.model["sha256"]: report for report in reports.values()}
    beside = [of_model.get(model) for model in models]
    save(measured, target, names, beside, picture, overwrite=overwrite)
