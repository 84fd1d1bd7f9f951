"""Runs that are killed, at any moment or at a system call, and files that change under way."""

from __future__ import annotations

import shutil
import subprocess
import time

import numpy as np
from scene import Cases, Scene, Skip, picture, same

_JOBS = ("analyze", "robustness", "heatmap")
_CALLS = ("openat", "flock", "fsync", "rename", "unlink", "fallocate", "pwrite64", "ftruncate",
          "mmap", "lseek", "close")  # fmt: skip
# Files are written at the end of a run and at its begin, long after the libraries were loaded.
_LAST_CALLS = 60


def kills(scene: Scene, rng: np.random.Generator, count: int) -> Cases:
    """Kill a job at a random moment, up to three times over; it must go on to the same table."""
    took: dict[str, float] = {}
    for number in range(count):
        name = _JOBS[number % len(_JOBS)]
        scene.clear()
        words = [*scene.jobs[name], "--resume", "-o", scene.out / "k.h5"]
        if name not in took:
            began = time.monotonic()
            scene.run(*words)
            took[name] = time.monotonic() - began
            scene.clear()
        ended = 0
        for _ in range(int(rng.integers(1, 4))):
            run = scene.begin(*words)
            try:
                run.communicate(timeout=float(rng.uniform(0.2, 1.1)) * took[name])
                ended += 1
            except subprocess.TimeoutExpired:
                run.kill()
                run.communicate()
        yield ("ended before" if ended else "killed"), _goes_on(scene, name, words)


def system_calls(scene: Scene, rng: np.random.Generator, count: int) -> Cases:
    """Kill a job at the n-th system call of a kind, by strace."""
    strace = shutil.which("strace")
    if (
        strace is None
        or subprocess.run([strace, "true"], capture_output=True, check=False).returncode
    ):
        raise Skip("strace is not here, or may not look at processes")
    made: dict[tuple[str, str], int] = {}
    for number in range(count):
        name, call = _JOBS[number % len(_JOBS)], _CALLS[number % len(_CALLS)]
        words = [*scene.jobs[name], "--resume", "-o", scene.out / "k.h5"]
        trace = (strace, "-qq", "-e", f"trace={call}")
        if (name, call) not in made:
            scene.clear()
            log = scene.root / "calls"
            scene.begin(*words, before=(*trace, "-o", str(log))).communicate(timeout=300)
            made[name, call] = log.read_text(errors="replace").count("\n")
        when = max(1, made[name, call] - int(rng.integers(_LAST_CALLS)))
        scene.clear()
        inject = ("-e", f"inject={call}:signal=KILL:when={when}")
        run = scene.begin(*words, before=(*trace, "-o", "/dev/null", *inject))
        run.communicate(timeout=300)
        yield ("killed" if run.returncode else "ended before"), _goes_on(scene, name, words)


def _goes_on(scene: Scene, name: str, words: list[object]) -> str | None:
    done = scene.run(*words)
    if problem := done.problem(0):
        return problem
    if not same(scene.out / "k.h5", scene.files[name]):
        return f"another table after a kill: {name}"
    left = sorted(path.name for path in scene.out.iterdir())
    return None if left == ["k.h5"] else f"left behind: {left}"


def swaps(scene: Scene, rng: np.random.Generator, count: int) -> Cases:
    """Replace a picture or the model while a job runs: refused, or without any effect."""
    other = scene.root / "other.onnx"
    content = scene.model.read_bytes()
    other.write_bytes(content[:-40] + bytes(4) + content[-36:])
    pictures = sorted(scene.images.rglob("*.png"))
    for number in range(count):
        name = _JOBS[number % len(_JOBS)]
        scene.clear()
        target = scene.out / "k.h5"
        run = scene.begin(*scene.jobs[name], "-o", target)
        wait = float(rng.uniform(0, 1))
        while run.poll() is None and not target.with_name("k.h5.partial").exists():
            time.sleep(0.005)
        time.sleep(wait * 0.3)
        victim = scene.model if number % 2 else pictures[int(rng.integers(len(pictures)))]
        before = victim.read_bytes()
        if number % 2:
            shutil.copy(other, victim)
        else:
            picture(1000 + number).save(victim)
        code = run.wait()
        victim.write_bytes(before)
        assert run.stderr is not None
        err = run.stderr.read().decode(errors="replace")
        problem = None
        if code == 0 and not same(target, scene.files[name]):
            problem = f"measured what it does not name: {name}, {victim.name}"
        elif code not in (0, 2) or "Traceback" in err:
            problem = f"exit code {code}: {name}, {victim.name}: {err[-200:]!r}"
        yield f"exit {code}", problem
