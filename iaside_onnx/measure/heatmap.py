"""Measures a Fourier heat map: a model under each real Fourier basis vector (Yin et al., 2019)."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..corruptions.corrupt import generator
from ..errors import ArtifactError, UsageError
from ..images.sample import Reading
from ..listener import Listener
from ..mathematics.bands import band_index
from ..mathematics.fourier_basis import FrequencyGrid, basis_vectors, default_strength, finest
from ..results.heatmap import HeatmapReport, load_heatmap
from ..results.report import Report
from ..results.spread import check_confidence
from ..settings import Settings, check_number
from ..storage.partial import Partial
from .batch_size import batch_size
from .measuring import Subject, check_batch, kept, open_subject, writing
from .scorer import Scorer
from .survey import survey_sample

# Beyond these single precision shows nothing of the perturbation, or nothing of the image.
_STRENGTHS = (1e-6, 1e6)


def measure_heatmap(
    model: str | Path,
    images: str | Path,
    target: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    columns: str | None = None,
    class_names: str | Path | None = None,
    label_order: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad: bool = False,
    grid: int | Literal["full"] | None = None,
    strength: float | None = None,
    clip: bool = False,
    bands: int = 8,
    norm: str = "linf",
    analysis: Report | None = None,
    confidence: float = 0.95,
    provider: str = "auto",
    threads: int = 0,
    tf32: bool = True,
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    listener: Listener | None = None,
    **reading: Any,
) -> HeatmapReport:
    """Error rate and mean prediction error of a model under each Fourier basis vector.

    ``x' = x + r v U`` with U a real basis vector of norm 1 (`mathematics.fourier_basis`), v the
    strength, and r in {-1, 1} drawn for each image, frequency and channel (Yin et al., NeurIPS
    2019, section 3). As in the paper x' is not cut to [0, 1] unless `clip` is set.

    Parameters
    ----------
    model, images, labels, columns, class_names, label_order, image_column, label_column, skip_bad
        As for `analyze`.
    target : path, optional
        Where the report goes, written as the work proceeds.
    grid : int, "full" or None
        Frequencies an axis, odd, or all of them; None: 2 M + 1, so that each band has its middle.
    strength : float, optional
        l2 norm of the perturbation of each channel, for pixels in [0, 1]; None: the paper's, for
        the size of the images (`default_strength`).
    clip : bool
        Cut perturbed images to [0, 1].
    bands, norm, confidence
        Of the summary by band; a finished report can change them.
    analysis : Report, optional
        Of the same model: its bands are taken, and another model's is refused before the work.
    provider, threads, tf32, ort_extension, batch, resume, overwrite, listener
        As for `analyze`.
    **reading
        Fields of `Settings` that say which images are drawn and how the file is read: samples,
        seed, preprocess, size, input, output, layout, output_kind, label_offset, temperature.

    Returns
    -------
    HeatmapReport

    Raises
    ------
    IasideError
        Anything wrong with the arguments, the file, the images or the provider.
    """
    tell = listener or Listener()
    read = Reading.asked(
        images,
        labels,
        class_names,
        columns=columns,
        image_column=image_column,
        label_column=label_column,
        label_order=label_order,
    )
    wanted = Settings.asked(bands=1, norm=norm, **reading)
    separate_dc = False
    if analysis is not None:
        bands, norm, separate_dc = (
            analysis.settings[name] for name in ("bands", "norm", "separate_dc")
        )
    check_confidence(confidence)
    check_batch(batch)
    if strength is not None:
        check_number("--strength", strength, *_STRENGTHS, "auto or a positive number")
    path = None if target is None else Path(target)
    with writing(path, resume=resume, overwrite=overwrite):
        subject = open_subject(
            model,
            read,
            wanted,
            tell,
            skip_bad=skip_bad,
            provider=provider,
            threads=threads,
            tf32=tf32,
            ort_extension=ort_extension,
        )
        if analysis is not None and analysis.model["sha256"] != subject.model()["sha256"]:
            raise UsageError(f"the analysis is of {analysis.model['path']}, which is another model")
        size = subject.classifier.form.height, subject.classifier.form.width
        frequencies = _frequencies(*size, grid, bands, norm)
        if strength is None:
            strength = default_strength(*size)
        count, vectors = len(subject.sample), len(frequencies.vectors)
        tell.note(
            f"cost: {count} images x ({vectors} Fourier basis vectors + the image itself) = "
            f"{count * (vectors + 1):,} forward passes"
        )
        everything = list(range(len(subject.sample)))
        survey = survey_sample(
            subject.sample, everything, subject.targets, subject.classifier, wanted, tell
        )
        tell.note(
            f"perturbation: l2 norm {strength:.4g} in each channel, which is a root mean square of "
            f"{strength / np.sqrt(size[0] * size[1]):.3f} where pixels go from 0 to 1"
        )
        settings = {
            **subject.settings(wanted),
            "temperature": survey.temperature,
            "grid": frequencies.lines,
            "strength": float(strength),
            "clip": clip,
        }
        view: dict[str, Any] = {
            "bands": bands,
            "norm": norm,
            "separate_dc": separate_dc,
            "confidence": float(confidence),
        }
        waves = _Waves(subject, frequencies, settings)
        # Where images share their batch, only a batch of one gives an image's own scores.
        asked = batch or (1 if survey.one_by_one else None)

        def finish(partial: Partial) -> HeatmapReport:
            run = _fill(waves, partial, asked, tell)
            return _report(waves, survey.predicted, partial.table, {**settings, **view}, run, tell)

        # A row holds `wrong` (0 or 1) of each vector, then `change`.
        report = kept(
            path,
            subject.identity(settings),
            (count, 2 * vectors),
            finish,
            load_heatmap,
            tell,
            resume=resume,
        )
        return report.view(**view)


def _frequencies(
    height: int, width: int, grid: int | Literal["full"] | None, bands: int, norm: str
) -> FrequencyGrid:
    """The grid asked for; refuses bands that images of this size cannot have."""
    band_index(height, width, bands, norm)
    lines = None if grid == "full" else grid
    if grid is None and 2 * bands + 1 <= finest(height, width):
        lines = 2 * bands + 1
    return FrequencyGrid(height, width, lines)


@dataclass(frozen=True)
class _Waves:
    """Makes the perturbed images."""

    subject: Subject
    grid: FrequencyGrid
    settings: dict[str, Any]

    def signs(self, position: int, channels: int) -> NDArray[np.int8]:
        """Signs r of each vector and channel, shape (V, C): the same on every grid."""
        key = self.subject.keys[position]
        rng = generator(self.settings["seed"], key, "fourier heat map", 0)
        height, width = self.grid.height, self.grid.width
        drawn = 2 * rng.integers(0, 2, (height, width, channels), dtype=np.int8) - 1
        row, column = self.grid.vectors.T
        return np.asarray(drawn[row % height, column % width])

    def added(
        self, pixels: NDArray[np.float32], signs: NDArray[np.int8], part: slice
    ) -> NDArray[np.float32]:
        """Copies of an image, each with one of the vectors in `part`, shape (n, C, H, W)."""
        basis = basis_vectors(self.grid.height, self.grid.width, self.grid.vectors[part])
        factors = signs[part].astype(np.float32) * np.float32(self.settings["strength"])
        copies = factors[:, :, None, None] * basis[:, None]
        copies += pixels
        return np.clip(copies, 0, 1, out=copies) if self.settings["clip"] else copies


def _fill(waves: _Waves, partial: Partial, batch: int | None, tell: Listener) -> dict[str, Any]:
    """Evaluate what is missing; how it ran, as JSON values."""
    subject, vectors = waves.subject, len(waves.grid.vectors)
    missing, passes = partial.unfinished(), vectors + 1
    size = batch_size(subject.classifier, batch, len(missing) * passes)
    scorer = Scorer(subject.classifier, waves.settings["temperature"], size)
    total = len(subject.sample) * passes
    began = time.monotonic()
    tell.start(total - len(missing) * passes, total)
    try:
        for position in missing:
            partial.store(position, _row(waves, position, scorer, tell))
    finally:
        tell.stop()
    return {
        "forward_passes": total,
        "seconds": round(time.monotonic() - began, 3),
        "resumed_after": total - len(missing) * passes,
        "batch": size.size,
        **subject.environment(),
    }


def _row(waves: _Waves, position: int, scorer: Scorer, tell: Listener) -> NDArray[np.float32]:
    """Of one image: whether the class is wrong, and the change, under each vector."""
    subject, vectors = waves.subject, len(waves.grid.vectors)
    pixels, name = subject.pixels(position), subject.sample.ids[position]
    signs = waves.signs(position, len(pixels))
    clean, task = scorer(pixels[None]), scorer.task
    tell.advance(1)
    row = np.empty((2, vectors), np.float32)
    start = 0
    while start < vectors:
        part = slice(start, min(vectors, start + scorer.size.size))
        logs = scorer(waves.added(pixels, signs, part))
        if np.isnan(logs).any():
            wave = waves.grid.vectors[start + int(np.flatnonzero(np.isnan(logs).any(axis=1))[0])]
            raise ArtifactError(
                f"the model returns NaN for image {name} with the wave of {wave[1]} x {wave[0]} "
                "cycles added"
            )
        row[0, part] = ~task.right(logs, subject.targets[position])
        row[1, part] = task.change(logs, clean)
        tell.advance(part.stop - start)
        start = part.stop
    return row.ravel()


def _report(
    waves: _Waves,
    predicted: NDArray[np.int64],
    table: NDArray[np.float32],
    settings: dict[str, Any],
    run: dict[str, Any],
    tell: Listener,
) -> HeatmapReport:
    subject, vectors = waves.subject, len(waves.grid.vectors)
    return HeatmapReport(
        wrong=table[:, :vectors] != 0,
        change=np.array(table[:, vectors:]),
        labels=subject.sample.labels,
        predicted=predicted - subject.classifier.label_offset,
        image_ids=subject.sample.ids,
        settings=settings,
        model=subject.model(),
        data=subject.data(),
        run={**run, "warnings": tell.warnings},
        provider=subject.runtime.provider,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        iaside_version=__version__,
    )
