"""What the documentation site makes while it is built: the command pages, from the commands.

MkDocs calls `on_page_markdown` for every page (see ``hooks`` in mkdocs.yml).
"""

from __future__ import annotations

import inspect
import re
from html import escape
from typing import Any

import click

from iaside_onnx.cli import main

COMMANDS = "<!-- every command -->"
# Links from a page to files that the site does not hold, such as ../tools/quantize.py.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in the commands, and leave only the text of links out of the site."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands_markdown())
    return _OUTSIDE.sub(r"\1", markdown)


def commands_markdown() -> str:
    """A section for every command, with the texts that its ``--help`` prints."""
    return "\n\n".join(_section(main.commands[name], name) for name in sorted(main.commands))


def _section(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=f"iaside {name}", **main.context_settings)
    # A real backspace before a paragraph tells click to leave its lines as they are.
    prose, _, example = inspect.cleandoc(command.help or "").partition("\b\nExample:\n")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    options = [p for p in command.get_params(context) if isinstance(p, click.Option)]
    rows = "".join(
        f"<tr><td><code>{escape(names)}</code></td><td>{escape(text)}</td></tr>\n"
        for names, text in filter(None, (option.get_help_record(context) for option in options))
    )
    return "\n".join(
        [
            f"## iaside {name} {{: #{name} }}\n",
            f"{escape(prose.strip(), quote=False)}\n",
            f"```text\n{usage}\n```\n",
            f"```bash\n{inspect.cleandoc(example)}\n```\n",
            "<table><thead><tr>",
            '<th scope="col">option</th><th scope="col">meaning</th></tr></thead><tbody>',
            f"{rows}</tbody></table>",
        ]
    )
