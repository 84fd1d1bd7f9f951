"""Which networks there are: architectures by recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from .images import blurred, high_passed, mixed, noisy
from .networks import PatchNet, PlainCNN, ResNet

Change = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Architecture:
    """A network to be built, and its words for the card.

    Attributes
    ----------
    build : callable
        From the number of classes, and mean and deviation of pixels, to the network.
    peak : float
        Highest learning rate.
    """

    words: str
    build: Callable[[int, float, float], nn.Module]
    peak: float = 0.004


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    words : str
        What is special about it, for the card.
    change : callable, optional
        What is done to training images after flip and jitter.
    contrast, brightness : float
        Strength of the jitter.
    epsilon, attack_steps : float, int
        Adversarial training: radius of the linf ball, and steps of PGD.
    wrong_labels : float
        Share of training places whose label is another one, the same one each time.
    length : float
        Steps, as a multiple of what was asked for.
    stop : float
        Share of the steps after which the run is broken off: an early checkpoint.
    """

    words: str
    change: Change | None = None
    contrast: float = 0.3
    brightness: float = 0.15
    epsilon: float = 0.0
    attack_steps: int = 2
    wrong_labels: float = 0.0
    length: float = 1.0
    stop: float = 1.0


ARCHITECTURES = {
    "resnet": Architecture(
        "residual network: 3x3 convolution of stride 2, three residual blocks of stride 2 and "
        "widths 20, 40, 80, global average, linear layer",
        partial(ResNet, widths=(20, 40, 80), first=2),
    ),
    "wide": Architecture(
        "wide and shallow residual network: 3x3 convolution of stride 2, two residual blocks of "
        "stride 2 and widths 40, 80, global average, linear layer",
        partial(ResNet, widths=(40, 80), first=2),
    ),
    "narrow": Architecture(
        "narrow residual network: 3x3 convolution of stride 2, four residual blocks of stride 2 "
        "and widths 8, 16, 32, 32, global average, linear layer",
        partial(ResNet, widths=(8, 16, 32, 32), first=2),
    ),
    "cnn": Architecture(
        "plain convolutional network: four convolutions of widths 16, 40, 80, 96 with max "
        "pooling between them, no skips, global average, linear layer",
        partial(PlainCNN, widths=(16, 40, 80, 96)),
    ),
    "vit": Architecture(
        "vision transformer: 8x8 patches, width 64, depth 3, four heads, mean over tokens",
        partial(PatchNet, width=64, depth=3, heads=4),
        peak=0.002,
    ),
    "mixer": Architecture(
        "MLP-Mixer: 8x8 patches, width 64, depth 3, mean over tokens",
        partial(PatchNet, width=64, depth=3, heads=None),
        peak=0.002,
    ),
}
RECIPES = {
    "plain": Recipe("nothing more"),
    "bare": Recipe("no jitter: crops and flips alone", contrast=0.0, brightness=0.0),
    "noise-weak": Recipe("gaussian noise, sigma 0 to 0.05", partial(noisy, largest=0.05)),
    "noise": Recipe("gaussian noise, sigma 0 to 0.15", partial(noisy, largest=0.15)),
    "noise-strong": Recipe("gaussian noise, sigma 0 to 0.4", partial(noisy, largest=0.4)),
    "blur": Recipe(
        "three images in four blurred, gaussian of sigma 0.3 to 3", partial(blurred, largest=3.0)
    ),
    "contrast": Recipe("stronger jitter", contrast=0.8, brightness=0.3),
    "augmix": Recipe(
        "mixed with three chains of two operations of AugMix (rotation, shear, translation, "
        "posterise, solarise, autocontrast), without the consistency loss",
        mixed,
    ),
    "highpass": Recipe(
        "half of the images replaced by twice what a gaussian blur of sigma 1 to 2 leaves out",
        high_passed,
    ),
    "adv-weak": Recipe("adversarial training, linf 2/255, 2 steps of PGD", epsilon=2 / 255),
    "adv-strong": Recipe("adversarial training, linf 8/255, 2 steps of PGD", epsilon=8 / 255),
    "labels-20": Recipe("wrong labels at one place in five", wrong_labels=0.2),
    "labels-50": Recipe("wrong labels at one place in two", wrong_labels=0.5),
    "early": Recipe("nothing more; broken off after 15 % of the run", stop=0.15),
    "late": Recipe("nothing more; 2.5 times as many steps", length=2.5),
}


@dataclass(frozen=True)
class Member:
    """One network of the set."""

    architecture: str
    recipe: str

    @property
    def name(self) -> str:
        """File stem."""
        return f"{self.architecture}-{self.recipe}"


_OTHERS = {
    "cnn": ("plain", "noise"),
    "vit": ("plain", "noise"),
    "mixer": ("plain", "blur"),
    "wide": ("plain", "adv-strong"),
    "narrow": ("plain", "noise"),
}
MEMBERS = {
    member.name: member
    for member in (
        *(Member("resnet", recipe) for recipe in RECIPES),
        *(Member(architecture, each) for architecture, kept in _OTHERS.items() for each in kept),
    )
}
