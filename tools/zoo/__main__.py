"""Train small networks of one task that differ in robustness, and write them as ONNX files.

Run from the repository's root with::

    pip install torch==2.13.0 onnx onnxscript onnxruntime pillow numpy
    python -m tools.zoo                                  # all, on the bundled photographs
    python -m tools.zoo --only vit-plain resnet-noise    # some of them
    python -m tools.zoo --images FOLDER --out nets       # one sub-folder per class

Each network is written to `--out` (default `models/zoo/`) with a card as soon as it is trained;
`README.md` there is the table of all. The same seed, number of threads, package versions and
machine give the same files; `--check` trains again and compares with the files that are there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from .crops import FolderError
from .making import ROOT, load_images, make_one
from .members import MEMBERS
from .table import write_table


def main() -> int:
    """Parse the command line, train, export, measure; return the exit status."""
    made = parser()
    args = made.parse_args()
    try:
        load_images(args.images)
    except (FolderError, OSError) as error:
        made.error(str(error))
    names = args.only or list(MEMBERS)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if args.check else args.out
        folder.mkdir(parents=True, exist_ok=True)
        make = partial(make_one, args=args, folder=folder)
        if args.jobs == 1:
            same = [make(name) for name in names]
        else:
            with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
                same = list(pool.map(make, names))
    if not args.check:
        write_table(args.out, MEMBERS)
    return 0 if all(same) else 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tools.zoo", description=__doc__.splitlines()[0])
    add = made.add_argument
    add("--only", nargs="+", choices=MEMBERS, metavar="NAME", help=", ".join(MEMBERS))
    add("--images", type=Path, metavar="FOLDER", help="photographs, one sub-folder per class")
    add("--out", type=Path, default=ROOT / "models" / "zoo", help="output (models/zoo/)")
    add("--steps", type=positive, default=800, help="batches of a run (800)")
    add("--seed", type=int, default=1, help="seed (1)")
    add("--threads", type=positive, default=1, help="PyTorch threads of a run (1)")
    add("--jobs", type=positive, default=1, help="runs at a time (1)")
    add("--check", action="store_true", help="train again and only compare with --out")
    return made


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
