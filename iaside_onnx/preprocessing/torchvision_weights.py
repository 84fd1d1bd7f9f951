"""What torchvision prescribes for its own weights, by the weights' name.

Source: ``weights.transforms()`` of every classifier that ``torchvision.models.list_models`` lists
in torchvision 0.29.1 (BSD-3-Clause), read out by a program. A star marks the weights that
torchvision calls DEFAULT.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import InvalidOption

_NAME = re.compile(r"(?:torchvision\.)?(?:models\.)?(\w+)_Weights\.(\w+)")
# (resize, crop, interpolation, name of the weights): networks.
_TABLE = {
    (224, 224, "bicubic", "IMAGENET1K_SWAG_LINEAR_V1"): """
        RegNet_Y_128GF RegNet_Y_16GF RegNet_Y_32GF ViT_B_16 ViT_H_14 ViT_L_16
    """,
    (224, 224, "bicubic", "IMAGENET1K_V1*"): """
        MaxVit_T
    """,
    (230, 224, "bilinear", "IMAGENET1K_V1*"): """
        ConvNeXt_Small
    """,
    (232, 224, "bicubic", "IMAGENET1K_V1*"): """
        Swin_T
    """,
    (232, 224, "bilinear", "IMAGENET1K_V1*"): """
        ConvNeXt_Base ConvNeXt_Large MNASNet0_75 MNASNet1_3 ResNeXt101_64X4D
        ShuffleNet_V2_X1_5 ShuffleNet_V2_X2_0
    """,
    (232, 224, "bilinear", "IMAGENET1K_V2*"): """
        MobileNet_V2 MobileNet_V3_Large RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF
        RegNet_X_3_2GF RegNet_X_400MF RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF
        RegNet_Y_1_6GF RegNet_Y_32GF RegNet_Y_3_2GF RegNet_Y_400MF RegNet_Y_800MF
        RegNet_Y_8GF ResNeXt101_32X8D ResNeXt50_32X4D ResNet101 ResNet152 ResNet50
        Wide_ResNet101_2 Wide_ResNet50_2
    """,
    (236, 224, "bilinear", "IMAGENET1K_V1*"): """
        ConvNeXt_Tiny
    """,
    (238, 224, "bicubic", "IMAGENET1K_V1*"): """
        Swin_B
    """,
    (242, 224, "bilinear", "IMAGENET1K_V1*"): """
        ViT_L_16
    """,
    (246, 224, "bicubic", "IMAGENET1K_V1*"): """
        Swin_S
    """,
    (255, 240, "bilinear", "IMAGENET1K_V2*"): """
        EfficientNet_B1
    """,
    (256, 224, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B0
    """,
    (256, 224, "bilinear", "IMAGENET1K_FEATURES"): """
        VGG16
    """,
    (256, 224, "bilinear", "IMAGENET1K_V1"): """
        MobileNet_V2 MobileNet_V3_Large RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF
        RegNet_X_3_2GF RegNet_X_400MF RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF
        RegNet_Y_1_6GF RegNet_Y_32GF RegNet_Y_3_2GF RegNet_Y_400MF RegNet_Y_800MF
        RegNet_Y_8GF ResNeXt101_32X8D ResNeXt50_32X4D ResNet101 ResNet152 ResNet50
        Wide_ResNet101_2 Wide_ResNet50_2
    """,
    (256, 224, "bilinear", "IMAGENET1K_V1*"): """
        AlexNet DenseNet121 DenseNet161 DenseNet169 DenseNet201 GoogLeNet MNASNet0_5
        MNASNet1_0 MobileNet_V3_Small ResNet18 ResNet34 ShuffleNet_V2_X0_5
        ShuffleNet_V2_X1_0 SqueezeNet1_0 SqueezeNet1_1 VGG11 VGG11_BN VGG13 VGG13_BN
        VGG16 VGG16_BN VGG19 VGG19_BN ViT_B_16 ViT_B_32 ViT_L_32
    """,
    (256, 240, "bicubic", "IMAGENET1K_V1"): """
        EfficientNet_B1
    """,
    (260, 256, "bicubic", "IMAGENET1K_V1*"): """
        Swin_V2_S Swin_V2_T
    """,
    (272, 256, "bicubic", "IMAGENET1K_V1*"): """
        Swin_V2_B
    """,
    (288, 288, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B2
    """,
    (320, 300, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B3
    """,
    (342, 299, "bilinear", "IMAGENET1K_V1*"): """
        Inception_V3
    """,
    (384, 380, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B4
    """,
    (384, 384, "bicubic", "IMAGENET1K_SWAG_E2E_V1"): """
        RegNet_Y_16GF RegNet_Y_32GF ViT_B_16
    """,
    (384, 384, "bicubic", "IMAGENET1K_SWAG_E2E_V1*"): """
        RegNet_Y_128GF
    """,
    (384, 384, "bilinear", "IMAGENET1K_V1*"): """
        EfficientNet_V2_S
    """,
    (456, 456, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B5
    """,
    (480, 480, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_V2_L
    """,
    (480, 480, "bilinear", "IMAGENET1K_V1*"): """
        EfficientNet_V2_M
    """,
    (512, 512, "bicubic", "IMAGENET1K_SWAG_E2E_V1"): """
        ViT_L_16
    """,
    (518, 518, "bicubic", "IMAGENET1K_SWAG_E2E_V1*"): """
        ViT_H_14
    """,
    (528, 528, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B6
    """,
    (600, 600, "bicubic", "IMAGENET1K_V1*"): """
        EfficientNet_B7
    """,
}
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
_OTHER_VALUES: dict[tuple[str, str], dict[str, Any]] = {
    ("EfficientNet_V2_L", "IMAGENET1K_V1"): {"mean": 0.5, "std": 0.5},
    ("VGG16", "IMAGENET1K_FEATURES"): {"mean": [0.48235, 0.45882, 0.40784], "std": 1 / 255},
}


def weights_recipe(name: str) -> dict[str, Any] | None:
    """The recipe, with the keys of a TOML file, for a name such as ``ResNet50_Weights.DEFAULT``.

    None where the text does not look like the name of torchvision weights.

    Raises
    ------
    UsageError
        It does, and torchvision has none of that name.

    Examples
    --------
    >>> weights_recipe("ResNet50_Weights.IMAGENET1K_V2")["resize"]
    232
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        return None
    network, wanted = parts.groups()
    known = []
    for (resize, crop, interpolation, version), networks in _TABLE.items():
        if network not in networks.split():
            continue
        known.append(version.rstrip("*"))
        if wanted != version.rstrip("*") and not (wanted == "DEFAULT" and version.endswith("*")):
            continue
        values = _OTHER_VALUES.get((network, known[-1]), _IMAGENET)
        return {"resize": resize, "crop": crop, "interpolation": interpolation, **values}
    have = f"; {network}_Weights has {', '.join(sorted(known))}" if known else ""
    raise InvalidOption(
        "preprocess", name, f"torchvision 0.29 has no classifier weights of that name{have}"
    )
