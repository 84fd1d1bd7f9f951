"""Shared fixtures: random photographs, the command line, real artifacts where they are."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from iaside_onnx.cli import main
from iaside_onnx.inference import choosing
from iaside_onnx.storage import isolated, opening

ROOT = Path(__file__).resolve().parent.parent
# A busy machine is no fault of the code.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")
REAL = Path(os.environ.get("IASIDE_TEST_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture
def real() -> Path:
    """Folder with real artifacts and photographs that are not part of the project."""
    if not REAL.is_dir():
        pytest.skip(f"real artifacts are not at {REAL} (set IASIDE_TEST_DATA)")
    return REAL


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A class folder with 4 classes of 3 smooth random pictures of 16 x 16."""
    root = tmp_path / "photographs"
    rng = np.random.default_rng(1)
    for label in range(4):
        folder = root / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(3):
            small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
            small.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return root


class Here(isolated.Child):
    """What reads a report, in this process: its answer goes through JSON all the same."""

    def __init__(self, place: str, path: Path) -> None:
        self.place, self.path = place, path

    def result(self) -> tuple[dict[str, Any], isolated.Arrays]:
        module, _, name = self.place.partition(":")
        values, arrays = getattr(importlib.import_module(module), name)(self.path)
        return json.loads(json.dumps(values)), arrays


@pytest.fixture(autouse=True)
def _reading_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare each reading of a report the start of a process, but for tests marked `isolated`."""
    if request.node.get_closest_marker("isolated") is None:
        monkeypatch.setattr(isolated, "Child", Here)
        monkeypatch.setattr(opening, "Child", Here)


@pytest.fixture(autouse=True)
def _on_the_processor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are the processor's: `auto` takes no graphics card, but in tests marked `card`."""
    if request.node.get_closest_marker("card") is None:
        monkeypatch.setattr(choosing, "automatic", lambda: ("cpu",))


def named(value: object) -> str | None:
    """A value in the name of a test: the same in every process, so no function's address."""
    return None if callable(value) else str(value)


def write_npz(path: Path, images: np.ndarray, labels: Any) -> Path:
    """An array file as users make it."""
    np.savez(path, images=images, labels=np.asarray(labels))
    return path


@pytest.fixture
def iaside() -> Callable[..., Result]:
    """Run a command; the result has exit_code, stdout and stderr."""

    def run(*arguments: object) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading without a further process, for files that do the HDF5 library no harm."""

    class Here(isolated.Child):
        def __init__(self, place: str, path: Path) -> None:
            self.place, self.path = place, path

        def result(self) -> tuple[dict[str, Any], isolated.Arrays]:
            module, _, name = self.place.partition(":")
            values, arrays = getattr(importlib.import_module(module), name)(self.path)
            return json.loads(json.dumps(values)), arrays

    monkeypatch.setattr(isolated, "Child", Here)
    monkeypatch.setattr(opening, "Child", Here)
