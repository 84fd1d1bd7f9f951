"""Do the pictures decide which norm predicts better? Both norms with pictures resampled too.

    python -m tools.studies.zoo_pictures zoo-reports

Reads the analyses and measurements of the first part of the pictures (see
`tools.studies.zoo_reports`) and writes ``zoo-pictures.csv`` beside this file: Spearman's
coefficient of the signed score with mPE over the networks, for round and for square bands, where
the pictures are resampled, the same ones for every network and norm, and where networks are too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.mathematics.correlation import correlation_matrix
from iaside_onnx.mathematics.score import signed_score, spectral_importance
from tools.studies.csv_files import HERE, read, write
from tools.studies.imagenet.statistics import ends, means
from tools.studies.markdown import interval, table
from tools.studies.zoo_reports import NEEDED, Shelf, networks

NAME = "zoo-pictures.csv"
BETA = 0.75
_LESS = " less ".join(NEEDED)


def coefficients(
    rows: NDArray[np.float64], drawn: NDArray[np.intp] | None
) -> dict[str, NDArray[np.float64]]:
    """Of both norms with mPE and their difference, the first and those of resamples.

    Parameters
    ----------
    rows : ndarray, shape (3, N, 1 + R)
        Scores of both norms and mPE of N networks, of all pictures and of resamples.
    drawn : ndarray, shape (R, N), or None
        Networks of each resample; None: all of them.
    """
    samples = np.moveaxis(rows, 2, 0)
    if drawn is not None:
        every = np.concatenate([np.arange(rows.shape[1])[None], drawn])
        samples = np.take_along_axis(samples, every[:, None, :], axis=2)
    matrix = correlation_matrix(samples)
    both = {norm: matrix[:, at, 2] for at, norm in enumerate(NEEDED)}
    return both | {_LESS: both[NEEDED[0]] - both[NEEDED[1]]}


def rows(shelf: Shelf) -> list[dict[str, str]]:
    """A row for what is resampled."""
    parts = [
        [_scores(shelf.analysis(network, norm).shapley_per_image) for network in networks()]
        for norm in NEEDED
    ]
    change = [shelf.robustness(network).change.mean(axis=(1, 2)) for network in networks()]
    measured = np.array([*parts, [means(values)[:, 0] for values in change]])
    count, resamples = measured.shape[1], measured.shape[2] - 1
    drawn = np.random.default_rng(0).integers(count, size=(resamples, count))
    made = []
    for words, chosen in (("pictures", None), ("pictures and networks", drawn)):
        found = {name: ends(values) for name, values in coefficients(measured, chosen).items()}
        made.append(
            {"resampled": words}
            | {
                f"{name}{end}": f"{value:.4f}"
                for name, values in found.items()
                for end, value in zip(("", ", low", ", high"), values, strict=True)
            }
        )
    return made


def _scores(shapley: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(signed_score(spectral_importance(means(shapley)), BETA))


def tables() -> dict[str, str]:
    """What the guide quotes."""
    names = (*NEEDED, _LESS)
    return {
        "pictures": table(
            ("resampled", *(f"mPE, {name}" for name in names)),
            (
                (
                    row["resampled"],
                    *(
                        interval(*(row[f"{name}{end}"] for end in ("", ", low", ", high")))
                        for name in names
                    ),
                )
                for row in read(NAME)
            ),
        )
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("shelf", type=Path)
    shelf = Shelf(parser.parse_args().shelf)
    shelf.check(parser)
    write(rows(shelf), HERE / NAME)


if __name__ == "__main__":
    main()
