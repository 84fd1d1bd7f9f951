"""Work on files from strangers in a process of its own, with bounds on memory and time.

The HDF5 library is written in C, and some files make it crash or loop for ever; no check from
outside can tell which. In a child process that costs one clear error. The child inherits no
plugins either: the library would load code named by a file from folders of the machine.

The child's standard output carries one line of JSON, then the arrays that it names in numpy's
format; nothing is pickled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import IO, TYPE_CHECKING, Any

from .. import errors
from ..errors import IasideError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[Any]"]
Job = Callable[[Path], tuple[dict[str, Any], Arrays]]  # a function with a name

MEMORY = 1 << 30  # bytes, and four times the file
_PER_BYTE = 4
CPU_SECONDS = 5  # and one for every 20 MB of the file
_BYTES_PER_SECOND = 20_000_000
# Waiting is no work: a slow disk or a busy machine may take longer than the processor's time.
_WAIT_FACTOR = 12
_TOO_LONG = {-getattr(signal, name) for name in ("SIGXCPU", "SIGALRM") if hasattr(signal, name)}


class IsolationError(Exception):
    """The child did not come to an end of its own; the message says why, without the file."""


def isolated(job: Job, path: Path) -> tuple[dict[str, Any], Arrays]:
    """Run a named function on a file in a child process; it returns JSON values and arrays.

    Raises
    ------
    IsolationError
        The child crashed, or took more memory or time than such a file can need.
    IasideError
        What the job itself raised, as the same class.
    """
    return Child(f"{job.__module__}:{job.__name__}", path).result()


class Child:
    """A function ("module:name") at work on a file in a child process; `result` waits for it.

    Nothing heavy is loaded here, so that a command can start the child first and load its own
    libraries while the child loads the same.
    """

    def __init__(self, place: str, path: Path) -> None:
        self._path, size = path, path.stat().st_size
        seconds = CPU_SECONDS + size // _BYTES_PER_SECOND
        bounds = [str(MEMORY + _PER_BYTE * size), str(seconds)]
        # -P: a module that lies beside the report must not be taken for one of ours.
        command = [sys.executable, "-P", "-m", __name__, place, str(path), *bounds]
        self._process = subprocess.Popen(  # noqa: S603 (this interpreter, this module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        self._late = threading.Event()
        self._timer = threading.Timer(seconds * _WAIT_FACTOR, self._stop)
        self._timer.daemon = True  # a command that gives up before must not wait for it
        self._timer.start()

    def _stop(self) -> None:
        self._late.set()
        self._process.kill()

    def result(self) -> tuple[dict[str, Any], Arrays]:
        """What the function returned, once; the errors are those of `isolated`."""
        child = self._process
        assert child.stdout is not None
        try:
            header, arrays = _receive(child.stdout)
        except (EOFError, ValueError) as error:
            child.kill()
            raise _failure(self._path, child.wait(), late=self._late.is_set()) from error
        finally:
            self._timer.cancel()
            child.kill()
            child.stdout.close()
            child.wait()
        if "error" in header:
            if header["error"] == IsolationError.__name__:
                raise IsolationError(header["message"])
            raise errors.again(getattr(errors, header["error"]), {"parts": header["parts"]})
        return header["values"], arrays


def _environment() -> dict[str, str]:
    places = [str(Path.cwd()) if place == "" else place for place in sys.path]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(places),
        # The HDF5 library's word for: load no plugins.
        "HDF5_PLUGIN_PRELOAD": "::",
        # Threads of linear algebra reserve address space.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], Arrays]:
    from numpy.lib import format as npy

    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    # Without a file number, which would make numpy seek.
    pipe = SimpleNamespace(read=stream.read)
    return header, {
        name: npy.read_array(pipe, allow_pickle=False) for name in header.get("arrays", [])
    }


def _failure(path: Path, code: int, *, late: bool) -> Exception:
    """What to raise for a child that ended with this code without a result."""
    if late or code in _TOO_LONG:
        return IsolationError("reading it takes longer than any undamaged file of its size")
    if code < 0 or os.name == "nt":
        return IsolationError(f"the library that reads it crashes (exit code {code})")
    return IasideError(
        f"{path}: cannot be read, because the Python process for it does not start "
        f"({sys.executable}, exit code {code})"
    )


def main() -> None:
    """What the child does."""
    import numpy as np
    from numpy.lib import format as npy

    job, name, memory, seconds = sys.argv[1:]
    with os.fdopen(os.dup(1), "wb") as stream:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing else may be printed there
        _limit(int(memory), int(seconds))
        arrays: Arrays = {}
        try:
            module, _, function = job.partition(":")
            run: Job = getattr(import_module(module), function)
            values, arrays = run(Path(name))
            header: dict[str, Any] = {"values": values, "arrays": list(arrays)}
        except IasideError as error:
            header = {"error": type(error).__name__, "parts": error.parts}
        except MemoryError:
            text = "reading it takes more memory than any undamaged file of its size"
            header = {"error": IsolationError.__name__, "message": text}
        stream.write(json.dumps(header).encode() + b"\n")
        pipe = SimpleNamespace(write=stream.write)
        for array in arrays.values():
            npy.write_array(pipe, np.ascontiguousarray(array), allow_pickle=False)


def _limit(memory: int, seconds: int) -> None:
    """Bound address space and processor time, where the system can."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


if __name__ == "__main__":
    main()
