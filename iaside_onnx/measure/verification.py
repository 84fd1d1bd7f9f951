"""Compares a file with the model and the images that it names, and does some of its rows again.

Rows are done again by the jobs themselves: a partial file gets all rows of the report but some, and
the job goes on with it. So a row done again is made exactly as it was the first time, and whatever
determines the table is compared on the way.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import check_number, several
from ..digest import data_digest
from ..errors import IasideError, ReportError, UsageError, said
from ..images.class_index import ClassIndex
from ..images.class_names import NO_NAMES
from ..images.sample import OWN_ANSWERS, Reading, Sample
from ..inference.choosing import is_active
from ..inference.class_head import digest_of_classes
from ..inference.plugin_loading import load_plugins
from ..inference.providers import asked, row_of
from ..listener import Listener
from ..mathematics.spacing import GIVEN
from ..onnx_file.artifact import file_digest, is_ort_format, read_artifact
from ..preprocessing.preprocess import PRESETS, load_preprocess, preprocess_from
from ..preprocessing.recipe_keys import RECIPE_KEYS
from ..results.banded import spacing_of
from ..results.damage import DamageReport
from ..results.heatmap import HeatmapReport
from ..results.part import part_of
from ..results.report import Report
from ..results.robustness import RobustnessReport
from ..results.snr import SnrReport
from ..results.stand_ins import OWN, StandInReport
from ..results.verification import Check, Verification, verify_file
from ..settings import LAYOUTS, MOST_COUNT, Settings
from ..spelling import on_command_line, option
from ..storage.partial import WHOLE_ROWS, Columns, create_partial
from ..storage.value_rules import is_name, is_text
from ..tasks import CLASSES
from .analysis import analyze
from .attacked import NO_ATTACK
from .damage import explain
from .heatmap import measure_heatmap
from .robustness import measure_robustness
from .robustness_columns import settings_of_answers, table_of, table_parts
from .run import identity_of, model_of
from .snr import measure_snr, settings_of_sums, sums_of, sums_parts
from .stand_ins import answers_of, measure_stand_ins, settings_of_stand_ins
from .subject import DRAWS, as_json

# Values that kernels of another machine may round to: of the CPU, and of GPUs, which keep 11 bits.
_ASKED = option("redo")
_TOLERANCE, _TOLERANCE_11_BITS = 1e-3, 1e-2
# Answers that rounding may turn where kernels keep 11 bits.
_TURNED = 0.01


class _Redo(NamedTuple):
    """How the rows of one kind of file are done again: by which job, with which options."""

    job: Callable[..., Any]
    options: dict[str, Any]
    # The rows of a result, as the job's partial file holds them.
    table_of: Callable[[Any], NDArray[Any]]
    # Of those that determined the table.
    settings: dict[str, Any]
    parts: Sequence[Columns] = WHOLE_ROWS
    dtype: str = "float32"
    # What makes a difference large or small: for each number of some rows of the table.
    scale: Callable[[NDArray[Any]], NDArray[Any]] = lambda rows: np.maximum(1.0, np.abs(rows))


def verify(
    path: str | Path,
    *,
    model: str | Path | None = None,
    images: str | Path | None = None,
    labels: str | Path | None = None,
    class_names: str | Path | None = None,
    class_embeddings: str | Path | None = None,
    fit_classes: str | Path | None = None,
    set: str | Sequence[str] = (),
    redo: int = 0,
    seed: int = 0,
    signed: Check | None = None,
    listener: Listener | None = None,
    **running: Any,
) -> Verification:
    """Ask whether a file is whole, follows from its table, and can be repeated.

    Parameters
    ----------
    path : path
        A file of ``analyze``, ``robustness``, ``heatmap``, ``snr``, ``explain`` or
        ``predict``.
    model, images : path, optional
        Whether they are the ones that the file names.
    labels, class_names : path, optional
        As for `analyze`.
    class_embeddings, fit_classes : path, optional
        Whether the classes of an image encoder are the ones that the file names.
    set : str or sequence of str, optional
        ``NAME=FILE.npy`` of inputs of the model that were set to a file, to make rows again.
    redo : int
        Rows of the table that are made again; needs `images`, and `model` where one made them.
    seed : int
        Which rows.
    signed : Check, optional
        What `storage.signature` found, to stand with the others.
    listener : Listener, optional
    **running
        threads, batch, ort_extension and ep_library, as for `analyze`.

    Returns
    -------
    Verification
        ``holds``, and ``checks``, each with what was found.

    Raises
    ------
    IasideError
        The file is none of iaside, or model or images cannot be read.
    """
    check_number("redo", redo, 0, MOST_COUNT, "a number of rows")
    verification = verify_file(Path(path))
    result = verification.result
    needed = {"model": model, "images": images}
    if result is not None and not model_of(result):
        del needed["model"]
    if redo and None in needed.values():
        raise UsageError(f"{_ASKED} needs {' and '.join(map(option, needed))}")
    checks = [*verification.checks, *([signed] if signed is not None else [])]
    if result is not None and model is not None:
        checks.append(_same_model(result, Path(model)))
    classes = {"class_embeddings": class_embeddings, "fit_classes": fit_classes}
    given = {name: value for name, value in classes.items() if value is not None}
    checks += [
        _same_classes(result, name, value) for name, value in given.items() if result is not None
    ]
    if result is not None and images is not None:
        if result.settings.get("labels") == OWN_ANSWERS:
            if labels not in (None, OWN_ANSWERS):
                raise UsageError(
                    f"{path}: has the model's own answers as labels; leave out {option('labels')}"
                )
            labels = OWN_ANSWERS
        reading = {"labels": labels, **_reading(result, class_names)}
        task = str(result.settings.get("task", CLASSES))
        checks.append(_same_images(result, Reading.asked(images, **reading).of_task(task)))
        if redo and all(check.holds is not False for check in checks):
            options = {**running, **reading, **given}
            if values := several("set", set):
                options["set"] = values
            checks.append(_redone(result, model, images, redo, seed, options, listener))
    return replace(verification, checks=checks)


def _reading(result: Any, class_names: str | Path | None) -> dict[str, Any]:
    """How the images of a file were read, as arguments of its job."""
    names = ("columns", "image_column", "label_column", "label_order")
    stored = {name: result.data.get(name) for name in names}
    usable = {name: value if is_text(value) else None for name, value in stored.items()}
    if class_names is None and result.data.get("class_names") == NO_NAMES:
        class_names = NO_NAMES
    return {**usable, "class_names": class_names}


def _same_model(result: Any, path: Path) -> Check:
    stored = model_of(result)
    if "sha256" not in stored:
        raise UsageError(f"{option('model')}: the file names none; it was measured without")
    digest = file_digest(path) if is_ort_format(path) else read_artifact(path).sha256
    same = digest == stored["sha256"]
    return Check("model", same, f"{path} is {'the' if same else 'another'} model")


def _same_classes(result: Any, name: str, given: str | Path) -> Check:
    """Whether the classes of an encoder are those that were given."""
    stored = result.settings.get(name)
    if stored is None:
        raise UsageError(f"{option(name)}: the file was made without")
    same = digest_of_classes(name, given) == stored
    which = "those of the file" if same else "others"
    return Check("classes", same, f"the classes of {given} are {which}")


def _same_images(result: Any, reading: Reading) -> Check:
    """Whether the images that the file names lie there, with the same labels and contents."""
    source = reading.open()
    places = {name: index for index, name in enumerate(source.ids)}
    missing = next((name for name in result.image_ids if name not in places), None)
    if missing is not None:
        return Check("images", False, f"{reading.images} holds no image {missing}")
    unlike = result.settings.get("task") in ("several-labels", "dense") and reading.labels is None
    if unlike and not reading.own_answers:
        raise UsageError(
            f"{option('images')}: the images were compared with labels; give these with "
            f"{option('labels')} as well"
        )
    sample = Sample(source, np.array([places[name] for name in result.image_ids], np.intp))
    if sample.digest() == result.data["digest"]:
        return Check("images", True, f"all {len(sample)} are there, with the same contents")
    stored = getattr(result, "labels", None)
    labels = sample.labels if stored is None else stored
    if data_digest(sample.ids, labels, sample.image_digests) == result.data["digest"]:
        if stored is not None and _by_names(sample, stored, getattr(result, "class_names", None)):
            text = f"all {len(sample)} are there, with the same contents, labelled by names"
            return Check("images", True, text)
        return Check("images", False, "the images are the same, but their labels are not")
    digests = getattr(result, "image_digests", None)
    if digests is None:
        return Check("images", False, "their contents, or their labels, are not the same")
    changed = np.flatnonzero((digests != sample.image_digests).any(axis=1))
    name = result.image_ids[int(changed[0])] if changed.size else "none"
    return Check("images", False, f"{changed.size} have other contents, the first is {name}")


def _by_names(sample: Sample, labels: NDArray[np.int64], names: list[str] | None) -> bool:
    """Whether labels are of images whose classes have names, which the model numbers otherwise.

    A name that the result does not have must have one number of its own.
    """
    own = sample.source.class_names
    if own is None:
        return False
    pairs = list(zip(sample.labels.tolist(), labels.tolist(), strict=True))
    numbers = dict(pairs)
    if len({*pairs}) > len(numbers):
        return False
    places = ClassIndex(names or []).find([own[place] for place in numbers])
    alone = len({*numbers.values()}) == len(numbers)
    found = zip(numbers.values(), places, strict=True)
    return all(number in meant if meant else alone for number, meant in found)


def _redo_of(result: Any) -> _Redo:
    """How to do rows of a result again, where its kind and what it is a shard of allow it."""
    kind = next((kind for kind in _KINDS if isinstance(result, kind)), None)
    if kind is None:
        raise UsageError(f"{_ASKED} is not for files of this kind")
    if result.settings.get("draws") != DRAWS:
        raise UsageError(
            f"{_ASKED}: what was drawn for an image went by its file name in the version that "
            "made this file, and goes by its pixels now: its rows cannot be made again here"
        )
    whole = part_of(result)
    if whole is not None and len(whole.part.numbers) > 1:
        raise UsageError(f"{_ASKED}: give the report of one shard, or of all, not of several")
    if result.run.get("sample", len(result.image_ids)) != len(result.image_ids):
        limits = f"{option('target_stderr')} and {option('time_budget')}"
        raise UsageError(
            f"{_ASKED}: the report stopped before the end of its sample; verify one that was made "
            f"without {limits}"
        )
    redo = _KINDS[kind](result)
    shard = None if whole is None else whole.part.option
    settings = result.settings.get("attack") or result.settings
    redo.options.update(shard=shard, tf32=settings.get("tf32", True))
    return redo


def _of_report(report: Report) -> _Redo:
    return _Redo(analyze, {}, lambda one: one.every_number, report.settings)


def _of_heatmap(report: HeatmapReport) -> _Redo:
    settings = report.settings
    options = {
        "grid": "full" if settings["grid"] is None else settings["grid"],
        "strength": settings["strength"],
        "clip": settings["clip"],
    }
    return _Redo(measure_heatmap, options, lambda one: one.every_number, settings)


def _of_robustness(report: RobustnessReport) -> _Redo:
    attacks, settings = report.attacks, report.settings
    options = {
        "corruption": report.perturbations,
        "severity": report.severities,
        "attack": [attack["name"] for attack in attacks] or [NO_ATTACK],
        "epsilon": [attack["epsilon"] for attack in attacks],
        "queries": attacks[0]["queries"] if attacks else 1,
        "attack_samples": settings.get("attack_samples") or 0,
    }
    if pairs := settings.get("pairs"):
        raise _own_pictures(", ".join(pairs))
    tallied = (
        0 if report.corrupted_tally is None else int(np.prod(report.corrupted_tally.shape[3:]))
    )
    cells = len(report.perturbations) * len(report.severities)
    parts = table_parts(cells, len(attacks), tallied)
    early = report.max_prob is None  # holds no such probabilities, so none are compared with it

    def rows_of(one: RobustnessReport) -> NDArray[np.float32]:
        return table_of(replace(one, max_prob=None, corrupted_max_prob=None) if early else one)

    return _Redo(measure_robustness, options, rows_of, settings_of_answers(report), parts)


def _of_damage(report: DamageReport) -> _Redo:
    perturbation = report.settings["perturbation"]
    if perturbation["kind"] == "folder":
        raise _own_pictures(perturbation["name"])
    if report.answers is None and report.of_classes:
        raise UsageError(f"{_ASKED}: the file does not hold the model's answers")
    names = {"corruption": ("severity",), "attack": ("epsilon", "queries")}[perturbation["kind"]]
    options = {
        perturbation["kind"]: perturbation["name"],
        **{name: perturbation[name] for name in names},
        "split": report.split,
    }

    def rows_of(one: DamageReport) -> NDArray[np.float32]:
        if one.answers is None:
            return one.table
        offset = int(one.settings.get("label_offset") or 0)
        return np.concatenate([one.table, one.answers + offset], axis=1, dtype=np.float32)

    return _Redo(explain, options, rows_of, report.settings)


def _own_pictures(names: str) -> UsageError:
    """Rows that were made of perturbed pictures of the user's own."""
    return UsageError(
        f"{_ASKED}: the file does not say where the perturbed pictures of {names} lie; measure "
        "them again and compare"
    )


def _of_snr(report: SnrReport) -> _Redo:
    settings = settings_of_sums(report)
    attack = report.settings.get("attack") or {}
    options = {
        "corruption": settings["perturbations"],
        "severity": report.severities,
        "rings": report.rings,
        "grey": settings["channels"] == 1,
        "size": (settings["height"], settings["width"]),
        "attack": attack.get("name"),
        "epsilon": attack.get("epsilon"),
        "queries": attack.get("queries", 1),
    }

    def job(model: str | Path | None, images: str | Path, target: Path, **given: Any) -> SnrReport:
        preset = given["preprocess"]
        if model is None and preset in PRESETS:
            settled = load_preprocess(preset).for_size(*options["size"])
            if as_json(settled.settings()) != settings["preprocess"]:
                given["size"] = None  # that of the pictures, which are then taken as they are
        return measure_snr(images, target, model=model, **given)

    def scale(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        # Against the largest of a spectrum: sums of any size may follow from rounding there.
        spectra = rows.reshape(len(rows), -1, report.rings + 1)
        largest = np.maximum(np.abs(spectra).max(axis=-1), 1e-12)
        return np.repeat(largest, report.rings + 1, axis=1)

    parts = sums_parts(report)
    return _Redo(job, options, sums_of, settings, parts, "float64", scale)


def _of_stand_ins(report: StandInReport) -> _Redo:
    settings = settings_of_stand_ins(report)
    if settings["spectra"] != OWN:
        raise UsageError(
            f"{_ASKED}: these stand-ins were made from a file of spectra, which the result does "
            "not hold"
        )
    options = {
        "corruption": report.perturbations,
        "severity": report.severities,
        "rings": settings["rings"],
        "placed": settings["placed"],
    }
    return _Redo(measure_stand_ins, options, answers_of, settings)


_KINDS: dict[type, Callable[[Any], _Redo]] = {
    Report: _of_report,
    HeatmapReport: _of_heatmap,
    RobustnessReport: _of_robustness,
    DamageReport: _of_damage,
    SnrReport: _of_snr,
    StandInReport: _of_stand_ins,
}


def _redone(
    result: Any,
    model: str | Path | None,
    images: str | Path,
    count: int,
    seed: int,
    running: dict[str, Any],
    listener: Listener | None,
) -> Check:
    """Have some rows done again, and say how far they lie from those of the file."""
    redo, stored = _redo_of(result), model_of(result)
    named = result.provider or stored.get("provider", "auto")
    ran = {**result.settings, **(result.settings.get("attack") or {})}.get("execution")
    provider = str(ran or named)
    load_plugins(map(Path, running.get("ep_library", ())))
    if stored and not is_active(provider):
        raise UsageError(f"{_ASKED}: the file was made with {provider}, which is not active here")
    table, identity = redo.table_of(result), as_json(identity_of(result, redo.settings))
    rows = np.sort(np.random.default_rng(seed).permutation(len(table))[:count])
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "again.h5"
        options = {
            **redo.options, **_settings(result, Path(folder), running), **running,
            "provider": provider, "skip_bad": bool(result.data.get("skip_bad")),
        }  # fmt: skip
        recipe = options["preprocess"]
        if recipe is not None and recipe not in PRESETS:
            # The recipe is that of the file; the file that now holds it has another name.
            identity["settings"]["preprocess"]["name"] = Path(recipe).name
        partial = create_partial(
            target, identity, len(table), table.shape[1], redo.parts, redo.dtype
        )
        for position in np.setdiff1d(np.arange(len(table)), rows).tolist():
            for part, columns in enumerate(redo.parts):
                partial.store(position, table[position, columns], part)
        partial.table.flush()
        partial.sums.flush()
        loud = listener or Listener()
        quiet = Listener(note=loud.note, words=loud.words)
        try:
            again = redo.job(model, images, target, resume=True, listener=quiet, **options)
        except ReportError as error:
            reason = on_command_line(said(error)).replace(f"{target}.partial: ", "")
            text = f"the job comes to something else: {reason.partition('; use ')[0]}"
            return Check("rows", False, text)
    row = row_of(asked(provider)[0])
    coarse = bool(stored) and row is not None and row.coarse
    worst = _distance(table[rows], redo.table_of(again)[rows], redo.scale(table[rows]))
    limit = _TOLERANCE_11_BITS if coarse else _TOLERANCE
    done = f"{len(rows)} of {len(table)} rows done again" + (f" with {provider}" if stored else "")
    turned = 0
    if hasattr(result, "predicted"):
        turned = int((again.predicted != result.predicted).sum())
    if turned > (_TURNED * len(table) if coarse else 0):
        return Check("rows", False, f"{turned} clean images are put into another class")
    if worst == 0:
        return Check("rows", True, f"{done}: the same bit for bit")
    text = f"{done}: they differ by up to {worst:.3g}, at most {limit:g} is rounding"
    return Check("rows", bool(worst <= limit), text)


def _distance(old: NDArray[Any], new: NDArray[Any], scale: NDArray[Any]) -> float:
    """Largest difference, as a share of `scale`."""
    if np.array_equal(old, new):
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(old.astype(np.float64) - new) / scale
    return float(np.where(np.isnan(apart), np.inf, np.where(old == new, 0.0, apart)).max())


def _settings(result: Any, folder: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Settings of a result as its job takes them, beside those that are given.

    Of files that determined the rows a result holds the digest alone, so these have to be given.
    """
    settings = {**(result.settings.get("attack") or {}), **result.settings}
    for name, what in (("class_embeddings", "FILE.npy"), ("fit_classes", "IMAGES")):
        if name in settings and name not in given:
            raise UsageError(
                f"{_ASKED} needs {option(name, like=what)} as well, which the classes of this file "
                "are from"
            )
        if name in settings:  # which are logits, whatever the model gives
            settings.pop("output_kind", None)
    names = {each.name for each in fields(Settings)} - {"preprocess", "layout", "size"}
    if not isinstance(result, Report):
        names -= {"absence", "output_map"}
    if not isinstance(result, Report | DamageReport):
        names -= {"estimator", "passes", "separate_dc"}
    if settings.get("spacing") != GIVEN:  # which the images or the number of bands give
        names -= {"edges"}
    options = {name: settings[name] for name in sorted(names) if name in settings}
    if "bands" in settings:
        options["spacing"] = spacing_of(settings)
    if isinstance(settings.get("set"), dict):
        options["set"] = _set(settings["set"], given.pop("set", ()))
    if isinstance(options.get("threshold"), list):
        (folder / "thresholds.json").write_text(json.dumps(options["threshold"]))
        options["threshold"] = str(folder / "thresholds.json")
    if settings.get("estimator") == "exact":
        options.pop("passes", None)
    if settings.get("layout") in LAYOUTS:
        options["layout"] = settings["layout"]
    if isinstance(settings.get("size"), list):
        options["size"] = tuple(settings["size"])
    return {**options, "preprocess": _preprocess(settings.get("preprocess"), folder)}


def _set(stored: dict[str, Any], given: Sequence[str]) -> tuple[str, ...]:
    """Values of the inputs that take no images: as given, else as the result has them."""
    named = {each.partition("=")[0] for each in given}
    for name, value in stored.items():
        if str(value).startswith("sha256:") and name not in named:
            raise UsageError(
                f"{_ASKED} needs {option('set', like=f'{name}=FILE.npy')} as well, which this "
                "file was made with"
            )
    kept = (f"{name}={value}" for name, value in stored.items() if name not in named)
    return (*kept, *given)


def _preprocess(recipe: Any, folder: Path) -> str | None:
    """``preprocess``: a preset, a file made for it, or None where the model declares it."""
    if not isinstance(recipe, dict) or recipe.get("name") == "declared":
        return None
    name = recipe.get("name")
    if name in PRESETS:
        return str(name)
    if not is_name(name):
        raise UsageError(f"{_ASKED}: the file does not say how pictures were preprocessed")
    values = {key: recipe[key] for key in RECIPE_KEYS if recipe.get(key) is not None}
    try:
        text = preprocess_from(values, "the file").toml()
    except (IasideError, TypeError, ValueError) as error:
        raise UsageError(
            f"{_ASKED}: the preprocessing cannot be repeated: {said(error)}"
        ) from error
    file = folder / "recipe-of-the-report.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)
