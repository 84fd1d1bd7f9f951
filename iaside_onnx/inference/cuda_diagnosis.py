"""Why CUDA does not become active: no driver, too old a one, a library, no kernels for the card."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import onnxruntime as ort

from .providers import Provider

# What a driver has to be at least for the CUDA that onnxruntime was built for.
_DRIVERS = {12: "525", 13: "580"}
_NO_KERNELS = "no kernel image"
_NO_CUDNN = "cudnn"


def cuda_fault(provider: Provider, text: str) -> str:
    """The cause, one of them, and what to do; empty where none is known.

    Parameters
    ----------
    provider : Provider
        CUDA's, or one that stands on it.
    text : str
        What onnxruntime says.
    """
    wanted = _major(str(getattr(ort, "cuda_version", "") or ""))
    driver = _driver_version()
    if driver is None:
        return (
            "this machine has no NVIDIA driver (its library cannot be loaded); use a machine with "
            "a GPU, or a container that is given one"
        )
    if wanted and driver // 1000 < wanted:
        older = "" if wanted <= min(_DRIVERS) else ", or install 'iaside-onnx[cuda12]'"
        least = _DRIVERS.get(wanted)
        return (
            f"the NVIDIA driver is too old: it knows CUDA {driver // 1000}.{driver % 1000 // 10}, "
            f"this onnxruntime was built for CUDA {wanted}; update the driver"
            + (f" to {least} or newer" if least else "")
            + older
        )
    if not _devices():
        return "the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)"
    if _NO_KERNELS in text.lower():
        return "this onnxruntime has no kernels for this GPU: it is older or newer than those built"
    if missing := _missing_library(provider):
        return f"{missing}; {provider.advice}"
    if _NO_CUDNN in text.lower():
        return f"cuDNN was not found; {provider.advice}"
    return ""


def _major(version: str) -> int:
    first = version.partition(".")[0]
    return int(first) if first.isdigit() else 0


def _driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None


def _driver_version() -> int | None:
    """The newest CUDA that the driver knows, 13000 for 13.0; None without a driver."""
    driver, version = _driver(), ctypes.c_int()
    if driver is None or driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return version.value


def _devices() -> int:
    driver, count = _driver(), ctypes.c_int()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _missing_library(provider: Provider) -> str:
    """What the loader says of the provider's own library; empty where it loads."""
    folder = Path(ort.__file__).parent / "capi"
    name = provider.runtime_name.removesuffix("ExecutionProvider").lower()
    try:
        shared = folder / "libonnxruntime_providers_shared.so"
        if shared.exists():
            ctypes.CDLL(str(shared), mode=ctypes.RTLD_GLOBAL)
        own = folder / f"libonnxruntime_providers_{name}.so"
        if own.exists():
            ctypes.CDLL(str(own))
    except OSError as error:
        library = str(error).partition(":")[0]
        return f"the library {library} is missing" if "cannot open" in str(error) else str(error)
    return ""
