"""How near labels from the model come to true labels: scores, ranking, flips and errors.

    python tools/studies/own_answers.py MODEL IMAGES [MODEL IMAGES ...] [--labels FILE] > table.csv

Each network is measured twice on the images of its set: with their true labels, and with its own
answers in their place. Draws by class and draws without classes differ, so give as many samples as
there are images.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import iaside_onnx as ia

CORRUPTIONS = ["gaussian_noise", "defocus_blur", "fog", "contrast"]
COLUMNS = (
    "network", "images", "accuracy", "score", "score_low", "score_high", "own_score", "own_low",
    "own_high", "error", "added_error", "flip_rate", "mpe", "own_mpe",
)  # fmt: skip


def row_of(model: Path, images: Path, asked: argparse.Namespace) -> dict[str, object]:
    """What both ways give for one network."""
    scores, damages = [], []
    for given in (asked.labels, "model"):
        options = {
            "labels": given, "samples": asked.samples, "preprocess": asked.preprocess,
        }  # fmt: skip
        report = ia.analyze(model, images, bands=asked.bands, norm="linf", **options)
        scores.append((report.srs_signed, *report.intervals.srs_signed))
        damages.append(
            ia.measure_robustness(
                model, images, corruption=CORRUPTIONS, severity=3, attack="none", **options
            )
        )
    true, own = damages
    assert sorted(true.image_ids) == sorted(own.image_ids)
    values = (
        model.stem, len(true.image_ids), true.accuracy, *scores[0], *scores[1], true.mean_error,
        true.mean_error - float(true.clean_wrong.mean()), own.mean_error, true.mean_mpe,
        own.mean_mpe,
    )  # fmt: skip
    return {
        name: value if isinstance(value, str | int) else f"{np.round(value, 4):.4f}"
        for name, value in zip(COLUMNS, values, strict=True)
    }


def main() -> None:
    """Write the table to standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pairs", nargs="+", type=Path, metavar="MODEL IMAGES")
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--preprocess")
    parser.add_argument("--bands", type=int, default=8)
    parser.add_argument("--samples", type=int, default=60)
    asked = parser.parse_args()
    table = csv.DictWriter(sys.stdout, COLUMNS)
    table.writeheader()
    for model, images in zip(asked.pairs[::2], asked.pairs[1::2], strict=True):
        table.writerow(row_of(model, images, asked))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
