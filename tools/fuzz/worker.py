"""Runs cases one by one in a limited process, and says what became of each.

A case is a number: with the run's seed it makes one file, always the same. Whatever kills the
process is put down to the case under way.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from iaside_onnx.errors import IasideError, said
from iaside_onnx.spelling import on_command_line

SECONDS = 10
# Of processor time; the clock may run on for longer on a busy machine.
_WAIT_FACTOR = 12
MEMORY = 1 << 30  # on top of what the process takes before its first case
FINE = ("read", "refused", "contained")
_LONGEST_MESSAGE = 1500


@dataclass(frozen=True)
class Outcome:
    """What became of one case: a word, a sentence, and where its file lies."""

    number: int
    word: str
    detail: str
    recipe: str


def limits() -> None:
    """Bound the address space of this process to what it has now and `MEMORY` more."""
    taken = _status("VmSize")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))


def judge(target: Callable[[Path, Any], str], path: Path, expected: Any) -> tuple[str, str]:
    """Run the target on a file: the outcome's word, and a sentence."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmHWM")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            word, detail = "read", target(path, expected)
    except IasideError as error:
        detail = on_command_line(said(error))
        word = "refused" if _is_one_clear_line(detail, path) else "unclear message"
        if "bad_alloc" in detail or "Failed to allocate" in detail:
            word = "memory"
    except MemoryError:
        word, detail = "memory", traceback.format_exc()[-1500:]
    except Exception:
        word, detail = "traceback", traceback.format_exc()[-1500:]
    grown = _status("VmHWM") - before
    if grown > MEMORY:
        word, detail = "memory", f"{grown >> 20} MB"
    return word, detail


def _is_one_clear_line(message: str, path: Path) -> bool:
    """It names the file, or the option that helps."""
    named = path.name in message or " --" in message
    return named and "\n" not in message and len(message) <= _LONGEST_MESSAGE


def serve(kind: str, seed: int, folder: Path, pipe: Any) -> None:
    """What the process does: receive numbers, send outcomes."""
    module = import_module(kind)
    material = module.material(folder)
    limits()
    pipe.send("ready")
    while (number := pipe.recv()) is not None:
        rng = np.random.default_rng([seed, number])
        path, recipe, expected = module.make(rng, material, folder)
        pipe.send(recipe)
        pipe.send(judge(module.run, path, expected))


class Worker:
    """One process, started anew when a case has killed it."""

    def __init__(self, kind: str, seed: int, folder: Path, failures: Path | None) -> None:
        self.kind, self.seed, self.folder, self.failures = kind, seed, folder, failures
        self._process: Any = None
        self._pipe: Any = None

    def outcomes(self, numbers: Iterator[int]) -> Iterator[Outcome]:
        """Outcome of every case."""
        for number in numbers:
            yield self._one(number)
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def _one(self, number: int) -> Outcome:
        if self._process is None:
            self._start()
        recipe = "?"
        try:
            self._pipe.send(number)
            recipe = self._receive(6 * SECONDS)
            word, detail = self._receive(SECONDS)
        except TimeoutError:
            word, detail = "hang", f"more than {SECONDS} s"
        except (EOFError, ConnectionError):
            self._process.join()
            code = self._process.exitcode
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            word, detail = "crash", name
        if word in ("hang", "crash"):
            self.close()
        if word not in FINE:
            word, detail = self._contained(word, detail)
        if word not in FINE:
            self._keep(number, word, detail, recipe)
        return Outcome(number, word, detail, recipe)

    def _contained(self, word: str, detail: str) -> tuple[str, str]:
        """The same file as users have it read, where that is done in a further process."""
        module = import_module(self.kind)
        if not hasattr(module, "run_contained"):
            return word, detail
        file = next(self.folder.glob("case.*"))
        try:
            module.run_contained(file)
        except IasideError as error:
            said = str(error)
            clear = _is_one_clear_line(said, file)
            return ("contained" if clear else "unclear message"), f"{word} ({detail}): {said}"
        return word, detail

    def _keep(self, number: int, word: str, detail: str, recipe: str) -> None:
        if self.failures is None:
            return
        self.failures.mkdir(parents=True, exist_ok=True)
        stem = f"{self.kind}-{self.seed}-{number}"
        # The case, and what may have to lie beside it.
        for file in filter(Path.is_file, self.folder.iterdir()):
            shutil.copy(file, self.failures / file.name.replace("case", stem))
        text = f"{word}\n{recipe}\n{detail}\n"
        (self.failures / f"{stem}.txt").write_text(text, errors="replace")

    def _start(self) -> None:
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        arguments = (self.kind, self.seed, self.folder, theirs)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self._receive(6 * SECONDS)

    def _receive(self, seconds: float) -> Any:
        before, began = self._worked(), time.monotonic()
        while not self._pipe.poll(1):
            waited = time.monotonic() - began
            if self._worked() - before > seconds or waited > _WAIT_FACTOR * seconds:
                raise TimeoutError
        return self._pipe.recv()

    def _worked(self) -> float:
        """Processor time of the process in seconds; none any more once it has ended."""
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return 0.0
