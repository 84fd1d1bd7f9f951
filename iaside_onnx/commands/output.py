"""How commands show results: as JSON or a table on standard output, and as a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..streams import broken
from .numbers import NEW_FILE

# Options of texts that may name a file.
_MAY_BE_FILES = ("class_names", "labels", "preprocess")
# What a cell begins with that spreadsheet programs compute.
_OF_FORMULAS = ("=", "+", "-", "@")


def check_targets(use: str = "read") -> None:
    """Refuse to write over a file that the running command reads; `use` says what for."""
    from ..storage.output_file import check_no_input

    context = click.get_current_context()
    targets: list[Path] = []
    inputs: list[str | Path] = []
    for each in context.command.params:
        value = context.params.get(each.name or "")
        values = value if isinstance(value, tuple) else (value,)
        paths = [path for path in values if isinstance(path, Path)]
        if each.type is NEW_FILE:
            targets += paths
        elif each.name in _MAY_BE_FILES:
            inputs += [text for text in values if isinstance(text, str)]
        else:
            inputs += paths
    endings: set[str] = set()
    if any(Path(each).is_dir() for each in inputs):
        from ..images.pictures import SUFFIXES

        endings = set(SUFFIXES)
    for target in targets:
        check_no_input(target, inputs, use=use, within=target.suffix.lower() in endings)


def files_in(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The same, with its files for a folder of results that is not the folder of an audit."""
    if not any(path.is_dir() for path in paths):
        return tuple(paths)  # nothing is loaded before a file is read
    from ..results.audit import ROBUSTNESS

    return tuple(
        each
        for path in paths
        for each in (
            (path.is_dir() and not (path / ROBUSTNESS).is_file() and sorted(path.glob("*.h5")))
            or [path]
        )
    )


def result_files(paths: Sequence[Path], *, damage: bool = False) -> tuple[Path, ...]:
    """Files of results: for a folder those in it, of an audit its reports, with `damage` all."""
    if not any(path.is_dir() for path in paths):
        return tuple(paths)  # nothing is loaded before a file is read
    from ..results.audit import ANALYSIS, DAMAGE, ROBUSTNESS

    found: list[Path] = []
    for path in files_in(paths):
        if not path.is_dir():
            found.append(path)
            continue
        parts = [path / ROBUSTNESS, path / ANALYSIS]
        inside = [each for each in parts if each.is_file()]
        inside += sorted((path / DAMAGE).glob("*.h5")) if damage else []
        found += inside or [path]
    return tuple(found)


def refuse_for_audits(given: Mapping[str, Any], *known: str) -> None:
    """Refuse options that do not apply to folders of audits; the `known` ones do."""
    from ..spelling import on_command_line, option

    for name, value in given.items():
        if value and name not in known:
            raise click.UsageError(
                f"{on_command_line(option(name))} does not apply to the folder of an audit, but to "
                "a report in it"
            )


def say(*lines: str, err: bool = False) -> None:
    """Prose on standard output or error, a paragraph a line; terminals get it broken at words."""
    stream = sys.stderr if err else sys.stdout
    for line in lines:
        click.echo(broken(line, stream), err=err)


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    click.echo(json.dumps(values, indent=2))


def print_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as CSV on standard output, in six figures; what is not known is empty.

    It is for people, who open it in spreadsheet programs: no text is taken for a formula there.
    """
    import csv

    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sys.stdout, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})


def _cell(value: Any) -> Any:
    """A number in six figures; text, which may come from a stranger's file, as mere text."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, str):
        return value
    text = "".join("?" if _is_control(letter) else letter for letter in value)
    return f"'{text}" if text.startswith(_OF_FORMULAS) and not _is_number(text) else text


def _is_control(letter: str) -> bool:
    """Whether a letter breaks lines, drives a terminal, turns the writing or is no text at all."""
    import unicodedata

    turns = "\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069"
    return turns or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def print_csv(*named: tuple[str, Any]) -> None:
    """The rows of results as CSV, with a column of their names where there are several."""
    from ..views.registry import view

    rows: list[dict[str, Any]] = []
    for name, result in named:
        about = {"file": name} if len(named) > 1 else {}
        rows += [{**about, **row} for row in view(result, "rows")]
    print_rows(rows)


def summary(result: Any, shown: Mapping[str, Any]) -> dict[str, Any]:
    """A result as plain JSON values, with what is `shown` with it."""
    beside = dict(shown)
    baseline = beside.pop("baseline", None)
    if baseline is None:
        values: dict[str, Any] = result.summary(**beside)
        return values
    from ..comparisons.baseline import summary as against

    return against(result, baseline)


def print_result(result: Any, *, as_json: bool, **shown: Any) -> None:
    """A result as JSON or as its table, with what is `shown` with it."""
    if as_json:
        print_json(summary(result, shown))
        return
    from ..views.registry import view

    view(result, "table", **shown)


def print_written(
    result: Any, word: str, target: Path | None, options: Mapping[str, Any], **shown: Any
) -> None:
    """A result unless --quiet is among the options; beside its table its file, and what is next."""
    as_json, quiet = options["as_json"], options["quiet"]
    if as_json or not quiet:
        print_result(result, as_json=as_json, **shown)
    if target is not None and not (as_json or quiet):
        click.echo(f"{word}: {target}")
        from ..storage.output_file import PICTURES

        if hasattr(result, "SCHEMA") and target.suffix.lower() not in PICTURES:
            from ..views.provenance import print_next

            print_next(result, target)


def check_picture_target(target: Path | None, *, overwrite: bool) -> None:
    """Refuse a picture that cannot be written, before the work whose result it shows."""
    if target is not None:
        from ..views.figure import check_picture

        check_picture(target, overwrite=overwrite)


Next = tuple[tuple[str | Path, ...], str]


def say_next(*words: str | Path, gives: str, further: Sequence[Next] = ()) -> None:
    """The commands that go on from here, and what each gives."""
    from ..spelling import command_text, path_word
    from ..views.provenance import say_next as said
    from ..views.terminal import terminal

    commands = []
    for each, what in ((words, gives), *further):
        typed = [path_word(word) if isinstance(word, Path) else word for word in each]
        commands.append((command_text(["iaside", *typed]), what))
    said(terminal(), commands)


def present(result: Any, target: Path | None, *, overwrite: bool, as_json: bool) -> None:
    """A result as a picture, where one is asked for, and as JSON or a table."""
    if target is not None:
        from ..views.plotting import save

        save([result], target, overwrite=overwrite)
    print_result(result, as_json=as_json)
    if target is not None and not as_json:
        click.echo(f"Picture: {target}")
