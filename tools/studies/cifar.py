"""Four depths of one CIFAR-10 network: damage, score, prediction and damage by band.

    python -m tools.studies.cifar FOLDER --out cifar-reports

FOLDER holds ``resnet20.onnx`` to ``resnet56.onnx`` and ``test-1000.npz`` with arrays ``images`` and
``labels``. One recipe trained all four, so they are one family and no correlation over them is
claimed. What is there in the folder of reports is kept. Writes ``cifar.npz`` beside this file, what
was measured of every picture, and the tables that follow from it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.mathematics.correlation import correlation_matrix
from iaside_onnx.mathematics.corruption_error import corruption_errors
from iaside_onnx.mathematics.intervals import bootstrap_intervals
from iaside_onnx.mathematics.score import signed_score, spectral_importance
from tools.studies.counter_examples import Seen, paired
from tools.studies.csv_files import HERE, cells_of, read, text_of
from tools.studies.imagenet.statistics import ends, means
from tools.studies.markdown import interval, table
from tools.studies.zoo_reports import CORRUPTED

FILE = HERE / "cifar.npz"
DEPTHS = (20, 32, 44, 56)
SAMPLES, BETA = 60, 0.75
# Of the damage game: pictures, severity, and corruptions.
EXPLAINED, SEVERITY = 40, 3
DAMAGES = ("gaussian_noise", "fog")
_OPTIONS: dict[str, Any] = {"preprocess": "unit"}
Measured = dict[str, NDArray[Any]]
Ends = tuple[float, float, float]


def measure(folder: Path, out: Path) -> Measured:
    """What the tables need; reports are made where they are missing.

    Returns
    -------
    dict of arrays
        ``network`` (N,), ``perturbation`` and ``kind`` (P,); ``psi`` (N, n, M); ``clean`` (N, n): 1
        where the clean answer is wrong; ``wrong`` and ``change`` (N, n, P): means over severities;
        ``predicted`` (N, n, P): the predicted fall of the probability, likewise;
        ``damage/CORRUPTION`` (N, n', M) in points of accuracy.
    """
    out.mkdir(parents=True, exist_ok=True)
    images, levels = folder / "test-1000.npz", CORRUPTED["severity"]
    options = {"samples": SAMPLES, **_OPTIONS}
    snr_file = out / "snr.h5"
    if not snr_file.exists():
        ia.measure_snr(images, snr_file, size=(32, 32), norm="l2", severity=levels, **options)
    rows: dict[str, list[Any]] = {}
    for depth in DEPTHS:
        model = folder / f"resnet{depth}.onnx"
        analysis, robustness = out / f"{model.stem}.h5", out / f"{model.stem}-robustness.h5"
        if not analysis.exists():
            ia.analyze(model, images, analysis, norm="l2", estimator="exact", **options)
        if not robustness.exists():
            ia.measure_robustness(model, images, robustness, **CORRUPTED, **options)
        report, found = ia.load(analysis), ia.load_robustness(robustness)
        assert report.image_ids == found.image_ids
        predicted = ia.predict_damage(report, ia.load_snr(snr_file)).beside(found)
        assert predicted.perturbations == found.perturbations
        fall = predicted.probability[:, None, None] - predicted.foretold
        row = {
            "network": model.stem,
            "psi": np.float32(report.shapley_per_image),
            "clean": np.uint8(found.clean_wrong),
            "wrong": np.float32(found.wrong.mean(axis=2)),
            "change": np.float32(found.change.mean(axis=2)),
            "predicted": np.float32(fall.mean(axis=2)),
        }
        for name in DAMAGES:
            target = out / f"{model.stem}-{name}.h5"
            if not target.exists():
                ia.explain(
                    model, images, target, corruption=name, severity=SEVERITY, norm="l2",
                    samples=EXPLAINED, **_OPTIONS,
                )  # fmt: skip
            row[f"damage/{name}"] = np.float32(ia.load(target).view(value="right").per_image)
        for name, value in row.items():
            rows.setdefault(name, []).append(value)
        print(model.stem, flush=True)
    kinds = [found.settings["kinds"][name] for name in found.perturbations]
    return {
        "perturbation": np.array(found.perturbations), "kind": np.array(kinds),
        **{name: np.array(values) for name, values in rows.items()},
    }  # fmt: skip


def following() -> dict[Path, str]:
    """The tables beside this file that follow from what was measured, by file."""
    with np.load(FILE) as held:
        measured = dict(held)
    return {
        HERE / f"cifar-{name}.csv": text_of(cells_of(list(part(measured))))
        for name, part in PARTS.items()
    }


def _numbers(found: dict[str, Ends], digits: int = 4) -> dict[str, str]:
    return {
        f"{what}{end}": f"{value:.{digits}f}"
        for what, values in found.items()
        for end, value in zip(("", "_low", "_high"), values, strict=True)
    }


def _damage(measured: Measured, at: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Clean error, shape (1 + R,), and errors by corruption, (1 + R, P), pictures resampled."""
    found = means(np.column_stack([measured["clean"][at], measured["wrong"][at]]))
    return found[:, 0], found[:, 1:]


def networks(measured: Measured) -> Iterator[dict[str, str]]:
    """A row each; intervals resample pictures. mCE is over the first network.

    Relative mCE is not formed: some corruptions cost that network nothing on so few pictures.
    """
    _, base = _damage(measured, 0)
    for at, name in enumerate(measured["network"]):
        clean, errors = _damage(measured, at)
        mce = corruption_errors(errors[..., None], base[..., None]).mean(axis=1)
        psi = measured["psi"][at].astype(np.float64)
        score = float(signed_score(spectral_importance(psi.mean(axis=0)), BETA))
        found = {
            "clean_error": ends(clean),
            "mean_error": ends(errors.mean(axis=1)),
            "added_error": ends(errors.mean(axis=1) - clean),
            "mpe": ends(means(measured["change"][at]).mean(axis=1)),
            "mce": ends(mce),
            "score": (score, *bootstrap_intervals(psi, BETA).srs_signed),
        }
        head = {"network": str(name), "images": str(len(psi))}
        yield head | _numbers(found)


def pairs(measured: Measured) -> Iterator[dict[str, str]]:
    """The second network less the first, on the same pictures."""
    kinds, names = measured["kind"].tolist(), measured["perturbation"].tolist()
    every = [
        Seen(
            str(name),
            psi := measured["psi"][at].astype(np.float64),
            float(signed_score(spectral_importance(psi.mean(axis=0)), BETA)),
            measured["change"][at].astype(np.float64),
        )
        for at, name in enumerate(measured["network"])
    ]
    for one, two in combinations(range(len(every)), 2):
        found = paired(every[one], every[two], kinds, names)
        errors = [_damage(measured, at)[1].mean(axis=1) for at in (one, two)]
        yield {"first": found.first, "second": found.second} | _numbers(
            {"score": found.score, "mpe": found.mpe, "mean_error": ends(errors[1] - errors[0])}
        )


def predictions(measured: Measured) -> Iterator[dict[str, str]]:
    """How the predicted fall orders and sizes the damage of each network; pictures resampled."""
    for at, name in enumerate(measured["network"]):
        predicted = means(measured["predicted"][at])
        clean, errors = _damage(measured, at)
        truths = {"mpe": means(measured["change"][at]), "fall": errors - clean[:, None]}
        ranks = {
            f"rank_{what}": ends(correlation_matrix(np.stack([predicted, truth], axis=1))[:, 0, 1])
            for what, truth in truths.items()
        }
        sizes = {"predicted_fall": predicted, "measured_fall": truths["fall"]}
        yield {"network": str(name)} | _numbers(
            ranks | {what: ends(values.mean(axis=1)) for what, values in sizes.items()}
        )


def corruptions(measured: Measured) -> Iterator[dict[str, str]]:
    """Predicted and measured damage of each corruption, means over the four networks."""
    falls = measured["wrong"] - measured["clean"][..., None].astype(np.float64)
    of_all = {
        "predicted_fall": measured["predicted"], "measured_fall": falls, "mpe": measured["change"]
    }  # fmt: skip
    found = {what: means(values.mean(axis=0)) for what, values in of_all.items()}
    for at, name in enumerate(measured["perturbation"]):
        yield {"corruption": str(name)} | _numbers(
            {what: ends(values[:, at]) for what, values in found.items()}
        )


def damages(measured: Measured) -> Iterator[dict[str, str]]:
    """Points of accuracy lost through each band."""
    for corruption in DAMAGES:
        for name, lost in zip(measured["network"], measured[f"damage/{corruption}"], strict=True):
            drawn = means(lost)
            bands = {f"band{band}": ends(column) for band, column in enumerate(drawn.T)}
            head = {"network": str(name), "corruption": corruption, "images": str(len(lost))}
            yield head | _numbers({"all": ends(drawn.sum(axis=1))} | bands, 1)


PARTS = {
    "networks": networks, "pairs": pairs, "prediction": predictions, "corruptions": corruptions,
    "damage": damages,
}  # fmt: skip


def _shown(row: dict[str, str], what: str, digits: int = 2, *, sign: bool = True) -> str:
    return interval(*(row[f"{what}{end}"] for end in ("", "_low", "_high")), digits, sign=sign)


def tables() -> dict[str, str]:
    """What the guide quotes."""
    second = ", second less first"
    return {
        "networks": table(
            ("network", "clean error", "mean error", "added error", "mCE", "mPE",
             "signed score, l2"),
            (
                (row["network"], *(_shown(row, what, sign=False) for what in
                 ("clean_error", "mean_error", "added_error", "mce", "mpe", "score")))
                for row in read("cifar-networks.csv")
            ),
        ),
        "pairs": table(
            ("first", "second", f"score{second}", f"mPE{second}", f"mean error{second}"),
            (
                (row["first"], row["second"],
                 *(_shown(row, what) for what in ("score", "mpe", "mean_error")))
                for row in read("cifar-pairs.csv")
            ),
        ),
        "prediction": table(
            ("network", "rank with mPE", "rank with the fall of accuracy", "predicted fall",
             "measured fall"),
            (
                (row["network"], *(_shown(row, what) for what in ("rank_mpe", "rank_fall")),
                 *(_shown(row, what, sign=False) for what in ("predicted_fall", "measured_fall")))
                for row in read("cifar-prediction.csv")
            ),
        ),
        "corruptions": table(
            ("corruption", "predicted fall", "measured fall", "mPE"),
            (
                (row["corruption"].replace("_", " "), _shown(row, "predicted_fall"),
                 _shown(row, "measured_fall"), _shown(row, "mpe", sign=False))
                for row in read("cifar-corruptions.csv")
            ),
        ),
        "damage": table(
            ("network", "corruption", "all bands", "band 0", *range(1, 8)),
            (
                (row["network"], row["corruption"].replace("_", " "),
                 *(_shown(row, what, 0) for what in ("all", *(f"band{b}" for b in range(8)))))
                for row in read("cifar-damage.csv")
            ),
        ),
    }  # fmt: skip


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    np.savez_compressed(FILE, allow_pickle=False, **measure(given.folder, given.out))
    for path, text in following().items():
        path.write_text(text, encoding="utf-8", newline="")


if __name__ == "__main__":
    main()
