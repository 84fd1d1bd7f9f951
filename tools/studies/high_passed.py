"""Networks that see the details of a picture alone: what the sign of the score says of them.

    python -m tools.studies.high_passed zoo-reports

Puts a fixed filter in front of the zoo's network that was trained on details (`resnet-highpass`):
what a gaussian blur leaves out, twice, about middle grey. A narrow blur leaves out only the finest
details. The two files are written to ``OUT/high-passed``, measured on the second part of the
pictures (see `tools.studies.zoo_reports`), and ``high-passed.csv`` beside this file is written.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper

from tools.studies.csv_files import HERE, read, write
from tools.studies.markdown import interval, table
from tools.studies.zoo_reports import HALVES, ZOO, Shelf

NAME = "high-passed.csv"
NETWORK = "resnet-highpass"
SIGMAS = (1.5, 0.7)
_REACH, _TIMES, _GREY = 8, 2.0, 0.5


def kernel(sigma: float) -> np.ndarray:
    """What is left of a picture without its blurred self, twice, shape (3, 1, k, k)."""
    across = np.exp(-(np.arange(-_REACH, _REACH + 1) ** 2) / (2 * sigma**2))
    blur = np.outer(across, across) / across.sum() ** 2
    left = -blur
    left[_REACH, _REACH] += 1.0
    return np.broadcast_to(np.float32(_TIMES * left), (3, 1, *left.shape)).copy()


def behind_filter(network: Path, sigma: float) -> onnx.ModelProto:
    """The network with the filter in front; its input is a picture as before."""
    model = onnx.load(network)
    shape = ["batch", 3, 64, 64]
    front = helper.make_graph(
        [
            helper.make_node("Pad", ["picture", "pads"], ["wide"], mode="reflect"),
            helper.make_node("Conv", ["wide", "kernel"], ["details"], group=3),
            helper.make_node("Add", ["details", "grey"], ["seen"]),
        ],
        "front",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("seen", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(np.array([0, 0, _REACH, _REACH] * 2), "pads"),
            numpy_helper.from_array(kernel(sigma), "kernel"),
            numpy_helper.from_array(np.float32(_GREY), "grey"),
        ],
    )
    opsets = [helper.make_opsetid("", model.opset_import[0].version)]
    before = helper.make_model(front, opset_imports=opsets, ir_version=model.ir_version)
    both = compose.merge_models(before, model, io_map=[("seen", model.graph.input[0].name)])
    helper.set_model_props(both, {entry.key: entry.value for entry in model.metadata_props})
    return both


def tables() -> dict[str, str]:
    """What the guide quotes."""
    return {
        "sign": table(
            ("network", "clean accuracy", "signed score", "published score", "mPE", "mean error"),
            (
                (
                    row["network"],
                    f"{float(row['accuracy']):.2f}",
                    interval(row["signed"], row["low"], row["high"]),
                    f"{float(row['published']):.2f}",
                    interval(row["mpe"], row["mpe_low"], row["mpe_high"], sign=False),
                    f"{float(row['mean_error']):.2f}",
                )
                for row in read(NAME)
            ),
        )
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("shelf", type=Path)
    shelf = replace(Shelf(parser.parse_args().shelf), half=HALVES[1])
    networks = [ZOO / f"{NETWORK}.onnx"]
    for sigma in SIGMAS:
        target = shelf.out / "high-passed" / f"behind-{sigma}.onnx"
        target.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(behind_filter(networks[0], sigma), target)
        networks.append(target)
    rows = []
    for network in networks:
        report, measured = shelf.analysis(network), shelf.robustness(network)
        low, high = report.intervals.srs_signed
        mpe = measured.damage.mean_mpe
        numbers = {
            "accuracy": 1 - measured.clean_error,
            "signed": report.srs_signed,
            "low": low,
            "high": high,
            "published": report.srs,
            "mpe": mpe.value,
            "mpe_low": mpe.low,
            "mpe_high": mpe.high,
            "mean_error": measured.mean_error,
        }
        rows.append(
            {"network": network.stem}
            | {name: f"{float(value):.4f}" for name, value in numbers.items()}
        )
    write(rows, HERE / NAME)


if __name__ == "__main__":
    main()
