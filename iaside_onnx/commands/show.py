"""``iaside show`` and ``iaside plot``: a report as a table, as JSON, as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .measurements import measurement, plot_measurements, show_measurement
from .options import json_option, robustness_option, view_options

if TYPE_CHECKING:
    from ..storage.isolated import Child


@click.command()
@click.argument("report", type=click.Path(path_type=Path))
@view_options
@click.option("--per-class", is_flag=True, help="Add the profile of every class.")
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="BASELINE.h5",
    help="For a file of iaside robustness: another one, of the baseline model.",
)  # fmt: skip
@robustness_option()
@json_option
def show(
    report: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    per_class: bool,
    baseline: Path | None,
    robustness: Path | None,
    as_json: bool,
) -> None:
    """Print the result of a report; view settings may change, the model is not needed.

    Also for files of iaside snr, iaside robustness and iaside heatmap.

    \b
    Example:
      iaside show plain.h5 --value prob --per-class
      iaside show plain.h5 --robustness plain-robustness.h5
    """
    given = {"value": value, "beta": beta, "per_class": per_class, "robustness": robustness}
    kind = measurement(report, **given)
    if kind is not None:
        show_measurement(kind, report, confidence, baseline, as_json)
        return
    if baseline is not None:
        raise click.UsageError("--baseline is for files of iaside robustness; see iaside compare")
    from ..storage.opening import begin_reading
    from ..storage.seal import NO_SEAL, is_sealed

    reading = begin_reading(report)
    if not is_sealed(report):
        click.echo(f"Note: {report}: {NO_SEAL}", err=True)
    if as_json:
        found = viewed(report, value, beta, confidence, reading)
        (measured,) = measurements_of([found], [robustness], confidence)
        summary = found.summary(per_class=per_class, robustness=measured)
        click.echo(json.dumps(summary, indent=2))
        return
    from ..views.terminal import print_report

    found = viewed(report, value, beta, confidence, reading)
    (measured,) = measurements_of([found], [robustness], confidence)
    print_report(found, per_class=per_class, robustness=measured)


@click.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="FILE.png|svg|pdf", help="Where the picture goes.",
)  # fmt: skip
@click.option("--classes", is_flag=True, help="Draw the map of the classes of one report.")
@robustness_option(several=True)
@view_options
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def plot(
    reports: tuple[Path, ...],
    target: Path,
    classes: bool,
    robustness: tuple[Path, ...],
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
) -> None:
    """Draw one report, or several side by side.

    Also one file of iaside snr, several of iaside robustness, or heat maps with reports of the
    same models.

    \b
    Example:
      iaside plot plain.h5 robust.h5 -o both.png
      iaside plot plain.h5 --robustness plain-robustness.h5 -o plain.png
      iaside plot plain.h5 --classes -o classes.png
    """
    if classes and len(reports) > 1:
        raise click.UsageError(f"--classes takes one report, not {len(reports)}")
    if classes and robustness:
        raise click.UsageError("--robustness does not apply to the map of --classes")
    given = {"value": value, "beta": beta, "classes": classes, "robustness": robustness}
    kind = measurement(reports[0], **given)
    if kind is not None:
        plot_measurements(kind, reports, target, confidence, overwrite)
        click.echo(f"Picture: {target}")
        return
    found = [viewed(path, value, beta, confidence) for path in reports]
    names = [path.stem for path in reports]
    warn_of_silent(found, names)
    if classes:
        from ..results.class_rows import reservation
        from ..results.report import FEW_IMAGES
        from ..views.class_map import save_class_map

        save_class_map(found[0], names[0], target, overwrite=overwrite)
        note = reservation(found[0].class_profiles, FEW_IMAGES)
        if note is not None:
            click.echo(f"Warning: {note}", err=True)
    else:
        from ..comparisons.comparable import drawn_together
        from ..views.plots import save_figure

        measured = measurements_of(found, robustness, confidence)
        for note in drawn_together(list(zip(names, found, strict=True)))[1]:
            click.echo(f"Warning: {note}", err=True)
        save_figure(found, names, target, overwrite=overwrite, robustness=measured)
    click.echo(f"Picture: {target}")


def viewed(
    path: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    reading: Child | None = None,
) -> Any:
    """A report seen through the view options of a command; `reading` as in `Result.load`."""
    from ..storage.opening import begin_reading

    reading = reading or begin_reading(path)
    from ..results.report import Report, check_view

    found = Report.load(path, reading).view(value=value, beta=beta, confidence=confidence)
    check_view(found.settings["value"], found.beta, found.confidence)
    return found


def warn_of_silent(reports: Sequence[Any], names: Sequence[str]) -> None:
    """Say on standard error which reports say nothing, and why."""
    from ..results.finding import no_finding

    for report, name in zip(reports, names, strict=True):
        reason = no_finding(report)
        if reason is not None:
            click.echo(f"Warning: {name}: {reason}", err=True)


def measurements_of(
    reports: Sequence[Any], paths: Sequence[Path | None], confidence: float | None
) -> list[Any]:
    """For each report the measurement of its model among some files, or None.

    Raises
    ------
    ReportError
        One is of a model that no report is of, or two are of one model.
    """
    held: dict[str, Any] = {}
    for path in filter(None, paths):
        from ..results.finding import check_measures
        from ..results.robustness import load_robustness

        found = load_robustness(path).view(confidence=confidence)
        check_measures(path, found, [report.model for report in reports])
        if held.setdefault(found.model["sha256"], found) is not found:
            raise click.UsageError(f"{path}: a measurement of its model is given already")
    return [held.get(report.model["sha256"]) for report in reports]
