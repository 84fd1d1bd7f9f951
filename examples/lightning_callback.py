"""A callback of PyTorch Lightning: what the network keeps under corruptions, as it is trained.

    trainer = lightning.pytorch.Trainer(callbacks=[RobustnessCallback(images, labels)])

Every few epochs the network is exported in memory and audited on some images; shares of right
answers under noise, blur, weather and digital corruptions are logged beside the loss.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

import iaside_onnx as ia


class RobustnessCallback(pl.Callback):
    """Audits at the end of every so many validation epochs.

    Parameters
    ----------
    images, labels : arrays
        As ``ia.audit`` takes them, such as uint8 of shape (n, H, W, C); 40 are used.
    size : tuple of int
        Channels, height and width of the network's input.
    every : int
        Epochs from one audit to the next.
    **options
        Of ``ia.audit``; `preprocess` says what the training does with the pictures.
    """

    def __init__(
        self,
        images: Any,
        labels: Any,
        *,
        size: tuple[int, int, int] = (3, 32, 32),
        every: int = 5,
        **options: Any,
    ) -> None:
        self.data = np.asarray(images), np.asarray(labels)
        self.size, self.every = size, every
        self.options = {"preprocess": "unit", **options}

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Log ``right/noise`` and its like."""
        if trainer.sanity_checking or (trainer.current_epoch + 1) % self.every:
            return
        file = BytesIO()
        sample = torch.zeros(1, *self.size, device=pl_module.device)
        pl_module.to_onnx(
            file, sample, input_names=["images"], output_names=["logits"],
            dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
        )  # fmt: skip
        audit = ia.audit(file.getvalue(), self.data, quick=True, **self.options)
        for kind, group in audit.verdicts.groups.items():
            pl_module.log(f"right/{kind}", group.right)
