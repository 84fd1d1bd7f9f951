"""Measures what perturbations cost through their spectra alone, on spectral stand-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..checks import check_kind, check_truth, plain, several
from ..comparisons.shares import check_same_images
from ..corruptions.corrupt import corrupt, generator
from ..corruptions.severity import CATALOGUE
from ..defaults import NORM
from ..errors import UsageError
from ..mathematics.bands import check_count
from ..mathematics.signal_noise import Rings
from ..mathematics.stand_in import Plane
from ..plurals import counted
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..results.spread import check_confidence
from ..results.stand_ins import OWN, StandInReport
from ..spelling import option
from .batch_size import BatchSize
from .contract import Advance, Filled, Measurement, Rows, Store
from .corrupted import Image, asked_corruptions, corruption_threads, perturbed
from .in_memory import GivenImages, GivenModel
from .no_numbers import refuse_nan
from .request import LabelledOptions, Request, with_options
from .run import measure
from .scorer import Scorer
from .spectra import Spectra, averages, check_size, tables
from .subject import Subject, refuse_other_tasks, refuse_own_answers

# As many as half of the smaller side resolves, up to this.
_RINGS = 32


@with_options(LabelledOptions)
def measure_stand_ins(
    model: GivenModel,
    images: GivenImages,
    target: str | Path | None = None,
    *,
    corruption: str | Sequence[str] = (),
    severity: int | Sequence[int] = (),
    snr: str | Path | SnrReport | None = None,
    spectrum: str | Path | Sequence[str | Path] = (),
    rings: int | None = None,
    norm: str = NORM,
    placed: bool = False,
    measured: str | Path | RobustnessReport | None = None,
    confidence: float = 0.95,
    **options: Unpack[LabelledOptions],
) -> StandInReport:
    """What perturbations cost a model through their spectra alone.

    The model sees spectral stand-ins in place of perturbed images (`mathematics.stand_in`): the
    clean image with every ring of its spectrum scaled by the perturbation's gain, noise of the
    residual's power with random phase, and the shift of the mean.

    Parameters
    ----------
    model, images, target
        As for `analyze`: the same seed and number of samples draw the same images.
    corruption, severity : sequences, or one of their values
        As for `measure_robustness`. Each stand-in has the spectrum of its image's own corrupted
        copy, the one that `measure_robustness` gives the model with the same seed.
    snr : path or SnrReport, optional
        Take the average spectra of this measurement instead, and no corrupted image at all. Its
        rings and norm are taken.
    spectrum : path or sequence of paths
        Take perturbations that are known by their spectrum alone: CSV files with the columns
        ``radius`` (0 to 1, where 1 is Nyquist), ``gain``, ``noise`` (white noise of standard
        deviation s has s at every radius; pixels lie in [0, 1]) and, if the mean changes,
        ``shift``.
    rings : int, optional
        By default 32, or as many as the size resolves.
    norm : {"linf", "l2", "l1"}
    placed : bool
        Place the noise where the corruption has its own: with the local energy of what it leaves
        besides the gain, within a window of a twentieth of the side.
    measured : path or RobustnessReport, optional
        What will be compared with the result: refused at once where it is of another model, other
        images, or has no corruption and severity in common.
    confidence : float
        Coverage of the intervals, in (0, 1).
    **options
        As for `analyze`, and so are the errors that are raised.

    Returns
    -------
    StandInReport
    """
    rings, norm, placed, confidence = map(plain, (rings, norm, placed, confidence))
    check_truth("placed", placed)
    if rings is not None:
        check_count(rings, "rings")
    check_confidence(confidence)
    paths = [Path(path) for path in several("spectrum", spectrum)]
    given = several("corruption", corruption), several("severity", severity)
    _check_source(snr, paths, given, rings, norm)
    if placed and (snr is not None or paths):
        raise UsageError(
            f"{option('placed', True)} goes without {option('snr')} and {option('spectrum')}: "
            "where noise lies is known of each image's own corrupted copy alone"
        )
    # A file of iaside snr may name an attack.
    names, levels = asked_corruptions((), severity) if snr else asked_corruptions(*given)
    request = Request.of(LabelledOptions, options, model, images, target, bands=1, norm=norm)
    refuse_own_answers(request, "what is predicted is a fall of accuracy, which needs true labels")
    if isinstance(snr, str | Path):
        snr = SnrReport.load(snr)
    if snr is not None:
        check_kind("snr", snr, SnrReport, "an SnrReport, or the path of one")
    if isinstance(measured, str | Path):
        measured = RobustnessReport.load(measured)
    if measured is not None:
        kind = "a RobustnessReport, or the path of one"
        check_kind("measured", measured, RobustnessReport, kind)

    def settle(subject: Subject) -> StandIns:
        refuse_other_tasks(subject.classifier, "what is predicted is a fall of accuracy")
        form = subject.classifier.form
        size, path = (form.height, form.width), str(subject.classifier.artifact.path)
        if snr is not None:
            check_size(snr, size, form.channels, path)
            spectra = averages(snr, *given)
            made = StandIns(
                spectra.names,
                spectra.levels,
                Rings(*size, snr.rings, snr.settings["norm"]),
                spectra,
            )
        else:
            finest = max(1, min(_RINGS, min(size) // 2))
            grid = Rings(*size, finest if rings is None else rings, norm)
            known = tables(paths, grid, form.channels) if paths else None
            made = StandIns(names, levels, grid, None, placed)
            if known is not None:
                made = StandIns(known.names, known.levels, grid, known)
        if measured is not None:
            check_same_images(
                measured,
                subject.sha256,
                subject.sample.digest(),
                subject.settings(),
                (made.perturbations, made.severities),
            )
        return made

    return measure(request, settle, {"confidence": float(confidence)})


def _check_source(
    snr: Any, paths: list[Path], asked: tuple[Any, Any], rings: int | None, norm: str
) -> None:
    """Refuse options that do not go together."""
    if snr is not None and paths:
        raise UsageError(f"{option('snr')} and {option('spectrum')} exclude each other")
    if paths and any(asked):
        raise UsageError(
            f"{option('spectrum')} goes without {option('corruption')} and {option('severity')}: "
            "its tables are the perturbations"
        )
    if snr is not None and (rings is not None or norm != NORM):
        raise UsageError(
            f"{option('snr')} goes without {option('rings')} and {option('norm')}: those of its "
            "file are taken"
        )


@dataclass(frozen=True)
class StandIns(Measurement[StandInReport]):
    """Stand-ins of images: a row holds `wrong` (0 or 1) of each perturbation, then `change`.

    `spectra` is None where each image's own corrupted copy gives its spectrum, and, where noise is
    `placed`, where it lies.
    """

    perturbations: list[str]
    severities: list[int]
    grid: Rings
    spectra: Spectra | None
    placed: bool = False

    kind = StandInReport

    @property
    def cells(self) -> int:
        """Perturbations times severities."""
        return len(self.perturbations) * len(self.severities)

    @property
    def columns(self) -> int:
        """See `Measurement`."""
        return 2 * self.cells

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        return (
            f"{counted(images, 'image')} x ({counted(len(self.perturbations), 'perturbation')} x "
            f"{counted(len(self.severities), 'severity', 'severities')} + the image itself) = "
            f"{images * (self.cells + 1):,} forward passes"
        )

    def work(self, positions: list[int]) -> list[int]:
        """A pass for each stand-in, and one for the image itself."""
        return [len(positions) * (self.cells + 1)]

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        of_file = {} if self.spectra is None else {"spectra_digest": self.spectra.digest}
        return {
            **subject.settings(),
            "perturbations": self.perturbations,
            "severities": self.severities,
            "rings": self.grid.rings,
            "norm": self.grid.norm,
            "spectra": OWN if self.spectra is None else self.spectra.source,
            "placed": self.placed,
            **of_file,
        }

    def settings_of(self, result: StandInReport) -> dict[str, Any]:
        """See `Measurement`."""
        return settings_of_stand_ins(result)

    def rows(self, subject: Subject, size: BatchSize) -> list[Rows]:
        """See `Measurement`."""
        scorer, plane = Scorer(subject.classifier, subject.task(), size), Plane(self.grid)
        seed, keys = subject.seed, subject.keys

        @lru_cache(maxsize=8)
        def spectrum(position: int) -> NDArray[np.complex128]:
            return plane.spectrum(subject.pixels(position))

        def make(clean: Image, position: int, name: str, level: int) -> Image:
            own, key, place = spectrum(position), keys[position], None
            if self.spectra is None:
                image = corrupt(clean, name, level, generator(seed, key, name, level))
                other = plane.spectrum(image)
                described = plane.described(plane.moments_of(own, other))
                place = plane.place(own, other, described) if self.placed else None
            else:
                described = self.spectra.of(name, level)
            rng = generator(seed, key, f"stand-in {name}", level)
            return plane.stand_in(own, described, rng, place=place).astype(np.float32)

        def fill(positions: list[int], store: Store, advance: Advance) -> None:
            stream = perturbed(
                subject.pixels,
                positions,
                self.perturbations,
                self.severities,
                make,
                features=subject.classifier.form.features,
                threads=corruption_threads(subject.runtime.execution),
            )
            clean, task, row = np.empty(0), scorer.task, np.empty((2, self.cells), np.float32)
            while group := list(islice(stream, scorer.size.size)):
                logs = scorer(np.stack([image for _, _, image in group]))
                for number, (position, column, _) in enumerate(group):
                    log, target = logs[number : number + 1], subject.targets[[position]]
                    where = f"{subject.sample.ids[position]} ({self._describe(column)})"
                    refuse_nan(subject.classifier.artifact.path, where, log)
                    if column < 0:
                        clean = log
                        continue
                    row[0, column] = not task.right(log, target)[0]
                    row[1, column] = task.change(log, clean)[0]
                    if column == self.cells - 1:
                        store(position, row.ravel())
                advance(len(group))

        return [fill]

    def _describe(self, column: int) -> str:
        """A stand-in in words; -1 is the clean image."""
        if column < 0:
            return "clean"
        row, level = divmod(column, len(self.severities))
        return f"stand-in of {self.perturbations[row]}, severity {self.severities[level]}"

    def result(self, filled: Filled) -> StandInReport:
        """See `Measurement`."""
        form, shape = filled.subject.classifier.form, (len(self.perturbations), -1)
        wrong, change = (
            part.reshape(len(part), *shape) for part in np.split(filled.table, 2, axis=1)
        )
        of_attributes = ("perturbations", "severities")
        settings = {
            name: value for name, value in filled.settings.items() if name not in of_attributes
        }
        kinds = (
            {name: CATALOGUE[name].kind for name in self.perturbations}
            if self.spectra is None
            else self.spectra.kinds
        )
        return StandInReport(
            perturbations=self.perturbations,
            severities=self.severities,
            wrong=wrong != 0,
            change=np.array(change),
            labels=filled.labels,
            predicted=filled.predicted,
            settings={
                **settings,
                "height": form.height,
                "width": form.width,
                "channels": form.channels,
                "kinds": kinds,
                **filled.view,
            },
            **filled.origin(),
        )


def settings_of_stand_ins(report: StandInReport) -> dict[str, Any]:
    """Settings that determined the table of a finished report, which may hold its view as well."""
    what = {"perturbations": report.perturbations, "severities": report.severities}
    return {**report.settings, **what}


def answers_of(report: StandInReport) -> NDArray[np.float32]:
    """The table that a report was made of."""
    flat = [part.reshape(len(part), -1) for part in (report.wrong, report.change)]
    return np.concatenate(flat, axis=1, dtype=np.float32)
