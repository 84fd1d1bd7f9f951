"""What was published, asked for by one word; refusals of it name that word."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from ..checks import check_truth, plain
from ..defaults import PUBLISHED
from ..errors import UsageError, said
from ..spelling import option

_WHOLE = "as_published"
# What goes only with another value of a setting that was published.
_OF_OTHERS = {"edges": "spacing", "passes": "estimator"}


def as_published(given: dict[str, Any], taken: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """What is given, with what was published of what a function takes, if that is asked for.

    Returns the names, too, of what that settles.

    Raises
    ------
    UsageError
        Something else is asked for as well.
    """
    asked = plain(given[_WHOLE])
    check_truth(_WHOLE, asked)
    given = {name: value for name, value in given.items() if name != _WHOLE}
    if not asked:
        return given, []
    # What damage is counted in was never published.
    names = [name for name in PUBLISHED if name in taken and (name != "value" or "beta" in taken)]
    whole = option(_WHOLE, True)
    for name, value in given.items():
        settled = _OF_OTHERS.get(name, name)
        if settled not in names or plain(value) in (None, PUBLISHED.get(name)):
            continue
        asked_for, published = option(name, value), PUBLISHED[settled]
        if published is False:
            raise UsageError(f"{whole} goes without {asked_for}; leave out one of them")
        raise UsageError(
            f"{whole} means {option(settled, published)}; leave out {asked_for}, or the former"
        )
    settled_here = [name for name in names if plain(given.get(name)) is None]
    return {**given, **{name: PUBLISHED[name] for name in names}}, settled_here


@contextmanager
def naming_published(settled: Collection[str], signature: inspect.Signature) -> Iterator[None]:
    """Refusals of what was settled for the user name what the user gave."""
    try:
        yield
    except UsageError as error:
        text = said(error)
        named = {name: option(name, PUBLISHED[name]) for name in settled}
        blamed = next((name for name in settled if text.startswith(named[name])), None)
        if blamed is None:
            raise
        why = text.removeprefix(named[blamed])
        rest = [
            named[name]
            for name in settled
            if name != blamed and signature.parameters[name].default not in (None, PUBLISHED[name])
        ]
        instead = f", and give {' '.join(rest)} for the rest" * bool(rest)
        if not why.startswith(":"):
            why = f": it{why}"
        raise UsageError(
            f"{option(_WHOLE, True)} means {named[blamed]}{why}; leave it out{instead}"
        ) from None
