"""How well spectral stand-ins predict damage, beside the value table and measurement itself.

    python tools/studies/stand_ins.py measure zoo.npz demo/test --table 24 models/zoo/*.onnx
    python tools/studies/stand_ins.py report zoo.npz cifar.npz ... --csv tools/studies/stand-ins.csv

`measure` puts models of one input size and preprocessing on one set of images. Some images are the
networks' own: on these the stand-ins are run, and, as the rival that costs the same, the
corruptions themselves. The truth is what the corruptions cost on the other images. `report` prints
rank correlations and sizes as Markdown, with intervals over images, those of the truth included.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import iaside_onnx as ia
from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.corruptions.severity import chosen
from iaside_onnx.images.sample import stratified
from iaside_onnx.mathematics.signal_noise import Rings
from iaside_onnx.mathematics.stand_in import Plane
from iaside_onnx.measure.job import sized
from iaside_onnx.measure.request import LabelledOptions, Request
from iaside_onnx.measure.scorer import Scorer
from iaside_onnx.measure.spectra import averages
from iaside_onnx.measure.subject import draw_key, open_subject
from iaside_onnx.results.snr import SnrReport

Floats = NDArray[np.float64]
FORMS = ("own", "placed", "average")
RIVALS = {
    "measured": "corruptions, same passes",
    "third": "corruptions, a third of the images",
    "level": "corruptions, the middle severity alone",
}
WORDS = {
    "own": "stand-ins, each image's own spectrum",
    "placed": "stand-ins, own spectrum, noise placed",
    "average": "stand-ins, average spectrum",
    "table": "value table (no model needed)",
    **RIVALS,
}
RESAMPLES = 500


def measure(given: argparse.Namespace) -> None:
    """Answers of all models to corrupted images and stand-ins, as one file of arrays."""
    options = {"preprocess": given.preprocess, "samples": given.own + given.others, "threads": 1}
    options = {**options, "labels": given.labels, "listener": ia.Listener()}
    options = {name: value for name, value in options.items() if value is not None}
    subjects = [
        open_subject(Request.of(LabelledOptions, options, model, given.images, None))
        for model in given.models
    ]
    first = subjects[0]
    sample, shape = first.sample, first.classifier.form
    assert all(each.sample.digest() == sample.digest() for each in subjects)
    keys = [draw_key(sample, position) for position in range(len(sample))]
    own = stratified(sample.labels, given.own, 1)
    others = np.setdiff1d(np.arange(len(sample)), own)
    names, levels = chosen(["imagenet-c"]), given.severity
    snr = ia.measure_snr(
        given.images, samples=given.own, size=(shape.height, shape.width), severity=levels,
        bands=given.bands, norm="linf", labels=given.labels, preprocess=given.preprocess,
    )  # fmt: skip
    spectra = averages(snr, names, levels)
    rings = max(1, min(32, min(shape.height, shape.width) // 2))
    plane = Plane(Rings(shape.height, shape.width, rings, "linf"))
    planes = Plane(Rings(shape.height, shape.width, snr.rings, "linf"))
    scorers = [Scorer(each.classifier, 1.0, sized(each, None, 10_000)) for each in subjects]
    answers: dict[str, list[list[Floats]]] = {
        f"{form}/{what}": [[] for _ in subjects]
        for form, what in product(("truth", "measured", *FORMS), ("fall", "change"))
    }

    def ask(form: str, position: int, clean: Any, images: list[Any]) -> None:
        stack = np.stack([clean, *images]).astype(np.float32)
        for number, (subject, scorer) in enumerate(zip(subjects, scorers, strict=True)):
            logs = scorer(stack)
            right = scorer.task.right(logs, np.repeat(subject.targets[position], len(logs)))
            fall = right[0].astype(float) - right[1:]
            answers[f"{form}/fall"][number].append(fall.reshape(len(names), -1))
            change = scorer.task.change(logs[1:], logs[0])
            answers[f"{form}/change"][number].append(change.reshape(len(names), -1))

    cells = list(product(names, levels))
    for count, position in enumerate([*own.tolist(), *others.tolist()]):
        key, clean = keys[position], first.pixels(position)
        corrupted = [corrupt(clean, *cell, generator(0, key, *cell)) for cell in cells]
        if count >= len(own):
            ask("truth", position, clean, corrupted)
            continue
        ask("measured", position, clean, corrupted)
        spectrum, made = plane.spectrum(clean), {form: [] for form in FORMS}
        rough = planes.spectrum(clean)
        for cell, image in zip(cells, corrupted, strict=True):
            other = plane.spectrum(image)
            described = plane.described(plane.moments_of(spectrum, other))
            place = plane.place(spectrum, other, described)
            for form, place_of in (("own", None), ("placed", place)):
                rng = generator(0, key, f"stand-in {cell[0]}", cell[1])
                made[form].append(plane.stand_in(spectrum, described, rng, place=place_of))
            rng = generator(0, key, f"stand-in {cell[0]}", cell[1])
            made["average"].append(planes.stand_in(rough, spectra.of(*cell), rng))
        for form, images in made.items():
            ask(form, position, clean, images)
        print(f"{count + 1} of {len(own)} own images", flush=True)
    table = [_table(model, snr, given) for model in given.models] if given.table else []
    np.savez_compressed(
        given.file, models=[model.stem for model in given.models], corruptions=names,
        table=np.array(table), **{name: np.array(values) for name, values in answers.items()},
    )  # fmt: skip


def _table(model: Path, snr: SnrReport, given: argparse.Namespace) -> Floats:
    """What the value table predicts."""
    report = ia.analyze(
        model, given.images, samples=given.table, bands=given.bands, separate_dc=given.dc,
        norm="linf", labels=given.labels, preprocess=given.preprocess, threads=1,
    )  # fmt: skip
    return ia.predict_damage(report, snr).drop


@dataclass(frozen=True)
class Group:
    """Networks on one set of images: falls and changes of each form, shape (N, K, P, S)."""

    name: str
    models: list[str]
    corruptions: list[str]
    answers: dict[str, dict[str, Floats]]
    table: Floats

    def drawn(self, rng: np.random.Generator) -> Group:
        """The same with images resampled: those of the truth, and those that predict."""
        answers = {}
        rows: dict[int, Any] = {}
        for form, kinds in self.answers.items():
            images = kinds["fall"].shape[1]
            chosen_rows = rows.setdefault(images, rng.integers(0, images, images))
            answers[form] = {what: values[:, chosen_rows] for what, values in kinds.items()}
        return replace(self, answers=answers)

    def predicted(self, form: str, what: str) -> Floats:
        """Means over images, shape (N, P, S)."""
        if form == "table":
            return self.table
        values = self.answers["measured" if form in RIVALS else form][what]
        if form == "third":
            values = values[:, ::3]  # they stand in the order of their classes
        if form == "level":
            middle = values.shape[3] // 2
            values = np.repeat(values[..., middle : middle + 1], values.shape[3], axis=3)
        return np.asarray(values.mean(axis=1))


def load(path: Path) -> Group:
    """The networks of a file of `measure`, named as the file."""
    with np.load(path) as held:
        answers: dict[str, dict[str, Floats]] = {}
        for name in held.files:
            form, _, what = name.partition("/")
            if what:
                answers.setdefault(form, {})[what] = held[name]
        models, corruptions = held["models"].tolist(), held["corruptions"].tolist()
        return Group(path.stem, models, corruptions, answers, held["table"])


def rank(first: Floats, second: Floats) -> float:
    """Spearman's correlation; NaN where there is no order."""
    if len(first) < 3 or not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(spearmanr(first, second).statistic)


def numbers(group: Group, form: str, what: str) -> list[float]:
    """Over models, over corruptions, over pairs; slope, mean absolute error, bias."""
    truth, predicted = group.predicted("truth", what), group.predicted(form, what)
    rows = range(len(truth))
    by_corruption = [
        rank(predicted[:, row].mean(axis=1), truth[:, row].mean(axis=1))
        for row in range(truth.shape[1])
    ]
    ranks = [
        float(np.nanmean(by_corruption)) if np.isfinite(by_corruption).any() else float("nan"),
        np.nanmean([rank(predicted[row].mean(axis=1), truth[row].mean(axis=1)) for row in rows]),
        np.nanmean([rank(predicted[row].ravel(), truth[row].ravel()) for row in rows]),
    ]
    slope = (predicted * truth).sum() / np.square(predicted).sum()
    apart = predicted - truth
    return [*map(float, ranks), float(slope), float(np.abs(apart).mean()), float(apart.mean())]


def report(given: argparse.Namespace) -> None:
    """Tables of all groups."""
    groups = list(map(load, given.files))
    lines = []
    for group in groups:
        images = [group.answers[form]["fall"].shape[1] for form in ("truth", "measured")]
        print(f"\n### {group.name}: {len(group.models)} networks, {images[1]} images, "
              f"truth on {images[0]} others\n")  # fmt: skip
        print("| form | truth | over models | over corruptions | pairs | slope | error | bias |")
        print(f"| --- | --- |{' --- |' * 6}")
        forms = [*FORMS, *(["table"] if group.table.size else []), "measured", "third"]
        forms += ["level"] * (group.answers["truth"]["fall"].shape[3] > 1)
        rng = np.random.default_rng(0)
        drawn = [group.drawn(rng) for _ in range(given.resamples)]
        for form, (what, words) in product(forms, (("change", "mPE"), ("fall", "fall"))):
            values = numbers(group, form, what)
            ends = np.percentile([numbers(each, form, what) for each in drawn], (2.5, 97.5), axis=0)
            cells = [
                "none" if np.isnan(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"
                for value, low, high in zip(values, *ends, strict=True)
            ]
            print(f"| {WORDS[form]} | {words} | {' | '.join(cells)} |", flush=True)
            lines.append([group.name, form, words, *(f"{value:.3f}" for value in values)])
    print("\n### What is over- and underrated: predicted less measured mPE\n")
    print(f"| corruption | {' | '.join(group.name for group in groups)} |")
    print(f"| --- |{' --- |' * len(groups)}")
    for row, name in enumerate(groups[0].corruptions):
        cells = []
        for group in groups:
            truth = group.predicted("truth", "change")[:, row].mean()
            apart = [group.predicted(form, "change")[:, row].mean() - truth for form in FORMS]
            cells.append(" ".join(f"{value:+.2f}" for value in apart))
        print(f"| {name} | {' | '.join(cells)} |")
    if given.csv is not None:
        with given.csv.open("w", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            head = ["networks", "form", "damage", "models", "corruptions", "pairs"]
            rows.writerows([[*head, "slope", "error", "bias"], *lines])


def main() -> None:
    """Measure, or report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tasks = parser.add_subparsers(required=True)
    task = tasks.add_parser("measure")
    task.set_defaults(run=measure)
    task.add_argument("file", type=Path)
    task.add_argument("images", type=Path)
    task.add_argument("models", type=Path, nargs="+")
    task.add_argument("--own", type=int, default=36)
    task.add_argument("--others", type=int, default=96)
    task.add_argument("--severity", type=int, nargs="+", default=[1, 3, 5])
    task.add_argument("--bands", type=int, default=8)
    task.add_argument("--table", type=int, default=0, help="images of the audit; 0: none")
    task.add_argument("--dc", action="store_true")
    task.add_argument("--labels")
    task.add_argument("--preprocess")
    task = tasks.add_parser("report")
    task.set_defaults(run=report)
    task.add_argument("files", type=Path, nargs="+")
    task.add_argument("--csv", type=Path)
    task.add_argument("--resamples", type=int, default=RESAMPLES)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
