"""What was studied: each question with its page of the guide, its tables and its commands.

    python -m tools.studies
    python -m tools.studies settings cifar
    python -m tools.studies tables

The first lists all questions, the second those that are named. ``tables`` makes everything again
that follows from stored measurements: CSV files, and the tables of the guide that are made from
CSV files; it says which files it changed. It runs no network and takes about a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from .faults import in_one_line
from .pages import filled
from .questions import QUESTIONS, ROOT, Question


def told(name: str, question: Question) -> str:
    """A question as it is listed."""
    lines = [f"{name}: {question.asked}", f"  answered in docs/{question.page}"]
    lines += [f"  table {table}" for table in question.tables]
    lines += [f"  $ {command}" for command in question.commands]
    return "\n".join(lines)


def pages(questions: Iterable[Question]) -> dict[Path, str]:
    """The pages of these questions with the tables that their CSV files make."""
    made: dict[Path, str] = {}
    for question in questions:
        page = made.get(question.path) or question.path.read_text(encoding="utf-8")
        try:
            made[question.path] = filled(page, question.quoted().values())
        except ValueError as error:
            raise SystemExit(f"Error: {question.path}: {error}") from None
    return made


def update(texts: dict[Path, str]) -> None:
    """Write what has changed."""
    for path, text in texts.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="")
            print(path.relative_to(ROOT))


@in_one_line()
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*QUESTIONS, "tables"]
    parser.add_argument("name", nargs="*", metavar="QUESTION", help=", ".join(names))
    given = parser.parse_args().name
    for name in given:
        if name not in names:
            parser.error(f"{name}: is none of {', '.join(names)}")
    if given == ["tables"]:
        for question in QUESTIONS.values():
            update(question.following())
        update(pages(QUESTIONS.values()))
    elif "tables" in given:
        parser.error("tables: makes the tables of all questions, so name none beside it")
    else:
        print("\n\n".join(told(name, QUESTIONS[name]) for name in given or QUESTIONS))


if __name__ == "__main__":
    main()
