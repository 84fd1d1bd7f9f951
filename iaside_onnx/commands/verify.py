"""``iaside verify``: whether a file is whole, follows from its table, and can be repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from .output import files_in, print_json, result_files, say

if TYPE_CHECKING:
    from ..results.verification import Verification

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
    from the folder of its audit, and compared with that: a figure that was edited is found.
    Several reports are asked one after another; a folder stands for the files in it.

    \b
    Example:
      iaside verify analyses/model.h5
      iaside verify analyses/model.h5 --model model.onnx --images photos/ --redo 5
      iaside html analyses/model.h5 analyses/model-v2.h5 -o both.html
      iaside verify both.html analyses/model.h5 analyses/model-v2.h5
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
    else:
        from ..measure.verification import verify as ask
        from ..results.signature import check_signature

        for path in made_from:
            if path.suffix.lower() in PAGES:
                raise click.UsageError(f"{path}: a page is given first, before what it was made of")
        files = result_files((report, *made_from), damage=True)
        if len(files) > 1 and (signature is not None or allowed_signers is not None):
            raise click.UsageError(f"a signature is of one file, not of {len(files)}; give one")
        claim()
        verified = []
        for path in files:
            signed = check_signature(path, allowed_signers, identity, signature)
            verified.append(ask(path, signed=signed, **options))
        if len(files) > 1:
            return _say_all(files, verified, as_json=as_json)
        (verification,) = verified
    if as_json:
        print_json(verification.summary())
    else:
        say(*lines(verification))
    return 0 if verification.holds else 1


def _say_all(files: Sequence[Path], verified: Sequence[Verification], *, as_json: bool) -> int:
    """What was found of several files, and the exit code: that of the worst."""
    from ..spelling import path_word
    from ..views.verification_lines import lines

    holds = all(each.holds for each in verified)
    if as_json:
        every = zip(files, verified, strict=True)
        found = [{"file": str(path), **each.summary()} for path, each in every]
        print_json({"holds": holds, "files": found})
        return 0 if holds else 1
    for number, (path, each) in enumerate(zip(files, verified, strict=True)):
        click.echo(f"{chr(10) * bool(number)}== {path_word(path)}")
        say(*lines(each))
    return 0 if holds else 1
