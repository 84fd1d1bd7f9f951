"""The command line: options in, one library call, results out, errors in one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from . import __version__
from .errors import IasideError

F = TypeVar("F", bound=Callable[..., Any])
_INTERRUPTED = 130
_OWN_PROCESS = "own process"


class OneLineErrors(click.Group):
    """A command group whose errors are one line on standard error and exit code 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; in standalone mode exit with 0, 1 or 2 (130 when interrupted)."""
        standalone = kwargs.pop("standalone_mode", True)
        run: Callable[..., Any] = super().main
        if not standalone:
            return run(*args, standalone_mode=False, **kwargs)
        try:
            code = run(*args, standalone_mode=False, **kwargs)
        except (IasideError, click.ClickException) as error:
            message = error.format_message() if isinstance(error, click.ClickException) else error
            click.echo(f"Error: {one_line(str(message))}", err=True)
            sys.exit(2)
        except (click.Abort, KeyboardInterrupt):
            click.echo("Error: interrupted; analyze goes on with --resume", err=True)
            sys.exit(_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


def one_line(text: str) -> str:
    """Text from outside made safe for one terminal line: no control characters."""
    joined = " ".join(text.split())
    return "".join(character if character.isprintable() else "?" for character in joined)


def _number_or(word: str, kind: type[int] | type[float], meaning: Any) -> Callable[..., Any]:
    """Callback of an option that takes a number or one word."""

    def parse(_: click.Context, __: click.Parameter, value: str) -> Any:
        if value == word:
            return meaning
        try:
            return kind(value)
        except ValueError:
            raise click.BadParameter(f"'{value}' is neither '{word}' nor a number") from None

    return parse


def _size(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Callback of --size: one side or HxW."""
    if value is None:
        return None
    sides = value.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() and int(side) > 0 for side in sides):
        raise click.BadParameter(f"'{value}' is no size; give pixels, such as 224 or 240x320")
    return int(sides[0]), int(sides[-1])


def _kind(logits: bool | None) -> str | None:
    """What --logits/--probabilities says about the output."""
    return None if logits is None else ("logits" if logits else "probabilities")


def _options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    return lambda command: reduce(lambda made, add: add(made), reversed(decorators), command)


_view = _options(
    click.option("--value", metavar="KIND", help="log-prob, log-prob-clipped or prob."),
    click.option("--beta", type=float, help="Decay of the score's weights, in (0, 1)."),
    click.option("--confidence", type=float, help="Coverage of the intervals, in (0, 1)."),
)
_extensions = click.option(
    "--ort-extension", "ort_extension", type=click.Path(path_type=Path), multiple=True,
    metavar="LIBRARY", help="Library of custom operators; it is run as code, so trust it.",
)  # fmt: skip
_reading = _options(
    click.option(
        "--size", callback=_size, metavar="N|HxW", help="Input size where the model leaves it free."
    ),
    click.option("--input", "input", metavar="NAME", help="The input that takes images."),
    click.option("--output", metavar="NAME", help="The output that holds the class scores."),
    click.option("--layout", metavar="nchw|nhwc", help="Settle an ambiguous input layout."),
    click.option("--logits/--probabilities", "logits", default=None, help="What the output holds."),
    _extensions,
)
_labelled = _options(
    click.option(
        "--labels", type=click.Path(path_type=Path), metavar="FILE.csv", help="Columns file,label."
    ),
    click.option(
        "--image-column", metavar="NAME", help="Pictures in Parquet, if not image or img."
    ),
    click.option("--label-column", metavar="NAME", help="Labels in Parquet, if not label."),
)
_machine = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="iaside")
def main() -> None:
    """Tell which frequencies an image classifier lives on.

    \b
    Example:
      iaside inspect model.onnx
      iaside analyze model.onnx photos/ -o report.h5
      iaside plot report.h5 -o report.png
    """


def run() -> None:
    """Entry point of the ``iaside`` process."""
    main(obj=_OWN_PROCESS)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@_reading
@click.option(
    "--data", "images", type=click.Path(path_type=Path), metavar="IMAGES",
    help="Find out on these labelled images which preprocessing the model wants.",
)  # fmt: skip
@_labelled
@click.option(
    "--samples", type=int, default=50, show_default=True, help="Images to draw; 0 takes all."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample.")
@click.option(
    "--write-recipe", "recipe", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Write the best preprocessing for analyze --preprocess.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace an existing recipe.")
@click.option("--progress", is_flag=True, help="Show progress even where there is no terminal.")
@_machine
def inspect(
    model: Path,
    images: Path | None,
    labels: Path | None,
    logits: bool | None,
    recipe: Path | None,
    overwrite: bool,
    progress: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Say what an ONNX artifact is, and which providers would really run it.

    With --data it tries preprocessing recipes, channel orders and label offsets on a few images
    and ranks them.

    \b
    Example:
      iaside inspect models/demo-plain.onnx
      iaside inspect unknown.onnx --data val/ --labels val.csv --write-recipe mine.toml
    """
    from .inspection import inspect as describe
    from .terminal import listener, print_candidates, print_inspection

    layout = options["layout"]
    if layout not in (None, "nchw", "nhwc"):
        raise click.UsageError(f"--layout {layout}: choose one of nchw, nhwc")
    if images is None and (labels or recipe):
        raise click.UsageError("--labels and --write-recipe need --data IMAGES")
    if recipe is not None:
        _check_recipe_target(recipe, overwrite)
    named = {key: options[key] for key in ("input", "output", "layout", "ort_extension")}
    found = describe(model, **named)
    if images is not None:
        from .recipe_search import analyze_command, search_recipes

        if not as_json:
            print_inspection(found)
        tell = listener(quiet=False, progress=progress)
        found |= search_recipes(
            model, images, labels=labels, output_kind=_kind(logits), listener=tell, **options
        )
        search = found["search"]
        search["command"] = None
        if search["above_chance"] and search["class_order"] is None:
            search["command"] = analyze_command(search, model, images, labels, recipe)
            if recipe is not None:
                recipe.write_text(search["toml"], encoding="utf-8")
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif images is not None:
        print_candidates(found, recipe)
    else:
        print_inspection(found)


def _check_recipe_target(target: Path, overwrite: bool) -> None:
    if target.suffix.lower() != ".toml":
        raise click.UsageError(f"--write-recipe {target}: the name must end in .toml")
    if not target.parent.is_dir():
        raise click.UsageError(f"--write-recipe {target}: the folder does not exist")
    if target.is_dir() or (target.exists() and not overwrite):
        raise click.UsageError(f"--write-recipe {target}: exists already; see --overwrite")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="REPORT.h5", help="Where the report goes.",
)  # fmt: skip
@_labelled
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
@_reading
@click.option(
    "--label-offset", type=int, metavar="N",
    help="Added to labels (1 for models with a background class 0).  [default: as declared, or 0]",
)  # fmt: skip
@click.option(
    "--provider", default="auto", show_default=True, help="Where to run: auto, cpu or cuda."
)
@click.option(
    "--batch", callback=_number_or("auto", int, None), default="auto", show_default=True,
    metavar="auto|N",
    help="Forward passes in a run.",
)  # fmt: skip
@click.option("--threads", type=int, default=0, show_default=True, help="0: automatic.")
@click.option(
    "--temperature", callback=_number_or("auto", float, "auto"), default="1", show_default=True,
    metavar="auto|T",
    help="T of softmax(z / T); auto fits it on the sample.",
)  # fmt: skip
@click.option(
    "--output-map", default="real", show_default=True,
    help="real, or magnitude to read coalitions as the authors' script does.",
)  # fmt: skip
@click.option("--estimator", default="exact", show_default=True, help="exact.")
@_view
@click.option("--resume", is_flag=True, help="Continue an interrupted audit.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@click.option("--progress", is_flag=True, help="Show progress even where there is no terminal.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@_machine
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
    from .analysis import analyze as audit
    from .session import claim_process
    from .terminal import listener, print_report

    if owner == _OWN_PROCESS:
        claim_process()
    given = {key: value for key, value in options.items() if value is not None}
    report = audit(
        model,
        images,
        target,
        output_kind=_kind(logits),
        listener=listener(quiet=quiet, progress=progress),
        **given,
    )
    if as_json:
        click.echo(json.dumps(report.summary(), indent=2))
    elif not quiet:
        print_report(report)
        click.echo(f"Report: {target}")


@main.command()
@click.argument("report", type=click.Path(path_type=Path))
@_view
@click.option("--per-class", is_flag=True, help="Add the profile of every class.")
@_machine
def show(
    report: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    per_class: bool,
    as_json: bool,
) -> None:
    """Print the result of a report; view settings may change, the model is not needed.

    \b
    Example:
      iaside show plain.h5 --value prob --per-class
    """
    found = _viewed(report, value, beta, confidence)
    if as_json:
        click.echo(json.dumps(found.summary(per_class=per_class), indent=2))
        return
    from .terminal import print_report

    print_report(found, per_class=per_class)


@main.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="FILE.png|svg|pdf", help="Where the picture goes.",
)  # fmt: skip
@_view
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def plot(
    reports: tuple[Path, ...],
    target: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
) -> None:
    """Draw one report, or several side by side.

    \b
    Example:
      iaside plot plain.h5 robust.h5 -o both.png
    """
    from .plots import save_figure

    found = [_viewed(path, value, beta, confidence) for path in reports]
    save_figure(found, [path.stem for path in reports], target, overwrite=overwrite)
    click.echo(f"Picture: {target}")


@main.command()
@click.argument("reports", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "-o", "--output-file", "target", type=click.Path(path_type=Path), required=True,
    metavar="FILE.html", help="Where the page goes.",
)  # fmt: skip
@_view
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def html(
    reports: tuple[Path, ...],
    target: Path,
    value: str | None,
    beta: float | None,
    confidence: float | None,
    overwrite: bool,
) -> None:
    """Write one self-contained page of one report or several, to send to others.

    It works offline and from an e-mail, on narrow screens, on paper, by keyboard and with a
    screen reader.

    \b
    Example:
      iaside html plain.h5 robust.h5 -o audit.html
    """
    from .page import save_page

    found = [_viewed(path, value, beta, confidence) for path in reports]
    save_page(found, [path.stem for path in reports], target, overwrite=overwrite)
    click.echo(f"Page: {target}")


def _viewed(path: Path, value: str | None, beta: float | None, confidence: float | None) -> Any:
    from .report import check_view, load

    found = load(path).view(value=value, beta=beta, confidence=confidence)
    check_view(found.settings["value"], found.beta, found.confidence)
    return found
