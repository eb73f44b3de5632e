"""A network in which channels are nearly silent, so that its answers hang on the eps of BN."""

from copy import deepcopy

import torch
from torch import nn

from faceleak.backbones.iresnet import IResNet, ResidualBlock


def nearly_silent(net: IResNet, eps: float) -> IResNet:
    """A copy that gives with `eps` what `net` gives with its own, but whose convolutions give next to nothing."""
    net = deepcopy(net)
    pairs = [(net.conv1, net.bn1)]
    for block in net.modules():
        if isinstance(block, ResidualBlock):
            pairs += [(block.conv1, block.bn2), (block.conv2, block.bn3)]
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for convolution, norm in pairs:
            _quieten(convolution, norm, eps, random)
            norm.eps = eps
    others = (module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    for norm in others:
        norm.eps = eps
    return net


def _quieten(convolution: nn.Module, norm: nn.Module, eps: float, random: torch.Generator) -> None:
    before = (norm.running_var + norm.eps).sqrt()
    wanted = eps * 10 ** (2 * torch.rand(len(before), generator=random) - 1.5)  # variances around eps
    scale = (wanted / norm.running_var).sqrt()
    convolution.weight.mul_(scale.view(-1, 1, 1, 1))
    norm.running_mean.mul_(scale)
    norm.running_var.copy_(wanted)
    norm.weight.mul_((wanted + eps).sqrt() / (scale * before))
