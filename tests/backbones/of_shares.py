"""What processes do that have a share of each batch: BN, a step of training, and to die of reading faces."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faceleak.backbones.arcface import ArcFaceHead
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.data_parallel import data_parallel, joined, mean_of_shares
from faceleak.backbones.share import WHOLE, Share
from faceleak.backbones.synchronised import synchronise
from faceleak.backbones.training import _Step
from faceleak.compute import seeded
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore

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


def step_of_share(meeting: Path, rank: int) -> dict[str, np.ndarray]:
    """What one step does that two processes take together."""
    share = Share(rank, 2)
    with joined(share, meeting, CPU):
        return one_step(share)


def one_step(share: Share = WHOLE) -> dict[str, np.ndarray]:
    """Loss, gradients and BN statistics of one step on 8 faces of 4 people, in float64."""
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    with seeded(0):
        step = _Step(Backbone(build(card), card), ArcFaceHead(4, 16, 0.3, 16), torch.float32).double().train()
        faces, classes = torch.rand((8, 3, 32, 32), dtype=torch.float64), torch.arange(8) % 4
    own = share.slice(8 // share.processes)
    loss_of = data_parallel(step, share, CPU)  # gradients are averaged as long as it is there
    loss = loss_of(faces[own], classes[own])
    loss.backward()
    gradients = {name: weight.grad for name, weight in step.named_parameters() if weight.requires_grad}
    found = {"loss": mean_of_shares(loss.detach(), share), **gradients, **dict(step.named_buffers())}
    return {name: tensor.numpy() for name, tensor in found.items()}


class DeadlyStore(FaceStore):
    """A store that kills the process that reads faces from it, once there is a file at `sign`."""

    def __init__(self, path: Path, sign: Path) -> None:
        super().__init__(path)
        self.sign = sign

    def __reduce__(self) -> tuple[type["DeadlyStore"], tuple[Path, Path]]:
        return DeadlyStore, (self.path, self.sign)

    def images(self, positions: NDArray[np.int64], size: int | Canvas) -> NDArray[np.uint8]:
        if self.sign.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().images(positions, size)
