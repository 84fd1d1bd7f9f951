"""The demo network in Flax (nnx); images are NHWC."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx

import weights

_HELD = weights.read()


class ConvNorm(nnx.Module):
    """A convolution, padded all around, and its batch normalisation."""

    def __init__(self, name: str, stride: int = 1) -> None:
        held, rngs = _HELD.convs[name], nnx.Rngs(0)
        outputs, inputs, side, _ = held.kernel.shape
        pad = (side // 2, side // 2)
        self.conv = nnx.Conv(
            inputs,
            outputs,
            (side, side),
            strides=stride,
            padding=(pad, pad),
            use_bias=False,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(outputs, epsilon=weights.EPSILON, rngs=rngs)
        for parameter, value in (
            (self.conv.kernel, held.kernel_hwio),
            (self.norm.scale, held.gamma),
            (self.norm.bias, held.beta),
            (self.norm.mean, held.mean),
            (self.norm.var, held.var),
        ):
            parameter[...] = jnp.asarray(value)

    def __call__(self, x: Any) -> Any:
        """Features [batch, height, width, channels] in, features out."""
        return self.norm(self.conv(x))


class Block(nnx.Module):
    """Residual block of two convolutions."""

    def __init__(self, name: str, inputs: int, outputs: int, stride: int) -> None:
        self.first = ConvNorm(f"{name}.conv1", stride)
        self.second = ConvNorm(f"{name}.conv2")
        changes = stride != 1 or inputs != outputs
        self.skip = ConvNorm(f"{name}.skip.0", stride) if changes else None

    def __call__(self, x: Any) -> Any:
        """Features in, features out."""
        y = self.second(nnx.relu(self.first(x)))
        return nnx.relu(y + (x if self.skip is None else self.skip(x)))


class Network(nnx.Module):
    """The network with the demo model's weights."""

    def __init__(self) -> None:
        self.stem = ConvNorm("stem.0", 2)
        self.body = nnx.List([Block(*block) for block in weights.BLOCKS])
        classes, features = _HELD.head.shape
        self.head = nnx.Linear(features, classes, rngs=nnx.Rngs(0))
        self.head.kernel[...] = jnp.asarray(_HELD.head.T)
        self.head.bias[...] = jnp.asarray(_HELD.bias)

    def __call__(self, image: Any) -> Any:
        """Logits for images [batch, 64, 64, 3] in [0, 1]."""
        x = nnx.relu(self.stem((image - _HELD.mean) / _HELD.std))
        for block in self.body:
            x = block(x)
        return self.head(x.mean(axis=(1, 2)))
