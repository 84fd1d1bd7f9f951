"""Writes the tables of datasets in docs/format.md from the schemas of the results.

``python tools/format_tables.py`` after a change of a schema; a test holds the page against them.
"""

from __future__ import annotations

import re
from pathlib import Path

from iaside_onnx.results import damage, heatmap, report, robustness, snr, stand_ins
from iaside_onnx.storage.schema import LINES, Field, Schema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "format.md"
_OF = report, robustness, heatmap, snr, damage, stand_ins
_SCHEMAS = {each.format: each for each in (module.SCHEMA for module in _OF)}
_NO_BOUND = 1e30  # which is there to keep sums finite
_HEAD = "| dataset | shape | type | meaning |\n| --- | --- | --- | --- |\n"
_PLACE = re.compile(r"(<!-- datasets of (\S+) -->\n).*?(?=\n\n|\Z)", re.DOTALL)


def table(schema: Schema) -> str:
    """The datasets of a format as a table."""
    return _HEAD + "\n".join(_row(each) for each in (*schema.fields, *schema.derived))


def _row(each: Field) -> str:
    dims = ", ".join(map(str, each.dims)) + ("," if len(each.dims) == 1 else "")
    kind = "text" if each.dtype in LINES else each.stored
    words = f"optional: {each.meaning}" if each.optional else each.meaning
    if each.low is not None and each.high is not None and each.high < _NO_BOUND:
        words += f"; from {each.low:g} to {each.high:g}"
    elif each.low is None and each.high is not None:
        words += f"; at most {each.high:g} but for rounding"
    return f"| `/{each.where}` | ({dims}) | {kind} | {words} |"


def page(text: str) -> str:
    """The page with its tables as the schemas have them now."""
    return _PLACE.sub(lambda found: found[1] + table(_SCHEMAS[found[2]]), text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
