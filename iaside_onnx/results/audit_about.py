"""The file in an audit's folder that says what was asked for, and what was found of the input.

Whoever reads it, the answer or an audit that goes on, reads it here, so that an altered file is
refused by name and not met later as a value of a wrong kind.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ReportError, said
from ..spelling import option
from ..storage.regular_file import read_bounded, why
from ..storage.value_rules import (
    MOST_COUNT,
    Rule,
    WrongContentError,
    are_texts,
    is_digest,
    is_object,
    is_share,
    is_text,
    is_truth,
    or_none,
    parse,
    whole,
)

FORMAT, VERSION = "iaside-audit", 1
_MOST_BYTES = 1 << 20
_DAMAGED = "remove it, or audit again"
# What is read here of single options; all others go to a measurement, which checks them.
_OPTIONS: dict[str, Rule] = {
    "keep": is_share,
    "quick": is_truth,
    "samples": whole(0, MOST_COUNT),
    **dict.fromkeys(("attack", "perturbed", "ort_extension", "ep_library", "set"), are_texts),
    **dict.fromkeys(("labels", "class_names", "preprocess", "input"), or_none(is_text)),
    "output": lambda value: value is None or is_text(value) or are_texts(value),
}


def _is_plain(value: Any) -> bool:
    return not isinstance(value, dict | list)


def _are_options(value: Any) -> bool:
    """Whether they are options by name: plain values, or lists of them."""
    return (
        is_object(value)
        and all(all(map(_is_plain, v)) if isinstance(v, list) else _is_plain(v)
                for v in value.values())
        and all(rule(value[name]) for name, rule in _OPTIONS.items() if name in value)
    )  # fmt: skip


_RULES: dict[str, Rule] = {
    "model": is_text,
    "sha256": is_digest,
    "images": is_text,
    "input": is_text,
    "found": _are_options,
    "recipe": or_none(is_text),
    "available": whole(1, MOST_COUNT),
    "keep": is_share,
    "asked": _are_options,
    "look": whole(1, MOST_COUNT),
    "stopped_by": or_none(is_text),
}
# An audit goes on with these together, or with none of them.
_OF_INPUT = ("sha256", "input", "found", "recipe", "available")


def _version(content: dict[str, Any]) -> str:
    """What wrote it, a stranger perhaps."""
    return str(content.get("iaside_version"))[:20]


def read_about(path: Path) -> dict[str, Any]:
    """What was asked and found; every key of it may be missing.

    Raises
    ------
    FileNotFoundError
    ReportError
        It cannot be read, is no JSON object, is of another version, or holds a value that it cannot
        have.
    """
    try:
        content = parse(path.name, read_bounded(path, _MOST_BYTES, ReportError).decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ReportError(f"{path}: cannot be read: {why(error)}") from error
    except (WrongContentError, UnicodeDecodeError) as error:
        reason = said(error) if isinstance(error, WrongContentError) else "it is no text"
        raise ReportError(f"{path}: is damaged: {reason}; {_DAMAGED}") from error
    if content.get("format", FORMAT) != FORMAT:
        raise ReportError(f"{path}: is damaged: it says that it is another file; {_DAMAGED}")
    if content.get("format_version", VERSION) != VERSION:
        raise ReportError(
            f"{path}: is of another version of iaside ({_version(content)}); read the folder with "
            f"that, or audit again with {option('overwrite', True)}"
        )
    wrong = [name for name, rule in _RULES.items() if name in content and not rule(content[name])]
    wrong += [name for name in _OF_INPUT if "input" in content and name not in content]
    if wrong:
        raise ReportError(f"{path}: is damaged: it holds no usable '{wrong[0]}'; {_DAMAGED}")
    return content
