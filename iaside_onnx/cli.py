"""The command line: a group of commands whose errors are one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from . import __version__
from .commands.analyze import OWN_PROCESS, analyze
from .commands.compare import compare
from .commands.correlate import correlate
from .commands.gate import gate
from .commands.heatmap import heatmap
from .commands.html import html
from .commands.inspect import inspect
from .commands.merge import merge
from .commands.predict import predict
from .commands.robustness import robustness
from .commands.show import plot, show
from .commands.snr import snr
from .errors import IasideError
from .views.text import one_line

_INTERRUPTED = 130


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
            click.echo("Error: interrupted; analyze and robustness go on with --resume", err=True)
            sys.exit(_INTERRUPTED)
        sys.exit(code if isinstance(code, int) else 0)


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
    main(obj=OWN_PROCESS)


for command in (
    inspect, analyze, show, plot, html, compare, gate, merge, robustness, snr, heatmap,
    correlate, predict,
):  # fmt: skip
    main.add_command(command)
