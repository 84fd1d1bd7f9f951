"""``iaside html``: reports as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .numbers import FILE
from .options import overwrite_option, target_option, view_options
from .show import viewed, warn_of_silent


@click.command()
@click.argument("reports", type=FILE, nargs=-1, required=True)
@target_option("FILE.html", "Where the page goes.")
@click.option(
    "--baseline", type=FILE, metavar="FILE.h5",
    help="File of iaside robustness that mCE is relative to.",
)  # fmt: skip
@view_options
@overwrite_option("an existing page")
def html(
    reports: tuple[Path, ...],
    target: Path,
    baseline: Path | None,
    overwrite: bool,
    **view: Any,
) -> None:
    """Write one self-contained page of one report or several, to send to others.

    Files of iaside robustness of the same models, and one of iaside snr, may stand among the
    reports: then the page shows measured errors beside the score.

    It works offline and from an e-mail, on narrow screens, on paper, by keyboard and with a
    screen reader.

    \b
    Example:
      iaside html plain.h5 robust.h5 -o audit.html
      iaside html plain.h5 plain-robustness.h5 snr.h5 -o audit.html
    """
    from ..page.page import save_page
    from ..results.kinds import load
    from ..results.robustness import RobustnessReport
    from ..storage.opening import MADE_BY

    kinds: dict[str, dict[Path, Any]] = {}
    for path in reports:
        result = viewed(load(path), **view)
        kinds.setdefault(MADE_BY[result.SCHEMA.format], {})[path] = result
    found = kinds.pop("analyze", {})
    if not found:
        raise click.UsageError(
            f"{reports[0]}: is a file of iaside {next(iter(kinds))}; a page is of files of "
            "iaside analyze, beside which such files may stand"
        )
    others = [command for command in kinds if command not in ("robustness", "snr")]
    if others:
        raise click.UsageError(f"a page shows no files of iaside {others[0]}; iaside plot draws it")
    if len(kinds.get("snr", {})) > 1:
        raise click.UsageError("a page takes one file of iaside snr")
    names = [path.stem for path in found]
    warn_of_silent(list(found.values()), names)
    save_page(
        list(found.values()),
        names,
        target,
        overwrite=overwrite,
        robustness=list(kinds.get("robustness", {}).values()),
        baseline=None if baseline is None else RobustnessReport.load(baseline),
        snr=next(iter(kinds.get("snr", {}).values()), None),
    )
    click.echo(f"Page: {target}")
