"""onnxruntime sessions: the provider that was asked for is the one that is active, or an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import onnxruntime as ort

from ..errors import ArtifactError, InvalidOption, ProviderError
from ..interrupts import when_interrupted
from ..onnx_file.artifact import file_digest
from ..spelling import option
from .library_file import check_library
from .plugins import session_arguments
from .providers import DEVICE, PROVIDERS, Options, Provider, row_of, without_device

_DATA_FOLDER = "session.model_external_initializers_file_folder_path"
# Which provider runs which node is kept (onnxruntime 1.24 or newer; older ones pass over it).
WHICH_NODES = "session.record_ep_graph_assignment_info"
_UPDATE = "update it (pip install -U onnxruntime-gpu, or onnxruntime)"
# What the runtime says of files that it cannot load, and what that means for the user.
_LOAD_ERRORS = (
    (
        re.compile(r"Unsupported model IR version: (\d+), max supported IR version: (\d+)"),
        f"the file has IR version {{0}} and this onnxruntime knows up to {{1}}: {_UPDATE}, or set "
        "ir_version of the file to {1} where its operators allow it",
    ),
    (
        re.compile(r"Opset (\d+) is under .* support for domain (\S+) is till opset (\d+)"),
        f"the file has opset {{0}} of {{1}} and this onnxruntime knows up to {{2}}: {_UPDATE}, or "
        "export it with opset {2} or older",
    ),
    (
        re.compile(r"requires f16 but the device does not support it"),
        f"the device of this provider has no float16: use {option('provider', 'cpu')}, or a file "
        "in float32",
    ),
    (
        re.compile(r"Could not find an implementation for (\w+)\((\d+)\) node"),
        "it has no kernel for {0}({1}) in the number type that the file uses: where that is "
        "bfloat16, export the model in float32 or float16 (model.float() before torch.onnx.export)",
    ),
)
_LIBRARY = option("ort_extension", like="LIBRARY")
_CUSTOM_OPERATORS = f" (custom operators need their library: {_LIBRARY})"
_ELSEWHERE = f" ({option('provider', 'cpu')} may run it)"
_UNKNOWN_OPERATOR = ("is not a registered function/op", "unrecognized schema", "no op registered")
# Its error code; "file:line" with the name or the signature of a C++ function; and where on which
# machine a library of NVIDIA's failed.
_SOURCE_PLACE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|/\S+\.(?:h|cc|cpp):\d+ [^()]*\([^()]*\)(?: const)?(?: \[with [^\]]*\])? "
    r"|\b\w+\.(?:h|cc|cpp):\d+ \w+ (?=[A-Z])"
    r"|Exception from \S+\.cpp:\d+: | failed at \S+\.[ch]pp:\d+(?=:)"
    r"| ; GPU=\d+ ; hostname=.*$"
)
# In an error, lower case: of the system, of arenas, of cuBLAS and cuDNN, of other providers.
_MEMORY_WORDS = (
    "out of memory", "failed to allocate", "bad_alloc", "cudaerrormemory",
    "is smaller than requested bytes", "alloc_failed", "allocation_failed", "resource exhausted",
)  # fmt: skip
# Of every run of a model, so that all of them can be told to stop.
_running = ort.RunOptions()
_FATAL = 4
_ERROR = 3
_own_process = False
_running.log_severity_level = _FATAL


@dataclass(frozen=True)
class Runtime:
    """Where sessions run.

    Attributes
    ----------
    provider : str
        One of `providers.PROVIDERS`: active, not merely available.
    threads : int
        Threads of the model's session; 0 lets onnxruntime choose (one per physical core).
    shared_pool : bool
        All sessions of the process take their threads from one pool; see `claim_process`.
    extensions : tuple of Path
        Libraries of custom operators. They are code, loaded only because the user named them.
    tf32 : bool
        The provider may round the factors of float32 products to 10 bits (TensorFloat-32).
    options : tuple of (str, str)
        The provider's own, as it was given them.
    batch : int or None
        Forward passes in a run, where they are known beforehand.
    """

    provider: str = "cpu"
    threads: int = 0
    shared_pool: bool = False
    extensions: tuple[Path, ...] = ()
    tf32: bool = True
    options: Options = ()
    batch: int | None = None

    @cached_property
    def extension_digests(self) -> dict[str, str]:
        """SHA-256 of each library by its name, from before it was first loaded."""
        return {library.name: file_digest(library) for library in self.extensions}

    @property
    def execution(self) -> Provider:
        """What the provider is like."""
        row = row_of(self.provider)
        assert row is not None
        return row

    @property
    def asked(self) -> str:
        """The provider with its options, as `choose_runtime` takes it."""
        return _written(self.provider, self.options)

    @property
    def device_id(self) -> int:
        """Which of the provider's devices holds tensors; 0 where they lie in host memory."""
        return 0 if self.execution.in_host_memory else int(dict(self.options).get(DEVICE, 0))

    @property
    def settings(self) -> dict[str, Any]:
        """What a report's settings say about the arithmetic, as JSON values."""
        rounding = {} if self.execution.rounding == "never" else {"tf32": self.tf32}
        if self.execution.is_reference:
            return rounding
        # Which of several cards it was is no matter of arithmetic.
        kept = self.options if self.execution.in_host_memory else without_device(self.options)
        return {**rounding, "execution": _written(self.provider, kept)}

    def open(
        self,
        model: Path | bytes,
        *,
        folder: Path | None = None,
        helper_graph: bool = False,
        further: Mapping[str, str] | None = None,
    ) -> ort.InferenceSession:
        """Open a session.

        Parameters
        ----------
        model : Path or bytes
            A file, run as its own bytes, or a serialised graph.
        folder : Path, optional
            Where a serialised graph finds its external data.
        helper_graph : bool
            A small graph beside the audited one. Unless all share one pool it runs in the calling
            thread alone, because two pools of spinning threads would fight for the same cores.
        further : mapping, optional
            Options of the provider for this model.

        Raises
        ------
        ArtifactError
            onnxruntime cannot load the model.
        ProviderError
            The provider did not become active for this model.
        """
        options = session_options()
        if not self.shared_pool:
            options.intra_op_num_threads = 1 if helper_graph else self.threads
        if folder is not None:
            options.add_session_config_entry(_DATA_FOLDER, str(folder.resolve()))
        if not helper_graph:
            self._register(options)
            options.add_session_config_entry(WHICH_NODES, "1")
        first = PROVIDERS[self.execution.helper] if helper_graph else self.execution
        rows = [first, *(PROVIDERS[name] for name in first.fallbacks)]
        # Sums of bands are rounded like the images that they make, which no product rounds.
        tf32 = self.tf32 and not helper_graph
        card = {DEVICE: str(self.device_id)} if self.device_id else {}
        providers = [
            (row.runtime_name, {**row.options(tf32), **({} if row.in_host_memory else card)})
            for row in rows
        ]
        if not helper_graph:
            key = first.threads_option
            own = {key: str(self.threads)} if key and self.threads else {}
            own |= further or {}
            providers[0] = (first.runtime_name, {**providers[0][1], **own, **dict(self.options)})
        source = str(model) if isinstance(model, Path) else model
        name = str(model) if isinstance(model, Path) else "helper graph"
        with quiet_runtime():
            try:
                # Its own fallback would print to standard output and run on other providers.
                asked = session_arguments(options, providers)
                session = ort.InferenceSession(source, options, **asked)
            except Exception as error:  # onnxruntime's errors have no common base
                raise ArtifactError(
                    f"{name}: onnxruntime {runtime_version()} cannot load it: "
                    f"{self._explained(error)}"
                ) from error
        if first.runtime_name not in session.get_providers():
            raise ProviderError(
                f"{name}: {first.name} was asked for but is not active for this model "
                f"(active: {', '.join(session.get_providers())})"
            )
        return session

    def _register(self, options: ort.SessionOptions) -> None:
        for library in self.extensions:
            check_library("ort_extension", library)
            try:
                _ = self.extension_digests
                options.register_custom_ops_library(str(library.resolve()))
            except Exception as error:
                raise InvalidOption(
                    "ort_extension",
                    library,
                    f"not a library of operators for onnxruntime {runtime_version()}: "
                    f"{reason(error)}",
                ) from error

    def _explained(self, error: Exception) -> str:
        """Why a model cannot be loaded, and what to do where that is known."""
        text = str(error)
        for pattern, words in _LOAD_ERRORS:
            if match := pattern.search(text):
                return words.format(*match.groups())
        if any(words in text.lower() for words in _UNKNOWN_OPERATOR):
            return reason(error) + ("" if self.extensions else _CUSTOM_OPERATORS)
        return reason(error) + ("" if self.execution.is_reference else _ELSEWHERE)


def _written(name: str, options: Options) -> str:
    text = ",".join(f"{key}={value}" for key, value in options)
    return f"{name}:{text}" if text else name


def run_options() -> ort.RunOptions:
    """Options that every run of a session takes."""
    return _running


def _stop_runs() -> None:
    _running.terminate = True


when_interrupted(_stop_runs)


def reason(error: BaseException) -> str:
    """An error of onnxruntime as one short line, without the places in its source code."""
    text = _SOURCE_PLACE.sub("", " ".join(str(error).split()))
    return text if len(text) <= 300 else text[:297] + "..."


def lacks_memory(error: BaseException | str) -> bool:
    """Whether an error, or its text, says that memory is lacking, of the machine or a device."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _MEMORY_WORDS)


@contextmanager
def quiet_runtime() -> Iterator[None]:
    """Keep onnxruntime's own log off the terminal; failures are raised and reported by us."""
    ort.set_default_logger_severity(_FATAL)
    try:
        yield
    finally:
        ort.set_default_logger_severity(_FATAL if _own_process else _ERROR)


def takes_shared_pool(threads: int) -> bool:
    """Whether sessions take their threads from one pool, of a size that the first call settles."""
    return _own_process and _one_pool(threads)


def session_options() -> ort.SessionOptions:
    """What all sessions start from; once there is one pool of threads, none may have its own."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL  # errors are raised, and reported by us
    options.use_per_session_threads = not _one_pool.cache_info().currsize
    return options


@cache
def _one_pool(threads: int) -> bool:
    """Make the process's one pool of threads; its size is settled by the first call."""
    try:
        ort.set_global_thread_pool_sizes(threads, 1)
    except Exception as error:  # onnxruntime's errors have no common base
        why = "the process has a pool of threads already"
        raise InvalidOption("threads", threads, why) from error
    return True


def claim_process() -> None:
    """Declare that every onnxruntime session of this process is ours.

    CPU sessions then share one pool of threads, which makes the small graphs beside the model
    nearly free. onnxruntime lets no session with threads of its own be made from then on
    (`session_options`), so a library must not do this; the command line does. Nor does onnxruntime
    log anything from then on: libraries of a device write what they fail at, which is raised as
    well.
    """
    global _own_process
    _own_process = True
    ort.set_default_logger_severity(_FATAL)


def runtime_version() -> str:
    """Version of onnxruntime in use."""
    return str(ort.__version__)
