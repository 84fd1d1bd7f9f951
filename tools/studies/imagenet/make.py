"""Writes the variants of pretrained networks."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np

import iaside_onnx as ia
from iaside_onnx.measure.quantized import model_inputs, quantized
from iaside_onnx.preprocessing.preprocess import load_preprocess

from .photographs import BUILDING, write_halves
from .variants import float_parent, is_deployed, pruned

PARENT = "float32"
# In integers, and nobody's variant: the floats that it was made of are not at hand.
DEPLOYED = "deployed"
ORIGINAL = (PARENT, DEPLOYED)
LOW_PASS = "low-pass"
TUNED = "tuned"
VARIANTS = ("float16", "int8", "pruned-30", LOW_PASS, TUNED)
_AGAINST = "gaussian_noise:3"


class Maker:
    """One parent network, the photographs that its variants are built on, and where they go."""

    def __init__(self, name: str, recipe: Path, photographs: Path, out: Path) -> None:
        self.name, self.out = name, out
        self.parent = out / f"{name}.onnx"
        self.recipe = out / f"{name}.toml"
        if recipe.resolve() != self.recipe.resolve():
            shutil.copy(recipe, self.recipe)
        self._reading: dict[str, Any] = {
            "images": photographs, "labels": out / f"{BUILDING}.csv",
            "preprocess": str(self.recipe),
        }  # fmt: skip

    def path(self, variant: str) -> Path:
        """Where a variant goes."""
        return self.parent if variant == PARENT else self.out / f"{self.name}-{variant}.onnx"

    def make(self, variant: str, steps: int) -> None:
        """Write a variant."""
        target = self.path(variant)
        if variant in ("float16", "int8"):
            kind = "qdq" if variant == "int8" else variant
            quantized(self.parent, kind, target, self._fed() if kind == "qdq" else None)
        elif variant.startswith("pruned-"):
            pruned(self.parent, target, int(variant.removeprefix("pruned-")) / 100)
        elif variant == LOW_PASS:
            made = ia.fit_filter(
                self.parent, target=target, against=_AGAINST, samples=0, force=True,
                max_clean_loss=0.3, **self._reading,
            )  # fmt: skip
            target.with_suffix(".txt").write_text(f"strength {made.strength:g}\n")
        else:
            from .tune import tune

            _, gain, _ = load_preprocess(str(self.recipe)).affine(3)
            (name,) = self._fed()[0]
            shown = np.concatenate([batch[name] for batch in self._fed()])
            tune(self.parent, target, shown.astype(np.float32), float(gain[0]), steps)

    def _fed(self) -> list[dict[str, Any]]:
        given = {"samples": 0, **self._reading}
        return model_inputs(self.parent, given.pop("images"), given.pop("labels"), **given)


def make_all(
    parents: dict[str, tuple[Path, Path]], photographs: Path, out: Path,
    variants: tuple[str, ...], steps: int,
) -> None:  # fmt: skip
    """Write what is missing, and add it to ``networks.csv``."""
    out.mkdir(parents=True, exist_ok=True)
    if not (out / f"{BUILDING}.csv").exists():
        write_halves(photographs, out)
    for name, (file, recipe) in parents.items():
        maker = Maker(name, recipe, photographs, out)
        for variant in (PARENT, *variants):
            if maker.path(variant).exists():
                continue
            kind = variant
            if variant == PARENT:
                float_parent(file, maker.parent)
                kind = DEPLOYED if is_deployed(maker.parent) else PARENT
            else:
                maker.make(variant, steps)
            _add(out / "networks.csv", [maker.path(variant).stem, name, kind])
            print(f"{maker.path(variant).stem}: made", flush=True)


def _add(table: Path, row: list[str]) -> None:
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows(([["network", "family", "variant"]] if new else []) + [row])
