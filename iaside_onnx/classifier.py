"""An artifact made ready to run: session, input form, preprocessing, and what its output means."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .artifact import Artifact, Tensor, load_graph, read_artifact, shape_text
from .errors import ArtifactError, DataError, UsageError
from .free_batch import free_batch
from .images import Picture, Sample
from .listener import Listener
from .model import Affine, InputForm, Model
from .preprocess import Preprocess, load_preprocess
from .session import Runtime
from .settings import Settings

_DEFAULT_SIZE = 224
_PROBE_IMAGES = 3
# Rows of probabilities in float16 sum to 1 within a few thousandths.
_SUM_TOLERANCE = 1e-2
# Largest relative difference between the freed copy and the untouched file.
_FREED_TOLERANCE = {"float16": 1e-2, "float32": 1e-3, "float64": 1e-6}


@dataclass
class Classifier:
    """A model that images can be put through.

    Attributes
    ----------
    artifact : Artifact
    model : Model
    output : Tensor
    kind : str
        "logits" or "probabilities".
    classes : int
    preprocess : Preprocess
        Settled for the input's size.
    batch_mode : str
        "file" (its own bytes, any batch), "freed" (an edited copy with a free batch, verified
        against the file) or "fixed" (its own bytes, run at the batch it was exported with).
    class_names : list of str or None
        As declared in the file's metadata.
    """

    artifact: Artifact
    model: Model
    output: Tensor
    kind: str
    classes: int
    preprocess: Preprocess
    batch_mode: str
    class_names: list[str] | None = None

    @property
    def form(self) -> InputForm:
        """The model's image input."""
        return self.model.form

    def pixels(self, picture: Picture) -> NDArray[np.float32]:
        """A decoded picture in pixel space, shape (C, H, W)."""
        return self.preprocess.pixels(picture, self.form.channels)

    def logits(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Raw scores as logits: probabilities become their logarithm."""
        if self.kind == "logits":
            return scores
        return np.log(np.maximum(scores, np.finfo(np.float32).tiny))

    def confirm_kind(self, scores: NDArray[np.float32]) -> None:
        """Check on data that scores are what they are taken for.

        Raises
        ------
        ArtifactError
            "probabilities" that are none.
        """
        if self.kind == "probabilities" and not look_like_probabilities(scores):
            raise ArtifactError(
                f"{self.artifact.path}: output '{self.output.name}' was taken for probabilities, "
                f"but its rows sum to {scores.sum(axis=1)[0]:.4g} and range from "
                f"{scores.min():.4g} to {scores.max():.4g}; if these are logits use --logits"
            )


def look_like_probabilities(scores: NDArray[np.float32]) -> bool:
    """True when every row is non-negative and sums to 1."""
    if scores.size == 0 or scores.shape[1] < 2 or not np.isfinite(scores).all():
        return False
    sums = scores.sum(axis=1, dtype=np.float64)
    return bool(scores.min() >= 0 and np.abs(sums - 1).max() <= _SUM_TOLERANCE)


def kind_of_values(scores: NDArray[np.float32]) -> str:
    """What scores are by their values: "probabilities", "logits", or "unknown".

    Values that lie in [0, 1] without summing to 1, as after a sigmoid, stay unknown.
    """
    if look_like_probabilities(scores):
        return "probabilities"
    return "unknown" if scores.min() >= 0 and scores.max() <= 1 else "logits"


def open_classifier(
    path: Path, runtime: Runtime, settings: Settings, sample: Sample, tell: Listener
) -> Classifier:
    """Open an artifact for a sample of images, settling everything that was left open.

    Parameters
    ----------
    settings : Settings
        What was asked for; None is found out from the file, else an error names the option.
    sample : Sample
        Its first images confirm the output's kind, and a batch made free.
    tell : Listener

    Raises
    ------
    ArtifactError, DataError, ProviderError, UsageError
    """
    artifact = read_artifact(path)
    tensor = artifact.image_input(settings.input)
    output = artifact.score_output(settings.output)
    asked = load_preprocess(settings.preprocess)
    form = input_form(artifact, tensor, settings, asked, sample)
    preprocess = asked.for_size(form.height, form.width)
    if settings.preprocess is None:
        hint = f"; the file {artifact.input_hint}" if artifact.input_hint else ""
        tell.note(f"preprocessing: none given, so 'unit' (RGB in [0, 1]){hint}")
    probe = np.stack(
        [
            preprocess.pixels(sample.picture(position), form.channels)
            for position in range(min(_PROBE_IMAGES, len(sample)))
        ]
    )
    affine = Affine(*preprocess.affine(form.channels))
    model = Model(runtime, runtime.open(path), form, output.name, affine)
    mode = "file"
    if form.fixed_batch is not None:
        mode, model = _free(artifact, model, probe, tell)
    scores = model.scores(probe)
    kind = settings.output_kind or artifact.output_kinds.get(output.name, "unknown")
    if kind == "unknown":
        kind = kind_of_values(scores)
        if kind == "unknown":
            raise ArtifactError(
                f"{path}: output '{output.name}' lies in [0, 1] but its rows do not sum to 1, as "
                "after a sigmoid; class probabilities or logits are needed (if these are logits "
                "use --logits)"
            )
        tell.note(f"output '{output.name}': taken for {kind}, from its values on the first images")
    classes = scores.shape[1]
    if classes < 2:
        raise ArtifactError(
            f"{path}: output '{output.name}' has {classes} class; at least two are needed"
        )
    return Classifier(
        artifact=artifact,
        model=model,
        output=output,
        kind=kind,
        classes=classes,
        preprocess=preprocess,
        batch_mode=mode,
        class_names=declared_classes(artifact, classes),
    )


def declared_classes(artifact: Artifact, classes: int) -> list[str] | None:
    """Class names from the metadata key ``iaside.classes`` (a JSON list), if it fits."""
    try:
        names = json.loads(artifact.metadata.get("iaside.classes", "null"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(names, list) or len(names) != classes:
        return None
    return [str(name) for name in names]


def input_form(
    artifact: Artifact,
    tensor: Tensor,
    settings: Settings,
    recipe: Preprocess,
    sample: Sample,
) -> InputForm:
    """Settle layout and size of the image input.

    A free size is taken from the option or the recipe's crop, from the usual 224 pixels for
    recipes that resize, else from the images, if they are all of one size.
    """
    layout = artifact.layout(tensor, settings.layout or recipe.layout)
    size = settings.size or recipe.crop
    assert tensor.shape is not None
    batch, *rest = tensor.shape
    channels, height, width = rest if layout == "nchw" else (rest[2], rest[0], rest[1])
    given = (height, width)
    if size is not None and any(
        side is not None and side != wanted for side, wanted in zip(given, size, strict=True)
    ):
        raise UsageError(
            f"a size of {size[0]} x {size[1]} was asked for, but input '{tensor.name}' of "
            f"{artifact.path} is {shape_text(tensor.shape)}"
        )
    if height is None or width is None:
        if size is None and recipe.resize_ratio is not None:
            size = (_DEFAULT_SIZE, _DEFAULT_SIZE)
        size = size or _common_size(sample, artifact, tensor)
        height, width = height or size[0], width or size[1]
    return InputForm(tensor.name, tensor.elem_type, layout, channels or 3, height, width, batch)


def _common_size(sample: Sample, artifact: Artifact, tensor: Tensor) -> tuple[int, int]:
    sizes = set()
    for position in range(len(sample)):
        picture = sample.picture(position)
        sizes.add(picture.shape[:2] if isinstance(picture, np.ndarray) else picture.size[::-1])
        if len(sizes) > 1:
            raise DataError(
                f"{artifact.path}: input '{tensor.name}' leaves its size free and the images "
                "differ in size; say which with --size HxW"
            )
    height, width = sizes.pop()
    return int(height), int(width)


def _free(
    artifact: Artifact,
    model: Model,
    probe: NDArray[np.float32],
    tell: Listener,
) -> tuple[str, Model]:
    """Make a fixed batch free in a copy and hold the copy against the untouched file."""
    fixed = model.form.fixed_batch
    assert fixed is not None
    expected = model.scores(probe)
    why = "the graph holds external data"
    if not artifact.external:
        graph = free_batch(load_graph(artifact.path), model.form.name, fixed)
        free_form = replace(model.form, fixed_batch=None)
        try:
            session = model.runtime.open(graph.SerializeToString())
            freed = Model(model.runtime, session, free_form, model.output, model.affine)
            found = freed.scores(np.concatenate([probe, probe]))
            wanted = np.concatenate([expected, expected])
            limit = _FREED_TOLERANCE[_output_type(artifact, model.output)]
            worst = float(np.abs(found - wanted).max() / max(np.abs(wanted).max(), 1e-12))
            if worst <= limit:
                tell.note(
                    f"batch: fixed at {fixed} in the file, made free in a copy of the graph "
                    f"(largest relative difference to the file on {len(probe)} images: {worst:.1e})"
                )
                return "freed", freed
            why = f"the copy differs from the file by {worst:.1e}"
        except (ArtifactError, ValueError) as error:
            why = str(error)
    many = "one by one" if fixed == 1 else f"{fixed} at a time"
    tell.warning(
        f"the batch is fixed at {fixed} and could not be made free ({why}); the model runs its "
        f"images {many}, which is slower than a free batch would be"
    )
    return "fixed", model


def _output_type(artifact: Artifact, name: str) -> str:
    return next(tensor.dtype for tensor in artifact.outputs if tensor.name == name)
