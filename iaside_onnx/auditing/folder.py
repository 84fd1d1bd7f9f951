"""The folder of an audit: whose it is, what was asked for, and what is left of a run before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import ReportError, UsageError
from ..results.audit import ABOUT, ANALYSIS, DAMAGE, PAGE, ROBUSTNESS, SUMMARY
from ..results.audit_about import FORMAT, VERSION, read_about
from ..spelling import option
from ..storage.output_file import (
    SCRATCH,
    check_no_input,
    clear_leftovers,
    sole_writer,
    whole_file,
)
from ..storage.partial import partial_path
from ..storage.regular_file import real_path, why

RECIPE = "recipe.toml"
# Where a finished audit waits until the one that replaces it has measured something.
_ASIDE = f"{SCRATCH}replaced"
# A look at more images is measured under this name, and takes the place of the one before it.
NEXT = "robustness-next.h5"
# What may be asked otherwise when an audit goes on.
FREE = ("keep", "quick", "samples", "attack")


@dataclass
class AuditFolder:
    """Where an audit keeps its reports.

    Attributes
    ----------
    path : Path
    about : dict
        The content of ``audit.json``: what was asked for, and what was found of the input.
    replacing : bool
        What lies there is another audit, which is to be replaced as soon as this one has begun.
    """

    path: Path
    about: dict[str, Any] = field(default_factory=dict)
    replacing: bool = False

    def file(self, name: str) -> Path:
        """A file of the folder."""
        return self.path / name

    @contextmanager
    def held(self, *, resume: bool, overwrite: bool, inputs: list[Path]) -> Iterator[None]:
        """Hold the folder for the time of an audit, or refuse to.

        Raises
        ------
        UsageError
            Resuming and overwriting at once.
        ReportError
            What is there is no audit, or one that is to be neither continued nor replaced.
        """
        if resume and overwrite:
            raise UsageError(f"{option('resume')} and {option('overwrite')} exclude each other")
        path = self.path
        if path.exists() and not path.is_dir():
            raise ReportError(f"{path}: is a file; give a folder for the audit")
        if not path.parent.is_dir():
            raise ReportError(f"{path}: the folder {path.parent} does not exist; create it first")
        check_no_input(path, inputs, use="measured")
        for each in inputs:
            if each.is_dir() and real_path(path).is_relative_to(real_path(each)):
                raise ReportError(
                    f"{path}: lies in {each}, where it would count as a class; give a folder "
                    f"elsewhere with {option('target')}"
                )
        there = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
        there = [name for name in there if not name.startswith(SCRATCH)]
        if there and not self.file(ABOUT).is_file():
            raise ReportError(
                f"{path}: holds other files ({there[0]}) and no audit; give another folder"
            )
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise ReportError(
                f"{path}: cannot be made: {why(error)}; give a folder elsewhere with "
                f"{option('target')}"
            ) from error
        try:
            with sole_writer(self.file(ABOUT)):
                self.replacing = overwrite and bool(there)
                if there and not overwrite:
                    self.about = self._read()
                yield
        finally:
            if not self.file(ABOUT).exists():  # it ended with nothing to go on from
                with suppress(OSError):
                    path.rmdir()

    def _read(self) -> dict[str, Any]:
        path = self.file(ABOUT)
        try:
            content = read_about(path)
        except FileNotFoundError as error:
            raise ReportError(f"{path}: cannot be read: {why(error)}") from error
        if not content.keys() >= {"format", "format_version"}:
            raise ReportError(f"{path}: is damaged; use {option('overwrite', True)} to start again")
        return content

    def write(self, **values: Any) -> None:
        """Add to what is known of the audit, on disk too."""
        if self.replacing:
            self._set_aside()
        self.about |= values
        content = {
            "format": FORMAT, "format_version": VERSION, "iaside_version": __version__,
            **self.about,
        }  # fmt: skip
        with whole_file(self.file(ABOUT)) as scratch:
            scratch.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def settled(self, asked: dict[str, Any], *, resume: bool) -> dict[str, Any]:
        """What determines the reports: as asked for when the audit was begun.

        What is given now must be as it was then; what is not given is as it was.

        Raises
        ------
        ReportError
            There is an audit already, or one that was asked for otherwise.
        """
        if not self.about:
            return asked
        if not resume:
            raise ReportError(
                f"{self.path}: holds an audit of {self.about.get('model')} on "
                f"{self.about.get('images')} already; continue it with {option('resume', True)}, "
                f"or discard it with {option('overwrite', True)}"
            )
        before = dict(self.about.get("asked", {}))
        if self.about.get("stopped_by") == "quick":  # done, so what is left is all the rest
            before.pop("quick", None)
        for name, value in as_json(asked).items():
            if before.get(name) != value and name not in FREE:
                was = option(name) if before.get(name) is None else option(name, before[name])
                none = "without " if before.get(name) is None else "with "
                raise ReportError(
                    f"{self.path}: was begun {none}{was}, not with {option(name, value)}; leave it "
                    f"out to go on, or use {option('overwrite', True)} to start again"
                )
        return {**before, **asked}

    @property
    def has_measured(self) -> bool:
        """Whether there is something that an audit can go on from."""
        ahead = self.file(NEXT)
        return any(path.exists() for path in (self.file(ROBUSTNESS), ahead, partial_path(ahead)))

    @property
    def look(self) -> int | None:
        """Images of the look that an earlier run was in, of which there are rows."""
        look: int | None = self.about.get("look")
        return look if partial_path(self.file(NEXT)).exists() else None

    def begin(self, look: int) -> None:
        """Write down which look is measured, and forget the rows of another one."""
        if self.look not in (None, look):
            partial_path(self.file(NEXT)).unlink(missing_ok=True)
        self.write(look=look)

    def forget_the_unbegun(self) -> None:
        """Clear the folder of an audit that failed before anything was measured."""
        if self.replacing or self.has_measured:
            return
        self._clear()
        aside = self.file(_ASIDE)
        if aside.is_dir():
            with _writing(self.path):
                _move(aside, self.path)

    def forget_the_replaced(self) -> None:
        """Remove the audit that this one replaces, now that it has measured something."""
        AuditFolder(self.file(_ASIDE))._clear()
        with suppress(OSError):
            self.file(_ASIDE).rmdir()

    def _set_aside(self) -> None:
        """Move the audit that is there away, if it is one that has measured something."""
        self.replacing = False
        if self.file(ROBUSTNESS).is_file():
            self.forget_the_replaced()
            with _writing(self.path):
                self.file(_ASIDE).mkdir(exist_ok=True)
                _move(self.path, self.file(_ASIDE))
        self._clear()

    def _clear(self) -> None:
        """Remove what an audit has written, and nothing else."""
        for path in _written(self.path):
            clear_leftovers(partial_path(path))
            for each in (path, partial_path(path)):
                with suppress(FileNotFoundError):
                    each.unlink()
        with suppress(OSError):
            self.file(DAMAGE).rmdir()


def _written(folder: Path) -> list[Path]:
    """Every file that an audit may have written into a folder; last what says that it is one."""
    names = (ROBUSTNESS, NEXT, ANALYSIS, RECIPE, SUMMARY, PAGE)
    damages = sorted((folder / DAMAGE).glob("*.h5*"))
    return [*(folder / name for name in names), *damages, folder / ABOUT]


def _move(source: Path, target: Path) -> None:
    """Move what an audit has written from a folder to another."""
    for path in _written(source):
        for each in (path, partial_path(path)):
            place = target / each.relative_to(source)
            if each.is_file():
                place.parent.mkdir(exist_ok=True)
                each.replace(place)
    for each in (source / DAMAGE, source):
        with suppress(OSError):  # what holds other files stays
            each.rmdir()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{folder}: cannot be written: {why(error)}") from error


def as_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options as JSON values: paths as text, pairs as lists."""
    return {
        name: str(value) if isinstance(value, Path) else
        list(map(str, value)) if name in ("set", "ort_extension", "ep_library") else
        list(value) if isinstance(value, tuple) else
        value.item() if isinstance(value, np.generic) else value
        for name, value in values.items()
    }  # fmt: skip
