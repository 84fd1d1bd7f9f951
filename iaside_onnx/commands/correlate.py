"""``iaside correlate``: how well the score foretells measured robustness over several models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .numbers import FILE, NUMBER, TEXT
from .options import json_option


@click.command()
@click.argument("files", type=FILE, nargs=-1, required=True)
@click.option(
    "--baseline", type=FILE, metavar="FILE.h5",
    help="Robustness report of the model that mCE and relative mCE are relative to.",
)  # fmt: skip
@click.option("--value", type=TEXT, metavar="KIND", help="log-prob, log-prob-clipped or prob.")
@click.option("--beta", type=NUMBER, help="Decay of the score's weights, in (0, 1).")
@click.option(
    "--confidence", type=NUMBER, default=0.95, show_default=True,
    help="Coverage of the intervals over models, in (0, 1).",
)  # fmt: skip
@click.option(
    "-o", "--output-file", "target", type=FILE,
    metavar="FILE.png|svg|pdf", help="Also draw the models, score against robustness.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
@json_option
def correlate(
    files: tuple[Path, ...], target: Path | None, overwrite: bool, as_json: bool, **options: Any
) -> None:
    """Say how well the score foretells measured robustness over several models.

    Takes files of analyze and of robustness in any order; two of one model (by hash) make one
    point. At least four models are needed.

    \b
    Example:
      iaside correlate analyses/*.h5 robustness/*.h5 --baseline robustness/plain.h5 -o models.png
    """
    from ..comparisons.correlation import correlate as join

    found = join(*files, **options)
    if target is not None:
        from ..views.registry import save

        save([found], target, overwrite=overwrite)
    if as_json:
        click.echo(json.dumps(found.summary(), indent=2))
        return
    from ..views.correlation_table import print_correlation

    print_correlation(found)
    if target is not None:
        click.echo(f"Picture: {target}")
