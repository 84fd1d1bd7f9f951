"""``iaside demo``: the whole audit on what comes with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .audit import answered
from .measure import telling_options
from .numbers import NEW_FILE
from .options import resume_option, target_option


@click.command()
@target_option("DIR", "Folder for reports and page.  [default: demo-audit]")
@click.option(
    "--copy", "copied", type=NEW_FILE, metavar="DIR",
    help="Measure nothing; write models and photographs to a new folder, in which the examples "
    "of all commands run.",
)  # fmt: skip
@resume_option
@telling_options
def demo(target: Path | None, copied: Path | None, **options: Any) -> None:
    """Audit a bundled model on bundled photographs, in about a minute.

    Nothing is downloaded. The model tells seven colour photographs apart by small crops of
    them; the folder then holds the reports and the page, index.html.

    \b
    Example:
      iaside demo
      iaside demo --copy tour
    """
    from ..bundled import MODEL, PHOTOS, copy_to

    if copied is None:
        target = target or Path("demo-audit")
        answered(MODEL, PHOTOS, target, ["iaside", "demo", "-o", target], options)
        return
    if target is not None:
        raise click.UsageError("--copy measures nothing, so there is no -o")
    copy_to(copied)
    if not options["quiet"]:
        click.echo(
            f"Copied: {copied}\nThere: iaside audit model.onnx photos/\n"
            "       and the examples of every help (iaside help COMMAND)"
        )
