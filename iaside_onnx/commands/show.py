"""``iaside show`` and ``iaside plot``: a result as a table, as JSON, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..spelling import path_word
from .numbers import FILE, plain
from .options import (
    Listed,
    any_view_options,
    csv_option,
    json_option,
    picture_options,
    read_by,
    robustness_option,
)
from .output import (
    check_targets,
    files_in,
    print_csv,
    print_json,
    print_result,
    print_rows,
    refuse_for_audits,
    say,
    summary,
)

# Options of show and plot that apply to files of a format; --confidence does to all.
_OPTIONS = {
    "iaside-report": {"value", "beta", "per_class", "robustness", "classes"},
    "iaside-robustness": {"baseline"},
    "iaside-damage": {"value", "per_class"},
    "iaside-stand-ins": {"robustness"},
}


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@any_view_options
@click.option("--per-class", is_flag=True, help="Add the profile of every class.")
@click.option(
    "--baseline", type=FILE, metavar="BASELINE.h5",
    help="For files of iaside robustness: another one, of the baseline model.",
)  # fmt: skip
@robustness_option()
@csv_option
@json_option
def show(
    reports: tuple[Path, ...],
    per_class: bool,
    baseline: Path | None,
    robustness: Path | None,
    as_csv: bool,
    as_json: bool,
    **view: Any,
) -> None:
    """Print results as tables, as JSON or as CSV.

    View settings may change, the model is not needed. Also for files of iaside snr, iaside
    robustness, iaside heatmap, iaside explain and iaside predict --model, for the folder of an
    audit, and for any folder of such files, which is listed. Several are printed one after another;
    a folder among them stands for the files in it.

    \b
    Example:
      iaside show analyses/model.h5 --value prob --per-class
      iaside show analyses/model.h5 --robustness robustness/model.h5
      iaside show robustness/ --csv
    """
    if as_csv and as_json:
        raise click.UsageError("--json and --csv both take standard output; give one")
    asked = {"per_class": per_class, "robustness": robustness, "baseline": baseline}
    if len(reports) == 1 and _is_listed(reports[0]):
        _show_folder(reports[0], {**asked, **view}, as_csv=as_csv, as_json=as_json)
        return
    reports = files_in(reports)
    loaded = [_shown(path, asked, view, as_json=as_json or as_csv) for path in reports]
    if as_csv:
        print_csv(*((str(path), result) for path, (result, _) in zip(reports, loaded, strict=True)))
        return
    if as_json and len(loaded) > 1:
        every = zip(reports, loaded, strict=True)
        print_json({"reports": [{"file": str(path), **summary(*found)} for path, found in every]})
        return
    for number, (path, (result, beside)) in enumerate(zip(reports, loaded, strict=True)):
        if len(reports) > 1:
            click.echo(f"{chr(10) * bool(number)}== {path_word(path)}")
        print_result(result, as_json=as_json, **beside)
        if not as_json and hasattr(result, "SCHEMA"):
            from ..views.provenance import print_next, print_provenance

            print_provenance(result)
            print_next(result, path)


def _is_listed(path: Path) -> bool:
    """Whether a path is a folder of results that is no audit's."""
    if not path.is_dir():
        return False  # nothing is loaded before a file is read
    from ..results.audit import ROBUSTNESS

    return not (path / ROBUSTNESS).is_file()


def _shown(
    path: Path, asked: dict[str, Any], view: dict[str, Any], *, as_json: bool
) -> tuple[Any, dict[str, Any]]:
    """A result as it is to be shown, and what stands beside it."""
    from ..storage.opening import begin_reading
    from ..storage.seal import NO_SEAL, is_sealed

    if path.is_dir():
        from ..results.audit import Audit

        refuse_for_audits({**view, **asked})
        return Audit.load(path), {}
    reading = begin_reading(path)
    if not as_json:
        from ..views import report_table  # noqa: F401 - loaded while the file is read
    from ..results.kinds import load

    result = load(path, reading)
    _check_options(path, result, **asked, **view)
    if not is_sealed(path):
        say(f"Note: {path}: {NO_SEAL}", err=True)
    result = viewed(result, **view)
    baseline, robustness, per_class = (
        asked[key] for key in ("baseline", "robustness", "per_class")
    )
    shown: dict[str, Any] = {} if baseline is None else {"baseline": baseline_of(baseline)}
    if result.SCHEMA.format == "iaside-report":
        (measured,) = _measurements_of([result], [robustness], view["confidence"])
        shown = {"per_class": per_class, "robustness": measured}
    elif per_class:
        shown = {"per_class": True}
    if result.SCHEMA.format == "iaside-stand-ins" and robustness is not None:
        result = _shares_of(result, robustness)
    return result, shown


def _show_folder(folder: Path, options: dict[str, Any], *, as_csv: bool, as_json: bool) -> None:
    """What is in a folder of results that is no audit's."""
    from ..spelling import on_command_line, option
    from ..views.folder_table import folder_rows, print_folder

    for name, value in options.items():
        if value:
            raise click.UsageError(
                f"{on_command_line(option(name))} does not apply to a folder, which is listed; "
                "name the files in it"
            )
    rows = folder_rows(folder)
    if as_json:
        print_json({"folder": str(folder), "files": rows})
    elif as_csv:
        print_rows(rows)
    else:
        print_folder(folder, rows)


def inches(text: str) -> tuple[float, ...]:
    """Width and height as they are written, such as 6.4x4.8."""
    across, up = text.lower().split("x")
    return plain(across, float), plain(up, float)


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@picture_options(
    "Where the picture goes; the default has what is drawn in its name where that is "
    "not the first picture of an analysis.",
    default="REPORT.png",
)
@click.option(
    "--picture", metavar="NAME", help="Another kind of picture than the first of the file's kind."
)
@click.option(
    "--panel",
    cls=Listed,
    table="views.plotting.panel_words",
    metavar="NAME",
    help="One panel alone, of the kind of the files: {names}.",
)
@click.option(
    "--size",
    "picture_size",
    metavar="WxH",
    callback=read_by(inches, "no width and height such as 6.4x4.8"),
    help="Width and height in inches, such as 6.4x4.8; a .png has 300 pixels an inch. A whole "
    "picture is fitted into it.  [default: 6.4x4.8 for a panel, else what the picture needs]",
)
@click.option(
    "--classes", is_flag=True, help="Draw the classes of one report: a row each, a column a band."
)
@robustness_option(several=True)
@any_view_options
def plot(
    reports: tuple[Path, ...],
    target: Path,
    picture: str | None,
    panel: str | None,
    picture_size: tuple[float, float] | None,
    classes: bool,
    robustness: tuple[Path, ...],
    overwrite: bool,
    **view: Any,
) -> None:
    """Draw one report, or several side by side.

    Up to twelve, called by their models; more than four are rows, ranked. Also one file of iaside
    snr or iaside predict --model, several of iaside robustness or iaside explain, or heat maps with
    reports of the same models. A folder stands for the files in it.

    \b
    Example:
      iaside plot analyses/model.h5 analyses/model-v2.h5 -o both.png
      iaside plot analyses/model.h5 --panel sid --size 6.4x4.8 -o sid.png
      iaside plot analyses/model.h5 --robustness robustness/model.h5 -o report.png
      iaside plot analyses/model.h5 --classes -o classes.png
    """
    from ..results.kinds import load
    from ..storage.opening import MADE_BY, wrong_kind
    from ..views.model_names import model_names
    from ..views.plotting import check_panel, check_size, save
    from ..views.registry import drawing

    check_size(picture_size)
    check_panel(panel)
    if panel is not None and (picture is not None or classes):
        raise click.UsageError(
            f"--panel and --{'classes' if classes else 'picture'} exclude each other"
        )
    check_targets()
    reports = files_in(reports)
    picture = "classes" if classes else picture
    if picture == "classes" and len(reports) > 1:
        raise click.UsageError(f"--classes takes one report, not {len(reports)}")
    if picture == "classes" and robustness:
        raise click.UsageError("--robustness does not apply to the map of --classes")
    results = [measured_of(load(path)) for path in reports]
    if panel is not None:
        check_panel(panel, results[0])
    _check_options(reports[0], results[0], classes=classes, robustness=robustness, **view)
    row, kind = drawing(results[0], picture), results[0].SCHEMA.format
    if len(reports) > 1 and not row.several:
        raise click.UsageError(f"files of iaside {MADE_BY[kind]} are drawn one by one")
    drawn, files, analyses = [], [], []
    for path, result in zip(reports, results, strict=True):
        if result.SCHEMA.format == kind:
            drawn.append(viewed(result, **view))
            files.append(path)
        elif row.beside == type(result).__name__ == "Report":
            analyses.append((path, result))
        else:
            raise wrong_kind(path, result.SCHEMA.format, kind)
    names = model_names(drawn, files)
    target = _own_name(target, MADE_BY[kind], panel or picture)
    if kind == "iaside-report":
        beside = _beside_reports(drawn, names, robustness, view["confidence"], row.several)
    else:
        beside = _analyses_of(drawn, analyses, MADE_BY[kind])
    if kind == "iaside-stand-ins" and robustness:
        if len(robustness) > 1:
            raise click.UsageError("--robustness: one file goes with a file of iaside predict")
        drawn, picture = [_shares_of(drawn[0], robustness[0])], None
    save(
        drawn, target, names, beside, picture, panel=panel, size=picture_size, overwrite=overwrite
    )  # fmt: skip
    if "classes" in (picture, panel):
        from ..results.class_rows import reservation
        from ..results.report import FEW_IMAGES

        reserved = reservation(drawn[0].class_profiles, FEW_IMAGES)
        if reserved is not None:
            say(f"Warning: {reserved}", err=True)
    click.echo(f"Picture: {target}")


def _own_name(target: Path, command: str, drawn: str | None) -> Path:
    """The target that was given, else a default that no picture of another kind or part has.

    Files of several commands are called by their model in folders of their own, and a file has
    several pictures and panels.
    """
    source = click.get_current_context().get_parameter_source("target")
    if source is ParameterSource.COMMANDLINE:
        return target
    stem = target.stem
    if command != "analyze" and command not in stem:
        stem = f"{stem}-{command}"
    return target.with_name(f"{stem}-{drawn}{target.suffix}" if drawn else f"{stem}{target.suffix}")


def measured_of(result: Any) -> Any:
    """What pictures show of a result: of an audit its errors under corruptions."""
    return result if hasattr(result, "SCHEMA") else result.robustness


def _check_options(path: Path, result: Any, **given: Any) -> None:
    """Refuse options of show and plot that do not apply to the result of a file."""
    from ..storage.opening import MADE_BY

    kind = result.SCHEMA.format
    for name in given.keys() - _OPTIONS.get(kind, set()) - {"confidence"}:
        if given[name]:
            hint = "; see iaside compare" if kind == "iaside-report" else ""
            raise click.UsageError(
                f"--{name.replace('_', '-')} does not apply to {path}, a file of iaside "
                f"{MADE_BY[kind]}{hint}"
            )


def viewed(result: Any, **view: Any) -> Any:
    """A result through the view options of a command, as far as they apply to it."""
    taken = {"confidence"} | _OPTIONS.get(result.SCHEMA.format, set())
    result = result.view(**{name: value for name, value in view.items() if name in taken})
    if result.SCHEMA.format == "iaside-report":
        from ..results.report import check_view

        check_view(result.settings["value"], result.beta, result.confidence)
    return result


def warn_of_silent(reports: Sequence[Any], names: Sequence[str]) -> None:
    """Say on standard error which reports say nothing, and why."""
    from ..results.finding import no_finding

    for report, name in zip(reports, names, strict=True):
        reason = no_finding(report)
        if reason is not None:
            say(f"Warning: {name}: {reason}", err=True)


def baseline_of(path: Path | None) -> Any:
    """The measurement of a baseline model, if there is one."""
    if path is None:
        return None
    from ..results.robustness import RobustnessReport

    return RobustnessReport.load(path)


def measurement_of(path: Path, models: Sequence[Any], confidence: float | None) -> Any:
    """What iaside robustness measured of one of the models, as files know them."""
    from ..results.finding import check_measures
    from ..results.robustness import RobustnessReport

    measurement = RobustnessReport.load(path).view(confidence=confidence)
    check_measures(path, measurement, models)
    return measurement


def _shares_of(stand_ins: Any, path: Path) -> Any:
    """Stand-ins compared with what iaside robustness measured on the same images."""
    from ..comparisons.shares import damage_shares
    from ..results.robustness import RobustnessReport

    return damage_shares(stand_ins, RobustnessReport.load(path))


def _measurements_of(
    reports: Sequence[Any], paths: Sequence[Path | None], confidence: float | None
) -> list[Any]:
    """For each report the measurement of its model among some files, or None."""
    from ..results.fed import beside

    files = [path for path in paths if path is not None]
    models = [report.model for report in reports]
    given = [measurement_of(path, models, confidence) for path in files]
    measured: list[Any] = [None] * len(reports)
    for path, measurement, numbers in zip(files, given, beside(reports, given), strict=True):
        if not numbers:
            raise click.UsageError(
                f"{path}: its model was fed or read in another way (preprocessing, output, "
                "temperature, provider) than in the analyses, and another measurement or analysis "
                "is given; leave one out"
            )
        for number in numbers:
            if measured[number] is not None:
                raise click.UsageError(f"{path}: a measurement of its model is given already")
            measured[number] = measurement
    return measured


def _beside_reports(
    reports: Sequence[Any],
    names: Sequence[str],
    robustness: Sequence[Path],
    confidence: float | None,
    together: bool,
) -> list[Any]:
    """What was measured of the models of reports, after what to bear in mind about these."""
    warn_of_silent(reports, names)
    measured = _measurements_of(reports, robustness, confidence)
    if together:
        from ..comparisons.comparable import drawn_together

        for note in drawn_together(list(zip(names, reports, strict=True)))[1]:
            say(f"Warning: {note}", err=True)
    return measured


def _analyses_of(
    results: Sequence[Any], analyses: Sequence[tuple[Path, Any]], command: str
) -> list[Any]:
    """For each result the analysis of its model, or None; every analysis is of one of them."""
    from ..results.fed import beside

    of: list[Any] = [None] * len(results)
    near = beside(results, [report for _, report in analyses])
    for (path, report), numbers in zip(analyses, near, strict=True):
        if not numbers:
            which = f"none of the files of iaside {command}"
            raise click.UsageError(
                f"{path}: is of a model, or a way to feed it, that {which} is of"
            )
        for number in numbers:
            of[number] = report
    return of
