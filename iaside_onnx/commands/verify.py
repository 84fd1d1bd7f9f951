"""``iaside verify``: whether a file is whole, follows from its table, and can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import claim
from .numbers import FILE, INTEGER, TABLE, TEXT
from .options import (
    ep_library_option,
    extension_option,
    json_option,
    signature_options,
    threads_option,
)
from .output import print_json, say


@click.command()
@click.argument("report", type=FILE)
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

    \b
    Example:
      iaside verify analyses/model.h5
      iaside verify analyses/model.h5 --model model.onnx --images photos/ --redo 5
    """
    from ..measure.verification import verify as ask
    from ..results.signature import check_signature
    from ..views.verification_lines import lines

    claim()
    signed = check_signature(report, allowed_signers, identity, signature)
    verification = ask(report, signed=signed, **options)
    if as_json:
        print_json(verification.summary())
    else:
        say(*lines(verification))
    return 0 if verification.holds else 1
