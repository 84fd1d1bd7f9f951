"""Small ONNX classifiers with known answers, built node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def save(
    path: Path,
    nodes: list[Any],
    constants: dict[str, np.ndarray],
    *,
    input_shape: list[Any],
    output_shape: list[Any],
    input_type: int = FLOAT,
    output_type: int = FLOAT,
    opset: int = 17,
    ir: int = 8,
    extra_inputs: list[Any] | None = None,
    extra_outputs: list[Any] | None = None,
    weights_as_inputs: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a graph from `image` to `scores`."""
    tensors = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    inputs = [helper.make_tensor_value_info("image", input_type, input_shape)]
    inputs += extra_inputs or []
    if weights_as_inputs:
        inputs += [
            helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            for tensor in tensors
        ]
    outputs = [helper.make_tensor_value_info("scores", output_type, output_shape)]
    graph = helper.make_graph(nodes, "test", inputs, outputs + (extra_outputs or []), tensors)
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, producer_name="tests")
    helper.set_model_props(model, metadata or {})
    path.write_bytes(model.SerializeToString())
    return path


def radius(height: int, width: int, norm: str) -> np.ndarray:
    """Radius of every frequency in [0, 1], as method section 1 writes it."""
    rows = np.abs(2 * np.fft.fftfreq(height))[:, None]
    columns = np.abs(2 * np.fft.fftfreq(width))[None, :]
    return {
        "linf": np.maximum(rows, columns),
        "l2": np.sqrt(rows**2 + columns**2) / np.sqrt(2),
        "l1": (rows + columns) / 2,
    }[norm]


def wave(size: int, cycles: int, channels: int = 3) -> np.ndarray:
    """A unit-amplitude cosine along x, in every channel: one frequency, so one band."""
    line = np.cos(2 * np.pi * cycles * np.arange(size) / size)
    return np.broadcast_to(line, (channels, size, size)).astype(np.float32)


def detectors(size: int, cycles: list[int]) -> np.ndarray:
    """Columns whose product with an image is the amplitude of each wave in it."""
    columns = [wave(size, number).ravel() for number in cycles]
    return np.stack([column / (column @ column) for column in columns], axis=1)


def amplitudes(size: int, cycles: list[int]) -> tuple[list[Any], dict[str, np.ndarray]]:
    """Nodes that give `amplitude`, shape (batch, waves), of an NCHW image."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "detectors"], ["amplitude"]),
    ]
    return nodes, {"detectors": detectors(size, cycles).astype(np.float32)}


def reads(path: Path, size: int, cycles: list[int], strength: float = 4.0) -> Path:
    """Two classes; class 0 gains `strength` when every one of the waves is present.

    Presence is a threshold, so the value table is exact: what the model does not read changes
    nothing at all.
    """
    nodes, constants = amplitudes(size, cycles)
    constants |= {
        "threshold": np.float32(0.1),
        "axes": np.array([1], np.int64),
        "gains": np.array([[strength, 0.0]], np.float32),
    }
    nodes += [
        helper.make_node("Greater", ["amplitude", "threshold"], ["there"]),
        helper.make_node("Cast", ["there"], ["present"], to=FLOAT),
        helper.make_node("ReduceMin", ["present"], ["all"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["all", "gains"], ["scores"]),
    ]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=["n", 2])


def energies(path: Path, size: int, cycles: list[int], weights: list[float]) -> Path:
    """Probability exp(-1 + sum of weights times squared amplitudes): log-linear in energy."""
    nodes, constants = amplitudes(size, cycles)
    constants |= {
        "weights": np.array(weights, np.float32)[:, None],
        "one": np.float32(1),
    }
    nodes += [
        helper.make_node("Mul", ["amplitude", "amplitude"], ["energy"]),
        helper.make_node("MatMul", ["energy", "weights"], ["sum"]),
        helper.make_node("Sub", ["sum", "one"], ["log"]),
        helper.make_node("Exp", ["log"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["p", "q"], ["scores"], axis=1),
    ]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=["n", 2])


def constant(path: Path, size: int) -> Path:
    """Scores that do not depend on the image."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "zeros"], ["nothing"]),
        helper.make_node("Add", ["nothing", "bias"], ["scores"]),
    ]
    constants = {
        "zeros": np.zeros((3 * size * size, 3), np.float32),
        "bias": np.array([1.0, 0.0, -1.0], np.float32),
    }
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=["n", 3])


def small_network(
    path: Path,
    *,
    size: int = 16,
    channels: int = 3,
    classes: int = 4,
    layout: str = "nchw",
    dtype: type = np.float32,
    batch: int | str = "n",
    tail: str = "logits",
    seed: int = 0,
    reshape: bool = True,
    **options: Any,
) -> Path:
    """A random conv net: conv, relu, global pool, linear; many forms of input and output."""
    rng = np.random.default_rng(seed)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    # The runtime has no double-precision convolution; such networks are float32 inside.
    work = np.float16 if dtype is np.float16 else np.float32
    shape = [batch, channels, size, size] if layout == "nchw" else [batch, size, size, channels]
    constants = {
        "kernel": rng.normal(0, 0.5, (8, channels, 3, 3)).astype(work),
        "weight": rng.normal(0, 2.0, (8, classes)).astype(work),
        "shape": np.array([batch if isinstance(batch, int) else -1, 8], np.int64),
    }
    nodes, last = [], "image"
    if dtype is np.float64:
        nodes.append(helper.make_node("Cast", [last], ["single"], to=FLOAT))
        last = "single"
    if dtype is np.uint8:
        nodes.append(helper.make_node("Cast", [last], ["float"], to=FLOAT))
        constants["unit"] = np.float32(1 / 255)
        nodes.append(helper.make_node("Mul", ["float", "unit"], ["pixels"]))
        last = "pixels"
    if layout == "nhwc":
        nodes.append(helper.make_node("Transpose", [last], ["planes"], perm=[0, 3, 1, 2]))
        last = "planes"
    nodes += [
        helper.make_node("Conv", [last, "kernel"], ["conv"], strides=[2, 2]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"]),
        helper.make_node("Reshape", ["pool", "shape"], ["flat"])
        if reshape
        else helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
    ]
    out: list[Any] = [batch, classes]
    if tail == "probabilities":
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=-1))
    elif tail == "log-probabilities":
        nodes.append(helper.make_node("LogSoftmax", ["logits"], ["scores"], axis=-1))
    elif tail == "spatial":
        constants["spatial"] = np.array([-1, classes, 1, 1], np.int64)
        nodes.append(helper.make_node("Reshape", ["logits", "spatial"], ["scores"]))
        out = [batch, classes, 1, 1]
    else:
        nodes[-1].output[0] = "scores"
    return save(
        path,
        nodes,
        constants,
        input_shape=shape,
        output_shape=out,
        input_type=kind,
        output_type=helper.np_dtype_to_tensor_dtype(np.dtype(work)),
        **options,
    )


def prototypes(
    path: Path,
    targets: np.ndarray,
    *,
    strength: float,
    layout: str = "nchw",
    dtype: type = np.float32,
    batch: int | str = "n",
    size: Any = 16,
    probabilities: bool = False,
    through: str = "Identity",
    **options: Any,
) -> Path:
    """Class k is the one whose target, shape (classes, channels), the mean colour is nearest to.

    The image is put `through` an operator first.
    """
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    channels = targets.shape[1]
    height, width = size if isinstance(size, tuple) else (size, size)
    shape = (
        [batch, channels, height, width] if layout == "nchw" else [batch, height, width, channels]
    )
    constants = {
        "axes": np.array([2, 3] if layout == "nchw" else [1, 2], np.int64),
        "weight": (2 * strength * targets.T).astype(np.float32),
        "bias": (-strength * (targets**2).sum(axis=1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=FLOAT),
        helper.make_node(through, ["float"], ["through"]),
        helper.make_node("ReduceMean", ["through", "axes"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weight"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
    ]
    if probabilities:
        nodes.append(helper.make_node("Softmax", ["logits"], ["scores"], axis=-1))
    else:
        nodes[-1].output[0] = "scores"
    return save(
        path,
        nodes,
        constants,
        input_shape=shape,
        output_shape=[batch, len(targets)],
        input_type=kind,
        opset=18,
        **options,
    )


def embedding_of(path: Path, size: int, cycles: list[int], *, unit: bool = True) -> Path:
    """An embedding of the amplitudes of some waves and a constant: it sees their bands alone."""
    nodes, constants = amplitudes(size, cycles)
    constants |= {"pads": np.array([0, 0, 0, 1]), "constant": np.float32(-0.05)}
    nodes.append(helper.make_node("Pad", ["amplitude", "pads", "constant"], ["whole"]))
    last, options = ("LpNormalization", {"axis": 1, "p": 2}) if unit else ("Identity", {})
    nodes.append(helper.make_node(last, ["whole"], ["scores"], **options))
    shape = ["n", len(cycles) + 1]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=shape)


def band_map(path: Path, size: int, band: int, bands: int, *, channels: int = 1) -> Path:
    """A map whose logit at a pixel is 8 times the pixel's grey in one band; the rest is 0.

    With `channels` 2 it is that of class 1, beside 0 for class 0.
    """
    from iaside_onnx.mathematics.bands import band_index

    inside = band_index(size, size, bands, "linf", separate_dc=False) == band
    spectra = np.fft.fft2(np.eye(size * size).reshape(-1, size, size)) * inside
    filtered = np.real(np.fft.ifft2(spectra)).reshape(size * size, -1)
    constants = {
        "filter": (8 * filtered).astype(np.float32),
        "row": np.array([-1, size * size], np.int64),
        "map": np.array([-1, 1, size, size], np.int64),
        "zero": np.float32(0),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["grey"], axes=[1]),
        helper.make_node("Reshape", ["grey", "row"], ["flat"]),
        helper.make_node("MatMul", ["flat", "filter"], ["filtered"]),
        helper.make_node("Reshape", ["filtered", "map"], ["one"]),
    ]
    if channels == 2:
        nodes.append(helper.make_node("Mul", ["one", "zero"], ["none"]))
        nodes.append(helper.make_node("Concat", ["none", "one"], ["scores"], axis=1))
    else:
        nodes[-1].output[0] = "scores"
    shape = ["n", channels, size, size]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=shape)


def spread_out(path: Path, size: int, classifier: Path) -> Path:
    """A map that holds a classifier's scores at every pixel."""
    model = onnx.load(classifier)
    for node in model.graph.node:
        node.output[:] = ["row" if name == "scores" else name for name in node.output]
    classes = model.graph.output[0].type.tensor_type.shape.dim[1].dim_value
    constants = {
        "as_map": np.array([-1, classes, 1, 1], np.int64),
        "wide": np.array([1, 1, size, size], np.int64),
    }
    constants |= {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    nodes = [
        *model.graph.node,
        helper.make_node("Reshape", ["row", "as_map"], ["pixel"]),
        helper.make_node("Expand", ["pixel", "wide"], ["scores"]),
    ]
    shape = ["n", classes, size, size]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=shape)


def tagger(path: Path, size: int, cycles: list[int], *, sigmoid: bool = True) -> Path:
    """A label a wave: its logit is 40 times the wave's amplitude."""
    nodes, constants = amplitudes(size, cycles)
    constants["strength"] = np.float32(40)
    nodes.append(helper.make_node("Mul", ["amplitude", "strength"], ["logits"]))
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", ["logits"], ["scores"]))
    else:
        nodes[-1].output[0] = "scores"
    shape = ["n", len(cycles)]
    return save(path, nodes, constants, input_shape=["n", 3, size, size], output_shape=shape)


def map_waves(count: int) -> np.ndarray:
    """Waves of 1, 2, ... cycles on an 8 x 8 map, one a row."""
    return np.stack([wave(8, cycles, 1).ravel() for cycles in range(1, count + 1)])


def linear_outputs(path: Path, size: int, cycles: list[int], *, maps: bool = False) -> Path:
    """The amplitudes of waves; with `maps` also a map (n, 1, 8, 8) made of them, and an integer."""
    nodes, constants = amplitudes(size, cycles)
    nodes.append(helper.make_node("Identity", ["amplitude"], ["scores"]))
    beside = []
    if maps:
        constants |= {"waves": map_waves(len(cycles)), "shape": np.array([0, 1, 8, 8])}
        nodes += [
            helper.make_node("MatMul", ["amplitude", "waves"], ["flat_map"]),
            helper.make_node("Reshape", ["flat_map", "shape"], ["map"]),
            helper.make_node("ArgMax", ["amplitude"], ["largest"], axis=1),
        ]
        beside = [
            helper.make_tensor_value_info("map", FLOAT, ["n", 1, 8, 8]),
            helper.make_tensor_value_info("largest", TensorProto.INT64, ["n", 1]),
        ]
    return save(
        path, nodes, constants, input_shape=["n", 3, size, size],
        output_shape=["n", len(cycles)], extra_outputs=beside,
    )  # fmt: skip


def detector(path: Path, size: int, cycles: list[int], read: int, *, suppressed: bool) -> Path:
    """One box, whose confidence is 5 times the amplitude of the wave that is read.

    Before suppression it stands among 120 candidates (n, 8, 120) of nothing; after it, it is a row
    of seven numbers, beside one of little confidence, only where its own is 0.04 or more.
    """
    nodes, constants = amplitudes(size, cycles)
    gain = np.zeros((len(cycles), 1), np.float32)
    gain[read] = 5
    constants["gain"] = gain
    nodes.append(helper.make_node("MatMul", ["amplitude", "gain"], ["confidence"]))  # (n, 1)
    if suppressed:
        table = np.array([[0, 2, 2, 9, 9, 3, 0], [0, 0, 0, 1, 1, 0, 0.05]], np.float32)
        place = np.zeros((2, 7), np.float32)
        place[0, 6] = 1
        constants |= {"table": table, "place": place}
        constants |= {"column": np.array(6, np.int64), "least": np.float32(0.04)}
        nodes += [
            helper.make_node("Mul", ["confidence", "place"], ["added"]),
            helper.make_node("Add", ["added", "table"], ["rows"]),
            helper.make_node("Gather", ["rows", "column"], ["scores_of"], axis=1),
            helper.make_node("Greater", ["scores_of", "least"], ["there"]),
            helper.make_node("Compress", ["rows", "there"], ["scores"], axis=0),
        ]
        shape = [1, 3, size, size]
        return save(path, nodes, constants, input_shape=shape, output_shape=["k", 7])
    table = np.zeros((1, 8, 120), np.float32)
    table[0, :4] = np.random.default_rng(0).uniform(2, size, (4, 120))
    place = np.zeros_like(table)
    place[0, 5, 7] = 1
    constants |= {"table": table, "place": place, "axes": np.array([2])}
    nodes += [
        helper.make_node("Unsqueeze", ["confidence", "axes"], ["c"]),
        helper.make_node("Mul", ["c", "place"], ["added"]),
        helper.make_node("Add", ["added", "table"], ["scores"]),
    ]
    shape = ["n", 3, size, size]
    return save(path, nodes, constants, input_shape=shape, output_shape=["n", 8, 120])
