"""An artifact made ready to run: session, input form, preprocessing, and what its output means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..images.sample import Picture, Sample
from ..listener import Listener
from ..onnx_file.artifact import Artifact, Tensor, is_ort_format, load_graph
from ..onnx_file.declared import Declared
from ..onnx_file.free_batch import free_batch
from ..preprocessing.preprocess import Preprocess, load_preprocess
from ..settings import Settings
from .class_scores import ScoreForm, kind_of_values
from .input_form import InputForm, settle_input
from .model import Affine, Model
from .ort_format import describe
from .range_check import check_pixel_range
from .session import Runtime

_PROBE_IMAGES = 3
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
    scores : ScoreForm
        What the output holds.
    classes : int
    label_offset : int
        Added to labels: as asked, else as declared in the file.
    preprocess : Preprocess
        Settled for the input's size.
    batch_mode : str
        "file" (its own bytes, any batch), "freed" (an edited copy with a free batch, verified
        against the file) or "fixed" (its own bytes, run at the batch it was exported with).
    class_names : list of str or None
        As declared in the file's metadata, in order of labels (before the offset).
    """

    artifact: Artifact
    model: Model
    output: Tensor
    scores: ScoreForm
    classes: int
    label_offset: int
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
        """Raw scores as logits, shape (n, classes): probabilities become their logarithm."""
        return self.scores.logits(scores)

    def confirm_kind(self, scores: NDArray[np.float32]) -> None:
        """Check on data that scores are what they are taken for.

        Raises
        ------
        ArtifactError
            "probabilities" that are none.
        """
        if not self.scores.plausible(scores):
            raise ArtifactError(
                f"{self.artifact.path}: output '{self.output.name}' was taken for probabilities, "
                f"but its rows sum to {scores.sum(axis=1)[0]:.4g} and range from "
                f"{scores.min():.4g} to {scores.max():.4g}; if these are logits use --logits"
            )


def open_classifier(
    path: Path,
    runtime: Runtime,
    settings: Settings,
    sample: Sample,
    tell: Listener,
    *,
    check_range: bool = True,
) -> Classifier:
    """Open an artifact for a sample of images, settling everything that was left open.

    Parameters
    ----------
    settings : Settings
        What was asked for; None is found out from the file, else an error names the option.
    sample : Sample
        Its first images confirm the output's kind, and a batch made free.
    tell : Listener
    check_range : bool
        Hold the preprocessing against the pixel values that the graph seems made for.

    Raises
    ------
    ArtifactError, DataError, ProviderError, UsageError
    """
    artifact = describe(path, runtime)
    declared = Declared(path, artifact.metadata)
    tensor = artifact.image_input(settings.input)
    output = artifact.score_output(settings.output or declared.output())
    recipe = _recipe(declared, settings, tell)
    form = settle_input(
        artifact,
        tensor,
        recipe,
        sample,
        layout=settings.layout or recipe.layout or declared.layout(),
        size=settings.size,
    )
    offset = settings.label_offset
    if offset is None:
        offset = declared.label_offset()
    preprocess = recipe.for_size(form.height, form.width)
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
    model.confirm_file = artifact.watch()
    scores = model.scores(probe)
    score_form = _score_form(artifact, declared, settings, output, scores, tell)
    classes = 2 if score_form.binary else scores.shape[1]
    classifier = Classifier(
        artifact=artifact,
        model=model,
        output=output,
        scores=score_form,
        classes=classes,
        label_offset=offset,
        preprocess=preprocess,
        batch_mode=mode,
        class_names=declared.classes(classes, offset),
    )
    if check_range:
        check_pixel_range(classifier, sample, tell, asked=settings.preprocess is not None)
    return classifier


def _recipe(declared: Declared, settings: Settings, tell: Listener) -> Preprocess:
    """The recipe asked for, else the one the file declares, else the plainest."""
    if settings.preprocess is not None:
        return load_preprocess(settings.preprocess)
    found = declared.preprocess()
    if found is not None:
        tell.note(f"preprocessing: {found.name}, as the file's metadata declares")
        return found
    found = declared.preprocess_beside()
    if found is not None:
        tell.note(f"preprocessing: {found.name}, found beside the model (--preprocess overrides)")
        return found
    tell.note("preprocessing: none given, so 'unit' (RGB in [0, 1])")
    return load_preprocess(None)


def _score_form(
    artifact: Artifact,
    declared: Declared,
    settings: Settings,
    output: Tensor,
    scores: NDArray[np.float32],
    tell: Listener,
) -> ScoreForm:
    """What the output holds: as asked, as declared, as the graph says, else as values look."""
    binary = scores.shape[1] == 1
    kind = settings.output_kind or declared.output_kind()
    kind = kind or artifact.output_kinds.get(output.name, "unknown")
    if kind == "sigmoid":
        kind = "probabilities" if binary else "unknown"
    if kind == "unknown":
        kind = kind_of_values(scores)
        if kind == "unknown":
            why = (
                "holds one number in [0, 1] per image, a probability of class 1 or a logit; say "
                "which with --probabilities or --logits"
                if binary
                else "lies in [0, 1] but its rows do not sum to 1, as after a sigmoid; class "
                "probabilities or logits are needed (if these are logits use --logits)"
            )
            raise ArtifactError(f"{artifact.path}: output '{output.name}' {why}")
        tell.note(f"output '{output.name}': taken for {kind}, from its values on the first images")
    if binary:
        tell.note(f"output '{output.name}': one score, of class 1 against class 0")
    step = artifact.output_steps.get(output.name, 0.0) if kind == "probabilities" else 0.0
    return ScoreForm(kind, output.elem_type, binary, step)


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
    why = "a .ort file cannot be edited"
    if not is_ort_format(artifact.path):
        free_form = replace(model.form, fixed_batch=None)
        try:
            graph = free_batch(load_graph(artifact.path), model.form.name, fixed)
            session = model.runtime.open(graph.SerializeToString(), folder=artifact.path.parent)
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
