"""Trains a tagger and a segmenter of small pictures in torch, and exports them; run by a test.

Called with a folder of class folders and a target folder. The tags of a picture are its class and
whether it is dark; the mask tells the dark part of a blurred picture from the bright one.
"""

import csv
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn


def tags_of(path, names):
    dark = np.asarray(Image.open(path).convert("L")).mean() < 90
    return [float(path.parent.name == name) for name in names] + [float(dark)]


def mask_of(path):
    grey = Image.open(path).convert("L").filter(ImageFilter.GaussianBlur(2))
    return (np.asarray(grey) > 100).astype(np.uint8)


def block(entering, leaving, stride):
    parts = nn.Conv2d(entering, leaving, 3, stride, 1), nn.BatchNorm2d(leaving), nn.ReLU()
    return nn.Sequential(*parts)


class Tagger(nn.Module):
    def __init__(self, labels):
        super().__init__()
        self.features = nn.Sequential(block(3, 16, 2), block(16, 32, 2), block(32, 32, 2))
        self.last = nn.Linear(32, labels)

    def forward(self, images):
        return torch.sigmoid(self.last(self.features(2 * images - 1).mean((2, 3))))


class Segmenter(nn.Module):
    """Logits of two classes at half of the size."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(block(3, 8, 2), block(8, 8, 1), nn.Conv2d(8, 2, 1))

    def forward(self, images):
        return self.layers(2 * images - 1)


def fitted(network, loss, images, steps):
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    order = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randint(len(images), (32,), generator=order)
        optimiser.zero_grad()
        loss(network(images[chosen]), chosen).backward()
        optimiser.step()
    return network.eval()


def main(root, target):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    paths = sorted(root.rglob("*.png"))
    names = sorted({path.parent.name for path in paths})
    pictures = np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])
    images = torch.tensor(pictures).permute(0, 3, 1, 2).float() / 255
    tags = torch.tensor([tags_of(path, names) for path in paths])
    masks = np.stack([mask_of(path) for path in paths])
    truths = torch.tensor(masks).long()
    tagger = fitted(
        Tagger(len(names) + 1),
        lambda given, at: nn.functional.binary_cross_entropy(given, tags[at]), images, 80,
    )  # fmt: skip

    def of_pixels(given, at):
        wide = nn.functional.interpolate(given, truths.shape[1:], mode="bilinear")
        return nn.functional.cross_entropy(wide, truths[at])

    segmenter = fitted(Segmenter(), of_pixels, images, 40)
    batch = ({0: torch.export.Dim("batch")},)
    for network, name in ((tagger, "tagger"), (segmenter, "segmenter")):
        torch.onnx.export(
            network, (images[:2],), target / f"{name}.onnx", dynamo=True, dynamic_shapes=batch,
            input_names=["image"], output_names=["scores"], external_data=False,
        )  # fmt: skip
    with (target / "tags.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", *names, "dark"])
        for path, mask, labels in zip(paths, masks, tags.int().tolist(), strict=True):
            place = path.relative_to(root)
            rows.writerow([place.as_posix(), *labels])
            (target / "masks" / place).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(target / "masks" / place)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
