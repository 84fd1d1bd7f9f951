"""The architectures: small networks for 64x64 images that normalise their input themselves."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import relu, scaled_dot_product_attention


class Network(nn.Module):
    """A classifier that takes images in [0, 1] and normalises them by `mean` and `std`."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), mean))
        self.register_buffer("std", torch.full((1, 3, 1, 1), std))

    def forward(self, image: Tensor) -> Tensor:
        """Return logits [batch, classes] for images [batch, 3, 64, 64] in [0, 1]."""
        return self.logits((image - self.mean) / self.std)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits [batch, classes] for normalised images."""
        raise NotImplementedError


class Block(nn.Module):
    """Residual block of two 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for features [batch, inputs, height, width]."""
        y = relu(self.norm1(self.conv1(x)))
        return relu(self.norm2(self.conv2(y)) + self.skip(x))


class ResNet(Network):
    """A convolution of stride 2, one residual block a width, global average, linear layer.

    The first block has the stride `first`, the later ones stride 2.
    """

    def __init__(
        self, classes: int, mean: float, std: float, widths: tuple[int, ...], first: int
    ) -> None:
        super().__init__(mean, std)
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        sizes = zip((widths[0], *widths), widths, strict=False)
        self.body = nn.Sequential(
            *(Block(a, b, 2 if place else first) for place, (a, b) in enumerate(sizes))
        )
        self.head = nn.Linear(widths[-1], classes)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits [batch, classes] for normalised images."""
        return self.head(self.body(self.stem(x)).mean(dim=(2, 3)))


class PlainCNN(Network):
    """Convolutions and max pooling without any skip, then global average and a linear layer."""

    def __init__(self, classes: int, mean: float, std: float, widths: tuple[int, ...]) -> None:
        super().__init__(mean, std)
        layers: list[nn.Module] = []
        inputs = 3
        for place, width in enumerate(widths):
            size, stride = (5, 2) if place == 0 else (3, 1)
            layers += [nn.Conv2d(inputs, width, size, stride, size // 2, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            if place < len(widths) - 1:
                layers += [nn.MaxPool2d(2)]
            inputs = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, classes)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits [batch, classes] for normalised images."""
        return self.head(self.body(x).mean(dim=(2, 3)))


class Attention(nn.Module):
    """Multi-head self-attention over tokens [batch, tokens, width]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.joined = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        q, k, v = self.joined(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class AlongTokens(nn.Module):
    """A perceptron over the tokens of each channel, as in MLP-Mixer."""

    def __init__(self, tokens: int, hidden: int) -> None:
        super().__init__()
        self.layers = perceptron(tokens, hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        return self.layers(x.transpose(1, 2)).transpose(1, 2)


def perceptron(width: int, hidden: int) -> nn.Sequential:
    """Two linear layers with GELU between them."""
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class PatchNet(Network):
    """8x8 patches as tokens through pre-norm residual layers; mean over tokens; linear layer.

    With `heads` it is a vision transformer, and without it an MLP-Mixer.
    """

    def __init__(
        self, classes: int, mean: float, std: float, width: int, depth: int, heads: int | None
    ) -> None:
        super().__init__(mean, std)
        self.patches = nn.Conv2d(3, width, 8, 8)
        self.place = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        self.mixing = nn.ModuleList()
        self.thinking = nn.ModuleList()
        for _ in range(depth):
            mix = Attention(width, heads) if heads else AlongTokens(64, width)
            self.mixing.append(nn.Sequential(nn.LayerNorm(width), mix))
            self.thinking.append(nn.Sequential(nn.LayerNorm(width), perceptron(width, 3 * width)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def logits(self, x: Tensor) -> Tensor:
        """Return logits [batch, classes] for normalised images."""
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        for mix, think in zip(self.mixing, self.thinking, strict=True):
            x = x + mix(x)
            x = x + think(x)
        return self.head(self.norm(x).mean(dim=1))
