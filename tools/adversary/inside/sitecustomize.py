"""Runs in every Python of a command that is watched: notes what it does, and strikes once.

Python imports a module of this name when it starts, so this is in the command's own process and in
those of its workers alike. What to watch and when to strike stands in the environment: see
`Watch` in watching.py.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

_LINE = 200
_told: dict[str, Any] = json.loads(os.environ.get("ADVERSARY", "{}"))
_here = threading.local()
_alone = threading.Lock()


def _happens(what: str) -> None:
    """Note an event, in order over all processes, and strike before the one that was chosen."""
    if getattr(_here, "busy", False):
        return
    _here.busy = True
    try:
        with _alone:
            log = os.open(_told["log"], os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                fcntl.lockf(log, fcntl.LOCK_EX)
                if os.fstat(log).st_size // _LINE == _told["at"]:
                    _strike()
                    _write(log, "strike")
                _write(log, what)
            finally:
                os.close(log)
    finally:
        _here.busy = False


def _write(log: int, what: str) -> None:
    os.write(log, what.encode(errors="replace")[: _LINE - 1].ljust(_LINE - 1) + b"\n")


def _strike() -> None:
    how = _told["how"]
    if how == "kill":
        # The alarm ends the process wherever it is by then; nothing cleans up.
        signal.setitimer(signal.ITIMER_REAL, max(1e-6, _told["delay"]))
        return
    victim, other = Path(_told["victim"]), Path(_told["other"])
    times = victim.stat()
    if how == "remove":
        victim.unlink()
    elif how == "replace":
        other.replace(victim)
    else:
        with victim.open("wb" if how == "rewrite" else "rb+") as file:
            file.write(other.read_bytes())
    if how == "patch":  # as somebody does who does not want to be seen
        os.utime(victim, ns=(times.st_atime_ns, times.st_mtime_ns))


def _seen(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "os.rename") or getattr(_here, "busy", False):
        return
    _patch_runtime()
    place = arguments[0]
    if not isinstance(place, str | bytes | os.PathLike):
        return
    name = str(Path(os.fsdecode(place)).absolute())
    if event == "open" and name.startswith(_told["watched"]):
        _happens(f"open {name}")
    elif event == "os.rename" and os.fsdecode(arguments[1]).endswith(".h5"):
        _happens("save")


def _patch_runtime() -> None:
    """Sessions open files where Python does not see it, so they are events of their own."""
    sessions = getattr(sys.modules.get("onnxruntime"), "InferenceSession", None)
    if sessions is None or hasattr(sessions, "adversary"):
        return
    sessions.adversary = True
    for name, what in (("__init__", "session"), ("run", "pass"), ("run_with_iobinding", "pass")):
        setattr(sessions, name, _noted(getattr(sessions, name), what))


def _noted(work: Any, what: str) -> Any:
    def noted(*arguments: Any, **options: Any) -> Any:
        # A session is of a file, or of a graph that was made here and is of no interest.
        source = arguments[1] if what == "session" and len(arguments) > 1 else ""
        _happens(f"{what} {source}" if isinstance(source, str) else what)
        return work(*arguments, **options)

    return noted


if _told:
    sys.addaudithook(_seen)
