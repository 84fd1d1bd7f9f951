"""Execution providers of onnxruntime, a row each: whatever differs between them is asked here."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

AUTO = "auto"


@dataclass(frozen=True)
class Cards:
    """Graphics cards of a machine, which workers share out.

    Attributes
    ----------
    variable : str
        Environment variable that names those a process may use.
    folder : Path
        Holds an entry for each card of the machine.
    """

    variable: str
    folder: Path

    def visible(self) -> tuple[str, ...]:
        """Those that this process may use, as the variable names them."""
        named = os.environ.get(self.variable)
        if named is not None:
            return tuple(name.strip() for name in named.split(",") if name.strip())
        return (
            tuple(map(str, range(len(list(self.folder.iterdir()))))) if self.folder.is_dir() else ()
        )


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
    cards : Cards or None
        Devices that workers on this machine share out.
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
    cards: Cards | None = None

    @property
    def in_host_memory(self) -> bool:
        """Tensors share memory with arrays."""
        return self.device == "cpu"


_NVIDIA = Cards("CUDA_VISIBLE_DEVICES", Path("/proc/driver/nvidia/gpus"))
_ROWS = (
    Provider("cpu", "CPUExecutionProvider", own_cores=True, fallbacks=(), coarse=False),
    Provider(
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
        cards=_NVIDIA,
    ),
    Provider(
        "tensorrt",
        "TensorrtExecutionProvider",
        device="cuda",
        fallbacks=("cuda", "cpu"),
        # Building engines for graphs of one product and a reshape is not worth it.
        helper="cuda",
        libraries=True,
        advice="no CUDA device, driver or TensorRT libraries were found (put the folder of "
        "libnvinfer, of the version that this onnxruntime names, into LD_LIBRARY_PATH)",
        rounding="always",
        first_batch=16,
        most_batch=1024,
        most_bytes=1 << 29,
        attacked=256,
        cards=_NVIDIA,
    ),
)
PROVIDERS = {row.name: row for row in _ROWS}


def choices() -> tuple[str, ...]:
    """What may be asked for."""
    return (AUTO, *PROVIDERS)


def automatic() -> tuple[str, ...]:
    """What "auto" takes: the first of them that becomes active."""
    return (*(row.name for row in PROVIDERS.values() if row.automatic), _ROWS[0].name)


def words() -> str:
    """What may be asked for, in words."""
    *first, last = automatic()
    tried = ", ".join(f"{name} if it becomes active" for name in first)
    *names, end = PROVIDERS
    return f"{AUTO} ({tried}, else {last}), {', '.join(names)} or {end}"
