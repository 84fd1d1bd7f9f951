"""What a measurement is asked for: one bundle of options, the same for all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import wraps
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, TypeVar

from ..checks import (
    check_kind,
    check_number,
    check_path,
    check_text,
    check_truth,
    meant,
    plain,
    several,
)
from ..errors import InvalidOption, UsageError
from ..images.sample import Reading
from ..inference.providers import AUTO
from ..listener import Listener
from ..preprocessing.preprocess import names_a_file
from ..results.part import Part
from ..settings import MOST_COUNT, Settings
from ..spelling import option
from .in_memory import as_files
from .published import as_published, naming_published
from .stopping import Limits
from .thresholds import as_number

F = TypeVar("F", bound=Callable[..., Any])
_SETTINGS = {each.name for each in fields(Settings)}
_LIBRARIES = ("ort_extension", "ep_library")
_READING = ("columns", "image_column", "label_column", "label_order")
_RUNNING = ("skip_bad", "provider", "threads", "tf32", "batch", "dask", "resume", "overwrite")


_CHECKS: dict[Callable[[str, Any], None], tuple[str, ...]] = {
    check_truth: ("skip_bad", "tf32", "resume", "overwrite"),
    check_text: (
        "columns", "image_column", "label_column", "label_order", "provider", "shard", "dask",
    ),
    check_path: ("labels", "class_names"),
}  # fmt: skip

_GIVEN = {
    "model": "a path, the bytes of a model or an onnx.ModelProto",
    "images": "a path, or arrays (images, labels)",
}


class RunOptions(TypedDict, total=False):
    """How labels are found, and how and where a measurement runs.

    None of them beside `labels` and those of names changes a number beyond floating-point rounding.

    Attributes
    ----------
    labels : path or "model", optional
        Says which file is of which class: a CSV file with the columns ``file`` and ``label``, or
        another of the layouts that ``docs/images.md`` lists. "model" takes the model's own answers
        to the clean images, of which accuracy is not known (``"./model"`` is a file).
    columns : str, optional
        "FILE,LABEL": the columns of `labels`, where they have no usual names.
    class_names : path or "none", optional
        File with the names of the model's classes in its order, which folders and labels are held
        against; without it those that the file declares, or that lie beside it. "none" goes by the
        places of the folders.
    label_order : {"text", "number"}, optional
        How class folders that are named by numbers count.
    image_column, label_column : str, optional
        Columns of Parquet files, or arrays, where the usual ones are missing or doubtful.
    skip_bad : bool
        Leave out pictures of the drawn sample that cannot be decoded, and list them under
        ``data["skipped"]``, instead of stopping at the first.
    provider : str
        Where to run the model: "auto", or a name in `inference.providers`.
    threads : int
        Threads of the model's session; 0 chooses.
    tf32 : bool
        Let CUDA round the factors of float32 products to 10 bits (TensorFloat-32), as onnxruntime
        does by default (True). The settings record it where a GPU was used.
    ort_extension : sequence of paths
        Libraries of custom operators that the model needs. They are run as code.
    ep_library : sequence of paths
        Libraries that bring the provider. They are run as code.
    batch : int, optional
        Forward passes in a run; None finds a good number by a short trial.
    shard : str, optional
        "I/N": measure the I-th of N parts of the sample (I from 1), for `merge` to join.
    dask : str, optional
        Work on Dask workers: the address of a scheduler, or "local:N" for N processes here.
        A script that gives "local:N" needs the guard ``if __name__ == "__main__":``.
    time_budget : float, optional
        Stop after so many seconds, at an image's end. What is reached then depends on the machine.
    resume : bool
        Continue an interrupted run.
    overwrite : bool
        Replace an existing result; other files, and inputs, are never replaced.
    listener : Listener, optional
        Gets notes, warnings and progress.
    """

    labels: str | Path | None
    columns: str | None
    class_names: str | Path | None
    label_order: str | None
    image_column: str | None
    label_column: str | None
    skip_bad: bool
    provider: str
    threads: int
    tf32: bool
    ort_extension: Sequence[str | Path]
    ep_library: Sequence[str | Path]
    batch: int | None
    shard: str | None
    dask: str | None
    time_budget: float | None
    resume: bool
    overwrite: bool
    listener: Listener | None


class ModelOptions(RunOptions, total=False):
    """Which images are drawn, and how the model is read: fields of `Settings`, described there."""

    samples: int
    sampling: str
    seed: int
    preprocess: str | None
    size: tuple[int, int] | None
    input: str | None
    output: str | Sequence[str] | None
    layout: str | None
    output_kind: str | None
    task: str | None
    class_embeddings: str | Path | None
    fit_classes: str | Path | None
    logit_scale: float | None
    set: Sequence[str]
    allow_random: bool
    head: str | None


class LabelledOptions(ModelOptions, total=False):
    """Those of a measurement that knows what the true class is: further fields of `Settings`."""

    label_offset: int | None
    temperature: float | str
    threshold: float | str | None
    ignore: int | None


class DamageOptions(LabelledOptions, total=False):
    """Those of `explain`: all fields of `Settings` that say what the damage game is.

    Attributes
    ----------
    as_published : bool
        What of `defaults.PUBLISHED` a measurement has, as it is there.
    """

    as_published: bool

    bands: int
    separate_dc: bool
    norm: str
    spacing: str
    edges: Sequence[float] | None
    estimator: str | None
    passes: int | None


class GameOptions(DamageOptions, total=False):
    """Those of `analyze`: all fields of `Settings`."""

    absence: str
    output_map: str


@dataclass(frozen=True)
class Request:
    """A measurement as it is asked for, checked as far as that goes without model and images.

    Attributes
    ----------
    model : Path or None
        None where nothing of a model is measured.
    target : Path or None
        Where the result goes; None: nowhere.
    shard : Part or None
        What is measured of the sample; None: all.
    extensions : tuple of Path
        Libraries of custom operators.
    ep_libraries : tuple of Path
        Libraries that bring the provider.
    skip_bad, provider, threads, tf32, batch, dask, resume, overwrite
        As `RunOptions` has them.
    """

    model: Path | None
    reading: Reading
    settings: Settings
    target: Path | None = None
    shard: Part | None = None
    extensions: tuple[Path, ...] = ()
    ep_libraries: tuple[Path, ...] = ()
    listener: Listener = field(default_factory=Listener)
    limits: Limits = field(default_factory=Limits)
    skip_bad: bool = False
    provider: str = "auto"
    threads: int = 0
    tf32: bool = True
    batch: int | None = None
    dask: str | None = None
    resume: bool = False
    overwrite: bool = False

    @property
    def inputs(self) -> list[Path]:
        """Files and folders that are named: what is written must be none of them."""
        reading, recipe = self.reading, self.settings.preprocess
        names = reading.class_names
        libraries = *self.extensions, *self.ep_libraries
        given = [self.model, reading.images, reading.labels, *libraries]
        given += [Path(names)] if names not in (None, "none") else []
        classes = self.settings.class_embeddings, self.settings.fit_classes
        given += [Path(each) for each in classes if each is not None]
        given += [Path(recipe)] if recipe is not None and names_a_file(recipe) else []
        limit = self.settings.threshold
        given += [Path(limit)] if isinstance(limit, str) and as_number(limit) is None else []
        return [each for each in given if each is not None]

    @classmethod
    def of(
        cls,
        kind: type[Any],
        options: Mapping[str, Any],
        model: Any,
        images: Any,
        target: str | Path | None,
        *,
        target_stderr: float | None = None,
        **settings: Any,
    ) -> Request:
        """The request that a caller's options make: those of `kind`, refused where unusable.

        `settings` are fields of `Settings` that this kind of measurement has of its own.
        """
        for name in options:
            if name not in kind.__optional_keys__:
                question = meant(name, sorted(kind.__optional_keys__)).strip()
                raise UsageError(f"there is no option '{name}'{'; ' * bool(question)}{question}")
        options = {name: plain(value) for name, value in options.items()}
        listener = options.get("listener")
        check_kind("listener", listener, (Listener, type(None)), "a Listener")
        for check, names in _CHECKS.items():
            for name in names:
                if name in options:
                    check(name, options[name])
        paths: dict[str, Any] = {"images": images}
        if model is not None or "label_offset" in kind.__optional_keys__:
            paths["model"] = model
        for name, path in paths.items():
            check_kind(name, path, (str, PathLike), _GIVEN[name])
        check_path("target", target)
        libraries = {}
        for name in _LIBRARIES:
            found = several(name, options.get(name, ()))
            for library in found:
                check_path(name, library)
            libraries[name] = tuple(map(Path, found))
        if libraries["ep_library"] and options.get("provider", AUTO) == AUTO:
            like = option("provider", like="NAME")
            raise InvalidOption("ep_library", libraries["ep_library"][0], f"say which with {like}")
        settings |= {name: value for name, value in options.items() if name in _SETTINGS}
        reading = Reading.asked(
            images,
            options.get("labels"),
            options.get("class_names"),
            **{name: options.get(name) for name in _READING},
        )
        limits = Limits(plain(target_stderr), options.get("time_budget"))
        shard, batch = options.get("shard"), options.get("batch")
        part = None if shard is None else Part.asked(shard)
        if part is not None and limits.any:
            raise UsageError(
                f"{option('shard')} goes without {option('target_stderr')} and "
                f"{option('time_budget')}: parts that stop by themselves make no whole"
            )
        if batch is not None:
            check_number("batch", batch, 1, MOST_COUNT, "auto or a positive number")
        return cls(
            None if model is None else Path(model),
            reading,
            Settings.asked(**settings),
            None if target is None else Path(target),
            part,
            libraries["ort_extension"],
            libraries["ep_library"],
            Listener() if listener is None else listener,
            limits,
            **{name: options[name] for name in _RUNNING if name in options},
        )


def with_options(
    kind: type[Any],
    *,
    without: tuple[str, ...] = (),
    hearing: Callable[[Mapping[str, Any]], Listener | None] | None = None,
    **defaults: Any,
) -> Callable[[F], F]:
    """What all functions that measure share, which take the options of `kind` as ``**options``.

    Model and images may be objects in memory: the function gets paths. Its signature shows the
    options, since help and completion of notebooks read signatures, which hold no typed
    dictionaries. `defaults` are those of the function that differ from the ones of `Request` and
    `Settings`; it does not take those in `without`. `hearing` gives the listener, of all that is
    given, where none is.
    """
    usual = {
        each.name: each.default
        for each in (*fields(Settings), *fields(Request))
        if each.default is not MISSING
    }
    usual["as_published"] = False

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        *own, _ = signature.parameters.values()
        named = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, () if name in _LIBRARIES else usual.get(name)),
                annotation=kind.__annotations__[name].__forward_arg__,
            )
            for name in kind.__annotations__
            if name not in signature.parameters and name not in without
        ]

        taken = {parameter.name for parameter in (*own, *named)}

        @wraps(function)
        def call(*positional: Any, **given: Any) -> Any:
            if "as_published" in taken and "as_published" in given:
                given, settled = as_published(given, taken)
                with naming_published(settled, described.__signature__):
                    return call(*positional, **given)
            try:
                bound = signature.bind(*positional, **given)
            except TypeError:  # Python says what is missing, or too much
                return function(*positional, **given)
            known, options = bound.arguments, bound.arguments.get("options", {})
            if hearing is not None and options.get("listener") is None:
                options = known["options"] = {**options, "listener": hearing(known)}
            what = known.get("model"), known.get("images"), options.get("listener")
            with as_files(*what) as as_paths:
                for name, path in zip(("model", "images"), as_paths, strict=False):
                    if name in known:
                        known[name] = path
                if as_paths[2] is not None:
                    known["options"] = {**options, "listener": as_paths[2]}
                return function(*bound.args, **bound.kwargs)

        described: Any = call
        described.__signature__ = signature.replace(parameters=[*own, *named])
        measuring: F = described
        return measuring

    return decorate
