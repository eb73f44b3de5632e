"""A whole iResNet-18 in which no BN layer is like another, and the plain way to look at what enters its layers."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.work.compute import seeded, single_threaded


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: batches are too small for more."""
    with single_threaded():
        yield


@pytest.fixture(scope="session")
def iresnet18() -> Backbone:
    """An untrained iResNet-18 for 48×48 with random statistics, scales and shifts in all of its 31 BN layers."""
    card = BackboneCard(architecture="iresnet18", embedding_size=32, preprocessing=Preprocessing(image_size=48))
    with seeded(0):
        net = build(card)
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean.normal_(0, 0.5)
                module.running_var.uniform_(0.5, 2)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.2)
    return Backbone(net, card).eval()


@pytest.fixture(scope="session")
def whole_inputs(iresnet18: Backbone, smooth_faces: Tensor) -> dict[str, tuple[_BatchNorm, Tensor]]:
    """All that enters each BN layer of `iresnet18` for `smooth_faces`, in float64, in the order of execution."""
    seen: dict[str, tuple[_BatchNorm, Tensor]] = {}

    def keep(name: str):
        return lambda layer, inputs: seen.update({name: (layer, inputs[0].double().clone())})

    handles = [
        module.register_forward_pre_hook(keep(name))
        for name, module in iresnet18.net.named_modules()
        if isinstance(module, _BatchNorm)
    ]
    with torch.no_grad():
        iresnet18(smooth_faces)
    for handle in handles:
        handle.remove()
    return seen


@pytest.fixture(scope="session")
def smooth_faces() -> Tensor:
    """Four images of smooth colors, 48×48."""
    coarse = torch.rand(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    return nn.functional.interpolate(coarse, (48, 48), mode="bicubic").clamp(0, 1)
