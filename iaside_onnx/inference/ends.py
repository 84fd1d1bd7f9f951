"""Which input of a file takes the images, in which layout, and which output holds the scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onnx import TensorProto

from ..errors import ArtifactError, OpenError
from ..onnx_file.artifact import Artifact
from ..onnx_file.heads import computed, decoder_of, unrounded
from ..onnx_file.tensors import (
    INPUT_TYPES,
    SCORE_TYPES,
    Tensor,
    holds_images,
    names_of,
    shape_text,
    type_advice,
)
from ..spelling import option

_EITHER = option("layout", "nchw", "nhwc")
_FORMS = (
    "(batch, channels, height, width), channels last, (batch, height, width) for grey, or flat "
    "(batch, features) is needed"
)


def image_input(artifact: Artifact, name: str | None = None) -> Tensor:
    """The input that takes images: the one named, or the only one that can.

    Raises
    ------
    ArtifactError
        No such input, one that cannot hold a batch of images, or several to choose from.
    """
    tensor = _candidate(artifact, name)
    text = f"{artifact.path}: input '{tensor.name}'"
    shape = tensor.shape
    few = shape is not None and len(shape) < 2
    if tensor.elem_type == TensorProto.STRING or (tensor.elem_type == TensorProto.UINT8 and few):
        raise ArtifactError(f"{text} is {tensor.dtype}{_encoded(artifact, tensor)}")
    if tensor.elem_type not in INPUT_TYPES:
        raise ArtifactError(
            f"{text} is {tensor.dtype}; float16, float32, float64 or uint8 is needed"
            f"{type_advice(tensor)}"
        )
    if shape is None:
        return tensor
    if len(shape) == 3 and shape[0] is not None and shape[0] != 1:
        if shape[0] != 3 and shape[2] not in (1, 3):
            raise ArtifactError(
                f"{text} is {shape_text(shape)}: no batch axis, and no axis of 1 or 3 channels "
                "either; export it again with both"
            )
        return replace(tensor, shape=(1, *shape), symbols=("", *tensor.symbols), unbatched=True)
    if len(shape) not in (2, 3, 4):
        raise ArtifactError(f"{text} is {shape_text(shape)}, not a batch of images: {_FORMS}")
    return tensor


def _candidate(artifact: Artifact, name: str | None) -> Tensor:
    inputs = artifact.inputs
    images = inputs if len(inputs) == 1 else [each for each in inputs if holds_images(each)]
    if name is not None:
        images = [each for each in inputs if each.name == name]
        if not images:
            raise ArtifactError(
                f"{artifact.path}: no input named '{name}'; inputs are {names_of(inputs)}"
            )
    elif not inputs:
        raise ArtifactError(f"{artifact.path}: the graph has no input to put images into")
    elif len(images) != 1:
        raise ArtifactError(
            f"{artifact.path}: has {len(inputs)} inputs ({names_of(inputs)}), of which "
            f"{len(images) or 'none'} could take images; name that one with {option('input')} "
            f"and give the others a value with {option('set', like='NAME=VALUE')}"
        )
    return images[0]


def _encoded(artifact: Artifact, tensor: Tensor) -> str:
    """What to do about an input of encoded files."""
    shape = "" if tensor.shape is None else f" {shape_text(tensor.shape)}"
    text = f"{shape}: it takes encoded files, not pixels; cut the graph behind its decoder"
    decoder = decoder_of(artifact.graph)
    ends = ", ".join(repr(each.name) for each in artifact.outputs)
    place = repr(decoder) if decoder else "NAME OF THE DECODED PIXELS"
    return f"{text} (onnx.utils.extract_model('{artifact.path}', 'cut.onnx', [{place}], [{ends}]))"


def settled_layout(artifact: Artifact, tensor: Tensor, asked: str | None = None) -> str:
    """Layout nchw or nhwc: as asked, else from where the 1 or 3 channels stand.

    Flat inputs, and grey ones without an axis of channels, are "flat" and "nhw" unless asked
    for otherwise: their shape does not tell the order of the numbers in them.

    Raises
    ------
    ArtifactError
        The shape fits neither or both, or contradicts what was asked for.
    """
    text = f"{artifact.path}: input '{tensor.name}'"
    if tensor.shape is None:
        if asked is None:
            raise ArtifactError(
                f"{text} gives no shape; say which with {_EITHER}, and {option('size')}"
            )
        return asked
    if len(tensor.shape) < 4:
        return asked or ("flat" if len(tensor.shape) == 2 else "nhw")
    channels = {"nchw": tensor.shape[1], "nhwc": tensor.shape[3]}
    text += f" is {shape_text(tensor.shape)}"
    if asked is not None:
        if channels[asked] not in (1, 3, None):
            meant = option("layout", asked)
            raise ArtifactError(f"{text}; {meant} would mean {channels[asked]} channels")
        return asked
    fitting = [layout for layout, count in channels.items() if count in (1, 3)]
    if len(fitting) != 1:
        why = "could be either layout" if fitting else "shows no axis of 1 or 3 channels"
        raise ArtifactError(f"{text}: it {why}; say which with {_EITHER}")
    return fitting[0]


def score_output(artifact: Artifact, name: str | None = None) -> Tensor:
    """The output that holds one score per class: the one named, or the only candidate.

    Raises
    ------
    ArtifactError
        No such output, none that can hold scores, or several to choose from.
    """
    path, outputs = artifact.path, artifact.outputs
    candidates = of_images(artifact, [each for each in outputs if each.elem_type in SCORE_TYPES])
    if name is not None:
        candidates = [each for each in outputs if each.name == name]
        if not candidates and computed(artifact.graph, name):
            candidates = [Tensor(name, None, 0)]
        if not candidates:
            raise ArtifactError(
                f"{path}: no output or other tensor named '{name}'; outputs are {names_of(outputs)}"
            )
        first = candidates[0]
        if first.elem_type not in SCORE_TYPES and first in outputs:
            raise ArtifactError(
                f"{path}: output '{name}' is {first.dtype}{_remedy(artifact, [first])}; class "
                f"scores are float16, float32 or float64{type_advice(first)}"
            )
    elif not candidates:
        raise ArtifactError(
            f"{path}: has no output of class scores, float16, float32 or float64 "
            f"(outputs are {names_of(outputs)}){_remedy(artifact, outputs)}"
            + "".join(type_advice(each) for each in outputs[:1])
        )
    elif len(candidates) > 1:
        raise OpenError(
            f"{path}: has {len(candidates)} outputs that could be class scores "
            f"({names_of(tuple(candidates))}); choose one with {option('output')}, or take them "
            f"all with {option('task', 'other')}",
            [*({"output": each.name} for each in candidates), {"task": "other"}],
        )
    output = candidates[0]
    decision = artifact.decision_of(output.name)
    if decision is not None and decision.always:
        raise ArtifactError(
            f"{path}: output '{output.name}' is made by {decision.operator}, which gives "
            f"{decision.meaning}: no score for each class{_give(decision.scores)}"
        )
    return output


def of_images(artifact: Artifact, outputs: Sequence[Tensor]) -> list[Tensor]:
    """Those whose first axis may be that of the images, as declared; all where that is open.

    A model of pictures and texts has outputs with a row for each text.
    """
    images = [each for each in artifact.inputs if holds_images(each)]
    if len(images) != 1 or not images[0].shape or images[0].shape[0] is not None:
        return list(outputs)
    batch = images[0].symbols[0]
    firsts = [(each.shape[0], each.symbols[0]) if each.shape else (None, "") for each in outputs]
    named = bool(batch) and (None, batch) in firsts
    kept = [
        each
        for each, (size, symbol) in zip(outputs, firsts, strict=True)
        if size in (None, 1) and not (named and symbol not in ("", batch))
    ]
    return kept or list(outputs)


def _give(scores: str) -> str:
    return f"; give the tensor that it reads: {option('output', scores)}"


def _remedy(artifact: Artifact, outputs: Sequence[Tensor]) -> str:
    """What to do about outputs that hold decisions or dictionaries."""
    each = [artifact.decision_of(tensor.name) for tensor in outputs]
    # A ZipMap holds all scores, and stands beside the number of the best class.
    decisions = sorted(filter(None, each), key=lambda decision: decision.operator != "ZipMap")
    if decisions and decisions[0].operator == "ZipMap":
        return (
            f": a ZipMap turns its scores into dictionaries{_give(decisions[0].scores)}, or export "
            "it again without (skl2onnx: options={'zipmap': False})"
        )
    if decisions:
        return f": {decisions[0].operator} gives {decisions[0].meaning}{_give(decisions[0].scores)}"
    before = (unrounded(artifact.graph, tensor.name) for tensor in outputs)
    name = next(filter(None, before), None)
    return f"; the tensor that it was made of may serve: {option('output', name)}" if name else ""
