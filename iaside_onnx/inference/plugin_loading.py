"""Libraries of providers, which onnxruntime loads because the user named the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnxruntime as ort

from ..errors import InvalidOption
from ..onnx_file.artifact import file_digest
from .library_file import check_library
from .plugins import LOADED, Plugin
from .session import quiet_runtime, reason, runtime_version

# "libonnxruntime_providers_NAME_plugin.so": some libraries call their provider as they are called.
_AROUND_NAME = re.compile(r"^(lib)?(onnxruntime_)?(providers?_)?|_plugin$")


def load_plugins(libraries: Iterable[Path]) -> None:
    """Have onnxruntime load libraries of providers, each once in a process.

    Raises
    ------
    InvalidOption
        No such file, a damaged one, no library of a provider, or one that finds no device here.
    """
    for library in libraries:
        if library.resolve() not in LOADED:
            LOADED[library.resolve()] = _load(library)


def _load(library: Path) -> Plugin:
    check_library("ep_library", library)
    digest, name = file_digest(library), _AROUND_NAME.sub("", library.name.partition(".")[0])
    with quiet_runtime():
        try:
            devices = _registered(name, library)
        except Exception as error:  # onnxruntime's errors have no common base
            raise InvalidOption(
                "ep_library",
                library,
                f"not a library of a provider for onnxruntime {runtime_version()}: {reason(error)}",
            ) from error
    if not devices:
        raise InvalidOption("ep_library", library, "finds no device here that it can use")
    return Plugin(library, digest, devices)


def _registered(name: str, library: Path) -> tuple[Any, ...]:
    """Devices of a library that is registered by a name; where there are none it is not."""
    before = len(ort.get_ep_devices())
    ort.register_execution_provider_library(name, str(library.resolve()))
    devices = tuple(ort.get_ep_devices()[before:])
    if not devices:
        ort.unregister_execution_provider_library(name)
    return devices
