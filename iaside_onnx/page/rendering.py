"""Templates filled: every text from a report goes through `printable` and is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from jinja2 import ChoiceLoader, DictLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..plurals import counted
from ..results.finding import NOT_A_FINDING
from ..spelling import command_text
from ..views.text import number

_FIXED_SPACE = "\N{NO-BREAK SPACE}"


def rendered(context: Mapping[str, Any], own: Mapping[str, str]) -> str:
    """The page of these facts; `own` are templates that stand in no file, by their names."""
    environment = _environment(own)
    style, script = (_inline(environment, name) for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        **context,
        style=Markup(style),  # noqa: S704 - our own file, no data in it
        script=Markup(script),  # noqa: S704
        style_hash=_hash(style),
        script_hash=_hash(script),
        version=__version__,
    )


def no_overview(title: str) -> dict[str, Any]:
    """What the page's frame needs where no report says where the evidence lies."""
    return {
        "title": title,
        "models": [],
        "several": False,
        "mute": [],
        "not_a_finding": NOT_A_FINDING,
        "disagreements": [],
        "apart_images": [],
        "beside_notes": [],
        "of_one_model": [],
    }


def _environment(own: Mapping[str, str]) -> Environment:
    environment = Environment(
        loader=ChoiceLoader([DictLoader(dict(own)), PackageLoader("iaside_onnx.page")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters.update(
        counted=counted,
        number=number,
        signed=lambda value: number(value, signed=True),
        quoted=lambda word: command_text([word]),
        chance=lambda share: "< 0.001" if 0 < share < 0.001 else number(share),
    )
    return environment


def _printable(value: Any) -> Any:
    """What every `{{ ... }}` of the templates goes through before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    shown = (each if each.isprintable() or each == _FIXED_SPACE else "?" for each in value)
    return "".join(shown)


def _inline(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0].replace("\r\n", "\n")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
