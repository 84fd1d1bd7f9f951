"""Passes per second of an audit, of the bare model and of the plain loop, measured in turns.

Machines are noisy, so nothing is compared across time: in one process, after each slice of the
audit the bare model runs for as long, and the plain loop for a share of it. The audit counts from
its first to its last forward pass, with preparation of images, search for a batch size and storing
included; the bare model runs on random input that lies in memory already, at its best batch.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from plain_loop import PUBLISHED_BATCH, PlainLoop

import iaside_onnx as ia
from iaside_onnx.images.sample import Sample, draw_sample, open_images
from iaside_onnx.inference.classifier import Classifier, open_classifier
from iaside_onnx.inference.session import Runtime
from iaside_onnx.listener import Listener
from iaside_onnx.measure.labelling import class_targets
from iaside_onnx.onnx_file.tensors import INPUT_TYPES
from iaside_onnx.settings import Settings

SLICE = 0.4  # seconds
LOOP_SHARE = 0.5
_TRIAL = 0.5  # seconds
_HOPELESS = 0.93
# What the median of a ratio may lose from run to run.
_NOISE = 0.05
Competitor = Callable[[], int]


@dataclass(frozen=True)
class Case:
    """One network on one set of images; `settings` are those of `analyze`."""

    name: str
    model: Path
    images: Path
    settings: dict[str, Any] = field(default_factory=dict)
    labels: Path | None = None


@dataclass
class Figures:
    """What was measured: rates in forward passes per second, one for each repeat."""

    name: str
    parameters: int | None
    samples: int
    batches: dict[str, int]
    rates: dict[str, list[float]]

    def ratios(self, above: str, below: str) -> list[float]:
        """Quotients of two rates, repeat by repeat."""
        pairs = zip(self.rates[above], self.rates[below], strict=True)
        return [one / other for one, other in pairs]


class Bare:
    """The model alone on random input that lies on its device."""

    def __init__(self, classifier: Classifier, batch: int) -> None:
        model, form = classifier.model, classifier.form
        self.batch, self._session = batch, model.session
        pixels = np.random.default_rng(0).random((batch, *form.shape), np.float32)
        self._feed = {form.name: pixels.astype(INPUT_TYPES[form.elem_type])}
        self._binding: Any = None
        if not model.runtime.execution.in_host_memory:
            self._binding = self._session.io_binding()
            placed = ort.OrtValue.ortvalue_from_numpy(
                self._feed[form.name], model.runtime.execution.device, model.runtime.device_id
            )
            self._binding.bind_ortvalue_input(form.name, placed)
            self._binding.bind_output(
                model.output, model.runtime.execution.device, model.runtime.device_id
            )

    def __call__(self) -> int:
        """One run; its forward passes."""
        if self._binding is None:
            self._session.run(None, self._feed)
        else:
            self._session.run_with_iobinding(self._binding)
        return self.batch


def rate(run: Competitor, seconds: float) -> float:
    """Passes per second over at least `seconds`, after one run to warm up."""
    run()
    began, passes = time.perf_counter(), 0
    while (spent := time.perf_counter() - began) < seconds or not passes:
        passes += run()
    return passes / spent


def best_batch(classifier: Classifier, batches: Sequence[int]) -> int:
    """Batch size with the highest bare rate: doublings until slow, then the best four in turns."""
    found: dict[int, float] = {}
    for batch in batches:
        try:
            found[batch] = rate(Bare(classifier, batch), _TRIAL)
        except Exception as error:  # onnxruntime's errors have no common base
            print(f"batch {batch}: {str(error)[:100]}")
            break
        # One slow trial may be the machine's doing, three in a row are not.
        if max(list(found.values())[-3:]) < _HOPELESS * max(found.values()):
            break
    finalists = sorted(found, key=lambda batch: -found[batch])[:4]
    again: dict[int, list[float]] = {batch: [] for batch in finalists}
    for _ in range(5):
        for batch in finalists:
            again[batch].append(rate(Bare(classifier, batch), _TRIAL))
    return max(finalists, key=lambda batch: statistics.median(again[batch]))


class Turns(Listener):
    """Listener of an audit that lets others run after each slice of the audit.

    Parameters
    ----------
    competitors : dict
        Name to a callable that makes one run, and the share of the audit's time that it gets.
    """

    def __init__(self, competitors: dict[str, tuple[Competitor, float]]) -> None:
        super().__init__(start=self._begin, advance=self._turn_if_due, stop=self._take_turns)
        self._competitors = competitors
        self.seconds = dict.fromkeys(competitors, 0.0)
        self.passes = dict.fromkeys(competitors, 0)
        self._began, self._audit_seconds = 0.0, 0.0

    def _begin(self, *_: object) -> None:
        self._began = time.perf_counter()

    def _turn_if_due(self, *_: object) -> None:
        if time.perf_counter() - self._began >= SLICE:
            self._take_turns()

    def _take_turns(self) -> None:
        spent = time.perf_counter() - self._began
        for name, (run, share) in self._competitors.items():
            # What was left over or owed by earlier turns counts: runs are of many lengths.
            while self.seconds[name] < share * (self._audit_seconds + spent):
                began = time.perf_counter()
                self.passes[name] += run()
                self.seconds[name] += time.perf_counter() - began
        self._audit_seconds += spent
        self._began = time.perf_counter()


def opened(case: Case, runtime: Runtime) -> tuple[Classifier, Sample, Listener]:
    """The case's model, ready, and the sample that the audit will draw."""
    wanted = Settings(**case.settings)
    sample = draw_sample(open_images(case.images, case.labels), wanted.samples, wanted.seed)
    tell = Listener()
    return open_classifier(case.model, runtime, wanted, sample, tell), sample, tell


def measure(
    case: Case,
    runtime: Runtime,
    repeats: int,
    batches: Sequence[int],
    *,
    loop: str = "read",
    loop_batch: int = PUBLISHED_BATCH,
    **running: Any,
) -> tuple[Figures, ia.Report]:
    """Audit, bare model and plain loop in turns.

    Parameters
    ----------
    runtime : Runtime
        Where bare model and loop run; the audit is told the same through `running`.
    batches : sequence of int
        Batch sizes that the bare model may run at.
    loop : {"read", "kept", "none"}
        The plain loop reads the images for every coalition, has them in memory, or is left out.
    loop_batch : int
        Images that the loop takes at a time, as far as the sample has them.
    **running
        Arguments of `analyze` that say how to run.

    Returns
    -------
    figures : Figures
    report : Report
        Of the last repeat.
    """
    classifier, sample, tell = opened(case, runtime)
    batch = best_batch(classifier, batches)
    competitors: dict[str, tuple[Competitor, float]] = {"bare": (Bare(classifier, batch), 1.0)}
    used = {"bare": batch}
    if loop != "none":

        def read(position: int) -> NDArray[np.float32]:
            return classifier.pixels(sample.picture(position))

        kept = [read(position) for position in range(len(sample))] if loop == "kept" else []
        used["loop"] = min(loop_batch, len(sample))
        targets = class_targets(sample, classifier, tell)
        bands = Settings(**case.settings).bands
        plain = PlainLoop(
            classifier, kept.__getitem__ if kept else read, targets, bands, used["loop"]
        )
        competitors["loop"] = (plain.step, LOOP_SHARE)
    for run, _ in competitors.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in ("audit", *competitors)}
    for _ in range(repeats):
        turns = Turns(competitors)
        report = ia.analyze(
            case.model, case.images, labels=case.labels, listener=turns, **case.settings, **running
        )
        others = sum(turns.seconds.values())
        rates["audit"].append(report.run["forward_passes"] / (report.run["seconds"] - others))
        for name, seconds in turns.seconds.items():
            rates[name].append(turns.passes[name] / seconds)
    used["audit"] = report.run["batch"]
    parameters = classifier.artifact.parameters
    return Figures(case.name, parameters, len(sample), used, rates), report


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and quartiles."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return middle, low, high


def speed_table(found: Sequence[Figures], rival: str = "plain loop") -> list[str]:
    """Lines of a Markdown table; `rival` is what the rates named "loop" are of."""
    lines = [
        "| network | parameters | images | bare model, passes/s (batch) | `analyze` (batch) | "
        f"bare / `analyze` | {rival} (batch) | `analyze` / {rival} | repeats |",
        "| --- " * 9 + "|",
    ]
    for each in found:
        cells = [each.name, f"{(each.parameters or 0) / 1e6:.2f} M", str(each.samples)]
        for name, other in (("bare", None), ("audit", ("bare", "audit")),
                            ("loop", ("audit", "loop"))):  # fmt: skip
            if name not in each.rates:
                cells += ["-", "-"]
                continue
            cells.append(f"{statistics.median(each.rates[name]):.1f} ({each.batches[name]})")
            if other:
                middle, low, high = spread(each.ratios(*other))
                cells.append(f"{middle:.3f} ({low:.3f} to {high:.3f})")
        lines.append("| " + " | ".join([*cells, str(len(each.rates["audit"]))]) + " |")
    return lines


def against_table(before: dict[str, Any], after: dict[str, Any]) -> tuple[list[str], bool]:
    """Two runs held against each other: lines of a Markdown table, and whether a ratio fell.

    Both are what `--json` writes. Only ratios are compared: the machine was another, or busier.
    """
    lines = ["| network | ratio | before | after | |", "| --- " * 5 + "|"]
    fell = False
    for part, rival in (("speed", "plain loop"), ("published", "authors' script")):
        earlier = {each["name"]: each["rates"] for each in before.get(part, [])}
        for each in after.get(part, []):
            for name, other in (("bare model", "bare"), (rival, "loop")):
                both = [earlier.get(each["name"], {}), each["rates"]]
                if not all(other in rates for rates in both):
                    continue
                old, new = (
                    statistics.median(
                        mine / its for mine, its in zip(rates["audit"], rates[other], strict=True)
                    )
                    for rates in both
                )
                worse = new < old * (1 - _NOISE)
                fell |= worse
                cells = [each["name"], f"`analyze` / {name}", f"{old:.3f}", f"{new:.3f}"]
                lines.append("| " + " | ".join([*cells, "fell" if worse else "holds"]) + " |")
    if len(lines) == 2:
        raise SystemExit("the two runs have no network in common")
    return lines, fell
