"""The demo network in Keras, on whatever backend KERAS_BACKEND names; images are NHWC."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
from keras import layers

import weights

_HELD = weights.read()


def _conv(x: Any, name: str, stride: int = 1) -> Any:
    conv = _HELD.convs[name]
    outputs, _, height, _ = conv.kernel.shape
    # With stride 2, padding="same" pads below and to the right alone; PyTorch pads all around.
    x = layers.ZeroPadding2D(height // 2)(x)
    layer = layers.Conv2D(outputs, height, strides=stride, use_bias=False)
    x = layer(x)
    layer.set_weights([conv.kernel_hwio])
    norm = layers.BatchNormalization(epsilon=weights.EPSILON)  # Keras's own default is 1e-3
    x = norm(x)
    norm.set_weights([conv.gamma, conv.beta, conv.mean, conv.var])
    return x


def network() -> keras.Model:
    """The network with the demo model's weights; images [batch, 64, 64, 3] in [0, 1]."""
    image = layers.Input((weights.SIZE, weights.SIZE, 3))
    x = layers.Rescaling(1 / _HELD.std, -_HELD.mean / _HELD.std)(image)
    x = layers.ReLU()(_conv(x, "stem.0", 2))
    for name, inputs, outputs, stride in weights.BLOCKS:
        y = layers.ReLU()(_conv(x, f"{name}.conv1", stride))
        y = _conv(y, f"{name}.conv2")
        changes = stride != 1 or inputs != outputs
        x = layers.ReLU()(y + (_conv(x, f"{name}.skip.0", stride) if changes else x))
    head = layers.Dense(len(_HELD.bias))
    scores = head(layers.GlobalAveragePooling2D()(x))
    head.set_weights([_HELD.head.T, _HELD.bias])
    return keras.Model(image, scores)


def main() -> None:
    """Save the network as each file or folder named: .keras, .tflite, or a SavedModel folder."""
    model = network()
    for target in map(Path, sys.argv[1:]):
        if target.suffix == ".keras":
            model.save(target)
        elif target.suffix == ".tflite":
            import tensorflow as tf

            target.write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
        else:
            model.export(target, verbose=False)


if __name__ == "__main__":
    main()
