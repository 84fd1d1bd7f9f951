"""The help of the program and of its commands: commands and options in groups.

Nothing is cut off. A command with many options shows the usual ones, and all with ``--help-all``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import click

from .early import check_options

# Commands in the order of use; a command that is named nowhere stands under the last heading.
GROUPS = {
    "Start": ("demo", "audit", "inspect", "export", "quantize"),
    "Measure": ("analyze", "robustness", "explain", "heatmap", "snr", "filter", "merge"),
    "Look": ("show", "plot", "html", "compare", "rank", "predict", "correlate"),
    "Check": ("gate", "verify"),
}
OTHERS = "More"
# Options that several commands share, by parameter; all others are of their command alone.
SECTIONS = {
    "Images and labels": (
        "labels", "columns", "image_column", "label_column", "class_names", "label_order",
        "label_offset", "ignore", "skip_bad", "samples", "sampling", "seed",
    ),
    "Model": (
        "preprocess", "size", "input", "output", "layout", "output_kind", "temperature",
        "task", "class_embeddings", "fit_classes", "logit_scale", "threshold", "set", "head",
        "allow_random", "ort_extension", "ep_library",
    ),
    "Running": ("provider", "batch", "threads", "tf32", "time_budget", "shard", "dask", "resume"),
    "Reading": ("value", "beta", "confidence"),
    "Signature": ("allowed_signers", "identity", "signature"),
    "Output": ("overwrite", "progress", "quiet", "as_json", "help_all"),
}  # fmt: skip
# Of these the usual ones, and of a command's own options the unusual ones.
_USUAL = {"labels", "samples", "preprocess", "resume", "overwrite", "as_json", "help_all"}
_UNUSUAL = {
    "separate_dc", "norm", "spacing", "edges", "as_published", "output_map", "passes", "rings",
    "grey", "queries", "target_stderr", "attack_samples", "clip", "strength", "placed", "spectrum",
    "kernel", "estimator",
}  # fmt: skip
_MANY = 14
_KEPT = "\N{NON-BREAKING HYPHEN}"
_NAME_WIDTH = 34  # characters; longer names of options have their text on the next line


def first_sentence(text: str) -> str:
    """The first sentence of a command's help, without its full stop."""
    paragraph = " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def grouped(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Headings, each with those of the commands that stand under it."""
    left = set(names)
    for heading, group in GROUPS.items():
        if held := [name for name in group if name in left]:
            yield heading, held
        left -= set(group)
    if left:
        yield OTHERS, sorted(left)


def overview(group: click.Group) -> str:
    """What the program prints when it is given nothing: its commands, a line each."""
    formatter = Formatter()
    write_commands(group, formatter)
    return f"{formatter.getvalue().strip()}\n\niaside COMMAND --help has options and an example."


def write_commands(group: click.Group, formatter: click.HelpFormatter) -> None:
    """The commands in groups, each with its first sentence as a whole."""
    shown = {name: each for name, each in group.commands.items() if not each.hidden}
    wide = max(map(len, shown), default=0)
    for heading, names in grouped(shown):
        with formatter.section(heading):
            formatter.write_dl(
                [(name.ljust(wide), first_sentence(shown[name].help or "")) for name in names]
            )


class Formatter(click.HelpFormatter):
    """Lines that break at words and at no hyphen, so that names of options and files stay whole."""

    def write(self, string: str) -> None:
        """Write, with the hyphens that were kept from breaking."""
        super().write(string.replace(_KEPT, "-"))

    def write_text(self, text: str) -> None:
        """Write a paragraph."""
        super().write_text(text.replace("-", _KEPT))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and their texts."""
        kept = [(name, text.replace("-", _KEPT)) for name, text in rows]
        super().write_dl(kept, col_max, col_spacing)


class Context(click.Context):
    """What a command runs in, with our own lines."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose options stand in groups, the usual ones alone where there are many."""

    context_class = Context

    @classmethod
    def of(cls, command: click.Command) -> click.Command:
        """A plain command with such a help; any other as it is."""
        if type(command) is not click.Command:
            return command
        names = (
            "name", "context_settings", "callback", "params", "help", "epilog", "short_help",
            "options_metavar", "add_help_option", "no_args_is_help", "hidden", "deprecated",
        )  # fmt: skip
        return cls(**{name: getattr(command, name) for name in names})

    @property
    def has_many(self) -> bool:
        """Whether there are so many options that not all are shown at once."""
        return sum(isinstance(each, click.Option) for each in self.params) > _MANY

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters, with those that print the help."""
        own = super().get_params(ctx)
        if any("--help-all" in each.opts for each in own):
            return own
        return [*own, _HELP_ALL if self.has_many else SAME_HELP]

    def invoke(self, ctx: click.Context) -> Any:
        """Run, unless an option is wrong whatever the files hold."""
        check_options(ctx)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options in groups."""
        write_options(self, ctx, formatter, everything=False)


def write_options(
    command: Command, ctx: click.Context, formatter: click.HelpFormatter, *, everything: bool
) -> None:
    """The options of a command in groups: `everything`, or what fits one look."""
    params = command.get_params(ctx)
    options = [each for each in params if isinstance(each, click.Option) and not each.hidden]
    everything = everything or not command.has_many
    held: dict[str, list[tuple[str, str]]] = {heading: [] for heading in ("Options", *SECTIONS)}
    hidden = 0
    for each in options:
        heading = _section_of(each, command.get_help_option(ctx))
        record = each.get_help_record(ctx) if everything or _is_usual(each, heading) else None
        if record is None:
            hidden += 1
        else:
            held[heading].append(record)
    for heading, records in held.items():
        if records:
            with formatter.section(heading):
                formatter.write_dl(records, col_max=_NAME_WIDTH)
    if hidden:
        formatter.write(f"\n{hidden} more options: {ctx.command_path} --help-all\n")


def _section_of(option: click.Option, own_help: click.Option | None) -> str:
    if option is own_help:
        return list(SECTIONS)[-1]
    return next((head for head, names in SECTIONS.items() if option.name in names), "Options")


def _is_usual(option: click.Option, heading: str) -> bool:
    if heading == "Options":
        return option.name not in _UNUSUAL
    return option.name in _USUAL or "--help" in option.opts


def _print_all(ctx: click.Context, _: click.Parameter, asked: Any) -> None:
    """Callback of --help-all."""
    if not asked or ctx.resilient_parsing:
        return
    if not isinstance(ctx.command, Command) or not ctx.command.has_many:
        click.echo(ctx.get_help())
        ctx.exit()
    formatter = ctx.make_formatter()
    ctx.command.format_usage(ctx, formatter)
    ctx.command.format_help_text(ctx, formatter)
    write_options(ctx.command, ctx, formatter, everything=True)
    click.echo(formatter.getvalue().rstrip("\n"))
    ctx.exit()


_HELP_ALL = click.Option(
    ["--help-all", "help_all"], is_flag=True, is_eager=True, expose_value=False,
    callback=_print_all, help="Show all options and exit.",
)  # fmt: skip
# Where --help shows all there is: for those who learnt the other name elsewhere.
SAME_HELP = click.Option(
    ["--help-all", "help_all"], is_flag=True, is_eager=True, expose_value=False, hidden=True,
    callback=_print_all,
)  # fmt: skip
