"""Execution providers of onnxruntime, a row each: whatever differs between them is asked here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..errors import InvalidOption
from ..spelling import option
from .plugins import available, brought, plugin_of

AUTO = "auto"
# Of those that have a memory of their own: which of several devices.
DEVICE = "device_id"
Options = tuple[tuple[str, str], ...]
_LONGEST = 1000
_CARD = re.compile(r"\d{1,4}", re.ASCII)
# "a=1,b=2,3": a comma belongs to a value unless a key follows it.
_NEXT_KEY = re.compile(r",(?=[\w.]+=)")


@dataclass(frozen=True)
class Provider:
    """What runs a model's operators.

    Attributes
    ----------
    name : str
        As options and reports call it.
    runtime_name : str
        As onnxruntime calls it.
    device : str
        Where tensors lie, as onnxruntime names it.
    own_cores : bool
        It needs the cores of this machine, so that other threads take them from it.
    fallbacks : tuple of str
        Providers that take the operators it does not know, in this order.
    helper : str
        Provider of the small graphs beside the model: on the same device, and quick to open.
    automatic : bool
        "auto" takes it where it becomes active.
    libraries : bool
        onnxruntime loads libraries for it that stand beside its own.
    advice : str
        What is missing where it does not become active.
    rounding : {"never", "asked", "always"}
        Whether it rounds the factors of float32 products to 10 bits (TensorFloat-32).
    options : callable
        Options of a session, given whether that is allowed.
    coarse : bool
        Its kernels may keep 11 bits of a number, and round otherwise than the CPU's.
    first_batch, first_bytes, most_batch, most_bytes : int
        The search for a batch size starts at so many passes, or at as many as make so many bytes
        of float32 input if these are more, and ends at so many, or so many bytes (of outputs where
        they are larger): processors gain nothing from large batches and pay in memory, GPUs have
        to be filled, and a shape that is tried costs more there than it can gain.
    attacked : int
        Images that an attack works on at a time: enough to fill batches, few enough to lose
        little when killed.
    cards : str
        Environment variable that names the devices which a process may use, where workers on one
        machine share them out.
    one_shape : bool
        Runs of a new shape are planned or compiled again, so the last is filled up to the batch.
    engines : bool
        It builds an engine for a range of shapes, which takes minutes: the batch has to be given.
    package : str
        Distribution of onnxruntime that brings it, where the usual one does not.
    threads_option : str
        Its option for a number of threads, where it has threads of its own.
    """

    name: str
    runtime_name: str
    device: str = "cpu"
    own_cores: bool = False
    fallbacks: tuple[str, ...] = ("cpu",)
    helper: str = "cpu"
    automatic: bool = False
    libraries: bool = False
    advice: str = "its device, driver or libraries were not found"
    rounding: Literal["never", "asked", "always"] = "never"
    options: Callable[[bool], dict[str, str]] = lambda _: {}
    coarse: bool = True
    first_batch: int = 4
    first_bytes: int = 0
    most_batch: int = 128
    most_bytes: int = 1 << 26
    attacked: int = 64
    cards: str = ""
    one_shape: bool = False
    engines: bool = False
    package: str = ""
    threads_option: str = ""

    @property
    def in_host_memory(self) -> bool:
        """Tensors share memory with arrays."""
        return self.device == "cpu"

    @property
    def is_reference(self) -> bool:
        """It is onnxruntime's own, which runs whatever there is, everywhere."""
        return self.name == _REFERENCE

    def check_options(self, given: str, options: Options) -> None:
        """Refuse options that would make another of ours untrue.

        Raises
        ------
        InvalidOption
        """
        for key, value in options:
            if self.is_reference:
                why = f"{self.name} takes no options; {option('threads')} is one of its own"
            elif "tf32" in key:
                why = f"give {option('tf32', False)} instead of {key}"
            elif key == DEVICE and not (self.in_host_memory or _CARD.fullmatch(value)):
                why = f"{key} is a whole number from 0, in the order that {self.cards} gives"
            else:
                continue
            raise InvalidOption("provider", given, why)

    def visible_cards(self) -> tuple[str, ...]:
        """Devices that this process may use; none where there is nothing to share out."""
        named = os.environ.get(self.cards)
        if named is not None:
            return tuple(name.strip() for name in named.split(",") if name.strip())
        there = bool(self.cards) and _NVIDIA.is_dir()
        return tuple(map(str, range(len(list(_NVIDIA.iterdir()))))) if there else ()


# Holds an entry for each card of a machine.
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_REFERENCE = "cpu"
_CPU = Provider(_REFERENCE, "CPUExecutionProvider", own_cores=True, fallbacks=(), coarse=False)
_CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    device="cuda",
    helper="cuda",
    automatic=True,
    libraries=True,
    advice="pip install 'iaside-onnx[cuda]' brings the libraries of CUDA 13, and "
    "'iaside-onnx[cuda12]' those of CUDA 12 with the onnxruntime for them",
    rounding="asked",
    # Convolutions are planned again for each shape; heuristics are the quick way to a plan.
    options=lambda tf32: {"use_tf32": str(int(tf32)), "cudnn_conv_algo_search": "HEURISTIC"},
    first_batch=16,
    first_bytes=320_000_000,  # 512 passes at 224 pixels
    most_batch=1024,
    most_bytes=1 << 29,
    attacked=256,
    cards="CUDA_VISIBLE_DEVICES",
    one_shape=True,
    package="onnxruntime-gpu",
)
# On the same device; building engines for graphs of one product and a reshape is not worth it.
_TENSORRT = replace(
    _CUDA,
    name="tensorrt",
    runtime_name="TensorrtExecutionProvider",
    fallbacks=("cuda", "cpu"),
    automatic=False,
    advice="put the folder of TensorRT's libraries, of the version that this onnxruntime names, "
    "into LD_LIBRARY_PATH (pip install 'tensorrt-cu13<11' has version 10)",
    rounding="always",
    options=lambda _: {},
    engines=True,
)
# Tensors go in and out through the memory of this machine, and the small graphs run on its
# processor: slower than need be where memory is not shared, and right everywhere.
_FURTHER = (
    Provider(
        "openvino", "OpenVINOExecutionProvider", own_cores=True, one_shape=True,
        package="onnxruntime-openvino", threads_option="num_of_threads",
    ),
    Provider("coreml", "CoreMLExecutionProvider", one_shape=True, package="onnxruntime on macOS"),
    Provider("dml", "DmlExecutionProvider", one_shape=True, package="onnxruntime-directml"),
    Provider("webgpu", "WebGpuExecutionProvider", package="onnxruntime-webgpu"),
    Provider(
        "migraphx", "MIGraphXExecutionProvider", one_shape=True, package="onnxruntime-migraphx"
    ),
    Provider("qnn", "QNNExecutionProvider", one_shape=True, package="onnxruntime-qnn"),
    Provider("xnnpack", "XnnpackExecutionProvider", own_cores=True),
)  # fmt: skip
PROVIDERS = {row.name: row for row in (_CPU, _CUDA, _TENSORRT, *_FURTHER)}


def asked(text: str) -> tuple[str, Options]:
    """A provider as options and reports write it: its short name, and options by their keys.

    Raises
    ------
    InvalidOption
        What follows the name are no options.

    Examples
    --------
    >>> asked("OpenVINOExecutionProvider:device_type=AUTO:GPU,CPU,precision=FP32")
    ('openvino', (('device_type', 'AUTO:GPU,CPU'), ('precision', 'FP32')))
    """
    name, colon, rest = text.partition(":")
    options: dict[str, str] = {}
    for each in _NEXT_KEY.split(rest) if colon else []:
        key, equals, value = (part.strip() for part in each.partition("="))
        if not (key and equals and value) or key in options:
            raise InvalidOption("provider", text, "give NAME, or NAME:key=value,key=value")
        options[key] = value
    short = named(name.strip())
    if not (text.isascii() and text.isprintable() and len(text) <= _LONGEST):
        raise InvalidOption("provider", text, f"give at most {_LONGEST} plain characters")
    if short == AUTO and options:
        raise InvalidOption("provider", text, f"options need a provider's name, not {AUTO}")
    return short, tuple(sorted(options.items()))


def without_device(options: Options) -> Options:
    """Options that say nothing of which device it is."""
    return tuple((key, value) for key, value in options if key != DEVICE)


def row_of(name: str) -> Provider | None:
    """The row of a provider; one for any other of onnxruntime or a loaded library; else None."""
    row = PROVIDERS.get(name)
    if row is None:
        found = (each for each in available() if named(each) == name)
        row = next((Provider(name, each, one_shape=True) for each in found), None)
    if row is not None and plugin_of(row.runtime_name):
        # What stands in a row of the memory and the libraries of a provider is of onnxruntime's.
        return Provider(name, row.runtime_name, own_cores=row.own_cores, one_shape=True)
    return row


def named(runtime_name: str) -> str:
    """What a provider of onnxruntime is called in options and reports."""
    known = {row.runtime_name.lower(): row.name for row in PROVIDERS.values()}
    lower = runtime_name.lower()
    return known.get(lower, lower.removesuffix("executionprovider"))


def choices() -> tuple[str, ...]:
    """What may be asked for by name, what loaded libraries bring included."""
    return tuple(dict.fromkeys((AUTO, *PROVIDERS, *map(named, brought()))))


def automatic() -> tuple[str, ...]:
    """What "auto" takes: the first of them that becomes active."""
    return (*(row.name for row in PROVIDERS.values() if row.automatic), _CPU.name)


def words() -> str:
    """What may be asked for, in words."""
    *first, last = automatic()
    tried = ", ".join(f"{name} if it becomes active" for name in first)
    *names, end = PROVIDERS
    return (
        f"{AUTO} ({tried}, else {last}), {', '.join(names)} or {end}, or another that the "
        "installed onnxruntime has"
    )
