"""Options for providers that build an engine for a model: the shapes to come, and where it is kept.

Written after onnxruntime's documentation of TensorRT; it has not run where there is one.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .fixed_inputs import FixedInputs
from .input_form import InputForm

# Images that the looks before the long part take at a time, at the most.
_LOOKS = 64
Shapes = Mapping[str, tuple[int, ...]]


def engine_options(
    form: InputForm, fixed: FixedInputs, batch: int | None, content: str
) -> dict[str, str]:
    """Options of TensorRT's provider for one model.

    Without a range of shapes an engine is built for each shape that comes: here one is built, best
    at `batch` images. The folder is the model's own, since the names of kept engines tell files of
    the same name and structure, but other weights, not apart.

    Parameters
    ----------
    form : InputForm
    fixed : FixedInputs
        What is fed beside the images.
    batch : int or None
        Forward passes in a run; None: not known, so no range is given.
    content : str
        What names the model's content.
    """
    found = {}
    if batch is not None and form.fixed_batch is None:
        most = max(batch, _LOOKS)
        for name, count in (("min", 1), ("opt", batch), ("max", most)):
            shapes = {form.name: (count, *form.shape)}
            shapes |= {each: (count, *value.shape) for each, value in fixed.each.items()}
            found[f"trt_profile_{name}_shapes"] = _written(shapes)
    folder = _cache() / hashlib.sha256(content.encode()).hexdigest()[:32]
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:  # it is built again each time
        return found
    kept = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
    places = {"trt_engine_cache_path": str(folder), "trt_timing_cache_path": str(folder)}
    return {**found, **kept, **places}


def _cache() -> Path:
    """The user's folder for what can be made again."""
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(named) if named else Path.home() / ".cache") / "iaside-onnx" / "engines"


def _written(shapes: Shapes) -> str:
    """As the options have it: "image:1x3x224x224,mask:1x10"."""
    return ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in shapes.items())
