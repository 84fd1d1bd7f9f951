"""Trained networks as ONNX files, and how often those are right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .crops import CROP
from .images import gaussian_blur

NOISE = 0.1
BLUR = 1.5


def export(
    model: nn.Module, path: Path, classes: list[str], *, graph: str, declared: dict[str, str]
) -> None:
    """Write a model as ONNX with a free batch; compare its outputs with PyTorch.

    Parameters
    ----------
    model : torch.nn.Module
        The network in evaluation mode, for images [batch, 3, 64, 64] in [0, 1].
    path : pathlib.Path
        File to write.
    classes : list of str
        Class names, written into the file's metadata.
    graph : str
        The graph's name.
    declared : dict
        More metadata, by key.

    Raises
    ------
    SystemExit
        The file's outputs differ from PyTorch's by more than 1e-4.
    """
    torch.onnx.export(
        model,
        (torch.zeros(2, 3, CROP, CROP),),
        path,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    proto = onnx.load(path)
    strip(proto)
    proto.graph.name = graph
    onnx.helper.set_model_props(proto, {"iaside.classes": json.dumps(classes), **declared})
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    for batch in (1, 2, 5):
        images = torch.rand(batch, 3, CROP, CROP, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            expected = model(images).numpy()
        worst = float(np.abs(logits(path, images) - expected).max())
        if worst > 1e-4:
            raise SystemExit(f"{path.name}: ONNX and PyTorch differ by {worst} at batch {batch}")


def strip(proto: onnx.ModelProto) -> None:
    """Remove doc strings and exporter metadata, which carry source paths."""
    graph = proto.graph
    parts = [proto, graph, *graph.node, *graph.input, *graph.output, *graph.value_info]
    parts += [*graph.initializer, *proto.functions]
    parts += [node for function in proto.functions for node in function.node]
    for part in parts:
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def logits(path: Path, images: Tensor) -> NDArray[np.float32]:
    """Return the logits of an ONNX file for images, computed with ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    scores: NDArray[np.float32] = session.run(["logits"], {"image": images.numpy()})[0]
    return scores


def measure(path: Path, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Return the accuracy of an ONNX file on clean, noisy and blurred test crops, by kind."""
    noise = np.random.default_rng(0).normal(0, NOISE, images.shape).astype(np.float32)
    kinds = {
        "clean": images,
        f"gaussian noise, sigma {NOISE}": (images + torch.from_numpy(noise)).clamp(0, 1),
        f"gaussian blur, sigma {BLUR}": gaussian_blur(images, torch.full((len(images),), BLUR)),
    }
    return {
        kind: float((logits(path, kept).argmax(1) == labels.numpy()).mean())
        for kind, kept in kinds.items()
    }
