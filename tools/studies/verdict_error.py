"""How often the verdict of an audit is wrong about a model that keeps exactly what it must.

    python tools/studies/verdict_error.py tables/*.h5 --out tools/studies/verdict-error.csv

Nothing should be decided about a group of corruptions at kept = 0.8: "robust" and "not robust" both
count as wrong. Audits are simulated as they run: they look at 40, 100, 250 and 600 images, each
look adding to those before, stop where the widest group's interval is within 5 points of its
middle or the images run out, and take the verdict of the last look. Images are drawn evenly from
the classes, with replacement, from

- files of ``iaside robustness`` (severities 1, 3 and 5), which keep the ties between corruptions
  and severities that images have; what is kept is shifted to 0.8 by turning all right answers to
  some images wrong, or the other way round, the same images for all corruptions of a group;
- a made-up model: an image is answered rightly where a margin is above 0, and corruptions lower
  it, in common for all corruptions or for each corruption on its own.

In the case "one" one corruption of each group is at 0.8 and the others leave every answer as it
is; in the case "all" every corruption is at 0.8.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

import iaside_onnx as ia
from iaside_onnx.mathematics import kept as mathematics
from iaside_onnx.results.group_verdict import GROUPS, SEVERITIES, UNDECIDED, verdicts

LOOKS = (40, 100, 250, 600)
NARROW = 0.05
KEEP = 0.8
CASES = ("one", "all")
_SIZES = (4, 5, 5, 5)
_KINDS = [kind for kind, size in zip(GROUPS, _SIZES, strict=True) for _ in range(size)]
_CLASSES = 12
_MANY = 200_000
# Draws images: labels (n,), clean answers (n,) and answers (n, P, S), of a class each.
Draw = Callable[[NDArray[np.intp], np.random.Generator], tuple[NDArray[Any], NDArray[Any]]]


@dataclass(frozen=True)
class Population:
    """Where images come from: a name, the number of classes, and what draws images of classes."""

    name: str
    classes: int
    kinds: list[str]
    draw: Draw


def of_table(path: Path, case: str) -> Population:
    """Images of a file of ``iaside robustness``, what is kept shifted to 0.8."""
    report = ia.load_robustness(path)
    places = [report.severities.index(severity) for severity in SEVERITIES]
    clean, right = ~report.clean_wrong, ~report.wrong[:, :, places]
    kinds = [report.settings["kinds"][name] for name in report.perturbations]
    classes = int(report.data["classes"])
    target = 1 / classes + KEEP * (clean.mean() - 1 / classes)
    shifted = np.array([case == "all" or kinds.index(kind) == at for at, kind in enumerate(kinds)])
    rows_of = [np.flatnonzero(report.labels == label) for label in range(classes)]

    def draw(labels: NDArray[np.intp], rng: np.random.Generator) -> tuple[Any, Any]:
        rows = np.array([rng.choice(rows_of[label]) for label in labels])
        chance = dict(zip(GROUPS, rng.random((len(GROUPS), len(rows))), strict=True))
        drawn = right[rows].copy()
        for at, kind in enumerate(kinds):
            if not shifted[at]:
                drawn[:, at] = clean[rows][:, None]
                continue
            mean = right[:, at].mean()
            if mean > target:
                drawn[chance[kind] < 1 - target / mean, at] = False
            else:
                drawn[chance[kind] < (target - mean) / (1 - mean), at] = True
        return clean[rows], drawn

    return Population(path.stem, classes, kinds, draw)


def made_up(accuracy: float, common: float, case: str) -> Population:
    """Images whose margins corruptions lower; `common` of that variance all corruptions share."""
    start = NormalDist().inv_cdf(accuracy)
    steps = np.array([0.3, 1.0, 2.0])
    target = 1 / _CLASSES + KEEP * (accuracy - 1 / _CLASSES)

    def answers(shift: float, labels: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        images = len(labels)
        margin = start + rng.standard_normal(images)
        own = rng.standard_normal((images, len(_KINDS)))
        drop = np.sqrt(common) * rng.standard_normal((images, 1)) + np.sqrt(1 - common) * own
        lowered = margin[:, None, None] - shift * steps * (1 + drop[:, :, None])
        return margin > 0, lowered > 0

    # All corruptions are alike, so that one alone says what is kept.
    rng = np.random.default_rng(0)
    margin, drop = start + rng.standard_normal(_MANY), 1 + rng.standard_normal(_MANY)
    low, high = 0.0, 5.0
    for _ in range(40):
        middle = (low + high) / 2
        mean = np.mean([(margin > middle * step * drop).mean() for step in steps])
        low, high = (middle, high) if mean > target else (low, middle)
    shifted = np.array(
        [case == "all" or _KINDS.index(kind) == at for at, kind in enumerate(_KINDS)]
    )

    def draw(labels: NDArray[np.intp], rng: np.random.Generator) -> tuple[Any, Any]:
        clean, right = answers(low, labels, rng)
        return clean, np.where(shifted[:, None], right, clean[:, None, None])

    name = f"made up, accuracy {accuracy:g}, {common:.0%} of the drop in common"
    return Population(name, _CLASSES, _KINDS, draw)


def reports(population: Population, images: int, rng: np.random.Generator) -> Iterator[Any]:
    """What an audit sees at its looks: reports of more and more images."""
    classes = population.classes
    order = np.concatenate([rng.permutation(classes) for _ in range(-(-images // classes))])[
        :images
    ]
    clean, right = population.draw(order, rng)
    names = [f"corruption{at}" for at in range(right.shape[1])]
    whole = ia.RobustnessReport(
        perturbations=names,
        severities=list(SEVERITIES),
        labels=order,
        predicted=np.where(clean, order, (order + 1) % classes),
        log_prob=np.zeros(images, np.float32),
        wrong=~right,
        change=np.zeros(right.shape, np.float32),
        corrupted_log_prob=np.zeros(right.shape, np.float32),
        attacks=[],
        attack_wrong=np.zeros((images, 0), bool),
        attack_queries=np.zeros((images, 0), np.int32),
        attack_change=np.zeros((images, 0), np.float32),
        image_ids=[str(number) for number in range(images)],
        settings={
            "seed": 0, "confidence": 0.95, "label_offset": 0,
            "kinds": dict(zip(names, population.kinds, strict=True)),
        },
        model={"path": "made-up.onnx", "sha256": "0" * 64},
        data={"source": "x", "digest": "0" * 64, "samples": images, "classes": classes},
        run={}, provider="", created="", iaside_version="",
    )  # fmt: skip
    for look in [*[look for look in LOOKS if look < images], images]:
        rows = slice(0, look)
        yield replace(
            whole,
            labels=order[rows],
            predicted=whole.predicted[rows],
            wrong=whole.wrong[rows],
            image_ids=whole.image_ids[rows],
        )


def audit(population: Population, images: int, rng: np.random.Generator) -> tuple[Any, int]:
    """The verdicts of one audit, and how many images it took."""
    found, taken = None, 0
    for report in reports(population, images, rng):
        found, taken = verdicts(report, keep=KEEP), len(report.labels)
        if found.widest.half_width <= NARROW:
            break
    return found, taken


def study(
    population: Population, case: str, images: int, audits: int, seed: int
) -> list[dict[str, Any]]:
    """A row a group: how often each verdict was given."""
    rng = np.random.default_rng(seed)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in GROUPS}
    taken = 0
    for _ in range(audits):
        found, used = audit(population, images, rng)
        taken += used
        for kind, group in found.groups.items():
            counts[kind][group.verdict] += 1
    return [
        {
            "source": population.name,
            "case": case,
            "images": images,
            "group": kind,
            "audits": audits,
            "mean_images_taken": round(taken / audits),
            "robust": count["robust"],
            "not_robust": count["not robust"],
            "decided": round(1 - count[UNDECIDED] / audits, 4),
        }
        for kind, count in counts.items()
    ]


def draw_counts_once() -> None:
    """Draw the resamples of each sample size once: they depend on size and seed alone."""

    @cache
    def shares(rows: int, seed: int, resamples: int) -> NDArray[np.float64]:
        return mathematics_means(np.eye(rows), seed, resamples)

    mathematics_means = mathematics.resampled_means
    mathematics.resampled_means = lambda psi, seed=0, resamples=0: (
        shares(len(psi), seed, resamples) @ psi
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("tables", nargs="*", type=Path, help="files of iaside robustness")
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("--images", type=int, nargs="+", default=[100, 600])
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    draw_counts_once()
    rows: list[dict[str, Any]] = []
    for case in CASES:
        made = [
            made_up(accuracy, common, case) for accuracy in (0.7, 0.95) for common in (0.2, 0.8)
        ]
        for population in [*(of_table(path, case) for path in asked.tables), *made]:
            for images in asked.images:
                rows += study(population, case, images, asked.audits, len(rows))
                print(*rows[-4:], sep="\n", flush=True)
    with asked.out.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    for case in CASES:
        for images in asked.images:
            some = [row for row in rows if (row["case"], row["images"]) == (case, images)]
            total = sum(row["audits"] for row in some)
            wrong = {key: sum(row[key] for row in some) / total for key in ("robust", "not_robust")}
            most = max(row["decided"] for row in some)
            print(f"{case}, {images} images: {wrong}, worst of a source and group {most:.3f}")


if __name__ == "__main__":
    main()
