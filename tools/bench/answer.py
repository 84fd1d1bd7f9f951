"""Seconds until the score is there, from a cold start, where its error bar is equally wide.

What a user waits for: a command in a process of its own, from its start to its end. Fewer passes an
image leave more doubt about each, so the ways are compared at equal standard errors of the signed
score, which each reaches with images of its own number, the first ones of the same order.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plain_loop import PUBLISHED_BATCH, PlainLoop
from processes import ROOT
from published import played
from speed import Case, opened, rate

from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.measure.labelling import class_targets

# Standard errors that count as equal.
_EQUAL = 0.1
# Of the images that permutation gets, what exact gets at first, and where nothing can be equal.
_FIRST_SHARE = 0.6
_TRIES = 3
_LOOP_SECONDS = 5.0
_LOOP_BANDS = 5  # what the script runs with, for its seconds a pass


@dataclass
class Way:
    """One way to the score: a number for each run.

    `extrapolated`: the seconds are passes times measured seconds a pass, not those of whole runs.
    """

    name: str
    images: int
    passes: int
    stderr: float | None = None
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    extrapolated: bool = False


def answered(
    case: Case, estimator: str, images: int, target: float | None = None
) -> tuple[dict[str, Any], float, float]:
    """What ``iaside analyze --json`` prints, its seconds, and those of the processor."""
    given = {
        **case.settings, "samples": images, "sampling": "nested", "estimator": estimator,
        "labels": case.labels, "provider": "cpu", "target_stderr": target,
    }  # fmt: skip
    words = [str(case.model.resolve()), str(case.images.resolve())]
    for name, value in given.items():
        if value is not None:
            shown = value.resolve() if isinstance(value, Path) else value
            words += ["--" + name.replace("_", "-"), str(shown)]
    places = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        words += ["-o", str(Path(folder) / "report.h5"), "--json", "--quiet"]
        command = [sys.executable, "-m", "iaside_onnx", "analyze", *words]
        before, began = os.times(), time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": places},
            stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        seconds, after = time.perf_counter() - began, os.times()
    spent = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return json.loads(done.stdout), seconds, spent


def _run(case: Case, way: Way, target: float | None = None) -> float:
    """One run, added to those of a way; the standard error that it came to."""
    report, seconds, spent = answered(case, way.name, way.images, target)
    way.seconds.append(seconds)
    way.processor_seconds.append(spent)
    way.passes, way.stderr = report["forward_passes"], float(report["srs_signed_stderr"])
    return way.stderr


def equal_exact(case: Case, wanted: float, most: int) -> Way:
    """One run of exact with as many images as bring its error within a tenth of `wanted`.

    Raises
    ------
    SystemExit
        Not found in a few tries, or more images than there are.
    """
    images = max(2, round(_FIRST_SHARE * most))
    for _ in range(_TRIES):
        way = Way("exact", images, 0)
        found = _run(case, way)
        if abs(found / wanted - 1) <= _EQUAL:
            return way
        images = max(2, round(images * (found / wanted) ** 2))
        if images > most:
            break
    sys.exit(f"{case.name}: exact does not come to a standard error of {wanted:.4f}")


def measure_answers(
    case: Case, images: int, repeats: int, script: Path | None, *, told: bool = True
) -> list[Way]:
    """Today's way, permutation and a loop, in turns.

    The first run of each settles the target of the others.

    Parameters
    ----------
    case : Case
        Its settings name the bands.
    images : int
        That permutation gets.
    script : Path or None
        The authors' iaside.py; None takes the plain loop of this folder in its place.
    told : bool
        The score means something; else the numbers of images are what they usually come to.
    """
    drawn = Way("permutation", images, 0)
    wanted = _run(case, drawn)
    if told:
        exact, target = equal_exact(case, wanted, images), wanted * (1 + _EQUAL)
    else:
        exact, target = Way("exact", max(1, round(_FIRST_SHARE * images)), 0), None
        _run(case, exact)
    for _ in range(repeats - 1):
        for way in (exact, drawn):
            _run(case, way, target)
    if not told:
        exact.stderr = drawn.stderr = None
    passes = exact.images << case.settings["bands"]
    name = "plain loop" if script is None else "authors' script"
    loop = Way(name, exact.images, passes, exact.stderr, extrapolated=True)
    for _ in range(repeats):
        loop.seconds.append(passes / _loop_rate(case, script))
    return [exact, drawn, loop]


def _loop_rate(case: Case, script: Path | None) -> float:
    """Forward passes a second of the authors' script, or of the plain loop."""
    batch = {**case.settings, "samples": PUBLISHED_BATCH}
    if script is not None:
        few = replace(case, settings={**batch, "bands": _LOOP_BANDS})
        return float(played(few, script, PUBLISHED_BATCH, "random")["passes_per_second"])
    classifier, sample, tell = opened(replace(case, settings=batch), choose_runtime("cpu"))
    loop = PlainLoop(
        classifier,
        lambda position: classifier.pixels(sample.picture(position)),
        class_targets(sample, classifier, tell),
        case.settings["bands"],
    )
    return rate(loop.step, _LOOP_SECONDS)


def answer_table(name: str, ways: Sequence[Way]) -> list[str]:
    """Lines of a Markdown table: the ways on one network, and how much sooner permutation is."""
    lines = [
        "| network | way | images | passes | standard error | seconds (least to most) | of the "
        "processor | permutation is sooner by |",
        "| --- " * 8 + "|",
    ]
    quick = next(way for way in ways if way.name == "permutation")
    for way in ways:
        middle = statistics.median(way.seconds)
        least, most = min(way.seconds), max(way.seconds)
        spent = statistics.median(way.processor_seconds) if way.processor_seconds else None
        cells = [
            name,
            way.name + (", from seconds a pass" if way.extrapolated else ""),
            str(way.images),
            f"{way.passes:,}",
            "-" if way.stderr is None else f"{way.stderr:.4f}",
            f"{middle:.1f} ({least:.1f} to {most:.1f})",
            "-" if spent is None else f"{spent:.1f}",
            "" if way is quick else f"{middle / statistics.median(quick.seconds):.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines
