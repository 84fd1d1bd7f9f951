"""Measures networks, job by job: what is there already is not measured again.

Jobs that matter most come first, for every network, so that a run that is broken off has
answered the first questions of all.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import iaside_onnx as ia
from iaside_onnx.measure import corrupted

from .make import LOW_PASS, PARENT, TUNED
from .photographs import REPORTING

# The middle severity of all networks before the others of any.
SEVERITIES = {"robustness-3": [3], "robustness-1-5": [1, 5]}
EXPLAINED = (("gaussian_noise", 3), ("defocus_blur", 3), ("fog", 3))
QUANTISED = ("float16", "int8")
# Thousands of passes each, so few are.
ATTACKED = (PARENT, "int8")


@dataclass(frozen=True)
class Network:
    """A row of ``networks.csv``."""

    name: str
    family: str
    variant: str


@dataclass(frozen=True)
class Game:
    """Settings of one analysis."""

    norm: str
    spacing: str = "linear"
    absence: str = "gaussian"

    @property
    def name(self) -> str:
        """What its folder is called."""
        return f"{self.absence}-{self.norm}-{self.spacing}"

    def options(self) -> dict[str, Any]:
        """As keyword arguments of `iaside_onnx.analyze`."""
        spacing = {} if self.spacing == "linear" else {"spacing": self.spacing}
        return {"norm": self.norm, "absence": self.absence, "estimator": "permutation", **spacing}


LINEAR = (Game("l2"), Game("linf"), Game("l1"))
SPACED = tuple(
    Game(norm, spacing) for spacing in ("octave", "equal-energy") for norm in ("l2", "linf")
)
ABSENT = tuple(
    Game(norm, absence=absence)
    for absence in ("replace", "mean", "zero")
    for norm in ("l2", "linf")
)
GAMES = (*LINEAR, *SPACED, *ABSENT)


def networks(out: Path) -> list[Network]:
    """Those of ``networks.csv``, in its order."""
    with (out / "networks.csv").open(newline="") as file:
        return [
            Network(row["network"], row["family"], row["variant"]) for row in csv.DictReader(file)
        ]


def jobs(held: list[Network]) -> Iterator[tuple[str, Network, dict[str, Any]]]:
    """Folder of the result, network, and options, those that matter most first."""
    parents = [each for each in held if each.variant == PARENT]
    differing = [each for each in held if each.variant not in QUANTISED]
    for game in LINEAR[:2]:
        yield from ((game.name, network, game.options()) for network in held)
    yield from (("robustness-3", network, {}) for network in held)
    for game in SPACED:
        yield from ((game.name, network, game.options()) for network in differing)
    for name, severity in EXPLAINED:
        some = [
            each for each in held
            if each.variant in (PARENT, TUNED, LOW_PASS)
            or (each.variant in QUANTISED and name == EXPLAINED[0][0])
        ]  # fmt: skip
        options = {"corruption": name, "severity": severity, "estimator": "permutation"}
        for network in some:
            yield f"{name}-{severity}", network, options
    yield from ((LINEAR[2].name, network, LINEAR[2].options()) for network in differing)
    for game in ABSENT:
        yield from ((game.name, network, game.options()) for network in parents)
    yield from (("robustness-1-5", network, {}) for network in held)
    yield from (("attack", each, {}) for each in held if each.variant in ATTACKED)


def keep_corrupted() -> dict[Any, Any]:
    """Corrupt each image once for all networks that are fed it alike; returns what is kept."""
    made: dict[Any, Any] = {}
    corrupt = corrupted.corrupt

    def kept(pixels: Any, name: str, severity: int, rng: Any) -> Any:
        key = sha256(pixels.tobytes()).digest(), name, severity
        if key not in made:
            made[key] = corrupt(pixels, name, severity, rng)
        return made[key]

    corrupted.corrupt = kept  # type: ignore[assignment]
    return made


def run(
    photographs: Path, out: Path, *, only: list[str], threads: int, seconds: float,
    queries: int, attacked: int, part: tuple[int, int] = (1, 1),
) -> None:  # fmt: skip
    """Write every result that is missing, until the time is over.

    Parameters
    ----------
    only : list of str
        Names of folders; empty: all of them.
    seconds : float
        After which no further job begins.
    queries, attacked : int
        Of the attack: queries an image, and images.
    part : tuple of int
        "the first of two": which share of the families.
    """
    measures: dict[str, Callable[..., Any]] = {
        **dict.fromkeys([*SEVERITIES, "attack"], ia.measure_robustness),
        **{f"{name}-{severity}": ia.explain for name, severity in EXPLAINED},
    }  # fmt: skip
    own: dict[str, dict[str, Any]] = {
        **{name: {"severity": levels, "attack": "none"} for name, levels in SEVERITIES.items()},
        # Files of robustness hold a corruption at least.
        **{f"{name}-{severity}": {"norm": "linf"} for name, severity in EXPLAINED},
        "attack": {
            "corruption": "brightness", "severity": 1, "attack": "square-linf",
            "epsilon": [4 / 255], "attack_samples": attacked, "queries": queries,
        },
    }  # fmt: skip
    started = time.monotonic()
    held = networks(out)
    families = list(dict.fromkeys(each.family for each in held))[part[0] - 1 :: part[1]]
    mine = sorted((each for each in held if each.family in families), key=lambda each: each.family)
    made, family = keep_corrupted(), ""
    for folder, network, options in jobs(mine):
        if network.family != family:
            made.clear()
            family = network.family
        target = out / folder / f"{network.name}.h5"
        if target.exists() or (only and folder not in only):
            continue
        if time.monotonic() - started > seconds:
            break
        target.parent.mkdir(exist_ok=True)
        begun = time.monotonic()
        measures.get(folder, ia.analyze)(
            out / f"{network.name}.onnx", photographs, target, labels=out / f"{REPORTING}.csv",
            preprocess=str(out / f"{network.family}.toml"), samples=0, threads=threads, resume=True,
            **options, **own.get(folder, {}),
        )  # fmt: skip
        print(f"{folder} {network.name}: {time.monotonic() - begun:.0f} s", flush=True)
