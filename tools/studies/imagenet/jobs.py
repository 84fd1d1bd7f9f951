"""What is measured of which network, those results first that matter most.

So a run that is broken off has answered the first questions of all networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import iaside_onnx as ia
from tools.studies.csv_files import read

from .make import LOW_PASS, ORIGINAL, TUNED
from .photographs import BUILDING, REPORTING

# The middle severity of all networks before the others of any.
SEVERITIES = {"robustness-3": [3], "robustness-1-5": [1, 5]}
ALL_SEVERITIES = [1, 3, 5]
EXPLAINED = (("gaussian_noise", 3), ("defocus_blur", 3), ("fog", 3))
QUANTISED = ("float16", "int8")
# Thousands of passes each, so few are.
ATTACKED = (*ORIGINAL, *QUANTISED)
# What predicts damage is measured on the half that is not reported, so are its rivals.
TABLE, SNR, STAND_INS, AVERAGE, RIVAL = (
    "table-l2-dc", "snr-l2", "stand-ins", "stand-ins-average", "robustness-building"
)  # fmt: skip


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


@dataclass(frozen=True)
class Job:
    """One result: its folder, the network, and how it is measured, on which half.

    `after` is the folder of another result that it takes, as the option `snr`.
    """

    folder: str
    network: Network
    measure: Callable[..., Any] = ia.analyze
    options: dict[str, Any] = field(default_factory=dict)
    half: str = REPORTING
    after: str = ""


def networks(out: Path) -> list[Network]:
    """Those of ``networks.csv``, in its order."""
    rows = read("networks.csv", out)
    return [Network(row["network"], row["family"], row["variant"]) for row in rows]


def jobs(held: list[Network], *, attacked: int, queries: int) -> Iterator[Job]:
    """All jobs, those that matter most first."""
    originals = [each for each in held if each.variant in ORIGINAL]
    differing = [each for each in held if each.variant not in QUANTISED]
    for game in LINEAR[:2]:
        yield from (Job(game.name, each, options=game.options()) for each in held)
    for folder, levels in SEVERITIES.items():
        options: dict[str, Any] = {"severity": levels, "attack": "none"}
        yield from (Job(folder, each, ia.measure_robustness, options) for each in held)
    for each in originals:
        yield from _predicting(each)
    for game in SPACED:
        yield from (Job(game.name, each, options=game.options()) for each in differing)
    for name, severity in EXPLAINED:
        options = {
            "corruption": name, "severity": severity, "estimator": "permutation", "norm": "linf",
        }  # fmt: skip
        for each in held:
            if each.variant in (*ORIGINAL, *QUANTISED, TUNED, LOW_PASS):
                yield Job(f"{name}-{severity}", each, ia.explain, options)
    yield from (Job(LINEAR[2].name, each, options=LINEAR[2].options()) for each in differing)
    for game in ABSENT:
        yield from (Job(game.name, each, options=game.options()) for each in originals)
    # Files of robustness hold a corruption at least.
    options = {
        "corruption": "brightness", "severity": 1, "attack": "square-linf",
        "epsilon": [4 / 255], "attack_samples": attacked, "queries": queries,
    }  # fmt: skip
    for each in held:
        if each.variant in ATTACKED:
            yield Job("attack", each, ia.measure_robustness, options)


def _predicting(network: Network) -> Iterator[Job]:
    """What predicts a network's damage, and measurement on the same images as its rival."""
    exact = {"norm": "l2", "separate_dc": True, "estimator": "exact"}
    levels = {"severity": ALL_SEVERITIES}
    yield Job(TABLE, network, options=exact, half=BUILDING)
    yield Job(SNR, network, ia.measure_snr, {"norm": "l2", **levels}, BUILDING)
    yield Job(STAND_INS, network, ia.measure_stand_ins, {"norm": "l2", **levels}, BUILDING)
    yield Job(AVERAGE, network, ia.measure_stand_ins, levels, BUILDING, after=SNR)
    rival = {**levels, "attack": "none"}
    yield Job(RIVAL, network, ia.measure_robustness, rival, BUILDING)
