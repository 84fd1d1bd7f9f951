"""What training recipes helped against: each network of the zoo beside its plain twin.

    python tools/studies/study_what_helped.py --out helped

Measures every network of `models/zoo` and the two demo models on the demo's test crops with
``iaside robustness`` (the 19 corruptions, severities 1, 3 and 5, no attack) into the folder, which
is gone on with where it holds measurements already, writes the table that the package reads, and
prints it as Markdown for the guide.

A pair is a network trained with a recipe, and the plain network of the same architecture, which
started from the same weights. Accuracy of a group of corruptions is the mean over its corruptions,
the severities, and the pairs of a recipe. Intervals resample images, the same for both networks of
a pair and for all pairs; a recipe counts as helping, or harming, where even the interval of
coverage 1 - 0.05 / rows leaves out no change, rows being all recipes by all groups.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "iaside_onnx" / "results" / "what_helped.csv"
KINDS = ("noise", "blur", "weather", "digital")
SEVERITIES = (1, 3, 5)
RESAMPLES = 20_000
# Recipes of which one is a stronger or weaker form of the other, and what a user calls them.
FAMILIES = {
    "noise-weak": "weak gaussian noise",
    "noise": "gaussian noise",
    "noise-strong": "strong gaussian noise",
    "blur": "gaussian blur",
    "robust": "gaussian noise and blur",
    "contrast": "strong changes of contrast and brightness",
    "augmix": "mixtures after AugMix",
    "highpass": "high-passed images",
    "adv-weak": "weak adversarial training",
    "adv-strong": "strong adversarial training",
    "labels-20": "wrong labels, one in five",
    "labels-50": "wrong labels, one in two",
    "bare": "no changes of contrast and brightness",
    "early": "a sixth of the steps",
    "late": "2.5 times the steps",
}
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Right answers of a plain network and of its twin, an image a row.

    Attributes
    ----------
    clean : ndarray, shape (2, n)
        Of clean images.
    corrupted : dict
        By group, shape (2, n): mean over its corruptions and severities.
    chance : float
        What remains without seeing anything.
    """

    recipe: str
    architecture: str
    clean: Floats
    corrupted: dict[str, Floats]
    chance: float


def measured(path: Path, images: Path, folder: Path, samples: int) -> ia.RobustnessReport:
    """The measurement of a network, made where the folder does not hold it."""
    target = folder / f"{path.stem}.h5"
    if target.exists():
        return ia.load_robustness(target)
    return ia.measure_robustness(
        path, images, target, severity=SEVERITIES, attack=(), samples=samples
    )


def right_answers(report: ia.RobustnessReport, group: str) -> Floats:
    """Share of right answers of each image under the corruptions of a group, shape (n,)."""
    rows = [report.settings["kinds"][name] == group for name in report.perturbations]
    return np.asarray(1.0 - report.wrong[:, rows].mean(axis=(1, 2)))


def pairs_in(reports: dict[str, ia.RobustnessReport]) -> list[Pair]:
    """Every network that is not plain beside the plain one of its architecture."""
    found = []
    for name, report in reports.items():
        architecture, _, recipe = name.partition("-")
        if recipe == "plain":
            continue
        plain = reports[f"{architecture}-plain"]
        assert plain.image_ids == report.image_ids
        labels = plain.labels
        chance = max(1 / len(set(labels.tolist())), np.bincount(labels).max() / len(labels))
        both = (plain, report)
        found.append(
            Pair(
                recipe,
                architecture,
                np.stack([~each.clean_wrong for each in both]).astype(float),
                {group: np.stack([right_answers(each, group) for each in both]) for group in KINDS},
                float(chance),
            )
        )
    return found


def ends(drawn: Floats, confidence: float) -> tuple[float, float]:
    """Percentile interval."""
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def row(recipe: str, group: str, pairs: list[Pair], rows: int) -> dict[str, object]:
    """One line of the table."""
    clean = np.mean([pair.clean for pair in pairs], axis=0)
    corrupted = np.mean([pair.corrupted[group] for pair in pairs], axis=0)
    images, chance = clean.shape[1], pairs[0].chance
    drawn = np.random.default_rng(0).integers(images, size=(RESAMPLES, images))
    changes = {}
    for name, values in (("clean", clean), ("right", corrupted)):
        means = (values[1] - values[0])[drawn].mean(axis=1)
        changes[name] = float(values[1].mean() - values[0].mean()), means
    change, means = changes["right"]
    low, high = ends(means, 0.95)
    surely_low, surely_high = ends(means, 1 - 0.05 / rows)
    clean_low, clean_high = ends(changes["clean"][1], 0.95)
    kept = (corrupted.mean(axis=1) - chance) / (clean.mean(axis=1) - chance)
    better = sum(bool(np.diff(pair.corrupted[group].mean(axis=1))[0] > 0) for pair in pairs)
    values = {
        "clean_before": clean[0].mean(), "clean_after": clean[1].mean(),
        "clean_change": changes["clean"][0], "clean_low": clean_low, "clean_high": clean_high,
        "before": corrupted[0].mean(), "after": corrupted[1].mean(),
        "change": change, "low": low, "high": high,
        "kept_before": kept[0], "kept_after": kept[1],
    }  # fmt: skip
    return {
        "recipe": recipe,
        "words": FAMILIES[recipe],
        "group": group,
        "pairs": len(pairs),
        "better": better,
        "architectures": " ".join(sorted(pair.architecture for pair in pairs)),
        "images": images,
        **{key: f"{value:.4f}" for key, value in values.items()},
        "verdict": "helped" if surely_low > 0 else "harmed" if surely_high < 0 else "undecided",
    }


def print_table(rows: list[dict[str, object]]) -> None:
    """The same as Markdown, in per cent and points, a line for each recipe."""
    groups = list(KINDS)
    print(f"| trained with | pairs | clean | {' | '.join(groups)} |")
    print(f"| --- | --- | --- |{' --- |' * len(groups)}")
    by_recipe: dict[object, list[dict[str, object]]] = defaultdict(list)
    for each in rows:
        by_recipe[each["recipe"]].append(each)
    marks = {"helped": " **+**", "harmed": " **-**", "undecided": ""}

    def points(each: dict[str, object], *names: str) -> list[str]:
        return [f"{100 * float(str(each[name])):+.0f}" for name in names]

    for lines in by_recipe.values():
        first = lines[0]
        cells = [f"{first['words']} | {first['pairs']}"]
        change, low, high = points(first, "clean_change", "clean_low", "clean_high")
        cells.append(f"{change} [{low}, {high}]")
        for each in lines:
            before, after = (100 * float(str(each[name])) for name in ("before", "after"))
            _, low, high = points(each, "change", "low", "high")
            cells.append(
                f"{before:.0f} -> {after:.0f} [{low}, {high}]{marks[str(each['verdict'])]}"
            )
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure, pair, write, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="Folder of the measurements.")
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--images", type=Path, default=ROOT / "demo" / "test")
    parser.add_argument("--samples", type=int, default=96)
    parser.add_argument("--table", type=Path, default=TABLE)
    given = parser.parse_args()
    given.out.mkdir(exist_ok=True)
    paths = [*(given.models / "zoo").glob("*.onnx"), *given.models.glob("demo-*.onnx")]
    reports = {}
    for path in sorted(paths, key=lambda path: path.stem):
        print(path.stem, flush=True)
        reports[path.stem] = measured(path, given.images, given.out, given.samples)
    by_recipe = defaultdict(list)
    for pair in pairs_in(reports):
        by_recipe[pair.recipe].append(pair)
    cells = [(recipe, group) for recipe in FAMILIES for group in KINDS]
    rows = [row(recipe, group, by_recipe[recipe], len(cells)) for recipe, group in cells]
    with given.table.open("w", encoding="utf-8", newline="") as file:
        file.write(
            f"# python tools/studies/study_what_helped.py --out helped --samples {given.samples}\n"
        )
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print_table(rows)


if __name__ == "__main__":
    main()
