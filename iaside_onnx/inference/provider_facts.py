"""What providers this machine has, and which of them would run a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from ..errors import ArtifactError, ProviderError, said
from ..onnx_file.artifact import Artifact
from ..spelling import on_command_line
from .choosing import inactive, runtime_builds
from .ort_format import describe
from .placement import Placement
from .plugins import available
from .providers import PROVIDERS, Provider, automatic, named, row_of
from .session import Runtime, runtime_version


class ProviderFact(TypedDict):
    """One provider, as plain JSON values.

    `nodes` and `left` are of the file, as a report's ``run["placement"]`` has them; `why` says what
    keeps it from running here, or from running the file.
    """

    name: str
    runtime_name: str
    active: bool
    why: str | None
    nodes: int | None
    left: dict[str, dict[str, int]] | None
    words: str


def provider_facts(
    path: Path | None = None, extensions: Sequence[Path] = ()
) -> tuple[dict[str, Any], list[ProviderFact]]:
    """Try every provider that is known, and every other that this onnxruntime has.

    Parameters
    ----------
    path : Path, optional
        A file to open with each of them.
    extensions : sequence of Path
        Libraries of custom operators that it needs.

    Returns
    -------
    tuple
        The onnxruntime in use (``onnxruntime``, ``builds``), what ``auto`` takes, and a fact for
        each provider.

    Raises
    ------
    ArtifactError
        The file is no model.
    """
    runtime = Runtime(extensions=tuple(extensions))
    artifact = None if path is None else describe(path, runtime)
    names = dict.fromkeys([*PROVIDERS, *map(named, available())])
    rows = [row for name in names if (row := row_of(name)) is not None]
    facts = [_fact(row, runtime, artifact) for row in rows]
    able = {fact["name"] for fact in facts if fact["active"]}
    auto = next((name for name in automatic() if name in able), None)
    return {"onnxruntime": runtime_version(), "builds": runtime_builds(), "auto": auto}, facts


def _fact(row: Provider, runtime: Runtime, artifact: Artifact | None) -> ProviderFact:
    why, placement = inactive(row), None
    if why is None and artifact is not None:
        try:
            session = replace(runtime, provider=row.name).open(artifact.path)
            placement = Placement.of(session, row, artifact.model)
            if placement is not None:
                placement.check(artifact.path)
        except (ArtifactError, ProviderError) as error:
            why = said(error).removeprefix(f"{artifact.path}: ")
    return {
        "name": row.name,
        "runtime_name": row.runtime_name,
        "active": why is None,
        "why": None if why is None else on_command_line(why),
        "nodes": None if placement is None else placement.nodes,
        "left": None if placement is None else placement.left,
        "words": "" if placement is None or why else placement.words,
    }
