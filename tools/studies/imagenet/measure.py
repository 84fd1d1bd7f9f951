"""Measures networks, job by job: what is there already is not measured again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import iaside_onnx as ia
from iaside_onnx.measure import corrupted, stand_ins

from .jobs import Job, jobs, networks


def keep_corrupted() -> dict[Any, Any]:
    """Corrupt each image once for all networks that are fed it alike; returns what is kept."""
    made: dict[Any, Any] = {}
    corrupt = corrupted.corrupt

    def kept(pixels: Any, name: str, severity: int, rng: Any) -> Any:
        key = sha256(pixels.tobytes()).digest(), name, severity
        if key not in made:
            made[key] = corrupt(pixels, name, severity, rng)
        return made[key]

    for module in (corrupted, stand_ins):
        module.corrupt = kept  # type: ignore[attr-defined]
    return made


def run(
    photographs: Path, out: Path, *, only: list[str], threads: int, seconds: float,
    queries: int, attacked: int, part: tuple[int, int] = (1, 1), names: Sequence[str] = (),
    provider: str = "auto", tf32: bool = True,
) -> None:  # fmt: skip
    """Write every result that is missing, until the time is over.

    Parameters
    ----------
    only : list of str
        Names of folders; empty: all of them.
    seconds : float
        After which no further job begins.
    queries, attacked : int
        Of the attack: queries an image, and images.
    part : tuple of int
        "the first of two": which share of the families.
    names : sequence of str
        Patterns of the networks to measure, such as ``*-int8``; empty: all of them.
    provider, tf32
        Where the networks run, as `iaside_onnx.analyze` has them.
    """
    started = time.monotonic()
    held = networks(out)
    families = list(dict.fromkeys(each.family for each in held))[part[0] - 1 :: part[1]]
    mine = sorted((each for each in held if each.family in families), key=lambda each: each.family)
    made, last = keep_corrupted(), ""
    for job in jobs(mine, attacked=attacked, queries=queries):
        family = f"{job.network.family} {job.half}"
        if family != last:
            made.clear()
            last = family
        target = out / job.folder / f"{job.network.name}.h5"
        if target.exists() or (only and job.folder not in only):
            continue
        if names and not any(fnmatchcase(job.network.name, each) for each in names):
            continue
        if time.monotonic() - started > seconds:
            break
        target.parent.mkdir(exist_ok=True)
        begun = time.monotonic()
        running = {"threads": threads, "provider": provider, "tf32": tf32}
        try:
            _measure(job, photographs, out, target, running)
        except ia.IasideError as error:  # such as too many bands for a small input
            print(f"{job.folder} {job.network.name}: not measured: {error}", flush=True)
            continue
        print(f"{job.folder} {job.network.name}: {time.monotonic() - begun:.0f} s", flush=True)


def _measure(job: Job, photographs: Path, out: Path, target: Path, running: dict[str, Any]) -> None:
    """Write the result of a job."""
    given: dict[str, Any] = {
        "labels": out / f"{job.half}.csv", "preprocess": str(out / f"{job.network.family}.toml"),
        "samples": 0, "resume": True, **job.options,
    }  # fmt: skip
    if job.after:
        given["snr"] = out / job.after / f"{job.network.name}.h5"
    if job.measure is ia.measure_snr:
        job.measure(photographs, target, **given)
    else:
        job.measure(out / f"{job.network.name}.onnx", photographs, target, **running, **given)
