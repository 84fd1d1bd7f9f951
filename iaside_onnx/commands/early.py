"""Options that are wrong whatever the files hold, which are refused before any file is opened.

The rules are those that the library applies; a command asks them first, so that nobody mends a path
only to hear that an option was wrong all along. Nothing is loaded for an option that is not given.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .numbers import NEW_FILE


def check_options(context: click.Context) -> None:
    """Refuse options of a command that no file could make right."""
    for name, value in context.params.items():
        if name == "provider" and context.params.get("ep_library"):
            continue  # what the library brings is known once it is loaded
        given = context.get_parameter_source(name) is not ParameterSource.DEFAULT
        if given and value is not None and name in _CHECKS:
            _CHECKS[name](value)
    for each in context.command.params:
        check = _BY_METAVAR.get(each.metavar or "") if each.type is NEW_FILE else None
        target = context.params.get(each.name or "")
        if check is not None and target is not None:
            check(target)


def _confidence(value: float) -> None:
    from ..results.spread import check_confidence

    check_confidence(value)


def _beta(value: float) -> None:
    from ..checks import check_share

    check_share("beta", value)


def _value(value: str) -> None:
    from ..checks import check_choice
    from ..mathematics.shapley import VALUES
    from ..results.damage_numbers import UNITS

    check_choice("value", value, dict.fromkeys([*VALUES, *UNITS]))


def _provider(value: str) -> None:
    from ..inference.choosing import check_provider

    check_provider(value)


def _threads(value: int) -> None:
    from ..inference.choosing import check_threads

    check_threads(value)


def _preprocess(value: str) -> None:
    from ..preprocessing.preprocess import load_preprocess

    load_preprocess(value)


def _samples(value: int) -> None:
    from ..settings import check_samples

    check_samples(value)


def _seed(value: int) -> None:
    from ..settings import check_seed

    check_seed(value)


def _sampling(value: str) -> None:
    from ..checks import check_choice
    from ..settings import SAMPLINGS

    check_choice("sampling", value, SAMPLINGS)


def _layout(value: str) -> None:
    from ..checks import check_choice
    from ..settings import LAYOUTS

    check_choice("layout", value, LAYOUTS)


def _label_order(value: str) -> None:
    from ..checks import check_choice
    from ..images.sample import LABEL_ORDERS

    check_choice("label_order", value, LABEL_ORDERS)


def _picture(target: Path) -> None:
    from ..storage.output_file import check_picture_ending

    check_picture_ending(target)


def _page(target: Path) -> None:
    from ..storage.output_file import check_page_ending

    check_page_ending(target)


def _result(target: Path) -> None:
    from ..storage.output_file import check_result_ending

    check_result_ending(target)


# Of what a command writes: by what its help calls the file.
_BY_METAVAR: dict[str, Callable[[Path], None]] = {
    "FILE.png|svg|pdf": _picture,
    "FILE.html": _page,
    "FILE.h5": _result,
    "REPORT.h5": _result,
}
_CHECKS: dict[str, Callable[[Any], None]] = {
    "confidence": _confidence,
    "beta": _beta,
    "value": _value,
    "provider": _provider,
    "threads": _threads,
    "preprocess": _preprocess,
    "samples": _samples,
    "seed": _seed,
    "sampling": _sampling,
    "layout": _layout,
    "label_order": _label_order,
}
