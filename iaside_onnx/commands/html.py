"""``iaside html``: reports as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE
from .options import any_view_options, overwrite_option, target_option
from .output import check_targets
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

    Of one report or of several. Files of iaside robustness of the same models, and one of iaside
    snr, may stand among the reports: then the page shows measured errors beside the score.

    It works offline and from an e-mail, on narrow screens, on paper, by keyboard and with a
    screen reader.

    \b
    Example:
      iaside html report.h5 report-v2.h5 -o page.html
      iaside html report.h5 robustness.h5 snr.h5 -o measured.html
    """
    from ..page.page import save_page
    from ..results.kinds import load
    from ..storage.opening import MADE_BY

    check_targets()
    kinds: dict[str, list[Any]] = {}
    names = []
    for path in reports:
        result = viewed(load(path), **view)
        command = MADE_BY[result.SCHEMA.format]
        kinds.setdefault(command, []).append(result)
        if command == "analyze":
            names.append(path.stem)
    first = next(iter(kinds))
    analyses, measured, snr = (kinds.pop(name, []) for name in ("analyze", "robustness", "snr"))
    if not analyses:
        raise click.UsageError(
            f"{reports[0]}: is a file of iaside {first}; a page is of files of "
            "iaside analyze, beside which such files may stand"
        )
    if kinds:
        other = next(iter(kinds))
        raise click.UsageError(f"a page shows no files of iaside {other}; iaside plot draws it")
    if len(snr) > 1:
        raise click.UsageError("a page takes one file of iaside snr")
    warn_of_silent(analyses, names)
    save_page(
        analyses,
        names,
        target,
        overwrite=overwrite,
        robustness=measured,
        baseline=baseline_of(baseline),
        snr=snr[0] if snr else None,
    )
    click.echo(f"Page: {target}")
