"""Which norm and spacing of bands ranks small networks best, and says most of them.

    python -m tools.studies.spacings run --models models/zoo --images demo/test --out DIR
    python -m tools.studies.spacings table --set zoo=DIR --set cifar=DIR2

``run`` analyses every network under each norm and spacing, and measures its robustness, unless the
folder ``robustness`` of DIR has that already; what is there is kept. ``table`` writes
``spacings.csv`` beside this file. Rank correlations are Spearman's with the signed score over
networks (-1: foretold without fault) in all, and in the two halves of every second network by name;
a set of fewer than 8 has none. Shares are means over networks, of the lowest band and as the number
of equal shares that a distribution is worth.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

import iaside_onnx as ia
from iaside_onnx.images.sample import draw_sample, open_images

from .imagenet.measure import keep_corrupted
from .imagenet.statistics import LEAST_FAMILIES, effective_number
from .markdown import table
from .settings.table import halves, spearman

_FILE = Path(__file__).with_name("spacings.csv")
NORMS = ("linf", "l2", "l1")
SEVERITIES = [1, 3, 5]
_COLUMNS = (
    "set", "networks", "images", "norm", "spacing", "bands", "mPE", "mPE, first half",
    "mPE, second half", "added error", "share of the lowest band", "effective bands",
    "standard error of the score", "spread of the score",
)  # fmt: skip


def readings(side: int) -> dict[str, dict[str, Any]]:
    """Norms and spacings by name; octaves are as many as an image of this side can fill."""
    octaves = int(np.log2(side))
    spacings = {
        "linear": {"bands": 8}, "octave": {"bands": octaves, "spacing": "octave"},
        "equal-energy": {"bands": 8, "spacing": "equal-energy"},
    }  # fmt: skip
    return {
        f"{norm}-{spacing}": {"norm": norm, **options}
        for spacing, options in spacings.items()
        for norm in (NORMS if spacing == "linear" else NORMS[:2])
    }


def run(models: Path, images: Path, out: Path, samples: int, robust: int) -> None:
    """Write what is missing."""
    networks = sorted(models.glob("*.onnx"))
    keep_corrupted()
    for network in networks:
        target = out / "robustness" / f"{network.stem}.h5"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            ia.measure_robustness(
                network, images, target, samples=robust, severity=SEVERITIES, attack="none",
                threads=1,
            )  # fmt: skip
            print(target, flush=True)
    sample = draw_sample(open_images(images), 1, 0)
    for name, options in readings(min(sample.size(0))).items():
        for network in networks:
            target = out / name / f"{network.stem}.h5"
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                ia.analyze(
                    network, images, target, samples=samples, threads=1,
                    estimator="permutation", passes=60, **options,
                )  # fmt: skip
        print(name, flush=True)


def rows(name: str, folder: Path) -> list[list[str]]:
    """A row for each norm and spacing of a set."""
    files = sorted((folder / "robustness").glob("*.h5"))
    measured = [ia.load_robustness(file) for file in files]
    mpe = np.array([each.mean_mpe for each in measured])
    added = np.array([each.mean_error - each.clean_wrong.mean() for each in measured])
    accuracy = np.array([1 - each.clean_wrong.mean() for each in measured])
    many = len(files) >= LEAST_FAMILIES
    every = np.arange(len(files))
    choices = (every, *halves(len(files)))

    def ranks(score: Any) -> list[str]:
        if not many:
            return [""] * 4
        cells = [spearman(score[some], mpe[some]) for some in choices]
        return [f"{cell:+.2f}" for cell in (*cells, spearman(score, added))]

    made = []
    for reading in sorted(
        path.name for path in folder.iterdir() if path.name.split("-")[0] in NORMS
    ):
        reports = [ia.load(folder / reading / file.name) for file in files]
        score = np.array([each.srs_signed for each in reports])
        error = np.array([each.intervals.srs_signed_stderr for each in reports])
        sid = np.array([each.sid for each in reports])
        norm, _, spacing = reading.partition("-")
        numbers = (sid[:, 0].mean(), effective_number(sid).mean(), error.mean(), score.std(ddof=1))
        head = [name, str(len(files)), str(len(reports[0].labels)), norm, spacing]
        made.append(
            [*head, str(sid.shape[1]), *ranks(score), *(f"{number:.3f}" for number in numbers)]
        )
    return [
        *made,
        [name, str(len(files)), "", "clean accuracy", "", "", *ranks(accuracy), *[""] * 4],
    ]


def tables() -> dict[str, str]:
    """What the guide quotes: the zoo's networks."""
    shown = ("mPE", "mPE, first half", "mPE, second half", "share of the lowest band",
             "effective bands")  # fmt: skip
    with _FILE.open(newline="") as file:
        held = [row for row in csv.DictReader(file) if row["set"] == "zoo"]
    return {
        "spacings": table(
            ("norm", "spacing", "bands", *(name.removeprefix("mPE, ") for name in shown)),
            (
                (row["norm"], row["spacing"].replace("-", " "), row["bands"],
                 *(row[name] for name in shown))
                for row in held
            ),
        )
    }  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    work = commands.add_parser("run")
    work.add_argument("--models", type=Path, required=True)
    work.add_argument("--images", type=Path, required=True)
    work.add_argument("--out", type=Path, required=True)
    work.add_argument("--samples", type=int, default=48, help="images of each analysis")
    work.add_argument("--robustness-samples", type=int, default=96)
    tabulate = commands.add_parser("table")
    tabulate.add_argument("--set", action="append", required=True, metavar="NAME=DIR")
    given = parser.parse_args()
    if given.command == "run":
        run(given.models, given.images, given.out, given.samples, given.robustness_samples)
        return
    found = [
        row for each in given.set for row in rows(each.split("=")[0], Path(each.split("=")[1]))
    ]
    with _FILE.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([_COLUMNS, *found])


if __name__ == "__main__":
    main()
