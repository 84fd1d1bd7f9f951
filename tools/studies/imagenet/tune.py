"""Fine-tuning without labels: a network learns to keep its own clean answers.

What it is shown are photographs with noise, blur, less contrast, or a small step of attack; what it
is taught are the answers that it gave, before, to the same photographs as they are.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.nn import functional

from .in_torch import Network
from .variants import with_weights

_RATE, _BATCH = 3e-5, 8
_NOISE, _CONTRAST, _SIGMA, _STEP = 0.15, 0.3, 3.0, 2 / 255


def tune(
    source: Path, target: Path, photographs: NDArray[np.float32], gain: float, steps: int
) -> None:
    """Write a fine-tuned network.

    Parameters
    ----------
    photographs : array, shape (n, C, H, W)
        As the network is fed.
    gain : float
        What a step of 1 in pixels of [0, 1] is in these values.
    steps : int
        Of 8 photographs each.
    """
    proto = onnx.load(source)
    network = Network(proto)
    with torch.no_grad():
        taught = copy.deepcopy(network)
    shown = torch.tensor(photographs)
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(network.parameters(), lr=_RATE)
    losses = []
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = _RATE * min(1.0, 2 * (1 - step / steps))
        clean = _cropped(shown[rng.choice(len(shown), _BATCH, replace=False)], rng)
        with torch.no_grad():
            answers = functional.softmax(taught(clean), dim=1)
        worse = torch.stack([_perturbed(image, gain, rng) for image in clean])
        if step % 3 == 2:
            worse = _attacked(network, clean, answers, gain)
        both = network(torch.cat([worse, clean[: _BATCH // 2]]))
        wanted = torch.cat([answers, answers[: _BATCH // 2]])
        loss = functional.kl_div(functional.log_softmax(both, 1), wanted, reduction="batchmean")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
        if step % 20 == 19:
            print(
                f"  {target.stem}: {step + 1} steps, loss {np.mean(losses[-20:]):.3f}", flush=True
            )
    with_weights(proto, network.trained())
    onnx.save(proto, target)
    (target.with_suffix(".txt")).write_text(
        f"{steps} steps of {_BATCH} photographs; loss {np.mean(losses[:20]):.3f} at first, "
        f"{np.mean(losses[-20:]):.3f} at last\n"
    )


def _cropped(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """The same part of all images, enlarged to the whole, turned round at times."""
    side = images.shape[-1]
    part = int(side * rng.uniform(0.7, 1.0))
    top, left = rng.integers(0, side - part + 1, 2)
    cut = images[..., top : top + part, left : left + part]
    if rng.random() < 0.5:
        cut = cut.flip(-1)
    return functional.interpolate(cut, size=(side, side), mode="bilinear", antialias=True)


def _perturbed(image: torch.Tensor, gain: float, rng: np.random.Generator) -> torch.Tensor:
    kind = rng.integers(3)
    if kind == 0:
        return image + torch.randn_like(image) * float(rng.uniform(0.02, _NOISE) * gain)
    if kind == 1:
        return _blurred(image, float(rng.uniform(0.5, _SIGMA)))
    middle = image.mean((1, 2), keepdim=True)
    return middle + (image - middle) * float(rng.uniform(_CONTRAST, 0.9))


def _blurred(image: torch.Tensor, sigma: float) -> torch.Tensor:
    reach = int(3 * sigma) + 1
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    line = (line / line.sum()).view(1, 1, 1, -1)
    rows = functional.pad(image[:, None], (reach, reach, reach, reach), mode="reflect")
    return functional.conv2d(functional.conv2d(rows, line), line.transpose(2, 3))[:, 0]


def _attacked(
    network: Any, clean: torch.Tensor, answers: torch.Tensor, gain: float
) -> torch.Tensor:
    """One step of gradient from a random start within the ball."""
    step = _STEP * gain
    start = (clean + torch.empty_like(clean).uniform_(-step, step)).requires_grad_()
    loss = functional.kl_div(functional.log_softmax(network(start), 1), answers, reduction="sum")
    (slope,) = torch.autograd.grad(loss, start)
    moved = start.detach() + 1.25 * step * slope.sign()
    return torch.minimum(torch.maximum(moved, clean - step), clean + step)
