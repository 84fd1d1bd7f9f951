"""Mutated reports, measurements, models, images and files beside them, thrown at the readers.

    python tools/fuzz --reports 10000 --measurements 10000 --onnx 10000
    python tools/fuzz --replay fuzz-failures/report_files-0-17.h5

Each case runs in a process with bounds of 1 GB of memory and 10 s; a crash, a hang, too much memory
or anything but a result or one clear line is a failure, kept with what was done to the file. The
same seed and number always make the same file. Exit code 1 when a case failed.
"""

from __future__ import annotations

import argparse
import collections
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from worker import FINE, Outcome, Worker, judge, limits

KINDS = {
    "reports": "report_files",
    "measurements": "measurement_files",
    "onnx": "onnx_files",
    "arrays": "array_files",
    "sets": "set_files",
    "libraries": "library_files",
    "sides": "side_files",
}
_WORDS = (*FINE, "unclear message", "traceback", "memory", "hang", "crash")


def main() -> int:
    """Run what was asked for; 1 when a case failed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__.partition("\n")[0])
    for name in KINDS:
        parser.add_argument(f"--{name}", type=int, default=0, metavar="N", help="number of cases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--replay", type=Path, help="one file, with the traceback")
    parser.add_argument("--verbose", action="store_true", help="print every case")
    options = parser.parse_args()
    if options.replay is not None:
        return _replay(options.replay)
    multiprocessing.set_forkserver_preload(["worker", *KINDS.values()])
    bad = 0
    for name, module in KINDS.items():
        count = getattr(options, name)
        if count:
            began = time.monotonic()
            found = _run(module, count, options)
            bad += sum(outcome.word not in FINE for outcome in found)
            _print(name, found, time.monotonic() - began, verbose=options.verbose)
    return 1 if bad else 0


def _run(module: str, count: int, options: argparse.Namespace) -> list[Outcome]:
    numbers = iter(range(count))
    with tempfile.TemporaryDirectory() as root:

        def work(job: int) -> list[Outcome]:
            folder = Path(root) / str(job)
            folder.mkdir()
            # Iterators of integers may be shared by threads.
            return list(Worker(module, options.seed, folder, options.failures).outcomes(numbers))

        with ThreadPoolExecutor(options.jobs) as pool:
            parts = list(pool.map(work, range(options.jobs)))
    return sorted((outcome for part in parts for outcome in part), key=lambda found: found.number)


def _print(name: str, found: list[Outcome], seconds: float, *, verbose: bool) -> None:
    words = collections.Counter(outcome.word for outcome in found)
    print(f"{name}: {len(found)} cases in {seconds:.0f} s")
    for word in _WORDS:
        print(f"  {word:16} {words[word]:7}")
        if word == "read":
            read = collections.Counter(one.detail for one in found if one.word == word)
            for what in sorted(read):
                print(f"    {what:28} {read[what]:7}")
    for outcome in found:
        if verbose or outcome.word not in ("read", "refused"):
            last = (outcome.detail.strip().splitlines() or [""])[-1]
            print(f"  {outcome.number}: {outcome.word}: {last[:300]}  [{outcome.recipe}]")


def _replay(file: Path) -> int:
    from importlib import import_module

    module = import_module(file.stem.partition("-")[0])
    limits()
    word, detail = judge(module.run, file, None)
    print(f"{word}\n{detail}")
    return 0 if word in FINE else 1


if __name__ == "__main__":
    sys.exit(main())
