"""What processes do that have a share of each batch: a step of training, and to die of reading faces."""

import os
import signal
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faceleak.backbones.arcface import ArcFaceHead
from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.data_parallel import WHOLE, Share, data_parallel, joined, mean_of_shares
from faceleak.backbones.training import _Step
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.work.compute import seeded

CPU = torch.device("cpu")


def step_of_share(meeting: Path, rank: int) -> dict[str, np.ndarray]:
    """What one step does that two processes take together."""
    share = Share(rank, 2)
    with joined(share, meeting, CPU):
        return one_step(share)


def one_step(share: Share = WHOLE) -> dict[str, np.ndarray]:
    """Loss and gradients of one step on 8 faces of 4 people, in float64."""
    card = BackboneCard(
        architecture="iresnet_tiny",
        embedding_size=16,
        preprocessing=Preprocessing(image_size=32),
        normalization="group",
    )
    with seeded(0):
        step = _Step(Backbone(build(card), card), ArcFaceHead(4, 16, 0.3, 16), torch.float32).double().train()
        faces, classes = torch.rand((8, 3, 32, 32), dtype=torch.float64), torch.arange(8) % 4
    own = share.slice(8 // share.processes)
    loss_of = data_parallel(step, share)  # gradients are averaged as long as it is there
    loss = loss_of(faces[own], classes[own])
    loss.backward()
    gradients = {name: weight.grad for name, weight in step.named_parameters() if weight.requires_grad}
    found = {"loss": mean_of_shares(loss.detach(), share), **gradients}
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
