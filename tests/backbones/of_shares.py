"""What BN does to values of which each process has a share."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from faceleak.backbones.data_parallel import joined
from faceleak.backbones.share import Share
from faceleak.backbones.synchronised import synchronise

CPU = torch.device("cpu")


def fresh(values: Tensor) -> nn.Module:
    """BN of `values`, with a scale and a shift that are not to be overlooked."""
    layer = (nn.BatchNorm1d if values.dim() == 2 else nn.BatchNorm2d)(values.shape[1], momentum=0.5)
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(0))
        layer.bias.fill_(0.3)
    return nn.Sequential(layer)


def after_training(net: nn.Module, values: Tensor) -> dict[str, np.ndarray]:
    """Output, gradients and statistics after two forward passes; the loss is the sum of the cubes of the output."""
    values = values.clone().requires_grad_()
    net(values)
    output = net(values)
    output.pow(3).sum().backward()
    found = {"output": output, "gradient": values.grad, "slope": net[0].weight.grad, **net[0].state_dict()}
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def of_share(batches: list[Tensor], meeting: Path, rank: int) -> list[tuple[dict, dict]]:
    """What comes of the share of each batch: with BN by itself, and with BN that is synchronised."""
    share = Share(rank, 2)
    with joined(share, meeting, CPU):
        found = []
        for batch in batches:
            own = batch[share.slice(len(batch) // 2)]
            alone, together = fresh(own), synchronise(fresh(own), CPU)
            found.append((after_training(alone, own), after_training(together, own)))
        return found
