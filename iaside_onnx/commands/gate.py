"""``iaside gate``: thresholds for CI."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from .numbers import BOUND, FILE, NEW_FILE, NUMBER
from .options import json_option, overwrite_option, signature_options, view_options
from .output import check_targets, print_json, say


@click.command()
@click.argument("report", type=FILE)
@click.option(
    "--min-score", type=NUMBER, metavar="X",
    help="Least signed score (not the published, absolute one).",
)  # fmt: skip
@click.option("--min-accuracy", type=NUMBER, metavar="A", help="Least clean accuracy, 0 to 1.")
@click.option(
    "--baseline", type=FILE, metavar="REPORT",
    help="What drops are counted from, on the images that both reports share.",
)  # fmt: skip
@click.option("--max-drop", type=NUMBER, metavar="D", help="Largest drop of the signed score.")
@click.option(
    "--max-accuracy-drop", type=NUMBER, metavar="D", help="Largest drop of clean accuracy."
)
@click.option(
    "--max-error", type=BOUND, multiple=True, metavar="NAME=E",
    help="Largest measured error under a group of corruptions (noise, blur, weather, digital) or "
    "one of them; may be repeated.",
)  # fmt: skip
@click.option(
    "--max-error-rise", type=BOUND, multiple=True, metavar="NAME=D",
    help="Largest rise of that error over the baseline's; may be repeated.",
)  # fmt: skip
@click.option(
    "--max-mce", type=NUMBER, metavar="X",
    help="Largest mean corruption error relative to the baseline's.",
)  # fmt: skip
@click.option(
    "--point", is_flag=True,
    help="Judge the estimates, not the unfavourable ends of their intervals.",
)  # fmt: skip
@click.option(
    "--junit", "junit_file", type=NEW_FILE, metavar="FILE.xml",
    help="Also write JUnit XML, a test case a criterion.",
)  # fmt: skip
@click.option(
    "--markdown", "markdown_file", type=NEW_FILE,
    metavar="FILE.md", help="Also write a summary in Markdown; - prints it instead of the lines.",
)  # fmt: skip
@overwrite_option("existing files")
@signature_options
@view_options
@json_option
def gate(
    report: Path,
    junit_file: Path | None,
    markdown_file: Path | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Check a report against thresholds, for CI.

    REPORT is a file of iaside analyze, one of iaside robustness, or the folder of an audit.

    Exit code 0 if all hold, 1 with a line a reason if not. A threshold is compared with the
    unfavourable end of the interval, so that a lucky sample does not pass. Lines go to standard
    output; those of failed criteria go to standard error if --json or --markdown - takes that.
    Input that cannot be judged is exit code 2; so is a score that is no finding (accuracy at
    chance, no gain to share) and an mCE over a baseline without errors, unless another threshold
    fails already, and a report that is not signed where --allowed-signers demands it. A report's
    seal is a checksum that anyone can compute again: it shows damage, not who made it.

    \b
    Example:
      iaside gate analyses/model.h5 --min-score 0.10 --min-accuracy 0.6
      iaside gate analyses/model-v2.h5 --baseline analyses/model.h5 --max-drop 0.02 --junit gate.xml
      iaside gate robustness/model.h5 --max-error noise=0.7 --max-error fog=0.9
    """
    from ..comparisons.gate import gate as decide
    from ..comparisons.gated import files_of
    from ..errors import UsageError
    from ..results.signature import demand_signature
    from ..storage.output_file import check_free, whole_file
    from ..views.gate_output import junit, lines, log_line, markdown

    shown = markdown_file == Path("-")
    if shown and as_json:
        raise click.UsageError("--json and --markdown - both take standard output; give one")
    formats = {junit_file: junit, None if shown else markdown_file: markdown}
    files = {path: text for path, text in formats.items() if path is not None}
    if junit_file is not None and junit_file == markdown_file:
        raise click.UsageError(f"--junit and --markdown name one file, {junit_file}")
    check_targets()
    for path in files:
        check_free(path, overwrite=overwrite)
    signers, signer = options.pop("allowed_signers"), options.pop("identity")
    signature = options.pop("signature")
    for path in files_of(report):
        demand_signature(path, signers, signer, signature)
    for path in files_of(options["baseline"]):
        demand_signature(path, signers, signer)
    for name in ("max_error", "max_error_rise"):
        options[name] = dict(options[name])
    decision = decide(report, **options)
    with ExitStack() as written:  # all of them, or none
        scratches = {path: written.enter_context(whole_file(path)) for path in files}
        for path, scratch in scratches.items():
            scratch.write_text(files[path](decision), encoding="utf-8")
    for note in decision.notes:
        say(log_line(f"Note: {note}"), err=True)
    if as_json:
        print_json(decision.summary())
    elif shown:
        click.echo(markdown(decision), nl=False)
    if decision.undecided:
        which = ", ".join(entry.option for entry in decision.not_judged)
        why = "; ".join(dict.fromkeys(entry.reason for entry in decision.not_judged))
        raise UsageError(f"{which} cannot be judged: {log_line(why)}")
    taken = as_json or shown
    say(*lines(decision, failed_only=taken), err=taken)
    return 0 if decision.passed else 1
