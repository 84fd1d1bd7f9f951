"""What an adversary, or bad luck, may do to the command line; a table of what came of it.

    python tools/adversary                     minutes
    python tools/adversary --scale 5 --seed 3  longer, with other cases
    python tools/adversary --only kills options
    python tools/adversary --small             seconds, as the tests run it

A run that is killed must go on with --resume and end in the table of a run that was left alone. Any
other case must end with a code that docs/command-line.md allows, at most one line that starts with
"Error:", no traceback, and nothing left beside what was asked for. The same seed makes the same
cases; when a kill strikes also depends on the machine. Exit code 1 when a case failed.
"""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from kills import kills, swaps, system_calls
from mischief import fuzzed, options, places, streams
from scene import Scene, Skip

KINDS = {
    "kills": (kills, 40),
    "system calls": (system_calls, 50),
    "swaps": (swaps, 12),
    "options": (options, 45),
    "streams": (streams, 84),
    "places": (places, 60),
    "files": (fuzzed, 400),
}


def main() -> int:
    """Run what was asked for; 1 when a case failed."""
    parser = argparse.ArgumentParser(prog="adversary", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="how many cases of each kind")
    parser.add_argument("--only", nargs="+", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--small", action="store_true", help="a few cases of each kind")
    asked = parser.parse_args()
    chosen = asked.only or [name for name in KINDS if not asked.small or name != "files"]
    if unknown := set(chosen) - KINDS.keys():
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    bad = 0
    print(f"{'kind':14}{'cases':>6}{'failed':>8}{'seconds':>9}  what came of them")
    with tempfile.TemporaryDirectory() as root:
        scene = Scene(Path(root))
        for number, name in enumerate(chosen):
            work, usual = KINDS[name]
            count = max(1, round(usual * (0.02 if asked.small else asked.scale)))
            rng = np.random.default_rng([asked.seed, number])
            began, words, failed = time.monotonic(), collections.Counter(), []
            try:
                for word, problem in work(scene, rng, count):
                    words[word] += 1
                    failed += [problem] if problem else []
            except Skip as reason:
                print(f"{name:14}{'-':>6}{'-':>8}{'-':>9}  skipped: {reason}", flush=True)
                continue
            seconds = time.monotonic() - began
            told = ", ".join(f"{word} {many}" for word, many in sorted(words.items()))
            cases = sum(words.values())
            print(f"{name:14}{cases:6}{len(failed):8}{seconds:9.0f}  {told}", flush=True)
            for problem in failed:
                print(f"    FAILED {problem}", flush=True)
            bad += len(failed)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
