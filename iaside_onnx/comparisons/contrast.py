"""Several reports side by side: in a sentence each, how they differ from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import IasideError
from ..results.finding import NO_FINDING
from ..results.report import Report


def contrasts(reports: Sequence[Report], labels: Sequence[str]) -> list[str]:
    """What `compare` says of each report and the first, or why they cannot be compared.

    Parameters
    ----------
    reports : sequence of Report
    labels : sequence of str
        What they are called.

    Returns
    -------
    list of str
        A sentence for every report after the first.
    """
    if len(reports) < 2:
        return []
    from .comparison import compare  # loads scipy, which is slow

    sentences = []
    named = [
        replace(report, model={**report.model, "path": f"{label}.onnx"})
        for report, label in zip(reports, labels, strict=True)
    ]
    for report, label in zip(named[1:], labels[1:], strict=True):
        mute = [
            name
            for one, name in ((named[0], labels[0]), (report, label))
            if not one.precondition.holds
        ]
        if mute:
            sentences.append(
                f"{label} is not compared with {labels[0]}: {NO_FINDING.lower()} of "
                f"{' and '.join(mute)}."
            )
            continue
        try:
            (pair,) = compare(named[0], report).pairs
        except IasideError as error:
            sentences.append(f"{label} cannot be compared with {labels[0]}: {error}.")
        else:
            said = pair.verdict["score"]
            if not said.startswith(label):
                said = f"{label} against {labels[0]}: {said[0].lower()}{said[1:]}"
            sentences.append(said)
    return sentences
