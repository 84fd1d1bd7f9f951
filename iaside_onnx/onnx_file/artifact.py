"""Read an ONNX classifier without running it: input, output, layout, batch, provenance."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ..errors import ArtifactError, ChangedModelError
from ..file_kinds import HEAD_BYTES, folder_of_model, kind_of_file
from ..spelling import option
from ..storage.regular_file import check_regular, irregular
from .bounds import LONGEST_NAME, bounded, shortened
from .graph import (
    external_files,
    output_kind,
    read_names,
    weight_tensors,
    without_large_weights,
)
from .heads import Decision, computed, decision_of, decoder_of, unrounded
from .pixel_range import PixelRange, pixel_range
from .tensors import (
    INPUT_TYPES,
    SCORE_TYPES,
    Tensor,
    holds_images,
    names_of,
    shape_text,
    tensor_from,
    text_of,
    type_advice,
)

_FORMS = (
    "(batch, channels, height, width), channels last, (batch, height, width) for grey, or flat "
    "(batch, features) is needed"
)
# Identifier of the runtime's own file format, at byte 4.
_EITHER = option("layout", "nchw", "nhwc")
_ORT_MAGIC = b"ORTM"


@dataclass(frozen=True)
class Artifact:
    """What an ONNX file says about itself.

    Attributes
    ----------
    path : Path
    sha256 : str
        Of the ``.onnx`` file's bytes (with its external data files, if any, folded in).
    inputs, outputs : tuple of Tensor
        Graph inputs that are not weights; all outputs.
    opsets : dict
        Opset version per operator domain ("" is ONNX's own).
    producer, ir_version, parameters, metadata
        From the file; `parameters` counts the elements of all weights.
    external : tuple of Path
        External data files, all inside the model's folder.
    output_kinds : dict
        What the graph's tail says of each output: "logits" (log-probabilities too),
        "probabilities", "sigmoid" or "unknown".
    output_steps : dict
        Distance between neighbouring scores where an output was quantised, else 0.
    pixel_ranges : dict
        The pixel values that an input seems made for, where its type or the graph tells.
    model : onnx.ModelProto or None
        The graph without its large weights; None where the file hides it.
    """

    path: Path
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opsets: dict[str, int]
    producer: str
    ir_version: int
    parameters: int | None
    metadata: dict[str, str]
    external: tuple[Path, ...]
    output_kinds: dict[str, str] = field(default_factory=dict)
    output_steps: dict[str, float] = field(default_factory=dict)
    pixel_ranges: dict[str, PixelRange] = field(default_factory=dict)
    model: onnx.ModelProto | None = None

    @property
    def unread(self) -> frozenset[str]:
        """Inputs that no node reads, as far as the graph shows."""
        read = None if self.model is None else read_names(self.model)
        names = {tensor.name for tensor in self.inputs}
        return frozenset() if read is None else frozenset(names - read)

    def image_input(self, name: str | None = None) -> Tensor:
        """The input that takes images: the one named, or the only one that can.

        Raises
        ------
        ArtifactError
            No such input, one that cannot hold a batch of images, or several to choose from.
        """
        found = self._named_input(name)
        text = f"{self.path}: input '{found.name}'"
        few = found.shape is not None and len(found.shape) < 2
        if found.elem_type == TensorProto.STRING or (found.elem_type == TensorProto.UINT8 and few):
            raise ArtifactError(f"{text} is {found.dtype}{self._encoded(found)}")
        if found.elem_type not in INPUT_TYPES:
            raise ArtifactError(
                f"{text} is {found.dtype}; float16, float32, float64 or uint8 is needed"
                f"{type_advice(found)}"
            )
        shape = found.shape
        if shape is None:
            return found
        if len(shape) == 3 and shape[0] is not None and shape[0] != 1:
            if shape[0] != 3 and shape[2] not in (1, 3):
                raise ArtifactError(
                    f"{text} is {shape_text(shape)}: no batch axis, and no axis of 1 or 3 channels "
                    "either; export it again with both"
                )
            return replace(found, shape=(1, *shape), symbols=("", *found.symbols), unbatched=True)
        if len(shape) not in (2, 3, 4):
            raise ArtifactError(f"{text} is {shape_text(shape)}, not a batch of images: {_FORMS}")
        return found

    def _encoded(self, found: Tensor) -> str:
        """What to do about an input of encoded files."""
        shape = "" if found.shape is None else f" {shape_text(found.shape)}"
        text = f"{shape}: it takes encoded files, not pixels; cut the graph behind its decoder"
        decoder = decoder_of(self.model.graph) if self.model else None
        ends = ", ".join(repr(tensor.name) for tensor in self.outputs)
        place = repr(decoder) if decoder else "NAME OF THE DECODED PIXELS"
        return f"{text} (onnx.utils.extract_model('{self.path}', 'cut.onnx', [{place}], [{ends}]))"

    def _named_input(self, name: str | None) -> Tensor:
        if name is not None:
            found = next((tensor for tensor in self.inputs if tensor.name == name), None)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no input named '{name}'; inputs are {names_of(self.inputs)}"
                )
            return found
        if not self.inputs:
            raise ArtifactError(f"{self.path}: the graph has no input to put images into")
        if len(self.inputs) == 1:
            return self.inputs[0]
        images = [tensor for tensor in self.inputs if holds_images(tensor)]
        if len(images) != 1:
            raise ArtifactError(
                f"{self.path}: has {len(self.inputs)} inputs ({names_of(self.inputs)}), of which "
                f"{len(images) or 'none'} could take images; name that one with "
                f"{option('input')} and give the others a value with "
                f"{option('set', like='NAME=VALUE')}"
            )
        return images[0]

    def score_output(self, name: str | None = None) -> Tensor:
        """The output that holds one score per class: the one named, or the only candidate.

        Raises
        ------
        ArtifactError
            No such output, none that can hold scores, or several to choose from.
        """
        floats = [tensor for tensor in self.outputs if tensor.elem_type in SCORE_TYPES]
        if name is not None:
            found = next((tensor for tensor in self.outputs if tensor.name == name), None)
            if found is None and self.model and computed(self.model.graph, name):
                found = Tensor(name, None, 0)
            if found is None:
                raise ArtifactError(
                    f"{self.path}: no output or other tensor named '{name}'; outputs are "
                    f"{names_of(self.outputs)}"
                )
            if found.elem_type not in SCORE_TYPES and found in self.outputs:
                raise ArtifactError(
                    f"{self.path}: output '{name}' is {found.dtype}{self._remedy([found])}; class "
                    f"scores are float16, float32 or float64{type_advice(found)}"
                )
        elif not floats:
            raise ArtifactError(
                f"{self.path}: has no output of class scores, float16, float32 or float64 "
                f"(outputs are {names_of(self.outputs)}){self._remedy(self.outputs)}"
                + "".join(type_advice(tensor) for tensor in self.outputs[:1])
            )
        elif len(floats) > 1:
            raise ArtifactError(
                f"{self.path}: has {len(floats)} outputs that could be class scores "
                f"({names_of(tuple(floats))}); choose one with {option('output')}"
            )
        else:
            found = floats[0]
        decision = self.decision_of(found.name)
        if decision is not None and decision.always:
            raise ArtifactError(
                f"{self.path}: output '{found.name}' is made by {decision.operator}, which gives "
                f"{decision.meaning}: no score for each class{_give(decision)}"
            )
        return found

    def decision_of(self, name: str) -> Decision | None:
        """What an output decides on, where it is no score for each class."""
        return decision_of(self.model.graph, name) if self.model else None

    def kind_of(self, name: str) -> str:
        """What the nodes before a tensor say of it, as in `output_kinds`."""
        if name in self.output_kinds or self.model is None:
            return self.output_kinds.get(name, "unknown")
        return output_kind(self.model.graph, name)[0]

    def step_of(self, name: str) -> float:
        """Distance between neighbouring values of a tensor, as in `output_steps`."""
        if name in self.output_steps or self.model is None:
            return self.output_steps.get(name, 0.0)
        return output_kind(self.model.graph, name)[1]

    def _remedy(self, outputs: Sequence[Tensor]) -> str:
        """What to do about outputs that hold decisions or dictionaries."""
        found = [self.decision_of(tensor.name) for tensor in outputs]
        decisions = [decision for decision in found if decision is not None]
        # A ZipMap holds all scores, and stands beside the number of the best class.
        for decision in sorted(decisions, key=lambda each: each.operator != "ZipMap"):
            if decision.operator != "ZipMap":
                return f": {decision.operator} gives {decision.meaning}{_give(decision)}"
            return (
                f": a ZipMap turns its scores into dictionaries{_give(decision)}, or export it "
                "again without (skl2onnx: options={'zipmap': False})"
            )
        for tensor in outputs:
            before = unrounded(self.model.graph, tensor.name) if self.model else None
            if before is not None:
                return f"; the tensor that it was made of may serve: {option('output', before)}"
        return ""

    def confirm(self) -> None:
        """Refuse a file that is no longer the one described.

        Raises
        ------
        ChangedModelError
            It, or its external data, has other bytes or is gone.
        """
        try:
            same = file_digest(self.path, self.external) == self.sha256
        except OSError:
            same = False
        if not same:
            raise ChangedModelError(self.path)

    def watch(self) -> Callable[[], None]:
        """`confirm` once, and a check whether that still holds where the runtime needs the files.

        onnxruntime reads the file itself once, but maps external data, so whoever writes into such
        a file changes the model that runs. The check is quick while nobody touches them.
        """
        seen = _stamps(self.external)
        self.confirm()

        def check() -> None:
            nonlocal seen
            now = _stamps(self.external)
            if now != seen:
                self.confirm()
                seen = now

        return check

    def layout(self, tensor: Tensor, asked: str | None = None) -> str:
        """Layout nchw or nhwc: as asked, else from where the 1 or 3 channels stand.

        Flat inputs, and grey ones without an axis of channels, are "flat" and "nhw" unless asked
        for otherwise: their shape does not tell the order of the numbers in them.

        Raises
        ------
        ArtifactError
            The shape fits neither or both, or contradicts what was asked for.
        """
        text = f"{self.path}: input '{tensor.name}'"
        if tensor.shape is None:
            if asked is None:
                raise ArtifactError(
                    f"{text} gives no shape; say which with {_EITHER}, and {option('size')}"
                )
            return asked
        if len(tensor.shape) < 4:
            return asked or ("flat" if len(tensor.shape) == 2 else "nhw")
        first, last = tensor.shape[1], tensor.shape[3]
        text += f" is {shape_text(tensor.shape)}"
        fits = {"nchw": first in (1, 3), "nhwc": last in (1, 3)}
        if asked is not None:
            channels = first if asked == "nchw" else last
            if channels is not None and not fits[asked]:
                meant = option("layout", asked)
                raise ArtifactError(f"{text}; {meant} would mean {channels} channels")
            return asked
        if fits["nchw"] == fits["nhwc"]:
            why = "could be either layout" if fits["nchw"] else "shows no axis of 1 or 3 channels"
            raise ArtifactError(f"{text}: it {why}; say which with {_EITHER}")
        return "nchw" if fits["nchw"] else "nhwc"


def _give(decision: Decision) -> str:
    return f"; give the tensor that it reads: {option('output', decision.scores)}"


def load_graph(path: Path) -> onnx.ModelProto:
    """Parse an ONNX file, leaving external data where it is.

    Raises
    ------
    ArtifactError
        No such file, or bytes that are no ONNX model.
    """
    return _parsed(path, _content(path))


def _content(path: Path) -> bytes:
    check_regular(path, ArtifactError)
    try:
        return path.read_bytes()
    except IsADirectoryError as error:
        kind = folder_of_model({file.name for file in path.iterdir()})
        raise ArtifactError(f"{path}: is {kind or 'a folder; give the .onnx file'}") from error
    except OSError as error:
        raise ArtifactError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise _no_model(path, content, ", or a truncated one") from error
    if not model.graph.node or not model.opset_import:
        raise _no_model(path, content, " (it holds no graph)")
    return model


def _no_model(path: Path, content: bytes, otherwise: str) -> ArtifactError:
    """The error for bytes that hold no graph: what they are, where that can be told."""
    kind = kind_of_file(content[:HEAD_BYTES], path.name, content)
    return ArtifactError(f"{path}: not an ONNX file" + (f" but {kind}" if kind else otherwise))


def read_artifact(path: Path) -> Artifact:
    """Describe an ONNX file from its bytes alone; nothing is executed.

    Raises
    ------
    ArtifactError
        Not an ONNX model, or external data that is missing or lies outside the model's folder.
    """
    try:
        content = _content(path)
        return _read(path, _parsed(path, content), hashlib.sha256(content))
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        # Damaged files hold names that are no text, types that do not exist, and so on.
        raise ArtifactError(f"{path}: a damaged ONNX file ({error})") from error


def _read(path: Path, model: onnx.ModelProto, own: hashlib._Hash) -> Artifact:
    graph = model.graph
    external = external_files(path, model)
    weights = {tensor.name for tensor in graph.initializer}
    weights |= {tensor.values.name for tensor in graph.sparse_initializer}
    inputs = tuple(tensor_from(value) for value in graph.input if value.name not in weights)
    outputs = tuple(tensor_from(value) for value in graph.output)
    tails = {tensor.name: output_kind(graph, tensor.name) for tensor in outputs}
    version = f" {text_of(model.producer_version)}" if model.producer_version else ""
    parameters = sum(math.prod(tensor.dims) for tensor in weight_tensors(model))
    ranges = _pixel_ranges(graph, inputs)
    without_large_weights(model)
    return Artifact(
        path=path,
        sha256=_with_external(own, external),
        inputs=inputs,
        outputs=outputs,
        opsets={text_of(opset.domain): opset.version for opset in model.opset_import},
        producer=shortened(text_of(model.producer_name) + version, LONGEST_NAME) or "unknown",
        ir_version=model.ir_version,
        parameters=parameters,
        metadata=bounded({text_of(one.key): text_of(one.value) for one in model.metadata_props}),
        external=external,
        output_kinds={name: kind for name, (kind, _) in tails.items()},
        output_steps={name: step for name, (_, step) in tails.items()},
        pixel_ranges=ranges,
        model=model,
    )


def _pixel_ranges(graph: onnx.GraphProto, inputs: tuple[Tensor, ...]) -> dict[str, PixelRange]:
    found = {item.name: pixel_range(graph, item.name, item.elem_type) for item in inputs}
    return {name: wanted for name, wanted in found.items() if wanted is not None}


def is_ort_format(path: Path) -> bool:
    """True for a file in onnxruntime's own format (``.ort``)."""
    if irregular(path) is not None:
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] == _ORT_MAGIC
    except OSError:
        return False


def file_digest(path: Path, external: tuple[Path, ...] = ()) -> str:
    """SHA-256 of a file; external data files are hashed and folded in, in order of name."""
    check_regular(path, ArtifactError)
    with path.open("rb") as stream:
        own = hashlib.file_digest(stream, "sha256")
    return _with_external(own, external)


def _with_external(own: hashlib._Hash, external: tuple[Path, ...]) -> str:
    if not external:
        return own.hexdigest()
    for file in sorted(external):
        with file.open("rb") as stream:
            own.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return own.hexdigest()


def _stamps(files: tuple[Path, ...]) -> list[tuple[int, ...]]:
    """What changes when somebody writes to files."""
    found: list[tuple[int, ...]] = []
    for file in files:
        try:
            held = file.stat()
        except OSError:  # gone
            found.append(())
            continue
        found.append((held.st_ino, held.st_size, held.st_mtime_ns, held.st_ctime_ns))
    return found
