"""Whether two files are of one run: what determined their tables, compared entry by entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import ReportError

ANEW = "use --overwrite to start anew"
# What was so before a setting was written down.
_BEFORE = {"tf32": True, "draws": "name", "estimator": "exact", "label_offset": 0}
# What finished files hold beside the settings that determine them: views, and what follows.
_BESIDE = {
    "value", "beta", "confidence", "bands", "norm", "separate_dc", "players", "height", "width",
    "channels", "kinds",
}  # fmt: skip


def differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Every setting in which two files differ: its name and both values.

    A key that is missing has the value that it had before it was written down.
    """
    values = ((key, *(held.get(key, _BEFORE.get(key)) for held in (first, other)))
              for key in dict.fromkeys([*first, *other]))  # fmt: skip
    return [(key, one, two) for key, one, two in values if one != two]


def check_identity(path: Path, begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to continue a run with anything changed that determines its table.

    Parameters
    ----------
    path : Path
        The file, for messages.
    begun, wanted : mapping
        Identities of the file and of the run: settings, model_sha256, data_digest, provider.

    Raises
    ------
    ReportError
        The message names the first difference.
    """
    if begun.get("model_sha256") != wanted["model_sha256"]:
        raise ReportError(f"{path}: belongs to another model; {ANEW}")
    settings, asked = begun.get("settings"), wanted["settings"]
    settings = settings if isinstance(settings, dict) else {}
    if settings.get("draws", "name") != asked.get("draws", "name"):
        raise ReportError(
            f"{path}: its baselines and other draws were made by file name, which this version "
            f"makes by pixels, so it cannot go on from there; {ANEW}"
        )
    pairs = [
        (key, there, here)
        for key, here, there in differences(asked, settings)
        if key in asked or key not in _BESIDE
    ]
    pairs += [(key, begun.get(key), wanted.get(key)) for key in ("provider", "shard")]
    for key, old, new in pairs:
        if old != new:
            raise ReportError(
                f"{path}: was made with {key} {json.dumps(old)}, not {json.dumps(new)}; {ANEW}"
            )
    if begun.get("data_digest") != wanted["data_digest"]:
        raise ReportError(f"{path}: belongs to other images; {ANEW}")
    if begun.get("pixels", wanted.get("pixels")) != wanted.get("pixels"):
        raise ReportError(
            f"{path}: its images decode to other pixels now than when it was begun, as they may "
            f"with another version of pillow; {ANEW}"
        )
