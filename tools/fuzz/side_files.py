"""Mutated files beside models and images: labels, masks, thresholds, classes, recipes, records."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from damage import damaged
from hostile_values import json_text, some
from PIL import Image

from iaside_onnx.errors import IasideError, said
from iaside_onnx.images.class_names import read_class_names
from iaside_onnx.images.masks import Masks
from iaside_onnx.images.sample import Reading
from iaside_onnx.inference.class_head import digest_of_classes
from iaside_onnx.mathematics.signal_noise import Rings
from iaside_onnx.measure.spectra import tables
from iaside_onnx.measure.thresholds import thresholds
from iaside_onnx.preprocessing.preprocess import load_preprocess
from iaside_onnx.results.audit_about import read_about

_COUNT = 6
_NAMES = [f"class{number}" for number in range(4)]
_HOSTILE = (
    "", " ", ";", ";;", ",", "1;1", "-1", "1e400", "nan", "9" * 400, "0x1", "\u0661", "\x1b[2J",
    "\x00", "é", "a\tb", '"', "'", "{}", "[", "../../etc/passwd", "/etc/passwd", "\u202e",
    "x" * 200_000, "\ufeff", "<b>", "$(id)", "class0", "class9", "0.5", "1", "true", "case.png",
)  # fmt: skip
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1")
_CONFIG = {
    "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 8},
    "do_center_crop": True, "crop_size": {"height": 8, "width": 8}, "resample": 3,
    "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
    "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
}  # fmt: skip
_TIMM = {
    "architecture": "x", "num_classes": 4,
    "pretrained_cfg": {
        "input_size": [3, 8, 8], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    },
}  # fmt: skip
_ABOUT = {
    "format": "iaside-audit", "format_version": 1, "iaside_version": "0.1.0", "model": "m.onnx",
    "sha256": "0" * 64, "images": "photos", "input": "unit", "found": {"preprocess": "unit"},
    "recipe": None, "available": 40, "keep": 0.8, "asked": {"attack": ["square-linf"]}, "look": 40,
    "stopped_by": "images",
}  # fmt: skip
# Ending, content, and what reads it.
Side = tuple[str, bytes | dict[str, Any], str]


def _names() -> list[str]:
    """Of the pictures; an error of one names the case."""
    return ["case.png", *(f"case{number}.png" for number in range(1, _COUNT))]


def _lines(*rows: tuple[Any, ...], between: str = ",") -> bytes:
    return "".join(between.join(map(str, row)) + "\n" for row in rows).encode()


def material(_: Path) -> list[Side]:
    """Sound files of every kind and layout."""
    pictures = _names()
    one = [(name, number % 4) for number, name in enumerate(pictures)]
    many = [(name, f"{number % 4};{(number + 1) % 4}") for number, name in enumerate(pictures)]
    bits = [(name, *(int(number % 4 == place) for place in range(4))) for name, number in one]
    levels = [0.1, 0.2, 0.3, 0.4]
    array, mask = io.BytesIO(), io.BytesIO()
    np.save(array, np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32))
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 3).save(mask, "png")
    objects = [{"file": name, "label": label} for name, label in one]
    sets = [{"file": name, "labels": [label, 3]} for name, label in one]
    return [
        (".csv", _lines(("file", "label"), *one), "labels"),
        (".csv", _lines(("file", "label"), *one, between=";"), "labels"),
        (".txt", _lines(*one, between=" "), "labels"),
        (".jsonl", "\n".join(map(json.dumps, objects)).encode(), "labels"),
        (".json", dict(one), "labels"),
        (".csv", _lines(("file", "labels"), *many), "label sets"),
        (".csv", _lines(("file", *_NAMES), *bits), "label sets"),
        (".jsonl", "\n".join(map(json.dumps, sets)).encode(), "label sets"),
        (".png", mask.getvalue(), "mask"),
        (".txt", _lines(*((level,) for level in levels)), "thresholds"),
        (".csv", _lines(("name", "threshold"), *zip(_NAMES, levels, strict=True)), "thresholds"),
        (".json", dict(zip(_NAMES, levels, strict=True)), "thresholds"),
        (".txt", _lines(*((name,) for name in _NAMES)), "class names"),
        (".csv", _lines(("id", "name"), *enumerate(_NAMES)), "class names"),
        (".json", {"id2label": {str(at): name for at, name in enumerate(_NAMES)}}, "class names"),
        (".npy", array.getvalue(), "class embeddings"),
        (".csv", _lines(("radius", "gain", "noise"), (0, 1, 0.01), (1, 0.5, 0.02)), "spectrum"),
        (".toml", b'resize = 8\nmean = [0.1, 0.2, 0.3]\nchannels = "bgr"\nscale = 255\n', "recipe"),
        (".json", _CONFIG, "recipe"),
        (".json", _TIMM, "recipe"),
        (".json", _ABOUT, "audit"),
    ]


def make(rng: np.random.Generator, sound: list[Side], folder: Path) -> tuple[Path, str, str]:
    """One mutated file: its bytes, cells or values, or a sound one in another encoding."""
    ending, content, reader = some(rng, sound)
    for old in folder.glob("case.*"):
        old.unlink()
    path = folder / f"case{ending}"
    if isinstance(content, dict):
        text = json_text(rng, json.loads(json.dumps(content)))
        made = text.encode("utf-8", "surrogatepass")
        if rng.random() < 0.2:
            made = damaged(rng, json.dumps(content).encode(), most=some(rng, (1, 2, 8)))
    elif ending in (".png", ".npy") or rng.random() < 0.3:
        made = damaged(rng, content, most=some(rng, (1, 2, 8)))
    else:
        made = _cells(rng, content.decode()).encode(some(rng, _ENCODINGS), "replace")
    path.write_bytes(made)
    return path, f"{reader} in {ending}", reader


def _cells(rng: np.random.Generator, text: str) -> str:
    """Up to three cells changed, or lines twice, out of order or with other ends."""
    lines = text.splitlines()
    for _ in range(int(rng.integers(4))):
        place = int(rng.integers(len(lines)))
        mark = next((each for each in (",", ";", " ", "=") if each in lines[place]), "\n")
        cells = lines[place].split(mark)
        match int(rng.integers(5)):
            case 0:
                lines.insert(place, lines[place])
            case 1:
                lines[place] = mark.join(cells[::-1])
            case 2:
                lines[place] += mark + some(rng, _HOSTILE)
            case _:
                cells[int(rng.integers(len(cells)))] = some(rng, _HOSTILE)
                lines[place] = mark.join(cells)
    return some(rng, ("\n", "\r\n", "\r", "\n\n")).join(lines)


def run(path: Path, reader: str | None) -> str:
    """Read it as a command does; a file that is replayed is read in every way."""
    if reader is None:
        return ", ".join(filter(None, (_tried(path, name) for name in _READERS)))
    _READERS[reader](path)
    return f"{reader} read"


def _tried(path: Path, reader: str) -> str:
    try:
        return run(path, reader)
    except IasideError as error:
        return f"{reader}: {said(error)}"


def _labels(path: Path, task: str) -> None:
    source = Reading.asked(_pictures(path.parent), path).of_task(task).open()
    for name in source.ids if source.truths is not None else ():
        source.truths.digest(name)


def _mask(path: Path) -> None:
    """The case is the mask of every picture."""
    masks = path.parent / "masks"
    masks.mkdir(exist_ok=True)
    names = _names()
    for name in names:
        (masks / name).write_bytes(path.read_bytes())
    truths = Reading.asked(_pictures(path.parent), masks).of_task("dense").open().truths
    assert isinstance(truths, Masks)
    for name in names:
        truths.digest(name)
        truths.mask(name)


def _pictures(folder: Path) -> Path:
    """The pictures beside which labels lie."""
    images = folder / "images"
    if not images.is_dir():
        images.mkdir()
        for number, name in enumerate(_names()):
            Image.new("RGB", (8, 8), (40 * number, 0, 0)).save(images / name)
    return images


_READERS: dict[str, Callable[[Path], object]] = {
    "labels": lambda path: _labels(path, "classes"),
    "label sets": lambda path: _labels(path, "several-labels"),
    "mask": _mask,
    "thresholds": lambda path: thresholds(str(path), len(_NAMES), _NAMES),
    "class names": read_class_names,
    "class embeddings": lambda path: digest_of_classes("class_embeddings", path),
    "recipe": lambda path: load_preprocess(str(path)).for_size(8, 8),
    "audit": read_about,
    "spectrum": lambda path: tables([path], Rings(8, 8, 4, "l2"), 3),
}
