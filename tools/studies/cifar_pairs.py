"""Four depths of one CIFAR-10 network, pair by pair: score, mPE and clean accuracy.

    python -m tools.studies.cifar_pairs FOLDER --out cifar-reports

FOLDER holds ``resnet20.onnx`` to ``resnet56.onnx`` and ``test-1000.npz`` with arrays ``images`` and
``labels``. One recipe trained all four, so they are one family and no correlation is claimed of
them. Writes ``cifar-pairs.csv`` beside this file.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

import iaside_onnx as ia
from tools.studies.counter_examples import Seen, paired
from tools.studies.markdown import interval, table
from tools.studies.zoo_reports import CORRUPTED, TABLES, read, write

NAME = "cifar-pairs.csv"
DEPTHS = (20, 32, 44, 56)
SAMPLES = 60


def seen(model: Path, images: Path, out: Path) -> tuple[Seen, ia.RobustnessReport]:
    """A network's reports, which are made where they are missing."""
    out.mkdir(parents=True, exist_ok=True)
    analysis, robustness = out / f"{model.stem}.h5", out / f"{model.stem}-robustness.h5"
    if not analysis.exists():
        ia.analyze(model, images, analysis, samples=SAMPLES, norm="l2", preprocess="unit")
    if not robustness.exists():
        ia.measure_robustness(
            model, images, robustness, samples=SAMPLES, preprocess="unit", **CORRUPTED
        )
    report, measured = ia.load(analysis), ia.load_robustness(robustness)
    change = measured.change.mean(axis=2, dtype=np.float64)
    return Seen(model.stem, report.shapley_per_image, report.srs_signed, change), measured


def tables() -> dict[str, str]:
    """What the guide quotes."""
    return {
        "cifar": table(
            ("first", "second", "score, second less first", "mPE, second less first", "clean"),
            (
                (
                    row["first"],
                    row["second"],
                    *(
                        interval(*(row[f"{what}{end}"] for end in ("", "_low", "_high")))
                        for what in ("score", "mpe")
                    ),
                    f"{float(row['first_accuracy']):.2f}, {float(row['second_accuracy']):.2f}",
                )
                for row in read(NAME)
            ),
        )
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    images = given.folder / "test-1000.npz"
    every = [seen(given.folder / f"resnet{d}.onnx", images, given.out) for d in DEPTHS]
    rows = []
    for (first, measured), (second, other) in combinations(every, 2):
        names = measured.perturbations
        found = paired(first, second, [measured.settings["kinds"][n] for n in names], names)
        numbers = {
            f"{what}{end}": value
            for what in ("score", "mpe")
            for end, value in zip(("", "_low", "_high"), getattr(found, what), strict=True)
        }
        numbers |= {
            "first_accuracy": 1 - measured.clean_error,
            "second_accuracy": 1 - other.clean_error,
        }
        rows.append(
            {"first": first.name, "second": second.name, "images": SAMPLES}
            | {name: f"{float(value):.4f}" for name, value in numbers.items()}
        )
    write(rows, TABLES / NAME)


if __name__ == "__main__":
    main()
