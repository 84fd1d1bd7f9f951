"""The command line: a group of commands whose errors are one line."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import click

from . import __version__, interrupts
from .commands.analyze import analyze
from .commands.audit import audit
from .commands.compare import compare
from .commands.correlate import correlate
from .commands.demo import demo
from .commands.explain import explain
from .commands.export import export
from .commands.filter import filter_model
from .commands.gate import gate
from .commands.heatmap import heatmap
from .commands.help import SAME_HELP, Command, Context, overview, write_commands
from .commands.html import html
from .commands.inspect import inspect
from .commands.measure import OWN_PROCESS
from .commands.merge import merge
from .commands.predict import predict
from .commands.quantize import quantize
from .commands.rank import rank
from .commands.robustness import robustness
from .commands.show import plot, show
from .commands.snr import snr
from .commands.verify import verify
from .errors import IasideError, of_bounded_length, said
from .spelling import on_command_line
from .streams import give_up_output, make_lasting
from .views.text import one_line

_NOT_INPUT = 3
# Set in the environment: failures that are nobody's input come with their traceback.
DEBUG = "IASIDE_DEBUG"


class OneLineErrors(click.Group):
    """A command group whose every failure is one line on standard error, and never exit code 1."""

    context_class = Context

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a command; its help shows its options in groups."""
        super().add_command(Command.of(cmd), name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the command's name; `help` and `version` are the options of these names."""
        if args[:1] == ["help"]:
            args = [*args[1:2], "--help"]
        elif args == ["version"]:
            args = ["--version"]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; a model in its place is one for the audit."""
        if args[0] not in self.commands and args[0].lower().endswith((".onnx", ".ort")):
            line = " ".join(["iaside audit", *args])
            raise click.UsageError(f"a command comes first; did you mean: {line}")
        return super().resolve_command(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters, with another name of --help."""
        return [*super().get_params(ctx), SAME_HELP]

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in groups."""
        write_commands(self, formatter)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run; in standalone mode exit with the code of the command, 2, 3 or 130."""
        standalone = kwargs.pop("standalone_mode", True)
        run: Callable[..., Any] = super().main
        if not standalone:
            return run(*args, standalone_mode=False, **kwargs)
        try:
            code = run(*args, standalone_mode=False, **kwargs)
            sys.stdout.flush()
        except BaseException as error:  # the last net
            code = _report(error)
        sys.exit(code if isinstance(code, int) else 0)


def _report(error: BaseException) -> int:
    """Say in one line what went wrong; the exit code."""
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        error = error.__cause__  # click takes it for the end of what somebody types
    message, code = _message(error)
    click.echo(f"Error: {of_bounded_length(one_line(message))}", err=True)
    if code == _NOT_INPUT and os.environ.get(DEBUG):
        traceback.print_exception(error)
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    return code


def _message(error: BaseException) -> tuple[str, int]:
    """What to say of an error, and the exit code that it means."""
    if isinstance(error, click.MissingParameter) and error.ctx is not None:
        pieces = " ".join(error.ctx.command.collect_usage_pieces(error.ctx)[1:])
        missing = error.param
        option = f" {missing.opts[0]} ..." if isinstance(missing, click.Option) else ""
        line = f"{error.ctx.command_path} {pieces}{option}"
        return f"{error.format_message().rstrip('.')}; it is {line} (--help has an example)", 2
    if isinstance(error, click.ClickException):
        return error.format_message(), 2
    if isinstance(error, IasideError):
        return on_command_line(said(error)), 2
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return interrupts.line(), interrupts.INTERRUPTED
    if isinstance(error, MemoryError):
        return (
            "not enough memory for this; use fewer --samples, --bands or a smaller --batch, or a "
            "machine with more of it",
            _NOT_INPUT,
        )
    if isinstance(error, OSError):
        return _of_system(error), 2
    text = " ".join(str(error).split())
    return (
        f"unexpected {type(error).__name__}: {text}; this is a fault of iaside {__version__}, not "
        f"of your input: please report it with the command and what {DEBUG}=1 adds to this line",
        _NOT_INPUT,
    )


def _of_system(error: OSError) -> str:
    """An error of the system: which file, and why."""
    why = (error.strerror or " ".join(str(error).split()) or type(error).__name__).lower()
    names = (error.filename, error.filename2)
    named = [os.fsdecode(name) for name in names if isinstance(name, str | bytes)]
    if not named:
        return f"the system refuses to read or write: {why}"
    return f"{' and '.join(named)}: cannot be read or written: {why}"


@click.group(
    cls=OneLineErrors,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="iaside")
@click.pass_context
def main(context: click.Context) -> None:
    """Say whether an image classifier is robust, why, and how sure that is.

    \b
    Example:
      iaside demo
      iaside audit model.onnx photos/
    """
    interrupts.go_on_with()  # of no earlier command in this process
    if context.invoked_subcommand is None:
        click.echo(overview(main))


def run() -> None:
    """Entry point of the ``iaside`` process."""
    make_lasting()
    interrupts.listen()
    if not sys.warnoptions:
        # Remarks of libraries on their own code; what users need to know is said by us.
        warnings.simplefilter("ignore")
    try:
        main(obj=OWN_PROCESS, prog_name="iaside")
    finally:
        give_up_output()


for command in (
    demo, audit, inspect, export, quantize, analyze, show, plot, html, compare, rank, gate, merge,
    robustness, snr, heatmap, correlate, predict, verify, explain, filter_model,
):  # fmt: skip
    main.add_command(command)
