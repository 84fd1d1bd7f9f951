"""``iaside robustness``: errors under corruptions and attacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .measure import measure, model_on_images
from .numbers import FILE, INTEGER
from .options import corruption_options, perturbed_option, queries_option, radius
from .output import check_targets, print_written
from .show import baseline_of


@click.command()
@model_on_images(
    "FILE.h5",
    "MODEL-robustness.h5",
    corruption_options,
    perturbed_option,
    click.option(
        "--attack", multiple=True, metavar="NAME", callback=lambda _, __, names: names or None,
        help="square-linf, square-l2, spsa-linf, spsa-l2 or none; may be repeated.  "
        "[default: square-linf; none with --perturbed]",
    ),
    click.option(
        "--epsilon", multiple=True, callback=radius, metavar="R",
        help="Radius of an attack, 1 being from black to white; one for each attack or for all.  "
        "[default: 4/255 for linf; for l2 0.5 at 32 x 32, more for larger images]",
    ),
    queries_option,
    click.option(
        "--attack-samples", type=INTEGER, default=50, show_default=True,
        help="Images of the sample to attack; 0 takes all.",
    ),
    click.option(
        "--baseline", type=FILE, metavar="BASELINE.h5",
        help="The same measurement of a model to compare with: gives mCE and relative mCE.",
    ),
)  # fmt: skip
def robustness(
    model: Path, images: Path, target: Path, baseline: Path | None, **options: Any
) -> None:
    """Measure what corruptions and attacks cost a classifier.

    Error and mean prediction error (mPE) under corruptions at 5 severities, and the error
    after black-box attacks, with intervals. IMAGES is what analyze takes, and the same --samples
    and --seed draw the same images. `iaside show` and `iaside plot` read the file again.

    \b
    Example:
      iaside robustness model.onnx photos/ -o robustness.h5
      iaside robustness model-v2.onnx photos/ --samples 21 --baseline robustness/model.h5
      iaside robustness model.onnx photos/ -o own.h5 --perturbed photos-as-jpeg/
    """
    from ..measure.robustness import measure_robustness

    check_targets("measured")
    other = baseline_of(baseline)
    report = measure(measure_robustness, model, images, target, baseline=other, options=options)
    print_written(report, "Measurement", target, options, baseline=other)
