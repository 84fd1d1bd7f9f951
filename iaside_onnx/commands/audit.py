"""``iaside audit``: from a file and photographs to an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import interrupts
from ..spelling import path_word, words
from .measure import claim, telling_options
from .numbers import FILE, NUMBER, TEXT
from .options import (
    decision_options,
    duration,
    label_options,
    naming_options,
    offset_option,
    preprocess_option,
    reading_options,
    resume_option,
    runtime_options,
    sample_options,
    skip_bad_option,
    target_option,
)
from .output import print_json

_REPEATED = ("attack", "perturbed", "ort_extension", "ep_library", "set")
_TELLING = ("quiet", "progress", "as_json")


@click.command()
@click.argument("model", type=FILE)
@click.argument("images", type=FILE)
@target_option("DIR", "Folder for reports and page.", default="MODEL-audit")
@click.option(
    "--time", "time", callback=duration, default="10m", show_default=True, metavar="SECONDS|10m",
    help="Measure no more images after so long.",
)  # fmt: skip
@click.option(
    "--keep", type=NUMBER, metavar="SHARE",
    help="Share of its accuracy that a robust model keeps under every corruption.  [default: 0.8]",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="One look at 40 images, and nothing else.")
@click.option(
    "--attack", multiple=True, type=TEXT, metavar="NAME",
    help="Try an attack on 40 images too: square-linf, square-l2, spsa-linf or spsa-l2; may be "
    "repeated.",
)  # fmt: skip
@click.option(
    "--perturbed", multiple=True, type=FILE, metavar="FOLDER",
    help="Measure your own perturbed pictures too, as for iaside robustness; may be repeated.",
)  # fmt: skip
@label_options
@naming_options
@skip_bad_option
@sample_options(0, sampling=False)
@preprocess_option
@reading_options
@offset_option
@decision_options
@runtime_options
@resume_option
@telling_options
def audit(model: Path, images: Path, target: Path, time: float, **options: Any) -> None:
    """Say whether a classifier is robust, why, how sure, and what now.

    It finds the preprocessing and the labels, measures the accuracy under the 19 corruptions of
    ImageNet-C, where the evidence lies and why the weak spots hurt, and takes more images while
    there is time. The folder then holds the reports, index.html and summary.json.

    \b
    Example:
      iaside audit model.onnx photos/
      iaside audit model-v2.onnx photos/ --time 1h -o v2
    """
    again = ["iaside", "audit", path_word(model), path_word(images), "-o", path_word(target)]
    answered(model, images, target, again, {"time": time, **options})


def _said(given: Mapping[str, Any]) -> list[str]:
    """Options as they are typed, but for those that say whether to begin again."""
    return [
        word
        for name, value in given.items()
        if name not in ("resume", "overwrite")
        for each in (value if name in _REPEATED else [value])
        for word in words(name, each)
    ]


def answered(
    model: Path, images: Path, target: Path, again: Sequence[object], options: dict[str, Any]
) -> None:
    """Audit, with the options of the command that are given, and print the answer.

    `again` is the command line that --resume goes on from.
    """
    from ..auditing.audit import audit as answer
    from ..views.audit_progress import audit_listener
    from ..views.registry import view

    claim()
    context = click.get_current_context()
    telling = {name: options.pop(name) for name in _TELLING}
    given = {
        name: value
        for name, value in options.items()
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT and value is not None
    }
    said = _said(given)
    given["listener"] = audit_listener(quiet=telling["quiet"], progress=telling["progress"])
    interrupts.go_on_with(*again, *said, "--resume")
    found = answer(model, images, target, **given)
    if telling["as_json"]:
        print_json(found.summary())
    elif not telling["quiet"]:
        view(found, "table")
