"""Several reports side by side: in a sentence each, how they differ from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import IasideError
from ..results.finding import NO_FINDING
from ..results.report import Report


def contrasts(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What `compare` says of each report after the first, or why it cannot be compared with it."""
    if len(reports) < 2:
        return []
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
