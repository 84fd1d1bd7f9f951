"""``iaside analyze``: the main job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import (
    json_option,
    label_options,
    number_or,
    output_kind,
    reading_options,
    view_options,
)

# What the command line passes as its context's object: its process runs nothing but us.
OWN_PROCESS = "own process"


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="REPORT.h5", help="Where the report goes.",
)  # fmt: skip
@label_options
@click.option(
    "--skip-bad", is_flag=True, help="Leave out pictures that cannot be read, and list them."
)
@click.option("--bands", type=int, default=8, show_default=True, help="Number of bands M.")
@click.option("--separate-dc", is_flag=True, help="Make the mean colour a player of its own.")
@click.option("--norm", default="linf", show_default=True, help="Radius: linf, l2 or l1.")
@click.option(
    "--absence", default="gaussian", show_default=True,
    help="What stands for an absent band: gaussian, replace, mean or zero.",
)  # fmt: skip
@click.option(
    "--samples", type=int, default=200, show_default=True, help="Images to draw; 0 takes all."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of sample and noise.")
@click.option(
    "--preprocess", metavar="NAME|FILE.toml",
    help="unit (default), raw, imagenet, inception, clip, cifar10, caffe, or a TOML file.",
)  # fmt: skip
@reading_options
@click.option(
    "--label-offset", type=int, metavar="N",
    help="Added to labels (1 for models with a background class 0).  [default: as declared, or 0]",
)  # fmt: skip
@click.option(
    "--provider", default="auto", show_default=True,
    help="Where to run: auto (cuda if it becomes active, else cpu), cpu, cuda or tensorrt.",
)  # fmt: skip
@click.option(
    "--tf32/--no-tf32", default=True, show_default=True,
    help="Let CUDA round the factors of float32 products to 10 bits.",
)  # fmt: skip
@click.option(
    "--batch", callback=number_or("auto", int, None), default="auto", show_default=True,
    metavar="auto|N",
    help="Forward passes in a run.",
)  # fmt: skip
@click.option("--threads", type=int, default=0, show_default=True, help="0: automatic.")
@click.option(
    "--temperature", callback=number_or("auto", float, "auto"), default="1", show_default=True,
    metavar="auto|T",
    help="T of softmax(z / T); auto fits it on the sample.",
)  # fmt: skip
@click.option(
    "--output-map", default="real", show_default=True,
    help="real, or magnitude to read coalitions as the authors' script does.",
)  # fmt: skip
@click.option(
    "--estimator",
    help="exact, permutation or regression.  [default: exact up to 10 players, else permutation]",
)
@click.option(
    "--passes", type=int, metavar="N",
    help="Forward passes an image of an estimator that draws.  [default: by the number of bands]",
)  # fmt: skip
@click.option(
    "--target-stderr", type=float, metavar="E",
    help="Stop when the standard error of the signed score is E; --samples is then the most.",
)  # fmt: skip
@click.option("--time-budget", type=float, metavar="SECONDS", help="Stop after so many seconds.")
@click.option(
    "--shard", metavar="I/N", help="Audit the I-th of N parts of the sample (for iaside merge)."
)
@click.option(
    "--dask", metavar="ADDRESS|local:N",
    help="Evaluate on the workers of a Dask scheduler, or in N processes here.",
)  # fmt: skip
@view_options
@click.option("--resume", is_flag=True, help="Continue an interrupted audit.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@click.option("--progress", is_flag=True, help="Show progress even where there is no terminal.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@json_option
@click.pass_obj
def analyze(
    owner: str | None,
    /,
    model: Path,
    images: Path,
    target: Path,
    logits: bool | None,
    progress: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Audit a classifier: find the frequency bands that its predictions rest on.

    IMAGES is a folder with one sub-folder per class, any folder with --labels FILE.csv, a .npz
    or .h5 file with the arrays images and labels, or WebDataset tar shards or Hugging Face
    Parquet: one file, a folder of them, or a quoted pattern such as 'val-{000..049}.tar'.

    \b
    Example:
      iaside analyze models/demo-plain.onnx demo/test -o plain.h5
      iaside analyze resnet50.onnx val/ -o r50.h5 --preprocess imagenet --samples 500
    """
    from ..audit.analysis import analyze as audit
    from ..inference.session import claim_process
    from ..views.terminal import listener, print_report

    if owner == OWN_PROCESS:
        claim_process()
    given = {key: value for key, value in options.items() if value is not None}
    report = audit(
        model,
        images,
        target,
        output_kind=output_kind(logits),
        listener=listener(quiet=quiet, progress=progress),
        **given,
    )
    if as_json:
        click.echo(json.dumps(report.summary(), indent=2))
    elif not quiet:
        print_report(report)
        click.echo(f"Report: {target}")
