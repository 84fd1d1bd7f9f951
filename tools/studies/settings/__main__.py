"""Which settings make the score predict measured robustness, on a set of networks.

Half of the networks choose the settings, the other half confirm::

    python -m tools.studies.settings run --models models/zoo --images demo/test --out study
    python -m tools.studies.settings table study

``run`` writes an analysis for each network and game, and a robustness report for each network,
and beside each a JSON file with what ``table`` needs; what is there already is kept, so it can be
stopped and started again. ``table`` writes ``measured.npz`` beside this file, what was measured of
every network, and the CSV files that follow from it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import iaside_onnx as ia

from ..faults import in_one_line
from .gather import NAME, gather
from .grid import VALUES, Game, games
from .table import write_tables

_SEED = 0
Job = Callable[[Path, Path, argparse.Namespace], dict[str, Any]]


@in_one_line()
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="make the reports that are missing")
    run.add_argument("--models", type=Path, default=Path("models/zoo"))
    run.add_argument("--images", type=Path, default=Path("demo/test"))
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--samples", type=int, default=60, help="images of each analysis")
    run.add_argument("--robustness-samples", type=int, default=120)
    run.add_argument("--attack-samples", type=int, default=40)
    run.add_argument("--queries", type=int, default=300)
    run.add_argument("--epsilon", type=float, default=4 / 255)
    run.add_argument("--threads", type=int, default=0)
    run.add_argument("--part", default="1/1", metavar="I/N", help="every Nth network, from the Ith")
    run.add_argument("--only", choices=("analyses", "robustness"))
    table = commands.add_parser("table", help="write the tables")
    table.add_argument("folder", type=Path)
    table.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of tables")
    given = parser.parse_args()
    if given.command == "table":
        if not list(given.folder.glob("robustness/*.json")):
            parser.error(f"{given.folder}: holds no results; make them first: run --out")
        np.savez_compressed(given.out / NAME, **gather(given.folder))
        with np.load(given.out / NAME) as measured:
            write_tables(dict(measured), given.out)
    else:
        make(given)


def make(given: argparse.Namespace) -> None:
    """Write every report that is missing."""
    part, parts = map(int, given.part.split("/"))
    networks = sorted(given.models.glob("*.onnx"))[part - 1 :: parts]
    if not networks:
        sys.exit(f"Error: {given.models}: holds no .onnx files")
    jobs = []
    if given.only != "analyses":
        jobs += [("robustness", network, robustness) for network in networks]
    if given.only != "robustness":
        jobs += [(game.name, network, analysis(game)) for game in games() for network in networks]
    for number, (folder, network, job) in enumerate(jobs, 1):
        target = given.out / folder / f"{network.stem}.h5"
        facts = target.with_suffix(".json")
        if facts.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        facts.write_text(json.dumps(job(network, target, given)))
        taken = time.monotonic() - started
        print(f"{number}/{len(jobs)} {folder} {network.stem}: {taken:.1f} s", flush=True)


def analysis(game: Game) -> Job:
    """A job that plays one game."""

    def job(network: Path, target: Path, given: argparse.Namespace) -> dict[str, Any]:
        report = ia.analyze(
            network,
            given.images,
            target,
            samples=given.samples,
            seed=_SEED,
            threads=given.threads,
            overwrite=True,
            **game.options(),
        )
        sid = {value: report.view(value=value).sid.tolist() for value in VALUES}
        return {"sid": sid, "temperature": report.settings["temperature"]}

    return job


def robustness(network: Path, target: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure corruption and adversarial errors of one network."""
    found = ia.measure_robustness(
        network,
        given.images,
        target,
        samples=given.robustness_samples,
        seed=_SEED,
        attack=["square-linf"],
        attack_samples=given.attack_samples,
        queries=given.queries,
        epsilon=[given.epsilon],
        threads=given.threads,
        overwrite=True,
    )
    return {
        "perturbations": found.perturbations,
        "clean_error": found.clean_error,
        "errors": found.errors.mean(axis=1).tolist(),
        "mpe": found.mpe.mean(axis=1).tolist(),
        "attacks": [entry["name"] for entry in found.attacks],
        "adversarial_errors": found.adversarial_errors.tolist(),
    }


if __name__ == "__main__":
    main()
