"""Measures what perturbations do to images, ring by ring of their spectra (method, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from ..attacks.attack import METHODS, check_queries, check_radius
from ..checks import check_choice, check_truth, plain, several
from ..corruptions.severity import CATALOGUE
from ..defaults import BANDS, NORM, SPACING
from ..errors import DataError, InvalidOption, UsageError
from ..images.sample import Sample
from ..mathematics.absence import SampleStatistics
from ..mathematics.bands import check_count
from ..mathematics.signal_noise import Rings
from ..mathematics.spacing import ring_edges
from ..plurals import counted, plural
from ..preprocessing.preprocess import Preprocess, load_preprocess
from ..results.snr import SnrReport
from ..results.spread import check_confidence
from ..spelling import option
from ..storage.partial import Columns
from .attacked import attack_images, attacked_together, settled_attacks
from .banding import Banding
from .batch_size import BatchSize
from .contract import Advance, Filled, Measurement, Rows, Store
from .corrupted import asked_corruptions, corrupted, corruption_threads
from .in_memory import GivenImages, GivenModel
from .request import ModelOptions, Request, with_options
from .run import measure
from .scorer import Scorer
from .subject import Subject

# Rings of one band unless asked for otherwise, where the image is large enough.
_RINGS_A_BAND = 4
# The severity at which the radius is the one asked for: the middle one, which tables show.
_FULL_SEVERITY = 3
# What says how a model is read and run, and its value where nobody asks for anything.
_OF_MODEL = {
    "model": None, "epsilon": None, "class_names": None, "label_order": None, "input": None,
    "output": None, "layout": None, "output_kind": None, "set": (), "provider": "auto",
    "threads": 0, "tf32": True, "ort_extension": (), "ep_library": (), "batch": None,
    "allow_random": False,
}  # fmt: skip


@with_options(ModelOptions, samples=50)
def measure_snr(
    images: GivenImages,
    target: str | Path | None = None,
    *,
    grey: bool = False,
    bands: int = BANDS,
    rings: int | None = None,
    norm: str = NORM,
    spacing: str = SPACING,
    edges: Sequence[float] | None = None,
    as_published: bool = False,  # noqa: ARG001 (`with_options` takes it)
    separate_dc: bool = False,
    corruption: str | Sequence[str] = (),
    severity: int | Sequence[int] = (),
    attack: str | None = None,
    model: GivenModel | None = None,
    epsilon: float | None = None,
    queries: int = 500,
    confidence: float = 0.95,
    **options: Unpack[ModelOptions],
) -> SnrReport:
    """Signal-to-noise ratio, gain and residual of corruptions, or an attack, on a sample of images.

    Parameters
    ----------
    images, target
        As for `analyze`: the same seed and number of samples draw the same images.
    grey : bool
        One channel, as grey models see pictures.
    bands, norm, separate_dc, spacing, edges
        As for `analyze`.
    rings : int, optional
        A multiple of `bands`; by default 4 a band, or as many as the size allows.
    corruption, severity : sequences, or one of their values
        As for `measure_robustness`. With an attack no corruption is measured unless it is named.
    attack : str, optional
        "square-linf", "square-l2", "spsa-linf" or "spsa-l2": what it adds is measured as well. It
        goes against the model's own answers.
    model, epsilon, queries : path, float, int
        The ONNX file that is attacked, which settles size and channels; the radius at severity 3
        in pixel space (at severity s it is s / 3 of that); images scored for one image at most.
    confidence : float
        Of the bootstrap intervals over images.
    **options
        As for `analyze`, and so are the errors that are raised; 50 samples unless asked for
        otherwise. What says how a model is read and run goes with an attack. Without a size or a
        crop all pictures must have one size.

    Returns
    -------
    SnrReport
    """
    grey, separate_dc, bands, rings = map(plain, (grey, separate_dc, bands, rings))
    norm, epsilon, queries, confidence = map(plain, (norm, epsilon, queries, confidence))
    options = {name: plain(value) for name, value in options.items()}  # type: ignore[assignment]
    check_truth("grey", grey)
    check_truth("separate_dc", separate_dc)
    banding = Banding.asked(bands, norm, spacing, edges)
    if rings is not None:
        check_count(rings, "rings")
        if rings < bands or rings % bands:
            raise InvalidOption("rings", rings, f"give a multiple of {option('bands', bands)}")
    check_queries(queries)
    names, levels = asked_corruptions(corruption, severity)
    if attack is None:
        _refuse_model({**options, "model": model, "epsilon": epsilon})
    else:
        check_choice("attack", attack, METHODS)
        if model is None or epsilon is None:
            lacking = {"model": model, "epsilon": epsilon}
            needed = " and ".join(option(name) for name, each in lacking.items() if each is None)
            raise UsageError(f"{option('attack', attack)} needs {needed}")
        check_radius(epsilon)
        names = names if several("corruption", corruption) else []
    check_confidence(confidence)
    request = Request.of(
        ModelOptions, options, model, images, target, samples=50, bands=1, norm=norm
    )

    def settle(subject: Subject) -> SignalToNoise:
        if subject.model is None:
            settings = request.settings
            recipe = _sized(load_preprocess(settings.preprocess), settings.size, subject.sample)
            channels, attacked = 1 if grey else 3, None
        else:
            assert attack is not None
            assert epsilon is not None
            recipe, channels = subject.model.preprocess, subject.model.form.channels
            if grey and channels != 1:
                raise InvalidOption(
                    "grey", True, f"{subject.model.artifact.path} takes {channels} channels"
                )
            asked = settled_attacks([attack], [epsilon], queries, subject.model.form.features)
            attacked = {**asked[0], **_attacked_model(subject)}
        assert recipe.crop is not None
        banding.check(*recipe.crop)
        statistics = None
        if banding.of_sample:
            statistics = SampleStatistics()
            for position in range(len(subject.sample)):
                statistics.add(recipe.pixels(subject.sample.picture(position), channels))
        settled = banding.settled(statistics)
        grid = _rings(*recipe.crop, settled, rings)
        return SignalToNoise(names, levels, grid, settled, recipe, channels, attacked)

    view = {"separate_dc": separate_dc, "confidence": float(confidence)}
    return measure(request, settle, view, labelled=False)


def _refuse_model(options: dict[str, Any]) -> None:
    """Refuse what says how a model is read or run where there is none."""
    for name, unasked in _OF_MODEL.items():
        value = options.get(name, unasked)
        if (tuple(value) if isinstance(value, list) else value) != unasked:
            own = {"output_kind": ("logits",), "tf32": (False,)}.get(name, ())
            raise UsageError(
                f"{option(name, *own)} goes with {option('attack')}, which is not given: "
                "corruptions need no model"
            )


def _attacked_model(subject: Subject) -> dict[str, Any]:
    """What the settings of a result say of the model that is attacked."""
    read = ("input", "output", "layout", "output_kind", "allow_random", "set")
    settings = subject.settings()
    names = [name for name in (*read, *subject.runtime.settings) if name in settings]
    artifact = subject.classifier.artifact
    return {
        "model": artifact.path.name,
        "sha256": artifact.sha256,
        "provider": subject.runtime.provider,
        **{name: settings[name] for name in names},
    }


def _sized(recipe: Preprocess, size: tuple[int, int] | None, sample: Sample) -> Preprocess:
    """The recipe with its size settled by the option, by its crop, or by the pictures."""
    if size := size or recipe.crop or recipe.size:
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
                f"{second[1]} x {second[0]}); give the model's input size with {option('size')}"
            )
    return replace(recipe, crop=next(iter(sizes)), resize=next(iter(sizes)), resize_ratio=None)


def _rings(height: int, width: int, banding: Banding, asked: int | None) -> Rings:
    """So many rings as are asked for, else the finest up to `_RINGS_A_BAND`, none empty."""

    def made(rings: int) -> Rings:
        edges = None if banding.edges is None else ring_edges(banding.edges, rings)
        return Rings(height, width, rings, banding.norm, edges)

    if asked is not None:
        return made(asked)
    for finer in range(_RINGS_A_BAND, 1, -1):
        with suppress(UsageError):
            return made(finer * banding.bands)
    return made(banding.bands)


@dataclass(frozen=True)
class SignalToNoise(Measurement[SnrReport]):
    """Spectra of images, and of what perturbations add to them.

    A row is an image: sums of its signal for each ring, then sums of the noise of each corruption
    and severity for each ring, then those of the attack.

    `recipe` brings pictures to the size of the grid; `attack` is as a result's settings have it.
    """

    corruptions: list[str]
    severities: list[int]
    grid: Rings
    banding: Banding
    recipe: Preprocess
    channels: int
    attack: dict[str, Any] | None

    dtype = "float64"
    kind = SnrReport

    @property
    def _cells(self) -> int:
        """Corruptions times severities."""
        return len(self.corruptions) * len(self.severities)

    @property
    def _ends(self) -> list[int]:
        attacked = len(self.severities) if self.attack else 0
        return _ends(self._cells, attacked, self.grid.rings)

    @property
    def columns(self) -> int:
        """See `Measurement`."""
        return self._ends[-1]

    @property
    def parts(self) -> list[Columns]:
        """See `Measurement`."""
        return _parts(self._ends)

    def cost(self, images: int) -> str:
        """See `Measurement`."""
        severities, texts = counted(len(self.severities), "severity", "severities"), []
        made = images * self._cells
        if self.corruptions:
            texts.append(
                f"{counted(images, 'image')} x {counted(len(self.corruptions), 'corruption')} x "
                f"{severities} = {made:,} {plural(made, 'corrupted image')}"
            )
        if self.attack is not None:
            queries = self.attack["queries"]
            texts.append(
                f"at most {counted(images, 'image')} x {severities} x {queries:,} queries = "
                f"{images * len(self.severities) * queries:,} forward passes for "
                f"{self.attack['name']}"
            )
        return ", and ".join(texts)

    def work(self, positions: list[int]) -> list[int]:
        """Corrupted images; and the most passes that the attack may take."""
        levels = len(positions) * len(self.severities)
        attacked = [] if self.attack is None else [levels * int(self.attack["queries"])]
        return [len(positions) * self._cells, *attacked]

    def passes(self, *_: Any) -> dict[str, int]:
        """Not counted: a row holds sums of spectra alone."""
        return {}

    def settings(self, subject: Subject) -> dict[str, Any]:
        """See `Measurement`."""
        return {
            "perturbations": self.corruptions,
            "severities": self.severities,
            **{name: kept for name, kept in self.banding.settings.items() if name != "separate_dc"},
            "rings": self.grid.rings,
            **subject.drawn,
            "height": self.grid.height,
            "width": self.grid.width,
            "channels": self.channels,
            "preprocess": self.recipe.settings(),
            **({"attack": self.attack} if self.attack else {}),
        }

    def settings_of(self, result: SnrReport) -> dict[str, Any]:
        """See `Measurement`."""
        return settings_of_sums(result)

    def rows(self, subject: Subject, size: BatchSize) -> Sequence[Rows]:
        """See `Measurement`."""
        corrupt = partial(self._corrupt, subject)
        if self.attack is None:
            return [corrupt]
        scorer = Scorer(subject.classifier, subject.task(), size)
        return [corrupt, partial(self._attack, self.attack, subject, scorer)]

    def _pixels(self, subject: Subject, position: int) -> NDArray[np.float32]:
        """An image of the sample at the size of the grid, shape (C, H, W)."""
        return self.recipe.pixels(subject.sample.picture(position), self.channels)

    def _corrupt(
        self, subject: Subject, positions: list[int], store: Store, advance: Advance
    ) -> None:
        """Sums of the signal (2, rings + 1), and of the noise (3, cells, rings + 1)."""
        pixels, what = partial(self._pixels, subject), (self.corruptions, self.severities)
        features = self.channels * self.grid.height * self.grid.width
        threads = corruption_threads(None)
        stream = corrupted(
            pixels, subject.keys, positions, *what, subject.seed, features=features, threads=threads
        )
        clean, signal = np.empty(0, np.float32), np.empty(0)
        spectrum: NDArray[np.complexfloating[Any, Any]] = np.empty(0, np.complex128)
        noise = np.empty((3, self._cells, self.grid.rings + 1))
        for position, column, image in stream:
            if column < 0:
                clean, spectrum = image, self.grid.spectrum(image)
                signal = self.grid.signal(spectrum)
            else:
                added = self.grid.spectrum(image - clean)
                noise[:, column] = self.grid.noise(spectrum, added)
                advance(1)
            if column == self._cells - 1:
                store(position, np.concatenate([signal.ravel(), noise.ravel()]))

    def _attack(
        self,
        attack: dict[str, Any],
        subject: Subject,
        scorer: Scorer,
        positions: list[int],
        store: Store,
        advance: Advance,
    ) -> None:
        """Sums of the noise that the attack adds, (3, severities, rings + 1).

        What is attacked is the model's own answer to each image: it needs no label, and no image is
        wrong from the start, which would leave it as it is.
        """
        for group in attacked_together(subject, positions):
            images = np.stack([self._pixels(subject, position) for position in group])
            answers = scorer.task.answers(scorer(images))
            spectra = [self.grid.spectrum(image) for image in images]
            noise = np.empty((len(group), 3, len(self.severities), self.grid.rings + 1))
            for column, level in enumerate(self.severities):
                asked = {**attack, "epsilon": attack["epsilon"] * level / _FULL_SEVERITY}
                result = attack_images(subject, scorer, group, images, answers, asked, advance)
                for row, change in enumerate(result.images - images):
                    added = self.grid.spectrum(change)
                    noise[row, :, column] = self.grid.noise(spectra[row], added)
            for position, sums in zip(group, noise, strict=True):
                store(position, sums.ravel())

    def result(self, filled: Filled) -> SnrReport:
        """See `Measurement`."""
        images, sums = len(filled.table), self.grid.rings + 1
        signal, *noise = np.split(filled.table, self._ends[:-1], axis=1)
        shape = images, 3, -1, len(self.severities), sums
        kinds = {name: CATALOGUE[name].kind for name in self.corruptions}
        if self.attack is not None:
            kinds[self.attack["name"]] = "attack"
        of_attributes = ("perturbations", "severities")
        settings = {
            name: value for name, value in filled.all_settings.items() if name not in of_attributes
        }
        # Corruptions have no model; that of an attack is in the settings.
        origin = {**filled.origin(), "model": {}, "provider": ""}
        table = np.concatenate([part.reshape(shape) for part in noise], axis=2)
        return SnrReport(
            perturbations=list(kinds),
            severities=self.severities,
            signal=np.moveaxis(signal.reshape(images, 2, sums), 0, 1).copy(),
            noise=np.moveaxis(table, 0, 1).copy(),
            settings={**settings, "kinds": kinds},
            labels=None if filled.subject.request.shard is None else filled.sample.labels,
            **origin,
        )


def _ends(cells: int, attacked: int, rings: int) -> list[int]:
    """Where signal, noise of corruptions and noise of the attack end in a row."""
    return [int(end) * (rings + 1) for end in np.cumsum([2, 3 * cells, 3 * attacked])]


def _parts(ends: list[int]) -> list[Columns]:
    """Columns of signal and corruptions, then those of the attack if there is one."""
    _, end, whole = ends
    return [slice(end), slice(end, whole)] if whole > end else [slice(end)]


def settings_of_sums(report: SnrReport) -> dict[str, Any]:
    """Settings that determined the table of a finished report, which may hold its view as well."""
    names = report.perturbations
    corruptions = names[:-1] if report.settings.get("attack") else names
    return {**report.settings, "perturbations": corruptions, "severities": report.severities}


def sums_parts(report: SnrReport) -> list[Columns]:
    """Columns of a report's table that are filled together."""
    corruptions, levels = len(settings_of_sums(report)["perturbations"]), len(report.severities)
    attacked = len(report.perturbations) - corruptions
    return _parts(_ends(corruptions * levels, attacked * levels, report.rings))


def sums_of(report: SnrReport) -> NDArray[np.float64]:
    """The table that a report was made of."""
    noise = np.moveaxis(report.noise, 1, 0)
    corruptions = len(settings_of_sums(report)["perturbations"])
    sums = np.moveaxis(report.signal, 1, 0), noise[:, :, :corruptions], noise[:, :, corruptions:]
    return np.concatenate([each.reshape(len(noise), -1) for each in sums], axis=1)
