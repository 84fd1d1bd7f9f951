"""``iaside html``: reports as one page."""

from __future__ import annotations

from pathlib import Path

import click

from .options import view_options
from .show import viewed


@click.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="FILE.html", help="Where the page goes.",
)  # fmt: skip
@view_options
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def html(
    reports: tuple[Path, ...],
    target: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
) -> None:
    """Write one self-contained page of one report or several, to send to others.

    It works offline and from an e-mail, on narrow screens, on paper, by keyboard and with a
    screen reader.

    \b
    Example:
      iaside html plain.h5 robust.h5 -o audit.html
    """
    from ..page.page import save_page

    found = [viewed(path, value, beta, confidence) for path in reports]
    save_page(found, [path.stem for path in reports], target, overwrite=overwrite)
    click.echo(f"Page: {target}")
