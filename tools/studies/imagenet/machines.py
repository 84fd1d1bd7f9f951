"""How far results of two machines agree: those of the same networks in two folders of a study.

Run as ``python -m tools.studies.imagenet.machines STUDY OTHER``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import iaside_onnx as ia

from .jobs import RIVAL, SEVERITIES, STAND_INS, networks

ANSWERS = (*SEVERITIES, RIVAL, STAND_INS)


def agreement(one: Path, two: Path) -> list[str]:
    """A line a kind of result: networks, clean answers alike, perturbed answers alike, change."""
    lines = []
    for folder in ANSWERS:
        load = ia.load if folder == STAND_INS else ia.load_robustness
        files = [one / folder / f"{each.name}.h5" for each in networks(one)]
        both: list[tuple[Any, Any]] = [
            (load(file), load(two / folder / file.name))
            for file in files
            if file.exists() and (two / folder / file.name).exists()
        ]
        if not both:
            continue
        assert all(a.model["sha256"] == b.model["sha256"] for a, b in both)
        counts = []
        for field in ("clean_wrong", "wrong"):
            same = [np.asarray(getattr(a, field) == getattr(b, field)) for a, b in both]
            counts.append(f"{sum(map(np.sum, same))} of {sum(each.size for each in same)}")
        apart = max(float(np.abs(a.change - b.change).max()) for a, b in both)
        mean = max(abs(float(a.change.mean() - b.change.mean())) for a, b in both)
        lines.append(
            f"{folder}: {len(both)} networks, clean answers alike {counts[0]}, perturbed ones "
            f"{counts[1]}; change differs by {apart:.4f} at most, its mean by {mean:.5f}"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(agreement(*map(Path, sys.argv[1:3]))))
