"""What this machine has of CUDA: the card and its libraries, or why it does not become active."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path
from typing import Any

import onnxruntime as ort

from .providers import DEVICE, PROVIDERS, Provider
from .session import lacks_memory

# What a driver has to be at least for the CUDA that onnxruntime was built for.
_DRIVERS = {12: "525", 13: "580"}
_CUDNN = 9  # the major version that onnxruntime loads
# Attributes of a device: the two numbers of its compute capability.
_CAPABILITY = (75, 76)
_OF_TENSORRT = ("nvinfer", "nvonnxparser", "TensorRT")
# What the libraries say where the driver and the card are there, and what it means.
_CAUSES = (
    (
        re.compile(r"no kernel image", re.I),
        "this onnxruntime has no kernels for this GPU: it is older or newer than those built",
    ),
    (
        re.compile(r"CUDNN_STATUS_\w*ARCH_MISMATCH"),
        "cuDNN has no kernels for this GPU: it is older or newer than those that this cuDNN knows",
    ),
)
# Of what is missing, or does not fit together: advice follows on what brings it.
_MISSING = (
    (re.compile(r"install tensorrt", re.I), "TensorRT was not found"),
    (re.compile(r"cudnn (library )?(was not found|is not available)", re.I), "cuDNN was not found"),
    (
        re.compile(r"CUDNN_STATUS_\w*(VERSION_MISMATCH|SUBLIBRARY)"),
        "parts of cuDNN are missing, or of several versions",
    ),
)
# Answers of the driver.
_FULL, _NO_DEVICE = 2, 100
_FULL_CARD = "the GPU's memory is full; nvidia-smi shows what uses it"
_HOST_MEMORY = "bad_alloc"
_CUDNN_FAILED = re.compile(r"CUDNN (failure|error|frontend)|CUDNN_FE failure", re.I)
_STATUS = re.compile(r"CUDNN_(?:STATUS|BACKEND)_\w+")


def cuda_fault(provider: Provider, text: str, device_id: int = 0) -> str:
    """The cause, one of them, and what to do; empty where none is known.

    Parameters
    ----------
    provider : Provider
        CUDA's, or one that stands on it.
    text : str
        What onnxruntime says.
    device_id : int
        Which card was asked for.
    """
    wanted = _major(_built_for())
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
    if refusal := _refusal():
        return refusal
    count = _devices()
    if not count:
        return "the NVIDIA driver finds no GPU (is CUDA_VISIBLE_DEVICES empty?)"
    if device_id >= count:
        return f"{DEVICE} is {device_id}, and the NVIDIA driver finds {count}, counted from 0"
    return _fault_of_libraries(provider, text)


def _fault_of_libraries(provider: Provider, text: str) -> str:
    if lacks_memory(text) and _HOST_MEMORY not in text:
        return _FULL_CARD
    if known := next((words for pattern, words in _CAUSES if pattern.search(text)), ""):
        return known
    missing = _missing_library(provider) or next(
        (words for pattern, words in _MISSING if pattern.search(text)), ""
    )
    if missing:
        return f"{missing}; {_advice(provider, missing)}"
    if _CUDNN_FAILED.search(text):
        status = _STATUS.search(text)
        return f"cuDNN was found, and failed on this GPU{f' ({status[0]})' if status else ''}"
    return ""


def _advice(provider: Provider, missing: str) -> str:
    """Of the provider, or of the one that it stands on where it lacks what that brings."""
    below = [PROVIDERS[name] for name in provider.fallbacks if PROVIDERS[name].libraries]
    own = not below or any(name in missing for name in _OF_TENSORRT)
    return provider.advice if own else below[0].advice


def cuda_facts(device_id: int = 0) -> dict[str, Any]:
    """The card, the driver and the libraries that run a model, as JSON values; what is known.

    Another card, and another version of them, may round otherwise.
    """
    driver, device = _driver(), ctypes.c_int()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), device_id):
        return {}
    name, capability = ctypes.create_string_buffer(256), [ctypes.c_int(), ctypes.c_int()]
    driver.cuDeviceGetName(name, len(name), device)
    for value, attribute in zip(capability, _CAPABILITY, strict=True):
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
    found = {
        "name": name.value.decode(errors="replace"),
        "compute_capability": ".".join(str(value.value) for value in capability),
        "driver": _driver_release(),
        "cuda_runtime": _runtime_release(),
        "cudnn": _cudnn_release(),
    }
    return {key: value for key, value in found.items() if value}


def cuda_memory(device_id: int = 0) -> int:
    """Bytes of memory that a card has; 0 where that is not known."""
    driver, device, size = _driver(), ctypes.c_int(), ctypes.c_size_t()
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), device_id):
        return 0
    return 0 if driver.cuDeviceTotalMem_v2(ctypes.byref(size), device) else size.value


def _driver_release() -> str:
    """The driver's own version, such as 580.95.05; the driver itself tells that of CUDA alone."""
    try:
        library = ctypes.CDLL("nvml.dll" if sys.platform == "win32" else "libnvidia-ml.so.1")
    except OSError:
        return ""
    text = ctypes.create_string_buffer(96)
    if library.nvmlInit_v2() or library.nvmlSystemGetDriverVersion(text, len(text)):
        return ""
    return text.value.decode(errors="replace")


def _runtime_release() -> str:
    """Of CUDA's runtime library."""
    library, told = _loaded("cudart", _major(_built_for())), ctypes.c_int()
    if library is None or library.cudaRuntimeGetVersion(ctypes.byref(told)):
        return ""
    return f"{told.value // 1000}.{told.value % 1000 // 10}"


def _cudnn_release() -> str:
    library = _loaded("cudnn", _CUDNN)
    if library is None:
        return ""
    library.cudnnGetVersion.restype = ctypes.c_size_t
    version = int(library.cudnnGetVersion())
    return f"{version // 10000}.{version % 10000 // 100}.{version % 100}"


def _loaded(name: str, number: int) -> ctypes.CDLL | None:
    """A library that the runtime has loaded, or would."""
    windows = sys.platform == "win32"
    try:
        return ctypes.CDLL(f"{name}64_{number}.dll" if windows else f"lib{name}.so.{number}")
    except OSError:
        return None


def _built_for() -> str:
    """The version of CUDA that this onnxruntime was built for; empty for none."""
    return str(getattr(ort, "cuda_version", "") or "")


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


def _refusal() -> str:
    """Why the driver does not start, where it is not for want of a GPU."""
    driver, text = _driver(), ctypes.c_char_p()
    code = 0 if driver is None else driver.cuInit(0)
    if driver is None or code in (0, _NO_DEVICE):
        return ""
    if code == _FULL:
        return _FULL_CARD
    driver.cuGetErrorString(code, ctypes.byref(text))
    words = (text.value or b"").decode(errors="replace") or f"error {code}"
    return f"the NVIDIA driver does not start: {words}"


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
