"""Reports of the zoo's networks that several studies read, and the tables of what they say.

    python -m tools.studies.zoo_reports make --out zoo-reports
    python -m tools.studies.zoo_reports table zoo-reports

The pictures of `demo/test` are parted by a draw that knows nothing of any network: the 96 that
``iaside robustness --samples 96`` takes (8 a class) go to ``OUT/images/choose``, the other 144 to
``OUT/images/report``. What is looked for is looked for in the first part and reported of the
second. ``make`` writes the robustness reports and analyses of all networks on the first part; those
that are there are kept. The figures and the counter-examples need ``--reading l2`` alone.
``table`` writes ``zoo-scores.csv`` and ``zoo-measured.csv`` beside this file.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import iaside_onnx as ia
from iaside_onnx.comparisons.baseline import relative
from tools.studies.csv_files import HERE, write

ROOT = Path(__file__).resolve().parents[2]
ZOO, IMAGES = ROOT / "models" / "zoo", ROOT / "demo" / "test"
HALVES = ("choose", "report")
BASELINE = "resnet-plain"
# Pictures that are taken of each part.
SAMPLES = 96
VALUES = ("log-prob", "prob")
# Readings that the tables of the guide need.
NEEDED = ("l2", "linf")
CORRUPTED: dict[str, Any] = {"severity": [1, 3, 5], "attack": "none"}
# By name in folders and tables.
READINGS: dict[str, dict[str, str]] = {
    "l2": {"norm": "l2"},
    "linf": {"norm": "linf"},
    "l1": {"norm": "l1"},
    "l2-replace": {"norm": "l2", "absence": "replace"},
    "l2-mean": {"norm": "l2", "absence": "mean"},
    "l2-zero": {"norm": "l2", "absence": "zero"},
    "l2-magnitude": {"norm": "l2", "absence": "replace", "output_map": "magnitude"},
}


def networks(folder: Path = ZOO) -> list[Path]:
    """The networks of a folder by name."""
    return sorted(folder.glob("*.onnx"))


def part(drawn: Collection[str], images: Path, out: Path) -> None:
    """Copy the pictures that were drawn into one folder, and all others into another."""
    for picture in sorted(images.glob("*/*.png")):
        name = picture.relative_to(images)
        target = out / HALVES[name.as_posix() not in drawn] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, target)


@dataclass(frozen=True)
class Shelf:
    """A folder of reports of one part, which are made when they are first asked for."""

    out: Path
    half: str = HALVES[0]
    samples: int = SAMPLES

    @property
    def images(self) -> Path:
        """The pictures of this part."""
        folder = self.out / "images"
        if not (folder / self.half).is_dir():
            first = replace(self, half=HALVES[0]).robustness(ZOO / f"{BASELINE}.onnx")
            part(first.image_ids, IMAGES, folder)
        return folder / self.half

    def analysis(self, network: Path, reading: str = "l2") -> ia.Report:
        """The analysis of a network under one of `READINGS`."""
        target = self._place(reading, network)
        if not target.exists():
            options = {"absence": "gaussian", **READINGS[reading]}
            ia.analyze(
                network, self.images, target, samples=self.samples, estimator="exact", **options
            )
        return ia.load(target)

    def robustness(self, network: Path) -> ia.RobustnessReport:
        """What corruptions cost a network on pictures of this part."""
        target = self._place("robustness", network)
        if not target.exists():
            images = IMAGES if self.half == HALVES[0] else self.images
            ia.measure_robustness(network, images, target, samples=self.samples, **CORRUPTED)
        return ia.load_robustness(target)

    def has(self, reading: str) -> bool:
        """Whether the analyses of all networks are there."""
        folder = self.out / self.half / reading
        return all((folder / f"{network.stem}.h5").exists() for network in networks())

    def check(self, parser: argparse.ArgumentParser) -> None:
        """End the command where reports are lacking that it only reads."""
        for reading in (*NEEDED, "robustness"):
            if not self.has(reading):
                parser.error(
                    f"{self.out}: lacks reports; make them first: python -m "
                    f"tools.studies.zoo_reports make --out {self.out}"
                )

    def _place(self, kind: str, network: Path) -> Path:
        target = self.out / self.half / kind / f"{network.stem}.h5"
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def scores(shelf: Shelf) -> Iterator[dict[str, Any]]:
    """What the analyses of all networks say, a row a network, reading and value of the game."""
    for reading in READINGS:
        if not shelf.has(reading):
            continue
        for network in networks():
            report = shelf.analysis(network, reading)
            for value in VALUES:
                seen = report.view(value=value)
                low, high = seen.intervals.srs_signed
                yield {
                    "network": network.stem,
                    "reading": reading,
                    "value": value,
                    "images": len(seen.image_ids),
                    **_rounded(signed=seen.srs_signed, low=low, high=high, published=seen.srs),
                    **_rounded(**{f"sid{band}": share for band, share in enumerate(seen.sid)}),
                }


def measured(shelf: Shelf) -> Iterator[dict[str, Any]]:
    """What was measured of all networks, a row each."""
    base = shelf.robustness(ZOO / f"{BASELINE}.onnx")
    for network in networks():
        report = shelf.robustness(network)
        damage, ratio = report.damage, relative(report, base)
        kinds = np.array([report.settings["kinds"][name] for name in report.perturbations])
        mpe = damage.corruption_mpe.value
        yield {
            "network": network.stem,
            "images": len(report.image_ids),
            **_rounded(
                accuracy=1 - report.clean_error,
                mpe=damage.mean_mpe.value,
                mpe_low=damage.mean_mpe.low,
                mpe_high=damage.mean_mpe.high,
                mean_error=damage.mean_error.value,
                added_error=damage.mean_error.value - report.clean_error,
                mce=ratio.mce.value,
                relative_mce=ratio.relative_mce.value,
                **{f"mpe_{kind}": mpe[kinds == kind].mean() for kind in dict.fromkeys(kinds)},
            ),
            **_rounded(**{f"mpe:{n}": v for n, v in zip(report.perturbations, mpe, strict=True)}),
            **_rounded(
                **{
                    f"error:{name}": value
                    for name, value in zip(
                        report.perturbations, damage.corruption_errors.value, strict=True
                    )
                }
            ),
        }


def _rounded(**values: Any) -> dict[str, str]:
    return {name: f"{float(value):.6f}" for name, value in values.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="make the reports that are missing")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--reading", action="append", choices=READINGS, help="default: l2 and linf")
    table = commands.add_parser("table", help="write the tables")
    table.add_argument("out", type=Path)
    given = parser.parse_args()
    shelf = Shelf(given.out)
    if given.command == "table":
        shelf.check(parser)
        write(list(scores(shelf)), HERE / "zoo-scores.csv")
        write(list(measured(shelf)), HERE / "zoo-measured.csv")
        return
    for reading in ["robustness", *(given.reading or NEEDED)]:
        for network in networks():
            if reading == "robustness":
                shelf.robustness(network)
            else:
                shelf.analysis(network, reading)
            print(reading, network.stem, flush=True)


if __name__ == "__main__":
    main()
