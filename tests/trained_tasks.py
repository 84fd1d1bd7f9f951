"""Trains a tagger, an encoder, a segmenter and a detector in torch, and exports them; for a test.

Called with a folder of class folders of square pictures and a target folder. Every other picture is
trained on; a test finds in the target

- trained-on/CLASS/*.png: those that were;
- photos/CLASS/*.png, and tags.csv: the tags of a picture are its class and whether it is dark;
- masks/CLASS/*.png: the dark part of a blurred picture and the bright one;
- scenes/*.png, and boxes.json: one or two pictures pasted on another one, which is blurred; boxes
  as corners and class.
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import nn
from torch.nn import functional

SIDE, STRIDE = 96, 8  # of scenes, and of the cells that may hold an object


def rgb(path):
    return Image.open(path).convert("RGB")


def tags_of(path, names):
    dark = np.asarray(Image.open(path).convert("L")).mean() < 90
    return [float(path.parent.name == name) for name in names] + [float(dark)]


def mask_of(path):
    grey = Image.open(path).convert("L").filter(ImageFilter.GaussianBlur(2))
    return (np.asarray(grey) > 100).astype(np.uint8)


def scene_of(paths, names, rng):
    """A scene, and its objects: corners and class."""
    ground = rgb(paths[rng.integers(len(paths))]).resize((SIDE, SIDE))
    scene = ground.filter(ImageFilter.GaussianBlur(6))
    objects = []
    for half in range(rng.integers(1, 3)):  # side by side
        path, side = paths[rng.integers(len(paths))], int(rng.integers(28, 45))
        x, y = half * SIDE // 2 + rng.integers(SIDE // 2 - side + 1), rng.integers(SIDE - side + 1)
        scene.paste(rgb(path).resize((side, side)), (int(x), int(y)))
        objects.append(
            [int(x), int(y), int(x) + side, int(y) + side, names.index(path.parent.name)]
        )
    return scene, objects


def as_tensor(pictures):
    return torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


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


class Encoder(nn.Module):
    """Directions in 16 dimensions."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(block(3, 16, 2), block(16, 32, 2), block(32, 32, 2))
        self.last = nn.Linear(32, 16)

    def forward(self, images):
        return functional.normalize(self.last(self.features(2 * images - 1).mean((2, 3))))


class Segmenter(nn.Module):
    """Logits of two classes at half of the size."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(block(3, 8, 2), block(8, 8, 1), nn.Conv2d(8, 2, 1))

    def forward(self, images):
        return self.layers(2 * images - 1)


class Detector(nn.Module):
    """One stage without anchors: of each cell a box in pixels and a confidence of each class."""

    def __init__(self, classes):
        super().__init__()
        parts = block(3, 16, 2), block(16, 32, 2), block(32, 48, 2), block(48, 48, 1)
        self.features = nn.Sequential(*parts, block(48, 48, 1))
        self.boxes, self.classes = nn.Conv2d(48, 4, 1), nn.Conv2d(48, classes, 1)
        places = STRIDE * (torch.arange(SIDE // STRIDE) + 0.5)
        centres = torch.stack([places.repeat(len(places)), places.repeat_interleave(len(places))])
        self.register_buffer("centres", centres)

    def parts(self, images):
        features = self.features(2 * images - 1)
        boxes, classes = self.boxes(features).flatten(2), self.classes(features).flatten(2)
        boxes = [self.centres + STRIDE * boxes[:, :2], 4 * STRIDE * torch.exp(boxes[:, 2:])]
        return torch.cat(boxes, 1), classes

    def forward(self, images):
        boxes, classes = self.parts(images)
        return torch.cat([boxes, torch.sigmoid(classes)], 1)


def fitted(network, loss, count, steps):
    """The network, after steps of a loss of a batch of places."""
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    falling = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=steps)
    order = torch.Generator().manual_seed(0)
    for _ in range(steps):
        chosen = torch.randint(count, (32,), generator=order)
        optimiser.zero_grad()
        loss(network, chosen).backward()
        optimiser.step()
        falling.step()
    return network.eval()


def tagger_of(images, paths, names):
    tags = torch.tensor([tags_of(path, names) for path in paths])

    def loss(network, at):
        return functional.binary_cross_entropy(network(images[at]), tags[at])

    return fitted(Tagger(len(names) + 1), loss, len(images), 80)


def encoder_of(images, paths, names):
    """Pictures of one class lie near each other, under changes of light as well."""
    classes = torch.tensor([names.index(path.parent.name) for path in paths])
    light = torch.Generator().manual_seed(1)

    def loss(network, at):
        factors = 0.8 + 0.4 * torch.rand((len(at), 1, 1, 1), generator=light)
        rows = network((images[at] * factors).clip(0, 1))
        own = torch.eye(len(at), dtype=torch.bool)
        near = (10 * rows @ rows.T).masked_fill(own, -1e9).log_softmax(1)
        alike = (classes[at][:, None] == classes[at]) & ~own
        return -(near * alike).sum() / alike.sum().clip(1)

    return fitted(Encoder(), loss, len(images), 80)


def segmenter_of(images, paths):
    truths = torch.tensor(np.stack([mask_of(path) for path in paths])).long()

    def loss(network, at):
        wide = functional.interpolate(network(images[at]), truths.shape[1:], mode="bilinear")
        return functional.cross_entropy(wide, truths[at])

    return fitted(Segmenter(), loss, len(images), 40)


def detector_of(paths, names, rng, steps=500):
    pairs = [scene_of(paths, names, rng) for _ in range(800)]
    images = as_tensor([np.asarray(scene) for scene, _ in pairs])
    cells = SIDE // STRIDE
    sure = torch.zeros(len(pairs), len(names), cells, cells)
    boxes = torch.zeros(len(pairs), 4, cells, cells)
    for number, (_, objects) in enumerate(pairs):
        for x1, y1, x2, y2, kind in objects:
            centre = (x1 + x2) / 2, (y1 + y2) / 2
            column, row = (int(place / STRIDE) for place in centre)
            sure[number, kind, row, column] = 1
            boxes[number, :, row, column] = torch.tensor([*centre, x2 - x1, y2 - y1])
    sure, boxes = sure.flatten(2), boxes.flatten(2)

    def loss(network, at):
        found, classes = network.parts(images[at])
        there = sure[at].amax(1, keepdim=True)
        one = torch.sigmoid(classes)
        weight = (sure[at] - one).abs() ** 2  # most cells are of nothing, and are soon known
        each = functional.binary_cross_entropy_with_logits(classes, sure[at], reduction="none")
        apart = (functional.smooth_l1_loss(found, boxes[at], reduction="none") * there).sum()
        return ((weight * each).sum() + 0.1 * apart) / there.sum()

    return fitted(Detector(len(names)), loss, len(images), steps)


def main(root, target):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    everything = sorted(root.rglob("*.png"))
    names = sorted({path.parent.name for path in everything})
    held = everything[1::2]
    paths = [path for path in everything if path not in held]
    images = as_tensor([np.asarray(rgb(path)) for path in paths])
    networks = {
        "tagger": tagger_of(images, paths, names),
        "encoder": encoder_of(images, paths, names),
        "segmenter": segmenter_of(images, paths),
        "detector": detector_of(paths, names, np.random.default_rng(0)),
    }
    batch = ({0: torch.export.Dim("batch")},)
    for name, network in networks.items():
        example = torch.zeros(2, 3, SIDE, SIDE) if name == "detector" else images[:2]
        torch.onnx.export(
            network, (example,), target / f"{name}.onnx", dynamo=True, dynamic_shapes=batch,
            input_names=["image"], output_names=["scores" if name != "encoder" else "embedding"],
            external_data=False,
        )  # fmt: skip
    for path in paths:
        place = target / "trained-on" / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(path.read_bytes())
    with (target / "tags.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", *names, "dark"])
        for path in held:
            place = path.relative_to(root)
            rows.writerow([place.as_posix(), *map(int, tags_of(path, names))])
            for folder, picture in ("photos", rgb(path)), ("masks", Image.fromarray(mask_of(path))):
                (target / folder / place).parent.mkdir(parents=True, exist_ok=True)
                picture.save(target / folder / place)
    (target / "scenes").mkdir()
    rng, boxes = np.random.default_rng(1), {}
    for number in range(len(held)):
        scene, boxes[f"{number:02}.png"] = scene_of(held, names, rng)
        scene.save(target / "scenes" / f"{number:02}.png")
    (target / "boxes.json").write_text(json.dumps(boxes))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
