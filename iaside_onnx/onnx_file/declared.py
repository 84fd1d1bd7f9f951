"""What an ONNX file declares about itself in its metadata, under keys that start with ``iaside.``.

The keys are written by the exporters in ``tools/export`` and documented there. They are defaults:
an option overrides its key, and then even a broken value does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ArtifactError, UsageError
from ..preprocessing.hub_config import beside
from ..preprocessing.preprocess import Preprocess, declared_preprocess, load_preprocess

PREFIX = "iaside."
KEYS = ("preprocess", "layout", "output_kind", "output", "label_offset", "classes")
_LARGEST_OFFSET = 1_000_000


@dataclass(frozen=True)
class Declared:
    """Reads the declared values, each when it is asked for.

    Attributes
    ----------
    path : Path
        The file, for messages.
    metadata : mapping of str to str
        Its ``metadata_props``.
    """

    path: Path
    metadata: Mapping[str, str]

    def preprocess(self) -> Preprocess | None:
        """Recipe: a preset's name, or a JSON object with the keys of the TOML file.

        Raises
        ------
        ArtifactError
            Neither, or an unusable value; --preprocess overrides it.
        """
        text = self._text("preprocess")
        if text is None:
            return None
        try:
            return declared_preprocess(text, f"metadata {PREFIX}preprocess")
        except UsageError as error:
            raise ArtifactError(f"{self.path}: {error}; override it with --preprocess") from error

    def preprocess_beside(self) -> Preprocess | None:
        """Recipe in a file that Hugging Face or timm put beside the model.

        Raises
        ------
        ArtifactError
            One that cannot be used; --preprocess overrides it.
        """
        path = beside(self.path)
        if path is None:
            return None
        try:
            return load_preprocess(str(path))
        except UsageError as error:
            raise ArtifactError(
                f"{error} (the file lies beside the model; --preprocess overrides it)"
            ) from error

    def layout(self) -> str | None:
        """Layout of the image input: "nchw" or "nhwc"."""
        return self._one_of("layout", ("nchw", "nhwc"))

    def output_kind(self) -> str | None:
        """What the score output holds: "logits" or "probabilities"."""
        return self._one_of("output_kind", ("logits", "probabilities"))

    def output(self) -> str | None:
        """Name of the score output."""
        return self._text("output")

    def label_offset(self) -> int:
        """Number to add to labels; 0 where nothing is declared."""
        text = self._text("label_offset")
        try:
            offset = int(text or "0")
        except ValueError:
            offset = _LARGEST_OFFSET + 1
        if abs(offset) > _LARGEST_OFFSET:
            raise self._wrong("label_offset", "not a whole number of reasonable size")
        return offset

    def classes(self, outputs: int, offset: int = 0) -> list[str] | None:
        """Names of the classes in order of labels, if the file declares a fitting list.

        Parameters
        ----------
        outputs : int
            Scores of the model: with a name for each of them the list is in their order.
        offset : int
            Label offset: a list shorter by it is in order of labels.
        """
        names = self._json(self._text("classes") or "null")
        if not isinstance(names, list) or len(names) not in (outputs, outputs - offset):
            return None
        texts = [str(name) for name in names]
        if len(texts) != outputs or offset == 0:
            return texts
        return texts[offset:] if offset > 0 else [""] * -offset + texts

    def shown(self) -> dict[str, str]:
        """All declared values as they stand in the file."""
        return {key: text for key, text in self.metadata.items() if key.startswith(PREFIX)}

    def _text(self, key: str) -> str | None:
        return self.metadata.get(PREFIX + key)

    def _one_of(self, key: str, allowed: tuple[str, ...]) -> str | None:
        text = self._text(key)
        if text is not None and text not in allowed:
            raise self._wrong(key, f"not one of {', '.join(allowed)}")
        return text

    @staticmethod
    def _json(text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return None

    def _wrong(self, key: str, why: str) -> ArtifactError:
        text = self._text(key) or ""
        shown = text if len(text) <= 60 else text[:57] + "..."
        option = {"output_kind": "--logits or --probabilities"}.get(
            key, f"--{key.replace('_', '-')}"
        )
        return ArtifactError(
            f"{self.path}: its metadata declares {PREFIX}{key} = '{shown}', which is {why}; "
            f"override it with {option}"
        )
