"""Filling a table on Dask workers: tasks of some images each, rows back as they are done.

Dask brings scheduler, workers and what happens when one dies; `job` says what a worker does. Dask
is imported only when workers are asked for.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from ..errors import IasideError, InvalidOption, UsageError
from ..inference.providers import DEVICE, asked, row_of
from ..listener import Listener
from ..plurals import counted
from ..spelling import option
from .contract import Advance, Store
from .game import available_cores
from .job import Job, Outcome, evaluate, versions

_LOCAL = re.compile(r"local:([1-9][0-9]{0,3})")
_ADDRESS = re.compile(
    r"(?:(?:tcp|tls|wss?|ucxx?)://)?(?:[^\s/:\[\]]+|\[[0-9A-Fa-f:.%]+\]):[0-9]{1,5}"
)
_WAIT_FOR_WORKERS = 60.0  # seconds, at the start and when all have left
_LOOK_EVERY = 2.0
_FETCH = 5.0  # rows of a task are some megabytes at most
# Tasks a worker gets, where there are images enough: few enough images in each that little is
# lost with a worker and that all end at about the same time.
_TASKS_PER_WORKER = 12
_MOST_IMAGES = 16
# What Dask observes of its own processes by default took a twentieth of two cores that compute.
_UNOBSERVED = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "2s",
    "distributed.admin.system-monitor.interval": "10s",
}
# Beside those of Dask for workers that died: for errors such as a file system's hiccup.
_RETRIES = 2


class Workers:
    """Workers that a scheduler leads, and how tasks get to them."""

    def __init__(
        self, client: Any, address: str, listener: Listener, threads: int, *, local: bool
    ) -> None:
        self._client, self._listener = client, listener
        self._threads, self._local = threads, local
        self._asked, self._last_note = option("dask", address), ""

    def evaluate(
        self, job: Job, part: int, positions: list[int], store: Store, advance: Advance
    ) -> dict[str, Any]:
        """Fill a part of some rows on the workers; they are stored here as they arrive.

        Gives how it ran, as JSON values.
        """
        workers, work = len(self._client.nthreads()), job.measurement.work
        passes = work(positions)[part] + job.measurement.checking * len(positions)
        share = -(-len(positions) // workers)
        size = max(1, min(_MOST_IMAGES, share // _TASKS_PER_WORKER))
        has_model, provider = job.request.model is not None, job.request.provider
        job = replace(
            job,
            request=replace(job.request, threads=self._threads),
            work=-(-passes // workers),
            own_process=self._local,
            devices=cards_for(provider) if self._local and has_model else (),
        )
        if job.devices and workers > len(job.devices):
            self._listener.warning(
                f"{self._asked}: {workers} workers share {counted(len(job.devices), 'GPU')}; one "
                "worker for each is faster"
            )
        note = f"dask: {counted(workers, 'worker')}, {counted(size, 'image')} a task"
        if note != self._last_note:
            self._listener.note(note)
            self._last_note = note
        batch = 0
        for group, outcome in self._outcomes(job, part, positions, size):
            if outcome.rows is None:
                assert outcome.refusal is not None
                raise outcome.refusal
            for position, row in zip(group, outcome.rows, strict=True):
                store(position, row)
            advance(work(group)[part])
            batch = outcome.batch
        of_model = {"batch": batch, "threads": self._threads} if has_model else {}
        return {**of_model, "workers": workers}

    def _outcomes(
        self, job: Job, part: int, positions: list[int], size: int
    ) -> Iterator[tuple[list[int], Outcome]]:
        # Keys of their own for each call: Dask may still know results under those of the last.
        client, call = self._client, uuid.uuid4().hex
        done: SimpleQueue[Any] = SimpleQueue()
        # As a task of its own the job lies where workers can have it again when its holder dies.
        shared = client.submit(_the_same, job, key=f"iaside-job-{call}", pure=False)
        waiting = {}
        for start in range(0, len(positions), size):
            group = positions[start : start + size]
            key = f"iaside-images-{call}-{start}"
            future = client.submit(task, shared, group, part, key=key, pure=False, retries=_RETRIES)
            waiting[future] = group
        for future in list(waiting):
            future.add_done_callback(done.put)
        last = time.monotonic()
        try:
            while waiting:
                try:
                    future = done.get(timeout=_LOOK_EVERY)
                except Empty:
                    last = self._last_alive(last)
                    continue
                outcome = self._result(future)
                if outcome is None:
                    last = self._last_alive(last)
                    future.add_done_callback(done.put)
                    continue
                last = time.monotonic()
                yield waiting.pop(future), outcome
                future.release()
        finally:
            with suppress(Exception):  # also when the scheduler is gone
                client.cancel([shared, *waiting], force=True)

    def _last_alive(self, last: float) -> float:
        """When there were workers last; refuses to wait for ever."""
        try:
            alive = self._client.status == "running" and bool(self._client.nthreads())
        except Exception:  # whatever the connection raises
            alive = False
        if alive:
            return time.monotonic()
        if self._client.status != "closed" and time.monotonic() - last < _WAIT_FOR_WORKERS:
            return last
        raise IasideError(
            f"{self._asked}: no worker is left, or the scheduler is gone; go on with "
            f"{option('resume', True)} when they are back"
        )

    def _result(self, future: Any) -> Outcome | None:
        """What a task gave; None where the worker that held it died, so that it runs again."""
        from distributed.scheduler import KilledWorker

        try:
            outcome: Outcome = future.result(timeout=_FETCH)
        except Exception as error:
            if isinstance(error, TimeoutError) and future.status != "error":
                return None
            reason = " ".join(str(error).split())[:300] or "the connection was lost"
            text = f"a task failed: {type(error).__name__}: {reason}"
            if isinstance(error, KilledWorker):
                text = (
                    "a task ended every worker that it was given to, by lack of memory or a crash "
                    f"of the model; try fewer workers or a smaller {option('batch')}"
                )
            elif "scheduler" in reason and "lost" in reason:
                text = (
                    "the scheduler went away; finished rows are kept, so repeat with "
                    f"{option('resume', True)} when it is back, or without {option('dask')}"
                )
            raise IasideError(f"{self._asked}: {text}") from error
        return outcome


def task(job: Job, positions: list[int], part: int) -> Outcome:
    """Run `job.evaluate` in a Dask worker."""
    from distributed import get_worker

    worker = get_worker()
    return evaluate(job, positions, f"{worker.address}", worker.name, part)


def _the_same(job: Job) -> Job:
    return job


@contextmanager
def open_workers(address: str, threads: int, listener: Listener) -> Iterator[Workers]:
    """Connect to a scheduler, or start workers on this machine.

    `threads` are those of each worker's session; 0 divides this machine's cores among local
    workers, and leaves the choice to onnxruntime on others.
    """
    local = _LOCAL.fullmatch(address)
    # A client that fails on an address would leave a traceback behind when the process ends.
    if local is None and (address.startswith("local:") or not _ADDRESS.fullmatch(address)):
        raise InvalidOption(
            "dask",
            address,
            "give local:N, such as local:2, or the address of a scheduler, such as tcp://HOST:8786",
        )
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise UsageError(
            f"{option('dask')} needs Dask's distributed: pip install 'iaside-onnx[distributed]'"
        ) from error
    quieten()
    with ExitStack() as stack:
        try:
            if local is None:
                client = stack.enter_context(Client(address, set_as_default=False))
                client.wait_for_workers(1, timeout=_WAIT_FOR_WORKERS)
                _check_versions(client.run(versions, on_error="return"), address)
            else:
                stack.enter_context(dask.config.set(_UNOBSERVED))
                count = int(local[1])
                cluster = LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    # Whoever reaches a scheduler can run code as this user, so nobody else may.
                    security=True,
                    dashboard_address=None,
                    memory_limit=0,
                    silence_logs=logging.CRITICAL,
                )
                stack.enter_context(cluster)
                client = stack.enter_context(Client(cluster, set_as_default=False))
                threads = threads or max(1, available_cores() // count)
        except IasideError:
            raise
        except Exception as error:  # addresses can be wrong in any way
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            none = f"no scheduler with workers answers there: {reason}"
            raise InvalidOption("dask", address, none) from error
        yield Workers(client, address, listener, threads, local=local is not None)


def quieten() -> None:
    """Keep what Dask logs off the terminal, tracebacks included: users hear of it from us.

    Importing it gives several of its loggers levels and handlers of their own.
    """
    for name in ("distributed", *logging.root.manager.loggerDict):
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _check_versions(answers: dict[str, Any], address: str) -> None:
    """Refuse workers that might fill a table otherwise; the first is named."""
    for worker, answer in sorted(answers.items()):
        if isinstance(answer, ModuleNotFoundError):
            raise InvalidOption("dask", address, f"worker {worker} lacks {answer.name}; install it")
        if not isinstance(answer, dict):
            raise InvalidOption("dask", address, f"worker {worker} cannot load iaside: {answer}")
        for name, version in versions().items():
            if answer.get(name) != version:
                other = f"{name} {answer.get(name)}, not {version}; install the same version"
                raise InvalidOption("dask", address, f"worker {worker} has {other}")


def cards_for(provider: str) -> tuple[str, ...]:
    """Graphics cards to deal out to workers with this provider; none for one that takes none."""
    name, options = asked(provider)
    row = row_of(name)
    return () if row is None or DEVICE in dict(options) else row.visible_cards()
