"""Several reports side by side: in sentences, how they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import IasideError
from ..results.finding import NO_FINDING
from ..results.report import Report

# From so many models on, which of them is compared with which is itself a choice.
RANKED = 3


def contrasts(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What `compare` says of two reports, or why they cannot be compared; of more what `rank` says.

    Of three or more none is the one to compare the others with, and all their pairs count.
    """
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
