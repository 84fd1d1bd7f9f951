"""What the documentation site makes while it is built: the command pages, and the notebook run.

MkDocs calls `on_page_markdown` and `on_page_content` for every page (see ``hooks`` in mkdocs.yml).
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import click

from iaside_onnx.cli import main

COMMANDS = "<!-- every command -->"
NOTEBOOK = "<!-- the notebook, run -->"
_DOCS = Path(__file__).parents[1] / "docs"
_NOTEBOOK_FILE = _DOCS / "notebooks" / "first-audit.ipynb"
_PICTURE = re.compile(r"!\[([^\]]*)\]\(([\w/-]+)\.png\)")
# Links from a page to files that the site does not hold, such as ../tools/quantize.py.
_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]*\)")
# Code within a line, not the blocks, and an option in it, at whose hyphens browsers break lines.
_INLINE = re.compile(r"(?<!</span>)<code>[^<]*</code>")
_OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put in the commands, the notebook and dark pictures; of links out only the text stays."""
    if COMMANDS in markdown:
        markdown = markdown.replace(COMMANDS, commands_markdown())
    if NOTEBOOK in markdown:
        markdown = markdown.replace(NOTEBOOK, notebook_markdown(_NOTEBOOK_FILE.read_text("utf-8")))
    return _OUTSIDE.sub(r"\1", _PICTURE.sub(_in_both_schemes, markdown))


def _in_both_schemes(found: re.Match[str]) -> str:
    """A picture, and beside it the one for the dark ground, if there is one."""
    alt, name = found.groups()
    if not (_DOCS / f"{name}-dark.png").is_file():
        return found[0]
    return f"![{alt}]({name}.png#only-light)\n![{alt}]({name}-dark.png#only-dark)"


def on_page_content(html: str, **_: Any) -> str:
    """Keep options in the text on one line each; see `option` in the style sheet."""

    def whole(code: re.Match[str]) -> str:
        return _OPTION.sub(r'<span class="option">\g<0></span>', code[0])

    return _INLINE.sub(whole, html)


@cache  # `mkdocs serve` builds often
def notebook_markdown(text: str) -> str:
    """Run a notebook, here, and give its cells with what came out of them, but its title."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(text, as_version=4)
    where = {"metadata": {"path": str(_NOTEBOOK_FILE.parent)}}
    NotebookClient(notebook, timeout=600, resources=where).execute()
    return "\n\n".join(part for cell in notebook.cells for part in _cell(cell))


def _cell(cell: Any) -> list[str]:
    if cell.cell_type == "markdown":
        return [cell.source.removeprefix("# A first audit\n")]
    shown = [_output(each) for each in cell.outputs]
    return [f"```python\n{cell.source}\n```", *shown]


def _output(output: Any) -> str:
    """One output of a cell, in the richest of the forms that it has."""
    if output.output_type == "stream":
        return f"```text\n{output.text}\n```"
    data = output.data
    if "image/png" in data:
        picture = "".join(data["image/png"].split())
        source = f"data:image/png;base64,{picture}"
        return f'<img class="output" alt="Picture that the cell draws" src="{source}">'
    if "text/html" in data:
        # Without blank lines, at which Markdown would begin to read again.
        lines = [line for line in data["text/html"].splitlines() if line.strip()]
        return "\n".join(['<div class="output">', *lines, "</div>"])
    return f"```text\n{data['text/plain']}\n```"


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
