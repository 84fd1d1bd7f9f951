"""``iaside verify``: whether a file is whole, follows from its table, and can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import claim
from .numbers import FILE, INTEGER, TABLE, TEXT
from .options import (
    classes_options,
    ep_library_option,
    extension_option,
    json_option,
    set_option,
    signature_options,
    threads_option,
)
from .output import files_in, print_json, say

# Options that ask nothing of a page.
_OF_FILES = (
    "model", "images", "labels", "class_names", "class_embeddings", "fit_classes", "set", "redo",
    "signature", "allowed_signers",
)  # fmt: skip


@click.command()
@click.argument("report", type=FILE)
@click.argument("made_from", type=FILE, nargs=-1, metavar="[REPORT...]")
@click.option("--model", type=FILE, metavar="MODEL.onnx", help="Is this the model that it names?")
@click.option(
    "--images", type=FILE, metavar="IMAGES",
    help="Are these the images that it names, with the same labels?",
)  # fmt: skip
@click.option(
    "--labels", type=TABLE, metavar="FILE.csv", help="Labels of the images, as for analyze."
)
@click.option(
    "--class-names", type=TEXT, metavar="FILE|none",
    help="Class names of the model, as for analyze.",
)  # fmt: skip
@classes_options
@set_option
@click.option(
    "--redo", type=INTEGER, default=0, show_default=True, metavar="N",
    help="Make N rows of the table again; needs --images, and --model where one made them.",
)  # fmt: skip
@click.option("--seed", type=INTEGER, default=0, show_default=True, help="Which rows.")
@threads_option
@extension_option
@ep_library_option
@signature_options
@json_option
def verify(
    report: Path,
    made_from: tuple[Path, ...],
    allowed_signers: Path | None,
    identity: str | None,
    signature: Path | None,
    as_json: bool,
    **options: Any,
) -> int:
    """Say whether a file is whole, sound, and can be repeated.

    Without more it is asked whether the file is as it was sealed and whether all stored numbers
    follow from the table. That shows damage, not who made the file: anyone can seal a file again.
    Exit code 0: all that was asked holds, 1: something does not, 2: it cannot be asked.

    A page of iaside html is made again from its reports, a folder standing for the files in it, or
    from the folder of its audit, and held against that: a figure that was edited is found.

    \b
    Example:
      iaside verify analyses/model.h5
      iaside verify analyses/model.h5 --model model.onnx --images photos/ --redo 5
      iaside html analyses/model.h5 analyses/model-v2.h5 -o page.html
      iaside verify page.html analyses/model.h5 analyses/model-v2.h5
    """
    from ..spelling import on_command_line, option
    from ..storage.output_file import PAGES
    from ..views.verification_lines import lines

    if report.suffix.lower() in PAGES:
        from ..page.verification import verify_page

        given = {**options, "signature": signature, "allowed_signers": allowed_signers}
        for name in _OF_FILES:
            if given.get(name):
                flag = on_command_line(option(name))
                raise click.UsageError(f"{flag} does not apply to a page, but to a report")
        verification = verify_page(report, files_in(made_from))
    elif made_from:
        raise click.UsageError(
            f"{made_from[0]}: only a page is held against other files, and {report} is none; give "
            "one file"
        )
    else:
        from ..measure.verification import verify as ask
        from ..results.signature import check_signature

        claim()
        signed = check_signature(report, allowed_signers, identity, signature)
        verification = ask(report, signed=signed, **options)
    if as_json:
        print_json(verification.summary())
    else:
        say(*lines(verification))
    return 0 if verification.holds else 1
