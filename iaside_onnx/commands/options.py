"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from importlib import import_module
from pathlib import Path
from string import ascii_uppercase
from typing import Any, TypeVar

import click

from .. import defaults
from ..checks import duration_seconds
from ..inference.providers import words as provider_words
from .numbers import FILE, INTEGER, NEW_FILE, NUMBER, TABLE, TEXT, plain

_SIDE = re.compile(r"[1-9][0-9]{0,4}")
_LONGEST_FRACTION = 100
F = TypeVar("F", bound=Callable[..., Any])


class Listed(click.Option):
    """An option whose help has the names of a table at ``{names}``, loaded with the help alone.

    Parameters
    ----------
    table : str
        "room.module.name" of a collection of names, or of a function that gives one.
    """

    def __init__(self, *args: Any, table: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Name and text, as click shows them."""
        record = super().get_help_record(ctx)
        if record is None:
            return None
        module, _, name = self.table.rpartition(".")
        table = getattr(import_module(f"..{module}", __package__), name)
        names = table() if callable(table) else table
        return record[0], record[1].replace("{names}", ", ".join(names))


def read_by(parse: Callable[[str], Any], fault: str) -> Callable[..., Any]:
    """Callback of an option whose text a function reads; the error says of it that it is `fault`.

    Nothing stays None, and the texts of an option that may be repeated become a list.
    """

    def read(text: str) -> Any:
        try:
            return parse(text)
        except (ValueError, ZeroDivisionError, OverflowError):
            raise click.BadParameter(f"'{text}' is {fault}") from None

    def callback(_: click.Context, __: click.Parameter, value: Any) -> Any:
        if isinstance(value, tuple):
            return [read(text) for text in value]
        return None if value is None else read(value)

    return callback


def number_or(word: str, kind: type[int] | type[float], meaning: Any) -> Callable[..., Any]:
    """Callback of an option that takes a number or one word."""
    return read_by(
        lambda text: meaning if text == word else plain(text, kind),
        f"neither '{word}' nor a number",
    )


def _sides(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(map(_SIDE.fullmatch, sides)):
        raise ValueError
    return int(sides[0]), int(sides[-1])


def _radius(text: str) -> float:
    # A fraction would write a float's exponent out.
    parts = text.split("/")
    short = len(parts) == 2 and len(text) < _LONGEST_FRACTION
    value = float(Fraction(*(plain(part, int) for part in parts)) if short else plain(text, float))
    if not math.isfinite(value):
        raise ValueError
    return value


def _radii(text: str) -> tuple[float, ...]:
    return tuple(float(plain(part.strip(), float)) for part in text.split(","))


def _seconds(text: str) -> float:
    seconds = duration_seconds(text)
    return float(plain(text, float)) if seconds is None else seconds


def one_or_several(_: click.Context, __: click.Parameter, value: tuple[str, ...]) -> Any:
    """Callback of an option that is given once by most: its text alone, or all of them."""
    return value if len(value) > 1 else next(iter(value), None)


size = read_by(_sides, "no size; give pixels, such as 224 or 240x320")
radius = read_by(_radius, "no number, such as 4/255 or 0.5")
radii = read_by(_radii, "no list of radii, such as 0.05,0.2,0.5")
duration = read_by(_seconds, "no time; give seconds, or a time such as 10m or 1h30m")


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order given."""
    return lambda command: reduce(lambda made, add: add(made), reversed(decorators), command)


def confidence_option(default: float | None = 0.95) -> Callable[[F], F]:
    """Coverage of the intervals; with None that of the file."""
    return click.option(
        "--confidence", type=NUMBER, default=default, show_default=True,
        help="Coverage of the intervals, in (0, 1).",
    )  # fmt: skip


_VALUES = "log-prob, log-prob-clipped or prob; other tasks than classes have one each"


def _value_option(kinds: str) -> Callable[[F], F]:
    return click.option("--value", type=TEXT, metavar="KIND", help=f"{kinds}.")


_beta_option = click.option("--beta", type=NUMBER, help="Decay of the score's weights, in (0, 1).")
score_options = together(_value_option(_VALUES), _beta_option)
view_options = together(score_options, confidence_option(None))
# Of commands that show files of several kinds.
any_view_options = together(
    _value_option(f"{_VALUES}; of damage by band right, same-answer or log-prob"),
    _beta_option,
    confidence_option(None),
)
extension_option = click.option(
    "--ort-extension", "ort_extension", type=FILE, multiple=True,
    metavar="LIBRARY", help="Library of custom operators; it is run as code, so trust it.",
)  # fmt: skip
ep_library_option = click.option(
    "--ep-library", "ep_library", type=FILE, multiple=True,
    metavar="LIBRARY", help="Library that brings a --provider; it is run as code, so trust it.",
)  # fmt: skip
classes_options = together(
    click.option(
        "--class-embeddings", type=TEXT, metavar="FILE.npy",
        help="Embeddings of the classes, a row each: makes a classifier of an image encoder.",
    ),
    click.option(
        "--fit-classes", type=TEXT, metavar="IMAGES",
        help="Labelled images whose mean embeddings are the classes of an image encoder.",
    ),
)  # fmt: skip
set_option = click.option(
    "--set", "set", multiple=True, type=TEXT, metavar="NAME=VALUE|NAME=FILE.npy",
    help="Value of an input that takes no images, such as --set training=false.",
)  # fmt: skip
model_options = together(
    click.option(
        "--input", "input", type=TEXT, metavar="NAME", help="The input that takes images."
    ),
    click.option(
        "--output", type=TEXT, multiple=True, metavar="NAME", callback=one_or_several,
        help="The output that holds the class scores; of other models several may be given.",
    ),
    click.option(
        "--layout", type=TEXT, metavar="nchw|nhwc", help="Settle an ambiguous input layout."
    ),
    click.option(
        "--logits/--probabilities", "output_kind", default=None, help="What the output holds.",
        callback=lambda _, __, logits: {True: "logits", False: "probabilities"}.get(logits),
    ),
    click.option(
        "--task", cls=Listed, table="tasks.TASKS", type=TEXT, metavar="KIND",
        help="What the model is: {names}.  [default: as its output says]",
    ),
    classes_options,
    click.option(
        "--logit-scale", type=NUMBER, metavar="S",
        help="Factor of the cosines of --class-embeddings.  [default: as in the file]",
    ),
    set_option,
    click.option(
        "--allow-random", is_flag=True,
        help="Take a model whose scores are random; no two reports of it are equal.",
    ),
    click.option(
        "--head", cls=Listed, table="inference.detection.HEADS", type=TEXT, metavar="FORM",
        help="Form of a detector's outputs, where they leave it open: {names}; none takes their "
        "numbers as they are.",
    ),
    extension_option,
    ep_library_option,
)  # fmt: skip
reading_options = together(
    click.option(
        "--size", callback=size, metavar="N|HxW", help="Input size where the model leaves it free."
    ),
    model_options,
)
label_options = together(
    click.option(
        "--labels", type=TABLE, metavar="FILE|FOLDER|model",
        help="Columns file,label, or another usual layout; numbers, class names or WordNet ids; "
        "sets of labels; a folder of masks. 'model': the model's own answers, where there are no "
        "labels.",
    ),
    click.option(
        "--columns", type=TEXT, metavar="FILE,LABEL",
        help="Columns of --labels, if they have other names.",
    ),
    click.option(
        "--image-column", "--image-array", "image_column", type=TEXT, metavar="NAME",
        help="Pictures in Parquet or in an array file, if not image or images.",
    ),
    click.option(
        "--label-column", "--label-array", "label_column", type=TEXT, metavar="NAME",
        help="Labels in Parquet or in an array file, if not label or labels.",
    ),
)  # fmt: skip
order_option = click.option(
    "--label-order", type=TEXT, metavar="text|number",
    help="How class folders named by numbers count.",
)  # fmt: skip
naming_options = together(
    click.option(
        "--class-names", type=TEXT, metavar="FILE|none",
        help="The model's class names in its order; none: class folders go by place.  "
        "[default: as declared in the file, or beside it]",
    ),
    order_option,
)  # fmt: skip
progress_option = click.option(
    "--progress", is_flag=True, help="Show progress even where there is no terminal."
)
quiet_option = click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
csv_option = click.option(
    "--csv", "as_csv", is_flag=True, help="Print the rows of the table as CSV."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
resume_option = click.option("--resume", is_flag=True, help="Continue where it was interrupted.")
skip_bad_option = click.option(
    "--skip-bad", is_flag=True, help="Leave out clean pictures that cannot be read, and list them."
)
bands_option = click.option(
    "--bands", type=INTEGER, default=defaults.BANDS, show_default=True, help="Number of bands M."
)
norm_option = click.option(
    "--norm", default=defaults.NORM, show_default=True,
    help="Rings: linf (square, as published), l2 (round) or l1 (diamonds).",
)  # fmt: skip
spacing_options = together(
    click.option(
        "--spacing", default=defaults.SPACING, show_default=True,
        metavar="linear|octave|equal-energy|given",
        help="Bands of equal width; of octaves; that hold equal shares of the images' power; or "
        "with --edges.",
    ),
    click.option(
        "--edges", callback=radii, metavar="R1,R2,...",
        help="Radii at which the bands above the lowest begin, 1 at Nyquist.",
    ),
    click.option(
        "--as-published", is_flag=True,
        help=f"As the paper has it, where there is a choice: {defaults.PUBLISHED_WORDS}.",
    ),
)  # fmt: skip
preprocess_option = click.option(
    "--preprocess", cls=Listed, table="preprocessing.preprocess.PRESETS", type=TEXT,
    metavar="NAME|FILE",
    help="{names}; a torchvision name such as ResNet50_Weights.IMAGENET1K_V2; a .toml recipe; "
    "preprocessor_config.json of Hugging Face or config.json of timm.  [default: as the file or "
    "one beside it says, or unit]",
)  # fmt: skip
threads_option = click.option(
    "--threads", type=INTEGER, default=0, show_default=True, help="0: automatic."
)
runtime_options = together(
    click.option(
        "--provider", default="auto", show_default=True,
        help=f"Where to run: {provider_words()}.",
    ),
    click.option(
        "--batch", callback=number_or("auto", int, None), default="auto", show_default=True,
        metavar="auto|N", help="Forward passes in a run.",
    ),
    threads_option,
    click.option(
        "--tf32/--no-tf32", default=True, show_default=True,
        help="Let GPUs round the factors of float32 products to 10 bits.",
    ),
)  # fmt: skip
offset_option = click.option(
    "--label-offset", type=INTEGER, metavar="N",
    help="Added to labels (1 for models with a background class 0).  [default: as declared, or 0]",
)  # fmt: skip
decision_options = together(
    click.option(
        "--threshold", type=TEXT, metavar="P|FILE",
        help="Of several labels: the probability above which one is given, or a file with one a "
        "class.  [default: 0.5] Of detectors: the least confidence of an object.  [default: 0.25]",
    ),
    click.option(
        "--ignore", type=INTEGER, metavar="N",
        help="Of masks: pixels of this number do not count, beside those of 255.",
    ),
)  # fmt: skip
running_options = together(
    offset_option,
    runtime_options,
    click.option(
        "--temperature", callback=number_or("auto", float, "auto"), default="1", show_default=True,
        metavar="auto|T", help="T of softmax(z / T); auto fits it on the sample.",
    ),
    decision_options,
)  # fmt: skip
signature_options = together(
    click.option(
        "--allowed-signers", type=FILE, metavar="FILE",
        help="Demand a signature, in REPORT.sig, by one of these keys.",
    ),
    click.option(
        "--identity", type=TEXT, metavar="NAME",
        help="Who must have signed; anyone in that file otherwise.",
    ),
    click.option(
        "--signature", type=FILE, metavar="FILE",
        help="Where the signature is.  [default: REPORT.sig]",
    ),
)  # fmt: skip
corruption_options = together(
    click.option(
        "--corruption", cls=Listed, table="corruptions.severity.choices", multiple=True, type=TEXT,
        metavar="NAME",
        help="Only this one; may be repeated: {names}.  [default: imagenet-c]",
    ),
    click.option(
        "--severity", type=INTEGER, multiple=True, metavar="1..5",
        help="Only this one; may be repeated.",
    ),
)  # fmt: skip
perturbed_option = click.option(
    "--perturbed", type=FILE, multiple=True, metavar="FOLDER",
    help="Your own perturbed pictures, matched by their paths without suffix; also ImageNet-C and "
    "CIFAR-10-C; may be repeated. Corruptions are then made only where --corruption names them.",
)  # fmt: skip
queries_option = click.option(
    "--queries", type=INTEGER, default=500, show_default=True,
    help="Budget of an attack on an image.",
)  # fmt: skip


def robustness_option(*, several: bool = False) -> Callable[[F], F]:
    """A measurement of the model that a report is of; of several reports, one each."""
    return click.option(
        "--robustness", type=FILE, multiple=several, metavar="FILE.h5",
        help="What iaside robustness measured of the same model, to say beside the score, or to "
        "split the damage of a file of iaside predict."
        + (" May be repeated." if several else ""),
    )  # fmt: skip


def target_option(
    metavar: str,
    words: str = "Where it goes.",
    *,
    default: str | None = None,
    required: bool = False,
) -> Callable[[F], F]:
    """Where the file goes that a command makes.

    With a `default` such as ``MODEL-report.h5`` there is always one: in the working directory, the
    name of the first file or folder that the command is given, its own ending replaced.
    """
    ending = (default or "").lstrip(ascii_uppercase)

    def named(context: click.Context, _: click.Parameter, target: Path | None) -> Path | None:
        if target is not None or not ending:
            return target
        first = next(each for each in context.command.params if isinstance(each, click.Argument))
        given = context.params.get(first.name or "")
        if not given:
            raise click.MissingParameter(ctx=context, param=first)
        path = given[0] if isinstance(given, tuple) else given
        return Path(f"{path.stem or path.resolve().stem}{ending}")

    if default is not None:
        words += f"  [default: {default}]"
    return click.option(
        "-o", "--output-file", "target", type=NEW_FILE, metavar=metavar, help=words,
        callback=named, required=required,
    )  # fmt: skip


def overwrite_option(what: str) -> Callable[[F], F]:
    """Leave to replace a file."""
    return click.option("--overwrite", is_flag=True, help=f"Replace {what}.")


def picture_options(words: str, *, default: str | None = None) -> Callable[[F], F]:
    """Where a picture goes, and whether it may replace one."""
    return together(
        target_option("FILE.png|svg|pdf", words, default=default),
        overwrite_option("an existing picture"),
    )


def sample_options(images: int, *, sampling: bool = True) -> Callable[[F], F]:
    """How many images are drawn by default, how if that is to be chosen, and the seed."""
    how = click.option(
        "--sampling", default="stratified", show_default=True, metavar="stratified|nested",
        help="How they are drawn; nested: so that a smaller sample is a part of a larger one.",
    )  # fmt: skip
    return together(
        click.option(
            "--samples", type=INTEGER, default=images, show_default=True,
            help="Images to draw; 0 takes all.",
        ),
        *([how] if sampling else []),
        click.option(
            "--seed", type=INTEGER, default=0, show_default=True, help="Of sample and draws."
        ),
    )  # fmt: skip
