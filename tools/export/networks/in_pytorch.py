"""The demo network in PyTorch: the class that it was trained as."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import weights

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from train_demo_models import demo_net


def network() -> torch.nn.Module:
    """The network with the demo model's weights; images [batch, 3, 64, 64] in [0, 1]."""
    held = weights.read()
    network = demo_net(len(held.bias), held.mean, held.std)
    state = network.state_dict()
    for name, conv in held.convs.items():
        norm = name.replace("conv", "norm")
        if name.endswith(".0"):  # stem and skips: convolution and normalisation in sequence
            norm = f"{name[:-1]}1"
        values = {
            f"{name}.weight": conv.kernel,
            f"{norm}.weight": conv.gamma,
            f"{norm}.bias": conv.beta,
            f"{norm}.running_mean": conv.mean,
            f"{norm}.running_var": conv.var,
        }
        state |= {key: torch.tensor(value) for key, value in values.items()}
    state |= {"head.weight": torch.tensor(held.head), "head.bias": torch.tensor(held.bias)}
    network.load_state_dict(state)
    return network.eval()


def main() -> None:
    """Save the network as a torch.export program under the name given."""
    example = torch.zeros(2, 3, weights.SIZE, weights.SIZE)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network(), (example,), dynamic_shapes=shapes)
    torch.export.save(program, sys.argv[1])


if __name__ == "__main__":
    main()
