"""Sound reports and measurements of one made-up model, which fit together."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iaside_onnx.digest import data_digest
from iaside_onnx.mathematics.coalitions import draw_coalitions, drawn_count
from iaside_onnx.mathematics.damage import split_coalitions
from iaside_onnx.mathematics.fourier_basis import FrequencyGrid
from iaside_onnx.results.damage import DamageReport
from iaside_onnx.results.heatmap import HeatmapReport
from iaside_onnx.results.part import Part, PartOfSample
from iaside_onnx.results.report import Report
from iaside_onnx.results.robustness import RobustnessReport
from iaside_onnx.results.snr import SnrReport
from iaside_onnx.results.stand_ins import StandInReport

# Exact ones: everything there is; as little as possible; DC as a player. Then drawn coalitions by
# permutation, and by regression in one of two shards.
REPORTS = 5
_PERMUTATION, _SHARD = 3, 4
_ROWS = (12, 1, 30, 12, 12)
_BANDS = (4, 1, 3, 12, 5)
_CLASSES = 4
_NAMES = ["gaussian_noise", "fog", "contrast"]
_LEVELS = [1, 3]
_WHEN: dict[str, Any] = {"created": "2026-01-02T03:04:05+00:00", "iaside_version": "0.1.0"}


def _sha(number: int) -> str:
    return hashlib.sha256(bytes([number])).hexdigest()


def _ids(rows: int) -> list[str]:
    return [f"class{row % _CLASSES}/{row}.png" for row in range(rows)]


def _contents(rows: int) -> NDArray[np.uint8]:
    return np.random.default_rng(9).integers(0, 256, (rows, 32), dtype=np.uint8)


@cache
def sound_report(kind: int, model: int = 0) -> Report:
    """A small report of one of the `REPORTS` kinds, of one of several models."""
    rng = np.random.default_rng([kind, model])
    rows, bands = _ROWS[kind], _BANDS[kind]
    apart = kind in (2, _PERMUTATION)
    side = 32 if kind == _PERMUTATION else 8
    players = bands + apart
    estimator = {_PERMUTATION: "permutation", _SHARD: "regression"}.get(kind, "exact")
    ids, labels = _ids(rows), np.arange(rows) % _CLASSES
    count = drawn_count(estimator, players)
    coalitions = None
    if estimator != "exact":
        coalitions = np.stack([draw_coalitions(estimator, players, count, 7, i) for i in ids])
    settings = {
        "bands": bands, "separate_dc": apart, "norm": "linf", "absence": "gaussian",
        "samples": 200, "seed": 7, "preprocess": {"name": "unit", "channels": "rgb"},
        "size": [side, side], "input": "image", "output": "scores", "layout": "nchw",
        "output_kind": "logits", "label_offset": 0, "temperature": 1.0, "output_map": "real",
        "estimator": estimator, "players": players, "value": "log-prob", "beta": 0.75,
        "confidence": 0.95,
    }  # fmt: skip
    if coalitions is not None:
        settings["passes"] = count - 1
    digests = None if kind in (1, 2) else _contents(rows)
    skipped = [{"id": "b.png", "reason": "truncated"}] if kind == 0 else []
    made = Report(
        log_prob=-rng.exponential(size=(rows, count)).astype(np.float32),
        labels=labels,
        predicted=rng.integers(0, _CLASSES, rows),
        image_ids=ids,
        settings=settings,
        model={"path": f"m{model}.onnx", "sha256": _sha(model), "producer": "x", "parameters": 12},
        data={"source": "photos", "digest": _sha(100), "samples": rows, "classes": _CLASSES}
        | {"skipped": skipped},
        run={"forward_passes": rows * count, "seconds": 0.5, "warnings": ["something"]},
        provider="cpu",
        class_names=None if kind == 1 else [f"class{label}" for label in range(_CLASSES)],
        example=None if kind == 1 else rng.integers(0, 256, (side, side, 3), dtype=np.uint8),
        image_digests=digests,
        coalitions=coalitions,
        **_WHEN,
    )
    return shard(made, 1) if kind == _SHARD else made


def shard(report: Report, number: int) -> Report:
    """The report as that of one of two shards of a sample twice its size."""
    rows = len(report.labels)
    ids, labels, contents = _ids(2 * rows), np.arange(2 * rows) % _CLASSES, _contents(2 * rows)
    mine = slice(number - 1, None, 2)
    whole = PartOfSample(Part((number,), 2), 2 * rows, data_digest(ids, labels, contents))
    return replace(
        report,
        image_ids=ids[mine],
        labels=labels[mine],
        image_digests=contents[mine],
        run={**report.run, "shard": whole.record()},
    )


def proven(result: Any) -> Any:
    """The result with digests of contents, and the digest of the sample that follows from them."""
    rows = len(result.image_ids)
    labels = np.arange(rows) % _CLASSES if result.labels is None else result.labels
    digest = data_digest(result.image_ids, labels, _contents(rows))
    data = {**result.data, "digest": digest}
    return replace(result, image_digests=_contents(rows), labels=labels, data=data)


def part(result: Any, *numbers: int, of: int = 2) -> Any:
    """Some shards of a proven result, as a run over them alone would have written them."""
    asked, images = Part(numbers, of), len(result.image_ids)
    whole = PartOfSample(asked, images, result.data["digest"])
    rows = result.rows(asked.positions(images))
    return replace(rows, run={**rows.run, "shard": whole.record()})


def _measured(of: Report) -> dict[str, Any]:
    """What a measurement on the images of a report says of them and of itself."""
    return {
        "labels": of.labels,
        "predicted": of.predicted,
        "image_ids": of.image_ids,
        "model": of.model,
        "data": of.data,
        "run": {"forward_passes": 99, "seconds": 0.5, "warnings": ["something"]},
        "provider": "cpu",
        **_WHEN,
    }


@cache
def sound_robustness(kind: int = 0, model: int = 0) -> RobustnessReport:
    """Of the images of a report of kind 0: with two attacks (0), or own pictures (1)."""
    rng = np.random.default_rng([10 + kind, model])
    of = sound_report(0, model)
    rows, shape = len(of.labels), (len(of.labels), len(_NAMES), len(_LEVELS))
    attacks: list[dict[str, Any]] = [
        {"name": f"{name}-linf", "norm": "linf", "epsilon": 4 / 255, "queries": 50}
        for name in ("square", "spsa")
    ]
    attacks = [] if kind else attacks
    queries = rng.integers(0, 51, (rows, len(attacks))).astype(np.int32)
    queries[:3] = -1
    attacked = queries >= 0
    return RobustnessReport(
        perturbations=list(_NAMES),
        severities=list(_LEVELS),
        log_prob=np.asarray(of.log_prob)[:, -1],
        wrong=rng.random(shape) < 0.5,
        change=(2 * rng.random(shape)).astype(np.float32),
        corrupted_log_prob=-rng.exponential(size=shape).astype(np.float32),
        attacks=attacks,
        attack_wrong=attacked & (rng.random(attacked.shape) < 0.7),
        attack_queries=queries,
        attack_change=np.where(attacked, rng.random(attacked.shape), 0).astype(np.float32),
        max_prob=rng.random(rows).astype(np.float32) if kind else None,
        corrupted_max_prob=rng.random(shape).astype(np.float32) if kind else None,
        settings={
            **({"pairs": {"fog": {"digest": "ab" * 32, "severities": False}}} if kind else {}),
            "seed": 7, "samples": 200, "confidence": 0.95, "height": 8, "width": 8, "channels": 3,
            "label_offset": 0, "temperature": 1.0, "preprocess": {"name": "unit"},
            "kinds": {"gaussian_noise": "noise", "fog": "weather", "contrast": "digital"},
        },
        **_measured(of),
    )  # fmt: skip


@cache
def sound_heatmap(kind: int = 0) -> HeatmapReport:
    """Of the images of a report of kind 0: all frequencies (0), or a coarse grid and DC apart."""
    rng = np.random.default_rng(20 + kind)
    of = sound_report(0)
    lines = 5 if kind else None
    shape = (len(of.labels), len(FrequencyGrid(8, 8, lines).vectors))
    return HeatmapReport(
        wrong=rng.random(shape) < 0.5,
        change=(2 * rng.random(shape)).astype(np.float32),
        settings={
            "size": [8, 8], "grid": lines, "strength": 1.5, "clip": False, "samples": 200,
            "seed": 7, "bands": 4, "norm": "l2" if kind else "linf", "separate_dc": bool(kind),
            "confidence": 0.95, "preprocess": {"name": "unit"},
        },
        **_measured(of),
    )  # fmt: skip


@cache
def sound_snr(kind: int = 0) -> SnrReport:
    """Of the images of a report of kind 0: of corruptions (0), or with an attack and DC apart."""
    rng = np.random.default_rng(30 + kind)
    of = sound_report(0)
    names = [*_NAMES, "square-linf"] if kind else list(_NAMES)
    rings, images = 4, len(of.labels)
    noise = rng.exponential(size=(3, images, len(names), len(_LEVELS), rings + 1))
    attack = {
        "name": "square-linf", "norm": "linf", "epsilon": 4 / 255, "queries": 50,
        "model": "m0.onnx", "sha256": _sha(0),
    }  # fmt: skip
    kinds = {"gaussian_noise": "noise", "fog": "weather", "contrast": "digital"}
    return SnrReport(
        perturbations=names,
        severities=list(_LEVELS),
        signal=rng.exponential(size=(2, images, rings + 1)),
        noise=noise,
        image_ids=of.image_ids,
        settings={
            "bands": 4, "rings": rings, "norm": "linf", "separate_dc": bool(kind),
            "confidence": 0.95, "seed": 7, "samples": 200, "height": 8, "width": 8,
            "channels": 3, "preprocess": {"name": "unit"},
            "kinds": kinds | ({"square-linf": "attack"} if kind else {}),
            **({"attack": attack} if kind else {}),
        },
        data=of.data,
        run={"seconds": 0.5, "warnings": ["something"]},
        **_WHEN,
    )  # fmt: skip


@cache
def sound_damage(kind: int = 0, model: int = 0) -> DamageReport:
    """Of the images of a report of kind 0: by a corruption (0), or split and by an attack (1)."""
    rng = np.random.default_rng([40 + kind, model])
    of = sound_report(0, model)
    images, bands = len(of.labels), 3
    row = split_coalitions(bands) if kind else np.arange(1 << bands, dtype=np.uint64)
    answers = rng.integers(0, _CLASSES, (images, len(row)), dtype=np.int32)
    answers[:, -1] = of.predicted
    perturbations = (
        {"kind": "corruption", "name": "gaussian_noise", "severity": 3},
        {"kind": "attack", "name": "square-linf", "epsilon": 4 / 255, "queries": 50},
    )
    return DamageReport(
        log_prob=-rng.exponential(size=answers.shape).astype(np.float32),
        right=answers == of.labels[:, None],
        answers=answers,
        coalitions=np.tile(row, (images, 1)) if kind else None,
        class_names=of.class_names,
        example=of.example,
        example_perturbed=of.example,
        settings={
            "bands": bands, "separate_dc": False, "norm": "linf", "samples": 200, "seed": 7,
            "draws": "pixels", "preprocess": {"name": "unit"}, "size": [8, 8], "label_offset": 0,
            "temperature": 1.0, "estimator": "exact", "passes": None, "players": bands,
            "perturbation": perturbations[kind], "split": bool(kind), "value": "right",
            "confidence": 0.95,
        },
        **{**_measured(of), "data": {**of.data, "example": of.image_ids[0]}},
    )  # fmt: skip


@cache
def sound_stand_ins(kind: int = 0) -> StandInReport:
    """Of the images of a report of kind 0: of their own corrupted copies (0), or of tables (1)."""
    rng = np.random.default_rng(40 + kind)
    of = sound_report(0)
    levels = [1] if kind else list(_LEVELS)
    shape = (len(of.labels), len(_NAMES), len(levels))
    kinds = {"gaussian_noise": "noise", "fog": "weather", "contrast": "digital"}
    return StandInReport(
        perturbations=list(_NAMES),
        severities=levels,
        wrong=rng.random(shape) < 0.5,
        change=(2 * rng.random(shape)).astype(np.float32),
        settings={
            "seed": 7, "samples": 200, "confidence": 0.95, "height": 8, "width": 8, "channels": 3,
            "label_offset": 0, "temperature": 1.0, "preprocess": {"name": "unit"}, "rings": 4,
            "norm": "linf", "spectra": "table" if kind else "own", "placed": not kind,
            "kinds": kinds, **({"spectra_digest": _sha(0)} if kind else {}),
        },
        **_measured(of),
    )  # fmt: skip
