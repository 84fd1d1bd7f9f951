"""``iaside export``: an ONNX file from a model of another framework."""

from __future__ import annotations

from typing import Any

import click

# As in `exporting.command_line`, which loads numpy and onnx.
FRAMEWORKS = ("pytorch", "keras", "jax", "sklearn")


@click.command(
    options_metavar="",
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("framework", metavar="pytorch|keras|jax|sklearn", required=False)
@click.argument("words", metavar="SOURCE -o FILE.onnx [OPTIONS]", nargs=-1, type=click.UNPROCESSED)
@click.option("-h", "--help", "asked", is_flag=True, help="Show this message and exit.")
@click.option("--help-all", "asked_all", is_flag=True, hidden=True, help="The same.")
@click.pass_context
def export(
    context: click.Context,
    framework: str | None,
    words: tuple[str, ...],
    asked: bool,
    asked_all: bool,
) -> None:
    """Make an ONNX file from PyTorch, Keras, JAX or scikit-learn.

    The file is kept only if it answers as the framework does. It runs where the framework is
    installed beside iaside; iaside export FRAMEWORK --help has the options of each.

    \b
    Example:
      iaside export pytorch mypackage.nets:build -o net.onnx --image 3x224x224 --weights net.pth
      iaside export keras net.keras -o net.onnx
      iaside export jax mypackage.nets:build -o net.onnx --image 64x64x3
      iaside export sklearn digits.skops -o digits.onnx --image 1x8x8
    """
    asked = asked or asked_all
    if framework is None:
        if asked:
            click.echo(context.get_help())
            return
        raise click.UsageError(f"say from what: iaside export {'|'.join(FRAMEWORKS)} (or --help)")
    if framework not in FRAMEWORKS:
        from ..checks import one_of

        raise click.UsageError(f"export {framework}: {one_of(framework, FRAMEWORKS)}")
    _run(framework, [*words, *["--help"] * asked])


def _run(framework: str, words: list[Any]) -> None:
    from ..exporting.command_line import export as run
    from ..exporting.refusal import ExportError, one_line

    try:
        run(framework, words, f"iaside export {framework}")
    except SystemExit as done:  # after --help
        click.get_current_context().exit(int(done.code or 0))
    except ExportError as error:
        raise click.UsageError(one_line(error, 600)) from error
