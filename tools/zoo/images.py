"""What training does to images: flips, jitter, noise, blur, high-pass, mixes, adversaries."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, conv2d, cross_entropy, grid_sample, pad


def gaussian_blur(images: Tensor, sigmas: Tensor) -> Tensor:
    """Blur each image with its own gaussian, edges reflected.

    Parameters
    ----------
    images : torch.Tensor
        Images [batch, channels, height, width].
    sigmas : torch.Tensor
        Standard deviation in pixels for each image [batch], above 0.

    Returns
    -------
    torch.Tensor
        Blurred images of the same shape.
    """
    batch, channels, height, width = images.shape
    radius = int(torch.ceil(3 * sigmas.max()))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    kernels = torch.exp(-0.5 * (offsets[None] / sigmas[:, None]) ** 2)
    kernels = kernels / kernels.sum(dim=1, keepdim=True)
    kernels = kernels.repeat_interleave(channels, dim=0)[:, None, None]
    x = images.reshape(1, batch * channels, height, width)
    groups = batch * channels
    x = conv2d(pad(x, (radius, radius, 0, 0), "reflect"), kernels, groups=groups)
    kernels = kernels.transpose(2, 3)
    x = conv2d(pad(x, (0, 0, radius, radius), "reflect"), kernels, groups=groups)
    return x.reshape(batch, channels, height, width)


def flip(images: Tensor, draws: Tensor) -> Tensor:
    """Mirror those images [batch, ...] left to right whose draw [batch] is below one half."""
    return torch.where(_wide(draws) < 0.5, images.flip(3), images)


def jitter(images: Tensor, draws: Tensor, contrast: float, brightness: float) -> Tensor:
    """Change contrast by a factor 1 +- `contrast` and brightness by up to +- `brightness`.

    `draws` [2, batch] in [0, 1) say how far each image goes; the result is clipped to [0, 1].
    """
    centre = images.mean(dim=(1, 2, 3), keepdim=True)
    factor = (1 - contrast) + 2 * contrast * _wide(draws[0])
    offset = 2 * brightness * _wide(draws[1])
    return ((images - centre) * factor + centre + offset - brightness).clamp(0, 1)


def noisy(images: Tensor, rng: torch.Generator, largest: float) -> Tensor:
    """Add gaussian noise, its sigma drawn for each image from 0 to `largest`; clipped to [0, 1]."""
    sigmas = largest * torch.rand(len(images), generator=rng)
    return (images + _wide(sigmas) * torch.randn(images.shape, generator=rng)).clamp(0, 1)


def blurred(images: Tensor, rng: torch.Generator, largest: float) -> Tensor:
    """Blur three images in four, sigma drawn from 0.3 to `largest`."""
    draws = torch.rand(2, len(images), generator=rng)
    smooth = gaussian_blur(images, 0.3 + (largest - 0.3) * draws[0])
    return torch.where(_wide(draws[1]) < 0.75, smooth, images)


def high_passed(images: Tensor, rng: torch.Generator) -> Tensor:
    """Replace half of the images by what a gaussian of sigma 1 to 2 leaves out, twice as strong."""
    draws = torch.rand(2, len(images), generator=rng)
    rest = images - gaussian_blur(images, 1 + draws[0])
    return torch.where(_wide(draws[1]) < 0.5, (0.5 + 2 * rest).clamp(0, 1), images)


def mixed(images: Tensor, rng: torch.Generator) -> Tensor:
    """Mix each image with three chains of two random operations each, after AugMix.

    Operations are those of AugMix that are no test corruption: rotation, shear, translation,
    posterise, solarise and autocontrast (Hendrycks et al., ICLR 2020), without its consistency
    loss. Weights are uniform on the simplex (Dirichlet(1)); the share of the original is uniform.
    """
    weights = -torch.log(torch.rand(3, len(images), generator=rng).clamp_min(1e-9))
    weights = weights / weights.sum(dim=0)
    total = torch.zeros_like(images)
    for weight in weights:
        chain = images
        for _ in range(2):
            kind = int(torch.randint(4, (1,), generator=rng))
            chain = _operation(chain, kind, torch.rand(2, len(images), generator=rng))
        total = total + _wide(weight) * chain
    share = _wide(torch.rand(len(images), generator=rng))
    return share * images + (1 - share) * total


def _operation(images: Tensor, kind: int, draws: Tensor) -> Tensor:
    if kind == 0:
        levels = 2.0 ** _wide(2 + 4 * draws[0]).floor()
        return (images * levels).floor().clamp(max=levels - 1) / (levels - 1)
    if kind == 1:
        return torch.where(images > _wide(0.5 + 0.5 * draws[0]), 1 - images, images)
    if kind == 2:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        return (images - low) / (high - low).clamp_min(1e-3)
    angle, shear = (draws - 0.5).unbind()
    matrix = torch.zeros(len(images), 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = torch.cos(angle)
    matrix[:, 0, 1] = -torch.sin(angle) + 0.5 * shear
    matrix[:, 1, 0] = torch.sin(angle)
    matrix[:, :, 2] = 0.4 * (draws.T - 0.5)
    grid = affine_grid(matrix, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def attacked(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    steps: int,
    rng: torch.Generator,
) -> Tensor:
    """Images in the linf ball of `epsilon` that raise the loss: PGD from a random start.

    Each step is 1.5 epsilon / `steps` along the gradient's sign (Madry et al., ICLR 2018).
    """
    lower, upper = (images - epsilon).clamp(0, 1), (images + epsilon).clamp(0, 1)
    start = torch.rand(images.shape, generator=rng)
    found = lower + start * (upper - lower)
    for _ in range(steps):
        found.requires_grad_()
        (slope,) = torch.autograd.grad(cross_entropy(model(found), labels), found)
        found = (found.detach() + 1.5 * epsilon / steps * slope.sign()).clamp(lower, upper)
    return found


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
