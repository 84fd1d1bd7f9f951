"""What an adversary, or bad luck, may do to the command line; a table of what came of it.

    python tools/adversary                                     every kind at full size, an hour
    python tools/adversary --only kills swaps --seed 3         some kinds, with other cases
    python tools/adversary --only kills --count 50 --first 150 a chunk: cases 150 to 199
    python tools/adversary --small                             less than a minute, as in the tests

A run that is killed must go on with --resume and end in the table of a run that was left alone. One
under which a picture or the model is replaced must be refused in one line, or end in the numbers of
a run that was left alone. Any other case must end with a code that docs/command-line.md allows, at
most one line that starts with "Error:", no traceback, and nothing left beside what was asked for.

"struck" counts kills that ended a process before its end, and replacements while the victim was
still in use. A case is made by the seed, its kind and its number alone, in whatever chunk it runs.
Exit code 1 when a case failed. --verbose prints every case, so that one knows where to go on.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hostile import images, libraries, models, reports
from kills import kills, system_calls
from mischief import all_places, all_streams, options, places, streams
from scene import Case, Scene, Skip
from swaps import swaps


@dataclass(frozen=True)
class Kind:
    """Cases of one kind: how one is tried, how many are a full size, and a small one."""

    work: Callable[[Scene, np.random.Generator, int], Case]
    count: int | Callable[[Scene], int]
    small: int


KINDS = {
    "kills": Kind(kills, 200, 1),
    "system-calls": Kind(system_calls, 250, 1),
    "swaps": Kind(swaps, 192, 3),
    "reports": Kind(reports, 120, 1),
    "models": Kind(models, 70, 1),
    "images": Kind(images, 100, 1),
    "libraries": Kind(libraries, 60, 1),
    "options": Kind(options, 90, 1),
    "streams": Kind(streams, all_streams, 1),
    "places": Kind(places, all_places, 1),
}


def main() -> int:
    """Run what was asked for; 1 when a case failed."""
    parser = argparse.ArgumentParser(prog="adversary", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="KIND", choices=KINDS, help=", ".join(KINDS))
    parser.add_argument("--count", type=int, help="cases of each kind, if not the full size")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few cases of each kind")
    parser.add_argument("--verbose", action="store_true", help="print every case")
    asked = parser.parse_args()
    bad = 0
    print(f"{'kind':13} {'cases':>7} {'struck':>7} {'failed':>7}  seconds  what came of them")
    with tempfile.TemporaryDirectory() as root:
        scene = Scene(Path(root))
        for name in asked.only or KINDS:
            bad += _tried(name, scene, asked)
    return 1 if bad else 0


def _tried(name: str, scene: Scene, asked: argparse.Namespace) -> int:
    """Try the cases of a kind, and print its line of the table; how many failed."""
    kind = KINDS[name]
    full = kind.count if isinstance(kind.count, int) else kind.count(scene)
    count = asked.count or (kind.small if asked.small else full - asked.first)
    cases: list[Case] = []
    began, stopped = time.monotonic(), ""
    number = asked.first
    try:
        for number in range(asked.first, asked.first + count):
            rng = np.random.default_rng([asked.seed, zlib.crc32(name.encode()), number])
            cases.append(kind.work(scene, rng, number))
            if asked.verbose:
                print(f"{time.strftime('%X')} {name} {number}", *cases[-1], flush=True)
    except Skip as reason:
        print(f"{name:13} {'-':>7} {'-':>7} {'-':>7} {'-':>8}  skipped: {reason}", flush=True)
        return 0
    except KeyboardInterrupt:
        stopped = f"; stopped, go on with --first {number}"
    words = collections.Counter(case.word for case in cases)
    failed = [(n, case.problem) for n, case in enumerate(cases, asked.first) if case.problem]
    struck = sum(bool(case.struck) for case in cases)
    known = any(case.struck is not None for case in cases)
    came = ", ".join(f"{word} {many}" for word, many in sorted(words.items())) + stopped
    seconds = time.monotonic() - began
    print(
        f"{name:13}{len(cases):6}{struck if known else '-':>8}{len(failed):8}{seconds:9.0f}  {came}"
    )
    for number, problem in failed:
        print(f"    FAILED {number}: {problem}", flush=True)
    if stopped:
        raise KeyboardInterrupt
    return len(failed)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
