"""Mutated ONNX files: bytes, and fields of the protobuf; described, and loaded by the runtime."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from damage import damaged
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hostile_values import some
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from iaside_onnx.errors import ArtifactError
from iaside_onnx.inference.inspection import inspect
from iaside_onnx.inference.model import OutOfMemoryError
from iaside_onnx.inference.model import run as run_session
from iaside_onnx.inference.session import Runtime
from iaside_onnx.onnx_file.artifact import load_graph
from iaside_onnx.onnx_file.free_batch import free_batch
from iaside_onnx.views.inspection_table import print_inspection

_MOST_NUMBERS = 1 << 22
# How `inspect` begins what a run, not the loading, met with: a graph is a program, and may ask for
# what it likes once it runs.
_WANTING = "not enough memory"
_WANTS_MEMORY = "loaded, wants more memory"
_FLOAT = TensorProto.FLOAT
_SIDE = "weights.bin"
_INTEGERS = (0, 1, 2, 3, -1, -2, 4, 7, 16, 255, 65_536, 1 << 31, -(1 << 31), (1 << 63) - 1, 1 << 40)
_FLOATS = (0.0, 1.0, -1.0, 1e38, float("inf"), float("nan"), 1e-45)
_STRINGS = (
    "", "x", "image", "scores", "w", "\x1b[2J", "a\nb", "../up", "/etc/passwd", "A" * 5000,
    "\u202e", "ai.onnx.ml", "com.microsoft", "iaside.layout", "nchw", "location", "offset", "-1",
)  # fmt: skip
_METADATA = ("preprocess", "layout", "output_kind", "output", "label_offset", "classes")
_OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas()})


def material(folder: Path) -> tuple[list[onnx.ModelProto], bytes]:
    """Sound models of several kinds, one with weights in another file; one as ``.ort``."""
    side = folder / _SIDE
    side.write_bytes(np.random.default_rng(0).standard_normal(3 * 8 * 8 * 4).astype("f4").tobytes())
    sound = [
        _network(batch="batch"),
        _network(batch=2, reshape=True),
        _quantised(),
        _branches(),
        _outside(),
    ]
    return sound, _own_format(sound[0], folder / "sound.ort")


def _own_format(model: onnx.ModelProto, path: Path) -> bytes:
    """The model in onnxruntime's format."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3  # it warns that such a file is meant for one kind of machine
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    content = path.read_bytes()
    path.unlink()
    return content


def _model(nodes: list[Any], weights: dict[str, NDArray[Any]], shape: list[Any]) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    ends = (
        helper.make_tensor_value_info("image", _FLOAT, shape),
        helper.make_tensor_value_info("scores", _FLOAT, [shape[0], 4]),
    )
    graph = helper.make_graph(nodes, "fuzz", ends[:1], ends[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(
        model, {"iaside.layout": "nchw", "iaside.classes": json.dumps(list("abcd"))}
    )
    return model


def _network(batch: Any, *, reshape: bool = False) -> onnx.ModelProto:
    rng = np.random.default_rng(1)
    weights: dict[str, NDArray[Any]] = {
        "mean": np.full((1, 3, 1, 1), 0.5, np.float32),
        "w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "b": np.zeros(4, np.float32),
        "shape": np.array([batch if reshape else 0, 4], np.int64),
    }
    nodes = [
        helper.make_node("Sub", ["image", "mean"], ["centred"]),
        helper.make_node("Conv", ["centred", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("BatchNormalization", ["c", "b", "b", "b", "b"], ["n"]),
        helper.make_node("Relu", ["n"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["m"], ["p"]),
        helper.make_node("Reshape", ["p", "shape"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["scores"]),
    ]
    return _model(nodes, weights, [batch, 3, 8, 8])


def _quantised() -> onnx.ModelProto:
    rng = np.random.default_rng(2)
    weights: dict[str, NDArray[Any]] = {
        "w": rng.standard_normal((192, 4)).astype(np.float32),
        "step": np.array(0.02, np.float32),
        "zero": np.array(0, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["image", "step", "zero"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        helper.make_node("Flatten", ["d"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["scores"]),
    ]
    return _model(nodes, weights, ["batch", 3, 8, 8])


def _branches() -> onnx.ModelProto:
    """Sub-graphs, sequences, shapes computed at run time."""
    result = helper.make_tensor_value_info("branch", _FLOAT, None)
    branches = [
        helper.make_graph([helper.make_node(kind, ["rows"], ["branch"])], kind, [], [result])
        for kind in ("Sigmoid", "Softmax")
    ]
    nodes = [
        helper.make_node("Shape", ["image"], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["count"]),
        helper.make_node("ConstantOfShape", ["fill"], ["zeros"]),
        helper.make_node("ReduceMean", ["image"], ["rows"], axes=[1, 2], keepdims=0),
        helper.make_node("Slice", ["rows", "start", "stop", "axis"], ["cut"]),
        helper.make_node("Greater", ["total", "limit"], ["which"]),
        helper.make_node("ReduceSum", ["cut"], ["total"], keepdims=0),
        helper.make_node(
            "If", ["which"], ["chosen"], then_branch=branches[0], else_branch=branches[1]
        ),
        helper.make_node("Slice", ["chosen", "start", "stop", "axis"], ["kept"]),
        helper.make_node("Add", ["kept", "zeros"], ["scores"]),
    ]
    nodes[5], nodes[6] = nodes[6], nodes[5]
    weights: dict[str, NDArray[Any]] = {
        "first": np.array([0], np.int64), "fill": np.array([1, 4], np.int64),
        "start": np.array([0], np.int64), "stop": np.array([4], np.int64),
        "axis": np.array([1], np.int64), "limit": np.array(0, np.float32),
    }  # fmt: skip
    return _model(nodes, weights, ["batch", 3, 8, 8])


def _outside() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    model = _model(nodes, {"w": np.zeros((192, 4), np.float32)}, ["batch", 3, 8, 8])
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", _SIDE), ("offset", "0"), ("length", str(192 * 16))):
        tensor.external_data.add(key=key, value=value)
    return model


def make(
    rng: np.random.Generator, material: tuple[list[onnx.ModelProto], bytes], folder: Path
) -> tuple[Path, str, Any]:
    """One mutated model, and what was done to it."""
    sound, own_format = material
    for old in folder.glob("case.*"):
        old.unlink()
    if rng.random() < 0.1:
        path = folder / "case.ort"
        path.write_bytes(damaged(rng, own_format, most=some(rng, (1, 2, 8))))
        return path, "bytes of .ort", None
    model = onnx.ModelProto()
    model.CopyFrom(some(rng, sound))
    recipe = []
    how = rng.random()
    if how < 0.85:
        count = int(rng.choice(4, p=[0.55, 0.25, 0.15, 0.05])) + 1
        recipe = [_mutate(rng, model) for _ in range(count)]
    content = model.SerializePartialToString()
    if how > 0.75:
        content = damaged(rng, content, most=some(rng, (1, 2, 8)))
        recipe.append("bytes")
    path = folder / "case.onnx"
    path.write_bytes(content)
    return path, "; ".join(recipe)[:400], None


def run(path: Path, _: Any) -> str:
    """Describe the file, which loads it into the runtime too; then run it, and free its batch."""
    found = inspect(path)
    json.dumps(found)
    print_inspection(found)
    short = [text for text in found["warnings"] if "bad_alloc" in text or "llocate mem" in text]
    if any(_WANTING not in text for text in short):
        raise MemoryError(short)
    if not found["providers"]:
        return "the runtime refuses it"
    if short:
        return _WANTS_MEMORY
    if isinstance(found["batch"], int):
        free_batch(load_graph(path), found["inputs"][0]["name"], found["batch"])
    session = Runtime().open(path)
    inputs = {}
    for tensor in found["inputs"]:
        shape = [size if isinstance(size, int) else 2 for size in tensor["shape"] or [2]]
        if tensor["dtype"] != "float32" or math.prod(shape) > _MOST_NUMBERS:
            return "loaded"
        inputs[tensor["name"]] = np.zeros(shape, np.float32)
    try:
        run_session(session, [tensor["name"] for tensor in found["outputs"]], inputs)
    except OutOfMemoryError:
        return _WANTS_MEMORY
    except ArtifactError:
        return "loaded, fails to run"
    return "loaded and run"


def _mutate(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    mutation = some(rng, _MUTATIONS)
    try:
        return mutation(rng, model)
    except ValueError:  # nothing left to choose from
        return f"{mutation.__name__} not possible"


def _messages(message: Message) -> list[Message]:
    """The message and everything inside it."""
    found = [message]
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in value if field.is_repeated else [value]:
                found += _messages(inner)
    return found


def _field(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    """Change one field of one message, whichever they are."""
    message = some(rng, _messages(model))
    field = some(rng, list(message.DESCRIPTOR.fields))
    name, where = field.name, f"{message.DESCRIPTOR.name}.{field.name}"
    held = getattr(message, name)
    if field.is_repeated:
        return f"{where} {_repeated(rng, field, held)}"
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if rng.random() < 0.5:
            message.ClearField(name)
            return f"{where} cleared"
        same = [m for m in _messages(model) if m.DESCRIPTOR is field.message_type]
        if same:
            copy = type(same[0])()
            copy.CopyFrom(some(rng, same))
            if copy.ByteSize() < 1 << 20:
                held.CopyFrom(copy)
        return f"{where} copied"
    value = _value(rng, field)
    try:
        setattr(message, name, value)
    except (ValueError, TypeError):
        return f"{where} left"
    return f"{where} = {str(value)[:40]!r}"


def _repeated(rng: np.random.Generator, field: FieldDescriptor, held: Any) -> str:
    match int(rng.integers(4)):
        case 0 if len(held):
            del held[int(rng.integers(len(held)))]
            return "one less"
        case 1 if len(held) > 1:
            first = held[0]
            kept = type(first)()
            if isinstance(first, Message):
                kept.CopyFrom(first)
                del held[0]
                held.add().CopyFrom(kept)
            else:
                held.append(held.pop(0))
            return "in another order"
        case 2 if len(held) and field.type == FieldDescriptor.TYPE_MESSAGE:
            held.add().CopyFrom(some(rng, held))
            return "one twice"
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        held.add()
        return "an empty one more"
    value = _value(rng, field)
    try:
        if len(held) and rng.random() < 0.7:
            held[int(rng.integers(len(held)))] = value
        else:
            held.append(value)
    except (ValueError, TypeError):
        return "left"
    return f"holds {str(value)[:40]!r}"


def _value(rng: np.random.Generator, field: FieldDescriptor) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return some(rng, (*_STRINGS, *_OPERATORS)) if rng.random() < 0.3 else some(rng, _STRINGS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.bytes(int(rng.choice([0, 1, 8, 64, 1000])))
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return some(rng, _FLOATS)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return int(rng.integers(0, 30))
    return some(rng, _INTEGERS)


def _operator(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    node = some(rng, model.graph.node)
    before, node.op_type = node.op_type, some(rng, _OPERATORS)
    return f"{before} becomes {node.op_type}"


def _wires(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    node = some(rng, model.graph.node)
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    ends = node.input if rng.random() < 0.6 or not node.output else node.output
    name = some(rng, names)
    if len(ends):
        ends[int(rng.integers(len(ends)))] = name
    return f"{node.op_type} wired to {name}"


def _shape(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    value = some(rng, [*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    if len(dims):
        some(rng, dims).dim_value = some(rng, _INTEGERS)
    return f"shape of {value.name}"


def _weights(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    """Dimensions, type or numbers of a stored tensor; shapes among them become huge."""
    if not len(model.graph.initializer):
        return "no weights"
    tensor = some(rng, model.graph.initializer)
    match int(rng.integers(4)):
        case 0 if len(tensor.dims):
            tensor.dims[int(rng.integers(len(tensor.dims)))] = some(rng, _INTEGERS)
        case 1:
            tensor.data_type = int(rng.integers(0, 30))
        case 2 if tensor.data_type == TensorProto.INT64 and tensor.HasField("raw_data"):
            count = len(tensor.raw_data) // 8
            tensor.raw_data = np.array(
                [some(rng, _INTEGERS) for _ in range(count)], np.int64
            ).tobytes()
        case _:
            tensor.raw_data = rng.bytes(len(tensor.raw_data))
    return f"weights {tensor.name}"


def _external(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    if not len(model.graph.initializer):
        return "no weights"
    tensor = some(rng, model.graph.initializer)
    tensor.data_location = TensorProto.EXTERNAL
    key = some(rng, ("location", "offset", "length", "checksum", "other"))
    values = (_SIDE, "../case.onnx", "/dev/zero", "/etc/passwd", "case.onnx", "", ".", "\x00", "-1")
    numbers = ("0", "1", str(1 << 63), "99999999999999999999", "1e9", str(1 << 40), "3071", "x")
    tensor.external_data.add(key=key, value=some(rng, values + numbers))
    return f"external {key} of {tensor.name}"


def _metadata(rng: np.random.Generator, model: onnx.ModelProto) -> str:
    values = (
        "[" * 5000, "[1]", "{}", '{"resize": 1e999}', '{"mean": [NaN]}', '{"crop": -1}', "9" * 5000,
        '{"resize": [99999999, 99999999]}', "unit", "imagenet", "nhwc", "scores", "\x1b[2J",
    )  # fmt: skip
    name = some(rng, _METADATA)
    entry = model.metadata_props.add()
    entry.key, entry.value = f"iaside.{name}", some(rng, values)
    return f"metadata {name}"


_MUTATIONS = (_field, _field, _field, _operator, _wires, _shape, _weights, _external, _metadata)
