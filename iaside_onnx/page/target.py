"""Where a page goes: its name, and a file that appears when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..storage.output_file import check_free, check_page_ending, whole_file


def write_page(target: Path, make: Callable[[], str], *, overwrite: bool) -> str:
    """Write the page that is made, and return it; nothing is left behind when that fails.

    Raises
    ------
    UsageError
        Another ending than .html.
    ReportError
        The file exists and `overwrite` is not set, or it cannot be written.
    """
    check_page_ending(target)
    check_free(target, overwrite=overwrite)
    text = make()
    with whole_file(target) as scratch:
        scratch.write_text(text, encoding="utf-8", newline="\n")
    return text
