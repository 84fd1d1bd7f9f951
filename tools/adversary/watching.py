"""A command that is watched from inside, so that a blow falls at an event and not at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scene import Done, Scene

_INSIDE = Path(__file__).resolve().parent / "inside"


@dataclass(frozen=True)
class Blow:
    """What is done to a command.

    Attributes
    ----------
    at : int
        Number of the event that it comes before.
    how : str
        "kill" the process `delay` seconds later; or what is done to `victim`: "replace" it by
        `other`, "rewrite" or "patch" it with the bytes of `other` where it lies ("patch" keeps
        its time), "remove" it.
    """

    at: int
    how: str
    victim: Path | None = None
    other: Path | None = None
    delay: float = 0.0


def watched(scene: Scene, words: Sequence[Any], blow: Blow | None) -> tuple[Done, list[str]]:
    """Run a command; how it ended, and its events, with "strike" where the blow fell.

    Events are "open PATH" of model and images, "session PATH" and "pass" of the runtime, and
    "save" of what is written.
    """
    log = scene.root / "events"
    log.unlink(missing_ok=True)
    told: dict[str, Any] = {"log": str(log), "at": -1, "watched": str(scene.material)}
    if blow is not None:
        told |= {"at": blow.at, "how": blow.how, "delay": blow.delay}
        told |= {"victim": str(blow.victim), "other": str(blow.other)}
    paths = [str(_INSIDE), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = scene.run(*words, PYTHONPATH=os.pathsep.join(paths), ADVERSARY=json.dumps(told))
    events = log.read_text(errors="replace").splitlines() if log.exists() else []
    return done, [event.rstrip() for event in events]
