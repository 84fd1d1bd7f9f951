"""Draw a figure of the I-ASIDE paper again.

    python -m tools.studies.figures all -o figures --shelf zoo-reports
    python -m tools.studies.figures snr -o figures --images photos/ --size 224
    python -m tools.studies.figures architectures -o figures --report a.h5 --report b.h5

Writes FOLDER/NAME.png and FOLDER/NAME.csv. Reports of the zoo's networks are taken from the shelf
(see `tools.studies.zoo_reports`) and made there where they are missing. With ``--report`` a picture
of spectral importance shows these files, such as those of pretrained networks, in place of the
zoo's; with ``--images`` the signal-to-noise ratios are those of these pictures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.studies.zoo_reports import Shelf

from . import architectures, labels, score, snr, trainings
from .common import Asked, Draw

FIGURES: dict[str, Draw] = {
    "snr": snr.draw,
    "architectures": architectures.draw,
    "trainings": trainings.draw,
    "labels": labels.draw,
    "score": score.draw,
}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("name", choices=[*FIGURES, "all"])
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--shelf", type=Path, default=Path("zoo-reports"))
    parser.add_argument("--report", type=Path, action="append", default=[])
    parser.add_argument("--images", type=Path)
    parser.add_argument("--size", type=int, help="pixels of a side of --images")
    given = parser.parse_args()
    asked = Asked(given.out, Shelf(given.shelf), given.report, given.images, given.size)
    for name in FIGURES if given.name == "all" else [given.name]:
        FIGURES[name](asked)


if __name__ == "__main__":
    main()
