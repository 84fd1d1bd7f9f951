"""What each setting of a result belongs to, and in which settings two results differ.

This is the one declaration of what must agree. Every command asks it (compare, gate, correlate,
plot, html, merge, resume, baselines, predict) and gets a list of differences; whether to refuse or
to warn is the caller's choice, the list is not. A setting that is not declared, such as one in a
file of a newer version, belongs to the game: two results that differ in it are never compared in
silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from functools import cache
from typing import Any

from .defaults import PUBLISHED


class Belongs(Enum):
    """What a setting belongs to, and so what a difference in it means."""

    GAME = "game"  # other numbers of the same model: never side by side
    DRAWS = "draws"  # game where stand-ins of bands are drawn; else it chose images
    MODEL = "model"  # how a model is fed and read: may differ, and is named
    FITTED = "fitted"  # the same, and may differ between trainings of one recipe too
    NAME = "name"  # of a tensor, which says nothing about the numbers
    SIZE = "size"  # of the images, which the model prescribes: may differ, with a note
    SAMPLE = "sample"  # which images, which are compared themselves
    ESTIMATE = "estimate"  # how the values were estimated: may differ, with a note
    VIEW = "view"  # of the same table: can be changed afterwards
    DERIVED = "derived"  # follows from other settings


def _declared(*groups: tuple[Belongs, str]) -> dict[str, Belongs]:
    return {name: belongs for belongs, names in groups for name in names.split()}


SETTINGS = _declared(
    (Belongs.GAME, "task head bands separate_dc norm spacing edges absence output_map"),
    (Belongs.GAME, "labels ignore"),
    (Belongs.DRAWS, "seed draws"),
    (Belongs.MODEL, "preprocess"),
    (Belongs.NAME, "input output"),
    (Belongs.MODEL, "layout output_kind label_offset threshold channel_axes"),
    (Belongs.MODEL, "class_embeddings fit_classes logit_scale"),
    (Belongs.FITTED, "temperature tf32 execution"),
    (Belongs.MODEL, "floor set allow_random"),
    (Belongs.SIZE, "size"),
    (Belongs.SAMPLE, "samples sampling"),
    (Belongs.ESTIMATE, "estimator passes"),
    (Belongs.DERIVED, "players"),
    (Belongs.VIEW, "value beta confidence"),
)
# Where measurements of robustness and heat maps deviate: their perturbations are drawn, whatever
# stands for absent bands; bands are a view of a heat map.
ROBUSTNESS_SETTINGS = SETTINGS | _declared(
    (Belongs.GAME, "seed draws pairs"),
    (Belongs.SIZE, "height width"),
    (Belongs.MODEL, "channels"),
    (Belongs.DERIVED, "kinds"),
    (Belongs.SAMPLE, "attack_samples"),
)
DAMAGE_SETTINGS = SETTINGS | _declared(
    (Belongs.GAME, "perturbation seed draws"),
    (Belongs.ESTIMATE, "split"),
)
HEATMAP_SETTINGS = SETTINGS | _declared(
    (Belongs.GAME, "seed draws strength clip"),
    (Belongs.ESTIMATE, "grid"),
    (Belongs.VIEW, "bands norm spacing edges separate_dc"),
)
# What bands are.
OF_BANDS = ("bands", "separate_dc", "norm", "spacing", "edges")
VIEW = tuple(name for name, owner in SETTINGS.items() if owner is Belongs.VIEW)
# What an analysis shares with a heat map, or with what perturbations do to each band, that is read
# in its bands.
HEATMAP_FIT = ("size",)
# How a model was fed and read, in which results of one subject agree (`results/fed.py`). Names of
# tensors say which of one file's were taken.
FED = tuple(
    name
    for name, owner in SETTINGS.items()
    if owner in (Belongs.MODEL, Belongs.FITTED, Belongs.NAME, Belongs.SIZE)
    or name in ("task", "head")
)
# Those of them that are written down where they are not as usual.
FED_IF_SAID = (
    "task", "head", "threshold", "channel_axes", "class_embeddings", "fit_classes", "logit_scale",
    "tf32", "execution", "set", "allow_random",
)  # fmt: skip
SNR_FIT = ("bands", "norm", "spacing", "edges", "size")
# What finished files hold beside the settings that determine them: views, and what follows.
_BESIDE = {"height", "width", "channels"} | {
    name
    for declared in (SETTINGS, ROBUSTNESS_SETTINGS, HEATMAP_SETTINGS, DAMAGE_SETTINGS)
    for name, owner in declared.items()
    if owner in (Belongs.VIEW, Belongs.DERIVED)
}


@cache
def _missing() -> dict[str, Any]:
    """What was so before a setting was written down: what a file says that lacks the key."""
    from .settings import Settings  # loads scipy, which reading a report does without

    before = {
        "labels": "given",
        "task": "classes",
        "draws": "name",
        "tf32": True,
        "label_offset": 0,
        "execution": "cpu",
        "edges": None,
        "channel_axes": "by length",
    }
    return {**asdict(Settings()), **PUBLISHED, **before}


@dataclass(frozen=True)
class Apart:
    """A setting in which two results differ."""

    setting: str
    belongs: Belongs
    first: Any
    other: Any

    def __str__(self) -> str:
        return f"{self.setting} {_text(self.other)} against {_text(self.first)}"


def _text(value: Any) -> str:
    """A value as it is typed, where that is shorter than what Python writes."""
    if isinstance(value, list) and value and all(isinstance(each, float) for each in value):
        return ",".join(str(each) for each in value)
    return str(value)


def settings_apart(
    first: Mapping[str, Any],
    other: Mapping[str, Any],
    declared: Mapping[str, Belongs] = SETTINGS,
    only: Iterable[str] | None = None,
) -> list[Apart]:
    """Every setting in which two results differ, in the order of the declaration.

    In settings as files hold them a missing key has the value that it had before it was written
    down (``draws``: "name"). `declared` says what the settings of this kind of result belong to,
    and `only` names those that matter, all by default.
    """
    keys = dict.fromkeys([*declared, *first, *other] if only is None else only)
    for key in _said_by_another(first, other):
        keys.pop(key, None)
    apart = []
    for key in keys:
        values = [
            settings[key] if key in settings else _missing().get(key) for settings in (first, other)
        ]
        if values[0] != values[1]:
            apart.append(Apart(key, _owner(key, first, declared), *values))
    return apart


def _said_by_another(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What need not be compared of spacing and edges, and of rounding.

    Of equal edges the spacing only says how they were found; other edges follow from another
    spacing, norm or number of bands, which is said in their place. Providers that never round to
    TF32, such as the processor's, say nothing of it, and that it was another one is said.
    """
    where = [settings.get("execution", _missing()["execution"]) for settings in (first, other)]
    keys = ["tf32"] if where[0] != where[1] and ("tf32" in first) != ("tf32" in other) else []
    if first.get("edges") is not None and first.get("edges") == other.get("edges"):
        return [*keys, "spacing"]
    causes = "spacing", "norm", "bands"
    return [*keys, *["edges"] * any(first.get(key) != other.get(key) for key in causes)]


def identity_apart(settings: Mapping[str, Any], written: Mapping[str, Any]) -> list[Apart]:
    """Where settings written in a file are not identical to others: the level of resuming.

    `settings` are all that determine the result; the file may hold its view and what follows from
    the rest as well.
    """
    apart = settings_apart(settings, written, {})
    # Where bands determine the result, so does their spacing, which is not always written down.
    kept = {*settings, *(("spacing", "edges") if "bands" in settings else ())}
    return [each for each in apart if each.setting in kept or each.setting not in _BESIDE]


def without_sample(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those that determine the values of an image, whichever others are measured with it."""
    owners = {**SETTINGS, **ROBUSTNESS_SETTINGS}
    return {
        name: value for name, value in settings.items() if owners.get(name) is not Belongs.SAMPLE
    }


def _owner(key: str, settings: Mapping[str, Any], declared: Mapping[str, Belongs]) -> Belongs:
    owner = declared.get(key, Belongs.GAME)
    if owner is not Belongs.DRAWS:
        return owner
    from .mathematics.absence import scheme_of  # loads scipy

    seeded = scheme_of(str(settings.get("absence", "gaussian"))).seeded
    return Belongs.GAME if seeded else Belongs.SAMPLE


def chosen(apart: Iterable[Apart], *belongs: Belongs) -> list[Apart]:
    """Those differences that belong to any of these."""
    return [each for each in apart if each.belongs in belongs]
