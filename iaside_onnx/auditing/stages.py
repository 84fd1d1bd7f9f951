"""The four stages of an audit as a listener hears them."""

from __future__ import annotations

from ..listener import Listener
from ..plurals import counted
from ..results.precondition import speaks_of_accuracy

MODEL, INPUT, MEASURE, EXPLAIN = "model", "input", "measure", "explain"
_ORDER = (MODEL, INPUT, MEASURE, EXPLAIN)
# More images come after explaining, and the number of a stage never falls.
MORE = "more"
_NUMBERS = {**{name: 1 + place for place, name in enumerate(_ORDER)}, MORE: len(_ORDER)}
_ACCURACY = "accuracy"


class Stages:
    """Tells a listener which stage there is, and passes the warnings of its measurements on once.

    Attributes
    ----------
    listener : Listener
    """

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._warned: set[str] = set()

    def say(self, stage: str, text: str) -> None:
        """One line of a stage."""
        self.listener.note(_line(stage, text))

    def warn(self, message: str) -> None:
        """A warning, unless it was given before, be it with the numbers of fewer images."""
        kind = _ACCURACY if speaks_of_accuracy(message) else message
        if kind not in self._warned:
            self._warned.add(kind)
            self.listener.warning(message)

    def of(self, stage: str, text: str | None = None) -> Listener:
        """The listener of a measurement: its notes are not passed on, its progress has a title.

        Without a text there is no progress.
        """
        inner = Listener(words=self.listener.words)
        inner.warn = self.warn
        if text is not None:
            outer, title = self.listener, [_line(stage, text)]

            def retitle(text: str) -> None:
                title[:] = [_line(stage, text)]

            def start(done: int, total: int) -> None:
                outer.title(title[0])
                outer.start(done, total)

            inner.title = retitle

            inner.start, inner.advance, inner.stop = start, outer.advance, outer.stop
        return inner


def _line(stage: str, text: str) -> str:
    return f"[{_NUMBERS[stage]}/{len(_ORDER)}] {stage:<9} {text}"


def photos(count: int) -> str:
    """How many of them, in words."""
    return f"{counted(count, 'photo')}"
