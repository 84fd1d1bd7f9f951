"""``iaside html``: reports as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measurements import load_measurement, measurement
from .options import view_options
from .show import viewed, warn_of_silent


@click.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="FILE.html", help="Where the page goes.",
)  # fmt: skip
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="FILE.h5",
    help="File of iaside robustness that mCE is relative to.",
)  # fmt: skip
@view_options
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def html(
    reports: tuple[Path, ...],
    target: Path,
    baseline: Path | None,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
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
    from ..results.robustness import load_robustness

    kinds = {path: measurement(path) for path in reports}
    audits = [path for path, kind in kinds.items() if kind is None]
    found = [viewed(path, value, beta, confidence) for path in audits]
    measured: dict[str, list[Any]] = {}
    for path, kind in kinds.items():
        if kind is not None:
            entry = load_measurement(kind, path, confidence)
            measured.setdefault(kind.command, []).append(entry)
    if not found:
        raise click.UsageError(
            f"{reports[0]}: is a file of iaside {next(iter(measured))}; a page is of files of "
            "iaside analyze, beside which such files may stand"
        )
    others = [command for command in measured if command not in ("robustness", "snr")]
    if others:
        raise click.UsageError(f"a page shows no files of iaside {others[0]}; iaside plot draws it")
    if len(measured.get("snr", [])) > 1:
        raise click.UsageError("a page takes one file of iaside snr")
    warn_of_silent(found, [path.stem for path in audits])
    save_page(
        found,
        [path.stem for path in audits],
        target,
        overwrite=overwrite,
        robustness=measured.get("robustness", []),
        baseline=None if baseline is None else load_robustness(baseline),
        snr=next(iter(measured.get("snr", [])), None),
    )
    click.echo(f"Page: {target}")
