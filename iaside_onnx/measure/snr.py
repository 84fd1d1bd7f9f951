"""Measures what perturbations do to images, ring by ring of their spectra (method, section 6)."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..corruptions.corrupt import corrupt, generator
from ..corruptions.severity import CATALOGUE
from ..errors import DataError, UsageError
from ..images.folders import PhotoFiles
from ..images.sample import Reading, Sample, draw_sample, leave_out_bad
from ..inference.session import choose_runtime
from ..listener import Listener
from ..mathematics.bands import NORMS, band_index
from ..mathematics.signal_noise import Rings
from ..preprocessing.preprocess import Preprocess, load_preprocess
from ..results.snr import SnrReport
from ..results.spread import check_confidence
from ..settings import MOST_COUNT, Settings, check_number, check_seed
from ..storage.output_file import check_folder, check_free
from .attack_noise import Attack, attack_noise, attacked_classifier, wanted_attack
from .corrupted import wanted_corruptions
from .draws import DRAWS, draw_key
from .labelling import settle_labels
from .measuring import check_batch

# Rings of one band unless asked for otherwise, where the image is large enough.
_RINGS_A_BAND = 4


def measure_snr(
    images: str | Path,
    target: str | Path | None = None,
    *,
    labels: str | Path | None = None,
    columns: str | None = None,
    class_names: str | Path | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    skip_bad: bool = False,
    samples: int = 50,
    seed: int = 0,
    preprocess: str | None = None,
    size: tuple[int, int] | None = None,
    grey: bool = False,
    bands: int = 8,
    rings: int | None = None,
    norm: str = "linf",
    separate_dc: bool = False,
    corruption: Sequence[str] = (),
    severity: Sequence[int] = (),
    attack: str | None = None,
    model: str | Path | None = None,
    epsilon: float | None = None,
    queries: int = 500,
    input: str | None = None,
    output: str | None = None,
    layout: str | None = None,
    output_kind: str | None = None,
    set: Sequence[str] = (),
    provider: str = "auto",
    threads: int = 0,
    tf32: bool = True,
    ort_extension: Sequence[str | Path] = (),
    batch: int | None = None,
    allow_random: bool = False,
    confidence: float = 0.95,
    overwrite: bool = False,
    listener: Listener | None = None,
) -> SnrReport:
    """Signal-to-noise ratio, gain and residual of corruptions, or an attack, on a sample of images.

    Parameters
    ----------
    images, labels, columns, image_column, label_column, skip_bad, samples, seed
        As for `analyze`: the same seed and number draw the same images.
    class_names : path or "none", optional
        As for `analyze`, with an attack: folders and labels are held against these names. What is
        measured needs no class.
    target : path, optional
        Where the report goes.
    preprocess, size : str, (int, int), optional
        How pictures come to the size of the model's input; without a size or a crop all pictures
        must have one size.
    grey : bool
        One channel, as grey models see pictures.
    bands, norm, separate_dc
        As for `analyze`.
    rings : int, optional
        A multiple of `bands`; by default 4 a band, or as many as the size allows.
    corruption, severity : sequences
        As for `measure_robustness`. With an attack no corruption is measured unless it is named.
    attack : str, optional
        "square-linf", "square-l2", "spsa-linf" or "spsa-l2": what it adds is measured as well. It
        goes against the model's own answers.
    model, epsilon, queries : path, float, int
        The ONNX file that is attacked, which settles size and channels; the radius at severity 3
        in pixel space (at severity s it is s / 3 of that); images scored for one image at most.
    input, output, layout, output_kind, set, provider, threads, tf32, ort_extension, batch
        How that model is read and run, as for `analyze`.
    confidence : float
        Of the bootstrap intervals over images.

    Returns
    -------
    SnrReport

    Raises
    ------
    IasideError
        Anything wrong with the arguments or the images.
    """
    tell = listener or Listener()
    against = wanted_attack(attack, model, epsilon, queries, allow_random=allow_random)
    of_model = {"input": input, "output": output, "layout": layout, "output_kind": output_kind}
    running = (provider, threads, tf32, tuple(map(Path, ort_extension)))
    _check_model_options(against, {**of_model, "set": ", ".join(set) or None}, running, batch)
    names, levels = wanted_corruptions(corruption, severity)
    check_confidence(confidence)
    check_seed(seed)
    check_number("--samples", samples, 0, MOST_COUNT, "0 for all images or a positive number")
    if norm not in NORMS:
        raise UsageError(f"--norm {norm}: choose one of {', '.join(NORMS)}")
    if class_names is not None and against is None:
        raise UsageError("--class-names goes with --attack: corruptions need no classes")
    path = None if target is None else Path(target)
    if path is not None:
        check_folder(path)
        check_free(path, overwrite=overwrite)
    reading = Reading.asked(
        images,
        labels,
        class_names,
        columns=columns,
        image_column=image_column,
        label_column=label_column,
    )
    source = reading.open(tell)
    if isinstance(source, PhotoFiles) and source.doubt and class_names is None:
        raise DataError(source.doubt)
    sample = draw_sample(source, samples, seed)
    skipped: list[dict[str, str]] = []
    if skip_bad:
        sample, skipped = leave_out_bad(sample, tell)
    if against is None:
        classifier = None
        recipe, channels = _sized(load_preprocess(preprocess), size, sample), 1 if grey else 3
    else:
        asked = Settings.asked(
            preprocess=preprocess, size=size, allow_random=allow_random, set=tuple(set), **of_model
        )
        runtime = choose_runtime(provider, threads, running[-1], tf32=tf32)
        classifier = attacked_classifier(against, sample, asked, runtime, grey, tell)
        if class_names is not None:
            settle_labels(sample, classifier, reading, tell)
        recipe, channels = classifier.preprocess, classifier.form.channels
        if not corruption:
            names = []
    assert recipe.crop is not None
    grid = Rings(*recipe.crop, _ring_count(*recipe.crop, bands, rings, norm), norm)
    started = time.monotonic()
    signal, noise = _measure(sample, recipe, channels, grid, names, levels, seed, tell)
    kinds = {name: CATALOGUE[name].kind for name in names}
    attacked = {}
    if against is not None and classifier is not None:
        added = attack_noise(against, classifier, sample, grid, levels, seed, batch, tell)
        noise = np.concatenate([noise, added], axis=2)
        names, kinds[against.name] = [*names, against.name], "attack"
        attacked = {"attack": against.settings(classifier)}
    given = Path(images)
    report = SnrReport(
        perturbations=names,
        severities=levels,
        signal=signal,
        noise=noise,
        image_ids=sample.ids,
        settings={
            "bands": bands,
            "rings": grid.rings,
            "norm": norm,
            "separate_dc": separate_dc,
            "confidence": float(confidence),
            "seed": seed,
            "draws": DRAWS,
            "samples": samples,
            "height": grid.height,
            "width": grid.width,
            "channels": channels,
            "preprocess": recipe.settings(),
            "kinds": kinds,
            **attacked,
        },
        data={
            "source": given.name if given.is_absolute() else given.as_posix(),
            "digest": sample.digest(),
            "samples": len(sample),
            "skipped": skipped,
        },
        run={"seconds": round(time.monotonic() - started, 3), "warnings": tell.warnings},
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        iaside_version=__version__,
    )
    if path is not None:
        report.save(path, overwrite=overwrite)
    return report


def _check_model_options(
    attack: Attack | None, of_model: dict[str, str | None], running: Any, batch: int | None
) -> None:
    """Refuse what says how a model is read or run where there is none."""
    check_batch(batch)
    if attack is not None:
        return
    given = [name for name, value in of_model.items() if value is not None]
    usual = {"provider": "auto", "threads": 0, "tf32": True, "ort_extension": ()}
    given += [
        name for (name, rest), held in zip(usual.items(), running, strict=True) if held != rest
    ]
    given += ["batch"] if batch is not None else []
    if given:
        option = {"output_kind": "logits", "tf32": "no-tf32"}.get(given[0], given[0])
        raise UsageError(
            f"--{option.replace('_', '-')} goes with --attack, which is not given: corruptions "
            "need no model"
        )


def _sized(recipe: Preprocess, size: tuple[int, int] | None, sample: Sample) -> Preprocess:
    """The recipe with its size settled by the option, by its crop, or by the pictures."""
    if size is None:
        size = recipe.crop or recipe.size
    if size is not None:
        return recipe.for_size(*size)
    # Found by decoding: labels and headers may say anything.
    sizes: dict[tuple[int, int], str] = {}
    for position, name in enumerate(sample.ids):
        picture = sample.picture(position)
        shape = picture.shape[:2] if isinstance(picture, np.ndarray) else picture.size[::-1]
        sizes.setdefault((int(shape[0]), int(shape[1])), name)
        if len(sizes) > 1:
            (first, a), (second, b) = sizes.items()
            raise DataError(
                f"the pictures differ in size ({a} is {first[1]} x {first[0]}, {b} is "
                f"{second[1]} x {second[0]}); give the model's input size with --size"
            )
    return replace(recipe, crop=next(iter(sizes)), resize=next(iter(sizes)), resize_ratio=None)


def _ring_count(height: int, width: int, bands: int, rings: int | None, norm: str) -> int:
    band_index(height, width, bands, norm)  # refuses too many
    if rings is None:
        for finer in range(_RINGS_A_BAND, 1, -1):
            try:
                band_index(height, width, finer * bands, norm)
            except UsageError:
                continue
            return finer * bands
        return bands
    if rings < bands or rings % bands:
        raise UsageError(f"--rings {rings}: give a multiple of --bands {bands}")
    return rings


def _measure(
    sample: Sample,
    recipe: Preprocess,
    channels: int,
    grid: Rings,
    names: list[str],
    levels: list[int],
    seed: int,
    tell: Listener,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of the signal (2, n, parts) and of the noise (3, n, names, levels, parts)."""
    parts = grid.rings + 1
    signal = np.empty((2, len(sample), parts))
    noise = np.empty((3, len(sample), len(names), len(levels), parts))
    tell.start(0, len(sample) * len(names) * len(levels))
    try:
        for position in range(len(sample)):
            pixels = recipe.pixels(sample.picture(position), channels)
            clean, key = grid.spectrum(pixels), draw_key(sample, position)
            signal[:, position] = grid.signal(clean)
            for row, corruption in enumerate(names):
                for column, level in enumerate(levels):
                    rng = generator(seed, key, corruption, level)
                    added = grid.spectrum(corrupt(pixels, corruption, level, rng) - pixels)
                    noise[:, position, row, column] = grid.noise(clean, added)
                tell.advance(len(levels))
    finally:
        tell.stop()
    return signal, noise
