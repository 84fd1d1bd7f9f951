"""Which provider runs a model: the one that was asked for, if it really is active here."""

from __future__ import annotations

import importlib.metadata
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto

from ..checks import check_number, one_of
from ..errors import InvalidOption, ProviderError
from ..spelling import option
from .cuda_diagnosis import cuda_facts, cuda_fault
from .placement import assigned
from .plugins import available, plugin_of, session_arguments
from .providers import AUTO, DEVICE, PROVIDERS, Provider, asked, automatic, choices, named, row_of
from .session import (
    WHICH_NODES,
    Runtime,
    lacks_memory,
    quiet_runtime,
    reason,
    run_options,
    runtime_version,
    session_options,
    takes_shared_pool,
)
from .small_graph import SmallGraph

# More than machines have; each costs memory.
_MOST_THREADS = 1024
# Of probabilities that a provider gives for a network of ours, TF32 included.
_PROBE_TOLERANCE = 1e-2
# Of the probe: what a provider has to run itself.
_WORK = {"Conv", "MatMul"}
# Distributions that own the folder of onnxruntime.
_BUILDS = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml",
    "onnxruntime-webgpu", "onnxruntime-migraphx", "onnxruntime-rocm", "onnxruntime-qnn",
    "onnxruntime-training",
)  # fmt: skip


def choose_runtime(
    provider: str = "auto",
    threads: int = 0,
    extensions: tuple[Path, ...] = (),
    *,
    tf32: bool = True,
) -> Runtime:
    """Settle the provider: "auto" takes the first of `automatic` that really becomes active.

    `provider` is a name, in any case, that options may follow ("openvino:device_type=CPU");
    `extensions` are libraries of custom operators; `tf32` as in `Runtime`.

    Raises
    ------
    ProviderError
        What was asked for does not become active; the message says why where known.
    UsageError
        An unknown provider, options that it cannot be given, a negative number of threads, or no
        TF32 where it is always on.
    """
    check_threads(threads)
    name, options = asked(provider)
    if name == AUTO:
        *first, last = automatic()
        name = next((each for each in first if is_active(each)), last)
    row = _known(name, provider)
    row.check_options(provider, options)
    if row.rounding == "always" and not tf32:
        able = [each.name for each in PROVIDERS.values() if each.rounding == "asked"]
        others = option("provider", *able)
        raise InvalidOption("tf32", tf32, f"{row.name} takes no such order; use it with {others}")
    if why := inactive(row, options):
        raise ProviderError(f"{option('provider', provider)}: does not become active: {why}")
    shared_pool = row.own_cores and row.is_reference and takes_shared_pool(threads)
    return Runtime(row.name, threads, shared_pool, extensions, tf32, options)


def check_threads(threads: int) -> None:
    """Refuse what is no number of threads."""
    check_number("threads", threads, 0, _MOST_THREADS, "0 (automatic) or a positive number")


def check_provider(provider: str) -> None:
    """Refuse a provider that nobody knows, and options that it cannot be given."""
    name, options = asked(provider)
    if name != AUTO:
        _known(name, provider).check_options(provider, options)


def _known(name: str, given: str) -> Provider:
    row = row_of(name)
    if row is None:
        raise InvalidOption(
            "provider",
            given,
            f"not supported; {one_of(name, choices())}; this machine has "
            f"{', '.join(active_providers())}",
        )
    return row


def active_providers() -> tuple[str, ...]:
    """Providers that become active in a real session (the list of available ones promises more)."""
    found = map(named, available())
    return tuple(name for name in dict.fromkeys([*PROVIDERS, *found]) if is_active(name))


def is_active(provider: str) -> bool:
    """Whether a provider becomes active in a real session; False for one that is not known."""
    name, options = asked(provider)
    row = row_of(name)
    return row is not None and inactive(row, options) is None


def inactive(row: Provider, options: tuple[tuple[str, str], ...] = ()) -> str | None:
    """Why a provider is not active here, in words; None: it is."""
    if row.runtime_name not in available():
        source = f"; {row.package} has it, in an environment of its own" if row.package else ""
        return runtime_clash() or f"this onnxruntime is a build without it{source}"
    try:
        fault = _fault(row, options)
    except _FullError as error:
        fault = str(error)
    if fault is None:
        return None
    card = int(dict(options).get(DEVICE, 0)) if row.libraries else 0
    return runtime_clash() or (cuda_fault(row, fault, card) if row.libraries else "") or fault


class _FullError(Exception):
    """There was not enough memory to try a provider, as there may be the next time."""


@cache
def _fault(row: Provider, options: tuple[tuple[str, str], ...]) -> str | None:
    """Why it does not run a small network, or runs it wrong: being registered promises neither.

    A convolution, a product and a softmax need libraries, and kernels for the card, that a session
    is made without. Lack of memory is raised, since it passes and must not be kept.
    """
    graph, pixels, expected = _probe()
    settings = session_options()
    settings.add_session_config_entry(WHICH_NODES, "1")
    # preload_dlls prints what it does not find.
    with quiet_runtime(), redirect_stdout(StringIO()):
        if row.libraries and hasattr(ort, "preload_dlls"):
            ort.preload_dlls()
        try:
            providers = [(row.runtime_name, {**row.options(True), **dict(options)})]
            asked = session_arguments(settings, providers)
            session = ort.InferenceSession(graph, settings, **asked)
            (found,) = session.run(None, {"x": pixels}, run_options())
        except Exception as error:  # whatever the reason, it is not active
            if lacks_memory(error):
                raise _FullError(reason(error)) from error
            return reason(error)
    if row.runtime_name not in session.get_providers():
        return row.advice
    others = {named(each) for each in session.get_providers() if each != row.runtime_name}
    left = assigned(session) or {}
    if any(set(left[other]) >= _WORK for other in others if other in left):
        return "it leaves a small network to others: no device that it can use was found"
    if not bool(np.abs(found - expected).max() < _PROBE_TOLERANCE):
        return "it computes a small network wrongly"
    return None


def _probe() -> tuple[bytes, NDArray[np.float32], NDArray[np.float64]]:
    """A small network, its input, and what it has to give."""
    rng = np.random.default_rng(0)
    pixels, kernels, weights = (
        rng.normal(size=shape).astype(np.float32)
        for shape in ((1, 3, 8, 8), (4, 3, 3, 3), (144, 5))
    )
    graph = SmallGraph("probe", {"x": (TensorProto.FLOAT, [1, 3, 8, 8])})
    flat = graph.add("Reshape", graph.add("Conv", "x", kernels), np.array([1, -1], np.int64))
    graph.add("Softmax", graph.add("MatMul", flat, weights * np.float32(0.01)), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(pixels[0].astype(np.float64), (3, 3), (1, 2))
    maps = np.einsum("chwij,kcij->khw", windows, kernels)
    powers = np.exp(maps.reshape(1, -1) @ weights * 0.01)
    return graph.serialised("y", TensorProto.FLOAT, [1, 5]), pixels, powers / powers.sum()


def runtime_builds() -> dict[str, str]:
    """Version of each installed distribution that holds onnxruntime."""
    found = {}
    for name in _BUILDS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def runtime_clash() -> str | None:
    """A sentence when several builds of onnxruntime are installed, else None.

    They own the same folder: the one installed last shadows the others, and removing any breaks
    all.
    """
    *first, last = [*runtime_builds(), ""]
    builds = [*first, last][:-1]
    if len(builds) < 2:
        return None
    return (
        f"{', '.join(builds[:-1])} and {builds[-1]} are {'both' if len(builds) == 2 else 'all'} "
        f"installed and shadow each other: pip uninstall -y {' '.join(builds)}, then pip install "
        f"{builds[-1]}"
    )


def runtime_details(runtime: Runtime) -> dict[str, Any]:
    """What a report's ``run`` says of the software that ran a model: JSON values."""
    found: dict[str, Any] = {"onnxruntime": runtime_version()}
    if not runtime.execution.is_reference:
        found["onnxruntime_builds"] = runtime_builds()
        if runtime.execution.libraries:
            found["cuda"] = str(getattr(ort, "cuda_version", "") or "")
            found["gpu"] = cuda_facts(runtime.device_id)
    if plugin := plugin_of(runtime.execution.runtime_name):
        found["ep_libraries"] = {plugin.path.name: plugin.sha256}
    return found
