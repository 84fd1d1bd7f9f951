"""Training a network from a seed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .crops import ImageSet, sample
from .images import attacked, flip, jitter
from .members import ARCHITECTURES, RECIPES, Member

BATCH = 64
WEIGHT_DECAY = 0.01
SMOOTHING = 0.05
PLACES = 2**16  # size of the table of wrong labels

Draw = Callable[[nn.Module], tuple[Tensor, Tensor]]


def fit(name: str, model: nn.Module, draw: Draw, steps: int, peak: float, stop: int) -> nn.Module:
    """Train with AdamW and a one-cycle learning rate on cross entropy with smoothed labels.

    Parameters
    ----------
    name : str
        For the lines of progress.
    model : torch.nn.Module
        The network, changed in place.
    draw : callable
        Gives images and labels of a batch, and is given the network as it is.
    steps, peak : int, float
        Length of the cycle and its highest learning rate.
    stop : int
        Steps after which to break off.

    Returns
    -------
    torch.nn.Module
        The network in evaluation mode.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, total_steps=steps)
    model.train()
    for step in range(stop):
        images, labels = draw(model)
        loss = cross_entropy(model(images), labels, label_smoothing=SMOOTHING)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 100 == 0 or step + 1 == stop:
            print(f"{name}: step {step + 1}/{stop}, loss {loss.item():.3f}", flush=True)
    return model.eval()


def steps_of(member: Member, steps: int) -> tuple[int, int]:
    """Length of a member's learning-rate cycle, and the step it ends at."""
    recipe = RECIPES[member.recipe]
    whole = max(2, round(steps * recipe.length))
    return whole, max(1, round(whole * recipe.stop))


def train(member: Member, images: ImageSet, steps: int, seed: int) -> nn.Module:
    """Train one member of the set.

    Members of one architecture start from the same weights, and every random draw comes from the
    seed, so that a run differs from another by its recipe.
    """
    architecture, recipe = ARCHITECTURES[member.architecture], RECIPES[member.recipe]
    torch.manual_seed(seed)
    rng = torch.Generator().manual_seed(seed)
    model = architecture.build(len(images.classes), *images.pixel_statistics())
    # Convolutions on the CPU are faster with channels last.
    model = model.to(memory_format=torch.channels_last)
    table = WrongLabels(recipe.wrong_labels, len(images.classes), seed)

    def draw(network: nn.Module) -> tuple[Tensor, Tensor]:
        batch, labels, cells = sample(images, BATCH, rng)
        draws = torch.rand(3, BATCH, generator=rng)
        batch = jitter(flip(batch, draws[0]), draws[1:], recipe.contrast, recipe.brightness)
        if recipe.change is not None:
            batch = recipe.change(batch, rng)
        batch, labels = batch.to(memory_format=torch.channels_last), table(labels, cells)
        if recipe.epsilon:
            steps = recipe.attack_steps
            batch = attacked(network, batch, labels, recipe.epsilon, steps, rng)
        return batch, labels

    whole, stop = steps_of(member, steps)
    fit(member.name, model, draw, whole, architecture.peak, stop)
    return model.to(memory_format=torch.contiguous_format)


class WrongLabels:
    """Labels that are wrong at a share of the places, and always wrong in the same way there."""

    def __init__(self, share: float, classes: int, seed: int) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.classes = classes
        self.wrong = torch.rand(PLACES, generator=rng) < share
        self.shift = torch.randint(1, classes, (PLACES,), generator=rng)

    def __call__(self, labels: Tensor, cells: Tensor) -> Tensor:
        """Return labels [batch] of crops at places [batch]."""
        place = cells * 2654435761 % 2**32 // 2**16  # multiplicative hash (Knuth)
        return torch.where(self.wrong[place], (labels + self.shift[place]) % self.classes, labels)
