"""``iaside html``: reports as one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .numbers import FILE
from .options import any_view_options, overwrite_option, target_option
from .output import check_targets, files_in, refuse_for_audits, say
from .show import baseline_of, viewed, warn_of_silent


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@target_option("FILE.html", "Where the page goes.", default="REPORT.html")
@click.option(
    "--baseline", type=FILE, metavar="FILE.h5",
    help="File of iaside robustness that mCE is relative to.",
)  # fmt: skip
@any_view_options
@overwrite_option("an existing page")
def html(
    reports: tuple[Path, ...],
    target: Path,
    baseline: Path | None,
    overwrite: bool,
    **view: Any,
) -> None:
    """Write one self-contained page, to send to others.

    Of one report or of several. Files of iaside robustness of the same models, of iaside explain,
    and one of iaside snr may stand among the reports: then the page shows what was measured beside
    the score. Files of iaside explain make a page of their own too, and so does the folder of an
    audit: the page with its answer. Another folder stands for the files in it, and models from it
    stand in the order of what they get right under corruptions. Others are compared with the first.

    It works offline and from an e-mail, on narrow screens, on paper, by keyboard and with a
    screen reader.

    \b
    Example:
      iaside html analyses/model.h5 analyses/model-v2.h5 -o page.html
      iaside html analyses/model.h5 robustness/model.h5 snr.h5 -o measured.html
    """
    from ..page.page import save_audit_page, save_page
    from ..results.audit import Audit
    from ..results.kinds import load
    from ..storage.opening import MADE_BY
    from ..views.model_names import names_by_files

    check_targets()
    given, reports = reports, files_in(reports)
    if len(reports) == 1 and reports[0].is_dir():
        refuse_for_audits({**view, "baseline": baseline})
        save_audit_page(Audit.load(reports[0]), target, overwrite=overwrite)
        click.echo(f"Page: {target}")
        return
    kinds: dict[str, list[Any]] = {}
    files = []
    for path in reports:
        opened = load(path)
        parts = opened.reports if path.is_dir() else [opened]
        for part in filter(None, parts):
            result = viewed(part, **view)
            command = MADE_BY[result.SCHEMA.format]
            kinds.setdefault(command, []).append(result)
            if command == "analyze":
                files.append(path)
    first = next(iter(kinds))
    analyses, measured, snr = (kinds.pop(name, []) for name in ("analyze", "robustness", "snr"))
    damages = kinds.pop("explain", [])
    if not analyses and (kinds or measured or snr or not damages):
        raise click.UsageError(
            f"{reports[0]}: is a file of iaside {first}; a page is of files of "
            "iaside analyze, beside which such files may stand, or of iaside explain alone"
        )
    if kinds:
        other = next(iter(kinds))
        raise click.UsageError(f"a page shows no files of iaside {other}; iaside plot draws it")
    if len(snr) > 1:
        raise click.UsageError("a page takes one file of iaside snr")
    if len(reports) != len(given):
        analyses, files = _most_right_first(analyses, files, measured)
    measured = _of_analysed(measured, analyses)
    names = names_by_files(analyses, files)
    warn_of_silent(analyses, names)
    save_page(
        analyses,
        names,
        target,
        overwrite=overwrite,
        robustness=measured,
        baseline=baseline_of(baseline),
        snr=snr[0] if snr else None,
        damages=damages,
    )
    click.echo(f"Page: {target}")


def _of_analysed(measured: Sequence[Any], reports: Sequence[Any]) -> list[Any]:
    """Measurements that a report stands beside; what is left out is said.

    Where there is none of any of these models they stay, and the page says why it takes none.
    """
    from ..results.fed import beside, one_file

    near = beside(reports, measured)
    if not any(near):
        return list(measured)
    for each, numbers in zip(measured, near, strict=True):
        if not numbers:
            fed = any(one_file(each, report) for report in reports)
            say(
                f"Left out: what was measured of {each.model['path']}: no file of iaside analyze "
                f"is of that model{', fed and read in that way' if fed else ''}",
                err=True,
            )
    return [each for each, numbers in zip(measured, near, strict=True) if numbers]


def _most_right_first(
    reports: Sequence[Any], files: Sequence[Path], measured: Sequence[Any]
) -> tuple[list[Any], list[Path]]:
    """Reports from folders, whose names are no order: the most right under corruptions first."""
    from ..page.measured import right_under_all
    from ..results.fed import beside

    right = {
        number: right_under_all(each)
        for each, numbers in zip(measured, beside(reports, measured), strict=True)
        for number in numbers
    }
    order = sorted(range(len(reports)), key=lambda at: -right.get(at, -1.0))
    return [reports[at] for at in order], [files[at] for at in order]
