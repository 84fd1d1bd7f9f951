"""``iaside robustness``: errors under corruptions and attacks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .analyze import OWN_PROCESS
from .numbers import INTEGER
from .options import (
    confidence_option,
    corruption_options,
    label_options,
    naming_options,
    output_kind,
    preprocess_option,
    radius,
    reading_options,
    resume_option,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
    telling_options,
)


def _radii(
    context: click.Context, option: click.Parameter, given: tuple[str, ...]
) -> list[float | None]:
    """Callback of --epsilon where it may be repeated."""
    return [radius(context, option, text) for text in given]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@target_option("FILE.h5")
@label_options
@naming_options
@skip_bad_option
@corruption_options
@click.option(
    "--attack", multiple=True, default=("square-linf",), show_default=True, metavar="NAME",
    help="square-linf, square-l2, spsa-linf, spsa-l2 or none; may be repeated.",
)  # fmt: skip
@click.option(
    "--epsilon", multiple=True, callback=_radii, metavar="R",
    help="Radius of an attack, 1 being from black to white; one for each attack or for all.  "
    "[default: 4/255 for linf; for l2 0.5 at 32 x 32, more for larger images]",
)  # fmt: skip
@click.option(
    "--queries",
    type=INTEGER,
    default=500,
    show_default=True,
    help="Budget of an attack on an image.",
)
@click.option(
    "--attack-samples", type=INTEGER, default=50, show_default=True,
    help="Images of the sample to attack; 0 takes all.",
)  # fmt: skip
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="BASELINE.h5",
    help="The same measurement of a model to compare with: gives mCE and relative mCE.",
)  # fmt: skip
@sample_options(200)
@preprocess_option
@reading_options
@running_options
@confidence_option
@resume_option
@telling_options
@click.pass_obj
def robustness(
    owner: str | None,
    /,
    model: Path,
    images: Path,
    target: Path,
    logits: bool | None,
    baseline: Path | None,
    progress: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure what corruptions and attacks cost a classifier.

    Error and mean prediction error (mPE) under corruptions at 5 severities, and the error
    after black-box attacks, with intervals. IMAGES is what analyze takes, and the same --samples
    and --seed draw the same images. `iaside show` and `iaside plot` read the file again.

    \b
    Example:
      iaside robustness models/demo-plain.onnx demo/test -o plain-robustness.h5
      iaside robustness b.onnx val/ -o b.h5 --baseline a.h5 --preprocess imagenet
    """
    from ..comparisons.baseline import summary
    from ..inference.session import claim_process
    from ..measure.robustness import measure_robustness
    from ..results.robustness import load_robustness
    from ..views.terminal import listener

    if owner == OWN_PROCESS:
        claim_process()
    given = {key: value for key, value in options.items() if value is not None}
    reference = None if baseline is None else load_robustness(baseline)
    report = measure_robustness(
        model,
        images,
        target,
        output_kind=output_kind(logits),
        baseline=reference,
        listener=listener(quiet=quiet, progress=progress),
        **given,
    )
    if as_json:
        click.echo(json.dumps(summary(report, reference), indent=2))
    elif not quiet:
        from ..views.robustness_table import print_robustness

        print_robustness(report, reference)
        click.echo(f"Measurement: {target}")
