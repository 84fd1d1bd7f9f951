# /// script
# requires-python = ">=3.11"
# dependencies = ["iaside-onnx", "torch"]
# [tool.uv.sources]
# iaside-onnx = { path = "../.." }
# ///
"""How close the black-box attacks come to a white-box one, network by network.

The graph of an ONNX file is run in PyTorch, operator by operator, so that its gradient is known;
that both give the same logits is checked first. Projected gradient descent on the margin (PGD,
Madry et al., ICLR 2018, with restarts) then attacks in PyTorch the images that
`iaside_onnx.attacks` attacks through onnxruntime, seeing nothing but log-probabilities. The rows of
a Markdown table give the error that each leaves.

Run with::

    pip install . torch
    python tools/studies/compare_attacks.py demo/test models/demo-plain.onnx models/demo-robust.onnx

or ``uv run --script tools/studies/compare_attacks.py demo/test models/demo-plain.onnx``. Operators
that it does not know are named; a line in `OPERATORS` teaches them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional

from iaside_onnx.attacks.attack import attack
from iaside_onnx.errors import IasideError
from iaside_onnx.images.sample import draw_sample, open_images
from iaside_onnx.inference.choosing import choose_runtime
from iaside_onnx.inference.classifier import Classifier, open_classifier
from iaside_onnx.listener import Listener
from iaside_onnx.mathematics.temperature import log_softmax
from iaside_onnx.measure.labelling import class_targets
from iaside_onnx.settings import Settings

Attributes = dict[str, Any]


def _whole(values: Tensor) -> list[int]:
    return [int(value) for value in values.reshape(-1)]


def _padded(x: Tensor, a: Attributes, value: float = 0.0) -> Tensor:
    """ONNX lists the starts of all axes, then their ends; PyTorch goes from the last axis on."""
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise NotImplementedError(f"auto_pad {a['auto_pad'].decode()}")
    ends = a.get("pads", [0] * 4)
    half = len(ends) // 2
    return functional.pad(
        x, [end for axis in reversed(range(half)) for end in (ends[axis], ends[half + axis])],
        value=value,
    )  # fmt: skip


def _conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if weight.ndim != 4:
        raise NotImplementedError("Conv that is not of two dimensions")
    strides, dilations = a.get("strides", [1, 1]), a.get("dilations", [1, 1])
    return functional.conv2d(_padded(x, a), weight, bias, strides, 0, dilations, a.get("group", 1))


def _pool(a: Attributes, x: Tensor, *, largest: bool) -> Tensor:
    if a.get("ceil_mode") or any(step != 1 for step in a.get("dilations", [])):
        raise NotImplementedError("pooling with ceil_mode or dilations")
    if largest:
        x = _padded(x, a, -torch.inf)
        return functional.max_pool2d(x, a["kernel_shape"], a.get("strides", [1, 1]))
    if any(a.get("pads", [])) and not a.get("count_include_pad"):
        raise NotImplementedError("AveragePool that does not count its padding")
    return functional.avg_pool2d(_padded(x, a), a["kernel_shape"], a.get("strides", [1, 1]))


def _gemm(a: Attributes, x: Tensor, y: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    x, y = (x.T if a.get("transA") else x), (y.T if a.get("transB") else y)
    return a.get("alpha", 1.0) * (x @ y) + a.get("beta", 1.0) * bias


def _mean(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    over = a.get("axes") or (list(range(x.ndim)) if axes is None else _whole(axes))
    return x.mean(dim=over, keepdim=bool(a.get("keepdims", 1)))


def _cut(
    _: Attributes, x: Tensor, starts: Tensor, ends: Tensor,
    axes: Tensor | None = None, steps: Tensor | None = None,
) -> Tensor:  # fmt: skip
    over = list(range(len(starts))) if axes is None else _whole(axes)
    strides = [1] * len(over) if steps is None else _whole(steps)
    for axis, start, end, step in zip(over, _whole(starts), _whole(ends), strides, strict=True):
        places = list(range(x.shape[axis]))[start:end:step]
        x = x.index_select(axis, torch.tensor(places, dtype=torch.long))
    return x


def _pad(
    a: Attributes, x: Tensor, ends: Tensor, value: Tensor | None = None, axes: Tensor | None = None
) -> Tensor:
    if a.get("mode", b"constant") != b"constant" or axes is not None:
        raise NotImplementedError("Pad other than with a constant on all axes")
    return _padded(x, {"pads": _whole(ends)}, 0.0 if value is None else float(value))


def _reshape(_: Attributes, x: Tensor, shape: Tensor) -> Tensor:
    sizes = _whole(shape)
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)])


def _squeeze(_: Attributes, x: Tensor, axes: Tensor) -> Tensor:
    return x.squeeze(tuple(_whole(axes)))


def _layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    shape = x.shape[a.get("axis", -1) :]
    return functional.layer_norm(x, shape, scale, bias, a.get("epsilon", 1e-5))


def _shape_of(a: Attributes, x: Tensor) -> Tensor:
    return torch.tensor(x.shape[a.get("start", 0) : a.get("end")])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda _, x, y: x + y,
    "AveragePool": lambda a, x: _pool(a, x, largest=False),
    "Concat": lambda a, *parts: torch.cat(parts, a["axis"]),
    "Conv": _conv,
    "Div": lambda _, x, y: x / y,
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Gelu": lambda a, x: functional.gelu(x, approximate=a.get("approximate", b"none").decode()),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, x: x.mean(dim=(2, 3), keepdim=True),
    "Identity": lambda _, x: x,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda _, x, y: x @ y,
    "MaxPool": lambda a, x: _pool(a, x, largest=True),
    "Mul": lambda _, x, y: x * y,
    "Pad": _pad,
    "ReduceMean": _mean,
    "Relu": lambda _, x: functional.relu(x),
    "Reshape": _reshape,
    "Shape": _shape_of,
    "Slice": _cut,
    "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
    "Squeeze": _squeeze,
    "Sub": lambda _, x, y: x - y,
    "Transpose": lambda a, x: x.permute(a["perm"]),
}


class Graph(torch.nn.Module):
    """The graph of an ONNX file, its constants folded by onnxruntime, in PyTorch."""

    def __init__(self, path: Path, output: str) -> None:
        super().__init__()
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
            ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            graph = onnx.load(options.optimized_model_filepath).graph
        unknown = sorted({node.op_type for node in graph.node} - set(OPERATORS) - {"Constant"})
        if unknown:
            raise NotImplementedError(f"{path}: operators {', '.join(unknown)}")
        self.nodes, self.input, self.output = list(graph.node), graph.input[0].name, output
        self.constants = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
            for tensor in graph.initializer
        }

    def forward(self, x: Tensor) -> Tensor:
        """The output for a batch of inputs."""
        held: dict[str, Any] = {"": None, self.input: x, **self.constants}
        for node in self.nodes:
            given = {part.name: onnx.helper.get_attribute_value(part) for part in node.attribute}
            inputs = [held[name] for name in node.input]
            held[node.output[0]] = OPERATORS[node.op_type](given, *inputs)
        return held[self.output]  # type: ignore[no-any-return]


class WhiteBox:
    """Margins of a classifier, with their gradient with respect to pixels."""

    def __init__(self, classifier: Classifier) -> None:
        if classifier.scores.kind != "logits" or classifier.scores.binary:
            raise NotImplementedError("a model that gives no logits of several classes")
        self.graph = Graph(classifier.artifact.path, classifier.output.name)
        self.affine = classifier.model.affine
        self.nhwc = classifier.form.layout == "nhwc"

    def logits(self, pixels: Tensor) -> Tensor:
        """Shape (n, classes), for images of shape (n, C, H, W) in pixel space."""
        gain, shift = (
            torch.from_numpy(part.copy()) for part in (self.affine.gain, self.affine.shift)
        )
        x = pixels[:, self.affine.order] * gain[:, None, None] + shift[:, None, None]
        return self.graph(x.permute(0, 2, 3, 1) if self.nhwc else x)  # type: ignore[no-any-return]

    def margins(self, pixels: Tensor, targets: Tensor) -> Tensor:
        """Logit of the target less the highest other one, shape (n,)."""
        logits = self.logits(pixels)
        right = logits.gather(1, targets[:, None])[:, 0]
        return right - logits.scatter(1, targets[:, None], -torch.inf).amax(dim=1)


def pgd(
    white: WhiteBox, images: Tensor, targets: Tensor, norm: str, epsilon: float,
    steps: int, restarts: int, seed: int,
) -> NDArray[np.bool_]:  # fmt: skip
    """Images for which some restart finds a negative margin at some step."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        beaten = white.margins(images, targets) < 0

    def inside(change: Tensor, clean: Tensor) -> Tensor:
        if norm == "linf":
            change = change.clamp(-epsilon, epsilon)
        else:
            length = change.flatten(1).norm(dim=1)[:, None, None, None]
            change = change * (epsilon / length.clamp_min(1e-12)).clamp_max(1)
        return (clean + change).clamp(0, 1) - clean

    for _ in range(restarts):
        alive = (~beaten).nonzero()[:, 0]
        if not len(alive):
            break
        clean, wanted = images[alive], targets[alive]
        start = torch.rand(clean.shape, generator=chance) * 2 - 1
        scale = epsilon if norm == "linf" else epsilon / clean[0].numel() ** 0.5
        change = inside(start * scale, clean)
        for step in range(steps + 1):
            change.requires_grad_()
            margin = white.margins(clean + change, wanted)
            beaten[alive[margin < 0]] = True
            (slope,) = torch.autograd.grad(margin.sum(), change)
            change = change.detach()
            if norm == "linf":
                way = slope.sign()
            else:
                way = slope / slope.flatten(1).norm(dim=1)[:, None, None, None].clamp_min(1e-12)
            change = inside(change - 0.25 * epsilon * (1 - step / (steps + 1)) * way, clean)
    return beaten.numpy()


def rows(path: Path, arguments: argparse.Namespace) -> None:
    """Print the rows of one network."""
    sample = draw_sample(open_images(arguments.images), arguments.samples, arguments.seed)
    runtime = choose_runtime("cpu", arguments.threads)
    classifier = open_classifier(
        path, runtime, Settings(preprocess=arguments.preprocess), sample, Listener()
    )
    targets = class_targets(sample, classifier, Listener())
    pixels = np.stack([classifier.pixels(sample.picture(place)) for place in range(len(sample))])
    white = WhiteBox(classifier)

    def scores(batch: NDArray[np.float32]) -> NDArray[np.float64]:
        return log_softmax(classifier.logits(classifier.model.scores(batch)))

    images, wanted = torch.from_numpy(pixels), torch.from_numpy(targets)
    with torch.no_grad():
        apart = np.abs(white.logits(images).numpy() - classifier.model.scores(pixels)).max()
    if not apart < 1e-3:
        raise ValueError(f"{path}: PyTorch and onnxruntime differ by {apart:.1e}")
    clean = np.mean(scores(pixels).argmax(axis=1) != targets)
    radii = [("linf", text) for text in arguments.linf] + [("l2", text) for text in arguments.l2]
    for norm, text in radii:
        epsilon, started = float(Fraction(text)), time.monotonic()
        white_error = pgd(
            white,
            images,
            wanted,
            norm,
            epsilon,
            arguments.steps,
            arguments.restarts,
            arguments.seed,
        ).mean()
        cells = [f"{clean:.0%}", f"{white_error:.0%}"]
        for kind in arguments.searches:
            for queries in arguments.queries:
                found = attack(
                    scores, pixels, targets, method=f"{kind}-{norm}", epsilon=epsilon,
                    queries=queries, seeds=arguments.seed + np.arange(len(pixels)),
                )  # fmt: skip
                cells.append(f"{found.wrong.mean():.0%}")
        print(f"| {path.stem} | {norm} {text} | {' | '.join(cells)} |", flush=True)
        print(f"{time.monotonic() - started:.0f} s, logits differ by {apart:.1e}", file=sys.stderr)


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--preprocess")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--linf", nargs="*", default=["1/255", "2/255", "4/255", "8/255"])
    parser.add_argument("--l2", nargs="*", default=["0.25", "0.5"])
    parser.add_argument("--queries", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--searches", nargs="+", default=["square", "spsa"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    headings = ["network", "ball", "clean", f"PGD {arguments.steps} x {arguments.restarts}"]
    headings += [f"{kind} {n}" for kind in arguments.searches for n in arguments.queries]
    print(f"| {' | '.join(headings)} |\n|{' --- |' * len(headings)}", flush=True)
    for path in arguments.models:
        try:
            rows(path, arguments)
        except (IasideError, NotImplementedError, ValueError) as error:
            raise SystemExit(f"error: {error}") from error


if __name__ == "__main__":
    main()
