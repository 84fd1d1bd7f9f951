"""Execution providers of onnxruntime, a row each: whatever differs between them is asked here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

AUTO = "auto"


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
    first_batch, most_batch, most_bytes : int
        The search for a batch size starts at so many passes, and ends at so many, or so many
        bytes of float32 input: processors gain nothing from large batches and pay in memory,
        GPUs have to be filled.
    attacked : int
        Images that an attack works on at a time: enough to fill batches, few enough to lose
        little when killed.
    cards : str
        Environment variable that names the devices which a process may use, where workers on one
        machine share them out.
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
    most_batch: int = 128
    most_bytes: int = 1 << 26
    attacked: int = 64
    cards: str = ""

    @property
    def in_host_memory(self) -> bool:
        """Tensors share memory with arrays."""
        return self.device == "cpu"

    def visible_cards(self) -> tuple[str, ...]:
        """Devices that this process may use; none where there is nothing to share out."""
        named = os.environ.get(self.cards)
        if named is not None:
            return tuple(name.strip() for name in named.split(",") if name.strip())
        there = bool(self.cards) and _NVIDIA.is_dir()
        return tuple(map(str, range(len(list(_NVIDIA.iterdir()))))) if there else ()


# Holds an entry for each card of a machine.
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_CPU = Provider("cpu", "CPUExecutionProvider", own_cores=True, fallbacks=(), coarse=False)
_CUDA = Provider(
    "cuda",
    "CUDAExecutionProvider",
    device="cuda",
    helper="cuda",
    automatic=True,
    libraries=True,
    advice="no CUDA device, driver or libraries were found (pip install 'iaside-onnx[cuda]' "
    "brings the libraries)",
    rounding="asked",
    options=lambda tf32: {"use_tf32": str(int(tf32))},
    first_batch=16,
    most_batch=1024,
    most_bytes=1 << 29,
    attacked=256,
    cards="CUDA_VISIBLE_DEVICES",
)
# On the same device; building engines for graphs of one product and a reshape is not worth it.
_TENSORRT = replace(
    _CUDA,
    name="tensorrt",
    runtime_name="TensorrtExecutionProvider",
    fallbacks=("cuda", "cpu"),
    automatic=False,
    advice="no CUDA device, driver or TensorRT libraries were found (put the folder of "
    "libnvinfer, of the version that this onnxruntime names, into LD_LIBRARY_PATH)",
    rounding="always",
    options=lambda _: {},
)
PROVIDERS = {row.name: row for row in (_CPU, _CUDA, _TENSORRT)}


def named(runtime_name: str) -> str:
    """What a provider of onnxruntime is called in options and reports."""
    known = {row.runtime_name: row.name for row in PROVIDERS.values()}
    return known.get(runtime_name, runtime_name.lower().removesuffix("executionprovider"))


def choices() -> tuple[str, ...]:
    """What may be asked for."""
    return (AUTO, *PROVIDERS)


def automatic() -> tuple[str, ...]:
    """What "auto" takes: the first of them that becomes active."""
    return (*(row.name for row in PROVIDERS.values() if row.automatic), _CPU.name)


def words() -> str:
    """What may be asked for, in words."""
    *first, last = automatic()
    tried = ", ".join(f"{name} if it becomes active" for name in first)
    *names, end = PROVIDERS
    return f"{AUTO} ({tried}, else {last}), {', '.join(names)} or {end}"
