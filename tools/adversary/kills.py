"""Runs that are killed, in the middle of their work or at a system call, and gone on with."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scene import Case, Scene, Skip
from tables import content, difference
from watching import Blow, watched

_JOBS = ("analyze", "robustness", "heatmap", "snr", "snr attack")
_CALLS = ("openat", "flock", "fsync", "rename", "unlink", "fallocate", "pwrite64", "ftruncate",
          "mmap", "lseek", "close", "write", "newfstatat")  # fmt: skip
# Of a kill after an event, in seconds: far longer than what lies between two of them.
_LATEST = 0.02
_TARGET = "k.h5"


def kills(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """Kill a job at a random moment of its work, up to three times over."""
    name = _JOBS[number % len(_JOBS)]
    words = [*scene.jobs[name], "--resume", "-o", scene.out / _TARGET]
    many = scene.memory.get(("events", name))
    if many is None:
        scene.clear()
        many = scene.memory["events", name] = len(watched(scene, words, None)[1])
    scene.clear()
    killed = 0
    for _ in range(int(rng.integers(1, 4))):
        blow = Blow(int(rng.integers(many)), "kill", delay=float(rng.uniform(0, _LATEST)))
        done, _ = watched(scene, words, blow)
        if done.code == -signal.SIGALRM:
            killed += 1
        elif problem := done.problem(0):
            return Case("failed", problem, bool(killed))
    word = f"killed {killed} times" if killed > 1 else "killed once" if killed else "ended before"
    return Case(word, _goes_on(scene, name, words), bool(killed))


def system_calls(scene: Scene, rng: np.random.Generator, number: int) -> Case:
    """Kill a job at one of the system calls by which it touches what it writes, by strace."""
    strace = _strace()
    name = _JOBS[number % len(_JOBS)]
    words = [*scene.jobs[name], "--resume", "-o", scene.out / _TARGET]
    command = [sys.executable, "-m", "iaside_onnx", *map(str, words)]
    calls = scene.memory.get(("calls", name))
    if calls is None:
        scene.clear()
        log = scene.root / "calls"
        _run([strace, "-qq", "-y", "-e", f"trace={','.join(_CALLS)}", "-o", str(log), *command],
             scene.out)  # fmt: skip
        calls = scene.memory["calls", name] = _touching(log, scene.out)
    # Kinds in turn, because most calls are of one kind.
    call = list(calls)[number // len(_JOBS) % len(calls)]
    when = int(rng.choice(calls[call]))
    scene.clear()
    inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"]
    code = _run([strace, "-qq", "-o", "/dev/null", *inject, *command], scene.out)
    return Case(call if code else "ended before", _goes_on(scene, name, words), bool(code))


def _strace() -> str:
    strace = shutil.which("strace")
    if strace is None or _run([strace, "-o", "/dev/null", "true"], Path()):
        raise Skip("strace is not here, or may not look at processes")
    return strace


def _run(command: list[str], folder: Path) -> int:
    return subprocess.run(
        command, cwd=folder, capture_output=True, check=False, timeout=300
    ).returncode


def _touching(log: Path, folder: Path) -> dict[str, list[int]]:
    """System calls that name something in a folder: by kind, the how-manieth of it each is."""
    seen: dict[str, int] = {}
    found: dict[str, list[int]] = {}
    # As strace writes names.
    place = re.sub(rb"[^ -~]", lambda byte: b"\\%03o" % ord(byte[0]), os.fsencode(folder)).decode()
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None:
            continue
        call = match[1]
        seen[call] = seen.get(call, 0) + 1
        if f"{place}/" in line:
            found.setdefault(call, []).append(seen[call])
    return found


def _goes_on(scene: Scene, name: str, words: list[Any]) -> str | None:
    """A run that was killed must go on with --resume and end in the table of one left alone."""
    done = scene.run(*words)
    if problem := done.problem(0):
        return problem
    if differs := difference(content(scene.out / _TARGET), content(scene.files[name])):
        return f"{differs} is another after a kill: {name}"
    return scene.left(_TARGET)
