"""A callback of Keras 3: what the network keeps under corruptions, as it is trained.

    model.fit(x, y, callbacks=[RobustnessCallback(images, labels)])

Every few epochs the network is exported and audited on some images; shares of right answers under
noise, blur, weather and digital corruptions stand in the logs beside the loss.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

import iaside_onnx as ia


class RobustnessCallback(keras.callbacks.Callback):
    """Audits at the end of every so many epochs.

    Parameters
    ----------
    images, labels : arrays
        As ``ia.audit`` takes them, such as uint8 of shape (n, H, W, C); 40 are used.
    every : int
        Epochs from one audit to the next.
    **options
        Of ``ia.audit``; `preprocess` says what the training does with the pictures.
    """

    def __init__(self, images: Any, labels: Any, *, every: int = 5, **options: Any) -> None:
        super().__init__()
        self.data = np.asarray(images), np.asarray(labels)
        self.every, self.options = every, {"preprocess": "unit", **options}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put ``right/noise`` and its like among the logs."""
        if (epoch + 1) % self.every:
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            self.model.export(file, format="onnx", verbose=False)
            audit = ia.audit(file.read_bytes(), self.data, quick=True, **self.options)
        if logs is not None:
            logs.update(
                {f"right/{kind}": each.right for kind, each in audit.verdicts.groups.items()}
            )
