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
from .commands.explain import explain
from .commands.gate import gate
from .commands.heatmap import heatmap
from .commands.html import html
from .commands.inspect import inspect
from .commands.measure import OWN_PROCESS
from .commands.merge import merge
from .commands.predict import predict
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
    """Tell which frequencies an image classifier lives on.

    \b
    Example:
      iaside inspect model.onnx
      iaside analyze model.onnx photos/ -o report.h5
      iaside plot report.h5 -o report.png
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run() -> None:
    """Entry point of the ``iaside`` process."""
    make_lasting()
    interrupts.listen()
    if not sys.warnoptions:
        # Remarks of libraries on their own code; what users need to know is said by us.
        warnings.simplefilter("ignore")
    try:
        main(obj=OWN_PROCESS)
    finally:
        give_up_output()


for command in (
    audit, inspect, analyze, show, plot, html, compare, gate, merge, robustness, snr, heatmap,
    correlate, predict, verify, explain,
):  # fmt: skip
    main.add_command(command)
