"""Ctrl-C that works while a library computes: a model is a program, and may run for ever.

Python hears of a signal only between two of its own instructions, which never comes while a model
loops. So a thread listens beside it: what runs is told to stop, and where that does not help the
process ends by itself. It leaves what a kill would leave, from which --resume goes on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from .spelling import command_text

INTERRUPTED = 130
LINE = "interrupted"
# Seconds that the interpreter has to hear of the signal.
_GRACE = 3.0
# The words of the command that goes on from here, where it is another one.
_further: list[str] = []
_kept: list[Callable[[], str]] = []
_stoppers: list[Callable[[], Any]] = []
_heard = threading.Event()


def when_interrupted(stop: Callable[[], Any]) -> None:
    """Have a function called at the first Ctrl-C, in a thread of its own."""
    _stoppers.append(stop)


def go_on_with(*words: object) -> None:
    """Have the line of an interruption name the command that goes on."""
    _further[:] = map(str, words)


@contextmanager
def keeping(kept: Callable[[], str]) -> Iterator[None]:
    """Have the line of an interruption say what is kept of the work that is done meanwhile.

    `kept` gives it in words, such as "120 of 400 images"; it may be called from another thread.
    """
    _kept[:] = [kept]
    try:
        yield
    except KeyboardInterrupt:
        words = kept()  # of files that are closed when the line is said
        _kept[:] = [lambda: words]
        raise
    except BaseException:
        _kept.clear()
        raise
    _kept.clear()


def line() -> str:
    """What is said where the process was interrupted."""
    if _further:
        return f"interrupted; go on with {command_text(_further)}"
    with suppress(Exception):  # a file that is gone
        if _kept:
            return f"interrupted; {_kept[0]()} kept; go on with --resume"
    return LINE


def listen() -> None:
    """Make Ctrl-C end this process, whatever it is doing; only where it would end it anyway."""
    if os.name != "posix" or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _hear)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()


def _hear(_: int, __: FrameType | None) -> None:
    _heard.set()
    raise KeyboardInterrupt


def _watch(reading: int) -> None:
    count = 0
    while received := os.read(reading, 1):
        if received[0] != signal.SIGINT:
            continue
        count += 1
        if count > 1:  # whoever asks twice does not want to wait for what is being tidied up
            _end()
        for stop in _stoppers:
            stop()
        threading.Thread(target=_give_up, daemon=True).start()


def _give_up() -> None:
    if not _heard.wait(_GRACE):
        _end()


def _end() -> None:
    try:
        os.write(2, f"Error: {line()}\n".encode())
    except OSError:
        pass
    finally:
        os._exit(INTERRUPTED)
