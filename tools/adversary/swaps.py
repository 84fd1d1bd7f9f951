"""Pictures, sets, models and their weights that are replaced while a job runs."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from image_sets import write_set
from scene import Case, Done, Scene, network, picture
from tables import Content, content, difference
from watching import Blow, watched

_JOBS = ("analyze", "robustness", "heatmap", "snr attack", "inspect", "verify", "snr", "dask")
# What verify and workers do again: of these in turn.
_MEASURING = ("analyze", "robustness", "heatmap", "snr attack")
_REPEATED = _MEASURING[:3]
_VICTIMS = ("picture", "model", "weights")
# Thirds of the time in which the victim is used; and the time after it.
_PARTS = 4
_HOW = ("replace", "rewrite", "patch", "remove")
_SOURCES = ("folder", "npz", "folder", "h5", "folder", "tar", "folder", "parquet")
_STAGES = tuple(itertools.product(_JOBS, _VICTIMS, range(_PARTS)))
# Opened where Python does not see it, so that only passes of a model tell how far a job is.
_BY_LIBRARIES = ("h5", "parquet")
_WEIGHTS = "weights"
_TARGET = "k.h5"


@dataclass(frozen=True)
class _Setting:
    """A job on a model and on images of its own, and what it comes to when it is left alone."""

    words: list[Any]
    model: Path
    images: Path
    left_alone: Content
    events: list[str]


def swaps(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """Replace something before an event: refused in a line, or without any effect."""
    # Neighbours in number are of different jobs, so that few cases hold many kinds of them.
    job, victim, part = _STAGES[number * 29 % len(_STAGES)]
    if job == "snr":
        victim = "picture"
    round_, many = number // len(_STAGES), len(_SOURCES)
    source = _SOURCES[(round_ * 3 + number) % many] if victim == "picture" else "folder"
    unseen = job == "snr" and source in _BY_LIBRARIES
    if unseen or (source == "parquet" and find_spec("pyarrow") is None):
        source = "npz"
    if job == "dask":
        job = f"dask {_MEASURING[int(rng.integers(len(_MEASURING)))]}"
    elif job == "verify":
        job = f"verify {_REPEATED[int(rng.integers(len(_REPEATED)))]}"
    setting = _setting(scene, job, source, outside=victim == "weights")
    if victim == "picture":
        used = sorted({event[5:] for event in setting.events if _is_picture(event, setting)})
        place = Path(used[int(rng.integers(len(used)))]) if used else setting.images
    else:
        place = setting.model if victim == "model" else setting.model.with_name(_WEIGHTS)
    uses = [n for n, event in enumerate(setting.events) if _uses(event, place, victim, source)]
    first, last = uses[0] + 1, uses[-1] + 1
    ends = [*np.linspace(first, last, _PARTS).astype(int).tolist(), len(setting.events)]
    at = int(rng.integers(ends[part], max(ends[part] + 1, ends[part + 1])))
    how = _HOW[int(rng.choice(len(_HOW), p=[0.4, 0.3, 0.2, 0.1]))]
    before, other, again = (scene.root / name for name in ("before", "other", "again"))
    shutil.copy2(place, before)
    _other(other, place, victim, source, number)
    shutil.copy(other, again)
    scene.clear()
    try:
        done, events = watched(scene, setting.words, Blow(at, how, place, other))
        fell = events.index("strike") if "strike" in events else len(events)
        word, problem = _judged(scene, done, setting, fell=fell < len(events))
        if problem and word == "another" and how != "remove":
            # It may have seen nothing but what came: all of it, and named as what it is.
            shutil.copy(again, place)
            taken = _result(scene, done)
            if difference(taken, _result(scene, _repeated(scene, setting))) is None:
                word, problem = "of what came", None
    finally:
        place.unlink(missing_ok=True)
        shutil.move(before, place)
    struck = done.code != 0 or any(_uses(event, place, victim, source) for event in events[fell:])
    what = f"{job}, {victim} of {source}, {how} before event {at} of {len(setting.events)}"
    return Case(word, f"{what}: {problem}" if problem else None, struck)


def _judged(scene: Scene, done: Done, setting: _Setting, *, fell: bool) -> tuple[str, str | None]:
    """The word for how it ended, and what is wrong with it."""
    if not fell:
        return "not reached", done.problem(0)
    if done.code == 2:
        return "refused", done.problem(2)
    if done.code == 1 and done.words[0] == "verify" and "Traceback" not in done.err:
        return "denied", None
    if problem := done.problem(0):
        return "failed", problem
    differs = difference(_result(scene, done), setting.left_alone)
    if differs is None:
        return "as if left alone", None
    return "another", f"measured what it does not name ({differs})"


def _result(scene: Scene, done: Done) -> Content:
    """What a command has written, or printed."""
    target = scene.out / _TARGET
    return content(target) if target.exists() else {"what is printed": done.out}


def _repeated(scene: Scene, setting: _Setting) -> Done:
    scene.clear()
    return scene.run(*setting.words)


def _uses(event: str, place: Path, victim: str, source: str) -> bool:
    """Whether an event is a use of the victim: sessions open models, and map their weights."""
    if event in (f"open {place}", f"session {place}"):
        return True
    if victim == "weights":
        return event in (f"session {place.with_name('m.onnx')}", "pass")
    return victim == "picture" and source != "folder" and event == "pass"


def _is_picture(event: str, setting: _Setting) -> bool:
    return event.startswith(f"open {setting.images}") and not event.endswith(str(setting.images))


def _setting(scene: Scene, job: str, source: str, *, outside: bool) -> _Setting:
    """Make what a job runs on, and run it once."""
    key = ("setting", job, source, outside)
    if key in scene.memory:
        found: _Setting = scene.memory[key]
        return found
    folder = scene.material / "-".join([job.replace(" ", "-"), source, str(int(outside))])
    folder.mkdir()
    model = folder / "m.onnx"
    network(model, 0, external=_WEIGHTS if outside else None)
    images = write_set(source, folder, scene.images)
    jobs = scene.jobs_of(model, images)
    kept = scene.root / f"{folder.name}.h5"
    on = ["--model", model, "--images", images, "--redo", "3", "--threads", "1"]
    how, _, base = job.partition(" ")
    writes = how not in ("inspect", "verify")
    if how == "dask":
        words = [*jobs[base], "--dask", "local:2"]
    elif how == "inspect":
        words = ["inspect", model, "--data", images, "--samples", "8"]
    elif how == "verify":
        made = scene.run(*jobs[base], "-o", kept)
        assert made.code == 0, made.err
        words = ["verify", kept, *on]
    else:
        words = jobs[job]
    words = [*words, "-o", scene.out / _TARGET] if writes else words
    scene.clear()
    done, events = watched(scene, words, None)
    assert done.code == 0, done.err
    found = _Setting(words, model, images, _result(scene, done), events)
    scene.memory[key] = found
    return found


def _other(path: Path, place: Path, victim: str, source: str, number: int) -> None:
    """What takes the place of the victim: sound, and another."""
    folder = path.with_name("others")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if victim == "picture" and source == "folder":
        picture(1000 + number).save(path, "PNG")
        return
    if victim == "picture":
        made = write_set(source, folder, place, seed=1000 + number)
    else:
        made = folder / "m.onnx"
        network(made, 1, external=_WEIGHTS if victim == "weights" else None)
        made = made if victim == "model" else made.with_name(_WEIGHTS)
    shutil.copy(made, path)
