"""What the commands that measure share: their options, and what they do around the measurement."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..defaults import PUBLISHED
from .numbers import FILE, TEXT
from .options import (
    F,
    confidence_option,
    duration,
    json_option,
    label_options,
    naming_options,
    overwrite_option,
    preprocess_option,
    progress_option,
    quiet_option,
    reading_options,
    resume_option,
    running_options,
    sample_options,
    skip_bad_option,
    target_option,
    together,
)

# What the command line passes as its context's object: its process runs nothing but us.
OWN_PROCESS = "own process"

run_options = together(
    click.option(
        "--time-budget", callback=duration, metavar="SECONDS|1h30m", help="Stop after so long."
    ),
    click.option(
        "--shard", metavar="I/N", help="Take the I-th of N parts of the sample (for iaside merge)."
    ),
    click.option(
        "--dask", type=TEXT, metavar="ADDRESS|local:N",
        help="Evaluate on the workers of a Dask scheduler, or in N processes here.",
    ),
    resume_option,
)  # fmt: skip
telling_options = together(
    overwrite_option("what is there"),
    progress_option,
    quiet_option,
    json_option,
)


def model_on_images(
    target: str, default: str | None, *own: Callable[[F], F], view: Callable[[F], F] | None = None
) -> Callable[[F], F]:
    """Arguments and options of a command that runs a model on images, with those of its `own`."""
    return together(
        click.argument("model", type=FILE),
        click.argument("images", type=FILE),
        target_option(target, default=default, required=default is None),
        label_options,
        naming_options,
        skip_bad_option,
        *own,
        sample_options(200),
        preprocess_option,
        reading_options,
        running_options,
        run_options,
        view or confidence_option(),
        telling_options,
    )


def claim() -> None:
    """Take the process for our own sessions, where nothing else runs in it."""
    if click.get_current_context().obj == OWN_PROCESS:
        from ..inference.session import claim_process

        claim_process()


def measure(
    function: Callable[..., Any],
    *paths: Path,
    options: dict[str, Any],
    unit: str = "forward passes",
    **given: Any,
) -> Any:
    """What a function of the library measures, with the options of its command that are given."""
    from ..views.terminal import listener

    claim()
    given["listener"] = listener(quiet=options["quiet"], progress=options["progress"], unit=unit)
    printing = ("quiet", "progress", "as_json")
    given |= {key: value for key, value in options.items() if key not in printing}
    if given.get("as_published"):  # which settles what is not given
        source = click.get_current_context().get_parameter_source
        usual = [name for name in PUBLISHED if source(name) is ParameterSource.DEFAULT]
        given = {name: value for name, value in given.items() if name not in usual}
    return function(*paths, **{key: value for key, value in given.items() if value is not None})
