"""Which norm and spacing of bands ranks small networks best, and says most of them.

    python -m tools.studies.spacings run --models models/zoo --images demo/test --out DIR
    python -m tools.studies.spacings table --set zoo=DIR --set cifar10=DIR2

``run`` analyses every network under each norm and spacing, and measures its robustness, unless the
folder ``robustness`` of DIR has that already; what is there is kept. ``table`` writes
``spacings-networks.csv`` beside this file, what was measured of each network, and ``spacings.csv``,
which follows from it. Rank correlations are Spearman's with the signed score over networks (-1:
predicted without fault) in all, and in the two halves of every second network by file name;
intervals resample the networks, in differences the same ones for both; a set of fewer than 8 has
neither.
Shares are means over networks, of the lowest band and as the number of equal shares that a
distribution is worth.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.images.sample import draw_sample, open_images

from .csv_files import HERE, read, text_of, write
from .imagenet.measure import keep_corrupted
from .imagenet.statistics import LEAST_FAMILIES, effective_number
from .markdown import interval, signed, table
from .rank_intervals import Interval, correlation, difference
from .settings.study import halves, spearman

NETWORKS, NAME = "spacings-networks.csv", "spacings.csv"
NORMS = ("linf", "l2", "l1")
SEVERITIES = [1, 3, 5]
# The row that the others are compared with.
_PUBLISHED = ("linf", "linear")


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


def measured(name: str, folder: Path) -> list[dict[str, Any]]:
    """What was measured of the networks of a set: a row each for every norm and spacing."""
    made = []
    files = sorted((folder / "robustness").glob("*.h5"))
    for reading in sorted(p.name for p in folder.iterdir() if p.name.split("-")[0] in NORMS):
        norm, _, spacing = reading.partition("-")
        for file in files:
            report, found = ia.load(folder / reading / file.name), ia.load_robustness(file)
            head = {
                "set": name, "network": file.stem, "images": len(report.labels), "norm": norm,
                "spacing": spacing, "bands": len(report.sid),
            }  # fmt: skip
            numbers = {
                "score": report.srs_signed,
                "standard error": report.intervals.srs_signed_stderr,
                "lowest band": report.sid[0],
                "effective bands": effective_number(report.sid),
                "mPE": found.mean_mpe,
                "added error": found.mean_error - found.clean_wrong.mean(),
                "accuracy": 1 - found.clean_wrong.mean(),
            }
            made.append(head | {key: f"{float(value):.6f}" for key, value in numbers.items()})
    return made


def following() -> dict[Path, str]:
    """The table beside this file that follows from what was measured, by file."""
    rows = read(NETWORKS)
    made = [row for _, part in groupby(rows, lambda row: row["set"]) for row in _of_set([*part])]
    return {HERE / NAME: text_of([list(made[0]), *(list(row.values()) for row in made)])}


def _of_set(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """A row for each norm and spacing of a set, and one for clean accuracy."""
    by_reading = {
        key: [*part] for key, part in groupby(rows, lambda row: (row["norm"], row["spacing"]))
    }
    base = by_reading[_PUBLISHED]
    made = [
        _row(key, part, _numbers(part, "score"), None if key == _PUBLISHED else base)
        for key, part in by_reading.items()
    ]
    clean = _row(("clean accuracy", ""), base, _numbers(base, "accuracy"), None)
    return [*made, clean | dict.fromkeys(("images", "bands", *_OF_SCORES), "")]


_OF_SCORES = (
    "share of the lowest band", "effective bands", "standard error of the score",
    "spread of the score",
)  # fmt: skip


def _row(
    key: tuple[str, str],
    part: list[dict[str, str]],
    predictor: NDArray[np.float64],
    base: list[dict[str, str]] | None,
) -> dict[str, str]:
    count = len(part)
    every, first, second = np.arange(count), *halves(count)
    mpe, added = _numbers(part, "mPE"), _numbers(part, "added error")
    many = count >= LEAST_FAMILIES
    apart = difference(predictor, _numbers(base, "score"), mpe) if many and base else None
    return {
        "set": part[0]["set"], "networks": str(count), "images": part[0]["images"],
        "norm": key[0], "spacing": key[1], "bands": part[0]["bands"],
        **_ends("mPE", correlation(predictor, mpe) if many else None),
        **{
            name: signed(spearman(predictor[some], of[some])) if many else ""
            for name, some, of in (
                ("mPE, first half", first, mpe), ("mPE, second half", second, mpe),
                ("added error", every, added),
            )
        },
        **_ends("mPE, less linf linear", apart),
        **{
            name: f"{value:.3f}"
            for name, value in zip(
                _OF_SCORES,
                (
                    _numbers(part, "lowest band").mean(), _numbers(part, "effective bands").mean(),
                    _numbers(part, "standard error").mean(), predictor.std(ddof=1),
                ),
                strict=True,
            )
        },
    }  # fmt: skip


def _numbers(rows: list[dict[str, str]], column: str) -> NDArray[np.float64]:
    return np.array([float(row[column]) for row in rows])


def _ends(name: str, found: Interval | None) -> dict[str, str]:
    columns = (name, f"{name}, low", f"{name}, high")
    values = [""] * 3 if found is None else [signed(value) for value in found]
    return dict(zip(columns, values, strict=True))


def tables() -> dict[str, str]:
    """What the guide quotes: the zoo's networks."""
    plain = ("mPE, first half", "mPE, second half", *_OF_SCORES[:2])

    def with_ends(row: dict[str, str], name: str) -> str:
        found = [row[f"{name}{end}"] for end in ("", ", low", ", high")]
        return interval(*found) if found[0] else ""

    return {
        "spacings": table(
            ("norm", "spacing", "bands", "mPE", "less linf, linear",
             *(name.removeprefix("mPE, ") for name in plain)),
            (
                (row["norm"], row["spacing"].replace("-", " "), row["bands"],
                 with_ends(row, "mPE"), with_ends(row, "mPE, less linf linear"),
                 *(row[name] for name in plain))
                for row in read(NAME) if row["set"] == "zoo"
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
    sets = [each.split("=") for each in given.set]
    write([row for name, folder in sets for row in measured(name, Path(folder))], HERE / NETWORKS)
    for path, text in following().items():
        path.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
