"""Several reports side by side: in sentences, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import IasideError
from ..plurals import listed
from ..results.fed import by_file, by_subject, file_of, said_of_files
from ..results.finding import NO_FINDING
from ..results.report import Report

# From so many models on, which of them is compared with which is itself a choice.
RANKED = 3


def of_one_model(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """That reports are of one model, or of one file that is fed otherwise, for each of these."""
    subjects, files = by_subject(reports), by_file(reports)
    said = []
    for numbers in subjects:
        if len(numbers) == 1:
            continue
        of = [labels[number] for number in numbers]
        file = file_of(reports[numbers[0]])
        said.append(
            f"{listed(of)} are {len(of)} reports of one model"
            f"{'' if numbers in files else ', fed in one way'}, {file}"
            f"{f'; {of[0]} is compared' if len(subjects) > 1 else ''}."
        )
    return said + [f"{each}." for each in said_of_files(reports, labels)]


def contrasts(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What `compare` says of two models, or why they cannot be compared; of more what `rank` says.

    Of three or more none is the one to compare the others with, and all their pairs count. A file
    that is fed in two ways counts as two models; of several reports of one, which is said, the
    first is taken.
    """
    firsts = [numbers[0] for numbers in by_subject(reports)]
    found = _contrasts([reports[at] for at in firsts], [labels[at] for at in firsts])
    return [*of_one_model(reports, labels), *found]


def _contrasts(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    if len(reports) < 2:
        return []
    if len(reports) >= RANKED:
        from .ranking_words import order_words, ranked_together

        ranking = ranked_together(reports, labels, "score")
        return [ranking] if isinstance(ranking, str) else order_words(ranking)
    from .comparison import compare  # loads scipy, which is slow

    sentences = []
    named = [
        replace(report, model={**report.model, "path": f"{label}.onnx"})
        for report, label in zip(reports, labels, strict=True)
    ]
    for report, label in zip(named[1:], labels[1:], strict=True):
        sides = {labels[0]: named[0], label: report}
        silent = [name for name, side in sides.items() if not side.precondition.holds]
        if silent:
            sentences.append(
                f"{label} is not compared with {labels[0]}: {NO_FINDING.lower()} of "
                f"{' and '.join(silent)}."
            )
            continue
        try:
            (pair,) = compare(named[0], report).pairs
        except IasideError as error:
            sentences.append(f"{label} cannot be compared with {labels[0]}: {error}.")
        else:
            sentence = pair.verdict["score"]
            if not sentence.startswith(label):
                sentence = f"{label} against {labels[0]}: {sentence[0].lower()}{sentence[1:]}"
            sentences.append(sentence)
    return sentences
