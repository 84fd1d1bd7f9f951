"""Export a PyTorch classifier of images as a verified ONNX file."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from .exporting import (
    Export,
    call_factory,
    finish,
    is_module_reference,
    load_object,
)
from .gate import Reference
from .refusal import ExportError, step

_ENVELOPES = ("state_dict", "model")
_LARGEST = 2 * 10**9


def export(args: argparse.Namespace) -> None:
    """Export what a command line asks for."""
    quieten()
    torch.manual_seed(0)
    finish(args, load(args))


def quieten() -> None:
    """Keep warnings that mean nothing to the user off the terminal."""
    warnings.filterwarnings("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def load(args: argparse.Namespace) -> Export:
    """Whatever the source names, converted."""
    kind, colon, name = args.source.partition(":")
    if Path(args.source).suffix == ".pt2":
        return from_program(Path(args.source))
    shape: tuple[int, ...] | None = None
    declared: dict[str, Any] = {}
    if colon and kind == "timm":
        module, shape, declared = from_timm(name, args)
    elif colon and kind == "torchvision":
        module, shape, declared = from_torchvision(name, args)
    elif is_module_reference(args.source):
        module = from_factory(args)
    else:
        raise ExportError(
            f"{args.source}: give package.module:factory, a .pt2 file, timm:NAME or "
            "torchvision:NAME; a file of weights goes with one of them: "
            "package.module:factory --weights FILE"
        )
    shape = args.image or shape
    if shape is None:
        raise ExportError(f"{args.source}: say the shape of one image, such as --image 3x224x224")
    remedy = "" if args.legacy else "--legacy uses the older exporter"
    return export_module(module, shape, args.legacy, remedy=remedy, **declared)


def from_factory(args: argparse.Namespace) -> torch.nn.Module:
    """The module that a factory returns, or that is named itself."""
    module = load_object(args.source, args.path)
    if not isinstance(module, torch.nn.Module):
        module = call_factory(args.source, module)
    if not isinstance(module, torch.nn.Module):
        raise ExportError(f"{args.source}: is a {type(module).__name__}, not a torch.nn.Module")
    if args.weights:
        load_weights(module, Path(args.weights))
    return module


def load_weights(module: torch.nn.Module, path: Path) -> None:
    """Load a state dict without running code that the file may hold."""
    with step(f"--weights {path}"):
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
        for key in _ENVELOPES:
            if isinstance(state, dict) and isinstance(state.get(key), dict):
                state = state[key]
        module.load_state_dict(state)


def from_timm(
    name: str, args: argparse.Namespace
) -> tuple[torch.nn.Module, tuple[int, ...], dict[str, Any]]:
    """A timm model and the preprocessing that it declares."""
    weights = _weights_choice(args)
    with step("timm cannot be imported here"):
        import timm
    more = {"num_classes": args.num_classes} if args.num_classes else {}
    with step(f"timm:{name}"):
        module = timm.create_model(name, pretrained=weights == "pretrained", **more)
        config = timm.data.resolve_model_data_config(module)
    if weights not in ("pretrained", "random"):
        load_weights(module, Path(weights))
    shape = tuple(config["input_size"])
    side = shape[1:]
    recipe: dict[str, Any] = {
        "crop": list(side),
        "interpolation": config["interpolation"],
        "mean": list(config["mean"]),
        "std": list(config["std"]),
    }
    # timm's evaluation transform: crop_pct is the share that the crop keeps of the resized picture.
    resized = [math.floor(length / config["crop_pct"]) for length in side]
    squash = config["crop_mode"] == "squash"
    recipe["resize"] = resized if squash else resized[0]
    known = squash or (config["crop_mode"] == "center" and side[0] == side[1])
    if known and config["interpolation"] in ("nearest", "bilinear", "bicubic", "lanczos"):
        return module, shape, {"preprocess": recipe}
    return (
        module,
        shape,
        {"notes": ["timm's preprocessing fits no recipe here; declare it yourself"]},
    )


def from_torchvision(
    name: str, args: argparse.Namespace
) -> tuple[torch.nn.Module, tuple[int, ...] | None, dict[str, Any]]:
    """A torchvision model; the preprocessing and class names of weights that are its own."""
    choice = _weights_choice(args)
    with step("torchvision cannot be imported here"):
        import torchvision
    more = {"num_classes": args.num_classes} if args.num_classes else {}
    if "inception" in name or "googlenet" in name:
        more["init_weights"] = False
    with step(f"torchvision:{name}"):
        known = torchvision.models.get_model_weights(name)
        if choice == "pretrained":
            weights = known.DEFAULT
            module = torchvision.models.get_model(name, weights=weights)
        else:
            weights = next((w for w in known if Path(w.url).name == Path(choice).name), None)
            module = torchvision.models.get_model(name, weights=None, **more)
    if choice not in ("pretrained", "random"):
        load_weights(module, Path(choice))
    if weights is None:
        return module, None, {}
    transforms = weights.transforms()
    crop, resize = transforms.crop_size[0], transforms.resize_size[0]
    recipe = {
        "resize": resize,
        "crop": crop,
        "interpolation": transforms.interpolation.value,
        "mean": list(transforms.mean),
        "std": list(transforms.std),
    }
    return module, (3, crop, crop), {"preprocess": recipe, "classes": weights.meta["categories"]}


def _weights_choice(args: argparse.Namespace) -> str:
    if args.weights is None:
        raise ExportError(
            f"{args.source}: say --weights FILE, --weights pretrained (downloads them) or "
            "--weights random"
        )
    if args.weights == "pretrained" and args.num_classes:
        raise ExportError(
            f"{args.source}: --weights pretrained has classes of its own, and --num-classes asks "
            "for others; leave it out, or give --weights FILE of a network with so many"
        )
    return str(args.weights)


def export_module(
    module: torch.nn.Module,
    shape: tuple[int, ...],
    legacy: bool = False,
    framework: str = "",
    remedy: str = "",
    **declared: Any,
) -> Export:
    """Convert a module that takes images [batch, *shape] and returns scores.

    `remedy` says what the calling command offers where the conversion fails.
    """
    module = module.eval().to("cpu")
    size = sum(tensor.nbytes for tensor in [*module.parameters(), *module.buffers()])
    if size > _LARGEST:
        raise ExportError(f"the weights take {size / 1e9:.1f} GB; one ONNX file holds below 2 GB")
    floats = [p.dtype for p in module.parameters() if p.is_floating_point()]
    dtype = floats[0] if floats else torch.float32
    # Two images: with one, attention layers are traced for that batch alone, without a warning.
    example = torch.rand(2, *shape).to(dtype)
    convert = _convert_legacy if legacy else _convert
    with (
        step(f"PyTorch cannot export it{remedy and '; '}{remedy}"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        model = convert(module, example)
    framework = framework or f"PyTorch {torch.__version__.partition('+')[0]}"
    return Export(model, as_reference(module), framework, **declared)


def _convert(module: torch.nn.Module, example: torch.Tensor) -> Any:
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        input_names=["image"],
        output_names=["scores"],
        dynamic_shapes=({0: "batch"},),
        verbose=False,
    )
    assert program is not None
    return program.model_proto


def _convert_legacy(module: torch.nn.Module, example: torch.Tensor) -> onnx.ModelProto:
    stream = io.BytesIO()
    torch.backends.mha.set_fastpath_enabled(False)  # its fused operator has no translation
    torch.onnx.export(
        module,
        (example,),
        stream,
        dynamo=False,
        input_names=["image"],
        output_names=["scores"],
        dynamic_axes={"image": {0: "batch"}, "scores": {0: "batch"}},
    )
    return onnx.load_model_from_string(stream.getvalue())


def from_program(path: Path) -> Export:
    """A saved torch.export program, converted."""
    with step(f"{path}: cannot be read as a torch.export program"):
        program = torch.export.load(path)
    inputs = program.graph_signature.user_inputs
    sizes = [
        list(node.meta["val"].shape)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in inputs
    ]
    if len(sizes) != 1:
        raise ExportError(f"{path}: takes {len(sizes)} inputs; a classifier takes one image")
    if sizes[0] and isinstance(sizes[0][0], int):
        raise ExportError(
            f"{path}: the program's batch is fixed at {sizes[0][0]}; export it again with "
            "dynamic_shapes=({0: torch.export.Dim('batch')},) and an example of two images"
        )
    with step(f"{path}: PyTorch cannot export it"):
        converted = torch.onnx.export(
            program, dynamo=True, input_names=["image"], output_names=["scores"], verbose=False
        )
        assert converted is not None
    version = torch.__version__.partition("+")[0]
    return Export(converted.model_proto, as_reference(program.module()), f"PyTorch {version}")


def as_reference(module: torch.nn.Module) -> Reference:
    """The module as a function from arrays to arrays."""

    def scores(rows: NDArray[Any]) -> NDArray[Any]:
        with torch.no_grad():
            result = module(torch.from_numpy(rows))
        if not isinstance(result, torch.Tensor):
            raise ExportError(
                f"the model returns a {type(result).__name__}, not a tensor of scores; name a "
                "factory whose module returns the scores alone"
            )
        return np.asarray(result.detach())

    return scores
