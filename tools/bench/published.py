"""The authors' own script in front of the same session, beside `analyze` and the bare model.

Their file is `iaside.py` of github.com/aoibhinncrtai/xai_iaside_torch; it is no part of this
project and runs as it is, with its own batch of 10 images. Images come to it through torch's loader
as the audit decodes them, and the network that it is given calls onnxruntime. Since it cannot be
stopped in between, the three run one after another, the script in a process of its own: this file
is also what that process runs. It needs torch and tqdm.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray
from plain_loop import PUBLISHED_BATCH, PlainLoop
from processes import ROOT
from speed import Bare, Case, Figures, best_batch, opened, rate

import iaside_onnx as ia
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.session import claim_process
from iaside_onnx.mathematics.score import spectral_importance
from iaside_onnx.mathematics.shapley import shapley_values
from iaside_onnx.measure.labelling import class_targets

_BARE_SECONDS = 4.0


def measure_published(case: Case, script: Path, repeats: int, batches: Sequence[int]) -> Figures:
    """Rates of bare model, `analyze` and the script, one after another in every repeat."""
    runtime = choose_runtime("cpu")
    classifier, sample, _ = opened(case, runtime)
    bare = Bare(classifier, best_batch(classifier, batches))
    rates: dict[str, list[float]] = {"bare": [], "audit": [], "loop": []}
    for _ in range(repeats):
        rates["bare"].append(rate(bare, _BARE_SECONDS))
        report = ia.analyze(
            case.model, case.images, labels=case.labels, provider="cpu", **case.settings
        )
        rates["audit"].append(report.run["forward_passes"] / report.run["seconds"])
        rates["loop"].append(played(case, script, PUBLISHED_BATCH, "random")["passes_per_second"])
    used = {"bare": bare.batch, "audit": report.run["batch"], "loop": PUBLISHED_BATCH}
    return Figures(case.name, classifier.artifact.parameters, len(sample), used, rates)


def agreement(case: Case, script: Path) -> dict[str, NDArray[np.float64]]:
    """Distributions of single images, shape (K, M), of script, plain loop and report.

    Nothing stands for absent bands and each batch is one image (twice for the script, which fails
    on batches of one), so nothing is left to chance or to other images. The loop has the script's
    masks; the report, read as the script reads the method, has its own edges of bands (method,
    section 8).
    """
    same = {
        **case.settings,
        "norm": "linf",
        "absence": "zero",
        "output_map": "magnitude",
        "temperature": 1.0,
    }
    report = ia.analyze(case.model, case.images, labels=case.labels, provider="cpu", **same)
    classifier, sample, tell = opened(case, choose_runtime("cpu"))
    loop = PlainLoop(
        classifier,
        lambda position: classifier.pixels(sample.picture(position)),
        class_targets(sample, classifier, tell),
        case.settings["bands"],
        batch=1,
        absence="zero",
    )
    return {
        "script": np.array(played(case, script, 0, "zero")["sid"]),
        "plain loop": spectral_importance(shapley_values(loop.run().astype(np.float64))),
        "report": spectral_importance(report.shapley_per_image),
    }


def played(case: Case, script: Path, batch: int, absent: str) -> dict[str, Any]:
    """The script in a process of its own: its speed and distribution; of each image for batch 0."""
    asked = {
        "script": str(script), "batch": batch, "absent": absent, "name": case.name,
        "model": str(case.model), "images": str(case.images), "settings": case.settings,
        "labels": str(case.labels) if case.labels else None,
    }  # fmt: skip
    places = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(asked)],
        env={**os.environ, "PYTHONPATH": places},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def _play(asked: dict[str, Any]) -> dict[str, Any]:
    """Run the script here."""
    torch = importlib.import_module("torch")
    sys.path.insert(0, str(Path(asked["script"]).resolve().parent))
    script: Any = importlib.import_module(Path(asked["script"]).stem)
    script.scipy = scipy  # which it uses without importing it
    case = Case(asked["name"], Path(asked["model"]), Path(asked["images"]), asked["settings"])
    if asked["labels"]:
        case = replace(case, labels=Path(asked["labels"]))
    claim_process()
    classifier, sample, tell = opened(case, choose_runtime("cpu"))
    targets = class_targets(sample, classifier, tell)

    class Images(torch.utils.data.Dataset):  # type: ignore[misc, name-defined]
        def __init__(self, positions: Sequence[int]) -> None:
            self.positions = positions

        def __len__(self) -> int:
            return len(self.positions)

        def __getitem__(self, number: int) -> tuple[Any, int]:
            position = self.positions[number]
            pixels = np.ascontiguousarray(classifier.pixels(sample.picture(position)))
            return torch.from_numpy(pixels), int(targets[position])

    class Network(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, images: Any) -> Any:
            scores = classifier.logits(classifier.model.scores(images.numpy()))
            return torch.from_numpy(np.ascontiguousarray(scores))

    bands = case.settings["bands"]

    def distribution(positions: Sequence[int], batch: int) -> list[float]:
        with torch.no_grad():
            found = script.IASIDE_compute_spectral_importance_dist(
                Network(), None, Images(positions), len(positions), bands,
                batch_size=batch, progressbar=False, maskout=asked["absent"],
            )  # fmt: skip
        return [float(each) for each in found]

    everyone, batch = range(len(sample)), asked["batch"]
    if not batch:
        return {"sid": [distribution([position] * 2, 2) for position in everyone]}
    began = time.perf_counter()
    sid = distribution(everyone, batch)
    # A last batch that is not full is left out by the script.
    passes = len(sample) // batch * batch << bands
    return {"passes_per_second": passes / (time.perf_counter() - began), "sid": sid}


if __name__ == "__main__":
    print(json.dumps(_play(json.loads(sys.argv[1]))))
